"""The record of documents: the truth about what exists, who may read it, and what answers.

Every publication and withdrawal is one transaction over rows, word index and vector outbox, so that a question sees
a document as it was before or as it is after, and a crash at any point loses and orphans nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
