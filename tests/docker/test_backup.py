"""Everything comes back from a backup after its volumes are gone, and an older database is brought up to date."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.docker.crowd import FACT, LEAVE, TEXTS, ask, assert_done_once, begin, titles, upload
from tests.docker.stack import BOTS, Stack, docker, world

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OLD = "0004"
MAKE_OLD = f"""
from alembic import command
from core.access import Permission
from core.settings import load
from core.store.engine import open_engine, transaction
from core.store.keys import KeyStore
from core.store.migrations.run import configuration
engine = open_engine(load().database_url)
with transaction(engine, without_limit=True) as connection:
    command.upgrade(configuration(connection), "{OLD}")
print(KeyStore(engine).create("old", [Permission.ASK, Permission.READ, Permission.WRITE])[1])
"""


def once(stack: Stack, folder: Path, *arguments: str) -> str:
    """A command in a container of its own, with a folder for backups."""
    return stack.compose("run", "--rm", "-T", "--no-deps", "-v", f"{folder}:/backups", "worker", *arguments)


async def test_what_was_backed_up_while_it_ran_comes_back_after_all_volumes_are_gone(tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    # The stack's user has another number than whoever runs the tests.
    backups.chmod(0o777)
    async with world(tmp_path, "backup") as made:
        stack = made.stack
        await made.run(stack.up)
        await made.connected()
        key = await made.run(stack.key)
        await upload(stack.url, key, "leave.md", LEAVE)
        before = await ask(stack.url, key)
        await made.run(once, stack, backups, "backup", "/backups")
        await upload(stack.url, key, "later.md", TEXTS["lunch.md"])

        await made.run(stack.down, with_volumes=True)
        await made.run(stack.up)
        await made.run(stack.compose, "stop", *BOTS)
        await made.run(once, stack, backups, "restore", "/backups", "--yes")
        await made.run(stack.up)
        await made.connected()

        after = await ask(stack.url, key)
        assert FACT in str(after["text"])
        assert (after["text"], after["citations"]) == (before["text"], before["citations"])
        assert await titles(stack.url, key) == ["Leave"]
        await made.run(stack.lorekeeper, "documents", "check")
        await assert_done_once(made, await begin(made, 1))


async def test_who_serves_ends_before_the_tables_can_be_changed(tmp_path: Path) -> None:
    """As with new images: every container of a process is made anew."""
    async with world(tmp_path, "anew") as made:
        stack = made.stack
        await made.run(stack.up)
        begun = str(int(time.time()))
        with stack.env_file.open("a") as settings:
            settings.write("LOREKEEPER_LOG_LEVEL=debug\n")
        await made.run(stack.up)
        rows = docker(
            "events", "--since", begun, "--until", str(int(time.time()) + 1), "--format", "{{json .}}",
            "--filter", f"label=com.docker.compose.project={stack.name}", "--filter", "type=container",
        ).splitlines()  # fmt: skip
    events = [json.loads(row) for row in rows]
    found = [(each["Actor"]["Attributes"]["com.docker.compose.service"], each["Action"]) for each in events]
    served = [found.index((service, "die")) for service in BOTS]
    assert max(served) < found.index(("migrate", "start")), found


async def test_an_older_database_is_brought_up_to_date_before_anything_serves(tmp_path: Path) -> None:
    async with world(tmp_path, "upgrade") as made:
        stack = made.stack
        await made.run(stack.compose, "up", "-d", "--no-build", "--wait", "postgres")
        key = stack.compose(
            "run", "--rm", "-T", "--no-deps", "--entrypoint", "python", "migrate", "-c", MAKE_OLD
        ).strip()
        with pytest.raises(AssertionError, match=f"from revision {OLD}"):
            # It exits with 3 when there is something to do.
            stack.compose("run", "--rm", "-T", "--no-deps", "migrate", "upgrade", "--check")
        await made.run(stack.up)
        assert f"upgraded from revision {OLD}" in stack.compose("logs", "migrate")
        assert "up to date" in stack.lorekeeper("upgrade", "--check")
        await upload(stack.url, key, "leave.md", LEAVE)
        assert FACT in str((await ask(stack.url, key))["text"])
