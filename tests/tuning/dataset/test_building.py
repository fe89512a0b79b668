"""From a draft to an example, or why there is none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from core.abstention import Calibration
from core.prompts import NO_ANSWER
from core.types import Passage, Retrieval, Scope, Signals, Turn
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, words
from tuning.dataset import building
from tuning.dataset.building import Builder, Built, NotMade
from tuning.dataset.grounding import shown_passages
from tuning.dataset.personal import Policy
from tuning.dataset.questions import GAP_RULE
from tuning.dataset.serving import Serving
from tuning.dataset.splitting import Division
from tuning.dataset.types import Arrangement, Draft, Kind, Split, person

NEAR = [replace(passage, dense=dense) for passage, dense in ((LEAVE, 0.9), (TRAVEL, 0.5), (PARKING, 0.4))]
DRAFT = Draft(
    Kind.GOLDEN,
    "default",
    "How much leave?",
    LEAVE.text,
    frozenset({"d-leave"}),
    frozenset({"c-leave"}),
    is_trusted=True,
)


class Shelf:
    """Finds all passages, in their order."""

    def __init__(self, found: Collection[Passage]) -> None:
        self.found = tuple(found)

    async def retrieve(self, query: str, scope: Scope, limit: int | None = None) -> Retrieval:
        return Retrieval(query, self.found[: limit or 3])

    def signals(self, found: Retrieval, suffices: object = None) -> Signals:
        return Signals(top_dense=max(passage.dense or 0.0 for passage in found.passages))


def builder(
    found: Collection[Passage] = NEAR,
    *,
    held_out: Collection[str] = (),
    in_both: Collection[str] = (),
    policy: Policy = Policy.DROP,
    seed: int = 1,
) -> Builder:
    shelf = Shelf(found)
    # Asks from a cosine of 0.45 on.
    serving = Serving(shelf, shelf, Calibration(-45.0, (100.0, 0.0, 0.0)), 0.5, 3, 2000, words, {}, policy)
    names = sorted({passage.document_id for passage in found})
    division = Division(
        dict.fromkeys(names, "default"), {name: name for name in names}, frozenset(held_out), frozenset(in_both), 1, 0.2
    )
    return Builder(serving, division, seed)


async def why_not(given: Builder, draft: Draft, *, hide: bool | None = None) -> str:
    """The reason, with `hide` of a no-answer."""
    with pytest.raises(NotMade) as raised:
        await (given.answered(draft) if hide is None else given.unanswered(draft, hide=hide))
    return raised.value.reason


def shown(made: Built) -> list[str]:
    return [passage.text for passage in shown_passages(made.example.prompt)]


class TestAnswered:
    async def test_the_answer_cites_what_answers_and_the_lineage_says_what_was_used(self) -> None:
        draft = replace(DRAFT, people=(person("slack:U1"),), feedback="7")
        example = (await builder(held_out=["d-leave"]).answered(draft)).example
        assert (example.answer, example.split) == (f"{LEAVE.text} [1]", Split.TEST)
        assert [use.document_id for use in example.lineage.answer] == ["d-leave"]
        assert example.lineage.numbered == ("c-leave", "c-travel", "c-parking")
        assert (example.lineage.people, example.lineage.feedback) == ((person("slack:U1"),), "7")

    async def test_a_passage_that_is_moved_is_cited_where_it_stands(self) -> None:
        made = [await builder(seed=seed).answered(DRAFT) for seed in range(40)]
        moved = [each for each in made if each.example.arrangement is Arrangement.MOVED]
        assert 2 <= len(moved) <= 20
        for each in moved:
            number = shown(each).index(LEAVE.text) + 1
            assert number > 1
            assert each.example.answer == f"{LEAVE.text} [{number}]"

    async def test_what_is_masked_is_counted_where_a_passage_is_moved_too(self) -> None:
        found = [replace(each, text=f"{each.text} Ask jane.doe@corp.example.") for each in NEAR]
        made = [await builder(found, seed=seed).answered(DRAFT) for seed in range(40)]
        assert {each.example.masked for each in made if each.example.arrangement is Arrangement.MOVED} == {3}

    async def test_another_passage_of_the_document_is_not_cited_where_it_is_known_which_answers(self) -> None:
        other = replace(LEAVE, chunk_id="c-other", text="Annual leave that accrues at 13 days per year may expire.")
        assert await why_not(builder([other, TRAVEL]), DRAFT) == building.NOT_FOUND
        made = await builder([other, TRAVEL]).answered(replace(DRAFT, chunks=frozenset()))
        assert made.example.lineage.answer[0].chunk_ids == ("c-other",)

    async def test_what_was_said_before_is_not_from_a_held_out_document(self) -> None:
        draft = replace(DRAFT, quoted=frozenset({"d-travel"}))
        assert (await builder().answered(draft)).example.lineage.quoted == ("d-travel",)
        assert await why_not(builder(held_out=["d-travel"]), draft) == building.IN_BOTH
        assert await why_not(builder(held_out=["d-travel"]), draft, hide=True) == building.IN_BOTH

    async def test_a_test_example_is_as_it_is_served(self) -> None:
        made = [await builder(held_out=["d-leave"], seed=seed).answered(DRAFT) for seed in range(20)]
        assert {each.example.arrangement for each in made} == {Arrangement.AS_SERVED}

    async def test_a_held_out_document_is_in_no_training_prompt(self) -> None:
        made = await builder(held_out=["d-travel"]).answered(DRAFT)
        assert made.example.split is Split.TRAIN
        assert set(shown(made)) == {LEAVE.text, PARKING.text}

    async def test_a_correction_is_located_by_what_the_documents_say(self) -> None:
        draft = replace(DRAFT, kind=Kind.CORRECTION, documents=frozenset(), chunks=frozenset(), is_trusted=False)
        assert (await builder().answered(draft)).draft.documents == {"d-leave"}
        assert await why_not(builder(), replace(draft, answer="Too long!")) == building.NOT_SAID

    async def test_what_search_does_not_find_or_passages_do_not_say(self) -> None:
        assert await why_not(builder([TRAVEL, PARKING]), DRAFT) == building.NOT_FOUND
        assert await why_not(builder(), replace(DRAFT, answer="It is 99 days.")) == building.NOT_SAID

    async def test_what_would_be_in_both_splits(self) -> None:
        both = replace(DRAFT, documents=frozenset({"d-leave", "d-travel"}))
        assert await why_not(builder(held_out=["d-travel"]), both) == building.IN_BOTH
        given = builder(held_out=["d-leave"], in_both=["c-leave"])
        assert await why_not(given, DRAFT) == building.ALSO_ELSEWHERE


class TestPersonalData:
    @pytest.mark.parametrize(
        "change",
        [
            {"question": "Is jane.doe@corp.example on leave?"},
            {"answer": f"{LEAVE.text} Call 555-123-4567."},
            {"history": (Turn("user", "I am jane.doe@corp.example."),)},
        ],
    )
    async def test_an_example_with_some_is_left_out(self, change: dict[str, Any]) -> None:
        assert await why_not(builder(), replace(DRAFT, **change)) == building.PERSONAL
        assert await why_not(builder(), replace(DRAFT, **change), hide=True) == building.PERSONAL

    async def test_or_is_masked_everywhere(self) -> None:
        found = [replace(LEAVE, text="Leave is granted by jane.doe@corp.example in the office."), TRAVEL]
        draft = replace(DRAFT, question="Does jane.doe@corp.example grant leave?", answer=found[0].text)
        example = (await builder(found, policy=Policy.MASK).answered(draft)).example
        assert "jane.doe" not in f"{example.prompt}{example.answer}"
        assert example.question == "Does [e-mail] grant leave?"
        assert example.answer.startswith("Leave is granted by [e-mail] in the office. [")
        assert example.masked == 1


class TestUnanswered:
    async def test_the_documents_that_answer_are_hidden(self) -> None:
        example = (await builder().unanswered(DRAFT, hide=True)).example
        assert (example.kind, example.answer, example.is_answered) == (Kind.UNANSWERABLE, NO_ANSWER, False)
        assert (example.arrangement, example.lineage.hidden) == (Arrangement.GOLD_LEFT_OUT, ("d-leave",))
        assert example.lineage.answer == ()
        assert "c-leave" not in example.lineage.numbered

    async def test_another_passage_that_answers_makes_it_answerable(self) -> None:
        copy = replace(LEAVE, chunk_id="c-copy", document_id="d-copy", dense=0.3)
        assert await why_not(builder([*NEAR, copy]), DRAFT, hide=True) == building.ANSWERED_ELSEWHERE
        spoken = replace(DRAFT, spoken=("nine in the evening",))
        assert await why_not(builder(), spoken, hide=True) == building.ANSWERED_ELSEWHERE

    async def test_another_passage_that_is_as_near_may_answer_in_other_words(self) -> None:
        near = [NEAR[0], replace(NEAR[1], dense=0.88), NEAR[2]]
        assert await why_not(builder(near), DRAFT, hide=True) == building.AS_NEAR

    async def test_where_all_is_hidden_only_the_passage_of_a_phrase_is(self) -> None:
        alone = [replace(passage, document_id="d-leave") for passage in NEAR]
        assert await why_not(builder(alone), DRAFT, hide=True) == building.NOTHING_LEFT
        made = await builder(alone).unanswered(replace(DRAFT, origin=GAP_RULE), hide=True)
        assert shown(made) == [TRAVEL.text, PARKING.text]

    async def test_a_question_that_search_failed_must_not_show_what_answers(self) -> None:
        assert await why_not(builder(), DRAFT, hide=False) == building.ANSWERED_ELSEWHERE
        made = await builder([*NEAR[1:]]).unanswered(DRAFT, hide=False)
        assert made.example.arrangement is Arrangement.AS_SERVED

    async def test_a_judgement_does_not_hold_for_passages_that_are_newer(self) -> None:
        judged = replace(DRAFT, answer="", documents=frozenset(), chunks=frozenset(), unseen=frozenset({"d-new"}))
        assert (await builder().unanswered(judged, hide=False)).example.answer == NO_ANSWER
        newer = replace(judged, unseen=frozenset({"d-parking"}))
        assert await why_not(builder(), newer, hide=False) == building.NEWER

    async def test_what_serving_refuses_by_itself_is_marked_as_easy(self) -> None:
        assert (await builder().unanswered(DRAFT, hide=True)).is_asked
        assert not (await builder([NEAR[0], NEAR[2]]).unanswered(DRAFT, hide=True)).is_asked
