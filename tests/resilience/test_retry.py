"""The walk over a plan: what each class of failure leads to."""

from __future__ import annotations

import pytest

from hybridge.errors import (
    Blame,
    Broken,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    ContentFiltered,
    ContextOverflow,
    EmptyAnswer,
    KeyRefused,
    MalformedAnswer,
    ModelUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Silent,
    TooLarge,
    Truncated,
)
from hybridge.resilience.keys import fingerprint
from hybridge.resilience.retry import BACKOFF, LONGEST_WAIT, Retries, Step, Walk

from .world import World, deployment

A, B, C = deployment("a"), deployment("b"), deployment("c")
DOWN = Broken("down", status=503)


def asked(walk: Walk, error: ProviderError, most: int = 20) -> str:
    """The names of the deployments that are asked while every call fails with `error`."""
    names = ""
    while (step := walk.next()) and len(names) < most:
        names += step.deployment.name
        walk.failed(step, error)
    return names


def given(walk: Walk) -> Step:
    step = walk.next()
    assert step is not None
    return step


def test_an_answer_ends_the_matter() -> None:
    world = World(A, B)
    walk = world.walk()
    step = given(walk)
    assert (step.deployment, step.key.secret, step.delay, step.number) == (A, "one", 0.0, 1)
    walk.succeeded(step)
    assert walk.failures == []
    assert repr(walk) == "<Walk 1 steps, 0 failed, 0 open>"


def test_a_fallback_comes_before_a_retry() -> None:
    assert asked(World(A, B).walk(), DOWN) == "abab"
    assert asked(World(A).walk(), DOWN) == "aa"


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        ConnectFailed("refused"),
        ConnectTimeout("slow"),
        ConnectionLost("reset"),
        Silent("silent", phase="first_token"),
        MalformedAnswer("html"),
        TooLarge("large"),
        Truncated("cut"),
        EmptyAnswer("nothing"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_the_deployments_fault_is_tried_elsewhere_and_again(error: ProviderError) -> None:
    world = World(A, B)
    assert asked(world.walk(), error) == "abab"
    assert error.blames is Blame.DEPLOYMENT
    assert asked(world.walk(), error) == "ab", "the third failure opens a breaker"
    assert [world.breakers[each.id].state for each in (A, B)] == ["open", "open"]


def test_an_unknown_model_is_not_asked_for_twice() -> None:
    world = World(A, B)
    assert asked(world.walk(), ModelUnknown("no such model", status=404)) == "ab"
    for _ in range(2):
        asked(world.walk(), ModelUnknown("no such model", status=404))
    assert world.breakers[A.id].state == "open"


def test_a_rejected_request_goes_nowhere_else() -> None:
    world = World(A, B)
    for _ in range(50):
        walk = world.walk()
        assert asked(walk, Rejected("bad", status=400)) == "a"
        assert walk.next() is None
    assert world.breakers[A.id].state == "closed"


def test_attempts_are_calls_to_one_deployment() -> None:
    retries = Retries(attempts=3, per_request=20)
    assert asked(World(A, retries=retries, failures=9).walk(), DOWN) == "aaa"
    assert asked(World(A, B, retries=Retries(attempts=1)).walk(), DOWN) == "ab"


def test_a_request_has_so_many_calls_in_all() -> None:
    world = World(A, B, C, retries=Retries(attempts=9, per_request=4), failures=99)
    assert asked(world.walk(), DOWN) == "abca"


def test_no_attempt_begins_after_the_deadline() -> None:
    """Defect 6: the worst case was the sum of all time-outs."""
    world = World(A, B, retries=Retries(attempts=9, per_request=99, deadline=60.0), failures=99)
    walk = world.walk()
    steps = 0
    while step := walk.next():
        world.clock.now += step.delay + 10.0
        walk.failed(step, Silent("silent"))
        steps += 1
    assert steps == 6
    assert walk.verdict().status == 504


def test_no_fallback_begins_after_the_deadline() -> None:
    world = World(A, B)
    walk = world.walk()
    step = given(walk)
    world.clock.now += 60.0
    walk.failed(step, Silent("silent"))
    assert walk.next() is None


def test_a_wait_that_ends_after_the_deadline_is_not_begun() -> None:
    world = World(A, retries=Retries(deadline=3.0))
    walk = world.walk()
    walk.failed(given(walk), Broken("wait", status=503, retry_after=3.0))
    assert walk.next() is None


def test_waits_are_drawn_from_a_range_that_doubles() -> None:
    longest = [0.0] * 6
    for seed in range(300):
        world = World(A, retries=Retries(attempts=7, per_request=9), failures=99, seed=seed)
        walk = world.walk()
        walk.failed(given(walk), DOWN)
        for number in range(6):
            step = given(walk)
            longest[number] = max(longest[number], step.delay)
            assert 0.0 <= step.delay <= min(LONGEST_WAIT, BACKOFF * 2**number)
            world.clock.now += step.delay
            walk.failed(step, DOWN)
    assert all(wait > 0.9 * min(LONGEST_WAIT, BACKOFF * 2**number) for number, wait in enumerate(longest))


def test_the_time_since_a_failure_counts_as_waited() -> None:
    world = World(A, B)
    walk = world.walk()
    walk.failed(given(walk), DOWN)
    step = given(walk)
    world.clock.now += 5
    walk.failed(step, DOWN)
    again = given(walk)
    assert (again.deployment, again.delay) == (A, 0.0)


@pytest.mark.parametrize(("told", "delays"), [(1.5, [0.0, 1.5]), (0.0, [0.0, 0.0]), (30.0, [0.0])])
def test_a_short_wait_that_the_provider_names_is_kept(told: float, delays: list[float]) -> None:
    walk = World(A).walk()
    waited = []
    while step := walk.next():
        waited.append(step.delay)
        walk.failed(step, Broken("busy", status=529, retry_after=told))
    assert waited == delays


def test_the_retry_goes_to_the_deployment_that_is_ready_soonest() -> None:
    walk = World(A, B).walk()
    walk.failed(given(walk), Broken("busy", status=503, retry_after=3.0))
    walk.failed(given(walk), Broken("busy", status=503, retry_after=1.0))
    step = given(walk)
    assert (step.deployment, step.delay) == (B, 1.0)


# Keys


def test_a_refused_key_leads_to_the_next_key_first() -> None:
    world = World(A, B, keys=("one", "two", "three"))
    walk = world.walk()
    used = []
    for _ in range(3):
        step = given(walk)
        used.append((step.deployment.name, step.key.secret, step.delay))
        walk.failed(step, KeyRefused("bad key", status=401))
    assert used == [("a", "one", 0.0), ("a", "two", 0.0), ("a", "three", 0.0)]
    assert given(walk).deployment is B
    assert world.pools[A.provider].all_refused
    assert world.breakers[A.id].state == "closed"
    assert given(world.walk()).deployment is B, "the next request knows that the keys are bad"


def test_a_change_of_key_is_no_attempt() -> None:
    world = World(A, keys=("one", "two", "three"), retries=Retries(attempts=1))
    walk = world.walk()
    walk.failed(given(walk), KeyRefused("bad key", status=401))
    walk.failed(given(walk), QuotaExhausted("no money", status=429))
    step = given(walk)
    assert step.key.secret == "three"
    walk.failed(step, DOWN)
    assert walk.next() is None


def test_after_a_change_of_key_all_attempts_are_left() -> None:
    walk = World(A, keys=("one", "two", "three"), retries=Retries(attempts=2)).walk()
    walk.failed(given(walk), KeyRefused("bad key", status=401))
    walk.failed(given(walk), KeyRefused("bad key", status=401))
    walk.failed(given(walk), DOWN)
    walk.failed(given(walk), DOWN)
    assert walk.next() is None


def test_another_key_is_for_failures_of_a_key_only() -> None:
    walk = World(A, B, keys=("one", "two", "three")).walk()
    walk.failed(given(walk), KeyRefused("bad key", status=401))
    step = given(walk)
    assert (step.deployment, step.key.secret) == (A, "two")
    walk.failed(step, DOWN)
    assert given(walk).deployment is B


def test_all_calls_count_over_keys() -> None:
    world = World(A, keys=[str(number) for number in range(20)])
    assert asked(world.walk(), KeyRefused("bad key", status=401)) == "aaaaaa"


def test_a_refused_key_is_not_used_by_other_deployments_of_its_provider() -> None:
    big, small = deployment("big", provider="p"), deployment("small", provider="p")
    walk = World(big, small, C).walk()
    walk.failed(given(walk), KeyRefused("bad key", status=403))
    assert given(walk).deployment is C


def test_a_limited_key_rests_and_nobody_else_is_blamed() -> None:
    world = World(A, B, keys=("one", "two"))
    walk = world.walk()
    for name, secret in (("a", "one"), ("a", "two"), ("b", "one")):
        step = given(walk)
        assert (step.deployment.name, step.key.secret) == (name, secret)
        walk.failed(step, RateLimited("slow down", status=429, retry_after=20.0))
    assert world.breakers[A.id].state == "closed"
    world.clock.now += 19.9
    assert world.pools[A.provider].take("a") is None
    world.clock.now += 0.2
    assert world.pools[A.provider].take("a") is not None


def test_a_limit_of_one_model_leaves_the_others_alone() -> None:
    big, small = deployment("big", provider="p"), deployment("small", provider="p")
    walk = World(big, small).walk()
    walk.failed(given(walk), RateLimited("slow down", status=429, retry_after=20.0))
    assert given(walk).deployment is small


def test_a_short_rest_is_waited_for_where_nobody_else_is_left() -> None:
    world = World(A)
    walk = world.walk()
    walk.failed(given(walk), RateLimited("slow down", status=429, retry_after=2.0))
    step = given(walk)
    assert (step.delay, step.key.secret) == (2.0, "one")
    world.clock.now += 2
    walk.failed(step, RateLimited("slow down", status=429, retry_after=2.0))
    assert walk.next() is None


def test_a_limited_key_is_asked_no_more_often_than_attempts_say() -> None:
    assert asked(World(A).walk(), RateLimited("now", status=429, retry_after=0.0)) == "aa"


def test_a_long_rest_is_not_waited_for() -> None:
    walk = World(A).walk()
    walk.failed(given(walk), RateLimited("slow down", status=429, retry_after=5.0))
    assert walk.next() is None


def test_success_tells_the_key_too() -> None:
    world = World(A)
    world.pools[A.provider].set_aside(fingerprint("one"))
    world.clock.now += 600
    walk = world.walk()
    walk.succeeded(given(walk))
    assert not world.pools[A.provider].all_refused


# What the request is at fault for


def test_an_overflow_goes_on_to_a_larger_context_only() -> None:
    sizes: list[int | None] = [8_000, 4_000, None, 8_000, 32_000, 16_000, 128_000]
    plan = [deployment(f"m{number}", context=size) for number, size in enumerate(sizes)]
    world = World(*plan)
    walk = world.walk()
    walk.failed(given(walk), ContextOverflow("too long", status=400))
    step = given(walk)
    assert step.deployment.limits.context == 32_000
    walk.failed(step, ContextOverflow("too long", status=400))
    last = given(walk)
    assert last.deployment.limits.context == 128_000
    walk.succeeded(last)
    assert all(breaker.state == "closed" for _, breaker in world.breakers)


def test_of_two_overflows_at_once_the_larger_counts() -> None:
    sizes = {"large": 32_000, "small": 8_000, "middle": 16_000}
    walk = World(*(deployment(name, context=size) for name, size in sizes.items())).walk()
    large, small = given(walk), given(walk)
    walk.failed(large, ContextOverflow("too long", status=400))
    walk.failed(small, ContextOverflow("too long", status=400))
    assert walk.next() is None


def test_after_an_overflow_of_unknown_size_any_known_one_may_do() -> None:
    walk = World(A, B, deployment("known", context=1_000)).walk()
    walk.failed(given(walk), ContextOverflow("too long", status=400))
    assert given(walk).deployment.name == "known"


def test_after_an_overflow_a_smaller_one_that_had_failed_is_not_asked_again() -> None:
    walk = World(deployment("s", context=4_000), deployment("m", context=8_000)).walk()
    walk.failed(given(walk), DOWN)
    walk.failed(given(walk), ContextOverflow("too long", status=400))
    assert walk.next() is None
    assert (walk.verdict().status, walk.verdict().code) == (400, "context_length_exceeded")


def test_a_filter_ends_the_walk_or_not() -> None:
    world = World(A, B)
    filtered = ContentFiltered("no", status=400)
    assert asked(world.walk(), filtered) == "a"
    bold = Walk(world.deployments, world.breakers, world.pools, content_filter="fallback")
    assert asked(bold, filtered) == "ab"
    assert (bold.verdict().status, bold.verdict().code) == (400, "content_filter")


# Breakers


def test_a_deployment_with_an_open_breaker_is_passed_over() -> None:
    world = World(A, B)
    world.open(A)
    walk = world.walk()
    assert given(walk).deployment is B
    assert walk.skipped == {A.id: "breaker"}


def test_the_first_fallback_is_guarded_too() -> None:
    """Defect 3: the first fallback was called whatever its breaker said, and nobody came after it."""
    world = World(A, B, C)
    world.open(A)
    world.open(B)
    walk = world.walk()
    assert given(walk).deployment is C
    assert walk.skipped == {A.id: "breaker", B.id: "breaker"}


def test_a_probe_is_one_request() -> None:
    world = World(A, B)
    world.open(A)
    world.clock.now += 72
    probing, other = world.walk(), world.walk()
    probe = given(probing)
    assert (probe.deployment, given(other).deployment) == (A, B)
    probing.succeeded(probe)
    assert world.breakers[A.id].state == "closed"


def test_a_client_that_leaves_does_not_jam_a_probe() -> None:
    world = World(A, B)
    world.open(A)
    world.clock.now += 72
    walk = world.walk()
    walk.released(given(walk))
    assert given(world.walk()).deployment is A


def test_a_bad_request_as_probe_says_nothing() -> None:
    world = World(A, B)
    world.open(A)
    world.clock.now += 72
    walk = world.walk()
    walk.failed(given(walk), Rejected("bad", status=400))
    assert world.breakers[A.id].state == "half_open"
    assert given(world.walk()).deployment is A


def test_while_keys_rest_no_probe_is_taken() -> None:
    world = World(A, B)
    world.open(A)
    world.clock.now += 72
    world.pools[A.provider].rest(fingerprint("one"), "a", 50.0)
    walk = world.walk()
    assert given(walk).deployment is B
    assert walk.skipped == {A.id: "keys"}
    assert world.breakers[A.id].admit()


# Steps and their results


def test_a_stream_that_breaks_goes_on_elsewhere() -> None:
    walk = World(A, B).walk()
    walk.failed(given(walk), Truncated("cut after the first content"))
    assert given(walk).deployment is B


def test_only_the_first_result_of_a_step_counts() -> None:
    world = World(A, failures=1)
    walk = world.walk()
    step = given(walk)
    walk.succeeded(step)
    walk.released(step)
    walk.failed(step, DOWN)
    walk.unable(step)
    walk.succeeded(step)
    assert walk.failures == []
    assert world.breakers[A.id].state == "closed"


def test_a_deployment_that_cannot_carry_the_request_is_left_out() -> None:
    walk = World(A, B).walk()
    walk.unable(given(walk))
    step = given(walk)
    assert step.deployment is B
    walk.unable(step)
    assert walk.next() is None
    assert walk.verdict().code == "no_able_deployment"
