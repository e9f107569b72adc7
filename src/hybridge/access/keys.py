"""Virtual keys: who is asking, and which models they may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from hybridge.errors import InvalidApiKey


class VirtualKey(Struct, frozen=True):
    """A key that Hybridge gave out. `models` are the names it may ask for; `None` means all."""

    id: str
    models: frozenset[str] | None = None


#: Whoever comes without a known key while access is open.
OPEN = VirtualKey("open")


def fingerprint(secret: str) -> bytes:
    """What is kept of a secret."""
    return blake2b(secret.encode(), digest_size=32).digest()


class _Shown(dict[str, VirtualKey]):
    """Keys by the secrets that callers have shown. The secrets are the operator's own, so there are no more of them."""

    def __repr__(self) -> str:
        return f"<{len(self)} shown>"


class Keys:
    """The virtual keys of this gateway, found by fingerprint; those that have been found once, at once."""

    def __init__(self, mode: Literal["open", "keys"], keys: Iterable[tuple[str, VirtualKey]] = ()) -> None:
        self._mode = mode
        self._keys = {fingerprint(secret): key for secret, key in keys}
        self._shown = _Shown()
        #: Whether it matters at all what secret a caller has.
        self.matter = bool(self._keys) or mode == "keys"

    def admit(self, secret: str | None) -> VirtualKey:
        """The key behind a secret. Raises `InvalidApiKey` where access needs one and this is none.

        In `open` mode a known key is honoured with its limits and anything else counts as `open`.
        """
        if secret and self._keys:
            found = self._shown.get(secret)
            if found is not None:
                return found
            found = self._keys.get(fingerprint(secret))
            if found is not None:
                self._shown[secret] = found
                return found
        if self._mode == "open":
            return OPEN
        if secret:
            raise InvalidApiKey("this key is not known here; ask the operator of this gateway for one")
        raise InvalidApiKey("no key; send one as `Authorization: Bearer KEY`, `x-api-key` or `x-goog-api-key`")

    def __repr__(self) -> str:
        return f"<Keys {self._mode}, {len(self._keys)} known>"
