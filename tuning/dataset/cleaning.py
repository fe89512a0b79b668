"""What is taken out of a dataset after its examples were made, and the last look for leaks. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.ports import CountTokens
from tuning.dataset.files import used_documents
from tuning.dataset.languages import agree, language_of
from tuning.dataset.rated import without_marks
from tuning.dataset.similar import Shingles, near_duplicates, shingles
from tuning.dataset.types import Example, Split

# Share of question words from which two questions are the same; one word of five makes another question.
SAME_QUESTION = 0.9
LEAK = 0.8
# Share of a namespace's documents that makes a language one of its own.
OWN_LANGUAGE = 0.05
CONTROL_TOKENS = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|<\uff5c[^<>]{1,40}\uff5c>"
)

CONTROL = "a chat template's control tokens"
TOO_LONG = "longer than the model's window or longest answer"
LANGUAGE = "question and answer in different languages, or in none of the namespace's"
REPEATED = "the same question as another example's"
LEAKED_QUESTION = "in training, but its question is in the test examples"
LEAKED_ANSWER = "in training, but its answer is in the test examples"


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits, and each namespace's languages."""

    count_tokens: CountTokens
    longest_prompt: int
    longest_answer: int
    languages: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left, in the order given, and how many were taken out for what."""

    kept: tuple[Example, ...]
    dropped: Mapping[str, int]


def clean(examples: Sequence[Example], rules: Rules) -> Cleaned:
    """Of examples that repeat each other, the first stays; of those that leak, the test example."""
    dropped: Counter[str] = Counter()
    kept: list[Example] = []
    for example in examples:
        reason = _fault(example, rules)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(example)
    for reason, find in ((REPEATED, _repeated), (LEAKED_QUESTION, _leaked_questions), (LEAKED_ANSWER, _leaked_answers)):
        out = find(kept)
        dropped[reason] += len(out)
        kept = [example for position, example in enumerate(kept) if position not in out]
    return Cleaned(tuple(kept), +dropped)


def leaks(examples: Iterable[Example]) -> list[str]:
    """Documents that test examples are about and that are in a training example, in whatever place; there should be none."""
    every = list(examples)
    trained = {each for example in every if example.split is Split.TRAIN for each in used_documents(example.lineage)}
    tested = {use.document_id for example in every if example.split is Split.TEST for use in example.lineage.answer}
    tested |= {each for example in every if example.split is Split.TEST for each in example.lineage.hidden}
    return sorted(tested & trained)


def own_languages(texts: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """The languages of each namespace, from the texts of its documents."""
    found = {}
    for namespace, those in texts.items():
        counted = Counter(filter(None, map(language_of, those)))
        total = sum(counted.values())
        found[namespace] = frozenset(language for language, count in counted.items() if count >= OWN_LANGUAGE * total)
    return found


def _fault(example: Example, rules: Rules) -> str:
    texts = [content for _, content in example.prompt]
    if any(map(CONTROL_TOKENS.search, (*texts, example.answer))):
        return CONTROL
    length = sum(map(rules.count_tokens, texts))
    if length > rules.longest_prompt or rules.count_tokens(example.answer) > rules.longest_answer:
        return TOO_LONG
    own = rules.languages.get(example.namespace, frozenset())
    asked = language_of(example.question)
    if (own and asked and asked not in own) or (example.is_answered and not agree(example.question, example.answer)):
        return LANGUAGE
    return ""


def _repeated(examples: Sequence[Example]) -> set[int]:
    keys = [(example.namespace, example.is_answered, example.split) for example in examples]
    pairs = near_duplicates([_asked(example) for example in examples], SAME_QUESTION)
    return {later for first, later in sorted(pairs) if keys[first] == keys[later]}


def _leaked_questions(examples: Sequence[Example]) -> set[int]:
    return _across(examples, [_asked(example) for example in examples])


def _leaked_answers(examples: Sequence[Example]) -> set[int]:
    """All no-answers are the same, and none of them gives anything away."""
    texts = [
        shingles(without_marks(each.answer)) if each.is_answered else frozenset({(each.hash,)}) for each in examples
    ]
    return _across(examples, texts)


def _across(examples: Sequence[Example], texts: Sequence[Shingles]) -> set[int]:
    """Positions of training examples that repeat a test example."""
    return {
        mine
        for pair in near_duplicates(texts, LEAK)
        for mine, other in (pair, pair[::-1])
        if examples[mine].split is Split.TRAIN and examples[other].split is Split.TEST
    }


def _asked(example: Example) -> Shingles:
    """The words of the question, and of what was said before it."""
    return shingles("\n".join(content for _, content in example.prompt[1:]), 1)
