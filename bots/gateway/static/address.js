// What the address remembers after its #: the conversation, its namespace, and the passage that is open.
// An address may be anything; only what can be meant is taken from it.

const THREAD = /^[\w:.-]{1,128}$/;
const NAMESPACE = /^[A-Za-z0-9][\w.-]{0,63}$/;
const PASSAGE = /^([\w-]{1,64})\/([\w-]{1,64})$/;

/** `{thread, namespace, passage: {document, chunk}}`; what is missing or impossible is empty. */
export function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const one = (name, form) => (form.test(given.get(name) ?? "") ? given.get(name) : "");
  const [, document, chunk] = PASSAGE.exec(given.get("passage") ?? "") ?? [];
  return { thread: one("thread", THREAD), namespace: one("namespace", NAMESPACE), passage: document ? { document, chunk } : null };
}

/** Changes these parts of the address. With `push`, the browser's Back leads to how it was. */
export function writeAddress(changes, { push = false } = {}) {
  const { thread, namespace, passage } = { ...readAddress(), ...changes };
  const parts = [
    thread && `thread=${thread}`,
    namespace && `namespace=${namespace}`,
    passage && `passage=${passage.document}/${passage.chunk}`,
  ].filter(Boolean);
  const address = location.pathname + location.search + (parts.length ? `#${parts.join("&")}` : "");
  if (push) history.pushState({ pushed: true }, "", address);
  else history.replaceState(history.state, "", address);
}
