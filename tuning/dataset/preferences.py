"""Pairs of a better and a worse answer to the same prompt, from what people liked, disliked and corrected. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from core.guard import clean_question
from core.prompts import NO_ANSWER
from core.types import Outcome, Thumb, Turn
from tuning.dataset.building import Built
from tuning.dataset.personal import Policy, as_kept, find
from tuning.dataset.rated import RatedAnswer, without_marks
from tuning.dataset.types import Kind, Preference, Split

JUDGED = frozenset({Outcome.ANSWERED, Outcome.NO_EVIDENCE})
BETTER = frozenset({Kind.LIKED, Kind.CORRECTION, Kind.GOLDEN})
Asked = tuple[str, str, tuple[Turn, ...]]
"""Namespace, question and what was said before; the same of two is the same question."""
_MARK = re.compile(r"[ \t]*\[(\d{1,3})\]")


def preferences(built: Sequence[Built], rated: Sequence[RatedAnswer], policy: Policy) -> list[Preference]:
    """A pair for each disliked answer to a question whose good answer is a training example.

    Test examples are not used: a model must not learn from what it is tested on.
    """
    found: dict[str, Preference] = {}
    disliked: dict[Asked, list[RatedAnswer]] = defaultdict(list)
    for each in rated:
        if each.thumb is Thumb.DOWN and each.outcome in JUDGED and each.history is not None:
            disliked[_asked(each, each.history, policy)].append(each)
    for better in built:
        example, draft = better.example, better.draft
        if example.split is not Split.TRAIN or draft.kind not in BETTER:
            continue
        for worse in disliked.get((draft.namespace, _plain(draft.question), draft.history), ()):
            if rejected := _rejected(better, worse, policy):
                people = tuple(sorted({*example.lineage.people, *worse.people}))
                quoted = tuple(sorted({*example.lineage.quoted, *worse.documents}))
                lineage = replace(example.lineage, quoted=quoted, people=people, feedback=worse.answer_id)
                pair = Preference(example.namespace, example.prompt, example.answer, rejected, lineage)
                found.setdefault(pair.hash, pair)
    return [found[each] for each in sorted(found)]


def _asked(worse: RatedAnswer, history: Sequence[Turn], policy: Policy) -> Asked:
    """Its question and history, with personal data as in examples."""
    said = tuple(replace(turn, text=as_kept(turn.text, policy)) for turn in history)
    return worse.namespace, _plain(as_kept(worse.question, policy)), said


def _rejected(better: Built, worse: RatedAnswer, policy: Policy) -> str:
    """The worse answer, its marks counted as in the better one's prompt; empty when it says the same."""
    if worse.outcome is not Outcome.ANSWERED:
        text = NO_ANSWER
    else:
        text = "".join(_renumbered(worse.answer, worse.cited, better.example.lineage.numbered)).strip()
    if policy is Policy.DROP and find(text):
        return ""
    text = as_kept(text, policy)
    return "" if _plain(without_marks(text)) == _plain(without_marks(better.example.answer)) else text


def _renumbered(answer: str, cited: Mapping[int, str], shown: Sequence[str]) -> Iterator[str]:
    """A mark whose passage is not in the prompt is left out."""
    end = 0
    for mark in _MARK.finditer(answer):
        yield answer[end : mark.start()]
        chunk = cited.get(int(mark.group(1)), "")
        if chunk in shown:
            yield f" [{shown.index(chunk) + 1}]"
        end = mark.end()
    yield answer[end:]


def _plain(text: str) -> str:
    return clean_question(text).casefold()
