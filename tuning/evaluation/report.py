"""An evaluation as files: Markdown for people, JSON for programs. Pure.

Questions, answers and models' replies stand in spans of code, cut short: nothing in them can be taken for the report's own
text, a link or a picture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from core.console import plain
from tuning.dataset.files import json_lines
from tuning.evaluation.contest import Contest, General, score_of
from tuning.evaluation.evaluate import Outcome
from tuning.evaluation.files import ANSWERS, FORMAT, REPORT, TABLE, Row
from tuning.evaluation.metrics import METRICS, SCORE, VALIDITY, Scored
from tuning.evaluation.types import Contender, Interval, Reply

DIFFERENCES_PICTURE, KINDS_PICTURE = "differences.png", "kinds.png"
EXAMPLES, LONGEST_QUOTE = 5, 300
HOW_MEASURED = """\
The score is of what people would be shown, after sentences that no passage supports were removed: for a question that the
passages answer, the F1 of its words against the expected answer; for one that they do not answer, 1 for an honest no-answer
and 0 for anything else. "As written" is what the model wrote, before anything was removed. Intervals hold 95 %, by the
paired bootstrap over questions (Efron and Tibshirani, 1993; Koehn, 2004); those of one document count as independent."""


def files_of(outcome: Outcome, made_at: str) -> dict[str, str]:
    """report.md, report.json and answers.jsonl by their names."""
    return {
        REPORT: "\n".join(_markdown(outcome, made_at)) + "\n",
        TABLE: json.dumps(summary(outcome) | {"made_at": made_at}, ensure_ascii=False, sort_keys=True, indent=1) + "\n",
        ANSWERS: json_lines(_answers(outcome.contest)),
    }


def summary(outcome: Outcome) -> dict[str, Any]:
    """As report.json has it."""
    contest, forgetting = outcome.contest, outcome.general.forgetting
    return {
        "format": FORMAT,
        "verdict": outcome.verdict.value,
        "reasons": list(outcome.reasons),
        "notes": list(outcome.notes),
        "files": dict(outcome.files),
        "figures": headline(outcome),
        "dataset": outcome.held_out.dataset,
        "leaked": outcome.held_out.leaked,
        "rival": contest.rival.value,
        "contenders": {each.value: _contender(contest, each) for each in Contender},
        "above_silence": asdict(contest.above_silence) if contest.above_silence else None,
        "differences": {each.value: _intervals(figures) for each, figures in contest.differences.items()},
        "kinds": {kind: {each.value: mean for each, mean in row.items()} for kind, row in kinds(contest).items()},
        "forgetting": asdict(forgetting),
        "models": outcome.models,
        "options": asdict(outcome.options) | {"general": outcome.options.general.name},
    }


def headline(outcome: Outcome) -> dict[str, float]:
    """The few figures that are shown where adapters are listed."""
    contest = outcome.contest
    difference = contest.differences[contest.rival][SCORE] or Interval(0.0, 0.0, 0.0)
    return {
        "score": score_of(contest, Contender.ADAPTER),
        "score_base": score_of(contest, Contender.BASE),
        "score_few_shot": score_of(contest, Contender.FEW_SHOT),
        "difference": difference.estimate,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "questions": float(len(contest.questions)),
        "forgetting": outcome.general.forgetting.drop.estimate,
    }


def kinds(contest: Contest) -> dict[str, dict[Contender, float]]:
    """The mean score of each contender by the kind of example."""
    found: dict[str, dict[Contender, float]] = {}
    for kind in sorted({question.example.kind.value for question in contest.questions}):
        places = [place for place, each in enumerate(contest.questions) if each.example.kind.value == kind]
        found[kind] = {
            contender: sum(scores[place].score for place in places) / len(places)
            for contender, scores in contest.scores.items()
        }
    return found


def _markdown(outcome: Outcome, made_at: str) -> Iterator[str]:
    contest = outcome.contest
    yield f"# Evaluation: {outcome.verdict.value}\n"
    yield from (f"- {reason}" for reason in outcome.reasons)
    yield f"\n{HOW_MEASURED}\n"
    yield from (f"Note: {note}" for note in outcome.notes)
    answerable = sum(each.example.is_answered for each in contest.questions)
    yield f"\nQuestions: {len(contest.questions)}, of which the passages answer {answerable}. Made at {made_at}."
    yield f"\nThe models were run by: {_code(outcome.models)}\n"
    yield "## Figures\n"
    yield from _figures(contest)
    yield f"\nThe adapter's score less that of a model that answers nothing: {_spread(contest.above_silence)}."
    yield f"\n![Differences with their intervals]({DIFFERENCES_PICTURE})\n"
    yield "## Score by kind of question\n"
    yield from _kinds(contest)
    yield f"\n![Score by kind of question]({KINDS_PICTURE})\n"
    yield "## Time and length\n"
    yield from _times(contest)
    yield "\n## Forgetting\n"
    yield from _forgetting(outcome.general)
    yield from _examples(contest, "greatest gains", sign=1)
    yield from _examples(contest, "greatest losses", sign=-1)


def _figures(contest: Contest) -> Iterator[str]:
    yield "| | base | few-shot | adapter | adapter − base | adapter − few-shot |"
    yield "|---|---|---|---|---|---|"
    for metric in METRICS:
        own = [_number(contest.figures[each][metric.name]) for each in Contender]
        gained = [_spread(contest.differences[each][metric.name]) for each in (Contender.BASE, Contender.FEW_SHOT)]
        yield f"| {metric.label} | {' | '.join((*own, *gained))} |"


def _kinds(contest: Contest) -> Iterator[str]:
    yield "| kind | questions | base | few-shot | adapter |"
    yield "|---|---|---|---|---|"
    for kind, means in kinds(contest).items():
        count = sum(each.example.kind.value == kind for each in contest.questions)
        yield f"| {kind} | {count} | {' | '.join(f'{means[each]:.3f}' for each in Contender)} |"


def _times(contest: Contest) -> Iterator[str]:
    yield "Seconds are those that a question waited for its whole answer, together with the others asked at the same time.\n"
    yield "| | base | few-shot | adapter |"
    yield "|---|---|---|---|"
    times = [_time(contest.replies[each]) for each in Contender]
    for name, label in (("p50", "seconds, median"), ("p95", "seconds, 95th percentile"), ("tokens", "tokens, mean")):
        shown = ["–" if each[name] is None else f"{each[name]:.2f}" for each in times]
        yield f"| {label} | {' | '.join(shown)} |"


def _forgetting(general: General) -> Iterator[str]:
    found = general.forgetting
    yield f"On {found.questions} general questions, without documents:\n"
    yield "| kind | questions | base | adapter |"
    yield "|---|---|---|---|"
    for kind in sorted({each.kind for each in general.questions}):
        places = [place for place, each in enumerate(general.questions) if each.kind == kind]
        shares = [
            sum(general.right[each][place] for place in places) / len(places)
            for each in (Contender.BASE, Contender.ADAPTER)
        ]
        named = _code(kind).replace("|", "\\|") if kind else "all"
        yield f"| {named} | {len(places)} | {shares[0]:.3f} | {shares[1]:.3f} |"
    yield f"\nThe accuracy drops by {_spread(found.drop)}."
    if found.surprise is None:
        yield "The server does not tell how likely the expected answers are."
    else:
        yield f"The expected answers are less likely by {_spread(found.surprise)} nats per token."


def _examples(contest: Contest, title: str, sign: int) -> Iterator[str]:
    gains = [sign * gain for gain in contest.gains]
    best = sorted((place for place, gain in enumerate(gains) if gain > 0), key=lambda place: -gains[place])[:EXAMPLES]
    if not best:
        return
    yield f"\n## The {title}\n"
    for place in best:
        example = contest.questions[place].example
        yield f"- Question: {_code(example.question)}"
        yield f"  - Expected: {_code(example.answer)}"
        for contender in Contender:
            score, text = contest.scores[contender][place].score, contest.replies[contender][place].text
            yield f"  - {contender.value.capitalize()} ({score:.2f}): {_code(text)}"


def _contender(contest: Contest, contender: Contender) -> Row:
    removed = sum(each.removed for each in contest.scores[contender])
    return {
        "figures": _intervals(contest.figures[contender]),
        "removed_sentences": removed,
        "seconds_and_tokens": _time(contest.replies[contender]),
    }


def _time(replies: Sequence[Reply]) -> dict[str, float | None]:
    seconds = [reply.seconds for reply in replies] or [0.0]
    tokens = [reply.tokens for reply in replies if reply.tokens is not None]
    mean = sum(tokens) / len(tokens) if tokens else None
    half, most = np.quantile(seconds, (0.5, 0.95), method="inverted_cdf").tolist()
    return {"p50": half, "p95": most, "tokens": mean}


def _answers(contest: Contest) -> Iterator[Row]:
    for place, question in enumerate(contest.questions):
        example = question.example
        yield {
            "hash": example.hash,
            "kind": example.kind.value,
            "namespace": example.namespace,
            "is_answered": example.is_answered,
            "question": example.question,
            "expected": example.answer,
            "gold": sorted(question.gold),
            "contenders": {
                each.value: _answer(contest.replies[each][place], contest.scores[each][place]) for each in Contender
            },
        }


def _answer(reply: Reply, scored: Scored) -> Row:
    return {
        "text": reply.text,
        "shown": scored.shown_text,
        "score": scored.score,
        "answer_f1": scored.shown.f1,
        "cited": sorted(scored.shown.cited),
        VALIDITY: scored.is_valid,
        "removed": scored.removed,
        "seconds": reply.seconds,
        "tokens": reply.tokens,
    }


def _intervals(figures: Any) -> Row:
    return {name: asdict(found) if found else None for name, found in figures.items()}


def _number(found: Interval | None) -> str:
    return f"{found.estimate:.3f}" if found else "–"


def _spread(found: Interval | None) -> str:
    return f"{found.estimate:+.3f} ({found.low:+.3f} to {found.high:+.3f})" if found else "–"


def _code(text: str) -> str:
    """A span of code, whose fence is longer than any within it."""
    line = " ".join(plain(text).split())
    line = line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", line)), default=0))
    return f"{fence} {line or '(nothing)'} {fence}"
