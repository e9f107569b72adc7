"""A request of this dialect on its way to a provider of the same: changed only where it must be."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from hybridge.dialects import quirks
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.foreign import LOST
from hybridge.dialects.gemini import protojson as pj
from hybridge.dialects.gemini.models import NO_SIGNATURE, traits
from hybridge.dialects.gemini.signatures import SEALED
from hybridge.types import NO_QUIRKS, Facts

_encode = msgspec.json.Encoder().encode
_calls = re.compile(rb'"function(?:Call|_call)"').search
_EMPTY = Raw(b'""')
_NO_SIGNATURE = Raw(_encode(NO_SIGNATURE))

Part = dict[str, Raw]


def adapt(facts: Facts, target: Target) -> Outgoing:
    """The same request: only what PRODUCT.md section 5 allows is changed. The model stands in the path."""
    fields: dict[str, Any] = facts.fields.copy()
    fields.pop("model", None)
    if not target.strip.isdisjoint(fields):
        for name in target.strip:
            fields.pop(name, None)
    dropped: list[str] = []
    clamped = target.max_tokens is not None and (facts.max_tokens or target.max_tokens + 1) > target.max_tokens
    if clamped or target.quirks != NO_QUIRKS:
        dropped += _adapt_config(fields, target, clamped=clamped)
        dropped += quirks.apply(fields, target.quirks)
    if "contents" in fields and _settle_thoughts(fields, target):
        dropped.append(LOST)
    return Outgoing(_encode(fields), tuple(dict.fromkeys(dropped)) if dropped else ())


def _adapt_config(fields: dict[str, Any], target: Target, *, clamped: bool) -> list[str]:
    place = next((name for name in fields if pj.camel(name) == "generationConfig"), "generationConfig")
    raw = fields.get(place)
    config: dict[str, Any] = {} if raw is None else pj.named(msgspec.json.decode(raw, type=dict[str, Raw]))
    dropped = list(quirks.apply(config, target.quirks))
    if clamped:
        config["maxOutputTokens"] = target.max_tokens
        dropped.append("max_tokens")
    if dropped:
        fields[place] = config
    return dropped


# --- signatures ----------------------------------------------------------------------------------------------------


def _settle_thoughts(fields: dict[str, Any], target: Target) -> bool:
    """Leave out what another maker's model thought, and give calls the signature that they lack; whether that was."""
    contents = bytes(fields["contents"])
    demands = traits(target.model, target.name).signatures and _calls(contents) is not None
    if not (demands or target.without_reasoning or SEALED in contents):
        return False
    changed = False
    made: list[dict[str, Any]] = []
    for content in pj.objects(fields["contents"], "contents"):
        if pj.string(content.get("role"), "contents.role") != "model":
            made.append(content)
            continue
        given = pj.objects(content.get("parts"), "contents.parts")
        settled = _settled(given, demands, target.without_reasoning)
        changed = changed or settled != given
        if settled:
            made.append({**content, "parts": settled})
    if changed:
        fields["contents"] = made
    return changed


def _settled(parts: list[Part], demands: bool, without_reasoning: bool) -> list[Part]:
    """The parts of one content of the model. The first call is the one that must be signed."""
    settled: list[Part] = []
    called = False
    for part in parts:
        signature = pj.string(part.get("thoughtSignature"), "thoughtSignature")
        thought = pj.boolean(part.get("thought"), "thought")
        foreign = signature.encode().startswith(SEALED) or (without_reasoning and bool(signature))
        if "functionCall" in part:
            settled.append(_call(part, bool(signature) and not foreign, demands and not called))
            called = True
        elif (thought and without_reasoning) or (foreign and (thought or part.get("text") == _EMPTY)):
            continue
        else:
            settled.append(_unsigned(part) if foreign else part)
    return settled


def _call(part: Part, signed: bool, wanted: bool) -> Part:
    if signed:
        return part
    unsigned = _unsigned(part)
    return {**unsigned, "thoughtSignature": _NO_SIGNATURE} if wanted else unsigned


def _unsigned(part: Part) -> Part:
    return {name: value for name, value in part.items() if name != "thoughtSignature"}
