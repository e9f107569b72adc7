"""Messages as a client writes them, to neutral turns.

Source: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Audio, File, Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from hybridge.dialects import long
from hybridge.dialects.openai.places import decode, refuse
from hybridge.dialects.openai.reasoning import Detail, parts_of


class _Cache(Struct):
    ttl: str | None = None


class _ImageUrl(Struct):
    url: Raw
    detail: str | None = None


class _Audio(Struct):
    data: str
    format: str


class _File(Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Thought(Struct):
    text: str | None = None


class WirePart(Struct):
    """One part of a message's content; `thinking` is how Mistral writes reasoning."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | str | None = None
    input_audio: _Audio | None = None
    file: _File | None = None
    thinking: list[_Thought] | str | None = None
    cache_control: _Cache | None = None


class WireFunction(Struct):
    """A call: `arguments` is JSON text; some clients write the object itself."""

    name: str
    arguments: Raw = Raw(b"null")


class _Google(Struct):
    thought_signature: str | None = None


class Extra(Struct):
    """`extra_content` of a call: where Google's own endpoint puts the signature."""

    google: _Google | None = None


class WireCall(Struct):
    """One entry of `tool_calls`."""

    id: str
    function: WireFunction
    extra_content: Extra | None = None


class WireMessage(Struct):
    """One message, in any role."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[WirePart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[WireCall] | None = None
    function_call: WireFunction | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None


_messages = msgspec.json.Decoder(list[WireMessage])
_text = msgspec.json.Decoder(str)


class Conversation(Struct):
    """What `read` made of the messages; `lost` names what has no neutral form."""

    system: tuple[Text, ...]
    turns: tuple[Turn, ...]
    lost: tuple[str, ...]
    hints: tuple[str, ...]


def read(raw: Raw) -> Conversation:
    """All messages. Raises `InvalidRequest` with the place, e.g. `messages[2].content[0].image_url`."""
    reader = _Reader()
    messages = decode(_messages, raw, "messages")
    for at, message in enumerate(messages):
        reader.read(message, f"messages[{at}]")
    return reader.done()


class _Reader:
    """Collects turns; what follows in the same role joins the turn before."""

    def __init__(self) -> None:
        self._system: list[Text] = []
        self._turns: list[tuple[Literal["user", "assistant", "system"], list[Part]]] = []
        self._names: dict[str, str] = {}
        self._lost: dict[str, None] = {}
        self._hints: dict[str, None] = {}

    def read(self, message: WireMessage, place: str) -> None:
        if message.role in ("system", "developer"):
            texts = self._texts(message, place)
            if self._turns:
                self._add("system", texts)
            else:
                self._system += texts
        elif message.role == "user":
            self._add("user", self._contents(message.content, place))
        elif message.role == "assistant":
            self._add("assistant", self._assistant(message, place))
        else:
            self._add("user", [self._result(message, place)])
        if message.name and message.role not in ("tool", "function"):
            self._hints["messages.name"] = None

    def done(self) -> Conversation:
        if not self._turns:
            if not self._system:
                refuse("messages", "must not be empty")
            # A request of system text alone asks for an answer to it.
            self._turns, self._system = [("user", list(self._system))], []
        turns = tuple([Turn(role, _results_first(parts)) for role, parts in self._turns])
        return Conversation(tuple(self._system), turns, tuple(self._lost), tuple(self._hints))

    def _add(self, role: Literal["user", "assistant", "system"], parts: Sequence[Part]) -> None:
        if self._turns and self._turns[-1][0] == role:
            self._turns[-1][1].extend(parts)
        else:
            self._turns.append((role, list(parts)))

    def _texts(self, message: WireMessage, place: str) -> list[Text]:
        parts = self._contents(message.content, place)
        for part in parts:
            if not isinstance(part, Text):
                refuse(f"{place}.content", f"a {message.role} message holds text only")
        return [part for part in parts if isinstance(part, Text)]

    def _assistant(self, message: WireMessage, place: str) -> list[Part]:
        text = message.reasoning_content or message.reasoning or ""
        parts: list[Part] = [*parts_of(message.reasoning_details, text)]
        parts += self._contents(message.content, place, optional=True)
        if message.refusal:
            parts.append(Refusal(message.refusal))
        for at, call in enumerate(message.tool_calls or ()):
            parts.append(self._call(call, f"{place}.tool_calls[{at}]"))
        if message.function_call is not None:
            name = message.function_call.name
            parts.append(ToolCall(f"call_{name}", name, _arguments(message.function_call, place)))
        return parts

    def _call(self, call: WireCall, place: str) -> ToolCall:
        name = call.function.name
        if not call.id:
            refuse(f"{place}.id", "must not be empty")
        self._names[call.id] = name
        google = call.extra_content.google if call.extra_content else None
        signature = (google.thought_signature if google else None) or ""
        return ToolCall(call.id, name, _arguments(call.function, place), signature, "gemini" if signature else "")

    def _result(self, message: WireMessage, place: str) -> ToolResult:
        if message.role == "function":
            if not message.name:
                refuse(f"{place}.name", "missing")
            call_id, name = f"call_{message.name}", message.name
        else:
            if not message.tool_call_id:
                refuse(f"{place}.tool_call_id", "missing")
            call_id = message.tool_call_id
            name = self._names.get(call_id) or message.name or ""
        parts: list[Text | Image] = []
        for part in self._contents(message.content, place):
            if not isinstance(part, (Text, Image)):
                refuse(f"{place}.content", "a tool result holds text or images only")
            parts.append(part)
        return ToolResult(call_id, tuple(parts), name)

    def _contents(self, content: str | list[WirePart] | None, place: str, optional: bool = False) -> list[Part]:
        if content is None and not optional:
            refuse(f"{place}.content", "missing")
        if not content:
            return []
        if isinstance(content, str):
            return [Text(content)]
        parts = []
        for at, wire in enumerate(content):
            part = _part(wire, f"{place}.content[{at}]")
            if part is None:
                self._lost[lost_part(wire.type, wire.file is not None and wire.file.file_id is not None)] = None
            else:
                parts.append(part)
        return parts


def _results_first(parts: Sequence[Part]) -> tuple[Part, ...]:
    if len(parts) < 2:
        return tuple(parts)
    return tuple(sorted(parts, key=lambda part: not isinstance(part, ToolResult)))


def lost_part(kind: str, by_id: bool) -> str:
    """The name of a content part that no other dialect can be given."""
    return "messages.content.file_id" if kind == "file" and by_id else f"messages.content.{kind}"


def _arguments(function: WireFunction, place: str) -> str:
    raw = bytes(function.arguments)
    if raw.startswith(b'"'):
        return decode(_text, raw, f"{place}.function.arguments")
    return "" if raw == b"null" else raw.decode()


def _part(wire: WirePart, place: str) -> Part | None:
    read_part = _PARTS.get(wire.type)
    return read_part(wire, place) if read_part is not None else None


def _text_part(wire: WirePart, place: str) -> Part:
    if wire.text is None:
        refuse(f"{place}.text", "missing")
    if wire.cache_control is None:
        return Text(wire.text)
    return Text(wire.text, "1h" if wire.cache_control.ttl == "1h" else "5m")


def _refusal_part(wire: WirePart, place: str) -> Part:
    if wire.refusal is None:
        refuse(f"{place}.refusal", "missing")
    return Refusal(wire.refusal)


def _image_part(wire: WirePart, place: str) -> Part:
    if wire.image_url is None:
        refuse(f"{place}.image_url", "missing")
    place = f"{place}.image_url.url"
    if isinstance(wire.image_url, str):
        return _image(wire.image_url, "", place)
    given, detail = wire.image_url.url, wire.image_url.detail or ""
    if (lying := long.found(given)) is not None:
        start, data = lying
        media_type, _ = data_url(start + str(data.view[:64], "ascii"), place)
        return Image(data=data, media_type=media_type, detail=detail)
    return _image(decode(_text, given, place), detail, place)


def _image(url: str, detail: str, place: str) -> Image:
    if url.startswith("data:"):
        media_type, encoded = data_url(url, place)
        return Image(data=encoded, media_type=media_type, detail=detail)
    if not url.startswith(("http://", "https://", "gs://")):
        refuse(place, "must be an http(s) address or a data URL")
    return Image(url=url, detail=detail)


def _audio_part(wire: WirePart, place: str) -> Part:
    if wire.input_audio is None:
        refuse(f"{place}.input_audio", "missing")
    return Audio(wire.input_audio.data, wire.input_audio.format)


def _file_part(wire: WirePart, place: str) -> Part | None:
    if wire.file is None:
        refuse(f"{place}.file", "missing")
    filename = wire.file.filename or ""
    given = wire.file.file_data
    if given is None:
        if wire.file.file_id is None:
            refuse(f"{place}.file", "needs `file_data` or `file_id`")
        return None
    if given.startswith(("http://", "https://")):
        return File(url=given, filename=filename)
    media_type, encoded = data_url(given, f"{place}.file.file_data")
    return File(data=encoded, media_type=media_type, filename=filename)


def thought(thinking: Sequence[_Thought] | str | None) -> str:
    """The text of a `thinking` part."""
    if isinstance(thinking, str):
        return thinking
    return "".join(piece.text or "" for piece in thinking or ())


def _thinking_part(wire: WirePart, place: str) -> Part:
    return Reasoning(thought(wire.thinking))


_PARTS = {
    "text": _text_part,
    "input_text": _text_part,
    "refusal": _refusal_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
    "thinking": _thinking_part,
}


def data_url(url: str, place: str) -> tuple[str, str]:
    """Media type and base64 of a data URL. Raises `InvalidRequest` if it is none, or not base64."""
    head, comma, encoded = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").split(";")
    if not comma or not head.startswith("data:") or "base64" not in parameters:
        refuse(place, "must be a data URL in base64 (`data:image/png;base64,…`)")
    try:
        # Enough to tell a forgotten encoding; decoding a whole image here would cost more than it finds.
        base64.b64decode(encoded[:64], validate=True) if len(encoded) >= 64 else base64.b64decode(encoded)
    except (binascii.Error, ValueError) as exc:
        refuse(place, "not valid base64", exc)
    return media_type or "text/plain", encoded
