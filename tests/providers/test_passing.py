"""How long a stream may say nothing."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.dialects.openai.listener import Listener
from hybridge.providers.passing import Passing
from hybridge.types import NO_QUIRKS

IDLE = 64.0


class Deaf:
    """An answer that is told its deadlines, and a sink that takes all."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []
        self.expect = self.deadlines.append

    def write(self, chunk: bytes) -> bool:
        return True


def event(words: int) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"word %d"}}]}\n\n' % words


@given(st.lists(st.integers(0, 10), min_size=1, max_size=30))
def test_the_deadline_is_never_too_early_and_hardly_late(pauses: list[int]) -> None:
    async def run() -> None:
        now = 1000.0
        told = cast(Any, Deaf())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "time", lambda: now)
            relay = Listener(withhold_usage=False, quirks=NO_QUIRKS)
            passing = Passing(relay, told, told, IDLE, lambda: None)
            for words, pause in enumerate(pauses):
                now += pause
                passing.take(event(words))
                assert IDLE <= told.deadlines[-1] - now <= IDLE * 65 / 64
                passing.take(b": ping\n\n")
        # It is not moved for every piece.
        assert len(told.deadlines) <= 1 + sum(pauses)

    asyncio.run(run())
