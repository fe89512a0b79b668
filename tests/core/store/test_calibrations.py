"""The calibration that is kept with an index."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from core.abstention import BUILT_IN, Calibration
from core.store.calibrations import PREFIX, Calibrations
from core.store.meta import IndexMeta

FITTED = Calibration(-2.5, (1.0, 2.0, 3.0), "handbook")


def test_without_one_the_built_in_is_used(engine: Engine) -> None:
    assert Calibrations(IndexMeta(engine), "model").get() is BUILT_IN


def test_what_was_set_is_used_until_another_is_set(engine: Engine) -> None:
    kept = Calibrations(IndexMeta(engine), "model")
    kept.set(Calibration(0.0, FITTED.weights))
    kept.set(FITTED)
    assert kept.get() == FITTED


def test_another_embedding_model_does_not_get_it(engine: Engine) -> None:
    Calibrations(IndexMeta(engine), "model").set(FITTED)
    assert Calibrations(IndexMeta(engine), "other").get() is BUILT_IN


def test_what_another_version_stored_is_not_used(engine: Engine) -> None:
    IndexMeta(engine).set(PREFIX + "model", '{"bias": 1.0, "weights": {"forgotten": 1.0}}')
    assert Calibrations(IndexMeta(engine), "model").get() is BUILT_IN
