// The conversation: questions, their answers as they are made, and what was said before.
import { readAddress, writeAddress } from "./address.js";
import { Problem, fetchReply, may, session } from "./api.js";
import { message, renderAnswer, renderDraft, renderFailure, renderQuestion, spoken } from "./answer.js";
import { announce, element, page, showStatus, update } from "./dom.js";
import { askStreaming } from "./stream.js";

const ASK_TIMEOUT_MS = 180_000; // longer than the server's own
const STAGES = { searching: "Looking through the documents…", writing: "Writing the answer…" };
const NO_THREAD = "This conversation is not there any more. You can begin a new one.";
/** What uploads documents, where the key allows it. */
const upload = () => (may("write") ? hooks.upload : null);
const state = {
  request: null, // the AbortController of the question being answered
  thread: "",
  shown: 0, // counts the conversations that this page has shown
};
const hooks = { upload: null, onThread: () => {}, onShow: () => {} };

export function ask(question) {
  showStatus([]);
  page.welcome.hidden = true;
  answer(question, page.messages.appendChild(renderQuestion(question)));
}

/** Asks and puts the outcome below `asked`, in the place of an earlier failure if there was one. */
async function answer(question, asked, failure = null) {
  const request = new AbortController();
  const timer = setTimeout(() => request.abort(new DOMException("too long", "TimeoutError")), ASK_TIMEOUT_MS);
  const draft = openDraft(asked);
  const view = keepInView(asked);
  const { shown } = state;
  failure?.remove();
  page.question.focus();
  asked.after(draft.node);
  view.follow();
  announce(STAGES.searching);
  setRequest(request);
  const on = { status: draft.status, text: (text) => draft.text(text, view.follow) };
  const outcome = await askStreaming(question, state.thread, request.signal, on).then(
    (result) => finished(result),
    (error) => failed(error, draft.words(), (node) => state.request || answer(question, asked, node)));
  clearTimeout(timer);
  draft.close();
  if (shown !== state.shown || state.request !== request) return; // another conversation is shown by now
  if (outcome.dataset.thread) setThread(outcome.dataset.thread);
  draft.node.replaceWith(outcome);
  view.follow();
  setRequest(null);
}

function finished(result) {
  announce(spoken(result));
  return renderAnswer(result, upload());
}

function failed(error, draft, retry) {
  const node = renderFailure(error, draft, retry);
  announce(node.querySelector(".words").textContent);
  return node;
}

/** The answer as far as it is there: screen readers are told only when it is whole. */
function openDraft() {
  const stage = element("p", { class: "stage" }, STAGES.searching);
  const body = element("div", { class: "draft" });
  const node = message("answer pending", "Answer", body, stage);
  node.setAttribute("aria-busy", "true");
  let text = "";
  let frame = 0;
  const draw = (then) => {
    frame = 0;
    update(body, renderDraft(text));
    stage.hidden = Boolean(text);
    then();
  };
  return {
    node,
    words: () => text,
    status: (name) => (stage.textContent = STAGES[name] ?? STAGES.searching),
    text: (words, then) => {
      text = words;
      frame ||= requestAnimationFrame(() => draw(then));
    },
    close: () => cancelAnimationFrame(frame),
  };
}

/** Keeps the question at the top while its answer grows, until the reader scrolls. */
function keepInView(asked) {
  const frame = page.conversation;
  let place = null;
  return {
    follow: () => {
      if (place !== null && Math.abs(frame.scrollTop - place) > 2) return;
      asked.scrollIntoView({ block: "start", behavior: "instant" });
      place = frame.scrollTop;
    },
  };
}

function setRequest(request) {
  const stopHadFocus = document.activeElement === page.stop;
  state.request = request;
  page.stop.hidden = !request;
  page.send.hidden = Boolean(request);
  if (!request && stopHadFocus) page.question.focus();
  updateComposer();
}

function setThread(thread) {
  state.thread = thread;
  page.forget.hidden = !thread;
  hooks.onThread(thread);
}

/** Shows a conversation: an earlier one with what was said in it, or without a thread a new one. */
export async function showConversation(thread) {
  const shown = (state.shown += 1);
  state.request?.abort();
  setRequest(null);
  setThread(thread);
  page.messages.replaceChildren();
  page.note.hidden = true;
  page.welcome.hidden = Boolean(thread);
  hooks.onShow();
  page.question.focus();
  if (!thread) return;
  const nodes = await loadTurns(thread);
  if (shown !== state.shown) return;
  page.welcome.hidden = nodes.length > 0 || page.messages.hasChildNodes();
  page.messages.prepend(...nodes);
  nodes.at(-2)?.scrollIntoView({ block: "start", behavior: "instant" });
}

async function loadTurns(thread) {
  const query = session.namespace ? `?namespace=${encodeURIComponent(session.namespace)}` : "";
  try {
    const { turns } = await fetchReply(`/v1/threads/${encodeURIComponent(thread)}${query}`);
    return turns.flatMap(({ question, answer, thumb }) => [renderQuestion(question), renderAnswer(answer, upload(), thumb)]);
  } catch (error) {
    const isGone = error instanceof Problem && error.status === 404;
    const words = error instanceof Problem ? error.message : "The earlier messages cannot be loaded at the moment.";
    if (isGone && state.thread === thread) setThread("");
    page.note.textContent = isGone ? NO_THREAD : words;
    page.note.hidden = false;
    return [];
  }
}

async function forgetConversation() {
  const { thread } = state;
  const query = session.namespace ? `?namespace=${encodeURIComponent(session.namespace)}` : "";
  if (!thread || !window.confirm("Delete this conversation? Its questions and answers are forgotten on the server, too.")) return;
  try {
    await fetchReply(`/v1/threads/${encodeURIComponent(thread)}${query}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) {
      showStatus([`The conversation was not deleted. ${error instanceof Problem ? error.message : ""}`], true);
      return;
    }
  }
  await showConversation("");
  showStatus(["The conversation was deleted."]);
}

export function updateComposer() {
  page.send.disabled = Boolean(state.request) || !page.question.value.trim();
  page.question.style.height = "auto";
  const borders = page.question.offsetHeight - page.question.clientHeight;
  page.question.style.height = `${page.question.scrollHeight + borders}px`;
}

function submit(event) {
  event.preventDefault();
  if (page.send.disabled) return;
  const question = page.question.value.trim();
  page.question.value = "";
  ask(question);
}

function submitOnEnter(event) {
  // Enter also ends the composition of a character in an input method; that one is not ours.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) submit(event);
}

/** `upload` is what the button of an empty index does; `onThread` is told the thread, `onShow` that another is shown. */
export function startConversation(given) {
  Object.assign(hooks, given);
  page.composer.addEventListener("submit", submit);
  page.question.addEventListener("input", updateComposer);
  page.question.addEventListener("keydown", submitOnEnter);
  page.stop.addEventListener("click", () => state.request?.abort());
  page.new.addEventListener("click", () => {
    showStatus([]);
    showConversation("");
  });
  page.forget.addEventListener("click", forgetConversation);
  page.welcome.addEventListener("click", ({ target }) => target.matches(".example") && ask(target.textContent));
}

/** The conversation in the address; nothing to do when it is shown already. */
export function followThread() {
  const { thread } = readAddress();
  if (thread !== state.thread) showConversation(thread);
}

export const rememberThread = (thread) => writeAddress({ thread });
