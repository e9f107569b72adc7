"""A request of this dialect on its way to a provider of the same: changed only where it must be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hybridge.dialects import quirks
from hybridge.dialects.anthropic.marks import ORIGIN, is_claudes, is_marked, proves_nothing
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.foreign import LOST, begins_bare
from hybridge.dialects.makers import NO_THINKING, WANT_THOUGHTS, maker_of
from hybridge.types import NO_QUIRKS, Facts

_encode = msgspec.json.Encoder().encode
_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_text = msgspec.json.Decoder(str | None).decode
_MARKED = re.compile(rb'"hybridge')
#: What Claude never signed: our marks, or what others write in the place of a signature.
_NOT_CLAUDES = re.compile(rb'"hybridge|"signature"\s*:\s*"(?:[0-9a-fA-F-]{32,64})?"')
#: An edit of the context that the API takes only while the model thinks.
_CLEARS_THINKING = "clear_thinking"
#: The member that holds the proof of each kind of thought.
_PROOFS = {b'"thinking"': "signature", b'"redacted_thinking"': "data"}
_EMPTY = Raw(b'""')

Block = dict[str, Raw]


class _Type(Struct):
    type: str = ""


_typed = msgspec.json.Decoder(_Type | None).decode
_types = msgspec.json.Decoder(list[_Type]).decode


def adapt(facts: Facts, target: Target) -> Outgoing:
    """A request of this dialect: another model's name, members not for this provider left out, a clamp, quirks.

    Reasoning that is sure not to be of the model's maker is left out; towards others than Claude its words stay.
    """
    fields: dict[str, Any] = facts.fields.copy()
    if not target.strip.isdisjoint(fields):
        for name in target.strip:
            fields.pop(name, None)
    fields["model"] = target.model
    dropped: list[str] = []
    if target.max_tokens is not None and (facts.max_tokens is None or facts.max_tokens > target.max_tokens):
        fields["max_tokens"] = target.max_tokens
        dropped.append("max_tokens")
    if facts.thoughts or target.without_reasoning:
        dropped += _without_foreign(fields, target)
    if target.quirks != NO_QUIRKS:
        dropped += quirks.apply(fields, target.quirks)
    return Outgoing(_encode(fields), tuple(dict.fromkeys(dropped)) if dropped else ())


def _without_foreign(fields: dict[str, Any], target: Target) -> list[str]:
    maker = maker_of(target.model, target.name)
    if not target.without_reasoning and maker in ("", ORIGIN):
        pattern = _NOT_CLAUDES if maker else _MARKED
        if pattern.search(fields["messages"]) is None:
            return []
    messages: list[dict[str, Any]] = []
    lost: dict[str, None] = {}
    for message in _objects(fields["messages"]):
        content = bytes(message.get("content", Raw()))
        if content.startswith(b"[") and b"thinking" in content:
            blocks = _objects(content)
            kept = [left for block in blocks if (left := _left(block, maker, target)) is not None]
            if kept != blocks:
                lost[LOST] = None
                if kept:
                    messages.append({**message, "content": Raw(_encode(kept))})
                continue
        messages.append(message)
    if lost or target.without_reasoning:
        fields["messages"] = messages
        lost |= _rest(fields, maker, target)
    return list(lost)


def _left(block: Block, maker: str, target: Target) -> Block | None:
    """What of a block may go to a model of this maker; `None` for nothing."""
    member = _PROOFS.get(bytes(block.get("type", Raw())))
    if member is None:
        return block
    if target.without_reasoning:
        return None
    proof = msgspec.json.decode(block.get(member, b"null")) or ""
    if not isinstance(proof, str) or not _is_foreign(proof, member, maker):
        return block
    words = member == "signature" and maker not in ("", ORIGIN) and block.get("thinking", _EMPTY) != _EMPTY
    return {**block, "signature": _EMPTY} if words else None


def _is_foreign(proof: str, member: str, maker: str) -> bool:
    if is_marked(proof):
        return True
    if maker == ORIGIN:
        return member == "signature" and proves_nothing(proof)
    return bool(maker) and is_claudes(proof)


def _rest(fields: dict[str, Any], maker: str, target: Target) -> dict[str, None]:
    """Tell a model not to think where it would refuse to, now that a thought that it wants back is gone."""
    wanted = _typed(fields.get("thinking", b"null"))
    stop = wanted is not None and wanted.type == "enabled" and begins_bare(_kinds(fields["messages"]))
    if not stop and not (maker in WANT_THOUGHTS and target.without_reasoning):
        return {}
    fields["thinking"] = NO_THINKING
    lost: dict[str, None] = {"thinking": None}
    context = fields.get("context_management")
    if context is not None and _CLEARS_THINKING.encode() in bytes(context):
        fields["context_management"] = _without_clearing(context)
        lost["context_management"] = None
    return lost


def _without_clearing(context: Raw) -> Any:
    found = msgspec.json.decode(context)
    edits = found.get("edits") if isinstance(found, dict) else None
    if isinstance(edits, list):
        found["edits"] = [edit for edit in edits if not str(edit).count(_CLEARS_THINKING)]
    return found


def _kinds(messages: list[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    for message in messages:
        content = bytes(message.get("content", Raw()))
        types = _types(content) if content.startswith(b"[") else []
        yield _text(message.get("role", b"null")) or "", [one.type for one in types]
