"""Vectors on their way: the same bytes at the other end, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.retrieval.stored import StoredVector, stored_from_json, stored_to_json

ROW = np.array([0.1, -2.5, 3e-8], np.float32)


@pytest.mark.parametrize("heading", [None, ("digest", ROW * 2)])
def test_a_vector_comes_as_it_went(heading: tuple[str, Any] | None) -> None:
    came = stored_from_json(json.loads(json.dumps(stored_to_json(StoredVector("c1", ROW, heading)))))
    assert came.chunk_id == "c1"
    assert came.vector.tobytes() == ROW.tobytes()
    assert (came.heading is None) == (heading is None)
    if came.heading is not None and heading is not None:
        assert came.heading[0] == "digest"
        assert came.heading[1].tobytes() == heading[1].tobytes()


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        ["c1"],
        ["c1", None, None, None],
        [1, "AACAPw==", None, None],
        ["c1", "AACAPw==", "digest", None],
        ["c1", "", None, None],
        ["c1", "AAAA", None, None],
        ["c1", "no base64!", None, None],
        ["c1", "AADAfw==", None, None],
    ],
)
def test_anything_else_is_no_vector(value: object) -> None:
    with pytest.raises(ValueError, match=r"vector|buffer"):
        stored_from_json(value)
