"""What operators hold: breakers that are open or closed because somebody said so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

#: So many may be held at a time.
MOST = 1000


class Held(Struct, frozen=True):
    """A breaker that is held: of a deployment (`provider/model`), or of a provider.

    `until` is UTC in seconds, `None` for good; `reason` is in a few words.
    """

    id: str
    state: Literal["open", "closed"]
    until: float | None = None
    reason: str = ""


class Holds:
    """All that are held now. It is the whole list that travels, so that whoever missed one word is right again at the
    next. `now` is UTC in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by_id: dict[str, Held] = {}

    def __repr__(self) -> str:
        return f"<Holds {len(self._by_id)}>"

    def all(self) -> tuple[Held, ...]:
        """Those whose time is not over, in the order of their beginning."""
        now = self._now()
        self._by_id = {name: one for name, one in self._by_id.items() if one.until is None or now < one.until}
        return tuple(self._by_id.values())

    def hold(self, held: Held) -> tuple[str, ...]:
        """Hold a breaker; the problems with it."""
        known = {one.id for one in self.all()}
        if len(known) >= MOST and held.id not in known:
            return (f"{MOST} breakers are held already: let some of them go first",)
        self._by_id[held.id] = held
        return ()

    def let_go(self, breaker_id: str) -> None:
        """Leave a breaker to itself."""
        self._by_id.pop(breaker_id, None)
