"""Documents, golden questions and feedback to a dataset, from top to bottom.

The same documents, feedback, options and seed give the same bytes: every order and every choice is drawn from a digest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy.engine import Engine

from core.build import Application
from core.errors import InvalidRequest
from core.ports import CountTokens
from core.responder import Responder
from core.store.documents import DocumentStore
from core.types import Document, DocumentStatus, Passage
from tuning.dataset.balance import drawn_first, in_turn, quotas, unanswerable_quota
from tuning.dataset.building import NOT_FOUND, Builder, Built, NotMade
from tuning.dataset.cleaning import Rules, clean, leaks, own_languages
from tuning.dataset.golden import Names, draft, read_golden
from tuning.dataset.languages import language_of
from tuning.dataset.personal import Policy
from tuning.dataset.preferences import preferences
from tuning.dataset.questions import WORDINGS, SectionText, drafts, in_conversation, sections_of
from tuning.dataset.rated import RatedAnswer, corrections, liked, read_rated
from tuning.dataset.serving import serving_of
from tuning.dataset.splitting import divide
from tuning.dataset.teacher import Teacher
from tuning.dataset.types import Draft, Example, Kind, Preference, Split, digest

PAGE = 500
NOT_NEEDED = "unanswerable, and refused before a model is asked"
# A section with fewer words is a caption or a stub: a teacher would make something up about it.
FEWEST_WORDS = 12
IN_ANY_LANGUAGE = (
    "The rules ask in English, German, French and Spanish; a model that is named with --teacher asks in others."
)
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose."""

    namespaces: tuple[str, ...] = ()
    """Empty means all that hold a document."""
    golden: tuple[Path, ...] = ()
    seed: int = 1
    most: int = 2000
    most_per_document: int = 100
    unanswerable_share: float = 0.2
    test_share: float = 0.2
    personal: Policy = Policy.DROP
    with_feedback: bool = True
    with_documents: bool = True


@dataclass(frozen=True, slots=True)
class Material:
    """What examples are made of: documents that everybody in their namespace may read, and what people said."""

    documents: tuple[Document, ...]
    passages: dict[str, list[Passage]]
    rated: tuple[RatedAnswer, ...]
    restricted: int
    """Documents left out because not everybody may read them."""

    @property
    def namespace_of(self) -> dict[str, str]:
        return {document.id: document.namespace for document in self.documents}


@dataclass(frozen=True, slots=True)
class Dataset:
    """The examples, and all that its card tells."""

    examples: tuple[Example, ...]
    preferences: tuple[Preference, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


async def make_dataset(
    application: Application,
    engine: Engine,
    count_tokens: CountTokens,
    options: Options,
    teacher: Teacher | None,
    report: Report,
) -> Dataset:
    """Raises `InvalidRequest` when nothing can be made, `GenerationFailed` when the teacher fails, `StorageFailed`."""
    responder = application.asker
    if not isinstance(responder, Responder) or application.record is None:
        raise InvalidRequest("A dataset is made in the process that owns the data folder.")
    if not (options.with_documents or options.with_feedback or options.golden):
        raise InvalidRequest(
            "Nothing is left to make examples from. Leave out --no-documents or --no-feedback, or add --golden FILE."
        )
    there = responder.store.namespaces()
    namespaces = options.namespaces or tuple(there)
    material = await asyncio.to_thread(_collect, responder.store, application, engine, namespaces, options)
    if not material.documents:
        raise InvalidRequest(_nothing_to_read(options.namespaces, there))
    report("dividing", 0, 1)
    division = await asyncio.to_thread(
        divide, material.passages, material.namespace_of, options.seed, options.test_share
    )
    serving = serving_of(responder, application.settings, count_tokens, options.personal)
    builder = Builder(serving, division, options.seed)
    dropped: Counter[str] = Counter()

    from_people = drawn_first(_from_people(material, namespaces, options, dropped), options.seed)
    from_documents = await _from_documents(material, options, teacher, report, dropped)
    built = await _build(builder, from_people, from_documents, options, report, dropped)

    beginnings = _beginnings(material)
    longest_answer = application.settings.generation.max_tokens
    rules = Rules(count_tokens, serving.budget, longest_answer, own_languages(beginnings))
    cleaned = await asyncio.to_thread(clean, [each.example for each in built], rules)
    dropped.update(cleaned.dropped)
    if not cleaned.kept:
        raise InvalidRequest(f"No example could be made. {_reasons(dropped, options)}")
    if leaked := leaks(cleaned.kept):
        raise AssertionError(f"held-out documents are in training examples: {leaked}")
    kept = {example.hash for example in cleaned.kept}
    rated = [each for each in material.rated if not each.documents & division.held_out]
    pairs = preferences([each for each in built if each.example.hash in kept], rated, options.personal)
    easy = sum(not each.is_asked and each.example.hash in kept for each in built)
    examples = tuple(sorted(cleaned.kept, key=lambda example: example.hash))
    notes = _notes(material, examples, easy)
    if teacher is None and options.with_documents:
        notes += _unworded(beginnings)
    return Dataset(examples, tuple(pairs), dict(sorted((+dropped).items())), tuple(notes))


def _collect(
    store: DocumentStore, application: Application, engine: Engine, namespaces: Collection[str], options: Options
) -> Material:
    documents: list[Document] = []
    restricted = 0
    for namespace in sorted(set(namespaces)):
        offset = 0
        while True:
            page, total = store.page(namespace, PAGE, offset, DocumentStatus.READY)
            documents += [document for document in page if not document.readers]
            restricted += sum(bool(document.readers) for document in page)
            offset += len(page)
            if offset >= total or not page:
                break
    documents.sort(key=lambda document: document.id)
    passages = {document.id: store.passages_of(document.id) for document in documents}
    assert application.record is not None  # noqa: S101 - the caller has looked
    rated = read_rated(engine, application.record.conversations, namespaces, passages) if options.with_feedback else []
    return Material(tuple(documents), passages, tuple(rated), restricted)


def _from_people(material: Material, namespaces: Sequence[str], options: Options, dropped: Counter[str]) -> list[Draft]:
    """Corrections first: of what repeats another, the first stays."""
    changed = {document.id: document.updated_at for document in material.documents}
    made = [*corrections(material.rated), *liked(material.rated, changed)]
    if options.golden and len(set(namespaces)) != 1:
        raise InvalidRequest("Golden questions are about one namespace: name it with --namespace.")
    for path in options.golden:
        names = Names(material.documents)
        for question in read_golden(path):
            found = draft(question, names, material.passages, namespaces[0], f"golden: {path.parent.name}/{path.name}")
            if isinstance(found, Draft):
                made.append(found)
            else:
                dropped[found] += 1
    return made


async def _from_documents(
    material: Material, options: Options, teacher: Teacher | None, report: Report, dropped: Counter[str]
) -> list[Draft]:
    if not options.with_documents:
        return []
    of_document: dict[str, list[Draft]] = {}
    sections: dict[str, list[SectionText]] = {}
    for document in material.documents:
        sections[document.id] = await asyncio.to_thread(sections_of, material.passages[document.id])
        by_rule = await asyncio.to_thread(drafts, sections[document.id], document.namespace)
        # A teacher asks better than the rules, except that it sees one section at a time.
        of_document[document.id] = by_rule if teacher is None else [each for each in by_rule if each.history]
    if teacher is not None:
        for namespace, asked in _for_teacher(sections, material.namespace_of, options).items():
            proposed, refused = await teacher.drafts(
                asked, namespace, partial(report, f"asking the teacher about {namespace}")
            )
            for each in proposed:
                of_document[next(iter(each.documents))].append(each)
            dropped["proposed by the teacher, but unclear or not supported"] += refused
        dropped["a passage that the teacher said nothing about"] += teacher.failed
    made = [draft for asked in of_document.values() for draft in in_conversation(asked)]
    return in_turn(made, options.seed, options.most_per_document)


def _for_teacher(
    sections: Mapping[str, Sequence[SectionText]], namespace_of: Mapping[str, str], options: Options
) -> dict[str, list[SectionText]]:
    """By namespace, the sections that are asked about: each document in turn, and no more than examples are wanted."""
    ranked: dict[str, list[tuple[int, str, SectionText]]] = {name: [] for name in sorted(set(namespace_of.values()))}
    for document, those in sections.items():
        telling = [section for section in those if len(section.text.split()) >= FEWEST_WORDS]
        drawn = sorted(
            ((digest([options.seed, document, each.headings, each.text]), each) for each in telling),
            key=lambda place: place[0],
        )
        ranked[namespace_of[document]] += [
            (turn, lot, each) for turn, (lot, each) in enumerate(drawn[: options.most_per_document])
        ]
    most = quotas({name: len(those) for name, those in ranked.items()}, options.most)
    return {
        name: [each for _, _, each in sorted(those, key=lambda place: place[:2])[: most[name]]]
        for name, those in ranked.items()
    }


async def _build(
    builder: Builder,
    from_people: Sequence[Draft],
    from_documents: Sequence[Draft],
    options: Options,
    report: Report,
    dropped: Counter[str],
) -> list[Built]:
    """What people gave comes first, documents fill up; then no-answers, as their share is."""
    every = [*from_people, *from_documents]
    answered, missed = await _answered(builder, [each for each in every if each.answer], options, report, dropped)
    # Questions that people wrote and search fails first; then those that others answer, with their documents kept out.
    hidden = drawn_first([each.draft for each in answered], options.seed)
    candidates = [(each, False) for each in (*(each for each in every if not each.answer), *missed)]
    candidates += [(each, True) for each in hidden]
    return answered + await _unanswered(builder, candidates, answered, options, report, dropped)


async def _answered(
    builder: Builder, drafts: Sequence[Draft], options: Options, report: Report, dropped: Counter[str]
) -> tuple[list[Built], list[Draft]]:
    """The examples, and the golden questions that search fails."""
    most = round(options.most * (1 - options.unanswerable_share))
    available = Counter(each.namespace for each in drafts)
    left = dict(
        place
        for name, size in quotas(available, most).items()
        for place in _places(name, size, options, is_scarce=size == available[name])
    )
    built: list[Built] = []
    missed: list[Draft] = []
    for number, each in enumerate(drafts, start=1):
        report("searching", number, len(drafts))
        split = builder.division.split_of(each.documents, each.question)
        if split is not None and left[each.namespace, split] <= 0:
            continue
        try:
            made = await builder.answered(each)
        except NotMade as why:
            dropped[why.reason] += 1
            missed += [each] if each.kind is Kind.GOLDEN and why.reason == NOT_FOUND else []
        else:
            left[each.namespace, made.example.split] -= 1
            built.append(made)
    return built, missed


async def _unanswered(
    builder: Builder,
    candidates: Sequence[tuple[Draft, bool]],
    answered: Sequence[Built],
    options: Options,
    report: Report,
    dropped: Counter[str],
) -> list[Built]:
    """`candidates` with whether their documents are to be kept out; so many that each split has the same share.

    What serving refuses by itself a model hardly has to learn: it is taken only where there is not enough else.
    """
    beside = Counter((each.example.namespace, each.example.split) for each in answered)
    left = {place: unanswerable_quota(count, options.unanswerable_share) for place, count in beside.items()}
    built: list[Built] = []
    easy: list[Built] = []
    for number, (each, hide) in enumerate(candidates, start=1):
        report("searching for what does not answer", number, len(candidates))
        split = builder.division.split_of(each.documents, each.question)
        if split is None or left.get((each.namespace, split), 0) <= 0:
            continue
        try:
            made = await builder.unanswered(each, hide=hide)
        except NotMade as why:
            dropped[why.reason] += 1
        else:
            (built if made.is_asked else easy).append(made)
            left[each.namespace, split] -= made.is_asked
    for made in easy:
        place = (made.example.namespace, made.example.split)
        if left[place] > 0:
            left[place] -= 1
            built.append(made)
        else:
            dropped[NOT_NEEDED] += 1
    return built


def _places(namespace: str, size: int, options: Options, *, is_scarce: bool) -> list[tuple[tuple[str, Split], int]]:
    """How many examples of a namespace each split gets; where all there are can be taken, all are."""
    test = round(size * options.test_share)
    train = size - test
    return [
        ((namespace, Split.TEST), size if is_scarce else test),
        ((namespace, Split.TRAIN), size if is_scarce else train),
    ]


def _beginnings(material: Material) -> dict[str, list[str]]:
    """Of the documents, by namespace."""
    texts: dict[str, list[str]] = {}
    for document in material.documents:
        beginning = " ".join(passage.text for passage in material.passages[document.id][:5])
        texts.setdefault(document.namespace, []).append(beginning)
    return texts


def _unworded(beginnings: Mapping[str, Sequence[str]]) -> list[str]:
    languages = [language_of(text) for texts in beginnings.values() for text in texts]
    count = sum(language not in {"", *WORDINGS} for language in languages)
    documents = f"{count} document{'' if count == 1 else 's'}"
    return [f"Nothing is asked about {documents}, because of the language. {IN_ANY_LANGUAGE}"] if count else []


def _notes(material: Material, examples: Sequence[Example], easy: int) -> list[str]:
    notes = []
    if material.restricted:
        count = material.restricted
        notes.append(
            f"{count} document{' is' if count == 1 else 's are'} left out, because not everybody in the namespace may "
            "read them: what a model has learned it tells everybody."
        )
    if easy:
        notes.append(
            f"{easy} of the no-answers are easy: with these passages, the search refuses the question before a model is asked."
        )
    if not any(example.split is Split.TEST for example in examples):
        notes.append(
            "There are no test examples: the documents are too few, or too much alike, to hold some out. Add golden "
            "questions or more documents before you trust a comparison."
        )
    if not any(example.split is Split.TRAIN for example in examples):
        notes.append(
            "There are no training examples: nothing could be asked about the documents that are not held out."
        )
    return notes


def _nothing_to_read(asked: Sequence[str], there: Sequence[str]) -> str:
    """`there`: the namespaces that hold a document."""
    said, add = "There are no documents that everybody may read", "Add some with: lorekeeper documents add FOLDER"
    if not asked:
        return f"{said}. {add}"
    others = [each for each in there if each not in asked]
    elsewhere = f" There are documents in {' and '.join(others)}." if others else ""
    return f"{said} in the namespace {' or '.join(asked)}.{elsewhere} {add} --namespace {asked[0]}"


def _reasons(dropped: Counter[str], options: Options) -> str:
    said = "; ".join(f"{reason} ({count})" for reason, count in dropped.most_common(3))
    if said:
        return f"Most were dropped because: {said}."
    if not options.with_documents:
        return "No rated answer and no golden question was found. Leave out --no-documents to ask about documents."
    return f"The documents hold no headings or sentences to ask about by rule. {IN_ANY_LANGUAGE}"
