"""Usage between the wire and disjoint buckets.

`input_tokens` leaves out what was read from or written to the cache; `output_tokens` counts thinking in.
Source: https://platform.claude.com/docs/en/api/messages and https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Raw, Struct

from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.money import NANO, Usage
from hybridge.types import NO_QUIRKS, Quirks


class _CacheCreation(Struct, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class _Counts(Struct, gc=False):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


_decode_counts = msgspec.json.Decoder(_Counts).decode
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class Meter:
    """Hears every usage of one answer: later ones are cumulative and may leave members out, so the last word counts."""

    _heard = False
    _input = _read = _written = _written_1h = _output = _thinking = 0
    _reported: int | None = None

    def __init__(self, quirks: Quirks = NO_QUIRKS) -> None:
        self._quirks = quirks

    def hear(self, raw: Raw, *, output: bool = True) -> None:
        """A `usage` object; anything else is passed over. `output` is false where that number is a placeholder."""
        try:
            counts = _decode_counts(raw)
        except UNREADABLE:
            return
        self._heard = True
        if counts.input_tokens is not None:
            self._input = counts.input_tokens
        if output and counts.output_tokens is not None:
            self._output = counts.output_tokens
        if counts.cache_read_input_tokens is not None:
            self._read = counts.cache_read_input_tokens
        if counts.cache_creation_input_tokens is not None or counts.cache_creation is not None:
            self._hear_written(counts.cache_creation_input_tokens, counts.cache_creation)
        if counts.output_tokens_details is not None and counts.output_tokens_details.thinking_tokens is not None:
            self._thinking = counts.output_tokens_details.thinking_tokens
        if self._quirks.cost_path:
            self._reported = reported_nano_usd(raw, self._quirks)

    def _hear_written(self, total: int | None, created: _CacheCreation | None) -> None:
        if created is not None:
            self._written_1h = created.ephemeral_1h_input_tokens or 0
            total = max(total or 0, self._written_1h + (created.ephemeral_5m_input_tokens or 0))
        if total is not None:
            self._written = max(total, self._written_1h)

    @property
    def usage(self) -> Usage | None:
        """What was heard so far, in disjoint buckets; `None` before the first word."""
        if not self._heard:
            return None
        written_1h, output = self._written_1h, self._output
        thinking = self._thinking if self._thinking < output else output
        return Usage(
            self._input,
            self._read,
            self._written - written_1h,
            written_1h,
            output - thinking,
            thinking,
            reported_nano_usd=self._reported,
        )


def reported_nano_usd(raw: Raw, quirks: Quirks) -> int | None:
    """The bill at `quirks.cost_path` inside a `usage` object; `None` if there is none."""
    try:
        for name in quirks.cost_path.split("."):
            raw = _MEMBERS.decode(raw)[name]
        bill = Decimal(bytes(raw).decode().strip('"'))
    except (*UNREADABLE, KeyError, InvalidOperation):
        return None
    return round(bill * NANO / quirks.cost_units_per_usd) if bill.is_finite() else None


def usage_members(usage: Usage) -> dict[str, object]:
    """The `usage` object of an answer."""
    members: dict[str, object] = {
        "input_tokens": usage.input + usage.audio_input + usage.image,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning:
        members["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return members
