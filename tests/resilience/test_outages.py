"""Outages, simulated: calls take time, and a breaker learns of a failure when the call ends."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from hybridge.errors import Broken, ConnectFailed, ProviderError, Rejected, Silent
from hybridge.resilience.retry import Retries
from hybridge.types import Deployment

from .world import Outcome, Simulation, World, deployment

A, B, C = deployment("a"), deployment("b"), deployment("c")
ANSWER: Outcome = (0.65, None)


def fast() -> Outcome:
    return 0.15, Broken("down", status=503)


def hanging() -> Outcome:
    return 10.0, Silent("no answer")


def unreachable() -> Outcome:
    return 0.01, ConnectFailed("refused")


def down(start: float, end: float, how: Callable[[], Outcome], *dead: Deployment) -> Callable[..., Outcome]:
    """Some deployments are dead for a while; seconds from the start of the simulation."""

    def call(asked: Deployment, now: float) -> Outcome:
        return how() if asked in dead and start <= now - 1000.0 < end else ANSWER

    return call


@pytest.mark.parametrize("how", [fast, hanging])
@pytest.mark.parametrize("rate", [1.0, 20.0])
def test_the_onset_of_an_outage_loses_no_request(how: Callable[[], Outcome], rate: float) -> None:
    simulation = Simulation(World(A, B), down(60, 1260, how, A))
    simulation.run(rate, 1400)
    assert simulation.share(200) == 1.0


def test_a_dead_leg_is_left_alone() -> None:
    simulation = Simulation(World(A, B), down(60, 660, fast, A))
    simulation.run(5, 900)
    sent = [at for at, asked in simulation.calls if asked is A and 60 <= at - 1000 < 660]
    assert len(sent) <= 30
    back = [at for at, asked in simulation.calls if asked is A and at - 1000 >= 660]
    assert min(back) - 1660 <= 144 + 1


def test_no_herd_tramples_a_leg_that_hangs() -> None:
    """Defect 5: after each wait everybody went, and learned ten seconds later."""
    simulation = Simulation(World(A, B), down(60, 1260, hanging, A))
    simulation.run(20, 1300)
    sent = [at for at, asked in simulation.calls if asked is A and 60 <= at - 1000 < 1260]
    assert len(sent) <= 0.02 * 24_000
    assert simulation.share(200) == 1.0


def test_the_first_fallback_may_be_down_too() -> None:
    """Defect 3."""
    simulation = Simulation(World(A, B, C), down(10, 610, fast, A, B))
    simulation.run(5, 700)
    assert simulation.share(200) == 1.0


def test_the_onset_of_an_outage_of_two_loses_no_request_at_a_high_rate() -> None:
    simulation = Simulation(World(A, B, C), down(60, 660, fast, A, B))
    simulation.run(20, 700)
    assert simulation.share(200) == 1.0


@pytest.mark.parametrize("plan", [(A,), (A, B), (A, B, C)], ids=len)
@pytest.mark.parametrize(("how", "most"), [(fast, 0.3), (hanging, 1.2)])
def test_an_outage_of_all_is_not_made_worse(
    plan: tuple[Deployment, ...], how: Callable[[], Outcome], most: float
) -> None:
    """Defect 7: 7.9 calls for each request."""
    simulation = Simulation(World(*plan), down(60, 360, how, *plan))
    simulation.run(10, 400)
    sent = [at for at, _ in simulation.calls if 60 <= at - 1000 < 360]
    assert len(sent) <= most * 3000


@pytest.mark.parametrize("plan", [(A,), (A, B), (A, B, C)], ids=len)
@pytest.mark.parametrize("how", [fast, hanging])
def test_the_end_of_an_outage_of_all_is_noticed_within_two_seconds(
    plan: tuple[Deployment, ...], how: Callable[[], Outcome]
) -> None:
    """Defect 8: with everything open, all waited for minutes after all was well."""
    simulation = Simulation(World(*plan), down(60, 360, how, *plan))
    simulation.run(10, 400)
    late = [told for at, told in simulation.told if at - 1000 >= 362]
    assert len(late) > 300
    assert set(late) == {200}
    dead = [told for at, told in simulation.told if 90 <= at - 1000 < 359]
    assert dead.count(503) >= 0.8 * len(dead), "the others are told at once"


def test_a_provider_that_is_gone_is_left_alone_with_all_its_models() -> None:
    """Three of its models are asked for in turn: each would have had its own probes."""
    models = [deployment(name, provider="gone") for name in ("x", "y", "z")]
    world = World(*models, B)
    simulation = Simulation(world, down(60, 660, unreachable, *models))
    world.plans = [(model, *(each for each in models if each is not model), B) for model in models]
    simulation.run(5, 900)
    sent = [at for at, asked in simulation.calls if asked is not B and 62 <= at - 1000 < 660]
    assert len(sent) <= 7, "one probe at a time of all three"
    assert simulation.share(200) == 1.0
    back = [at for at, asked in simulation.calls if asked is not B and at - 1000 >= 660]
    assert min(back) - 1660 <= 144 + 1


def test_a_deployment_that_fails_every_other_time_is_not_stormed() -> None:
    chance = Random(5)

    def call(asked: Deployment, now: float) -> Outcome:
        return (0.2, Broken("error", status=500)) if chance.random() < 0.45 else ANSWER

    simulation = Simulation(World(A, failures=50, retries=Retries(attempts=4, per_request=6)), call)
    simulation.run(10, 600)
    assert len(simulation.calls) <= 1.35 * 6000, "a fifth of the calls, and one in two seconds"
    assert simulation.share(200) >= 0.6


def test_a_deployment_that_is_overloaded_is_asked_for_less() -> None:
    """Room for 20 calls at a time; what is over it goes elsewhere, and is not tried there first."""
    under_way: list[float] = []

    def call(asked: Deployment, now: float) -> Outcome:
        if asked is B:
            return ANSWER
        under_way[:] = [end for end in under_way if end > now]
        if len(under_way) >= 20:
            return 0.05, Broken("overloaded", status=503)
        under_way.append(now + 2.0)
        return 2.0, None

    simulation = Simulation(World(A, B, failures=1000), call)
    simulation.run(40, 300)
    assert simulation.share(200) == 1.0
    steady = [asked for at, asked in simulation.calls if at - 1000 > 60]
    assert steady.count(A) >= 0.9 * 10 * 240, "its room is used"
    assert len(steady) <= 1.1 * 40 * 240, "and few are turned away, who then go elsewhere"


def test_bad_requests_open_nothing() -> None:
    """Defect 1: 30 % of malformed requests took a healthy provider out for 70 % of the time."""
    chance = Random(3)

    def call(asked: Deployment, now: float) -> Outcome:
        return (0.2, Rejected("malformed", status=400)) if chance.random() < 0.3 else ANSWER

    world = World(A, B)
    simulation = Simulation(world, call)
    simulation.run(2, 5000)
    assert simulation.share(200) + simulation.share(400) == 1.0
    assert {asked.id for _, asked in simulation.calls} == {A.id}
    assert len(simulation.calls) == 10_000


def test_two_legs_of_995_are_beyond_9999() -> None:
    """Failures of single calls, and outages of minutes that the two legs do not share."""
    chance = Random(11)

    def failure() -> ProviderError:
        return Broken("error", status=500)

    def call(asked: Deployment, now: float) -> Outcome:
        minute = (now + (150_000 if asked is B else 0)) % 85_000
        if minute < 300 or chance.random() < 0.0015:
            return (10.0, Silent("no answer")) if chance.random() < 0.15 else (0.15, failure())
        return ANSWER

    simulation = Simulation(World(A, B), call)
    simulation.run(1, 170_000)
    assert simulation.share(200) >= 0.9999
