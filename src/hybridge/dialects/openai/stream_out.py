"""Events as chunks for a client. Source: https://platform.openai.com/docs/api-reference/chat/streaming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hybridge.chat import (
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StopReason,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects.openai.reasoning import detail_of
from hybridge.dialects.openai.reply_out import finish_of
from hybridge.dialects.openai.usage import usage_fields
from hybridge.money import Usage

_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


class Encoder:
    """One stream. The role comes first, the finish reason once, usage only if asked for, then `[DONE]`."""

    def __init__(self, *, model: str, include_usage: bool, request_id: str, created: int) -> None:
        self._id = f"chatcmpl-{request_id}"
        self._model = model
        self._created = created
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._started = False
        self._finished = False
        self._refused = False
        self._head = b""
        self._tail = b""
        self._before_text = b""
        self._after_text = b""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes for these events; `b""` if they say nothing to this client."""
        if len(events) == 1 and self._started and isinstance(event := events[0], TextDelta):
            return self._before_text + _encode(event.text) + self._after_text
        out: list[bytes] = []
        for event in events:
            if type(event) is TextDelta and self._started:
                out += (self._before_text, _encode(event.text), self._after_text)
            else:
                self._encode(event, out)
        return b"".join(out)

    def finish(self) -> bytes:
        """The end: a finish reason if none came, usage if asked for, the end mark."""
        out: list[bytes] = []
        if not self._finished:
            self._encode(Finish(StopReason.STOP), out)
        if self._include_usage and self._usage is not None:
            fields = {**self._frame(), "choices": [], "usage": usage_fields(self._usage)}
            out += (b"data: ", _encode(fields), b"\n\n")
        out.append(b"data: [DONE]\n\n")
        return b"".join(out)

    def _encode(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, UsageEvent):
            self._usage = event.usage
            return
        if not self._started:
            self._start(event, out)
        if isinstance(event, Finish):
            self._finish(event, out)
            return
        if isinstance(event, RefusalDelta):
            self._refused = True
        delta = _delta(event)
        if delta is not None:
            out += (self._head, _encode(delta), self._tail)

    def _start(self, event: Event, out: list[bytes]) -> None:
        self._started = True
        if isinstance(event, Start):
            self._id = event.id or self._id
            self._model = event.model or self._model
            self._usage = event.usage
        frame = _encode(self._frame())
        self._head = b"data: " + frame[:-1] + b',"choices":[{"index":0,"delta":'
        self._tail = b',"logprobs":null,"finish_reason":null}]'
        self._tail += b',"usage":null}\n\n' if self._include_usage else b"}\n\n"
        self._before_text, self._after_text = self._head + b'{"content":', b"}" + self._tail
        out += (self._head, b'{"role":"assistant","content":""}', self._tail)

    def _finish(self, event: Finish, out: list[bytes]) -> None:
        if self._finished:
            return
        self._finished = True
        reason = finish_of(event.stop, refused=self._refused).encode()
        tail = self._tail.replace(b'"finish_reason":null', b'"finish_reason":"' + reason + b'"')
        out += (self._head, b"{}", tail)

    def _frame(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }


def _delta(event: Event) -> dict[str, Any] | None:
    match event:
        case TextDelta():
            return {"content": event.text}
        case ReasoningDelta():
            details = [detail_of(event, event.block)]
            if event.text:
                return {"reasoning_content": event.text, "reasoning_details": details}
            return {"reasoning_details": details}
        case RefusalDelta():
            return {"refusal": event.text}
        case ToolStart():
            call: dict[str, Any] = {
                "index": event.index,
                "id": event.id,
                "type": "function",
                "function": {"name": event.name, "arguments": ""},
            }
            if event.signature:
                call["extra_content"] = {"google": {"thought_signature": event.signature}}
            return {"tool_calls": [call]}
        case ToolDelta():
            return {"tool_calls": [{"index": event.index, "function": {"arguments": event.arguments}}]}
    return None


def encode_recovery(told: Mapping[str, str], *, model: str, request_id: str, created: int) -> bytes:
    """A chunk without choices that says where the stream goes on."""
    chunk = {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [],
        "hybridge": told,
    }
    return b"data: " + _encode(chunk) + b"\n\n"
