"""Spans: what a collector gets, what it does not, and that nothing happens without one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from core import tracing
from core.errors import MissingExtra
from core.log import request
from core.settings import Tracing
from core.tracing import outgoing, span
from tests.fakes.otlp import Collector, collector
from tests.ingest.library import until

CALLER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
NOT_SAMPLED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
# Everything that a server imports, with a span in it; what was imported is printed.
OFF = """
import sys
import bots.running, bots.gateway.app, ingest.pipeline
from core.settings import Tracing
from core.tracing import start, span, stop
start(Tracing())
with span("question"):
    pass
stop()
print(*[name for name in sys.modules if name.startswith("opentelemetry.sdk")])
"""


@pytest.fixture
def traces() -> Iterator[Collector]:
    with collector() as running:
        tracing.start(Tracing(url=running.url))
        try:
            yield running
        finally:
            tracing.stop()


def test_spans_lie_within_each_other_and_go_on_with_the_callers_trace(traces: Collector) -> None:
    with span("POST", {"http.request.method": "POST"}, caller=CALLER) as outer:
        with span("question"), span("retrieve", {"passages": 8}):
            pass
        outer.rename("POST /v1/ask")
    tracing.stop()
    outermost, question, retrieve = map(traces.named, ("POST /v1/ask", "question", "retrieve"))
    assert traces.service == "lorekeeper"
    assert {each.trace for each in traces.spans} == {"0af7651916cd43dd8448eb211c80319c"}
    assert (outermost.parent, question.parent, retrieve.parent) == ("b7ad6b7169203331", outermost.id, question.id)
    assert retrieve.attributes == {"passages": 8}


def test_after_a_span_comes_what_was_around_it(traces: Collector) -> None:
    with span("outer"):
        with span("first"):
            pass
        with span("second"):
            pass
    with span("another"):
        pass
    tracing.stop()
    outer, first, second, another = map(traces.named, ("outer", "first", "second", "another"))
    assert first.parent == second.parent == outer.id
    assert another.trace != outer.trace


async def test_a_generator_that_is_left_early_leaves_nothing_behind(
    traces: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    async def words() -> AsyncGenerator[str]:
        with span("generate"):
            yield "You"
            yield "accrue"

    async def left() -> None:
        async with aclosing(words()) as pieces:
            await anext(pieces)

    with span("question"):
        await asyncio.create_task(left())
        forgotten = words()
        await anext(forgotten)
        await asyncio.create_task(forgotten.aclose())
    tracing.stop()
    assert [each.name for each in traces.spans] == ["generate", "generate", "question"]
    assert not any(each.is_error for each in traces.spans)
    assert capsys.readouterr().err == ""


def test_an_error_is_named_and_never_quoted(traces: Collector) -> None:
    with pytest.raises(ValueError, match="sesame"), span("question"):
        raise ValueError("sesame, what somebody asked")
    tracing.stop()
    assert traces.named("question").is_error
    assert traces.named("question").attributes == {"error.type": "ValueError"}
    assert b"sesame" not in b"".join(traces.bodies)


def test_other_servers_are_told_trace_and_request(traces: Collector) -> None:
    with request("caller-17"), span("generate", caller=CALLER):
        headers = outgoing()
    tracing.stop()
    generate = traces.named("generate")
    assert headers == {"X-Request-Id": "caller-17", "traceparent": f"00-{generate.trace}-{generate.id}-01"}


def test_a_caller_has_no_more_sent_than_the_settings_say() -> None:
    with collector() as running:
        tracing.start(Tracing(url=running.url, sample=0.0))
        with span("POST", caller=CALLER), span("question"):
            pass
        tracing.stop()
    assert running.spans == []


def test_what_a_callers_system_notes_for_itself_is_not_handed_on(traces: Collector) -> None:
    with span("POST", caller={**CALLER, "tracestate": "vendor=anything"}):
        assert set(outgoing()) == {"traceparent"}


def test_a_collector_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    held: list[bool] = []

    def hang(*_: object) -> None:
        held.append(ended.wait(20))

    monkeypatch.setattr("opentelemetry.sdk.trace.export.BatchSpanProcessor.shutdown", hang)
    monkeypatch.setattr(tracing, "STOP_SECONDS", 0.05)
    with collector() as running:
        tracing.start(Tracing(url=running.url))
        tracing.stop()
        ended.set()
        until(lambda: bool(held))
    assert held == [True], "it was still at it when that was the end"


def test_a_caller_who_traces_nothing_is_followed(traces: Collector) -> None:
    with span("POST", caller=NOT_SAMPLED):
        pass
    tracing.stop()
    assert traces.spans == []


def test_of_a_share_of_nothing_nothing_is_sent() -> None:
    with collector() as running:
        tracing.start(Tracing(url=f"{running.url}/v1/traces", sample=0.0))
        with span("question"):
            pass
        tracing.stop()
    assert running.spans == []


def test_without_a_collector_nothing_is_imported_and_nothing_happens() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFF], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == ""
    with request("caller-17"):
        assert outgoing() == {"X-Request-Id": "caller-17"}
    assert outgoing() == {}


def test_a_collector_that_is_away_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    tracing.start(Tracing(url="http://127.0.0.1:9"))
    with span("question"):
        pass
    tracing.stop()
    (line,) = capsys.readouterr().err.splitlines()
    assert "traces: something went wrong" in line


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtra, match=r"\.\[traces\]"):
        tracing.start(Tracing(url="http://127.0.0.1:9"))
