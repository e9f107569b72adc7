"""What a chat request needs and asks, read without decoding its contents.

Member names and defaults: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Ask
from hybridge.dialects.openai.messages import lost_part
from hybridge.dialects.openai.places import UNREADABLE, decode, explain, refuse
from hybridge.dialects.quirks import asks
from hybridge.types import Facts, Needs

_NONE, _NULL, _FALSE = map(Raw, (b"", b"null", b"false"))
_TOOL_ROLES = ("tool", "function")
_NOTHING = Needs.NOTHING
_NO_ASKS: frozenset[str] = frozenset()

_Reader = Callable[[Facts, set[str], Raw], int]


class _FilePeek(Struct):
    file_data: Raw = _NONE
    file_id: str | None = None


class _PartPeek(Struct):
    type: str = ""
    image_url: Raw = _NONE
    input_audio: Raw = _NONE
    file: _FilePeek | None = None


class _MessagePeek(Struct):
    role: str = ""
    content: Raw = _NONE
    tool_calls: Raw = _NONE
    reasoning_content: Raw = _NONE
    reasoning: Raw = _NONE
    reasoning_details: Raw = _NONE


class _FunctionPeek(Struct):
    strict: bool | None = None


class _ToolPeek(Struct):
    type: str = "function"
    function: _FunctionPeek | None = None


class _TypePeek(Struct):
    type: str | None = None


class _ReasoningPeek(Struct):
    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    type: str | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Common(Struct):
    """What most requests say, read in one go."""

    model: str | None = None
    messages: list[_MessagePeek] = []
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    user: str | None = None
    safety_identifier: str | None = None


_common = msgspec.json.Decoder(_Common).decode
_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_parts = msgspec.json.Decoder(list[_PartPeek])
_tools = msgspec.json.Decoder(list[_ToolPeek] | None)
_typed = msgspec.json.Decoder(_TypePeek | str | None)
_reasoning = msgspec.json.Decoder(_ReasoningPeek | None)
_text = msgspec.json.Decoder(str | None)
_texts = msgspec.json.Decoder(list[str] | str | None)
_flag = msgspec.json.Decoder(bool | None)
_whole = msgspec.json.Decoder(int | None)
_any = msgspec.json.Decoder(Any)

_VISION = Needs.VISION.value
_TOOLS = Needs.TOOLS.value
_PARALLEL_TOOLS = Needs.PARALLEL_TOOLS.value
_WITHOUT_PARALLEL_TOOLS = ~_PARALLEL_TOOLS
_PARALLEL_OFF = Ask.PARALLEL_OFF
_JSON_OBJECT = Needs.JSON_OBJECT.value
_JSON_SCHEMA = Needs.JSON_SCHEMA.value
_AUDIO_OUTPUT = Needs.AUDIO_OUTPUT.value
_REASONING = Needs.REASONING.value
_STREAMING = Needs.STREAMING.value
#: Needs by their value: joining numbers costs a fraction of joining flags.
_needs = cache(Needs)

#: Parts that every dialect has a form for, and what they need.
_PART_NEEDS = {
    "text": 0,
    "input_text": 0,
    "refusal": 0,
    "thinking": 0,
    "image_url": _VISION,
    "input_audio": Needs.AUDIO_INPUT.value,
    "file": Needs.FILES.value,
}

#: Members that ask for nothing another dialect must carry: hints, sampling that all have, ours, a gateway's own.
_CARRIED = frozenset(
    """
    model messages stream stream_options max_tokens max_completion_tokens temperature top_p stop_sequences
    user safety_identifier metadata store seed random_seed presence_penalty frequency_penalty repetition_penalty
    top_k service_tier prompt_cache_key prompt_cache_retention prompt_cache_options
    route models provider transforms plugins usage include_reasoning
    """.split()
)
#: Where Google's own endpoint puts the signature of a call.
_signed = re.compile(rb'"extra_content"').search


def read_facts(body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
    """The facts of a request. Raises `InvalidRequest` for what no provider could understand."""
    try:
        said = _common(body)
        fields = _fields(body)
    except UNREADABLE as exc:
        explain(exc, "")
    model = model or said.model
    if not (said.messages and model):
        _incomplete(said, fields)
    options = said.stream_options
    # By position, which costs half of what names cost.
    facts = Facts(
        model,
        bool(said.stream if stream is None else stream),
        fields,
        _NOTHING,
        _NO_ASKS,
        said.max_tokens if said.max_completion_tokens is None else _least(said.max_tokens, said.max_completion_tokens),
        said.user or said.safety_identifier or None,
        options is not None and bool(options.include_usage),
        len(body),
        0,
        False,
    )
    asked: set[str] = set()
    needs = _read_messages(facts, asked, said.messages)
    if not _CARRIED.issuperset(fields):
        for name in fields:
            if name not in _CARRIED:
                needs |= _read_member(facts, asked, name)
    if facts.stream:
        needs |= _STREAMING
    if needs or asked:
        _sum_up(facts, asked, needs)
    return facts


def _incomplete(said: _Common, fields: dict[str, Raw]) -> NoReturn:
    name = "model" if said.messages else "messages"
    refuse(name, "must not be empty" if name in fields else "missing")


def _least(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _sum_up(facts: Facts, asked: set[str], needs: int) -> None:
    if not needs & _TOOLS:
        needs &= _WITHOUT_PARALLEL_TOOLS
        asked.discard(_PARALLEL_OFF)
    facts.needs = _needs(needs)
    if asked:
        facts.asks = frozenset(asked)


# What follows gives the value of what a member needs, 0 for nothing, and writes down what else it tells.


def _read_member(facts: Facts, asked: set[str], name: str) -> int:
    raw = facts.fields[name]
    reader = _READERS.get(name)
    if reader is not None:
        return reader(facts, asked, raw)
    if asks(raw) and raw != _FALSE:
        asked.add(name)
    return 0


def _read_messages(facts: Facts, asked: set[str], messages: list[_MessagePeek]) -> int:
    needs = 0
    for at, message in enumerate(messages):
        if message.role in _TOOL_ROLES:
            needs |= _TOOLS
        if message.tool_calls is not _NONE:
            needs |= _read_calls(facts, message)
        if not (message.reasoning_content is message.reasoning is message.reasoning_details is _NONE):
            facts.thoughts = True
        content = memoryview(message.content)
        if content and content[0] == 0x5B:
            needs |= _read_parts(facts, asked, message, f"messages[{at}].content")
    if message.role == "assistant" and not asks(message.tool_calls):
        asked.add(Ask.PREFILL)
    return needs


def _read_calls(facts: Facts, message: _MessagePeek) -> int:
    if _signed(message.tool_calls) is not None:
        facts.thoughts = True
    return _TOOLS if message.role == "assistant" and asks(message.tool_calls) else 0


def _read_parts(facts: Facts, asked: set[str], message: _MessagePeek, place: str) -> int:
    found = 0
    for part in decode(_parts, message.content, place):
        needs = _PART_NEEDS.get(part.type)
        if needs is None:
            asked.add(lost_part(part.type, by_id=False))
        elif needs:
            found |= needs
            _read_media(facts, asked, message, part)
    return found


def _read_media(facts: Facts, asked: set[str], message: _MessagePeek, part: _PartPeek) -> None:
    media = part.input_audio
    if part.type == "image_url":
        media = part.image_url
        facts.images += 1
        if message.role == "tool":
            asked.add(Ask.TOOL_IMAGES)
    elif part.file is not None:
        media = part.file.file_data
        if part.file.file_id is not None:
            asked.add(lost_part("file", by_id=True))
    facts.input_bytes -= memoryview(media).nbytes


def _read_tools(facts: Facts, asked: set[str], raw: Raw) -> int:
    tools = decode(_tools, raw, "tools")
    if not tools:
        return 0
    for tool in tools:
        if tool.type != "function":
            asked.add(Ask.SERVER_TOOLS)
        elif tool.function is not None and tool.function.strict:
            asked.add(Ask.STRICT_TOOLS)
    return _TOOLS


def _read_functions(facts: Facts, asked: set[str], raw: Raw) -> int:
    if not asks(raw):
        return 0
    asked.add("functions")
    return _TOOLS


def _read_tool_choice(facts: Facts, asked: set[str], raw: Raw) -> int:
    choice = decode(_typed, raw, "tool_choice")
    kind = choice.type if isinstance(choice, _TypePeek) else None
    if kind == "allowed_tools":
        asked.add(Ask.ALLOWED_TOOLS)
    elif kind not in (None, "function"):
        asked.add(Ask.SERVER_TOOLS)
    return 0


def _read_parallel(facts: Facts, asked: set[str], raw: Raw) -> int:
    wanted = decode(_flag, raw, "parallel_tool_calls")
    if wanted is False:
        asked.add(_PARALLEL_OFF)
    return _PARALLEL_TOOLS if wanted else 0


def _read_format(facts: Facts, asked: set[str], raw: Raw) -> int:
    form = decode(_typed, raw, "response_format")
    kind = form.type if isinstance(form, _TypePeek) else None
    if kind == "json_schema":
        return _JSON_SCHEMA
    if kind == "json_object":
        return _JSON_OBJECT
    if kind not in (None, "text"):
        asked.add("response_format")
    return 0


def _read_effort(facts: Facts, asked: set[str], raw: Raw) -> int:
    effort = decode(_text, raw, "reasoning_effort")
    return 0 if effort in (None, "", "none", "default", "auto") else _REASONING


def _read_reasoning(facts: Facts, asked: set[str], raw: Raw) -> int:
    said = decode(_reasoning, raw, "reasoning")
    if said is None or said.enabled is False or said.effort == "none" or said.type == "disabled":
        return 0
    return _REASONING if said.effort or said.max_tokens or said.enabled or said.type else 0


def _read_thinking_flag(facts: Facts, asked: set[str], raw: Raw) -> int:
    return _REASONING if decode(_flag, raw, "enable_thinking") else 0


def _read_thinking_budget(facts: Facts, asked: set[str], raw: Raw) -> int:
    return _REASONING if decode(_whole, raw, "thinking_budget") else 0


def _read_modalities(facts: Facts, asked: set[str], raw: Raw) -> int:
    wanted = decode(_texts, raw, "modalities")
    if not wanted or wanted == ["text"]:
        return 0
    asked.add(Ask.MODALITIES)
    return _AUDIO_OUTPUT if "audio" in wanted else 0


def _read_audio(facts: Facts, asked: set[str], raw: Raw) -> int:
    if not asks(raw):
        return 0
    asked.add(Ask.MODALITIES)
    return _AUDIO_OUTPUT


def _read_stop(facts: Facts, asked: set[str], raw: Raw) -> int:
    stop = decode(_texts, raw, "stop")
    count = len(stop) if isinstance(stop, list) else 0
    if count > 4:
        asked.add(Ask.STOP_OVER_4)
    if count > 5:
        asked.add(Ask.STOP_OVER_5)
    return 0


def _read_web_search(facts: Facts, asked: set[str], raw: Raw) -> int:
    # An empty object turns the search on.
    if raw != _NULL:
        asked.add(Ask.WEB_SEARCH)
    return 0


def _unless(default: object, name: str) -> _Reader:
    """A reader of a member that asks for `name` unless it is missing, empty or its documented default."""

    def read(facts: Facts, asked: set[str], raw: Raw) -> int:
        value = decode(_any, raw, name)
        if value not in (None, default, [], {}, "", False):
            asked.add(name)
        return 0

    return read


_READERS: dict[str, _Reader] = {
    "tools": _read_tools,
    "functions": _read_functions,
    "tool_choice": _read_tool_choice,
    "parallel_tool_calls": _read_parallel,
    "response_format": _read_format,
    "reasoning_effort": _read_effort,
    "reasoning": _read_reasoning,
    "thinking": _read_reasoning,
    "enable_thinking": _read_thinking_flag,
    "thinking_budget": _read_thinking_budget,
    "modalities": _read_modalities,
    "audio": _read_audio,
    "stop": _read_stop,
    "n": _unless(1, Ask.N),
    "logprobs": _unless(False, Ask.LOGPROBS),
    "top_logprobs": _unless(0, Ask.LOGPROBS),
    "logit_bias": _unless(None, Ask.LOGIT_BIAS),
    "prediction": _unless(None, Ask.PREDICTION),
    "web_search_options": _read_web_search,
    "verbosity": _unless("medium", "verbosity"),
    "function_call": _unless("auto", "function_call"),
}
