"""A neutral `Chat` as a body for a provider of this dialect.

Source: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hybridge.chat import Ask, Chat, Effort, Format, Thinking, Tool, ToolChoice
from hybridge.dialects import quirks
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.losses import Losses
from hybridge.dialects.makers import maker_of
from hybridge.dialects.openai import family
from hybridge.dialects.openai.out_messages import Writer
from hybridge.dialects.openai.out_tools import NAME, call_name
from hybridge.dialects.openai.reasoning import lacks_thoughts, stop_thinking
from hybridge.types import Bounds

#: What a request of another dialect may ask that this one can say.
CARRIES = frozenset({Ask.PARALLEL_OFF, Ask.STRICT_TOOLS, Ask.TOOL_IMAGES})

_encoder = msgspec.json.Encoder()
_TEMPERATURE = Bounds(min=0, max=2)
_TOP_P = Bounds(min=0, max=1)
_PENALTY = Bounds(min=-2, max=2)
_BUDGETS: tuple[tuple[int, Effort], ...] = ((0, "none"), (2048, "low"), (8192, "medium"))
_TIERS = frozenset(("default", "flex", "scale", "priority"))
_MODES = {"auto": "auto", "none": "none", "any": "required"}


def encode_request(chat: Chat, target: Target) -> Outgoing:
    """The body. Raises `CannotCarry` with the names of what has no form here, unless `drop_unsupported`."""
    losses = Losses(drop_unsupported=target.drop_unsupported)
    losses.drop(*chat.hints)
    losses.refuse(*chat.unknown)
    fields: dict[str, Any] = {"model": target.model, "messages": Writer(losses, target).write(chat)}
    if chat.tools:
        _tools(fields, chat, losses)
    if chat.format is not None:
        _format(fields, chat.format)
    _limit(fields, chat, target, losses)
    _sampling(fields, chat, losses)
    if chat.thinking is not None:
        _thinking(fields, chat.thinking, target, losses)
    if chat.stop:
        _stop(fields, chat.stop, losses)
    _hints(fields, chat, target, losses)
    if family.reasons(target.name, target.model):
        _for_reasoning(fields, losses)
    maker = maker_of(target.model, target.name)
    if target.without_reasoning or lacks_thoughts(fields["messages"], maker, target):
        losses.drop(*stop_thinking(fields, maker, target))
    if target.stream:
        fields["stream"] = True
        fields["stream_options"] = {"include_usage": True}
    losses.drop(*quirks.apply(fields, target.quirks))
    return Outgoing(_encoder.encode(fields), losses.named())


def _tools(fields: dict[str, Any], chat: Chat, losses: Losses) -> None:
    tools = []
    for tool in chat.tools:
        if NAME.fullmatch(tool.name):
            tools.append(_tool(tool))
        else:
            losses.refuse("tools.name")
    if not tools:
        return
    fields["tools"] = tools
    if chat.tool_choice is not None:
        fields["tool_choice"] = _choice(chat.tool_choice)
    if chat.parallel_tools is not None:
        fields["parallel_tool_calls"] = chat.parallel_tools


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return _MODES[choice.mode]


def _format(fields: dict[str, Any], form: Format) -> None:
    if form.kind == "json_object":
        fields["response_format"] = {"type": "json_object"}
        return
    schema: dict[str, Any] = {"name": call_name(form.name or "response")}
    if form.description:
        schema["description"] = form.description
    if form.schema is not None:
        schema["schema"] = form.schema
    if form.strict is not None:
        schema["strict"] = form.strict
    fields["response_format"] = {"type": "json_schema", "json_schema": schema}


def _limit(fields: dict[str, Any], chat: Chat, target: Target, losses: Losses) -> None:
    limit = chat.max_tokens
    for bound in (target.max_tokens, target.limits.output if limit is not None else None):
        if bound is not None and (limit is None or limit > bound):
            limit = bound
            losses.drop("max_tokens")
    if limit is not None:
        fields[limit_name(target)] = limit


def limit_name(target: Target) -> str:
    """The member that bounds the output: reasoning models refuse `max_tokens`, older ones know no other."""
    return "max_completion_tokens" if family.reasons(target.name, target.model) else "max_tokens"


def _sampling(fields: dict[str, Any], chat: Chat, losses: Losses) -> None:
    for name, value, bounds in (
        ("temperature", chat.temperature, _TEMPERATURE),
        ("top_p", chat.top_p, _TOP_P),
        ("presence_penalty", chat.presence_penalty, _PENALTY),
        ("frequency_penalty", chat.frequency_penalty, _PENALTY),
    ):
        if value is None:
            continue
        fields[name] = quirks.clamp(value, bounds)
        if fields[name] != value:
            losses.drop(name)


def _thinking(fields: dict[str, Any], thinking: Thinking, target: Target, losses: Losses) -> None:
    if "reasoning" in target.quirks.own_fields:
        fields["reasoning"] = _gateway_reasoning(thinking)
        return
    effort = thinking.effort or _effort_of(thinking.budget_tokens)
    if thinking.effort is None and effort not in (None, "none"):
        losses.drop("thinking")
    if effort == "none":
        _no_thinking(fields, target, losses)
    elif effort is not None:
        fields["reasoning_effort"] = effort


def _no_thinking(fields: dict[str, Any], target: Target, losses: Losses) -> None:
    # Only a model that reasons by itself must be told not to; others refuse the member.
    if family.reasons(target.name, target.model):
        fields["reasoning_effort"] = family.least_effort(target.name, target.model)
        if fields["reasoning_effort"] == "low":
            losses.drop("thinking")


def _effort_of(budget: int | None) -> Effort | None:
    if budget is None or budget < 0:
        return None
    return next((effort for bound, effort in _BUDGETS if budget <= bound), "high")


def _gateway_reasoning(thinking: Thinking) -> dict[str, Any]:
    reasoning: dict[str, Any] = {}
    if thinking.effort is not None:
        reasoning["effort"] = thinking.effort
    elif thinking.budget_tokens == 0:
        reasoning["enabled"] = False
    elif thinking.budget_tokens is not None and thinking.budget_tokens > 0:
        reasoning["max_tokens"] = thinking.budget_tokens
    else:
        reasoning["enabled"] = True
    if thinking.visible is not None:
        reasoning["exclude"] = not thinking.visible
    return reasoning


def _stop(fields: dict[str, Any], stop: Sequence[str], losses: Losses) -> None:
    if len(stop) > 4:
        losses.refuse(Ask.STOP_OVER_4)
    fields["stop"] = list(stop[:4])


def _hints(fields: dict[str, Any], chat: Chat, target: Target, losses: Losses) -> None:
    if chat.seed is not None:
        fields["seed"] = chat.seed
    if chat.user is not None:
        fields["user"] = chat.user
    if chat.top_k is not None:
        if "top_k" in target.quirks.own_fields:
            fields["top_k"] = chat.top_k
        else:
            losses.drop("top_k")
    tier = chat.service_tier
    if tier in _TIERS:
        fields["service_tier"] = tier
    elif tier not in (None, "auto"):
        losses.drop("service_tier")


def _for_reasoning(fields: dict[str, Any], losses: Losses) -> None:
    for name, default in (("temperature", 1), ("top_p", 1), ("presence_penalty", 0), ("frequency_penalty", 0)):
        if fields.pop(name, default) != default:
            losses.drop(name)
    if fields.pop("stop", None):
        losses.refuse("stop")
