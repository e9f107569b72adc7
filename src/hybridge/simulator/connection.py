"""One request's connection: what goes out, and whether the client is still there."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Gone(Exception):
    """The client left."""


class Broken(Exception):
    """The connection was broken on purpose."""


class Protocol(HttpToolsProtocol):
    """uvicorn's, which also hands the transport to the application: faults need it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep it where the scope shows it."""
        self.app_state = {"transport": transport}
        super().connection_made(transport)


class Connection:
    """Answers one request. `sent` counts the bytes of the body. Methods raise `Gone` once the client has left."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope["state"]["transport"]
        self._receive = receive
        self._send = send
        self._left: asyncio.Future[None] | None = None
        self.sent = 0

    async def body(self) -> bytes:
        """The whole body of the request."""
        pieces = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                return b"".join(pieces)

    def watch(self) -> None:
        """From now on notice at once when the client leaves."""
        self._left = asyncio.ensure_future(self._until_left())

    def unwatch(self) -> None:
        """The request is over."""
        if self._left is not None:
            self._left.cancel()

    async def wait(self, seconds: float | None) -> None:
        """Let time pass; for ever without a number."""
        assert self._left is not None
        if seconds is None or seconds > 0:
            await asyncio.wait((self._left,), timeout=seconds)
        if self._left.done():
            raise Gone

    async def start(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """The head of the answer."""
        lines = [(name.encode(), value.encode()) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def write(self, octets: bytes) -> None:
        """A piece of the body."""
        if self._left is not None:
            if self._transport.is_closing():
                await self._left
            if self._left.done():
                raise Gone
        await self._send({"type": "http.response.body", "body": octets, "more_body": True})
        self.sent += len(octets)

    async def end(self, octets: bytes = b"") -> None:
        """The last piece of the body."""
        await self._send({"type": "http.response.body", "body": octets})
        self.sent += len(octets)

    async def reset(self) -> None:
        """Break the connection so that the other side is told of a reset."""
        broken = socket.socket(fileno=socket.dup(self._transport.get_extra_info("socket").fileno()))
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        broken.close()
        await self._broken()

    async def cut(self) -> None:
        """Send what is written, then close in the middle of the answer."""
        self._transport.close()
        await self._broken()

    async def _broken(self) -> None:
        # Until uvicorn knows of it, an answer that was not completed would be reported as a defect.
        assert self._left is not None
        await self._left
        raise Broken

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
