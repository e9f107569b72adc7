"""How a process of the data plane stands, as its operator is told it, and how several processes' become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from hybridge.observers.health import Window
from hybridge.providers.probe import Probed
from hybridge.resilience.breakers import BreakerState
from hybridge.resilience.keys import KeyState

#: From the best to the worst.
_STATES = ("closed", "half_open", "open")


class Standing(Struct, frozen=True):
    """One process: what is under way, ledger entries that wait to be written, breakers, keys by provider, and what
    each deployment did lately and probes of providers showed."""

    pid: int
    in_flight: int = 0
    draining: bool = False
    pending_rows: int = 0
    breakers: tuple[BreakerState, ...] = ()
    keys: Mapping[str, tuple[KeyState, ...]] = {}
    windows: tuple[Window, ...] = ()
    probes: tuple[Probed, ...] = ()


def worst_breakers(workers: Iterable[Standing]) -> dict[str, BreakerState]:
    """By id, as it stands where it stands worst."""
    found: dict[str, BreakerState] = {}
    for worker in workers:
        for one in worker.breakers:
            known = found.get(one.id)
            if known is None or _badness(known) < _badness(one):
                found[one.id] = one
    return found


def worst_key(workers: Sequence[Standing], provider: str, key_id: str) -> KeyState:
    """A key as it stands where it stands worst; well where nobody knows it. It rests as long as anywhere."""
    known = [key for worker in workers for key in worker.keys.get(provider, ()) if key.id == key_id]
    refused = [key.refused_s for key in known if key.refused_s is not None]
    resting: dict[str, float] = {}
    for key in known:
        for place, left in key.resting.items():
            resting[place] = max(left, resting.get(place, 0.0))
    return KeyState(key_id, max(refused, default=None), resting)


def latest_probes(workers: Iterable[Standing]) -> dict[tuple[str, str], Probed]:
    """The latest probe by provider and key: one process makes them, and which one it is may change."""
    found: dict[tuple[str, str], Probed] = {}
    for worker in workers:
        for one in worker.probes:
            known = found.get((one.provider, one.key))
            if known is None or known.at_us < one.at_us:
                found[one.provider, one.key] = one
    return found


def _badness(one: BreakerState) -> tuple[int, int]:
    return _STATES.index(one.state), one.failures
