"""Office files that a password protects, opened through msoffcrypto (MS-OFFCRYPTO, agile and standard encryption)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import UnreadableDocument
from ingest.parse.archive import MAX_TOTAL
from ingest.parse.errors import protected

if TYPE_CHECKING:
    from msoffcrypto.format.ooxml import OOXMLFile

_USUAL = "VelvetSweatshop"
"""What Excel itself protects a workbook with that nobody needs a password to read (MS-OFFCRYPTO, section 2.4.2.3)."""
_MAX_INFO = 1_000_000


def opened(data: bytes, passwords: Sequence[str]) -> bytes:
    """The document without its protection. Raises `Protected` where none of the passwords fits."""
    from msoffcrypto.exceptions import DecryptionError, FileFormatError, InvalidKeyError
    from msoffcrypto.format.ooxml import OOXMLFile

    _check(data)
    try:
        document = OOXMLFile(io.BytesIO(data))
    except (DecryptionError, FileFormatError) as error:
        raise UnreadableDocument(
            "The document is protected in a way that cannot be opened here. Save it without protection and add that."
        ) from error
    for password in (*passwords, _USUAL):
        try:
            return _decrypted(document, password)
        except InvalidKeyError:
            continue
    raise protected("The document", passwords)


def is_locked(data: bytes) -> bool:
    """Whether an old Office file, which nothing here reads, opens with a password only."""
    import msoffcrypto

    try:
        return bool(msoffcrypto.OfficeFile(io.BytesIO(data)).is_encrypted())
    except Exception:  # noqa: BLE001 - a damaged file, of which its kind is said
        return False


def _decrypted(document: OOXMLFile, password: str) -> bytes:
    document.load_key(password=password, verify_password=True)
    stream = io.BytesIO()
    document.decrypt(stream)
    return stream.getvalue()


def _check(data: bytes) -> None:
    """The description of the protection is XML that a parser reads which follows entities."""
    import olefile

    with olefile.OleFileIO(io.BytesIO(data)) as container:
        info = container.openstream("EncryptionInfo").read(_MAX_INFO)
        if b"<!" in info or container.get_size("EncryptedPackage") > MAX_TOTAL:
            raise UnreadableDocument("The file is damaged or not an Office document.")
