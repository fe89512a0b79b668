"""Traces of a question over HTTP and of an uploaded document, as a real collector gets them."""

from __future__ import annotations

from pathlib import Path

from core import tracing
from core.settings import Tracing
from tests.bots.gateway.serving import LEAVE, QUESTION, serving, settings
from tests.fakes.openai_server import fake_openai
from tests.fakes.otlp import collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "caller-17"}
STAGES = ("rewrite", "retrieve", "judge", "generate")
# What somebody wrote, or is called.
SECRETS = (b"annual", b"leave", b"13 days", b"Ann")


async def test_a_question_is_one_trace_from_the_caller_to_the_model(tmp_path: Path) -> None:
    with collector() as traces, fake_openai() as model:
        tracing.start(Tracing(url=traces.url))
        try:
            async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
                await server.upload("leave.md", LEAVE)
                asked = await server.client.post(
                    "/v1/ask", json={"question": QUESTION}, headers={**CALLER, "Lorekeeper-Person": "Ann"}
                )
                await server.client.get("/healthz")
        finally:
            tracing.stop()
    assert asked.json()["outcome"] == "answered"
    whole, question = traces.named("POST /v1/ask"), traces.named("question")
    assert (whole.trace, whole.parent) == (TRACE, "b7ad6b7169203331")
    assert whole.attributes == {
        "lorekeeper.request": "caller-17",
        "http.request.method": "POST",
        "http.route": "/v1/ask",
        "http.response.status_code": 200,
    }
    assert question.parent == whole.id
    assert question.attributes == {"lorekeeper.request": "caller-17", "outcome": "answered", "citations": 1}
    assert {traces.named(stage).parent for stage in STAGES} == {question.id}
    assert sum(traces.named(stage).nanoseconds for stage in STAGES) <= question.nanoseconds
    (sent,) = model.headers
    assert sent["traceparent"] == f"00-{TRACE}-{traces.named('generate').id}-01"
    assert not [span for span in traces.spans if "healthz" in span.name]
    assert not [secret for secret in SECRETS if secret in b"".join(traces.bodies)]


async def test_an_uploaded_document_is_read_embedded_and_published(tmp_path: Path) -> None:
    with collector() as traces:
        tracing.start(Tracing(url=traces.url))
        try:
            async with serving(settings(tmp_path)) as server:
                await server.upload("leave.md", LEAVE)
        finally:
            tracing.stop()
    reading = traces.named("document reading")
    assert reading.attributes["size"] == len(LEAVE)
    assert len(reading.attributes["lorekeeper.job"]) >= 12
    assert traces.named("document embedding").attributes == {"documents": 1}
    assert traces.named("document publishing").attributes == {"documents": 1}
    assert not [secret for secret in SECRETS if secret in b"".join(traces.bodies)]
