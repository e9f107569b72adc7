"""What a chat request needs and asks, read without decoding its contents.

Member names and defaults: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Ask
from hybridge.dialects.openai.messages import lost_part
from hybridge.dialects.openai.places import decode, refuse
from hybridge.dialects.quirks import asks
from hybridge.types import Facts, Needs

_NONE = Raw(b"")


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


_fields = msgspec.json.Decoder(dict[str, Raw])
_messages = msgspec.json.Decoder(list[_MessagePeek])
_parts = msgspec.json.Decoder(list[_PartPeek])
_tools = msgspec.json.Decoder(list[_ToolPeek] | None)
_typed = msgspec.json.Decoder(_TypePeek | str | None)
_reasoning = msgspec.json.Decoder(_ReasoningPeek | None)
_stream_options = msgspec.json.Decoder(_StreamOptions | None)
_text = msgspec.json.Decoder(str | None)
_texts = msgspec.json.Decoder(list[str] | str | None)
_flag = msgspec.json.Decoder(bool | None)
_whole = msgspec.json.Decoder(int | None)
_any = msgspec.json.Decoder(Any)

#: Parts that every dialect has a form for, and what they need.
_PART_NEEDS = {
    "text": Needs.NOTHING,
    "input_text": Needs.NOTHING,
    "refusal": Needs.NOTHING,
    "thinking": Needs.NOTHING,
    "image_url": Needs.VISION,
    "input_audio": Needs.AUDIO_INPUT,
    "file": Needs.FILES,
}

#: Members that ask for nothing another dialect must carry: hints, sampling that all have, ours, a gateway's own.
_CARRIED = frozenset(
    """
    model messages stream temperature top_p stop_sequences
    user safety_identifier metadata store seed random_seed presence_penalty frequency_penalty repetition_penalty
    top_k service_tier prompt_cache_key prompt_cache_retention prompt_cache_options
    route models provider transforms plugins usage include_reasoning
    """.split()
)


def read_facts(body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
    """The facts of a request. Raises `InvalidRequest` for what no provider could understand."""
    fields = decode(_fields, body)
    if "messages" not in fields:
        refuse("messages", "missing")
    facts = Facts(
        model=_required_model(fields) if model is None else model,
        stream=False,
        fields=fields,
        input_bytes=len(body),
    )
    asked: set[str] = set()
    for name, raw in fields.items():
        reader = _READERS.get(name)
        if reader is not None:
            reader(facts, asked, raw)
        elif name not in _CARRIED and _asks(raw):
            asked.add(name)
    if stream is not None:
        facts.stream = stream
    if facts.stream:
        facts.needs |= Needs.STREAMING
    if Needs.TOOLS not in facts.needs:
        facts.needs &= ~Needs.PARALLEL_TOOLS
        asked.discard(Ask.PARALLEL_OFF)
    facts.asks = frozenset(asked)
    return facts


def _required_model(fields: dict[str, Raw]) -> str:
    if "model" not in fields:
        refuse("model", "missing")
    name: str | None = decode(_text, fields["model"], "model")
    if not name:
        refuse("model", "must not be empty")
    return name


def _asks(raw: Raw) -> bool:
    return asks(raw) and bytes(raw) != b"false"


def _read_messages(facts: Facts, asked: set[str], raw: Raw) -> None:
    messages = decode(_messages, raw, "messages")
    if not messages:
        refuse("messages", "must not be empty")
    for at, message in enumerate(messages):
        if message.role in ("tool", "function") or (message.role == "assistant" and asks(message.tool_calls)):
            facts.needs |= Needs.TOOLS
        content = memoryview(message.content)
        if content.nbytes and content[0] == 0x5B:
            _read_parts(facts, asked, message, f"messages[{at}].content")
    last = messages[-1]
    if last.role == "assistant" and not asks(last.tool_calls):
        asked.add(Ask.PREFILL)


def _read_parts(facts: Facts, asked: set[str], message: _MessagePeek, place: str) -> None:
    for part in decode(_parts, message.content, place):
        if part.type not in _PART_NEEDS:
            asked.add(lost_part(part.type, by_id=False))
            continue
        needs = _PART_NEEDS[part.type]
        if not needs:
            continue
        facts.needs |= needs
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


def _read_tools(facts: Facts, asked: set[str], raw: Raw) -> None:
    tools = decode(_tools, raw, "tools")
    if not tools:
        return
    facts.needs |= Needs.TOOLS
    for tool in tools:
        if tool.type != "function":
            asked.add(Ask.SERVER_TOOLS)
        elif tool.function is not None and tool.function.strict:
            asked.add(Ask.STRICT_TOOLS)


def _read_functions(facts: Facts, asked: set[str], raw: Raw) -> None:
    if asks(raw):
        facts.needs |= Needs.TOOLS
        asked.add("functions")


def _read_tool_choice(facts: Facts, asked: set[str], raw: Raw) -> None:
    choice = decode(_typed, raw, "tool_choice")
    kind = choice.type if isinstance(choice, _TypePeek) else None
    if kind == "allowed_tools":
        asked.add(Ask.ALLOWED_TOOLS)
    elif kind not in (None, "function"):
        asked.add(Ask.SERVER_TOOLS)


def _read_parallel(facts: Facts, asked: set[str], raw: Raw) -> None:
    wanted = decode(_flag, raw, "parallel_tool_calls")
    if wanted:
        facts.needs |= Needs.PARALLEL_TOOLS
    elif wanted is False:
        asked.add(Ask.PARALLEL_OFF)


def _read_format(facts: Facts, asked: set[str], raw: Raw) -> None:
    form = decode(_typed, raw, "response_format")
    kind = form.type if isinstance(form, _TypePeek) else None
    if kind == "json_schema":
        facts.needs |= Needs.JSON_SCHEMA
    elif kind == "json_object":
        facts.needs |= Needs.JSON_OBJECT
    elif kind not in (None, "text"):
        asked.add("response_format")


def _read_effort(facts: Facts, asked: set[str], raw: Raw) -> None:
    if decode(_text, raw, "reasoning_effort") not in (None, "", "none", "default", "auto"):
        facts.needs |= Needs.REASONING


def _read_reasoning(facts: Facts, asked: set[str], raw: Raw) -> None:
    said = decode(_reasoning, raw, "reasoning")
    if said is None or said.enabled is False or said.effort == "none" or said.type == "disabled":
        return
    if said.effort or said.max_tokens or said.enabled or said.type:
        facts.needs |= Needs.REASONING


def _read_thinking_flag(facts: Facts, asked: set[str], raw: Raw) -> None:
    if decode(_flag, raw, "enable_thinking"):
        facts.needs |= Needs.REASONING


def _read_thinking_budget(facts: Facts, asked: set[str], raw: Raw) -> None:
    if decode(_whole, raw, "thinking_budget"):
        facts.needs |= Needs.REASONING


def _read_modalities(facts: Facts, asked: set[str], raw: Raw) -> None:
    wanted = decode(_texts, raw, "modalities")
    if not wanted or wanted == ["text"]:
        return
    asked.add(Ask.MODALITIES)
    if "audio" in wanted:
        facts.needs |= Needs.AUDIO_OUTPUT


def _read_audio(facts: Facts, asked: set[str], raw: Raw) -> None:
    if asks(raw):
        facts.needs |= Needs.AUDIO_OUTPUT
        asked.add(Ask.MODALITIES)


def _read_stop(facts: Facts, asked: set[str], raw: Raw) -> None:
    stop = decode(_texts, raw, "stop")
    count = len(stop) if isinstance(stop, list) else 0
    if count > 4:
        asked.add(Ask.STOP_OVER_4)
    if count > 5:
        asked.add(Ask.STOP_OVER_5)


def _read_stream(facts: Facts, asked: set[str], raw: Raw) -> None:
    facts.stream = bool(decode(_flag, raw, "stream"))


def _read_stream_options(facts: Facts, asked: set[str], raw: Raw) -> None:
    options = decode(_stream_options, raw, "stream_options")
    facts.include_usage = bool(options and options.include_usage)


def _read_max_tokens(facts: Facts, asked: set[str], raw: Raw) -> None:
    limit = decode(_whole, raw, "max_tokens")
    if limit is not None:
        facts.max_tokens = limit if facts.max_tokens is None else min(limit, facts.max_tokens)


def _read_user(facts: Facts, asked: set[str], raw: Raw) -> None:
    facts.user = decode(_text, raw, "user") or facts.user


def _read_safety_identifier(facts: Facts, asked: set[str], raw: Raw) -> None:
    facts.user = facts.user or decode(_text, raw, "safety_identifier") or None


def _read_web_search(facts: Facts, asked: set[str], raw: Raw) -> None:
    # An empty object turns the search on.
    if bytes(raw) != b"null":
        asked.add(Ask.WEB_SEARCH)


def _unless(default: object, name: str) -> Callable[[Facts, set[str], Raw], None]:
    """A reader of a member that asks for `name` unless it is missing, empty or its documented default."""

    def read(facts: Facts, asked: set[str], raw: Raw) -> None:
        value = decode(_any, raw, name)
        if value not in (None, default, [], {}, "", False):
            asked.add(name)

    return read


_READERS: dict[str, Callable[[Facts, set[str], Raw], None]] = {
    "messages": _read_messages,
    "stream": _read_stream,
    "stream_options": _read_stream_options,
    "max_tokens": _read_max_tokens,
    "max_completion_tokens": _read_max_tokens,
    "user": _read_user,
    "safety_identifier": _read_safety_identifier,
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
