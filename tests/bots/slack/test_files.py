"""Fetching files: from Slack only, with limits, again when the connection breaks."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from bots.chat import fetching
from bots.chat.addresses import is_public_url
from bots.chat.files import MOST_FILES, FileFacts, clean_name, unpacked
from bots.slack.file_facts import facts_of, is_slack_url, packed_files
from bots.slack.files import DELETED, ELSEWHERE, FOLDER, UNREADABLE, Files, slack_rules
from bots.slack.workspaces import Workspace, introduce
from core.errors import InvalidRequest, StorageFailed, TooLarge
from tests.fakes.slack import FakeSlack, File
from tests.fakes.slack.events import file_json

API = "https://slack.com/api/"
CONTENT = b"%PDF-1.7 " + bytes(range(256)) * 4000


@dataclass(frozen=True)
class Fetcher:
    """Fetches as the bot does."""

    slack: FakeSlack
    workspace: Workspace
    files: Files
    folder: Path
    session: aiohttp.ClientSession

    async def __call__(self, file: File) -> bytes:
        facts = await self.files.known(self.workspace, facts_of(file_json(file, self.slack.base)))
        async with self.files.fetched(self.workspace, facts) as path:
            assert path.parent == self.folder
            return path.read_bytes()


@pytest.fixture
async def fetch(slack: FakeSlack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fetcher]:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(base_url=slack.api_url, session=session)
        workspace = await introduce(client, slack.bot.token)
        files = Files(lambda: session, tmp_path, slack.api_url, max_upload_mb=2)
        yield Fetcher(slack, workspace, files, tmp_path / FOLDER, session)
    assert not list((tmp_path / FOLDER).glob("*"))


async def test_the_bytes_arrive_whole(slack: FakeSlack, fetch: Fetcher) -> None:
    assert await fetch(slack.file("a.pdf", CONTENT)) == CONTENT


@pytest.mark.parametrize("fault", [{"afterwards": True}, {"status": 503}, {"retry_after": 0}])
async def test_what_breaks_off_is_fetched_again_from_the_beginning(
    slack: FakeSlack, fetch: Fetcher, fault: dict[str, int]
) -> None:
    slack.faults.fail("download", times=3, **fault)  # type: ignore[arg-type]
    assert await fetch(slack.file("a.pdf", CONTENT)) == CONTENT


async def test_what_breaks_off_every_time_is_given_up(slack: FakeSlack, fetch: Fetcher) -> None:
    slack.faults.fail("download", times=fetching.TRIES, afterwards=True)
    with pytest.raises(InvalidRequest, match=slack_rules(API).broken):
        await fetch(slack.file("a.pdf", CONTENT))


async def test_a_slack_that_says_nothing_is_given_up(
    slack: FakeSlack, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SILENCE_SECONDS", 0.05)
    slack.faults.fail("download", times=fetching.TRIES, hang=True)
    with pytest.raises(InvalidRequest, match=slack_rules(API).broken):
        await fetch(slack.file("a.pdf", CONTENT))


async def test_a_file_that_is_announced_as_too_large_is_not_fetched(slack: FakeSlack, fetch: Fetcher) -> None:
    file = slack.file("a.pdf", CONTENT)
    file.announced = 2 * 2**20 + 1
    with pytest.raises(TooLarge, match="the limit is 2 MB"):
        await fetch(file)
    assert file.fetched == 0


@pytest.mark.parametrize("announced", [10, 0])
async def test_a_file_that_is_larger_than_announced_is_cut_off(
    slack: FakeSlack, fetch: Fetcher, announced: int
) -> None:
    file = slack.file("a.pdf", b"x" * (2 * 2**20 + 1))
    file.announced = announced
    with pytest.raises(TooLarge):
        await fetch(file)


async def test_a_file_that_unpacks_to_more_than_the_limit_is_cut_off(slack: FakeSlack, fetch: Fetcher) -> None:
    async def bomb(_: web.Request) -> web.Response:
        response = web.Response(body=b"\x00" * (20 * 2**20))
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with other_server(bomb) as address:
        nearby = Files(lambda: fetch.session, fetch.folder.parent, f"{address}/api/", 2)
        facts = FileFacts("F1", "a.txt", 10, "text/plain", f"{address}/a.txt")
        with pytest.raises(TooLarge):
            async with nearby.fetched(fetch.workspace, facts):
                pass


@pytest.mark.parametrize("name", ["a.pdf", "a.md"])
async def test_the_page_to_sign_in_at_is_no_document(slack: FakeSlack, fetch: Fetcher, name: str) -> None:
    slack.bot.scopes -= {"files:read"}
    with pytest.raises(InvalidRequest, match="files:read"):
        await fetch(slack.file(name, CONTENT))
    assert [violation.error for violation in slack.violations] == ["login_page"]
    slack.violations.clear()


async def test_neither_is_it_in_place_of_a_page(slack: FakeSlack, fetch: Fetcher) -> None:
    slack.bot.scopes -= {"files:read"}
    with pytest.raises(InvalidRequest, match="files:read"):
        await fetch(slack.file("a.html", b"<p>13 days</p>", mimetype="text/html"))
    slack.violations.clear()


async def test_a_page_is_a_document(slack: FakeSlack, fetch: Fetcher) -> None:
    assert await fetch(slack.file("a.html", b"<p>13 days</p>", mimetype="text/html")) == b"<p>13 days</p>"


async def test_a_deleted_file_is_told_so(slack: FakeSlack, fetch: Fetcher) -> None:
    file = slack.file("a.pdf", CONTENT)
    file.deleted = True
    with pytest.raises(InvalidRequest, match=DELETED):
        await fetch(file)


async def test_a_redirect_within_slack_is_followed_with_the_token(slack: FakeSlack, fetch: Fetcher) -> None:
    there = slack.file("b.pdf", b"there")
    file = slack.file("a.pdf", CONTENT)
    file.moved_to = file_json(there, "")["url_private_download"]
    assert await fetch(file) == b"there"


async def test_redirects_in_a_circle_end(slack: FakeSlack, fetch: Fetcher) -> None:
    file = slack.file("a.pdf", CONTENT)
    file.moved_to = file_json(file, slack.base)["url_private_download"]
    with pytest.raises(InvalidRequest, match=UNREADABLE):
        await fetch(file)


async def test_a_redirect_into_the_network_is_not_followed(slack: FakeSlack, fetch: Fetcher) -> None:
    asked: list[str] = []

    async def listening(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.Response(text="secret")

    async with other_server(listening) as address:
        file = slack.file("a.pdf", CONTENT)
        file.moved_to = f"{address}/latest/meta-data"
        with pytest.raises(InvalidRequest, match=ELSEWHERE):
            await fetch(file)
    assert asked == []


async def test_a_redirect_to_another_public_server_gets_no_token(
    slack: FakeSlack, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    async def listening(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(body=CONTENT)

    monkeypatch.setattr(fetching, "is_public_url", lambda _: True)
    async with other_server(listening) as address:
        file = slack.file("a.pdf", CONTENT)
        file.moved_to = f"{address}/a.pdf"
        assert await fetch(file) == CONTENT
    assert asked == [None]


async def test_a_name_that_leads_into_the_network_is_not_followed(
    slack: FakeSlack, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def listening(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="secret")

    monkeypatch.setattr(fetching, "is_public_url", lambda _: True)
    async with other_server(listening) as address:
        file = slack.file("a.pdf", CONTENT)
        file.moved_to = f"{address.replace('127.0.0.1', 'localhost')}/a.pdf"
        with pytest.raises(InvalidRequest, match=slack_rules(API).broken):
            await fetch(file)
    assert asked == []


async def test_an_address_outside_slack_is_not_asked(slack: FakeSlack, fetch: Fetcher) -> None:
    facts = FileFacts("F1", "a.pdf", 10, "application/pdf", "https://files.example.org/a.pdf")
    with pytest.raises(InvalidRequest, match=ELSEWHERE):
        await fetch.files.known(fetch.workspace, facts)


async def test_a_full_disk_is_named(slack: FakeSlack, fetch: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    files = Files(lambda: fetch.session, tmp_path / "file", slack.api_url, 2)
    with pytest.raises(StorageFailed, match="disk of the data folder"):
        async with files.fetched(fetch.workspace, facts_of(file_json(slack.file("a.pdf", CONTENT), slack.base))):
            pass


def test_what_a_crash_left_is_deleted_when_nobody_can_be_using_it(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name, age in (("old", 2 * fetching.STALE_SECONDS), ("new", 1.0)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    files = Files(lambda: None, tmp_path, API, 1)  # type: ignore[arg-type, return-value]
    files.tidy(alone=False)
    assert [path.name for path in folder.iterdir()] == ["new"]
    files.tidy(alone=True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "is_theirs"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a.pdf", True),
        ("https://slack-files.com/a", True),
        ("https://a.slack-edge.com/a", True),
        ("https://acme.enterprise.slack.com:443/a", True),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com:8443/a", False),
        ("https://files.slack.com.evil.org/a", False),
        ("https://evilslack.com/a", False),
        ("https://files.slack.com@evil.org/a", False),
        ("https://evil.org@files.slack.com/a", False),
        ("https://[::1/a", False),
        ("ftp://files.slack.com/a", False),
        ("", False),
    ],
)
def test_the_token_goes_to_slack_only(url: str, *, is_theirs: bool) -> None:
    assert is_slack_url(url, API) is is_theirs


def test_the_server_of_the_web_api_is_slack() -> None:
    api = "http://127.0.0.1:8088/api/"
    assert is_slack_url("http://127.0.0.1:8088/files/a", api)
    assert is_slack_url("http://localhost:8088/files/a", api)
    assert is_slack_url("https://slack.example.org:443/a", "https://slack.example.org/api/")
    assert not is_slack_url("http://127.0.0.1:8089/files/a", api)
    assert not is_slack_url("http://localhost:443/a", API)
    assert not is_slack_url("https://127.0.0.1:8088/files/a", api)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a", "https://127.0.0.1/a", "https://[::1]/a", "https://localhost/a", "https://db.internal/a",
     "https://169.254.169.254/latest", "https://u@example.org/", "https://example.org:22/", "file:///etc/passwd"],
)  # fmt: skip
def test_redirects_lead_to_named_hosts_of_the_web_only(url: str) -> None:
    assert not is_public_url(url)
    assert is_public_url("https://cdn.example.org/a.pdf?x=1")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\report.pdf", "report.pdf"),
        (" .hidden ", "hidden"),
        ("\x00\x1b", "document"),
        ("..", "document"),
        ("Ferienplan – 2026.pdf", "Ferienplan – 2026.pdf"),
    ],
)
def test_a_name_is_never_a_path(given: str, name: str) -> None:
    assert clean_name(given) == name


def test_what_slack_says_survives_the_inbox_whatever_it_is() -> None:
    odd: list[dict[str, object]] = [
        {"id": "F1", "name": None, "size": "many", "mimetype": 7},
        {"id": "F2", "file_access": "access_denied"},
        {},
    ]
    first, second = unpacked(packed_files(odd))
    assert (first.name, first.size, first.is_stub) == ("document", 0, True)
    assert second.refusal
    assert packed_files([{}]) == ""
    assert len(unpacked(packed_files([{"id": f"F{number}"} for number in range(500)]))) == MOST_FILES


class other_server:  # noqa: N801 - used like a function
    """Another HTTP server on loopback."""

    def __init__(self, handler: object) -> None:
        app = web.Application()
        app.router.add_get("/{rest:.*}", handler)  # type: ignore[arg-type]
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
