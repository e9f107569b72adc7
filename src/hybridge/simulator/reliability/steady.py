"""Days of imperfect legs: single failures and outages, of each leg's own and of all at once."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from hybridge.simulator.reliability.legs import DEADLY, Failures, Span, merged, outages
from hybridge.simulator.reliability.play import Played, PolicyName, Run, play
from hybridge.simulator.reliability.rows import Bar, Row, row

#: Requests come at this rate a second.
RATE = 1.0
#: Where legs fail in bursts, this part of their failures is single ones.
SINGLE = 0.3
#: Seconds after a common outage in which a loss is still its doing.
RECOVERY = 2.0


class Weather(Struct, frozen=True):
    """How legs fail: the share of the calls, whether in bursts, and the share of the outages that hits all at once."""

    down: float
    bursts: bool = False
    common: float = 0.0

    @property
    def name(self) -> str:
        """In words."""
        kind = "single failures"
        if self.bursts:
            kind = f"outages, {self.common:.0%} in common" if self.common else "outages, independent"
        return f"{1 - self.down:.1%} legs, {kind}"


_SINGLE, _BURSTS, _COMMON = Weather(0.005), Weather(0.005, True), Weather(0.005, True, 0.2)
_SINGLE_999, _BURSTS_999 = Weather(0.001), Weather(0.001, True)
_ALL: tuple[tuple[PolicyName, int], ...] = (("single", 1), ("fallback", 2), ("ours", 2), ("ours+hedge", 2))
_THREE: tuple[tuple[PolicyName, int], ...] = (("ours", 3), ("ours+hedge", 3))
_FEW: tuple[tuple[PolicyName, int], ...] = (("single", 1), ("ours", 2), ("ours+hedge", 2))

#: What is asked of which weather, one row each, in order.
CASES = tuple(
    (weather, policy, legs)
    for weather, cases in (
        (_SINGLE, _ALL),
        (_BURSTS, _ALL + _THREE),
        (_COMMON, _ALL + _THREE),
        (_SINGLE_999, _FEW),
        (_BURSTS_999, _FEW),
    )
    for policy, legs in cases
)


def rows(seconds: float, seed: int) -> Iterator[Row]:
    """A row for each case, each so many seconds long; all of one weather have the same legs and the same requests."""
    before: dict[tuple[Weather, PolicyName, int], Row] = {}
    for weather, policy, count in CASES:
        shared = f"{seed}, {weather.name}"
        common = _outages(weather, weather.common, seconds, f"{shared}, all legs")
        legs = tuple(_leg(weather, common, seconds, f"{shared}, leg {place}") for place in range(count))
        run = Run(policy, legs, RATE, seconds, shared)
        played = play(run)
        made = before[weather, policy, count] = row("steady", weather.name, run, played)
        if policy.startswith("ours"):
            made.bars = _bars(made, before[weather, "single", 1], before[weather, "ours", count], weather)
            if weather.common:
                made.bars.insert(0, _outside(played, common))
        yield made


def _leg(weather: Weather, common: list[Span], seconds: float, seed: str) -> Failures:
    own = _outages(weather, 1 - weather.common, seconds, seed)
    return Failures(weather.down * (SINGLE if weather.bursts else 1), merged(common + own))


def _outages(weather: Weather, share: float, seconds: float, seed: str) -> list[Span]:
    down = weather.down * (1 - SINGLE) / DEADLY if weather.bursts else 0.0
    return outages(share * down, seconds, Random(seed))


def _bars(made: Row, single: Row, ours: Row, weather: Weather) -> list[Bar]:
    bars = [] if weather.common else [Bar("served", 100 * made.success, ">=", 99.99, "%")]
    bars.append(Bar("p99 over a single leg's", made.p99 - single.p99, "<=", 0.05, "s"))
    if made.policy == "ours+hedge":
        bars.append(Bar("p99.9 / p50", made.p999 / made.p50, "<=", 5.0))
        more = 100 * (made.calls_per_request / ours.calls_per_request - 1)
        bars.append(Bar("more calls by hedging", more, "<=", 2.0, "%"))
    return bars


def _outside(played: Played, common: list[Span]) -> Bar:
    """Whoever is asked, nobody answers in an outage of all: what counts is who is lost besides."""
    tally = played.tally
    lost = [
        one for one in tally.lost if not any(one.told >= start and one.came <= end + RECOVERY for start, end in common)
    ]
    return Bar("served, common outages left out", 100 * (1 - len(lost) / tally.wanted), ">=", 99.99, "%")
