"""Request ids that prove themselves: any worker tells a forged or a foreign one without a look-up."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

_SHAPE = re.compile(r"req_([0-9a-f]{32})([0-9a-f]{12})")
_RANDOM_BYTES = 10
_AT_ONCE = 100
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


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
        self._drawn = b""
        self._used = 0

    def make(self, key_id: str) -> str:
        """A new id for a request of that virtual key."""
        if self._used == len(self._drawn):
            # The kernel is asked once for many: that costs as much as for one.
            self._drawn, self._used = self._entropy(_RANDOM_BYTES * _AT_ONCE), 0
        random = int.from_bytes(self._drawn[self._used : self._used + _RANDOM_BYTES], "big")
        self._used += _RANDOM_BYTES
        milliseconds = self._now_us() // 1000
        number = milliseconds << 80 | _VERSION_7 | (random >> 68) << 64 | _VARIANT | random & (1 << 62) - 1
        text = f"{number:032x}"
        return f"req_{text}{self._seal(text, key_id)}"

    def is_ours(self, request_id: str, key_id: str) -> bool:
        """Whether this gateway made the id, for that virtual key."""
        found = _SHAPE.fullmatch(request_id)
        return found is not None and compare_digest(found[2], self._seal(found[1], key_id))

    def _seal(self, text: str, key_id: str) -> str:
        mac = self._mac.copy()
        mac.update(f"{text}{key_id}".encode())
        return mac.hexdigest()
