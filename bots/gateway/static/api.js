// Talking to the gateway: the key that goes along, errors in words, and server-sent events over fetch.

const KEY = "lorekeeper.key";
const SILENCE_MS = 35_000; // the server gives a sign of life every ten seconds

/** What went wrong, in words for the reader; with its `reference` an operator finds the cause in the log. */
export class Problem extends Error {
  constructor(words, { status = 0, reference = "" } = {}) {
    super(words);
    Object.assign(this, { status, reference });
  }
}

export const session = {
  key: "",
  permissions: new Set(),
  namespaces: [], // that the key is for; empty: all
  namespace: "", // the chosen one; empty: the server's choice
  onRefused: () => {}, // called with the server's words when it asks for a key, or for another one
};

export const may = (permission) => session.permissions.has(permission);

// Storage may be forbidden, as in a frame of another site; then the key lasts as long as the page.
export function keptKey() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export function keepKey(key) {
  session.key = key;
  try {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // see above
  }
}

/** Only what a header can carry: a key may have been pasted with anything around it. */
export const isKey = (text) => /^[\x21-\x7e]+$/.test(text);
export const keyHeaders = () => (isKey(session.key) ? { Authorization: `Bearer ${session.key}` } : {});

/** The body of a successful reply; otherwise a Problem with the server's own words, if it has any. */
export function readReply(status, body) {
  if (status === 204) return null;
  if (status >= 200 && status < 300 && body) return body;
  const words = [body?.detail, body?.title].find((part) => part && typeof part === "string");
  const problem = new Problem(words ?? `The server could not do this (status ${status}). Please try again.`, {
    status,
    reference: typeof body?.reference === "string" ? body.reference : "",
  });
  if (status === 401) session.onRefused(problem.message);
  throw problem;
}

export function send(address, { json, headers = {}, ...options } = {}) {
  const content = json ? { "Content-Type": "application/json" } : {};
  const body = json ? JSON.stringify(json) : undefined;
  return fetch(address, { ...options, headers: { ...keyHeaders(), ...content, ...headers }, body });
}

/** A proxy in between may answer with a page of its own. */
const isJson = (response) => response.headers.get("Content-Type")?.includes("json");

export async function fetchReply(address, options) {
  const response = await send(address, options);
  return readReply(response.status, isJson(response) ? await response.json() : null);
}

/** The response, if it is a stream of events; otherwise a Problem. */
export async function openEvents(address, options = {}) {
  const headers = { ...options.headers, Accept: "text/event-stream" };
  const response = await send(address, { ...options, headers });
  if (response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream")) return response;
  readReply(response.ok ? 502 : response.status, isJson(response) ? await response.json() : null);
}

/** The events of a response, `{id, name, data}`, until it ends or breaks. Throws when it falls silent. */
export async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await withLimit(reader.read());
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parseEvent(block) {
  const fields = { id: "", event: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name in fields) fields[name] = value;
  }
  return fields.data && { id: fields.id, name: fields.event, data: JSON.parse(fields.data) };
}

function withLimit(promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TypeError("the connection fell silent")), SILENCE_MS);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}
