"""The list of files as a message of Slack."""

from __future__ import annotations

import pytest

from bots.chat.progress import FileProgress, Stage
from bots.slack.progress import progress_message
from tests.fakes.slack.chat import check_contents
from tests.fakes.slack.pings import pings_in


@pytest.mark.parametrize("name", ["a.pdf", "<!channel> @here &" * 11, "*" * 200, "&" * 200, "`_~" * 60])
@pytest.mark.parametrize("number", [1, 10, 100])
def test_slack_takes_it_however_many_files_there_are_and_whatever_they_are_called(name: str, number: int) -> None:
    files = [FileProgress(name[:200], Stage.FAILED, name * 3)] * number
    message = progress_message(files, "default")
    body = {"channel": "C1", "text": message.text, "blocks": list(message.blocks)}
    check_contents(body)
    assert list(pings_in(body)) == []
    assert len(message.text) <= 4000


def test_each_file_is_named_with_its_mark() -> None:
    files = [FileProgress("a.pdf", Stage.READING), FileProgress("b.pdf", Stage.SEARCHABLE, "2 passages.")]
    text = "\n".join(block["text"]["text"] for block in progress_message(files, "hr").blocks)
    assert "📖 *a.pdf* is being read…" in text
    assert "✅ *b.pdf* is searchable: 2 passages." in text
