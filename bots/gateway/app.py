"""The HTTP application: routes, errors, protection and the web chat."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from bots.gateway import ask, documents, health, problems
from bots.gateway.protection import Protection
from core.build import Application

STATIC = Path(__file__).parent / "static"


def create_app(application: Application, owner_token: str = "") -> Protection:
    """The application for one owner's token; without a token nobody is the owner."""
    server = application.settings.server
    # The interactive documentation loads scripts from another host, so only the specification itself is served.
    app = FastAPI(title="Lorekeeper", version=version("lorekeeper"), docs_url=None, redoc_url=None)
    app.state.application = application
    app.state.background = {}
    problems.install(app)
    app.include_router(ask.router)
    app.include_router(documents.router)
    app.include_router(health.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    # Around everything, so that replies to errors that nobody expected are protected, too.
    return Protection(app, host=server.host, max_upload_bytes=server.max_upload_mb * 2**20, owner_token=owner_token)
