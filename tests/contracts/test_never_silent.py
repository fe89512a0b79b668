"""Every message to the bot ends in an answer, an honest no-answer, or a short apology. Nobody sees how it works inside."""

from __future__ import annotations

import re

from tests.contracts.checks import assert_answered
from tests.contracts.driver import BEN, Can, ChannelDriver, contract
from tests.contracts.stage import QUESTION

INSIDE = ("Traceback", "Error:", "Exception", "None", "<class", "object at 0x")

SAID = {
    "an emoji": "🎉",
    "emoji by name": ":tada: :+1:",
    "a question mark": "?",
    "thanks": "thanks!",
    "a greeting": "hello",
    "one letter": "x",
    "a figure": "42",
    "German": "Wie viele Tage Urlaub habe ich pro Jahr?",
    "Japanese": "年次有給休暇は何日ありますか？",
    "Arabic": "كم عدد أيام الإجازة السنوية؟",
    "Hindi": "मुझे कितने दिन की छुट्टी मिलती है?",
    "invisible": "\u200b\u2060\u200d",
    "turned around": "\u202eevael launna fo syad ynam woH",
    "combining": "a" + "\u0301" * 500,
    "search syntax": 'leave AND (NEAR "days" * ) OR NOT -x:y ^',
    "SQL": "'; DROP TABLE chunks; --",
    "markup": "<b>How</b> `many` *days* [x](http://example.com) ```of leave",
    "a path": "../../etc/passwd",
    "a template": "{{7*7}} ${jndi:ldap://x} %s %n {question}",
}


@contract()
async def test_whatever_is_said_gets_one_reply(driver: ChannelDriver) -> None:
    wrong = {}
    for name, said in SAID.items():
        seen = await driver.seen(await driver.ask(said))
        if len(seen.parts) != 1 or len(seen.text.strip()) < 10 or any(word in seen.text for word in INSIDE):
            wrong[name] = seen.parts
    assert wrong == {}


@contract()
async def test_a_hundred_thousand_characters_get_a_reply(driver: ChannelDriver) -> None:
    seen = await driver.seen(await driver.ask("How many days of leave? " * 4200))
    assert re.search(r"too (?:long|large)", seen.text)
    assert len(seen.text) < 500


@contract(Can.PUBLIC)
async def test_an_empty_mention_gets_a_reply(driver: ChannelDriver) -> None:
    seen = await driver.seen(await driver.ask(""))
    assert "question" in seen.text


@contract(Can.PRIVATE)
async def test_whatever_is_said_in_private_gets_a_reply_in_private(driver: ChannelDriver) -> None:
    wrong = {}
    for said in ("", "🎉", "thanks", "stop", "x" * 5000):
        seen = await driver.seen(await driver.ask(said, private=True))
        if not seen.text.strip() or not seen.is_private:
            wrong[said] = seen.parts
    assert wrong == {}


@contract(Can.DIRECT)
async def test_whatever_is_said_to_it_directly_gets_a_reply(driver: ChannelDriver) -> None:
    for said in ("🎉", "thanks", "stop", "x"):
        assert (await driver.seen(await driver.ask(said, direct=True))).text.strip()


@contract(Can.FILES, Can.PUBLIC, Can.DIRECT)
async def test_only_a_file_gets_a_reply(driver: ChannelDriver) -> None:
    for direct in (True, False):
        asked = await driver.ask("", direct=direct, file=("handbook.pdf", b"%PDF-1.4"))
        assert (await driver.seen(asked)).text.strip()


@contract(Can.FORWARD)
async def test_only_a_forwarded_message_gets_a_reply(driver: ChannelDriver) -> None:
    asked = await driver.forward(QUESTION)
    assert (await driver.seen(asked)).text.strip()


@contract(Can.PUBLIC, Can.POINT)
async def test_what_the_bot_stayed_out_of_can_still_be_pointed_out_to_it(driver: ChannelDriver) -> None:
    first = await driver.ask(QUESTION)
    await driver.seen(first)
    said = await driver.say(QUESTION, first, person=BEN, to="ann")
    assert (await driver.seen(said)).parts == ()
    await driver.point_at(said, person=BEN)
    assert_answered(await driver.seen(said))


@contract(Can.PUBLIC, Can.POINT)
async def test_what_is_answered_already_is_not_answered_again(driver: ChannelDriver) -> None:
    asked = await driver.ask(QUESTION)
    await driver.seen(asked)
    assert "already" in await driver.point_at(asked, person=BEN)
    assert len((await driver.seen(asked)).parts) == 1


@contract()
async def test_what_the_documents_do_not_say_gets_an_honest_no_answer(driver: ChannelDriver) -> None:
    seen = await driver.seen(await driver.ask("Who won the football match in Lisbon?"))
    assert "could not find" in seen.text


@contract()
async def test_a_question_is_answered_with_its_source(driver: ChannelDriver) -> None:
    assert_answered(await driver.seen(await driver.ask(QUESTION)))
