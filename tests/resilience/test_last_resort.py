"""With every breaker open one request a second is let through: to the least bad, and everybody else is told at once."""

from __future__ import annotations

from hybridge.errors import Broken, ModelUnknown
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.keys import fingerprint
from hybridge.resilience.retry import Step, Walk
from hybridge.types import Deployment

from .world import World, deployment

A, B, C = deployment("a"), deployment("b"), deployment("c")
DOWN = Broken("down", status=503)


def given(walk: Walk) -> Step:
    step = walk.next()
    assert step is not None
    return step


def test_with_all_breakers_open_one_is_asked_each_second() -> None:
    world = World(A, B)
    world.open(A)
    world.open(B)
    assert world.walk().next() is None
    world.clock.now += 1
    assert [asked_first(world) for _ in range(3)] == [B if soonest(world) is B else A, None, None]


def asked_first(world: World) -> Deployment | None:
    step = world.walk().next()
    return step.deployment if step else None


def soonest(world: World) -> Deployment:
    return min(world.deployments, key=lambda each: world.breakers[each.id].retry_in)


def test_the_least_bad_is_the_one_probed_the_fewest_times_then_the_one_that_is_due_soonest() -> None:
    world = World(A, B, C)
    for each in (A, B, C):
        world.open(each)
    order = sorted(world.deployments, key=lambda each: world.breakers[each.id].retry_in)
    asked = []
    for _ in range(6):
        world.clock.now += 1
        asked.append(asked_first(world))
    assert asked == order * 2, "nobody is forgotten, not even while those that were asked hang"


def test_nobody_is_asked_as_a_last_resort_where_an_operator_holds_it() -> None:
    world = World(A, B)
    world.breakers.force(A.id, "open")
    world.breakers.force(B.provider, "open")
    world.clock.now += 10
    assert asked_first(world) is None
    world.breakers.force(B.provider, "auto")
    assert asked_first(world) is B


def test_a_last_resort_needs_a_key() -> None:
    world = World(A, B)
    world.open(A)
    world.open(B)
    first = soonest(world)
    world.pools[first.provider].rest(fingerprint("one"), first.model, 50.0)
    world.clock.now += 1
    walk = world.walk()
    assert given(walk).deployment is not first
    assert walk.skipped == {first.id: "keys"}, "who is asked after all was not passed over"


def test_one_that_is_held_keeps_nobody_from_being_asked() -> None:
    world = World(A, B)
    world.breakers.force(A.id, "open")
    world.open(B)
    for _ in range(3):
        world.clock.now += 1
        assert asked_first(world) is B


def test_a_last_resort_is_no_more_than_may_be_at_a_time() -> None:
    world = World(A)
    world.breakers = Breakers(clock=world.clock, chance=world.chance, concurrency=1)
    walk = world.walk()
    step = given(walk)
    world.open(A)
    world.clock.now += 1
    assert asked_first(world) is None
    walk.released(step)
    assert asked_first(world) is A


def test_a_plan_of_one_is_asked_each_second_too() -> None:
    world = World(A)
    world.open(A)
    assert asked_first(world) is None
    world.clock.now += 1
    walk = world.walk()
    step = given(walk)
    assert asked_first(world) is None
    walk.failed(step, DOWN)
    assert walk.next() is None
    world.clock.now += 1
    walk = world.walk()
    walk.succeeded(given(walk))
    assert world.breakers[A.id].state == "closed"


def test_the_last_resort_is_for_requests_that_nobody_was_asked_for() -> None:
    world = World(A, B)
    world.open(B)
    world.clock.now += 2
    walk = world.walk()
    walk.failed(given(walk), ModelUnknown("no", status=404))
    assert walk.next() is None
