// The panel that shows a passage among its neighbours: beside the conversation, or over it where there is no room.
import { writeAddress } from "./address.js";
import { Problem, fetchReply } from "./api.js";
import { announce, button, element, foreign, isWebAddress, page } from "./dom.js";

const BATCH = 200; // passages in the first request
const LARGE_BATCH = 1000; // and in those after it
const MOST_BATCHES = 50;
const NEIGHBOURS = 3;
const MORE = 10;
const narrow = window.matchMedia("(max-width: 60rem)");
const open = { citation: null, opener: null, pushed: false, generation: 0 };

/** Opens the passage of a citation. On closing, the focus returns to `opener`, or to its `returnTo`. */
export function openPassage(citation, opener = null) {
  const target = { document: citation.document_id, chunk: citation.chunk_id };
  const isOpen = page.panel.open;
  Object.assign(open, { citation, opener });
  if (opener) opener.returnTo = null;
  writeAddress({ passage: target }, { push: !isOpen });
  if (!isOpen) open.pushed = true;
  show(target);
}

/** Opens or closes the panel as an address says. */
export function followPassage(passage) {
  if (!passage) {
    if (page.panel.open) hide();
  } else if (!page.panel.open || open.citation?.chunk_id !== passage.chunk) {
    const citation = { title: "", quote: "", document_id: passage.document, chunk_id: passage.chunk };
    Object.assign(open, { citation, opener: null, pushed: false });
    writeAddress({ passage });
    show(passage);
  }
}

function show({ document: id, chunk }) {
  const generation = (open.generation += 1);
  const { citation } = open;
  page["panel-title"].replaceChildren(citation.title ? foreign(citation.title) : "Passage");
  page["panel-link"].hidden = true;
  page["panel-body"].replaceChildren(element("p", { class: "soft" }, "Opening the document…"));
  reveal();
  page["panel-title"].focus({ preventScroll: true });
  load(id, chunk)
    .then((found) => generation === open.generation && render(found, citation))
    .catch((error) => generation === open.generation && renderQuote(error, citation));
}

function reveal() {
  if (page.panel.open) return;
  if (narrow.matches) page.panel.showModal();
  else page.panel.show();
  document.body.classList.toggle("beside", !narrow.matches);
}

/** Closes the panel when another conversation is shown. */
export function dismissPassage() {
  if (!page.panel.open) return;
  writeAddress({ passage: null });
  hide();
}

/** Back in the browser does the same. */
function closePanel() {
  const { pushed } = open;
  hide(); // at once: going back takes a moment, and would take the focus from what the reader does next
  if (pushed) history.back();
  else writeAddress({ passage: null });
}

function hide() {
  open.generation += 1;
  page.panel.close();
  document.body.classList.remove("beside");
  const back = open.opener?.returnTo ?? open.opener;
  Object.assign(open, { citation: null, opener: null, pushed: false });
  if (back?.isConnected) back.focus();
  else page.question.focus();
}

// ── reading the document ────────────────────────────────────────────────────────────────────────
/** `{record, passages, at, more, isAll}`: the document, and its passages to the wanted one and its neighbours. */
async function load(id, chunk) {
  const address = `/v1/documents/${encodeURIComponent(id)}`;
  const record = await fetchReply(address);
  const passages = [];
  let total = Infinity;
  const more = async () => {
    const limit = passages.length ? LARGE_BATCH : BATCH;
    const reply = await fetchReply(`${address}/passages?limit=${limit}&offset=${passages.length}`);
    passages.push(...reply.passages);
    total = reply.passages.length ? reply.total : passages.length;
  };
  let at = -1;
  for (let batch = 0; at < 0 && passages.length < total && batch < MOST_BATCHES; batch += 1) {
    await more();
    at = passages.findIndex((passage) => passage.chunk_id === chunk);
  }
  if (at < 0) throw new Problem("The document was changed since, and this passage is not in it any more.");
  if (at + NEIGHBOURS >= passages.length && passages.length < total) await more();
  return { record, passages, at, more, isAll: () => passages.length >= total };
}

function render(found, { quote }) {
  const { record, passages, at } = found;
  const range = { first: Math.max(0, at - NEIGHBOURS), last: Math.min(passages.length, at + NEIGHBOURS + 1) };
  const list = element("div", { class: "passages" });
  const earlier = button("Show what comes before", "quiet", () => extend(-MORE));
  const later = button("Show what comes after", "quiet", () => extend(MORE));

  async function extend(by) {
    const height = page["panel-body"].scrollHeight;
    if (by < 0) range.first = Math.max(0, range.first + by);
    else {
      if (range.last + by > passages.length && !found.isAll()) await found.more().catch(() => {});
      range.last = Math.min(passages.length, range.last + by);
    }
    draw();
    if (by < 0) page["panel-body"].scrollTop += page["panel-body"].scrollHeight - height;
  }

  function draw() {
    const shown = passages.slice(range.first, range.last);
    list.replaceChildren(...shown.flatMap((passage, index) =>
      renderPassage(passage, shown[index - 1], range.first + index === at ? quote : null)));
    earlier.hidden = range.first === 0;
    later.hidden = range.last >= passages.length && found.isAll();
  }

  page["panel-title"].replaceChildren(foreign(record.title || "Untitled"));
  page["panel-link"].hidden = !isWebAddress(record.url);
  if (isWebAddress(record.url)) page["panel-link"].href = record.url;
  draw();
  page["panel-body"].replaceChildren(earlier, list, later);
  const target = list.querySelector(".cited");
  (target.querySelector("mark") ?? target).scrollIntoView({ block: "center" });
  announce(`${record.title || "Document"}${passages[at].locator ? `, ${passages[at].locator}` : ""}. ${quote || ""}`);
}

/** A passage, under its page and heading where those change. `quote` is null for the neighbours. */
function renderPassage(passage, before, quote) {
  const place = passage.locator && passage.locator !== before?.locator;
  const cited = quote !== null;
  const attributes = cited ? { class: "passage cited", "aria-label": "Cited passage", role: "region", tabindex: "0" } : { class: "passage" };
  return [
    place && element("h3", {}, foreign(passage.locator)),
    element("div", { ...attributes, dir: "auto" }, ...(cited ? marked(passage.text, quote) : [passage.text])),
  ].filter(Boolean);
}

/** The text with the quote in it as `mark`; how white space stands in either does not matter. */
function marked(text, quote) {
  const words = quote.replace(/^\s*…|…\s*$/g, "").trim().split(/\s+/).filter(Boolean);
  if (!words.length) return [text];
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const match = new RegExp(escaped.join("\\s+")).exec(text);
  if (!match) return [text];
  const end = match.index + match[0].length;
  return [text.slice(0, match.index), element("mark", {}, match[0]), text.slice(end)];
}

function renderQuote(error, { quote }) {
  const words = error instanceof Problem ? error.message : "The document cannot be reached at the moment.";
  page["panel-body"].replaceChildren(
    ...[quote && element("blockquote", { dir: "auto" }, quote), element("p", { class: "note" }, words)].filter(Boolean));
  announce(words);
}

// ── start ───────────────────────────────────────────────────────────────────────────────────────
export function startPassages() {
  page["panel-close"].addEventListener("click", closePanel);
  page.panel.addEventListener("cancel", (event) => {
    event.preventDefault(); // Escape in the modal form
    closePanel();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !page.panel.open || page.panel.matches(":modal")) return;
    event.preventDefault();
    closePanel();
  });
  narrow.addEventListener("change", () => {
    if (!page.panel.open) return;
    page.panel.close();
    reveal();
  });
}
