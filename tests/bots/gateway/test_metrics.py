"""`GET /metrics`: what a Prometheus server sees of the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.bots.gateway.serving import QUESTION, Server, serving, settings
from tests.fakes.openai_server import fake_openai

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def samples(server: Server) -> dict[tuple[str, tuple[str, ...]], float]:
    """Name and label values → value."""
    response = await server.client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_answers_documents_and_requests_are_there(server: Server) -> None:
    document = (await server.upload("leave.md")).json()["document"]
    await server.ask()
    await server.client.get(f"/v1/documents/{document['id']}")
    found = await samples(server)
    assert found["lorekeeper_answers_total", ("extractive", "answered")] == 1
    for stage in ("rewrite", "retrieve", "judge", "generate", "whole"):
        assert found["lorekeeper_answer_stage_seconds_count", (stage,)] == 1
    assert found["lorekeeper_documents", ("ready",)] == 1
    assert found["lorekeeper_queue", ()] == 0
    assert found["lorekeeper_http_requests_total", ("POST", "/v1/ask", "200")] == 1
    assert found["lorekeeper_http_requests_total", ("GET", "/v1/documents/{document_id}", "200")] == 1
    assert found["process_resident_memory_bytes", ()] > 0


async def test_the_work_on_files_is_there(server: Server) -> None:
    await server.upload("leave.md")
    await server.upload("broken.pdf", b"%PDF-1.7 broken")
    await server.ask()
    found = await samples(server)
    assert found["lorekeeper_files_total", ("none", "added")] == 1
    assert found["lorekeeper_files_total", ("unreadable_document", "failed")] == 1
    assert found["lorekeeper_passages_indexed_total", ()] == found["lorekeeper_index_size", ("passages",)] == 1
    assert found["lorekeeper_index_size", ("vectors",)] >= 1
    assert found["lorekeeper_jobs", ("none", "failed")] == 1
    assert found["lorekeeper_jobs", ("none", "waiting")] == found["lorekeeper_oldest_job_seconds", ()] == 0
    assert found["lorekeeper_work_seconds_count", ("reading",)] == 2
    assert found["lorekeeper_work_seconds_count", ("publishing",)] == 1
    assert found["lorekeeper_embedded_texts_total", ("documents",)] >= 1
    assert found["lorekeeper_embedded_texts_total", ("questions",)] >= 1
    assert found["lorekeeper_disk_free_bytes", ()] > 0


async def test_requests_to_the_model_are_there(tmp_path: Path) -> None:
    with fake_openai(statuses=[503]) as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            assert (await server.ask()).json()["generator"].startswith("chat:")
            found = await samples(server)
    assert found["lorekeeper_model_requests_total", ("retried",)] == 1
    assert found["lorekeeper_model_requests_total", ("answered",)] == 1
    assert found["lorekeeper_model_first_token_seconds_count", ()] == 1


async def test_no_label_holds_what_a_client_sent(server: Server) -> None:
    await server.ask(namespace="sesame-namespace")
    await server.client.get("/sesame-path")
    await server.client.get("/v1/documents/sesame000")
    await server.client.get("/static/sesame.js")
    await server.client.request("SESAME", "/v1/ask")
    await server.client.post(
        "/v1/chat/completions", json={"model": "sesame", "messages": [{"role": "user", "content": QUESTION}]}
    )
    response = await server.client.get("/metrics")
    assert "sesame" not in response.text.lower()
    assert 'lorekeeper_http_requests_total{method="GET",route="other",status="404"}' in response.text


async def test_a_question_over_openais_address_is_an_answer_like_any_other(server: Server) -> None:
    await server.upload("leave.md")
    body = {"model": "default", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    await server.client.post("/v1/chat/completions", json=body)
    found = await samples(server)
    assert found["lorekeeper_answers_total", ("extractive", "answered")] == 1
    assert found["lorekeeper_http_requests_total", ("POST", "/v1/chat/completions", "200")] == 1


async def test_the_model_is_up_or_down_or_not_there_at_all(tmp_path: Path) -> None:
    with fake_openai() as model:
        async with serving(settings(tmp_path / "up", generation={"base_url": model.url})) as server:
            assert (await samples(server))["lorekeeper_model_up", ()] == 1
    down = {"base_url": "http://127.0.0.1:9/v1", "connect_seconds": 0.5}
    async with serving(settings(tmp_path / "down", generation=down)) as server:
        assert (await samples(server))["lorekeeper_model_up", ()] == 0
    async with serving(settings(tmp_path / "none")) as server:
        assert ("lorekeeper_model_up", ()) not in await samples(server)


async def test_the_specification_has_an_example(shared: Server) -> None:
    paths = (await shared.client.get("/openapi.json")).json()["paths"]
    content = paths["/metrics"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["text/plain"]
    assert "lorekeeper_answers_total" in content["text/plain"]["example"]
