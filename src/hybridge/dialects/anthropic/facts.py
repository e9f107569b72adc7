"""What routing must know of a request, read without touching its contents.

Media stay where they are: no base64 is decoded or copied.
"""

from __future__ import annotations

from functools import cache

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields

from hybridge.chat import Ask
from hybridge.dialects.anthropic.places import UNREADABLE, decode, is_given, refuse
from hybridge.dialects.anthropic.request import KNOWN, Metadata
from hybridge.errors import InvalidRequest
from hybridge.types import Facts, Needs


class _Block(Struct, gc=False):
    type: str
    source: Raw = Raw()
    content: Raw = Raw()
    citations: Raw = Raw()


class _Message(Struct, gc=False):
    role: str
    content: str | list[_Block]


class _Source(Struct, gc=False):
    type: str = ""
    data: Raw = Raw()


class _Citations(Struct, gc=False):
    enabled: bool = False


class _Tool(Struct, gc=False):
    type: str | None = None
    strict: bool | None = None


class _Choice(Struct, gc=False):
    type: str = ""
    disable_parallel_tool_use: bool | None = None


class _Type(Struct, gc=False):
    type: str = ""


class _Asked(Struct, gc=False):
    """The members that routing must know of, each as far as it must."""

    messages: list[_Message] = []
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    metadata: Metadata | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _Type | None = None
    output_config: dict[str, Raw] | None = None
    stop_sequences: list[str] | None = None


_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_asked = msgspec.json.Decoder(_Asked).decode
_BLOCKS = msgspec.json.Decoder(list[_Block])
_SOURCE = msgspec.json.Decoder(_Source)
_CITATIONS = msgspec.json.Decoder(_Citations | None)
#: To find out which member is wrong.
_MEMBERS = {field.name: msgspec.json.Decoder(field.type) for field in fields(_Asked)}

#: Blocks that every dialect has a word for.
_PLAIN_BLOCKS = frozenset({"text", "tool_use"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})

#: Members that need and ask nothing that only some offer, whatever they say.
_PLAIN_MEMBERS = frozenset(
    "model messages system max_tokens stream temperature top_p top_k metadata service_tier cache_control".split()
)
_ASKS_NOTHING: frozenset[str] = frozenset()

#: Sums of needs, made once each: adding them up is done in Python.
_needs = cache(Needs)
_STREAMING, _VISION, _FILES = Needs.STREAMING.value, Needs.VISION.value, Needs.FILES.value
_TOOLS, _REASONING, _JSON_SCHEMA = Needs.TOOLS.value, Needs.REASONING.value, Needs.JSON_SCHEMA.value


def read_facts(body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
    """The facts of a request to answer or to count. Raises `InvalidRequest` for what makes it none."""
    given = _fields(body)
    asked = _asked(body, given)
    if not asked.messages:
        raise refuse("at least one message is required", "messages")
    if not (model or asked.model):
        raise refuse("Field required", "model")
    if asked.max_tokens is not None and asked.max_tokens < 0:
        raise refuse("must be at least 0", "max_tokens")
    if stream is None:
        stream = bool(asked.stream)
    survey = _PLAIN if _is_plain(given, asked.messages) else _Survey().of(given, asked)
    return Facts(
        model=model or asked.model or "",
        stream=stream,
        fields=given,
        needs=_needs(survey.needs | _STREAMING if stream else survey.needs),
        asks=frozenset(survey.asks) if survey.asks else _ASKS_NOTHING,
        max_tokens=asked.max_tokens,
        user=asked.metadata.user_id if asked.metadata is not None else None,
        include_usage=stream,
        input_bytes=len(body) - survey.media_bytes,
        images=survey.images,
        thoughts=survey.thoughts,
    )


def require_max_tokens(facts: Facts) -> None:
    """Raises `InvalidRequest` unless the request says `max_tokens`, which only a request to count may leave out."""
    if facts.max_tokens is None:
        raise InvalidRequest("max_tokens: Field required", param="max_tokens")


def _fields(body: bytes) -> dict[str, Raw]:
    try:
        return _decode_fields(body)
    except msgspec.ValidationError:
        raise InvalidRequest("the body must be a JSON object") from None
    except UNREADABLE as exc:
        raise InvalidRequest(f"the body is not valid JSON: {exc}") from None


def _asked(body: bytes, given: dict[str, Raw]) -> _Asked:
    try:
        return _decode_asked(body)
    except UNREADABLE:
        return _Asked(**{name: decode(member, given[name], name) for name, member in _MEMBERS.items() if name in given})


def _is_plain(given: dict[str, Raw], messages: list[_Message]) -> bool:
    """Whether there is text alone, and no member that needs or asks anything."""
    for message in messages:
        if not isinstance(message.content, str):
            return False
    return messages[-1].role != "assistant" and _PLAIN_MEMBERS.issuperset(given)


class _Survey:
    """What a request needs (as a sum) and what it asks beyond what every dialect carries."""

    def __init__(self) -> None:
        self.needs = 0
        self.asks: set[str] = set()
        self.media_bytes = 0
        self.images = 0
        self.thoughts = False

    def of(self, given: dict[str, Raw], asked: _Asked) -> _Survey:
        """The same, complete."""
        for at, message in enumerate(asked.messages):
            if not isinstance(message.content, str):
                self._blocks(message.content, f"messages[{at}].content")
        if asked.messages[-1].role == "assistant":
            self.asks.add(Ask.PREFILL)
        self._members(given, asked)
        return self

    def _blocks(self, blocks: list[_Block], place: str, inside: str = "") -> None:
        for at, block in enumerate(blocks):
            kind = block.type
            if kind == "image":
                self._media_block(block, _VISION, f"{place}[{at}]")
                self.images += 1
                if inside:
                    self.asks.add(Ask.TOOL_IMAGES)
            elif kind == "document":
                self._media_block(block, _FILES, f"{place}[{at}]")
                self._document(block, f"{place}[{at}]", inside)
            elif kind == "tool_result":
                if bytes(memoryview(block.content)[:1]) == b"[":
                    here = f"{place}[{at}].content"
                    self._blocks(decode(_BLOCKS, block.content, here), here, "tool_result")
            elif kind not in _PLAIN_BLOCKS:
                self._other(kind, inside)

    def _other(self, kind: str, inside: str) -> None:
        if kind in _THOUGHTS:
            self.thoughts = True
        else:
            self.asks.add(f"{inside}.{kind}" if inside else kind)

    def _media_block(self, block: _Block, need: int, place: str) -> None:
        self.needs |= need
        if not is_given(block.source):
            raise refuse(f"a block of type {block.type} needs a source", f"{place}.source")
        source = decode(_SOURCE, block.source, f"{place}.source")
        if source.type == "base64":
            self.media_bytes += len(memoryview(source.data))
        elif source.type == "file":
            self.asks.add("file_id")

    def _document(self, block: _Block, place: str, inside: str) -> None:
        if inside:
            self.asks.add("tool_result.document")
        if is_given(block.citations):
            citations = decode(_CITATIONS, block.citations, f"{place}.citations")
            if citations and citations.enabled:
                self.asks.add("citations")

    def _members(self, given: dict[str, Raw], asked: _Asked) -> None:
        for name, raw in given.items():
            if name not in KNOWN and is_given(raw):
                self.asks.add(name)
        if asked.tools:
            self._tools(asked.tools)
        if asked.tool_choice and asked.tool_choice.disable_parallel_tool_use:
            self.asks.add(Ask.PARALLEL_OFF)
        self._output(asked)
        if asked.stop_sequences and len(asked.stop_sequences) > 4:
            self.asks.add(Ask.STOP_OVER_4)
            if len(asked.stop_sequences) > 5:
                self.asks.add(Ask.STOP_OVER_5)

    def _tools(self, tools: list[_Tool]) -> None:
        self.needs |= _TOOLS
        for tool in tools:
            if tool.type not in (None, "custom"):
                self.asks.add(Ask.SERVER_TOOLS)
            if tool.strict:
                self.asks.add(Ask.STRICT_TOOLS)

    def _output(self, asked: _Asked) -> None:
        given = {name for name, raw in (asked.output_config or {}).items() if is_given(raw)}
        thinking = asked.thinking
        disabled = thinking is not None and thinking.type == "disabled"
        if not disabled and (thinking or "effort" in given):
            self.needs |= _REASONING
        if "format" in given:
            self.needs |= _JSON_SCHEMA
        self.asks.update(f"output_config.{name}" for name in given - {"effort", "format"})


_PLAIN = _Survey()
