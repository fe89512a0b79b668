"""When something breaks, people get the best that is left, or a short apology; never what broke inside."""

from __future__ import annotations

import re

from tests.contracts.checks import assert_answered
from tests.contracts.driver import Can, ChannelDriver, Seen, contract
from tests.contracts.stage import ANSWER, HIDDEN, QUESTION

CHAT = {"generation": {"mode": "chat"}}
INSIDE = re.compile(r"Traceback|\w(?:Error|Exception)\b|<class|object at 0x|File \"|httpx|sqlalchemy|127\.0\.0\.1")


def assert_apology(seen: Seen) -> None:
    assert len(seen.parts) == 1
    assert re.search(r"\(reference \w{6,}\)", seen.text)
    assert len(seen.text) < 600
    assert HIDDEN not in seen.text
    assert not INSIDE.search(seen.text)


@contract()
async def test_without_its_model_it_quotes_the_documents_and_says_so(driver: ChannelDriver) -> None:
    driver.stage.model.statuses = [500] * 9
    seen = await driver.seen(await driver.ask(QUESTION))
    assert len(seen.parts) == 1
    assert ANSWER in seen.text
    assert "not available" in seen.text


@contract()
async def test_an_answer_that_breaks_off_is_replaced_as_a_whole(driver: ChannelDriver) -> None:
    model = driver.stage.model
    model.behaviour, model.pause = "cut", 0.06
    model.answer = "Wordy beginnings are soon replaced by others while leave is accrued at 13 days per year [1]."
    seen = await driver.seen(await driver.ask(QUESTION))
    assert len(seen.parts) == 1
    assert ANSWER in seen.text
    assert "Wordy" not in seen.text


@contract(settings=CHAT)
async def test_a_model_that_is_down_is_apologised_for(driver: ChannelDriver) -> None:
    driver.stage.model.statuses = [500] * 9
    assert_apology(await driver.seen(await driver.ask(QUESTION)))


@contract(settings=CHAT)
async def test_half_an_answer_is_replaced_by_an_apology(driver: ChannelDriver) -> None:
    model = driver.stage.model
    model.behaviour, model.pause = "cut", 0.06
    seen = await driver.seen(await driver.ask(QUESTION))
    assert_apology(seen)
    assert "accrue" not in seen.text


@contract(settings=CHAT)
async def test_nonsense_of_a_model_server_is_not_shown(driver: ChannelDriver) -> None:
    driver.stage.model.behaviour = "html"
    seen = await driver.seen(await driver.ask(QUESTION))
    assert seen.text.strip()
    assert "html" not in seen.text
    assert not INSIDE.search(seen.text)


@contract()
async def test_a_search_that_breaks_is_apologised_for(driver: ChannelDriver) -> None:
    with driver.stage.broken("retriever", "retrieve"):
        assert_apology(await driver.seen(await driver.ask(QUESTION)))


@contract(Can.PRIVATE)
async def test_a_search_that_breaks_is_apologised_for_in_private(driver: ChannelDriver) -> None:
    with driver.stage.broken("retriever", "retrieve"):
        seen = await driver.seen(await driver.ask(QUESTION, private=True))
    assert_apology(seen)
    assert seen.is_private


@contract()
async def test_a_history_that_cannot_be_read_is_apologised_for(driver: ChannelDriver) -> None:
    with driver.stage.broken("conversations", "history"):
        assert_apology(await driver.seen(await driver.ask(QUESTION)))


@contract(Can.PRIVATE)
async def test_a_private_question_that_cannot_be_written_down_is_apologised_for(driver: ChannelDriver) -> None:
    with driver.stage.broken("inbox", "accept"):
        asked = await driver.ask(QUESTION, private=True)
        told = await driver.told(asked)
    assert "(reference " in told
    assert HIDDEN not in told


@contract(Can.POINT, Can.PUBLIC)
async def test_a_shortcut_that_cannot_be_written_down_is_apologised_for(driver: ChannelDriver) -> None:
    first = await driver.ask(QUESTION)
    await driver.seen(first)
    said = await driver.say("How is leave accrued", first, to="ben")
    await driver.seen(said)
    with driver.stage.broken("inbox", "accept"):
        told = await driver.point_at(said, person="ann")
    assert "(reference " in told


@contract(Can.TIME, settings={"server": {"port": 0, "request_seconds": 0.5}})
async def test_what_takes_too_long_is_told_so(driver: ChannelDriver) -> None:
    driver.stage.model.behaviour = "slow"
    seen = await driver.seen(await driver.ask(QUESTION))
    assert "no answer within" in seen.text


@contract()
async def test_the_next_question_is_answered_again(driver: ChannelDriver) -> None:
    with driver.stage.broken("retriever", "retrieve"):
        await driver.seen(await driver.ask(QUESTION))
    assert_answered(await driver.seen(await driver.ask(QUESTION)))
