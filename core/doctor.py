"""`lorekeeper doctor`: one line for each thing that has to be right, and what to do where it is not."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from core.abstention import BUILT_IN, Calibration
from core.addresses import is_private
from core.build import Record, open_application, open_embedder
from core.datafolder import prepare
from core.errors import DataFolderInUse, IndexMismatch, LorekeeperError
from core.generation.build import open_generation
from core.health import Check, State
from core.log import configure
from core.plugins import load as load_plugin
from core.readiness import check_disk, check_model
from core.settings import Settings, config_file, load

PLATFORMS = ("bots.slack.check:check", "bots.discord.check:check")
# The embedding model with which the calibration that comes with the program was fitted.
FITTED_FOR = "all-MiniLM-L6-v2"
MARKS = {State.OK: "ok      ", State.DEGRADED: "degraded", State.FAILED: "FAILED  "}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Check everything. Exits with 1 when something has failed."""
    checks = list(_examine())
    if as_json:
        rows = [
            {"name": check.name, "state": check.state.value, "detail": check.detail, "remedy": check.remedy}
            for check in checks
        ]
        sys.stdout.write(json.dumps({"checks": rows}) + "\n")
    else:
        for check in checks:
            remedy = f" → {check.remedy}" if check.remedy else ""
            sys.stdout.write(f"{MARKS[check.state]}  {check.name}: {check.detail}{remedy}\n")
    raise typer.Exit(1 if any(check.state is State.FAILED for check in checks) else 0)


def _examine() -> Iterator[Check]:
    try:
        settings = load()
    except LorekeeperError as error:
        yield Check("settings", State.FAILED, " ".join(error.message.split()), "Correct the settings named here.")
        return
    configure(settings.log.model_copy(update={"level": "error"}))
    source = config_file()
    yield Check("settings", State.OK, f"from {source} and the environment" if source else "from the environment", "")
    try:
        prepare(settings.data_dir)
    except LorekeeperError as error:
        yield Check("data folder", State.FAILED, error.message, "")
        return
    yield Check("data folder", State.OK, str(settings.data_dir), "")
    yield from _examine_application(settings)
    yield from _examine_platforms(settings)


def _examine_application(settings: Settings) -> Iterator[Check]:
    try:
        application = open_application(settings, "lorekeeper doctor", wait_seconds=2.0)
    except LorekeeperError as error:
        yield _not_opened(error)
        # What does not need the index is still told.
        yield _examine_model(settings)
        yield check_disk(settings)
        return
    try:
        if application.claim is None and settings.is_embedded:
            yield Check("owner", State.OK, "a running `lorekeeper run` serves this data folder", "")
        else:
            yield Check("embedding", State.OK, application.identity, "")
        if application.record is not None:
            yield _examine_door(settings, application.record)
            yield _examine_calibration(settings, application.record.calibrations.get(), application.identity)
        checks: Sequence[Check] = asyncio.run(_awaited(application.checks()))
        yield from checks
    except LorekeeperError as error:
        yield Check("owner", State.FAILED, error.message, "Restart `lorekeeper run`.")
    finally:
        application.close()


def _examine_door(settings: Settings, record: Record) -> Check:
    """Who may use the gateway."""
    server = settings.server
    valid = sum(key.is_valid(datetime.now(UTC)) for key in record.keys.all())
    keys = "1 key" if valid == 1 else f"{valid} keys"
    if valid or is_private(server.host, server.public_url):
        who = keys if valid else "this machine only, without a key"
        return Check("gateway", State.OK, f"{server.host}:{server.port}, {who}", "")
    where = f"{server.public_url or server.host} can be reached by others, and there is no valid key"
    return Check("gateway", State.FAILED, where, "Run `lorekeeper keys create NAME`, or set server.host to 127.0.0.1.")


def _examine_calibration(settings: Settings, used: Calibration, embedding: str) -> Check:
    """From which confidence on a question is answered, and what that was fitted on."""
    threshold = settings.retrieval.min_confidence
    chosen = "0.5" if threshold < 0 else f"{threshold:g}, set by retrieval.min_confidence"
    detail = f"answers from a confidence of {chosen}; fitted on {used.fitted_on}"
    if used is BUILT_IN and not embedding.startswith(f"{FITTED_FOR}/"):
        remedy = "Fit it for this embedding model: lorekeeper eval calibrate FOLDER… --store"
        return Check("no-answer", State.DEGRADED, f"{detail}, with {FITTED_FOR}", remedy)
    return Check("no-answer", State.OK, detail, "")


def _not_opened(error: LorekeeperError) -> Check:
    if isinstance(error, DataFolderInUse):
        return Check("index", State.DEGRADED, error.message, "Run the doctor again when it has finished.")
    name = "index" if isinstance(error, IndexMismatch) else error.code.replace("_", " ")
    return Check(name, State.FAILED, error.message, "")


def _examine_model(settings: Settings) -> Check:
    try:
        chooser, _ = open_generation(settings.generation, open_embedder(settings))
        return asyncio.run(check_model(settings, chooser))
    except LorekeeperError as error:
        return Check("model", State.FAILED, error.message, "")


def _examine_platforms(settings: Settings) -> Iterator[Check]:
    for checks in asyncio.run(_asked([load_plugin(platform)(settings) for platform in PLATFORMS])):
        yield from checks


async def _asked(platforms: Sequence[Awaitable[Sequence[Check]]]) -> Sequence[Sequence[Check]]:
    return await asyncio.gather(*platforms)


async def _awaited(checks: Awaitable[Sequence[Check]]) -> Sequence[Check]:
    return await checks
