"""Files by Microsoft's MarkItDown, which converts them to Markdown and indexes nothing.

Runs in the peer's environment; `protocol.py` says how.
"""

from __future__ import annotations

from collections.abc import Sequence

from markitdown import MarkItDown  # type: ignore[import-not-found]

ENCODER = None
PACKAGES = ("markitdown", "magika", "mammoth", "openpyxl", "pandas", "pdfminer.six", "pdfplumber", "python-pptx")


class Files:
    def __init__(self, model: str, folder: str) -> None:
        self._converter = MarkItDown(enable_plugins=False)

    def read(self, path: str) -> Sequence[str]:
        text = self._converter.convert_local(path).text_content
        return [text] if text.strip() else []

    def pages(self, path: str, parts: Sequence[str]) -> int:
        return 0


SYSTEMS = {"markitdown": Files}
