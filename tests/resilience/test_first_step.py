"""The first step is given at once where nothing is the matter: nobody can tell it from one that was looked for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.errors import (
    Broken,
    CannotCarry,
    ContentFiltered,
    ContextOverflow,
    KeyRefused,
    ModelUnknown,
    ProviderError,
    RateLimited,
    Rejected,
    Silent,
)
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.keys import KeyPool, fingerprint
from hybridge.resilience.retry import Retries, Step, Walk
from hybridge.types import Deployment

from .world import Clock, World, deployment

ERRORS: list[Callable[[], ProviderError]] = [
    lambda: Broken("down", status=503),
    lambda: Broken("busy", status=503, retry_after=1.5),
    lambda: RateLimited("slow down", status=429),
    lambda: RateLimited("slow down", status=429, retry_after=20.0),
    lambda: KeyRefused("bad key", status=401),
    lambda: Rejected("bad", status=400),
    lambda: ContextOverflow("too long", status=400),
    lambda: ContentFiltered("no", status=400),
    lambda: ModelUnknown("no such model", status=404),
    lambda: Silent("silent"),
    lambda: CannotCarry(["n"]),
]


class Careful(Walk):
    """Looks for its first step as for any other."""

    def _at_once(self) -> bool:
        return False


class Side:
    """Breakers, pools, and the walks of one kind over them."""

    def __init__(self, kind: type[Walk], plan: tuple[Deployment, ...], keys: int, failures: int) -> None:
        self.kind = kind
        self.plan = plan
        self.clock = Clock()
        self.breakers = Breakers(failures, 60.0, clock=self.clock, chance=Random(5))
        self.pools = {each.provider: KeyPool([f"key {number}" for number in range(keys)], self.clock) for each in plan}
        self.walks: list[Walk] = []
        self.steps: list[tuple[Walk, Step]] = []

    def begin(self, retries: Retries) -> str:
        self.walks.append(self.kind(self.plan, self.breakers, self.pools, retries))
        return self.next(-1)

    def next(self, number: int) -> str:
        walk = self.walks[number % len(self.walks)] if self.walks else self.kind((), self.breakers, self.pools)
        step = walk.next()
        if step is None:
            return repr(walk.verdict())
        self.steps.append((walk, step))
        return repr((step.deployment, step.key, step.delay, step.number, step.ticket))

    def end(self, number: int, result: int) -> None:
        """Report on a step, perhaps not for the first time: a success, a release, or an error."""
        if not self.steps:
            return
        walk, step = self.steps[number % len(self.steps)]
        if result < len(ERRORS):
            walk.failed(step, ERRORS[result]())
        else:
            (walk.succeeded, walk.released, walk.unable)[result - len(ERRORS)](step)

    def force(self, number: int, state: int) -> None:
        if self.plan:
            breaker = self.breakers[self.plan[number % len(self.plan)].id]
            if state % 3:
                breaker.force("open" if state % 2 else "closed", self.clock.now + 20)
            else:
                breaker.force("auto")

    def rest(self, number: int) -> None:
        if self.plan:
            place = self.plan[number % len(self.plan)]
            self.pools[place.provider].rest(fingerprint("key 0"), place.model, 3.0)

    def look(self) -> str:
        return repr(
            (
                self.walks,
                [(walk.skipped, walk.failures, walk.steps) for walk in self.walks],
                [(each.id, self.breakers[each.id]) for each in self.plan],
                self.pools,
            )
        )


SUCCESS, RELEASE, UNABLE = range(len(ERRORS), len(ERRORS) + 3)
NUMBERS = st.integers(0, 30)
RETRIES = st.builds(
    Retries,
    attempts=st.integers(1, 3),
    per_request=st.integers(0, 6),
    deadline=st.sampled_from([0.0, 3.0, 60.0]),
)
DEEDS = st.one_of(
    st.tuples(st.just("begin"), RETRIES),
    st.tuples(st.just("next"), NUMBERS),
    st.tuples(st.just("end"), NUMBERS, st.integers(0, len(ERRORS) - 1)),
    st.tuples(st.just("end"), NUMBERS, st.sampled_from([SUCCESS, RELEASE, UNABLE])),
    st.tuples(st.just("force"), NUMBERS, NUMBERS),
    st.tuples(st.just("rest"), NUMBERS),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 5.0, 12.0, 60.0, 130.0, 700.0])),
)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Deployment, ...]:
    house = st.sampled_from(["p", "q"])
    context = st.sampled_from([None, 1_000, 2_000])
    return tuple(
        deployment(f"m{number}", provider=draw(house), context=draw(context))
        for number in range(draw(st.integers(0, 3)))
    )


@given(plans(), st.integers(0, 2), st.integers(1, 3), st.lists(DEEDS, max_size=40))
@settings(max_examples=300)
def test_a_first_step_given_at_once_is_the_one_that_would_be_found(
    plan: tuple[Deployment, ...], keys: int, failures: int, deeds: list[tuple[object, ...]]
) -> None:
    quick, careful = Side(Walk, plan, keys, failures), Side(Careful, plan, keys, failures)
    for deed, *arguments in deeds:
        if deed == "wait":
            for side in (quick, careful):
                side.clock.now += arguments[0]  # type: ignore[operator]
        else:
            told = [getattr(side, str(deed))(*arguments) for side in (quick, careful)]
            assert told[0] == told[1]
        assert quick.look() == careful.look()


def test_everybody_in_a_plan_has_a_breaker_from_its_first_step_on() -> None:
    world = World(deployment("a"), deployment("b"))
    assert [name for name, _ in world.breakers] == []
    assert world.walk().next() is not None
    assert {name for name, _ in world.breakers if "/" in name} == {each.id for each in world.deployments}


def test_after_a_success_the_plan_goes_on_as_after_any_other() -> None:
    walk = World(deployment("a"), deployment("b")).walk()
    asked = []
    while step := walk.next():
        walk.succeeded(step)
        asked.append((step.deployment.name, step.number))
    assert asked == [("a", 1), ("b", 2), ("a", 3), ("b", 4)]


def test_a_success_that_is_told_twice_counts_once() -> None:
    world = World(deployment("a"), failures=2)
    for number, result in enumerate("SFSF"):
        walk = world.walk()
        step = walk.next()
        assert step is not None, number
        for _ in range(2):
            walk.failed(step, Broken("down", status=503)) if result == "F" else walk.succeeded(step)
    assert world.breakers[world.deployments[0].id].state == "open", "two of four failed"


def test_a_walk_that_found_nobody_may_find_somebody_later() -> None:
    world = World(deployment("a"))
    breaker = world.breakers[world.deployments[0].id]
    breaker.force("open")
    walk = world.walk()
    assert walk.next() is None
    breaker.force("auto")
    step = walk.next()
    assert step is not None
    assert repr(walk) == "<Walk 1 steps, 0 failed, 1 open>"
    walk.failed(step, Broken("down", status=503))
    assert repr(walk) == "<Walk 1 steps, 1 failed, 0 open>"
    assert repr(breaker) == "<CircuitBreaker closed, 1/3 failures>"


def test_a_step_that_belongs_to_another_walk_ends_none_of_this_one() -> None:
    world = World(deployment("a"))
    one, other = world.walk(), world.walk()
    first, second = one.next(), other.next()
    assert first is not None
    assert second is not None
    one.succeeded(first)
    one.succeeded(first)
    assert repr(one) == "<Walk 1 steps, 0 failed, 0 open>"
    assert repr(other) == "<Walk 1 steps, 0 failed, 1 open>"
    other.released(second)
    assert repr(other) == "<Walk 1 steps, 0 failed, 0 open>"


def test_a_deadline_counts_from_the_first_step_asked_for() -> None:
    world = World(deployment("a"), deployment("b"), retries=Retries(deadline=3.0))
    walk = world.walk()
    world.clock.now += 10.0
    step = walk.next()
    assert step is not None
    world.clock.now += 2.9
    walk.failed(step, Broken("down", status=503))
    assert walk.next() is not None
    world.clock.now += 0.1
    assert walk.next() is None
