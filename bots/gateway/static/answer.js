// An answer with its marks and sources, and what stands in its place when there is none.
import { Problem, may } from "./api.js";
import { button, element, foreign, isWebAddress } from "./dom.js";
import { renderFeedback } from "./feedback.js";
import { renderBlocks, renderInline } from "./markdown.js";
import { openPassage } from "./passages.js";

const JUDGED = new Set(["answered", "no_evidence"]);

export const message = (kind, label, ...children) =>
  element("article", { class: `message ${kind}`, "aria-label": label }, ...children);

export const renderQuestion = (text) => message("question", "Question", element("p", { dir: "auto" }, text));

/** The part of an answer that is there so far. Marks become buttons when the sources are known. */
export const renderDraft = (text) => renderBlocks(text, (part) => renderInline(part, () => null));

/** The article of a whole answer; `upload` is what its button does when there is nothing to ask yet, `thumb` what was thought of it. */
export function renderAnswer(answer, upload = null, thumb = null) {
  const sources = new Map(answer.citations.map((citation) => [citation.number, renderSource(citation, true)]));
  const mark = (number) => sources.has(number) && citationMark(number, sources.get(number));
  const node = message("answer", "Answer",
    ...renderBlocks(answer.text, (text) => renderInline(text, mark)),
    answer.outcome === "empty_index" && upload && button("Upload documents", "quiet", upload),
    answer.notice && element("p", { class: "note" }, answer.notice),
    renderSources("Sources", [...sources.values()]),
    renderSources("Closest passages", answer.nearest.map((citation) => renderSource(citation, false))),
    JUDGED.has(answer.outcome) && renderFeedback(answer.id, thumb));
  Object.assign(node.dataset, { outcome: answer.outcome, thread: answer.thread ?? "" });
  return node;
}

/** What a screen reader says when the answer is there. */
export function spoken(answer) {
  const count = answer.citations.length;
  const sources = count ? ` ${count} ${count === 1 ? "source" : "sources"}.` : "";
  return `Answer: ${answer.text.replace(/\s*\[[\d\s,;]+\]/g, "")}${sources}`;
}

function renderSources(title, sources) {
  const list = element("ol", {}, ...sources);
  return sources.length && element("section", { class: "sources" }, element("h2", {}, title), list);
}

/** A source: who may read documents opens the passage, everybody else the quote. */
function renderSource(citation, numbered) {
  const name = [
    numbered && element("span", { class: "number" }, String(citation.number)),
    foreign(citation.title || "Untitled", "title"),
    citation.locator && " ",
    citation.locator && foreign(citation.locator, "locator"),
  ].filter(Boolean);
  const shown = may("read") && citation.chunk_id ? passageButton(citation, name) : quoteOnDemand(citation, name);
  return element("li", { class: "source" }, shown, sourceLink(citation));
}

function passageButton(citation, name) {
  const node = button("", "open-passage", () => {
    highlight(node.closest(".source"));
    openPassage(citation, node);
  });
  node.replaceChildren(...name);
  node.setAttribute("aria-haspopup", "dialog");
  return node;
}

const quoteOnDemand = (citation, name) =>
  element("details", {}, element("summary", {}, ...name), element("blockquote", { dir: "auto" }, citation.quote));

function sourceLink({ url, title }) {
  if (!isWebAddress(url)) return null;
  const label = `Open ${title || "the document"} in a new tab`;
  return element("a", { href: url, target: "_blank", rel: "noopener noreferrer", "aria-label": label }, "Open");
}

function citationMark(number, source) {
  const node = button(String(number), "citation-mark", () => showSource(source, node));
  node.setAttribute("aria-label", `Source ${number}: ${source.querySelector(".title").textContent}`);
  return node;
}

function highlight(source) {
  document.querySelectorAll(".source.shown").forEach((other) => other.classList.remove("shown"));
  source.classList.add("shown");
}

function showSource(source, mark) {
  highlight(source);
  const opener = source.querySelector(".open-passage");
  if (opener) {
    opener.click();
    opener.returnTo = mark; // where the reader was
    return;
  }
  source.querySelector("details").open = true;
  source.querySelector("summary").focus({ preventScroll: true });
  source.scrollIntoView({ block: "nearest" });
  source.onkeydown = ({ key }) => key === "Escape" && mark.focus();
}

const FAILURES = {
  AbortError: "Stopped before there was an answer.",
  TimeoutError: "The answer took too long. Please try again.",
  TypeError: "Lorekeeper cannot be reached. Check your connection and try again.", // from fetch, without a reply
};

/** What came of a question that was stopped or failed; `draft` is what was there of the answer. */
export function renderFailure(error, draft, retry) {
  const stopped = error.name === "AbortError";
  const words = error instanceof Problem ? error.message : FAILURES[error.name] ?? "The answer cannot be shown.";
  const node = message("answer", "Answer",
    ...(stopped && draft ? renderDraft(draft) : []),
    element("p", { class: stopped && draft ? "words note" : "words" }, stopped && draft ? "Stopped here." : words),
    error.reference && element("p", { class: "reference" }, "Reference: ", element("code", {}, error.reference)),
    button("Retry", "quiet retry", () => retry(node)));
  node.dataset.outcome = stopped ? "stopped" : "failed";
  return node;
}
