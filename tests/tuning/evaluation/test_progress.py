"""Progress where nobody looks at a bar: few lines, with the time that is left."""

from __future__ import annotations

from tuning.evaluation.progress import lines


def told(times: list[float], stage: str = "base model") -> list[str]:
    """What is written when one more is done at each of these seconds, of ten."""
    written: list[str] = []
    clock = iter(times)
    report = lines(written.append, lambda: next(clock))
    for done in range(len(times)):
        report(stage, done, 10)
    return written


def test_a_line_at_the_beginning_and_the_end() -> None:
    assert told([0.1 * second for second in range(11)]) == ["base model: 0 of 10\n", "base model: 10 of 10\n"]


def test_between_them_a_line_every_half_a_minute_with_what_is_left() -> None:
    written = told([20.0 * second for second in range(11)])
    assert written[1] == "base model: 2 of 10, 160 seconds left\n"
    assert len(written) == 6
