"""What another maker's model may see of a conversation's reasoning: its words at most, never a proof of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from hybridge.chat import Part, Reasoning, ToolCall, Turn
from hybridge.dialects.losses import Losses

#: The name of what is left out, or turned into words, for `x-hybridge-dropped`.
LOST = "reasoning"


def own_turns(turns: tuple[Turn, ...], maker: str, losses: Losses, *, none: bool = False) -> tuple[Turn, ...]:
    """The turns for a model of `maker`: its own reasoning as it was, of others' the words, without an origin.

    With `none` all reasoning goes.
    """
    return tuple([_own(turn, maker, losses, none) if _thought(turn) else turn for turn in turns])


def _thought(turn: Turn) -> bool:
    if turn.role == "assistant":
        for part in turn.parts:
            # A Struct's class is asked in vain at some cost.
            if type(part) is Reasoning or (type(part) is ToolCall and part.signature):
                return True
    return False


def _own(turn: Turn, maker: str, losses: Losses, none: bool) -> Turn:
    kept: list[Part] = []
    for part in turn.parts:
        if isinstance(part, Reasoning):
            kept += _thoughts(part, maker, losses, none)
        elif isinstance(part, ToolCall) and part.signature and (none or part.origin != maker):
            losses.drop(LOST)
            kept.append(replace(part, signature="", origin=""))
        else:
            kept.append(part)
    return Turn(turn.role, tuple(kept))


def _thoughts(part: Reasoning, maker: str, losses: Losses, none: bool) -> Iterator[Reasoning]:
    if none:
        losses.drop(LOST)
    elif part.origin == maker:
        yield part
    else:
        if part.signature or part.data:
            losses.drop(LOST)
        if part.text:
            yield Reasoning(part.text)


def begins_bare(messages: Iterable[tuple[str, Sequence[str]]]) -> bool:
    """Whether the round of calls that is not over began without a thought: Claude then refuses to think by a budget.

    `messages` are pairs of a role and the types of its blocks, in Anthropic's words.
    Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking#toggling-thinking-modes-in-conversations.
    """
    first: Sequence[str] = ()
    for role, kinds in reversed(list(messages)):
        if role == "assistant" and "tool_use" in kinds:
            first = kinds
        elif role == "assistant" or (role == "user" and "tool_result" not in kinds):
            break
    return bool(first) and first[0] not in ("thinking", "redacted_thinking")
