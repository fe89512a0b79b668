// Large files in pieces (tus 1.0.0): what was sent before the connection broke need not be sent again.
import { Problem, readReply } from "./api.js";
import { pause } from "./dom.js";
import { transfer } from "./transfer.js";

const ENDPOINT = "/v1/uploads";
const PIECE_BYTES = 8 * 2 ** 20;
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const VERSION = { "Tus-Resumable": "1.0.0" };
const PASSING = new Set([423, 429, 502, 503, 504]); // another piece is on its way, or the server is busy

/** The id of the document that the file becomes. Throws as `transfer` does, and Problems. */
export async function sendInPieces(file, namespace, onProgress, signal) {
  const address = await begin(file, namespace, signal);
  try {
    return await sendAll(file, address, onProgress, signal);
  } catch (error) {
    if (signal.aborted) transfer("DELETE", address, { headers: VERSION }).catch(() => {});
    throw error;
  }
}

async function begin(file, namespace, signal) {
  const metadata = [`filename ${base64(file.name)}`, namespace && `namespace ${base64(namespace)}`].filter(Boolean);
  const headers = { ...VERSION, "Upload-Length": String(file.size), "Upload-Metadata": metadata.join(",") };
  const reply = await transfer("POST", ENDPOINT, { headers, signal });
  if (reply.status !== 201) readReply(reply.status, reply.body);
  return new URL(reply.header("Location"), location.origin).pathname;
}

async function sendAll(file, address, onProgress, signal) {
  let place = { offset: 0, document: null };
  let tries = 0; // since the last byte that arrived
  let isLost = false;
  while (!place.document) {
    try {
      const now = isLost ? await whereTo(address, signal) : await sendPiece(file, address, place.offset, onProgress, signal);
      if (now.offset > place.offset) tries = 0;
      [place, isLost] = [now, false];
    } catch (error) {
      const canGoOn = error instanceof TypeError || (error instanceof Problem && PASSING.has(error.status));
      if (!canGoOn || tries >= PAUSES_MS.length) throw error;
      await pause(error.retryAfter ?? PAUSES_MS[tries], signal);
      tries += 1;
      isLost = true;
    }
  }
  return place.document;
}

async function sendPiece(file, address, offset, onProgress, signal) {
  const headers = { ...VERSION, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
  const body = file.slice(offset, offset + PIECE_BYTES);
  const reply = await transfer("PATCH", address, { headers, body, signal, onProgress: (sent) => onProgress(offset + sent) });
  // 409: the server has more, or less, than this page believes.
  return reply.status === 409 ? whereTo(address, signal) : placeIn(reply);
}

const whereTo = async (address, signal) => placeIn(await transfer("HEAD", address, { headers: VERSION, signal }));

function placeIn(reply) {
  if (reply.status < 200 || reply.status > 299) {
    try {
      readReply(reply.status, reply.body);
    } catch (error) {
      const seconds = Number(reply.header("Retry-After"));
      if (seconds > 0) error.retryAfter = Math.min(seconds, 60) * 1000;
      throw error;
    }
  }
  return { offset: Number(reply.header("Upload-Offset")), document: reply.header("Lorekeeper-Document") };
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
