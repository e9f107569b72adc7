"""The connections of one origin: kept for a while, limited in number, handed out in order of asking."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from hybridge.errors import ConnectFailed, ConnectTimeout
from hybridge.providers.transport.connection import Connection
from hybridge.providers.transport.dial import Dialer
from hybridge.providers.transport.proxy import Proxy
from hybridge.providers.transport.request import Origin


class Limits(NamedTuple):
    """How many connections an origin may have, and how many seconds one may idle."""

    size: int
    idle: float


class Pool:
    """Connections to one origin. The most recently used is handed out first, so that the others may expire."""

    def __init__(self, origin: Origin, proxy: Proxy | None, dialer: Dialer, limits: Limits) -> None:
        self.origin = origin
        self.proxy = proxy
        self.taken = 0
        self.idle: list[Connection] = []
        self.waiting: deque[asyncio.Future[Connection | None]] = deque()
        self.connections: set[Connection] = set()
        self._dialer = dialer
        self.limits = limits
        self._loop = asyncio.get_running_loop()
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def unused(self) -> bool:
        """Nothing is open and nobody waits."""
        return not self.taken and not self.waiting

    def take(self) -> Connection | None:
        """A kept connection, if there is one."""
        idle = self.idle
        if idle:
            now = self._loop.time()
            while idle:
                connection = idle.pop()
                if not connection.closed and connection.idle_until > now:
                    connection.taken_at = now
                    return connection
                connection.abort()
        return None

    async def open(self, until: float) -> Connection:
        """A new connection, or the next one that comes free where there are as many as may be.

        Raises `ConnectTimeout` at loop time `until`, `ConnectFailed` before.
        """
        try:
            async with asyncio.timeout_at(until):
                connection = await self._place()
                # One that came free may have been closed before its turn came.
                while connection is not None and connection.closed:
                    connection = await self._place()
                connection = connection or await self._dial()
        except TimeoutError as exc:
            raise ConnectTimeout(f"{self.origin}: no connection in time") from exc
        connection.taken_at = self._loop.time()
        return connection

    def release(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Take back a connection whose answer, with these headers, is whole."""
        if not connection.reused:
            connection.reused = True
            connection.idle_for = _idle_for(headers.get("keep-alive", ""), self.limits.idle)
            self._dialer.remember(connection.transport)
        if self._closed:
            connection.abort()
        elif not self.waiting or not self._hand_on(connection):
            connection.idle_until = self._loop.time() + connection.idle_for
            self.idle.append(connection)
            if self._reaper is None:
                self._reaper = self._loop.call_at(connection.idle_until, self._reap)

    def lost(self, connection: Connection) -> None:
        """A connection is closed: whoever waits longest may open another."""
        # While it is being dialled its place belongs to the one who dials.
        if connection in self.connections:
            self.connections.remove(connection)
            if connection in self.idle:
                self.idle.remove(connection)
            self._leave()

    def close(self) -> None:
        """Close all connections at once and send away who waits."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_exception(ConnectFailed(f"{self.origin}: the transport is closed"))
        for connection in list(self.connections):
            connection.abort()

    async def _place(self) -> Connection | None:
        """A connection that came free, or `None` for a place to open one in."""
        if self._closed:
            raise ConnectFailed(f"{self.origin}: the transport is closed")
        if self.taken < self.limits.size:
            self.taken += 1
            return None
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self.waiting.append(waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            raise

    async def _dial(self) -> Connection:
        try:
            connection = await self._dialer.dial(self.origin, self.proxy, lambda: Connection(self._loop, self))
            if self._closed or connection.closed:
                connection.abort()
                raise ConnectFailed(f"{self.origin}: the connection was closed at once")
        except BaseException:
            self._leave()
            raise
        self.connections.add(connection)
        return connection

    def _hand_on(self, connection: Connection | None) -> bool:
        """Give a connection, or a place for one, to whoever waits longest."""
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    def _give_back(self, connection: Connection | None) -> None:
        """Whoever waited has left in the moment in which it was served."""
        if connection is None:
            self._leave()
        elif not connection.closed:
            self.release(connection, {})

    def _leave(self) -> None:
        if not self._hand_on(None):
            self.taken -= 1

    def _reap(self) -> None:
        self._reaper = None
        now = self._loop.time()
        for connection in self.idle:
            if connection.idle_until <= now:
                connection.abort()
        self.idle = [connection for connection in self.idle if not connection.closed]
        if self.idle:
            first = min(connection.idle_until for connection in self.idle)
            self._reaper = self._loop.call_at(first, self._reap)


def _idle_for(keep_alive: str, most: float) -> float:
    """Seconds to keep a connection: a second less than the server says (`Keep-Alive: timeout=5`), where it does."""
    for part in keep_alive.split(","):
        name, _, value = part.partition("=")
        if name.strip().lower() == "timeout" and value.strip().isdecimal():
            return min(most, max(int(value) - 1.0, 0.0))
    return most
