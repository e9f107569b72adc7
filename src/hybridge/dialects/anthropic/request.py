"""A client's request to a neutral `Chat`.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields

from hybridge.chat import Chat, Effort, Format, Part, Text, Thinking, Tool, ToolChoice, ToolResult, Turn
from hybridge.dialects.anthropic.blocks import Block, Reading, text_part
from hybridge.dialects.anthropic.places import decode, is_given, refuse

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


class _Message(Struct, gc=False):
    role: _Role
    content: str | list[Block]


class _Tool(Struct, gc=False):
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


class _Choice(Struct, gc=False):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct, gc=False):
    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None
    display: str | None = None


class _Format(Struct, gc=False):
    type: Literal["json_schema"]
    schema: Raw


class Metadata(Struct, gc=False):
    """Who asks."""

    user_id: str | None = None


class _Asked(Struct, gc=False):
    """The members that have a slot in `Chat`."""

    messages: list[_Message] = []
    system: str | list[Block] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: dict[str, Raw] | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None


_MEMBERS = {field.name: msgspec.json.Decoder(field.type) for field in fields(_Asked)}
_EFFORT = msgspec.json.Decoder(Effort | None)
_FORMAT = msgspec.json.Decoder(_Format)


def decode_request(given: Mapping[str, Raw]) -> Chat:
    """The whole request; `max_tokens` may be missing, as in a request to count tokens. Raises `InvalidRequest`."""
    asked = _Asked(**{name: decode(_MEMBERS[name], raw, name) for name, raw in given.items() if name in _MEMBERS})
    if asked.max_tokens is not None and asked.max_tokens < 0:
        raise refuse("must be at least 0", "max_tokens")
    reading = Reading()
    system, turns = _turns(asked, reading)
    tools = _tools(asked.tools, reading) if asked.tools else ()
    form = _format(asked.output_config, reading) if asked.output_config else None
    choice = asked.tool_choice
    alone = None if choice is None else choice.disable_parallel_tool_use
    stream = bool(asked.stream)
    if not _SLOTS.issuperset(given):
        _read_others(given, reading)
    return Chat(
        turns=turns,
        system=system,
        tools=tools,
        tool_choice=None if choice is None else _tool_choice(choice),
        parallel_tools=None if alone is None else not alone,
        format=form,
        thinking=_thinking(asked),
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop=tuple(asked.stop_sequences or ()),
        user=asked.metadata.user_id if asked.metadata is not None else None,
        service_tier=asked.service_tier,
        hints=tuple(reading.hints),
        unknown=tuple(reading.unknown),
        stream=stream,
        include_usage=stream,
    )


def _read_others(given: Mapping[str, Raw], reading: Reading) -> None:
    for name, value in given.items():
        if name in HINTS:
            if is_given(value):
                reading.hints[name] = None
        elif name not in KNOWN and is_given(value):
            reading.unknown[name] = None


# --- turns ---------------------------------------------------------------------------------------------------------


def _turns(asked: _Asked, reading: Reading) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    if not asked.messages:
        raise refuse("at least one message is required", "messages")
    system = list(_system(asked.system)) if asked.system else []
    merged: list[tuple[_Role, list[Part]]] = []
    for at, message in enumerate(asked.messages):
        content = message.content
        parts = [Text(content)] if isinstance(content, str) else reading.parts(content, f"messages[{at}].content")
        if message.role == "system" and not merged:
            system += (part for part in parts if isinstance(part, Text))
        elif merged and merged[-1][0] == message.role:
            merged[-1][1].extend(parts)
        else:
            merged.append((message.role, [*parts]))
    if reading.has_results:
        for _, parts in merged:
            parts.sort(key=_after_results)
    return tuple(system), tuple([Turn(role, tuple(parts)) for role, parts in merged])


def _after_results(part: Part) -> bool:
    return not isinstance(part, ToolResult)


def _system(system: str | list[Block]) -> Iterator[Text]:
    if isinstance(system, str):
        yield Text(system)
        return
    for at, block in enumerate(system):
        if block.type != "text":
            raise refuse("only text can be a system prompt", f"system[{at}].type")
        yield text_part(block, f"system[{at}]")


# --- tools ---------------------------------------------------------------------------------------------------------


def _tools(asked: list[_Tool], reading: Reading) -> tuple[Tool, ...]:
    tools = []
    for tool in asked:
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


def _format(config: dict[str, Raw], reading: Reading) -> Format | None:
    form = None
    for name, value in config.items():
        if name == "format" and is_given(value):
            form = Format("json_schema", schema=decode(_FORMAT, value, "output_config.format").schema)
        elif name not in ("effort", "format") and is_given(value):
            reading.unknown[f"output_config.{name}"] = None
    return form


def _thinking(asked: _Asked) -> Thinking | None:
    thinking, config, effort = asked.thinking, asked.output_config, None
    if config and "effort" in config:
        effort = decode(_EFFORT, config["effort"], "output_config.effort")
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
