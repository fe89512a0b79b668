"""From a training run, or an adapter that was trained elsewhere, to a version on record with its files in the store."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest, StorageFailed
from core.store.adapters import AdapterStore
from core.types.adapters import Adapter, BaseModel, Form, Verdict
from tuning.dataset.files import CARD, MANIFEST, read_manifest
from tuning.dataset.serving import fingerprint
from tuning.evaluation.files import REPORT, TABLE, Evaluation, read_evaluation
from tuning.registry.findings import CONFIG
from tuning.registry.preflight import prepare_served
from tuning.registry.store import AdapterFiles, check_paths
from tuning.training.failures import prepare_libraries, quiet
from tuning.training.models import folder_revision
from tuning.training.run import (
    ADAPTER,
    DATASET,
    EVALUATION,
    LOSS_PICTURE,
    RUN,
    SERVED,
    DatasetUsed,
    Run,
    Stage,
    State,
    hashes,
    read_run,
    write_run,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
UNKNOWN_REVISION = "unknown"
TRAINED_ELSEWHERE = Evaluation(Verdict.MISSING, ("It was trained elsewhere, so nothing was evaluated.",))


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of a registration. `notes`: sentences that the person should read."""

    adapter: Adapter
    is_new: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is said of an adapter that was trained elsewhere."""

    base: str
    """On the hub, or a folder."""
    method: str
    revision: str = ""


def register(
    folder: Path, name: str, store: AdapterStore, files: AdapterFiles, by: str, elsewhere: Elsewhere | None = None
) -> Registered:
    """A run's folder, or (with `elsewhere`) one that PEFT saved. An empty name is made of the data set or the folder.

    The row comes last: until then nothing is on record. Raises `InvalidRequest`, `StorageFailed`, `MissingExtra`.
    """
    if elsewhere is None:
        if (folder / CONFIG).is_file() and not (folder / RUN).is_file():
            raise InvalidRequest(
                f"{folder} holds an adapter and no training run. Name the run's own folder, or, for an adapter that was "
                "trained elsewhere, say with --base on which model."
            )
        return _register_run(folder, name, store, files, by)
    if (folder / RUN).is_file():
        raise InvalidRequest(f"{folder} is a training run, which says itself what it was made from. Leave out --base.")
    if not (folder / CONFIG).is_file():
        raise InvalidRequest(f"{folder} holds no adapter: there is no {CONFIG} in it. Name the folder that PEFT saved.")
    if elsewhere.base.startswith(("/", ".", "~")) and not Path(elsewhere.base).is_dir():
        raise InvalidRequest(
            f"There is no folder {elsewhere.base}. Give the base model's folder, or its name on the hub."
        )
    _refuse_links(folder)
    # Beside nothing of theirs: the folder may be read-only, and stays as it is.
    with tempfile.TemporaryDirectory(prefix="lorekeeper-register-") as work:
        run_folder = Path(work)
        _copy_files(folder, run_folder / ADAPTER)
        write_run(run_folder, _run_elsewhere(elsewhere))
        return _register_run(run_folder, name or check_name(folder.resolve().name), store, files, by)


def check_name(name: str) -> str:
    """The name itself. Raises `InvalidRequest` for one that servers could not call a model by."""
    if NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"{name[:80]!r} cannot be the name of an adapter. It has 1 to 40 letters, digits, dots, underscores and "
            "hyphens, and begins with a letter or a digit: give one with --name."
        )
    return name


def notes(adapter: Adapter) -> list[str]:
    """What a person should know of a version before it answers."""
    if not adapter.dataset:
        return ["Nothing is known of what it learnt from, so `lorekeeper tune uses` cannot name it."]
    if adapter.prompt == fingerprint():
        return []
    return [
        "It was trained with another prompt than is sent now, and may answer worse. Make the data set and train again."
    ]


def _register_run(folder: Path, name: str, store: AdapterStore, files: AdapterFiles, by: str) -> Registered:
    run = _prepared(folder, read_run(folder))
    _refuse_links(folder / SERVED)
    digests = hashes(folder / SERVED)
    check_paths(digests)
    lineage = _lineage(folder, run)
    evaluation = read_evaluation(folder) if run.dataset.hash else TRAINED_ELSEWHERE
    adapter = Adapter(
        id="",
        name=check_name(name or _name_of(folder, run)),
        number=0,
        served_as="",
        base=run.base,
        method=run.method,
        form=_form(folder, run),
        rank=int(run.preflight.get("rank", 0)),
        files=digests,
        dataset=run.dataset.hash,
        template=run.template,
        prompt=run.dataset.prompt,
        verdict=evaluation.verdict,
        reasons=evaluation.reasons,
        preflight=run.preflight,
        documents=lineage["documents"],
        people=lineage["people"],
        registered_at=datetime.now(UTC),
        registered_by=by,
    )
    files.put(folder / SERVED, digests)
    files.put_about(adapter, _about(folder))
    added, is_new = store.add(adapter)
    said = notes(added)
    if run.options.get("started_from") and not any((folder / DATASET).glob(f"*/{MANIFEST}")):
        said.append("It was continued from another run, and what that one learnt from is not known here.")
    return Registered(added, is_new, tuple(said))


def _prepared(folder: Path, run: Run) -> Run:
    """With what a server loads in the run's folder, which is made now where that was not done."""
    if run.state is not State.FINISHED:
        raise InvalidRequest(
            f"{folder} has not finished training. Finish it with the command that began it: "
            f"lorekeeper tune train {folder} --dataset …"
        )
    if run.preflight and (run.form is None or (folder / SERVED).is_dir()):
        return run
    run = replace(run, preflight=_preflight(folder, run.base))
    write_run(folder, run)
    return run


def _preflight(folder: Path, base: BaseModel) -> dict[str, Any]:
    """The libraries show no bars of their own meanwhile, and tell nobody what is done here. Raises `MissingExtra`."""
    prepare_libraries()
    try:
        with quiet():
            # The hub knows no commit of this name; its latest one has to do.
            is_known = base.revision != UNKNOWN_REVISION
            return prepare_served(folder, base if is_known else replace(base, revision=""))
    except OSError as error:
        raise InvalidRequest(
            f"The base model {base.name} cannot be loaded, and the adapter has to be rewritten with it: {str(error).splitlines()[0]} "
            "Name a folder that holds it with --base."
        ) from error


def _form(folder: Path, run: Run) -> Form:
    if run.form is None:
        problems = " ".join(map(str, run.preflight.get("problems", ())))
        raise InvalidRequest(
            f"{folder} cannot be served: {problems or 'its pre-flight names no form.'} Train it with --method lora."
        )
    return run.form


def _lineage(folder: Path, run: Run) -> dict[str, frozenset[str]]:
    """By `documents` and `people`, what it learnt from; with what the run learnt from that it was continued from."""
    found: dict[str, frozenset[str]] = {"documents": frozenset(), "people": frozenset()}
    if not run.dataset.hash:
        return found
    own = folder / DATASET
    if read_manifest(own).get("hash") != run.dataset.hash:
        raise InvalidRequest(
            f"{own / MANIFEST} is of another data set than the one that {folder} was trained with. Put the right one "
            "there, or train again: without it nobody knows what the model learnt from."
        )
    for path in sorted(own.rglob(MANIFEST)):
        try:
            lineage = read_manifest(path.parent)["lineage"]
            found = {name: known | frozenset(lineage[name]) for name, known in found.items()}
        except (KeyError, TypeError) as error:
            raise InvalidRequest(f"{path} is damaged. Put the data set's own one there.") from error
    return found


def _name_of(folder: Path, run: Run) -> str:
    return run.dataset.namespaces[0] if len(run.dataset.namespaces) == 1 else folder.resolve().name


def _about(folder: Path) -> dict[str, bytes]:
    """What is kept of a run beside what servers load. No questions and answers: those of people may be among them."""
    evaluation = folder / EVALUATION
    names = [
        RUN,
        LOSS_PICTURE,
        f"{DATASET}/{CARD}",
        f"{DATASET}/{MANIFEST}",
        f"{EVALUATION}/{REPORT}",
        f"{EVALUATION}/{TABLE}",
    ]
    names += [f"{EVALUATION}/{path.name}" for path in sorted(evaluation.glob("*.png"))]
    there = [name for name in names if (folder / name).is_file() and not (folder / name).is_symlink()]
    return {name: (folder / name).read_bytes() for name in there}


def _copy_files(folder: Path, target: Path) -> None:
    """Those right in it: below it are checkpoints, with all that training needed."""
    try:
        target.mkdir()
        for path in folder.iterdir():
            if path.is_file():
                shutil.copyfile(path, target / path.name)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be copied: {error.strerror or error}.") from error


def _refuse_links(folder: Path) -> None:
    if links := [path for path in folder.rglob("*") if path.is_symlink()]:
        raise InvalidRequest(
            f"{links[0]} is a link, which is not followed. Copy the folder with the files themselves: cp -rL"
        )


def _run_elsewhere(elsewhere: Elsewhere) -> Run:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    base = BaseModel(elsewhere.base, elsewhere.revision or _revision(elsewhere.base))
    return Run(State.FINISHED, Stage.SFT, elsewhere.method, base, DatasetUsed("", ""), "", created_at=now)


def _revision(base: str) -> str:
    return folder_revision(Path(base)) if Path(base).is_dir() else UNKNOWN_REVISION
