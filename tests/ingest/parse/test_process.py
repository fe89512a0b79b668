"""Files are read in a process of their own: what ends it, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import StorageFailed, TooLarge, UnreadableDocument, UnsupportedFormat
from core.settings_documents import Parse
from ingest.parse import parse, process
from ingest.parse.child import OUT_OF_MEMORY
from ingest.parse.errors import NoText
from ingest.parse.options import ParseOptions
from ingest.parse.process import ParseCause, ParserProcess
from tests.ingest.parse.test_parse import locked_pdf
from tests.pdf import make_pdf

# Takes markdown-it far longer than any limit here.
SLOW = b"<" * 300_000 + b"![" * 200_000
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def parser() -> Iterator[ParserProcess]:
    process = ParserProcess()
    yield process
    process.close()
    process.stop()


@contextmanager
def stopped(parser: ParserProcess) -> Iterator[ParserProcess]:
    try:
        yield parser
    finally:
        parser.stop()


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie that waits to be collected."""
    try:
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        pytest.skip("there is no ps")
    return bool(state.strip()) and not state.strip().startswith("Z")


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"# Hi\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n    code\n", "a.md"),
        (make_pdf(["First page.", "Second page."], title="First second"), "b.pdf"),
        ("Grüße \ufffd \u2028".encode(), "über.txt"),
        (b"caf\xe9 au lait", "c.txt"),
    ],
)
def test_the_result_is_what_the_parser_gives(parser: ParserProcess, data: bytes, name: str) -> None:
    assert parser.parse(data, name) == parse(data, name)


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(200), "x", UnsupportedFormat),
        (b"\x00\x01\x02\xff", "x.exe", UnsupportedFormat),
        (b"%PDF-1.4 nothing", "x.pdf", UnreadableDocument),
        (b"", "x.md", NoText),
    ],
)
def test_errors_come_through_as_they_are(
    parser: ParserProcess, data: bytes, name: str, error: type[UnreadableDocument]
) -> None:
    with pytest.raises(UnreadableDocument) as here:
        parse(data, name)
    with pytest.raises(UnreadableDocument) as there:
        parser.parse(data, name)
    assert type(there.value) is type(here.value) is error
    assert there.value.message == here.value.message


def test_the_cause_comes_along_for_the_log(parser: ParserProcess) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parser.parse(b"%PDF-1.4 nothing", "x.pdf")
    assert isinstance(caught.value.__cause__, ParseCause)
    assert "PdfiumError" in str(caught.value.__cause__)


def test_the_process_starts_with_the_first_file_and_serves_the_next(parser: ParserProcess) -> None:
    assert parser.pid is None
    parser.parse(b"One.", "a.txt")
    first = parser.pid
    parser.parse(b"Two.", "a.txt")
    assert parser.pid == first != os.getpid()


def test_a_large_file_fits_through(parser: ParserProcess) -> None:
    text = "word " * 1_000_000
    assert parser.parse(text.encode(), "a.txt").blocks[0].text == text.strip()


def test_what_takes_too_long_is_given_up_and_the_next_file_is_read() -> None:
    parser = ParserProcess(seconds=0.5)
    with pytest.raises(TooLarge) as caught:
        parser.parse(SLOW, "slow.md")
    assert caught.value.message == (
        "Reading this file took longer than 0.5 seconds, so it was given up. "
        "Split it, or save it in another format, and add the result."
    )
    assert parser.pid is None
    assert parser.parse(b"Text.", "a.txt").title == "A"
    parser.stop()


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (signal.SIGSEGV, UnreadableDocument, "breaks the program that reads it"),
        (signal.SIGKILL, TooLarge, "more memory than there is"),
    ],
)
def test_a_process_that_dies_over_a_file_is_told_and_replaced(
    parser: ParserProcess, number: int, error: type[Exception], words: str
) -> None:
    parser.parse(b"One.", "a.txt")
    pid = parser.pid
    assert pid is not None
    threading.Timer(0.2, os.kill, (pid, number)).start()
    with pytest.raises(error, match=words):
        parser.parse(SLOW, "slow.md")
    assert parser.parse(b"Two.", "a.txt").title == "A"
    assert parser.pid != pid


def test_stopping_leaves_no_process(parser: ParserProcess) -> None:
    parser.parse(b"One.", "a.txt")
    pid = parser.pid
    assert pid is not None
    parser.stop()
    assert not is_running(pid)
    parser.stop()


def test_closing_ends_a_file_in_the_middle_and_for_good(parser: ParserProcess) -> None:
    parser.parse(b"One.", "a.txt")
    threading.Timer(0.2, parser.close).start()
    with pytest.raises(StorageFailed):
        parser.parse(SLOW, "slow.md")
    with pytest.raises(StorageFailed):
        parser.parse(b"Text.", "a.txt")


def test_the_process_knows_no_secrets(parser: ParserProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    parser.parse(b"One.", "a.txt")
    environment = Path(f"/proc/{parser.pid}/environ")
    if not environment.exists():
        pytest.skip("there is no /proc")
    assert b"xoxb-secret" not in environment.read_bytes()


@pytest.mark.parametrize("password", ["open sesame", "ü"])
def test_passwords_reach_the_process_and_nobody_else(password: str) -> None:
    settings = Parse(passwords=[SecretStr("other"), SecretStr(password)])
    with stopped(ParserProcess.from_settings(settings)) as parser:
        assert parser.parse(locked_pdf(password), "a.pdf").blocks[0].text == "Secret leave."
        assert password not in repr(vars(parser))
        for file in ("environ", "cmdline"):
            path = Path(f"/proc/{parser.pid}/{file}")
            if path.exists():
                assert password.encode() not in path.read_bytes()


def test_the_settings_are_those_that_a_process_has_without_any() -> None:
    usual, given = ParserProcess(), ParserProcess.from_settings(Parse())
    for name in ("_seconds", "_memory_bytes", "_options", "_server"):
        assert getattr(given, name) == getattr(usual, name)


def test_text_recognition_gets_most_of_the_time() -> None:
    parser = ParserProcess.from_settings(Parse(seconds=1000, ocr_languages="eng+deu"))
    assert parser._options == ParseOptions(ocr_languages="eng+deu", ocr_seconds=750)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count what is private")
@pytest.mark.parametrize("size", [60_000_000, 200_000_000], ids=["while it is read", "while it is sent"])
def test_a_file_that_needs_too_much_memory_is_refused_and_the_next_is_read(size: int) -> None:
    with stopped(ParserProcess(memory_bytes=150_000_000)) as parser:
        with pytest.raises(TooLarge, match="needs more memory than there is"):
            parser.parse(b"a b " * (size // 4), "a.txt")
        assert parser.parse(b"Text.", "a.txt").title == "A"


def test_what_earlier_files_left_in_memory_is_no_fault_of_this_one(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser.parse(b"One.", "a.txt")
    first, ask, end = parser.pid, process._ask, ParserProcess._end
    monkeypatch.setattr(process, "_ask", lambda child, *rest: None if child.pid == first else ask(child, *rest))

    def ended(self: ParserProcess, child: subprocess.Popen[bytes]) -> int:
        child.kill()
        end(self, child)
        return OUT_OF_MEMORY

    monkeypatch.setattr(ParserProcess, "_end", ended)
    assert parser.parse(b"Two.", "a.txt").title == "A"
    assert parser.pid != first


def test_what_is_no_answer_is_a_broken_process(parser: ParserProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    parser.parse(b"One.", "a.txt")
    for answer in (
        {"error": "SystemExit", "message": "", "cause": ""},
        {"document": {"blocks": [1], "attachments": []}},
    ):
        monkeypatch.setattr(process, "_ask", lambda *_, answer=answer: (answer, ()))
        with pytest.raises(UnreadableDocument, match="breaks the program that reads it"):
            parser.parse(b"Two.", "a.txt")
        assert parser.pid is None


def test_no_heavy_module_is_loaded_to_start() -> None:
    code = "import sys, ingest.parse.child; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout.split()
    assert not {"numpy", "sqlalchemy", "chromadb", "pypdfium2", "selectolax", "markdown_it"} & set(loaded)


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "in the middle of a file"])
def test_a_parent_that_is_killed_leaves_no_process(is_busy: bool) -> None:
    code = (
        "from ingest.parse.process import ParserProcess\n"
        "parser = ParserProcess()\n"
        "parser.parse(b'One.', 'a.txt')\n"
        "print(parser.pid, flush=True)\n"
        + (
            "parser.parse(b'<' * 300_000 + b'![' * 200_000, 'slow.md')\n"
            if is_busy
            else "import time; time.sleep(60)\n"
        )
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=REPOSITORY)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.2)
        assert is_running(pid)
        parent.kill()
    wait_until_gone(pid)


def test_ctrl_c_is_for_the_parent_alone() -> None:
    code = (
        "from ingest.parse.process import ParserProcess\n"
        "parser = ParserProcess()\n"
        "parser.parse(b'One.', 'a.txt')\n"
        "print(parser.pid, flush=True)\n"
        "try:\n"
        "    parser.parse(b'<' * 300_000 + b'![' * 200_000, 'slow.md')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        start_new_session=True,
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.2)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.read() == b"interrupted\n"
        assert b"Traceback" not in parent.stderr.read()
    wait_until_gone(pid)
