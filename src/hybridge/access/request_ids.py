"""Request ids that prove themselves: any worker tells a forged or a foreign one without a look-up."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

_SHAPE = re.compile(r"req_([0-9a-f]{32})([0-9a-f]{12})")
#: A UUIDv7 is 48 bits of milliseconds and these 80: version, 12 at random, variant, 62 at random.
_RANDOM_BYTES = 10
_AT_ONCE = 100
_FIXED = int.from_bytes((0b1111 << 76 | 0b11 << 62).to_bytes(_RANDOM_BYTES, "big") * _AT_ONCE, "big")
_VERSION_7_AND_VARIANT = int.from_bytes((0x7 << 76 | 0b10 << 62).to_bytes(_RANDOM_BYTES, "big") * _AT_ONCE, "big")
#: A bit above the milliseconds, so that they are always written with twelve digits.
_ABOVE = 1 << 48


class RequestIds:
    """Makes and checks ids: `req_` + UUIDv7 (32 hex) + 12 hex of a keyed BLAKE2b over it and the virtual key's id."""

    def __init__(
        self,
        secret: bytes,
        *,
        now_us: Callable[[], int],
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._mac = blake2b(key=secret[:64], digest_size=6)
        self._now_us = now_us
        self._entropy = entropy
        self._tails: list[str] = []
        self._milliseconds = -1
        self._time = ""

    def make(self, key_id: str, now_us: int | None = None) -> str:
        """A new id for a request of that virtual key; `now_us` for whoever has just looked at the clock."""
        milliseconds = (self._now_us() if now_us is None else now_us) // 1000
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._time = hex(_ABOVE | milliseconds)[3:]
        text = self._time + (self._tails or self._drawn()).pop()
        # As `_seal` does.
        mac = self._mac.copy()
        mac.update((text + key_id).encode())
        return f"req_{text}{mac.hexdigest()}"

    def _drawn(self) -> list[str]:
        """The last 20 digits of the next ids. The kernel is asked once for many: that costs as much as for one."""
        random = int.from_bytes(self._entropy(_RANDOM_BYTES * _AT_ONCE), "big")
        octets = (random & ~_FIXED | _VERSION_7_AND_VARIANT).to_bytes(_RANDOM_BYTES * _AT_ONCE, "big")
        self._tails = octets.hex(" ", _RANDOM_BYTES).split(" ")
        return self._tails

    def is_ours(self, request_id: str, key_id: str) -> bool:
        """Whether this gateway made the id, for that virtual key."""
        found = _SHAPE.fullmatch(request_id)
        return found is not None and compare_digest(found[2], self._seal(found[1], key_id))

    def _seal(self, text: str, key_id: str) -> str:
        mac = self._mac.copy()
        mac.update((text + key_id).encode())
        return mac.hexdigest()
