"""An OpenAI-compatible server on loopback that answers, or misbehaves, as told. Streams as vLLM does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL = "lore-slm"


@dataclass
class FakeOpenAI:
    """Change the fields between requests; `requests` holds the bodies that came in."""

    answer: str = "You accrue 13 days of annual leave per year [1]."
    behaviour: str = "ok"
    """ok, slow, stall, cut, garbage, empty, or html."""
    statuses: list[int] = field(default_factory=list)
    """HTTP errors for the next completions, one each."""
    window: int = 0
    """Longest prompt, in characters, that is not refused in vLLM's words; 0: any."""
    key: str = ""
    models: tuple[str, ...] = (MODEL,)
    models_status: int = 200
    models_drip: bool = False
    """The list of models comes a byte at a time, and never ends."""
    models_asked: int = 0
    retry_after: str = "0.05"
    """Sent with HTTP 429."""
    pause: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of each of them, with names in small letters."""
    left_early: int = 0
    adapters: dict[str, str] = field(default_factory=dict)
    """Paths by name, of those that were loaded; none after a restart."""
    root: str = ""
    """What the models were made from, as vLLM says it."""
    loads_adapters: bool = True
    """Started with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING."""
    load_error: str = ""
    """Why vLLM cannot use the next adapters."""
    refuses_guides: bool = False
    """Knows no structured_outputs, as servers other than vLLM."""
    changes: list[str] = field(default_factory=list)
    """load NAME, unload NAME: what was asked for."""
    url: str = ""

    def prompt(self) -> str:
        """All text of the last request."""
        return "\n".join(message["content"] for message in self.requests[-1]["messages"])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: FakeOpenAI, host: str) -> None:
        super().__init__((host, 0), _Handler)
        self.state = state
        self.stopping = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        state = self.server.state
        if self.path == "/metrics":
            self._text(_metrics(len(state.requests)))
            return
        state.models_asked += 1
        if state.models_status != 200:
            self._error(state.models_status)
        elif state.models_drip:
            self._drip()
        elif self._allowed():
            rows = [{"id": name, "object": "model", "root": state.root, "parent": None} for name in state.models]
            rows += [
                {"id": name, "object": "model", "root": path, "parent": state.models[0]}
                for name, path in state.adapters.items()
            ]
            self._json(200, {"object": "list", "data": rows})

    def do_POST(self) -> None:
        state = self.server.state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        change = self.path.rpartition("/")[2].removesuffix("_lora_adapter")
        if change in {"load", "unload"}:
            if self._allowed():
                self._change(state, change, body)
            return
        state.headers.append({name.lower(): value for name, value in self.headers.items()})
        state.requests.append(body)
        if not self._allowed():
            return
        if state.statuses:
            self._error(state.statuses.pop(0))
        elif body["model"] not in {*state.models, *state.adapters}:
            self._error(404, f"The model `{body['model']}` does not exist.")
        elif state.refuses_guides and "structured_outputs" in body:
            self._error(400, "Unrecognized request argument supplied: structured_outputs")
        elif state.window and len(state.prompt()) > state.window:
            message = (
                "This model's maximum context length is 4096 tokens. Please reduce the length of the input prompt."
            )
            self._json(400, {"error": {"message": message, "type": "BadRequestError", "code": 400}})
        else:
            self._stream(state)

    def _change(self, state: FakeOpenAI, change: str, body: dict[str, str]) -> None:
        """In vLLM's words."""
        name = body["lora_name"]
        state.changes.append(f"{change} {name}")
        if not state.loads_adapters:
            self._json(404, {"detail": "Not Found"})
        elif change == "unload":
            if state.adapters.pop(name, None) is None:
                self._error(404, f"The lora adapter '{name}' cannot be found.")
            else:
                self._text(f"Success: LoRA adapter '{name}' removed successfully.")
        elif name in state.adapters:
            said = "If you want to load the adapter in place, set 'load_inplace' to True."
            self._error(400, f"The lora adapter '{name}' has already been loaded. {said}")
        elif state.load_error:
            self._error(500, state.load_error)
        elif not (Path(body["lora_path"]) / "adapter_config.json").is_file():
            self._error(404, f"Loading lora {name} failed: No adapter found for {body['lora_path']}")
        else:
            state.adapters[name] = body["lora_path"]
            self._text(f"Success: LoRA adapter '{name}' added successfully.")

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000000")
        self.end_headers()
        with suppress(OSError):
            while not self.server.stopping.wait(0.05):
                self._send(" ")
        self.close_connection = True

    def _allowed(self) -> bool:
        key = self.server.state.key
        if key and self.headers.get("authorization") != f"Bearer {key}":
            self._error(401)
            return False
        return True

    def _stream(self, state: FakeOpenAI) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html" if state.behaviour == "html" else "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            _write_stream(state, self._send, self.server.stopping)
        except OSError:
            state.left_early += 1
        self.close_connection = True

    def _send(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def _error(self, status: int, message: str = "refused") -> None:
        self._json(status, {"error": {"message": message, "type": "error", "code": status}})

    def _text(self, text: str) -> None:
        self._body(HTTPStatus.OK, "text/plain", text.encode())

    def _json(self, status: int, value: object) -> None:
        self._body(status, "application/json", json.dumps(value).encode())

    def _body(self, status: int, media_type: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(data)))
        if status == 429:
            self.send_header("retry-after", self.server.state.retry_after)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def fake_openai(*, host: str = "127.0.0.1", **changes: Any) -> Iterator[FakeOpenAI]:
    """A running server. `host`: the address of this machine that it is reached by."""
    state = FakeOpenAI(**changes)
    with _Server(state, host) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://{host}:{server.server_port}/v1"
        try:
            yield state
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()


def _write_stream(state: FakeOpenAI, send: Callable[[str], None], stopping: threading.Event) -> None:
    if state.behaviour == "slow":
        stopping.wait(10)
    if state.behaviour in {"garbage", "html"}:
        send("data: {this is no json\n\n" if state.behaviour == "garbage" else "<html>It works!</html>")
        return
    words = [] if state.behaviour == "empty" else state.answer.split(" ")
    for number, word in enumerate(words):
        if number == len(words) // 2 and state.behaviour == "cut":
            return
        if number == len(words) // 2 and state.behaviour == "stall":
            stopping.wait(10)
        send(_event({"content": word if number == 0 else f" {word}"}, None))
        time.sleep(state.pause)
    send(_event({}, "stop"))
    send("data: [DONE]\n\n")


def _event(delta: dict[str, str], reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


def _metrics(requests: int) -> str:
    """As if each request had 100 tokens, of which 50 were computed before, and was answered with 10."""
    counts = {"prefix_cache_queries": 100, "prefix_cache_hits": 50, "generation_tokens": 10}
    return "".join(f'vllm:{name}_total{{model_name="{MODEL}"}} {each * requests}.0\n' for name, each in counts.items())
