"""The breakers of all deployments: how many are kept, and which are forgotten."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from hybridge.resilience.breaker import LONGEST_RESET
from hybridge.resilience.breakers import CONCURRENCY, MOST, MOST_HELD, Breakers, BreakerState

from .world import Clock, deployment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(3, 60.0, clock=clock, chance=Random(1))


def names(breakers: Breakers) -> set[str]:
    """The deployments that are remembered."""
    return {name for name, _ in breakers if "/" in name}


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
    assert all(breaker.state == "open" for name, breaker in breakers if "/" in name)
    clock.now += 1000
    make_up(breakers, clock, 2 * MOST)
    assert len(names(breakers)) <= MOST


def test_one_in_use_is_not_forgotten(breakers: Breakers, clock: Clock) -> None:
    gate = breakers.gate("p/slow")
    gate.admit()
    make_up(breakers, clock, 3 * MOST)
    assert breakers.gate("p/slow") is gate
    gate.release(0, 0)
    make_up(breakers, clock, 3 * MOST)
    assert breakers.gate("p/slow") is not gate


def test_a_plan_that_was_met_is_met_again_after_it_was_forgotten(breakers: Breakers, clock: Clock) -> None:
    plan = (deployment("a"), deployment("b"))
    first = breakers.meet(plan)
    assert first is breakers.gate(plan[0].id)
    assert {each.id for each in plan} <= names(breakers)
    assert breakers.meet(plan) is first
    make_up(breakers, clock, 3 * MOST)
    assert breakers.meet(plan) is breakers.gate(plan[0].id)
    assert breakers.meet((plan[1],)) is breakers.gate(plan[1].id)


def test_those_that_stay_are_adopted(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, "p/down")
    fail(breakers, "q/down")
    after = Breakers(3, 60.0, clock=clock, chance=Random(1))
    after.adopt(breakers, lambda name: name.partition("/")[0] == "p")
    assert after["p/down"] is breakers["p/down"]
    assert after["q/down"] is not breakers["q/down"]
    assert after["p"] is breakers["p"] is after.gate("p/down").provider
    assert after["q"] is not breakers["q"]


def test_what_an_operator_holds_stays_held_whatever_changes(breakers: Breakers, clock: Clock) -> None:
    breakers.force("p", "open", 100.0)
    breakers.force("p/x", "closed")
    fail(breakers, "p/down")
    after = Breakers(9, 1.0, clock=clock, chance=Random(1))
    after.adopt(breakers, lambda name: False)
    assert (after["p"].state, after["p"].retry_in) == ("open", 100.0)
    assert after["p/x"].held_until == float("inf")
    assert after["p/down"].state == "closed"


def test_breakers_are_made_when_asked_for(clock: Clock) -> None:
    breakers = Breakers(1, 60.0, clock=clock, chance=Random(1))
    assert breakers["a/b"] is breakers["a/b"]
    assert repr(breakers) == "<Breakers all closed>"
    breakers["c/d"].failure()
    assert {name: breaker.state for name, breaker in breakers} == {
        "a/b": "closed", "c/d": "open", "a": "closed", "c": "closed",
    }  # fmt: skip
    assert repr(breakers) == "<Breakers c/d open>"


# Held by an operator


@pytest.mark.parametrize("name", ["p/never-met", "p"])
def test_one_that_nobody_has_met_can_be_held(breakers: Breakers, clock: Clock, name: str) -> None:
    breakers.force(name, "auto")
    assert list(breakers) == [], "there was nothing to let go"
    breakers.force(name, "open", 30.0)
    assert breakers.gate("p/never-met").refusal() == ("provider" if name == "p" else "breaker")
    clock.now += 30
    assert breakers.gate("p/never-met").refusal() == ""
    breakers.force(name, "open")
    clock.now += 1e9
    assert breakers[name].state == "open"
    breakers.force(name, "auto")
    assert breakers.gate("p/never-met").refusal() == ""


def test_no_more_are_held_than_can_be_remembered(breakers: Breakers) -> None:
    for number in range(MOST_HELD):
        breakers.force(f"p/{number}", "open", 60.0)
    with pytest.raises(ValueError, match="held already"):
        breakers.force("p/one-more", "closed")
    breakers.force("p/0", "closed", 60.0)
    breakers.force("p/1", "auto")
    breakers.force("p/one-more", "closed")


# As an operator sees them


def test_states_are_told_with_their_reasons(breakers: Breakers, clock: Clock) -> None:
    breakers.gate("p/well").admit()
    for _ in range(3):
        breakers["p/down"].failure(why="broken 503")
    breakers.force("q", "open", 50.0)
    breakers.force("q/always", "closed")
    clock.now += 20
    told = {each.id: each for each in breakers.states()}
    assert list(told) == ["p/well", "p/down", "q/always", "p", "q"]
    assert told["p/well"] == BreakerState("p/well", "closed", "", 0, 0.0, 0.0, False, None, 1, CONCURRENCY)
    down = told["p/down"]
    assert (down.state, down.why, down.failures) == ("open", "3 failures in a row, last: broken 503", 3)
    assert (down.open_for_s, down.retry_in_s) == (20.0, breakers["p/down"].retry_in)
    held = told["q"]
    assert (held.state, held.why, held.held) == ("open", "held open by an operator", True)
    assert (held.held_for_s, held.retry_in_s, held.most) == (30.0, 30.0, 0)
    assert (told["q/always"].held, told["q/always"].held_for_s) == (True, None)
    assert b"NaN" not in msgspec.json.encode(list(told.values()))


def test_a_hold_for_good_has_no_end(breakers: Breakers) -> None:
    breakers.force("p/x", "open")
    (gate, _) = breakers.states()
    assert (gate.retry_in_s, gate.held_for_s, gate.held) == (None, None, True)
