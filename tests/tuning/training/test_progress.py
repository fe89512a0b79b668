"""Progress, as lines and pictures; and what people are told when memory or disk are short."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

import pytest

from core.errors import InvalidRequest, MissingExtra, StorageFailed
from tuning.training.failures import prepare_libraries, told
from tuning.training.plots import loss_picture, read_losses
from tuning.training.progress import Lines, Standing, duration, line, seconds_left, shown

PNG = b"\x89PNG"


def test_a_line_says_how_far_it_is() -> None:
    assert (
        line(Standing(3, 10, 1.25, 1.5, 200)) == "step 3 of 10, loss 1.2500, validation loss 1.5000, about 3 min left"
    )
    assert line(Standing(10, 10, 1.25, None, 0)) == "step 10 of 10, loss 1.2500"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "60 min"), (3900, "1 h 05 min")]
)
def test_durations_are_said_roughly(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_what_is_left_is_told_from_the_steps_of_this_session() -> None:
    assert seconds_left(60, 100, begun_at=50, seconds=20) == 80
    assert seconds_left(50, 100, begun_at=50, seconds=0) is None


def test_lines_are_written_now_and_then_and_at_the_end() -> None:
    now, written = [0.0], io.StringIO()
    show = Lines(written, lambda: now[0])
    for step in range(1, 41):
        show(Standing(step, 40))
        now[0] += 1
    assert written.getvalue().splitlines() == [f"step {step} of 40" for step in (1, 11, 21, 31, 40)]


def test_a_terminal_gets_a_bar_and_a_file_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for is_terminal in (True, False):
        monkeypatch.setattr("sys.stderr.isatty", lambda is_terminal=is_terminal: is_terminal)
        with shown() as show:
            show(Standing(2, 2, 1.5))
        assert ("\x1b[" in capsys.readouterr().err) is is_terminal


def test_losses_are_read_up_to_a_line_that_was_being_written(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert read_losses(path) == [{"step": 1, "loss": 2.0}]
    assert read_losses(tmp_path / "none") == []


def test_the_picture_shows_the_losses() -> None:
    rows: list[dict[str, float]] = [
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": 1.0},
        {"step": 2, "validation_loss": 1.5},
    ]
    picture = loss_picture(rows, "sft, lora")
    assert picture.startswith(PNG)
    assert picture == loss_picture(json.loads(json.dumps(rows)), "sft, lora")
    assert picture != loss_picture(rows[:2], "sft, lora")
    assert loss_picture([], "nothing was logged").startswith(PNG)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), InvalidRequest, r"not enough memory.*Lower it\."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), InvalidRequest, "not enough memory"),
        (MemoryError(), InvalidRequest, "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), StorageFailed, "disk.*is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), StorageFailed, "goes on from the last"),
    ],
)
def test_short_memory_and_disks_are_said_in_a_sentence(error: Exception, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said), told("a model", Path("run"), "Lower it."):
        raise error


def test_a_full_disk_below_another_error_is_found() -> None:
    error = RuntimeError("PytorchStreamWriter failed writing file")
    error.__cause__ = OSError(errno.ENOSPC, "full")
    with pytest.raises(StorageFailed), told("a model", Path("run"), ""):
        raise error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(KeyError), told("a model", Path("run"), ""):
        raise KeyError("a bug")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuning.training.failures.find_spec", lambda name: None if name == "trl" else object())
    with pytest.raises(MissingExtra, match=r"trl.*\[tune\]"):
        prepare_libraries()
