"""The dense index, on a real embedded Chroma and a real Chroma server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import StorageFailed
from core.ports import Vectors
from core.retrieval.chroma import HEADING_FACTOR, ChromaIndex, open_chroma
from core.settings import Chroma, Settings
from core.types import Chunk, Scope

DIMENSION = 8
PUBLIC: frozenset[str] = frozenset()


def chunk(name: str) -> Chunk:
    return Chunk(id=name, document_id=f"doc-{name}", section_id="s", ordinal=0, text=name)


def axis(*weights: float) -> Vectors:
    row = np.zeros((1, DIMENSION), np.float32)
    row[0, : len(weights)] = weights
    return np.asarray(row / np.linalg.norm(row), np.float32)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    chroma = shutil.which("chroma", path=str(Path(sys.executable).parent))
    assert chroma is not None
    command = [
        chroma,
        "run",
        "--path",
        str(tmp_path_factory.mktemp("chroma")),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["embedded", "server"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("server_url") if request.param == "server" else ""
    return Settings(data_dir=tmp_path, chroma=Chroma(url=url))


@pytest.fixture
def index(settings: Settings, request: pytest.FixtureRequest) -> Iterator[ChromaIndex]:
    opened = open_chroma(settings, f"model-{request.node.name}")
    yield opened
    opened.close()


def names(index: ChromaIndex, scope: Scope, vector: Vectors | None = None) -> list[str]:
    return [hit.chunk_id for hit in index.search(axis(1) if vector is None else vector, scope, 10)]


def test_the_nearest_come_first_with_their_cosine(index: ChromaIndex) -> None:
    index.upsert("hr", PUBLIC, [chunk("a"), chunk("b")], np.concatenate([axis(0, 1), axis(1, 1)]))
    hits = index.search(axis(1), Scope("hr"), 10)
    assert [hit.chunk_id for hit in hits] == ["b", "a"]
    assert hits[0].score == pytest.approx(2**-0.5, abs=1e-3)


def test_another_namespace_is_never_seen(index: ChromaIndex) -> None:
    index.upsert("hr", PUBLIC, [chunk("a")], axis(1))
    assert names(index, Scope("it")) == []


def test_a_document_with_readers_is_found_by_them_alone(index: ChromaIndex) -> None:
    index.upsert("hr", frozenset({"alice", "board"}), [chunk("secret")], axis(1))
    index.upsert("hr", PUBLIC, [chunk("open")], axis(0, 1))
    assert names(index, Scope("hr")) == ["open"]
    assert names(index, Scope("hr", frozenset({"bob"}))) == ["open"]
    assert names(index, Scope("hr", frozenset({"alice"}))) == ["secret", "open"]
    assert names(index, Scope("hr", frozenset({"bob", "board"}))) == ["secret", "open"]
    assert index.similarities(axis(1), Scope("hr"), ["secret", "open"]).keys() == {"open"}


def test_a_document_that_becomes_closed_is_no_longer_open(index: ChromaIndex) -> None:
    index.upsert("hr", PUBLIC, [chunk("a")], axis(1))
    index.upsert("hr", frozenset({"alice"}), [chunk("a")], axis(1))
    assert names(index, Scope("hr")) == []
    assert names(index, Scope("hr", frozenset({"alice"}))) == ["a"]


def test_a_chunk_that_was_read_is_gone_when_it_is_deleted_or_closed(index: ChromaIndex) -> None:
    index.upsert("hr", PUBLIC, [chunk("a"), chunk("b")], np.concatenate([axis(1), axis(1)]))
    assert index.similarities(axis(1), Scope("hr"), ["a", "b"]).keys() == {"a", "b"}
    index.delete("hr", ["a"])
    index.upsert("hr", frozenset({"alice"}), [chunk("b")], axis(1))
    assert index.similarities(axis(1), Scope("hr"), ["a", "b"]) == {}


def test_doing_it_twice_changes_nothing(index: ChromaIndex) -> None:
    for _ in range(2):
        index.upsert("hr", PUBLIC, [chunk("a")], axis(1))
    assert index.count() == 1
    assert index.existing("hr", PUBLIC, ["a", "b"]) == {"a"}


def test_what_is_taken_out_can_be_put_elsewhere_for_other_readers(index: ChromaIndex) -> None:
    index.upsert(
        "default", PUBLIC, [chunk("a"), chunk("b")], np.vstack([axis(1), axis(0, 1)]), {"a": ("Leave", axis(1, 1)[0])}
    )
    taken = {each.chunk_id: each for each in index.stored("default", ["a", "b", "unknown"])}
    assert set(taken) == {"a", "b"}
    assert taken["b"].heading is None
    index.put_stored("other", frozenset({"ada"}), {"a": "doc-a"}, [taken["a"]])
    (again,) = index.stored("other", ["a"])
    assert again.vector.tobytes() == taken["a"].vector.tobytes() == axis(1)[0].tobytes()
    assert again.heading is not None
    assert taken["a"].heading is not None
    assert again.heading[0] == taken["a"].heading[0]
    assert again.heading[1].tobytes() == axis(1, 1)[0].tobytes()
    assert index.search(axis(1), Scope("other"), 5) == []
    assert [hit.chunk_id for hit in index.search(axis(1), Scope("other", frozenset({"ada"})), 5)] == ["a"]
    assert index.existing("other", frozenset({"ada"}), ["a"]) == {"a"}


def test_deleted_chunks_are_gone(index: ChromaIndex) -> None:
    index.upsert("hr", PUBLIC, [chunk("a"), chunk("b")], np.concatenate([axis(1), axis(0, 1)]))
    index.delete("hr", ["a", "never-there"])
    assert names(index, Scope("hr")) == ["b"]


def test_models_do_not_mix_and_the_old_one_can_be_dropped(settings: Settings) -> None:
    old = open_chroma(settings, "old")
    old.upsert("hr", PUBLIC, [chunk("a")], axis(1))
    new = open_chroma(settings, "new")
    new.upsert("hr", PUBLIC, [chunk("b")], axis(1))
    assert names(new, Scope("hr")) == ["b"]
    new.drop_others()
    old.close()
    new.close()
    again = open_chroma(settings, "old")
    assert again.count() == 0
    again.close()


def test_a_server_that_is_down_is_a_clear_error(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StorageFailed, match=r"chroma\.url does not answer"):
        open_chroma(Settings(data_dir=tmp_path, chroma=Chroma(url=url)), "model")


class TestHeadings:
    def test_a_chunk_is_found_by_the_better_of_its_text_and_its_heading(self, index: ChromaIndex) -> None:
        index.upsert(
            "d", PUBLIC, [chunk("a"), chunk("b")], np.concatenate([axis(0, 1), axis(0, 0, 1)]), {"b": ("B", axis(1)[0])}
        )
        hits = index.search(axis(1), Scope("d"), 2)
        assert [hit.chunk_id for hit in hits] == ["b", "a"]
        assert hits[0].score == pytest.approx(HEADING_FACTOR, abs=1e-5)
        assert index.search(axis(0, 0, 1), Scope("d"), 1)[0].score == pytest.approx(1.0, abs=1e-5)
        assert index.similarities(axis(1), Scope("d"), ["b"])["b"] == pytest.approx(0.0, abs=1e-5)

    def test_a_heading_that_several_chunks_share_tells_nothing(self, index: ChromaIndex) -> None:
        # The vectors of one text may differ a little: a quantised model's depend on what is run beside it.
        shared = {"a": ("S", axis(1)[0]), "b": ("S", axis(1, 0.01)[0]), "c": ("C", axis(1, 1)[0])}
        rows = np.concatenate([axis(0, 1), axis(0.1, 1), axis(0, 0, 1)])
        index.upsert("d", PUBLIC, [chunk("a"), chunk("b"), chunk("c")], rows, shared)
        assert [hit.chunk_id for hit in index.search(axis(1), Scope("d"), 3)] == ["c", "b", "a"]

    def test_headings_crowd_out_no_text(self, index: ChromaIndex) -> None:
        chunks = [chunk(str(number)) for number in range(9)]
        rows = np.concatenate([axis(1, number) for number in range(9)])
        index.upsert("d", PUBLIC, chunks, rows, {each.id: ("the same", axis(1)[0]) for each in chunks})
        assert names(index, Scope("d"))[:3] == ["0", "1", "2"]

    def test_another_s_heading_is_never_seen(self, index: ChromaIndex) -> None:
        index.upsert("d", frozenset({"board"}), [chunk("a")], axis(0, 1), {"a": ("A", axis(1)[0])})
        index.upsert("e", PUBLIC, [chunk("b")], axis(0, 1), {"b": ("B", axis(1)[0])})
        assert names(index, Scope("d")) == []
        assert names(index, Scope("d", frozenset({"staff"}))) == []
        assert names(index, Scope("d", frozenset({"board"}))) == ["a"]

    def test_no_chunk_is_found_twice_and_the_limit_is_reached(self, index: ChromaIndex) -> None:
        chunks = [chunk(str(number)) for number in range(6)]
        rows = np.concatenate([axis(1, number / 10) for number in range(6)])
        index.upsert(
            "d", PUBLIC, chunks, rows, {each.id: (each.id, row) for each, row in zip(chunks, rows, strict=True)}
        )
        assert sorted(hit.chunk_id for hit in index.search(axis(1), Scope("d"), 6)) == [each.id for each in chunks]

    def test_a_heading_goes_with_its_chunk(self, index: ChromaIndex) -> None:
        index.upsert("d", PUBLIC, [chunk("a")], axis(0, 1), {"a": ("A", axis(1)[0])})
        index.upsert("d", frozenset({"group"}), [chunk("a")], axis(0, 1), {"a": ("A", axis(1)[0])})
        assert index.search(axis(1), Scope("d"), 5) == []
        index.delete("d", ["a"])
        assert index.search(axis(1), Scope("d", frozenset({"group"})), 5) == []
        assert index.count() == 0


def test_a_chunk_is_known_only_for_exactly_the_same_readers(index: ChromaIndex) -> None:
    index.upsert("d", frozenset({"a"}), [chunk("c")], axis(1))
    assert index.existing("d", frozenset({"a"}), ["c"]) == {"c"}
    assert index.existing("d", frozenset({"a", "b"}), ["c"]) == set()
    assert index.existing("d", PUBLIC, ["c"]) == set()


def test_after_a_failed_write_the_index_is_opened_anew(tmp_path: Path) -> None:
    index = open_chroma(Settings(data_dir=tmp_path), "model")
    index.upsert("d", PUBLIC, [chunk("a")], axis(1))
    with pytest.raises(StorageFailed):
        index.upsert("d", PUBLIC, [chunk("b")], np.zeros((1, DIMENSION + 1), np.float32))
    assert names(index, Scope("d")) == ["a"]
    index.close()


def test_an_index_that_cannot_be_opened_again_is_told_each_time(tmp_path: Path) -> None:
    class Broken:
        def get_max_batch_size(self) -> int:
            raise RuntimeError("disk is full")

        def get_or_create_collection(self, *_: object, **__: object) -> object:
            return self

        def close(self) -> None:
            pass

    def refuse() -> None:
        raise OSError(28, "No space left on device")

    index = ChromaIndex(Broken(), "model", reopen=refuse)
    for _ in range(2):
        with pytest.raises(StorageFailed, match=r"full|written"):
            index.upsert("d", PUBLIC, [chunk("a")], axis(1))
