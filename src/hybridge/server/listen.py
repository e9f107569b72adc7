"""Listening: uvicorn on httptools and uvloop, with our own way to start and to stop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from msgspec import Struct

from hybridge.server.asgi import Application
from hybridge.server.http import Protocol

#: Seconds an idle connection of a client is kept; longer than most clients keep theirs.
_KEEP_CONNECTION_S = 75
#: Seconds for the last bytes to leave, once no request is under way or the drain is over.
_LAST_BYTES_S = 2
#: Seconds for requests on connections that were taken just before the port was closed.
_LAST_WORDS_S = 0.1
#: Connections that may wait to be accepted.
_BACKLOG = 2048


class Place(Struct, frozen=True):
    """Where to listen, how long to drain (seconds), and with which certificate (PEM files) if any."""

    host: str
    port: int
    drain: float = 60.0
    certificate: str | None = None
    private_key: str | None = None


class Listener(uvicorn.Server):
    """One process's HTTP server. `on_ready` is called with its address once it listens.

    `sockets` are bound already, else it binds the place itself. Signals are its caller's matter.
    """

    def __init__(
        self,
        application: Application,
        place: Place,
        on_ready: Callable[[str], None],
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                host=place.host,
                port=place.port,
                loop="uvloop",
                http=Protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_CONNECTION_S,
                timeout_graceful_shutdown=_LAST_BYTES_S,
                ssl_certfile=place.certificate,
                ssl_keyfile=place.private_key,
            )
        )
        #: Seconds that requests under way have to end; may be set anew.
        self.drain_s = place.drain
        self._traffic = application.front.traffic
        self._scheme = "https" if place.certificate else "http"
        self._on_ready = on_ready
        self._sockets = list(sockets)
        self._leave_by = 0.0

    async def listen(self) -> None:
        """Serve until `drain` or `leave`, and until what was under way has ended."""
        await self.serve(self._sockets or None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then say so."""
        await super().startup(sockets)
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_ready(f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}")

    async def on_tick(self, counter: int) -> bool:
        """Whether to leave. While requests that came before the drain are under way the port stays open, so that
        those who come late are told to go elsewhere."""
        leaving = await super().on_tick(counter)
        return leaving and (self.force_exit or not self._traffic.in_flight or time.monotonic() >= self._leave_by)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, let the last bytes leave, and see that every request has written its entry."""
        for server in self.servers:
            server.close()
        # Who was let in a moment ago is still to be heard, and told to go elsewhere.
        await asyncio.sleep(_LAST_WORDS_S)
        await super().shutdown(sockets)
        if tasks := self.server_state.tasks:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_LAST_BYTES_S)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """None."""
        return nullcontext()

    def drain(self) -> None:
        """Requests under way end, new ones go elsewhere, then the port is closed."""
        if not self._traffic.draining:
            self._leave_by = time.monotonic() + self.drain_s
        self._traffic.draining = True
        self.should_exit = True

    def leave(self) -> None:
        """Do not wait for anybody."""
        self.drain()
        self.force_exit = True
