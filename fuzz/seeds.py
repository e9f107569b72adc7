"""What is right before it goes wrong: requests and answers of every dialect, built in and from recorded traffic."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

DIALECTS = ("openai", "anthropic", "gemini")

_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_PIXEL = "iVBORw0KGgo="
#: Larger ones only cost time.
_LARGEST = 12_000
_MOST = 60

#: Folders of recorded traffic, their dialect, and what the names of chats begin with.
_RECORDED = {
    "openai": ("openai", "chat_"),
    "openrouter": ("openai", "chat_"),
    "groq": ("openai", "chat_"),
    "mistral": ("openai", "chat_"),
    "deepseek": ("openai", "chat_"),
    "xai": ("openai", "chat_"),
    "anthropic": ("anthropic", "messages_"),
    "gemini": ("gemini", "generate_"),
}


class Seeds(Struct, frozen=True):
    """Of one dialect: JSON texts of requests, answers and errors, and streams as lists of events."""

    requests: list[bytes]
    replies: list[bytes]
    streams: list[list[bytes]]
    errors: list[bytes]


def _openai() -> Seeds:
    call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": '{"city":"Huế"}'}}
    asked = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}", "detail": "low"}},
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "31"},
            {"role": "assistant", "content": "It is hot.", "reasoning_content": "thinking"},
            {"role": "user", "content": "Thanks", "name": "n"},
        ],
        "tools": [{"type": "function", "function": {"name": "w", "description": "d", "parameters": _SCHEMA}}],
        "tool_choice": {"type": "function", "function": {"name": "w"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "j", "schema": _SCHEMA, "strict": False}},
        "stop": ["a"],
        "max_tokens": 100,
        "temperature": 0.5,
        "reasoning_effort": "low",
        "metadata": {"a": "b"},
        "stream_options": {"include_usage": True},
    }
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0}
    ]
    message = {"role": "assistant", "content": "Hi there.", "refusal": None, "reasoning_content": "hm"}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1},
        "cost": 0.0012,
    }
    start = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini"}
    reply = {**start, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
    called = {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_details": details}
    calls = {**reply, "choices": [{"index": 0, "message": called, "finish_reason": "tool_calls"}]}
    deltas: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        ({"reasoning_content": "hm"}, None),
        ({"content": "Hel"}, None),
        ({"content": "lo"}, None),
        ({"tool_calls": [{"index": 0, **call}]}, None),
        ({"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}, None),
        ({}, "stop"),
    ]
    chunks: list[dict[str, Any]] = [
        {**start, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in deltas
    ]
    plain = [*chunks[:1], *chunks[2:4], chunks[6], {**start, "choices": [], "usage": usage}]
    error = {"error": {"message": "No such model", "type": "invalid_request_error", "param": "model", "code": "x"}}
    return Seeds(
        [_json({"messages": [{"role": "user", "content": "hello"}]}), _json(asked)],
        [_json(reply), _json(calls)],
        [[*map(_event, plain), b"data: [DONE]\n\n"], [*map(_event, chunks), b"data: [DONE]\n\n"]],
        [_json(error), b'{"error":{"message":"maximum context length","code":"context_length_exceeded"}}'],
    )


def _anthropic() -> Seeds:
    asked = {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PIXEL}},
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
        "tools": [{"name": "w", "description": "d", "input_schema": _SCHEMA}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "stop_sequences": ["a"],
        "top_k": 5,
        "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 2000,
    }
    usage = {
        "input_tokens": 9,
        "output_tokens": 3,
        "cache_read_input_tokens": 1,
        "cache_creation_input_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 1},
    }
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-haiku-20240307"}
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "aGlkZGVu"},
        {"type": "text", "text": "Hi there."},
        {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"city": "Huế"}},
    ]
    reply = {**start, "content": content, "stop_reason": "tool_use", "stop_sequence": None, "usage": usage}
    plain = {**reply, "content": content[2:3], "stop_reason": "end_turn"}
    deltas: list[dict[str, Any]] = [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "c2ln"},
        {"type": "text_delta", "text": "Hel"},
        {"type": "text_delta", "text": "lo"},
        {"type": "input_json_delta", "partial_json": '{"city":'},
        {"type": "input_json_delta", "partial_json": '"Huế"}'},
    ]
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {}},
    ]

    def stream(kept: tuple[int, ...], stop: str) -> list[bytes]:
        opening: dict[str, Any] = {**start, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": opening}, {"type": "ping"}]
        for index, kind in enumerate(kept):
            events.append({"type": "content_block_start", "index": index, "content_block": blocks[kind]})
            for delta in deltas[2 * kind : 2 * kind + 2]:
                events.append({"type": "content_block_delta", "index": index, "delta": delta})
            events.append({"type": "content_block_stop", "index": index})
        delta = {"stop_reason": stop, "stop_sequence": None}
        events += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3}}, {"type": "message_stop"}]
        return [f"event: {event['type']}\n".encode() + _event(event) for event in events]

    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: Field required"}}
    return Seeds(
        [_json({"max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}), _json(asked)],
        [_json(reply), _json(plain)],
        [stream((1,), "end_turn"), stream((0, 1, 2), "tool_use")],
        [_json(error), b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'],
    )


def _gemini() -> Seeds:
    asked = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": _PIXEL}}],
            },
            {"role": "model", "parts": [{"functionCall": {"name": "w", "args": {"city": "Huế"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "w", "response": {"t": 31}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "w", "description": "d", "parameters": _SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["w"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 0.5,
            "topK": 5,
            "stopSequences": ["a"],
            "responseMimeType": "application/json",
            "responseSchema": _SCHEMA,
            "thinkingConfig": {"thinkingBudget": 100, "includeThoughts": True},
        },
    }
    parts: list[dict[str, Any]] = [
        {"text": "hm", "thought": True},
        {"text": "Hi "},
        {"text": "there."},
        {"functionCall": {"name": "w", "args": {"city": "Huế"}}, "thoughtSignature": "c2ln"},
    ]
    usage = {
        "promptTokenCount": 9,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 1,
        "totalTokenCount": 14,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
    }

    def answer(said: list[dict[str, Any]], finish: str | None = "STOP") -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": said}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "gemini-1.5-flash",
            "responseId": "r",
        }

    def stream(said: list[dict[str, Any]]) -> list[bytes]:
        return [*(_event(answer([part], None)) for part in said[:-1]), _event(answer(said[-1:]))]

    error = {"error": {"code": 400, "message": "Invalid JSON payload", "status": "INVALID_ARGUMENT", "details": []}}
    exhausted = {
        "error": {
            "code": 429,
            "message": "Quota",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}],
        }
    }
    return Seeds(
        [_json({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}), _json(asked)],
        [_json(answer(parts)), _json(answer(parts[1:3]))],
        [stream(parts[1:3]), stream(parts)],
        [_json(error), _json(exhausted)],
    )


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _event(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def seeds() -> dict[str, Seeds]:
    """What is built in, and what `$HYBRIDGE_SHARED` has recorded, always in the same order."""
    found = {"openai": _openai(), "anthropic": _anthropic(), "gemini": _gemini()}
    shared = os.environ.get("HYBRIDGE_SHARED")
    for folder, (name, start) in _RECORDED.items() if shared else ():
        for file in sorted((Path(shared or "") / "wire" / "fixtures" / folder).glob(f"{start}*.re*")):
            _keep(found[name], file)
    return found


def _keep(kept: Seeds, file: Path) -> None:
    body = file.read_bytes()
    if len(body) > _LARGEST:
        return
    if file.name.endswith(".response.sse"):
        if len(kept.streams) < _MOST:
            kept.streams.append([*_events(body)])
        return
    try:
        value = json.loads(body)
    except ValueError:
        return
    if not isinstance(value, dict):
        return
    fitting = kept.requests if ".request." in file.name else kept.errors if "error" in value else kept.replies
    if len(fitting) < _MOST:
        fitting.append(body)


def _events(stream: bytes) -> Iterator[bytes]:
    for event in stream.replace(b"\r\n", b"\n").split(b"\n\n"):
        if event:
            yield event + b"\n\n"
