// Uploading: files go one after the other, and what the server goes on reading in the background is followed to its end.
// Uses what app.js defines, and shares its rule that nothing untrusted reaches the page as HTML.
"use strict";

const UPLOAD_TIMEOUT_MS = 30 * 60_000;
const FOLLOW_PAUSE_MS = 3_000;
const FOLLOW_TIMEOUT_MS = 15_000;
const uploads = {
  queue: Promise.resolve(),
  transfer: null, // the XMLHttpRequest of the file being uploaded
  results: [], // of the last files chosen, and of earlier ones that are still being read
};

const CHANGES = {
  added: "was added and can be asked about.",
  replaced: "replaced its earlier version.",
  unchanged: "was already there, unchanged.",
  processing: "is still being read; this page will say when it can be asked about.",
  ready: "was read and can be asked about.",
};

function addFiles(files) {
  const chosen = [...files]; // the list of a file field empties when the field is reset
  page.file.value = "";
  if (chosen.length) uploads.queue = uploads.queue.then(() => uploadAll(chosen));
}

async function uploadAll(files) {
  uploads.results = uploads.results.filter(({ following }) => following);
  for (const file of files) {
    announce(`Uploading ${file.name}…`);
    uploads.results.push(await upload(file));
  }
  page.progress.hidden = true;
  announceResults();
  await refreshCount();
}

function announceResults() {
  const texts = uploads.results.map(({ text }) => text);
  announce(texts.join("\n"), uploads.results.some(({ failed }) => failed));
}

async function upload(file) {
  try {
    const { kind, message: words, document: record } = await send(file);
    const result = { text: [file.name, CHANGES[kind], words].filter(Boolean).join(" "), failed: false };
    return kind === "processing" ? follow(file.name, record.id, result) : result;
  } catch (error) {
    return failure(file.name, error.message, error.reference);
  }
}

const failure = (name, words, reference) => {
  const quoted = reference ? ` (reference ${reference})` : "";
  return { text: `${name} was not added. ${words}${quoted}`, failed: true };
};

/** Changes `result`, which it gives back at once, when the server has read the document or given it up. */
function follow(name, id, result) {
  const end = (changes) => {
    Object.assign(result, changes, { following: false });
    announceResults();
    refreshCount();
  };
  const look = () => lookAt(name, id).then((changes) => changes ? end(changes) : setTimeout(look, FOLLOW_PAUSE_MS));
  setTimeout(look, FOLLOW_PAUSE_MS);
  return Object.assign(result, { following: true });
}

/** How the reading ended; nothing while it has not, or while the server cannot be reached. */
async function lookAt(name, id) {
  try {
    const found = await fetchReply(`/v1/documents/${id}`, { signal: AbortSignal.timeout(FOLLOW_TIMEOUT_MS) });
    if (found.status === "queued" || found.status === "processing") return null;
    if (found.error) return failure(name, found.error); // the version before may well be ready
    return { text: [name, CHANGES.ready, ...found.losses].join(" ") };
  } catch (error) {
    return error instanceof Problem ? failure(name, error.message, error.reference) : null;
  }
}

function send(file) {
  const form = new FormData();
  form.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch cannot report the progress of an upload
    const fail = (words) => () => reject(new Problem(words));
    request.open("POST", "/v1/documents");
    request.responseType = "json";
    request.timeout = UPLOAD_TIMEOUT_MS;
    request.upload.onprogress = ({ loaded, total }) => showProgress(file.name, total ? loaded / total : 0);
    request.onload = () => resolve(request);
    request.onerror = fail("The upload was cut off: the file may be too large, or the connection was lost.");
    request.ontimeout = fail("The upload took too long.");
    request.onabort = fail("The upload was cancelled.");
    uploads.transfer = request;
    showProgress(file.name, 0);
    request.send(form);
  }).then(({ status, response }) => readReply(status, response));
}

function showProgress(name, share) {
  const sent = share >= 1;
  page.progress.hidden = false;
  page["progress-label"].textContent = sent ? `Reading ${name}…` : `Uploading ${name}: ${Math.floor(share * 100)} %`;
  page.cancel.hidden = sent; // what the server already has, it finishes reading
  if (sent) page["progress-bar"].removeAttribute("value");
  else page["progress-bar"].value = share * 100;
}

/** Covers the page while files are dragged over it, and takes what is dropped. */
function onDrag(event) {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  page.drop.hidden = event.type === "drop" || (event.type === "dragleave" && !event.relatedTarget);
  if (event.type === "drop") addFiles(event.dataTransfer.files);
}

page.upload.addEventListener("click", () => page.file.click());
page.file.addEventListener("change", () => addFiles(page.file.files));
page.cancel.addEventListener("click", () => uploads.transfer?.abort());
for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, onDrag);
