"""The process that reads files has no network, and no memory without end."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux'")


def confined(code: str) -> str:
    """What a confined process prints."""
    script = f"from ingest.parse.sandbox import confine\nconfine(300_000_000)\n{dedent(code)}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@LINUX
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
def test_there_are_no_sockets(family: str) -> None:
    attempt = f"""
        import socket
        try:
            socket.socket(socket.{family})
        except PermissionError:
            print("refused")
    """
    assert confined(attempt) == "refused"


@LINUX
def test_nor_in_a_program_that_it_starts() -> None:
    attempt = """
        import subprocess, sys
        code = "import socket; socket.socket()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        print(done.stderr.splitlines()[-1])
    """
    assert confined(attempt) == "PermissionError: [Errno 1] Operation not permitted"


@LINUX
def test_memory_ends() -> None:
    attempt = """
        try:
            bytearray(400_000_000)
        except MemoryError:
            print("refused", len(bytearray(100_000_000)))
    """
    assert confined(attempt) == "refused 100000000"


def test_the_rest_of_the_process_goes_on() -> None:
    attempt = """
        import threading, tempfile
        thread = threading.Thread(target=print, args=("a thread",))
        thread.start()
        thread.join()
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        print("a file")
    """
    assert confined(attempt) == "a thread\na file"
