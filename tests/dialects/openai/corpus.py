"""The recorded exchanges of this dialect, and the rows' quirks that they need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from hybridge.types import NO_QUIRKS, Quirks

_ROOT = Path(os.environ.get("HYBRIDGE_SHARED") or Path(__file__).resolve().parents[4] / "shared")
FIXTURES = _ROOT / "wire" / "fixtures"

NEEDS_CORPUS = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="no recorded traffic: set HYBRIDGE_SHARED to its folder"
)

QUIRKS = {
    "groq": Quirks(usage_path="x_groq.usage"),
    "openrouter": Quirks(cost_path="cost"),
    "perplexity": Quirks(ends_without_done=True, cost_path="cost.total_cost"),
    "writer": Quirks(ends_without_done=True),
}

PROVIDERS = tuple(
    """
    openai openrouter mistral groq deepseek together ollama perplexity azure zhipu cerebras huggingface crusoe heroku
    snowflake writer portkey pydantic-gateway gateway
    """.split()
)


class Exchange(Struct):
    """One recorded exchange; `name` is `provider/stem`."""

    name: str
    provider: str
    status: int
    request: bytes
    response: bytes
    stream: bool

    @property
    def quirks(self) -> Quirks:
        return QUIRKS.get(self.provider, NO_QUIRKS)


def exchanges(*, ok: bool, stream: bool | None = None) -> list[Any]:
    """Parameters for a test, one for each exchange; none where there is no corpus."""
    return [
        pytest.param(found, id=found.name)
        for found in _exchanges()
        if (found.status == 200) == ok and (stream is None or found.stream == stream)
    ]


def _exchanges() -> Iterator[Exchange]:
    for provider in PROVIDERS:
        for sent in sorted((FIXTURES / provider).glob("chat_*.request.json")):
            stem = sent.name.removesuffix(".request.json")
            meta = msgspec.json.decode((sent.parent / f"{stem}.meta.json").read_bytes())
            received = next(iter(sent.parent.glob(f"{stem}.response.*")), None)
            if "chat/completions" in (meta.get("url") or "") and received is not None:
                yield Exchange(
                    name=f"{provider}/{stem}",
                    provider=provider,
                    status=meta["status"],
                    request=sent.read_bytes(),
                    response=received.read_bytes(),
                    stream=received.suffix == ".sse",
                )


def captured_streams() -> list[Any]:
    """Streams stored as one JSON chunk a line, framed again as the provider would."""
    found = []
    for folder in ("deepseek", "groq", "mistral", "dashscope", "moonshot", "openai-compatible", "perplexity"):
        for path in sorted((FIXTURES / folder / "captured").glob("*.chunks.jsonl")):
            lines = [line for line in path.read_bytes().splitlines() if b'"choices"' in line]
            if lines:
                stream = b"".join(b"data: " + line + b"\n\n" for line in lines) + b"data: [DONE]\n\n"
                found.append(pytest.param(folder, stream, id=f"{folder}/{path.name}"))
    return found


def captured_replies() -> list[Any]:
    """Whole answers stored as plain JSON."""
    found = []
    for folder in ("deepseek", "groq", "mistral", "dashscope", "moonshot", "openai-compatible", "perplexity"):
        for path in sorted((FIXTURES / folder / "captured").glob("*.json")):
            if b'"choices"' in path.read_bytes():
                found.append(pytest.param(folder, path.read_bytes(), id=f"{folder}/{path.name}"))
    return found


def reported_errors() -> list[Any]:
    """Error bodies quoted in public threads and documents."""
    found = []
    for folder in ("openai", "azure", "mistral", "moonshot", "fireworks", "aihubmix", "openrouter"):
        for kind in ("errors_reported", "doc_examples"):
            for path in sorted((FIXTURES / folder / kind).glob("*.response.json")):
                meta = msgspec.json.decode(path.with_name(path.name.replace(".response.", ".meta.")).read_bytes())
                found.append(pytest.param(meta["status"], path.read_bytes(), id=f"{folder}/{path.name}"))
    return found


def usage_rows() -> list[dict[str, Any]]:
    """Reduced bodies with the counts that they mean."""
    path = FIXTURES / "usage" / "openai_chat_family.jsonl"
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.is_file() else []
