"""XML of any kind: records keep their field names, documents their titles, lists and tables."""

from __future__ import annotations

import pytest

from core.errors import UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import detect, parse


def read(text: str, name: str = "export/staff.xml") -> ParsedDocument:
    return parse(text.encode(), name)


def texts(document: ParsedDocument, kind: BlockKind = BlockKind.TEXT) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


class TestRecords:
    def test_short_ones_become_a_table(self) -> None:
        document = read(
            '<staff><person id="1"><name>Ann</name><days>30</days></person>'
            '<person id="2"><name>Bob &amp; Co</name><days unit="d">25</days></person></staff>'
        )
        assert texts(document, BlockKind.TABLE) == [
            "| id | name | days | days.unit |\n| --- | --- | --- | --- |\n| 1 | Ann | 30 |  |\n| 2 | Bob & Co | 25 | d |"
        ]
        assert document.title == "Staff"

    def test_long_ones_become_paragraphs_under_what_they_are_called(self) -> None:
        rows = "".join(
            f"<row><title>Rule {i}</title><scope><unit>HR</unit><unit>IT</unit></scope><text>{'word ' * 80}</text></row>"
            for i in range(2)
        )
        document = read(f"<db><table_data name='rules'>{rows}</table_data></db>")
        assert texts(document, BlockKind.HEADING) == ["table_data rules", "Rule 0", "Rule 1"]
        assert texts(document)[-1].startswith("title: Rule 1\nscope.unit: HR, IT\ntext: word")

    def test_attributes_are_values_too(self) -> None:
        document = read('<users><user name="ann" mail="a@x.org"/><user name="bob" mail="b@x.org"/></users>')
        assert "| ann | a@x.org |" in texts(document, BlockKind.TABLE)[0]

    def test_feeds(self) -> None:
        items = "".join(
            f"<item><title>News {i}</title><description>{'text ' * 60}</description></item>" for i in range(2)
        )
        document = read(
            f'<rss version="2.0"><channel><title>Intranet</title><link>http://x</link>{items}</channel></rss>'
        )
        assert document.title == "Intranet"
        assert "News 1" in texts(document, BlockKind.HEADING)
        assert texts(document)[-1].startswith("title: News 1\ndescription: text")

    def test_settings_keep_names_with_values(self) -> None:
        document = read("<config><server><host>db1</host><port>5432</port></server><mode>fast</mode></config>")
        assert "host: db1\nport: 5432" in texts(document)
        assert "mode: fast" in texts(document)


DOCBOOK = """<?xml version="1.0"?>
<!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "docbookx.dtd" [<!ENTITY co "Contoso">]>
<book><title>Handbook of &co;</title>
<chapter><title>Leave</title><para>Thirty <emphasis>days</emphasis> a
 year.</para>
<section><title>Sick leave</title><itemizedlist><listitem><para>Call in.</para></listitem>
<listitem><para>Before nine:</para><orderedlist><listitem><para>HR</para></listitem></orderedlist></listitem></itemizedlist>
<programlisting>if x:
    go()</programlisting>
<table><title>Grades</title><tgroup cols="2"><thead><row><entry>Grade</entry><entry>Days</entry></row></thead>
<tbody><row><entry>Senior</entry><entry>32</entry></row></tbody></tgroup></table>
<note><para>Mind the gap.</para></note></section></chapter></book>"""


def test_docbook() -> None:
    document = read(DOCBOOK, "handbook.xml")
    assert document.title == "Handbook of Contoso"
    assert document.blocks == (
        Block("Handbook of Contoso", BlockKind.HEADING, 1),
        Block("Leave", BlockKind.HEADING, 2),
        Block("Thirty days a year.", BlockKind.TEXT),
        Block("Sick leave", BlockKind.HEADING, 3),
        Block("- Call in.\n- Before nine:\n  1. HR", BlockKind.LIST),
        Block("if x:\n    go()", BlockKind.CODE),
        Block("Grades"),
        Block("| Grade | Days |\n| --- | --- |\n| Senior | 32 |", BlockKind.TABLE),
        Block("Mind the gap."),
    )


def test_dita() -> None:
    document = read(
        '<topic id="leave"><title>Leave</title><shortdesc>How to take it.</shortdesc><body><section><title>Rules</title>'
        "<p>Ask <b>first</b>.</p><ul><li>in time</li><li>in writing</li></ul></section></body></topic>",
        "leave.dita",
    )
    assert texts(document, BlockKind.HEADING) == ["Leave", "Rules"]
    assert texts(document, BlockKind.LIST) == ["- in time\n- in writing"]
    assert {"How to take it.", "Ask first."} <= set(texts(document))


def test_all_text_is_there_whatever_the_names() -> None:
    document = read("<a>one<b>two<c x='three'>four</c>five</b><d><e>six</e><f/><g>seven</g></d>eight</a>")
    whole = " ".join(block.text for block in document.blocks)
    assert [word for word in "one two four five six seven eight".split() if word not in whole] == []


def test_broken_xml_is_read_as_far_as_possible() -> None:
    document = read("<staff><name>Ann & Bob</name><days>30</staff>")
    assert texts(document) == ["name: Ann & Bob\ndays: 30"]
    assert document.losses == ("The XML is not well-formed (line 1); what could be read of it was.",)


def test_a_table_in_a_cell_is_read_once() -> None:
    inner = "<table><tr><td>in</td><td>side</td></tr></table>"
    document = read(f"<doc><table><tr><td>a {inner}</td><td>b</td></tr></table></doc>")
    assert " ".join(block.text for block in document.blocks).count("side") == 1


def test_what_stands_in_several_elements_does_not_run_together() -> None:
    assert texts(read("<doc><sec>Intro <box><x>North</x><y>South</y></box></sec></doc>")) == [
        "Intro", "x: North\ny: South"
    ]  # fmt: skip


def test_a_bomb_is_refused_and_deep_nesting_is_no_crash() -> None:
    with pytest.raises(UnreadableDocument, match="bomb"):
        read("<a>" * 5000 + "x" + "</a>" * 5000)
    assert texts(read("<a><b>" * 120 + "x" + "</b></a>" * 120))


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (
            b"<?xml version='1.0'?><article xmlns='http://docbook.org/ns/docbook'><title>x</title></article>",
            "x",
            "application/xml",
        ),
        (b"<article><title>x</title></article>", "x.xml", "application/xml"),
        (b"<!DOCTYPE book [<!ENTITY a 'b'>]><book/>", "x", "application/xml"),
        (b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x'><html><p>x", "x.xml", "text/html"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "x", "text/html"),
        (b"<?xml version='1.0'?><!-- a --><svg/>", "x.xml", "image/svg+xml"),
        (b"<article><p>x</article>", "x", "text/html"),
    ],
)
def test_it_is_told_from_web_pages(data: bytes, name: str, kind: str) -> None:
    assert detect(data, name) == kind
