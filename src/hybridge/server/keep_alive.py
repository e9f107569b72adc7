"""What keeps the way to a client open while a provider is silent, so that no proxy between them gives up."""

from __future__ import annotations

import asyncio

from hybridge.errors import ClientGone
from hybridge.server.call import Call, header

#: A silence is noticed within this part of the interval.
_PARTS = 8


class KeepAlive:
    """One stream that is watched.

    After an interval without a word its head goes out, and from then on `ping`s; a dialect without pings has `b""`.
    `content_type` is that of the head if it goes out before there is content.
    """

    __slots__ = ("_call", "_content_type", "_left", "_ping", "over", "spoke")

    def __init__(self, call: Call, ping: bytes, content_type: bytes) -> None:
        self._call = call
        self._ping = ping
        self._content_type = content_type
        # The part that is under way is not counted: never too soon.
        self._left = _PARTS + 1
        #: Whether something was said since anybody looked.
        self.spoke = False
        #: The answer has its end, whatever is still done behind it.
        self.over = False

    def look(self) -> None:
        """A part of the interval is over."""
        self._left = _PARTS if self.spoke else self._left - 1
        self.spoke = False
        if not self._left:
            self._left = _PARTS
            if not self.over:
                self._say()

    def _say(self) -> None:
        call = self._call
        try:
            if not call.answered:
                call.head(200, [header(b"content-type", self._content_type)])
                # The head leaves with the first piece, also an empty one.
                call.piece(self._ping, True)
            elif self._ping:
                call.piece(self._ping, True)
        except ClientGone:
            # Whoever answers will hear of it, too.
            pass


class Watch:
    """Looks after the streams of a process, all at the same time: one timer, however many they are.

    `interval` is in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._part = interval / _PARTS
        self._streams: set[KeepAlive] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, stream: KeepAlive) -> None:
        """Look after a stream until its `end`."""
        self._streams.add(stream)
        if self._timer is None:
            self._rest()

    def end(self, stream: KeepAlive) -> None:
        """The stream is over."""
        self._streams.discard(stream)

    def _rest(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._part, self._look)

    def _look(self) -> None:
        for stream in tuple(self._streams):
            stream.look()
        self._timer = None
        if self._streams:
            self._rest()

    def __repr__(self) -> str:
        return f"<Watch of {len(self._streams)} streams>"
