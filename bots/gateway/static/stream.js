// One question and its answer as it is made. A connection that breaks is taken up again after the last event.
import { Problem, openEvents, readEvents, session } from "./api.js";
import { pause } from "./dom.js";

// Together less than the time after which the server gives up an answer that nobody follows.
const PAUSES_MS = [200, 600, 1_200, 2_000];

/**
 * Asks, and calls `on.status(stage)` and `on.text(text so far)` on the way. Resolves to the whole answer.
 * Throws a Problem, an AbortError or TimeoutError of `signal`, or a TypeError when the server cannot be reached.
 */
export async function askStreaming(question, thread, signal, on) {
  const json = { question, stream: true };
  if (thread) json.thread = thread;
  if (session.namespace) json.namespace = session.namespace;
  let last = "";
  let text = "";
  let tries = 0;
  let connect = () => openEvents("/v1/ask", { method: "POST", json, signal });
  for (;;) {
    try {
      const response = await connect();
      for await (const { id, name, data } of readEvents(response)) {
        if (name === "done") return data;
        if (name === "error") throw asProblem(data);
        if (name === "status") on.status(data.stage);
        if (name === "token") on.text((text = data.restart ? data.text : text + data.text));
        [last, tries] = [id || last, 0];
      }
      throw new TypeError("the stream ended before the answer");
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof Problem || !last || tries >= PAUSES_MS.length) throw error;
    }
    await pause(PAUSES_MS[tries], signal);
    if (signal.aborted) throw signal.reason;
    tries += 1;
    connect = () => openEvents(`/v1/ask/${last.split(":")[0]}`, { headers: { "Last-Event-ID": last }, signal });
  }
}

function asProblem({ detail, title, status, reference }) {
  return new Problem(String(detail || title || "The answer failed."), { status, reference });
}
