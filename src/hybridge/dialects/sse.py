"""Server-sent events: where one ends and what it says.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html. Lines end in LF, CRLF or CR, also mixed.
"""

from __future__ import annotations

import re

#: As a number it is looked for several times faster than as bytes.
_CR, _LF = b"\r\n"
_EOL = rb"(?:\r\n|\n|\r(?!\n))"
_BLANK_LINE = re.compile(_EOL + _EOL)


class Splitter:
    """Cuts bytes that arrive in any pieces into whole events, each with the blank line that ends it."""

    __slots__ = ("_rest", "pending")

    def __init__(self) -> None:
        self._rest = bytearray()
        #: Whether an event has begun and not ended.
        self.pending = False

    def step(self, chunk: bytes, at: int) -> tuple[list[bytes], int]:
        """What `feed` gives for the bytes of the event at `at`, and where they end: with all if that is not plain."""
        end = chunk.find(b"\n\n", at) + 2
        event = chunk[at:end]
        if end < 2 or _CR in event:
            return self.feed(chunk[at:]), len(chunk)
        return self.feed(event) if self.pending else [event], end

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes, as they came: joined with `rest()` they are the input."""
        rest = self._rest
        if not self.pending:
            if chunk.endswith(b"\n\n") and _CR not in chunk:
                # What nearly every provider sends: whole events with LF alone.
                if chunk.find(b"\n\n") == len(chunk) - 2:
                    return [chunk]
                return [block + b"\n\n" for block in chunk[:-2].split(b"\n\n")]
            ends = _ends(chunk, 0)
            rest += chunk[ends[-1] :] if ends else chunk
            self.pending = bool(rest)
            return _cut(chunk, ends)
        seen = max(0, len(rest) - 3)
        rest += chunk
        ends = _ends(rest, seen)
        if not ends:
            return []
        whole = bytes(rest[: ends[-1]])
        del rest[: ends[-1]]
        self.pending = bool(rest)
        return _cut(whole, ends)

    def rest(self) -> bytes:
        """The unfinished tail."""
        return bytes(self._rest)


def _cut(whole: bytes, ends: list[int]) -> list[bytes]:
    start = 0
    blocks = []
    for end in ends:
        blocks.append(whole[start:end])
        start = end
    return blocks


def _ends(buffer: bytes | bytearray, seen: int) -> list[int]:
    ends = [match.end() for match in _BLANK_LINE.finditer(buffer, seen)]
    # A CR at the very end may be half a CRLF; only a stream that never used an LF is known to end its lines so.
    if ends and ends[-1] == len(buffer) and buffer.endswith(b"\r"):
        start = ends[-2] if len(ends) > 1 else 0
        if b"\n" in buffer[start:]:
            ends.pop()
    return ends


def data_of(block: bytes) -> tuple[str, bytes]:
    """The event's name (`""` if it has none) and its data (`b""` if it has none); comments are skipped."""
    data = block.removeprefix(b"data: ").removesuffix(b"\n\n")
    if len(data) + 8 == len(block) and _LF not in data and _CR not in data:
        return "", data
    if block.startswith(b"event: ") and _CR not in block:
        line, end = block.find(_LF), len(block) - 2
        if block.startswith(b"data: ", line + 1) and block.find(_LF, line + 1) == end:
            return block[7:line].decode("utf-8", "replace"), block[line + 7 : end]
    return _lines_of(block)


def _lines_of(block: bytes) -> tuple[str, bytes]:
    name = ""
    lines = []
    for line in block.removeprefix(b"\xef\xbb\xbf").splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace")
    return name, b"\n".join(lines)
