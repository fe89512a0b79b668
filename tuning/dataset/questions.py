"""Questions out of a document by rule: from headings, definitions, and sentences with a gap. Pure.

Every answer is quoted from the section it is about, so nothing in it is made up; what the rules cannot do is ask as people
ask. A teacher model does that better (teacher.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from core.followup import REFERRING
from core.sentences import quotable, sentences, unmarked
from core.text import analyze
from core.types import Passage, Turn
from tuning.dataset.grounding import FENCE
from tuning.dataset.languages import language_of
from tuning.dataset.types import Draft, Kind


@dataclass(frozen=True, slots=True)
class SectionText:
    """What stands under one heading, and in which chunks."""

    title: str
    headings: tuple[str, ...]
    text: str
    document: str
    chunks: frozenset[str]

    @property
    def heading(self) -> str:
        return self.headings[-1].strip() if self.headings else ""


@dataclass(frozen=True, slots=True)
class Wording:
    """How a question is put, in one language."""

    about: str
    whole: str
    gap: str
    next: str


WORDINGS = {
    "en": Wording(
        "What does {title} say about {heading}?",
        "What do the documents say about {title}?",
        "Which words are missing here: “{text}”?",
        "And what about {heading}?",
    ),
    "de": Wording(
        "Was steht in {title} über {heading}?",
        "Was steht in den Dokumenten über {title}?",
        "Welche Wörter fehlen hier: „{text}“?",
        "Und was gilt für {heading}?",
    ),
    "fr": Wording(
        "Que dit {title} sur {heading} ?",
        "Que disent les documents sur {title} ?",
        "Quels mots manquent ici : « {text} » ?",
        "Et qu'en est-il de {heading} ?",
    ),
    "es": Wording(
        "¿Qué dice {title} sobre {heading}?",
        "¿Qué dicen los documentos sobre {title}?",
        "¿Qué palabras faltan aquí: «{text}»?",
        "¿Y qué hay de {heading}?",
    ),
}
GAP = "____"
GAP_RULE = "rule: gap"
MOST_UNITS, LONGEST_ANSWER = 3, 500
LONGEST_HEADING = 80
# Words that a question has to hold to be about one thing only.
FEWEST_TERMS = 3
SHORTEST_GAP, LONGEST_GAP = 50, 240
# One sentence of so many gets a gap, and one question of so many is asked after another one.
EVERY_NTH = 3
# Sections in which a name may stand and still be worth asking for.
RARE = 2
_NUMBERED = re.compile(
    r"^(?:(?:chapter|section|part|kapitel|abschnitt|appendix)\s+(?:\d+(?:\.\d+)*|[ivxlc]+|[a-z])[.):]?\s+"
    r"|(?:\d+(?:\.\d+)+[.):]?|(?:\d+|[ivxlc]+|[a-z])[.):])\s+)",
    re.IGNORECASE,
)
_EMPTY = frozenset(
    "introduction overview summary contents notes note references index appendix general misc other background about "
    "conclusion example examples faq details more information einleitung überblick inhalt zusammenfassung".split()
)
_DEFINITION = re.compile(
    r"^(?P<what>(?:(?:An?|The)\s+)?[A-Z]?[\w'’/-]+(?:\s+(?:of|and|for|[\w'’/-]+)){0,4}?)\s+(?P<verb>is|are|means|refers to)\s+"
    r"(?:an?|the|any|all|when|how)\s(?!(?:\w+ly )?(?:most|important|key|great|good|essential|vital|critical|valuable|best|same)\b)"
)
# "The two main regions are …" defines nothing.
_COUNTS = re.compile(
    r"\b(?:one|two|three|four|five|main|first|second|last|next|other|same|following|purpose|goal|result)\b",
    re.IGNORECASE,
)
_BEGINS_ELSEWHERE = re.compile(
    r"^(?:\W*)(?:this|that|these|those|it|its|they|them|he|she|his|her|there|here|such|so|also|however|therefore|thus|"
    r"but|and|or|then|if|when|what|which|who|how|where|why|you|your|we|our|i|one|each|both|some|many|most|all|another|"
    r"dies\w*|das|er|sie|es|hier|dort|auch|aber|und|wenn|ce|cette|ces|il|elle|ils|elles|este|esta|esto)\b",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"(?<![\w.,/-])(?:[$€£]\s?)?\d+(?:[.,:]\d+)*(?:\s?%|\s(?:percent|days?|weeks?|months?|years?|hours?|minutes?|people|euros?|dollars?|"
    r"GB|MB|km|miles?|Tage?n?|Wochen|Monate?n?|Jahre?n?|Stunden|Prozent|jours|semaines|mois|ans|heures|días|semanas|meses|"
    r"años|horas)\b)?(?![\w/-])"
)
# A row of a table, as it stands there or as a sentence.
_IS_TABLE = re.compile(r"\|| – ")
# Where a line break was lost, one sentence goes on in the next.
_GLUED = re.compile(r"[a-z)\d][.:;!?][A-Z][a-z ]|\.\d+\.$")
_SHOUTED = re.compile(r"\b[A-Z]{2,}(?:\W+[A-Z]{2,}){2,}")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'’&-]+(?: (?:of |and |the |de |der )?[A-Z][\w'’&-]+)+")


def sections_of(passages: Sequence[Passage]) -> list[SectionText]:
    """A document's sections in reading order, from its passages."""
    found: dict[tuple[object, ...], SectionText] = {}
    for passage in passages:
        key = (passage.headings, passage.context)
        text = unmarked(passage.context or passage.text)
        section = SectionText(passage.title, passage.headings, text, passage.document_id, frozenset({passage.chunk_id}))
        known = found.setdefault(key, section)
        found[key] = replace(known, chunks=known.chunks | section.chunks)
    return list(found.values())


def drafts(sections: Sequence[SectionText], namespace: str) -> list[Draft]:
    """All that can be asked about a document by these rules."""
    common = _common_names(sections)
    every = [draft for section in sections for draft in _about_sentences(section, namespace, common)]
    # A section that goes on over pages comes in several parts, of which the first says what it is about.
    opening = list({section.headings: section for section in reversed(sections)}.values())[::-1]
    every += [draft for section in opening for draft in _about_heading(section, namespace)]
    if len(opening) == 1:
        every += _about_whole(opening[0], namespace)
    return [*every, *_follow_ups(opening, namespace)]


def in_conversation(asked: Sequence[Draft]) -> list[Draft]:
    """The questions about one document, some of them asked after the one before."""
    made = list(asked)
    for number in range(1, len(asked), EVERY_NTH):
        if not asked[number].history and not asked[number - 1].history:
            made[number] = _after(asked[number - 1], asked[number])
    return made


def _after(first: Draft, draft: Draft) -> Draft:
    history = (Turn("user", first.question), Turn("assistant", _as_served(first.answer)))
    return replace(draft, kind=Kind.FOLLOW_UP, history=history)


def _about_heading(section: SectionText, namespace: str) -> Iterator[Draft]:
    wording = WORDINGS.get(language_of(section.text))
    if wording is None:
        return
    question, answer = _heading_question(section, wording), _opening(_units(section.text), section.heading)
    if question and answer:
        # Where the title does not say which document is meant, any passage about the same thing may answer.
        spoken = (_bare(section.heading),) if _holds_title(section) else ()
        yield replace(
            _draft(section, namespace), question=question, answer=answer, spoken=spoken, origin="rule: heading"
        )


def _about_whole(section: SectionText, namespace: str) -> Iterator[Draft]:
    """A document of one section is about its title, where no heading says more."""
    wording, title = WORDINGS.get(language_of(section.text)), _title(section)
    if wording is None or _heading_question(section, wording) or not _tells(title):
        return
    question = title if title.endswith("?") else wording.whole.format(title=title)
    # Many pages repeat their title as their first line.
    if answer := _opening(_units(section.text.strip().removeprefix(title)), title):
        base = _draft(section, namespace)
        yield replace(base, question=question, answer=answer, spoken=(title,), origin="rule: title")


def _about_sentences(section: SectionText, namespace: str, common: frozenset[str]) -> Iterator[Draft]:
    wording = WORDINGS.get(language_of(section.text))
    if wording is None:
        return
    base = _draft(section, namespace)
    for number, unit in enumerate(_units(section.text)):
        if "\n" in unit or not _stands_alone(unit):
            continue
        if definition := _defined(unit):
            question, what = definition
            yield replace(base, question=question, answer=unit, spoken=(what,), origin="rule: definition")
        elif number % EVERY_NTH == 0 and (gap := _gap(unit, common)):
            yield replace(base, question=wording.gap.format(text=gap), answer=unit, origin=GAP_RULE)


def _follow_ups(sections: Sequence[SectionText], namespace: str) -> Iterator[Draft]:
    """Two neighbouring sections: what one asks about the first leads to the second."""
    for first, second in pairwise(sections):
        wording = WORDINGS.get(language_of(second.text))
        if wording is None or not _tells(second.heading) or second.heading.endswith("?"):
            continue
        asked, before = _heading_question(first, wording), _opening(_units(first.text), first.heading)
        answer = _opening(_units(second.text), second.heading)
        if asked and before and answer:
            yield replace(
                _draft(second, namespace),
                kind=Kind.FOLLOW_UP,
                question=wording.next.format(heading=_bare(second.heading)),
                answer=answer,
                history=(Turn("user", asked), Turn("assistant", _as_served(before))),
                origin="rule: next heading",
            )


def _draft(section: SectionText, namespace: str) -> Draft:
    return Draft(Kind.DOCUMENT, namespace, "", "", frozenset({section.document}), section.chunks)


def _common_names(sections: Sequence[SectionText]) -> frozenset[str]:
    """Names that stand in so many sections that leaving one out asks nothing."""
    counted = Counter(name for section in sections for name in set(_NAME.findall(section.text)))
    return frozenset(name for name, count in counted.items() if count > RARE)


def _heading_question(section: SectionText, wording: Wording) -> str:
    heading = section.heading
    if not _tells(heading):
        return ""
    title = _title(section)
    if heading.endswith("?"):
        # "What is not covered?" is asked of many documents.
        is_clear = len(set(analyze(heading))) >= FEWEST_TERMS
        return _bare(heading) if is_clear else f"{title}: {_bare(heading)}"
    # "What does the handbook say about the handbook?"
    if _holds_title(section):
        more = set(analyze(heading)) - set(analyze(title))
        return "" if all(map(str.isdigit, more)) else wording.whole.format(title=_bare(heading))
    return wording.about.format(title=title, heading=_bare(heading))


def _holds_title(section: SectionText) -> bool:
    return set(analyze(_title(section))) <= set(analyze(section.heading))


def _title(section: SectionText) -> str:
    return section.title.strip().strip("“”\"'")


def _tells(heading: str) -> bool:
    words = set(_bare(heading).lower().split())
    return (
        3 <= len(heading) <= LONGEST_HEADING  # noqa: PLR2004 - letters
        and any(word.isalpha() for word in words)
        and not words <= _EMPTY
        and bool(analyze(heading))
        and not heading.endswith(":")
    )


def _bare(heading: str) -> str:
    return _NUMBERED.sub("", heading.strip().strip("#*_ ")) or heading.strip()


def _units(text: str) -> list[str]:
    """What can be quoted and cited line by line: no code, no tables' rows, no questions."""
    return [
        unit
        for unit in quotable(text)
        if FENCE not in unit and not _IS_TABLE.search(unit) and not unit.rstrip().endswith("?")
    ]


def _opening(units: Sequence[str], heading: str) -> str:
    """The first sentences, as many as an answer has.

    None where the section begins in the middle of one, or where they have no word of the heading.
    """
    if not units or not (_stands_alone(units[0]) or "\n" in units[0]):
        return ""
    chosen: list[str] = []
    for unit in units[:MOST_UNITS]:
        if sum(map(len, chosen)) + len(unit) > LONGEST_ANSWER or not _is_whole(unit):
            break
        chosen.append(unit)
    if not set(analyze(heading)) & {term for unit in chosen for term in analyze(unit)}:
        return ""
    return "\n".join(chosen) if any("\n" in unit for unit in chosen) else " ".join(chosen)


def _as_served(answer: str) -> str:
    """As it stood in the conversation: with a mark after each sentence."""
    lines = ([each if each.endswith(":") else f"{each} [1]" for each in sentences(line)] for line in answer.split("\n"))
    return "\n".join(" ".join(line) for line in lines)


def _stands_alone(unit: str) -> bool:
    """A whole sentence that refers to nothing before it."""
    words = {word.strip(".,;:()").lower() for word in unit.split()[:3]}
    return unit[0].isupper() and _is_whole(unit) and not _BEGINS_ELSEWHERE.match(unit) and not words & REFERRING


def _is_whole(unit: str) -> bool:
    """Ends as a sentence or a list does, and holds neither a heading nor a second sentence, as pages give them."""
    return ("\n" in unit or unit[-1] in ".!") and not _SHOUTED.search(unit) and not _GLUED.search(unit)


def _defined(unit: str) -> tuple[str, str] | None:
    """The question and what it asks for."""
    match = _DEFINITION.match(unit)
    if (
        match is None
        or len(match["what"]) > LONGEST_HEADING
        or not analyze(match["what"])
        or _COUNTS.search(match["what"])
    ):
        return None
    what = re.sub(r"^(An?|The)\b", lambda article: article.group().lower(), match["what"])
    question = f"What does {what} mean?" if match["verb"] in {"means", "refers to"} else f"What {match['verb']} {what}?"
    return question, what


def _gap(unit: str, common: frozenset[str]) -> str:
    """The sentence with its last figure or name left out; empty when it has none."""
    if not SHORTEST_GAP <= len(unit) <= LONGEST_GAP:
        return ""
    late = len(unit) // 2
    found = [*_FIGURE.finditer(unit)] or [
        match for match in _NAME.finditer(unit) if match.start() > late and match.group() not in common
    ]
    found = [match for match in found if unit.count(match.group()) == 1]
    return f"{unit[: found[-1].start()]}{GAP}{unit[found[-1].end() :]}" if found else ""
