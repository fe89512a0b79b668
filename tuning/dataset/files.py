"""A dataset as a folder: JSON lines for training, a card for people, a manifest for programs."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from core.errors import InvalidRequest, StorageFailed
from tuning.dataset.types import (
    Arrangement,
    DocumentUse,
    Example,
    Kind,
    Lineage,
    Preference,
    Split,
    as_messages,
    digest,
    person,
)

TRAIN, TEST, PREFERENCES = "train.jsonl", "test.jsonl", "preferences.jsonl"
CARD, MANIFEST, REVIEW, TEACHER = "card.md", "manifest.json", "review.jsonl", "teacher.jsonl"
OWN = (TRAIN, TEST, PREFERENCES, CARD, MANIFEST, REVIEW, TEACHER)
FORMAT = 1
SHORTEST_PREFIX = 6
Row = dict[str, Any]


def example_row(example: Example) -> Row:
    """As it stands on its line; `messages` is what trainers read."""
    return {
        "hash": example.hash,
        "kind": example.kind.value,
        "namespace": example.namespace,
        "split": example.split.value,
        "is_answered": example.is_answered,
        "arrangement": example.arrangement.value,
        "origin": example.origin,
        "masked": example.masked,
        "messages": [*as_messages(example.prompt), {"role": "assistant", "content": example.answer}],
        "lineage": asdict(example.lineage),
    }


def preference_row(pair: Preference) -> Row:
    """As it stands on its line: `prompt`, `chosen` and `rejected` are lists of messages."""
    return {
        "hash": pair.hash,
        "namespace": pair.namespace,
        "prompt": as_messages(pair.prompt),
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
        "lineage": asdict(pair.lineage),
    }


def read_examples(folder: Path) -> list[Example]:
    """All examples as they were made, in the order of their hashes. Raises `InvalidRequest` with the line that is wrong."""
    if not (folder / MANIFEST).is_file():
        raise InvalidRequest(f"{folder} is no dataset. Make one with: lorekeeper tune dataset {quote(str(folder))}")
    found = [_example(row, where) for name in (TRAIN, TEST) for row, where in _rows(folder / name)]
    return sorted(found, key=lambda example: example.hash)


def read_preferences(folder: Path) -> list[Preference]:
    """All pairs as they were made. Raises `InvalidRequest` with the line that is wrong."""
    return [_preference(row, where) for row, where in _rows(folder / PREFERENCES)]


def read_manifest(folder: Path) -> Row:
    """Raises `InvalidRequest`."""
    try:
        row = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"{folder} is no dataset. Make one with: lorekeeper tune dataset {quote(str(folder))}"
        ) from error
    if not isinstance(row, dict) or row.get("format") != FORMAT:
        raise InvalidRequest(f"{folder} was made by another version of Lorekeeper. Make the dataset again.")
    return row


def check_free(folder: Path) -> None:
    """Raises `InvalidRequest` when writing a dataset there would mix it with something else."""
    if folder.exists() and not folder.is_dir():
        raise InvalidRequest(f"{folder} is a file. Name a folder for the dataset.")
    if folder.is_dir() and not (folder / MANIFEST).is_file():
        # Of a run that was killed, anything of a dataset may be there.
        others = [each.name for each in folder.iterdir() if not each.name.lstrip(".").startswith(OWN)]
        if others:
            raise InvalidRequest(f"{folder} holds other files ({others[0]}). Name a new or empty folder.")


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Each file appears whole; without a manifest, which is written last, they are no dataset. For the owner's eyes only.

    Raises `StorageFailed`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in sorted(texts, key=lambda name: name == MANIFEST):
            write_text(folder / name, texts[name])
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror}.") from error


def for_owner(path: str, flags: int) -> int:
    """Opens a file that only its owner may read."""
    return os.open(path, flags, 0o600)


def write_text(path: Path, text: str) -> None:
    """The file as a whole, or not at all. Raises `OSError`."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def add_rows(path: Path, rows: Iterable[Row]) -> None:
    """Add lines to a file that only the owner may read, in a folder that is made. Raises `StorageFailed`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(path, "a+b", opener=for_owner) as file:
            # A line that was being written when the process was killed must not swallow the next one.
            if file.tell() and not _ends_with_line_break(path):
                file.write(b"\n")
            # Models may write halves of surrogate pairs.
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(errors="replace"))
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.") from error


def added_rows(path: Path) -> Iterator[Row]:
    """What can be read of such a file, which need not exist."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.split("\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _ends_with_line_break(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def json_lines(rows: Iterable[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def manifest(texts: Mapping[str, str], made_with: Row, prompt: str, lineage: Row) -> str:
    """`texts` by file name; `lineage` from `lineage_index`."""
    files = {name: sha256(text) for name, text in sorted(texts.items())}
    row = {
        "format": FORMAT,
        "hash": digest(files),
        "files": files,
        "made_with": made_with,
        "prompt_fingerprint": prompt,
        "lineage": lineage,
    }
    return json.dumps(row, ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def lineage_index(examples: Sequence[Example], pairs: Sequence[Preference]) -> Row:
    """By document id and by person, the hashes of the examples and pairs that they are in."""
    documents: dict[str, set[str]] = {}
    people: dict[str, set[str]] = {}
    every = [(each.hash, each.lineage) for each in examples] + [(each.hash, each.lineage) for each in pairs]
    for name, lineage in every:
        for document in used_documents(lineage):
            documents.setdefault(document, set()).add(name)
        for one in lineage.people:
            people.setdefault(one, set()).add(name)
    return {
        "documents": {name: sorted(hashes) for name, hashes in sorted(documents.items())},
        "people": {name: sorted(hashes) for name, hashes in sorted(people.items())},
    }


def lineage_uses(row: Row, wanted: str) -> list[str]:
    """Hashes of what was made from a document, by its id or a unique beginning, or from a person, by their stored id.

    `row` is a manifest. Raises `InvalidRequest` when several documents' ids begin so, or the beginning is too short.
    """
    documents, people = row["lineage"]["documents"], row["lineage"]["people"]
    named = people.get(wanted) or people.get(person(wanted))
    if named:
        return sorted(named)
    begin = [wanted] if wanted in documents else [each for each in documents if each.startswith(wanted)]
    check_beginning(wanted, begin)
    if len(begin) > 1:
        raise InvalidRequest(f"More than one document's id begins with {wanted}. Give more of it.")
    return sorted(documents[begin[0]]) if begin else []


def check_beginning(wanted: str, begin: Collection[str]) -> None:
    """`begin`: ids of documents that begin so. Raises `InvalidRequest` for too little of an id, which tells none apart."""
    if begin and len(wanted) < SHORTEST_PREFIX and wanted not in begin:
        raise InvalidRequest(f"Give more of the document's id than {wanted!r}: at least {SHORTEST_PREFIX} characters.")


def used_documents(lineage: Lineage) -> set[str]:
    """Ids of all documents that an example has anything of."""
    return {use.document_id for use in (*lineage.answer, *lineage.shown)} | {*lineage.hidden, *lineage.quoted}


def _rows(path: Path) -> Iterator[tuple[Row, str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} cannot be read: it is not text in UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                yield json.loads(line), where
            except ValueError as error:
                raise InvalidRequest(f"{where}, is not a JSON object.") from error


def _example(row: Row, where: str) -> Example:
    try:
        *prompt, answer = [(str(each["role"]), str(each["content"])) for each in row["messages"]]
        return Example(
            kind=Kind(row["kind"]),
            namespace=str(row["namespace"]),
            split=Split(row["split"]),
            prompt=tuple(prompt),
            answer=answer[1],
            is_answered=bool(row["is_answered"]),
            arrangement=Arrangement(row["arrangement"]),
            origin=str(row["origin"]),
            lineage=_lineage(row["lineage"]),
            masked=int(row["masked"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{where}, is not an example of a dataset.") from error


def _preference(row: Row, where: str) -> Preference:
    try:
        prompt = tuple((str(each["role"]), str(each["content"])) for each in row["prompt"])
        chosen, rejected = (str(row[name][0]["content"]) for name in ("chosen", "rejected"))
        return Preference(str(row["namespace"]), prompt, chosen, rejected, _lineage(row["lineage"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{where}, is not a pair of a dataset.") from error


def _lineage(row: Row) -> Lineage:
    return Lineage(
        _uses(row["answer"]),
        _uses(row["shown"]),
        tuple(row["numbered"]),
        tuple(row["hidden"]),
        tuple(row.get("quoted", ())),
        tuple(row["people"]),
        str(row["feedback"]),
        str(row["golden"]),
    )


def _uses(rows: Sequence[Row]) -> tuple[DocumentUse, ...]:
    return tuple(DocumentUse(row["document_id"], int(row["version"]), tuple(row["chunk_ids"])) for row in rows)
