// The web chat. Answers, titles, quotes and errors are untrusted: they reach the page only as text nodes and as
// elements named in this file, never as HTML.
"use strict";

const ASK_TIMEOUT_MS = 180_000;
const COUNT_TIMEOUT_MS = 15_000;
const UPLOAD_TIMEOUT_MS = 30 * 60_000;
const DEEPEST_INDENT = 12;

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const state = {
  request: null, // the AbortController of the question being answered
  thread: null,
  transfer: null, // the XMLHttpRequest of the file being uploaded
  uploads: Promise.resolve(), // files go one after the other
};

/** What went wrong, in words for the reader. */
class Problem extends Error {
  reference = null; // what an operator can find in the log
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

function skipBlank(lines, at) {
  while (at < lines.length && !lines[at].trim()) at += 1;
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
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const row = (line, tag) => element("tr", {}, ...cells(line).map((cell) => element(tag, {}, ...inline(cell))));
  const head = element("thead", {}, row(lines[at], "th"));
  const body = element("tbody");
  for (at += 2; lines[at]?.includes("|"); at += 1) body.append(row(lines[at], "td"));
  const table = element("table", {}, head, body);
  return [element("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, table), at];
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
  return { indent: Math.min(indent.length, DEEPEST_INDENT), number: number ? Number(number) : null, text };
}

const readHeading = (lines, at, inline) => [element("h3", {}, ...inline(HEADING.exec(lines[at])[1])), at + 1];

function readParagraph(lines, at, inline) {
  let end = at + 1;
  while (lines[end]?.trim() && readerFor(lines, end) === readParagraph) end += 1;
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

const message = (kind, label, ...children) =>
  element("article", { class: `message ${kind}`, "aria-label": label }, ...children);

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
  if (!/^https?:\/\//i.test(url ?? "")) return null;
  const attributes = { href: url, target: "_blank", rel: "noopener noreferrer" };
  return element("a", { ...attributes, "aria-label": `Open ${title || "the document"} in a new tab` }, "Open");
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
  const reference = error.reference ? element("code", {}, error.reference) : null;
  const node = message("answer", "Answer", element("p", {}, describe(error)),
    reference && element("p", { class: "reference" }, "Reference: ", reference));
  node.dataset.outcome = error.name === "AbortError" ? "stopped" : "failed";
  node.append(button("Retry", "quiet retry", () => retry(node)));
  return node;
}

function describe(error) {
  if (error instanceof Problem) return error.message;
  if (error.name === "AbortError") return "Stopped before there was an answer.";
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
  const problem = new Problem(words ?? `The server could not do this (status ${status}). Please try again.`);
  throw Object.assign(problem, { reference: body?.reference });
}

async function postQuestion(question, signal) {
  const body = JSON.stringify(state.thread ? { question, thread: state.thread } : { question });
  const headers = { "Content-Type": "application/json" };
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
  announce("");
  page.welcome.hidden = true;
  page.question.focus();
  const asked = message("question", "Question", element("p", {}, question));
  page.messages.append(asked);
  answer(question, asked);
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
  if (!request && stopHadFocus) page.question.focus();
  updateComposer();
}

function setThread(thread) {
  state.thread = thread;
  const here = location.pathname + location.search;
  history.replaceState(null, "", thread ? `${here}#${new URLSearchParams({ thread })}` : here);
}

const threadInAddress = () => new URLSearchParams(location.hash.slice(1)).get("thread");

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
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  submit(event);
}

function announce(text, failed = false) {
  page.status.textContent = text;
  page.status.classList.toggle("failed", failed);
}

// ── uploading ───────────────────────────────────────────────────────────────────────────────────
function addFiles(files) {
  const chosen = [...files]; // the list of a file field empties when the field is reset
  page.file.value = "";
  if (chosen.length) state.uploads = state.uploads.then(() => uploadAll(chosen));
}

async function uploadAll(files) {
  const results = [];
  for (const file of files) {
    announce(`Uploading ${file.name}…`);
    results.push(await upload(file));
  }
  page.progress.hidden = true;
  announce(results.map((result) => result.text).join("\n"), results.some((result) => result.failed));
  await refreshCount();
}

async function upload(file) {
  try {
    const { kind, document: stored, message: words } = await send(file);
    const failed = kind === "failed" || stored?.status === "failed";
    const text = failed ? `${file.name} could not be added.` : changeText(kind, file.name, stored);
    return { text: [text, words ?? stored?.error].filter(Boolean).join(" "), failed };
  } catch (error) {
    const reference = error.reference ? ` (reference ${error.reference})` : "";
    return { text: `${file.name} was not added. ${error.message}${reference}`, failed: true };
  }
}

function changeText(kind, name, stored) {
  if (["queued", "processing"].includes(stored?.status)) return `${name} was received and is being read.`;
  if (kind === "unchanged") return `${name} was already there, unchanged.`;
  return `${name} was ${kind === "replaced" ? "replaced" : "added"} and can be asked about.`;
}

function send(file) {
  const form = new FormData();
  form.append("file", file, file.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch cannot report the progress of an upload
    const fail = (words) => () => reject(new Problem(words));
    request.open("POST", "/v1/documents");
    request.timeout = UPLOAD_TIMEOUT_MS;
    request.upload.onprogress = ({ loaded, total }) => showProgress(file.name, total ? loaded / total : 0);
    request.upload.onload = () => showProgress(file.name, 1);
    request.onload = () => resolve(request);
    request.onerror = fail("The upload was cut off: the file may be too large, or the connection was lost.");
    request.ontimeout = fail("The upload took too long.");
    request.onabort = fail("The upload was cancelled.");
    state.transfer = request;
    showProgress(file.name, 0);
    request.send(form);
  }).then(({ status, responseText }) => readReply(status, responseText));
}

function showProgress(name, share) {
  const sent = share >= 1;
  page.progress.hidden = false;
  page["progress-label"].textContent = sent ? `Reading ${name}…` : `Uploading ${name}: ${Math.floor(share * 100)} %`;
  page.cancel.hidden = sent; // what the server already has, it finishes reading
  if (sent) page["progress-bar"].removeAttribute("value");
  else page["progress-bar"].value = share * 100;
}

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");

function listenForDrops() {
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    page.drop.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) page.drop.hidden = true; // left the window
  });
  document.addEventListener("drop", (event) => {
    page.drop.hidden = true;
    if (!holdsFiles(event)) return;
    event.preventDefault();
    addFiles(event.dataTransfer.files);
  });
}

// ── start ───────────────────────────────────────────────────────────────────────────────────────
function start() {
  page.composer.addEventListener("submit", submit);
  page.question.addEventListener("input", updateComposer);
  page.question.addEventListener("keydown", submitOnEnter);
  page.stop.addEventListener("click", () => state.request?.abort());
  page.new.addEventListener("click", () => showConversation(null));
  page.upload.addEventListener("click", () => page.file.click());
  page.file.addEventListener("change", () => addFiles(page.file.files));
  page.cancel.addEventListener("click", () => state.transfer?.abort());
  page.welcome.addEventListener("click", ({ target }) => {
    if (target.matches(".example")) ask(target.textContent);
  });
  window.addEventListener("hashchange", () => {
    if (threadInAddress() !== state.thread) showConversation(threadInAddress());
  });
  listenForDrops();
  showConversation(threadInAddress());
  refreshCount();
}

start();
