"""What a reply to a held-out question is worth. Pure.

Each figure is there twice where it matters: of what the model wrote, and of what people would be shown, which is less,
because sentences that no passage supports are removed before an answer is posted.

The headline, `score`, is of what is shown: the token F1 of the answer where the passages answer, and 1 or 0 for an honest
no-answer where they do not. One number for both, because an adapter that answers everything, or nothing, must not win; where nearly all
questions are of one kind, the gate sees to that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.citations import MARK, ground, is_no_answer, parse_citations
from core.prompts import NO_ANSWER
from core.text import analyze
from tuning.dataset.grounding import claims
from tuning.evaluation.types import Question

Part = tuple[float, float]
"""What a question adds to the numerator and to the denominator of a metric."""
NOTHING: Part = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Form:
    """A reply as it was written, or as it is shown."""

    f1: float
    cited: frozenset[int]
    """Numbers of existing passages."""
    abstains: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """One reply to one question."""

    is_answerable: bool
    gold: frozenset[int]
    written: Form
    shown: Form
    shown_text: str
    """Empty where people would be told that nothing was found."""
    is_valid: bool
    """Every sentence cites an existing passage, or it is exactly the no-answer."""
    removed: int
    """Sentences that no passage supports."""

    @property
    def score(self) -> float:
        return self.shown.f1 if self.is_answerable else float(self.shown.abstains)


@dataclass(frozen=True, slots=True)
class Metric:
    """A ratio of two sums over the questions; more is better."""

    name: str
    label: str
    part: Callable[[Scored], Part]


def scored(question: Question, text: str) -> Scored:
    """What `text` is worth as a reply to the question."""
    grounded = ground(text, question.passages)
    reference = question.example.answer if question.example.is_answered else ""
    count = len(question.passages)
    cited = frozenset(number for number in parse_citations(text) if 1 <= number <= count)
    # The passages are called by their numbers, so that these survive the numbering anew.
    shown_cited = frozenset(int(citation.chunk_id) for citation in grounded.citations)
    return Scored(
        is_answerable=question.example.is_answered,
        gold=question.gold,
        written=Form(_f1(text, reference), cited, is_no_answer(text)),
        shown=Form(_f1(grounded.text, reference), shown_cited, not grounded.text),
        shown_text=grounded.text,
        is_valid=is_valid(text, count),
        removed=grounded.unsupported,
    )


def is_valid(text: str, passages: int) -> bool:
    """Whether a reply is as the prompt demands: a passage that there is after every sentence, or exactly the no-answer."""
    if text.strip() == NO_ANSWER:
        return True
    marks = [parse_citations(claim) for claim in claims(text)]
    return bool(marks) and all(each and all(1 <= number <= passages for number in each) for each in marks)


def token_f1(text: str, reference: str) -> float:
    """The harmonic mean of precision and recall over index terms, as in SQuAD (Rajpurkar et al., 2016)."""
    said, wanted = Counter(analyze(text)), Counter(analyze(reference))
    common = (said & wanted).total()
    return 2 * common / (said.total() + wanted.total()) if common else 0.0


def parts(replies: Sequence[Scored]) -> NDArray[np.float64]:
    """(questions, metrics, 2): numerators and denominators of all `METRICS`."""
    return np.array([[metric.part(each) for metric in METRICS] for each in replies], dtype=np.float64).reshape(
        len(replies), len(METRICS), 2
    )


def _f1(text: str, reference: str) -> float:
    return token_f1(MARK.sub("", text), MARK.sub("", reference))


def _answer_f1(form: Form, reply: Scored) -> Part:
    return (form.f1, 1.0) if reply.is_answerable else NOTHING


def _citation_precision(form: Form, reply: Scored) -> Part:
    """Of the answers that cite anything, where there is an answer."""
    if not (reply.is_answerable and form.cited):
        return NOTHING
    return len(form.cited & reply.gold) / len(form.cited), 1.0


def _citation_recall(form: Form, reply: Scored) -> Part:
    if not (reply.is_answerable and reply.gold):
        return NOTHING
    return len(form.cited & reply.gold) / len(reply.gold), 1.0


def _abstention_precision(form: Form, reply: Scored) -> Part:
    return float(form.abstains and not reply.is_answerable), float(form.abstains)


def _abstention_recall(form: Form, reply: Scored) -> Part:
    return float(form.abstains and not reply.is_answerable), float(not reply.is_answerable)


def _abstention_f1(form: Form, reply: Scored) -> Part:
    return 2.0 * (form.abstains and not reply.is_answerable), float(form.abstains) + float(not reply.is_answerable)


_BOTH = (
    ("answer_f1", "answer F1", _answer_f1),
    ("citation_precision", "citation precision", _citation_precision),
    ("citation_recall", "citation recall", _citation_recall),
    ("abstention_precision", "abstention precision", _abstention_precision),
    ("abstention_recall", "abstention recall", _abstention_recall),
    ("abstention_f1", "abstention F1", _abstention_f1),
)


def _of_shown(part: Callable[[Form, Scored], Part]) -> Callable[[Scored], Part]:
    return lambda reply: part(reply.shown, reply)


def _of_written(part: Callable[[Form, Scored], Part]) -> Callable[[Scored], Part]:
    return lambda reply: part(reply.written, reply)


SCORE, VALIDITY = "score", "format_validity"
ANSWERING, DECLINING = "answer_f1_shown", "abstention_recall_written"
METRICS = (
    Metric(SCORE, "score (headline)", lambda reply: (reply.score, 1.0)),
    *(Metric(f"{name}_shown", f"{label}, as shown", _of_shown(part)) for name, label, part in _BOTH),
    *(Metric(f"{name}_written", f"{label}, as written", _of_written(part)) for name, label, part in _BOTH),
    Metric(VALIDITY, "format validity", lambda reply: (float(reply.is_valid), 1.0)),
)
