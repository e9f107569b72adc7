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
    """What a call says waits in a list until somebody drains it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.full = False
        self.call: Call | None = None
        self._receive = receive
        self._send = send
        self._said: list[Message] = []

    async def more(self) -> None:
        """The next piece of the body. Raises `ClientGone`."""
        call = self.call
        assert call is not None
        message = await self._receive()
        if message["type"] == "http.disconnect":
            call.gone = True
            raise ClientGone("the client left before its request was whole")
        piece = message.get("body", b"")
        call.pieces.append(piece)
        call.size += len(piece)
        call.whole = not message.get("more_body", False)

    def answer(self, status: int, lines: list[bytes], body: bytes) -> None:
        """Keep a whole answer."""
        self.begin(status, [*lines, b"content-length: %d\r\n" % len(body)])
        self.send(body, more=False)

    def begin(self, status: int, lines: list[bytes]) -> None:
        """Keep the head."""
        pairs = [line[:-2].split(b": ", 1) for line in lines]
        headers = [(name, value) for name, value in pairs]
        self._said.append({"type": "http.response.start", "status": status, "headers": headers})

    def send(self, piece: bytes, more: bool) -> None:
        """Keep a piece; whoever has more to say drains first."""
        self._said.append({"type": "http.response.body", "body": piece, "more_body": more})
        self.full = True

    async def drain(self) -> None:
        """Hand over what was said."""
        said, self._said, self.full = self._said, [], False
        for message in said:
            try:
                await self._send(message)
            except OSError:
                # What ASGI 2.4 raises when the client has left.
                assert self.call is not None
                self.call.gone = True
                return


async def answer(handle: Callable[[Call], Awaitable[None]], scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a connection's request. A client that leaves cancels what is done for it."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    if scope["type"] != "http":
        return
    wire = AsgiWire(receive, send)
    call = wire.call = Call(wire, scope["method"], scope["path"], scope["query_string"], dict(scope["headers"]))
    handling = asyncio.ensure_future(handle(call))
    watching = asyncio.create_task(_until_gone(call, receive, handling))
    try:
        await handling
        await wire.drain()
    finally:
        watching.cancel()
        handling.cancel()


async def _until_gone(call: Call, receive: Receive, handling: asyncio.Future[None]) -> None:
    # While the body comes, it is `more` that hears of a client that left.
    while not call.whole:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    while (await receive())["type"] != "http.disconnect":
        pass
    call.gone = True
    handling.cancel()


#: Seconds between two looks whether a body is whole.
_LOOK_S = 0.02
