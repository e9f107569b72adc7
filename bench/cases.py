"""What is measured: the cases and their requests."""

from __future__ import annotations

import json
from typing import NamedTuple

from bench.upstream import EVENTS

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"

_PROMPT = "Tell me about the sea, its tides and its storms. " * 20


class Case(NamedTuple):
    """One line of the table. `model` chooses what the upstream does, `straight` is the path that it is asked at.

    A round has at most `requests`, each of `per` units.
    """

    name: str
    model: str
    path: str
    stream: bool
    requests: int
    per: int = 1
    straight: str = CHAT


CASES = (
    Case("unary, pass-through", "burst", CHAT, False, 6000),
    Case("unary, OpenAI to Anthropic", "translated", CHAT, False, 4000, 1, MESSAGES),
    Case("stream of 52 events in a burst", "burst", CHAT, True, 2000),
    Case("streamed chunk, paced 2 ms", "paced", CHAT, True, 500, EVENTS),
    Case("streamed chunk, paced, OpenAI to Anthropic", "translated-paced", CHAT, True, 300, EVENTS, MESSAGES),
)
UNARY, TRANSLATED, BURST, PACED, TRANSLATED_PACED = CASES


def body(model: str, stream: bool) -> str:
    """A chat request of about 1 kB."""
    message = {"role": "user", "content": _PROMPT}
    asked: dict[str, object] = {"model": model, "messages": [message], "max_tokens": 100}
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(asked, separators=(",", ":"))
