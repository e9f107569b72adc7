"""A client's request to a neutral `Chat`.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Chat, Effort, Format, Part, Text, Thinking, Tool, ToolChoice, ToolResult, Turn
from hybridge.dialects.anthropic.blocks import Block, CacheControl, Reading, text_part
from hybridge.dialects.anthropic.places import T, decode, is_given, refuse

#: Members of a request that have a slot in `Chat`, or are read apart.
_SLOTS = frozenset(
    """model messages system max_tokens stop_sequences stream temperature top_p top_k metadata tools tool_choice
    thinking output_config service_tier""".split()
)
#: Members that ask for nothing essential.
HINTS = frozenset({"cache_control"})
#: Ours, and OpenRouter's own: never carried to another dialect, never missed there.
OURS = frozenset({"route", "models", "provider", "transforms", "plugins"})
KNOWN = _SLOTS | HINTS | OURS

_TOOL_HINTS = ("cache_control", "eager_input_streaming", "defer_loading", "allowed_callers", "input_examples")


_Role = Literal["user", "assistant", "system"]


class _Message(Struct):
    role: _Role
    content: str | list[Block]


class _Tool(Struct):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: Raw = Raw()
    strict: bool | None = None
    cache_control: Raw = Raw()
    eager_input_streaming: Raw = Raw()
    defer_loading: Raw = Raw()
    allowed_callers: Raw = Raw()
    input_examples: Raw = Raw()


class _Choice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct):
    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None
    display: str | None = None


class _Format(Struct):
    type: Literal["json_schema"]
    schema: Raw


class Metadata(Struct, gc=False):
    """Who asks."""

    user_id: str | None = None


_MESSAGES = msgspec.json.Decoder(list[_Message])
_SYSTEM = msgspec.json.Decoder(str | list[Block] | None)
_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_CHOICE = msgspec.json.Decoder(_Choice | None)
_THINKING = msgspec.json.Decoder(_Thinking | None)
_OUTPUT_CONFIG = msgspec.json.Decoder(dict[str, Raw] | None)
_EFFORT = msgspec.json.Decoder(Effort | None)
_FORMAT = msgspec.json.Decoder(_Format)
_METADATA = msgspec.json.Decoder(Metadata | None)
_CACHE_CONTROL = msgspec.json.Decoder(CacheControl)
_STRINGS = msgspec.json.Decoder(list[str] | None)
_STRING = msgspec.json.Decoder(str | None)
_INT = msgspec.json.Decoder(int | None)
_FLOAT = msgspec.json.Decoder(float | None)
_BOOL = msgspec.json.Decoder(bool | None)


def decode_request(fields: Mapping[str, Raw]) -> Chat:
    """The whole request; `max_tokens` may be missing, as in a request to count tokens. Raises `InvalidRequest`."""
    reading = Reading()
    system, turns = _turns(fields, reading)
    tools, choice = _tools(fields, reading), _member(fields, "tool_choice", _CHOICE)
    thinking, form = _output(fields, reading)
    alone = None if choice is None else choice.disable_parallel_tool_use
    stream = bool(_member(fields, "stream", _BOOL))
    for name, value in fields.items():
        if is_given(value):
            reading.hints.update({name: None} if name in HINTS else {})
            reading.unknown.update({name: None} if name not in KNOWN else {})
    return Chat(
        turns=turns,
        system=system,
        tools=tools,
        tool_choice=None if choice is None else _tool_choice(choice),
        parallel_tools=None if alone is None else not alone,
        format=form,
        thinking=thinking,
        max_tokens=max_tokens_of(fields),
        temperature=_member(fields, "temperature", _FLOAT),
        top_p=_member(fields, "top_p", _FLOAT),
        top_k=_member(fields, "top_k", _INT),
        stop=tuple(_member(fields, "stop_sequences", _STRINGS) or ()),
        user=user_of(fields),
        service_tier=_member(fields, "service_tier", _STRING),
        hints=tuple(reading.hints),
        unknown=tuple(reading.unknown),
        stream=stream,
        include_usage=stream,
    )


def max_tokens_of(fields: Mapping[str, Raw]) -> int | None:
    """The output limit. Raises `InvalidRequest` for anything but a whole number from 0."""
    limit = _member(fields, "max_tokens", _INT)
    if limit is not None and limit < 0:
        raise refuse("must be at least 0", "max_tokens")
    return limit


def user_of(fields: Mapping[str, Raw]) -> str | None:
    """The client's user: `metadata.user_id`."""
    metadata = _member(fields, "metadata", _METADATA)
    return metadata.user_id if metadata else None


def _member(fields: Mapping[str, Raw], name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    raw = fields.get(name)
    return None if raw is None else decode(decoder, raw, name)


# --- turns ---------------------------------------------------------------------------------------------------------


def _turns(fields: Mapping[str, Raw], reading: Reading) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    messages = _member(fields, "messages", _MESSAGES)
    if not messages:
        raise refuse("at least one message is required", "messages")
    system = list(_system(_member(fields, "system", _SYSTEM)))
    merged: list[tuple[_Role, list[Part]]] = []
    for at, message in enumerate(messages):
        parts = reading.parts(message.content, f"messages[{at}].content")
        if message.role == "system" and not merged:
            system += (part for part in parts if isinstance(part, Text))
        elif merged and merged[-1][0] == message.role:
            merged[-1][1].extend(parts)
        else:
            merged.append((message.role, parts))
    return tuple(system), tuple(Turn(role, tuple(sorted(parts, key=_after_results))) for role, parts in merged)


def _after_results(part: Part) -> bool:
    return not isinstance(part, ToolResult)


def _system(system: str | list[Block] | None) -> Iterator[Text]:
    if isinstance(system, str):
        if system:
            yield Text(system)
        return
    for at, block in enumerate(system or ()):
        if block.type != "text":
            raise refuse("only text can be a system prompt", f"system[{at}].type")
        yield text_part(block, f"system[{at}]")


# --- tools ---------------------------------------------------------------------------------------------------------


def _tools(fields: Mapping[str, Raw], reading: Reading) -> tuple[Tool, ...]:
    tools = []
    for tool in _member(fields, "tools", _TOOLS) or ():
        if tool.type not in (None, "custom"):
            reading.unknown[f"tools.{tool.type}"] = None
            continue
        for hint in _TOOL_HINTS:
            value: Raw = getattr(tool, hint)
            if is_given(value) and bytes(memoryview(value)[:6]) != b"false":
                reading.hints[f"tools.{hint}" if hint != "cache_control" else hint] = None
        schema = tool.input_schema if is_given(tool.input_schema) else None
        if schema is not None and bytes(memoryview(schema)[:1]) != b"{":
            raise refuse("a schema is an object", "tools.input_schema")
        tools.append(Tool(tool.name, tool.description or "", schema, tool.strict))
    return tuple(tools)


def _tool_choice(choice: _Choice) -> ToolChoice:
    if choice.type == "tool" and not choice.name:
        raise refuse("a forced tool needs its name", "tool_choice.name")
    return ToolChoice(choice.type, choice.name if choice.type == "tool" else "")


# --- thinking and form ---------------------------------------------------------------------------------------------


def _output(fields: Mapping[str, Raw], reading: Reading) -> tuple[Thinking | None, Format | None]:
    config = _member(fields, "output_config", _OUTPUT_CONFIG) or {}
    effort = decode(_EFFORT, config["effort"], "output_config.effort") if "effort" in config else None
    form = None
    for name, value in config.items():
        if name == "format" and is_given(value):
            form = Format("json_schema", schema=decode(_FORMAT, value, "output_config.format").schema)
        elif name not in ("effort", "format") and is_given(value):
            reading.unknown[f"output_config.{name}"] = None
    return _thinking(_member(fields, "thinking", _THINKING), effort), form


def _thinking(thinking: _Thinking | None, effort: Effort | None) -> Thinking | None:
    if thinking is None:
        return Thinking(effort) if effort else None
    if thinking.type == "disabled":
        return Thinking("none")
    visible = {"summarized": True, "omitted": False}.get(thinking.display or "")
    if thinking.type == "adaptive":
        return Thinking(effort, None if effort else -1, visible)
    if thinking.budget_tokens is None:
        raise refuse("thinking needs a budget", "thinking.budget_tokens")
    return Thinking(effort, thinking.budget_tokens, visible)
