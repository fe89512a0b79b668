"""An answer comes from the documents of its place, as they are now, and from no others."""

from __future__ import annotations

from tests.contracts.driver import Can, ChannelDriver, contract
from tests.contracts.stage import QUESTION, SECRET_QUESTION

FIGURE = "90210"


@contract()
async def test_what_another_namespace_holds_is_not_answered(driver: ChannelDriver) -> None:
    driver.stage.model.answer = "The director earns 90210 crowns of salary per month [1]."
    assert FIGURE not in (await driver.seen(await driver.ask(SECRET_QUESTION))).text
    assert FIGURE in (await driver.seen(await driver.ask(SECRET_QUESTION, namespace="hr"))).text


@contract(Can.PRIVATE)
async def test_a_private_question_is_asked_in_the_namespace_of_its_place(driver: ChannelDriver) -> None:
    driver.stage.model.answer = "The director earns 90210 crowns of salary per month [1]."
    assert FIGURE not in (await driver.seen(await driver.ask(SECRET_QUESTION, private=True))).text
    seen = await driver.seen(await driver.ask(SECRET_QUESTION, private=True, namespace="hr"))
    assert FIGURE in seen.text


@contract(Can.FOLLOW_UP)
async def test_what_a_thread_was_told_elsewhere_is_not_in_the_prompt(driver: ChannelDriver) -> None:
    await driver.seen(await driver.ask(SECRET_QUESTION, namespace="hr"))
    await driver.seen(await driver.ask(QUESTION))
    assert FIGURE not in driver.stage.model.prompt()


@contract(Can.DIRECT)
async def test_a_direct_question_reads_what_everybody_may(driver: ChannelDriver) -> None:
    driver.stage.model.answer = "The director earns 90210 crowns of salary per month [1]."
    assert FIGURE not in (await driver.seen(await driver.ask(SECRET_QUESTION, direct=True))).text


@contract()
async def test_a_document_that_was_removed_is_not_cited(driver: ChannelDriver) -> None:
    documents = driver.stage.application.documents
    (document,), _ = await documents.page("default")
    await documents.remove(document.id)
    seen = await driver.seen(await driver.ask(QUESTION))
    assert "13 days" not in seen.text
    assert "no documents" in seen.text


@contract()
async def test_a_document_that_was_replaced_is_cited_as_it_is_now(driver: ChannelDriver) -> None:
    await driver.stage.add("leave.md", "# Leave\n\nYou accrue 14 days of annual leave per year.\n")
    driver.stage.model.answer = "You accrue 14 days of annual leave per year [1]."
    assert "14 days" in (await driver.seen(await driver.ask(QUESTION))).text
