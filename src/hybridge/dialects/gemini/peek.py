"""A look at a request that leaves its contents undecoded: what it needs, and what others may be unable to carry.

Shared by the facts (which are on the hot path) and the decoder. Media are never copied: their data are `Raw`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct, field

from hybridge.chat import Ask
from hybridge.dialects.gemini import media
from hybridge.dialects.gemini.protojson import (
    BAD_JSON,
    boolean,
    integer,
    invalid,
    members,
    objects,
    string,
    strings,
)
from hybridge.types import Needs

_NOTHING = Raw(b"")
_SAYS_NOTHING = (b"null", b"false", b"[]", b"{}", b'""')


class _Blob(Struct, gc=False):
    mime: str | None = field(name="mimeType", default=None)
    mime_snake: str | None = field(name="mime_type", default=None)
    uri: str | None = field(name="fileUri", default=None)
    uri_snake: str | None = field(name="file_uri", default=None)
    data: Raw = _NOTHING

    def media_type(self) -> str:
        return self.mime or self.mime_snake or media.type_at(self.address())

    def address(self) -> str:
        return self.uri or self.uri_snake or ""


class _Result(Struct, gc=False):
    parts: list[_Part] | _Part | None = None


class _Part(Struct, gc=False):
    inline: _Blob | None = field(name="inlineData", default=None)
    inline_snake: _Blob | None = field(name="inline_data", default=None)
    file: _Blob | None = field(name="fileData", default=None)
    file_snake: _Blob | None = field(name="file_data", default=None)
    result: _Result | None = field(name="functionResponse", default=None)
    result_snake: _Result | None = field(name="function_response", default=None)


class _Content(Struct, gc=False):
    role: str | None = None
    parts: list[_Part] | _Part | None = None


#: Text, a call: nothing that is looked at.
_OTHER_PART = _Part()
_CONTENTS = msgspec.json.Decoder(list[_Content] | _Content)

#: Members of the body that are no business of other dialects: the essence, hints, and ours or OpenRouter's own.
KNOWN = frozenset(
    "contents systemInstruction tools toolConfig generationConfig safetySettings serviceTier store labels model "
    "route models provider transforms plugins".split()
)
#: Members of `generationConfig` that have a slot in the neutral types or are hints.
KNOWN_CONFIG = frozenset(
    "temperature topP topK maxOutputTokens stopSequences seed presencePenalty frequencyPenalty responseMimeType "
    "responseSchema responseJsonSchema thinkingConfig mediaResolution candidateCount responseLogprobs logprobs "
    "responseModalities".split()
)
#: Those of them that need nothing that only some offer, whatever they say.
_SAMPLING = frozenset(
    "temperature topP topK maxOutputTokens seed presencePenalty frequencyPenalty mediaResolution".split()
)
_VISION, _TOOLS, _FILES, _REASONING = (need.value for need in (Needs.VISION, Needs.TOOLS, Needs.FILES, Needs.REASONING))
_AUDIO_INPUT, _AUDIO_OUTPUT = Needs.AUDIO_INPUT.value, Needs.AUDIO_OUTPUT.value
_JSON_SCHEMA, _JSON_OBJECT = Needs.JSON_SCHEMA.value, Needs.JSON_OBJECT.value
_WEB = frozenset(("googleSearch", "googleSearchRetrieval", "enterpriseWebSearch"))
#: Thresholds that block nothing, which is the default of current models.
#: Source: https://ai.google.dev/gemini-api/docs/safety-settings.
_HARMLESS = frozenset(("BLOCK_NONE", "OFF", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"))
_NO_LEVELS = frozenset(("", "THINKING_LEVEL_UNSPECIFIED"))


class Look(Struct):
    """What was seen. `needs` is a sum of values of `Needs`, whose own sums are made in Python.

    `unknown`: what has no slot in the neutral types, the client's name → what the router calls it. `asks` has a slot
    but not in every dialect. `media_bytes` are those of inline data.
    """

    needs: int = 0
    asks: set[str] = field(default_factory=set)
    unknown: dict[str, str] = field(default_factory=dict)
    images: int = 0
    media_bytes: int = 0


def says(raw: Raw | None) -> bool:
    """Whether a member asks for anything: not absent, null, false or empty."""
    return raw is not None and (len(memoryview(raw)) > 5 or bytes(raw) not in _SAYS_NOTHING)


def look(fields: Mapping[str, Raw], config: Mapping[str, Raw]) -> Look:
    """Look at a body and its `generationConfig`, both under camelCase names. Raises `InvalidRequest`."""
    seen = Look()
    _look_at_contents(fields.get("contents"), seen)
    if "tools" in fields or "toolConfig" in fields:
        _look_at_tools(fields, seen)
    if not _SAMPLING.issuperset(config):
        _look_at_config(config, seen)
    if not KNOWN.issuperset(fields):
        for name, raw in fields.items():
            if name not in KNOWN and says(raw):
                seen.unknown[name] = name
    if "safetySettings" in fields and not harmless(fields["safetySettings"]):
        seen.unknown["safetySettings"] = "safetySettings"
    return seen


def harmless(settings: Raw) -> bool:
    """Whether safety settings ask for nothing that current models do not do by themselves."""
    return all(
        string(setting.get("threshold"), "safetySettings") in _HARMLESS
        for setting in objects(settings, "safetySettings")
    )


def _look_at_contents(raw: Raw | None, seen: Look) -> None:
    if raw is None:
        raise invalid("contents", "is missing")
    contents = _read_contents(raw)
    for content in contents:
        for part in _listed(content.parts):
            if part != _OTHER_PART:
                _look_at_part(part, seen)
    if contents[-1].role == "model":
        seen.asks.add(Ask.PREFILL)


def _read_contents(raw: Raw) -> list[_Content]:
    try:
        contents = _CONTENTS.decode(raw)
    except BAD_JSON as exc:
        raise invalid("contents", f"is not a list of contents: {exc}") from exc
    if not contents:
        raise invalid("contents", "must not be empty")
    return contents if isinstance(contents, list) else [contents]


def _listed(parts: list[_Part] | _Part | None) -> list[_Part]:
    if isinstance(parts, list):
        return parts
    return [] if parts is None else [parts]


def _look_at_part(part: _Part, seen: Look) -> None:
    if blob := part.inline or part.inline_snake or part.file or part.file_snake:
        _look_at_media(blob, seen)
    elif result := part.result or part.result_snake:
        for inner in _listed(result.parts):
            before = seen.images
            _look_at_part(inner, seen)
            if seen.images > before:
                seen.asks.add(Ask.TOOL_IMAGES)
            else:
                seen.unknown["functionResponse.parts"] = "functionResponse.parts"


def _look_at_media(blob: _Blob, seen: Look) -> None:
    seen.media_bytes += len(memoryview(blob.data))
    kind = media.kind_of(blob.media_type())
    if kind == "image":
        seen.images += 1
        seen.needs |= _VISION
    elif kind == "audio":
        seen.needs |= _AUDIO_INPUT
    else:
        seen.needs |= _FILES
    if kind == "video":
        seen.unknown["video"] = "video"
    address = blob.address()
    if address and (kind == "audio" or not media.is_public(address)):
        seen.unknown["fileData"] = "fileData"


def _look_at_tools(fields: Mapping[str, Raw], seen: Look) -> None:
    for tool in objects(fields.get("tools"), "tools"):
        for name, raw in tool.items():
            if name == "functionDeclarations":
                if says(raw):
                    seen.needs |= _TOOLS
            else:
                seen.unknown[f"tools.{name}"] = Ask.WEB_SEARCH if name in _WEB else Ask.SERVER_TOOLS
    if "toolConfig" in fields:
        for name, raw in members(fields["toolConfig"], "toolConfig").items():
            if name != "functionCallingConfig" and says(raw):
                seen.unknown[f"toolConfig.{name}"] = f"toolConfig.{name}"


def _look_at_config(config: Mapping[str, Raw], seen: Look) -> None:
    for name, raw in config.items():
        if name not in KNOWN_CONFIG and says(raw):
            seen.unknown[f"generationConfig.{name}"] = f"generationConfig.{name}"
    _look_at_format(config, seen)
    if (integer(config.get("candidateCount"), "generationConfig.candidateCount") or 1) > 1:
        seen.unknown["generationConfig.candidateCount"] = Ask.N
    if boolean(config.get("responseLogprobs"), "generationConfig.responseLogprobs"):
        seen.unknown["generationConfig.responseLogprobs"] = Ask.LOGPROBS
    modalities = {name.upper() for name in strings(config.get("responseModalities"), "responseModalities")}
    if modalities - {"TEXT", "MODALITY_UNSPECIFIED"}:
        seen.unknown["generationConfig.responseModalities"] = Ask.MODALITIES
        if "AUDIO" in modalities:
            seen.needs |= _AUDIO_OUTPUT
    _look_at_effort(config, seen)


def _look_at_effort(config: Mapping[str, Raw], seen: Look) -> None:
    stops = len(strings(config.get("stopSequences"), "generationConfig.stopSequences"))
    if stops > 4:
        seen.asks |= {Ask.STOP_OVER_4, Ask.STOP_OVER_5} if stops > 5 else {Ask.STOP_OVER_4}
    if "thinkingConfig" in config and _thinks(members(config["thinkingConfig"], "thinkingConfig")):
        seen.needs |= _REASONING


def _look_at_format(config: Mapping[str, Raw], seen: Look) -> None:
    mime = string(config.get("responseMimeType"), "generationConfig.responseMimeType")
    if says(config.get("responseSchema")) or says(config.get("responseJsonSchema")):
        seen.needs |= _JSON_SCHEMA
    elif mime == "application/json":
        seen.needs |= _JSON_OBJECT
    if mime not in ("", "text/plain", "application/json"):
        seen.unknown["generationConfig.responseMimeType"] = "generationConfig.responseMimeType"


def _thinks(thinking: Mapping[str, Raw]) -> bool:
    place = "generationConfig.thinkingConfig"
    budget = integer(thinking.get("thinkingBudget"), f"{place}.thinkingBudget")
    if budget is not None:
        return budget != 0
    level = string(thinking.get("thinkingLevel"), f"{place}.thinkingLevel")
    shown = boolean(thinking.get("includeThoughts"), f"{place}.includeThoughts")
    return level not in _NO_LEVELS or bool(shown)
