"""A headless Chromium, and running gateways: one that is open to this machine, and one that asks for keys."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.access import Permission
from core.settings import Settings
from core.store.engine import open_engine
from core.store.keys import KeyStore
from tests.bots.command import place
from tests.browser.chat import LEAVE, SENTENCE, opened
from tests.fakes.openai_server import FakeOpenAI, fake_openai

HOW_TO_INSTALL = (
    "Chromium is not installed (Debian and Ubuntu: apt-get install chromium; macOS: brew install chromium)."
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
expect.set_options(timeout=10_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Skips without Chromium, unless TEST_REQUIRE names chromium: then it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if "chromium" in os.environ.get("TEST_REQUIRE", ""):
            pytest.fail(HOW_TO_INSTALL)
        pytest.skip(HOW_TO_INSTALL)
    # As root, in a container, Chromium's own sandbox cannot be set up; it sees only our own pages here.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def model() -> Iterator[FakeOpenAI]:
    with fake_openai() as running:
        yield running


@pytest.fixture(autouse=True)
def answering(model: FakeOpenAI) -> None:
    model.answer, model.behaviour, model.pause = f"{SENTENCE} [1].", "ok", 0.0


@pytest.fixture(scope="session")
def url(model: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a gateway without keys."""
    here = place(tmp_path_factory.mktemp("browser"), LOREKEEPER_GENERATION__BASE_URL=model.url)
    with here.serving() as server:
        yield server.url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """An open web chat."""
    with opened(browser, url) as shown:
        yield shown


@dataclass(frozen=True, slots=True)
class Keyed:
    """A gateway that asks for a key, with a document in the namespaces `default` and `hr`."""

    url: str
    keys: KeyStore
    admin: str
    """The text of a key that may do everything."""

    def make(self, *permissions: Permission, namespaces: Collection[str] = (), origins: Collection[str] = ()) -> str:
        """The text of a new key that the gateway knows."""
        _, text = self.keys.create("test", permissions, namespaces=namespaces, origins=origins)
        while self.status(text) == HTTPStatus.UNAUTHORIZED:
            time.sleep(0.05)
        return text

    def revoke(self, text: str) -> None:
        """End a key, and wait until the gateway knows."""
        self.keys.revoke(text.split("_")[1])
        while self.status(text) != HTTPStatus.UNAUTHORIZED:
            time.sleep(0.05)

    def status(self, key: str) -> int:
        """What the gateway says to who brings the key."""
        return httpx.get(f"{self.url}/v1/me", headers={"Authorization": f"Bearer {key}"}).status_code


@pytest.fixture(scope="session")
def keyed(model: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    here = place(
        tmp_path_factory.mktemp("keyed"),
        LOREKEEPER_GENERATION__BASE_URL=model.url,
        LOREKEEPER_SERVER__REQUESTS_PER_MINUTE_PER_ADDRESS="100000",
        LOREKEEPER_SERVER__REQUESTS_PER_MINUTE_PER_KEY="100000",
    )
    with here.serving() as server:
        engine = open_engine(Settings().database_url, here.data)
        keys = KeyStore(engine)
        _, admin = keys.create("admin", frozenset(Permission))
        for namespace in ("default", "hr"):
            reply = httpx.post(
                f"{server.url}/v1/documents",
                files={"file": ("leave.md", LEAVE.encode())},
                data={"namespace": namespace},
                headers={"Authorization": f"Bearer {admin}"},
                timeout=60,
            )
            assert reply.status_code == 201, reply.text
        yield Keyed(server.url, keys, admin)
        engine.dispose()
