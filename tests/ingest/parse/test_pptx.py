from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from core.errors import UnreadableDocument
from core.types import ParsedDocument
from ingest.parse import charts, parse
from ingest.parse.ooxml import Package
from ingest.parse.pptx_shapes import Shape, in_reading_order
from tests.ingest.parse.office import packed, png, workbook

TITLE, CONTENT, ONLY_TITLE, BLANK = 0, 1, 5, 6
Fill = Callable[[Any], object]


def written(fill: Fill) -> bytes:
    deck = pptx.Presentation()
    fill(deck)
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue()


def read(fill: Fill) -> ParsedDocument:
    return parse(written(fill), "plan.pptx")


def slide(deck: Any, layout: int = BLANK, title: str = "") -> Any:
    added = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        added.shapes.title.text = title
    return added


def box(on: Any, text: str, left: float, top: float, width: float = 2, height: float = 1) -> None:
    on.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(height)).text_frame.text = text


def kinds(document: ParsedDocument) -> list[tuple[int | None, str, str]]:
    return [(block.page, block.kind.value, block.text) for block in document.blocks]


def texts(document: ParsedDocument) -> list[str]:
    return [block.text for block in document.blocks]


def test_slides_are_pages_with_titles_lists_and_notes() -> None:
    def fill(deck: Any) -> None:
        first = slide(deck, TITLE, "Plan for 2025")
        first.placeholders[1].text = "By the board"
        second = slide(deck, CONTENT, "Goals")
        frame = second.placeholders[1].text_frame
        frame.text = "Grow"
        for level, text in ((1, "in the north"), (0, "Save")):
            added = frame.add_paragraph()
            added.text, added.level = text, level
        second.notes_slide.notes_text_frame.text = "Say why."

    document = read(fill)
    assert kinds(document) == [
        (1, "heading", "Plan for 2025"),
        (1, "text", "By the board"),
        (2, "heading", "Goals"),
        (2, "list", "- Grow\n  - in the north\n- Save"),
        (2, "text", "Notes: Say why."),
    ]
    assert document.blocks[0].level == 2
    assert (document.title, document.pages) == ("Plan for 2025", 2)


def test_the_title_comes_first_then_top_to_bottom_and_left_to_right() -> None:
    def fill(deck: Any) -> None:
        added = slide(deck, ONLY_TITLE)
        box(added, "below", 1, 6, 8)
        box(added, "right", 5, 3)
        box(added, "left", 1, 3)
        box(added, "above", 1, 2, 8, 0.8)
        added.shapes.title.text = "Title"

    assert texts(read(fill)) == ["Title", "above", "left", "right", "below"]


def test_columns_are_read_one_after_the_other() -> None:
    boxes = {"a1": (0, 0, 40, 10), "b1": (60, 0, 100, 10), "a2": (0, 12, 40, 30), "b2": (60, 12, 100, 30)}
    scale = 100_000
    shapes = [Shape(None, tuple(side * scale for side in sides), placeholder=name) for name, sides in boxes.items()]  # type: ignore[arg-type]
    assert [shape.placeholder for shape in in_reading_order(shapes)] == ["a1", "a2", "b1", "b2"]


def test_a_thousand_shapes_on_one_spot_are_read() -> None:
    shapes = [Shape(None, (0, 0, 100, 100)) for _ in range(1000)]  # type: ignore[arg-type]
    assert len(in_reading_order(shapes)) == 1000


def test_groups_stay_together() -> None:
    def fill(deck: Any) -> None:
        added = slide(deck)
        group = added.shapes.add_group_shape()
        for text, top in (("second", 3), ("first", 2)):
            group.shapes.add_textbox(Inches(1), Inches(top), Inches(2), Inches(0.5)).text_frame.text = text
        box(added, "last", 1, 5)

    assert texts(read(fill)) == ["first", "second", "last"]


@pytest.mark.parametrize(
    ("groups", "read_texts", "losses"),
    [
        (20, ["top", "inside"], ()),
        (21, ["top"], ("Parts that are nested more than 20 levels deep were left out.",)),
    ],
)
def test_groups_in_groups_are_read_to_a_depth_and_the_rest_is_said(
    groups: int, read_texts: list[str], losses: tuple[str, ...]
) -> None:
    def fill(deck: Any) -> None:
        added = slide(deck)
        box(added, "top", 1, 0)
        group = added
        for _ in range(groups):
            group = group.shapes.add_group_shape()
        group.shapes.add_textbox(Inches(1), Inches(3), Inches(2), Inches(1)).text_frame.text = "inside"

    document = read(fill)
    assert texts(document) == read_texts
    assert document.losses == losses


def test_numbered_paragraphs_have_their_numbers() -> None:
    def fill(deck: Any) -> None:
        added = slide(deck)
        box(added, "Call\nWrite", 1, 1)
        for paragraph in added.shapes[0].text_frame.paragraphs:
            number = paragraph._p.get_or_add_pPr().makeelement(
                "{http://schemas.openxmlformats.org/drawingml/2006/main}buAutoNum",
                {"type": "arabicPeriod", "startAt": "3"},
            )
            paragraph._p.get_or_add_pPr().append(number)

    assert texts(read(fill)) == ["3. Call\n4. Write"]


def test_tables_are_tables_with_merged_cells_filled_in() -> None:
    def fill(deck: Any) -> None:
        table = slide(deck).shapes.add_table(3, 3, 0, 0, Inches(5), Inches(2)).table
        for place, text in enumerate("Team Name Days Red Bob 1".split()):
            table.cell(place // 3, place % 3).text = text
        table.cell(2, 1).text, table.cell(2, 2).text = "Anna", "2"
        table.cell(1, 0).merge(table.cell(2, 0))

    assert texts(read(fill)) == ["| Team | Name | Days |\n| --- | --- | --- |\n| Red | Bob | 1 |\n| Red | Anna | 2 |"]


def test_charts_are_tables_of_their_numbers() -> None:
    def fill(deck: Any) -> None:
        data: Any = CategoryChartData(number_format="0%")  # type: ignore[no-untyped-call]
        data.categories = ["North", "South"]
        data.add_series("2023", (0.25, 0.5))
        data.add_series("2024", (0.3, 0.45))
        chart = slide(deck).shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), data).chart
        chart.has_title = True
        chart.chart_title.text_frame.text = "Share by region"
        chart.value_axis.axis_title.text_frame.text = "Share of sales"

    document = read(fill)
    assert texts(document) == [
        "Share by region\nShare of sales",
        "|  | 2023 | 2024 |\n| --- | --- | --- |\n| North | 25% | 30% |\n| South | 50% | 45% |",
    ]
    assert not document.attachments


def test_charts_that_are_cut_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "_MAX_POINTS", 2)

    def fill(deck: Any) -> None:
        for count in (2, 3):
            data: Any = CategoryChartData()  # type: ignore[no-untyped-call]
            data.categories = [f"Team {number}" for number in range(count)]
            data.add_series("2023", range(count))
            slide(deck).shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), data)

    assert read(fill).losses == ("One chart was cut after 2 points and 100 series.",)


def test_hidden_slides_and_pictures_without_a_description_are_said() -> None:
    def fill(deck: Any) -> None:
        slide(deck, ONLY_TITLE, "Seen")
        slide(deck, ONLY_TITLE, "Hidden")._element.set("show", "0")
        added = slide(deck)
        for description in ("The new building", ""):
            picture = added.shapes.add_picture(io.BytesIO(png()), 0, 0)
            picture._element.nvPicPr.cNvPr.set("descr", description)

    document = read(fill)
    assert kinds(document) == [(1, "heading", "Seen"), (3, "text", "The new building")]
    assert document.losses == ("One hidden slide is left out.", "One picture has no text that could be read.")


def test_a_footer_is_read_once_and_slide_numbers_never() -> None:
    def fill(deck: Any) -> None:
        for number in (1, 2):
            added = slide(deck, ONLY_TITLE, f"Slide no {number}")
            for kind, text in (("ftr", "Contoso, internal"), ("sldNum", str(number)), ("dt", "1 May")):
                box(added, text, 1, 6)
                properties = added.shapes[-1]._element.nvSpPr.nvPr
                mark = properties.makeelement(
                    "{http://schemas.openxmlformats.org/presentationml/2006/main}ph", {"type": kind}
                )
                properties.append(mark)

    assert texts(read(fill)) == ["Slide no 1", "Contoso, internal", "Slide no 2"]


def test_embedded_files_are_attached() -> None:
    sheet = workbook('<sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData>')

    def fill(deck: Any) -> None:
        added = slide(deck, ONLY_TITLE, "Costs")
        added.shapes.add_ole_object(io.BytesIO(sheet), "Excel.Sheet.12", 0, 0, Inches(2), Inches(1))

    document = read(fill)
    assert [each.data for each in document.attachments] == [sheet]
    assert document.attachments[0].name.endswith(".xlsx")


def test_a_damaged_slide_costs_only_itself() -> None:
    def fill(deck: Any) -> None:
        slide(deck, ONLY_TITLE, "First")
        slide(deck, ONLY_TITLE, "Second")

    parts = members(written(fill))
    parts["ppt/slides/slide1.xml"] = b"<p:sld"
    document = parse(packed(parts), "plan.pptx")
    assert kinds(document) == [(2, "heading", "Second")]
    assert document.losses == ("One slide is damaged and could not be read.",)


def test_diagrams_are_lists_as_they_are_nested() -> None:
    drawing = "http://schemas.openxmlformats.org/drawingml/2006"
    texts_of = {"1": "Board", "2": "Sales", "3": "North"}
    points = "".join(
        f'<dgm:pt modelId="{key}"><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>'
        for key, text in texts_of.items()
    )
    links = "".join(
        f'<dgm:cxn modelId="x{a}" srcId="{a}" destId="{b}" srcOrd="0" destOrd="0"/>' for a, b in ("01", "12", "23")
    )
    data = (
        f'<dgm:dataModel xmlns:dgm="{drawing}/diagram" xmlns:a="{drawing}/main"><dgm:ptLst><dgm:pt modelId="0" type="doc"/>'
        f"{points}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst></dgm:dataModel>"
    )
    parts = members(written(lambda deck: slide(deck, ONLY_TITLE, "Who is who")))
    frame = (
        f'<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="9" name="x"/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr>'
        f'<a:graphic><a:graphicData uri="{drawing}/diagram"><dgm:relIds xmlns:dgm="{drawing}/diagram" r:dm="rIdData"/>'
        "</a:graphicData></a:graphic></p:graphicFrame></p:spTree>"
    )
    parts["ppt/slides/slide1.xml"] = parts["ppt/slides/slide1.xml"].replace(b"</p:spTree>", frame.encode())
    relation = (
        '<Relationship Id="rIdData" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"'
        ' Target="../diagrams/data1.xml"/></Relationships>'
    )
    rels = "ppt/slides/_rels/slide1.xml.rels"
    parts[rels] = parts[rels].replace(b"</Relationships>", relation.encode())
    parts["ppt/diagrams/data1.xml"] = data.encode()
    assert texts(parse(packed(parts), "x.pptx")) == ["Who is who", "- Board\n  - Sales\n    - North"]


def test_a_presentation_cut_short_is_said_to_be_damaged() -> None:
    data = written(lambda deck: slide(deck, ONLY_TITLE, "First"))
    for size in (len(data) // 2, len(data) - 20):
        with pytest.raises(UnreadableDocument, match="damaged or not a PowerPoint presentation"):
            parse(data[:size], "x.pptx")


def test_an_empty_presentation_has_no_text() -> None:
    with pytest.raises(UnreadableDocument, match="no text"):
        read(slide)


def members(data: bytes) -> dict[str, bytes]:
    package = Package(data, "a PowerPoint presentation")
    return {member.filename: package.read(member.filename) for member in package._archive.infolist()}
