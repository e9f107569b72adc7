"""Hybridge within somebody else's ASGI server: the way of a call there. Our own server has a shorter one (`http.py`).

Specification: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hybridge.errors import ClientGone
from hybridge.server.call import Call

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiWire:
    """What a call says waits in a list until somebody drains it.

    Once its body is whole, a client that leaves cancels `handling`; before that it is `more` that hears of it.
    """

    call: Call
    handling: asyncio.Future[None]

    def __init__(self, receive: Receive, send: Send) -> None:
        self._watching: asyncio.Task[None] | None = None
        self._receive = receive
        self._send = send
        self._said: list[Message] = []

    async def more(self) -> None:
        """The next piece of the body. Raises `ClientGone`."""
        call = self.call
        message = await self._receive()
        if message["type"] == "http.disconnect":
            call.gone = True
            raise ClientGone("the client left before its request was whole")
        piece = message.get("body", b"")
        call.pieces.append(piece)
        call.size += len(piece)
        call.whole = not message.get("more_body", False)
        if call.whole:
            self._watching = asyncio.create_task(self._until_gone())

    def answer(self, status: int, lines: list[bytes], body: bytes) -> None:
        """Keep a whole answer."""
        self.begin(status, [*lines, b"content-length: %d\r\n" % len(body)])
        self.send(body, False)

    def begin(self, status: int, lines: list[bytes]) -> None:
        """Keep the head."""
        pairs = [line[:-2].split(b": ", 1) for line in lines]
        headers = [(name, value) for name, value in pairs]
        self._said.append({"type": "http.response.start", "status": status, "headers": headers})

    def send(self, piece: bytes, more: bool) -> bool:
        """Keep a piece; whoever has more to say drains first."""
        self._said.append({"type": "http.response.body", "body": piece, "more_body": more})
        return False

    async def drain(self) -> None:
        """Hand over what was said."""
        said, self._said = self._said, []
        for message in said:
            try:
                await self._send(message)
            except OSError:
                # What ASGI 2.4 raises when the client has left.
                self.call.gone = True
                return

    def end(self) -> None:
        """Nobody waits for anything any more."""
        self.handling.cancel()
        if self._watching is not None:
            self._watching.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.call.gone = True
        self.handling.cancel()


async def answer(handle: Callable[[Call], Awaitable[None]], scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a connection's request. A client that leaves cancels what is done for it."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    if scope["type"] != "http":
        return
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    wire = AsgiWire(receive, send)
    call = wire.call = Call(wire, scope["method"], path, scope["query_string"], dict(scope["headers"]))
    wire.handling = asyncio.ensure_future(handle(call))
    try:
        await wire.handling
        await wire.drain()
    finally:
        wire.end()
