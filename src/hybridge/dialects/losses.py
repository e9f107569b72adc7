"""What a request loses on its way into another dialect: named, or refused."""

from __future__ import annotations

from hybridge.errors import CannotCarry


class Losses:
    """Collects names for `x-hybridge-dropped`, and those of what must not be lost without leave."""

    def __init__(self, *, drop_unsupported: bool) -> None:
        self._drop_unsupported = drop_unsupported
        self._dropped: dict[str, None] = {}
        self._refused: dict[str, None] = {}

    def drop(self, *names: str) -> None:
        """These hints are left out or adapted."""
        if names:
            self._dropped.update(dict.fromkeys(names))

    def refuse(self, *names: str) -> None:
        """These cannot be carried: they are dropped only where the caller allows it."""
        if names:
            (self._dropped if self._drop_unsupported else self._refused).update(dict.fromkeys(names))

    def named(self) -> tuple[str, ...]:
        """All names. Raises `CannotCarry` if there is one that must not be lost."""
        if self._refused:
            raise CannotCarry(tuple(self._refused))
        return tuple(self._dropped)
