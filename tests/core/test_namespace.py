"""What a namespace may be called."""

from __future__ import annotations

import pytest

from core.errors import InvalidRequest
from core.namespace import check_namespace


@pytest.mark.parametrize("name", ["default", "hr", "HR-2026", "a.b_c", "x" * 64])
def test_names_that_fit_an_address_are_taken(name: str) -> None:
    assert check_namespace(name) == name


@pytest.mark.parametrize("name", ["", "HR docs", "../etc", ".hidden", "x" * 65, "hr\n", "ä", "a/b"])
def test_others_are_refused_in_words(name: str) -> None:
    with pytest.raises(InvalidRequest, match="letters, digits"):
        check_namespace(name)
