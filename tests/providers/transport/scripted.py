"""A server whose every byte is written down: a script per connection, on a real socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from hybridge.providers.transport import Address, Answer, HttpTransport
from hybridge.providers.transport.request import Headers

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Asked(NamedTuple):
    """A request as it came."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.split(b"\r\n")[0].decode()

    @property
    def headers(self) -> dict[str, str]:
        """Its headers; a repeated one would show as the last."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number

    async def asked(self) -> Asked:
        """Read one request."""
        head = (await self.reader.readuntil(b"\r\n\r\n"))[:-4]
        asked = Asked(head, b"")
        return Asked(head, await self.reader.readexactly(int(asked.headers.get("content-length", 0))))

    async def say(self, *pieces: bytes) -> None:
        """Write each piece in its own turn of the loop, so that the client meets it alone."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await turns(4)

    def close(self) -> None:
        """End politely."""
        self.writer.close()

    def reset(self) -> None:
        """End with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> bytes:
        """Wait until the client has closed; what it still said."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """Runs `script` for each connection; `url` is its address."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.script = script
        self.connections = 0
        self.failures: list[BaseException] = []
        self._tls = tls
        self._host = host
        self._running: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address, with a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/v1/chat"

    async def start(self) -> Server:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._connected, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Stop listening, end what runs, and tell what went wrong in a script."""
        assert self._server is not None
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await turns(4)
        if self.failures:
            raise self.failures[0]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self.connections += 1
        try:
            await self.script(Peer(reader, writer, self.connections))
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        except BaseException as exc:
            self.failures.append(exc)
        finally:
            self._running.discard(task)
            writer.transport.abort()


async def turns(count: int) -> None:
    """Let the loop turn: no time passes, but everything that is ready happens."""
    for _ in range(count):
        await asyncio.sleep(0)


def saying(*pieces: bytes) -> Script:
    """A script that answers every request with these pieces."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.asked()
            await peer.say(*pieces)

    return script


def saying_last(*pieces: bytes) -> Script:
    """A script that answers one request with these pieces, and closes."""

    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(*pieces)
        peer.close()

    return script


def to_loopback(*hosts: str) -> Callable[[str, int], Awaitable[Sequence[Address]]]:
    """A resolver that leads every name to these addresses, by default 127.0.0.1."""

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return [
            (socket.AF_INET6, (place, port, 0, 0)) if ":" in place else (socket.AF_INET, (place, port))
            for place in hosts or ("127.0.0.1",)
        ]

    return resolve


def soon(seconds: float = 20.0) -> float:
    """A loop time that a working test never sees."""
    return asyncio.get_running_loop().time() + seconds


async def post(
    transport: HttpTransport,
    url: str,
    body: bytes | Sequence[bytes | memoryview] = b"{}",
    *,
    headers: Headers = (),
    method: str = "POST",
) -> Answer:
    """Send with time enough."""
    return await transport.send(method, url, headers, body, connect=20.0, deadline=soon())


async def fetched(transport: HttpTransport, url: str) -> tuple[int, bytes]:
    """Status and body of one call."""
    answer = await post(transport, url)
    try:
        return answer.status, await answer.read(1 << 20)
    finally:
        answer.close()


async def chunk(answer: Answer) -> bytes:
    """The next piece of a body, empty at its end."""
    found: list[bytes] = []

    def take(piece: bytes) -> bool:
        found.append(piece)
        return False

    await answer.relay(take)
    return found[0] if found else b""
