"""What people think of an answer is kept, and its sources can be opened."""

from __future__ import annotations

import asyncio

from core.types import Reason, Thumb
from tests.contracts.driver import Asked, Can, ChannelDriver, contract
from tests.contracts.stage import HIDDEN, QUESTION


async def answered(driver: ChannelDriver, *, private: bool = False) -> Asked:
    asked = await driver.ask(QUESTION, private=private)
    await driver.seen(asked)
    return asked


async def rated(driver: ChannelDriver, thumb: Thumb, comment: str = "") -> None:
    """Until exactly one judgement is kept, and it is this."""
    async with asyncio.timeout(20):
        while [(each.feedback.thumb, each.feedback.comment) for each in driver.stage.ratings()] != [(thumb, comment)]:
            await asyncio.sleep(0.01)


@contract(Can.THUMBS)
async def test_a_thumb_up_is_kept_with_its_question(driver: ChannelDriver) -> None:
    await driver.rate(await answered(driver), Thumb.UP)
    await rated(driver, Thumb.UP)
    assert driver.stage.ratings()[0].question == QUESTION


@contract(Can.THUMBS)
async def test_a_thumb_down_is_kept_with_its_reason_and_words(driver: ChannelDriver) -> None:
    words = "It is 14 days <!channel> @everyone\nsince July"
    await driver.rate(await answered(driver), Thumb.DOWN, Reason.OUTDATED, words)
    await rated(driver, Thumb.DOWN, words)
    assert driver.stage.ratings()[0].feedback.reason is Reason.OUTDATED


@contract(Can.THUMBS)
async def test_a_thumb_down_without_a_reason_is_kept(driver: ChannelDriver) -> None:
    await driver.rate(await answered(driver), Thumb.DOWN)
    await rated(driver, Thumb.DOWN)


@contract(Can.THUMBS)
async def test_who_thinks_again_has_one_judgement(driver: ChannelDriver) -> None:
    asked = await answered(driver)
    await driver.rate(asked, Thumb.DOWN, Reason.WRONG, "no")
    await rated(driver, Thumb.DOWN, "no")
    await driver.rate(asked, Thumb.UP)
    await rated(driver, Thumb.UP)
    assert driver.stage.ratings()[0].feedback.reason is None


@contract(Can.THUMBS, Can.PRIVATE)
async def test_a_private_answer_can_be_judged(driver: ChannelDriver) -> None:
    await driver.rate(await answered(driver, private=True), Thumb.UP)
    await rated(driver, Thumb.UP)


@contract(Can.THUMBS)
async def test_a_judgement_that_cannot_be_kept_is_told_so(driver: ChannelDriver) -> None:
    asked = await answered(driver)
    with driver.stage.broken("feedback", "rate"):
        await driver.rate(asked, Thumb.UP)
        told = await driver.told(asked)
    assert "(reference " in told
    assert HIDDEN not in told


@contract(Can.PASSAGES)
async def test_a_source_opens_its_passage(driver: ChannelDriver) -> None:
    asked = await answered(driver)
    assert "You accrue 13 days of annual leave per year." in await driver.passage(asked)


@contract(Can.PASSAGES, Can.PRIVATE)
async def test_a_source_of_a_private_answer_opens_its_passage(driver: ChannelDriver) -> None:
    asked = await answered(driver, private=True)
    assert "You accrue 13 days of annual leave per year." in await driver.passage(asked)
