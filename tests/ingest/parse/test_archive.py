from __future__ import annotations

import io
import struct
import zipfile

import pytest

from core.errors import TooLarge, UnreadableDocument
from ingest.parse import archive as guard
from ingest.parse.archive import check_members, member_names, open_archive, open_member, read_member
from ingest.parse.errors import Protected
from tests.ingest.parse.office import packed

PHRASE = "a Word document"
SMALL = packed({"one.xml": "<one/>", "folder/two.xml": "<two/>"})


def test_members_are_read_whole_and_bit_by_bit() -> None:
    archive = open_archive(SMALL, PHRASE)
    assert read_member(archive, "one.xml", 100) == b"<one/>"
    with open_member(archive, "folder/two.xml", 100) as stream:
        assert (stream.read(3), stream.read()) == (b"<tw", b"o/>")
    check_members(archive)
    assert member_names(SMALL) == ["one.xml", "folder/two.xml"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no archive at all", SMALL[:-30]])
def test_what_is_no_archive_or_damaged_is_said_to_be_so(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="damaged or not a Word document"):
        open_archive(data, PHRASE)
    assert member_names(data) == []


def test_a_damaged_member_is_said_to_be_so() -> None:
    data = bytearray(packed({"one.xml": bytes(range(256)) * 4}))
    data[60:90] = bytes(30)
    archive = open_archive(bytes(data), PHRASE)
    with pytest.raises(UnreadableDocument, match="cannot be unpacked"):
        read_member(archive, "one.xml", 10_000)


def test_too_many_members_are_refused_before_they_are_listed() -> None:
    data = packed({f"{number}.xml": "" for number in range(guard.MAX_MEMBERS + 1)})
    with pytest.raises(TooLarge, match="more than 10,000 parts"):
        open_archive(data, PHRASE)


def test_a_number_of_members_that_is_understated_does_not_help() -> None:
    data = bytearray(packed({f"{number}.xml": "" for number in range(guard.MAX_MEMBERS + 1)}))
    end = data.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", data, end + 8, 1, 1)
    with pytest.raises(TooLarge, match="more than 10,000 parts"):
        open_archive(bytes(data), PHRASE)


def test_more_bytes_than_allowed_are_refused_by_what_the_archive_states() -> None:
    with pytest.raises(TooLarge, match="larger than 1 MB"):
        open_archive(packed({"one": bytes(1_500_000)}), PHRASE, max_total=1_000_000)


def test_what_grows_out_of_proportion_is_refused() -> None:
    data = packed({"one": bytes(guard._RATIO_FROM + 1)})
    with pytest.raises(UnreadableDocument, match="zip bomb"):
        open_archive(data, PHRASE)


def test_a_member_that_grows_out_of_proportion_is_not_unpacked_beside_others_that_do_not() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as writing:
        writing.writestr("bomb", bytes(guard._RATIO_FROM + 1), zipfile.ZIP_DEFLATED)
        writing.writestr("film", bytes(1_000_000), zipfile.ZIP_STORED)
    archive = open_archive(buffer.getvalue(), PHRASE)
    assert len(read_member(archive, "film", 2_000_000)) == 1_000_000
    with pytest.raises(UnreadableDocument, match="zip bomb"):
        read_member(archive, "bomb", guard._RATIO_FROM * 2)


def test_the_limit_holds_whatever_the_header_says() -> None:
    data = bytearray(packed({"one.xml": b"x" * 5_000_000}))
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<L", data, directory + 24, 10)  # the size that the directory states
    archive = open_archive(bytes(data), PHRASE)
    with pytest.raises((UnreadableDocument, TooLarge)):
        read_member(archive, "one.xml", 1000)
    with pytest.raises((UnreadableDocument, TooLarge)):
        check_members(archive, 1000)


def test_members_that_share_their_bytes_are_refused() -> None:
    data = bytearray(packed({"one.xml": b"<one/>", "two.xml": b"<two/>"}))
    first = data.find(b"PK\x01\x02")
    second = data.find(b"PK\x01\x02", first + 4)
    for entry in (first, second):
        struct.pack_into("<L", data, entry + 20, len(data) - 10)
    with pytest.raises(UnreadableDocument, match="overlap"):
        open_archive(bytes(data), PHRASE)


def test_encrypted_members_are_told() -> None:
    data = bytearray(SMALL)
    data[data.find(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Protected, match="protected by a password"):
        open_archive(bytes(data), PHRASE)
    archive = open_archive(bytes(data), PHRASE, allow_encrypted=True)
    assert read_member(archive, "folder/two.xml", 100) == b"<two/>"
    with pytest.raises(Protected):
        read_member(archive, "one.xml", 100)


def test_an_unknown_way_of_packing_is_said_to_be_so() -> None:
    data = bytearray(SMALL)
    for mark, offset in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        struct.pack_into("<H", data, data.find(mark) + offset, 97)
    with pytest.raises(UnreadableDocument, match="packed in a way"):
        read_member(open_archive(bytes(data), PHRASE), "one.xml", 100)
