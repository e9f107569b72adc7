"""A handler behind our server on a real port, and a client whose every byte is written down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from hybridge.server.call import Call
from hybridge.server.http import Connection, House

Handler = Callable[[Call], Awaitable[None]]

#: Bytes of a body that no test's request has.
PLENTY = 1 << 30


class Answer(NamedTuple):
    """An answer as it came; the names of its headers as they were written."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Client:
    """The client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *pieces: bytes) -> None:
        """Write each piece in its own turn of the loop, so that the server meets it alone."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await turns(3)

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer, framed as it says. Raises `EOFError` if it is not whole."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")[:-4].split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        pairs = [line.split(": ", 1) for line in lines]
        headers = {line[0]: line[1] for line in pairs}
        assert len(headers) == len(pairs), "a header came twice"
        return Answer(int(status), headers, await self._body(method, int(status), headers))

    async def rest(self) -> bytes:
        """Everything that is still said, until the server closes."""
        return await self.reader.read()

    async def closed(self) -> bool:
        """Wait until the server has closed; whether it had nothing more to say."""
        return await self.reader.read() == b""

    def close(self) -> None:
        """Leave politely."""
        self.writer.close()

    def reset(self) -> None:
        """Leave with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status < 200 or status in (204, 304):
            return b""
        if "content-length" in headers:
            assert "transfer-encoding" not in headers
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            assert headers["connection"] == "close"
            return await self.reader.read()
        pieces = []
        while size := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
            pieces.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"
        return b"".join(pieces)


class Served:
    """A handler that listens; `calls` are those that reached it."""

    def __init__(self, handle: Handler, idle: float) -> None:
        self.calls: list[Call] = []
        self.house = House(self._handle, idle)
        self.port = 0
        self._handler = handle
        self._server: asyncio.Server | None = None
        self._clients: list[Client] = []

    async def start(self, tls: ssl.SSLContext | None = None) -> Served:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self.house), "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close everything, and see that nothing is left behind."""
        assert self._server is not None
        self._server.close()
        tasks = [task for connection in list(self.house.open) if (task := connection.abort()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for client in self._clients:
            client.writer.transport.abort()
        await self.emptied()
        assert all(task.done() for task in tasks)

    async def emptied(self) -> None:
        """Wait until there are no connections any more."""
        while self.house.open:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        """A new connection."""
        name = "localhost" if tls else None
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name))
        self._clients.append(client)
        return client

    async def ask(self, *pieces: bytes, method: str = "GET") -> Answer:
        """The answer to these bytes on a connection of their own."""
        client = await self.connect()
        await client.say(*pieces)
        return await client.answer(method)

    async def said(self, *pieces: bytes) -> bytes:
        """Everything that is said to these bytes on a connection of their own, until it is closed."""
        client = await self.connect()
        with contextlib.suppress(ConnectionError):
            await client.say(*pieces)
        return await client.rest()

    async def _handle(self, call: Call) -> None:
        self.calls.append(call)
        await self._handler(call)


#: Starts a server for the length of a test.
Serve = Callable[..., Awaitable[Served]]


async def turns(count: int) -> None:
    """Let the loop turn: no time passes, but everything that is ready happens."""
    for _ in range(count):
        await asyncio.sleep(0)


async def echo(call: Call) -> None:
    """Tells what came."""
    body = await call.body(PLENTY)
    said = {
        "method": call.method,
        "path": call.path,
        "query": call.query.decode("latin-1"),
        "headers": {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()},
        "body": body.decode("latin-1"),
    }
    call.reply(200, json.dumps(said).encode())


async def name(call: Call) -> None:
    """Says the path."""
    call.reply(200, call.path.encode(), b"text/plain")


def get(path: str, *lines: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "host: 127.0.0.1", *lines, "", ""]).encode("latin-1")


def post(path: str, body: bytes, *lines: str, version: str = "1.1") -> bytes:
    """A request whose body's length is told."""
    return get(path, f"content-length: {len(body)}", *lines, method="POST", version=version) + body


def chunked(path: str, *pieces: bytes, trailers: bytes = b"") -> bytes:
    """A request whose body comes in chunks."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return get(path, "transfer-encoding: chunked", method="POST") + chunks + b"0\r\n" + trailers + b"\r\n"
