"""OpenAI's chat completions as its servers speak them, and what OpenRouter adds.

Source: https://platform.openai.com/docs/api-reference/chat and
https://openrouter.ai/docs/api/reference/overview.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hybridge.simulator.answers import Answer, Question, pieces, tokens
from hybridge.simulator.openai_request import read_question
from hybridge.simulator.scenario import Leg
from hybridge.simulator.voice import Event, Refusal, bearer, encode

_STOPS = {"stop": "stop", "sequence": "stop", "length": "length", "tools": "tool_calls"}
_KINDS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class OpenAI:
    """Speaks for one leg."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self._router = leg.flavour == "openrouter"

    def authorise(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """A bearer key."""
        key = bearer(headers)
        if not key:
            missing = "Missing Authentication header" if self._router else "You didn't provide an API key."
            raise Refusal(401, missing, code=None)
        if self._leg.keys and key not in self._leg.keys:
            raise Refusal(401, f"Incorrect API key provided: {key[:4]}****.", code="invalid_api_key")

    def read(self, body: bytes, model: str = "", stream: bool = False) -> Question:
        """The body of a chat completion."""
        return read_question(body, self._leg)

    def whole(self, question: Question, answer: Answer) -> bytes:
        """A `chat.completion`."""
        choices = [self._choice(index, answer) for index in range(question.n)]
        return encode({**self._head(question, answer, ""), "choices": choices, "usage": self._usage(question, answer)})

    def events(self, question: Question, answer: Answer) -> list[Event]:
        """Chunks. With `include_usage` every one but the last says `usage: null`, as OpenAI's do."""
        head = self._head(question, answer, ".chunk")
        if question.include_usage and not self._router:
            head["usage"] = None
        made = [Event(b": OPENROUTER PROCESSING\n\n", 0, True)] if self._router else []
        for index in range(question.n):
            for delta, count in self._deltas(answer):
                made.append(Event(_data(self._chunk(head, index, delta, None)), count))
        for index in range(question.n):
            made.append(Event(_data(self._chunk(head, index, self._last_delta(), _STOPS[answer.stop]))))
        if question.include_usage:
            made.append(Event(_data(self._usage_chunk(head, question, answer))))
        return [*made, Event(b"data: [DONE]\n\n")]

    def headers(self, answer: Answer) -> list[tuple[str, str]]:
        """Request id, limits, and what no gateway may pass on."""
        if self._router:
            return [("x-generation-id", f"gen-{answer.created}-{answer.id[:20]}")]
        return [
            ("x-request-id", f"req_{answer.id.lower()}"),
            ("openai-organization", "org-simulated"),
            ("openai-processing-ms", "412"),
            ("openai-version", "2020-10-01"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-reset-requests", "6ms"),
            ("set-cookie", "__cf_bm=simulated; path=/; HttpOnly"),
        ]

    def refusal(self, refusal: Refusal) -> bytes:
        """`{"error": …}`; OpenRouter's `code` is the status."""
        if self._router:
            return encode({"error": {"message": refusal.message, "code": refusal.status, "metadata": {}}})
        kind, code = _KINDS.get(
            refusal.status, ("server_error" if refusal.status >= 500 else "invalid_request_error", None)
        )
        error = {
            "message": refusal.message,
            "type": refusal.kind or kind,
            "param": refusal.param or None,
            "code": refusal.code or code,
        }
        return encode({"error": error})

    def break_off(self, refusal: Refusal) -> bytes:
        """A chunk that is an error; OpenRouter's has the members of a chunk too, and then ends as usual."""
        if not self._router:
            return _data(msgspec.json.decode(self.refusal(refusal)))
        chunk = {
            "id": "gen-broken",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "",
            "provider": "Simulated",
            "error": {"code": refusal.status, "message": refusal.message, "metadata": {"error_type": "server"}},
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        }
        return _data(chunk) + b"data: [DONE]\n\n"

    def models(self, name: str | None = None) -> bytes:
        """The list of models."""
        listed = {model: self._listed(model) for model in self._leg.listed}
        if name is None:
            return encode({"object": "list", "data": list(listed.values())})
        if name not in listed:
            raise Refusal(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
        return encode(listed[name])

    def count(self, body: bytes, model: str) -> bytes:
        """This dialect counts no tokens."""
        raise Refusal(404, "Invalid URL")

    def _listed(self, model: str) -> dict[str, Any]:
        plain = {"id": model, "object": "model", "created": 1_721_172_741, "owned_by": "system"}
        card = self._leg.card(model)
        if not self._router or card is None:
            return plain
        price = {"prompt": f"{card.input / 1e6:.10f}", "completion": f"{card.output / 1e6:.10f}"}
        return {**plain, "name": model, "context_length": card.context, "pricing": price}

    def _head(self, question: Question, answer: Answer, suffix: str) -> dict[str, Any]:
        head = {
            "id": f"gen-{answer.created}-{answer.id[:20]}" if self._router else f"chatcmpl-{answer.id}",
            "object": f"chat.completion{suffix}",
            "created": answer.created,
            "model": question.model,
        }
        if self._router:
            return {**head, "provider": "Simulated"}
        return {**head, "service_tier": "default", "system_fingerprint": "fp_44added55e"}

    def _choice(self, index: int, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if answer.calls else answer.text,
            "refusal": None,
        }
        if not self._router:
            message["annotations"] = []
        elif answer.reasoning:
            message |= _thoughts(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{call.id}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in answer.calls
            ]
        stop = _STOPS[answer.stop]
        choice = {"index": index, "message": message, "logprobs": None, "finish_reason": stop}
        return {**choice, "native_finish_reason": stop} if self._router else choice

    def _deltas(self, answer: Answer) -> Iterator[tuple[dict[str, Any], int]]:
        role = {"role": "assistant"}
        always = role if self._router else {}
        if not self._router:
            yield {**role, "content": None if answer.calls else "", "refusal": None}, 0
        for piece in pieces(answer.reasoning) if self._router else ():
            yield {**always, "content": "", **_thoughts(piece)}, tokens(piece)
        for piece in pieces(answer.text):
            yield {**always, "content": piece}, tokens(piece)
        for index, call in enumerate(answer.calls):
            opened = {"name": call.name, "arguments": ""}
            yield (
                {
                    **always,
                    "tool_calls": [{"index": index, "id": f"call_{call.id}", "type": "function", "function": opened}],
                },
                1,
            )
            for piece in pieces(call.arguments):
                yield {**always, "tool_calls": [{"index": index, "function": {"arguments": piece}}]}, tokens(piece)

    def _last_delta(self) -> dict[str, Any]:
        return {"content": "", "role": "assistant"} if self._router else {}

    def _chunk(self, head: dict[str, Any], index: int, delta: dict[str, Any], stop: str | None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": stop}
        if self._router:
            return {**head, "choices": [{**choice, "native_finish_reason": stop}]}
        return {**head, "choices": [choice], "obfuscation": "x" * (3 + len(str(delta)) % 7)}

    def _usage_chunk(self, head: dict[str, Any], question: Question, answer: Answer) -> dict[str, Any]:
        """OpenAI's has no choices; OpenRouter's repeats the last one, finish reason included."""
        if not self._router:
            return {**head, "choices": [], "usage": self._usage(question, answer)}
        last = self._chunk(head, 0, self._last_delta(), _STOPS[answer.stop])
        return {**last, "usage": self._usage(question, answer)}

    def _usage(self, question: Question, answer: Answer) -> dict[str, Any]:
        said = answer.said * question.n + answer.thought
        usage: dict[str, Any] = {
            "prompt_tokens": answer.sent,
            "completion_tokens": said,
            "total_tokens": answer.sent + said,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": answer.thought, "audio_tokens": 0},
        }
        if self._router:
            card = self._leg.card(question.model)
            assert card is not None
            cost = round((answer.sent * card.input + said * card.output) / 1e6, 9)
            usage |= {"cost": cost, "is_byok": False, "cost_details": {"upstream_inference_cost": cost}}
        else:
            usage["completion_tokens_details"] |= {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
        return usage


def _data(value: Any) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


def _thoughts(text: str) -> dict[str, Any]:
    detail = {"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": 0}
    return {"reasoning": text, "reasoning_details": [detail]}
