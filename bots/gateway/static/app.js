// The web chat. Answers, titles, quotes and errors are untrusted: they reach the page only as text nodes and as
// elements named in this file, never as HTML.
"use strict";

const ASK_TIMEOUT_MS = 180_000;
const COUNT_TIMEOUT_MS = 15_000;
const UPLOAD_TIMEOUT_MS = 30 * 60_000;
const DEEPEST_INDENT = 12;

const page = Object.fromEntries(
  ["question", "send", "stop", "messages", "composer", "upload", "file", "status", "new", "count", "welcome", "hint",
    "continued", "progress", "progress-label", "progress-bar", "cancel", "drop", "skip"]
    .map((id) => [id, document.getElementById(id)]),
);
const state = {
  request: null, // the AbortController of the question being answered
  thread: null,
  transfer: null, // the XMLHttpRequest of the file being uploaded
  uploads: Promise.resolve(), // files go one after the other
};

/** What went wrong, in words for the reader. */
class Problem extends Error {
  constructor(detail, reference = null) {
    super(detail);
    this.reference = reference;
  }
}

// ── building nodes ──────────────────────────────────────────────────────────────────────────────

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function button(label, className, onClick) {
  const node = element("button", { type: "button", class: className }, label);
  node.addEventListener("click", onClick);
  return node;
}

// ── answer text: a small, safe part of Markdown ─────────────────────────────────────────────────

const FENCE = /^\s*(```|~~~)/;
const HEADING = /^\s{0,3}#{1,6}\s+(.*)$/;
const ITEM = /^(\s*)(?:[-*•]|(\d{1,9})[.)])\s+(.*)$/;
const DIVIDER = /^\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?$/;
const INLINE = /`([^`\n]+)`|\*\*(?=\S)(.+?)\*\*|\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]/g;

// Each reader takes (lines, index of its first line, inline) and returns [node, index after its last line].
const BLOCKS = [
  { starts: (lines, at) => FENCE.test(lines[at]), read: readFence },
  { starts: startsTable, read: readTable },
  { starts: (lines, at) => ITEM.test(lines[at]), read: readList },
  { starts: (lines, at) => HEADING.test(lines[at]), read: readHeading },
];

/** The nodes for `text`; `inline` turns the text of one paragraph, item or cell into nodes. */
function renderBlocks(text, inline) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const nodes = [];
  for (let at = skipBlank(lines, 0); at < lines.length; at = skipBlank(lines, at)) {
    const read = BLOCKS.find((block) => block.starts(lines, at))?.read ?? readParagraph;
    const [node, next] = read(lines, at, inline);
    nodes.push(node);
    at = next;
  }
  return nodes;
}

function skipBlank(lines, at) {
  while (at < lines.length && !lines[at].trim()) at += 1;
  return at;
}

function readFence(lines, at) {
  const fence = FENCE.exec(lines[at])[1];
  const closes = (line) => line.trim().startsWith(fence);
  const found = lines.findIndex((line, index) => index > at && closes(line));
  const end = found < 0 ? lines.length : found;
  const code = element("code", {}, lines.slice(at + 1, end).join("\n"));
  return [element("pre", { tabindex: "0", role: "region", "aria-label": "Code" }, code), end + 1];
}

function startsTable(lines, at) {
  const divider = (lines[at + 1] ?? "").trim();
  return lines[at].includes("|") && divider.includes("|") && DIVIDER.test(divider);
}

function readTable(lines, at, inline) {
  const row = (line, tag) => element("tr", {}, ...cells(line).map((cell) => element(tag, {}, ...inline(cell))));
  const head = element("thead", {}, row(lines[at], "th"));
  const body = element("tbody");
  for (at += 2; lines[at]?.includes("|"); at += 1) body.append(row(lines[at], "td"));
  const table = element("table", {}, head, body);
  return [element("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, table), at];
}

function cells(line) {
  const bare = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return bare.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function readList(lines, at, inline) {
  const first = readItem(lines[at]);
  const list = element(first.number === null ? "ul" : "ol");
  if (first.number !== null) list.start = first.number;
  for (;;) {
    const next = skipBlank(lines, at);
    const item = readItem(lines[next] ?? "");
    if (item && item.indent > first.indent) {
      const [nested, after] = readList(lines, next, inline);
      list.lastElementChild.append(nested);
      at = after;
    } else if (item && item.indent === first.indent && (item.number === null) === (first.number === null)) {
      list.append(element("li", {}, ...inline(item.text)));
      at = next + 1;
    } else if (!item && next === at && /^\s/.test(lines[at] ?? "") && !FENCE.test(lines[at])) {
      list.lastElementChild.append(" ", ...inline(lines[at].trim()));
      at += 1;
    } else {
      return [list, at];
    }
  }
}

function readItem(line) {
  const match = ITEM.exec(line);
  if (!match) return null;
  const [, indent, number, text] = match;
  return { indent: Math.min(indent.length, DEEPEST_INDENT), number: number === undefined ? null : Number(number), text };
}

function readHeading(lines, at, inline) {
  return [element("h3", {}, ...inline(HEADING.exec(lines[at])[1])), at + 1];
}

function readParagraph(lines, at, inline) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !BLOCKS.some((block) => block.starts(lines, end))) end += 1;
  return [element("p", {}, ...inline(lines.slice(at, end).join("\n"))), end];
}

/** Nodes for one run of text. `mark(number)` gives the button of a source, or null when there is no such source. */
function renderInline(text, mark) {
  const nodes = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold, numbers] = match;
    nodes.push(text.slice(done, match.index));
    if (code !== undefined) nodes.push(element("code", {}, code));
    else if (bold !== undefined) nodes.push(element("strong", {}, ...renderInline(bold, mark)));
    else nodes.push(...renderMarks(whole, numbers, mark));
    done = match.index + whole.length;
  }
  nodes.push(text.slice(done));
  return nodes.filter((node) => node !== "");
}

function renderMarks(whole, numbers, mark) {
  const marks = numbers.split(/[,;]/).map((number) => mark(Number(number)));
  return marks.every((node) => node !== null) ? marks : [whole];
}

// ── answers and their sources ───────────────────────────────────────────────────────────────────

function renderAnswer(answer) {
  const citations = answer.citations ?? [];
  const sources = new Map(citations.map((citation) => [citation.number, renderSource(citation, true)]));
  const mark = (number) => (sources.has(number) ? citationMark(number, sources.get(number)) : null);
  const node = message("answer", "Answer", ...renderBlocks(answer.text ?? "", (text) => renderInline(text, mark)));
  node.dataset.outcome = answer.outcome;
  if (answer.outcome === "empty_index") node.append(button("Upload documents", "quiet", () => page.file.click()));
  if (answer.notice) node.append(element("p", { class: "note" }, answer.notice));
  node.append(...renderSources("Sources", [...sources.values()]));
  const nearest = (answer.nearest ?? []).map((citation) => renderSource(citation, false));
  node.append(...renderSources("Closest documents", nearest));
  return node;
}

function message(kind, label, ...children) {
  return element("article", { class: `message ${kind}`, "aria-label": label }, ...children);
}

function renderSources(title, sources) {
  if (!sources.length) return [];
  return [element("section", { class: "sources" }, element("h2", {}, title), element("ol", {}, ...sources))];
}

function renderSource(citation, numbered) {
  const summary = element("summary", {},
    numbered ? element("span", { class: "number" }, String(citation.number)) : null,
    element("span", { class: "title" }, citation.title || "Untitled"),
    citation.locator ? element("span", { class: "locator" }, citation.locator) : null);
  const details = element("details", {}, summary, element("blockquote", {}, citation.quote ?? ""));
  return element("li", { class: "source" }, details, sourceLink(citation));
}

function sourceLink({ url, title }) {
  if (!isWebAddress(url)) return null;
  const attributes = { href: url, target: "_blank", rel: "noopener noreferrer" };
  return element("a", { ...attributes, "aria-label": `Open ${title || "the document"} in a new tab` }, "Open");
}

function isWebAddress(url) {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

function citationMark(number, source) {
  const title = source.querySelector(".title").textContent;
  const node = button(String(number), "citation-mark", () => showSource(source, node));
  node.setAttribute("aria-label", `Source ${number}: ${title}`);
  return node;
}

function showSource(source, mark) {
  document.querySelectorAll(".source.shown").forEach((other) => other.classList.remove("shown"));
  source.classList.add("shown");
  source.querySelector("details").open = true;
  source.querySelector("summary").focus({ preventScroll: true });
  source.scrollIntoView({ block: "nearest" });
  source.onkeydown = (event) => {
    if (event.key === "Escape") mark.focus(); // back to where the reader was
  };
}

function renderFailure(error, retry) {
  const node = message("answer", "Answer");
  const stopped = error.name === "AbortError";
  node.dataset.outcome = stopped ? "stopped" : "failed";
  node.append(element("p", {}, stopped ? "Stopped. Nothing was answered." : describe(error)));
  if (error.reference) node.append(element("p", { class: "reference" }, "Reference: ", element("code", {}, error.reference)));
  node.append(button("Retry", "quiet retry", () => retry(node)));
  return node;
}

function describe(error) {
  if (error instanceof Problem) return error.message;
  if (error.name === "TimeoutError") return "The answer took too long. Please try again.";
  return "Lorekeeper cannot be reached. Check your connection and try again.";
}

// ── talking to the server ───────────────────────────────────────────────────────────────────────

/** The JSON of a successful reply; otherwise a Problem with the server's own words. */
function readReply(status, text) {
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy in between may answer with a page of its own; the status has to do.
  }
  if (status >= 200 && status < 300 && body) return body;
  const words = [body?.detail, body?.title].find((part) => part && typeof part === "string");
  throw new Problem(words ?? `The server could not do this (status ${status}). Please try again.`, body?.reference);
}

async function postQuestion(question, signal) {
  const body = JSON.stringify(state.thread ? { question, thread: state.thread } : { question });
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const response = await fetch("/v1/ask", { method: "POST", headers, body, signal });
  return readReply(response.status, await response.text());
}

async function refreshCount() {
  try {
    const response = await fetch("/v1/documents?limit=1", { signal: AbortSignal.timeout(COUNT_TIMEOUT_MS) });
    const { total } = readReply(response.status, await response.text());
    page.count.textContent = `${total.toLocaleString("en")} ${total === 1 ? "document" : "documents"}`;
    page.hint.hidden = total > 0;
  } catch {
    page.count.textContent = "Documents: unknown";
  }
}

// ── the conversation ────────────────────────────────────────────────────────────────────────────

function ask(question) {
  if (state.request || !question.trim()) return;
  announce("");
  page.welcome.hidden = true;
  const asked = message("question", "Question", element("p", {}, question.trim()));
  page.messages.append(asked);
  answer(question.trim(), asked);
}

/** Asks and puts the outcome below `asked`. */
async function answer(question, asked) {
  const request = new AbortController();
  const timer = setTimeout(() => request.abort(new DOMException("too long", "TimeoutError")), ASK_TIMEOUT_MS);
  const pending = message("pending", "Waiting", element("p", {}, "Looking through the documents…"));
  asked.after(pending);
  asked.scrollIntoView({ block: "start" });
  setRequest(request);
  const outcome = await outcomeOf(question, asked, request);
  clearTimeout(timer);
  if (state.request !== request) return; // a new conversation began meanwhile
  pending.replaceWith(outcome);
  asked.scrollIntoView({ block: "start" });
  setRequest(null);
}

async function outcomeOf(question, asked, request) {
  try {
    const reply = await postQuestion(question, request.signal);
    if (state.request === request && reply.thread) setThread(reply.thread);
    return renderAnswer(reply);
  } catch (error) {
    return renderFailure(error, (failure) => retry(question, asked, failure));
  }
}

function retry(question, asked, failure) {
  if (state.request) return;
  failure.remove();
  page.question.focus();
  answer(question, asked);
}

function setRequest(request) {
  const stopHadFocus = document.activeElement === page.stop;
  state.request = request;
  page.stop.hidden = !request;
  page.send.hidden = Boolean(request);
  page.messages.setAttribute("aria-busy", String(Boolean(request)));
  if (!request && stopHadFocus) page.question.focus();
  updateComposer();
}

function setThread(thread) {
  state.thread = thread;
  const here = location.pathname + location.search;
  history.replaceState(null, "", thread ? `${here}#${new URLSearchParams({ thread })}` : here);
}

function threadInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("thread");
}

function showConversation(thread) {
  state.request?.abort();
  setRequest(null);
  setThread(thread);
  page.messages.replaceChildren();
  page.welcome.hidden = false;
  page.continued.hidden = !thread;
  announce("");
  page.question.focus();
}

function updateComposer() {
  page.send.disabled = Boolean(state.request) || !page.question.value.trim();
  page.question.style.height = "auto";
  page.question.style.height = `${page.question.scrollHeight}px`;
}

function submit(event) {
  event.preventDefault();
  if (page.send.disabled) return;
  const question = page.question.value;
  page.question.value = "";
  ask(question);
}

function submitOnEnter(event) {
  // Enter also ends the composition of a character in an input method; that one is not ours.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  submit(event);
}

function announce(text, failed = false) {
  page.status.textContent = text;
  page.status.classList.toggle("failed", failed);
}
