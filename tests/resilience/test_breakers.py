"""The breakers of all deployments: how many are kept, and which are forgotten."""

from __future__ import annotations

from random import Random

import pytest

from hybridge.resilience.breaker import LONGEST_RESET, MOST, Breakers

from .world import Clock, deployment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(3, 60.0, clock=clock, chance=Random(1))


def names(breakers: Breakers) -> set[str]:
    return {name for name, _ in breakers}


def fail(breakers: Breakers, name: str, times: int = 3) -> None:
    for _ in range(times):
        breakers[name].failure()


def make_up(breakers: Breakers, clock: Clock, count: int, failures: int = 1) -> None:
    """Ask for so many models that nobody knows."""
    for number in range(count):
        clock.now += 0.0001
        fail(breakers, f"p/made-up-{clock.now}-{number}", failures)


def test_names_that_clients_make_up_do_not_fill_the_memory(breakers: Breakers, clock: Clock) -> None:
    make_up(breakers, clock, 3 * MOST)
    assert MOST // 2 <= len(names(breakers)) <= MOST


def test_those_that_have_been_quiet_for_longest_are_forgotten(breakers: Breakers, clock: Clock) -> None:
    breakers["p/quiet"].success()
    for _ in range(8):
        make_up(breakers, clock, MOST // 4)
        breakers["p/asked"].success()
    assert "p/quiet" not in names(breakers)
    assert "p/asked" in names(breakers)


def test_a_new_one_that_waits_for_its_first_result_is_not_the_first_to_go(breakers: Breakers, clock: Clock) -> None:
    make_up(breakers, clock, MOST - 1)
    new = breakers["p/new"]
    make_up(breakers, clock, MOST // 2)
    assert breakers["p/new"] is new


def test_a_busy_one_keeps_its_count_of_failures(breakers: Breakers, clock: Clock) -> None:
    busy = breakers["p/busy"]
    for _ in range(10):
        make_up(breakers, clock, MOST // 4)
        clock.now += 11
        fail(breakers, "p/busy", 1)
        busy.success()
    fail(breakers, "p/busy", 2)
    make_up(breakers, clock, MOST // 4)
    assert breakers["p/busy"] is busy
    fail(breakers, "p/busy", 1)
    assert busy.state == "open"


def test_an_open_one_is_never_forgotten_nor_one_that_is_held(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, "p/down")
    down, held, shut = breakers["p/down"], breakers["p/held"], breakers["p/shut"]
    held.force("closed")
    shut.force("open")
    make_up(breakers, clock, 3 * MOST)
    assert breakers["p/down"] is down
    assert down.state == "open"
    assert breakers["p/held"] is held
    assert breakers["p/shut"] is shut
    held.force("auto")
    shut.force("auto")
    make_up(breakers, clock, 3 * MOST)
    assert not {"p/held", "p/shut"} & names(breakers)


def test_one_whose_probe_is_out_is_not_forgotten(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, "p/down")
    clock.now += 1000
    down = breakers["p/down"]
    assert down.admit()
    make_up(breakers, clock, 3 * MOST)
    assert breakers["p/down"] is down
    assert not down.admit()


def test_one_that_opened_long_ago_and_that_nobody_has_asked_since_may_go(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, "p/down")
    clock.now += 72 + LONGEST_RESET
    make_up(breakers, clock, 3 * MOST)
    assert "p/down" not in names(breakers)
    assert breakers["p/down"].state == "closed"


def test_where_all_are_open_more_are_kept_for_a_while(breakers: Breakers, clock: Clock) -> None:
    make_up(breakers, clock, 2 * MOST, failures=3)
    assert len(names(breakers)) == 2 * MOST
    assert all(breaker.state == "open" for _, breaker in breakers)
    clock.now += 1000
    make_up(breakers, clock, 2 * MOST)
    assert len(names(breakers)) <= MOST


def test_a_plan_that_was_met_is_met_again_after_it_was_forgotten(breakers: Breakers, clock: Clock) -> None:
    plan = (deployment("a"), deployment("b"))
    first = breakers.meet(plan)
    assert first is breakers[plan[0].id]
    assert {each.id for each in plan} <= names(breakers)
    assert breakers.meet(plan) is first
    make_up(breakers, clock, 3 * MOST)
    assert breakers.meet(plan) is breakers[plan[0].id]
    assert breakers.meet((plan[1],)) is breakers[plan[1].id]


def test_those_that_stay_are_adopted(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, "p/down")
    fail(breakers, "q/down")
    after = Breakers(3, 60.0, clock=clock, chance=Random(1))
    after.adopt(breakers, lambda name: name.startswith("p/"))
    assert after["p/down"] is breakers["p/down"]
    assert after["q/down"] is not breakers["q/down"]
