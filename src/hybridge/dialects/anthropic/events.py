"""The events of a stream as a provider sends them, and what each one says.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from hybridge.dialects.anthropic.errors import reported
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.anthropic.reply import StopDetails
from hybridge.dialects.blame import said
from hybridge.errors import MalformedAnswer, ProviderError


class Message(Struct):
    """The head of the answer."""

    id: str = ""
    model: str = ""
    usage: Raw = Raw()


class Opening(Struct):
    """The beginning of a content block."""

    type: str = ""
    id: str | None = None
    name: str | None = None
    input: Raw = Raw()
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class Delta(Struct):
    """More of a block, or why the answer ended."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class WireEvent(Struct):
    """Any event."""

    type: str = ""
    index: int = 0
    message: Message | None = None
    content_block: Opening | None = None
    delta: Delta | None = None
    usage: Raw = Raw()


_EVENT = msgspec.json.Decoder(WireEvent)


def read_event(data: bytes) -> WireEvent | None:
    """One event; `None` for one of a shape that nobody knows. Raises `MalformedAnswer` for what is no JSON."""
    try:
        return _EVENT.decode(data)
    except msgspec.ValidationError:
        return None
    except UNREADABLE:
        raise MalformedAnswer("the stream holds an event that is not JSON", status=200, body=data[:1000]) from None


def error_in(data: bytes) -> ProviderError:
    """What an error event means."""
    return reported(said(data), data)
