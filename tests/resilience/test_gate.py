"""The gate to a deployment: its provider's breaker, how many may be in at a time, and what further calls cost."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given as sampled
from hypothesis import strategies as st

from hybridge.errors import (
    Broken,
    CannotCarry,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    KeyRefused,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Silent,
    Truncated,
)
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.gate import FEWEST, MOST_SAVED, Gate
from hybridge.resilience.retry import Retries, Step, Walk

from .world import World, deployment

A, B, C = deployment("a"), deployment("b"), deployment("c")
ONE, TWO, THREE = (deployment(name, provider="p") for name in ("one", "two", "three"))
DOWN = Broken("down", status=503)
REFUSED = ConnectFailed("refused")


def given(walk: Walk) -> Step:
    step = walk.next()
    assert step is not None
    return step


def call(gate: Gate, error: ProviderError | None = None) -> None:
    """A call that goes through and ends."""
    assert gate.refusal() == ""
    gate.admit()
    ticket, provider_ticket = gate.breaker.ticket, gate.provider.ticket
    if error is None:
        gate.success(ticket)
    else:
        gate.failure(ticket, provider_ticket, error)


# The provider's breaker


@pytest.mark.parametrize("error", [REFUSED, ConnectTimeout("slow")])
def test_a_provider_that_cannot_be_reached_is_not_tried_with_each_of_its_models(error: ProviderError) -> None:
    world = World(ONE, TWO, THREE, A, retries=Retries(attempts=1))
    walk = world.walk()
    asked = []
    while step := walk.next():
        asked.append(step.deployment)
        walk.failed(step, error) if step.deployment is not A else walk.succeeded(step)
        if step.deployment is A:
            break
    assert asked == [ONE, TWO, THREE, A]
    assert world.breakers["p"].state == "open"
    assert [world.breakers[each.id].state for each in (ONE, TWO, THREE)] == ["closed"] * 3
    walk = world.walk()
    assert given(walk).deployment is A
    assert walk.skipped == {each.id: "provider" for each in (ONE, TWO, THREE)}


@pytest.mark.parametrize(
    "answer",
    [None, Broken("down", status=500), RateLimited("slow down", status=429), Rejected("bad", status=400),
     KeyRefused("bad key", status=401)],
)  # fmt: skip
def test_any_answer_clears_a_provider(answer: ProviderError | None) -> None:
    breakers = World(ONE, TWO, THREE).breakers
    for _ in range(3):
        call(breakers.gate(ONE.id), REFUSED)
        call(breakers.gate(TWO.id), REFUSED)
        call(breakers.gate(THREE.id), answer)
        assert breakers["p"].calm
        breakers[ONE.id].success()
        breakers[TWO.id].success()


def test_an_answer_that_was_under_way_closes_it() -> None:
    breakers = World(ONE, TWO, THREE).breakers
    slow = breakers.gate(ONE.id)
    slow.admit()
    for _ in range(3):
        call(breakers.gate(TWO.id), REFUSED)
    assert breakers.gate(THREE.id).refusal() == "provider"
    slow.success(0)
    assert breakers.gate(THREE.id).refusal() == ""
    assert breakers.gate(TWO.id).refusal() == "breaker", "of the deployment itself it says nothing"


@pytest.mark.parametrize("error", [Silent("silent"), ConnectionLost("reset"), Truncated("cut")])
def test_a_model_that_falls_silent_is_no_fault_of_its_provider(error: ProviderError) -> None:
    world = World(ONE, TWO)
    gate = world.breakers.gate(ONE.id)
    for _ in range(3):
        gate.admit()
        gate.admit()
        gate.failure(0, 0, error)
    for _ in range(3):
        gate.failure(0, 0, error)
    assert world.breakers[ONE.id].state == "open"
    assert world.breakers["p"].state == "closed"


def test_a_provider_all_of_whose_models_fall_silent_is_down() -> None:
    world = World(ONE, TWO, THREE)
    for each in (ONE, TWO, THREE):
        assert world.breakers["p"].state == "closed"
        for _ in range(3):
            call(world.breakers.gate(each.id), Silent("silent"))
    assert world.breakers["p"].state == "open"


def test_a_request_that_cannot_be_carried_says_nothing_of_a_provider() -> None:
    breakers = World(ONE, TWO).breakers
    call(breakers.gate(ONE.id), REFUSED)
    call(breakers.gate(TWO.id), CannotCarry(["n"]))
    assert (breakers["p"].failed, breakers[TWO.id].failed) == (1, 0)


def test_a_provider_is_probed_once_by_whichever_model_is_asked_for() -> None:
    world = World(ONE, TWO, THREE, A)
    for _ in range(3):
        call(world.breakers.gate(ONE.id), REFUSED)
    world.clock.now += 72
    world.breakers[ONE.id].force("open")
    walk, other = world.walk(), world.walk()
    probe = given(walk)
    assert (probe.deployment, given(other).deployment) == (TWO, A)
    walk.released(probe)
    walk = world.walk()
    probe = given(walk)
    assert probe.deployment is TWO, "a client that leaves does not jam it"
    walk.failed(probe, REFUSED)
    assert given(world.walk()).deployment is A
    assert 96.0 <= world.breakers["p"].retry_in <= 144.0


def test_the_last_resort_goes_to_a_provider_that_is_down_too() -> None:
    world = World(ONE, TWO)
    for _ in range(3):
        call(world.breakers.gate(ONE.id), REFUSED)
    assert world.walk().next() is None
    world.clock.now += 1
    walk = world.walk()
    step = given(walk)
    assert world.walk().next() is None
    walk.succeeded(step)
    assert world.breakers["p"].state == "closed"


# How many may be in at a time


def small(ceiling: int) -> World:
    """No more than so many calls at a time."""
    world = World(A, B)
    world.breakers = Breakers(clock=world.clock, chance=world.chance, concurrency=ceiling)
    return world


def test_one_that_is_full_is_passed_over() -> None:
    world = small(2)
    walks = [world.walk() for _ in range(4)]
    steps = [given(walk) for walk in walks]
    assert [step.deployment for step in steps] == [A, A, B, B]
    assert walks[3].skipped == {A.id: "busy"}
    full = world.walk()
    assert full.next() is None
    told = full.verdict()
    assert (told.status, told.code, told.retry_after) == (429, "overloaded", 1.0)
    walks[1].released(steps[1])
    assert given(full).deployment is A


def test_one_that_is_busy_is_told_rather_than_one_that_is_down() -> None:
    world = small(1)
    given(world.walk())
    world.open(B)
    full = world.walk()
    assert full.next() is None
    assert full.verdict().code == "overloaded"


def test_a_full_one_that_is_down_is_down() -> None:
    world = small(1)
    given(world.walk())
    world.open(A)
    world.open(B)
    full = world.walk()
    assert full.next() is None
    assert (full.verdict().code, full.skipped[A.id]) == ("no_healthy_deployment", "breaker")


@pytest.mark.parametrize(
    ("error", "fewer"),
    [
        (RateLimited("slow down", status=429), True),
        (Broken("overloaded", status=529), True),
        (Broken("overloaded", status=503), True),
        (Silent("silent"), True),
        (ConnectTimeout("slow"), True),
        (Broken("defect", status=500), False),
        (ConnectFailed("refused"), False),
        (QuotaExhausted("no money", status=429), False),
        (Rejected("bad", status=400), False),
    ],
)
def test_an_overload_leaves_fewer(error: ProviderError, fewer: bool) -> None:
    gate = World(A).breakers.gate(A.id)
    call(gate, error)
    assert gate.most == (980 if fewer else 1000)


def test_there_is_a_floor_and_a_ceiling() -> None:
    gate = small(30).breakers.gate(A.id)
    for _ in range(200):
        call(gate, RateLimited("slow down", status=429))
    assert gate.most == FEWEST
    for _ in range(400):
        call(gate)
    assert gate.most == 30
    strict = small(2).breakers.gate(A.id)
    call(strict, RateLimited("slow down", status=429))
    assert strict.most == 2


@pytest.mark.parametrize(("failing", "most"), [(0.1, 1000), (0.3, FEWEST)])
def test_only_what_fails_more_often_than_once_in_five_calls_is_an_overload(failing: float, most: int) -> None:
    gate = World(A, failures=1000).breakers.gate(A.id)
    chance = Random(4)
    for _ in range(4000):
        call(gate, RateLimited("slow down", status=429) if chance.random() < failing else None)
    assert gate.most == pytest.approx(most, rel=0.15)


@pytest.mark.parametrize("error", [Broken("down", status=503), Silent("silent")])
def test_an_outage_teaches_nothing(error: ProviderError) -> None:
    world = World(A)
    gate = world.breakers.gate(A.id)
    for _ in range(200):
        gate.admit()
    for _ in range(200):
        gate.failure(0, 0, error)
    for _ in range(300):
        world.clock.now += 1
        assert gate.admit_last_resort()
        gate.failure(gate.breaker.ticket, 0, error)
    assert gate.most > 900


def test_it_settles_near_what_a_deployment_can_take() -> None:
    """A server with room for 30 calls, offered 200 at a time: rounds of a second."""
    gate = World(A).breakers.gate(A.id)
    rounds = []
    for number in range(400):
        calls = min(200, int(gate.most))
        for _ in range(calls):
            gate.admit()
        for place in range(calls):
            if place < 30:
                gate.success(gate.breaker.ticket)
            else:
                gate.failure(gate.breaker.ticket, 0, RateLimited("slow down", status=429))
        if number >= 10:
            rounds.append(calls)
    assert min(rounds) >= 30
    assert max(rounds) <= 45


@sampled(st.lists(st.sampled_from(["success", "overload", "release"]), max_size=200))
def test_no_call_is_lost_and_the_bounds_hold(deeds: list[str]) -> None:
    gate = small(20).breakers.gate(A.id)
    for deed in deeds:
        gate.admit()
        assert gate.calls == 1
        if deed == "success":
            gate.success(gate.breaker.ticket)
        elif deed == "release":
            gate.release(gate.breaker.ticket, 0)
        else:
            gate.failure(gate.breaker.ticket, 0, RateLimited("slow down", status=429))
        assert gate.calls == 0
        assert FEWEST <= gate.most <= 20


# Further calls


def spent(gate: Gate) -> int:
    """How many further calls are paid for."""
    count = 0
    while gate.pay():
        count += 1
    return count


def test_further_calls_are_a_fifth_of_the_calls_and_one_in_two_seconds() -> None:
    world = World(A)
    gate = world.breakers.gate(A.id)
    assert spent(gate) == MOST_SAVED
    for _ in range(50):
        call(gate)
    assert spent(gate) == 10
    world.clock.now += 6
    assert spent(gate) == 3
    world.clock.now += 1e6
    assert spent(gate) == MOST_SAVED


def test_the_first_call_and_the_first_fallback_cost_nothing() -> None:
    world = World(A, B, C, retries=Retries(attempts=2))
    for each in (A, B, C):
        spent(world.breakers.gate(each.id))
    walk = world.walk()
    walk.failed(given(walk), DOWN)
    step = given(walk)
    assert step.deployment is B
    walk.failed(step, DOWN)
    assert walk.next() is None
    assert walk.skipped == {each.id: "retries" for each in (A, B, C)}
    assert walk.verdict().status == 502
    world.clock.now += 2
    assert given(walk).deployment is C


def test_a_fallback_that_is_a_probe_is_paid_for() -> None:
    world = World(A, B)
    world.open(B)
    world.clock.now += 72
    spent(world.breakers.gate(B.id))
    walk = world.walk()
    walk.failed(given(walk), DOWN)
    assert given(walk).deployment is A, "a retry, for which A has saved"
    assert walk.skipped == {B.id: "retries"}
    assert world.breakers[B.id].admit(), "the probe was not begun"


def test_those_who_were_not_really_called_count_as_nothing() -> None:
    world = World(A, B, C)
    for each in (A, B, C):
        spent(world.breakers.gate(each.id))
    unable, refused = world.walk(), world.walk()
    for _ in range(2):
        unable.unable(given(unable))
        refused.failed(given(refused), CannotCarry(["n"]))
    assert given(unable).deployment is given(refused).deployment is C


def test_a_retry_is_paid_for_where_nobody_else_is_there() -> None:
    world = World(A)
    spent(world.breakers.gate(A.id))
    walk = world.walk()
    walk.failed(given(walk), DOWN)
    assert walk.next() is None
    assert walk.skipped == {A.id: "retries"}


def test_another_key_costs_nothing() -> None:
    world = World(A, keys=("one", "two", "three"))
    spent(world.breakers.gate(A.id))
    walk = world.walk()
    for _ in range(3):
        walk.failed(given(walk), KeyRefused("bad key", status=401))
    assert walk.next() is None


def test_it_shows_itself() -> None:
    gate = World(A).breakers.gate(A.id)
    gate.admit()
    assert repr(gate) == "<Gate <CircuitBreaker closed, 0/3 failures>, 1 of 1000 calls>"
