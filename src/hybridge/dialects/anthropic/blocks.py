"""Content blocks to neutral parts: one way to read them, for requests and answers.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hybridge.chat import File, Image, Part, Reasoning, Text, ToolCall, ToolResult
from hybridge.dialects.anthropic.marks import FOREIGN_CALL, ORIGIN, proves_nothing, unmarked
from hybridge.dialects.anthropic.places import T, decode, refuse, text_of


class CacheControl(Struct, gc=False):
    """The end of a cacheable prefix."""

    ttl: Literal["5m", "1h"] | None = None


class Block(Struct, gc=False):
    """Any content block, with the members that some kind of block has; those that differ between kinds stay raw."""

    type: str
    text: str | None = None
    source: Raw = Raw()
    id: str | None = None
    name: str | None = None
    input: Raw = Raw()
    tool_use_id: str | None = None
    content: Raw = Raw()
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    title: str | None = None
    context: str | None = None
    cache_control: CacheControl | None = None
    citations: Raw = Raw()


class _Source(Struct, gc=False):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: Raw = Raw()


class _Citations(Struct, gc=False):
    enabled: bool = False


_SOURCE = msgspec.json.Decoder(_Source)
_CITATIONS = msgspec.json.Decoder(_Citations)
_CONTENT = msgspec.json.Decoder(str | list[Block])


#: What media may ask for wherever they stand.
_OF_MEDIA = frozenset({"file_id", "citations"})


class Reading:
    """What came up while content was read: hints without a slot, and what must be carried and has none."""

    def __init__(self) -> None:
        self.hints: dict[str, None] = {}
        self.unknown: dict[str, None] = {}
        #: Whether there was the result of a tool.
        self.has_results = False

    def parts(self, content: str | Sequence[Block], place: str) -> list[Part]:
        """The parts of a message, in order. Raises `InvalidRequest` with the place."""
        if isinstance(content, str):
            return [Text(content)]
        parts: list[Part] = []
        signed: tuple[str, str] | None = None
        for at, block in enumerate(content):
            if block.type == "redacted_thinking" and (block.data or "").startswith(FOREIGN_CALL):
                signed = unmarked(block.data or "", FOREIGN_CALL)
                continue
            for part in self._part(block, f"{place}[{at}]"):
                if signed and isinstance(part, ToolCall):
                    parts.append(replace(part, origin=signed[0], signature=signed[1]))
                    signed = None
                else:
                    parts.append(part)
        return parts

    def _part(self, block: Block, place: str) -> Iterable[Part]:
        if block.cache_control and block.type != "text":
            self.hints["cache_control"] = None
        match block.type:
            case "text":
                return [text_part(block, place)]
            case "image":
                return self._image(block, place)
            case "document":
                return self._document(block, place)
            case "tool_use":
                return [call_part(block, place)]
            case "tool_result":
                return [self._result(block, place)]
            case "thinking" | "redacted_thinking":
                # A client does not say whose model it was, but what Claude thinks is always signed.
                thought = reasoning_part(block)
                nobodys = thought.origin == ORIGIN and not thought.data and proves_nothing(thought.signature)
                return [Reasoning(thought.text) if nobodys else thought]
        self.unknown[block.type] = None
        return []

    def _image(self, block: Block, place: str) -> Iterable[Image]:
        source = _source(block, place)
        if source.type == "file":
            self.unknown["file_id"] = None
            return []
        if source.type == "base64":
            return [Image(data=source.data, media_type=source.media_type)]
        return [Image(url=_url(source, place))]

    def _document(self, block: Block, place: str) -> Iterable[Part]:
        if _decoded(_CITATIONS, block.citations, f"{place}.citations", _Citations()).enabled:
            self.unknown["citations"] = None
        context = [Text(block.context)] if block.context else []
        source = _source(block, place)
        name = block.title or ""
        match source.type:
            case "file":
                self.unknown["file_id"] = None
                return context
            case "text":
                data = base64.b64encode(source.data.encode()).decode()
                return [
                    *context,
                    File(data=data, media_type=source.media_type or "text/plain", filename=name),
                ]
            case "content":
                inner = decode(_CONTENT, source.content, f"{place}.source.content")
                return [*context, *self.parts(inner, f"{place}.source.content")]
            case "base64":
                return [*context, File(data=source.data, media_type=source.media_type, filename=name)]
        return [*context, File(url=_url(source, place), filename=name)]

    def _result(self, block: Block, place: str) -> ToolResult:
        if not block.tool_use_id:
            raise refuse("a tool result needs the id of its call", f"{place}.tool_use_id")
        self.has_results = True
        content = _decoded(_CONTENT, block.content, f"{place}.content", "")
        inner = Reading()
        parts: list[Text | Image] = []
        for part in inner.parts(content, f"{place}.content") if content else ():
            if isinstance(part, (Text, Image)):
                parts.append(part)
            else:
                self.unknown["tool_result.document"] = None
        self.hints |= inner.hints
        for name in inner.unknown:
            self.unknown[name if name in _OF_MEDIA else f"tool_result.{name}"] = None
        return ToolResult(block.tool_use_id, tuple(parts), is_error=bool(block.is_error))


def text_part(block: Block, place: str) -> Text:
    """The words of a text block and whether a cacheable prefix ends there."""
    if block.text is None:
        raise refuse("a text block needs text", f"{place}.text")
    if block.cache_control is None:
        return Text(block.text)
    return Text(block.text, block.cache_control.ttl or "5m")


def call_part(block: Block, place: str) -> ToolCall:
    """The tool call of a block; its arguments keep the text that they came as."""
    if not block.name:
        raise refuse("a tool call needs the name of its tool", f"{place}.name")
    return ToolCall(block.id or "", block.name, text_of(block.input, f"{place}.input"))


def reasoning_part(block: Block, maker: str = ORIGIN) -> Reasoning:
    """The thought of a block, with the origin that its signature or hidden data names, else that of its maker."""
    hidden = block.type == "redacted_thinking"
    origin, proof = unmarked((block.data if hidden else block.signature) or "", maker=maker)
    return Reasoning(data=proof, origin=origin) if hidden else Reasoning(block.thinking or "", proof, origin=origin)


def _decoded(decoder: msgspec.json.Decoder[T], raw: Raw, place: str, otherwise: T) -> T:
    said = bytes(memoryview(raw)[:5])
    return otherwise if said in (b"", b"null") else decode(decoder, raw, place)


def _source(block: Block, place: str) -> _Source:
    if not memoryview(block.source):
        raise refuse(f"a block of type {block.type} needs a source", f"{place}.source")
    return decode(_SOURCE, block.source, f"{place}.source")


def _url(source: _Source, place: str) -> str:
    if source.type != "url":
        raise refuse(f"unknown type of source: {source.type!r}", f"{place}.source.type")
    if not source.url:
        raise refuse("a source of type url needs a url", f"{place}.source.url")
    return source.url
