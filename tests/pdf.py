"""Makes small PDF files for tests: text in the standard fonts at given places, with an outline, a title and encryption."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 595, 842
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_PERMISSIONS = -4


@dataclass(frozen=True, slots=True)
class Text:
    """One line. `x` and `y` are points from the page's lower left corner, `y` being the baseline."""

    text: str
    x: float = 72
    y: float = 700
    size: float = 11
    bold: bool = False


@dataclass(frozen=True, slots=True)
class PdfPage:
    """What is on a page: lines of text, and whether a rectangle is drawn on it as a scan would be."""

    texts: Sequence[Text] = ()
    has_drawing: bool = False


@dataclass(slots=True)
class _Objects:
    bodies: list[bytes] = field(default_factory=list)

    def add(self, body: bytes = b"null") -> int:
        self.bodies.append(body)
        return len(self.bodies)

    def replace(self, number: int, body: bytes) -> None:
        self.bodies[number - 1] = body


def lines(*texts: str, top: float = 700, size: float = 11, x: float = 72, bold: bool = False) -> list[Text]:
    """Texts below each other at the usual distance of lines, the first one's baseline at `top`."""
    return [Text(text, x, top - index * 1.2 * size, size, bold) for index, text in enumerate(texts)]


def make_pdf(
    pages: Sequence[PdfPage | Sequence[Text] | str],
    *,
    title: str = "",
    outline: Sequence[tuple[str, int, int]] = (),
    password: str = "",
) -> bytes:
    """A PDF 1.4 file. A page given as a string has its lines from the top of the page down.

    `outline` are titles with level and page, both from 1. With `password`, the file asks for it and its content is
    unreadable without (standard security handler, revision 2; PDF Reference 1.7, section 3.5.2); the strings are not
    really encrypted, because nobody gets as far as to read them.
    """
    objects = _Objects()
    catalog, tree, regular, bold = (objects.add() for _ in range(4))
    objects.replace(regular, _font("Helvetica"))
    objects.replace(bold, _font("Helvetica-Bold"))
    kids = [_page(objects, _as_page(page), tree, regular, bold) for page in pages]
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    objects.replace(tree, f"<< /Type /Pages /Kids [{listed}] /Count {len(kids)} >>".encode())
    root = _outline(objects, outline, kids)
    reference = f"/Outlines {root} 0 R" if root else ""
    objects.replace(catalog, f"<< /Type /Catalog /Pages {tree} 0 R {reference} >>".encode())
    trailer = f"/Root {catalog} 0 R"
    if title:
        trailer += f" /Info {objects.add(b'<< /Title ' + _string(title) + b' >>')} 0 R"
    if password:
        trailer += f" /Encrypt {objects.add(_encryption(password))} 0 R /ID [<{'00' * 16}> <{'00' * 16}>]"
    return _file(objects.bodies, trailer)


def _font(name: str) -> bytes:
    return f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode()


def _as_page(page: PdfPage | Sequence[Text] | str) -> PdfPage:
    if isinstance(page, PdfPage):
        return page
    return PdfPage(lines(*page.split("\n")) if isinstance(page, str) else page)


def _page(objects: _Objects, page: PdfPage, tree: int, regular: int, bold: int) -> int:
    drawn = [b"0.5 g 50 50 400 600 re f"] if page.has_drawing else []
    stream = b"\n".join([*drawn, *(_show(text) for text in page.texts)])
    content = objects.add(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    fonts = f"<< /Font << /F1 {regular} 0 R /F2 {bold} 0 R >> >>"
    return objects.add(
        f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] "
        f"/Resources {fonts} /Contents {content} 0 R >>".encode()
    )


def _show(text: Text) -> bytes:
    place = f"BT /{'F2' if text.bold else 'F1'} {text.size} Tf {text.x} {text.y} Td ".encode()
    return place + _literal(text.text.encode("cp1252")) + b" Tj ET"


def _literal(data: bytes) -> bytes:
    for special in (b"\\", b"(", b")"):
        data = data.replace(special, b"\\" + special)
    return b"(" + data + b")"


def _string(text: str) -> bytes:
    return b"<FEFF" + text.encode("utf-16-be").hex().encode() + b">"


def _outline(objects: _Objects, entries: Sequence[tuple[str, int, int]], kids: Sequence[int]) -> int:
    """Object number of the outline's root; 0 without entries. Every entry may be one level below the one before."""
    if not entries:
        return 0
    root = objects.add()
    numbers = [objects.add() for _ in entries]
    parents: list[int] = []
    path: list[int] = [root]
    for number, (_, level, _page_number) in zip(numbers, entries, strict=True):
        del path[level:]
        parents.append(path[-1])
        path.append(number)
    for index, (title, _, page) in enumerate(entries):
        siblings = [number for number, parent in zip(numbers, parents, strict=True) if parent == parents[index]]
        after = siblings[siblings.index(numbers[index]) + 1 :]
        links = f"/Next {after[0]} 0 R" if after else ""
        links += _family(numbers[index], numbers, parents)
        objects.replace(
            numbers[index],
            b"<< /Title "
            + _string(title)
            + f" /Parent {parents[index]} 0 R {links} ".encode()
            + f"/Dest [{kids[page - 1]} 0 R /Fit] >>".encode(),
        )
    objects.replace(root, f"<< /Type /Outlines {_family(root, numbers, parents)} >>".encode())
    return root


def _family(of: int, numbers: Sequence[int], parents: Sequence[int]) -> str:
    children = [number for number, parent in zip(numbers, parents, strict=True) if parent == of]
    return f" /First {children[0]} 0 R /Last {children[-1]} 0 R /Count {len(children)}" if children else ""


def _encryption(password: str) -> bytes:
    """Algorithms 3.2 to 3.4 for a 40-bit key, the owner's password being the user's."""
    padded = (password.encode("latin-1") + _PADDING)[:32]
    owner = _rc4(hashlib.md5(padded, usedforsecurity=False).digest()[:5], padded)
    permissions = (_PERMISSIONS & 0xFFFFFFFF).to_bytes(4, "little")
    key = hashlib.md5(padded + owner + permissions + bytes(16), usedforsecurity=False).digest()[:5]
    user = _rc4(key, _PADDING)
    return f"<< /Filter /Standard /V 1 /R 2 /O <{owner.hex()}> /U <{user.hex()}> /P {_PERMISSIONS} >>".encode()


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    result = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        result.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(result)


def _file(bodies: Sequence[bytes], trailer: str) -> bytes:
    data = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += f"trailer\n<< /Size {len(bodies) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(data)
