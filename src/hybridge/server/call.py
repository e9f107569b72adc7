"""One HTTP exchange with a client: what it sent, and the way back to it."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from hybridge.errors import ClientGone, RequestTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: How long an answer may take before somebody looks whether the client is still there. A quick one needs no look-out.
_LOOK_OUT_AFTER_S = 0.02

_UNFIT = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")


def header_value(text: str) -> bytes:
    """Text that others chose, fit for a header: what cannot stand in one becomes `?`."""
    return _UNFIT.sub("?", text).encode("latin-1")


class Lookout:
    """Looks after the calls that take long. One timer for all of them: most are over before it rings."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, Call]] = deque()
        self._armed = False

    def add(self, call: Call) -> None:
        """Look after this call, a moment from now."""
        loop = asyncio.get_running_loop()
        self._calls.append((loop.time() + _LOOK_OUT_AFTER_S, call))
        if not self._armed:
            self._armed = True
            loop.call_later(_LOOK_OUT_AFTER_S, self._ring)

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._calls and self._calls[0][0] <= due:
            self._calls.popleft()[1].look_out()
        self._armed = bool(self._calls)
        if self._armed:
            loop.call_at(self._calls[0][0], self._ring)


class Call:
    """A request as it came over HTTP. `params` are the named parts of its path, as the route table found them."""

    __slots__ = (
        "_receive",
        "_send",
        "_task",
        "_watch",
        "answered",
        "extra",
        "gone",
        "headers",
        "method",
        "params",
        "path",
        "query",
        "request_id",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.params: dict[str, str] = {}
        #: Headers that every answer to this call carries.
        self.extra: list[tuple[bytes, bytes]] = []
        self.request_id = ""
        #: The head of the answer has left.
        self.answered = False
        #: The client has left.
        self.gone = False

    def query_value(self, name: str) -> str | None:
        """The last value of a query parameter."""
        if not self.query:
            return None
        values = parse_qs(self.query.decode("latin-1")).get(name)
        return values[-1] if values else None

    def header(self, name: bytes) -> str | None:
        """A header's value, by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def secret(self) -> str | None:
        """The virtual key, from whichever of the five places holds it."""
        bearer = self.headers.get(b"authorization")
        if bearer is not None and bearer[:7].lower() == b"bearer ":
            return bearer[7:].decode("latin-1").strip() or None
        for name in (b"x-api-key", b"api-key", b"x-goog-api-key"):
            if (value := self.headers.get(name)) is not None:
                return value.decode("latin-1").strip() or None
        return self.query_value("key")

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises `RequestTooLarge` beyond `limit` bytes, `ClientGone` if it never came whole."""
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise RequestTooLarge(f"the body has {int(announced)} bytes; server.max_body allows {limit}")
        message = await self._receive()
        first = self._piece(message)
        if not message.get("more_body"):
            return first if len(first) <= limit else _too_large(limit)
        pieces, size = [first], len(first)
        while message.get("more_body"):
            message = await self._receive()
            pieces.append(self._piece(message))
            size += len(pieces[-1])
            if size > limit:
                _too_large(limit)
        return b"".join(pieces)

    def _piece(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            self.gone = True
            raise ClientGone("the client left before its request was whole")
        piece: bytes = message.get("body", b"")
        return piece

    def watch(self, lookout: Lookout) -> None:
        """Cancel the running task, with `gone` set, when the client leaves. uvicorn drops what is sent to nobody
        without a word, so without this a provider would go on being paid for tokens that nobody reads."""
        self._task = asyncio.current_task()
        lookout.add(self)

    def unwatch(self) -> None:
        """Stop looking out."""
        self._task = None
        if self._watch is not None:
            self._watch.cancel()

    def look_out(self) -> None:
        """The answer takes long: somebody waits for the client to leave, unless it is over by now."""
        if self._task is not None:
            self._watch = asyncio.get_running_loop().create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()

    async def reply(self, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
        """Send a whole answer."""
        await self.head(status, [(b"content-type", content_type), (b"content-length", b"%d" % len(body))])
        await self.piece(body, more=False)

    async def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the head of an answer. Raises `ClientGone`."""
        self.answered = True
        if self.request_id:
            headers.append((b"x-hybridge-request-id", self.request_id.encode()))
        headers += self.extra
        await self._say({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the body, waiting while the client is slow. Raises `ClientGone`."""
        await self._say({"type": "http.response.body", "body": body, "more_body": more})

    async def _say(self, message: Message) -> None:
        if self.gone:
            raise ClientGone("the client left")
        try:
            await self._send(message)
        except OSError as exc:
            # Servers that raise (ASGI 2.4) raise OSError, which must not look like the provider's failure.
            self.gone = True
            raise ClientGone("the client left") from exc


def _too_large(limit: int) -> bytes:
    raise RequestTooLarge(f"the body is larger than the {limit} bytes that server.max_body allows")
