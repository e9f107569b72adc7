"""The circuit breaker: when it opens, what it lets through, and that nothing jams it."""

from __future__ import annotations

from random import Random

import pytest

from hybridge.resilience.breaker import LAST_RESORT, PROBE, CircuitBreaker

from .world import Clock


class Middle(Random):
    """No jitter: the middle of every range."""

    def random(self) -> float:
        return 0.5


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(3, 60.0, clock=clock, chance=Middle())


def state_of(breaker: CircuitBreaker) -> str:
    """The state, which a type checker would not expect to change from line to line."""
    return breaker.state


def fail(breaker: CircuitBreaker, times: int = 3) -> None:
    for _ in range(times):
        assert breaker.admit()
        breaker.failure()


def test_it_works_alone() -> None:
    breaker = CircuitBreaker()
    fail(breaker)
    assert not breaker.admit()
    assert 48.0 * 0.99 <= breaker.retry_in <= 72.0
    assert repr(breaker).startswith("<CircuitBreaker open, retry in ")


@pytest.mark.parametrize(("failures", "reset_after"), [(0, 60.0), (3, -1.0)])
def test_nonsense_is_refused(failures: int, reset_after: float) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        CircuitBreaker(failures, reset_after)


def test_it_opens_at_so_many_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    assert (state_of(breaker), breaker.admit()) == ("closed", True)
    assert repr(breaker) == "<CircuitBreaker closed, 2/3 failures>"
    breaker.failure()
    assert (state_of(breaker), breaker.admit(), breaker.retry_in) == ("open", False, 60.0)


def test_a_success_ends_a_row(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(20):
        fail(breaker, 2)
        clock.now += 11  # so that the share of the last ten seconds says nothing
        breaker.success()
    assert state_of(breaker) == "closed"


@pytest.mark.parametrize(("apart", "state"), [(150.0, "open"), (150.1, "closed")])
def test_a_row_is_no_longer_than_five_minutes(breaker: CircuitBreaker, clock: Clock, apart: float, state: str) -> None:
    for _ in range(3):
        fail(breaker, 1)
        clock.now += apart
    clock.now -= apart
    assert state_of(breaker) == state


def test_rare_failures_never_open_it(breaker: CircuitBreaker, clock: Clock) -> None:
    """Defect 2: `3 failures ever` took a leg of 99.5 % out for half of the time."""
    chance = Random(1)
    for _ in range(20_000):
        clock.now += 0.1
        assert breaker.admit()
        (breaker.failure if chance.random() < 0.005 else breaker.success)()


@pytest.mark.parametrize(("results", "state"), [("SFSFSF", "open"), ("SFSFSSF", "closed"), ("SFSF", "closed")])
def test_it_opens_at_half_of_the_last_calls(breaker: CircuitBreaker, results: str, state: str) -> None:
    for result in results:
        assert breaker.admit()
        (breaker.success if result == "S" else breaker.failure)()
    assert state_of(breaker) == state


def test_only_the_last_ten_seconds_count_for_the_share(breaker: CircuitBreaker, clock: Clock) -> None:
    for result in "SFSFS":
        (breaker.success if result == "S" else breaker.failure)()
    clock.now += 10.1
    breaker.failure()
    assert state_of(breaker) == "closed"


def test_only_the_last_twenty_calls_count_for_the_share(breaker: CircuitBreaker) -> None:
    for _ in range(100):
        breaker.success()
    for number in range(9):
        breaker.failure()
        breaker.success()
        assert state_of(breaker) == "closed", number
    breaker.failure()
    assert state_of(breaker) == "open"


def test_one_probe_goes_out_and_a_good_one_closes(breaker: CircuitBreaker, clock: Clock) -> None:
    """Defect 5: after the wait everybody went at once."""
    fail(breaker)
    clock.now += 59.9
    assert not breaker.admit()
    clock.now += 0.2
    assert state_of(breaker) == "half_open"
    assert [breaker.admit() for _ in range(5)] == [True, False, False, False, False]
    breaker.success()
    assert (state_of(breaker), breaker.admit()) == ("closed", True)
    fail(breaker, 2)
    assert state_of(breaker) == "closed"


def test_a_bad_probe_doubles_the_wait_up_to_two_minutes(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    for wait in (60.0, 120.0, 120.0):
        assert breaker.retry_in == wait
        clock.now += wait
        assert breaker.admit()
        breaker.failure()
    clock.now += 120
    assert breaker.admit()
    breaker.success()
    fail(breaker)
    assert breaker.retry_in == 60.0


def test_a_longer_wait_of_the_configuration_is_kept(clock: Clock) -> None:
    breaker = CircuitBreaker(1, 300.0, clock=clock, chance=Middle())
    fail(breaker, 1)
    clock.now += 300
    fail(breaker, 1)
    assert breaker.retry_in == 300.0


def test_waits_differ_by_a_fifth(clock: Clock) -> None:
    waits = []
    for seed in range(200):
        breaker = CircuitBreaker(1, 60.0, clock=clock, chance=Random(seed))
        breaker.failure()
        waits.append(breaker.retry_in)
    assert 48.0 <= min(waits) < 50.0
    assert 70.0 < max(waits) <= 72.0


def test_a_probe_that_nobody_reports_does_not_jam_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 60
    assert breaker.admit()
    clock.now += PROBE - 0.1
    assert not breaker.admit()
    clock.now += 0.2
    assert breaker.admit()
    breaker.success()
    assert state_of(breaker) == "closed"


def test_a_released_probe_is_made_again_at_once(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 60
    assert breaker.admit()
    breaker.release()
    assert breaker.admit()
    assert not breaker.admit()


def test_a_release_of_another_call_frees_no_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    assert breaker.admit()
    early = breaker.ticket
    fail(breaker)
    clock.now += 60
    assert breaker.admit()
    breaker.release(early)
    assert not breaker.admit()


def test_a_release_counts_as_nothing(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    for _ in range(100):
        assert breaker.admit()
        breaker.release()
    breaker.failure()
    assert state_of(breaker) == "open"


def test_late_results_of_calls_from_before_the_opening_say_nothing(breaker: CircuitBreaker, clock: Clock) -> None:
    assert breaker.admit()
    early = breaker.ticket
    fail(breaker)
    breaker.success(early)
    assert state_of(breaker) == "open"
    clock.now += 60
    assert breaker.admit()
    breaker.failure(early)
    breaker.success(early)
    assert state_of(breaker) == "half_open"
    breaker.success(breaker.ticket)
    for _ in range(5):
        breaker.failure(early)
    assert state_of(breaker) == "closed"


def test_a_late_success_ends_no_row(breaker: CircuitBreaker, clock: Clock) -> None:
    assert breaker.admit()
    early = breaker.ticket
    fail(breaker)
    clock.now += 60
    assert breaker.admit()
    breaker.success()
    for _ in range(3):
        breaker.success(early)
        clock.now += 11  # so that the share of the last ten seconds says nothing
        fail(breaker, 1)
    assert state_of(breaker) == "open"


def test_a_closed_breaker_has_forgotten_the_outage(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += LAST_RESORT
    assert breaker.admit_last_resort()
    breaker.success()
    breaker.success()
    breaker.failure()
    assert state_of(breaker) == "closed"


def test_a_result_without_a_ticket_is_ignored_while_it_is_open(breaker: CircuitBreaker) -> None:
    fail(breaker)
    breaker.success()
    breaker.failure()
    assert breaker.retry_in == 60.0


def test_the_result_of_a_probe_that_was_given_up_still_counts(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 60
    assert breaker.admit()
    first = breaker.ticket
    clock.now += PROBE
    assert breaker.admit()
    breaker.success(first)
    assert state_of(breaker) == "closed"


def test_the_last_resort_asks_once_a_second(breaker: CircuitBreaker, clock: Clock) -> None:
    assert not breaker.admit_last_resort()
    fail(breaker)
    assert not breaker.admit_last_resort()
    clock.now += LAST_RESORT
    assert [breaker.admit_last_resort(), breaker.admit_last_resort(), breaker.admit()] == [True, False, False]
    breaker.failure()
    assert not breaker.admit_last_resort()
    clock.now += LAST_RESORT
    assert breaker.admit_last_resort()
    breaker.success()
    assert state_of(breaker) == "closed"


def test_a_last_resort_does_not_wait_for_one_that_hangs(breaker: CircuitBreaker, clock: Clock) -> None:
    """What hung may have come back: with everybody down, its return is to be noticed within two seconds."""
    fail(breaker)
    hanging = []
    for _ in range(10):
        clock.now += LAST_RESORT
        assert breaker.admit_last_resort()
        hanging.append(breaker.ticket)
    breaker.success(hanging.pop())
    assert state_of(breaker) == "closed"
    for ticket in hanging:
        breaker.failure(ticket)
    assert (state_of(breaker), breaker.failed) == ("closed", 0), "they were sent before it was back"


def test_a_last_resort_does_not_wait_for_a_probe_that_hangs(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 60
    assert breaker.admit()
    clock.now += LAST_RESORT
    assert (breaker.admit(), breaker.admit_last_resort()) == (False, True)
    breaker.success()
    assert state_of(breaker) == "closed"


def test_a_last_resort_that_fails_after_the_probe_that_is_due_went_out_says_nothing(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.now += 59
    assert breaker.admit_last_resort()
    early = breaker.ticket
    clock.now += 1
    assert breaker.admit()
    due = breaker.ticket
    breaker.failure(early)
    assert state_of(breaker) == "half_open"
    breaker.success(due)
    assert state_of(breaker) == "closed"


def test_a_probe_that_hangs_longer_than_it_is_waited_for_doubles_the_wait_all_the_same(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.now += 60
    assert breaker.admit()
    first = breaker.ticket
    clock.now += PROBE
    assert breaker.admit()
    second = breaker.ticket
    breaker.failure(first, "timeout")
    assert breaker.retry_in == 120.0
    breaker.failure(second, "timeout")
    assert breaker.retry_in == 120.0, "one round of probes doubles it once"
    assert breaker.failed == 5


def test_it_says_why(breaker: CircuitBreaker, clock: Clock) -> None:
    assert (breaker.why, breaker.failed, breaker.open_for) == ("", 0, 0.0)
    breaker.failure(why="timeout")
    assert breaker.why == "1 failure since the last success, last: timeout"
    breaker.failure()
    assert breaker.why == "2 failures since the last success"
    assert breaker.failure(why="broken 503")
    assert breaker.why == "3 failures in a row, last: broken 503"
    clock.now += 60
    assert breaker.admit()
    assert breaker.failure(why="connect_failed")
    assert (breaker.why, breaker.failed) == ("3 failures in a row, last: connect_failed", 4)
    assert breaker.open_for == 60.0
    breaker.force("open")
    assert breaker.why == "held open by an operator"
    breaker.force("auto")
    assert (breaker.why, breaker.failed, breaker.open_for) == ("", 0, 0.0)
    for result in "SFSF":
        (breaker.success if result == "S" else breaker.failure)()
    breaker.success()
    assert breaker.failure(why="broken 500")
    assert breaker.why == "3 of the last 6 calls failed, last: broken 500"


def test_a_sign_of_life_ends_the_matter(breaker: CircuitBreaker) -> None:
    assert breaker.calm
    fail(breaker, 2)
    assert (breaker.free, breaker.calm) == (True, False)
    breaker.answered()
    assert breaker.calm
    fail(breaker)
    breaker.answered()
    assert (state_of(breaker), breaker.calm) == ("closed", True)
    breaker.force("open")
    breaker.answered()
    assert state_of(breaker) == "open"


def test_a_last_resort_does_not_put_off_the_probe_that_is_due(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    for _ in range(30):
        clock.now += LAST_RESORT
        assert breaker.admit_last_resort()
        breaker.failure()
    assert breaker.retry_in == 30.0


def test_an_operator_may_hold_it_open(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.force("open", clock.now + 600)
    assert (state_of(breaker), breaker.admit(), breaker.retry_in) == ("open", False, 600.0)
    assert not breaker.admit_last_resort()
    assert repr(breaker).endswith(", forced>")
    breaker.success()
    clock.now += 599
    assert not breaker.admit()
    clock.now += 1
    assert (breaker.admit(), breaker.state, breaker.retry_in) == (True, "closed", 0.0)


def test_an_operator_may_hold_it_closed(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    breaker.force("closed")
    fail(breaker, 10)
    clock.now += 1e6
    assert (state_of(breaker), breaker.admit(), breaker.retry_in) == ("closed", True, 0.0)
    breaker.force("auto")
    fail(breaker)
    assert state_of(breaker) == "open"


def test_auto_leaves_a_breaker_alone_that_nobody_held(breaker: CircuitBreaker) -> None:
    fail(breaker)
    breaker.force("auto")
    assert state_of(breaker) == "open"


def test_results_of_calls_from_before_it_was_held_say_nothing(breaker: CircuitBreaker) -> None:
    assert breaker.admit()
    early = breaker.ticket
    breaker.force("closed")
    breaker.force("auto")
    for _ in range(3):
        breaker.failure(early)
    assert state_of(breaker) == "closed"
