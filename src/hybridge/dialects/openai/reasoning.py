"""Reasoning on the wire: `reasoning_content`, `reasoning`, and OpenRouter's `reasoning_details`.

Source: https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from hybridge.chat import Reasoning, ReasoningDelta

#: Who made a block, by the `format` it carries. What is not here keeps its format as its origin.
_ORIGINS = {
    "anthropic-claude-v1": "anthropic",
    "google-gemini-v1": "gemini",
    "openai-responses-v1": "openai",
    "unknown": "",
}
_FORMATS = {origin: name for name, origin in _ORIGINS.items() if origin}


class Detail(Struct):
    """One entry of `reasoning_details`; in a stream, a piece of one."""

    type: str | None = None
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    index: int | None = None


def origin_of(detail: Detail) -> str:
    """The dialect that made a block, or the name of a format that is none of ours.

    OpenAI's SDK strings the texts of a stream's pieces together, so a format may come back many times over.
    """
    form = detail.format or ""
    if form in _ORIGINS:
        return _ORIGINS[form]
    return next((origin for name, origin in _ORIGINS.items() if form and not form.replace(name, "")), form)


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
        piece = Reasoning(
            detail.text or detail.summary or "", detail.signature or "", detail.data or "", origin_of(detail)
        )
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
            detail.data or "",
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
    detail: dict[str, Any] = {"type": "reasoning.encrypted" if block.data else "reasoning.text"}
    if block.text:
        detail["text"] = block.text
    if block.data:
        detail["data"] = block.data
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
