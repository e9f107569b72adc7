"""A provider for every lane: whoever asks gets the lane's next answer, whatever it may be."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from fuzz.answers import Scripted

#: Gives the answer to a request for this lane, in this dialect, that does or does not want a stream.
Next = Callable[[int, str, bool], Scripted]


class Connection(asyncio.Protocol):
    """One connection of the gateway's, to `/LANE/DIALECT/…`."""

    def __init__(self, following: Next, connections: set[Connection]) -> None:
        self._next = following
        self._connections = connections
        self._held = b""
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The gateway is here."""
        self._transport = transport  # type: ignore[assignment]
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """End it at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        self._held += data
        head, blank, body = self._held.partition(b"\r\n\r\n")
        if not blank:
            return
        first, *lines = head.split(b"\r\n")
        size = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        if len(body) < size:
            return
        self._held = b""
        path = first.split(b" ")[1].decode()
        _, lane, name, *_ = path.split("/")
        stream = "streamGenerateContent" in path or b'"stream":true' in body.replace(b" ", b"")
        scripted = self._next(int(lane), name, stream)
        if len(scripted.pieces) == 1:
            self._transport.write(scripted.pieces[0])
            self._end(scripted)
        else:
            self._task = asyncio.get_running_loop().create_task(self._send(scripted))

    async def _send(self, scripted: Scripted) -> None:
        for piece in scripted.pieces:
            self._transport.write(piece)
            await asyncio.sleep(0)
        self._task = None
        self._end(scripted)

    def _end(self, scripted: Scripted) -> None:
        if self._transport.is_closing():
            return
        if scripted.ending == "close":
            self._transport.close()
        elif scripted.ending == "reset":
            plain: socket.socket = self._transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
