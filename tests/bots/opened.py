"""An application as `lorekeeper run` opens it, with one document, for the tests of the chat platforms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest.mock import patch

from core.build import Application, open_application
from core.ports import Asker
from core.settings import Settings
from tests.fakes.embedder import WordEmbedder


@asynccontextmanager
async def opened(chosen: Settings, text: str, asker: Asker | None) -> AsyncGenerator[Application, None]:
    """Closed when the block ends. `text`: of the document; `asker`: instead of the real one."""
    with patch("core.build.open_embedder", lambda _: WordEmbedder()):
        application = await asyncio.to_thread(open_application, chosen, "lorekeeper run", through_owner=False)
    try:
        if text:
            path = chosen.data_dir / "leave.md"
            path.write_text(text)
            await application.documents.add_file("leave.md", path, "default")
        yield replace(application, asker=asker) if asker is not None else application
    finally:
        await asyncio.to_thread(application.close)
