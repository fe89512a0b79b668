"""`/healthz`: the process runs. `/readyz`: every dependency, and whether questions can be answered."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from core.build import Application
from core.health import State

router = APIRouter()


@router.get("/healthz", summary="Is the process alive?", response_model=None)
async def healthz() -> dict[str, str]:
    """Touches nothing."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can questions be answered?", response_model=None)
async def readyz(request: Request) -> JSONResponse:
    """503 when a dependency failed; a degraded one, such as the model being down, is still ready."""
    application: Application = request.app.state.application
    checks = await application.checks()
    worst = max((list(State).index(check.state) for check in checks), default=0)
    state = list(State)[worst]
    status = HTTPStatus.SERVICE_UNAVAILABLE if state is State.FAILED else HTTPStatus.OK
    return JSONResponse({"status": state.value, "checks": [asdict(check) for check in checks]}, status)
