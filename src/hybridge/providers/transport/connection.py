"""One connection: flow control, and the one timer that all its calls share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Protocol

#: uvloop counts milliseconds: a timer may fire this many seconds early.
_GRAIN = 0.001


class Reader(Protocol):
    """What a connection tells the answer that it is used for."""

    deadline: float

    @property
    def pending(self) -> bool:
        """Whether somebody waits."""

    def feed(self, data: bytes) -> None:
        """Bytes came."""

    def lost(self, exc: BaseException | None) -> None:
        """No more bytes will come."""

    def expire(self) -> None:
        """The deadline passed while somebody waited."""

    def wake(self) -> None:
        """More may be written."""


class Home(Protocol):
    """What a connection needs of its pool."""

    @property
    def origin(self) -> object:
        """Where it leads, for messages."""

    def release(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Take it back: its answer is whole, and these were its headers."""

    def lost(self, connection: Connection) -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """Bytes to and from one origin, for one answer at a time.

    `idle_until`, `taken_at`, `looks_at` are loop times, `idle_for` seconds; `reused` means that a call went well on it
    before.
    """

    __slots__ = (
        "_timer",
        "closed",
        "full",
        "home",
        "idle_for",
        "idle_until",
        "looks_at",
        "loop",
        "reader",
        "reused",
        "taken_at",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, home: Home) -> None:
        self.loop = loop
        self.home = home
        self.reader: Reader | None = None
        self.closed = False
        self.full = False
        self.reused = False
        self.idle_for = 0.0
        self.idle_until = 0.0
        self.taken_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.looks_at = inf

    def watch(self, deadline: float) -> None:
        """Look at the reader's deadline then.

        Where `looks_at` is earlier nobody need call: that timer sets itself anew when it finds that there is time left.
        """
        if self._timer is not None:
            self._timer.cancel()
        self.looks_at = deadline
        self._timer = self.loop.call_at(deadline, self._look)

    def abort(self) -> None:
        """Close at once; what is still to be written is thrown away."""
        if not self.closed:
            self.closed = True
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        if self.reader is not None:
            self.reader.feed(data)
        else:
            # Nobody asked: a late 408, or an attempt to answer a request before it is sent.
            self.abort()

    def eof_received(self) -> None:
        """asyncio: the server has nothing more to say."""
        self._end(None)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: closed."""
        if self.closed and exc is None:
            # Our own doing: it must not pass for an answer that ends with its connection.
            exc = ConnectionAbortedError("closed by this side")
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._end(exc)
        self.home.lost(self)

    def pause_writing(self) -> None:
        """asyncio: the server is slow to read."""
        self.full = True

    def resume_writing(self) -> None:
        """asyncio: the server has read."""
        self.full = False
        if self.reader is not None:
            self.reader.wake()

    def _end(self, exc: BaseException | None) -> None:
        if self.reader is not None:
            self.reader.lost(exc)

    def _look(self) -> None:
        self._timer = None
        self.looks_at = inf
        reader = self.reader
        if reader is None or not reader.pending:
            return
        if reader.deadline - self.loop.time() < _GRAIN:
            reader.expire()
        else:
            self.watch(reader.deadline)
