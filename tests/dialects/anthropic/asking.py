"""Chats to encode, and what became of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from hybridge.chat import Chat, Text, Tool, Turn
from hybridge.dialects.codec import Target
from hybridge.errors import CannotCarry
from tests.dialects.anthropic.corpus import OLD, PROVIDER

HI = Turn("user", (Text("hi"),))
SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}')
TOOL = Tool("f", "does f", SCHEMA)


def chat(*turns: Turn, **members: Any) -> Chat:
    return Chat(turns or (HI,), **members)


def encoded(asked: Chat, target: Target = OLD) -> tuple[dict[str, Any], tuple[str, ...]]:
    outgoing = PROVIDER.encode_request(asked, target)
    return json.loads(outgoing.body), outgoing.dropped


def body(asked: Chat, target: Target = OLD) -> dict[str, Any]:
    return encoded(asked, target)[0]


def content(*parts: Any, role: Any = "user") -> Any:
    turns = [HI, Turn(role, parts)] if role == "assistant" else [Turn(role, parts)]
    return body(chat(*turns, HI) if role == "assistant" else chat(*turns))["messages"][len(turns) - 1]["content"]


def refused(asked: Chat, target: Target = OLD) -> tuple[str, ...]:
    with pytest.raises(CannotCarry) as caught:
        PROVIDER.encode_request(asked, target)
    names = caught.value.fields
    # The client may allow to lose them; then they are named.
    _, dropped = encoded(asked, replace(target, drop_unsupported=True))
    assert set(names) <= set(dropped)
    return names
