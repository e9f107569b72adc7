"""Listening: a port, its connections, and how both come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence

from msgspec import Struct

from hybridge.errors import ConfigError
from hybridge.server.application import Application
from hybridge.server.http import Connection, House

#: Seconds an idle connection of a client is kept; longer than most clients keep theirs.
_KEEP_CONNECTION_S = 75.0
#: Seconds for the last bytes to leave, once no request is under way or the drain is over.
_LAST_BYTES_S = 2.0
#: Seconds for requests on connections that were taken just before the port was closed.
_LAST_WORDS_S = 0.1
#: Seconds between two looks whether the last request is over.
_LOOK_S = 0.02
#: Connections that may wait to be accepted.
_BACKLOG = 2048


class Place(Struct, frozen=True):
    """Where to listen, how long to drain (seconds), and with which certificate (PEM files) if any."""

    host: str
    port: int
    drain: float = 60.0
    certificate: str | None = None
    private_key: str | None = None


class Listener:
    """One process's HTTP server. `on_ready` is called with its address once it listens.

    `sockets` are bound already, else it binds the place itself. Signals are its caller's matter.
    """

    def __init__(
        self,
        application: Application,
        place: Place,
        on_ready: Callable[[str], None],
        sockets: Sequence[socket.socket] = (),
        idle: float = _KEEP_CONNECTION_S,
    ) -> None:
        #: Seconds that requests under way have to end; may be set anew.
        self.drain_s = place.drain
        self._place = place
        self._traffic = application.front.traffic
        self._on_ready = on_ready
        self._sockets = list(sockets)
        self._house = House(application.handle, idle)
        self._leaving = asyncio.Event()
        self._forced = False

    def __repr__(self) -> str:
        return f"<Listener {len(self._house.open)} connections>"

    async def listen(self) -> None:
        """Serve until `drain` or `leave`, and until what was under way has ended. Raises `OSError`, `ConfigError`."""
        servers = await self._open()
        host, port = servers[0].sockets[0].getsockname()[:2]
        scheme = "https" if self._place.certificate else "http"
        self._on_ready(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        try:
            await self._leaving.wait()
            await self._drained()
        finally:
            for server in servers:
                server.close()
            await self._part()

    def drain(self) -> None:
        """Requests under way end, new ones go elsewhere, then the port is closed."""
        self._traffic.draining = True
        self._house.closing = True
        self._leaving.set()

    def leave(self) -> None:
        """Do not wait for anybody."""
        self._forced = True
        self.drain()

    async def _open(self) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        place, tls = self._place, self._tls()

        def connection() -> Connection:
            return Connection(self._house)

        if not self._sockets:
            return [await loop.create_server(connection, place.host, place.port, ssl=tls, backlog=_BACKLOG)]
        return [await loop.create_server(connection, sock=bound, ssl=tls, backlog=_BACKLOG) for bound in self._sockets]

    def _tls(self) -> ssl.SSLContext | None:
        if self._place.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._place.certificate, self._place.private_key)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError([f"server.tls: cannot use {self._place.certificate}: {exc}"]) from exc
        return context

    async def _drained(self) -> None:
        """While requests that came before the drain are under way the port stays open, so that those who come late
        are told to go elsewhere."""
        loop = asyncio.get_running_loop()
        leave_by = loop.time() + self.drain_s
        while self._traffic.in_flight and not self._forced and loop.time() < leave_by:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def _part(self) -> None:
        """Let the last bytes leave, and see that every request has written its entry."""
        if not self._forced:
            # Who was let in a moment ago is still to be heard, and told to go elsewhere.
            await asyncio.sleep(_LAST_WORDS_S)
        house = self._house
        for connection in list(house.open):
            connection.shut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._forced else _LAST_BYTES_S):
                while house.open:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)
        tasks = [task for connection in list(house.open) if (task := connection.abort()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_BYTES_S)
