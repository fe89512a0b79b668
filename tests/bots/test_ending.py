"""Ending in time, whatever a process waits for."""

from __future__ import annotations

import threading

import pytest

from bots.ending import end_in_time


@pytest.mark.parametrize("status", [0, 1])
def test_a_process_that_hangs_is_ended_with_the_status_that_it_was_to_have(status: int) -> None:
    left: list[int] = []
    gone = threading.Event()

    def leave(with_status: int) -> None:
        left.append(with_status)
        gone.set()

    end_in_time(status, 0.0, leave)
    assert gone.wait(30)
    assert left == [status]


def test_it_keeps_no_process_alive() -> None:
    timer = end_in_time(0)
    timer.cancel()
    assert timer.daemon
