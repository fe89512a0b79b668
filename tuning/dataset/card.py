"""The data card: what is in a dataset, where it comes from, what was taken out, and what it is not good for. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from core.citations import parse_citations
from core.console import plain
from core.ports import CountTokens
from tuning.dataset.personal import Policy
from tuning.dataset.types import Example, Kind, Preference, Split

LIMITS = (
    "Questions made by rule are not worded as people word them; they teach to quote and to cite, and little about wording.",
    (
        "A no-answer that was made by keeping documents out of the search is checked by words, figures and nearness "
        "to the question: another passage that answers in quite other words may go unnoticed."
    ),
    (
        "Names of people are not recognised as personal data; e-mail addresses, phone numbers, payment cards, bank accounts "
        "and some national ids are."
    ),
    "Follow-ups are made to stand alone by rule, also where serving lets the model do that.",
)
LICENCE = (
    "The examples quote the documents, so they stand under the documents' own terms, and whoever trains on them needs the "
    "right to do so. The answers of a teacher model may be under its provider's terms as well. Feedback is people's own "
    "words: keep the dataset as confidential as the conversations."
)
POLICIES = {
    Policy.DROP: "examples with personal data in question, history or answer were left out; in passages it is masked",
    Policy.MASK: "personal data is masked everywhere",
    Policy.KEEP: "personal data was left as it is",
}


def card(
    examples: Sequence[Example],
    pairs: Sequence[Preference],
    dropped: Mapping[str, int],
    notes: Sequence[str],
    policy: Policy,
    count_tokens: CountTokens,
) -> str:
    """Markdown. Titles and names in it come from people, so they are shown as code."""
    train = [each for each in examples if each.split is Split.TRAIN]
    test = [each for each in examples if each.split is Split.TEST]
    parts = [
        "# Data card",
        f"{len(train)} training examples, {len(test)} test examples, {len(pairs)} preference pairs.",
        *notes,
        "## What is in it",
        _table(("kind", "train", "test"), _counts(train, test, lambda example: example.kind.value)),
        _table(("namespace", "train", "test"), _counts(train, test, lambda example: _code(example.namespace))),
        _table(("outcome", "train", "test"), _counts(train, test, _outcome)),
        _table(("passages", "train", "test"), _counts(train, test, lambda example: example.arrangement.value)),
        _table(("made by", "train", "test"), _counts(train, test, lambda example: _code(example.origin))),
        "## Which passage answers",
        "The number of the first passage that an answer cites.",
        _table(("passage", "train", "test"), _counts(_answered(train), _answered(test), _first_cited)),
        "## Lengths",
        "In tokens of the embedding model; those of a language model differ by some percent.",
        _table(("", "median", "longest"), _lengths(examples, count_tokens)),
        "## Sources",
        _sources(examples),
        "## What was taken out",
        _table(("reason", "number"), [(reason, str(count)) for reason, count in sorted(dropped.items())])
        if dropped
        else "Nothing.",
        f"Personal data: {POLICIES[policy]}. {_masked(examples)}",
        "No document that a test example is about is in a training example, neither as the answer nor among the other passages.",
        "## Licence",
        LICENCE,
        "## Limits",
        "\n".join(f"- {limit}" for limit in LIMITS),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counts(train: Sequence[Example], test: Sequence[Example], of: Callable[[Example], str]) -> list[tuple[str, ...]]:
    counted = [Counter(map(of, examples)) for examples in (train, test)]
    return [(name, *(str(each[name]) for each in counted)) for name in sorted(counted[0] | counted[1])]


def _outcome(example: Example) -> str:
    return "answered" if example.is_answered else "no answer"


def _answered(examples: Iterable[Example]) -> list[Example]:
    return [example for example in examples if example.is_answered]


def _first_cited(example: Example) -> str:
    return f"{parse_citations(example.answer)[0]:2}"


def _lengths(examples: Sequence[Example], count_tokens: CountTokens) -> list[tuple[str, ...]]:
    measured = {
        "prompt": [sum(count_tokens(content) for _, content in each.prompt) for each in examples],
        "question": [count_tokens(each.question) for each in examples],
        "answer": [count_tokens(each.answer) for each in examples],
    }
    return [(name, f"{median(values):.0f}", str(max(values))) for name, values in measured.items()]


def _masked(examples: Sequence[Example]) -> str:
    pieces, touched = sum(each.masked for each in examples), sum(bool(each.masked) for each in examples)
    return f"Pieces masked in passages: {pieces}, in {touched} examples."


def _sources(examples: Sequence[Example]) -> str:
    documents = {use.document_id for each in examples for use in each.lineage.answer}
    shown = {use.document_id for each in examples for use in each.lineage.shown}
    people = {person for each in examples for person in each.lineage.people}
    golden = sum(bool(each.lineage.golden) for each in examples)
    liked = sum(each.kind in {Kind.LIKED, Kind.CORRECTION} for each in examples)
    return (
        f"Answers rest on {len(documents)} documents; {len(shown)} are shown in prompts. {golden} examples come from golden "
        f"questions, {liked} from feedback of {len(people)} people. `manifest.json` names them all."
    )


def _code(text: str) -> str:
    return f"`{' '.join(plain(text).replace('`', ' ').replace('|', ' ').split())}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
