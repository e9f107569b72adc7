"""A whole request as a client writes it, to a neutral `Chat`.

Source: https://platform.openai.com/docs/api-reference/chat/create; `reasoning` is OpenRouter's, `thinking` and
`enable_thinking` are those of providers with the same wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Chat, Effort, Format, Thinking, Tool, ToolChoice
from hybridge.dialects.openai import messages
from hybridge.dialects.openai.places import decode, refuse
from hybridge.dialects.quirks import asks

T = TypeVar("T")

_NONE = Raw(b"")


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: Raw = _NONE
    strict: bool | None = None


class _Tool(Struct):
    type: str = "function"
    function: _Function | None = None


class _Named(Struct):
    name: str


class _Choice(Struct):
    type: str
    function: _Named | None = None


class _Schema(Struct):
    name: str | None = None
    description: str | None = None
    schema: Raw = _NONE
    strict: bool | None = None


class _Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _Reasoning(Struct):
    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class _Thinking(Struct):
    type: str | None = None
    budget_tokens: int | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


_tools = msgspec.json.Decoder(list[_Tool] | None)
_choice = msgspec.json.Decoder(_Choice | str | None)
_format = msgspec.json.Decoder(_Format | None)
_reasoning = msgspec.json.Decoder(_Reasoning | None)
_thinking = msgspec.json.Decoder(_Thinking | None)
_stream_options = msgspec.json.Decoder(_StreamOptions | None)
_text = msgspec.json.Decoder(str | None)
_texts = msgspec.json.Decoder(list[str] | str | None)
_flag = msgspec.json.Decoder(bool | None)
_whole = msgspec.json.Decoder(int | None)
_number = msgspec.json.Decoder(int | float | None)

#: Members whose value is taken as it is, if it has the right type.
_VALUES: Mapping[str, msgspec.json.Decoder[Any]] = {
    "stream": _flag,
    "stream_options": _stream_options,
    "temperature": _number,
    "top_p": _number,
    "top_k": _whole,
    "stop": _texts,
    "seed": _whole,
    "random_seed": _whole,
    "max_tokens": _whole,
    "max_completion_tokens": _whole,
    "presence_penalty": _number,
    "frequency_penalty": _number,
    "user": _text,
    "safety_identifier": _text,
    "service_tier": _text,
}
_THINKING = frozenset(("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget"))

#: Efforts of compatible providers that leave it to the model.
_AS_IT_LIKES = ("default", "auto")
_EFFORTS = frozenset(get_args(Effort))
_MODES: Mapping[str, Literal["auto", "none", "any"]] = {"auto": "auto", "none": "none", "required": "any", "any": "any"}

#: Members with a slot of their own in `Chat`, or without meaning beyond this dialect's own wire.
_SLOTS = frozenset(
    """
    model messages stream stream_options temperature top_p top_k stop tools tool_choice parallel_tool_calls
    response_format reasoning_effort reasoning thinking enable_thinking thinking_budget include_reasoning
    max_tokens max_completion_tokens seed random_seed presence_penalty frequency_penalty user safety_identifier
    service_tier route models provider transforms plugins usage
    """.split()
)
_HINTS = frozenset(
    "metadata store repetition_penalty prompt_cache_key prompt_cache_retention prompt_cache_options".split()
)
#: Values that ask for nothing, by member; null, empty and false ask for nothing anywhere.
_DEFAULTS: Mapping[str, tuple[bytes, ...]] = {
    "n": (b"1",),
    "top_logprobs": (b"0",),
    "modalities": (b'["text"]',),
    "verbosity": (b'"medium"',),
    "function_call": (b'"auto"',),
}


def decode_request(fields: Mapping[str, Raw]) -> Chat:
    """The whole request. Raises `InvalidRequest` with the place as `param`."""
    if "messages" not in fields:
        refuse("messages", "missing")
    conversation = messages.read(fields["messages"])
    said = {name: decode(_VALUES[name], raw, name) for name, raw in fields.items() if name in _VALUES}
    value = said.get
    tools, lost_tools = _read_tools(fields) if "tools" in fields else ((), ())
    hints, unknown = _others(fields)
    options = value("stream_options")
    # By place: so many names would cost as much as all the rest.
    return Chat(
        conversation.turns,
        conversation.system,
        tools,
        _read_choice(fields) if tools else None,
        _get(fields, "parallel_tool_calls", _flag) if tools else None,
        _read_format(fields) if "response_format" in fields else None,
        None if _THINKING.isdisjoint(fields) else _read_thinking(fields),
        _max_tokens(value("max_completion_tokens"), value("max_tokens")),
        value("temperature"),
        value("top_p"),
        value("top_k"),
        _stop(value("stop")),
        _first(value("seed"), value("random_seed")),
        value("presence_penalty"),
        value("frequency_penalty"),
        value("user") or value("safety_identifier") or None,
        value("service_tier") or None,
        (*hints, *conversation.hints),
        (*unknown, *lost_tools, *conversation.lost),
        bool(value("stream")),
        bool(options and options.include_usage),
    )


def _get(fields: Mapping[str, Raw], name: str, decoder: msgspec.json.Decoder[T | None]) -> T | None:
    raw = fields.get(name)
    return None if raw is None else decode(decoder, raw, name)


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _read_tools(fields: Mapping[str, Raw]) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    tools = []
    lost: tuple[str, ...] = ()
    for at, tool in enumerate(_get(fields, "tools", _tools) or ()):
        if tool.type != "function":
            lost = ("tools",)
            continue
        function = tool.function
        if function is None:
            refuse(f"tools[{at}].function", "missing")
        if not function.name:
            refuse(f"tools[{at}].function.name", "must not be empty")
        schema = _schema(function.parameters, f"tools[{at}].function.parameters")
        tools.append(Tool(function.name, function.description or "", schema, function.strict))
    return tuple(tools), lost


def _schema(raw: Raw, place: str) -> Raw | None:
    if not asks(raw):
        return None
    if bytes(memoryview(raw)[:1]) != b"{":
        refuse(place, "expected `object`")
    return raw


def _read_choice(fields: Mapping[str, Raw]) -> ToolChoice | None:
    choice = _get(fields, "tool_choice", _choice)
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _MODES:
            refuse("tool_choice", f"`{choice}` is none of auto, none, required")
        return ToolChoice(_MODES[choice])
    if choice.type != "function":
        return None
    if choice.function is None:
        refuse("tool_choice.function", "missing")
    return ToolChoice("tool", choice.function.name)


def _read_format(fields: Mapping[str, Raw]) -> Format | None:
    form = _get(fields, "response_format", _format)
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return Format("json_object")
    schema = form.json_schema
    if schema is None:
        refuse("response_format.json_schema", "missing")
    shape = _schema(schema.schema, "response_format.json_schema.schema")
    return Format("json_schema", schema.name or "", schema.description or "", shape, schema.strict)


def _read_thinking(fields: Mapping[str, Raw]) -> Thinking | None:
    effort = _get(fields, "reasoning_effort", _text)
    if effort and effort not in _AS_IT_LIKES:
        return Thinking(effort=_effort(effort, "reasoning_effort"))
    reasoning = _get(fields, "reasoning", _reasoning)
    if reasoning is not None:
        return _of_reasoning(reasoning)
    thinking = _get(fields, "thinking", _thinking)
    if thinking is not None and thinking.type is not None:
        return Thinking(budget_tokens=0 if thinking.type == "disabled" else thinking.budget_tokens or -1)
    enabled = _get(fields, "enable_thinking", _flag)
    budget = _get(fields, "thinking_budget", _whole)
    if enabled is None and budget is None:
        return None
    return Thinking(budget_tokens=0 if enabled is False else _first(budget, -1))


def _of_reasoning(reasoning: _Reasoning) -> Thinking | None:
    visible = None if reasoning.exclude is None else not reasoning.exclude
    if reasoning.enabled is False:
        return Thinking(effort="none", visible=visible)
    if reasoning.effort:
        return Thinking(effort=_effort(reasoning.effort, "reasoning.effort"), visible=visible)
    budget = reasoning.max_tokens if reasoning.max_tokens is not None else -1 if reasoning.enabled else None
    return None if budget is None and visible is None else Thinking(budget_tokens=budget, visible=visible)


def _effort(value: str, place: str) -> Effort:
    if value not in _EFFORTS:
        refuse(place, f"`{value}` is none of {', '.join(get_args(Effort))}")
    return value  # type: ignore[return-value]  # checked against the same list


def _max_tokens(completion: int | None, older: int | None) -> int | None:
    for name, limit in (("max_completion_tokens", completion), ("max_tokens", older)):
        if limit is not None and limit < 1:
            refuse(name, "must be at least 1")
    if completion is None or older is None:
        return _first(completion, older)
    return min(completion, older)


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    if not stop:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _others(fields: Mapping[str, Raw]) -> tuple[list[str], list[str]]:
    hints, unknown = [], []
    for name, raw in fields.items():
        if name in _SLOTS or not (asks(raw) or name == "web_search_options"):
            continue
        if name in _HINTS:
            hints.append(name)
        elif bytes(raw) not in _DEFAULTS.get(name, (b"false", b"null")):
            unknown.append(name)
    if "tool_choice" in fields:
        choice = decode(_choice, fields["tool_choice"], "tool_choice")
        if isinstance(choice, _Choice) and choice.type != "function":
            unknown.append("tool_choice")
    return hints, unknown
