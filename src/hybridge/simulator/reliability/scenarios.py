"""Scenes that bring a naive breaker down, each with the bar that is held where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median

from msgspec import Struct

from hybridge.simulator.reliability.legs import DEADLY, HANGING, TIMEOUT, Failures, Span
from hybridge.simulator.reliability.play import Played, PolicyName, Run, play
from hybridge.simulator.reliability.rows import Bar, Row, row
from hybridge.simulator.reliability.tally import DEADLINE, Lost

#: Legs that are well fail so often.
WELL = Failures(0.001)
#: Each outage happens so many times by default, and the worst counts; seconds before each and after the last.
TIMES, BETWEEN = 5, 240.0
MINUTE = 60.0


class Scenario(Struct, frozen=True):
    """A scene: what is played, and what is held against it."""

    name: str
    run: Run
    bars: Callable[[Run, Played], list[Bar]]


def rows(seed: int, scenes: Sequence[Scenario]) -> Iterator[Row]:
    """A row for each of them."""
    for scenario in scenes:
        run = scenario.run
        run = Run(run.policy, run.legs, run.rate, run.seconds, f"{seed}, {scenario.name}", run.malformed)
        played = play(run)
        made = row("scenario", scenario.name, run, played)
        made.bars = scenario.bars(run, played)
        yield made


def _down(times: int, minutes: float, deadly: float, hanging: float) -> Failures:
    length = minutes * MINUTE
    starts = [BETWEEN + number * (BETWEEN + length) for number in range(times)]
    return Failures(WELL.single, tuple((start, start + length) for start in starts), deadly, hanging)


def _outage(  # noqa: PLR0913 - they are what a scene is made of
    times: int,
    name: str,
    dead: int,
    legs: int,
    minutes: float,
    rate: float,
    bars: Callable[[Run, Played], list[Bar]],
    *,
    hanging: float = 0.0,
    deadly: float = 1.0,
    policy: PolicyName = "ours",
) -> Scenario:
    """The first legs are dead again and again."""
    down = _down(times, minutes, deadly, hanging)
    seconds = down.outages[-1][1] + BETWEEN
    return Scenario(name, Run(policy, (down,) * dead + (WELL,) * (legs - dead), rate, seconds, ""), bars)


def _nobody_lost(run: Run, played: Played) -> list[Bar]:
    return [Bar("lost", len(played.tally.lost), "<=", 0)]


def _few_calls(run: Run, played: Played) -> list[Bar]:
    worst = max(count for leg in played.legs for count in leg.sent)
    return [Bar("calls to a dead leg per outage", worst, "<=", 30), *_nobody_lost(run, played)]


def _small_share(run: Run, played: Played) -> list[Bar]:
    start, end = run.legs[0].outages[0]
    worst = max(count for leg in played.legs for count in leg.sent) / (run.rate * (end - start))
    return [Bar("requests sent to a dead leg", 100 * worst, "<=", 2.0, "%"), *_nobody_lost(run, played)]


def _few_beyond_the_first(run: Run, played: Played) -> list[Bar]:
    """Before the first call has hung for its whole time, nobody can know."""
    worst = max(count for leg in played.legs for count in leg.sent) - run.rate * TIMEOUT
    return [Bar("calls to a dead leg per outage, once it can be known", worst, "<=", 30), *_nobody_lost(run, played)]


def _no_storm(run: Run, played: Played) -> list[Bar]:
    """An outage of all: it is not made worse, it is told in time and in full, and its end is noticed."""
    spans = run.legs[0].outages
    wanted = run.rate * sum(end - start for start, end in spans)
    tally = played.tally
    losses = _last_losses(tally.lost, spans)
    return [
        Bar("calls per request in the outage", sum(sum(leg.sent) for leg in played.legs) / wanted, "<=", 1.2),
        Bar("last loss after all are back, half of the outages", median(losses), "<=", 2.0, "s"),
        # A probe that comes at the end of its second may be among the slowest of first tokens.
        Bar("last loss after all are back, any outage", max(losses), "<=", 3.0, "s"),
        # No attempt begins after the deadline; the last one may hang.
        Bar("slowest end", tally.slowest, "<=", DEADLINE + TIMEOUT, "s"),
        Bar("errors without all causes", tally.unexplained, "<=", 0),
    ]


def _last_losses(lost: Sequence[Lost], spans: Sequence[Span]) -> list[float]:
    """Seconds from the end of each outage to the arrival of the last request that it still cost."""
    found = []
    for (_, end), until in zip(spans, [start for start, _ in spans[1:]] + [float("inf")], strict=True):
        found.append(max((one.came - end for one in lost if end <= one.came and one.told < until), default=0.0))
    return found


def _unmoved(run: Run, played: Played) -> list[Bar]:
    tally = played.tally
    return [
        Bar("openings", sum(tally.opened.values()), "<=", 0),
        Bar("served", 100 * tally.success, ">=", 100.0, "%"),
        Bar("malformed, told otherwise", tally.misjudged, "<=", 0),
    ]


def _malformed(times: int, share: float) -> Scenario:
    run = Run("ours", (WELL, WELL), 2.0, 4000.0 * times, "", share)
    return Scenario(f"{share:.0%} of the requests are malformed, 2/s", run, _unmoved)


def _single_failures(times: int, rate: float) -> Scenario:
    run = Run("ours", (Failures(0.005), Failures(0.005)), rate, 4000 * times / rate, "")
    return Scenario(f"two 99.5% legs, no outage, {rate:g}/s", run, _unmoved)


def scenes(times: int = TIMES) -> tuple[Scenario, ...]:
    """All of them, in order; each outage so many times, and what has no outages as much longer."""
    outage = partial(_outage, times)
    return (
        *map(partial(_malformed, times), (0.02, 0.1, 0.3)),
        *map(partial(_single_failures, times), (0.1, 1.0, 10.0)),
        outage("1 of 2 legs down 10 min, errors, 5/s", 1, 2, 10, 5, _few_calls),
        outage("1 of 3 legs down 10 min, errors, 5/s", 1, 3, 10, 5, _few_calls),
        outage("2 of 3 legs down 10 min, errors, 5/s", 2, 3, 10, 5, _few_calls),
        outage("1 of 2 legs down 10 min, hanging, 5/s", 1, 2, 10, 5, _few_beyond_the_first, hanging=1.0),
        outage("1 of 3 legs down 10 min, hanging, 5/s", 1, 3, 10, 5, _few_beyond_the_first, hanging=1.0),
        outage("1 of 2 legs down 20 min, hanging, 2/s", 1, 2, 20, 2, _small_share, hanging=1.0),
        outage("1 of 2 legs down 20 min, hanging, 20/s", 1, 2, 20, 20, _small_share, hanging=1.0),
        outage("1 of 3 legs down 20 min, hanging, 20/s", 1, 3, 20, 20, _small_share, hanging=1.0),
        outage("1 of 2 legs down 20 min, hanging, 20/s", 1, 2, 20, 20, _small_share, hanging=1.0, policy="ours+hedge"),
        outage("onset, 98% fail, 20/s", 1, 2, 5, 20, _nobody_lost, deadly=DEADLY, hanging=HANGING),
        outage("onset, half fail, 20/s", 1, 2, 5, 20, _nobody_lost, deadly=0.5, hanging=HANGING),
        outage("all 2 legs down 5 min, errors, 10/s", 2, 2, 5, 10, _no_storm),
        outage("all 3 legs down 5 min, errors, 10/s", 3, 3, 5, 10, _no_storm),
        outage("all 2 legs down 5 min, hanging, 10/s", 2, 2, 5, 10, _no_storm, hanging=1.0),
        outage("all 3 legs down 5 min, hanging, 10/s", 3, 3, 5, 10, _no_storm, hanging=1.0),
    )
