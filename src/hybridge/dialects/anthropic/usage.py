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


def usage_of(raw: Raw, quirks: Quirks = NO_QUIRKS) -> Usage | None:
    """A `usage` object in disjoint buckets; `None` for anything else."""
    try:
        counts = _decode_counts(raw)
    except UNREADABLE:
        return None
    return _usage(counts, reported_nano_usd(raw, quirks) if quirks.cost_path else None)


def _usage(counts: _Counts, reported: int | None) -> Usage:
    written, written_1h = max(0, counts.cache_creation_input_tokens or 0), 0
    if (created := counts.cache_creation) is not None:
        written_1h = max(0, created.ephemeral_1h_input_tokens or 0)
        written = max(written, written_1h + (created.ephemeral_5m_input_tokens or 0))
    output, thinking = max(0, counts.output_tokens or 0), 0
    if counts.output_tokens_details is not None:
        thinking = min(max(0, counts.output_tokens_details.thinking_tokens or 0), output)
    return Usage(
        max(0, counts.input_tokens or 0),
        max(0, counts.cache_read_input_tokens or 0),
        written - written_1h,
        written_1h,
        output - thinking,
        thinking,
        reported_nano_usd=reported,
    )


class Meter:
    """Hears every usage of one answer: later ones are cumulative and may leave members out, so the last word counts."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._counts: _Counts | None = None
        self._reported: int | None = None

    def hear(self, raw: Raw, *, output: bool = True) -> None:
        """A `usage` object; anything else is passed over. `output` is false where that number is a placeholder."""
        try:
            counts = _decode_counts(raw)
        except UNREADABLE:
            return
        if not output:
            counts.output_tokens = None
        if self._counts is None:
            self._counts = counts
        else:
            _update(self._counts, counts)
        if self._quirks.cost_path:
            self._reported = reported_nano_usd(raw, self._quirks)

    @property
    def usage(self) -> Usage | None:
        """What was heard so far; `None` before the first word."""
        return None if self._counts is None else _usage(self._counts, self._reported)


def _update(held: _Counts, now: _Counts) -> None:
    if now.input_tokens is not None:
        held.input_tokens = now.input_tokens
    if now.cache_read_input_tokens is not None:
        held.cache_read_input_tokens = now.cache_read_input_tokens
    if now.output_tokens is not None:
        held.output_tokens = now.output_tokens
    if now.output_tokens_details is not None and now.output_tokens_details.thinking_tokens is not None:
        held.output_tokens_details = now.output_tokens_details
    if now.cache_creation is not None:
        held.cache_creation = now.cache_creation
        held.cache_creation_input_tokens = now.cache_creation_input_tokens
    elif now.cache_creation_input_tokens is not None:
        held.cache_creation_input_tokens = now.cache_creation_input_tokens
        if held.cache_creation is not None:
            # A sum that comes alone says anew what was written for five minutes.
            held.cache_creation.ephemeral_5m_input_tokens = None


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
