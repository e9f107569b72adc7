"""How much the model should think, in the words of the model that is asked.

Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking and …/adaptive-thinking, …/effort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridge.chat import Chat, Effort, Thinking
from hybridge.dialects.anthropic.models import Traits
from hybridge.dialects.foreign import begins_bare
from hybridge.dialects.losses import Losses

#: The smallest budget that the API takes; it must also be less than `max_tokens`.
LEAST_BUDGET = 1024
_LEVELS: tuple[Effort, ...] = ("minimal", "low", "medium", "high", "xhigh", "max")
#: The part of `max_tokens` that an effort may think for on models that know budgets only.
#: Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens.
_SHARES: dict[Effort, float] = {
    "minimal": 0.1,
    "low": 0.2,
    "medium": 0.5,
    "high": 0.8,
    "xhigh": 0.95,
    "max": 0.95,
}


def thinking_members(chat: Chat, traits: Traits, fields: Mapping[str, Any], losses: Losses) -> dict[str, Any]:
    """`thinking` and `output_config.effort`, as far as this model takes them; `fields` has `max_tokens`, `messages`."""
    wanted = chat.thinking
    if wanted is None:
        return {}
    name = "reasoning_effort" if wanted.effort else "reasoning"
    if wanted.effort == "none" or wanted.budget_tokens == 0:
        # Models that only think adaptively do so when asked; some of them refuse to be told not to.
        return {"thinking": {"type": "disabled"}} if traits.budget else {}
    if wanted.effort is None and wanted.budget_tokens is None:
        return {}
    if not (traits.budget or traits.adaptive) or _is_forced(chat) or _is_prefilled(chat):
        losses.refuse(name)
        return {}
    return _adaptive(wanted, traits, name, losses) or _budget(wanted, traits, fields, losses)


def _is_forced(chat: Chat) -> bool:
    return bool(chat.tools) and chat.tool_choice is not None and chat.tool_choice.mode in ("any", "tool")


def _is_prefilled(chat: Chat) -> bool:
    return bool(chat.turns) and chat.turns[-1].role == "assistant"


def _adaptive(wanted: Thinking, traits: Traits, name: str, losses: Losses) -> dict[str, Any]:
    exact = wanted.budget_tokens is not None and wanted.budget_tokens > 0
    if not traits.adaptive or (exact and traits.budget):
        return {}
    if exact:
        losses.drop(name)
    members = {"thinking": _shown({"type": "adaptive"}, wanted)}
    return members | _effort(wanted, traits, losses)


def _effort(wanted: Thinking, traits: Traits, losses: Losses) -> dict[str, Any]:
    if not wanted.effort or not traits.efforts:
        return {}
    rank = _LEVELS.index(wanted.effort)
    effort = max(
        (known for known in traits.efforts if _LEVELS.index(known) <= rank),
        key=_LEVELS.index,
        default=traits.efforts[0],
    )
    if effort != wanted.effort:
        losses.drop("reasoning_effort")
    return {"output_config": {"effort": effort}}


def _budget(wanted: Thinking, traits: Traits, fields: Mapping[str, Any], losses: Losses) -> dict[str, Any]:
    name = "reasoning_effort" if wanted.effort else "reasoning"
    max_tokens: int = fields["max_tokens"]
    if max_tokens <= LEAST_BUDGET or begins_bare(map(_kinds, fields["messages"])):
        losses.drop(name)
        return {}
    exact = wanted.budget_tokens or 0
    if exact > 0:
        tokens = min(max(exact, LEAST_BUDGET), max_tokens - 1)
        if tokens != exact:
            losses.drop(name)
    else:
        tokens = max(LEAST_BUDGET, int(max_tokens * _SHARES[wanted.effort or "medium"]))
    return {"thinking": _shown({"type": "enabled", "budget_tokens": tokens}, wanted)} | _effort(wanted, traits, losses)


def _shown(thinking: dict[str, Any], wanted: Thinking) -> dict[str, Any]:
    if wanted.visible is not None:
        thinking["display"] = "summarized" if wanted.visible else "omitted"
    return thinking


def _kinds(message: Mapping[str, Any]) -> tuple[str, list[str]]:
    return message["role"], [block["type"] for block in message["content"]]


def lacks_thoughts(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is a call without a thought before it, in any turn."""
    return any("tool_use" in kinds and "thinking" not in kinds for _, kinds in map(_kinds, messages))
