"""`/healthz`: the process runs. `/readyz`: every dependency, and whether questions can be answered."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bots.gateway import examples
from bots.gateway.access import caller_of
from bots.gateway.parts import application_of
from core.health import State

router = APIRouter()


@router.get("/healthz", summary="Is the process alive?", response_model=None)
async def healthz() -> dict[str, str]:
    """Touches nothing."""
    return {"status": "ok"}


@router.get("/v1/me", summary="What may I do?", response_model=None, responses={**examples.PROBLEMS, **examples.ME})
async def me(request: Request) -> dict[str, Any]:
    """What the key that is sent along may do; an empty list of namespaces means all."""
    caller = caller_of(request)
    return {"key": caller.key, "permissions": sorted(caller.permissions), "namespaces": sorted(caller.namespaces)}


@router.get("/readyz", summary="Can questions be answered?", response_model=None)
async def readyz(request: Request) -> JSONResponse:
    """503 when a dependency failed; a degraded one, such as the model being down, is still ready."""
    application = application_of(request)
    checks = await application.checks()
    worst = max((list(State).index(check.state) for check in checks), default=0)
    state = list(State)[worst]
    status = HTTPStatus.SERVICE_UNAVAILABLE if state is State.FAILED else HTTPStatus.OK
    # What exactly is wrong, and where, is not for everybody who can reach the address.
    shown = [asdict(check) for check in checks] if caller_of(request).permissions else []
    return JSONResponse({"status": state.value, "checks": shown}, status)
