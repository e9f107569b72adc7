"""A client's contents, decoded turn by turn; calls and results without ids are paired by name and order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Raw

from hybridge.chat import Audio, File, Image, Part, Reasoning, Text, ToolCall, ToolResult, Turn
from hybridge.dialects.gemini import media
from hybridge.dialects.gemini import protojson as pj
from hybridge.dialects.gemini.signatures import ORIGIN, unseal

_ROLES: dict[str, Literal["user", "assistant"]] = {
    "": "user",
    "user": "user",
    "function": "user",
    "tool": "user",
    "model": "assistant",
}
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
#: Members of a functionResponse's `response` whose lone string is the result itself.
#: Source: `FunctionResponse.response` in the discovery document; `result` is what the SDKs write.
_RESULTS = ("result", "output")
#: What may stand beside the one member that says what a part is.
_BESIDE = frozenset(
    ("thought", "thoughtSignature", "partMetadata", "videoMetadata", "mediaResolution", "mediaProcessing")
)


class _Calls:
    """The calls that wait for their result."""

    def __init__(self) -> None:
        self._made = 0
        self._waiting: list[tuple[str, str]] = []

    def begin(self) -> None:
        """The model speaks anew: nothing answers older calls any more."""
        self._waiting.clear()

    def called(self, name: str, call_id: str) -> str:
        """The id of a call, made up from its number if it has none."""
        if not call_id:
            call_id = f"call_{self._made}"
        self._made += 1
        self._waiting.append((call_id, name))
        return call_id

    def answered(self, name: str, call_id: str) -> str:
        """The id of the call that a result is for: that id, else the first waiting call of that name; else empty."""
        for at, (waiting_id, _) in enumerate(self._waiting):
            if call_id == waiting_id:
                return self._waiting.pop(at)[0]
        for at, (_, waiting_name) in enumerate(self._waiting):
            if name == waiting_name:
                return self._waiting.pop(at)[0]
        return call_id


class Turns:
    """Collects turns; contents of one side that follow each other are one turn.

    `unknown` names the kinds of parts that have no slot in the neutral types.
    """

    def __init__(self) -> None:
        self.unknown: dict[str, None] = {}
        self._turns: list[tuple[Literal["user", "assistant"], list[Part]]] = []
        self._calls = _Calls()

    def add(self, content: Mapping[str, Raw], place: str) -> None:
        """Decode one content. Raises `InvalidRequest` with its place."""
        role = _ROLES.get(pj.string(content.get("role"), f"{place}.role"))
        if role is None:
            raise pj.invalid(f"{place}.role", "must be user or model")
        if not self._turns or self._turns[-1][0] != role:
            self._turns.append((role, []))
            if role == "assistant":
                self._calls.begin()
        parts = self._turns[-1][1]
        for at, part in enumerate(pj.objects(content.get("parts"), f"{place}.parts")):
            for decoded in self._parts(part, f"{place}.parts[{at}]"):
                if role == "assistant" and parts and (joined := _joined(parts[-1], decoded)):
                    parts[-1] = joined
                else:
                    parts.append(decoded)

    def whole(self) -> tuple[Turn, ...]:
        """The turns: results first, turns that say nothing left out."""
        return tuple(
            Turn(role, tuple(sorted(parts, key=lambda part: not isinstance(part, ToolResult))))
            for role, parts in self._turns
            if parts
        )

    def _parts(self, part: Mapping[str, Raw], place: str) -> list[Part]:
        if "functionCall" in part:
            return [self._call(part, f"{place}.functionCall")]
        if "functionResponse" in part:
            return [self._result(pj.members(part["functionResponse"], f"{place}.functionResponse"), place)]
        if "inlineData" in part or "fileData" in part:
            return [_medium(part, place), *_signed(part, place)]
        if "text" in part:
            return _text(part, place)
        if others := part.keys() - _BESIDE:
            self.unknown.update(dict.fromkeys(f"contents.parts.{name}" for name in sorted(others)))
        return _signed(part, place)

    def _call(self, part: Mapping[str, Raw], place: str) -> ToolCall:
        call = pj.members(part["functionCall"], place)
        name = pj.string(call.get("name"), f"{place}.name")
        if not name:
            raise pj.invalid(f"{place}.name", "is missing")
        call_id = self._calls.called(name, pj.string(call.get("id"), f"{place}.id"))
        arguments = call.get("args", Raw(b"{}"))
        pj.members(arguments, f"{place}.args")
        signed = unseal(pj.string(part.get("thoughtSignature"), place))
        return ToolCall(call_id, name, bytes(arguments).decode(), signed.signature, signed.origin)

    def _result(self, result: Mapping[str, Raw], place: str) -> ToolResult:
        name = pj.string(result.get("name"), f"{place}.functionResponse.name")
        call_id = self._calls.answered(name, pj.string(result.get("id"), f"{place}.functionResponse.id"))
        if not call_id:
            raise pj.invalid(f"{place}.functionResponse", f"answers no functionCall of the name {name!r}")
        said, is_error = result_text(result.get("response", Raw(b"{}")), f"{place}.functionResponse.response")
        parts: list[Text | Image] = [Text(said)]
        for at, inner in enumerate(pj.objects(result.get("parts"), f"{place}.functionResponse.parts")):
            medium = _medium(inner, f"{place}.functionResponse.parts[{at}]")
            if isinstance(medium, Image):
                parts.append(medium)
            else:
                self.unknown["functionResponse.parts"] = None
        return ToolResult(call_id, tuple(parts), name, is_error)


def result_text(response: Raw, place: str) -> tuple[str, bool]:
    """What a tool gave back, and whether that is an error: the lone string inside, else the object as JSON text."""
    try:
        inside = _OBJECT.decode(response)
    except pj.BAD_JSON as exc:
        raise pj.invalid(place, "must be an object") from exc
    whole = bytes(response).decode()
    if len(inside) != 1:
        return whole, False
    [(name, value)] = inside.items()
    is_error = name == "error"
    if (is_error or name in _RESULTS) and bytes(value).startswith(b'"'):
        return pj.string(value, place), is_error
    return whole, is_error


def _text(part: Mapping[str, Raw], place: str) -> list[Part]:
    text = pj.string(part["text"], f"{place}.text")
    if not pj.boolean(part.get("thought"), f"{place}.thought"):
        return [*([Text(text)] if text else []), *_signed(part, place)]
    signed = unseal(pj.string(part.get("thoughtSignature"), f"{place}.thoughtSignature"))
    origin = signed.origin if signed.signature or signed.data else ORIGIN
    return [Reasoning(text, signed.signature, signed.data, origin)]


def _joined(before: Part, after: Part) -> Part | None:
    """Two pieces of one text or one thought, as a streamed answer leaves them in a client's history."""
    if isinstance(before, Text) and isinstance(after, Text):
        return Text(before.text + after.text)
    if isinstance(before, Reasoning) and isinstance(after, Reasoning):
        signed = before.signature or before.data
        alone = not after.text and after.origin == ORIGIN
        if not signed and not alone:
            return Reasoning(before.text + after.text, after.signature, after.data, after.origin)
    return None


def _signed(part: Mapping[str, Raw], place: str) -> list[Part]:
    # A signature may stand on any part, also on an empty text; the neutral text has no slot for it.
    signed = unseal(pj.string(part.get("thoughtSignature"), f"{place}.thoughtSignature"))
    return [signed] if signed.signature or signed.data else []


def _medium(part: Mapping[str, Raw], place: str) -> Image | Audio | File:
    name = "inlineData" if "inlineData" in part else "fileData"
    place = f"{place}.{name}"
    blob = pj.members(part.get(name, Raw(b"{}")), place)
    address = pj.string(blob.get("fileUri"), f"{place}.fileUri")
    data = media.standard_base64(pj.string(blob.get("data"), f"{place}.data"))
    if not (address or data):
        raise pj.invalid(place, "holds neither data nor a fileUri")
    media_type = pj.string(blob.get("mimeType"), f"{place}.mimeType") or media.type_at(address)
    kind = media.kind_of(media_type)
    if kind == "image":
        return Image(url=address, data=data, media_type=media_type)
    if kind == "audio" and data:
        return Audio(data, media.audio_format(media_type))
    return File(data=data, media_type=media_type, url=address, filename=_filename(blob, place))


def _filename(blob: Mapping[str, Raw], place: str) -> str:
    return pj.string(blob.get("displayName"), f"{place}.displayName")
