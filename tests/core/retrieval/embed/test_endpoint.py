"""An OpenAI-compatible embeddings endpoint on loopback: good answers, and every bad one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from core.errors import EmbeddingFailed, EndpointUnavailable
from core.retrieval.embed.endpoint import TRIES, EndpointEmbedder
from core.settings_documents import Embedding

Reply = Callable[[dict[str, Any]], tuple[int, bytes]]


class Endpoint:
    """Answers every request by `reply`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.reply: Reply = good
        self.drips = False
        self.stopping = threading.Event()
        self.requests: list[tuple[dict[str, Any], str | None]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append((body, self.headers.get("Authorization")))
                status, data = endpoint.reply(body)
                self.send_response(status)
                self.send_header("Content-Length", str(10**6 if endpoint.drips else len(data)))
                self.end_headers()
                self.wfile.write(data)
                with suppress(OSError):
                    while endpoint.drips and not endpoint.stopping.wait(0.02):
                        self.wfile.write(b" ")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


def good(body: dict[str, Any]) -> tuple[int, bytes]:
    rows = [{"index": index, "embedding": [float(len(text)), 1.0]} for index, text in enumerate(body["input"])]
    return 200, json.dumps({"data": rows[::-1]}).encode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    served = Endpoint()
    thread = threading.Thread(target=served.server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.stopping.set()
    served.server.shutdown()
    served.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.retrieval.embed.endpoint.PAUSE_SECONDS", 0.0)


@pytest.fixture
def embedder(endpoint: Endpoint) -> Iterator[EndpointEmbedder]:
    settings = Embedding(url=endpoint.url, model="embed-1", api_key=SecretStr("k"), timeout_seconds=1)
    opened = EndpointEmbedder(settings)
    yield opened
    opened.close()


def test_vectors_come_in_the_order_of_the_texts_and_of_unit_length(embedder: EndpointEmbedder) -> None:
    rows = embedder.embed(["a" * 3, "b" * 5])
    np.testing.assert_allclose(rows[:, 0] / rows[:, 1], [3, 5], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)


def test_model_and_key_are_sent_and_long_lists_are_cut(embedder: EndpointEmbedder, endpoint: Endpoint) -> None:
    embedder.embed(["text"] * 100)
    assert [len(body["input"]) for body, _ in endpoint.requests] == [64, 36]
    assert endpoint.requests[0][0]["model"] == "embed-1"
    assert endpoint.requests[0][1] == "Bearer k"


def test_the_identity_names_model_and_dimension(embedder: EndpointEmbedder) -> None:
    assert embedder.identity == "embed-1/endpoint/2"


@pytest.mark.parametrize(
    "reply",
    [
        lambda body: (500, b"oops"),
        lambda body: (401, b"{}"),
        lambda body: (200, b"<html>login</html>"),
        lambda body: (200, b"[]"),
        lambda body: (302, b""),
        lambda body: (200, b'{"data": [{"index": 0, "embedding": []}]}'),
        lambda body: (200, b'{"data": []}'),
        lambda body: (200, b'{"data": [{"index": 0, "embedding": [NaN, 1]}]}'),
        lambda body: (200, b'{"data": [{"index": 0, "embedding": "abc"}]}'),
    ],
)
def test_a_bad_answer_is_a_clear_error(embedder: EndpointEmbedder, endpoint: Endpoint, reply: Reply) -> None:
    endpoint.reply = reply
    with pytest.raises(EmbeddingFailed, match="embeddings endpoint"):
        embedder.embed(["a"])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_refusal_is_tried_again(embedder: EndpointEmbedder, endpoint: Endpoint, status: int) -> None:
    endpoint.reply = lambda body: good(body) if len(endpoint.requests) == TRIES else (status, b"")
    assert embedder.embed(["a"]).shape == (1, 2)


def test_it_gives_up_after_the_last_try_and_says_why(embedder: EndpointEmbedder, endpoint: Endpoint) -> None:
    endpoint.reply = lambda body: (429, b"")
    with pytest.raises(EndpointUnavailable, match=r"too busy or down \(HTTP 429\)"):
        embedder.embed(["a"])
    assert len(endpoint.requests) == TRIES


@pytest.mark.parametrize(
    ("status", "said"),
    [(400, "refused the text"), (401, r"embedding\.api_key"), (404, r"embedding\.model"), (500, "HTTP 500")],
)
def test_a_refusal_is_named_and_not_tried_again(
    embedder: EndpointEmbedder, endpoint: Endpoint, status: int, said: str
) -> None:
    endpoint.reply = lambda body: (status, b"")
    with pytest.raises(EmbeddingFailed, match=said) as caught:
        embedder.embed(["a"])
    assert not isinstance(caught.value, EndpointUnavailable)
    assert len(endpoint.requests) == 1


def test_an_answer_that_drips_runs_out_of_time_and_is_tried_again(endpoint: Endpoint) -> None:
    endpoint.drips = True
    opened = EndpointEmbedder(Embedding(url=endpoint.url, timeout_seconds=0.2))
    with pytest.raises(EndpointUnavailable, match=r"within 0\.2 seconds"):
        opened.embed(["a"])
    opened.close()
    assert len(endpoint.requests) == TRIES


def test_vectors_of_another_length_than_before_are_an_error(embedder: EndpointEmbedder, endpoint: Endpoint) -> None:
    embedder.embed(["a"])
    endpoint.reply = lambda body: (200, b'{"data": [{"index": 0, "embedding": [1, 0, 0]}]}')
    with pytest.raises(EmbeddingFailed, match="vectors of 3 numbers, after 2"):
        embedder.embed(["a"])


def test_an_endpoint_that_is_down_is_a_clear_error() -> None:
    opened = EndpointEmbedder(Embedding(url="http://127.0.0.1:9/v1", timeout_seconds=1))
    with pytest.raises(EmbeddingFailed, match="does not answer"):
        opened.embed(["a"])
    opened.close()
