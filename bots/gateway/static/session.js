// Who is asking: the key, what it allows, and the namespace that is asked.
import { readAddress, writeAddress } from "./address.js";
import { fetchReply, isKey, keepKey, keptKey, may, session } from "./api.js";
import { element, page } from "./dom.js";

const TIMEOUT_MS = 15_000;
const EVERYTHING = ["ask", "read", "write"];
const DEFAULT = "default";
const NOT_A_KEY = "This is not a key: keys begin with lk_ and have no spaces in them.";
const hooks = { onOpen: () => {}, onNamespace: () => {} };

/** What the key may do. Resolves to false when the server wants another one. */
export async function readPermissions() {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const { permissions, namespaces } = await fetchReply("/v1/me", { signal });
    session.permissions = new Set(permissions);
    session.namespaces = namespaces;
  } catch (error) {
    if (error.status === 401) return false;
    // The server will say what is not allowed when it is tried.
    session.permissions = new Set(EVERYTHING);
    session.namespaces = [];
  }
  return true;
}

async function open() {
  if (!(await readPermissions())) return;
  document.body.classList.remove("locked");
  page["key-form"].hidden = true;
  page["forget-key"].hidden = !session.key;
  page.upload.hidden = !may("write");
  page.count.hidden = !may("read");
  await offerNamespaces();
  hooks.onOpen();
}

/** Shows the form for a key. Only a key that was refused is worth words; the first time, there was none. */
function lock(words) {
  const refused = Boolean(session.key);
  if (!refused && !page["key-form"].hidden) return; // the words of the first refusal stay
  keepKey("");
  session.permissions = new Set();
  document.body.classList.add("locked");
  page["key-form"].hidden = false;
  page["forget-key"].hidden = page.upload.hidden = page.count.hidden = true;
  showKeyError(refused ? words : "");
  page.key.value = "";
}

function showKeyError(words) {
  page["key-error"].textContent = words;
  page["key-error"].hidden = !words;
  page.key.setAttribute("aria-invalid", String(Boolean(words)));
  page.key.focus();
}

function submitKey(event) {
  event.preventDefault();
  const key = page.key.value.trim().replace(/^Bearer\s+/i, "");
  if (!key) page.key.focus();
  else if (!isKey(key)) showKeyError(NOT_A_KEY);
  else {
    keepKey(key);
    open();
  }
}

function forgetKey() {
  keepKey("");
  location.reload(); // so that nothing that was shown with the key stays
}

async function offerNamespaces() {
  const names = await namespaces();
  const wanted = readAddress().namespace;
  if (wanted && !names.includes(wanted)) names.push(wanted); // it may be empty, and is asked nevertheless
  session.namespace = wanted || (names.includes(DEFAULT) ? DEFAULT : names[0] ?? "");
  page.namespace.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  page.namespace.value = session.namespace;
  page["namespace-field"].hidden = names.length < 2;
  writeAddress({ namespace: names.length < 2 ? "" : session.namespace });
}

async function namespaces() {
  try {
    const { data } = await fetchReply("/v1/models", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return [...new Set([...session.namespaces, ...data.map(({ id }) => id)])].sort();
  } catch {
    return [...session.namespaces];
  }
}

/** `onOpen` is called when the server lets the reader in, also again; `onNamespace` when another one is chosen. */
export function startSession({ onOpen, onNamespace }) {
  Object.assign(hooks, { onOpen, onNamespace });
  session.key = keptKey();
  session.onRefused = lock;
  page["key-form"].addEventListener("submit", submitKey);
  page["forget-key"].addEventListener("click", forgetKey);
  page.namespace.addEventListener("change", () => {
    session.namespace = page.namespace.value;
    writeAddress({ namespace: session.namespace, thread: "", passage: null });
    hooks.onNamespace();
  });
  return open();
}
