"""The keys of one provider: taken in turn, resting after a 429, set aside after a 401."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b

from msgspec import Struct

#: Seconds a rate-limited key rests where the provider does not say: doubling from the first to the last.
FIRST_REST = 1.0
LONGEST_REST = 30.0
#: A provider's own word is believed up to here, so that one odd header cannot silence a key for ever.
LONGEST_TOLD_REST = 3600.0
#: Seconds after which a refused key is tried again, doubling up to the second figure.
FIRST_ASIDE = 600.0
LONGEST_ASIDE = 21600.0
#: So many rests are kept before those that are over are forgotten; clients make up places, so there is a bound.
MOST_RESTS = 1024
#: While one call tries a refused key again, the others leave it alone for so many seconds.
TRIAL = 30.0


def fingerprint(secret: str) -> str:
    """The id of a key: eight hex digits that tell keys apart and betray nothing; `none` where there is no key."""
    return blake2b(secret.encode(), digest_size=4).hexdigest() if secret else "none"


class Key(Struct, frozen=True):
    """A provider's key; `id` may be logged, `secret` never is. An empty secret means that none is sent."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"<Key {self.id}>"


class KeyState(Struct, frozen=True):
    """One key as an operator sees it, by its fingerprint. Times are in seconds from now.

    `refused_s` is until a refused key is tried again, `None` where it was not refused; `resting` by place.
    """

    id: str
    refused_s: float | None = None
    resting: dict[str, float] = {}


class _Rest(Struct):
    until: float
    length: float


class KeyPool:
    """Round robin over the keys that are well.

    A rest after a 429 holds for one `place` (the provider's name of a model), because vendors limit keys by model
    (https://platform.openai.com/docs/guides/rate-limits, https://docs.anthropic.com/en/api/rate-limits);
    a refusal holds for the key as a whole. `clock` gives monotonic seconds.
    """

    def __init__(self, secrets: Sequence[str], clock: Callable[[], float]) -> None:
        keys = {secret: Key(fingerprint(secret), secret) for secret in secrets}
        self.keys = tuple(keys.values())
        self._clock = clock
        self._turn = 0
        self._resting: dict[tuple[str, str], _Rest] = {}
        self._aside: dict[str, _Rest] = {}
        self._most_rests = MOST_RESTS

    def adopt(self, before: KeyPool) -> None:
        """Go on with what another pool of the same provider knows of the keys that are in both."""
        ids = {key.id for key in self.keys}
        self._resting.update((name, rest) for name, rest in before._resting.items() if name[0] in ids)
        self._aside.update((name, rest) for name, rest in before._aside.items() if name in ids)

    def take(self, place: str = "", exclude: Collection[str] = (), within: float = 0.0) -> Key | None:
        """The next key that is well there in `within` seconds and whose id is not excluded, if there is one."""
        keys, turn = self.keys, self._turn
        count = len(keys)
        if count and not (self._resting or self._aside or exclude):
            self._turn = (turn + 1) % count
            return keys[turn]
        now = self._clock()
        for step in range(count):
            key = keys[(turn + step) % count]
            if key.id not in exclude and self._wait(key.id, place, now) <= within:
                self._turn = (turn + step + 1) % count
                if key.id in self._aside:
                    self._aside[key.id].until = now + within + TRIAL
                return key
        return None

    def _wait(self, key_id: str, place: str, now: float) -> float:
        until = now
        for rest in (self._resting.get((key_id, place)), self._aside.get(key_id)):
            if rest is not None and rest.until > until:
                until = rest.until
        return until - now

    def rest(self, key_id: str, place: str = "", seconds: float | None = None) -> None:
        """Leave a key alone there for `seconds`; where nobody says how long, longer from time to time."""
        now = self._clock()
        before = self._resting.get((key_id, place))
        length = before.length if before else 0.0
        if seconds is None:
            # A volley of calls that were under way together is one offence, not many.
            if before is not None and before.until > now:
                return
            length = min(2 * length, LONGEST_REST) or FIRST_REST
            seconds = length
        until = now + min(max(seconds, 0.0), LONGEST_TOLD_REST)
        self._resting[key_id, place] = _Rest(max(until, before.until if before else 0.0), length)
        if len(self._resting) > self._most_rests:
            self._resting = {name: rest for name, rest in self._resting.items() if rest.until > now}
            self._most_rests = max(MOST_RESTS, 2 * len(self._resting))

    def set_aside(self, key_id: str) -> None:
        """The provider refused the key: one call tries it again after ten minutes, then ever more rarely."""
        now = self._clock()
        before = self._aside.get(key_id)
        if before is None:
            self._aside[key_id] = _Rest(now + FIRST_ASIDE, FIRST_ASIDE)
        elif before.until - now <= TRIAL:
            length = min(2 * before.length, LONGEST_ASIDE)
            self._aside[key_id] = _Rest(now + length, length)

    def worked(self, key_id: str, place: str = "") -> None:
        """A call with the key succeeded there: its past is forgotten, a rest under way is not."""
        if not (self._resting or self._aside):
            return
        self._aside.pop(key_id, None)
        rest = self._resting.get((key_id, place))
        if rest is not None and rest.until <= self._clock():
            del self._resting[key_id, place]

    @property
    def all_refused(self) -> bool:
        """Whether the provider refused every key when it was last used."""
        return all(key.id in self._aside for key in self.keys)

    def soonest(self, place: str = "", exclude: Collection[str] = ()) -> float | None:
        """Seconds until a key is well there, 0 if one is; `None` if all are excluded or there is none."""
        if not (self._resting or self._aside or exclude):
            return 0.0 if self.keys else None
        now = self._clock()
        return min((self._wait(key.id, place, now) for key in self.keys if key.id not in exclude), default=None)

    def states(self) -> list[KeyState]:
        """All keys, in their order."""
        now = self._clock()
        resting: dict[str, dict[str, float]] = {}
        for (key_id, place), rest in self._resting.items():
            if rest.until > now:
                resting.setdefault(key_id, {})[place] = rest.until - now
        aside = {key_id: max(0.0, rest.until - now) for key_id, rest in self._aside.items()}
        return [KeyState(key.id, aside.get(key.id), resting.get(key.id, {})) for key in self.keys]

    def __repr__(self) -> str:
        now = self._clock()
        resting = len({key for (key, _), rest in self._resting.items() if rest.until > now})
        return f"<KeyPool {len(self.keys)} keys, {resting} resting, {len(self._aside)} set aside>"
