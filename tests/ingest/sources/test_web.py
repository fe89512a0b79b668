"""Single files on the web, from a server on this machine that the settings allow."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.errors import InvalidRequest, LorekeeperError, TooLarge
from ingest.sources.base import Unreachable
from ingest.sources.guard import Guard
from ingest.sources.web import WebFile

Answering = Callable[[BaseHTTPRequestHandler], None]
PAGE = b"<!doctype html><title>Handbook</title><h1>Handbook</h1><p>Staff accrue 15 days.</p>"


@dataclass(slots=True)
class Web:
    """What each path answers, and what was asked for: path and `Host`."""

    port: int = 0
    answers: dict[str, Answering] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def file(
        self, path: str, *hosts: str, resolver: object = None, limit: int = 100_000, seconds: float = 20
    ) -> WebFile:
        allowed = [f"{host}:{self.port}" for host in (hosts or ("127.0.0.1",))]
        guard = Guard(allowed, (), resolver) if resolver else Guard(allowed)  # type: ignore[arg-type]
        return WebFile(self.url(path, hosts[0] if hosts else "127.0.0.1"), guard, limit, seconds)


@pytest.fixture
def web() -> Iterator[Web]:
    served = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.path, self.headers["Host"]))
            served.answers[self.path](self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def answer(body: bytes = PAGE, status: int = 200, **headers: str) -> Answering:
    def do(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), "Content_Type": "text/html", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return do


def leads_to(location: str) -> Answering:
    return answer(b"", 302, Location=location)


def content(file: WebFile) -> bytes:
    (entry,) = file.list().entries
    return file.read(entry)


def test_a_file_is_fetched_and_named(web: Web) -> None:
    web.answers["/hand%20book"] = answer(ETag='"1"')
    file = web.file("/hand%20book")
    (entry,) = file.list().entries
    assert (entry.name, entry.source, entry.url) == ("hand book.html", file.root, file.root)
    assert file.read(entry) == PAGE


def test_an_etag_tells_a_change_without_the_body_and_without_one_the_body_does(web: Web) -> None:
    web.answers["/a"] = answer(ETag='"1"')
    first = web.file("/a").list().entries[0].fingerprint
    assert web.file("/a").list().entries[0].fingerprint == first
    web.answers["/a"] = answer(ETag='"2"')
    assert web.file("/a").list().entries[0].fingerprint != first
    web.answers["/b"] = answer()
    first = web.file("/b").list().entries[0].fingerprint
    web.answers["/b"] = answer(PAGE.replace(b"15", b"20"))
    file = web.file("/b")
    (entry,) = file.list().entries
    assert entry.fingerprint != first
    asked = len(web.asked)
    assert b"20 days" in file.read(entry)
    assert len(web.asked) == asked, "it is here already"


def test_a_file_that_is_gone_is_an_empty_listing_with_a_reason(web: Web) -> None:
    web.answers["/a"] = answer(b"", 404)
    listing = web.file("/a").list()
    assert (list(listing.entries), "status 404" in listing.note) == ([], True)


@pytest.mark.parametrize("status", [401, 403, 500, 503, 204])
def test_other_answers_are_a_failure(web: Web, status: int) -> None:
    web.answers["/a"] = answer(b"", status)
    with pytest.raises(Unreachable, match=str(status)):
        web.file("/a").list()


def test_redirects_are_followed_and_not_for_ever(web: Web) -> None:
    web.answers |= {"/a": leads_to("b?x=1"), "/b?x=1": leads_to("/c"), "/c": answer(), "/loop": leads_to("/loop")}
    assert content(web.file("/a")) == PAGE
    with pytest.raises(InvalidRequest, match="more than 5 times"):
        web.file("/loop").list()


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1/", "http://localhost/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://[::]/",
        "http://2130706433/", "http://0177.0.0.1/", "http://0x7f.1/", "http://127.1/", "http://0/", "//10.0.0.1/",
        "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://user:pass@1.1.1.1/", "file:///etc/passwd",
        "gopher://1.1.1.1/", "http://[::1", "http://a b/", "http://%00/", "https://\u202e.example/", "http://1.1.1.1:22/", "https://127.0.0.1:1/",
    ],
)  # fmt: skip
def test_redirects_into_the_network_are_refused(web: Web, target: str) -> None:
    web.answers["/a"] = leads_to(target)
    with pytest.raises((InvalidRequest, Unreachable)) as caught:
        web.file("/a").list()
    assert "pass@" not in caught.value.message
    assert len(web.asked) == 1


def test_a_name_that_changes_its_address_meanwhile_is_connected_to_where_it_was_judged(web: Web) -> None:
    """DNS rebinding: the first answer passes the guard, and every later one would lead elsewhere."""
    answers = iter([["127.0.0.1"], ["127.0.0.66"], ["127.0.0.66"]])
    resolved: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        resolved.append(host)
        return next(answers)

    web.answers["/a"] = answer()
    file = web.file("/a", "wiki.example", resolver=rebinding)
    assert content(file) == PAGE
    assert resolved == ["wiki.example"]
    assert web.asked == [("/a", f"wiki.example:{web.port}")], "the server hears the name, not the address"


def test_each_redirect_is_resolved_and_judged_anew(web: Web) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.1"]])

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers)

    web.answers["/a"] = leads_to("http://innocent.example/b")
    with pytest.raises(InvalidRequest, match=r"innocent\.example is not a host of the internet"):
        web.file("/a", "wiki.example", resolver=rebinding).list()


def test_the_next_address_is_tried_when_one_takes_no_connection(web: Web) -> None:
    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.99" if port == 1 else "::1", "127.0.0.1"]

    web.answers["/a"] = answer()
    assert content(web.file("/a", "wiki.example", resolver=two)) == PAGE


def test_what_is_too_large_is_refused_whether_or_not_its_size_is_told(web: Web) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(10_000):
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    web.answers |= {"/told": answer(b"x" * 200_000), "/endless": endless}
    for path in ("/told", "/endless"):
        with pytest.raises(TooLarge, match=r"server\.max_upload_mb"):
            web.file(path).list()


def test_a_bomb_is_not_unpacked(web: Web) -> None:
    packed = gzip.compress(b"\0" * 300_000_000, compresslevel=1)
    web.answers["/bomb"] = answer(packed, Content_Encoding="gzip")
    with pytest.raises(TooLarge):
        web.file("/bomb", limit=5_000_000).list()


def test_compressed_answers_are_read_within_the_limit(web: Web) -> None:
    web.answers |= {
        "/a": answer(gzip.compress(PAGE), Content_Encoding="gzip"),
        "/cut": answer(gzip.compress(PAGE)[:-20], Content_Encoding="gzip"),
        "/bad": answer(b"no gzip", Content_Encoding="gzip"),
        "/br": answer(b"x", Content_Encoding="br"),
    }
    assert content(web.file("/a")) == PAGE
    for path in ("/cut", "/bad", "/br"):
        with pytest.raises(Unreachable):
            web.file(path).list()


def test_a_server_that_drips_is_given_up(web: Web) -> None:
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not stop.wait(0.02):
                handler.wfile.write(b".")
                handler.wfile.flush()
        except OSError:
            pass

    web.answers["/slow"] = drip
    try:
        with pytest.raises(Unreachable, match="did not arrive within"):
            web.file("/slow", seconds=0.5).list()
    finally:
        stop.set()


def test_a_server_that_is_not_there_is_a_failure_of_ours_to_tell(web: Web) -> None:
    with pytest.raises(LorekeeperError, match="cannot be fetched"):
        WebFile("http://127.0.0.1:9/x", Guard(["127.0.0.1:9"]), 1000).list()
