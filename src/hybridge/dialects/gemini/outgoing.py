"""Requests of other dialects on their way to a provider of this one.

Source: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/openai (efforts).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from hybridge.chat import Ask, Chat, Format, Image, Text, Thinking, Tool, ToolChoice, ToolResult
from hybridge.dialects import long, quirks
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.foreign import own_turns
from hybridge.dialects.gemini import media
from hybridge.dialects.gemini.contents import Contents
from hybridge.dialects.gemini.models import EFFORT_TOKENS, LEVELS, TOOL_NAME, Traits, traits
from hybridge.dialects.gemini.schema import is_empty, to_subset
from hybridge.dialects.gemini.signatures import ORIGIN
from hybridge.dialects.losses import Losses
from hybridge.types import NO_QUIRKS

#: What of other dialects' requests this one carries.
CARRIES = frozenset({Ask.PREFILL, Ask.TOOL_IMAGES, Ask.STRICT_TOOLS, Ask.STOP_OVER_4})

_MOST_STOPS = 5
_INT32 = 2**31
_TIERS = ("flex", "priority")
_NO_TIERS = (None, "auto", "default", "standard", "standard_only")
_MODES = {"auto": "AUTO", "none": "NONE", "any": "ANY", "tool": "ANY"}


_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=1024)
def path(model: str, *, stream: bool) -> str:
    """Where a model is reached, below a `base_url` that ends in the API's version."""
    name = quote(model.removeprefix("models/"), safe="")
    return f"/models/{name}:streamGenerateContent?alt=sse" if stream else f"/models/{name}:generateContent"


def images_to_fetch(chat: Chat) -> tuple[str, ...]:
    """Public addresses of pictures: the dialect takes bytes, or files that lie with Google."""
    urls: dict[str, None] = {}
    for turn in chat.turns:
        for part in turn.parts:
            # A Struct's class is asked in vain at some cost.
            if type(part) is Image:
                urls[part.url] = None
            elif type(part) is ToolResult:
                urls |= {inner.url: None for inner in part.parts if isinstance(inner, Image)}
    return tuple(filter(media.is_public, urls)) if urls else ()


# --- translated ----------------------------------------------------------------------------------------------------


def encode_request(chat: Chat, target: Target) -> Outgoing:
    """A request of another dialect. Raises `CannotCarry` with the names of what must not be lost."""
    able = traits(target.model, target.name)
    losses = Losses(drop_unsupported=target.drop_unsupported)
    if chat.hints:
        losses.drop(*chat.hints)
    if chat.unknown:
        losses.refuse(*chat.unknown)
    body: dict[str, Any] = {}
    system = _system(chat.system, losses) if chat.system else []
    contents = Contents(able, target.images, losses)
    if not chat.turns and system:
        body["contents"] = [{"role": "user", "parts": system}]
    else:
        body["contents"] = contents.encoded(own_turns(chat.turns, ORIGIN, losses, none=target.without_reasoning))
        if system:
            body["systemInstruction"] = {"parts": system}
    if chat.tools:
        _add_tools(chat, able, losses, body)
    if config := _config(chat, able, target, losses):
        body["generationConfig"] = config
    _add_tier(chat, losses, body)
    if target.quirks != NO_QUIRKS:
        losses.drop(*quirks.apply(body, target.quirks), *quirks.apply(config, target.quirks))
    return Outgoing(long.encode(body), losses.named())


def _system(texts: tuple[Text, ...], losses: Losses) -> list[dict[str, Any]]:
    if any(text.cache for text in texts):
        losses.drop("cache_control")
    return [{"text": text.text} for text in texts if text.text]


def _add_tier(chat: Chat, losses: Losses, body: dict[str, Any]) -> None:
    if chat.service_tier in _TIERS:
        body["serviceTier"] = chat.service_tier
    elif chat.service_tier not in _NO_TIERS:
        losses.drop("service_tier")
    if chat.user is not None:
        losses.drop("user")


def _add_tools(chat: Chat, able: Traits, losses: Losses, body: dict[str, Any]) -> None:
    if chat.parallel_tools is False:
        losses.refuse(Ask.PARALLEL_OFF)
    if not all(TOOL_NAME.fullmatch(tool.name) for tool in chat.tools):
        losses.refuse("tools")
    body["tools"] = [{"functionDeclarations": [_declaration(tool, able, losses) for tool in chat.tools]}]
    strict = any(tool.strict for tool in chat.tools)
    if calling := _calling(chat.tool_choice, able, losses, strict=strict):
        body["toolConfig"] = {"functionCallingConfig": calling}


def _declaration(tool: Tool, able: Traits, losses: Losses) -> dict[str, Any]:
    made: dict[str, Any] = {"name": tool.name}
    if tool.description:
        made["description"] = tool.description
    if tool.schema is None or is_empty(tool.schema):
        return made
    if able.json_schema:
        made["parametersJsonSchema"] = tool.schema
    else:
        made["parameters"], lost = to_subset(tool.schema)
        losses.drop(*(f"schema.{keyword}" for keyword in lost))
    return made


def _calling(choice: ToolChoice | None, able: Traits, losses: Losses, *, strict: bool) -> dict[str, Any]:
    mode = _MODES[choice.mode] if choice is not None else ""
    # ANY keeps to the schemas by itself; AUTO does so only under this name.
    if strict and mode in ("", "AUTO"):
        if able.validated:
            return {"mode": "VALIDATED"}
        losses.refuse(Ask.STRICT_TOOLS)
    if not mode:
        return {}
    if choice is not None and choice.mode == "tool":
        return {"mode": mode, "allowedFunctionNames": [choice.name]}
    return {"mode": mode}


def _config(chat: Chat, able: Traits, target: Target, losses: Losses) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if chat.temperature is not None:
        config["temperature"] = _clamped(chat.temperature, 0.0, 2.0, "temperature", losses)
    for name, value in (
        ("topP", chat.top_p),
        ("topK", chat.top_k),
        ("maxOutputTokens", _most(chat, target, losses)),
        ("stopSequences", _stops(chat.stop, losses) if chat.stop else None),
        ("seed", _seed(chat.seed, losses)),
        ("presencePenalty", chat.presence_penalty),
        ("frequencyPenalty", chat.frequency_penalty),
    ):
        if value is not None:
            config[name] = value
    if chat.format is not None:
        if chat.tools and not able.json_with_tools:
            losses.refuse("response_format")
        else:
            config.update(_format(chat.format, able, losses))
    if chat.thinking is not None and (thinking := _thinking(chat.thinking, able, losses)):
        config["thinkingConfig"] = thinking
    return config


def _seed(seed: int | None, losses: Losses) -> int | None:
    if seed is None or -_INT32 <= seed < _INT32:
        return seed
    losses.drop("seed")
    return None


def _clamped(value: float, least: float, most: float, name: str, losses: Losses) -> float:
    if least <= value <= most:
        return value
    losses.drop(name)
    return min(max(value, least), most)


def _most(chat: Chat, target: Target, losses: Losses) -> int | None:
    most = chat.max_tokens
    if most is not None and target.limits.output is not None and target.limits.output < most:
        most = target.limits.output
    if target.max_tokens is not None and (most is None or target.max_tokens < most):
        most = target.max_tokens
    if most != chat.max_tokens:
        losses.drop("max_tokens")
    return most


def _stops(stop: tuple[str, ...], losses: Losses) -> tuple[str, ...]:
    if len(stop) > _MOST_STOPS:
        losses.refuse("stop")
    return stop[:_MOST_STOPS]


def _format(wanted: Format, able: Traits, losses: Losses) -> dict[str, Any]:
    made: dict[str, Any] = {"responseMimeType": "application/json"}
    if wanted.description:
        losses.drop("response_format.description")
    if wanted.schema is None:
        return made
    if able.json_schema:
        made["responseJsonSchema"] = wanted.schema
    else:
        made["responseSchema"], lost = to_subset(wanted.schema)
        losses.drop(*(f"schema.{keyword}" for keyword in lost))
    return made


# --- thinking ------------------------------------------------------------------------------------------------------


def _thinking(wanted: Thinking, able: Traits, losses: Losses) -> dict[str, Any]:
    off = wanted.budget_tokens == 0 or (wanted.budget_tokens is None and wanted.effort == "none")
    if able.budget is None:
        if not off:
            losses.drop("reasoning_effort")
        return {}
    made: dict[str, Any] = {}
    if wanted.budget_tokens is not None:
        _set_budget(made, wanted.budget_tokens, able, "thinking", losses)
    elif wanted.effort is not None:
        _set_effort(made, wanted.effort, able, losses)
    visible = not off if wanted.visible is None else wanted.visible
    if visible or wanted.visible is False:
        made["includeThoughts"] = visible
    return made


def _set_budget(made: dict[str, Any], tokens: int, able: Traits, name: str, losses: Losses) -> None:
    least, most = able.budget or (0, 0)
    if tokens == 0 and not able.can_rest and able.levels:
        made["thinkingLevel"] = able.levels[0]
        losses.drop(name)
        return
    fitting = tokens if tokens == -1 or (tokens == 0 and able.can_rest) else min(max(tokens, least), most)
    if fitting != tokens:
        losses.drop(name)
    made["thinkingBudget"] = fitting


def _set_effort(made: dict[str, Any], effort: str, able: Traits, losses: Losses) -> None:
    if not able.levels:
        most = able.budget[1] if able.budget else 0
        _set_budget(made, EFFORT_TOKENS.get(effort, most), able, "reasoning_effort", losses)
        return
    ranks = list(LEVELS.values())
    wanted = LEVELS.get(effort, ranks[0] if effort == "none" else ranks[-1])
    enough = [level for level in able.levels if ranks.index(level) >= ranks.index(wanted)]
    made["thinkingLevel"] = enough[0]
    if LEVELS.get(effort) != enough[0]:
        losses.drop("reasoning_effort")
