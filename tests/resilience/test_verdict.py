"""What the client is told when nobody answered."""

from __future__ import annotations

import pytest

from hybridge.errors import (
    AllDeploymentsFailed,
    Broken,
    CannotCarry,
    ConnectFailed,
    ConnectTimeout,
    ContentFiltered,
    ContextOverflow,
    GatewayError,
    KeyRefused,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Refused,
    Rejected,
    Silent,
    TimedOut,
    TooManyRequests,
    Unavailable,
    UnsupportedParameter,
)
from hybridge.resilience.keys import fingerprint
from hybridge.resilience.retry import Retries, Walk

from .world import World, deployment

A, B = deployment("a"), deployment("b", dialect="anthropic")
ONCE = Retries(attempts=1)


def verdict_of(*errors: ProviderError, dialect: str | None = None) -> GatewayError:
    """What a client is told after the first deployment failed thus, and the second thus."""
    plan = [A, B][: len(errors)]
    walk = World(*plan, retries=ONCE).walk()
    for error in errors:
        step = walk.next()
        assert step is not None
        walk.failed(step, error)
    assert walk.next() is None
    return walk.verdict(dialect)


def limited(retry_after: float | None = None) -> RateLimited:
    return RateLimited("slow down", status=429, retry_after=retry_after)


def test_all_limited_is_429_with_the_shortest_wait() -> None:
    told = verdict_of(limited(7.0), limited(3.0))
    assert isinstance(told, TooManyRequests)
    assert (told.status, told.code, told.retry_after) == (429, "rate_limit_exceeded", 3.0)


@pytest.mark.parametrize(("waits", "told"), [((None, 9.0), 9.0), ((None, None), 1.0), ((0.0, 0.2), 1.0)])
def test_a_wait_is_always_told(waits: tuple[float | None, float | None], told: float) -> None:
    assert verdict_of(limited(waits[0]), limited(waits[1])).retry_after == told


def test_a_spent_quota_that_came_as_429_counts_as_one() -> None:
    spent = QuotaExhausted("no money", status=429)
    assert verdict_of(spent, limited(5.0)).retry_after == 5.0
    assert isinstance(verdict_of(spent, spent), AllDeploymentsFailed)


def test_all_out_of_time_is_504() -> None:
    told = verdict_of(Silent("no head"), ConnectTimeout("no connection"))
    assert isinstance(told, TimedOut)
    assert (told.status, told.code) == (504, "timeout")
    assert isinstance(verdict_of(Silent("silent"), ConnectFailed("refused")), AllDeploymentsFailed)


def test_all_failed_is_502_with_the_attempts() -> None:
    told = verdict_of(Broken("out of order", status=503), limited(2.0))
    assert isinstance(told, AllDeploymentsFailed)
    assert (told.status, told.code) == (502, "all_deployments_failed")
    assert told.details["attempts"] == [
        {"deployment": A.id, "status": 503, "error": "broken", "message": "out of order"},
        {"deployment": B.id, "status": 429, "error": "rate_limited", "message": ""},
    ]
    assert str(told) == "every deployment failed, in 2 attempts"
    assert str(verdict_of(Broken("x"))) == "every deployment failed, in 1 attempt"


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_is_not_the_clients_business(status: int) -> None:
    told = verdict_of(KeyRefused("Incorrect API key: sk-ab***yz", status=status))
    assert isinstance(told, AllDeploymentsFailed)
    assert "sk-" not in f"{told!r} {told.details}"


def test_a_rejected_request_is_passed_on() -> None:
    error = Rejected("max_tokens is too large", status=422, provider_code="too_big", body=b'{"error":1}')
    told = verdict_of(error)
    assert isinstance(told, Refused)
    assert (told.status, told.code, str(told)) == (422, "too_big", "max_tokens is too large")
    assert told.body == b'{"error":1}'


@pytest.mark.parametrize(("dialect", "body"), [("openai", b"body"), ("anthropic", b""), (None, b"body")])
def test_a_body_is_passed_on_to_its_own_dialect_only(dialect: str | None, body: bytes) -> None:
    told = verdict_of(Rejected("bad", status=400, body=b"body"), dialect=dialect)
    assert isinstance(told, Refused)
    assert told.body == body


@pytest.mark.parametrize("status", [0, 200, 401, 402, 403, 404, 429, 500])
def test_a_rejection_is_never_told_with_a_status_that_means_something_else(status: int) -> None:
    assert verdict_of(Rejected("bad", status=status)).status == 400


def test_a_rejection_after_a_failure_wins() -> None:
    told = verdict_of(Broken("down"), Rejected("bad", status=400))
    assert (told.status, told.code) == (400, "invalid_request")


def test_an_overflow_has_one_code_everywhere() -> None:
    told = verdict_of(ContextOverflow("too long", status=413, provider_code="string_above_max_length"))
    assert (told.status, told.code, str(told)) == (400, "context_length_exceeded", "too long")


def test_a_larger_one_that_failed_is_what_counts() -> None:
    world = World(deployment("s", context=4_000), deployment("m", context=8_000), retries=ONCE)
    walk = world.walk()
    for error in (ContextOverflow("too long", status=400), Broken("down", status=500)):
        step = walk.next()
        assert step is not None
        walk.failed(step, error)
    assert isinstance(walk.verdict(), AllDeploymentsFailed)


def test_a_filter_has_a_code() -> None:
    assert verdict_of(ContentFiltered("no", status=400)).code == "content_filter"
    assert verdict_of(ContentFiltered("no", provider_code="jailbreak")).code == "jailbreak"


def test_a_filter_and_a_failure_are_a_failure() -> None:
    world = World(A, B, retries=ONCE)
    walk = Walk(world.deployments, world.breakers, world.pools, ONCE, "fallback")
    for error in (ContentFiltered("no", status=400), Broken("down", status=500)):
        step = walk.next()
        assert step is not None
        walk.failed(step, error)
    assert isinstance(walk.verdict(), AllDeploymentsFailed)


def untried(world: World) -> GatewayError:
    walk = world.walk()
    assert walk.next() is None
    return walk.verdict()


def test_open_breakers_are_503_with_the_time_to_come_back() -> None:
    """Defect 4: at the end of a chain stood `undefined`."""
    world = World(A, B)
    world.open(A)
    world.clock.now += 0.5
    world.open(B)
    told = untried(world)
    assert isinstance(told, Unavailable)
    assert (told.status, told.code) == (503, "no_healthy_deployment")
    assert told.retry_after == min(world.breakers[each.id].retry_in for each in (A, B))


def test_nobody_is_told_to_come_back_at_once() -> None:
    world = World(A)
    world.open(A)
    world.clock.now += world.breakers[A.id].retry_in - 0.3
    assert world.walk().next() is not None, "the last resort of this second"
    assert untried(world).retry_after == 1.0


def test_a_breaker_that_is_held_open_for_good_has_a_finite_wait() -> None:
    world = World(A)
    world.breakers[A.id].force("open")
    assert untried(world).retry_after == 3600.0


def test_resting_keys_are_429() -> None:
    world = World(A)
    world.pools[A.provider].rest(fingerprint("one"), "a", 12.0)
    told = untried(world)
    assert (told.status, told.code, told.retry_after) == (429, "rate_limit_exceeded", 12.0)


def test_refused_keys_are_503() -> None:
    world = World(A)
    world.pools[A.provider].set_aside(fingerprint("one"))
    told = untried(world)
    assert (told.status, told.code, told.retry_after) == (503, "no_healthy_deployment", 600.0)


def test_a_resting_key_and_an_open_breaker_are_503() -> None:
    world = World(A, B)
    world.pools[A.provider].rest(fingerprint("one"), "a", 12.0)
    world.open(B)
    told = untried(world)
    assert (told.status, told.retry_after) == (503, 12.0)


def test_an_empty_plan_has_no_able_deployment() -> None:
    told = untried(World())
    assert (told.status, told.code) == (503, "no_able_deployment")


def test_a_field_that_nobody_can_carry_is_named() -> None:
    told = verdict_of(CannotCarry(["tools", "n"]), CannotCarry(["n"]))
    assert isinstance(told, UnsupportedParameter)
    assert (told.status, told.code, told.param) == (400, "unsupported_parameter", "n")
    assert "tools" in told.message


def test_who_cannot_carry_made_no_attempt() -> None:
    told = verdict_of(CannotCarry(["n"]), Broken("down", status=500))
    assert isinstance(told, AllDeploymentsFailed)
    assert [attempt["deployment"] for attempt in told.details["attempts"]] == [B.id]
    assert isinstance(verdict_of(CannotCarry(["n"]), Silent("late")), TimedOut)
    assert isinstance(verdict_of(limited(2.0), CannotCarry(["n"])), TooManyRequests)


def test_a_refusal_takes_along_what_may_travel() -> None:
    error = Rejected("wrong", status=400, retry_after=3.0, body=b"{}")
    error.headers = ((b"x-request-id", b"theirs"),)
    told = verdict_of(error)
    assert isinstance(told, Refused)
    assert (told.headers, told.retry_after) == (error.headers, 3.0)
