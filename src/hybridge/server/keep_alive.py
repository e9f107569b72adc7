"""What keeps the way to a client open while a provider is silent, so that no proxy between them gives up."""

from __future__ import annotations

import asyncio

from hybridge.server.call import Call, header

#: A silence is noticed within this part of the interval.
_PART = 4


class KeepAlive:
    """Watches one stream. After `interval` seconds without a word its head goes out, and from then on `ping`s.

    `content_type` is that of the head if it goes out before there is content; a dialect without pings has `b""`.
    """

    __slots__ = ("_call", "_content_type", "_left", "_part", "_ping", "_timer", "headed", "spoke")

    def __init__(self, call: Call, interval: float, ping: bytes, content_type: bytes) -> None:
        self._call = call
        self._part = interval / _PART
        self._ping = ping
        self._content_type = content_type
        self._left = _PART
        #: Whether the head went out before there was content.
        self.headed = False
        #: Whether something was said since anybody looked.
        self.spoke = False
        self._timer = asyncio.get_running_loop().call_later(self._part, self._look)

    def stop(self) -> None:
        """The stream is over."""
        self._timer.cancel()

    def _look(self) -> None:
        call = self._call
        if call.gone:
            return
        self._left = _PART if self.spoke else self._left - 1
        self.spoke = False
        if not self._left:
            self._left = _PART
            self._say()
        self._timer = asyncio.get_running_loop().call_later(self._part, self._look)

    def _say(self) -> None:
        call = self._call
        if not call.answered:
            self.headed = True
            call.head(200, [header(b"content-type", self._content_type)])
            # The head leaves with the first piece, also an empty one.
            call.piece(self._ping, True)
        elif self._ping:
            call.piece(self._ping, True)
