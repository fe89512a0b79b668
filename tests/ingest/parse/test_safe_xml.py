"""XML of strangers: nothing is fetched or expanded, and what is broken is repaired where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import TooLarge, UnreadableDocument
from ingest.parse import safe_xml
from ingest.parse.safe_xml import parse_xml, read_xml, text_of

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


def test_text_attributes_and_namespaces() -> None:
    root = parse_xml(
        '<?xml version="1.0" encoding="iso-8859-1"?><a x="é">é<b>&lt;&#8212;</b><!-- no --></a>'.encode("latin-1")
    )
    assert (text_of(root), root.get("x")) == ("é<—", "é")


@pytest.mark.parametrize("repair", [False, True])
def test_files_are_never_read(tmp_path: Path, repair: bool) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    for document_type in (
        f'<!ENTITY x SYSTEM "{secret.as_uri()}">',
        f'<!ENTITY % y SYSTEM "{secret.as_uri()}"> %y; <!ENTITY x "">',
        f'<!ENTITY x PUBLIC "x" "{secret.as_uri()}">',
    ):
        xml = read_xml(f"<!DOCTYPE a [{document_type}]><a>before &x; after</a>".encode(), repair=repair)
        assert text_of(xml.root) == "before  after"
        assert xml.losses == ("One entity of the document type definition was left out.",)
    include = f'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{secret.as_uri()}" parse="text"/></a>'
    assert text_of(parse_xml(include.encode())) == ""


def test_short_entities_of_plain_text_are_put_in() -> None:
    xml = read_xml(
        b'<!DOCTYPE a SYSTEM "x.dtd" [<!ENTITY p "Contoso &#8212; Inc"><!ENTITY m "<b>x</b>"><!ENTITY n "&p;">]>'
        b"<a>&p;&p;, <i/>&p; &nbsp;&m;&n;&unknown; end</a>"
    )
    assert text_of(xml.root) == "Contoso — IncContoso — Inc, Contoso — Inc \xa0 end"
    assert xml.losses == ("3 entities of the document type definition were left out.",)


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize(
    "bomb",
    [
        f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a>&l9;</a>',
        f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a x="&l9;">text</a>',
        '<!DOCTYPE a [<!ENTITY a "&b;"><!ENTITY b "&a;">]><a>&a;</a>',
        f'<!DOCTYPE a [<!ENTITY q "{"A" * 100_000}">]><a>{"&q;" * 50_000}</a>',
        f'<!DOCTYPE a [<!ATTLIST b c CDATA "{"A" * 100_000}">]><a>{"<b/>" * 50_000}</a>',
        "<a>" * 5000 + "text" + "</a>" * 5000,
    ],
)
def test_bombs_are_refused(bomb: str, repair: bool) -> None:
    with pytest.raises(UnreadableDocument, match="bomb"):
        read_xml(bomb.encode(), repair=repair)


def test_the_number_of_elements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_xml, "MAX_TAGS", 10)
    with pytest.raises(TooLarge):
        parse_xml(b"<a>" + b"<b/>" * 20 + b"</a>")


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (b"<a><b>one</b> two & three <c>four", "one two & three four"),
        (b"<a>one</b>", "one"),
        (b"<a>one &nbsp;two</a>", "one \xa0two"),
    ],
)
def test_what_is_not_well_formed_is_repaired_only_if_asked_for(broken: bytes, text: str) -> None:
    xml = read_xml(broken, repair=True)
    assert text_of(xml.root) == text
    assert xml.losses == ("The XML is not well-formed (line 1); what could be read of it was.",)
    with pytest.raises(UnreadableDocument, match="damaged"):
        parse_xml(broken)


@pytest.mark.parametrize("data", [b"", b"no markup", b"\x00\x01"])
def test_what_is_no_xml_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument):
        read_xml(data, repair=True)
