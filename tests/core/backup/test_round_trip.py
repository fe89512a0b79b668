"""What is backed up comes back as it was, on either database, and from one to the other."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from tests.core.backup.conftest import OpenHome
from tests.core.backup.installation import Home, answers, back_up, fill, put_back, rows, vectors


@pytest.mark.parametrize(
    ("before", "after"),
    [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite"), ("postgres", "postgres")],
)
def test_everything_comes_back_on_the_same_and_on_the_other_database(
    home_at: OpenHome, folder: Path, place: Path, before: str, after: str
) -> None:
    old, new = home_at("old", before), home_at("new", after)
    with old.open() as library:
        fill(library, folder)
        expected = (rows(library.engine), vectors(library), answers(library))
        copies = sorted(path.name for path in library.stored_files())
    made = back_up(old, place)
    assert made.manifest.missing_vectors == made.manifest.missing_files == 0
    restored = put_back(new, place, made)
    assert restored.missing_vectors == 0
    with new.open() as library:
        record, found_vectors, found = rows(library.engine), vectors(library), answers(library)
        # Somebody held the source, who is not there any more.
        assert _without_leases(record) == _without_leases(expected[0])
        assert {
            "documents", "exchanges", "feedback", "api_keys", "bindings", "installations", "sources",
            "adapters", "adapter_lineage", "promotions",
        } <= {name for name, there in record.items() if there}  # fmt: skip
        assert found_vectors == expected[1]
        assert found == expected[2]
        assert all(found.values())
        assert sorted(path.name for path in library.stored_files()) == copies
        assert asyncio.run(library.pipeline.check()) == []


def test_what_comes_next_is_numbered_after_what_was_restored(
    home_at: OpenHome, filled: Home, folder: Path, place: Path
) -> None:
    new = home_at("new", "postgres")
    put_back(new, place, back_up(filled, place))
    with new.open() as library:
        (folder / "gym.md").write_text("# Gym\n\nThe gym opens at six.\n")
        assert library.kinds(folder)["gym.md"] == "added"
        assert library.texts("gym opens") != []
        assert asyncio.run(library.pipeline.check()) == []


def test_a_backup_is_readable_by_its_user_only(filled: Home, place: Path) -> None:
    back_up(filled, place)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*") if path.is_dir()}
    assert modes == {0o600}
    assert folders == {0o700}


def test_a_second_backup_copies_only_new_files(filled: Home, folder: Path, place: Path) -> None:
    first = back_up(filled, place)
    assert first.new_files == first.manifest.files.count > 0
    (folder / "gym.md").write_text("# Gym\n\nThe gym opens at six.\n")
    with filled.open() as library:
        library.add(folder)
    second = back_up(filled, place)
    assert (second.new_files, second.manifest.files.count) == (1, first.manifest.files.count + 1)


def _without_leases(record: dict[str, list[tuple[object, ...]]]) -> dict[str, object]:
    return {**record, "sources": [row[:-2] for row in record["sources"]]}
