"""The base model's best chance without training: worked examples in its prompt. Pure.

The examples are those of the training split whose questions share most words with the one that is asked (choosing near
examples beats fixed ones: Liu et al., "What makes good in-context examples for GPT-3?", 2022), one of them without an
answer, so that the model sees how to say no. Every turn has the same form: passages, then the question. An example is
shown with only a few passages, because whole prompts would not fit the window.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from core.citations import MARK, parse_citations
from core.text import analyze
from tuning.dataset.grounding import shown_passages
from tuning.dataset.types import Example, Prompt

SHOTS = 3
PASSAGES = 2
# Turns of a prompt without history: the instructions and the question.
ALONE = 2
Fits = Callable[[Prompt], bool]
_FIRST_PASSAGE = re.compile(r'\n*<passage number="1" ')


class Shots:
    """Chooses among these training examples."""

    def __init__(self, examples: Sequence[Example]) -> None:
        # What follows up on an earlier question is not understood without it.
        self._examples = [each for each in examples if len(each.prompt) == ALONE]
        self._terms = [set(analyze(each.question)) for each in self._examples]
        counts = Counter(term for terms in self._terms for term in terms)
        self._rarity = {term: math.log(1 + len(self._examples) / count) for term, count in counts.items()}

    def nearest(self, asked: Example, count: int) -> list[Example]:
        """At most `count`, of the same namespace if it has any, the nearest one last, and one of them unanswerable."""
        terms = set(analyze(asked.question))

        def nearness(position: int) -> tuple[bool, float, str]:
            example = self._examples[position]
            shared = sum(self._rarity[term] for term in terms & self._terms[position])
            length = math.sqrt(1 + sum(self._rarity[term] for term in self._terms[position]))
            return example.namespace == asked.namespace, shared / length, example.hash

        ordered = sorted(range(len(self._examples)), key=nearness, reverse=True)
        answered = [self._examples[each] for each in ordered if self._examples[each].is_answered]
        unanswered = [self._examples[each] for each in ordered if not self._examples[each].is_answered]
        refusing = unanswered[:1] if count > 1 else []
        return [*refusing, *answered[: count - len(refusing)][::-1]]


def few_shot_prompt(asked: Example, chosen: Sequence[Example], fits: Fits) -> Prompt:
    """The example's prompt after as many worked ones as fit; the furthest are left out first.

    Without room for any it is the prompt itself.
    """
    for begin in range(len(chosen)):
        prompt = _with_turns(asked, chosen[begin:])
        if fits(prompt):
            return prompt
    return asked.prompt


def _with_turns(asked: Example, chosen: Sequence[Example]) -> Prompt:
    system, passages = _divided(asked.prompt[0][1])
    turns = [turn for example in chosen for turn in _turns(example)]
    *history, (role, text) = asked.prompt[1:]
    return (("system", system), *turns, *history, (role, f"{passages}\n\n{text}".strip()))


def _divided(system: str) -> tuple[str, str]:
    """The instructions, and the passages below them."""
    found = _FIRST_PASSAGE.search(system)
    return (system[: found.start()], system[found.start() :].strip()) if found else (system, "")


def _turns(example: Example) -> Iterator[tuple[str, str]]:
    passages = shown_passages(example.prompt)
    named = [number for number in parse_citations(example.answer) if 1 <= number <= len(passages)]
    others = [number for number in range(1, len(passages) + 1) if number not in named]
    kept = sorted([*named, *others[: max(0, PASSAGES - len(named))]])
    given = {number: place for place, number in enumerate(kept, start=1)}
    shown = "\n".join(
        f'<passage number="{given[number]}" source="{passages[number - 1].title}">\n{passages[number - 1].text}\n</passage>'
        for number in kept
    )
    yield "user", f"{shown}\n\n{example.question}".strip()
    yield "assistant", MARK.sub(lambda mark: _renumbered(mark.group(), given), example.answer)


def _renumbered(mark: str, given: Mapping[int, int]) -> str:
    space = mark[: len(mark) - len(mark.lstrip())]
    return space + "".join(f"[{given[number]}]" for number in parse_citations(mark) if number in given)
