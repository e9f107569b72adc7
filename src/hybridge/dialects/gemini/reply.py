"""Whole answers: listened to, decoded, and encoded for a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Audio, Image, Part, Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.dialects.codec import Peek, is_empty
from hybridge.dialects.gemini import answer as wire
from hybridge.dialects.gemini import media
from hybridge.dialects.gemini.calls import call_id
from hybridge.dialects.gemini.contents import arguments_object
from hybridge.dialects.gemini.errors import error_inside, malformed
from hybridge.dialects.gemini.protojson import BAD_JSON
from hybridge.dialects.gemini.signatures import ORIGIN, seal
from hybridge.errors import EmptyAnswer, MalformedAnswer
from hybridge.money import Usage
from hybridge.types import Quirks


class HeardPart(Struct, rename="camel", gc=False):
    """As much of a part as a pass-through hears."""

    text: str | None = None
    function_call: Raw = wire.ABSENT
    inline_data: Raw = wire.ABSENT
    executable_code: Raw = wire.ABSENT
    code_execution_result: Raw = wire.ABSENT
    tool_call: Raw = wire.ABSENT

    def says_something(self) -> bool:
        """Whether there is any content in it; a signature alone is none."""
        if self.text:
            return True
        for raw in (
            self.function_call,
            self.inline_data,
            self.executable_code,
            self.code_execution_result,
            self.tool_call,
        ):
            if raw is not wire.ABSENT and wire.there(raw):
                return True
        return False


class _HeardContent(Struct, gc=False):
    parts: list[HeardPart] | None = None


class HeardCandidate(Struct, rename="camel", gc=False):
    """As much of a candidate as a pass-through hears."""

    content: _HeardContent | None = None
    finish_reason: str | None = None

    def parts(self) -> Sequence[HeardPart]:
        """Its parts; there may be none."""
        return (self.content.parts or ()) if self.content is not None else ()


class Heard(Struct, rename="camel", gc=False):
    """As much of an answer, or of a chunk, as a pass-through hears."""

    candidates: list[HeardCandidate] | None = None
    prompt_feedback: wire.PromptFeedback | None = None
    usage_metadata: wire.UsageMetadata | None = None
    error: Raw = wire.ABSENT

    def content(self) -> bool:
        """Whether there is any content in it."""
        for candidate in self.candidates or ():
            for part in candidate.parts():
                if part.says_something():
                    return True
        return False

    def end(self) -> str:
        """The reason why it ended, empty if it did not."""
        for candidate in self.candidates or ():
            if candidate.finish_reason:
                return candidate.finish_reason
        feedback = self.prompt_feedback
        return "SAFETY" if feedback is not None and feedback.block_reason else ""


HEARD = msgspec.json.Decoder(Heard)


def peek_reply(body: bytes, quirks: Quirks) -> Peek:
    """Usage of a whole answer. Raises a `ProviderError` for an error inside it, an empty or a malformed one."""
    try:
        heard = HEARD.decode(body)
    except BAD_JSON as exc:
        raise malformed(body) from exc
    if heard.error is not wire.ABSENT and wire.there(heard.error):
        raise error_inside(body)
    usage = wire.usage_of(heard.usage_metadata)
    end = heard.end()
    stop = wire.stop_reason(end, called=False) if end else None
    if not heard.content():
        _check(end, stop, usage)
    return Peek(usage, stop)


def decode_reply(body: bytes, quirks: Quirks) -> Reply:
    """A whole answer, or a stream that came as one JSON array: the first candidate. Raises as `peek_reply`."""
    try:
        answer = _joined(_ANSWERS.decode(body)) if body.lstrip()[:1] == b"[" else wire.ANSWER.decode(body)
    except BAD_JSON as exc:
        raise malformed(body) from exc
    if answer.error is not wire.ABSENT and wire.there(answer.error):
        raise error_inside(body)
    candidate = answer.candidates[0] if answer.candidates else wire.Candidate()
    response_id = answer.response_id or ""
    try:
        parts = _parts(candidate, response_id)
    except UnicodeDecodeError as exc:
        raise malformed(body) from exc
    end = candidate.finish_reason or ""
    if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
        end = "SAFETY"
    called = content = False
    for part in parts:
        called = called or type(part) is ToolCall
        content = content or type(part) is not Reasoning or part.text != ""
    stop = wire.stop_reason(end, called=called) if end else None
    usage = wire.usage_of(answer.usage_metadata)
    if not content:
        _check(end, stop, usage)
    if stop is None:
        stop = StopReason.TOOL_CALLS if called else StopReason.STOP
    return Reply(response_id, answer.model_version or "", tuple(parts), stop, usage or Usage())


_ANSWERS = msgspec.json.Decoder(list[wire.Answer])


def _joined(chunks: list[wire.Answer]) -> wire.Answer:
    whole = wire.Answer()
    parts: list[wire.Part] = []
    end: str | None = None
    for chunk in chunks:
        for candidate in (chunk.candidates or ())[:1]:
            parts += (candidate.content.parts or ()) if candidate.content is not None else ()
            end = candidate.finish_reason or end
        whole.prompt_feedback = chunk.prompt_feedback or whole.prompt_feedback
        whole.usage_metadata = chunk.usage_metadata or whole.usage_metadata
        whole.model_version = chunk.model_version or whole.model_version
        whole.response_id = chunk.response_id or whole.response_id
        whole.error = chunk.error if wire.there(chunk.error) else whole.error
    if parts or end:
        whole.candidates = [wire.Candidate(wire.Content(parts), end)]
    return whole


def _check(end: str, stop: StopReason | None, usage: Usage | None) -> None:
    if end in wire.MISHAPS:
        raise MalformedAnswer(f"the answer ended with {end} and without content", status=200)
    if is_empty(False, stop, usage):
        raise EmptyAnswer("the answer holds no content", status=200)


def _parts(candidate: wire.Candidate, response_id: str) -> list[Part]:
    found: list[Part] = []
    calls = 0
    for part in (candidate.content.parts if candidate.content is not None else None) or ():
        signature = part.thought_signature or ""
        if part.text and not part.thought and part.function_call is None:
            found.append(Text(part.text))
            if signature:
                found.append(Reasoning(signature=signature, origin=ORIGIN))
        elif part.function_call is not None:
            call = part.function_call
            made = call_id(call.id, response_id, call.name or "", calls)
            arguments = bytes(call.args).decode() if wire.there(call.args) else "{}"
            found.append(ToolCall(made, call.name or "", arguments, signature, ORIGIN if signature else ""))
            calls += 1
        elif part.thought:
            found.append(Reasoning(part.text or "", signature, origin=ORIGIN))
        else:
            found += _medium(part)
            if signature:
                found.append(Reasoning(signature=signature, origin=ORIGIN))
    return found


def _medium(part: wire.Part) -> list[Part]:
    if part.inline_data is None:
        return []
    kind = media.kind_of(part.inline_data.mime_type)
    data = media.standard_base64(part.inline_data.data)
    if kind == "audio":
        return [Audio(data, media.audio_format(part.inline_data.mime_type))]
    return [Image(data=data, media_type=part.inline_data.mime_type)] if kind == "image" else []


# --- for a client --------------------------------------------------------------------------------------------------

FINISH_REASONS = {
    StopReason.LENGTH: "MAX_TOKENS",
    StopReason.CONTENT_FILTER: "SAFETY",
    StopReason.REFUSAL: "SAFETY",
}


def finish_reason(stop: StopReason) -> str:
    """The dialect's word; all that is neither a limit nor a filter is a STOP."""
    return FINISH_REASONS.get(stop, "STOP")


def encode_reply(reply: Reply, *, request_id: str, created: int) -> bytes:
    """A whole answer. The dialect has no place for `created`."""
    parts: list[dict[str, Any]] = [made for part in reply.parts if (made := _part(part))]
    return msgspec.json.encode(
        {
            "candidates": [
                {
                    "content": {"parts": parts, "role": "model"},
                    "finishReason": finish_reason(reply.stop),
                    "index": 0,
                }
            ],
            "usageMetadata": wire.usage_metadata(reply.usage),
            "modelVersion": reply.model,
            "responseId": reply.id or request_id,
        }
    )


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, (Text, Refusal)):
        return {"text": part.text}
    if isinstance(part, ToolCall):
        return call_part(part.id, part.name, part.arguments, seal(part.signature, part.origin))
    if isinstance(part, Reasoning):
        return reasoning_part(part.text, part.signature, part.data, part.origin)
    if isinstance(part, Image) and part.data:
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    if isinstance(part, Audio):
        return {"inlineData": {"mimeType": media.audio_type(part.format), "data": part.data}}
    return {}


def call_part(made_id: str, name: str, arguments: str, signature: str) -> dict[str, Any]:
    """A call, whole, with its signature if it has one."""
    call = {"name": name, "args": arguments_object(arguments), **({"id": made_id} if made_id else {})}
    return {"functionCall": call, **({"thoughtSignature": signature} if signature else {})}


def reasoning_part(text: str, signature: str, data: str, origin: str) -> dict[str, Any]:
    """A thought. Google's own signature alone stands on an empty text, another's stays with its thoughts."""
    signed = seal(signature, origin, data)
    made: dict[str, Any] = {"text": text}
    if text or (signed and origin != ORIGIN):
        made["thought"] = True
    if signed:
        made["thoughtSignature"] = signed
    return made if len(made) > 1 else {}
