"""Commands, buttons, selects, dialogs and menus of the loopback Discord, answered by the real discord.py."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Self

import discord
import pytest
from aiohttp import web
from discord import app_commands
from discord.http import Route
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from tests.fakes.discord import FakeDiscord, HttpEndpoint, fake_discord
from tests.fakes.discord import permissions as may
from tests.fakes.discord.with_discord import Bot, connected


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with fake_discord() as running:
        yield running
        assert running.violations == []


async def test_deferred_command(fake: FakeDiscord) -> None:
    bot = Bot()

    @bot.tree.command(description="Ask the documents")
    async def ask(interaction: discord.Interaction, question: str, private: bool = False) -> None:
        await interaction.response.defer(ephemeral=private, thinking=True)
        await interaction.edit_original_response(content=f"13 days, {interaction.user.name}")
        await interaction.followup.send("Sources", ephemeral=private)

    async with connected(fake, bot):
        await bot.tree.sync()
        shown = await fake.slash(fake.ann, fake.general, "ask", question="how many days?")
        await fake.until(lambda: len(shown.messages) == 2)
        assert [each.shown for each in shown.messages] == ["13 days, ann", "Sources"]
        assert shown.response is not None
        assert [version.flags for version in shown.response.edits] == [128]
        hidden = await fake.slash(fake.ann, fake.general, "ask", question="how many days?", private=True)
        await fake.until(lambda: len(hidden.messages) == 2)
    assert fake.messages(fake.general, viewer=fake.ben) == shown.messages
    assert fake.messages(fake.general, viewer=fake.ann) == shown.messages + hidden.messages
    assert (shown.answer, hidden.answer) == (5, 5)
    with pytest.raises(LookupError, match="question is required"):
        await fake.slash(fake.ann, fake.general, "ask")
    with pytest.raises(LookupError, match="no command 'lore'"):
        await fake.slash(fake.ann, fake.general, "lore add")


async def test_command_with_groups_files_and_autocompletion(fake: FakeDiscord) -> None:
    bot = Bot()
    lore = app_commands.Group(
        name="lore", description="Documents", default_permissions=discord.Permissions(manage_guild=True)
    )

    @lore.command(name="add", description="Add a document")
    async def add(interaction: discord.Interaction, file: discord.Attachment, namespace: str) -> None:
        content = await file.read()
        await interaction.response.send_message(f"{file.filename} of {len(content)} bytes in {namespace}")

    @add.autocomplete("namespace")
    async def names(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        known = [each for each in ("default", "hr", "hr-2024") if each.startswith(current)]
        return [app_commands.Choice(name=each, value=each) for each in known]

    bot.tree.add_command(lore)
    async with connected(fake, bot):
        await bot.tree.sync()
        offered = await fake.autocomplete(fake.olga, fake.general, "lore add", "namespace", "hr")
        assert [choice["value"] for choice in offered] == ["hr", "hr-2024"]
        file = fake.file("leave.pdf", b"13 days")
        added = await fake.slash(fake.olga, fake.general, "lore add", file=file, namespace="hr")
        await fake.until(lambda: added.messages)
        assert [each.shown for each in added.messages] == ["leave.pdf of 7 bytes in hr"]
        with pytest.raises(LookupError, match="ann has no command"):
            await fake.slash(fake.ann, fake.general, "lore add", file=file, namespace="hr")
        fake.add_role("staff", may.MANAGE_GUILD, people=[fake.ann])
        await fake.slash(fake.ann, fake.general, "lore add", file=file, namespace="hr")


class Feedback(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"feedback:(?P<thumb>up|down):(?P<id>\d+)"):
    """Knows its answer by its custom_id, so it survives a restart."""

    def __init__(self, thumb: str, answer: int) -> None:
        label = {"up": "Helpful", "down": "Not helpful"}[thumb]
        super().__init__(discord.ui.Button(label=label, custom_id=f"feedback:{thumb}:{answer}"))
        self.thumb, self.answer = thumb, answer

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["thumb"], int(match["id"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        if self.thumb == "up":
            await interaction.response.send_message(f"Thank you for {self.answer}", ephemeral=True)
        else:
            await interaction.response.send_modal(Why())


class Why(discord.ui.Modal, title="Why?"):
    reason: discord.ui.Label[Any] = discord.ui.Label(
        text="Reason",
        component=discord.ui.Select(options=[discord.SelectOption(label="Wrong"), discord.SelectOption(label="Old")]),
    )
    comment: discord.ui.TextInput[Any] = discord.ui.TextInput(label="More", required=False, max_length=20)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.reason.component, discord.ui.Select)
        await interaction.response.send_message(f"{self.reason.component.values[0]}: {self.comment}", ephemeral=True)


async def test_buttons_and_dialogs_after_a_restart(fake: FakeDiscord) -> None:
    bot = Bot()
    async with connected(fake, bot):
        view = discord.ui.View(timeout=None)
        for thumb in ("up", "down"):
            view.add_item(Feedback(thumb, 7))
        await bot.get_partial_messageable(fake.general.id).send("13 days", view=view)
    (message,) = fake.messages(fake.general)
    again = Bot()
    again.add_dynamic_items(Feedback)
    async with connected(fake, again):
        thanked = await fake.press(fake.ann, message, "feedback:up:7")
        await fake.until(lambda: thanked.messages)
        assert [(each.shown, each.ephemeral_to) for each in thanked.messages] == [("Thank you for 7", fake.ann)]
        await fake.press(fake.ben, message, label="Not helpful")
        modal = await fake.until(lambda: fake.modal(fake.ben))
        assert modal.shown == "Why?\nReason\nMore"
        assert fake.modal(fake.ann) is None
        inputs = [part.get("component") or part["components"][0] for part in modal.components]
        select, comment = (each["custom_id"] for each in inputs)
        with pytest.raises(LookupError, match="must be filled in"):
            await fake.submit(modal, {comment: "x"})
        with pytest.raises(LookupError, match="too long"):
            await fake.submit(modal, {select: ["Old"], comment: "x" * 21})
        sent = await fake.submit(modal, {select: ["Old"], comment: "2019"})
        await fake.until(lambda: sent.messages)
        assert [each.shown for each in sent.messages] == ["Old: 2019"]
        assert fake.modal(fake.ben) is None
    with pytest.raises(LookupError, match="nothing with custom_id 'other'"):
        await fake.press(fake.ann, message, "other")


async def test_message_menu_and_select(fake: FakeDiscord) -> None:
    bot = Bot()

    class Pick(discord.ui.LayoutView):
        row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
        text: discord.ui.TextDisplay[Any] = discord.ui.TextDisplay("Which one?")

        @row.select(options=[discord.SelectOption(label="A"), discord.SelectOption(label="B")], custom_id="pick")
        async def pick(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
            self.text.content = select.values[0]
            await interaction.response.edit_message(view=self)

    @bot.tree.context_menu(name="Answer this")
    async def answer_this(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(view=Pick())

    async with connected(fake, bot):
        await bot.tree.sync()
        question = await fake.say(fake.ben, fake.general, "how many days?")
        asked = await fake.menu(fake.ann, question, "Answer this")
        (answer,) = await fake.until(lambda: asked.messages)
        assert answer.shown == "Which one?"
        await fake.choose(fake.ben, answer, "pick", "B")
        await fake.until(lambda: answer.edits)
        assert answer.shown == "B"
        with pytest.raises(LookupError, match="no options"):
            await fake.choose(fake.ben, answer, "pick", "C")


async def test_what_an_interaction_carries(fake: FakeDiscord) -> None:
    heard: list[discord.Interaction] = []
    bot = Bot()

    @bot.tree.command(description="Ask")
    async def ask(interaction: discord.Interaction) -> None:
        heard.append(interaction)
        await interaction.response.send_message("13 days")

    async with connected(fake, bot):
        await bot.tree.sync()
        await fake.slash(fake.olga, fake.general, "ask")
        await fake.slash(fake.ann, fake.dm(fake.ann), "ask")
        await fake.until(lambda: len(heard) == 2)
    there, direct = heard
    assert there.permissions.administrator
    assert there.app_permissions.manage_threads
    assert not there.app_permissions.manage_guild
    assert (there.guild_id, there.filesize_limit) == (fake.guild.id, 10 * 1024 * 1024)
    assert isinstance(there.user, discord.Member)
    assert (direct.guild_id, direct.context.dm_channel) == (None, True)
    assert fake.pings == []


async def test_time_is_short(fake: FakeDiscord) -> None:
    held: list[discord.Interaction] = []
    bot = Bot()

    @bot.tree.command(description="Ask")
    async def ask(interaction: discord.Interaction) -> None:
        held.append(interaction)

    async with connected(fake, bot):
        await bot.tree.sync()
        await fake.slash(fake.ann, fake.general, "ask")
        await fake.until(lambda: held)
        fake.clock.advance(3.5)
        with pytest.raises(discord.NotFound) as late:
            await held[0].response.defer()
        assert late.value.code == 10062
        answered = await fake.slash(fake.ann, fake.general, "ask")
        await fake.until(lambda: len(held) == 2)
        await held[1].response.defer()
        with pytest.raises(discord.InteractionResponded):
            await held[1].response.send_message("again")
        fake.clock.advance(901)
        with pytest.raises(discord.HTTPException) as gone:
            await held[1].followup.send("13 days")
        assert (gone.value.status, gone.value.code) == (401, 50027)
    assert answered.response is not None
    assert answered.response.loading


async def test_second_process_is_too_late(fake: FakeDiscord) -> None:
    refused: list[int] = []

    def answering() -> Bot:
        bot = Bot()

        @bot.tree.command(description="Ask")
        async def ask(interaction: discord.Interaction) -> None:
            try:
                await interaction.response.send_message("13 days")
            except discord.HTTPException as late:
                refused.append(late.code)

        return bot

    one, other = answering(), answering()
    async with connected(fake, one), connected(fake, other):
        await one.tree.sync()
        asked = await fake.slash(fake.ann, fake.general, "ask")
        await fake.until(lambda: refused)
    assert refused == [40060]
    assert len(asked.messages) == 1


@pytest.fixture
async def endpoint(fake: FakeDiscord) -> AsyncIterator[HttpEndpoint]:
    """An application that takes its interactions by HTTP."""
    key = VerifyKey(bytes.fromhex(fake.application.verify_key))

    async def interactions(request: web.Request) -> web.Response:
        body = await request.read()
        signed = request.headers.get("X-Signature-Timestamp", "").encode() + body
        try:
            key.verify(signed, bytes.fromhex(request.headers.get("X-Signature-Ed25519", "")))
        except (BadSignatureError, ValueError):
            return web.Response(status=401)
        kind = (await request.json())["type"]
        answers = {1: {"type": 1}, 2: {"type": 4, "data": {"content": "13 days", "flags": 64}}}
        return web.json_response(answers[kind])

    app = web.Application()
    app.router.add_post("/discord/interactions", interactions)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield HttpEndpoint(f"http://127.0.0.1:{runner.addresses[0][1]}/discord/interactions")
    await runner.cleanup()


async def test_interactions_by_http(fake: FakeDiscord, endpoint: HttpEndpoint) -> None:
    bot = Bot()
    async with connected(fake, bot):
        bot.tree.command(name="ask", description="Ask")(_never)
        await bot.tree.sync()
        await _take_interactions_at(bot, endpoint.url)
        asked = await fake.slash(fake.ann, fake.general, "ask")
        await fake.until(lambda: asked.messages)
    assert [(each.shown, each.ephemeral_to) for each in asked.messages] == [("13 days", fake.ann)]
    assert asked.statuses == [200]
    assert (await fake.post_raw({"type": 1}, key=SigningKey.generate())).status == 401
    assert (await fake.post_raw({"type": 1}, signature="not hexadecimal")).status == 401
    assert (await fake.post_raw({"type": 1}, signed=False)).status == 401
    good, wrong = await fake.verify_url()
    assert (good.payload(), wrong.status) == ({"type": 1}, 401)


async def _take_interactions_at(bot: Bot, url: str) -> None:
    # `bot.application.edit` drops the address: its list of known names has this one with a blank at the end.
    await bot.http.request(Route("PATCH", "/applications/@me"), json={"interactions_endpoint_url": url})


async def _never(interaction: discord.Interaction) -> None:
    raise AssertionError("it comes by HTTP")


async def test_address_that_does_not_check_is_not_taken(fake: FakeDiscord) -> None:
    bot = Bot()
    async with connected(fake, bot):
        with pytest.raises(discord.HTTPException, match="could not be verified"):
            await _take_interactions_at(bot, f"{fake.base}/nothing")
    assert [violation.error for violation in fake.violations] == ["50035"]
    fake.violations.clear()
