// Answer text: a small, safe part of Markdown. All of it becomes text nodes in elements that are named here.
import { element } from "./dom.js";

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
export function renderBlocks(text, inline) {
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
export function renderInline(text, mark) {
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
