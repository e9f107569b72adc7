"""A stream on its way through: each piece in the turn of the loop in which it came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hybridge.dialects.codec import Relay
from hybridge.providers.transport import Answer
from hybridge.types import Sink


class Passing:
    """Passes pieces of a stream on; what comes before the first content is `held` back.

    `commit` makes it the answer; `idle` is for how many seconds nothing may be said.
    """

    __slots__ = (
        "_commit",
        "_expect",
        "_feed",
        "_idle",
        "_loop_time",
        "_progress",
        "_relay",
        "_write",
        "committed",
        "held",
    )

    def __init__(self, relay: Relay, answer: Answer, sink: Sink, idle: float, commit: Callable[[], None]) -> None:
        self.held: list[bytes] = []
        #: Whether this stream is the answer: its first content is there.
        self.committed = False
        self._relay = relay
        self._feed = relay.feed
        self._expect = answer.expect
        self._write = sink.write
        self._idle = idle
        self._commit = commit
        self._progress = 0
        self._loop_time = asyncio.get_running_loop().time

    def take(self, chunk: bytes) -> bool:
        """A piece came; whether the client wants more of them now. Raises what the provider said went wrong."""
        relay, more = self._relay, True
        piece = self._feed(chunk)
        if not relay.content:
            self.held.append(piece)
        else:
            if not self.committed:
                self._commit()
                self.committed = True
                piece = b"".join((*self.held, piece))
            if piece:
                more = self._write(piece)
            if relay.progress != self._progress:
                self._progress = relay.progress
                self._expect(self._loop_time() + self._idle)
        if relay.error is not None:
            raise relay.error
        return more
