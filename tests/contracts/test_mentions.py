"""Nobody is notified by what documents, models and askers write: each driver's `pings` stay empty, see `conftest`."""

from __future__ import annotations

from tests.contracts.driver import Can, ChannelDriver, contract
from tests.contracts.stage import QUESTION

# As several platforms write them, so that the suite is the same for all.
MENTIONS = (
    "<!channel> <!here> <!everyone> <@U1> <@U2|ben> <!subteam^S1|@team> <#C1> &lt;!channel&gt; "
    "@everyone @here @channel <@1234567890> <@!1234567890> <@&1234567890> <#1234567890> "
    "[x](<!here>) [<!channel>](http://example.com) `<!channel>` <http://example.com|<!here>> <!date^1^{date}|<!here>>"
)
PIECES = "<!chan" + "nel>"


def shown(text: str) -> str:
    """The words of it."""
    return text.replace("\u200b", "")


@contract(Can.PING)
async def test_what_a_model_writes_notifies_nobody(driver: ChannelDriver) -> None:
    for script in (MENTIONS, f"```\n{MENTIONS}\n```", f"> {MENTIONS}", f"| a |\n|---|\n| {MENTIONS} |", PIECES):
        driver.stage.prompter.script = f"It is 13 days. {script}\n{script}"
        seen = await driver.seen(await driver.ask(QUESTION))
        assert "13 days" in shown(seen.text)


@contract(Can.PING)
async def test_a_streamed_mention_notifies_nobody(driver: ChannelDriver) -> None:
    model = driver.stage.model
    model.pause = 0.05
    model.answer = f"You accrue 13 days <!chan nel> <! here> < @U1> <!channel> {PIECES} of annual leave per year [1]."
    seen = await driver.seen(await driver.ask(QUESTION))
    assert "13 days" in shown(seen.text)


@contract(Can.PING)
async def test_what_a_document_holds_notifies_nobody(driver: ChannelDriver) -> None:
    await driver.stage.add("evil.md", f"# {MENTIONS}\n\n## {MENTIONS}\n\nFigs cost 7 crowns {MENTIONS} each.\n")
    driver.stage.model.answer = f"Figs cost 7 crowns {MENTIONS} each [1]."
    asked = await driver.ask("How many crowns do figs cost each?")
    assert "7 crowns" in shown((await driver.seen(asked)).text)
    if Can.PASSAGES in driver.can:
        assert "7 crowns" in shown(await driver.passage(asked))


@contract(Can.PING)
async def test_the_nearest_documents_of_a_no_answer_notify_nobody(driver: ChannelDriver) -> None:
    await driver.stage.add("evil.md", f"# {MENTIONS}\n\nThe canteen {MENTIONS} opens at noon.\n")
    driver.stage.model.answer = "I could not find this."
    seen = await driver.seen(await driver.ask("When does the canteen open on holidays?"))
    assert "could not find" in seen.text


@contract(Can.PING)
async def test_what_is_asked_notifies_nobody(driver: ChannelDriver) -> None:
    for private in (False, True):
        if private and Can.PRIVATE not in driver.can:
            continue
        seen = await driver.seen(await driver.ask(f"{MENTIONS} {QUESTION}", private=private))
        assert seen.text.strip()


@contract(Can.PING, settings={"namespaces": {"default": {"contact": "<!channel> @everyone <@U1>"}}})
async def test_whom_to_ask_instead_is_not_notified(driver: ChannelDriver) -> None:
    seen = await driver.seen(await driver.ask("Who won the football match in Lisbon?"))
    assert "You could ask" in seen.text


@contract(Can.SHOW)
async def test_a_link_shows_where_it_leads(driver: ChannelDriver) -> None:
    driver.stage.prompter.script = "See [the intranet](https://evil.example/login) and <https://evil.example|here>."
    seen = await driver.seen(await driver.ask(QUESTION))
    assert seen.text.count("evil.example") >= 2


@contract(Can.SHOW)
async def test_hidden_characters_do_not_arrive(driver: ChannelDriver) -> None:
    driver.stage.prompter.script = "It is \x1b[2J13\u202e days\x07 of\x9b leave."
    seen = await driver.seen(await driver.ask(QUESTION))
    assert not set(seen.text) & set("\x1b\u202e\x07\x9b")
