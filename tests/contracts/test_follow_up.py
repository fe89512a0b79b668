"""A conversation is understood as one, and people in it are left alone."""

from __future__ import annotations

from tests.contracts.checks import assert_answered
from tests.contracts.driver import ANN, BEN, Can, ChannelDriver, contract
from tests.contracts.stage import QUESTION

NEXT = "And how many days per year is that?"


@contract(Can.FOLLOW_UP)
async def test_a_follow_up_knows_what_was_said(driver: ChannelDriver) -> None:
    first = await driver.ask(QUESTION)
    await driver.seen(first)
    asked = await driver.say(NEXT, first)
    assert (await driver.seen(asked)).text.strip()
    assert any(QUESTION in str(request) and NEXT in str(request) for request in driver.stage.model.requests)


@contract(Can.FOLLOW_UP, Can.PUBLIC)
async def test_a_follow_up_that_comes_before_the_answer_waits_for_it(driver: ChannelDriver) -> None:
    driver.stage.model.pause = 0.04
    first = await driver.ask(QUESTION)
    await driver.begun(first)
    asked = await driver.say(NEXT, first)
    assert (await driver.seen(asked)).text.strip()
    assert any(QUESTION in str(request) and NEXT in str(request) for request in driver.stage.model.requests)


@contract(Can.FOLLOW_UP)
async def test_another_conversation_knows_nothing_of_it(driver: ChannelDriver) -> None:
    await driver.seen(await driver.ask(QUESTION))
    await driver.seen(await driver.ask("How many days of leave per year?"))
    assert QUESTION not in driver.stage.model.prompt()


@contract(Can.PRIVATE, Can.PUBLIC)
async def test_what_was_asked_in_private_is_no_part_of_what_is_asked_in_public(driver: ChannelDriver) -> None:
    await driver.seen(await driver.ask(QUESTION, private=True))
    await driver.seen(await driver.ask("How many days of leave per year?"))
    assert QUESTION not in driver.stage.model.prompt()


@contract(Can.FOLLOW_UP, Can.PUBLIC)
async def test_somebody_else_can_follow_up(driver: ChannelDriver) -> None:
    first = await driver.ask(QUESTION)
    await driver.seen(first)
    asked = await driver.say("How many days of annual leave per year?", first, person=BEN)
    assert_answered(await driver.seen(asked))


@contract(Can.PUBLIC)
async def test_talk_that_is_not_to_the_bot_is_left_alone(driver: ChannelDriver) -> None:
    assert (await driver.seen(await driver.talk(QUESTION))).parts == ()
    assert driver.stage.model.requests == []


@contract(Can.PUBLIC)
async def test_people_among_themselves_are_left_alone(driver: ChannelDriver) -> None:
    first = await driver.ask(QUESTION)
    await driver.seen(first)
    for said in (
        await driver.say("where is the meeting?", first, person=BEN, to=ANN),
        await driver.say("In room 4", first),
        await driver.say("Who is coming?", first, person=BEN),
    ):
        assert (await driver.seen(said)).parts == ()
    assert len(driver.stage.model.requests) == 1


@contract(Can.PUBLIC)
async def test_who_tells_the_bot_to_be_quiet_is_obeyed(driver: ChannelDriver) -> None:
    first = await driver.ask(QUESTION)
    await driver.seen(first)
    await driver.seen(await driver.say("be quiet please", first))
    asked = await driver.say("How many days of annual leave per year?", first)
    assert (await driver.seen(asked)).parts == ()


@contract(Can.PRIVATE)
async def test_a_private_answer_is_seen_by_the_asker_alone(driver: ChannelDriver) -> None:
    seen = await driver.seen(await driver.ask(QUESTION, private=True))
    assert seen.is_private
    assert "[1] Leave" in seen.text


@contract(Can.DIRECT)
async def test_a_direct_question_needs_no_mention(driver: ChannelDriver) -> None:
    assert_answered(await driver.seen(await driver.ask(QUESTION, direct=True)))
