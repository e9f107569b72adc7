"""An answer on its way: framing, waiting, back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from math import inf

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from hybridge.errors import ConnectionLost, MalformedAnswer, ProviderError, Silent, TooLarge
from hybridge.providers.transport.connection import Connection
from hybridge.providers.transport.decode import Decoder
from hybridge.providers.transport.framing import LONGEST_HEAD, Framing

#: Bytes that may lie unread before the socket is left alone until the reader comes.
HIGH_WATER = 256 * 1024
#: Bytes of a request's body that are written at once.
WRITE_PIECE = 128 * 1024


class Answer(Framing, eq=False):
    """One answer; `hybridge.types.Answer` says what its public members mean. The `on_…` are for the parser alone.

    `headers` are lower case, repeated ones joined by a comma, cookies left out. Once whole, the connection goes back
    to its pool by itself. While nobody reads, at most `HIGH_WATER` and one read of the loop lie in memory.
    """

    deadline: float = inf
    _total: float = inf
    _connection: Connection | None = None
    _waiter: asyncio.Future[None] | None = None
    _error: ProviderError | None = None
    _barren: int = 0
    _wanted: int = 0
    _paused: bool = False
    _sending: bool = False
    _take: Callable[[bytes], bool] | None = None
    _raised: BaseException | None = None

    @classmethod
    def on(cls, connection: Connection, head_only: bool, deadline: float, total: float) -> Answer:
        """The answer that is to come on a connection. It and its parser hold each other until it is whole."""
        answer = cls(connection.home.origin, head_only)
        answer.deadline = deadline if deadline < total else total
        answer._total = total
        answer._connection = connection
        answer.on_body = answer._pieces.append
        answer._parser = HttpResponseParser(answer)
        connection.reader = answer
        return answer

    def __repr__(self) -> str:
        state = "whole" if self._whole else "failed" if self._error else "under way"
        return f"<Answer {self.status or '-'} from {self._origin}, {state}>"

    def expect(self, deadline: float) -> None:
        """Move the deadline, never beyond the call's total."""
        self.deadline = deadline if deadline < self._total else self._total
        connection = self._connection
        if connection is not None and self.deadline < connection.looks_at and self._waiter is not None:
            connection.watch(self.deadline)

    async def relay(self, take: Callable[[bytes], bool]) -> bool:
        """Hand the body on as it arrives: `True` at its end, `False` once `take` wants no more for now.

        Raises `Silent`, `ConnectionLost` or `MalformedAnswer` once everything that came before was handed on, and what
        `take` raises.
        """
        if self._decoder is not None:
            return await self._relay_decoded(self._decoder, take)
        self._take = take
        if self._pieces:
            self._hand_on()
        self._resume()
        while self._takes and not self._whole:
            if self._error is not None:
                raise self._error
            await self._wait()
        self._take = None
        if self._raised is not None:
            self.close()
            raise self._raised
        return self._whole and not self._pieces

    @property
    def _takes(self) -> bool:
        """Whoever relays wants more."""
        return self._take is not None

    def at_once(self) -> bytes | None:
        """The whole body, where all of it came in one piece; `None` where it has to be `read`."""
        pieces = self._pieces
        if self._whole and len(pieces) == 1 and self._decoder is None:
            return pieces.pop()
        return None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `TooLarge` beyond `limit` bytes, and what `chunk` raises."""
        if self._decoder is not None:
            return await self._read_decoded(self._decoder, limit)
        pieces = self._pieces
        while not self._whole and self._length <= limit:
            if self._error is not None:
                raise self._error
            if self._received > limit:
                # Until here framing was counted in.
                self._received = sum(map(len, pieces))
                if self._received > limit:
                    break
            self._wanted = limit + 1
            self._resume()
            await self._wait()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if not self._whole or len(body) > limit:
            self.close()
            raise TooLarge(f"{self._origin}: the answer is larger than {limit} bytes", status=self.status)
        return body

    def close(self) -> None:
        """Let go: an answer that is not whole takes its connection along. May be called twice."""
        self._pieces.clear()
        if self._connection is not None:
            self._fail(ConnectionLost(f"{self._origin}: the answer was closed before its end", status=self.status))

    # The request's side.

    @property
    def untouched(self) -> bool:
        """Not one byte of it has come."""
        return not self._received

    async def upload(self, body: Iterable[bytes | memoryview]) -> None:
        """Write what of the request's body did not go with its head."""
        self._sending = True
        for part in body:
            view = memoryview(part).cast("B")
            for start in range(0, len(view), WRITE_PIECE):
                while self._connection is not None and self._connection.full and not self.status:
                    await self._wait()
                if self._connection is None or self.status:
                    # The server answered before it had heard all: the connection ends with this answer.
                    return
                self._connection.transport.write(view[start : start + WRITE_PIECE])
        self._sending = False

    # The reader's side.

    def _hand_on(self) -> None:
        """Give what has come to whoever relays."""
        pieces, take = self._pieces, self._take
        assert take is not None
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._received = 0
        try:
            if not take(body):
                self._take = None
        except BaseException as exc:
            self._take = None
            self._raised = exc

    async def _relay_decoded(self, decoder: Decoder, take: Callable[[bytes], bool]) -> bool:
        try:
            while True:
                while decoded := decoder.take():
                    if not take(decoded):
                        return False
                piece = await self._next()
                if not piece:
                    decoder.finish()
                    return True
                decoder.feed(piece)
        except MalformedAnswer:
            self.close()
            raise

    async def _next(self) -> bytes:
        """All that has come of a body that is encoded; empty at its end."""
        pieces = self._pieces
        while not pieces:
            if self._whole:
                return b""
            if self._error is not None:
                raise self._error
            self._received = 0
            self._wanted = 1
            await self._wait()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._received = 0
        self._resume()
        return body

    async def _read_decoded(self, decoder: Decoder, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0

        def gather(piece: bytes) -> bool:
            nonlocal size
            size += len(piece)
            pieces.append(piece)
            return size <= limit

        if not await self._relay_decoded(decoder, gather):
            self.close()
            raise TooLarge(f"{self._origin}: the answer is larger than {limit} bytes", status=self.status)
        return b"".join(pieces)

    async def _wait(self) -> None:
        if self._connection is None:
            return
        try:
            await self.news()
        except BaseException:
            self.close()
            raise

    def news(self) -> asyncio.Future[None]:
        """Done when there is something new. Raises what went wrong; whoever gives up waiting must `close`."""
        if self._error is not None:
            raise self._error
        connection = self._connection
        assert connection is not None
        if self.deadline < connection.looks_at:
            connection.watch(self.deadline)
        waiter = self._waiter = connection.loop.create_future()
        return waiter

    def _resume(self) -> None:
        if self._paused and self._connection is not None:
            self._paused = False
            self._connection.transport.resume_reading()

    # The connection's side.

    @property
    def pending(self) -> bool:
        """Whether somebody waits for more."""
        return self._waiter is not None

    def wake(self) -> None:
        """Let whoever waits look again."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def feed(self, data: bytes) -> None:
        """Bytes came; whoever waits is woken once."""
        self._received += len(data)
        pieces = self._pieces
        known = len(pieces)
        try:
            self._parser.feed_data(data)  # type: ignore[union-attr]
        except (HttpParserError, HttpParserUpgrade) as exc:
            self._keep = False
            if not self._whole:
                self._fail(self._malformed(exc))
        if self._take is not None and pieces:
            self._hand_on()
        elif len(pieces) == known:
            self._count_barren(len(data))
        elif self._received > HIGH_WATER:
            self._pause()
        if self._whole:
            self._settle()
            self.wake()
        elif self._take is None and self.status and self._received >= self._wanted:
            self.wake()

    def lost(self, exc: BaseException | None) -> None:
        """The connection ended, which is how some answers end."""
        if exc is None and self.status and not self._framed:
            self._whole = True
            self._settle()
            self.wake()
            return
        where = "in the middle of the answer" if self._received or self.status else "before the answer"
        error = ConnectionLost(f"{self._origin}: the connection was lost {where}", status=self.status)
        error.__cause__ = exc
        self._fail(error)

    def expire(self) -> None:
        """The deadline passed."""
        phase = "total" if self.deadline >= self._total else "idle" if self.status else "head"
        self._fail(Silent(f"{self._origin}: silence, the {phase} time-out passed", phase=phase, status=self.status))

    def _fail(self, error: ProviderError) -> None:
        if self._connection is not None:
            self._error = error
            self._keep = False
            self._settle()
            self.wake()

    def _settle(self) -> None:
        """Part with the connection; the parser goes too, because it and this object hold each other."""
        connection = self._connection
        if connection is None:
            return
        self._connection = self._parser = connection.reader = None
        if self._head_only:
            self._pieces.clear()
        if self._keep and not (self._sending or self._paused or connection.closed):
            connection.home.release(connection, self.headers)
        else:
            connection.abort()

    def _pause(self) -> None:
        """Nobody reads fast enough; a `read` that gathers up to its limit may go on."""
        wanted = self._whole or self._received < self._wanted
        if not (self._paused or wanted) and self._connection is not None:
            self._paused = True
            self._connection.transport.pause_reading()

    def _count_barren(self, count: int) -> None:
        if self._whole:
            return
        self._barren += count
        if self._barren > LONGEST_HEAD:
            self._fail(self._malformed(None, "no end of what is not body"))
