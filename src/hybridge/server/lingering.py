"""The end of a connection whose client may still be talking."""

from __future__ import annotations

import asyncio

#: Bytes that are still heard.
_MOST = 16 << 20


class Lingering(asyncio.Protocol):
    """Takes the place of a connection's protocol when everything is said: what still comes is heard and forgotten.

    Bytes that lie unread when a connection is closed would take the answer with them. It ends when the client closes,
    after too much, or after `most` seconds.
    """

    __slots__ = ("_before", "_heard", "_timer", "_transport")

    def __init__(self, before: asyncio.Protocol, transport: asyncio.Transport, most: float) -> None:
        self._before = before
        self._transport = transport
        self._heard = 0
        self._timer = asyncio.get_running_loop().call_later(most, transport.abort)
        if transport.can_write_eof():
            transport.write_eof()

    def __repr__(self) -> str:
        return f"<Lingering after {self._before!r}>"

    def data_received(self, data: bytes) -> None:
        """The client says something that nobody wants to know."""
        self._heard += len(data)
        if self._heard > _MOST:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        self._timer.cancel()
        self._before.connection_lost(exc)
