"""What Word, Excel and PowerPoint files share: parts in a zip container that refer to each other (ECMA-376, part 2).

Parts are read one by one, when they are asked for, so that pictures and films are never unpacked. Files in the strict
variant of the format differ only in the names of their namespaces, which are turned into the usual ones.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from core.errors import TooLarge, UnreadableDocument
from core.types import Attachment, Block, BlockKind
from ingest.parse.archive import open_archive, open_member, read_member
from ingest.parse.attached import Attached, file_name
from ingest.parse.errors import Protected
from ingest.parse.safe_xml import parse_xml
from ingest.parse.text import counted, one_line, readable_name
from ingest.parse.titles import LONGEST_TITLE, believed_title, texts_of

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_PART = 100_000_000
MAX_ATTACHED, MAX_ATTACHMENTS = 100_000_000, 200
"""Bytes and number of files that are taken out of one document."""
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_MOST_DIGITS = 9
_MAIN_PARTS = ("word/document.xml", "xl/workbook.xml", "ppt/presentation.xml")
READABLE = frozenset(
    "csv docm docx eml epub htm html json md msg odp ods odt pdf pptm pptx rtf txt xlsm xlsx xml".split()
)


@dataclass(frozen=True, slots=True)
class Relation:
    """`kind` is the last part of its type (`styles`, `slide`); `target` the name of a part, or an address outside."""

    kind: str
    target: str
    is_external: bool = False


class Package:
    """Read access to the parts of an Office file. Part names have no slash in front, and no case."""

    def __init__(self, data: bytes, phrase: str) -> None:
        """Raises `UnreadableDocument`, `Protected` and `TooLarge` as `open_archive` does."""
        self._archive = open_archive(data, phrase)
        self._phrase = phrase
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist():
            self._members[_key(member.filename)] = member
        self.main = next((each.target for each in self.relations("").values() if each.kind == "officeDocument"), "")
        if self.main not in self:  # where programs put it, if the file has lost what says so
            self.main = next((part for part in _MAIN_PARTS if part in self), "")

    def __contains__(self, part: str) -> bool:
        return _key(part) in self._members

    def read(self, part: str, limit: int = MAX_PART) -> bytes:
        """Raises `UnreadableDocument` if the part is missing or damaged, `TooLarge` over `limit` bytes."""
        return read_member(self._archive, self._member(part), limit)

    def open(self, part: str, limit: int) -> IO[bytes]:
        """The XML of a part, to be read bit by bit. Raises as `read` does, also while it is read."""
        return open_member(self._archive, self._member(part), limit)

    def xml(self, part: str) -> _Element:
        """The root of a part. Raises `UnreadableDocument` if it is missing or damaged, `TooLarge` over the limits."""
        data = self.read(part)
        if b"purl.oclc.org/ooxml" in data:
            data = _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", data)
        return parse_xml(data)

    def optional(self, part: str) -> _Element | None:
        """The root of a part that a document can do without; None if it is missing or damaged."""
        try:
            return self.xml(part) if part in self else None
        except Protected:
            raise
        except UnreadableDocument:
            return None

    def relations(self, part: str) -> dict[str, Relation]:
        """What a part refers to, by the id that it uses; for the package itself ask for the part `""`."""
        folder, name = posixpath.split(part)
        root = self.optional(posixpath.join(folder, "_rels", f"{name}.rels"))
        found = {}
        for each in root if root is not None else ():
            target = each.get("Target") or "" if isinstance(each.tag, str) else ""
            if target:
                is_external = each.get("TargetMode") == "External"
                where = target if is_external else _resolved(folder, target)
                found[each.get("Id") or ""] = Relation((each.get("Type") or "").rpartition("/")[2], where, is_external)
        return found

    def related(self, part: str, kind: str) -> Iterator[str]:
        """The parts inside the package that `part` refers to by relations of this kind."""
        for each in self.relations(part).values():
            if each.kind == kind and not each.is_external and each.target in self:
                yield each.target

    def has_macros(self) -> bool:
        return any(name.endswith("vbaproject.bin") for name in self._members)

    def stated_title(self) -> str:
        """The title in the document's properties, empty if there is none."""
        for part in (*self.related("", "core-properties"), "docProps/core.xml"):
            root = self.optional(part)
            if root is not None:
                return one_line(root.findtext("{http://purl.org/dc/elements/1.1/}title") or "")
        return ""

    def _member(self, part: str) -> zipfile.ZipInfo:
        try:
            return self._members[_key(part)]
        except KeyError as error:
            raise UnreadableDocument(f"The file is damaged or not {self._phrase}.") from error


class Embedded:
    """Collects the files inside a document that are documents of their own, and counts those that cannot be taken."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._seen: set[str] = set()
        self._files = Attached(max_files=MAX_ATTACHMENTS, max_bytes=MAX_ATTACHED)
        self._unknown = 0

    def take(self, relation: Relation | None) -> None:
        if relation is None or relation.is_external or relation.target not in self._package:
            self._unknown += 1
            return
        if relation.target in self._seen:
            return
        self._seen.add(relation.target)
        try:
            data = self._package.read(relation.target, max(self._files.room, 1))
            found = embedded_file(data, posixpath.basename(relation.target))
        except TooLarge:
            self._files.leave_out()
        except UnreadableDocument:
            self._unknown += 1
        else:
            if found is None:
                self._unknown += 1
            else:
                self._files.add(found.name, found.data)

    @property
    def files(self) -> tuple[Attachment, ...]:
        return tuple(self._files.files)

    def losses(self) -> list[str]:
        return [*counted(self._unknown, "embedded object", "cannot be read"), *self._files.losses()]


def embedded_file(data: bytes, name: str) -> Attachment | None:
    """A file that an Office document carries, out of its OLE wrapping; None for one of no known kind."""
    from ingest.parse.ole import OLE, ending_of, unwrapped

    if data.startswith(OLE):
        return unwrapped(data, name)
    stem, ending = posixpath.splitext(name)
    if ending[1:].lower() not in READABLE:
        ending = ending_of(data)
    return Attachment(file_name(stem + ending, "embedded"), data) if ending else None


def title_of(package: Package, blocks: Sequence[Block], name: str) -> str:
    """What the properties state if it is about this text, else the first heading 1, else the file's name."""
    stated = believed_title(package.stated_title(), texts_of(blocks), name)
    first = next((block.text for block in blocks if block.kind is BlockKind.HEADING and block.level == 1), "")
    return stated or (first if len(first) <= LONGEST_TITLE else "") or readable_name(name)


def attribute(element: _Element, name: str) -> str:
    """An attribute's value, whatever its namespace; empty if it is not there."""
    for key, value in element.attrib.items():
        if key == name or str(key).endswith("}" + name):
            return str(value)
    return ""


def id_of(element: _Element) -> str:
    """The attribute `id` of a namespace: of a relation (`r:id`), or of a note in Word."""
    return next((str(value) for key, value in element.attrib.items() if str(key).endswith("}id")), "")


def whole(text: str | None, default: int = 0) -> int:
    """A number of at most nine digits, as all are that mean something; the default for everything else."""
    return int(text) if text and len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit() else default


def find(element: _Element | None, *path: str) -> _Element | None:
    """The first descendant along a path of local names."""
    for name in path:
        if element is None:
            return None
        element = element.find("{*}" + name)
    return element


def shown(choice: _Element) -> _Element:
    """What to read of a `mc:AlternateContent`, which says the same thing twice, for newer and older programs."""
    for name in ("Choice", "Fallback"):
        for branch in choice.iterfind("{*}" + name):
            if len(branch):
                return branch
    return choice.makeelement("nothing")


def _key(part: str) -> str:
    return part.replace("\\", "/").lstrip("/").lower()


def _resolved(folder: str, target: str) -> str:
    target = unquote(target.replace("\\", "/").partition("#")[0])
    path = target if target.startswith("/") else posixpath.join("/", folder, target)
    return posixpath.normpath(path).lstrip("/")
