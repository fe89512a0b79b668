from __future__ import annotations

import io
from collections.abc import Callable

import docx
import pytest
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from core.errors import UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import parse
from tests.ingest.parse.office import packed, paragraph, png, word, wordml, workbook

Kinds = list[tuple[str, str]]


def written(fill: Callable[[Document], object]) -> bytes:
    document = docx.Document()
    fill(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def read(fill: Callable[[Document], object], name: str = "policy.docx") -> ParsedDocument:
    return parse(written(fill), name)


def read_body(body: str, **parts: object) -> ParsedDocument:
    return parse(word(body, **parts), "policy.docx")  # type: ignore[arg-type]


def kinds(document: ParsedDocument) -> Kinds:
    return [(block.kind.value, block.text) for block in document.blocks]


# ── paragraphs, headings, lists ──────────────────────────────────────────────────────────────────


def test_headings_paragraphs_and_lists_in_order() -> None:
    def fill(document: Document) -> None:
        document.add_heading("Leave", 1)
        document.add_paragraph("Thirty days a year.")
        document.add_paragraph("Ask early", style="List Bullet")
        document.add_paragraph("in writing", style="List Bullet")
        document.add_heading("Sick leave", 2)
        document.add_paragraph("First call", style="List Number")
        document.add_paragraph("then write", style="List Number")

    document = read(fill)
    assert document.blocks == (
        Block("Leave", BlockKind.HEADING, 1),
        Block("Thirty days a year."),
        Block("- Ask early\n- in writing", BlockKind.LIST),
        Block("Sick leave", BlockKind.HEADING, 2),
        Block("1. First call\n2. then write", BlockKind.LIST),
    )
    assert document.title == "Leave"
    assert document.pages is None


def test_headings_are_told_by_outline_level_and_by_styles_in_other_languages() -> None:
    def fill(document: Document) -> None:
        style = document.styles.add_style("Überschrift 2", WD_STYLE_TYPE.PARAGRAPH)
        document.add_paragraph("Urlaub", style=style)
        properties = document.add_paragraph("Krankheit")._p.get_or_add_pPr()
        level = OxmlElement("w:outlineLvl")
        level.set(qn("w:val"), "2")
        properties.append(level)
        derived = document.styles.add_style("Corporate", WD_STYLE_TYPE.PARAGRAPH)
        derived.base_style = document.styles["Heading 3"]
        document.add_paragraph("Elternzeit", style=derived)

    assert [(block.text, block.level) for block in read(fill).blocks] == [
        ("Urlaub", 2),
        ("Krankheit", 3),
        ("Elternzeit", 3),
    ]


def test_short_bold_lines_are_headings_where_there_are_no_others() -> None:
    def fill(document: Document) -> None:
        for title in ("Leave", "Sick leave"):
            document.add_paragraph().add_run(title).bold = True
            document.add_paragraph("Some text about it.")
            document.add_paragraph("And more of it.")

    assert [block.level for block in read(fill).blocks] == [2, 0, 0, 2, 0, 0]


NUMBERING = wordml(
    "numbering",
    '<w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>'
    '<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>'
    '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>',
)


def item(text: str, level: int, list_id: int = 1, more: str = "") -> str:
    return paragraph(text, f'{more}<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/></w:numPr>')


def test_numbers_are_counted_as_word_does() -> None:
    body = "".join(
        [
            *(item("Scope", 0, more='<w:outlineLvl w:val="0"/>'), item("It holds for all.", 1), item("In part:", 1)),
            *(item("one", 2), item("two", 2), paragraph("Between."), item("And after.", 1)),
            *(item("Terms", 0, more='<w:outlineLvl w:val="0"/>'), item("They end.", 1), item("Seventh", 0, 2)),
        ]
    )
    document = read_body(body, parts={"numbering.xml": NUMBERING}, kinds={"numbering.xml": "numbering"})
    assert kinds(document) == [
        ("heading", "1. Scope"),
        ("list", "  1.1 It holds for all.\n  1.2 In part:\n    (a) one\n    (b) two"),
        ("text", "Between."),
        ("list", "  1.3 And after."),
        ("heading", "2. Terms"),
        ("list", "  2.1 They end.\n7. Seventh"),
    ]


def test_a_table_of_contents_is_left_out_where_it_repeats_headings() -> None:
    styles = wordml("styles", '<w:style w:type="paragraph" w:styleId="T1"><w:name w:val="toc 1"/></w:style>')
    contents = [paragraph(text, '<w:pStyle w:val="T1"/>') for text in ("Leave\t3", "Not a heading\t4")]
    body = "".join(contents) + paragraph("Leave", '<w:outlineLvl w:val="0"/>') + paragraph("Text.")
    document = read_body(body, parts={"styles.xml": styles}, kinds={"styles.xml": "styles"})
    assert kinds(document) == [("text", "Not a heading 4"), ("heading", "Leave"), ("text", "Text.")]


# ── what stands inside paragraphs ────────────────────────────────────────────────────────────────


def test_tracked_changes_are_read_as_accepted() -> None:
    body = "<w:p><w:r><w:t>Pay is </w:t></w:r><w:ins><w:r><w:t>30</w:t></w:r></w:ins><w:del><w:r><w:delText>20</w:delText></w:r></w:del></w:p>"
    document = read_body(body)
    assert kinds(document) == [("text", "Pay is 30")]
    assert document.losses == ("One deletion is left out, as the tracked changes have it.",)


def test_fields_show_their_results_links_their_texts_and_hidden_text_nothing() -> None:
    body = (
        '<w:p><w:hyperlink><w:r><w:t>our site</w:t></w:r></w:hyperlink><w:r><w:t xml:space="preserve"> and </w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>REF x</w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>Section 4</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        '<w:r><w:noBreakHyphen/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r></w:p>'
    )
    document = read_body(body)
    assert kinds(document) == [("text", "our site and Section 4-✓")]
    assert document.losses == ("One hidden passage is left out.",)


def test_content_controls_are_read_in_lines_and_around_paragraphs_and_cells() -> None:
    def control(content: str) -> str:
        return f"<w:sdt><w:sdtPr/><w:sdtContent>{content}</w:sdtContent></w:sdt>"

    def cell(text: str) -> str:
        return f"<w:tc>{paragraph(text)}</w:tc>"

    first = control(f"<w:tr>{control(cell('a'))}{cell('b')}</w:tr>")
    body = (
        f"<w:p><w:r><w:t>Name: </w:t></w:r>{control('<w:r><w:t>Bob</w:t></w:r>')}</w:p>"
        + control(control(paragraph("A whole paragraph.")))
        + f"<w:tbl>{first}<w:tr>{cell('c')}{cell('d')}</w:tr></w:tbl>"
    )
    assert [text for _, text in kinds(read_body(body))] == [
        "Name: Bob",
        "A whole paragraph.",
        "| a | b |\n| --- | --- |\n| c | d |",
    ]


def test_text_boxes_are_read_once_although_they_are_stored_twice() -> None:
    box = f"<w:txbxContent>{paragraph('Boxed words.')}</w:txbxContent>"
    body = (
        "<w:p><w:r><w:t>Before.</w:t></w:r><w:r><mc:AlternateContent>"
        f"<mc:Choice Requires='wps'><w:drawing><wp:anchor><wps:wsp><wps:txbx>{box}</wps:txbx></wps:wsp></wp:anchor></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>"
    )
    assert kinds(read_body(body)) == [("text", "Before."), ("text", "Boxed words.")]


def test_notes_stand_after_the_paragraph_that_refers_to_them() -> None:
    notes = wordml(
        "footnotes",
        f'<w:footnote w:id="-1">{paragraph("—")}</w:footnote><w:footnote w:id="2">{paragraph("Except on Sundays.")}</w:footnote>',
    )
    body = '<w:p><w:r><w:t>Always open.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>' + paragraph(
        "Next."
    )
    document = read_body(body, parts={"footnotes.xml": notes}, kinds={"footnotes.xml": "footnotes"})
    assert [text for _, text in kinds(document)] == ["Always open.[1]", "[1] Except on Sundays.", "Next."]


def test_a_note_that_is_referred_to_again_keeps_its_number_and_is_not_repeated() -> None:
    inner = '<w:p><w:r><w:t>Ask HR.</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
    notes = wordml("footnotes", f'<w:footnote w:id="2">{inner}</w:footnote>')
    body = '<w:p><w:r><w:t>Open.</w:t><w:footnoteReference w:id="2"/></w:r></w:p>' * 2
    document = read_body(body, parts={"footnotes.xml": notes}, kinds={"footnotes.xml": "footnotes"})
    assert [text for _, text in kinds(document)] == ["Open.[1]", "[1] Ask HR.[1]", "Open.[1]"]


def test_headers_and_footers_are_read_once_without_page_numbers() -> None:
    def fill(document: Document) -> None:
        document.add_paragraph("Text.")
        document.sections[0].header.paragraphs[0].text = "Contoso HR-12, valid from 2024"
        document.sections[0].footer.paragraphs[0].text = "Page 3 of 7"
        document.add_section()
        document.sections[1].header.is_linked_to_previous = False
        document.sections[1].header.paragraphs[0].text = "Contoso HR-12, valid from 2024"

    assert kinds(read(fill)) == [("text", "Contoso HR-12, valid from 2024"), ("text", "Text.")]


def test_formulas_are_written_in_a_line() -> None:
    def part(tag: str, *inner: str) -> str:
        return f"<m:{tag}>{''.join(inner)}</m:{tag}>"

    def run(text: str) -> str:
        return part("r", part("t", text))

    fraction = part("f", part("num", run("a+b")), part("den", run("2")))
    power = part("sSup", part("e", run("x")), part("sup", run("2")))
    root = part("rad", "<m:radPr><m:degHide m:val='1'/></m:radPr>", part("deg"), part("e", run("y")))
    body = f"<w:p><m:oMathPara><m:oMath>{power}{run('=')}{fraction}{run('+')}{root}</m:oMath></m:oMathPara></w:p>"
    assert kinds(read_body(body)) == [("text", "x^2=(a+b)/2+√(y)")]


def test_pictures_are_their_descriptions_or_are_said_to_have_none() -> None:
    def fill(document: Document) -> None:
        for description in ("Plan of the second floor", "image1.png", ""):
            picture = document.add_picture(io.BytesIO(png()))
            picture._inline.docPr.set("descr", description)

    document = read(fill)
    assert kinds(document) == [("text", "Plan of the second floor")]
    assert document.losses == ("2 pictures have no text that could be read.",)


def test_comments_are_left_out_and_counted() -> None:
    comments = wordml("comments", f'<w:comment w:id="0">{paragraph("Really?")}</w:comment>')
    document = read_body(paragraph("Text."), parts={"comments.xml": comments}, kinds={"comments.xml": "comments"})
    assert kinds(document) == [("text", "Text.")]
    assert document.losses == ("One comment is left out.",)


def test_embedded_files_are_attached_and_objects_that_cannot_be_read_counted() -> None:
    sheet = workbook('<sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData>')
    body = "".join(f'<w:p><w:r><w:object><o:OLEObject r:id="r{n}"/></w:object></w:r></w:p>' for n in (1, 2, 9))
    document = parse(
        word(
            paragraph("Text.") + body,
            parts={
                "embeddings/Costs.xlsx": sheet,
                "embeddings/oleObject1.bin": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 broken",
            },
            kinds={"embeddings/Costs.xlsx": "package", "embeddings/oleObject1.bin": "oleObject"},
        ),
        "policy.docx",
    )
    assert [(each.name, each.data) for each in document.attachments] == [("Costs.xlsx", sheet)]
    assert document.losses == ("2 embedded objects cannot be read.",)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def test_tables_are_rows_of_cells_with_merged_ones_filled_in() -> None:
    def fill(document: Document) -> None:
        table = document.add_table(3, 3)
        for place, text in enumerate("Team Name Days Red Bob 1 Red Anna 2".split()):
            table.cell(place // 3, place % 3).text = text
        table.cell(2, 0).text = ""
        table.cell(1, 0).merge(table.cell(2, 0))

    assert kinds(read(fill)) == [
        ("table", "| Team | Name | Days |\n| --- | --- | --- |\n| Red | Bob | 1 |\n| Red | Anna | 2 |")
    ]


def test_a_title_over_the_whole_table_is_no_header() -> None:
    def fill(document: Document) -> None:
        table = document.add_table(3, 2)
        table.cell(0, 0).merge(table.cell(0, 1)).text = "Overtime"
        for place, text in enumerate("Name Days Bob 1".split()):
            table.cell(1 + place // 2, place % 2).text = text

    assert kinds(read(fill)) == [("text", "Overtime"), ("table", "| Name | Days |\n| --- | --- |\n| Bob | 1 |")]


def test_frames_and_layouts_are_read_as_text() -> None:
    def fill(document: Document) -> None:
        document.add_table(1, 1).cell(0, 0).text = "A note in a frame."
        layout = document.add_table(2, 2)
        layout.cell(0, 0).paragraphs[0].style = document.styles["Heading 1"]
        layout.cell(0, 0).paragraphs[0].text = "Left"
        layout.cell(0, 1).text = "Right."

    assert kinds(read(fill)) == [("text", "A note in a frame."), ("heading", "Left"), ("text", "Right.")]


def test_a_small_table_in_a_cell_is_text_of_the_cell() -> None:
    def fill(document: Document) -> None:
        outer = document.add_table(2, 2)
        for place, text in enumerate("Name Hours Bob".split()):
            outer.cell(place // 2, place % 2).text = text
        inner = outer.cell(1, 1).add_table(2, 2)
        for place, text in enumerate("Mon 8 Tue 6".split()):
            inner.cell(place // 2, place % 2).text = text

    assert kinds(read(fill)) == [("table", "| Name | Hours |\n| --- | --- |\n| Bob | Mon, 8; Tue, 6 |")]


# ── damaged and hostile ──────────────────────────────────────────────────────────────────────────


def test_macros_and_templates_are_read_as_documents() -> None:
    data = word(paragraph("Text."), parts={"vbaProject.bin": b"\0"})
    document = parse(data, "policy.docm")
    assert document.media_type.endswith("wordprocessingml.document")
    assert document.losses == ("Macros are left out.",)


def test_the_strict_variant_is_read_too() -> None:
    body = paragraph("Leave", '<w:outlineLvl w:val="0"/>') + paragraph("Strict words.")
    strict = wordml("document", f"<w:body>{body}</w:body>")
    for family in ("wordprocessingml", "officeDocument", "drawingml"):
        strict = strict.replace(f"schemas.openxmlformats.org/{family}/2006/", f"purl.oclc.org/ooxml/{family}/")
    relation = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1"'
        ' Type="http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument" Target="/word/document.xml"/></Relationships>'
    )
    data = packed({"[Content_Types].xml": "<Types/>", "_rels/.rels": relation, "word/document.xml": strict})
    assert kinds(parse(data, "x.docx")) == [("heading", "Leave"), ("text", "Strict words.")]


def test_deep_nesting_ends_and_is_said() -> None:
    body = "<w:sdt><w:sdtContent>" * 60 + paragraph("Deep.") + "</w:sdtContent></w:sdt>" * 60 + paragraph("Text.")
    document = read_body(body)
    assert kinds(document) == [("text", "Text.")]
    assert document.losses == ("One passage is nested too deeply to be read.",)


def test_absurd_numbers_do_no_harm() -> None:
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="999999999"/></w:tcPr><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>'
    body = f"<w:tbl><w:tr>{cell}{cell}</w:tr><w:tr>{cell}{cell}</w:tr></w:tbl>" + paragraph("Text.")
    assert kinds(read_body(body))[-1] == ("text", "Text.")


def test_a_document_that_grows_out_of_proportion_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="zip bomb"):
        parse(word(paragraph("A" * 30_000_000)), "x.docx")


@pytest.mark.parametrize("name", ["styles.xml", "numbering.xml", "footnotes.xml", "comments.xml", "header1.xml"])
def test_a_broken_part_costs_only_itself(name: str) -> None:
    kind = {"header1.xml": "header"}.get(name, name.removesuffix(".xml"))
    document = read_body(paragraph("Text."), parts={name: "<broken"}, kinds={name: kind})
    assert kinds(document) == [("text", "Text.")]


def test_a_document_cut_short_is_said_to_be_damaged() -> None:
    data = written(lambda document: document.add_paragraph("Text."))
    for size in (len(data) // 3, len(data) // 2, len(data) - 20):
        with pytest.raises(UnreadableDocument, match="damaged or not a Word document"):
            parse(data[:size], "x.docx")
