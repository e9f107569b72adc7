"""Requests and answers with one thing wrong, drawn with a seed: never a defect of ours, never a hang."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.gateway.asking import CHUNKS, DIALECTS, chain, events, in_each, question
from tests.gateway.harness import (
    Link,
    Received,
    Upstream,
    answering,
    anthropic_reply,
    gateway,
    gemini_reply,
    openai_reply,
    streaming,
)

PAIRS = [(ours, theirs) for ours in DIALECTS for theirs in DIALECTS]
#: Enough to have found what was to be found; `-k` and a larger number find more.
ROUNDS = 60
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "\ud800",
    "\x00",
    [],
    [None],
    [[]],
    {},
    {"x": None},
    {"type": 5},
]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PIXEL = "iVBORw0KGgo="

RICH: dict[str, dict[str, Any]] = {
    "openai": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": '{"city":"Huế"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "31"},
            {"role": "assistant", "content": "It is hot.", "reasoning_content": "thinking"},
            {"role": "user", "content": "Thanks", "name": "n"},
        ],
        "tools": [{"type": "function", "function": {"name": "w", "description": "d", "parameters": SCHEMA}}],
        "tool_choice": {"type": "function", "function": {"name": "w"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "j", "schema": SCHEMA, "strict": False}},
        "stop": ["a"],
        "max_tokens": 100,
        "temperature": 0.5,
        "reasoning_effort": "low",
        "metadata": {"a": "b"},
        "stream_options": {"include_usage": True},
        "route": {"budget": "1000000 VND", "tags": ["a"]},
        "provider": {"order": ["a"], "max_price": {"prompt": 5}},
    },
    "anthropic": {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                    {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"city": "Huế"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "31"}]}
                ],
            },
        ],
        "tools": [{"name": "w", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "stop_sequences": ["a"],
        "top_k": 5,
        "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 2000,
        "route": {"budget": {"amount": 5, "currency": "USD"}},
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
            },
            {"role": "model", "parts": [{"functionCall": {"name": "w", "args": {"city": "Huế"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "w", "response": {"t": 31}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "w", "description": "d", "parameters": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["w"]}},
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 0.5,
            "stopSequences": ["a"],
            "responseMimeType": "application/json",
            "thinkingConfig": {"thinkingBudget": 100},
        },
        "safetySettings": [],
    },
}

REPLIES: dict[str, Any] = {
    "openai": lambda: openai_reply(
        choices=[
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "reasoning_content": "hm",
                    "refusal": None,
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "w", "arguments": "{}"}}],
                },
            }
        ],
        usage={
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    ),
    "anthropic": lambda: anthropic_reply(
        content=[
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "t", "name": "w", "input": {"a": 1}},
        ],
    ),
    "gemini": lambda: gemini_reply(
        candidates=[
            {
                "index": 0,
                "finishReason": "STOP",
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "Hi", "thoughtSignature": "c2ln"},
                        {"functionCall": {"name": "w", "args": {"a": 1}}},
                    ],
                },
            }
        ],
    ),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value below this one."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*path, name)
        yield from places(member, (*path, name))


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with one place gone, doubled or replaced by something odd."""
    value = copy.deepcopy(value)
    *way, last = chance.choice(list(places(value)))
    inner = value
    for step in way:
        inner = inner[step]
    what = chance.randrange(6)
    if what == 0:
        del inner[last]
    elif what == 1 and isinstance(inner, list):
        inner.append(inner[last])
    else:
        inner[last] = copy.deepcopy(chance.choice(ODD))
    return value


@in_each(*PAIRS)
async def test_a_request_with_one_thing_wrong(ours: str, theirs: str) -> None:
    chance = random.Random(f"{ours}{theirs}")

    async def script(received: Received, link: Link) -> None:
        if received.path.endswith("alt=sse") or received.json.get("stream"):
            await link.stream(CHUNKS[theirs]("Hel", "lo"))
        else:
            await link.reply(200, REPLIES[theirs]())

    async with Upstream(script) as upstream, gateway(chain(upstream, dialects=[theirs])) as running:
        for _ in range(ROUNDS):
            stream = chance.random() < 0.3
            path, body = question(ours, stream=stream) if stream else question(ours)
            wire = mutated({**body, **RICH[ours]}, chance)
            answer = await running.post(path, json.dumps(wire).encode())
            assert answer.status_code in (200, 400, 402, 404, 503), (answer.text, wire)


@in_each(*PAIRS)
async def test_an_answer_with_one_thing_wrong(ours: str, theirs: str) -> None:
    chance = random.Random(f"{ours}{theirs}")
    pieces = CHUNKS[theirs]("Hel", "lo")
    async with (
        Upstream(answering(500, b"")) as upstream,
        gateway(chain(upstream, dialects=[theirs], breaker={"failures": 100_000})) as running,
    ):
        for _ in range(ROUNDS):
            stream = chance.random() < 0.5
            if stream:
                odd = list(pieces)
                at = chance.choice([at for at, piece in enumerate(odd) if b"{" in piece])
                head, brace, rest = odd[at].partition(b"{")
                odd[at] = head + json.dumps(mutated(json.loads(brace + rest), chance)).encode() + b"\n\n"
                upstream.scripts = [streaming(odd)]
            else:
                odd = mutated(REPLIES[theirs](), chance)
                upstream.scripts = [answering(200, odd)]
            path, body = question(ours, stream=stream) if stream else question(ours)
            answer = await running.post(path, body)
            assert answer.status_code in (200, 400, 429, 502, 504), (answer.text, odd)
            assert answer.headers.get("x-hybridge-error") != "internal_error"
            if stream and answer.status_code == 200:
                events(answer.text)
