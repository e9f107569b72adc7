"""What gets lost between a chat and a provider: named, or refused."""

from __future__ import annotations

from hybridge.errors import CannotCarry


class Losses:
    """Names of what was dropped or adapted, and of what cannot be carried."""

    def __init__(self, drop_unsupported: bool) -> None:
        self._drop_unsupported = drop_unsupported
        self._dropped: dict[str, None] = {}
        self._refused: dict[str, None] = {}

    def drop(self, *names: str) -> None:
        """A hint is left out or adapted."""
        self._dropped.update(dict.fromkeys(names))

    def refuse(self, *names: str) -> None:
        """Something essential cannot be carried: it is dropped only if the client allowed that."""
        (self._dropped if self._drop_unsupported else self._refused).update(dict.fromkeys(names))

    def settle(self) -> tuple[str, ...]:
        """The names of what was dropped. Raises `CannotCarry` if anything was refused."""
        if self._refused:
            raise CannotCarry(tuple(self._refused))
        return tuple(self._dropped)
