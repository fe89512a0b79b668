"""Ending in time, whatever a process waits for."""

from __future__ import annotations

import threading

from bots.ending import end_in_time


def test_a_process_that_hangs_is_ended_with_status_0() -> None:
    left: list[int] = []
    gone = threading.Event()

    def leave(status: int) -> None:
        left.append(status)
        gone.set()

    end_in_time(0.0, leave)
    assert gone.wait(30)
    assert left == [0]


def test_it_keeps_no_process_alive() -> None:
    timer = end_in_time()
    timer.cancel()
    assert timer.daemon
