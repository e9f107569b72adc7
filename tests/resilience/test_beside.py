"""Hedges: a second call while the first is open."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hybridge.errors import (
    Broken,
    CannotCarry,
    ConnectFailed,
    ContextOverflow,
    KeyRefused,
    ProviderError,
    RateLimited,
    Rejected,
    Silent,
)
from hybridge.resilience.keys import fingerprint
from hybridge.resilience.retry import Retries, Step, Walk

from .world import World, deployment

A, B, C = deployment("a"), deployment("b"), deployment("c")
DOWN = Broken("down", status=503)


def given(step: Step | None) -> Step:
    assert step is not None
    return step


def test_a_hedge_goes_to_another_provider() -> None:
    sister = deployment("sister", provider=A.provider)
    world = World(A, sister, B)
    walk = world.walk()
    first = given(walk.next())
    hedge = given(walk.beside(first))
    assert (hedge.deployment, hedge.delay, hedge.number) == (B, 0.0, 2)
    assert walk.beside(first) is None
    walk.succeeded(hedge)
    walk.released(first)
    assert repr(walk) == "<Walk 2 steps, 0 failed, 0 open>"
    assert [world.breakers.gate(each.id).calls for each in (A, B)] == [0, 0]
    assert [world.breakers[each.id].failed for each in (A, B)] == [0, 0]


def test_a_probe_that_is_outrun_has_failed() -> None:
    """If another one went out at once, a deployment that hangs would take all hedges for the time of its outage."""
    world = World(A, B)
    world.open(A)
    world.clock.now += 75
    walk = world.walk()
    probe = given(walk.next())
    assert (probe.deployment, world.breakers[A.id].state) == (A, "half_open")
    world.clock.now += 2
    hedge = given(walk.beside(probe))
    walk.outrun(probe)
    walk.succeeded(hedge)
    breaker = world.breakers[A.id]
    assert (breaker.state, breaker.why) == ("open", "3 failures in a row, last: a copy was faster")
    assert breaker.retry_in > 90
    assert given(world.walk().next()).deployment is B
    assert world.breakers.gate(A.id).calls == 0


def test_who_is_outrun_while_all_is_well_has_not_failed() -> None:
    world = World(A, B)
    walk = world.walk()
    first = given(walk.next())
    walk.succeeded(given(walk.beside(first)))
    walk.outrun(first)
    walk.outrun(first)
    assert (world.breakers[A.id].failed, world.breakers[A.provider].failed) == (0, 0)
    assert world.breakers.gate(A.id).calls == 0


def test_the_first_may_still_win() -> None:
    walk = World(A, B).walk()
    first = given(walk.next())
    hedge = given(walk.beside(first))
    walk.failed(hedge, DOWN)
    assert walk.beside(first) is None, "who was asked is asked no more beside another"
    walk.succeeded(first)
    assert repr(walk) == "<Walk 2 steps, 1 failed, 0 open>"


def test_both_may_fail_and_the_walk_goes_on() -> None:
    walk = World(A, B, C).walk()
    first = given(walk.next())
    hedge = given(walk.beside(first))
    walk.failed(first, DOWN)
    walk.failed(hedge, DOWN)
    assert given(walk.next()).deployment is C


def test_a_hedge_stands_beside_an_open_step_only() -> None:
    world = World(A, B)
    walk = world.walk()
    first = given(walk.next())
    walk.failed(first, DOWN)
    assert walk.beside(first) is None
    assert world.walk().beside(first) is None, "nothing was asked for yet"


@pytest.mark.parametrize("retries", [Retries(per_request=1), Retries(deadline=3.0)])
def test_a_hedge_is_a_call_like_any_other(retries: Retries) -> None:
    world = World(A, B, retries=retries)
    walk = world.walk()
    first = given(walk.next())
    world.clock.now += 3.0
    assert walk.beside(first) is None


def test_a_hedge_is_no_probe() -> None:
    world = World(A, B, C)
    world.open(B)
    world.clock.now += 72
    walk = world.walk()
    assert given(walk.beside(given(walk.next()))).deployment is C
    assert world.breakers[B.id].admit(), "its probe is still to be had"


def test_a_hedge_is_no_last_resort() -> None:
    world = World(A, B)
    world.open(B)
    world.clock.now += 2
    walk = world.walk()
    assert walk.beside(given(walk.next())) is None


def test_a_hedge_needs_a_key_that_is_well() -> None:
    world = World(A, B, C)
    world.pools[B.provider].rest(fingerprint("one"), "b", 50.0)
    walk = world.walk()
    assert given(walk.beside(given(walk.next()))).deployment is C


def test_a_hedge_is_the_first_fallback_and_what_comes_after_it_is_paid_for() -> None:
    world = World(A, B, C)
    while world.breakers.gate(C.id).pay():
        pass
    walk = world.walk()
    first = given(walk.next())
    hedge = given(walk.beside(first))
    walk.failed(hedge, DOWN)
    walk.failed(first, ConnectFailed("refused"))
    assert given(walk.next()).deployment is not C
    assert walk.skipped[C.id] == "retries"


ERRORS = st.sampled_from(
    [
        DOWN,
        Silent("silent"),
        ConnectFailed("refused"),
        RateLimited("slow down", status=429),
        RateLimited("slow down", status=429, retry_after=2.0),
        KeyRefused("bad key", status=401),
        Rejected("bad", status=400),
        ContextOverflow("too long", status=400),
        CannotCarry(["n"]),
    ]
)


class WalkMachine(RuleBasedStateMachine):
    """Walks over one world whose steps are open together and end in any order, once, twice, or late."""

    @initialize(attempts=st.integers(1, 3), per_request=st.integers(1, 6), keys=st.integers(1, 2))
    def begin(self, attempts: int, per_request: int, keys: int) -> None:
        plan = [deployment(f"m{number}", provider=f"p{number // 2}") for number in range(5)]
        retries = Retries(attempts, per_request, 30.0)
        self.world = World(*plan, keys=[f"key {number}" for number in range(keys)], retries=retries)
        self.walks: list[Walk] = []
        self.open: list[tuple[Walk, Step]] = []
        self.began: dict[int, float] = {}

    @rule()
    def walk(self) -> None:
        self.walks.append(self.world.walk())
        self.next(-1)

    @rule(number=st.integers(0, 9))
    def next(self, number: int) -> None:
        if self.walks:
            walk = self.walks[number % len(self.walks)]
            self.began.setdefault(id(walk), self.world.clock.now)
            self.take(walk, walk.next())

    @rule(number=st.integers(0, 9))
    def beside(self, number: int) -> None:
        if not self.open:
            return
        walk, first = self.open[number % len(self.open)]
        well = {each.id: self.world.breakers.gate(each.id).is_well for each in self.world.deployments}
        step = walk.beside(first)
        if step is not None:
            asked = [each for owner, each in self.open if owner is walk]
            assert step.deployment.provider not in {each.deployment.provider for each in asked}
            assert well[step.deployment.id]
            assert step.delay == 0.0
        self.take(walk, step)

    def take(self, walk: Walk, step: Step | None) -> None:
        if step is None:
            return
        assert self.world.clock.now < self.began[id(walk)] + 30.0
        assert walk.steps <= walk.retries.per_request
        assert step.deployment not in [each.deployment for owner, each in self.open if owner is walk]
        self.open.append((walk, step))

    @rule(number=st.integers(0, 9), error=ERRORS)
    def fail(self, number: int, error: ProviderError) -> None:
        if self.open:
            walk, step = self.open.pop(number % len(self.open))
            walk.failed(step, error)
            walk.released(step)

    @rule(number=st.integers(0, 9))
    def succeed(self, number: int) -> None:
        if self.open:
            walk, step = self.open.pop(number % len(self.open))
            walk.succeeded(step)
            walk.failed(step, DOWN)

    @rule(number=st.integers(0, 9))
    def lose(self, number: int) -> None:
        if self.open:
            walk, step = self.open.pop(number % len(self.open))
            failed = step.gate.breaker.failed
            walk.released(step)
            assert step.gate.breaker.failed == failed

    @rule(number=st.integers(0, 9))
    def be_outrun(self, number: int) -> None:
        if self.open:
            walk, step = self.open.pop(number % len(self.open))
            closed, failed = step.gate.breaker.state == "closed", step.gate.breaker.failed
            walk.outrun(step)
            assert not closed or step.gate.breaker.failed == failed

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 29.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.world.clock.now += seconds

    @invariant()
    def every_open_step_is_counted_once(self) -> None:
        if not hasattr(self, "world"):
            return
        for each in self.world.deployments:
            calls = sum(step.deployment is each for _, step in self.open)
            assert self.world.breakers.gate(each.id).calls == calls


WalkMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWalkMachine = WalkMachine.TestCase
