"""kill -9 in the middle of a crowd."""

from __future__ import annotations

import asyncio

import pytest

from tests.bots.slack.load import PATIENCE, burst, crowd, is_whole

MENTIONS, CHANNELS = 60, 20


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("moment", [0.0, 0.3, 1.0])
async def test_every_mention_is_answered_once_over_a_kill_and_a_restart(moment: float) -> None:
    async with crowd(CHANNELS) as (slack, process):
        asked = await burst(slack, MENTIONS, CHANNELS)
        await asyncio.sleep(moment)
        await process.kill()
        await process.start()
        await slack.redeliver()
        await slack.until(lambda: all(is_whole(slack, each) for each in asked), PATIENCE)
        await asyncio.sleep(1)
        assert [len(slack.replies(each)) for each in asked] == [1] * MENTIONS
        assert slack.pings == []
