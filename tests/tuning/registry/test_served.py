"""What servers list, held against what an adapter was trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from core.settings import Adapters, Generation, Settings
from core.types.adapters import BaseModel, Form
from tests.core.store.samples import adapter
from tuning.registry.served import against, check_served

KNOWN = replace(adapter(), id="hr-1", served_as="hr-1-x", base=BaseModel("HuggingFaceTB/SmolLM2-360M-Instruct", "abc"))
SAME = [{"id": "default", "root": "HuggingFaceTB/SmolLM2-360M-Instruct", "parent": None}]


def test_the_same_base_model_by_its_name_or_in_a_folder() -> None:
    assert against("http://a/v1", SAME, KNOWN) == ""
    assert against("http://a/v1", [{"id": "m", "root": "/models/SmolLM2-360M-Instruct"}], KNOWN) == ""


def test_adapters_beside_it_say_nothing() -> None:
    beside = {"id": "other-1-x", "root": "/adapters/other-1-x", "parent": "default"}
    assert against("http://a/v1", [*SAME, beside], KNOWN) == ""
    assert "serves" not in against("http://a/v1", [beside], KNOWN)


def test_another_base_model_is_named() -> None:
    said = against("http://a/v1", [{"id": "m", "root": "Qwen/Qwen3-0.6B", "parent": None}], KNOWN)
    assert said == "hr-1 was trained on HuggingFaceTB/SmolLM2-360M-Instruct, and http://a/v1 serves Qwen/Qwen3-0.6B."


def test_a_whole_model_needs_a_server_of_its_own() -> None:
    merged = replace(KNOWN, form=Form.MERGED)
    assert "--served-model-name hr-1-x" in against("http://a/v1", SAME, merged)
    assert against("http://a/v1", [{"id": "hr-1-x", "root": "/m"}], merged) == ""


def test_every_server_is_asked_with_the_key() -> None:
    with _server(SAME, key="sesame") as first, _server([{"id": "m", "root": "tiny"}], key="sesame") as second:
        settings = _settings(first, second, key="sesame")
        assert f"{second} serves tiny" in check_served(settings, KNOWN).objection
        assert check_served(_settings(first, key="sesame"), KNOWN).note == ""
        unasked = check_served(_settings(first, key="wrong"), KNOWN)
        assert (unasked.objection, "did not say" in unasked.note) == ("", True)


def test_who_cannot_be_asked_is_named() -> None:
    away = check_served(_settings("http://127.0.0.1:1/v1"), KNOWN)
    assert (away.objection, "http://127.0.0.1:1/v1 did not say" in away.note) == ("", True)
    with _server([{"id": "gpt"}]) as other, _server({"no": "list"}) as strange:
        assert "did not say" in check_served(_settings(other), KNOWN).note
        assert "did not say" in check_served(_settings(strange), KNOWN).note
    assert "generation.base_url" in check_served(Settings(), KNOWN).note


def _settings(*urls: str, key: str = "") -> Settings:
    return Settings(
        generation=Generation(base_url=urls[0], api_key=key),
        adapters=Adapters(servers=list(urls) if len(urls) > 1 else []),
    )


@contextmanager
def _server(rows: Sequence[Any] | dict[str, str], key: str = "") -> Iterator[str]:
    """Lists these rows at the yielded URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = not key or self.headers["Authorization"] == f"Bearer {key}"
            body = json.dumps({"data": rows}).encode()
            self.send_response(200 if is_known and self.path == "/v1/models" else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
