"""Many questions a second on the stack, while documents are added, with a language model that is scripted.

    python -m tests.docker.load DATASET [--rate 25] [--seconds 20] [--importing 3000] [--gateways 1]

What `lorekeeper eval load` measures on one process, with everything in its container: the questions come over HTTP, and
documents are uploaded as archives, which the worker reads. The images have to be there (`make images`). Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import math
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from evals import load, scripted, small_documents
from evals.arrivals import Asked, Plan
from evals.datasets import Dataset, read_dataset
from evals.scripted import Written
from tests.docker.crowd import client_of
from tests.docker.stack import HOST, PATIENCE, Stack, world

# Files in one archive.
PART = 500
WARM_UP_SECONDS = 5.0
# Beside the gateway's own limits, which are not what is measured.
UNLIMITED = json.dumps({"services": {"gateway": {"environment": load.LET_IN | {"LOREKEEPER_SERVER__HOST": "0.0.0.0"}}}})


async def measure(folder: Path, dataset: Dataset, model_url: str, given: argparse.Namespace) -> tuple[list[Asked], int]:
    """What became of the questions, and how many documents were added meanwhile; on volumes that are new."""
    asked = load.questions(dataset, round(given.rate * (WARM_UP_SECONDS + given.seconds)))
    model = {"LOREKEEPER_MODEL_URL": f"{model_url}/v1", "LOREKEEPER_MODEL": scripted.MODEL}
    async with world(folder, "load", gateways=given.gateways, beside=(UNLIMITED,), **model) as made:
        await made.run(made.stack.up, gateway=given.gateways)
        key = await made.run(made.stack.key)
        await _upload(made.stack, key, [(f"{each.id}.txt", each.text) for each in dataset.documents])
        # Each archive is a document, too.
        indexed = len(dataset.documents) + math.ceil(len(dataset.documents) / PART)
        await _until_ready(made.stack, key, indexed)
        await _upload(made.stack, key, [(f"{n}.txt", small_documents.text(n)) for n in range(1, given.importing + 1)])
        answered = await asyncio.gather(
            *(
                _ask(address, key, asked[number :: given.gateways], given)
                for number, address in enumerate(made.stack.urls)
            )
        )
        return list(chain(*answered)), await _ready(made.stack, key) - indexed


async def _upload(stack: Stack, key: str, files: Iterable[tuple[str, str]]) -> None:
    """As archives, whose files become documents when the worker comes to them."""
    every = list(files)
    async with client_of(stack.url, key) as client:
        for start in range(0, len(every), PART):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, text in every[start : start + PART]:
                    archive.writestr(name, text)
            sent = await client.post(
                "/v1/documents",
                files={"file": (f"{every[start][0]}.zip", packed.getvalue())},
                headers={"Prefer": "respond-async"},
            )
            sent.raise_for_status()


async def _ready(stack: Stack, key: str) -> int:
    async with client_of(stack.url, key) as client:
        found = await client.get("/v1/documents", params={"status": "ready", "limit": 1})
    return int(found.raise_for_status().json()["total"])


async def _until_ready(stack: Stack, key: str, documents: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await _ready(stack, key) < documents:
            await asyncio.sleep(0.5)


async def _ask(url: str, key: str, questions: list[str], given: argparse.Namespace) -> list[Asked]:
    parts = urlsplit(url)
    rate = given.rate / given.gateways
    plan = Plan(parts.hostname or "", parts.port or 0, questions, rate, round(rate * WARM_UP_SECONDS), True, key)
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "evals.arrivals", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    printed, _ = await asking.communicate(json.dumps(asdict(plan)).encode())
    return [Asked(**row) for row in map(json.loads, printed.splitlines()) if "mark" not in row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--rate", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--importing", type=int, default=0)
    parser.add_argument("--gateways", type=int, default=1)
    given = parser.parse_args()
    dataset = read_dataset(given.dataset)
    with tempfile.TemporaryDirectory() as folder, _scripted() as url:
        asked, imported = asyncio.run(measure(Path(folder), dataset, url, given))
        written = [Written(**each) for each in httpx.get(f"{url}{scripted.WRITTEN}", timeout=30).json()]
    found = load.row(load.Run(tuple(asked), tuple(written), {}, 0.0, imported), given.rate, given.seconds, len(asked))
    sys.stdout.write(json.dumps({"gateways": given.gateways, **found}) + "\n")


@contextmanager
def _scripted() -> Iterator[str]:
    command = [sys.executable, "-m", "evals.scripted", "--host", HOST]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as model:
        try:
            assert model.stdout is not None
            yield model.stdout.readline().strip()
        finally:
            model.terminate()


if __name__ == "__main__":
    main()
