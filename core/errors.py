"""One exception tree. `message` is written for a person and says what to do; the cause goes to the log.

LorekeeperError
├── InvalidSettings        a setting is unknown, missing or wrong
├── InvalidRequest         what was asked for cannot be done as asked
│   ├── NotFound           no such document, namespace or thread
│   └── TooLarge           over a size limit
├── UnreadableDocument     a file cannot be read as a document
│   └── UnsupportedFormat  no parser for this kind of file
├── MissingExtra           an optional package is not installed; names the command
├── DataFolderInUse        another process owns the embedded data folder
├── IndexMismatch          the index was built with another model or split; names the command
├── BackupDamaged          a backup is incomplete, was changed, or is none
├── StorageFailed          database, index or disk refused (locked, full, unreachable)
├── EmbeddingFailed        the embedding model or endpoint failed
│   └── EndpointUnavailable    it is down or too busy, whatever it is asked
└── GenerationFailed       the language model failed
    ├── GenerationUnavailable  before the first token: nothing was shown yet
    └── GenerationInterrupted  after the first token
"""

from __future__ import annotations


class LorekeeperError(Exception):
    """The root. `code` is stable and machine-readable."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidSettings(LorekeeperError):
    code = "invalid_settings"


class InvalidRequest(LorekeeperError):
    code = "invalid_request"


class NotFound(InvalidRequest):
    code = "not_found"


class TooLarge(InvalidRequest):
    code = "too_large"


class UnreadableDocument(LorekeeperError):
    code = "unreadable_document"


class UnsupportedFormat(UnreadableDocument):
    code = "unsupported_format"


class MissingExtra(LorekeeperError):
    code = "missing_extra"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs the package {package}, which is not installed. Install it, in Lorekeeper's folder, with: "
            f"pip install --constraint constraints.txt --editable '.[{extra}]'"
        )
        self.package = package
        self.extra = extra


class DataFolderInUse(LorekeeperError):
    code = "data_folder_in_use"


class IndexMismatch(LorekeeperError):
    code = "index_mismatch"


class BackupDamaged(LorekeeperError):
    code = "backup_damaged"


class StorageFailed(LorekeeperError):
    code = "storage_failed"


class EmbeddingFailed(LorekeeperError):
    code = "embedding_failed"


class EndpointUnavailable(EmbeddingFailed):
    """Trying at once again does not help."""


class GenerationFailed(LorekeeperError):
    code = "generation_failed"


class GenerationUnavailable(GenerationFailed):
    code = "generation_unavailable"


class GenerationInterrupted(GenerationFailed):
    code = "generation_interrupted"
