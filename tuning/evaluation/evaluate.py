"""A run against its base model: ask all questions of all contenders, compare, decide, and write down what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import GenerationFailed, InvalidRequest
from core.types.adapters import BaseModel, Verdict
from tuning.dataset.types import Prompt, digest
from tuning.evaluation.bootstrap import RESAMPLES
from tuning.evaluation.contest import Contest, General, compare, forgotten
from tuning.evaluation.fewshot import SHOTS, Shots, few_shot_prompt
from tuning.evaluation.files import Row, keep_replies, read_replies
from tuning.evaluation.gate import Limits, Measured, decide
from tuning.evaluation.general import ANSWER_TOKENS, BUILT_IN, read_general
from tuning.evaluation.metrics import ANSWERING, DECLINING, SCORE, VALIDITY
from tuning.evaluation.models import Models
from tuning.evaluation.progress import Report
from tuning.evaluation.questions import HeldOut
from tuning.evaluation.types import Contender, GeneralQuestion, Likelihood, Question, Reply
from tuning.training.run import SERVED, hashes


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate."""

    shots: int = SHOTS
    seed: int = 1
    resamples: int = RESAMPLES
    general: Path = BUILT_IN
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a report is made of."""

    held_out: HeldOut
    contest: Contest
    general: General
    verdict: Verdict
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    """What whoever reads the figures has to know."""
    models: str
    """How they were run."""
    files: Mapping[str, str]
    """Hashes of what was evaluated."""
    options: Options


@dataclass
class _Asking:
    """Replies are kept as they come, under what they depend on; what is kept is not asked again."""

    folder: Path
    models: Models
    identity: Mapping[bool, Any]
    """What the base model and the tuned one are, by whether it is tuned."""
    kept: dict[str, Row]
    report: Report

    def replies(self, stage: str, prompts: Sequence[Prompt], most_tokens: int, *, tuned: bool) -> list[Reply]:
        keys = [self._key("reply", prompt, most_tokens, tuned=tuned) for prompt in prompts]

        def ask(missing: Sequence[int]) -> Iterator[tuple[int, Row]]:
            asked = [prompts[place] for place in missing]
            for place, reply in self.models.answers(asked, most_tokens, tuned=tuned):
                yield place, {"text": reply.text, "seconds": reply.seconds, "tokens": reply.tokens}

        rows = self._collected(stage, keys, ask)
        return [Reply(str(row["text"]), float(row["seconds"]), row["tokens"]) for row in rows]

    def likelihoods(self, stage: str, pairs: Sequence[tuple[Prompt, str]], *, tuned: bool) -> list[Likelihood | None]:
        keys = [self._key("likelihood", pair, 0, tuned=tuned) for pair in pairs]

        def ask(missing: Sequence[int]) -> Iterator[tuple[int, Row]]:
            asked = [pairs[place] for place in missing]
            for place, found in self.models.likelihoods(asked, tuned=tuned):
                yield place, {"total": found.total, "tokens": found.tokens} if found else {"tokens": 0}

        rows = self._collected(stage, keys, ask)
        return [Likelihood(float(row["total"]), int(row["tokens"])) if row["tokens"] else None for row in rows]

    def _collected(
        self, stage: str, keys: Sequence[str], ask: Callable[[Sequence[int]], Iterator[tuple[int, Row]]]
    ) -> list[Row]:
        missing = [place for place, key in enumerate(keys) if key not in self.kept]
        done = len(keys) - len(missing)
        self.report(stage, done, len(keys))
        for place, found in ask(missing) if missing else ():
            row = {"key": keys[missing[place]], **found}
            keep_replies(self.folder, [row])
            self.kept[row["key"]] = row
            done += 1
            self.report(stage, done, len(keys))
        return [self.kept[key] for key in keys]

    def _key(self, what: str, asked: object, most_tokens: int, *, tuned: bool) -> str:
        return digest([what, self.models.name, self.identity[tuned], asked, most_tokens])


def evaluate(
    run_folder: Path, base: BaseModel, held_out: HeldOut, models: Models, options: Options, report: Report
) -> Outcome:
    """Ask, compare and decide. Raises `GenerationFailed`; what was said until then is kept in the run's folder."""
    files = hashes(run_folder / SERVED)
    identity = {False: [base.name, base.revision], True: dict(files)}
    asking = _Asking(run_folder, models, identity, read_replies(run_folder), report)
    general = read_general(options.general)
    prompts = [each.example.prompt for each in held_out.questions]
    shown = _few_shot_prompts(held_out, models, options.shots)
    try:
        # All of the base model first: a merged one takes its place in the memory.
        base_replies = asking.replies("base model", prompts, held_out.answer_tokens, tuned=False)
        few_shot = asking.replies("base model with examples", shown, held_out.answer_tokens, tuned=False)
        base_general, base_likely = _general(asking, "base model", general, tuned=False)
        tuned_replies = asking.replies("adapter", prompts, held_out.answer_tokens, tuned=True)
        tuned_general, tuned_likely = _general(asking, "adapter", general, tuned=True)
    except GenerationFailed as error:
        raise type(error)(f"{error.message} What was said is kept: run the same command again to go on.") from error
    if hashes(run_folder / SERVED) != files:
        raise InvalidRequest(f"The files in {run_folder / SERVED} were changed while they were evaluated. Do it again.")
    contest = compare(
        held_out.questions,
        {Contender.BASE: base_replies, Contender.FEW_SHOT: few_shot, Contender.ADAPTER: tuned_replies},
        options.seed,
        options.resamples,
    )
    known = forgotten(
        general,
        {Contender.BASE: base_general, Contender.ADAPTER: tuned_general},
        {Contender.BASE: base_likely, Contender.ADAPTER: tuned_likely},
        options.seed,
        options.resamples,
    )
    verdict, reasons = decide(measured(contest, known), options.limits)
    unshown = sum(one == other for one, other in zip(prompts, shown, strict=True))
    notes = tuple(_notes(held_out, options, unshown))
    return Outcome(held_out, contest, known, verdict, reasons, notes, models.name, files, options)


def measured(contest: Contest, general: General) -> Measured:
    """What the gate is told."""
    found = contest.differences[contest.rival]
    return Measured(
        len(contest.questions),
        contest.rival,
        found[SCORE],
        found[VALIDITY],
        general.forgetting,
        contest.above_silence,
        found[ANSWERING],
        found[DECLINING],
    )


def _few_shot_prompts(held_out: HeldOut, models: Models, count: int) -> list[Prompt]:
    shots = Shots(held_out.examples)
    room = models.window - held_out.answer_tokens

    def prompt(question: Question) -> Prompt:
        chosen = shots.nearest(question.example, count)
        return few_shot_prompt(question.example, chosen, lambda prompt: models.count(prompt) <= room)

    return [prompt(each) for each in held_out.questions]


def _general(
    asking: _Asking, who: str, questions: Sequence[GeneralQuestion], *, tuned: bool
) -> tuple[list[Reply], list[Likelihood | None]]:
    replies = asking.replies(f"{who}, general", [each.prompt for each in questions], ANSWER_TOKENS, tuned=tuned)
    pairs = [(each.prompt, each.answers[0]) for each in questions]
    return replies, asking.likelihoods(f"{who}, likelihoods", pairs, tuned=tuned)


def _notes(held_out: HeldOut, options: Options, unshown: int) -> Iterator[str]:
    if not held_out.is_own:
        yield "The questions are of another data set than the one that the run was trained with."
    if held_out.leaked:
        yield (
            f"{held_out.leaked} test examples are left out, because the run was trained on documents that answer them."
        )
    if not held_out.examples or not options.shots:
        yield "There was no training example to show, so that few-shot prompting is the base model as it is."
    elif unshown:
        yield f"In {unshown} prompts there was no room for examples, so that the base model had none there."
