"""`lorekeeper tune dataset` and `lorekeeper tune review`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from core.console import plain
from core.log import configure_for_command
from core.namespace import check_namespace
from core.settings import Settings, load
from tuning.dataset.personal import Policy

if TYPE_CHECKING:
    from tuning.dataset.make import Dataset, Options

SHORT_HASH = 12
FolderArgument = Annotated[Path, typer.Argument(help="The dataset's folder.", show_default=False)]


def dataset(
    folder: FolderArgument,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Only of this namespace (repeatable).")
    ] = None,
    golden: Annotated[
        list[Path] | None, typer.Option(help="Golden questions as JSON lines (repeatable).", show_default=False)
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(help="An OpenAI-compatible server whose model proposes questions. It gets the documents' text."),
    ] = "",
    teacher_model: Annotated[str, typer.Option(help="The model's name there.")] = "",
    teacher_key: Annotated[
        str, typer.Option(help="The server's key, if it asks for one.", envvar="TEACHER_API_KEY", show_envvar=True)
    ] = "",
    seed: Annotated[int, typer.Option(help="Draws what is chosen; the same seed chooses the same.")] = 1,
    most: Annotated[int, typer.Option(min=1, help="Examples at most.")] = 2000,
    most_per_document: Annotated[int, typer.Option(min=1, help="Questions made from one document at most.")] = 100,
    unanswerable: Annotated[float, typer.Option(min=0, max=0.8, help="Share of examples without an answer.")] = 0.2,
    test: Annotated[float, typer.Option(min=0, max=0.5, help="Share of the documents that is held out.")] = 0.2,
    personal_data: Annotated[
        Policy, typer.Option(help="What becomes of e-mail addresses, phone numbers and the like.")
    ] = (Policy.DROP),
    feedback: Annotated[bool, typer.Option(help="Use what people think of answers.")] = True,
    documents: Annotated[bool, typer.Option(help="Make questions from documents.")] = True,
    who_uses: Annotated[
        str, typer.Option(help="Make nothing; list the examples in the folder that use this document or person.")
    ] = "",
) -> None:
    """Make a dataset from documents, golden questions and feedback."""
    if who_uses:
        _list_uses(folder, who_uses)
        return
    from tuning.dataset.files import check_free
    from tuning.dataset.make import Options

    check_free(folder)
    options = Options(
        namespaces=tuple(map(check_namespace, namespace or ())),
        golden=tuple(golden or ()),
        seed=seed,
        most=most,
        most_per_document=most_per_document,
        unanswerable_share=unanswerable,
        test_share=test,
        personal=personal_data,
        with_feedback=feedback,
        with_documents=documents,
    )
    settings = load()
    configure_for_command(settings.log)
    with _progress() as report:
        made = _make(settings, folder, options, (teacher, teacher_model, teacher_key), report)
    sys.stdout.write(_summary(made, folder))


def review(folder: FolderArgument) -> None:
    """Walk through a dataset's examples: accept, reject or edit each. It goes on where it was left."""
    from tuning.dataset.files import read_examples
    from tuning.dataset.review import apply, keep, read_decisions
    from tuning.dataset.review_screen import HELP, Review

    examples, decided = read_examples(folder), read_decisions(folder)
    sys.stdout.write(f"{HELP}\n")
    Review(examples, decided, input, print, lambda decision: keep(folder, [decision])).walk()
    done = apply(examples, decided)
    sys.stdout.write(
        f"Accepted: {done.accepted}, rejected: {done.rejected}, edited: {done.edited}, open: {done.open}.\n"
    )


def _make(
    settings: Settings,
    folder: Path,
    options: Options,
    teacher: tuple[str, str, str],
    report: Callable[[str, int, int], None],
) -> Dataset:
    from core.build import open_application, open_embedder
    from core.store.engine import open_engine
    from tuning.dataset.files import TEACHER, write_folder
    from tuning.dataset.make import make_dataset
    from tuning.dataset.teacher import open_teacher

    with ExitStack() as parts:
        application = open_application(settings, "lorekeeper tune dataset", through_owner=False)
        parts.callback(application.close)
        engine = open_engine(settings.database_url, settings.data_dir)
        parts.callback(engine.dispose)
        embedder = open_embedder(settings)
        parts.callback(embedder.close)
        asked = None
        if teacher[0]:
            asked = open_teacher(*teacher, embedder.count_tokens, folder / TEACHER)
        made = asyncio.run(make_dataset(application, engine, embedder.count_tokens, options, asked, report))
        made_with = _made_with(options, application.identity, settings, asked.name if asked else "")
        write_folder(folder, texts(made, options, made_with, embedder.count_tokens))
    return made


def texts(
    made: Dataset, options: Options, made_with: dict[str, Any], count_tokens: Callable[[str], int]
) -> dict[str, str]:
    """The folder's files by their names."""
    from tuning.dataset import files
    from tuning.dataset.card import card
    from tuning.dataset.serving import fingerprint
    from tuning.dataset.types import Split

    rows = {
        name: files.json_lines(files.example_row(each) for each in made.examples if each.split is split)
        for name, split in ((files.TRAIN, Split.TRAIN), (files.TEST, Split.TEST))
    }
    rows[files.PREFERENCES] = files.json_lines(map(files.preference_row, made.preferences))
    rows[files.CARD] = card(made.examples, made.preferences, made.dropped, made.notes, options.personal, count_tokens)
    index = files.lineage_index(made.examples, made.preferences)
    return rows | {files.MANIFEST: files.manifest(rows, made_with, fingerprint(), index)}


def _made_with(options: Options, embedding: str, settings: Settings, teacher: str) -> dict[str, Any]:
    """All that decides about the dataset beside documents and feedback; no paths, which differ between machines."""
    return {
        "namespaces": sorted(options.namespaces),
        "golden": {f"{path.parent.name}/{path.name}": _sha256(path) for path in options.golden},
        "seed": options.seed,
        "most": options.most,
        "most_per_document": options.most_per_document,
        "unanswerable": options.unanswerable_share,
        "test": options.test_share,
        "personal_data": options.personal.value,
        "feedback": options.with_feedback,
        "documents": options.with_documents,
        "teacher": teacher,
        "embedding": embedding,
        "retrieval": settings.retrieval.model_dump(),
        "context_tokens": settings.generation.context_tokens,
        "max_tokens": settings.generation.max_tokens,
    }


def _sha256(path: Path) -> str:
    from tuning.dataset.files import sha256

    return sha256(path.read_text(encoding="utf-8"))


def _summary(made: Dataset, folder: Path) -> str:
    train = sum(example.split.value == "train" for example in made.examples)
    lines = [
        f"Examples: {train} to train, {len(made.examples) - train} to test. Preference pairs: {len(made.preferences)}.",
        *(f"Note: {plain(note)}" for note in made.notes),
        f"What is in it: {folder / 'card.md'}. To look through it: lorekeeper tune review {quote(str(folder))}",
    ]
    return "\n".join(lines) + "\n"


def _list_uses(folder: Path, wanted: str) -> None:
    from tuning.dataset.files import lineage_uses, read_manifest

    hashes = lineage_uses(read_manifest(folder), wanted)
    if not hashes:
        sys.stdout.write(f"Nothing in {folder} was made from it.\n")
        return
    for each in hashes:
        sys.stdout.write(f"{each}\n")
    sys.stderr.write(f"{len(hashes)} examples and pairs use it.\n")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage, on standard error and only where somebody looks at it."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        stages: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(stage, total=total)
            bar.update(stages[stage], completed=done, total=total)

        yield report
