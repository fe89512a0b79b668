"""The review in a terminal: one example after the other, one letter for each decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.citations import parse_citations
from core.console import plain
from core.prompts import NO_ANSWER
from tuning.dataset.grounding import problem, shown_passages
from tuning.dataset.review import Decision, Verdict
from tuning.dataset.types import Example

HELP = (
    "a accept, r reject, e edit the answer, n change it to the honest no-answer, s skip, b back, p show all passages, "
    "q quit. What is decided is kept at once."
)
END_OF_ANSWER = "."
SHOWN_OF_PASSAGE = 400
Ask = Callable[[str], str]
"""Shows a prompt and returns the line that was typed. Raises `EOFError` or `KeyboardInterrupt` at the end of the input."""
Show = Callable[[str], None]
Keep = Callable[[Decision], None]


@dataclass
class Review:
    """Walks through the examples; `decided` holds what is decided, by hash."""

    examples: Sequence[Example]
    decided: dict[str, Decision]
    ask: Ask
    show: Show
    keep: Keep
    _at: int = field(default=0, init=False)

    def walk(self) -> None:
        """From the first example that nobody has decided about, until the last one or `q`."""
        undecided = [position for position, each in enumerate(self.examples) if each.hash not in self.decided]
        self._at = undecided[0] if undecided else len(self.examples)
        while self._at < len(self.examples):
            self._show_example(self.examples[self._at])
            if not self._take_decision(self.examples[self._at]):
                return
        self.show("That was the last example.")

    def _take_decision(self, example: Example) -> bool:
        """One key; False to end."""
        try:
            key = self.ask("a/r/e/n/s/b/p/q? ").strip().lower()
            if key == "q":
                return False
            if key == "a":
                self._decide(Decision(example.hash, Verdict.ACCEPT))
            elif key == "r":
                self._decide(Decision(example.hash, Verdict.REJECT))
            elif key == "n":
                self._decide(Decision(example.hash, Verdict.EDIT, NO_ANSWER))
            elif key == "e":
                self._edit(example)
            elif key == "s":
                self._at += 1
            elif key == "b":
                self._at = max(0, self._at - 1)
            elif key == "p":
                self.show(_passages(example, None))
            else:
                self.show(HELP)
        except (EOFError, KeyboardInterrupt):
            return False
        return True

    def _decide(self, decision: Decision) -> None:
        self.keep(decision)
        self.decided[decision.hash] = decision
        self._at += 1

    def _edit(self, example: Example) -> None:
        self.show(f"Type the new answer with its marks, and end it with a line that holds only {END_OF_ANSWER!r}.")
        lines: list[str] = []
        while (line := self.ask("")) != END_OF_ANSWER:
            lines.append(plain(line))
        answer = "\n".join(lines).strip()
        if not answer:
            self.show("Nothing was typed; the answer stays as it is.")
        elif fault := problem(example.prompt, answer):
            self.show(f"This was not taken. {plain(fault)}")
        else:
            self._decide(Decision(example.hash, Verdict.EDIT, answer))

    def _show_example(self, example: Example) -> None:
        decision = self.decided.get(example.hash)
        head = f"── {self._at + 1} of {len(self.examples)} · {example.kind.value} · {example.split.value}"
        parts = [f"{head} · {plain(example.namespace)} · {plain(example.origin)} ──"]
        parts += [f"  {role}: {plain(content)}" for role, content in example.prompt[1:-1]]
        parts += [f"Question: {plain(example.question)}", f"Answer: {plain(example.answer)}"]
        parts.append(_passages(example, SHOWN_OF_PASSAGE))
        if decision is not None:
            changed = f": {plain(decision.answer)}" if decision.verdict is Verdict.EDIT else ""
            parts.append(f"Decided: {decision.verdict.value}{changed}")
        self.show("\n".join(part for part in parts if part))


def _passages(example: Example, most: int | None) -> str:
    """The passages that the answer names, or all where it is a no-answer, cut short; without a limit, all of them whole."""
    cited = parse_citations(example.answer) or range(1, len(example.lineage.numbered) + 1)
    lines = []
    for number, passage in enumerate(shown_passages(example.prompt), start=1):
        if most is None or number in cited:
            text = passage.text if most is None or len(passage.text) <= most else f"{passage.text[:most]}…"
            lines.append(f"  [{number}] {plain(passage.title)}: {plain(text)}")
    return "\n".join(lines)
