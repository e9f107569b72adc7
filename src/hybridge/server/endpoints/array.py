"""A stream as one JSON array that grows, for clients of Gemini's dialect that did not ask for `alt=sse`."""

from __future__ import annotations

from hybridge.dialects.gemini import ArrayWriter
from hybridge.server.sink import HttpSink
from hybridge.types import Head


class ArraySink:
    """Passes a stream of events on as the elements of an array."""

    content_type = ArrayWriter.content_type

    def __init__(self, sink: HttpSink) -> None:
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
        head.content_type = self.content_type
        self._sink.start(head)

    def recovered(self, how: str, origin: str, to: str) -> None:
        """Send the element that says where the stream goes on."""
        self.write(self._sink.recovery(how, origin, to))

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
