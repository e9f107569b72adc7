"""What routing must know of a request, read without touching its contents.

Media stay where they are: no base64 is decoded or copied.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Ask
from hybridge.dialects.anthropic.places import UNREADABLE, decode, is_given, refuse
from hybridge.dialects.anthropic.request import KNOWN, max_tokens_of, user_of
from hybridge.errors import InvalidRequest
from hybridge.types import Facts, Needs


class _Block(Struct):
    type: str
    source: Raw = Raw()
    content: Raw = Raw()
    citations: Raw = Raw()


class _Message(Struct):
    role: str
    content: str | list[_Block]


class _Source(Struct):
    type: str = ""
    data: Raw = Raw()


class _Citations(Struct):
    enabled: bool = False


class _Tool(Struct):
    type: str | None = None
    strict: bool | None = None


class _Choice(Struct):
    type: str = ""
    disable_parallel_tool_use: bool | None = None


class _Type(Struct):
    type: str = ""


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_MODEL: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_STREAM = msgspec.json.Decoder(bool | None)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_BLOCKS = msgspec.json.Decoder(list[_Block])
_SOURCE = msgspec.json.Decoder(_Source)
_CITATIONS = msgspec.json.Decoder(_Citations | None)
_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_CHOICE = msgspec.json.Decoder(_Choice | None)
_THINKING = msgspec.json.Decoder(_Type | None)
_OUTPUT_CONFIG = msgspec.json.Decoder(dict[str, Raw] | None)
_STOP = msgspec.json.Decoder(list[str] | None)

#: Blocks that every dialect has a word for.
_PLAIN_BLOCKS = frozenset({"text", "tool_use", "thinking", "redacted_thinking"})


def read_facts(body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
    """The facts of a request to answer or to count. Raises `InvalidRequest` for what makes it none."""
    fields = _fields(body)
    messages = decode(_MESSAGES, fields["messages"], "messages") if "messages" in fields else []
    if not messages:
        raise refuse("at least one message is required", "messages")
    facts = Facts(
        model=model or _model(fields),
        stream=_stream(fields) if stream is None else stream,
        fields=fields,
        max_tokens=max_tokens_of(fields),
        user=user_of(fields),
    )
    facts.include_usage = facts.stream
    return _Survey(facts, len(body)).of(messages)


def require_max_tokens(facts: Facts) -> None:
    """Raises `InvalidRequest` unless the request says `max_tokens`, which only a request to count may leave out."""
    if facts.max_tokens is None:
        raise InvalidRequest("max_tokens: Field required", param="max_tokens")


def _fields(body: bytes) -> dict[str, Raw]:
    try:
        return _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise InvalidRequest("the body must be a JSON object") from None
    except UNREADABLE as exc:
        raise InvalidRequest(f"the body is not valid JSON: {exc}") from None


def _model(fields: dict[str, Raw]) -> str:
    model = decode(_MODEL, fields["model"], "model") if "model" in fields else None
    if not model:
        raise refuse("Field required", "model")
    return model


def _stream(fields: dict[str, Raw]) -> bool:
    return bool(decode(_STREAM, fields["stream"], "stream")) if "stream" in fields else False


class _Survey:
    """Collects needs and asks while it walks over a request."""

    def __init__(self, facts: Facts, size: int) -> None:
        self._facts = facts
        self._needs = Needs.STREAMING if facts.stream else Needs.NOTHING
        self._asks: set[str] = set()
        self._media = 0
        self._size = size

    def of(self, messages: list[_Message]) -> Facts:
        """The facts, complete."""
        for at, message in enumerate(messages):
            if not isinstance(message.content, str):
                self._blocks(message.content, f"messages[{at}].content")
        if messages[-1].role == "assistant":
            self._asks.add(Ask.PREFILL)
        fields = self._facts.fields
        self._asks.update(name for name, raw in fields.items() if name not in KNOWN and is_given(raw))
        self._tools(fields)
        self._output(fields)
        self._stop(fields)
        self._facts.needs = self._needs
        self._facts.asks = frozenset(self._asks)
        self._facts.input_bytes = self._size - self._media
        return self._facts

    def _blocks(self, blocks: list[_Block], place: str, inside: str = "") -> None:
        for at, block in enumerate(blocks):
            here = f"{place}[{at}]"
            if block.type == "image":
                self._media_block(block, Needs.VISION, here)
                self._facts.images += 1
                if inside:
                    self._asks.add(Ask.TOOL_IMAGES)
            elif block.type == "document":
                self._media_block(block, Needs.FILES, here)
                self._document(block, here, inside)
            elif block.type == "tool_result":
                if bytes(memoryview(block.content)[:1]) == b"[":
                    self._blocks(decode(_BLOCKS, block.content, f"{here}.content"), f"{here}.content", "tool_result")
            elif block.type not in _PLAIN_BLOCKS:
                self._asks.add(f"{inside}.{block.type}" if inside else block.type)

    def _media_block(self, block: _Block, need: Needs, place: str) -> None:
        self._needs |= need
        if not is_given(block.source):
            raise refuse(f"a block of type {block.type} needs a source", f"{place}.source")
        source = decode(_SOURCE, block.source, f"{place}.source")
        if source.type == "base64":
            self._media += len(memoryview(source.data))
        elif source.type == "file":
            self._asks.add("file_id")

    def _document(self, block: _Block, place: str, inside: str) -> None:
        if inside:
            self._asks.add("tool_result.document")
        if is_given(block.citations):
            citations = decode(_CITATIONS, block.citations, f"{place}.citations")
            if citations and citations.enabled:
                self._asks.add("citations")

    def _tools(self, fields: dict[str, Raw]) -> None:
        for tool in (decode(_TOOLS, fields["tools"], "tools") if "tools" in fields else None) or ():
            self._needs |= Needs.TOOLS
            if tool.type not in (None, "custom"):
                self._asks.add(Ask.SERVER_TOOLS)
            if tool.strict:
                self._asks.add(Ask.STRICT_TOOLS)
        choice = decode(_CHOICE, fields["tool_choice"], "tool_choice") if "tool_choice" in fields else None
        if choice and choice.disable_parallel_tool_use:
            self._asks.add(Ask.PARALLEL_OFF)

    def _output(self, fields: dict[str, Raw]) -> None:
        thinking = decode(_THINKING, fields["thinking"], "thinking") if "thinking" in fields else None
        config = decode(_OUTPUT_CONFIG, fields["output_config"], "output_config") if "output_config" in fields else None
        given = {name for name, raw in (config or {}).items() if is_given(raw)}
        disabled = thinking is not None and thinking.type == "disabled"
        if not disabled and (thinking or "effort" in given):
            self._needs |= Needs.REASONING
        if "format" in given:
            self._needs |= Needs.JSON_SCHEMA
        self._asks.update(f"output_config.{name}" for name in given - {"effort", "format"})

    def _stop(self, fields: dict[str, Raw]) -> None:
        stop = decode(_STOP, fields["stop_sequences"], "stop_sequences") if "stop_sequences" in fields else None
        if stop and len(stop) > 4:
            self._asks.add(Ask.STOP_OVER_4)
        if stop and len(stop) > 5:
            self._asks.add(Ask.STOP_OVER_5)
