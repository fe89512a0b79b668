"""From messages to the tokens that a model learns, exactly as its server makes them of the same messages.

The model's own template is kept and saved. Only the answer is learnt: from where the server's prompt ends to the first token
at which the model stops. Answers earlier in a conversation rest on passages that are no longer shown, so learning them would
teach citing what is not there. Where the template, or TRL's variant of it that renders the same text, marks what the
assistant says (`{% generation %}`), what is learnt lies within its marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidRequest
from tuning.dataset.types import digest

Messages = Sequence[Mapping[str, str]]
IGNORED = -100
"""As a label: not learnt."""
SYSTEM = {"role": "system", "content": "Answer from the passages."}
ASKED, ANSWERED = {"role": "user", "content": "How long?"}, {"role": "assistant", "content": "A day [1]."}
PROBES: tuple[Messages, ...] = (
    (SYSTEM, ASKED, ANSWERED),
    (SYSTEM, ASKED, ANSWERED, {"role": "user", "content": "And\nthen?"}, {"role": "assistant", "content": "- Two.\n- Three."}),
)  # fmt: skip
SOME_DAY = "26 Jul 2024"
ON_SOME_DAY = f"{{%- macro strftime_now(format) -%}}{SOME_DAY}{{%- endmacro -%}}"
"""Before a template that writes today's date."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """An example as a model sees it; `labels` are `IGNORED` where nothing is learnt. As long as each other."""

    ids: list[int]
    labels: list[int]


class Inexact(Exception):
    """These messages cannot be made the tokens that a server makes of them; says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Template:
    """A model's chat template, and how answers are found in what it renders."""

    tokenizer: Any
    stops: frozenset[int]
    """Tokens at which the model stops."""
    fingerprint: str
    marked: str | None
    """With markers around what the assistant says, where one renders the same text."""

    @property
    def masking(self) -> str:
        """For run.json."""
        return "generation markers" if self.marked else "rendered prompt"

    def prompt(self, messages: Messages) -> list[int]:
        """What the server makes of these messages."""
        return self._ids(render(self.tokenizer, messages, ask=True))

    def tokens(self, messages: Messages) -> Tokens:
        """Of messages whose last one is the answer. Raises `Inexact`."""
        self._check_texts(messages)
        try:
            asked, text = (
                render(self.tokenizer, messages[:-1], ask=True),
                render(self.tokenizer, messages, ask=False),
            )
        except Exception as error:
            # Whatever a model's own template raises for these roles.
            raise Inexact("the model's chat template does not take them") from error
        ids, prompt = self._ids(text), self._ids(asked)
        if not text.startswith(asked) or ids[: len(prompt)] != prompt:
            raise Inexact("the chat template writes the prompt otherwise once there is an answer")
        stop = next((place for place in range(len(prompt), len(ids)) if ids[place] in self.stops), None)
        if stop is None:
            raise Inexact("the chat template ends the answer with no token at which the model stops")
        learnt = self._marked(messages, ids) if self.marked else [True] * len(ids)
        labels = [
            token if len(prompt) <= place <= stop and learnt[place] else IGNORED for place, token in enumerate(ids)
        ]
        if labels[stop] == IGNORED:
            raise Inexact("the chat template's markers leave out the token at which the model stops")
        return Tokens(ids, labels)

    def _marked(self, messages: Messages, ids: Sequence[int]) -> list[bool]:
        made = self.tokenizer.apply_chat_template(
            list(messages), chat_template=self.marked, return_dict=True, return_assistant_tokens_mask=True
        )
        if list(made["input_ids"]) != list(ids):
            raise Inexact("the chat template with markers makes other tokens")
        return [bool(each) for each in made["assistant_masks"]]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _check_texts(self, messages: Messages) -> None:
        special = set(self.tokenizer.all_special_tokens)
        special |= {str(each) for each in self.tokenizer.added_tokens_decoder.values() if each.special}
        if any(mark in message["content"] for mark in special if mark for message in messages):
            raise Inexact("their text holds the model's own control marks")


def read_template(tokenizer: Any, stops: frozenset[int], name: str) -> Template:
    """Of a model called `name`. Raises `InvalidRequest` where no answer can be told from its prompt exactly."""
    if not source(tokenizer):
        raise InvalidRequest(
            f"{name} has no chat template, so its server cannot be asked questions. "
            "Take the variant that was made for conversations, often called instruct, it or chat."
        )
    try:
        rendered = fingerprint(tokenizer)
    except Exception as error:
        raise InvalidRequest(
            f"The chat template of {name} takes no system message, in which the passages are given ({error}). Take another model."
        ) from error
    for marked in (*_marked_variants(tokenizer), None):
        template = Template(tokenizer, stops, rendered, marked)
        try:
            for probe in PROBES:
                template.tokens(probe)
        except Inexact as error:
            problem = error
        else:
            return template
    raise InvalidRequest(
        f"What {name} would learn cannot be told from its prompts exactly: {problem}. Take another model."
    )


def source(tokenizer: Any) -> str:
    """The template itself; of several, the one for conversations."""
    template = tokenizer.chat_template
    return str(template.get("default", "")) if isinstance(template, dict) else str(template or "")


def fingerprint(tokenizer: Any) -> str:
    """Of the template and of what it makes of fixed messages, the same on every day."""
    fixed = {"chat_template": ON_SOME_DAY + source(tokenizer), "date_string": SOME_DAY}
    rendered = [render(tokenizer, messages, ask=False, **fixed) for messages in PROBES]
    asked = [render(tokenizer, messages[:-1], ask=True, **fixed) for messages in PROBES]
    return digest([source(tokenizer), rendered, asked])


def render(tokenizer: Any, messages: Messages, *, ask: bool, **further: Any) -> str:
    """`ask`: up to where the answer begins. Raises whatever the template raises."""
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=ask, **further))


def _marked_variants(tokenizer: Any) -> Iterator[str]:
    """Of the template, those that mark what the assistant says and render the same text."""
    from trl.chat_template_utils import get_training_chat_template, has_generation_markers

    own = source(tokenizer)
    if has_generation_markers(own):
        yield own
    try:
        known = get_training_chat_template(tokenizer)
    except Exception:  # noqa: BLE001 - it knows some templates only, and tries out the others
        return
    if known and all(
        render(tokenizer, probe, ask=False, chat_template=known) == render(tokenizer, probe, ask=False)
        for probe in PROBES
    ):
        yield known
