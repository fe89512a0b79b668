"""Fixtures that several folders of tests share."""

from __future__ import annotations

import signal

import pytest

from core.log import configure
from core.settings import Log

pytest_plugins = ["tests.fakes.s3", "tests.postgres", "tests.vllm"]


@pytest.fixture(autouse=True)
def _log_as_in_earnest() -> None:
    # The library's own default prints variables, and with them whole documents. Commands that a test ran changed it.
    configure(Log(level="debug"))


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works() -> None:
    # A shell ignores it for what it runs in the background, and programs hand that on to those that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
