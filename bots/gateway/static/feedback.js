// Thumbs under an answer: up at once; down at once, too, and then with a reason and words for those who want to.
import { fetchReply } from "./api.js";
import { announce, button, element } from "./dom.js";

const REASONS = {
  wrong: "It is wrong",
  incomplete: "Something is missing",
  outdated: "It is out of date",
  wrong_source: "The source does not say this",
  not_found: "The documents do answer this",
  other: "Something else",
};
const UP = "M6 9.5 9.2 3c1.5 0 2.2 1 1.9 2.4L10.5 8H15c1.2 0 1.9 1 1.6 2.1l-1.3 5c-.2.8-.9 1.4-1.8 1.4H6zM3 9.5h3v7H3z";
const DOWN = "M6 10.5 9.2 17c1.5 0 2.2-1 1.9-2.4l-.6-2.6H15c1.2 0 1.9-1 1.6-2.1l-1.3-5c-.2-.8-.9-1.4-1.8-1.4H6zM3 10.5h3v-7H3z";
const LONGEST_TEXT = 4000;
let forms = 0; // for names of groups and ids, of which a page may have only one each

/** `thumb` is what was given before, if anything was. */
export function renderFeedback(answerId, thumb = null) {
  const state = { thumb };
  const said = element("p", { class: "said" });
  const form = renderForm((details) => judge("down", details), () => {
    say("Thank you.");
    show("down", false);
  });
  const up = thumbButton("Good answer", UP, () => press("up"));
  const down = thumbButton("Bad answer", DOWN, () => press("down"));
  const node = element("div", { class: "feedback", role: "group", "aria-label": "Was this answer helpful?" },
    element("div", { class: "row" }, up, down, said), form.node);

  const press = (thumb) => (state.thumb === thumb ? withdraw() : judge(thumb));

  async function judge(thumb, details = null) {
    const words = details ? "Thank you, that was sent." : "Thank you!";
    const json = { answer: answerId, thumb, ...details };
    if (await reached(fetchReply("/v1/feedback", { method: "POST", json }), words)) show(thumb, thumb === "down" && !details);
  }

  async function withdraw() {
    const done = fetchReply(`/v1/feedback/${encodeURIComponent(answerId)}`, { method: "DELETE" });
    if (await reached(done, "Your feedback was withdrawn.")) show(null, false);
  }

  async function reached(reply, words) {
    try {
      await reply;
      say(words);
      return true;
    } catch (error) {
      say(`This was not recorded. ${error.name === "TypeError" ? "Lorekeeper cannot be reached." : error.message}`);
      return false;
    }
  }

  function say(words) {
    said.textContent = words;
    announce(words);
  }

  function show(thumb, asks) {
    state.thumb = thumb;
    up.setAttribute("aria-pressed", String(thumb === "up"));
    down.setAttribute("aria-pressed", String(thumb === "down"));
    const hadFocus = form.node.contains(document.activeElement);
    form.node.hidden = !asks;
    if (asks) form.open();
    else if (hadFocus) down.focus();
  }

  if (thumb) show(thumb, false);
  return node;
}

function renderForm(submit, close) {
  const name = `reason-${(forms += 1)}`;
  const choices = Object.entries(REASONS).map(([value, words]) =>
    element("label", {}, element("input", { type: "radio", name, value }), words));
  const text = element("textarea", { rows: "2", maxlength: LONGEST_TEXT, id: `${name}-text` });
  const node = element("form", { class: "reasons", hidden: "" },
    element("fieldset", {}, element("legend", {}, "What was wrong?"), ...choices),
    element("label", { for: `${name}-text` }, "In your words, if you like"), text,
    element("div", { class: "row" }, element("button", { type: "submit", class: "quiet" }, "Send feedback"),
      button("Close", "quiet", close)));
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    const reason = node.querySelector("input:checked")?.value;
    submit({ ...(reason && { reason }), text: text.value.trim() });
  });
  const open = () => {
    node.querySelector("input").focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest" });
  };
  return { node, open };
}

function thumbButton(label, path, onClick) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  const node = button("", "thumb", onClick);
  node.append(svg);
  node.setAttribute("aria-label", label);
  node.setAttribute("aria-pressed", "false");
  return node;
}
