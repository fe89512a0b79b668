"""Who brought a document, as its history tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from bots.gateway.agreed import person_in, said_by
from bots.gateway.origins import is_of_our_page
from core.access import Permission
from core.types import Origin
from tests.bots.gateway.serving import LEAVE, Server, bearer, keys_of, serving, settings
from tests.bots.gateway.uploading import PIECE, metadata, until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def last_origin(server: Server, document_id: str, headers: dict[str, str]) -> dict[str, str]:
    response = await server.client.get(f"/v1/documents/{document_id}/history", headers=headers)
    origin: dict[str, str] = response.json()["history"][0]["origin"]
    return origin


async def test_an_upload_is_known_by_its_key_and_by_whether_our_page_sent_it(tmp_path: Path) -> None:
    async with serving(settings(tmp_path), with_key=True) as server:
        _, secret = keys_of(server.application).create("intranet", {Permission.WRITE, Permission.READ})
        program, owner = bearer(secret), server.owner
        seen = []
        for number, headers in enumerate(
            (
                program,
                {**program, "Sec-Fetch-Site": "same-origin"},
                {**program, "Origin": server.url},
                {**program, "Lorekeeper-Person": "root"},
                {**owner, "Lorekeeper-Person": "J%C3%B6rg"},
                owner,
            )
        ):
            data = LEAVE.replace(b"13", str(number).encode())
            sent = await server.client.post("/v1/documents", files={"file": ("leave.md", data)}, headers=headers)
            document_id = sent.json()["document"]["id"]
            seen.append(await last_origin(server, document_id, program))
        await server.client.delete(f"/v1/documents/{document_id}", headers=program)
        removed = await last_origin(server, document_id, program)
        await server.client.post(f"/v1/documents/{document_id}/restore", json={}, headers=owner)
        restored = await last_origin(server, document_id, program)
    assert [(each["channel"], each["person"]) for each in [*seen, removed, restored]] == [
        ("api", "intranet"),
        ("web", "intranet"),
        ("web", "intranet"),
        ("api", "intranet"),
        ("command line", "Jörg"),
        ("command line", ""),
        ("api", "intranet"),
        ("command line", ""),
    ]
    assert secret not in str(seen)


async def test_an_upload_in_pieces_is_known_like_any_other(server: Server) -> None:
    headers = {**PIECE, "Upload-Length": str(len(LEAVE)), "Upload-Metadata": metadata(filename="leave.md")}
    sent = await server.client.post("/v1/uploads", headers={**headers, "Origin": server.url}, content=LEAVE)
    document = await until_indexed(server, sent.headers["lorekeeper-document"])
    assert await last_origin(server, document["id"], {}) == {"channel": "web", "person": ""}


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://lore.example.org", "host": "lore.example.org"}, True),
        ({"origin": "https://other.example.org", "host": "lore.example.org"}, False),
        ({"origin": "null", "host": "lore.example.org"}, False),
        ({}, False),
    ],
)
async def test_our_page_is_told_from_other_pages_and_programs(headers: dict[str, str], is_ours: bool) -> None:
    assert is_of_our_page(Headers(headers)) is is_ours


@pytest.mark.parametrize("person", ["root", "Jörg Müller", "a%41"])
async def test_who_sits_at_the_command_line_comes_over_as_it_was(person: str) -> None:
    assert person_in(said_by(Origin("command line", person))["Lorekeeper-Person"]) == person


async def test_nothing_in_a_name_is_trusted() -> None:
    assert person_in("a%0D%0Ab%1B%5B31m%00") == "ab[31m"
    assert person_in("x" * 1000) == "x" * 100
    assert said_by(Origin("command line")) == {}
