"""An answer longer than a message arrives whole, and no message ends inside a block of code or a table."""

from __future__ import annotations

import re

from tests.contracts.driver import Can, ChannelDriver, Seen, contract
from tests.contracts.stage import QUESTION

PARAGRAPHS = "\n\n".join(f"Paragraph number {each}. " + "It goes on and on. " * 40 for each in range(36))
CODE = "\n".join(f"line_{each} = value_{each}  # as it is" for each in range(120))
TABLE = "| Year | Days |\n|---|---|\n" + "\n".join(f"| y{each} | d{each} |" for each in range(150))
MIXED = "\n\n".join(
    [PARAGRAPHS[:5000], f"```python\n{CODE}\n```", PARAGRAPHS[:4000], TABLE, PARAGRAPHS[:4000], "The end."]
)


async def scripted(driver: ChannelDriver, text: str, *, private: bool = False) -> Seen:
    driver.stage.prompter.script = text
    return await driver.seen(await driver.ask(QUESTION, private=private))


@contract()
async def test_a_long_answer_arrives_whole(driver: ChannelDriver) -> None:
    seen = await scripted(driver, PARAGRAPHS)
    assert [each for each in range(36) if f"Paragraph number {each}." not in seen.text] == []
    places = [seen.text.index(f"Paragraph number {each}.") for each in range(36)]
    assert places == sorted(places)
    assert "Leave" in seen.parts[-1]


@contract(Can.SPLIT)
async def test_a_long_answer_takes_several_messages(driver: ChannelDriver) -> None:
    seen = await scripted(driver, PARAGRAPHS)
    assert len(seen.parts) > 1
    assert all("[1] Leave" not in part for part in seen.parts[:-1])


@contract(Can.SPLIT, Can.PRIVATE)
async def test_a_long_private_answer_arrives_whole(driver: ChannelDriver) -> None:
    seen = await scripted(driver, PARAGRAPHS, private=True)
    assert [each for each in range(36) if f"Paragraph number {each}." not in seen.text] == []
    assert seen.is_private


@contract()
async def test_code_and_tables_arrive_whole(driver: ChannelDriver) -> None:
    seen = await scripted(driver, MIXED)
    assert [each for each in range(120) if f"line_{each} = value_{each} " not in seen.text] == []
    assert [each for each in range(150) if not re.search(rf"y{each}\b[\s|]*d{each}\b", seen.text)] == []


@contract(Can.SPLIT)
async def test_no_message_ends_inside_code_or_a_table(driver: ChannelDriver) -> None:
    seen = await scripted(driver, MIXED)
    assert len(seen.code) > 1
    for code in seen.code:
        assert len(re.findall(r"^```", code, re.MULTILINE)) % 2 == 0
        if re.search(r"^\| y\d", code, re.MULTILINE):
            assert re.search(r"^\| Year \| Days \|\n\|---\|---\|\n\| y\d", code, re.MULTILINE)
        assert not re.search(r"^\| y\d+ \|[^|]*$", code, re.MULTILINE)


@contract(Can.SPLIT, Can.EDIT)
async def test_an_answer_that_becomes_shorter_leaves_nothing_behind(driver: ChannelDriver) -> None:
    driver.stage.prompter.script = PARAGRAPHS
    asked = await driver.ask(QUESTION)
    assert len((await driver.seen(asked)).parts) > 1
    driver.stage.prompter.script = "It is short now."
    await driver.edit(asked, "How many days?")
    seen = await driver.seen(asked)
    assert len(seen.parts) == 1
    assert "short now" in seen.text
    assert "Paragraph" not in seen.text


@contract(Can.SPLIT)
async def test_one_endless_word_arrives_whole(driver: ChannelDriver) -> None:
    seen = await scripted(driver, "a" * 30_000)
    assert seen.text.count("a") >= 30_000
