"""The recordings that these tests read: requests and answers of the Gemini API and of Vertex AI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from hybridge.dialects.gemini import GeminiClient, GeminiProvider
from hybridge.types import Quirks

CLIENT = GeminiClient()
PROVIDER = GeminiProvider()
QUIRKS = Quirks()
_VERB = re.compile(r":(?:generateContent|streamGenerateContent|countTokens)(?:\?|$)")


class Recorded(Struct, frozen=True):
    """One exchange as it was recorded."""

    name: str
    url: str
    status: int
    request: bytes
    response: bytes


def recorded(shared: Path, ending: str = "json") -> Iterator[Recorded]:
    """Every exchange with generateContent or countTokens whose answer is of that kind (`json`, `sse`)."""
    for folder in ("gemini", "vertex"):
        for file in sorted((shared / "wire" / "fixtures" / folder).glob(f"*.response.{ending}")):
            stem = str(file).removesuffix(f".response.{ending}")
            about = json.loads(Path(f"{stem}.meta.json").read_bytes())
            if _VERB.search(about["url"]) is None:
                continue
            request = Path(f"{stem}.request.json")
            yield Recorded(
                f"{folder}/{file.name}",
                about["url"],
                int(about["status"]),
                request.read_bytes() if request.exists() else b"",
                file.read_bytes(),
            )


def captured(shared: Path) -> Iterator[Recorded]:
    """Streams whose framing was lost, framed again as Google frames them; the Interactions API is another dialect."""
    for file in sorted((shared / "wire" / "fixtures" / "gemini" / "captured").glob("*.chunks.jsonl")):
        lines = [line for line in file.read_bytes().splitlines() if line.strip()]
        if lines and b'"candidates"' in lines[0]:
            yield Recorded(f"captured/{file.name}", "", 200, b"", framed(lines))


def streams(shared: Path) -> list[Recorded]:
    """Every stream there is."""
    return [*recorded(shared, "sse"), *captured(shared)]


def framed(chunks: Sequence[bytes | dict[str, object]]) -> bytes:
    """Chunks as a stream."""
    return b"".join(
        b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\r\n\r\n"
        for chunk in chunks
    )


def said(*parts: dict[str, object], end: str = "", **more: object) -> dict[str, object]:
    """A chunk, or an answer, with these parts."""
    candidate: dict[str, object] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if end:
        candidate["finishReason"] = end
    return {"candidates": [candidate], "modelVersion": "m-1", "responseId": "r1", **more}


def body(**members: object) -> bytes:
    """A request that says hello, with further members."""
    return json.dumps({"contents": [{"role": "user", "parts": [{"text": "hello"}]}], **members}).encode()
