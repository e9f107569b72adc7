"""What an answer must be: whole, with the very text that the upstream gave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def fault(body: bytes, stream: bool, expected: str) -> str:
    """What is wrong with the body of a 200: its text, an event that is missing, no end. Empty if nothing is."""
    try:
        got = "".join(_deltas(body)) if stream else _text(json.loads(body))
    except (ValueError, LookupError, TypeError) as exc:
        return f"{exc!r} in {body[:200]!r}"
    if got != expected:
        return f"the text is {got[:100]!r}, not {expected[:100]!r}"
    if stream and b"data: [DONE]" not in body and b"message_stop" not in body:
        return f"no end: {body[-100:]!r}"
    return ""


def whole(raw: bytes | bytearray) -> bytes:
    """A chunked body without its framing."""
    pieces, at = list[bytes](), 0
    while True:
        end = raw.index(b"\r\n", at)
        size = int(bytes(raw[at:end]).partition(b";")[0], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(bytes(raw[end + 2 : end + 2 + size]))
        at = end + size + 4


def _text(answer: dict[str, Any]) -> str:
    if "choices" in answer:
        return str(answer["choices"][0]["message"]["content"])
    return "".join(block["text"] for block in answer["content"])


def _deltas(body: bytes) -> Iterator[str]:
    for line in body.split(b"\n"):
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        for choice in event.get("choices", ()):
            yield choice["delta"].get("content") or ""
        yield event.get("delta", {}).get("text", "")
