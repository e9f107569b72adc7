"""What chunks of different streams have in common: all that stands behind their envelope.

The members before `choices` name the stream. They are looked at byte by byte, so that a chunk which from `choices` on
is one that was read in full before, be it in another stream, is known to mean the same.
"""

from __future__ import annotations

import re

#: Members that say nothing about the choices: short strings of plain characters, whole numbers and nulls.
_envelope = re.compile(
    rb'data: \{(?:"(?!(?:choices|usage|error)")[a-z_]++": ?(?:"[ !#-\[\]-~]*+"|0|[1-9]\d*+|null), ?)*+"choices": ?'
).match
_PADDING, _END = b'"obfuscation":"', b'"}\n\n'
#: No longer chunk is remembered, and no more of them, in bytes and chunks.
_LONGEST = 512
_MOST = 64


def envelope_of(event: bytes) -> bytes:
    """What of an event stands before its choices, if that and nothing behind it tells streams apart; else `b""`."""
    found = _envelope(event)
    envelope = b"" if found is None else found[0]
    return envelope if envelope.find(b'"id":') > 0 and envelope.find(b'"created":') > 0 else b""


def rest_of(event: bytes, envelope: bytes) -> bytes:
    """What stands behind the envelope; `b""` if the event has none or makes no choice."""
    rest = event[len(envelope) :]
    return b"" if not envelope or rest.startswith(b"[]") else rest


def _unpadded(rest: bytes) -> bytes:
    """The rest of an event, without the padding that hides a length."""
    before, mark, padding = rest.rpartition(_PADDING)
    inside = padding.removesuffix(_END)
    return before + mark if mark and len(inside) != len(padding) and (not inside or inside.isalnum()) else rest


class Silent:
    """Events of earlier streams that say no words, each from behind its envelope on: the reason it gives to finish."""

    __slots__ = ("_reasons",)

    def __init__(self) -> None:
        self._reasons: dict[bytes, str] = {}

    def reason(self, rest: bytes) -> str | None:
        """Why a stream finishes with this, `""` if it does not; `None` if no such event is known."""
        return self._reasons.get(_unpadded(rest))

    def keep(self, rest: bytes, reason: str) -> None:
        """Remember an event that was read in full."""
        if len(rest) > _LONGEST:
            return
        if len(self._reasons) >= _MOST:
            self._reasons.clear()
        self._reasons[_unpadded(rest)] = reason
