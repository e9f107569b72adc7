"""A provider's whole answer. Source: https://platform.openai.com/docs/api-reference/chat/object."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Image, Part, Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.dialects.codec import Peek, is_empty
from hybridge.dialects.openai.errors import error_inside, refusal_inside
from hybridge.dialects.openai.messages import Extra, data_url
from hybridge.dialects.openai.out_tools import made_id
from hybridge.dialects.openai.places import UNREADABLE
from hybridge.dialects.openai.reasoning import Detail, parts_of
from hybridge.dialects.openai.usage import WireUsage, counted, usage_at, usage_of
from hybridge.dialects.quirks import asks
from hybridge.errors import Broken, EmptyAnswer, InvalidRequest, MalformedAnswer
from hybridge.money import Usage
from hybridge.types import Quirks

_NONE = Raw(b"")

#: Finish reasons by the wire's words, those of compatible providers included; what is not here is a plain stop.
STOPS = {
    "stop": StopReason.STOP,
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "model_length": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.CONTENT_FILTER,
    "sensitive": StopReason.CONTENT_FILTER,
    "refusal": StopReason.REFUSAL,
}
_STOP = StopReason.STOP
#: Reasons that are failures of the provider, though they come as a 200.
FAILURES = frozenset(("error", "network_error", "insufficient_system_resource", "abort"))


class _PeekMessage(Struct, gc=False):
    content: Raw = _NONE
    refusal: Raw = _NONE
    reasoning: Raw = _NONE
    reasoning_content: Raw = _NONE
    reasoning_details: Raw = _NONE
    tool_calls: Raw = _NONE
    function_call: Raw = _NONE
    audio: Raw = _NONE
    images: Raw = _NONE


class _PeekChoice(Struct, gc=False):
    message: _PeekMessage | None = None
    finish_reason: str | None = None
    error: Raw = _NONE


class _PeekReply(Struct, gc=False):
    choices: list[_PeekChoice] | None = None
    usage: Raw = _NONE
    error: Raw = _NONE


class _PlainMessage(Struct, gc=False):
    content: str | None = None
    tool_calls: Raw = _NONE


class _PlainChoice(Struct, gc=False):
    message: _PlainMessage | None = None
    finish_reason: str | None = None
    error: Raw = _NONE


class _PlainReply(Struct, gc=False):
    choices: tuple[_PlainChoice] | None = None
    usage: WireUsage | None = None
    error: Raw = _NONE


class WireText(Struct, gc=False):
    """A piece of a content that is a list: words, or Mistral's thinking."""

    type: str = "text"
    text: str | None = None
    thinking: Any = None


class WireFunction(Struct, gc=False):
    """The function of a call; in a stream, a piece of it. `arguments` is text, with some providers the object."""

    name: str | None = None
    arguments: Any = None


class _Call(Struct, gc=False):
    id: str | None = None
    function: WireFunction | None = None
    extra_content: Extra | None = None


class _Url(Struct, gc=False):
    url: str


class _Picture(Struct, gc=False):
    image_url: _Url | None = None


class _Message(Struct, gc=False):
    content: str | list[WireText] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Detail] | None = None
    tool_calls: list[_Call] | None = None
    function_call: WireFunction | None = None
    images: list[_Picture] | None = None


class _Choice(Struct, gc=False):
    message: _Message | None = None
    finish_reason: str | None = None


class _Reply(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None


_encoder = msgspec.json.Encoder()
_peeks = msgspec.json.Decoder(_PeekReply).decode
_plain_replies = msgspec.json.Decoder(_PlainReply).decode
_replies = msgspec.json.Decoder(_Reply)


def peek_reply(body: bytes, quirks: Quirks) -> Peek:
    """The usage of an answer. Raises a `ProviderError` for an error inside, an empty or a malformed answer."""
    if not quirks.cost_path and (peek := _peek_plain(body, quirks)) is not None:
        return peek
    reply, usage = _peek(body, quirks)
    choices = reply.choices or []
    stop = stop_of(choices[0].finish_reason)
    for choice in choices:
        if choice.message is not None and _speaks(choice.message):
            return Peek(usage, stop)
    if is_empty(False, stop, usage):
        raise EmptyAnswer("the answer holds nothing", status=200)
    return Peek(usage, stop)


def _peek_plain(body: bytes, quirks: Quirks) -> Peek | None:
    """What most answers are, read at once: one choice with words or calls, and a usage. `None` for any other."""
    try:
        reply = _plain_replies(body)
    except UNREADABLE:
        return None
    choices, said = reply.choices, reply.usage
    if choices is None or said is None or said.prompt_tokens is None or reply.error is not _NONE:
        return None
    choice = choices[0]
    reason, message = choice.finish_reason, choice.message
    if message is None or choice.error is not _NONE or reason in FAILURES:
        return None
    if not (message.content or asks(message.tool_calls)):
        return None
    return Peek(counted(said, quirks), STOPS.get(reason, _STOP) if reason else None)


def _peek(body: bytes, quirks: Quirks) -> tuple[_PeekReply, Usage | None]:
    """What is peeked at of an answer that has a choice, and its usage."""
    try:
        reply = _peeks(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        _malformed(body, exc)
    if reply.error is not _NONE or not reply.choices:
        _check(reply, body)
    for choice in reply.choices or ():
        if choice.error is not _NONE and asks(choice.error):
            raise error_inside(choice.error, body)
        if choice.finish_reason in FAILURES:
            raise Broken(f"the provider gave up: {choice.finish_reason}", status=200)
    usage = usage_of(reply.usage, quirks)
    if usage is None and quirks.usage_path:
        usage = usage_at(body, quirks.usage_path, quirks)
    return reply, usage


def _check(reply: _PeekReply, body: bytes) -> None:
    if asks(reply.error):
        raise error_inside(reply.error, body)
    if reply.choices is None:
        raise refusal_inside(body) or MalformedAnswer("the answer has no `choices`", status=200)
    if not reply.choices:
        raise EmptyAnswer("the answer has no choice", status=200)


def _malformed(body: bytes, cause: Exception) -> NoReturn:
    if not body.strip():
        raise EmptyAnswer("the answer is empty", status=200) from cause
    if body.lstrip()[:1] == b"<":
        raise MalformedAnswer("the answer is HTML, not JSON", status=200, body=body[:1024]) from cause
    # An error whose other members have shapes of their own is still an error.
    error = refusal_inside(body) if body.lstrip()[:1] in b"{[" and b'"error"' in body else None
    raise error or MalformedAnswer(f"not an answer: {cause}", status=200, body=body[:1024]) from cause


def _speaks(message: _PeekMessage) -> bool:
    if asks(message.content):
        return True
    for raw in (
        message.tool_calls,
        message.refusal,
        message.reasoning_content,
        message.reasoning,
        message.reasoning_details,
        message.function_call,
        message.audio,
        message.images,
    ):
        if raw is not _NONE and asks(raw):
            return True
    return False


def decode_reply(body: bytes, quirks: Quirks) -> Reply:
    """A whole answer. Raises as `peek_reply`."""
    _, usage = _peek(body, quirks)
    try:
        reply = _replies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedAnswer(f"not an answer: {exc}", status=200, body=body[:1024]) from exc
    assert reply.choices, "peeked at"
    choice = reply.choices[0]
    parts = _parts(choice.message or _Message(), reply.id or "")
    stop = stop_of(choice.finish_reason) or _STOP
    if stop is _STOP:
        kinds = {type(part) for part in parts}
        stop = settle(stop, called=ToolCall in kinds, refused=Refusal in kinds)
    if not parts and is_empty(False, stop, usage):
        raise EmptyAnswer("the answer holds nothing", status=200)
    return Reply(reply.id or "", reply.model or "", parts, stop, usage or Usage())


def stop_of(reason: str | None) -> StopReason | None:
    """The neutral reason; `None` while there is none."""
    return STOPS.get(reason, _STOP) if reason else None


def settle(stop: StopReason, *, called: bool, refused: bool) -> StopReason:
    """A plain stop after a call or a refusal is said as what it is: a forced call ends in `stop` on this wire."""
    if stop is _STOP:
        return StopReason.TOOL_CALLS if called else StopReason.REFUSAL if refused else stop
    return stop


def _parts(message: _Message, reply_id: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    if thoughts := message.reasoning_content or message.reasoning or message.reasoning_details:
        parts += parts_of(message.reasoning_details, thoughts if isinstance(thoughts, str) else "")
    parts += _contents(message.content)
    if message.refusal:
        parts.append(Refusal(message.refusal))
    if message.images:
        parts += _pictures(message.images)
    calls = message.tool_calls or []
    if not calls and message.function_call is not None:
        calls = [_Call(function=message.function_call)]
    for at, call in enumerate(calls):
        if call.function is not None and call.function.name:
            signature = signature_of(call.extra_content)
            name = call.function.name
            parts.append(
                ToolCall(
                    call.id or made_id(reply_id, at, name),
                    name,
                    arguments_of(call.function.arguments),
                    signature,
                    "gemini" if signature else "",
                )
            )
    return tuple(parts)


def _contents(content: str | list[WireText] | None) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for piece in content or ():
        if piece.type == "thinking":
            parts.append(Reasoning(thoughts(piece.thinking)))
        elif piece.text:
            parts.append(Text(piece.text))
    return parts


def _pictures(images: list[_Picture] | None) -> list[Part]:
    parts: list[Part] = []
    for picture in images or ():
        url = picture.image_url.url if picture.image_url else ""
        if not url.startswith("data:"):
            parts.append(Image(url=url))
            continue
        try:
            media_type, encoded = data_url(url, "images")
        except InvalidRequest as exc:
            raise MalformedAnswer("an image of the answer is not base64", status=200) from exc
        parts.append(Image(data=encoded, media_type=media_type))
    return parts


def thoughts(thinking: object) -> str:
    """The text of Mistral's `thinking`: a string, or a list of texts."""
    if isinstance(thinking, str):
        return thinking
    pieces = thinking if isinstance(thinking, list) else ()
    return "".join(str(piece.get("text") or "") for piece in pieces if isinstance(piece, dict))


def arguments_of(arguments: object) -> str:
    """Arguments as JSON text; some providers write the object itself."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return _encoder.encode(arguments).decode()


def signature_of(extra: Extra | None) -> str:
    """Gemini's signature of a call."""
    return (extra.google.thought_signature if extra and extra.google else None) or ""
