"""The recorded traffic of this dialect, and short names for its two sides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybridge.chat import (
    Event,
    Finish,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects.anthropic import DIALECT, Client, Provider
from hybridge.dialects.codec import Relay, StreamDecoder, Target
from hybridge.types import NO_QUIRKS

assert isinstance(DIALECT.client, Client)
assert isinstance(DIALECT.provider, Provider)
CLIENT: Client = DIALECT.client
PROVIDER: Provider = DIALECT.provider

#: A model that takes everything old, and one that takes everything new.
OLD = Target("claude-sonnet-4-20250514", "claude-sonnet-4", stream=False)
NEW = Target("claude-opus-5", "claude-opus-5", stream=False)


def folder(shared: Path) -> Path:
    """Where the recordings of this dialect lie."""
    return shared / "wire" / "fixtures" / "anthropic"


def requests(shared: Path) -> list[Path]:
    """Every recorded request."""
    return sorted(folder(shared).glob("*.request.json"))


def answers(shared: Path) -> list[Path]:
    """Every recorded whole answer that is a message."""
    found = [*folder(shared).glob("messages_*.response.json"), *folder(shared).glob("captured/*.json")]
    return sorted(path for path in found if json.loads(path.read_bytes()).get("type") == "message")


def streams(shared: Path) -> list[tuple[str, bytes]]:
    """Every recorded stream, also those whose framing had been taken off."""
    recorded = [(path.name, path.read_bytes()) for path in sorted(folder(shared).glob("*.sse"))]
    captured = [(path.name, framed(path)) for path in sorted(folder(shared).glob("captured/*.chunks.jsonl"))]
    return recorded + captured


def framed(path: Path) -> bytes:
    """The stream whose events' data stand one on a line."""
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    return b"".join(sse(json.loads(line)) for line in lines)


def sse(event: dict[str, Any]) -> bytes:
    """One event as it goes over the wire."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def wire_events(stream: bytes) -> Iterator[dict[str, Any]]:
    """The data of every event of a stream."""
    for line in stream.decode().splitlines():
        if line.startswith("data:"):
            yield json.loads(line[5:])


def decoder() -> StreamDecoder:
    """A fresh decoder."""
    return PROVIDER.stream_decoder(NO_QUIRKS)


def listener() -> Relay:
    """A fresh relay."""
    return PROVIDER.listener(withhold_usage=False, quirks=NO_QUIRKS)


def parts_of(events: list[Event]) -> list[Part]:
    """What a stream said, put together: one part for what follows without a break."""
    parts: list[Part] = []
    calls: dict[int, int] = {}
    thoughts: dict[int, int] = {}
    for event in events:
        match event:
            case TextDelta() if parts and isinstance(parts[-1], Text):
                parts[-1] = Text(parts[-1].text + event.text)
            case TextDelta():
                parts.append(Text(event.text))
            case RefusalDelta():
                parts.append(Refusal(event.text))
            case ReasoningDelta():
                at = thoughts.setdefault(event.block, len(parts))
                old = parts[at] if at < len(parts) else Reasoning()
                assert isinstance(old, Reasoning)
                signature = old.signature + event.signature
                parts[at : at + 1] = [Reasoning(old.text + event.text, signature, old.data + event.data, event.origin)]
            case ToolStart():
                calls[event.index] = len(parts)
                parts.append(ToolCall(event.id, event.name, "", event.signature, event.origin))
            case ToolDelta():
                call = parts[calls[event.index]]
                assert isinstance(call, ToolCall)
                parts[calls[event.index]] = ToolCall(
                    call.id, call.name, call.arguments + event.arguments, call.signature, call.origin
                )
    return parts


def last_usage(events: list[Event]) -> UsageEvent:
    """The usage that holds."""
    return [event for event in events if isinstance(event, UsageEvent)][-1]


def finish_of(events: list[Event]) -> Finish:
    """The one reason."""
    (finish,) = (event for event in events if isinstance(event, Finish))
    return finish
