"""A simulated provider: a real HTTP server that speaks its dialect, keeps what it was asked, and fails when told to."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from types import TracebackType
from urllib.parse import parse_qsl

import uvicorn
from msgspec import Struct
from uvicorn.server import ServerState

from hybridge.simulator.answers import Question, answer
from hybridge.simulator.connection import Broken, Connection, Gone, Protocol, Receive, Scope, Send
from hybridge.simulator.control import CONTROL, control
from hybridge.simulator.faults import Fault, Faults
from hybridge.simulator.fixed import Fixed, streams, wants_usage
from hybridge.simulator.recital import reply_to
from hybridge.simulator.reply import Reply, refuse, send_whole
from hybridge.simulator.routes import Route, Routes
from hybridge.simulator.scenario import Leg
from hybridge.simulator.voice import Event, Refusal, Voice

#: Seconds that an idle connection is kept: longer than any pool keeps its own.
_KEEP_CONNECTION_S = 75

#: Requests that are kept to be looked at; those before are forgotten.
_KEPT = 1_000


class Seen(Struct):
    """A request as it came, and what became of it. `sent` counts the bytes of the answer's body."""

    number: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    stream: bool = False
    status: int = 0
    fault: str = ""
    sent: int = 0
    left_early: bool = False


class SimulatedProvider:
    """Serves one leg on 127.0.0.1 while it is entered (`async with`).

    `requests` holds what was asked, the latest last; `count` how often, `left_early` how many clients did not wait for
    the end. `faults` may be changed at any time. `clock` is in monotonic seconds and moves bursts only.
    """

    def __init__(self, leg: Leg, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.leg = leg
        self.faults = Faults(leg.failures)
        self.requests: deque[Seen] = deque(maxlen=_KEPT)
        self.count = 0
        self.left_early = 0
        self._clock = clock
        self._began = clock()
        self._routes = Routes(leg)
        self._prebuilt: dict[Voice, Fixed] = {}
        self._server: asyncio.Server | None = None
        self._state = ServerState()
        self._port = leg.port

    def __repr__(self) -> str:
        return f"<SimulatedProvider {self.leg.name} at {self.base_url}, {self.count} requests>"

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`"""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """The address with the path that its vendor has before the dialect's own ones."""
        return self.address + self.leg.base_path

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """The next `times` requests meet `fault`."""
        self.faults.fail_next(fault, times)

    async def __aenter__(self) -> SimulatedProvider:
        config = uvicorn.Config(
            self._application,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_CONNECTION_S,
        )
        config.load()
        bound = socket.create_server(("127.0.0.1", self.leg.port))
        self._port = bound.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Protocol(config, self._state, {}), sock=bound
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=5)
        await asyncio.sleep(0)

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection(scope, receive, send)
        if scope["path"] == CONTROL:
            await control(self, scope["method"], connection)
            return
        self.count += 1
        if self.leg.fixed:
            await self._fixed(scope, connection)
            return
        seen = self._see(scope)
        try:
            seen.body = await connection.body()
            connection.watch()
            await self._reply(seen, connection)
        except Gone:
            seen.left_early = True
            self.left_early += 1
        except Broken:
            pass
        finally:
            connection.unwatch()
            seen.sent = connection.sent

    def _see(self, scope: Scope) -> Seen:
        seen = Seen(
            number=self.count,
            method=scope["method"],
            path=scope["path"],
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"))),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        )
        self.requests.append(seen)
        return seen

    async def _reply(self, seen: Seen, connection: Connection) -> None:
        route = self._routes.find(seen.method, seen.path, seen.query)
        voice = self._routes.main if route is None else route.voice
        try:
            if route is None:
                raise Refusal(404, f"Not found: {seen.method} {seen.path}")
            voice.authorise(seen.headers, seen.query)
            asked = _read(route, seen)
        except Refusal as refusal:
            await refuse(connection, voice, refusal)
            return
        if isinstance(asked, bytes):
            await send_whole(connection, 200, asked)
        else:
            await self._speak(seen, connection, route, asked)

    async def _speak(self, seen: Seen, connection: Connection, route: Route, question: Question) -> None:
        place = f"{self.leg.seed}/{seen.number}"
        seen.stream = question.stream
        elapsed = self._clock() - self._began
        fault = self.faults.draw(seen.number, question.stream, elapsed, random.Random(f"{place}/fault"))
        seen.fault = "" if fault is None else fault.kind
        drawn = random.Random(f"{place}/{blake2b(seen.body, digest_size=16).hexdigest()}")
        recited = None
        if self.leg.recital:
            recited = reply_to(question.turns, self.leg.recital, self.leg.continues, drawn)
        await Reply(
            connection,
            route,
            question,
            answer(question, drawn, recited),
            self.leg.latency.seconds(random.Random(f"{place}/latency")),
            self.leg.tokens_per_second,
            fault,
        ).send()

    async def _fixed(self, scope: Scope, connection: Connection) -> None:
        """The benchmark's answers: nothing is decoded, nothing is kept."""
        body = await connection.body()
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        route = self._routes.find(scope["method"], scope["path"], query)
        if route is None:
            await refuse(connection, self._routes.main, Refusal(404, f"Not found: {scope['path']}"))
            return
        if route.asked == "models":
            await send_whole(connection, 200, route.voice.models())
            return
        fixed = self._prebuilt.get(route.voice)
        if fixed is None:
            fixed = self._prebuilt[route.voice] = Fixed.of(route.voice)
        if not (route.stream or streams(body)):
            await send_whole(connection, 200, fixed.unary)
            return
        await self._fixed_stream(connection, route, fixed.stream_with_usage if wants_usage(body) else fixed.stream)

    async def _fixed_stream(self, connection: Connection, route: Route, events: tuple[Event, ...]) -> None:
        await connection.start(200, [("content-type", route.content_type)])
        for event in events:
            await connection.write(event.octets)
            if self.leg.paced_ms:
                await asyncio.sleep(self.leg.paced_ms / 1000)
        await connection.end()


def _read(route: Route, seen: Seen) -> Question | bytes:
    """The question, or the answer where no model is asked. Raises `Refusal`."""
    voice = route.voice
    try:
        if route.asked == "models":
            return voice.models(route.model or None)
        if route.asked == "count":
            return voice.count(seen.body, route.model)
        return voice.read(seen.body, route.model, route.stream)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        # Vendors refuse a body whose inner shape is wrong; their words for each place are not worth copying.
        raise Refusal(400, f"Invalid request: {type(exc).__name__} {exc}") from exc
