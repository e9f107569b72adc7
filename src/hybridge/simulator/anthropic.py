"""Anthropic's messages as its servers speak them.

Source: https://docs.claude.com/en/api/messages and .../api/errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hybridge.simulator.answers import Answer, Question, pieces, tokens
from hybridge.simulator.anthropic_request import read_question
from hybridge.simulator.scenario import Leg
from hybridge.simulator.signatures import sign
from hybridge.simulator.voice import Event, Refusal, bearer, encode

_STOPS = {"stop": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "tools": "tool_use"}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Anthropic:
    """Speaks for one leg."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg

    def authorise(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """A key in `x-api-key` or as bearer, and a version."""
        key = headers.get("x-api-key") or bearer(headers)
        if not key:
            raise Refusal(401, "x-api-key header is required")
        if self._leg.keys and key not in self._leg.keys:
            raise Refusal(401, "invalid x-api-key")
        if not headers.get("anthropic-version"):
            raise Refusal(400, "anthropic-version: header is required")

    def read(self, body: bytes, model: str = "", stream: bool = False) -> Question:
        """The body of a message."""
        return read_question(body, self._leg, counting=False)

    def whole(self, question: Question, answer: Answer) -> bytes:
        """A `message`."""
        content = [block for block, _, _ in _blocks(answer)]
        ended = {"content": content, "stop_reason": _STOPS[answer.stop], "stop_sequence": answer.stop_sequence}
        usage = self._usage(answer.sent, answer.said + answer.thought)
        return encode({**self._head(question, answer), **ended, "usage": usage})

    def events(self, question: Question, answer: Answer) -> list[Event]:
        """Named events, a ping after the first block has begun."""
        begun: dict[str, Any] = {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._usage(answer.sent, 1),
        }
        made = [Event(_event("message_start", {"message": {**self._head(question, answer), **begun}}))]
        for index, (_, start, deltas) in enumerate(_blocks(answer)):
            made.append(Event(_event("content_block_start", {"index": index, "content_block": start})))
            if index == 0:
                made.append(Event(b'event: ping\ndata: {"type": "ping"}\n\n'))
            for delta, count in deltas:
                made.append(Event(_event("content_block_delta", {"index": index, "delta": delta}), count))
            made.append(Event(_event("content_block_stop", {"index": index})))
        ended = {"stop_reason": _STOPS[answer.stop], "stop_sequence": answer.stop_sequence}
        usage = {"output_tokens": answer.said + answer.thought}
        made.append(Event(_event("message_delta", {"delta": ended, "usage": usage})))
        return [*made, Event(_event("message_stop", {}))]

    def headers(self, answer: Answer) -> list[tuple[str, str]]:
        """Request id, limits, and a `retry-after` that means nothing on an answer."""
        return [
            ("request-id", f"req_{answer.id}"),
            ("anthropic-organization-id", "simulated"),
            ("anthropic-ratelimit-requests-remaining", "999"),
            ("anthropic-ratelimit-requests-reset", "2026-11-22T20:00:00Z"),
            ("retry-after", "27"),
        ]

    def refusal(self, refusal: Refusal) -> bytes:
        """`{"type": "error", …}`"""
        kind = refusal.kind or _KINDS.get(refusal.status, "api_error")
        error = {"type": kind, "message": refusal.message}
        return encode({"type": "error", "error": error, "request_id": "req_simulated"})

    def break_off(self, refusal: Refusal) -> bytes:
        """The same body as an event of its own."""
        return b"event: error\ndata: " + self.refusal(refusal) + b"\n\n"

    def models(self, name: str | None = None) -> bytes:
        """The list of models."""
        listed = {model: self._listed(model) for model in self._leg.listed}
        if name is None:
            ids = list(listed)
            page = {"has_more": False, "first_id": ids[0], "last_id": ids[-1]}
            return encode({"data": list(listed.values()), **page})
        if name not in listed:
            raise Refusal(404, f"model: {name}")
        return encode(listed[name])

    def count(self, body: bytes, model: str) -> bytes:
        """`{"input_tokens": N}`; no `max_tokens` is needed."""
        return encode({"input_tokens": read_question(body, self._leg, counting=True).sent})

    @staticmethod
    def _listed(model: str) -> dict[str, Any]:
        return {"type": "model", "id": model, "display_name": model, "created_at": "2026-01-01T00:00:00Z"}

    @staticmethod
    def _head(question: Question, answer: Answer) -> dict[str, Any]:
        return {"id": f"msg_{answer.id}", "type": "message", "role": "assistant", "model": question.model}

    @staticmethod
    def _usage(sent: int, said: int) -> dict[str, Any]:
        return {
            "input_tokens": sent,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": said,
            "service_tier": "standard",
        }


_Block = tuple[dict[str, Any], dict[str, Any], list[tuple[dict[str, Any], int]]]


def _blocks(answer: Answer) -> Iterator[_Block]:
    """Each block whole, as it begins, and as its deltas with their tokens."""
    if answer.reasoning:
        signature = sign("anthropic", answer.reasoning)
        thoughts = [
            ({"type": "thinking_delta", "thinking": piece}, tokens(piece)) for piece in pieces(answer.reasoning)
        ]
        yield (
            {"type": "thinking", "thinking": answer.reasoning, "signature": signature},
            {"type": "thinking", "thinking": "", "signature": ""},
            [*thoughts, ({"type": "signature_delta", "signature": signature}, 0)],
        )
    if answer.text:
        words = [({"type": "text_delta", "text": piece}, tokens(piece)) for piece in pieces(answer.text)]
        yield {"type": "text", "text": answer.text}, {"type": "text", "text": ""}, words
    for call in answer.calls:
        plain = {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name}
        said = "" if call.arguments == "{}" else call.arguments
        arguments = [("", 0), *((piece, tokens(piece)) for piece in pieces(said))]
        yield (
            {**plain, "input": msgspec.json.decode(call.arguments)},
            {**plain, "input": {}},
            [({"type": "input_json_delta", "partial_json": piece}, count) for piece, count in arguments],
        )


def _event(name: str, value: dict[str, Any]) -> bytes:
    """An event whose JSON is padded with spaces before its last brace, as nearly all are."""
    octets = encode({"type": name, **value})
    padding = b" " * (len(octets) % 11)
    return b"event: " + name.encode() + b"\ndata: " + octets[:-1] + padding + b"}\n\n"
