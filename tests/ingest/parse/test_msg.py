"""Outlook messages: what a person sees of them, and the files and messages inside."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from compressed_rtf import compress

from core.errors import UnreadableDocument
from core.types import ParsedDocument
from ingest.parse import parse
from ingest.parse.errors import Protected
from tests.fakes.compound import Tree, compound_file


def texts(document: ParsedDocument) -> list[str]:
    return [block.text for block in document.blocks]


def properties(header: int, **numbers: int) -> bytes:
    rows = b"".join(struct.pack("<IIQ", int(tag[1:], 16) << 16 | 3, 0, value) for tag, value in numbers.items())
    return bytes(header) + rows


def wide(**values: str) -> Tree:
    return {f"__substg1.0_{tag[1:]}001F": value.encode("utf-16-le") for tag, value in values.items()}


def message(header: int = 32, **more: Tree | bytes) -> Tree:
    sent = int((datetime(2026, 11, 2, 8, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
    tree: Tree = {
        "__properties_version1.0": properties(header, x0039=sent),
        **wide(x001A="IPM.Note", x0037="Leave", x0C1A="Ann", x5D01="ann@example.org", x1000="Thirty days."),
        "__recip_version1.0_#00000000": {
            "__properties_version1.0": properties(8, x0C15=1),
            **wide(x3001="Bob", x39FE="bob@example.org"),
        },
        "__recip_version1.0_#00000001": {
            "__properties_version1.0": properties(8, x0C15=2),
            **wide(x3001="Zoë", x3003="/O=CONTOSO/CN=ZOE"),
        },
    }
    return {**tree, **{name.replace("attach", "__attach_version1.0_#0000000"): value for name, value in more.items()}}


def without(tree: Tree, *tags: str) -> Tree:
    return {name: value for name, value in tree.items() if not any(tag in name for tag in tags)}


def attachment(name: str, data: bytes, **values: str) -> Tree:
    return {
        "__properties_version1.0": properties(8),
        "__substg1.0_37010102": data,
        **wide(x3707=name, **values),
    }


def read(tree: Tree) -> ParsedDocument:
    return parse(compound_file(tree), "leave.msg")


def test_headers_text_and_title() -> None:
    document = read(message())
    assert (document.title, document.media_type) == ("Leave", "application/vnd.ms-outlook")
    assert texts(document) == [
        "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nCc: Zoë\nDate: 2026-11-02 08:00 UTC\nSubject: Leave",
        "Thirty days.",
    ]


def test_text_in_an_old_code_page() -> None:
    tree = {
        **without(message(), "1000001F"),
        "__properties_version1.0": properties(32, x3FFD=1251),
        "__substg1.0_1000001E": "Привет\0".encode("cp1251"),
    }
    assert texts(read(tree))[-1] == "Привет"


def test_a_body_in_html_only() -> None:
    html = '<meta charset="utf-8"><p>Thirty <b>days</b> é.</p>'.encode()
    assert texts(read({**without(message(), "1000001F"), "__substg1.0_10130102": html}))[-1] == "Thirty days é."


@pytest.mark.parametrize("packed", [True, False])
def test_a_body_in_rich_text_only(packed: bool) -> None:
    rtf = compress(rb"{\rtf1\ansi Thirty \b days\b0 .\par Of leave.}", compressed=packed)
    document = read({**without(message(), "1000001F"), "__substg1.0_10090102": rtf})
    assert texts(document)[-2:] == ["Thirty days.", "Of leave."]


def test_a_damaged_rich_text_is_a_loss() -> None:
    document = read({**without(message(), "1000001F"), "__substg1.0_10090102": b"LZFu" * 10})
    assert document.losses == ("The text of the message is damaged and could not be read.",)


def test_files_and_messages_inside() -> None:
    inner = message(24, attach1=attachment("deep.txt", b"deep"))
    inner.update(wide(x0037="Sick leave é", x1000="Call in é."))
    document = read(
        message(
            attach1=attachment("..\\plan.pdf", b"%PDF" * 2000),
            attach2={
                "__properties_version1.0": properties(8, x3705=5),
                **wide(x3001="Sick/leave"),
                "__substg1.0_3701000D": inner,
            },
            attach3=attachment("logo.png", b"\x89PNG", x3712="logo@1"),
            attach4={"__properties_version1.0": properties(8, x3705=6), "__substg1.0_3701000D": {"Contents": b"x"}},
        )
    )
    assert [each.name for each in document.attachments] == ["plan.pdf", "Sick-leave.eml"]
    assert document.attachments[0].data == b"%PDF" * 2000
    assert document.losses == (
        "One embedded object was left out.",
        "One picture has no text that could be read.",
    )
    mail = parse(document.attachments[1].data, "Sick-leave.eml")
    assert mail.title == "Sick leave é"
    assert texts(mail)[-1] == "Call in é."
    assert [(each.name, each.data) for each in mail.attachments] == [("deep.txt", b"deep")]
    assert document.attachments[1].data == read(message(attach1=message(), attach2={
        "__properties_version1.0": properties(8, x3705=5), **wide(x3001="Sick/leave"), "__substg1.0_3701000D": inner,
    })).attachments[0].data  # the same bytes each time  # fmt: skip


def test_encrypted_messages_are_said_to_be_and_signed_ones_are_read() -> None:
    with pytest.raises(Protected, match="encrypted"):
        read({**message(attach1=attachment("smime.p7m", b"x")), **wide(x001A="IPM.Note.SMIME")})
    signed = b"Content-Type: multipart/signed; boundary=x\n\n--x\nContent-Type: text/plain\n\nSigned text\n--x--\n"
    tree = {**message(attach1=attachment("smime.p7m", signed)), **wide(x001A="IPM.Note.SMIME.MultipartSigned")}
    assert texts(read(tree))[-1] == "Signed text"


@pytest.mark.parametrize("cut", [600, 1500, 3000])
def test_damaged_files_end_in_a_sentence(cut: int) -> None:
    data = compound_file(message())
    broken = data[:cut] + b"__substg1.0_".decode().encode("utf-16-le")
    with pytest.raises(UnreadableDocument):
        parse(broken, "leave.msg")
