"""Files made to exhaust whoever reads them; small themselves."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

from tests.ingest.parse import test_odf
from tests.ingest.parse.office import CONTENT_TYPES, packed, paragraph, relations, word, wordml, workbook

MB = 1_000_000


def flat_zip(size: int = 300 * MB) -> bytes:
    """One member of zeros."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros.txt", "w", force_zip64=True) as member,
    ):
        for _ in range(size // MB):
            member.write(bytes(MB))
    return stream.getvalue()


def lying_zip(size: int = 100 * MB, name: str = "zeros.txt", content: bytes = b"\0") -> bytes:
    """A member that states 100 bytes and is far larger, in both places where its size stands."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = content * (MB // len(content))
    body = b"".join(packer.compress(piece) for _ in range(size // MB)) + packer.flush()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, body)
    data = bytearray(stream.getvalue())
    for start, method, stated in ((0, 8, 22), (data.find(b"PK\x01\x02"), 10, 24)):
        struct.pack_into("<H", data, start + method, zipfile.ZIP_DEFLATED)
        struct.pack_into("<L", data, start + stated, 100)
    return bytes(data)


def nested_zip(depth: int = 6, width: int = 10) -> bytes:
    data = packed({"zeros.txt": bytes(2 * MB)})
    for _ in range(depth):
        data = packed({f"{number}.zip": data for number in range(width)})
    return data


def overlapping_zip(members: int = 5000) -> bytes:
    """Many entries of one directory for the same bytes (David Fifield, "A better zip bomb", 2019)."""
    data = packed({"zeros.txt": bytes(10 * MB)})
    start, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry = data[start:end]
    tail = bytearray(data[end:])
    struct.pack_into("<HHL", tail, 8, members, members, len(entry) * members)
    return data[:start] + entry * members + bytes(tail)


def crowded_zip(members: int = 300_000) -> bytes:
    """A directory of many empty members that says it has one."""
    data = packed({"a": b""})
    start, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry = data[start:end]
    tail = bytearray(data[end:])
    struct.pack_into("<L", tail, 12, len(entry) * members)
    return data[:start] + entry * members + bytes(tail)


def laughs(root: str, *, before: str = "", after: str = "") -> str:
    """Ten entities of ten of the one before, and a root that asks for the last."""
    entities = '<!ENTITY e0 "lol lol lol">' + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 11))
    name = root.split(maxsplit=1)[0]
    return f'<?xml version="1.0"?><!DOCTYPE {name} [{entities}]><{root}>{before}&e10;{after}</{name}>'


def outside(root: str, *, before: str = "", after: str = "") -> str:
    """A root that asks for a file of the machine, and for an address."""
    entities = '<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY % b SYSTEM "http://127.0.0.1:9/x"> %b;'
    name = root.split(maxsplit=1)[0]
    return f'<?xml version="1.0"?><!DOCTYPE {name} [{entities}]><{root}>{before}&a;{after}</{name}>'


def in_every_format(kind: str) -> dict[str, bytes]:
    """The XML of `laughs` or `outside` where formats keep their text."""
    made = {"laughs": laughs, "outside": outside}[kind]
    spaces = wordml("document", "").partition(" ")[2].partition(">")[0]
    document = made(f"w:document {spaces}", before="<w:body><w:p><w:r><w:t>", after="</w:t></w:r></w:p></w:body>")
    text = made(f"office:document-content {test_odf.SPACES}", before="<office:body><office:text><text:p>", after="</text:p></office:text></office:body>")  # fmt: skip
    sheet = made('sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"', before="<si><t>", after="</t></si>")  # fmt: skip
    with_sheet = workbook('<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData>')
    return {
        "a.xml": made("a").encode(),
        "a.svg": made("svg").encode(),
        "a.html": made("html").encode(),
        "a.docx": packed({"[Content_Types].xml": CONTENT_TYPES, "_rels/.rels": relations(("r1", "officeDocument", "word/document.xml")), "word/document.xml": document}),
        "a.odt": packed({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": text}),
        "a.xlsx": replaced(with_sheet, "xl/sharedStrings.xml", sheet),
        "b.xlsx": replaced(with_sheet, "[Content_Types].xml", made("Types")),
        "a.epub": packed({"mimetype": "application/epub+zip", "META-INF/container.xml": made("container")}),
    }  # fmt: skip


def replaced(data: bytes, name: str, content: str | bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts: dict[str, str | bytes] = {each: archive.read(each) for each in archive.namelist()}
    return packed(parts | {name: content})


def large_docx(size: int = 300 * MB) -> bytes:
    """So much XML in a thousandth of it."""
    return packed_part("word/document.xml", wordml("document", "<w:body>|</w:body>"), paragraph("a"), size)


def dense_docx(size: int = 90 * MB) -> bytes:
    """XML of tiny elements, just not too large and not packed too well: its tree takes ten times as much."""
    return packed_part("word/document.xml", wordml("document", "<w:body>|</w:body>"), "<w:p/><w:b/>", size, noise=6000)


def packed_part(name: str, around: str, inside: str, size: int, noise: int = 0) -> bytes:
    """A Word document with so many bytes of `inside` in a part, and in each million so many that cannot be packed."""
    head, _, tail = around.partition("|")
    piece, chance = (inside * (MB // len(inside))).encode(), random.Random(1)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", relations(("r1", "officeDocument", name)))
        with archive.open(name, "w", force_zip64=True) as part:
            part.write(head.encode())
            for _ in range(size // MB):
                part.write(piece + f"<!--{chance.randbytes(noise).hex()}-->".encode())
            part.write(tail.encode())
    return stream.getvalue()


def wide_sheet() -> bytes:
    """A sheet of three cells that claims seventeen thousand million."""
    return workbook(
        '<dimension ref="A1:XFD1048576"/><cols><col min="1" max="16384" width="9" style="0"/></cols><sheetData>'
        '<row r="1" spans="1:16384"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>3</v></c></row></sheetData>'
        '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    )


def wide_ods() -> bytes:
    cell = '<table:table-cell table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell>'
    row = f'<table:table-row table:number-rows-repeated="1048576">{cell}</table:table-row>'
    return test_odf.packed("spreadsheet", f'<table:table table:name="S">{row * 20}</table:table>')


def looping_pdf() -> bytes:
    return _pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2/Parent 2 0 R>>")


def endless_pdf(depth: int = 6) -> bytes:
    """A million pages, which are one page at the end of a tree whose branches are the same."""
    nodes = [
        f"<</Type/Pages/Kids[{f'{number + 1} 0 R ' * 10}]/Count {10 ** (depth - number + 2)}>>"
        for number in range(2, depth + 2)
    ]
    return _pdf("<</Type/Catalog/Pages 2 0 R>>", *nodes, "<</Type/Page/MediaBox[0 0 9 9]>>")


def claiming_pdf() -> bytes:
    return _pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1000000>>", "<</Type/Page/MediaBox[0 0 9 9]/Parent 2 0 R>>")  # fmt: skip


def _pdf(*objects: str) -> bytes:
    body = b"%PDF-1.4\n"
    offsets = []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n".encode()
    rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        body
        + f"xref\n0 {size}\n0000000000 65535 f \n{rows}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF".encode()
    )


def nested(depth: int = 50_000) -> dict[str, bytes]:
    """Deeper within each other than anything that people write."""
    tables = "<w:tbl><w:tr><w:tc>" * 2000 + paragraph("x") + "</w:tc></w:tr></w:tbl>" * 2000
    mail = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (number, number) for number in range(2000)
    )
    forwarded = b"Content-Type: message/rfc822\n\n" * 3000
    lists = "<text:list><text:list-item>" * 3000 + "<text:p>x</text:p>" + "</text:list-item></text:list>" * 3000
    return {
        "a.html": b"<div>" * depth + b"x",
        "tables.html": b"<table><tr><td>" * 5000 + b"x",
        "a.json": b"[" * depth + b"1" + b"]" * depth,
        "b.json": b'{"a":' * depth + b"1" + b"}" * depth,
        "a.xml": b"<?xml version='1.0'?>" + b"<a>" * depth + b"x" + b"</a>" * depth,
        "a.rtf": b"{\\rtf1 " + b"{" * depth + b"x" + b"}" * depth + b"}",
        "a.docx": word(tables),
        "a.odt": test_odf.packed("text", lists),
        "a.eml": b"MIME-Version: 1.0\n" + mail + b"\nx",
        "b.eml": b"MIME-Version: 1.0\n" + forwarded + b"\nx",
        "a.md": b">" * depth + b" x",
        "b.md": b"".join(b" " * (2 * level) + b"- x\n" for level in range(300)),
        "a.rst": b"".join(b" " * (2 * level) + b"* x\n\n" for level in range(300)),
        "a.adoc": b"*" * depth + b" x",
    }


def repetitive() -> dict[str, bytes]:
    """What a pattern or a loop that looks ahead again and again would be busy with for hours."""
    notes = wordml("footnotes", f'<w:footnote w:id="2">{paragraph("note " * 20_000)}</w:footnote>')
    referring = '<w:p><w:r><w:t>x</w:t><w:footnoteReference w:id="2"/></w:r></w:p>' * 20_000
    formats = f'<numFmts><numFmt numFmtId="200" formatCode="{"[a]" * 80}\\"/></numFmts><cellXfs><xf numFmtId="200"/></cellXfs>'
    return {
        "a.json": b'{"a": "' + b'\\"' * MB,
        "b.json": b'{"a": x ' + b"/* " * MB,
        "a.adoc": b"* a\n" + b"\n" * MB + b"* b",
        "a.c": b"/" + b"*" * 100_000 + b"\nint x;",
        "a.eml": b"Content-Type: text/plain; format=flowed\n\n" + b"a \n" * MB,
        "a.docx": word(referring, parts={"footnotes.xml": notes}, kinds={"footnotes.xml": "footnotes"}),
        "a.xlsx": workbook('<sheetData><row r="1"><c r="A1" s="0"><v>1</v></c></row></sheetData>', styles=formats),
    }


def wide() -> dict[str, bytes]:
    """Tables far wider and taller than what is in them."""
    return {
        "a.xlsx": wide_sheet(),
        "a.ods": wide_ods(),
        "a.html": b"<table>" + b"<tr><td colspan=99999999 rowspan=99999999>x" * 2000,
        "a.csv": b"," * 3 * MB,
        "b.csv": b"a,b\n" + b'"' + b"x" * 3 * MB,
        "a.tsv": b"a" + b"\t" * 200_000 + b"\n" + b"a\n" * 2000,
        "a.md": b"|" * 20_000 + b"\n" + b"|-" * 20_000 + b"\n" + b"|x|\n" * 200,
        "a.rtf": b"{\\rtf1\\trowd" + b"\\cellx1" * 50_000 + b"\\cell" * 50_000 + b"\\row}",
    }
