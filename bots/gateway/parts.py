"""What the routes work with: the parts that `create_app` hung on the application."""

from __future__ import annotations

from fastapi import Request

from bots.gateway.keyring import Keyring
from bots.gateway.runs import Runs
from bots.gateway.slots import Slots
from core.build import Application, Record


def application_of(request: Request) -> Application:
    application: Application = request.app.state.application
    return application


def record_of(request: Request) -> Record:
    """Of the application; its methods block."""
    return record_of_application(application_of(request))


def record_of_application(application: Application) -> Record:
    """A gateway only runs where the record is."""
    assert application.record is not None  # noqa: S101
    return application.record


def keyring_of(request: Request) -> Keyring:
    """The keys that open the gateway."""
    keyring: Keyring = request.app.state.keyring
    return keyring


def slots_of(request: Request) -> Slots:
    """For answers in the making."""
    slots: Slots = request.app.state.slots
    return slots


def runs_of(request: Request) -> Runs:
    """The streamed answers."""
    runs: Runs = request.app.state.runs
    return runs
