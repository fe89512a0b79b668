"""Memory of processes, as it is looked at."""

from __future__ import annotations

import itertools
import os
import threading
import time

from evals.processes import Gauge, PeakMemory, peak_mb, resident_mb


def test_the_peak_is_the_most_within_a_time() -> None:
    gauge = Gauge(itertools.count(0.0).__next__)
    for megabytes in (5.0, 9.0, 7.0):  # at 0, 1 and 2
        gauge.note(megabytes)
    assert gauge.peak() == 9.0
    assert gauge.peak(begin=2.0) == 7.0
    assert gauge.peak(end=0.5) == 5.0
    assert gauge.peak(0.2, 0.8) is None


def test_peak_memory_is_that_of_the_block() -> None:
    with PeakMemory() as memory:
        before = memory.megabytes
        held = bytearray(60_000_000)
        held[::4096] = b"x" * len(held[::4096])
        while memory.megabytes < before + 50:
            time.sleep(0.01)
        del held
    assert memory.megabytes > before + 50
    assert not any(thread.name.endswith("(_watch)") for thread in threading.enumerate())


def test_a_process_held_at_its_peak_what_it_holds_now() -> None:
    now = resident_mb()
    assert peak_mb(os.getpid()) >= now > 1
