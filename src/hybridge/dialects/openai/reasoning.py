"""Reasoning on the wire: `reasoning_content`, `reasoning`, and OpenRouter's `reasoning_details`.

Source: https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from hybridge.chat import Reasoning, ReasoningDelta
from hybridge.dialects.codec import Target
from hybridge.dialects.foreign import begins_bare
from hybridge.dialects.makers import NO_THINKING, WANT_THOUGHTS, maker_of

#: What a block says of its maker. Others' formats are told by their maker's name.
_FORMATS = {
    "anthropic": "anthropic-claude-v1",
    "gemini": "google-gemini-v1",
    "openai": "openai-responses-v1",
    "xai": "xai-responses-v1",
    "minimax": "MiniMax-response-v1",
}
#: They tell no thoughts, but a summary of them.
_SUMMARISING = ("openai", "xai")
#: Stands between the id of a hidden thought and the thought, which are read together only.
_ID_END = "#"
#: Members that say how much to think.
_EFFORTS = ("reasoning_effort", "thinking_budget", "enable_thinking")


class Detail(Struct):
    """One entry of `reasoning_details`; in a stream, a piece of one."""

    type: str | None = None
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


def origin_of(detail: Detail) -> str:
    """The maker of a block's model, empty if nobody knows.

    OpenAI's SDK strings the texts of a stream's pieces together, so a format may come back many times over.
    """
    return maker_of(detail.format or "")


def _hidden(detail: Detail, origin: str) -> str:
    data = detail.data or ""
    # Claude's hidden thoughts have no id that matters, and go to Claude by other ways too.
    return f"{detail.id}{_ID_END}{data}" if data and detail.id and origin in _SUMMARISING else data


def parts_of(details: Sequence[Detail] | None, text: str) -> tuple[Reasoning, ...]:
    """The blocks of a message: its details, with pieces of one index joined, else its plain text."""
    blocks = _joined(details or ())
    if text and not any(block.text for block in blocks):
        for at, block in enumerate(blocks):
            if block.signature:
                blocks[at] = Reasoning(text, block.signature, block.data, block.origin)
                break
        else:
            blocks.insert(0, Reasoning(text))
    return tuple(blocks)


def _joined(details: Iterable[Detail]) -> list[Reasoning]:
    blocks: list[Reasoning] = []
    last: tuple[int, bool] | None = None
    for detail in details:
        key = None if detail.index is None else (detail.index, bool(detail.data))
        origin = origin_of(detail)
        text = detail.text or detail.summary or ""
        piece = Reasoning(text, detail.signature or "", _hidden(detail, origin), origin)
        if key is not None and key == last and not piece.data:
            was = blocks[-1]
            blocks[-1] = Reasoning(
                was.text + piece.text, piece.signature or was.signature, was.data, piece.origin or was.origin
            )
        elif piece.text or piece.signature or piece.data:
            blocks.append(piece)
            last = key
    return blocks


def deltas_of(details: Sequence[Detail] | None, text: str) -> list[ReasoningDelta]:
    """The events of one chunk; its plain text counts only where no detail repeats it."""
    deltas = [
        ReasoningDelta(
            detail.text or detail.summary or "",
            detail.signature or "",
            _hidden(detail, origin_of(detail)),
            origin_of(detail),
            detail.index or 0,
        )
        for detail in details or ()
        if detail.text or detail.summary or detail.signature or detail.data
    ]
    if text and not any(delta.text for delta in deltas):
        deltas.insert(0, ReasoningDelta(text, block=deltas[0].block if deltas else 0))
    return deltas


def detail_of(block: Reasoning | ReasoningDelta, index: int) -> dict[str, Any]:
    """A block, or a piece of one, as an entry of `reasoning_details`."""
    if block.data:
        told_id, _, data = block.data.partition(_ID_END)
        known = bool(told_id and data) and block.origin in _SUMMARISING
        detail: dict[str, Any] = {"type": "reasoning.encrypted", "data": data if known else block.data}
        if known:
            detail["id"] = told_id
    elif block.origin in _SUMMARISING:
        detail = {"type": "reasoning.summary", "summary": block.text}
    else:
        detail = {"type": "reasoning.text", "text": block.text} if block.text else {"type": "reasoning.text"}
    if block.data and block.text:
        detail["text"] = block.text
    if block.signature:
        detail["signature"] = block.signature
    if block.origin:
        detail["format"] = _FORMATS.get(block.origin, block.origin)
    detail["index"] = index
    return detail


def message_fields(blocks: Sequence[Reasoning]) -> dict[str, Any]:
    """The members of an assistant message that tell its reasoning; none if there is none."""
    if not blocks:
        return {}
    text = "".join(block.text for block in blocks)
    details = [detail_of(block, index) for index, block in enumerate(blocks)]
    return {"reasoning_content": text, "reasoning_details": details} if text else {"reasoning_details": details}


def stop_thinking(fields: dict[str, Any], maker: str, target: Target) -> tuple[str, ...]:
    """Tell a model not to think that would refuse to, without the thoughts it had. Gives the names of what changed.

    A gateway has one word for all; some models refuse to be told, but they do not demand their thoughts either.
    """
    if "reasoning" in target.quirks.own_fields and maker in (*WANT_THOUGHTS, "anthropic"):
        lost = [name for name in ("reasoning_effort", "reasoning") if fields.pop(name, None) is not None]
        fields["reasoning"] = {"enabled": False}
    elif maker in WANT_THOUGHTS:
        # Moonshot refuses to be told twice how much to think.
        lost = [name for name in (*_EFFORTS, "thinking") if fields.pop(name, None) is not None]
        fields["thinking"] = NO_THINKING
    else:
        return ()
    return tuple(lost) or ("thinking",)


def lacks_thoughts(messages: Sequence[Mapping[str, Any]], maker: str, target: Target) -> bool:
    """Whether a model that demands the thoughts of its calls back is given calls without them."""
    own = target.quirks.own_fields
    if maker == "anthropic" and "reasoning_details" in own:
        return begins_bare(map(_kinds, messages))
    if maker not in WANT_THOUGHTS or not {"reasoning_content", "reasoning_details"}.intersection(own):
        return False
    return any("tool_calls" in message and "reasoning_content" not in message for message in messages)


def _kinds(message: Mapping[str, Any]) -> tuple[str, list[str]]:
    if message["role"] == "tool":
        return "user", ["tool_result"]
    thoughts = ["thinking"] if "reasoning_details" in message else []
    return message["role"], [*thoughts, *(["tool_use"] if "tool_calls" in message else [])]
