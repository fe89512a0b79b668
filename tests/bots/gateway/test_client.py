"""The client that other commands use while a server owns the data folder: the same results as in the server itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from bots.gateway import documents as routes
from bots.gateway.client import GatewayClient
from core.errors import EmbeddingFailed, InvalidRequest, NotFound, StorageFailed, TooLarge
from core.health import State
from core.ports import Vectors
from core.types import (
    ChangeKind,
    DocumentChange,
    Finished,
    Job,
    JobStage,
    JobState,
    Origin,
    Outcome,
    Question,
    Scope,
    Status,
    Turn,
)
from core.wire import change_to_json
from tests.bots.gateway.serving import LEAVE, QUESTION, Server, serving, settings
from tests.bots.gateway.test_ask import GatedEmbedder
from tests.fakes.embedder import WordEmbedder

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def killed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that is killed after the first of two files."""
    await reader.readuntil(b"\r\n\r\n")
    line = (
        json.dumps({"change": change_to_json(DocumentChange(ChangeKind.ADDED, "a.md")), "done": 1, "total": 2}) + "\n"
    )
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(f"{head}{len(line):x}\r\n{line}\r\n".encode())
    await writer.drain()
    writer.close()


async def test_of_a_server_that_is_killed_it_is_said_that_what_it_received_is_safe() -> None:
    seen: list[str] = []
    async with await asyncio.start_server(killed, "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        client = GatewayClient(f"http://{host}:{port}", "token")
        with pytest.raises(StorageFailed, match="What it received is safe, and is finished when it runs again"):
            await client.add_paths([], "default", lambda change, done, total: seen.append(change.name))
    assert seen == ["a.md"]


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: Server) -> AsyncGenerator[GatewayClient, None]:
    yield GatewayClient(server.url, server.token)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    made.mkdir()
    (made / "leave.md").write_bytes(LEAVE)
    (made / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (made / "photo.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    return made


async def test_an_answer_is_the_same_as_in_the_server(server: Server, client: GatewayClient, folder: Path) -> None:
    await client.add_file("leave.md", folder / "leave.md", "hr")
    question = Question("q", QUESTION, Scope("hr"), history=(Turn("user", "Hello"), Turn("assistant", "Hello.")))
    here, there = await server.application.asker.ask(question), await client.ask(question)
    assert (there.outcome, there.text, there.citations) == (here.outcome, here.text, here.citations)
    assert there.outcome is Outcome.ANSWERED
    assert there.why is not None
    assert here.why is not None
    assert there.why.signals == here.why.signals
    assert [each.chunk_id for each in there.why.passages] == [each.chunk_id for each in here.why.passages]


async def test_a_stream_is_a_status_and_the_answer(client: GatewayClient) -> None:
    status, finished = [event async for event in client.stream(Question("q", QUESTION))]
    assert isinstance(status, Status)
    assert isinstance(finished, Finished)
    assert finished.answer.outcome is Outcome.EMPTY_INDEX


@pytest.mark.parametrize("text", [" ", "🎉", "word " * 100_000])
async def test_what_is_no_question_has_the_same_outcome_as_in_the_server(
    server: Server, client: GatewayClient, text: str
) -> None:
    here, there = await server.application.asker.ask(Question("q", text)), await client.ask(Question("q", text))
    assert here.outcome is there.outcome is Outcome.INVALID_QUESTION
    assert there.text == here.text


async def test_bytes_of_a_terminal_that_are_no_text_do_not_matter(client: GatewayClient, folder: Path) -> None:
    await client.add_file("leave.md", folder / "leave.md", "default")
    answer = await client.ask(Question("q", "How many \udcff days of annual leave?"))
    assert answer.outcome is Outcome.ANSWERED


async def test_a_refused_question_is_a_failure_in_words(client: GatewayClient) -> None:
    answer = await client.ask(Question("q", QUESTION, Scope("no such name")))
    assert answer.outcome is Outcome.FAILED
    assert "namespace" in answer.text


async def test_paths_are_indexed_with_progress(client: GatewayClient, folder: Path) -> None:
    seen: list[tuple[DocumentChange, int, int]] = []
    changes = await client.add_paths([folder], "default", lambda *report: seen.append(report))
    assert sorted(change.kind for change in changes) == [ChangeKind.ADDED, ChangeKind.FAILED, ChangeKind.SKIPPED]
    assert [(done, total) for _, done, total in seen] == [(1, 2), (2, 2)]
    assert [change for change, _, _ in seen] == [change for change in changes if change.kind is not ChangeKind.SKIPPED]
    (failed,) = [change for change in changes if change.kind is ChangeKind.FAILED]
    assert failed.message
    (folder / "leave.md").unlink()
    (folder / "other.md").write_bytes(LEAVE)
    kinds = {change.name: change.kind for change in await client.add_paths([folder], "default")}
    assert kinds["other.md"] is ChangeKind.ADDED
    assert ChangeKind.REMOVED in kinds.values()


async def test_a_path_that_does_not_exist_is_an_error(client: GatewayClient, folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="does not exist"):
        await client.add_paths([folder / "nowhere"], "default")
    with pytest.raises(InvalidRequest, match="not an absolute path"):
        await client.add_paths([Path("docs")], "default")


async def test_a_received_file_is_indexed_or_says_why_not(client: GatewayClient, folder: Path) -> None:
    added = await client.add_file("leave.md", folder / "leave.md", "default")
    again = await client.add_file("leave.md", folder / "leave.md", "default")
    broken = await client.add_file("broken.pdf", folder / "broken.pdf", "default")
    wrong = await client.add_file("photo.heic", folder / "photo.heic", "default")
    assert (added.kind, again.kind) == (ChangeKind.ADDED, ChangeKind.UNCHANGED)
    assert (broken.kind, broken.code) == (ChangeKind.FAILED, "unreadable_document")
    assert (wrong.kind, wrong.code) == (ChangeKind.FAILED, "unsupported_format")
    assert wrong.message


async def test_how_far_a_received_file_is_is_told_until_its_end(tmp_path: Path, folder: Path) -> None:
    embedder = GatedEmbedder()
    seen: list[Job] = []

    def watch(job: Job) -> None:
        seen.append(job)
        if job.stage is JobStage.EMBEDDING:
            embedder.gate.set()

    async with serving(settings(tmp_path), embedder) as server:
        client = GatewayClient(server.url, server.token)
        origin = Origin("command line", "ann")
        change = await client.add_file("leave.md", folder / "leave.md", "hr", origin=origin, watch=watch)
    assert change.kind is ChangeKind.ADDED
    assert change.document is not None
    assert {(job.document_id, job.origin) for job in seen} == {(change.document.id, origin)}
    assert next(job.chunks for job in seen if job.stage is JobStage.EMBEDDING) == 1
    assert seen[-1].state is JobState.DONE


async def test_what_has_to_be_tried_again_is_the_same_error_as_in_the_server(tmp_path: Path, folder: Path) -> None:
    class Away(WordEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            raise EmbeddingFailed("The embedding server is away.")

    async with serving(settings(tmp_path), Away()) as server:
        client = GatewayClient(server.url, server.token)
        with pytest.raises(EmbeddingFailed, match="is away"):
            await client.add_file("leave.md", folder / "leave.md", "default")
        with pytest.raises(EmbeddingFailed, match="is away"):
            await client.add_paths([folder / "leave.md"], "default")


async def test_the_index_is_checked(client: GatewayClient, folder: Path) -> None:
    await client.add_file("leave.md", folder / "leave.md", "default")
    assert await client.check() == await client.check(repair=True) == []


async def test_a_received_file_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    large.write_bytes(b"word " * 2**19)
    async with serving(settings(tmp_path, server={"max_upload_mb": 1})) as server:
        with pytest.raises(TooLarge, match="1 MB"):
            await GatewayClient(server.url, server.token).add_file("large.txt", large, "default")


async def test_the_owner_waits_for_a_file_that_takes_long(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PATIENCE_SECONDS", 0.0)
    embedder = GatedEmbedder()
    async with serving(settings(tmp_path), embedder) as server:
        client = GatewayClient(server.url, server.token)
        adding = asyncio.create_task(client.add_file("leave.md", folder / "leave.md", "default"))
        assert await asyncio.to_thread(embedder.reached.wait, 10)
        embedder.gate.set()
        assert (await adding).kind is ChangeKind.ADDED


async def test_documents_are_listed_shown_and_removed(client: GatewayClient, folder: Path) -> None:
    for name in "ABC":
        (folder / name).with_suffix(".txt").write_text(f"Text of {name}.")
        await client.add_file(f"{name}.txt", folder / f"{name}.txt", "default")
    documents, total = await client.page("default", limit=2, offset=1)
    assert ([document.title for document in documents], total) == (["B", "C"], 3)
    everything, _ = await client.page()
    document = everything[0]
    assert await client.get(document.id[:6]) == document
    assert [passage.text for passage in await client.passages(document.id)] == ["Text of A."]
    assert await client.remove(document.id) == document
    assert (await client.page())[1] == 2


async def test_documents_are_listed_by_text_namespaces_and_latest_change(client: GatewayClient, folder: Path) -> None:
    for name, namespace in (("leave", "hr"), ("travel", "hr"), ("leave", "it"), ("leave", "x")):
        (folder / f"{name}.txt").write_text(f"Text of {name}.")
        await client.add_file(f"{name}.txt", folder / f"{name}.txt", namespace)
    hr_and_it = frozenset({"hr", "it"})

    async def places(namespace: str | None = None, text: str = "", newest_first: bool = False) -> list[str]:
        documents, total = await client.page(namespace, within=hr_and_it, text=text, newest_first=newest_first)
        assert len(documents) == total
        return [f"{document.namespace}/{document.title}" for document in documents]

    assert sorted(await places(text="LEA")) == ["hr/Leave", "it/Leave"]
    assert await places(newest_first=True) == ["it/Leave", "hr/Travel", "hr/Leave"]
    assert await places("it") == ["it/Leave"]
    assert await places("x") == []
    document = (await client.page("it"))[0][0]
    assert await client.get(document.id, hr_and_it) == document
    with pytest.raises(NotFound, match="no document"):
        await client.get(document.id, frozenset({"hr"}))


async def test_a_thousand_paths_are_indexed_and_far_too_many_are_refused_with_the_limit(
    client: GatewayClient, tmp_path: Path
) -> None:
    missing = [tmp_path / f"{'x' * 100}{number}.md" for number in range(1000)]
    with pytest.raises(InvalidRequest, match="does not exist"):
        await client.add_paths(missing, "default")
    with pytest.raises(TooLarge, match="at most 4 MB"):
        await client.add_paths(missing * 40, "default")


async def test_all_passages_of_a_long_document_are_shown(
    client: GatewayClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.gateway.client.PASSAGES", 2)
    texts = [f"Rule {number} is about topic{number}." for number in range(5)]
    (tmp_path / "rules.md").write_text("".join(f"# Part {number}\n\n{text}\n\n" for number, text in enumerate(texts)))
    change = await client.add_file("rules.md", tmp_path / "rules.md", "default")
    assert change.document is not None
    assert [passage.text for passage in await client.passages(change.document.id)] == texts


async def test_a_removal_does_not_wait_for_what_is_being_indexed(tmp_path: Path, folder: Path) -> None:
    embedder = GatedEmbedder()
    embedder.gate.set()
    async with serving(settings(tmp_path), embedder) as server:
        client = GatewayClient(server.url, server.token)
        added = await client.add_file("old.md", folder / "leave.md", "default")
        assert added.document is not None
        embedder.gate.clear()
        embedder.reached.clear()
        (folder / "travel.md").write_text("Flights are booked three weeks ahead.")
        adding = asyncio.create_task(client.add_paths([folder / "travel.md"], "default"))
        assert await asyncio.to_thread(embedder.reached.wait, 10)
        await client.remove(added.document.id)
        with pytest.raises(NotFound):
            await client.get(added.document.id)
        embedder.gate.set()
        assert [change.kind for change in await adding] == [ChangeKind.ADDED]


@pytest.mark.parametrize("document_id", ["0" * 32, "../../healthz", "a b"])
async def test_an_unknown_document_is_not_found(client: GatewayClient, document_id: str) -> None:
    with pytest.raises(NotFound):
        await client.get(document_id)
    with pytest.raises(NotFound):
        await client.remove(document_id)


async def test_everything_can_be_indexed_anew(client: GatewayClient, folder: Path) -> None:
    await client.add_file("leave.md", folder / "leave.md", "default")
    (change,) = await client.reindex()
    assert change.kind is ChangeKind.REPLACED
    assert (await client.ask(Question("q", QUESTION))).outcome is Outcome.ANSWERED


async def test_the_owners_checks_are_seen(client: GatewayClient) -> None:
    checks = await client.checks()
    assert {check.name for check in checks} == {"database", "index", "model", "disk"}
    assert all(check.state is State.OK for check in checks)


async def test_a_wrong_token_is_refused(server: Server) -> None:
    with pytest.raises(StorageFailed, match="Only the lorekeeper command"):
        await GatewayClient(server.url, "wrong").reindex()


async def test_a_server_that_is_gone_is_named_with_what_to_do(tmp_path: Path, folder: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        client = GatewayClient(server.url, server.token)
    answer = await client.ask(Question("q", QUESTION))
    assert answer.outcome is Outcome.FAILED
    assert "Restart it" in answer.text
    with pytest.raises(StorageFailed, match="Restart it"):
        await client.page()
    with pytest.raises(StorageFailed, match="Restart it"):
        await client.add_paths([folder], "default")
    with pytest.raises(StorageFailed, match="Restart it"):
        await client.checks()


async def test_something_else_on_the_servers_port_is_no_server_of_ours(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<p>hi</p>")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(StorageFailed, match="Restart it"):
            await GatewayClient(f"http://127.0.0.1:{port}", "token").page()


async def test_a_server_that_stops_in_the_middle_says_that_the_command_can_be_repeated(
    tmp_path: Path, folder: Path
) -> None:
    embedder = GatedEmbedder()
    async with serving(settings(tmp_path), embedder) as server:
        adding = asyncio.create_task(GatewayClient(server.url, server.token).add_paths([folder], "default"))
        assert await asyncio.to_thread(embedder.reached.wait, 10)
        closing = asyncio.create_task(asyncio.to_thread(server.application.close))
        while not server.application.documents._worker.is_closing:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
        embedder.gate.set()
        await closing
        with pytest.raises(StorageFailed):
            await adding
