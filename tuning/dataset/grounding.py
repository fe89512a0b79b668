"""Whether an example's answer stands in its own prompt. Pure.

The passages are read back out of the prompt, because a prompt may hold less than what was found; the check itself is
the one that every served answer goes through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from core.citations import ground, parse_citations
from core.prompts import NO_ANSWER
from core.sentences import sentences
from core.text import analyze, known_terms
from core.types import Passage
from tuning.dataset.types import Prompt

_PASSAGE = re.compile(r'<passage number="(\d+)" source="([^"\n]*)">\n(.*?)\n</passage>', re.DOTALL)
_MARK = re.compile(r"\s*\[\d{1,3}\]")
_ADDRESS = re.compile(r"https?://[^\s\])>]+|\bwww\.[^\s\])>]+|\S+@\S+\.\w+", re.IGNORECASE)
# In the languages that questions are put in. "No, it does" denies nothing.
_NEGATION = re.compile(
    r"\b(?:not|never|cannot|without|neither|nor|nobody|nothing|none|no(?!,)|\w+n['’]t"
    r"|nicht|kein\w*|nie|niemals|ohne|ne|n['’](?=\w)|pas|jamais|aucun\w*|sans|nunca|sin|ning[uú]n\w*)\b",
    re.IGNORECASE,
)
FENCE = "```"


def shown_passages(prompt: Prompt) -> tuple[Passage, ...]:
    """The passages in the prompt, in their order, with the text that the model sees."""
    return tuple(
        Passage(number, "", source, text, text, 0.0) for number, source, text in _PASSAGE.findall(prompt[0][1])
    )


def cited(answer: str, passages: Sequence[Passage], preferred: Sequence[int], *, is_trusted: bool) -> str | None:
    """The answer with the mark of a passage after each sentence, of the first of `preferred` that supports it.

    None when a sentence has none. A trusted answer needs as much support as a served one; another needs more.
    """
    lines = []
    for line in answer.split("\n"):
        pieces = []
        for sentence in sentences(line):
            if _says_nothing(sentence):
                pieces.append(sentence)
                continue
            number = next((each for each in preferred if _supports(sentence, each, passages, is_trusted)), None)
            if number is None:
                return None
            pieces.append(f"{sentence} [{number}]")
        indent = line[: len(line) - len(line.lstrip())]
        lines.append(indent + " ".join(pieces) if pieces else "")
    return "\n".join(lines).strip() or None


def is_said(answer: str, spoken: Sequence[str], passages: Sequence[Passage]) -> bool:
    """Whether one of these passages already answers: some sentence of the answer, or its short form, stands in it."""
    if any(_holds(short, passage.text) for short in spoken for passage in passages):
        return True
    claims = [sentence for line in answer.split("\n") for sentence in sentences(line) if not _says_nothing(sentence)]
    return any(ground(claim, [passage]).text for claim in claims for passage in passages)


def problem(prompt: Prompt, answer: str) -> str | None:
    """What is wrong with an answer to this prompt, in a sentence for a person; None when nothing is."""
    return None if answer == NO_ANSWER else next(_problems(answer, shown_passages(prompt)), None)


def claims(answer: str) -> Iterator[str]:
    """The sentences that say something, and so have to name a passage."""
    return (each for line in answer.split("\n") for each in sentences(line) if not _says_nothing(_MARK.sub("", each)))


def _problems(answer: str, passages: Sequence[Passage]) -> Iterator[str]:
    marks = parse_citations(answer)
    if FENCE in answer:
        yield "The answer holds a block of code, which cannot be checked."
    if not marks:
        yield "The answer names no passage."
    if any(number < 1 or number > len(passages) for number in marks):
        yield f"The answer names a passage that is not shown; there are {len(passages)}."
    text = "\n".join(passage.text for passage in passages)
    for address in _ADDRESS.findall(answer):
        if address.rstrip(".,;") not in text:
            yield f"No passage holds this address: {address}"
    for claim in claims(answer):
        given = [passages[number - 1] for number in parse_citations(claim)]
        if not given:
            yield f"A sentence names no passage: {claim}"
        elif not _is_held(claim, given):
            yield f"The passages that it names do not say this: {claim}"


def _says_nothing(sentence: str) -> bool:
    """A lead-in is supported by what it leads to."""
    return not analyze(sentence) or sentence.rstrip().endswith(":") or not any(map(str.isalnum, sentence))


def _supports(sentence: str, number: int, passages: Sequence[Passage], is_trusted: bool) -> bool:
    passage = passages[number - 1]
    if is_trusted:
        return bool(ground(f"{sentence} [1]", [passage]).text)
    return bool(ground(sentence, [passage]).text) and _is_as_negated(sentence, passage.text)


def _is_as_negated(sentence: str, text: str) -> bool:
    """Whether some sentence of the text has most of its words, and denies as it does: words alone tell no yes from no."""
    terms = set(analyze(sentence))
    return any(
        bool(_NEGATION.search(each)) == bool(_NEGATION.search(sentence))
        for each in sentences(text)
        if 2 * len(terms & set(known_terms(each))) >= len(terms)
    )


def _is_held(claim: str, given: Sequence[Passage]) -> bool:
    marks = "".join(f"[{number}]" for number in range(1, len(given) + 1))
    grounded = ground(f"{_MARK.sub('', claim)} {marks}", given)
    return bool(grounded.text) and not grounded.unsupported


def _holds(short: str, text: str) -> bool:
    wanted, known = analyze(short), analyze(text)
    return bool(wanted) and any(
        known[start : start + len(wanted)] == wanted for start in range(len(known) - len(wanted) + 1)
    )
