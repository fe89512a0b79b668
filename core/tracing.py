"""Traces by OpenTelemetry, where `tracing.url` names a collector; without it nothing is imported, and spans cost nothing.

A span has a name, times, ids and counts. No text of a message, an answer or a document, and nobody's name, is in one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import structlog

from core.errors import MissingExtra
from core.log import HEADER, request_id
from core.settings import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

TRACES_PATH = "/v1/traces"
EXPORT_SECONDS = 5.0
STOP_SECONDS = 3.0
QUIET_SECONDS = 60.0
LONGEST_CAUSE = 200
Value = str | int | float | bool
log = structlog.get_logger(__name__)


class _Seldom(logging.Handler):
    """The library tells of every try at a collector that is away, which is every few seconds."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        if record.created - self._last >= QUIET_SECONDS:
            self._last = record.created
            log.warning("traces: something went wrong", cause=record.getMessage()[:LONGEST_CAUSE])


class _Tracing:
    """Of this process."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None


def start(settings: Tracing) -> None:
    """Send spans from now on, if the settings say where to. Raises `MissingExtra`."""
    if not settings.url or _Tracing.tracer is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ModuleNotFoundError as error:
        raise MissingExtra("opentelemetry-exporter-otlp-proto-http", "traces") from error
    url = settings.url.rstrip("/")
    endpoint = url if url.endswith(TRACES_PATH) else url + TRACES_PATH
    library = logging.getLogger("opentelemetry")
    library.handlers, library.propagate = [_Seldom()], False
    about = {"service.name": "lorekeeper", "service.version": version("lorekeeper")}
    # Not the library's global one: what other packages trace is theirs, and goes nowhere.
    # A caller may leave a trace out, and may not have more of them sent than the settings say.
    share = TraceIdRatioBased(settings.sample)
    provider = TracerProvider(ParentBased(share, remote_parent_sampled=share), Resource(about))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS)))
    _Tracing.provider, _Tracing.tracer = provider, provider.get_tracer("lorekeeper")


def stop() -> None:
    """Send what is left, for a few seconds at most."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is not None:
        # The library waits for each of many sendings to a collector that hangs.
        sending = threading.Thread(target=provider.shutdown, name="last traces", daemon=True)
        sending.start()
        sending.join(STOP_SECONDS)


class span:  # noqa: N801 - reads as the block that it is
    """What happens in the block, as a span within the one around it, or within the caller's.

    Also around parts of asynchronous generators: what is around it is put back, not reset, so that it does not matter
    in which context the generator ends.
    """

    def __init__(
        self, name: str, attributes: Mapping[str, Value] | None = None, *, caller: Mapping[str, str] | None = None
    ) -> None:
        """`caller`: headers of the request that brought it here, whose W3C trace it goes on with."""
        self._name = name
        self._caller = caller
        self._attributes = attributes
        self._span: Any = None
        self._around: Any = None

    def __enter__(self) -> Self:
        if _Tracing.tracer is None:
            return self
        from opentelemetry import context, trace

        self._around = context.get_current()
        parent = self._around if self._caller is None else _propagator().extract(dict(self._caller))
        kind = trace.SpanKind.INTERNAL if self._caller is None else trace.SpanKind.SERVER
        self._span = _Tracing.tracer.start_span(self._name, parent, kind, self._attributes)
        context.attach(trace.set_span_in_context(self._span, self._around))
        return self

    def rename(self, name: str) -> None:
        """What it is known as is sometimes known at its end only."""
        if self._span is not None:
            self._span.update_name(name)

    def note(self, attributes: Mapping[str, Value]) -> None:
        """What came out of it."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def fail(self, kind: str) -> None:
        """It came to no good end. `kind`: the error's name, never its message, which may quote somebody."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)
            self._span.set_attribute("error.type", kind)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        from opentelemetry import context

        # A generator that nobody wants more of, or a cancelled task, is no failure.
        if kind is not None and issubclass(kind, Exception):
            self.fail(kind.__name__)
        self._span.end()
        context.attach(self._around)


def outgoing() -> dict[str, str]:
    """Headers for a request to another server of the operator's: the request's id, and its trace if there is one."""
    headers: dict[str, str] = {}
    if _Tracing.tracer is not None:
        _propagator().inject(headers)
        # What the caller's system notes for itself is no business of other servers.
        headers.pop("tracestate", None)
    chosen = request_id()
    return headers | {HEADER: chosen} if chosen else headers


def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()
