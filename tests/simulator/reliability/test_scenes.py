"""Scenes that bring a naive breaker down, played small: each names what it is a test of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hybridge.simulator.reliability import command, scenarios, steady
from hybridge.simulator.reliability.legs import Failures
from hybridge.simulator.reliability.play import PolicyName, Run, play
from hybridge.simulator.reliability.rows import Row

#: Each outage once: the whole takes a fifth of what the command does.
SCENES = {f"{one.name}, {one.run.policy}": one for one in scenarios.scenes(1)}


@pytest.mark.parametrize("name", SCENES)
def test_every_bar_is_held(name: str) -> None:
    (row,) = scenarios.rows(1, [SCENES[name]])
    assert row.bars
    assert row.missed == []


def legs(dead: Sequence[Failures], count: int) -> tuple[Failures, ...]:
    return (*dead, *[scenarios.WELL] * (count - len(dead)))


@pytest.mark.parametrize("policy", ["ours", "ours+hedge"])
@pytest.mark.parametrize("hanging", [0.0, 0.15, 1.0])
def test_the_onset_of_an_outage_at_a_high_rate_loses_nobody(policy: PolicyName, hanging: float) -> None:
    dead = Failures(0.001, ((30.0, 330.0),), 1.0, hanging)
    played = play(Run(policy, legs([dead], 2), 20.0, 400.0, "onset"))
    assert played.tally.lost == []
    # Those that are under way before the first one has timed out, and the probes.
    assert played.legs[0].sent[0] <= 20 * 10 * hanging + 60


def test_hedges_do_not_hide_an_outage_from_the_breaker() -> None:
    """Each probe of a leg that hangs is outrun by its hedge; if it said nothing, the next would go out at once."""
    dead = Failures(0.0, ((60.0, 1260.0),), 1.0, 1.0)
    hedged, plain = (play(Run(name, legs([dead], 2), 5.0, 1300.0, "hedges")) for name in ("ours+hedge", "ours"))
    assert hedged.legs[0].sent[0] <= plain.legs[0].sent[0] + 20


def test_the_policies_beside_ours_fail_as_they_should() -> None:
    dead = Failures(0.0, ((0.0, 200.0),), 1.0, 1.0)
    single = play(Run("single", (dead, dead), 1.0, 100.0, "plain"))
    assert (single.tally.success, single.calls_per_request, len(single.legs)) == (0.0, 1.0, 2)
    fallback = play(Run("fallback", (dead, dead, Failures()), 1.0, 100.0, "plain", malformed=0.5))
    assert (fallback.tally.success, fallback.tally.misjudged) == (1.0, 0)
    assert fallback.tally.quantiles(0.5)[0] > 20.0
    assert fallback.tally.refused + fallback.tally.wanted == fallback.tally.requests
    assert fallback.calls_per_request == 3.0
    lost = play(Run("fallback", (dead, dead), 1.0, 80.0, "plain"))
    assert ({one.code for one in lost.tally.lost}, lost.tally.unexplained) == ({"all_deployments_failed"}, 0)


def test_the_same_seed_gives_the_same_rows() -> None:
    def rows(seed: int) -> list[Row]:
        return [*steady.rows(1000.0, seed), *scenarios.rows(seed, scenarios.scenes(1)[:1])]

    first = rows(5)
    assert rows(5) == first
    other = rows(6)
    assert [row.name for row in other] == [row.name for row in first]
    assert all(one.p99 != two.p99 for one, two in zip(first, other, strict=True))
    assert {row.seed for row in first} <= {f"5, {row.name}" for row in first}


def test_days_of_imperfect_legs() -> None:
    rows = list(steady.rows(10_000.0, 3))
    assert len(rows) + len(SCENES) == command.COUNT
    by_case = {(row.name, row.policy, row.legs): row for row in rows}
    assert len(by_case) == len(rows)
    for row in rows:
        if row.policy.startswith("ours"):
            # How much the slowest add is a matter of more requests than these.
            assert [bar for bar in row.missed if not bar.what.startswith("p99")] == []
        else:
            assert row.bars == []
    single, ours, hedged = (by_case["99.5% legs, single failures", *case] for case in _CASES)
    assert 0.99 < single.success < 0.998
    assert ours.success == hedged.success == 1.0
    assert ours.calls_per_request == pytest.approx(1.005, abs=0.002)
    assert hedged.p999 < 0.75 * ours.p999
    assert hedged.calls_per_request <= 1.03


_CASES: tuple[tuple[PolicyName, int], ...] = (("single", 1), ("ours", 2), ("ours+hedge", 2))
