"""Files that arrive in pieces: what is there of each, until all of it is there or its time is over. No HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bots.gateway.incoming import Spool, disk_failed
from core.errors import LorekeeperError, NotFound, TooLarge

# An upload that gets no byte for so long is given up.
LIFETIME_SECONDS = 3600.0
MOST_UNFINISHED = 64
# So that no key can keep the others from uploading.
MOST_UNFINISHED_OF_KEY = 16
# Of these only the record is kept, so that a client whose last answer was lost learns that it is done.
MOST_FINISHED = 1000
SHORTEST_WAIT_SECONDS = 1.0
GONE = "There is no such upload here: it was never begun, was given up, has expired, or is at another gateway. Begin it anew."


class TooManyUploads(LorekeeperError):
    """As many uploads as are allowed at a time are unfinished."""

    code = "too_many_uploads"


@dataclass(frozen=True, slots=True)
class Announced:
    """What a client says of a file before it sends it."""

    name: str
    namespace: str
    length: int
    """In bytes."""
    metadata: str
    """As the client wrote it; it may ask for it back."""
    key: str
    """The id of the API key that the upload belongs to."""


class Upload:
    """One file on its way in. `offset` is the number of its bytes that are on the disk, whatever went wrong."""

    def __init__(self, announced: Announced) -> None:
        self.id = uuid.uuid4().hex
        self.announced = announced
        self.offset = 0
        self.is_busy = False
        """Whether a piece is being written."""
        self.document_id = ""
        """Set once all of it is there and handed on."""
        self._spool: Spool | None = None
        self.touch()

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there, and is still to be handed on."""
        return self._spool is not None and self.offset == self.announced.length

    @property
    def is_finished(self) -> bool:
        return bool(self.document_id)

    @property
    def seconds_left(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    @property
    def expires_at(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds_left)

    def touch(self) -> None:
        """Its time begins anew."""
        self._deadline = asyncio.get_running_loop().time() + LIFETIME_SECONDS

    async def open(self) -> None:
        """Make the file. Raises `StorageFailed`."""
        try:
            self._spool = await asyncio.to_thread(Spool)
        except OSError as error:
            raise disk_failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Only one piece at a time."""
        if self.is_busy:
            raise RuntimeError("another piece of this upload is being written")
        self.is_busy = True
        try:
            yield
        finally:
            self.is_busy = False
            self.touch()

    async def write(self, data: bytes) -> None:
        """Append to what is there.

        Raises `TooLarge` beyond the announced length, `NotFound` once it was given up, `StorageFailed`.
        """
        if not data:
            return
        if self._spool is None:
            raise NotFound(GONE)
        if self.offset + len(data) > self.announced.length:
            raise TooLarge(f"The file was announced with {self.announced.length} bytes, and more were sent.")
        self.touch()
        try:
            await asyncio.to_thread(self._append, self._spool.path, data)
        except OSError as error:
            raise disk_failed(error) from error

    @contextmanager
    def handing_over(self) -> Iterator[Spool]:
        """Give the file away; with an error in the block, it is as before. What stays is the record that it is done."""
        if self._spool is None or not self.is_complete:
            raise RuntimeError("the upload is not complete, or was handed on already")
        spool, self._spool = self._spool, None
        try:
            yield spool
        except BaseException:
            self._spool = spool
            raise

    def discard(self) -> None:
        """Delete what is there. Blocking."""
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.discard()

    def _append(self, path: Path, data: bytes) -> None:
        rest = memoryview(data)
        # Without a buffer, so that the offset counts exactly what the disk took, also when it takes no more.
        with path.open("r+b", buffering=0) as file:
            file.seek(self.offset)
            while rest:
                written = file.write(rest)
                self.offset += written
                rest = rest[written:]


class Pieces:
    """All uploads of this server. They end with it."""

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def begin(self, announced: Announced) -> Upload:
        """Raises `TooManyUploads`, `StorageFailed`."""
        unfinished = [each.announced.key for each in self._uploads.values() if not each.is_finished]
        of_key = unfinished.count(announced.key) if announced.key else 0
        if len(unfinished) >= MOST_UNFINISHED or of_key >= MOST_UNFINISHED_OF_KEY:
            raise TooManyUploads("Too many uploads are unfinished at the moment. Please try again in a while.")
        upload = Upload(announced)
        self._uploads[upload.id] = upload
        try:
            await upload.open()
        except BaseException:
            del self._uploads[upload.id]
            raise
        self._forget_finished()
        self._wait_for_the_next_end()
        return upload

    def find(self, upload_id: str, key: str) -> Upload:
        """The upload, for the key that began it. Raises `NotFound`."""
        upload = self._uploads.get(upload_id)
        if upload is None or upload.announced.key != key or (upload.seconds_left <= 0 and not upload.is_busy):
            raise NotFound(GONE)
        return upload

    async def drop(self, upload: Upload) -> None:
        """Give it up, with all that is there of it."""
        self._uploads.pop(upload.id, None)
        await asyncio.to_thread(upload.discard)

    def _forget_finished(self) -> None:
        finished = [each.id for each in self._uploads.values() if each.is_finished]
        for upload_id in finished[: max(0, len(finished) - MOST_FINISHED)]:
            del self._uploads[upload_id]

    def _wait_for_the_next_end(self) -> None:
        if self._timer is None and self._uploads:
            wait = min(each.seconds_left for each in self._uploads.values())
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(wait, SHORTEST_WAIT_SECONDS), self._expire)

    def _expire(self) -> None:
        self._timer = None
        over = [each for each in self._uploads.values() if each.seconds_left <= 0 and not each.is_busy]
        for upload in over:
            del self._uploads[upload.id]
            asyncio.get_running_loop().run_in_executor(None, upload.discard)
        self._wait_for_the_next_end()
