"""What traffic shows of deployments: windows, percentiles, and what is left out of them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.errors import ClientGone, ProviderError
from hybridge.ledger.entry import LedgerEntry
from hybridge.money import Usage
from hybridge.observers.health import FAILURES, FEWEST, MOST, SLOT_US, SLOTS, Health, Window, merged
from hybridge.types import Attempt

SECOND = 1_000_000
START = 1_790_000_000 * SECOND
NEITHER = ("rejected", "context_overflow", "content_filtered", "unable", "client_gone", "hedged", "internal")


class World:
    """A clock, and a health that reads it."""

    def __init__(self) -> None:
        self.now = START
        self.health = Health(lambda: self.now)

    def call(self, deployment: str = "a/m", took: float = 1.0, error: str = "") -> None:
        """A whole answer, or a failure, that ends now."""
        self.health.count(entry([self.attempt(deployment, took, error)], self.now))

    def stream(self, deployment: str = "a/m", first: float = 0.5, rest: float = 2.0, tokens: int = 100) -> None:
        """A stream that ends now."""
        made = self.attempt(deployment, first + rest, "")
        made.first_content_us = self.now - round(rest * SECOND)
        made.usage = Usage(input=7, output=tokens // 2, reasoning=tokens - tokens // 2)
        self.health.count(entry([made], self.now, stream=True))

    def attempt(self, deployment: str, took: float, error: str) -> Attempt:
        began = self.now - round(took * SECOND)
        return Attempt(deployment, "a", "direct", started_us=began, ended_us=self.now, error_class=error)

    def window(self, deployment: str = "a/m") -> Window:
        return self.health.window(deployment)


def entry(attempts: Iterable[Attempt], now: int, *, stream: bool = False) -> LedgerEntry:
    made = LedgerEntry("r", START, "chat", "openai", "m", stream)
    made.attempts.extend(attempts)
    made.ended_us = now
    return made


def near(value: float) -> object:
    return pytest.approx(value, rel=0.05)


def test_answers_and_failures_are_counted_apart() -> None:
    world = World()
    for _ in range(6):
        world.call()
    world.stream()
    world.call(error="timeout")
    world.call(error="timeout")
    world.call(error="rate_limited")
    window = world.window()
    assert (window.successes, window.failures) == (7, {"timeout": 2, "rate_limited": 1})
    assert window.success_ratio == 0.7


@pytest.mark.parametrize("error", NEITHER)
def test_what_is_the_requests_fault_or_the_clients_counts_neither_way(error: str) -> None:
    world = World()
    world.call(error=error)
    assert world.window() == Window("a/m")
    assert world.window().success_ratio is None
    assert world.health.windows() == []


def test_every_failure_of_the_tree_that_blames_somebody_counts() -> None:
    assert {"broken", "timeout", "connect_failed", "truncated", "key_refused", "rate_limited"} <= FAILURES
    assert FAILURES.isdisjoint(NEITHER)
    assert not issubclass(ClientGone, ProviderError)


def test_a_stream_has_a_first_token_and_a_throughput_and_a_whole_answer_its_time() -> None:
    world = World()
    for _ in range(10):
        world.call(took=3)
        world.stream(first=0.7, rest=2, tokens=90)
    window = world.window()
    assert (window.total_p(50), window.first_token_p(99)) == (near(3), near(0.7))
    assert window.throughput_p(50) == near(45)


def test_so_many_percent_reach_at_least_that_throughput() -> None:
    world = World()
    for tokens in (20, *[200] * 9):
        world.stream(rest=1, tokens=tokens)
    window = world.window()
    assert (window.throughput_p(90), window.throughput_p(95)) == (near(20), near(20))
    assert window.throughput_p(50) == near(200)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_was_overtaken_took_at_least_so_long(stream: bool) -> None:
    world = World()
    slow, quick = world.attempt("a/m", 2.5, "hedged"), world.attempt("b/m", 0.5, "")
    quick.first_content_us = world.now
    world.health.count(entry([slow, quick], world.now, stream=stream))
    window = world.window()
    assert (window.first_token_p(50) if stream else window.total_p(50)) == near(2.5)
    assert (window.successes, window.failed, window.success_ratio, window.overtaken) == (0, 0, None, 1)
    assert (window + window).overtaken == 2
    world.now += 2 * SLOT_US
    assert world.window() == window
    assert len(world.health.windows()) == 2
    # The copy, where the original is faster, was not slow: it had no time.
    world = World()
    original, copy = world.attempt("a/m", 3, ""), world.attempt("b/m", 0.1, "hedged")
    world.health.count(entry([copy, original], world.now))
    assert world.window("b/m") == Window("b/m")


def test_a_stream_that_comes_in_one_piece_has_no_throughput() -> None:
    world = World()
    world.stream(rest=0.001)
    assert world.window().first_token_p(50) == near(0.5)
    assert world.window().throughput_p(50) is None


def test_five_minutes_are_remembered_and_no_more() -> None:
    world = World()
    world.call(took=1)
    world.now += (SLOTS - 1) * SLOT_US
    world.call(took=2)
    assert world.window().successes == 2
    world.now += SLOT_US
    assert world.window().successes == 1
    assert world.window().total_p(50) == near(2)
    world.now += (SLOTS - 1) * SLOT_US
    assert world.window() == Window("a/m")
    assert world.health.windows() == []
    assert repr(world.health) == "<Health of 0 deployments>"


def test_an_attempt_that_ended_long_before_its_request_does_not_turn_the_window_back() -> None:
    world = World()
    failed = world.attempt("a/m", 1, "timeout")
    world.now += 5 * SLOT_US
    world.call()
    world.health.count(entry([failed, world.attempt("b/m", 1, "")], world.now))
    assert (world.window().successes, world.window().failed) == (1, 1)


@pytest.mark.parametrize("took", [-1e9, -1.0, 0.0, 1e-5, 4000.0, 1e9])
def test_a_time_out_of_bounds_is_counted_all_the_same(took: float) -> None:
    world = World()
    world.call(took=took)
    world.stream(first=took, rest=1)
    world.stream(rest=1, tokens=10**15)
    assert world.window().successes == 3
    assert sum(world.window().throughput.values()) == 2


def test_a_clock_that_was_set_back_forgets_what_seems_to_lie_ahead() -> None:
    world = World()
    world.call()
    world.now -= 3600 * SECOND
    world.call(took=2)
    assert world.window().successes == 1
    world.now += SLOT_US
    assert world.window().total_p(50) == near(2)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0, 400), st.sampled_from(["", "", "timeout"]), st.floats(-1, 4000), st.booleans()),
        max_size=30,
    )
)
def test_a_window_has_exactly_the_calls_of_the_last_five_minutes(calls: list[tuple[float, str, float, bool]]) -> None:
    world = World()
    ended: list[tuple[int, str]] = []
    for pause, error, took, stream in calls:
        world.now += round(pause * SECOND)
        if stream and not error:
            world.stream(first=took)
        else:
            world.call(took=took, error=error)
        ended.append((world.now // SLOT_US, error))
    oldest = world.now // SLOT_US - SLOTS + 1
    recent = [error for slot, error in ended if slot >= oldest]
    window = world.window()
    assert (window.successes, window.failed) == (recent.count(""), recent.count("timeout"))


def test_a_tail_needs_a_sample_and_is_read_once_a_second() -> None:
    world = World()
    for _ in range(FEWEST - 1):
        world.stream(first=0.2)
    assert world.health.first_token_p("a/m", 99) is None
    world.stream(first=0.2)
    # What was said holds for a second.
    assert world.health.first_token_p("a/m", 99) is None
    world.now += SECOND
    assert world.health.first_token_p("a/m", 99) == near(0.2)
    assert world.health.first_token_p("a/m", 50) == near(0.2)
    for _ in range(FEWEST):
        world.stream(first=5)
        world.call(took=9)
    assert world.health.first_token_p("a/m", 99) == near(0.2)
    world.now += SECOND
    assert world.health.first_token_p("a/m", 99) == near(5)
    assert world.health.total_p("a/m", 99) == near(9)
    assert world.health.total_p("nobody/knows", 99) is None
    world.now -= 3600 * SECOND
    assert world.health.first_token_p("a/m", 99) is None


def test_processes_add_up_and_travel_as_json() -> None:
    one, other = World(), World()
    for world, times in ((one, 3), (other, 7)):
        for _ in range(times):
            world.call(took=1)
            world.stream()
        world.call(error="timeout")
    other.call("b/m")
    sent = [msgspec.json.decode(msgspec.json.encode(each.health.windows()), type=list[Window]) for each in (one, other)]
    assert sent == [one.health.windows(), other.health.windows()]
    together, second = merged(sent)
    assert (together.deployment, together.successes, together.failures) == ("a/m", 20, {"timeout": 2})
    assert together.total_p(50) == near(1)
    assert (second.deployment, second.successes) == ("b/m", 1)
    assert merged([]) == []


def test_clients_cannot_make_it_grow() -> None:
    world = World()
    world.health.listed = lambda deployment: deployment.startswith("a/")
    for number in range(MOST + 200):
        world.call(f"x/made-up-{number}", error="model_unknown")
    assert world.health.windows() == []
    for number in range(MOST + 200):
        world.call(f"x/served-{number}")
    assert len(world.health.windows()) == MOST
    # No room while all have calls; room again once they have none.
    world.call("a/late")
    assert world.window("a/late") == Window("a/late")
    world.now += SLOTS * SLOT_US
    world.call("a/late", error="timeout")
    assert [window.deployment for window in world.health.windows()] == ["a/late"]
