"""A process that was told to end does so in time, whatever it is waiting for."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import structlog

# Process managers and containers are told to wait for 30 seconds before they kill.
LONGEST_SECONDS = 28.0
log = structlog.get_logger(__name__)


def end_in_time(
    status: int, seconds: float = LONGEST_SECONDS, leave: Callable[[int], object] = os._exit
) -> threading.Timer:
    """Ends this process with this exit status after so many seconds, if it is still there then.

    What is in work then falls to other processes, or to the next start, as after a crash: all of it is written down.
    """
    timer = threading.Timer(seconds, _leave, (status, seconds, leave))
    timer.daemon = True
    timer.start()
    return timer


def _leave(status: int, seconds: float, leave: Callable[[int], object]) -> None:
    log.warning("what is in work did not end in time; others, or the next start, go on with it", seconds=seconds)
    sys.stdout.flush()
    sys.stderr.flush()
    leave(status)
