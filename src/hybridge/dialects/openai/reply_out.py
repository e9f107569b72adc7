"""A whole answer for a client. Source: https://platform.openai.com/docs/api-reference/chat/object."""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.chat import Image, Part, Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.dialects.openai.reasoning import message_fields
from hybridge.dialects.openai.usage import usage_fields

_encode = msgspec.json.Encoder().encode

_REFUSAL = StopReason.REFUSAL
_FINISHES = {
    StopReason.LENGTH: "length",
    StopReason.TOOL_CALLS: "tool_calls",
    StopReason.CONTENT_FILTER: "content_filter",
    StopReason.REFUSAL: "content_filter",
}


def encode_reply(reply: Reply, *, request_id: str, created: int) -> bytes:
    """A whole answer for a client; `created` is in Unix seconds."""
    refused = reply.stop is _REFUSAL and any(isinstance(part, Refusal) for part in reply.parts)
    choice = {
        "index": 0,
        "message": _message(reply.parts),
        "logprobs": None,
        "finish_reason": finish_of(reply.stop, refused=refused),
    }
    return _encode(
        {
            "id": reply.id or f"chatcmpl-{request_id}",
            "object": "chat.completion",
            "created": created,
            "model": reply.model,
            "choices": [choice],
            "usage": usage_fields(reply.usage),
        }
    )


def finish_of(stop: StopReason, *, refused: bool) -> str:
    """The wire's word; a refusal in words ends in `stop`, one without is a filter's."""
    return "stop" if refused and stop is _REFUSAL else _FINISHES.get(stop, "stop")


def _message(parts: tuple[Part, ...]) -> dict[str, Any]:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return {"role": "assistant", "content": parts[0].text, "refusal": None}
    text = "".join(part.text for part in parts if isinstance(part, Text))
    refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
    calls = [_call(part) for part in parts if isinstance(part, ToolCall)]
    images = [_picture(part) for part in parts if isinstance(part, Image)]
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal or None}
    if not text and (calls or refusal):
        message["content"] = None
    message |= message_fields([part for part in parts if isinstance(part, Reasoning)])
    if calls:
        message["tool_calls"] = calls
    if images:
        message["images"] = images
    return message


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    written: dict[str, Any] = {"id": call.id, "type": "function", "function": function}
    if call.signature:
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written


def _picture(image: Image) -> dict[str, Any]:
    return {
        "type": "image_url",
        "image_url": {"url": image.url or f"data:{image.media_type};base64,{image.data}"},
    }
