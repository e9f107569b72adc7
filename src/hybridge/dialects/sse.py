"""Server-sent events: where one ends and what it says.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html. Lines end in LF, CRLF or CR, also mixed.
"""

from __future__ import annotations

import re

_EOL = rb"(?:\r\n|\n|\r(?!\n))"
_BLANK_LINE = re.compile(_EOL + _EOL)


class Splitter:
    """Cuts bytes that arrive in any pieces into whole events, each with the blank line that ends it."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes, as they came: joined with `rest()` they are the input."""
        rest = self._rest
        if not rest:
            if chunk.endswith(b"\n\n") and b"\r" not in chunk:
                # What nearly every provider sends: whole events with LF alone.
                if chunk.find(b"\n\n") == len(chunk) - 2:
                    return [chunk]
                return [block + b"\n\n" for block in chunk[:-2].split(b"\n\n")]
            ends = _ends(chunk, 0)
            if not ends:
                rest += chunk
                return []
            rest += chunk[ends[-1] :]
            return _cut(chunk, ends)
        seen = max(0, len(rest) - 3)
        rest += chunk
        ends = _ends(rest, seen)
        if not ends:
            return []
        whole = bytes(rest[: ends[-1]])
        del rest[: ends[-1]]
        return _cut(whole, ends)

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._rest)

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
    if b"\r" not in block:
        end = len(block) - 2
        if block.startswith(b"data: "):
            if block.find(b"\n") == end:
                return "", block[6:end]
        elif block.startswith(b"event: "):
            line = block.find(b"\n")
            if block.startswith(b"data: ", line + 1) and block.find(b"\n", line + 1) == end:
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
