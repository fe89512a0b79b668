"""What nothing here reads goes to an Unstructured API server, here one on this machine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from core.errors import LorekeeperError, StorageFailed, TooLarge, UnreadableDocument, UnsupportedFormat
from core.settings_documents import Parse
from core.types import Block, BlockKind
from ingest.parse import formats, ocr, unstructured, unstructured_elements
from ingest.parse.process import ParserProcess
from ingest.parse.unstructured import UnstructuredServer
from ingest.parse.unstructured_elements import arranged
from tests.fakes.compound import compound_file

OLD = compound_file({"WordDocument": b"x"})
ELEMENTS = [
    {"type": "Header", "text": "Handbook", "metadata": {"page_number": 1}},
    {"type": "Title", "text": "Leave", "metadata": {"page_number": 1, "category_depth": 0}},
    {"type": "NarrativeText", "text": "Thirty\u202e days.", "metadata": {"page_number": 1}},
    {"type": "Title", "text": "How", "metadata": {"page_number": 1, "category_depth": 1}},
    {"type": "ListItem", "text": "Ask.", "metadata": {"page_number": 1}},
    {"type": "ListItem", "text": "Go.", "metadata": {"page_number": 1}},
    {"type": "ListItem", "text": "Return.", "metadata": {"page_number": 2}},
    {"type": "Header", "text": "Handbook", "metadata": {"page_number": 2}},
    {"type": "PageNumber", "text": "2", "metadata": {"page_number": 2}},
    {
        "type": "Table",
        "text": "Country Days DE 30",
        "metadata": {
            "page_number": 2,
            "text_as_html": "<table><tr><th>Country<th>Days</tr><tr><td>D<b>E</b></td><td>30 | 31</td></tr></table>",
        },
    },
    {"type": "Image", "text": "", "metadata": {"page_number": 2}},
    {"type": "CodeSnippet", "text": "a:\n    b", "metadata": {"page_number": 2}},
]
BLOCKS = (
    Block("Handbook", page=1),
    Block("Leave", BlockKind.HEADING, 1, 1),
    Block("Thirty days.", page=1),
    Block("How", BlockKind.HEADING, 2, 1),
    Block("- Ask.\n- Go.", BlockKind.LIST, page=1),
    Block("- Return.", BlockKind.LIST, page=2),
    Block("| Country | Days |\n| --- | --- |\n| DE | 30 \\| 31 |", BlockKind.TABLE, page=2),
    Block("a:\n    b", BlockKind.CODE, page=2),
)


@dataclass
class Server:
    """Answers what it is told to, and keeps what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = json.dumps(ELEMENTS).encode()
    pause: float = 0.0
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            time.sleep(state.pause)
            self.send_response(state.status)
            if state.status == 307:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.handle_error = lambda *_: None  # type: ignore[method-assign]  # those who hang up
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


def asking(server: Server, seconds: float = 10) -> UnstructuredServer:
    return UnstructuredServer(server.url, "key-1", seconds)


@pytest.fixture
def parser(server: Server) -> Iterator[ParserProcess]:
    settings = Parse(unstructured_url=server.url, unstructured_key=SecretStr("key-1"))
    process = ParserProcess.from_settings(settings)
    yield process
    process.close()
    process.stop()


class TestThroughTheProcess:
    def test_an_old_document_is_read_there(self, parser: ParserProcess, server: Server) -> None:
        document = parser.parse(OLD, "hr/secret plan.doc")
        assert document.blocks == BLOCKS
        assert (document.title, document.pages, document.media_type) == ("Leave", 2, formats.DOC)
        assert document.losses == ("One picture has no text that could be read.",)
        [(path, headers, body)] = server.asked
        assert path == "/general/v0/general"
        assert headers["unstructured-api-key"] == "key-1"
        assert OLD in body
        assert b'name="strategy"\r\n\r\nauto' in body
        assert b'name="files"; filename="document.doc"' in body
        assert b"secret plan" not in body

    def test_what_is_read_here_does_not_leave(self, parser: ParserProcess, server: Server) -> None:
        assert parser.parse(b"Text.", "a.txt").blocks == (Block("Text."),)
        with pytest.raises(UnsupportedFormat):
            parser.parse(b"7z\xbc\xaf\x27\x1c" + bytes(26), "a.7z")
        assert server.asked == []

    def test_after_closing_nothing_is_asked(self, parser: ParserProcess, server: Server) -> None:
        parser.close()
        with pytest.raises(StorageFailed):
            parser.parse(OLD, "a.doc")
        assert server.asked == []

    def test_without_a_server_a_person_is_told_what_to_do(self) -> None:
        process = ParserProcess.from_settings(Parse())
        with pytest.raises(UnsupportedFormat, match=r"Save it as a Word document \(\.docx\) and add that"):
            process.parse(OLD, "a.doc")
        process.stop()


@pytest.mark.parametrize("is_installed", [False, True])
def test_pictures_go_there_only_where_there_is_no_text_recognition(
    is_installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("PIL")
    from ingest.parse import parser_for
    from ingest.parse.errors import ReadElsewhere
    from ingest.parse.options import ParseOptions

    monkeypatch.setattr(ocr, "is_available", lambda: is_installed)
    options = ParseOptions(elsewhere=UnstructuredServer.media_types)
    if is_installed:
        assert parser_for("image/png", options)
    else:
        with pytest.raises(ReadElsewhere):
            parser_for("image/png", options)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, UnreadableDocument, "refused the key"),
        (404, UnreadableDocument, "does not know what it is asked"),
        (413, TooLarge, "does not take one as large as this"),
        (422, UnreadableDocument, "could not read this file"),
        (500, UnreadableDocument, "could not read this file"),
        (503, UnreadableDocument, "is busy"),
        (307, UnreadableDocument, "could not read this file"),
    ],
)
def test_refusals_are_told_in_plain_words(
    server: Server, status: int, error: type[LorekeeperError], words: str
) -> None:
    server.status = status
    with pytest.raises(error, match=words):
        asking(server).parse(OLD, "a.doc", formats.DOC)
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"detail": "x"}', b"[" * 100_000, b"\xff"])
def test_what_is_no_answer_of_such_a_server(server: Server, body: bytes) -> None:
    server.body = body
    with pytest.raises(UnreadableDocument, match="no Unstructured server"):
        asking(server).parse(OLD, "a.doc", formats.DOC)


@pytest.mark.parametrize("body", [b"[]", b"[1, null, {}]", b'[{"type": "Title", "text": 5, "metadata": []}]'])
def test_nothing_to_read(server: Server, body: bytes) -> None:
    server.body = body
    with pytest.raises(UnreadableDocument, match="no text in this file"):
        asking(server).parse(OLD, "a.doc", formats.DOC)


def test_an_answer_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unstructured, "MAX_ANSWER", 1000)
    with pytest.raises(TooLarge, match="more text than can be taken"):
        asking(server).parse(OLD, "a.doc", formats.DOC)


def test_a_server_that_takes_too_long_is_given_up(server: Server) -> None:
    server.pause = 1.0
    with pytest.raises(TooLarge, match=r"took longer than 0\.3 seconds"):
        asking(server, 0.3).parse(OLD, "a.doc", formats.DOC)


def test_closing_ends_the_wait(server: Server) -> None:
    server.pause = 1.0
    client = asking(server, 60)
    threading.Timer(0.2, client.close).start()
    with pytest.raises(StorageFailed):
        client.parse(OLD, "a.doc", formats.DOC)


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreadableDocument, match="cannot be reached"):
            UnstructuredServer(url, "", 5).parse(OLD, "a.doc", formats.DOC)


@pytest.mark.parametrize("ending", ["", "/", "/general/v0/general", "/general/v0/general/"])
def test_the_address_may_be_given_with_its_path(server: Server, ending: str) -> None:
    UnstructuredServer(server.url + ending, "", 10).parse(OLD, "a.doc", formats.DOC)
    path, headers, _ = server.asked[0]
    assert path == "/general/v0/general"
    assert "unstructured-api-key" not in headers


class TestElements:
    def test_sheets_are_headings_and_no_pages(self) -> None:
        rows = "<table><tr><td colspan=2>Days</td></tr><tr><td>DE</td><td>30<br>31</td></tr></table>"
        about = {"page_name": "Leave", "page_number": 1, "text_as_html": rows}
        document = arranged([{"type": "Table", "text": "x", "metadata": about}] * 2, "plan.xls")
        table = Block("| Days |  |\n| --- | --- |\n| DE | 30 31 |", BlockKind.TABLE)
        assert document.blocks == (Block("Leave", BlockKind.HEADING, 2), table, table)
        assert (document.title, document.pages) == ("Plan", None)

    @pytest.mark.parametrize(
        "html", ["", "<p>no rows", "<table>" * 10_000, "<td colspan='99999999999'>", "</td></tr>x", "<tr><tr>"]
    )
    def test_a_table_without_rows_is_its_text(self, html: str) -> None:
        element = {"type": "Table", "text": "DE 30", "metadata": {"text_as_html": html}}
        assert arranged([element], "x").blocks[0].text == "DE 30"

    @pytest.mark.parametrize("page", [0, -1, 10**9, "1", None, 1.5])
    def test_numbers_that_are_no_pages(self, page: Any) -> None:
        assert arranged([{"type": "Text", "text": "a", "metadata": {"page_number": page}}], "x").blocks[0].page is None

    @pytest.mark.parametrize(("bound", "value"), [("MAX_ELEMENTS", 3), ("MAX_CHARACTERS", 5)])
    def test_there_are_bounds(self, bound: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unstructured_elements, bound, value)
        with pytest.raises(TooLarge):
            arranged([{"type": "Text", "text": "abc"}] * 4, "x")
