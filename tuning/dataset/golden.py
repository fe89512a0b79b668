"""Questions that people wrote, with their answers: a JSON object on each line, as the evaluations read them.

`qid` and `question` are needed; `answers`, `gold_doc_ids`, `history` and `answerable` say what is known of the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from core.citations import parse_citations
from core.errors import InvalidRequest
from core.sentences import quotable, unmarked
from core.store.columns import storable
from core.text import analyze
from core.types import Document, Passage, Turn
from tuning.dataset.grounding import FENCE
from tuning.dataset.types import Draft, Kind

# A shorter answer is a phrase: the sentence that holds it is the answer then.
FEWEST_WORDS = 6
LONGEST_LINE = 1_000_000
_PAGE = re.compile(r"^(?P<name>.+)#page=(?P<page>\d+)$")
_OWN_CITATION = re.compile(r"\s*\[[^\[\]]*\.\w{2,5}(?:#page=\d+)?\]")


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """One line of the file."""

    id: str
    text: str
    answers: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    """Documents that answer: their id, title, source or file name, with `#page=N` for one page."""
    history: tuple[Turn, ...] = ()
    answerable: bool | None = None


class Names:
    """Documents by all that people call them."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._ids: dict[str, set[str]] = {}
        for document in documents:
            file_name = unquote(document.source.rstrip("/").rpartition("/")[2]).removeprefix("upload:")
            for name in {document.id, document.title, document.source, file_name, file_name.rpartition(".")[0]}:
                if name:
                    self._ids.setdefault(name, set()).add(document.id)

    def find(self, name: str) -> tuple[str, int | None] | None:
        """The document's id, and the page where one is named; None when none or several are called so."""
        if found := self._only(name):
            return found, None
        with_page = _PAGE.match(name)
        found = self._only(with_page["name"]) if with_page else None
        return (found, int(with_page["page"])) if found and with_page else None

    def _only(self, name: str) -> str | None:
        ids = self._ids.get(name, set())
        return next(iter(ids)) if len(ids) == 1 else None


def read_golden(path: Path) -> list[GoldenQuestion]:
    """Raises `InvalidRequest`, with the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read as golden questions: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} cannot be read as golden questions: it is not text in UTF-8.") from error
    return [_question(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def draft(
    question: GoldenQuestion, names: Names, passages: Mapping[str, Sequence[Passage]], namespace: str, origin: str
) -> Draft | str:
    """What is to be made of it, or in a few words why nothing can be."""
    made = Draft(
        Kind.GOLDEN,
        namespace,
        question.text,
        "",
        history=question.history,
        origin=origin,
        is_trusted=True,
        golden=question.id,
    )
    if question.answerable is False:
        return replace(made, kind=Kind.UNANSWERABLE)
    if not question.gold:
        return "a golden question that names no document"
    places = [names.find(name) for name in question.gold]
    known = [place for place in places if place is not None]
    if len(known) < len(places):
        return "a golden question about a document that is not indexed, or not open to all"
    gold = [
        passage
        for document, page in known
        for passage in passages.get(document, ())
        if page is None or passage.page == page
    ]
    answer, spoken = _answer(question, gold)
    if not answer:
        return "a golden question whose answer stands nowhere in its documents, or in several sentences"
    return replace(
        made,
        answer=answer,
        spoken=spoken,
        documents=frozenset(document for document, _ in known),
        chunks=frozenset(passage.chunk_id for passage in gold),
    )


def _answer(question: GoldenQuestion, gold: Sequence[Passage]) -> tuple[str, tuple[str, ...]]:
    """A whole answer as it is; for a phrase, the sentence of the passages that holds it and most of the question."""
    answers = [_plain(answer) for answer in question.answers if answer.strip()]
    whole = [answer for answer in answers if len(answer.split()) >= FEWEST_WORDS]
    short = tuple(answer for answer in answers if len(answer.split()) < FEWEST_WORDS)
    if whole and not short:
        return whole[0], ()
    asked = set(analyze(question.text))
    units = [unit for passage in gold for unit in _units(passage) if any(short_in(each, unit) for each in answers)]
    return _best(asked, units), short


def _best(asked: set[str], units: Sequence[str]) -> str:
    """The one that holds most of the question's words; none where two do: a phrase may stand where it answers nothing."""
    different = list(dict.fromkeys(units))
    shared = sorted((-len(asked & set(analyze(unit))), position) for position, unit in enumerate(different))
    is_clear = len(shared) == 1 or (len(shared) > 1 and shared[0][0] < shared[1][0])
    return different[shared[0][1]] if is_clear else ""


def short_in(short: str, text: str) -> bool:
    """Whether the phrase stands in the text, in whatever case."""
    return re.search(rf"(?<!\w){re.escape(short.strip(' .'))}(?!\w)", text, re.IGNORECASE) is not None


def _units(passage: Passage) -> Iterator[str]:
    text = unmarked(passage.context or passage.text)
    return (unit for unit in quotable(text) if FENCE not in unit and " – " not in unit)


def _plain(answer: str) -> str:
    """Without the marks that it came with, which count other passages than a prompt's."""
    bare = _OWN_CITATION.sub("", answer)
    return (re.sub(r"\s*\[\d{1,3}\]", "", bare) if parse_citations(bare) else bare).strip()


def _question(line: str, where: str) -> GoldenQuestion:
    try:
        row: Any = json.loads(line[:LONGEST_LINE])
        return GoldenQuestion(
            id=str(row["qid"]),
            text=_text(row["question"]),
            answers=tuple(map(_text, _several(row.get("answers")))),
            gold=tuple(map(str, _several(row.get("gold_doc_ids")))),
            history=tuple(_turn(turn) for turn in row.get("history") or ()),
            answerable=row.get("answerable"),
        )
    except KeyError as error:
        raise InvalidRequest(f"{where}, lacks {error.args[0]}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            f"{where}, is not a golden question: a JSON object with qid and question, and with lists of answers and gold_doc_ids."
        ) from error


def _several(value: Any) -> list[Any]:
    """A text alone would be taken for its letters."""
    if value is None or isinstance(value, list):
        return value or []
    raise TypeError(value)


def _turn(value: Any) -> Turn:
    if value["role"] not in {"user", "assistant"}:
        raise ValueError(value["role"])
    return Turn(value["role"], _text(value["text"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return storable(value)
