// The web chat at `/`.
import { readAddress } from "./address.js";
import { session } from "./api.js";
import { followThread, rememberThread, showConversation, startConversation, updateComposer } from "./conversation.js";
import { page } from "./dom.js";
import { dismissPassage, followPassage, startPassages } from "./passages.js";
import { startSession } from "./session.js";
import { refreshCount, startUploads } from "./uploads.js";

startConversation({ upload: () => page.file.click(), onThread: rememberThread, onShow: dismissPassage });
startPassages();
startUploads();
page.skip.addEventListener("click", (event) => {
  event.preventDefault(); // the address is for the conversation
  page.question.focus();
});
window.addEventListener("focus", refreshCount);
window.addEventListener("hashchange", () => {
  const { namespace, passage } = readAddress();
  if (namespace && namespace !== session.namespace) {
    location.reload(); // as for somebody who follows a link to it
    return;
  }
  followThread();
  followPassage(passage);
});
updateComposer();
page.question.focus();
startSession({
  onOpen: async () => {
    const { thread, passage } = readAddress();
    refreshCount();
    // Who was quick has asked already; and after a new key, what was asked before is still there to be tried again.
    if (!page.messages.hasChildNodes()) await showConversation(thread);
    followPassage(passage);
  },
  onNamespace: () => {
    refreshCount();
    showConversation("");
  },
});
