"""An index that was built with other settings is refused, with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import IndexMismatch
from core.identity import REMEDY, IndexIdentity
from core.store.engine import open_engine, upgrade
from core.store.meta import IndexMeta


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[IndexMeta]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    yield IndexMeta(engine)
    engine.dispose()


def check(meta: IndexMeta, *, embedding: str = "mini", split: str = "220", is_empty: bool = False) -> None:
    IndexIdentity(meta, embedding, split).check(is_empty=is_empty)


def test_a_new_index_takes_on_the_settings_and_keeps_them(meta: IndexMeta) -> None:
    check(meta, is_empty=True)
    check(meta)


@pytest.mark.parametrize(("embedding", "split", "named"), [("large", "220", "large"), ("mini", "500", "500")])
def test_a_filled_index_refuses_other_settings_and_says_what_to_do(
    meta: IndexMeta, embedding: str, split: str, named: str
) -> None:
    check(meta, is_empty=True)
    with pytest.raises(IndexMismatch, match=named) as refused:
        check(meta, embedding=embedding, split=split)
    assert REMEDY in refused.value.message


def test_an_empty_index_takes_on_other_settings(meta: IndexMeta) -> None:
    check(meta, is_empty=True)
    check(meta, embedding="large", is_empty=True)
    check(meta, embedding="large")


def test_an_interrupted_rebuild_is_refused_until_it_is_finished(meta: IndexMeta) -> None:
    check(meta, is_empty=True)
    identity = IndexIdentity(meta, "large", "220")
    identity.begin_rebuild()
    for embedding in ("mini", "large"):
        with pytest.raises(IndexMismatch, match="interrupted"):
            check(meta, embedding=embedding, is_empty=True)
    identity.finish_rebuild()
    check(meta, embedding="large")
