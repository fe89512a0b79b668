"""Each message has exactly one answer, whatever the platform and people do in between."""

from __future__ import annotations

import asyncio

from tests.contracts.checks import assert_answered
from tests.contracts.driver import BEN, BOT, Can, ChannelDriver, contract
from tests.contracts.stage import ANSWER, QUESTION

OTHER = "What is the weather on Mars?"
SLOWLY = 0.1


@contract()
async def test_a_question_has_one_answer(driver: ChannelDriver) -> None:
    assert len((await driver.seen(await driver.ask(QUESTION))).parts) == 1
    assert len(driver.stage.model.requests) == 1


@contract(Can.REPEAT)
async def test_what_is_delivered_again_is_not_answered_again(driver: ChannelDriver) -> None:
    asked = await driver.ask(QUESTION)
    await driver.repeat(asked)
    before = await driver.seen(asked)
    await driver.repeat(asked)
    await driver.repeat(asked)
    assert await driver.seen(asked) == before
    assert len(before.parts) == len(driver.stage.model.requests) == 1


@contract(Can.REPEAT, Can.PUBLIC)
async def test_what_cannot_be_written_down_is_answered_once_when_it_can(driver: ChannelDriver) -> None:
    with driver.stage.broken("inbox", "accept"):
        asked = await driver.ask(QUESTION)
        # Long enough to be taken and lost.
        await asyncio.sleep(0.3)
    await driver.redeliver()
    await driver.redeliver()
    assert_answered(await driver.seen(asked))


@contract(Can.EDIT)
async def test_an_edited_question_is_answered_again_in_place(driver: ChannelDriver) -> None:
    asked = await driver.ask(OTHER)
    assert "could not find" in (await driver.seen(asked)).text
    await driver.edit(asked, QUESTION)
    assert_answered(await driver.seen(asked))


@contract(Can.EDIT)
async def test_a_question_that_is_edited_while_it_is_answered_has_one_answer(driver: ChannelDriver) -> None:
    driver.stage.model.pause = SLOWLY
    asked = await driver.ask("How many days of leave do I have?")
    await driver.begun(asked)
    await driver.edit(asked, QUESTION)
    assert_answered(await driver.seen(asked))
    assert QUESTION in driver.stage.model.prompt()


@contract(
    Can.EDIT,
    Can.REPEAT,
)
async def test_an_old_form_that_comes_late_does_not_replace_the_new_one(driver: ChannelDriver) -> None:
    asked = await driver.ask("How many days of leave do I have?")
    await driver.seen(asked)
    await driver.edit(asked, OTHER)
    await driver.seen(asked)
    await driver.edit(asked, QUESTION)
    assert_answered(await driver.seen(asked))
    await driver.repeat(asked, only_first=True)
    assert_answered(await driver.seen(asked))


@contract(Can.EDIT, Can.PUBLIC, Can.FOLLOW_UP)
async def test_a_question_that_is_edited_into_talk_leaves_no_half_answer(driver: ChannelDriver) -> None:
    first = await driver.ask(QUESTION)
    await driver.seen(first)
    driver.stage.model.pause = SLOWLY
    asked = await driver.say("How many days of annual leave per year?", first)
    await driver.begun(asked)
    await driver.edit_to_talk(asked, "see above", BEN)
    seen = await driver.seen(asked)
    assert seen.parts == () or ANSWER.rstrip(".") in seen.text


@contract(Can.DELETE)
async def test_a_deleted_question_takes_its_unfinished_answer_along(driver: ChannelDriver) -> None:
    driver.stage.model.pause = SLOWLY
    asked = await driver.ask(QUESTION)
    await driver.begun(asked)
    await driver.delete(asked)
    assert (await driver.seen(asked)).parts == ()


@contract(Can.DELETE, Can.REPEAT)
async def test_a_deleted_question_that_is_delivered_late_is_not_answered(driver: ChannelDriver) -> None:
    driver.stage.model.pause = SLOWLY
    asked = await driver.ask(QUESTION)
    await driver.begun(asked)
    await driver.delete(asked)
    await driver.seen(asked)
    await driver.repeat(asked)
    assert (await driver.seen(asked)).parts == ()


@contract(Can.AWAY, Can.PUBLIC, Can.DIRECT)
async def test_what_was_asked_while_the_bot_was_away_is_answered_once(driver: ChannelDriver) -> None:
    async with driver.away():
        asked = [await driver.ask(QUESTION), await driver.ask(QUESTION, direct=True)]
    async with driver.away():
        pass
    for each in asked:
        assert_answered(await driver.seen(each))


@contract(Can.EDIT, Can.PUBLIC)
async def test_talk_that_becomes_a_question_is_answered(driver: ChannelDriver) -> None:
    said = await driver.talk("Good morning everybody")
    assert (await driver.seen(said)).parts == ()
    await driver.edit(said, QUESTION)
    assert_answered(await driver.seen(said))


@contract(Can.EDIT, Can.PUBLIC, Can.POINT)
async def test_what_was_pointed_out_and_is_edited_is_answered_again_in_place(driver: ChannelDriver) -> None:
    said = await driver.talk(OTHER)
    await driver.point_at(said, person=BEN)
    assert "could not find" in (await driver.seen(said)).text
    await driver.edit_to_talk(said, QUESTION, "")
    assert_answered(await driver.seen(said))


@contract(Can.DELETE, Can.PUBLIC, Can.POINT)
async def test_what_was_pointed_out_and_is_deleted_takes_its_unfinished_answer_along(driver: ChannelDriver) -> None:
    driver.stage.model.pause = SLOWLY
    said = await driver.talk(QUESTION)
    await driver.point_at(said, person=BEN)
    await driver.begun(said)
    await driver.delete(said)
    assert (await driver.seen(said)).parts == ()


@contract(Can.AWAY, Can.EDIT)
async def test_an_answered_question_that_was_edited_while_the_bot_was_away_is_answered_again(
    driver: ChannelDriver,
) -> None:
    asked = await driver.ask(OTHER)
    await driver.seen(asked)
    async with driver.away():
        await driver.edit(asked, QUESTION)
    assert_answered(await driver.seen(asked))


@contract(Can.AWAY, Can.DELETE)
async def test_what_was_deleted_while_the_bot_was_away_is_not_answered(driver: ChannelDriver) -> None:
    async with driver.away():
        asked = await driver.ask(QUESTION)
        await driver.delete(asked)
    assert (await driver.seen(asked)).parts == ()


@contract(Can.AWAY, Can.EDIT)
async def test_what_was_edited_while_the_bot_was_away_is_answered_as_it_is_now(driver: ChannelDriver) -> None:
    async with driver.away():
        asked = await driver.ask(OTHER)
        await driver.edit(asked, QUESTION)
    assert_answered(await driver.seen(asked))


@contract(
    Can.AWAY,
    Can.FOLLOW_UP,
    Can.PUBLIC,
)
async def test_a_question_in_an_old_conversation_is_found_after_the_bot_was_away(driver: ChannelDriver) -> None:
    first = await driver.talk("Welcome, everybody", hours_ago=5)
    async with driver.away():
        asked = await driver.say(QUESTION, first, person=BEN, to=BOT)
    assert_answered(await driver.seen(asked))


@contract(Can.BREAK)
async def test_what_the_platform_fails_to_take_still_arrives_once(driver: ChannelDriver) -> None:
    driver.break_platform()
    asked = await driver.ask(QUESTION)
    assert_answered(await driver.seen(asked))


@contract(Can.STOP)
async def test_stopping_ends_the_writing(driver: ChannelDriver) -> None:
    driver.stage.model.pause = SLOWLY
    asked = await driver.ask(QUESTION, direct=True)
    await driver.begun(asked)
    await driver.stop(asked)
    async with asyncio.timeout(20):
        while not driver.stage.model.left_early:
            await asyncio.sleep(0.01)
    assert len(driver.stage.model.requests) == 1


@contract(Can.STOP, Can.DIRECT)
async def test_what_is_stopped_before_its_first_word_says_so(driver: ChannelDriver) -> None:
    driver.stage.model.behaviour = "slow"
    asked = await driver.ask(QUESTION, direct=True)
    async with asyncio.timeout(20):
        while not driver.stage.model.requests:
            await asyncio.sleep(0.01)
    await driver.stop(asked)
    assert "Stopped" in (await driver.seen(asked)).text
