"""Made-up time, legs, what is late, and the reports."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.errors import AllDeploymentsFailed, Rejected, Silent, TimedOut
from hybridge.ledger.entry import LedgerEntry
from hybridge.observers.health import Health
from hybridge.simulator.reliability.events import Events
from hybridge.simulator.reliability.lateness import Lateness
from hybridge.simulator.reliability.legs import FAST, OUTAGE, TIMEOUT, Failures, Leg, Span, merged, outages
from hybridge.simulator.reliability.report import markdown, records, summary, tables
from hybridge.simulator.reliability.rows import Bar, Row
from hybridge.simulator.reliability.tally import Tally
from hybridge.types import Attempt

MICRO = 1_000_000


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 100), max_size=20))
def test_events_happen_in_the_order_of_their_times(delays: list[float]) -> None:
    events = Events()
    seen: list[tuple[float, float]] = []
    for delay in delays:
        events.after(delay, lambda due: seen.append((due, events.time())), delay)
    events.until(50.0)
    assert [due for due, _ in seen] == sorted(delay for delay in delays if delay <= 50.0)
    assert events.now == 50.0
    events.after(1.0, events.after, 1.0, seen.append, (52.0, 52.0))
    events.rest()
    assert [due for due, _ in seen] == sorted([*delays, 52.0])
    assert all(due == at for due, at in seen)


def call(failures: Failures, at: float = 0.0, *, count: int = 1, malformed: bool = False) -> tuple[Leg, list[float]]:
    """A leg after so many calls, and how long those took that did not fail."""
    clock = Clock()
    leg = Leg(0, failures, Random(1), clock)
    clock.now = at
    answers = [leg.call(malformed=malformed) for _ in range(count)]
    return leg, [took for took, error in answers if error is None]


def test_a_leg_answers_as_the_measured_ones_did() -> None:
    _, times = call(Failures(), count=50_000)
    times.sort()
    assert times[len(times) // 2] == pytest.approx(0.65, rel=0.02)
    assert times[len(times) * 99 // 100] == pytest.approx(1.90, rel=0.05)
    assert max(times) < TIMEOUT


def test_single_failures_and_outages_come_as_often_as_told() -> None:
    _, times = call(Failures(0.01), count=20_000)
    assert 150 < 20_000 - len(times) < 260
    spans = ((100.0, 400.0), (1000.0, 1300.0))
    for at, sent in ((99.9, [0, 0]), (100.0, [100, 0]), (399.9, [100, 0]), (400.0, [0, 0]), (1200.0, [0, 100])):
        leg, times = call(Failures(0.0, spans, deadly=1.0), at, count=100)
        assert (leg.sent, len(times)) == (sent, 0 if any(sent) else 100)
    assert call(Failures(0.0, spans), 2000.0)[0].sent == [0, 0]


def test_how_calls_fail() -> None:
    clock = Clock()
    hanging = Leg(1, Failures(1.0, hanging=1.0), Random(1), clock).call(malformed=True)
    assert (hanging[0], type(hanging[1])) == (TIMEOUT, Silent)
    failing = Leg(1, Failures(1.0, hanging=0.0), Random(1), clock).call(malformed=False)
    assert failing[0] == FAST
    refused = Leg(1, Failures(), Random(1), clock).call(malformed=True)
    assert (refused[0], type(refused[1])) == (FAST, Rejected)


@given(st.floats(0.0001, 0.5), st.floats(1000, 1e6), st.integers())
def test_outages_are_apart_and_as_long_as_told(share: float, seconds: float, seed: int) -> None:
    spans = outages(share, seconds, Random(seed))
    assert len(spans) == max(1, round(share * seconds / OUTAGE))
    assert all(end - start == pytest.approx(OUTAGE) for start, end in spans)
    assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(spans))
    assert outages(0.0, seconds, Random(seed)) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=8))
def test_merged_spans_cover_the_same(pairs: list[tuple[int, int]]) -> None:
    spans: list[Span] = [(float(start), float(start + length)) for start, length in pairs]
    found = merged(spans)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    for tenth in range(800):
        at = tenth / 10
        assert any(s <= at < e for s, e in found) == any(s <= at < e for s, e in spans)


@settings(max_examples=50)
@given(st.lists(st.floats(0.001, 9.9), min_size=40, max_size=200), st.floats(0.01, 1.4))
def test_what_is_late_is_what_health_tells(times: list[float], apart: float) -> None:
    clock = Clock()
    health, lateness = Health(lambda: int(clock.now * MICRO)), Lateness(clock)
    clock.now = 10_000.0
    for took in times:
        clock.now += apart
        now_us = int(clock.now * MICRO)
        began = now_us - int(took * MICRO)
        attempt = Attempt("leg-1/model", "leg-1", "direct", started_us=began, first_content_us=now_us, ended_us=now_us)
        health.count(LedgerEntry("", began, "chat", "openai", "m", True, attempts=[attempt], ended_us=now_us))
        lateness.count("leg-1/model", took)
    clock.now += 1.5
    told = health.first_token_p("leg-1/model", 99)
    assert lateness.late("leg-1/model", True) == told
    assert (told is None) == (len(times) < 50)
    assert lateness.late("leg-2/model", True) is None


def test_what_is_old_is_forgotten() -> None:
    clock = Clock()
    lateness = Lateness(clock)
    for number in range(100):
        lateness.count("a", 5.0 if number < 50 else 1.0)
        clock.now += 3.0
    assert lateness.late("a", True) == pytest.approx(5.0, rel=0.04)
    clock.now += 149.0
    assert lateness.late("a", True) == pytest.approx(1.0, rel=0.04)
    clock.now += 10.0
    assert lateness.late("a", True) is None


def test_what_becomes_of_requests() -> None:
    tally = Tally()
    assert (tally.success, tally.slowest, tally.quantiles(0.5)) == (1.0, 0.0, [0.0])
    tally.served(0.0, 1.0)
    tally.served(0.0, 30.5)
    full = AllDeploymentsFailed("all", details={"attempts": [1, 2]})
    tally.told(5.0, 25.0, full, 2)
    tally.told(5.0, 25.0, TimedOut("late"), 2)
    assert (tally.wanted, tally.success, tally.slowest, tally.unexplained) == (4, 0.25, 30.5, 0)
    tally.told(5.0, 25.0, full, 3)
    assert tally.unexplained == 1
    assert [lost.code for lost in tally.lost][:2] == ["late", "all_deployments_failed"]


def row(*bars: Bar, part: str = "steady") -> Row:
    """A row with these bars."""
    return Row(
        part="steady" if part == "steady" else "scenario",
        name="a scene",
        policy="ours",
        legs=2,
        seed="0",
        requests=1000,
        success=0.99995,
        lost=1,
        p50=0.65,
        p99=1.9,
        p999=3.1,
        slowest=12.0,
        calls_per_request=1.005,
        opened=0,
        bars=list(bars),
    )


def test_a_report_names_what_is_missed() -> None:
    good, bad = Bar("served", 99.995, ">=", 99.99, "%"), Bar("calls", 31, "<=", 30)
    rows = [row(good), row(bad, good, part="scenario")]
    assert summary(rows) == "2 of 3 bars are held"
    assert summary(rows[:1]) == "all 1 bars are held"
    page = markdown(rows, "hybridge simulate")
    assert page.startswith("<!-- simulation -->\n\n`hybridge simulate`: 2,000 requests; 2 of 3 bars are held.\n")
    assert page.endswith("\n<!-- /simulation -->\n")
    assert "| 99.9950 | 1 | 1000 | 0.65 | 1.90 | 3.10 | 1.005 | served 99.9950 % (≥ 99.99 %) met |" in page
    assert "| a scene | ours | 1000 | 1.90 | calls | 31 | ≤ 30 | MISSED |\n|  |  |  |  | served |" in page
    assert [len(cells) for _, cells in tables(rows)] == [1, 2]
    assert [[bar["met"] for bar in record["bars"]] for record in records(rows)] == [[True], [False, True]]
