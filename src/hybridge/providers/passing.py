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
        "_grain",
        "_idle",
        "_loop_time",
        "_progress",
        "_relay",
        "_told",
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
        # The deadline is moved that often at most, and is that much later.
        self._grain = idle / 64
        self._told = 0.0
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
                now = self._loop_time()
                if now > self._told:
                    self._told = now + self._grain
                    self._expect(now + self._idle + self._grain)
        if relay.error is not None:
            raise relay.error
        return more
