"""A client's request, decoded to the neutral types.

Source: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from msgspec import Raw

from hybridge.chat import Chat, Effort, Format, Text, Thinking, Tool, ToolChoice
from hybridge.dialects.gemini import protojson as pj
from hybridge.dialects.gemini.facts import read_config
from hybridge.dialects.gemini.models import LEVELS
from hybridge.dialects.gemini.peek import harmless, look, says
from hybridge.dialects.gemini.schema import to_json_schema
from hybridge.dialects.gemini.turns import Turns

_HINTS = ("labels", "store")
_EFFORTS = {level: effort for effort, level in LEVELS.items()}
#: Members of a function declaration that tell the model no more than how to read the result.
_DECLARATION_HINTS = ("response", "responseJsonSchema", "behavior")
_TIERS = frozenset(("flex", "priority"))


def decode_request(fields: Mapping[str, Raw]) -> Chat:
    """The whole request. Raises `InvalidRequest` with the place as `param`."""
    known = pj.named(dict(fields))
    config = read_config(known)
    unknown = dict.fromkeys(look(known, config).unknown)
    turns = Turns()
    for at, content in enumerate(pj.objects(known["contents"], "contents")):
        turns.add(content, f"contents[{at}]")
    unknown.update(turns.unknown)
    hints = [name for name in _HINTS if says(known.get(name))]
    if "safetySettings" in known and harmless(known["safetySettings"]) and says(known["safetySettings"]):
        hints.append("safetySettings")
    if says(config.get("mediaResolution")):
        hints.append("mediaResolution")
    tools = _tools(known.get("tools"), hints)
    choice, allowed = _choice(known.get("toolConfig"), hints)
    tier = pj.string(known.get("serviceTier"), "serviceTier").lower().removeprefix("service_tier_")
    return Chat(
        turns=turns.whole(),
        system=_system(known.get("systemInstruction"), unknown),
        tools=tuple(tool for tool in tools if not allowed or tool.name in allowed),
        tool_choice=choice,
        format=_format(config),
        thinking=_thinking(config.get("thinkingConfig")),
        service_tier=tier if tier in _TIERS else None,
        hints=tuple(hints),
        unknown=tuple(unknown),
        include_usage=True,
        **_sampling(config),
    )


def _sampling(config: Mapping[str, Raw]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for name, raw in config.items():
        if found := _SAMPLING.get(name):
            slot, read = found
            asked[slot] = read(raw, f"generationConfig.{name}")
    if asked.get("max_tokens", 1) < 1:
        raise pj.invalid("generationConfig.maxOutputTokens", "must be at least 1")
    return asked


def _whole(raw: Raw, place: str) -> int:
    # The SDKs send `topK` as a float.
    return int(pj.number(raw, place) or 0)


#: Members of `generationConfig` that have a slot of their own, and what reads them.
_SAMPLING: dict[str, tuple[str, Callable[[Raw, str], Any]]] = {
    "maxOutputTokens": ("max_tokens", pj.integer),
    "temperature": ("temperature", pj.number),
    "topP": ("top_p", pj.number),
    "topK": ("top_k", _whole),
    "stopSequences": ("stop", pj.strings),
    "seed": ("seed", pj.integer),
    "presencePenalty": ("presence_penalty", pj.number),
    "frequencyPenalty": ("frequency_penalty", pj.number),
}


def _system(raw: Raw | None, unknown: dict[str, None]) -> tuple[Text, ...]:
    if raw is None:
        return ()
    texts = []
    place = "systemInstruction"
    for at, part in enumerate(pj.objects(pj.members(raw, place).get("parts"), f"{place}.parts")):
        if "text" not in part:
            unknown.update(dict.fromkeys(f"{place}.parts.{name}" for name in part))
        elif text := pj.string(part["text"], f"{place}.parts[{at}].text"):
            texts.append(Text(text))
    return tuple(texts)


def _tools(raw: Raw | None, hints: list[str]) -> list[Tool]:
    tools = []
    for at, tool in enumerate(pj.objects(raw, "tools")):
        place = f"tools[{at}].functionDeclarations"
        for number, declared in enumerate(pj.objects(tool.get("functionDeclarations"), place)):
            tools.append(_tool(declared, f"{place}[{number}]"))
            for name in _DECLARATION_HINTS:
                if says(declared.get(name)):
                    hints.append(f"functionDeclarations.{name}")
    return tools


def _tool(declared: Mapping[str, Raw], place: str) -> Tool:
    name = pj.string(declared.get("name"), f"{place}.name")
    if not name:
        raise pj.invalid(f"{place}.name", "is missing")
    schema = declared.get("parametersJsonSchema")
    if schema is not None:
        pj.members(schema, f"{place}.parametersJsonSchema")
    elif "parameters" in declared:
        schema = to_json_schema(declared["parameters"], f"{place}.parameters")
    return Tool(name, pj.string(declared.get("description"), f"{place}.description"), schema)


def _choice(raw: Raw | None, hints: list[str]) -> tuple[ToolChoice | None, tuple[str, ...]]:
    """How tools are chosen, and the names that the choice is limited to (none: no limit)."""
    place = "toolConfig.functionCallingConfig"
    if raw is None or (inner := pj.members(raw, "toolConfig").get("functionCallingConfig")) is None:
        return None, ()
    calling = pj.members(inner, place)
    mode = pj.string(calling.get("mode"), f"{place}.mode").upper()
    allowed = pj.strings(calling.get("allowedFunctionNames"), f"{place}.allowedFunctionNames")
    if mode == "VALIDATED":
        hints.append(f"{place}.mode")
        return ToolChoice("auto"), allowed
    if mode == "ANY":
        return (ToolChoice("tool", allowed[0]), ()) if len(allowed) == 1 else (ToolChoice("any"), allowed)
    if mode in ("AUTO", "NONE"):
        return ToolChoice("auto" if mode == "AUTO" else "none"), ()
    if mode not in ("", "MODE_UNSPECIFIED"):
        raise pj.invalid(f"{place}.mode", "must be AUTO, ANY, NONE or VALIDATED")
    return None, ()


def _format(config: Mapping[str, Raw]) -> Format | None:
    schema = config.get("responseJsonSchema")
    if schema is None and says(config.get("responseSchema")):
        schema = to_json_schema(config["responseSchema"], "generationConfig.responseSchema")
    if says(schema):
        return Format("json_schema", schema=schema)
    mime = pj.string(config.get("responseMimeType"), "generationConfig.responseMimeType")
    return Format("json_object") if mime == "application/json" else None


def _thinking(raw: Raw | None) -> Thinking | None:
    if raw is None:
        return None
    place = "generationConfig.thinkingConfig"
    asked = pj.members(raw, place)
    level = pj.string(asked.get("thinkingLevel"), f"{place}.thinkingLevel").upper()
    thinking = Thinking(
        effort=cast(Effort | None, _EFFORTS.get(level)),
        budget_tokens=pj.integer(asked.get("thinkingBudget"), f"{place}.thinkingBudget"),
        visible=pj.boolean(asked.get("includeThoughts"), f"{place}.includeThoughts"),
    )
    return None if thinking == Thinking() else thinking
