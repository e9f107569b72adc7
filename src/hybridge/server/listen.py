"""Listening: uvicorn on httptools and uvloop, with our own way to start and to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from msgspec import Struct

from hybridge.server.asgi import Application

#: Seconds an idle connection of a client is kept; longer than most clients keep theirs.
_KEEP_CONNECTION_S = 75


class Place(Struct, frozen=True):
    """Where to listen, how long to drain (seconds), and with which certificate (PEM files) if any."""

    host: str
    port: int
    drain: float = 60.0
    certificate: str | None = None
    private_key: str | None = None


class Listener(uvicorn.Server):
    """One process's HTTP server. `on_ready` is called with its address once it listens."""

    def __init__(self, application: Application, place: Place, on_ready: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                host=place.host,
                port=place.port,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_CONNECTION_S,
                timeout_graceful_shutdown=max(1, int(place.drain)),
                ssl_certfile=place.certificate,
                ssl_keyfile=place.private_key,
            )
        )
        self._front = application.front
        self._scheme = "https" if place.certificate else "http"
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then say so."""
        await super().startup(sockets)
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_ready(f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT: requests in flight end, new ones go elsewhere; a second SIGINT does not wait."""
        self._front.draining = True
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
