"""The HTTP application: routes, errors, protection and the web chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route
from starlette.types import ASGIApp

from bots.gateway import (
    ask,
    document_events,
    documents,
    health,
    jobs,
    metrics,
    openai_api,
    pages,
    problems,
    sources,
    threads,
    uploads,
    vectors,
    versions,
)
from bots.gateway.admission import Admission
from bots.gateway.headers import SecurityHeaders
from bots.gateway.identified import Identified
from bots.gateway.keyring import Keyring
from bots.gateway.metrics import Measured
from bots.gateway.parts import record_of_application
from bots.gateway.pieces import Pieces
from bots.gateway.protection import Protection
from bots.gateway.runs import Runs
from bots.gateway.slots import Slots
from core.build import Application


@dataclass(frozen=True, slots=True)
class App:
    """What uvicorn serves; `stop` is called when it begins to end."""

    asgi: ASGIApp
    stop: Callable[[], None]


def create_app(application: Application, owner_token: str = "", doors: Mapping[str, ASGIApp] | None = None) -> App:
    """The application for one owner's token; without a token nobody is the owner.

    `doors`: by path, what chat platforms deliver their events to. They verify for themselves who comes.
    """
    doors = doors or {}
    server = application.settings.server
    # The interactive documentation loads scripts from another host, so only the specification itself is served.
    app = FastAPI(title="Lorekeeper", version=version("lorekeeper"), docs_url=None, redoc_url=None)
    app.state.application = application
    app.state.pieces = Pieces()
    app.state.keyring = Keyring(record_of_application(application).keys)
    app.state.slots = Slots(server.max_answers)
    app.state.runs = Runs(application.asker, app.state.slots, server.request_seconds)
    problems.install(app)
    app.include_router(ask.router)
    app.include_router(threads.ask_router)
    app.include_router(threads.read_router)
    # Before the documents, one of which would be called `removed`.
    app.include_router(versions.router)
    app.include_router(documents.router)
    app.include_router(document_events.router)
    app.include_router(uploads.router)
    app.include_router(jobs.router)
    app.include_router(sources.router)
    app.include_router(vectors.router)
    app.include_router(health.router)
    app.include_router(openai_api.router)
    app.include_router(metrics.router)
    app.include_router(pages.router)
    application.metrics.start()
    runs: Runs = app.state.runs
    application.metrics.streams_open.set_function(lambda: runs.followers)
    for path, door in doors.items():
        app.router.routes.append(Route(path, door))
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")

    bodies = Protection(app, max_upload_bytes=server.max_upload_mb * 2**20, doors=doors)
    admission = Admission(bodies, server, app.state.keyring, owner_token, doors)
    # Around everything, so that replies to errors that nobody expected are protected and counted, too.
    measured = Measured(SecurityHeaders(admission), application.metrics)
    return App(Identified(measured), bodies.stop)
