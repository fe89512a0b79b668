"""`lorekeeper eval report`: the benchmark page and its pictures, from recorded runs.

`render` makes the text from runs and is pure; `write` reads and writes the files.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from core.errors import InvalidRequest
from evals import model_sections, plots, sections
from evals.record import COMMANDS, Run, load, write_whole
from evals.sections import Part
from evals.tables import Rows, amount, keys, listed, number, plain, text

NOTES = "notes.toml"
ALT_TEXTS = {
    plots.QUALITY_AND_TIME: "nDCG@10 against the median query time, one point per system and data set",
    plots.QUALITY: "nDCG@10 of each system by data set",
    plots.ABSTAINING: "Precision against recall of not answering unanswerable questions, one curve per data set",
    plots.GROWTH: "Median query time and memory against the number of chunks in the index",
    plots.INGEST: "Documents indexed per second and share of the time spent embedding, by system",
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page. `key` is its name in notes.toml, `run` the recorded run that it tells about."""

    key: str
    run: str
    heading: str
    tell: Callable[[Rows], Part]
    pictures: tuple[str, ...] = ()
    level: int = 2


SECTIONS = (
    Section(
        "peers",
        "peers",
        "Is Lorekeeper better than LangChain, LlamaIndex or Haystack?",
        sections.peers,
        (plots.QUALITY, plots.QUALITY_AND_TIME, plots.INGEST),
    ),
    Section("retrieval", "retrieval", "How well does Lorekeeper find the right documents?", sections.retrieval),
    Section("ablation", "ablation", "What is each idea in retrieval worth?", sections.ablation),
    Section("answers", "answers", "How good are the answers?", sections.answers),
    Section(
        "abstaining",
        "calibration",
        "How well does Lorekeeper know when not to answer?",
        sections.abstaining,
        (plots.ABSTAINING,),
    ),
    Section("ingest", "ingest", "How fast does Lorekeeper index documents?", sections.ingest, level=3),
    Section("small", "small", "Does indexing slow down with many documents?", sections.small, level=3),
    Section("queries", "retrieval", "How fast does Lorekeeper find passages?", sections.queries, level=3),
    Section(
        "growth",
        "growth",
        "How much memory and time does Lorekeeper need with many documents?",
        sections.growth,
        (plots.GROWTH,),
        level=3,
    ),
    Section("load", "load", "How many questions per second can Lorekeeper answer?", sections.load, level=3),
    Section("serving", "serving", "How fast does Lorekeeper start?", sections.serving, level=3),
    Section(
        "model-serving",
        "model-serving",
        "How fast is vLLM through Lorekeeper?",
        model_sections.model_serving,
        level=3,
    ),
    Section("tuning", "tuning", "How fast does Lorekeeper train a model?", model_sections.tuning, level=3),
)
SPEED = "How fast is Lorekeeper?"
# Sections of the page without a run of their own; notes.toml may add to them, too.
FREE = ("machine", "speed", "yourself")
INTRODUCTION = """\
What was measured of Lorekeeper's retrieval, answers and speed, on which machine and by which command.
Every figure and every sentence with a figure on this page was written by `lorekeeper eval report` from recorded runs.
nDCG@10 says how far up the right documents stand among the first ten that are found: 1 is best, 0 is none found.
"""
YOURSELF = """\
To measure Lorekeeper on your own documents and questions, make a folder with two files and name it in the place of `DIR…`.
`corpus.jsonl` has one document on each line, and `questions.jsonl` one question, with the documents that answer it:

```json
{"doc_id": "leave", "title": "Annual leave", "text": "You accrue 13 days of annual leave per year."}
```

```json
{"qid": "1", "question": "How many days of leave do I get?", "gold_doc_ids": ["leave"], "answers": ["13"], "answerable": true}
```

Every command indexes each folder apart from your own documents, and prints a table, or JSON with `--json`.
`--save FOLDER` records the run, and `lorekeeper eval report --results FOLDER --page FILE` writes a page like this one from the recorded runs.
The systems that Lorekeeper is compared with run in environments of their own, which `python -m evals.peers.setup` makes.
The pictures need matplotlib: `pip install --constraint constraints.txt --editable '.[eval]'`.
"""


def write(results: Path, page: Path, images: Path) -> list[Path]:
    """Write the page and its pictures from the runs in `results`; returns what was written, the page first.

    Raises `InvalidRequest` when a recorded run or notes.toml cannot be read or a file cannot be written, and
    `MissingExtra` without matplotlib; then nothing was written.
    """
    runs, notes = load(results), read_notes(results / NOTES)
    pictures = plots.draw({name: run.rows for name, run in runs.items()})
    folder = Path(os.path.relpath(images, page.parent)).as_posix()
    body = render(runs, notes, {name: quote(f"{folder}/{name}") for name in pictures})
    files = {page: body.encode(), **{images / name: data for name, data in pictures.items()}}
    for path, data in files.items():
        write_whole(path, data)
    return list(files)


def read_notes(path: Path) -> dict[str, str]:
    """Text to add by section; none when there is no such file. Raises `InvalidRequest`."""
    try:
        notes = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InvalidRequest(f"{path} is not TOML: {error}.") from error
    known = [*(section.key for section in SECTIONS), *FREE]
    for key, note in notes.items():
        if key not in known:
            raise InvalidRequest(f"{path}: there is no section {key}. Sections are: {', '.join(known)}.")
        if not isinstance(note, str):
            raise InvalidRequest(f"{path}: {key} is not a text.")
    return notes


def render(runs: Mapping[str, Run], notes: Mapping[str, str], pictures: Mapping[str, str]) -> str:
    """The page. `notes`: Markdown by section; `pictures`: where each picture lies, seen from the page."""
    parts = {section.key: section.tell(runs[section.run].rows) for section in SECTIONS if section.run in runs}
    blocks = ["# Benchmarks", INTRODUCTION.strip(), *_machine(runs), *_note(notes, "machine")]
    for section in SECTIONS:
        if section.level > 2 and f"## {SPEED}" not in blocks:  # noqa: PLR2004
            blocks += [f"## {SPEED}", *_speed(parts), *_note(notes, "speed")]
        blocks += _section(section, runs.get(section.run), parts.get(section.key), pictures)
        blocks += _note(notes, section.key)
    blocks += ["## How do I run these measurements myself?", YOURSELF.strip(), *_commands(), *_note(notes, "yourself")]
    return "\n\n".join(blocks) + "\n"


def _machine(runs: Mapping[str, Run]) -> list[str]:
    """Runs of the same machine and versions are told together."""
    told: dict[tuple[str, str], list[str]] = {}
    shown = {section.run: runs[section.run] for section in SECTIONS if section.run in runs}
    for name, run in shown.items():
        told.setdefault((_described(run), _versions(run)), []).append(name)
    sentences = [
        f"{'The figures' if len(told) == 1 else f'The figures of {listed(names)}'} were measured on {machine}, "
        f"with {versions}."
        for (machine, versions), names in told.items()
    ]
    return ["## On which machine was this measured?", *sentences] if told else []


def _described(run: Run) -> str:
    machine = run.machine
    cores, memory, python = number(machine, "cores"), number(machine, "memory_gb"), machine.get("python")
    parts = [
        f"{cores:.0f} core{'s' if cores != 1 else ''}" if cores is not None else "",
        f"{amount(memory)} GB of memory" if memory is not None else "",
        "a GPU in the machine" if machine.get("gpu") else "no GPU",
        text(machine.get("system") or ""),
        f"Python {text(python)}" if python else "",
    ]
    return ", ".join([f"{text(machine.get('processor') or 'an unnamed processor')}", *filter(None, parts)])


def _versions(run: Run) -> str:
    return (
        listed([f"{text(package)} {text(version)}" for package, version in run.versions.items()]) or "no versions known"
    )


def _speed(parts: Mapping[str, Part]) -> list[str]:
    """The first sentence of each of its sections."""
    told = [parts[section.key] for section in SECTIONS if section.level > 2 and section.key in parts]  # noqa: PLR2004
    first = [part.reading[0] for part in told if part.reading]
    return ["\n".join(first)] if first else []


def _section(section: Section, run: Run | None, part: Part | None, pictures: Mapping[str, str]) -> list[str]:
    heading = f"{'#' * section.level} {section.heading}"
    if run is None or part is None or not run.rows:
        return [heading, "This was not measured yet. It is measured by:", _fenced(COMMANDS[section.run])]
    shown = [f"![{ALT_TEXTS[name]}]({pictures[name]})" for name in section.pictures if name in pictures]
    reading = ["\n".join(part.reading)] if part.reading else []
    remarks = [text(remark) for remark in (run.notes, *keys(run.rows, "note")) if plain(remark)]
    return [
        heading,
        *reading,
        *shown,
        *part.blocks,
        *remarks,
        f"Measured on {text(run.date)} by:",
        _fenced(run.command),
    ]


def _note(notes: Mapping[str, str], key: str) -> list[str]:
    return [notes[key].strip()] if notes.get(key, "").strip() else []


def _commands() -> list[str]:
    return ["The commands that record the runs of this page:", _fenced("\n".join(COMMANDS.values()))]


def _fenced(command: str) -> str:
    """A block of code, whose fence is longer than any within it."""
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", command)), default=0))
    return f"{fence}sh\n{command}\n{fence}"
