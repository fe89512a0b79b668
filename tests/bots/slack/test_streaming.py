"""What of an unfinished answer is shown already."""

from __future__ import annotations

import pytest

from bots.slack.streaming import next_piece
from bots.slack.text import safe_markdown

TEXTS = [
    "You accrue 13 days of annual leave per year. [1] Part-time staff accrue less. [2]",
    "See [the handbook](https://example.com/a_b) and <https://example.com|here> or <!channel> now.",
    'Run:\n\n```bash\nmake run # [x](https://example.com)\n```\n\nThen `lorekeeper ask "x"` or `a [b](https://c.d) e` works.',
    "| Grade | Days |\n|---|---|\n| A | 13 |\n\nAnd <@U1> or < @U1 > and a `lone tick in text, [lone bracket too.",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("step", [1, 3, 7])
def test_pieces_add_up_to_a_beginning_of_the_final_text(text: str, step: int) -> None:
    shown = ""
    for end in range(step, len(text) + step, step):
        piece = next_piece(text[:end], shown)
        assert piece is not None
        shown += piece
        assert safe_markdown(text).startswith(shown)
    assert len(shown) > len(text) / 3


def test_a_mention_is_never_shown_in_two_halves() -> None:
    assert next_piece("Ask <!chan", "") == "Ask"
    assert next_piece("Ask <!channel> now ", "Ask") == " <\u200b!channel> now"


def test_a_citation_may_change_places_with_a_full_stop() -> None:
    shown = next_piece("Thirteen days [1", "")
    assert shown
    assert "Thirteen days. [1]".startswith(shown)


def test_a_text_that_begins_anew_cannot_be_appended() -> None:
    assert next_piece("Something else was said ", "You accrue ") is None
