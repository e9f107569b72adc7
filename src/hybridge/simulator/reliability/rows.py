"""A row of the results: figures of one run, and the bars that they are held against."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hybridge.simulator.reliability.play import Played, PolicyName, Run


class Bar(Struct, frozen=True):
    """A figure, and what it must be at most or at least."""

    what: str
    figure: float
    sign: Literal["<=", ">="]
    bar: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it is held."""
        return self.figure <= self.bar if self.sign == "<=" else self.figure >= self.bar


class Row(Struct, kw_only=True):
    """One run. `success` is a share of the requests that were not at fault themselves; `p50`, `p99` and `p999` are
    seconds to the first token of those that were served; `opened` counts openings of breakers."""

    part: Literal["steady", "scenario"]
    name: str
    policy: PolicyName
    legs: int
    seed: str
    requests: int
    success: float
    lost: int
    p50: float
    p99: float
    p999: float
    slowest: float
    calls_per_request: float
    opened: int
    bars: list[Bar] = []

    @property
    def missed(self) -> list[Bar]:
        """The bars that are not held."""
        return [bar for bar in self.bars if not bar.met]


def row(part: Literal["steady", "scenario"], name: str, run: Run, played: Played) -> Row:
    """The figures of a run, so far without bars."""
    tally = played.tally
    p50, p99, p999 = tally.quantiles(0.5, 0.99, 0.999)
    return Row(
        part=part,
        name=name,
        policy=run.policy,
        legs=1 if run.policy == "single" else len(run.legs),
        seed=run.seed,
        requests=tally.requests,
        success=tally.success,
        lost=len(tally.lost),
        p50=p50,
        p99=p99,
        p999=p999,
        slowest=tally.slowest,
        calls_per_request=played.calls_per_request,
        opened=sum(tally.opened.values()),
    )
