"""HTTP/1.1 to a client: asyncio's protocol around httptools, one task for the life of a connection.

Requests of a connection are answered in their order. The head of an answer leaves with the first piece of its body.
A client that leaves cancels what is done for it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import unquote

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from hybridge.errors import ClientGone
from hybridge.server.call import Call
from hybridge.server.familiar import MOST_STUDIED, Familiar, learn
from hybridge.server.heads import LONGEST_HEAD, NAMES, HeadTooLong, framing, length, parser_of_body, refusal
from hybridge.server.lingering import Lingering

log = logging.getLogger("hybridge.server")

#: Bytes of a body that may lie unread.
_AHEAD = 64 * 1024
#: Bytes up to which a piece is copied into one write with its frame.
_LARGE = 64 * 1024

_LAST = b"\r\n0\r\n\r\n"
#: The lines before chunks of so many bytes.
_FRAMED = 2048
_SIZES = tuple(b"%x\r\n" % size for size in range(_FRAMED))
_BODILESS = frozenset((204, 304))
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
#: As numbers, because asking for a byte in bytes costs ten times less than for bytes in bytes.
_SLASH, _QUERY, _FRAGMENT = b"/?#"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
#: How a connection is closed so that its other end hears of a reset, not of an end.
_RESET = struct.pack("ii", 1, 0)


class House:
    """What all connections of a listener share. `open` are those there are; `idle` is seconds."""

    def __init__(self, handle: Callable[[Call], Awaitable[None]], idle: float) -> None:
        self.handle = handle
        self.idle = idle
        self.open: set[Connection] = set()
        self.closing = False


class Connection(asyncio.Protocol):
    """One connection of a client; the wire of its calls. The `on_…` are for the parser alone."""

    __slots__ = (
        "_between",
        "_call",
        "_chunked",
        "_continue",
        "_familiar",
        "_full",
        "_handling",
        "_head",
        "_head_size",
        "_house",
        "_idle_since",
        "_keep",
        "_loop",
        "_named",
        "_old",
        "_parser",
        "_paused",
        "_pieces",
        "_reading",
        "_room",
        "_studied",
        "_task",
        "_timer",
        "_transport",
        "_urls",
        "_waiter",
        "_waiting",
        "on_body",
        "on_header",
        "on_message_begin",
        "on_url",
    )

    _transport: asyncio.Transport

    def __init__(self, house: House) -> None:
        self._full = False
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        # The call that is answered (its handler may outlast it), those that wait behind it, and the one whose body is
        # being read.
        self._call: Call | None = None
        self._handling = False
        self._waiting: deque[tuple[Call, bool, bool]] = deque()
        self._reading: Call | None = None
        # Who waits for a call or for more of its body, and who waits for the client to read.
        self._waiter: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        # Called for every header and piece of a body: the containers' own methods save a frame each time.
        self._named: dict[bytes, bytes] = {}
        self._urls: list[bytes] = []
        self._pieces: list[bytes] = []
        self.on_header = self._named.__setitem__
        self.on_url = self._urls.append
        self.on_body = self._pieces.append
        # Holds something while no request has begun that is not whole.
        self._between = [True]
        self.on_message_begin = self._between.clear
        self._familiar: Familiar | None = None
        self._head_size = self._studied = 0
        self._paused = self._continue = False
        # Of the answer: its head until it leaves, whether it is chunked, or the bytes that are left of it.
        self._keep = True
        self._old = False
        self._head = b""
        self._chunked = False
        self._parser = HttpRequestParser(self)

    def __repr__(self) -> str:
        return f"<Connection {'answering' if self._call else 'idle'}>"

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = transport  # type: ignore[assignment]
        self._house.open.add(self)
        self._idle()

    def data_received(self, data: bytes) -> None:
        """The client said something."""
        between = bool(self._between) and self._keep and not self._handling
        if between and self._familiar is not None:
            call = self._familiar.call(self, data)
            if call is not None:
                self._turn(call, True, False)
                return
        self._head_size += len(data)
        try:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as exc:
                self._stay(data[exc.args[0] :])
        except HttpParserError as exc:
            self._nonsense((isinstance(exc, HttpParserCallbackError) and exc.__context__) or exc)
            return
        if self._reading is not None:
            self._body_came(self._reading)
        elif self._head_size > LONGEST_HEAD:
            self._nonsense(HeadTooLong())
        elif between and self._between and self._studied < MOST_STUDIED:
            self._studied += 1
            self._familiar = learn(data, self._call) or self._familiar

    def _body_came(self, call: Call) -> None:
        """A part of a body that is not whole yet, or of what stands around its pieces."""
        if self._pieces:
            self._head_size = 0
            self._fill(call)
        elif self._head_size > LONGEST_HEAD:
            self._nonsense(HeadTooLong())
            return
        if call is self._call and self._waiter is not None:
            self._wake()
        elif call.size > _AHEAD:
            self._pause()

    def eof_received(self) -> None:
        """The client has nothing more to say, which ends the connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        self._house.open.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._keep = self._paused = False
        for call, *_ in self._waiting:
            call.gone = True
        self._waiting.clear()
        if self._call is not None:
            self._call.gone = True
        del self._parser
        # A task that has written its last piece ends by itself.
        if self._task is not None and (self._call is not None or self._waiter is not None):
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._full = True

    def resume_writing(self) -> None:
        """The client has read."""
        self._full = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # The parser's side.

    def on_headers_complete(self) -> None:
        """The head is whole: the request is answered, or waits until its turn comes."""
        urls, named, parser = self._urls, self._named, self._parser
        if self._head_size > LONGEST_HEAD and length(urls, named) > LONGEST_HEAD:
            raise HeadTooLong
        path, query = urls[0] if len(urls) == 1 else b"".join(urls), b""
        headers = {NAMES[name]: value for name, value in named.items()}
        urls.clear()
        named.clear()
        if path[0] != _SLASH or _QUERY in path or _FRAGMENT in path:
            url = parse_url(path)
            path, query = url.path or b"/", url.query or b""
        text = path.decode("latin-1")
        if "%" in text:
            text = unquote(text)
        call = self._reading = Call(self, parser.get_method().decode(), text, query, headers)
        keep = parser.should_keep_alive()
        # Only who is told to may keep a connection in HTTP/1.0.
        old = (not keep or b"connection" in headers) and parser.get_http_version() != "1.1"
        keep = keep and not old
        if self._handling:
            self._waiting.append((call, keep, old))
            self._pause()
            return
        self._turn(call, keep, old)

    def on_message_complete(self) -> None:
        """The request is whole."""
        call, self._reading = self._reading, None
        self._between.append(True)
        self._head_size = 0
        # Trailers, which nobody asked for.
        self._named.clear()
        if call is None:
            return
        if self._pieces:
            self._fill(call)
        call.whole = True
        if call is self._call and self._waiter is not None:
            self._wake()

    def _fill(self, call: Call) -> None:
        """Put what has come of its body into a call."""
        pieces = self._pieces
        call.pieces += pieces
        call.size += sum(map(len, pieces))
        pieces.clear()

    # The call's side.

    async def more(self) -> None:
        """Wait until more of the body was put into the call, or its end."""
        call = self._call
        if call is None or call.gone:
            raise ClientGone("the client left before its request was whole")
        if self._continue:
            self._continue = False
            if b"expect" in call.headers and not (self._old or call.pieces):
                self._transport.write(_CONTINUE)
        self._resume()
        self._idle()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._idle_since = 0.0

    def answer(self, status: int, lines: list[bytes], body: bytes) -> None:
        """Write a whole answer."""
        call = self._call
        if call is None:
            raise RuntimeError("an answer after the answer was complete")
        if self._house.closing or not call.whole:
            # What of the body is still to come would be taken for the next request.
            self._keep = False
        if not self._keep:
            lines.append(b"connection: close\r\n")
        size = len(body)
        if call.method == "HEAD":
            body = b""
        head = b"%b%bcontent-length: %d\r\n\r\n" % (_STATUS[status], b"".join(lines), size)
        self._call = None
        if size > _LARGE:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)

    def begin(self, status: int, lines: list[bytes]) -> None:
        """Keep the head until the first piece of the body."""
        call = self._call
        if call is None:
            raise RuntimeError("a head after the answer was complete")
        # To one who does not know chunks, the end of the connection is the end of the answer.
        self._chunked = not self._old and status not in _BODILESS and call.method != "HEAD"
        if self._house.closing or self._old or not call.whole:
            self._keep = False
        if not self._keep:
            lines.append(b"connection: close\r\n")
        if self._chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        self._head = b"%b%b\r\n" % (_STATUS[status], b"".join(lines))

    def send(self, piece: bytes, more: bool) -> bool:
        """Write a piece of the body, and what belongs around it."""
        size = len(piece)
        if more and self._chunked and 0 < size < _FRAMED and not self._head:
            # Nearly every piece of every stream.
            self._transport.write(b"%b%b\r\n" % (_SIZES[size], piece))
        else:
            self._send(piece, size, more)
        return not self._full

    def _send(self, piece: bytes, size: int, more: bool) -> None:
        call, head = self._call, self._head
        if call is None:
            raise RuntimeError("a piece after the answer was complete")
        chunked = self._chunked
        if head:
            self._head = b""
        if not more:
            self._call, self._chunked = None, False
        if not chunked:
            self._transport.write(head + piece if call.method != "HEAD" else head)
        elif size > _LARGE:
            self._transport.writelines((b"%b%x\r\n" % (head, size), piece, b"\r\n" if more else _LAST))
        elif size:
            self._transport.write(b"%b%x\r\n%b%b" % (head, size, piece, b"\r\n" if more else _LAST))
        elif head or not more:
            self._transport.write(head if more else head + _LAST[2:])

    async def drain(self) -> None:
        """Wait until the client has read enough, or has left."""
        if self._full and self._call is not None and not self._call.gone:
            self._room = self._loop.create_future()
            try:
                await self._room
            finally:
                self._room = None

    def shut(self) -> None:
        """Close, at once if nothing is under way, else after the answer."""
        if self._call is None and not self._waiting:
            self._close()
        self._keep = False

    def abort(self) -> asyncio.Task[None] | None:
        """Close at once; returns the task that has still to take note."""
        self._break_off()
        return self._task

    # Between two requests.

    async def _serve(self) -> None:
        """Answer one request after the other until the client or we have had enough."""
        handle, loop, transport = self._house.handle, self._loop, self._transport
        while not transport.is_closing():
            call = self._call
            if call is None:
                self._waiter = loop.create_future()
                await self._waiter
                continue
            try:
                await handle(call)
            except Exception:
                # Who handles calls answers for its own defects; one that it did not must not leave the client waiting.
                log.exception("request %s: a defect", call.request_id)
            self._handling = False
            if self._call is not None or not self._keep or self._waiting:
                self._after(call)
            else:
                if self._paused:
                    self._resume()
                self._idle()

    def _after(self, call: Call) -> None:
        """What follows an answer, where it is not a pause."""
        if self._transport.is_closing() or self._transport.get_protocol() is not self:
            return
        if self._call is not None:
            self._break_off()
        elif self._keep:
            self._turn(*self._waiting.popleft())
            if not self._waiting:
                self._resume()
        elif call.whole and not self._paused:
            self._close()
        else:
            self._linger()

    def _turn(self, call: Call, keep: bool, old: bool) -> None:
        self._call = call
        self._idle_since = 0.0
        self._handling = True
        self._keep = keep
        self._old = old
        self._continue = True
        if self._task is None:
            self._task = self._loop.create_task(self._serve())
        elif self._waiter is not None:
            self._waiter.set_result(None)
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _idle(self) -> None:
        """Nothing is under way; if this lasts, the connection is closed."""
        self._idle_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._house.idle, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._idle_since:
            return
        left = self._idle_since + self._house.idle - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._close()

    def _close(self) -> None:
        """Close once the last bytes have left; at last also on a client that does not read them."""
        self._idle_since = 0.0
        if self._transport.get_write_buffer_size():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self._house.idle, self._transport.abort)
        self._transport.close()

    def _linger(self) -> None:
        """Close when the client has heard what was said, though it may still be talking."""
        self._transport.set_protocol(Lingering(self, self._transport, self._house.idle))
        self._resume()

    def _break_off(self) -> None:
        """Close at once. Half an answer must not pass for a whole one, not even where the end of the connection is
        its end."""
        if self._old and self._call is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    # What is no plain request.

    def _stay(self, rest: bytes) -> None:
        """The client would rather speak something else, which nobody here does: its request is answered, and the last.

        The parser takes such a request to end with its head, so another one reads the body.
        """
        self._keep = False
        call = self._call
        if call is None or self._waiting:
            return
        if lines := framing(call.headers):
            call.whole = False
            self._reading = call
            self._parser = parser_of_body(self, lines)
            self._parser.feed_data(rest)

    def _nonsense(self, problem: BaseException) -> None:
        """What came is no request: said so, where no other request is under way."""
        self._keep = False
        call, self._reading = self._reading, None
        if self._waiting or self._call is not call:
            # The answer under way, or just given, is the last one.
            self._pause()
        elif call is not None and call.answered:
            self._break_off()
        else:
            if call is not None and self._task is not None:
                # Nobody will ever know the rest of its body.
                call.gone = True
                self._call = None
                self._task.cancel()
            self._transport.write(refusal(problem))
            self._linger()
