"""The events of a stream: where one ends and what it holds."""

from __future__ import annotations

from hybridge.dialects.sse import data_of
from hybridge.errors import MalformedAnswer

_CR, _LF = b"\r\n"


def event_data(block: bytes) -> bytes:
    """The data of one event; Google's own form, one line and CRLF, is read fastest."""
    data = block.removeprefix(b"data: ").removesuffix(b"\r\n\r\n")
    if len(data) + 10 == len(block) and _LF not in data and _CR not in data:
        return data
    _, data = data_of(block)
    # In mid-stream Google reports errors as bare JSON, without `data:`.
    return data if data or block.lstrip()[:1] not in (b"{", b"[") else block.strip()


def data_in(chunk: bytes) -> list[bytes]:
    """The data of each event of a chunk that is whole events in the usual form; none of any other."""
    end = b"\r\n\r\n" if chunk.endswith(b"\r\n\r\n") else b"\n\n"
    found = chunk.split(end)
    if found.pop():
        return []
    for at, line in enumerate(found):
        data = found[at] = line.removeprefix(b"data: ")
        if not data or len(data) + 6 != len(line) or _LF in data or _CR in data:
            return []
    return found


def mishap(end: str) -> MalformedAnswer:
    """The error for an end that is the model's own mishap."""
    return MalformedAnswer(f"the stream ended with {end} and without content", status=200)
