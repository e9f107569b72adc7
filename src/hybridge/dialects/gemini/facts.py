"""The facts of a request, read without decoding its contents."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec
from msgspec import Raw

from hybridge.dialects.gemini.peek import look
from hybridge.dialects.gemini.protojson import BAD_JSON, integer, members, named, string
from hybridge.errors import InvalidRequest
from hybridge.types import Facts, Needs

_BODY = msgspec.json.Decoder(dict[str, Raw])
#: Sums of needs, made once each.
_needs = cache(Needs)
_STREAMING = Needs.STREAMING.value
_ASKS_NOTHING: frozenset[str] = frozenset()
_COUNTED = "generateContentRequest"


def read_facts(body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
    """The facts of a request to generate, or to count tokens (whose request may stand inside the body).

    Raises `InvalidRequest` where the body is no JSON object or says something that cannot be understood.
    """
    try:
        fields = _BODY.decode(body)
    except BAD_JSON as exc:
        raise InvalidRequest(f"the body is not a JSON object: {exc}") from exc
    known = named(fields)
    if _COUNTED in known:
        fields = known = members(known[_COUNTED], _COUNTED)
    config = read_config(known)
    seen = look(known, config)
    needs, most = seen.needs, config.get("maxOutputTokens")
    return Facts(
        model=model_name(model, known),
        stream=bool(stream),
        fields=fields,
        needs=_needs(needs | _STREAMING if stream else needs),
        asks=frozenset((*seen.asks, *seen.unknown.values())) if seen.asks or seen.unknown else _ASKS_NOTHING,
        max_tokens=None if most is None else integer(most, "generationConfig.maxOutputTokens"),
        include_usage=True,
        input_bytes=len(body) - seen.media_bytes,
        images=seen.images,
    )


def read_config(fields: Mapping[str, Raw]) -> dict[str, Raw]:
    """The members of `generationConfig`, none if it is absent."""
    raw = fields.get("generationConfig")
    return {} if raw is None else members(raw, "generationConfig")


def model_name(model: str | None, fields: Mapping[str, Raw]) -> str:
    """The model of the path, else of the body, without `models/` in front. Raises `InvalidRequest` if nobody says."""
    name = (model or string(fields.get("model"), "model")).removeprefix("models/")
    if not name:
        raise InvalidRequest("model is missing", param="model")
    return name
