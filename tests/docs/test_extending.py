"""The examples of docs/extending.md, run as they stand there: in a copy of Lorekeeper, by its own commands."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.bots.command import SECONDS, Place, place
from tests.fakes.embedder import WordEmbedder

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
FILE = re.compile(r"(?s)\nWrite `([^`\n]+)`:\n\n```python\n(.*?)```")
LINES = re.compile(r"(?s)\nAdd (one line|these lines) in `([^`\n]+)`, below `([^\n]+)`:\n\n```python\n(.*?)```")
LONGEST = 60
QUESTION = "How many days of vacation do full-time staff accrue?"
LEAVE = "# Leave\n\nFull-time staff accrue 15 days of vacation each year.\n"
CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:Summer party\r\nDTSTART:20270702T160000Z\r\n"
    "LOCATION:The garden behind the Pear\r\n tree building\\, gate 4\r\nDESCRIPTION:Bring a cake.\\nDogs are welcome.\r\n"
    "END:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:Founding day\r\nDTSTART;VALUE=DATE:20270914\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
PARTY = (
    "Summer party begins on 2027-07-02 16:00 UTC.\n\n"
    "Summer party takes place here: The garden behind the Peartree building, gate 4.\n\n"
    "Bring a cake.\nDogs are welcome."
)
CHOSEN_MODEL = """
from langchain_core.language_models import FakeListChatModel
MODEL = FakeListChatModel(responses=["Staff on full time accrue 15 days of vacation each year [1]."])
BROKEN = object()
"""
RUN_IRC = "import sys; sys.argv += ['--only', 'gateway', '--only', 'irc']; from core.cli import main; main()"


def files() -> dict[str, str]:
    """What the page says to write, by path."""
    return dict(FILE.findall(PAGE.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Extended:
    """A copy of Lorekeeper with everything that the page adds."""

    root: Path

    def place(self, folder: Path, **extra: str) -> Place:
        return place(folder, PYTHONPATH=str(self.root), **extra)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    root = tmp_path_factory.mktemp("extended")
    for package in ("core", "bots", "ingest"):
        shutil.copytree(ROOT / package, root / package)
    for path, text in files().items():
        assert not (root / path).exists(), f"{path} exists already"
        (root / path).write_text(text, encoding="utf-8")
    for _, path, anchor, lines in LINES.findall(PAGE.read_text(encoding="utf-8")):
        before, found, after = (root / path).read_text(encoding="utf-8").partition(f"{anchor}\n")
        assert found, f"{path} has no line {anchor}"
        (root / path).write_text(f"{before}{found}{lines}{after}", encoding="utf-8")
    (root / "chosen_model.py").write_text(CHOSEN_MODEL)
    return Extended(root)


@pytest.fixture(scope="module")
def irc() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server


@pytest.fixture(scope="module")
def served(extended: Extended, irc: socket.socket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """`lorekeeper run` with the gateway and IRC, and one document."""
    address = f"127.0.0.1:{irc.getsockname()[1]}"
    here = extended.place(tmp_path_factory.mktemp("served"), IRC_SERVER=address, IRC_CHANNEL="#lore")
    (here.folder / "leave.md").write_text(LEAVE)
    with here.serving(RUN_IRC):
        assert here.run("documents", "add", "leave.md").status == 0
        yield here


def test_the_page_has_an_example_of_each_kind_and_all_are_short() -> None:
    lengths = {path: text.count("\n") for path, text in files().items()}
    assert {Path(path).parent.as_posix() for path in lengths} == {
        "bots",
        "ingest/parse",
        "core/retrieval/embed",
        ".",
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_the_channel_answers_who_addresses_it_and_nobody_else(served: Place, irc: socket.socket) -> None:
    connection, _ = irc.accept()
    with connection, connection.makefile("rw", encoding="utf-8", newline="\r\n") as lines:
        connection.settimeout(SECONDS)
        assert [lines.readline(), lines.readline()] == ["NICK lore\r\n", "USER lore 0 * :Lorekeeper\r\n"]
        _write(lines, ":server 001 lore :Welcome", "PING :still there?")
        assert [lines.readline(), lines.readline()] == ["JOIN #lore\r\n", "PONG :still there?\r\n"]
        _write(lines, f":bob!b@host PRIVMSG #lore :carol: {QUESTION}", f":ada!a@host PRIVMSG #lore :lore: {QUESTION}")
        answer, source = lines.readline(), lines.readline()
        doctor = served.run("doctor")
    assert answer.startswith("PRIVMSG #lore :ada: ")
    assert "15 days" in answer
    assert source == "PRIVMSG #lore :ada: [1] Leave\r\n"
    assert "irc: connected to 127.0.0.1" in doctor.out


def test_the_parser_reads_a_file_in_the_process_for_files(served: Place) -> None:
    (served.folder / "events.ics").write_text(CALENDAR, newline="")
    (served.folder / "half.ics").write_text(CALENDAR.partition("END:VCALENDAR")[0], newline="")
    added = served.run("documents", "add", "events.ics")
    broken = served.run("documents", "add", "half.ics")
    asked = served.run("ask", "--json", "Where does the summer party take place?")
    events = next(each for each in _documents(served) if each["source"].endswith("events.ics"))
    passages = served.run("documents", "show", "--json", events["id"]).json["passages"]
    assert added.out == "Documents: 1 added. Passages indexed: 2.\n"
    assert "The calendar ends in the middle." in broken.out + broken.err
    assert "The garden behind the Peartree building, gate 4" in asked.json["text"]
    assert asked.json["citations"][0]["locator"] == "Summer party"
    assert [each["text"] for each in passages] == [
        PARTY,
        "Founding day begins on 2027-09-14.",
    ]


def test_the_source_is_synchronised(served: Place) -> None:
    database = served.folder / "intranet.db"
    _change(database, "create table faq(id, question, answer)")
    _change(database, "insert into faq values (1, 'Where do I park?', 'Visitors park on deck 3.')")
    _change(database, "insert into faq values (2, 'Who repairs the coffee machine?', 'Call extension 4711.')")
    added = served.run("sources", "add", "langchain:faq_table.FaqTable", "--argument", f"path={database}")
    parking = served.run("ask", "--json", "Where do visitors park?")
    _change(database, "update faq set answer = 'Visitors park on deck 7.' where id = 1")
    _change(database, "delete from faq where id = 2")
    synced = served.run("sources", "sync")
    moved = served.run("ask", "--json", "Where do visitors park?")
    assert (added.status, synced.status) == (0, 0)
    assert "deck 3" in parking.json["text"]
    assert parking.json["citations"][0]["url"] == "https://intranet.example.org/faq/1"
    assert "deck 7" in moved.json["text"]
    assert [each["title"] for each in _documents(served) if "faq_table" in each["source"]] == ["Where do I park?"]


@pytest.mark.slow
def test_the_language_model_writes_the_answers(extended: Extended, tmp_path: Path) -> None:
    with _model_server(extended, "chosen_model:MODEL") as url:
        here = extended.place(tmp_path, LOREKEEPER_GENERATION__BASE_URL=url)
        (tmp_path / "leave.md").write_text(LEAVE)
        assert here.run("documents", "add", "leave.md").status == 0
        asked = here.run("ask", "--json", QUESTION)
    assert asked.json["text"] == "Staff on full time accrue 15 days of vacation each year. [1]"
    assert asked.json["generator"] == "chat:chosen_model:MODEL"


@pytest.mark.slow
def test_a_language_model_that_fails_leaves_the_answer_to_the_documents(extended: Extended, tmp_path: Path) -> None:
    with _model_server(extended, "chosen_model:BROKEN") as url:
        here = extended.place(tmp_path, LOREKEEPER_GENERATION__BASE_URL=url, LOREKEEPER_GENERATION__RETRIES="0")
        (tmp_path / "leave.md").write_text(LEAVE)
        assert here.run("documents", "add", "leave.md").status == 0
        asked = here.run("ask", "--json", QUESTION)
    assert asked.json["generator"] == "extractive"
    assert "15 days" in asked.json["text"]


@pytest.mark.slow
def test_the_embedding_model_makes_the_vectors(extended: Extended, tmp_path: Path) -> None:
    with _inference_server() as (url, asked_for):
        here = extended.place(
            tmp_path,
            LOREKEEPER_EMBEDDING__URL=f"tei+{url}",
            LOREKEEPER_EMBEDDING__MODEL="words",
            LOREKEEPER_RETRIEVAL__LEXICAL_WEIGHT="0",
        )
        (tmp_path / "leave.md").write_text(LEAVE)
        assert here.run("documents", "add", "leave.md").status == 0
        asked = here.run("ask", "--json", QUESTION)
    assert "15 days" in asked.json["text"]
    assert {"passage", "query"} == asked_for
    away = here.run("ask", QUESTION)
    assert away.status == 1
    assert "The server at embedding.url does not answer as it should" in away.err
    assert "Traceback" not in away.err


def _write(stream: object, *lines: str) -> None:
    for line in lines:
        stream.write(f"{line}\r\n")  # type: ignore[attr-defined]
    stream.flush()  # type: ignore[attr-defined]


def _change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def _documents(here: Place) -> list[dict[str, str]]:
    found: list[dict[str, str]] = here.run("documents", "list", "--json").json["documents"]
    return found


@contextmanager
def _model_server(extended: Extended, model: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, str(extended.root / "model_server.py"), model, str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        deadline = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/models", trust_env=False).is_success:
                    break
            time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


@contextmanager
def _inference_server() -> Iterator[tuple[str, set[str]]]:
    """Speaks as text-embeddings-inference does: its address, and the kinds of texts that were asked for."""
    asked_for: set[str] = set()
    embedder = WordEmbedder()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked_for.add(body.get("prompt_name", "passage"))
            data = json.dumps(embedder.embed(body["inputs"]).tolist()).encode()
            self.send_response(200 if self.path == "/embed" else 404)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked_for
        finally:
            server.shutdown()
            thread.join()
