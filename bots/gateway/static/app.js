// The web chat. Answers, titles, quotes and errors are untrusted: they reach the page only as text nodes and as
// elements named in this file, never as HTML.
"use strict";

const ASK_TIMEOUT_MS = 180_000; // longer than the server's own
const COUNT_TIMEOUT_MS = 15_000;

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const state = {
  request: null, // the AbortController of the question being answered
  thread: null,
};

/** What went wrong, in words for the reader; with its `reference` an operator finds the cause in the log. */
class Problem extends Error {}

/** An element with attributes and children: nodes or text; what is empty or missing is left out. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter(Boolean));
  return node;
}

const message = (kind, label, ...children) =>
  element("article", { class: `message ${kind}`, "aria-label": label }, ...children);

function button(label, className, onClick) {
  const node = element("button", { type: "button", class: className }, label);
  node.addEventListener("click", onClick);
  return node;
}

// ── answer text: a small, safe part of Markdown ─────────────────────────────────────────────────
const FENCE = /^\s*(```|~~~)/;
const HEADING = /^\s{0,3}#{1,6}\s+(.*)$/;
const ITEM = /^(\s*)(?:[-*•]|(\d{1,9})[.)])\s+(.*)$/;
const DIVIDER = /^(?=.*\|)\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?$/;
const INLINE = /`([^`\n]+)`|\*\*(?=\S)(.+?)\*\*|\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]/g;

// Each reader takes (lines, index of its first line, inline) and returns [node, index after its last line].
const readerFor = (lines, at) => {
  if (FENCE.test(lines[at])) return readFence;
  if (lines[at].includes("|") && DIVIDER.test(lines[at + 1]?.trim() ?? "")) return readTable;
  if (ITEM.test(lines[at])) return readList;
  return HEADING.test(lines[at]) ? readHeading : readParagraph;
};

/** The nodes for `text`; `inline` turns the text of one paragraph, item or cell into nodes. */
function renderBlocks(text, inline) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const nodes = [];
  for (let at = skipBlank(lines, 0); at < lines.length; at = skipBlank(lines, at)) {
    const [node, next] = readerFor(lines, at)(lines, at, inline);
    nodes.push(node);
    at = next;
  }
  return nodes;
}

/** The index of the first line with text, from `at` on. */
function skipBlank(lines, at) {
  while (lines[at]?.trim() === "") at += 1;
  return at;
}

function readFence(lines, at) {
  const fence = FENCE.exec(lines[at])[1];
  const found = lines.findIndex((line, index) => index > at && line.trim().startsWith(fence));
  const end = found < 0 ? lines.length : found;
  const code = element("code", {}, lines.slice(at + 1, end).join("\n"));
  return [element("pre", { tabindex: "0", role: "region", "aria-label": "Code" }, code), end + 1];
}

function readTable(lines, at, inline) {
  // An escaped | belongs to its cell; the newline, which no line holds, keeps its place during the split.
  const bare = (line) => line.trim().replaceAll("\\|", "\n").replace(/^\||\|$/g, "");
  const cells = (line) => bare(line).split("|").map((cell) => cell.trim().replaceAll("\n", "|"));
  const row = (line, tag) => element("tr", {}, ...cells(line).map((cell) => element(tag, {}, ...inline(cell))));
  const table = element("table", {}, row(lines[at], "th"));
  for (at += 2; lines[at]?.includes("|"); at += 1) table.append(row(lines[at], "td"));
  return [element("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, table), at];
}

function readList(lines, at, inline) {
  const first = readItem(lines[at]);
  const list = first.ordered ? element("ol", { start: first.number }) : element("ul");
  for (;;) {
    const next = skipBlank(lines, at);
    const item = readItem(lines[next]);
    if (item?.indent > first.indent) {
      const [nested, after] = readList(lines, next, inline);
      list.lastElementChild.append(nested);
      at = after;
    } else if (item?.indent === first.indent && item.ordered === first.ordered) {
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

function readItem(line = "") {
  const [, indent, number, text] = ITEM.exec(line) ?? [];
  return text === undefined ? null : { indent: indent.length, ordered: Boolean(number), number, text };
}

function readParagraph(lines, at, inline) {
  let end = at + 1;
  while (lines[end]?.trim() && readerFor(lines, end) === readParagraph) end += 1;
  return [element("p", {}, ...inline(lines.slice(at, end).join("\n"))), end];
}

const readHeading = (lines, at, inline) => [element("h3", {}, ...inline(HEADING.exec(lines[at])[1])), at + 1];

/** Nodes for one run of text. `mark(number)` gives the button of a source, if there is such a source. */
function renderInline(text, mark) {
  const nodes = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold, numbers] = match;
    nodes.push(text.slice(done, match.index));
    if (code !== undefined) nodes.push(element("code", {}, code));
    else if (bold !== undefined) nodes.push(element("strong", {}, ...renderInline(bold, mark)));
    else nodes.push(...numbers.split(/[,;]/).map((number) => mark(Number(number)) || `[${number.trim()}]`));
    done = match.index + whole.length;
  }
  return [...nodes, text.slice(done)];
}

// ── answers and their sources ───────────────────────────────────────────────────────────────────
function renderAnswer(answer) {
  const sources = new Map(answer.citations.map((citation) => [citation.number, renderSource(citation, true)]));
  const mark = (number) => sources.has(number) && citationMark(number, sources.get(number));
  const node = message("answer", "Answer",
    ...renderBlocks(answer.text, (text) => renderInline(text, mark)),
    answer.outcome === "empty_index" && button("Upload documents", "quiet", () => page.file.click()),
    answer.notice && element("p", { class: "note" }, answer.notice),
    renderSources("Sources", [...sources.values()]),
    renderSources("Closest documents", answer.nearest.map((citation) => renderSource(citation, false))));
  Object.assign(node.dataset, { outcome: answer.outcome, thread: answer.thread ?? "" });
  return node;
}

function renderSources(title, sources) {
  const list = element("ol", {}, ...sources);
  return sources.length && element("section", { class: "sources" }, element("h2", {}, title), list);
}

function renderSource(citation, numbered) {
  const summary = element("summary", {},
    numbered && element("span", { class: "number" }, String(citation.number)),
    element("span", { class: "title" }, citation.title || "Untitled"),
    citation.locator && element("span", { class: "locator" }, citation.locator));
  const details = element("details", {}, summary, element("blockquote", {}, citation.quote));
  return element("li", { class: "source" }, details, sourceLink(citation));
}

function sourceLink({ url, title }) {
  if (!/^https?:\/\//i.test(url ?? "")) return null;
  const label = `Open ${title || "the document"} in a new tab`;
  return element("a", { href: url, target: "_blank", rel: "noopener noreferrer", "aria-label": label }, "Open");
}

function citationMark(number, source) {
  const node = button(String(number), "citation-mark", () => showSource(source, node));
  node.setAttribute("aria-label", `Source ${number}: ${source.querySelector(".title").textContent}`);
  return node;
}

function showSource(source, mark) {
  document.querySelectorAll(".source.shown").forEach((other) => other.classList.remove("shown"));
  source.classList.add("shown");
  source.querySelector("details").open = true;
  source.querySelector("summary").focus({ preventScroll: true });
  source.scrollIntoView({ block: "nearest" });
  source.onkeydown = ({ key }) => key === "Escape" && mark.focus(); // back to where the reader was
}

const FAILURES = {
  AbortError: "Stopped before there was an answer.",
  TimeoutError: "The answer took too long. Please try again.",
  TypeError: "Lorekeeper cannot be reached. Check your connection and try again.", // from fetch, without a reply
};

function renderFailure(error, retry) {
  const words = error instanceof Problem ? error.message : FAILURES[error.name] ?? "The answer cannot be shown.";
  const node = message("answer", "Answer", element("p", {}, words),
    error.reference && element("p", { class: "reference" }, "Reference: ", element("code", {}, error.reference)),
    button("Retry", "quiet retry", () => state.request || retry(node)));
  node.dataset.outcome = error.name === "AbortError" ? "stopped" : "failed";
  return node;
}

// ── talking to the server ───────────────────────────────────────────────────────────────────────
/** The body of a successful reply; otherwise a Problem with the server's own words, if it has any. */
function readReply(status, body) {
  if (status >= 200 && status < 300 && body) return body;
  const words = [body?.detail, body?.title].find((part) => part && typeof part === "string");
  const problem = new Problem(words ?? `The server could not do this (status ${status}). Please try again.`);
  throw Object.assign(problem, { reference: body?.reference });
}

async function fetchReply(address, options) {
  const response = await fetch(address, options);
  // A proxy in between may answer with a page of its own.
  const isJson = response.headers.get("Content-Type")?.includes("json");
  return readReply(response.status, isJson ? await response.json() : null);
}

function postQuestion(question, signal) {
  const body = JSON.stringify(state.thread ? { question, thread: state.thread } : { question });
  return fetchReply("/v1/ask", { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
}

async function refreshCount() {
  try {
    const address = "/v1/documents?status=ready&limit=1";
    const { total } = await fetchReply(address, { signal: AbortSignal.timeout(COUNT_TIMEOUT_MS) });
    page.count.textContent = `${total.toLocaleString("en")} ${total === 1 ? "document" : "documents"}`;
    page.hint.hidden = total > 0;
  } catch {
    page.count.textContent = "Documents: unknown";
  }
}

// ── the conversation ────────────────────────────────────────────────────────────────────────────
function ask(question) {
  announce("");
  page.welcome.hidden = true;
  answer(question, page.messages.appendChild(message("question", "Question", element("p", {}, question))));
}

/** Asks and puts the outcome below `asked`, in the place of an earlier failure if there was one. */
async function answer(question, asked, failure = null) {
  const request = new AbortController();
  const timer = setTimeout(() => request.abort(new DOMException("too long", "TimeoutError")), ASK_TIMEOUT_MS);
  const pending = message("pending", "Waiting", element("p", {}, "Looking through the documents…"));
  failure?.remove();
  page.question.focus();
  asked.after(pending);
  asked.scrollIntoView({ block: "start" });
  setRequest(request);
  const outcome = await postQuestion(question, request.signal)
    .then(renderAnswer)
    .catch((error) => renderFailure(error, (failed) => answer(question, asked, failed)));
  clearTimeout(timer);
  if (state.request !== request) return; // a new conversation began meanwhile
  if (outcome.dataset.thread) setThread(outcome.dataset.thread);
  pending.replaceWith(outcome);
  asked.scrollIntoView({ block: "start" });
  setRequest(null);
}

function setRequest(request) {
  const stopHadFocus = document.activeElement === page.stop;
  state.request = request;
  page.stop.hidden = !request;
  page.send.hidden = Boolean(request);
  if (!request && stopHadFocus) page.question.focus();
  updateComposer();
}

/** Only what can be a thread: an address may be anything. */
const threadInAddress = () => /^#thread=([\w:.-]{1,128})$/.exec(location.hash)?.[1] ?? null;

function setThread(thread) {
  state.thread = thread;
  history.replaceState(null, "", thread ? `#thread=${thread}` : location.pathname);
}

function showConversation(thread) {
  state.request?.abort();
  setRequest(null);
  setThread(thread);
  page.messages.replaceChildren();
  page.welcome.hidden = false;
  page.continued.hidden = !thread;
  page.question.focus();
}

function updateComposer() {
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

function announce(text, failed = false) {
  page.status.textContent = text;
  page.status.classList.toggle("failed", failed);
}

// ── start ───────────────────────────────────────────────────────────────────────────────────────
page.composer.addEventListener("submit", submit);
page.question.addEventListener("input", updateComposer);
page.question.addEventListener("keydown", submitOnEnter);
page.stop.addEventListener("click", () => state.request?.abort());
page.new.addEventListener("click", () => showConversation(null));
page.welcome.addEventListener("click", ({ target }) => target.matches(".example") && ask(target.textContent));
window.addEventListener("focus", refreshCount);
window.addEventListener("hashchange", () => showConversation(threadInAddress()));
showConversation(threadInAddress());
refreshCount();
