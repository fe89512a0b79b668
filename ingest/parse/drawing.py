"""DrawingML, the pictures, text boxes and charts that Word, Excel and PowerPoint files share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.parse.ooxml import attribute, find, shown
from ingest.parse.safe_xml import local
from ingest.parse.text import one_line

if TYPE_CHECKING:
    from lxml.etree import _Element

_GENERATED = re.compile(
    r"(?i)description automatically generated.*|ai-generated content may be incorrect\.?|automatisch generierte beschreibung"
)
_NO_DESCRIPTION = re.compile(
    r"(?i)(?:.*[\\/])?[\w .()~-]*\.(?:png|jpe?g|gif|emf|wmf|bmp|tiff?|svg)|(?:picture|image|grafik|bild|figure|shape|logo)? ?\d*"
)
_MAX_DEPTH, _LONGEST_NAME = 40, 300
_READ = frozenset({"txBody", "pic", "chart"})


@dataclass(slots=True)
class Drawn:
    """What was found: texts in the order of the file, and counts of what has none."""

    texts: list[str] = field(default_factory=list)
    pictures: int = 0
    charts: int = 0
    deep: int = 0
    """Parts with such content that are nested too deeply to be read."""


def read_drawing(root: _Element, drawn: Drawn, depth: int = 0) -> None:
    """Add the texts of shapes, the descriptions of pictures and the number of charts under `root`."""
    if depth > _MAX_DEPTH:
        drawn.deep += holds(root, _READ)
        return
    for child in root:
        match local(child):
            case "AlternateContent":
                read_drawing(shown(child), drawn, depth + 1)
            case "txBody":
                if text := body_text(child):
                    drawn.texts.append(text)
            case "pic":
                take_picture(child, drawn)
            case "chart":
                drawn.charts += 1
            case _:
                read_drawing(child, drawn, depth + 1)


def holds(root: _Element, names: Collection[str]) -> bool:
    """Whether an element of one of these names is `root` or stands in it, however deep."""
    return any(local(each) in names for each in root.iter())


def depth_losses(deep: int, levels: int = _MAX_DEPTH) -> Iterator[str]:
    """Of parts that are nested deeper than what is read, if there are any."""
    if deep:
        yield f"Parts that are nested more than {levels} levels deep were left out."


def take_picture(picture: _Element, drawn: Drawn) -> None:
    """A picture's description, or that it has none."""
    text = picture_text(picture)
    if text:
        drawn.texts.append(text)
    elif text is not None:
        drawn.pictures += 1


def picture_text(picture: _Element) -> str | None:
    """A picture's description, empty if nobody gave it one; None for mere decoration."""
    properties = next((each for each in picture.iter() if local(each) in {"cNvPr", "docPr"}), None)
    return description(properties) or (None if is_decorative(properties) else "")


def picture_id(picture: _Element) -> str:
    """The relation to the part that holds a picture; empty where there is none."""
    blip = find(picture, "blipFill", "blip")
    return attribute(blip, "embed") if blip is not None else ""


def description(properties: _Element | None) -> str:
    """The alternative text that somebody gave a picture; file names and what programs put there are none."""
    if properties is None:
        return ""
    return described(attribute(properties, "descr")) or described(attribute(properties, "title"))


def described(stated: str) -> str:
    """An alternative text, or nothing where it says nothing."""
    text = one_line(_GENERATED.sub("", stated))
    return "" if len(text) < _LONGEST_NAME and _NO_DESCRIPTION.fullmatch(text) else text


def is_decorative(properties: _Element | None) -> bool:
    """Whether the author marked it as mere decoration."""
    if properties is None:
        return False
    return any(local(each) == "decorative" and each.get("val") in {"1", "true"} for each in properties.iter())


def body_text(body: _Element) -> str:
    """The paragraphs of a DrawingML text body, one a line."""
    lines = [paragraph_text(paragraph) for paragraph in body.iterfind("{*}p")]
    return "\n".join(line for line in lines if line.strip())


def paragraph_text(paragraph: _Element) -> str:
    return "".join(_pieces(paragraph))


def _pieces(paragraph: _Element) -> Iterator[str]:
    for child in paragraph:
        match local(child):
            case "r":
                text = find(child, "t")
                yield (text.text or "") if text is not None else ""
            case "fld":
                text = find(child, "t")
                if not (child.get("type") or "").startswith("slidenum"):
                    yield (text.text or "") if text is not None else ""
            case "br":
                yield "\n"
            case "AlternateContent":
                yield from _pieces(shown(child))
            case "m":
                from ingest.parse.omml import linear

                yield linear(child)
