"""What an index was built with. Another model or another split needs a re-index, never a silent mix."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import IndexMismatch
from core.store.meta import IndexMeta

EMBEDDING, SPLIT = "embedding", "split"
REBUILDING = "being rebuilt"
REMEDY = "lorekeeper documents reindex"


@dataclass(frozen=True, slots=True)
class IndexIdentity:
    """The present settings' identity, held against the one that is stored with the index."""

    meta: IndexMeta
    embedding: str
    split: str

    def check(self, *, is_empty: bool) -> None:
        """Raises `IndexMismatch` with the command that mends it. An empty index takes on the present settings."""
        stored = (self.meta.get(EMBEDDING), self.meta.get(SPLIT))
        if stored == (self.embedding, self.split):
            return
        if stored == (None, None) or (is_empty and REBUILDING not in stored):
            self.finish_rebuild()
            return
        raise IndexMismatch(self._explain(*stored))

    def begin_rebuild(self) -> None:
        self.meta.set(EMBEDDING, REBUILDING)

    def finish_rebuild(self) -> None:
        self.meta.set(EMBEDDING, self.embedding)
        self.meta.set(SPLIT, self.split)

    def _explain(self, embedding: str | None, split: str | None) -> str:
        if embedding == REBUILDING:
            return f"Re-indexing was interrupted, so the index is incomplete. Run it again: {REMEDY}"
        changes = []
        if embedding != self.embedding:
            changes.append(f"with the embedding model {embedding}, but the settings say {self.embedding}")
        if split != self.split:
            changes.append(f"with the split {split}, but the settings say {self.split}")
        return f"The index was built {' and '.join(changes)}. Either restore the settings, or run: {REMEDY}"
