// Sending bytes with progress, which fetch cannot report.
import { Problem, keyHeaders } from "./api.js";

const TIMEOUT_MS = 30 * 60_000;

/**
 * Resolves to `{status, body, header(name)}`. Rejects with a TypeError when the connection was lost, with an
 * AbortError when `signal` says so. `onProgress` is given the bytes sent so far.
 */
export function transfer(method, address, { headers = {}, body = null, onProgress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open(method, address);
    request.responseType = "json";
    request.timeout = TIMEOUT_MS;
    for (const [name, value] of Object.entries({ ...keyHeaders(), ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () =>
      resolve({ status: request.status, body: request.response, header: (name) => request.getResponseHeader(name) });
    request.onerror = () => reject(new TypeError("the connection was lost"));
    request.ontimeout = () => reject(new Problem("The upload took too long."));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) reject(new DOMException("cancelled", "AbortError"));
    else request.send(body);
  });
}
