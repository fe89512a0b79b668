"""What was trained becomes what a server loads: RUN/served, with everything in it that vLLM takes and nothing that it refuses.

Adapters that vLLM 0.32 cannot load as they are become a plain LoRA where that answers the same, and a merged model where it
does not. Nothing that was changed is served before it was compared with what was trained.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest, MissingExtra, StorageFailed
from core.types.adapters import BaseModel, Form
from tuning.registry.findings import CONFIG, WEIGHTS, Finding, Way, inspect, read_config, read_shapes
from tuning.training.run import ADAPTER, SERVED

MODEL_CONFIG = "config.json"
MOST_RANK = 16
"""Of vLLM, unless it is told another one."""
LEAST_AGREEMENT = 0.98
"""Share of the tokens of greedy answers that have to stay the same."""
Messages = Sequence[Mapping[str, str]]


def prepare_served(
    run_folder: Path,
    base: BaseModel,
    max_rank: int = MOST_RANK,
    *,
    prompts: Sequence[Messages] = (),
    least_agreement: float = LEAST_AGREEMENT,
) -> dict[str, Any]:
    """Write RUN/served and say how it came about: `form` (empty where nothing can be served), `rank`, `problems`, `conversion`.

    `run_folder` is a training run or a folder as PEFT saves it. `prompts`, without their answers, show whether what is served
    answers as what was trained; some are made up without them. `max_rank` is the server's. What was in RUN/served before
    stays there until all is written. Raises `InvalidRequest`, `StorageFailed` and `MissingExtra`.
    """
    trained = run_folder / ADAPTER if (run_folder / ADAPTER).is_dir() else run_folder
    if not (trained / CONFIG).is_file():
        return _whole_model(trained, run_folder / SERVED)
    config = read_config(trained)
    finding = inspect(config, read_shapes(trained), max_rank)
    if finding.way is Way.NOTHING:
        _remove(run_folder / SERVED)
        return _result(None, 0, max_rank, finding.problems)
    return _write(trained, run_folder / SERVED, base, config, finding, max_rank, prompts, least_agreement)


def _write(
    trained: Path,
    served: Path,
    base: BaseModel,
    config: Mapping[str, Any],
    finding: Finding,
    max_rank: int,
    prompts: Sequence[Messages],
    least_agreement: float,
) -> dict[str, Any]:
    problems = list(finding.problems)
    if finding.way is Way.COPY:
        _replace(served, lambda work: _copy(trained, work, (CONFIG, WEIGHTS)))
        return _result(Form.ADAPTER, finding.rank, max_rank, problems)
    try:
        from tuning.registry.compare import answers, compare
        from tuning.registry.convert import convert, rewrite
        from tuning.registry.merge import merge
    except ImportError as error:
        raise MissingExtra(error.name or "peft", "tune") from error

    expected = answers(base, trained, prompts)
    conversion: dict[str, Any] = {}
    if finding.way in (Way.REWRITE, Way.CONVERT):

        def write(work: Path) -> bool:
            done = (
                convert(base, trained, config, work, max_rank)
                if finding.way is Way.CONVERT
                else rewrite(trained, config, work)
            )
            conversion.update(done, **compare(expected, base, work))
            return bool(conversion["agreement"] >= least_agreement)

        if _replace(served, write):
            return _result(Form.ADAPTER, int(conversion["rank"]), max_rank, problems, conversion)
        problems.append(
            f"As a LoRA of rank {conversion['rank']} it gives the same token in {conversion['agreement']:.1%} of the places; "
            f"at least {least_agreement:.1%} are asked for, so it is merged."
        )

    def write_merged(work: Path) -> bool:
        merge(base, trained, config, work)
        merged = compare(expected, base, work)
        tried = {"tried": dict(conversion)} if conversion else {}
        conversion.clear()
        conversion.update(kind="merged", rank=0, **merged, **tried)
        return bool(merged["agreement"] >= least_agreement)

    try:
        if _replace(served, write_merged):
            return _result(Form.MERGED, 0, max_rank, problems, conversion)
        problems.append(f"Merged, it gives the same token in {conversion['agreement']:.1%} of the places only.")
    except NotImplementedError as error:
        problems.append(f"It cannot be merged either: {error}.")
    _remove(served)
    return _result(None, 0, max_rank, problems, conversion)


def _whole_model(trained: Path, served: Path) -> dict[str, Any]:
    if not (trained / MODEL_CONFIG).is_file():
        raise InvalidRequest(f"{trained} holds neither an adapter ({CONFIG}) nor a model ({MODEL_CONFIG}).")
    if any(trained.glob("*.bin")):
        raise InvalidRequest(
            f"{trained} holds .bin files, which can run programs. Save the model again as safetensors."
        )
    names = [path.name for path in trained.iterdir() if path.is_file()]
    _replace(served, lambda work: _copy(trained, work, names))
    return _result(Form.MERGED, 0, 0, ["All weights were trained, so it is served as a model of its own."])


def _result(
    form: Form | None,
    rank: int,
    max_rank: int,
    problems: Sequence[str],
    conversion: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "form": form.value if form else "",
        "rank": rank,
        "max_rank": max_rank,
        "problems": list(problems),
        "conversion": dict(conversion or {}),
    }


def _replace(folder: Path, write: Callable[[Path], bool]) -> bool:
    """Whatever is written appears whole under its name, or not at all; `write` says whether it is to."""
    work, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("tmp", "old"))
    try:
        _remove(work)
        work.mkdir(parents=True)
        if not write(work):
            return False
        _remove(old)
        if folder.exists():
            folder.rename(old)
        work.rename(folder)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror or error}.") from error
    finally:
        for left in (work, old):
            shutil.rmtree(left, ignore_errors=True)
    return True


def _copy(source: Path, target: Path, names: Sequence[str]) -> bool:
    for name in names:
        shutil.copyfile(source / name, target / name)
    return True


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
