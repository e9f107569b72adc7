"""`…:streamGenerateContent`: server-sent events with `alt=sse`, without it one JSON array that grows."""

from __future__ import annotations

from hybridge.dialects.codec import Dialect
from hybridge.dialects.gemini import ArrayWriter
from hybridge.server.call import Call
from hybridge.server.endpoints.chat import chat
from hybridge.server.front import Front
from hybridge.types import Head, Sink


class ArraySink:
    """Passes a stream of events on as the elements of an array."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._writer = ArrayWriter()
        self.started = False

    def whole(self, head: Head, body: bytes) -> None:
        """Send all elements at once."""
        self.start(head)
        self.end(body)

    def start(self, head: Head) -> None:
        """Send the head."""
        self.started = True
        head.content_type = self._writer.content_type
        self._sink.start(head)

    def write(self, chunk: bytes) -> bool:
        """Send the elements that this piece completes."""
        piece = self._writer.feed(chunk)
        return not piece or self._sink.write(piece)

    async def drain(self) -> None:
        """Wait while the client is slow."""
        await self._sink.drain()

    def end(self, last: bytes = b"") -> None:
        """Close the array."""
        self._sink.end(self._writer.feed(last) + self._writer.end())


async def stream(front: Front, call: Call, dialect: Dialect) -> None:
    """Answer a chat as a stream, in the framing that was asked for."""
    if call.query_value("alt") == "sse":
        await chat(front, call, dialect)
    else:
        await chat(front, call, dialect, ArraySink)
