// The chat in a frame of another site. Its key stands in the frame's address, because every visitor may have it.
import { followThread, rememberThread, showConversation, startConversation, updateComposer } from "./conversation.js";
import { readAddress } from "./address.js";
import { session } from "./api.js";
import { page } from "./dom.js";
import { dismissPassage, followPassage, startPassages } from "./passages.js";
import { readPermissions } from "./session.js";

const THREAD = "lorekeeper.thread";

/** The visitor's conversation goes on when they go from page to page, until the tab is closed. */
function recall() {
  try {
    return sessionStorage.getItem(THREAD) ?? "";
  } catch {
    return ""; // a browser that gives frames of other sites no storage
  }
}

function remember(thread) {
  rememberThread(thread);
  page.new.hidden = !thread;
  try {
    sessionStorage.setItem(THREAD, thread);
  } catch {
    // see above
  }
}

/** Tells the page around the frame; there is nothing secret in it. */
const tell = (what) => window.parent !== window && window.parent.postMessage({ lorekeeper: what }, "*");

function refuse(words) {
  page.note.textContent = `This chat is closed at the moment. ${words}`;
  page.note.hidden = false;
}

session.key = new URLSearchParams(location.search).get("key") ?? "";
session.onRefused = refuse;
startConversation({ onThread: remember, onShow: dismissPassage });
startPassages();
window.addEventListener("hashchange", () => {
  const { passage } = readAddress();
  followThread();
  followPassage(passage);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !page.panel.open) tell("close");
});
window.addEventListener("message", (event) => {
  if (event.source === window.parent && event.data?.lorekeeper === "focus") page.question.focus();
});
updateComposer();
if (await readPermissions()) {
  session.namespace = session.namespaces[0] ?? "";
  if (!page.messages.hasChildNodes()) await showConversation(readAddress().thread || recall());
}
tell("ready");
