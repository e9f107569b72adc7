"""Turns as the dialect's contents: roles alternate, results stand in the order of their calls, signatures where due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from hybridge.chat import Audio, File, Image, Long, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from hybridge.dialects.foreign import LOST
from hybridge.dialects.gemini import media
from hybridge.dialects.gemini.models import NO_SIGNATURE, Traits
from hybridge.dialects.gemini.signatures import ORIGIN
from hybridge.dialects.losses import Losses

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
#: A turn without words is refused, so one that must be there says this.
_FILLER = "."


class Contents:
    """Encodes the turns of one conversation for one model."""

    def __init__(self, traits: Traits, images: Mapping[str, tuple[str, str]], losses: Losses) -> None:
        self._traits = traits
        self._images = images
        self._losses = losses
        self._names: dict[str, str] = {}
        self._order: dict[str, int] = {}
        self._contents: list[dict[str, Any]] = []

    def encoded(self, turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
        """All contents. A conversation that the model begins gets a word in front of it."""
        for turn in turns:
            if turn.role == "assistant":
                self._add("model", self._spoken(turn.parts))
            else:
                if turn.role == "system":
                    self._losses.drop("system")
                self._add("user", self._heard(turn.parts))
        if not self._contents or self._contents[0]["role"] != "user":
            self._contents.insert(0, {"role": "user", "parts": [{"text": _FILLER}]})
        return self._contents

    def _add(self, role: str, parts: list[dict[str, Any]]) -> None:
        if not parts:
            return
        if self._contents and self._contents[-1]["role"] == role:
            self._contents[-1]["parts"] += parts
        else:
            self._contents.append({"role": role, "parts": parts})

    # --- the model's side ------------------------------------------------------------------------------------------

    def _spoken(self, parts: tuple[Part, ...]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        self._order.clear()
        for part in parts:
            if isinstance(part, Reasoning):
                self._add_reasoning(part, made)
            elif isinstance(part, ToolCall):
                made.append(self._call(part, first=not self._order))
                self._names[part.id] = part.name
                self._order[part.id] = len(self._order)
            else:
                made += self._heard((part,))
        return made

    def _add_reasoning(self, part: Reasoning, made: list[dict[str, Any]]) -> None:
        if part.origin != ORIGIN or part.data:
            self._losses.drop(LOST)
        elif part.text:
            signed = {"thoughtSignature": part.signature} if part.signature else {}
            made.append({"text": part.text, "thought": True, **signed})
        elif part.signature:
            # It belongs on the text it stood on, else on an empty one of its own.
            if made and made[-1].keys() == {"text"}:
                made[-1]["thoughtSignature"] = part.signature
            else:
                made.append({"text": "", "thoughtSignature": part.signature})

    def _call(self, call: ToolCall, *, first: bool) -> dict[str, Any]:
        made: dict[str, Any] = {"name": call.name, "args": arguments_object(call.arguments)}
        if self._traits.ids and call.id:
            made["id"] = call.id
        signature = call.signature
        if not signature and first and self._traits.signatures:
            signature = NO_SIGNATURE
            self._losses.drop(LOST)
        return {"functionCall": made, **({"thoughtSignature": signature} if signature else {})}

    # --- the user's side -------------------------------------------------------------------------------------------

    def _heard(self, parts: tuple[Part, ...]) -> list[dict[str, Any]]:
        results = [part for part in parts if type(part) is ToolResult]
        made = self._results(results) if results else []
        for part in parts:
            if isinstance(part, Text):
                if part.cache:
                    self._losses.drop("cache_control")
                if part.text:
                    made.append({"text": part.text})
            elif not isinstance(part, ToolResult):
                made += self._plain(part)
        return made

    def _results(self, results: list[ToolResult]) -> list[dict[str, Any]]:
        results.sort(key=lambda result: self._order.get(result.call_id, len(self._order)))
        beside: list[dict[str, Any]] = []
        made = [self._result(result, beside) for result in results]
        return made + beside

    def _plain(self, part: Part) -> list[dict[str, Any]]:
        if isinstance(part, Refusal):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Image):
            return [self._image(part)]
        if isinstance(part, Audio):
            return [{"inlineData": {"mimeType": media.audio_type(part.format), "data": part.data}}]
        if isinstance(part, File):
            return self._file(part)
        return []

    def _image(self, image: Image) -> dict[str, Any]:
        if image.detail not in ("", "auto"):
            self._losses.drop("detail")
        if image.data:
            return _inline(image.media_type or media.type_of_image(str(image.data)), image.data)
        if image.url in self._images:
            return _inline(*self._images[image.url])
        if inside := media.from_data_url(image.url):
            return _inline(inside[0] or media.type_of_image(inside[1]), inside[1])
        return _by_address(image.media_type, image.url)

    def _file(self, file: File) -> list[dict[str, Any]]:
        if file.data:
            media_type = file.media_type or media.type_at(file.filename) or "application/pdf"
            return [_inline(media_type, file.data)]
        if inside := media.from_data_url(file.url):
            return [_inline(inside[0] or file.media_type, inside[1])]
        if file.url:
            return [_by_address(file.media_type, file.url)]
        self._losses.refuse("file")
        return []

    def _result(self, result: ToolResult, beside: list[dict[str, Any]]) -> dict[str, Any]:
        name = result.name or self._names.get(result.call_id, "")
        if not name:
            self._losses.refuse("tool_call_id")
        text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        made: dict[str, Any] = {"name": name or "unknown", "response": _response(text, result.is_error)}
        if self._traits.ids and result.call_id:
            made["id"] = result.call_id
        pictures = [self._image(part) for part in result.parts if isinstance(part, Image)]
        if pictures and self._traits.tool_media:
            made["parts"] = pictures
        else:
            beside += pictures
        return {"functionResponse": made}


def arguments_object(text: str) -> Raw:
    """The arguments as the object that the dialect wants; text that is none is put into one."""
    if not text.strip():
        return Raw(b"{}")
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Raw(msgspec.json.encode({"arguments": text}))
    return Raw(text)


def _response(text: str, is_error: bool) -> Raw | dict[str, str]:
    if is_error:
        return {"error": text}
    try:
        inside = _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"result": text}
    # An object that looks like our own wrapping is wrapped, so that it can be told apart.
    return {"result": text} if len(inside) == 1 and inside.keys() & {"result", "output", "error"} else Raw(text)


def _inline(media_type: str, data: str | Long) -> dict[str, Any]:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _by_address(media_type: str, address: str) -> dict[str, Any]:
    media_type = media_type or media.type_at(address)
    return {"fileData": {**({"mimeType": media_type} if media_type else {}), "fileUri": address}}
