"""Gemini's generateContent as its servers speak it.

Source: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hybridge.simulator.answers import Answer, Call, Question, pieces, tokens
from hybridge.simulator.gemini_request import read_question
from hybridge.simulator.scenario import Leg
from hybridge.simulator.signatures import sign
from hybridge.simulator.voice import Event, Refusal, encode

_STOPS = {"stop": "STOP", "sequence": "STOP", "length": "MAX_TOKENS", "tools": "STOP"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
#: Words that one chunk of a stream brings.
_WORDS_PER_CHUNK = 8


class Gemini:
    """Speaks for one leg. `array` answers a stream as a JSON array, as without `alt=sse`."""

    def __init__(self, leg: Leg, *, array: bool = False) -> None:
        self._leg = leg
        self._array = array

    def authorise(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """A key in `x-goog-api-key` or `?key=`; a wrong one is a 400 here."""
        key = headers.get("x-goog-api-key") or query.get("key", "")
        if not key:
            raise Refusal(403, "Method doesn't allow unregistered callers (callers without established identity).")
        if self._leg.keys and key not in self._leg.keys:
            raise Refusal(400, "API key not valid. Please pass a valid API key.", code="API_KEY_INVALID")

    def read(self, body: bytes, model: str = "", stream: bool = False) -> Question:
        """The body of a request; its path has the model and whether it streams."""
        return read_question(body, model, stream, self._leg)

    def whole(self, question: Question, answer: Answer) -> bytes:
        """A `GenerateContentResponse`."""
        parts = [part for part, _ in self._parts(answer, whole=True)]
        return encode(self._response(question, answer, parts, answer.said, answer.thought, last=True))

    def events(self, question: Question, answer: Answer) -> list[Event]:
        """Chunks that are whole responses, each with the usage so far; nothing marks the end."""
        parts = list(self._parts(answer, whole=False)) or [({"text": ""}, 0)]
        made = []
        said = thought = 0
        for index, (part, count) in enumerate(parts):
            if part.get("thought"):
                thought += count
            else:
                said += count
            last = index == len(parts) - 1
            if last:
                said, thought = answer.said, answer.thought
            response = self._response(question, answer, [part], said, thought, last=last)
            made.append(Event(self._framed(response, index, last), count))
        return made

    def headers(self, answer: Answer) -> list[tuple[str, str]]:
        """What Google sends along; there is no request id."""
        return [("server-timing", "gfet4t7; dur=412"), ("vary", "Origin"), ("x-frame-options", "SAMEORIGIN")]

    def refusal(self, refusal: Refusal) -> bytes:
        """`{"error": {"code", "message", "status", "details"}}`, in an array where a stream is one."""
        error: dict[str, Any] = {
            "code": refusal.status,
            "message": refusal.message,
            "status": _STATUSES.get(refusal.status, "UNKNOWN"),
        }
        if refusal.code:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.code}
            error["details"] = [{**info, "domain": "googleapis.com"}]
        elif refusal.status == 429:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
        return encode([{"error": error}] if self._array else {"error": error})

    def break_off(self, refusal: Refusal) -> bytes:
        """A chunk that is an error."""
        if self._array:
            return b",\r\n" + self.refusal(refusal)[1:]
        return b"data: " + self.refusal(refusal) + b"\r\n\r\n"

    def models(self, name: str | None = None) -> bytes:
        """The list of models."""
        listed = {model: self._listed(model) for model in self._leg.listed}
        if name is None:
            return encode({"models": list(listed.values())})
        if name not in listed:
            raise Refusal(404, f"models/{name} is not found for API version v1beta.")
        return encode(listed[name])

    def count(self, body: bytes, model: str) -> bytes:
        """`{"totalTokens": N}`; the request may stand in `generateContentRequest`."""
        sent = read_question(body, model, False, self._leg).sent
        return encode({"totalTokens": sent, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": sent}]})

    def _listed(self, model: str) -> dict[str, Any]:
        card = self._leg.card(model)
        assert card is not None
        return {
            "name": f"models/{model}",
            "version": "001",
            "displayName": model,
            "inputTokenLimit": card.context,
            "outputTokenLimit": card.max_output,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }

    def _framed(self, response: dict[str, Any], index: int, last: bool) -> bytes:
        if not self._array:
            return b"data: " + encode(response) + b"\r\n\r\n"
        return (b"[" if index == 0 else b",\r\n") + encode(response) + (b"\n]" if last else b"\n")

    @staticmethod
    def _parts(answer: Answer, *, whole: bool) -> Iterator[tuple[dict[str, Any], int]]:
        """Parts with their tokens: thoughts, words in groups (or all at once), calls whole, the first one signed."""
        for text in _grouped(answer.reasoning, whole):
            yield {"text": text, "thought": True}, tokens(text)
        for text in _grouped(answer.text, whole):
            yield {"text": text}, tokens(text)
        for index, call in enumerate(answer.calls):
            part: dict[str, Any] = {"functionCall": {"name": call.name, "args": msgspec.json.decode(call.arguments)}}
            if answer.reasoning and index == 0:
                part["thoughtSignature"] = signature_of(call)
            yield part, tokens(call.name + call.arguments)

    def _response(
        self, question: Question, answer: Answer, parts: list[dict[str, Any]], said: int, thought: int, *, last: bool
    ) -> dict[str, Any]:
        content: dict[str, Any] = {"role": "model"}
        if parts:
            content = {"parts": parts, "role": "model"}
        candidate: dict[str, Any] = {"content": content, "index": 0}
        if last:
            candidate["finishReason"] = _STOPS[answer.stop]
        return {
            "candidates": [candidate],
            "usageMetadata": _usage(answer.sent, said, thought),
            "modelVersion": question.model,
            "responseId": answer.id,
        }


def signature_of(call: Call) -> str:
    """The signature of a call: only the name is sure to come back as it was."""
    return sign("gemini", call.name)


def _usage(sent: int, said: int, thought: int) -> dict[str, Any]:
    """A count of nothing is left out."""
    usage: dict[str, Any] = {"promptTokenCount": sent}
    if said:
        usage["candidatesTokenCount"] = said
    usage["totalTokenCount"] = sent + said + thought
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": sent}]
    if thought:
        usage["thoughtsTokenCount"] = thought
    return usage


def _grouped(text: str, whole: bool) -> list[str]:
    words = pieces(text)
    if whole:
        return [text] if text else []
    return ["".join(words[at : at + _WORDS_PER_CHUNK]) for at in range(0, len(words), _WORDS_PER_CHUNK)]
