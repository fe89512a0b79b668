"""The fit of the threshold, on signals that are made up."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from core.abstention import BUILT_IN, SIGNALS, Calibration
from core.build import open_application
from core.errors import InvalidRequest
from core.settings import Settings
from core.types import Signals
from evals.calibration import REFUSED, Kind, Observation, fit, in_use, keep, row, rows


def observations(kind: Kind, centre: float, count: int = 300, seed: int = 1) -> list[Observation]:
    chance = random.Random(seed)
    return [
        Observation(kind, Signals(*(min(1.0, max(0.0, chance.gauss(centre, 0.1))) for _ in SIGNALS)))
        for _ in range(count)
    ]


@pytest.fixture
def observed() -> dict[str, list[Observation]]:
    return {
        "one": observations(Kind.ANSWERABLE, 0.7) + observations(Kind.OFF_TOPIC, 0.2),
        "two": observations(Kind.ANSWERABLE, 0.6, 50, 2) + observations(Kind.UNANSWERABLE, 0.3, 50, 3),
    }


def test_the_fit_tells_apart_what_can_be_told_apart(observed: dict[str, list[Observation]]) -> None:
    model = fit(observed)
    assert all(weight > 0 for weight in model.weights)
    assert row("one", observed["one"], model)["off_topic_refused"] > 0.98
    assert row("two", observed["two"], model)["unanswerable_refused"] > 0.9


def test_the_threshold_refuses_the_agreed_share_of_answerable_questions(observed: dict[str, list[Observation]]) -> None:
    model = fit(observed)
    refused = [row(name, each, model)["answerable_refused"] for name, each in observed.items()]
    assert 0 < sum(refused) / len(refused) <= REFUSED


def test_a_row_counts_each_kind_and_says_none_for_those_that_are_missing() -> None:
    observed = [Observation(Kind.ANSWERABLE, Signals(0.9, 0.9, 0.9)), Observation(Kind.OFF_TOPIC, Signals())]
    assert row("name", observed, Calibration(-1.0, (1.0, 1.0, 1.0))) == {
        "dataset": "name",
        "answerable": 1,
        "unanswerable": 0,
        "off_topic": 1,
        "answerable_refused": 0.0,
        "unanswerable_refused": None,
        "off_topic_refused": 1.0,
        "precision": None,
        "recall": None,
        "threshold": 0.5,
        "curve": [],
    }


class TestInUse:
    STORED = Calibration(-2.0, (1.0, 2.0, 3.0), "ours")

    def test_an_index_that_is_not_there_uses_the_built_in_one_and_is_not_made(self, tmp_path: Path) -> None:
        assert in_use(Settings(data_dir=tmp_path / "own")) is BUILT_IN
        assert not (tmp_path / "own").exists()

    def test_what_was_stored_with_the_index_is_in_use_while_another_has_it_open(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path)
        keep(settings, self.STORED)
        server = open_application(settings, "a server")
        try:
            assert in_use(settings) == self.STORED
        finally:
            server.close()

    def test_each_calibration_says_whether_it_is_in_use(self, observed: dict[str, list[Observation]]) -> None:
        fitted = Calibration(-3.0, (6.0, 0.0, 0.0))

        def said(used: Calibration | None) -> dict[str, bool | None]:
            found = rows(observed, fitted, used)
            assert [each["dataset"] for each in found[:2]] == ["one", "two"]
            return {each["weights"]: each["in_use"] for each in found}

        assert said(BUILT_IN) == {"built-in": True, "fitted": False}
        assert said(self.STORED) == {"built-in": False, "stored": True, "fitted": False}
        assert said(None) == {"built-in": None, "fitted": None}


@pytest.mark.parametrize("kinds", [[], [Kind.ANSWERABLE], [Kind.OFF_TOPIC]])
def test_without_both_kinds_of_questions_it_is_said_what_is_missing(kinds: list[Kind]) -> None:
    with pytest.raises(InvalidRequest, match="a second data set"):
        fit({"one": [each for kind in kinds for each in observations(kind, 0.5, 5)]})


def test_a_data_set_without_answerable_questions_does_no_harm(observed: dict[str, list[Observation]]) -> None:
    alone = observations(Kind.UNANSWERABLE, 0.3)
    assert fit({**observed, "three": alone}).weights


def test_the_curve_goes_from_the_surest_refusals_to_all_of_them() -> None:
    used = Calibration(-3.0, (6.0, 0.0, 0.0))
    good = [Observation(Kind.ANSWERABLE, Signals(value)) for value in (0.4, 0.6, 0.7, 0.8)]
    bad = [Observation(Kind.UNANSWERABLE, Signals(value)) for value in (0.1, 0.2, 0.3, 0.75)]
    found = row("name", [*good, *bad], used)
    assert (found["precision"], found["recall"]) == (0.75, 0.75)
    assert found["curve"][0][1:] == [1.0, 0.25]
    assert found["curve"][-1][1:] == [0.5, 1.0]
    recalls = [recall for _, _, recall in found["curve"]]
    assert recalls == sorted(recalls)
    assert [1.0, 0.75] in [point[1:] for point in found["curve"]]
