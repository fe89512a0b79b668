"""Routing as small dialogues: who said what where, and what becomes of it."""

from __future__ import annotations

from core.router import Router
from core.types import Message, Turn

ROUTER = Router({"slack:C1": "hr"})


def message(**changes: object) -> Message:
    values: dict[str, object] = {
        "id": "1",
        "channel": "slack",
        "conversation": "C1",
        "author": "U1",
        "text": "How much vacation?",
        "addressed": True,
    }
    return Message(**(values | changes))  # type: ignore[arg-type]


def test_an_addressed_message_is_a_question_in_the_namespace_of_its_place() -> None:
    question = ROUTER.route(message(thread="T1", history=(Turn("user", "hi"),)))
    assert question is not None
    assert (question.text, question.scope.namespace, question.thread) == ("How much vacation?", "hr", "slack:C1:T1")
    assert question.history == (Turn("user", "hi"),)


def test_a_place_that_is_not_bound_asks_the_default_namespace() -> None:
    question = ROUTER.route(message(conversation="C2"))
    assert question is not None
    assert question.scope.namespace == "default"


def test_a_namespace_that_is_named_wins_over_the_place() -> None:
    question = ROUTER.route(message(namespace="it"))
    assert question is not None
    assert question.scope.namespace == "it"


def test_the_readers_of_the_asker_travel_into_the_scope() -> None:
    question = ROUTER.route(message(readers=frozenset({"group:eng"})))
    assert question is not None
    assert question.scope.readers == {"group:eng"}


def test_talk_between_people_is_left_alone() -> None:
    assert ROUTER.route(message(addressed=False)) is None


def test_bots_are_not_answered() -> None:
    assert ROUTER.route(message(from_bot=True)) is None
