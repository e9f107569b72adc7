"""A proxy in front of one provider that passes requests on, and breaks what its plan says."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from hybridge.chaos import wire
from hybridge.chaos.passage import Broken, Passage
from hybridge.chaos.plan import Asked, Fault, How, Plan
from hybridge.simulator.fixed import streams
from hybridge.simulator.routes import Routes
from hybridge.simulator.scenario import Leg

#: What is answered where the provider itself cannot be reached.
_BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"


class _Named(Struct):
    model: str = ""


_NAMED = msgspec.json.Decoder(_Named)

#: The dialects' words for a failure, and what their paths ask for.
_ROUTES = Routes(Leg("chaos", flavour="polyglot"))


class Line:
    """A client's connection, and the one to the provider that belongs to it and ends with it."""

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.left = reader.left
        self.provider: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        reader.told = self.hang_up

    def hang_up(self) -> None:
        """Leave the provider, in the middle of its answer too."""
        if self.provider is not None:
            self.provider[1].transport.abort()
            self.provider = None


class _Reader(asyncio.StreamReader):
    """Tells at once when the client has gone."""

    def __init__(self) -> None:
        super().__init__(limit=wire.HEAD_LIMIT)
        self.left = asyncio.Event()
        self.told: Callable[[], None] | None = None

    def feed_eof(self) -> None:
        super().feed_eof()
        self._gone()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self._gone()

    def _gone(self) -> None:
        self.left.set()
        if self.told is not None:
            self.told()


class ChaosProxy:
    """Listens on 127.0.0.1 while it is entered (`async with`), in front of the provider at `to` (http or https).

    What happens depends on the seed and on the number of the request. `plan` may be changed at any time; `requests`
    counts those that came, `injected` the faults by kind; `under_way` are the connections that wait for an answer.
    `clock` is in monotonic seconds, for the windows.
    """

    def __init__(
        self,
        to: str,
        plan: Plan | None = None,
        *,
        seed: int = 0,
        port: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        place = urlsplit(to)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise ValueError(f"not an address of a provider: {to!r}; write http://HOST[:PORT] or https://HOST")
        self._tls = ssl.create_default_context() if place.scheme == "https" else None
        self._host, self._port = place.hostname, place.port or (443 if self._tls else 80)
        self._named = place.netloc.rpartition("@")[2]
        self._prefix = place.path.rstrip("/")
        self.plan = plan or Plan()
        self.requests = 0
        self.injected: Counter[str] = Counter()
        self._seed = seed
        self._own_port = port
        self._clock = clock or time.monotonic
        self._began = 0.0
        self._down: How | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[Line] = set()
        self.under_way: set[Line] = set()

    def __repr__(self) -> str:
        return f"<ChaosProxy {self.address} to {self._named}, {self.requests} requests, {dict(self.injected)}>"

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`; the path of `to` comes before that of each request."""
        return f"http://127.0.0.1:{self._own_port}"

    async def __aenter__(self) -> ChaosProxy:
        self._began = self._clock()
        # Bound and not listening: the port stays ours while connections are refused.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", self._own_port))
        self._own_port = self._held.getsockname()[1]
        await self._listen()
        for outage in self.plan.outages:
            self._start(self._outage(outage))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_down("refuse")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._held.close()

    async def go_down(self, how: How) -> None:
        """From now on nobody is there. Connections that are open are reset, unless they are to hang."""
        self._down = how
        if how == "refuse" and self._server is not None:
            self._server.close()
            self._server = None
        if how != "hang":
            for line in list(self._lines):
                wire.reset(line.writer)
        await asyncio.sleep(0)

    async def come_back(self) -> None:
        """All is well again."""
        self._down = None
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(_Reader(), self._accept),
            "127.0.0.1",
            self._own_port,
            reuse_port=True,
            backlog=1024,
        )

    async def _outage(self, outage: Fault) -> None:
        await asyncio.sleep(outage.from_s - (self._clock() - self._began))
        self.injected["outage"] += 1
        await self.go_down(outage.how)
        if outage.to_s is not None:
            await asyncio.sleep(outage.to_s - (self._clock() - self._began))
            await self.come_back()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, _Reader)
        self._start(self._serve(Line(reader, writer)))

    def _start(self, task: object) -> None:
        made = asyncio.ensure_future(task)  # type: ignore[call-overload]
        self._tasks.add(made)
        made.add_done_callback(self._tasks.discard)

    async def _serve(self, line: Line) -> None:
        """A connection from its first request to its last."""
        self._lines.add(line)
        try:
            if self._down == "reset":
                wire.reset(line.writer)
                return
            while (head := await wire.read_head(line.reader)) is not None:
                body = b"".join([piece async for piece in wire.body(line.reader, head)])
                await self._pass(line, head, body)
                if head.closes:
                    return
        except (Broken, OSError, asyncio.IncompleteReadError, wire.Malformed):
            return
        finally:
            self._lines.discard(line)
            line.hang_up()
            with contextlib.suppress(OSError):
                line.writer.close()

    async def _pass(self, line: Line, head: wire.Head, body: bytes) -> None:
        method, target, _ = head.first.split(" ", 2)
        path, _, query = target.partition("?")
        self.requests += 1
        route = _ROUTES.find(method, path, dict(parse_qsl(query)))
        stream = route is not None and (route.stream or (route.asked == "chat" and streams(body)))
        asked = Asked(path, (route.model if route else "") or _model(body), stream)
        fault = self._draw(asked)
        voice = _ROUTES.main if route is None else route.voice

        async def fetch() -> tuple[wire.Head, AsyncIterator[bytes]]:
            return await self._fetch(line, head, body)

        self.under_way.add(line)
        try:
            await Passage(line, fault, stream, voice, fetch, time.time).run()
        except _Unreachable:
            line.writer.write(_BAD_GATEWAY)
        finally:
            self.under_way.discard(line)

    def _draw(self, asked: Asked) -> Fault | None:
        if self._down == "hang":
            self.injected["outage"] += 1
            return Fault("stall")
        chance = random.Random(f"{self._seed}/{self.requests}")
        fault = self.plan.draw(asked, self._clock() - self._began, chance)
        if fault is not None:
            self.injected[fault.kind] += 1
        return fault

    async def _fetch(self, line: Line, head: wire.Head, body: bytes) -> tuple[wire.Head, AsyncIterator[bytes]]:
        """Ask the provider; its answer's body comes as it does. Once more where a kept connection had ended."""
        method, target, version = head.first.split(" ", 2)
        kept = head.without("host", "connection", "accept-encoding", "content-length", "transfer-encoding", "expect")
        headers = [("host", self._named), *kept, ("accept-encoding", "identity")]
        if body or method == "POST":
            headers.append(("content-length", str(len(body))))
        sent = wire.encode(f"{method} {self._prefix}{target} {version}", headers) + body
        for fresh in (False, True):
            if line.provider is None or fresh:
                line.hang_up()
                line.provider = await self._dial()
            reader, writer = line.provider
            try:
                writer.write(sent)
                answer = await wire.read_answer(reader)
            except (OSError, asyncio.IncompleteReadError):
                if line.left.is_set():
                    raise Broken from None
                continue
            return answer, self._body(line, reader, answer, method)
        raise _Unreachable

    async def _body(
        self, line: Line, reader: asyncio.StreamReader, answer: wire.Head, method: str
    ) -> AsyncIterator[bytes]:
        if method != "HEAD":
            async for piece in wire.body(reader, answer):
                yield piece
        if answer.closes:
            line.hang_up()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = self._host if self._tls else None
        try:
            return await asyncio.open_connection(
                self._host, self._port, ssl=self._tls, server_hostname=name, limit=wire.HEAD_LIMIT
            )
        except OSError as error:
            raise _Unreachable from error


class _Unreachable(Exception):
    """The provider behind the proxy is not there."""


def _model(body: bytes) -> str:
    try:
        return _NAMED.decode(body).model
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
