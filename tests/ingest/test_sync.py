"""Folders that stay in sync: what changes, what goes, and what a failure leaves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import InvalidRequest, LorekeeperError, StorageFailed
from core.store.sources import SourceStore
from core.types import DocumentChange, NewSource, SyncedSource
from ingest.sources.base import Entry, Listing, Source, Unreachable
from ingest.sources.kinds import open_source
from ingest.sync import SourceKeeper
from tests.fakes.s3 import FakeS3
from tests.ingest.library import Library, put, titled


@dataclass(slots=True)
class Kept:
    """A library with sources."""

    library: Library
    store: SourceStore
    keeper: SourceKeeper

    def add(self, address: object, namespace: str = "default", **more: object) -> SyncedSource:
        """Registered and synchronised."""
        source = self.register(address, namespace, **more)
        self.sync(source)
        return self.get(source)

    def register(self, address: object, namespace: str = "default", **more: object) -> SyncedSource:
        wanted = replace(NewSource(str(address), namespace), **more)  # type: ignore[arg-type]
        return asyncio.run(self.keeper.register(wanted))

    def sync(self, source: SyncedSource, *, again: bool = False, allow_empty: bool = False) -> dict[str, str]:
        """Kind of change, by name."""
        changes = asyncio.run(self.keeper.sync(source.id, again=again, allow_empty=allow_empty))
        return {change.name: change.kind.value for change in changes}

    def get(self, source: SyncedSource) -> SyncedSource:
        return asyncio.run(self.keeper.get(source.id))

    def remove(self, source: SyncedSource, *, keep_documents: bool = False) -> None:
        asyncio.run(self.keeper.remove(source.id, keep_documents=keep_documents))

    def titles(self) -> list[str]:
        return titled(self.library.documents())


@pytest.fixture
def kept(library: Library) -> Iterator[Kept]:
    store = SourceStore(library.engine)
    keeper = SourceKeeper(store, library.pipeline, library.settings)
    yield Kept(library, store, keeper)
    library.pipeline.close()
    keeper.close()


def with_source(kept: Kept, wrap: Callable[[Source], Source]) -> Kept:
    """The same library, with another way to its sources."""
    opener = lambda record, settings: wrap(open_source(record, settings))  # noqa: E731
    return replace(kept, keeper=SourceKeeper(kept.store, kept.library.pipeline, kept.library.settings, opener))


def two_files(folder: Path) -> None:
    put(folder / "leave.md", "# Leave\n\nStaff accrue 15 days.\n")
    put(folder / "it" / "vpn.md", "# VPN\n\nConnect with the client.\n")


def test_a_folder_is_brought_in_and_what_is_unchanged_is_not_read_again(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.add(folder)
    assert (source.kind, source.address, source.entries) == ("folder", f"{folder.as_uri()}/", 2)
    assert source.counts == {"added": 2}
    assert kept.titles() == ["Leave", "VPN"]
    reads: list[str] = []
    watched = with_source(kept, lambda inner: Watched(inner, reads))
    assert watched.sync(source) == {}
    assert reads == []
    assert kept.get(source).counts == {"unchanged": 2}
    os.utime(folder / "leave.md")
    assert watched.sync(source) == {"leave.md": "unchanged"}, "the bytes are the same"
    assert reads == ["leave.md"]


def test_changes_additions_and_deletions_are_followed(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.add(folder)
    put(folder / "leave.md", "# Leave\n\nStaff accrue 20 days from now on.\n")
    put(folder / "travel.md", "# Travel\n\nBook early.\n")
    (folder / "it" / "vpn.md").unlink()
    assert kept.sync(source) == {"leave.md": "replaced", "travel.md": "added", "VPN": "removed"}
    assert kept.titles() == ["Leave", "Travel"]
    assert "20 days" in kept.library.texts("accrue")[0]
    assert kept.library.store.vector_garbage(10, with_reserved=True) == []
    assert kept.get(source).entries == 2


def test_an_archive_takes_what_is_in_it_along(kept: Kept, folder: Path) -> None:
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.md", "# Inner\n\nText inside.\n")
    put(folder / "all.zip", packed.getvalue())
    put(folder / "leave.md", "# Leave\n\nText.\n")
    source = kept.add(folder)
    assert "Inner" in kept.titles()
    (folder / "all.zip").unlink()
    kept.sync(source)
    assert kept.titles() == ["Leave"]


def test_an_emptied_folder_is_rather_an_unmounted_disk(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.add(folder)
    for path in (folder / "leave.md", folder / "it" / "vpn.md"):
        path.unlink()
    with pytest.raises(InvalidRequest, match=r"unmounted disk.*Nothing was removed.*--allow-empty"):
        kept.sync(source)
    assert kept.titles() == ["Leave", "VPN"]
    assert "unmounted" in (kept.get(source).last_error or "")
    assert kept.sync(source, allow_empty=True) == {"Leave": "removed", "VPN": "removed"}
    assert kept.get(source).last_error is None


def test_a_folder_that_is_gone_removes_nothing(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.add(folder)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(InvalidRequest, match="There is no folder"):
        kept.sync(source, allow_empty=True)
    assert kept.titles() == ["Leave", "VPN"]
    folder.with_name("elsewhere").rename(folder)
    kept.sync(source)
    assert (kept.get(source).last_error, kept.get(source).failures) == (None, 0)


def test_what_may_not_be_listed_stays(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.add(folder)
    closed = f"{folder.as_uri()}/it/"
    assert with_source(kept, lambda inner: Closed(inner, closed)).sync(source) == {closed: "failed"}
    assert kept.titles() == ["Leave", "VPN"]
    assert kept.get(source).entries == 2


def test_a_file_that_cannot_be_read_is_told_and_tried_again_when_it_changes(kept: Kept, folder: Path) -> None:
    two_files(folder)
    put(folder / "broken.pdf", b"%PDF-1.7\nnothing of a PDF")
    source = kept.add(folder)
    assert source.counts == {"added": 2, "failed": 1}
    assert list(source.unread) == [f"{folder.as_uri()}/broken.pdf"]
    assert source.last_error is None, "one file does not make the source fail"
    assert kept.sync(source) == {}
    put(folder / "broken.pdf", b"%PDF-1.7\nstill nothing of a PDF")
    assert kept.sync(source) == {"broken.pdf": "failed"}
    (folder / "broken.pdf").unlink()
    kept.sync(source)
    assert kept.get(source).unread == {}
    assert kept.titles() == ["Leave", "VPN"]


def test_a_file_whose_text_is_gone_goes(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.add(folder)
    put(folder / "leave.md", "\n")
    assert kept.sync(source) == {"leave.md": "skipped", "Leave": "removed"}
    assert kept.sync(source) == {}


def test_a_place_that_is_away_for_a_moment_is_tried_again(kept: Kept, folder: Path) -> None:
    for number in range(8):
        put(folder / f"{number}.md", f"# Number {number}\n\nText.\n")
    source = kept.register(folder)
    away = {"2.md"}
    with pytest.raises(Unreachable, match="A file could not be fetched"):
        with_source(kept, lambda inner: Watched(inner, [], away)).sync(source)
    assert len(kept.titles()) == 7, "the others are there"
    away |= {f"{number}.md" for number in range(8)}
    reads: list[str] = []
    with pytest.raises(Unreachable, match="3 files could not be fetched"):
        with_source(kept, lambda inner: Watched(inner, reads, away)).sync(source, again=True)
    assert len(reads) == 3, "a place that is away is left alone"
    assert kept.sync(source) == {"0.md": "unchanged", "1.md": "unchanged", "2.md": "added"} | dict.fromkeys(
        [f"{number}.md" for number in range(3, 8)], "unchanged"
    )


def test_work_that_broke_off_is_done_again_and_leaves_no_strays(kept: Kept, folder: Path) -> None:
    """As after a crash: the files are indexed, and nothing was noted of how they were."""
    two_files(folder)
    source = kept.register(folder)
    breaking = replace(kept, keeper=SourceKeeper(kept.store, Breaking(kept.library), kept.library.settings))
    with pytest.raises(StorageFailed, match="power"):
        breaking.sync(source)
    assert kept.titles() == ["Leave", "VPN"]
    assert set(kept.store.entries(source.id).values()) == {""}
    (folder / "it" / "vpn.md").unlink()
    assert kept.sync(source) == {"leave.md": "unchanged", "VPN": "removed"}


def test_removing_a_source_removes_its_documents_and_no_others(kept: Kept, folder: Path, tmp_path: Path) -> None:
    two_files(folder)
    put(tmp_path / "other" / "travel.md", "# Travel\n\nBook early.\n")
    kept.library.add(tmp_path / "other")
    source = kept.add(folder)
    kept.remove(source)
    assert kept.titles() == ["Travel"]
    assert asyncio.run(kept.keeper.all()) == []
    assert (folder / "leave.md").exists()


def test_documents_can_be_kept_and_taken_over_again(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.add(folder)
    kept.remove(source, keep_documents=True)
    assert kept.titles() == ["Leave", "VPN"]
    assert kept.add(folder).counts == {"unchanged": 2}
    kept.remove(source)
    assert kept.titles() == []


def test_two_namespaces_have_the_same_folder_each_for_itself(kept: Kept, folder: Path) -> None:
    two_files(folder)
    one, two = kept.add(folder), kept.add(folder, "hr")
    assert one.id != two.id
    assert kept.titles() == ["Leave", "Leave", "VPN", "VPN"]
    (folder / "leave.md").unlink()
    kept.sync(one)
    assert [document.namespace for document in kept.library.documents() if document.title == "Leave"] == ["hr"]
    kept.remove(one)
    assert {document.namespace for document in kept.library.documents()} == {"hr"}


def test_a_bucket_is_followed_and_its_trouble_costs_nothing(kept: Kept, s3: FakeS3) -> None:
    s3.objects |= {f"hr/{number}.md": f"# Number {number}\n\nText {number}.\n".encode() for number in range(5)}
    source = kept.add("s3://vault/hr")
    assert (source.kind, source.counts, len(s3.got)) == ("bucket", {"added": 5}, 5)
    s3.objects["hr/1.md"] = b"# Number 1\n\nAnother text.\n"
    del s3.objects["hr/2.md"]
    assert kept.sync(source) == {"1.md": "replaced", "Number 2": "removed"}
    assert len(s3.got) == 6, "only what changed is fetched"
    s3.refuse = 503
    with pytest.raises(Unreachable):
        kept.sync(source, allow_empty=True)
    s3.refuse = 0
    everything = dict(s3.objects)
    s3.objects.clear()
    with pytest.raises(InvalidRequest, match="Nothing was removed"):
        kept.sync(source)
    s3.objects |= everything
    assert kept.sync(source) == {}
    assert len(kept.titles()) == 4


def test_sources_that_overlap_are_refused(kept: Kept, folder: Path) -> None:
    two_files(folder)
    inner = kept.add(folder / "it")
    with pytest.raises(InvalidRequest, match=f"lorekeeper sources remove {inner.id}"):
        kept.register(folder)
    kept.remove(inner)
    outer = kept.register(folder)
    with pytest.raises(InvalidRequest, match=f"lies in the source {outer.id}"):
        kept.register(folder / "it")
    beside = folder.with_name("docs2")
    beside.mkdir()
    assert kept.register(beside), "a name that begins alike is another folder"


def test_adding_it_again_changes_how_often_and_who_may_read_it(kept: Kept, folder: Path) -> None:
    two_files(folder)
    first = kept.add(folder)
    second = kept.add(folder, interval_seconds=3600, readers=frozenset({"slack:U1"}))
    assert (second.id, second.interval_seconds, second.added_at) == (first.id, 3600, first.added_at)
    assert {document.readers for document in kept.library.documents()} == {frozenset({"slack:U1"})}


def test_a_source_that_another_process_works_on_is_left_to_it(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.register(folder)
    assert kept.store.lease(source.id, "another process", 60)
    with pytest.raises(InvalidRequest, match="Another process"):
        kept.sync(source)
    kept.store.release(source.id, "another process")
    kept.sync(source)
    assert kept.titles() == ["Leave", "VPN"]


def test_the_schedule_goes_by_the_interval_and_by_failures(kept: Kept, folder: Path) -> None:
    two_files(folder)
    folder.with_name("never").mkdir()
    kept.add(folder.with_name("never"))
    source = kept.register(folder, interval_seconds=3600)
    now = datetime.now(UTC)
    assert [each.id for each in kept.store.due(now + timedelta(seconds=1))] == [source.id], "at once, the first time"
    kept.sync(source)
    assert kept.store.due(now + timedelta(minutes=59)) == []
    assert [each.id for each in kept.store.due(now + timedelta(minutes=61))] == [source.id]
    folder.rename(folder.with_name("away"))
    with pytest.raises(LorekeeperError):
        kept.sync(source)
    assert kept.get(source).failures == 1
    assert kept.store.due(now + timedelta(minutes=4)) == []
    assert [each.id for each in kept.store.due(now + timedelta(minutes=6))] == [source.id]


async def test_what_is_due_is_synchronised_in_the_background(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_files(folder)
    keeper = SourceKeeper(SourceStore(library.engine), library.pipeline, library.settings)
    source = await keeper.register(NewSource(str(folder), "default", interval_seconds=3600))
    keeping = asyncio.create_task(keeper.keep_in_sync())
    async with asyncio.timeout(60):
        while (await keeper.get(source.id)).last_finished_at is None:
            await asyncio.sleep(0.02)
    keeping.cancel()
    assert titled(library.documents()) == ["Leave", "VPN"]
    await asyncio.to_thread(keeper.close)


def test_what_is_stopped_goes_on_after_the_next_start(kept: Kept, folder: Path) -> None:
    two_files(folder)
    source = kept.register(folder, interval_seconds=3600)
    stopping = replace(kept, keeper=SourceKeeper(kept.store, kept.library.pipeline, kept.library.settings))
    stopping.keeper.stop()
    with pytest.raises(StorageFailed, match="Stopped"):
        stopping.sync(source)
    assert (kept.get(source).failures, kept.get(source).last_error) == (0, None)
    assert [each.id for each in kept.store.due(datetime.now(UTC))] == [source.id]


class Watched:
    """A source whose reads are noted, and some of whose files are away."""

    def __init__(self, inner: Source, reads: list[str], away: set[str] | None = None) -> None:
        self._inner = inner
        self._reads = reads
        self._away = away or set()

    @property
    def root(self) -> str:
        return self._inner.root

    def check(self) -> None:
        self._inner.check()

    def list(self) -> Listing:
        return self._inner.list()

    def read(self, entry: Entry) -> bytes:
        self._reads.append(entry.name)
        if entry.name in self._away:
            raise Unreachable("The disk is away.")
        return self._inner.read(entry)


class Closed(Watched):
    """A folder inside it may not be listed."""

    def __init__(self, inner: Source, prefix: str) -> None:
        super().__init__(inner, [])
        self._prefix = prefix

    def list(self) -> Listing:
        entries = [each for each in super().list().entries if not each.source.startswith(self._prefix)]
        return Listing(entries, [(self._prefix, "It cannot be read: permission denied.")])


class Breaking:
    """An index after whose work the power goes."""

    def __init__(self, library: Library) -> None:
        self._pipeline = library.pipeline

    def index(self, files: object) -> list[DocumentChange]:
        self._pipeline.index(files)  # type: ignore[arg-type]
        raise StorageFailed("The power went.")

    def drop(self, namespace: str, sources: object, origin: object) -> list[DocumentChange]:
        raise AssertionError
