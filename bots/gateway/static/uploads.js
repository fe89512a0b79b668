// Uploading: files go one after the other, and what the server goes on reading in the background is followed to its end.
import { Problem, fetchReply, may, openEvents, readEvents, readReply, session } from "./api.js";
import { foreign, page, pause, showStatus } from "./dom.js";
import { transfer } from "./transfer.js";
import { sendInPieces } from "./tus.js";

const LARGE_BYTES = 8 * 2 ** 20; // from here on in pieces
const QUICK = { Prefer: "wait=2" }; // what takes longer is followed
const MOST_FOLLOWED = 3; // a browser has about six connections to a server, and one may be needed for a question
const FOLLOW_PAUSES_MS = [1_000, 2_000, 5_000, 10_000, 30_000];
const COUNT_TIMEOUT_MS = 15_000;
const uploads = {
  queue: Promise.resolve(),
  transfer: null, // the AbortController of the file being uploaded
  results: [], // of the last files chosen, and of earlier ones that are still being read
  followed: new Set(), // promises of their ends
};

const CHANGES = {
  added: "was added and can be asked about.",
  replaced: "replaced its earlier version.",
  unchanged: "was already there, unchanged.",
  processing: "was received; this page will say when it can be asked about.",
  unwatched: "is still being read and can be asked about in a while.",
  ready: "was read and can be asked about.",
};
const STAGES = {
  waiting: "waits for its turn.",
  reading: "is being read.",
  embedding: "is being embedded.",
  publishing: "is nearly there.",
};
const FAILURES = {
  TypeError: "The upload was cut off: the file may be too large, or the connection was lost.",
  AbortError: "The upload was cancelled.",
};

export function addFiles(files) {
  const chosen = [...files]; // the list of a file field empties when the field is reset
  page.file.value = "";
  if (chosen.length) uploads.queue = uploads.queue.then(() => uploadAll(chosen));
}

async function uploadAll(files) {
  uploads.results = uploads.results.filter(({ following }) => following);
  for (const file of files) {
    while (uploads.followed.size >= MOST_FOLLOWED) await Promise.race(uploads.followed);
    showStatus(["Uploading ", foreign(file.name), "…"]);
    uploads.results.push(await upload(file));
    uploads.transfer = null;
  }
  page.progress.hidden = true;
  showResults();
  await refreshCount();
}

function showResults() {
  const lines = uploads.results.map(({ name, words }) => [foreign(name), ` ${words}`]);
  showStatus(lines.flatMap((line, index) => (index ? ["\n", ...line] : line)), uploads.results.some(({ failed }) => failed));
}

async function upload(file) {
  uploads.transfer = new AbortController();
  showProgress(file, 0);
  try {
    return await (file.size > LARGE_BYTES ? uploadLarge(file) : uploadWhole(file));
  } catch (error) {
    return failure(file.name, error instanceof Problem ? error.message : FAILURES[error.name] ?? "", error.reference);
  }
}

const success = (name, words) => ({ name, words, failed: false });

function failure(name, words, reference) {
  return { name, words: `was not added. ${words}${reference ? ` (reference ${reference})` : ""}`, failed: true };
}

async function uploadWhole(file) {
  const body = new FormData();
  if (session.namespace) body.append("namespace", session.namespace);
  body.append("file", file);
  const onProgress = (sent) => showProgress(file, sent);
  const options = { headers: may("read") ? QUICK : {}, body, onProgress, signal: uploads.transfer.signal };
  const reply = await transfer("POST", "/v1/documents", options);
  const { kind, message: words, document: record } = readReply(reply.status, reply.body);
  if (kind === "processing") return follow(file.name, record.id);
  return success(file.name, [CHANGES[kind], words].filter(Boolean).join(" "));
}

async function uploadLarge(file) {
  const onProgress = (sent) => showProgress(file, sent);
  return follow(file.name, await sendInPieces(file, session.namespace, onProgress, uploads.transfer.signal));
}

/** A result that changes by itself while the server reads the document, and when it has, or has given it up. */
function follow(name, id) {
  if (!may("read")) return success(name, CHANGES.unwatched);
  const result = { ...success(name, CHANGES.processing), following: true };
  const end = toTheEnd(name, id, (job) => showWork(result, job)).then((found) => {
    uploads.followed.delete(end);
    Object.assign(result, found, { following: false });
    if (!uploads.transfer) page.progress.hidden = true;
    showResults();
    refreshCount();
  });
  uploads.followed.add(end);
  return result;
}

/** How the reading ended. A server that cannot be reached may come back. */
async function toTheEnd(name, id, onProgress) {
  for (let tries = 0; ; tries = Math.min(tries + 1, FOLLOW_PAUSES_MS.length - 1)) {
    try {
      const response = await openEvents(`/v1/documents/${encodeURIComponent(id)}/events`);
      for await (const { name: event, data } of readEvents(response)) {
        tries = 0;
        if (event === "progress") onProgress(data);
        if (event !== "done") continue;
        if (data.error) return failure(name, data.error); // the version before may well be ready
        return success(name, [CHANGES.ready, ...data.losses].join(" "));
      }
    } catch (error) {
      if (error instanceof Problem && error.status < 500 && error.status !== 429) {
        return failure(name, error.message, error.reference);
      }
    }
    await pause(FOLLOW_PAUSES_MS[tries]);
  }
}

function showProgress({ name, size }, sent) {
  const share = size ? Math.min(1, sent / size) : 0;
  const isSent = share >= 1;
  page.progress.hidden = false;
  page.progress.classList.remove("following");
  page["progress-label"].replaceChildren(
    ...(isSent ? ["Reading ", foreign(name), "…"] : ["Uploading ", foreign(name), `: ${Math.floor(share * 100)} %`]));
  page.cancel.hidden = isSent; // what the server already has, it finishes reading
  if (isSent) page["progress-bar"].removeAttribute("value");
  else page["progress-bar"].value = share * 100;
}

/** The stage is said once; numbers that change all the time stand with the bar, which no screen reader reads out. */
function showWork(result, { state, stage, ahead, chunks, embedded, seconds_left: seconds }) {
  if (state !== "waiting" && state !== "running") return;
  if (result.words !== STAGES[stage]) {
    result.words = STAGES[stage];
    if (!uploads.transfer) showResults();
  }
  // The bar shows the file that is being sent, or the first of those that are being read.
  if (uploads.transfer || result !== uploads.results.find(({ following }) => following)) return;
  const share = stage === "embedding" && chunks ? embedded / chunks : null;
  const numbers = [
    ahead && `${ahead.toLocaleString("en")} before it`,
    share !== null && `${embedded.toLocaleString("en")} of ${chunks.toLocaleString("en")} passages`,
    share !== null && seconds !== null && `about ${timeLeft(seconds)} left`,
  ].filter(Boolean);
  const rest = numbers.length ? `: ${numbers.join(", ")}` : "…";
  page.progress.hidden = false;
  page.progress.classList.add("following");
  page.cancel.hidden = true;
  page["progress-label"].replaceChildren(foreign(result.name), ` ${STAGES[stage].slice(0, -1)}${rest}`);
  if (share === null) page["progress-bar"].removeAttribute("value");
  else page["progress-bar"].value = share * 100;
}

function timeLeft(seconds) {
  const [number, unit] = seconds < 90 ? [Math.max(1, seconds), "second"] : [Math.round(seconds / 60), "minute"];
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}

/** How many documents can be asked. */
export async function refreshCount() {
  if (!may("read")) return;
  const namespace = session.namespace ? `&namespace=${encodeURIComponent(session.namespace)}` : "";
  try {
    const signal = AbortSignal.timeout(COUNT_TIMEOUT_MS);
    const { total } = await fetchReply(`/v1/documents?status=ready&limit=1${namespace}`, { signal });
    page.count.textContent = `${total.toLocaleString("en")} ${total === 1 ? "document" : "documents"}`;
    page.hint.hidden = total > 0 || !may("write");
  } catch {
    page.count.textContent = "Documents: unknown";
  }
}

/** Covers the page while files are dragged over it, and takes what is dropped. */
function onDrag(event) {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault(); // also where nothing may be uploaded: the browser would leave the page and show the file
  if (!may("write")) return;
  page.drop.hidden = event.type === "drop" || (event.type === "dragleave" && !event.relatedTarget);
  if (event.type === "drop") addFiles(event.dataTransfer.files);
}

export function startUploads() {
  page.upload.addEventListener("click", () => page.file.click());
  page.file.addEventListener("change", () => addFiles(page.file.files));
  page.cancel.addEventListener("click", () => uploads.transfer?.abort());
  for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, onDrag);
}
