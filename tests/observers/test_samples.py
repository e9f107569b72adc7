"""What is counted, how several processes' counts become one, and what Prometheus reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from hybridge.ledger.entry import LedgerEntry
from hybridge.money import BUCKETS, Usage
from hybridge.observers import sketch
from hybridge.observers.metrics import MOST_UNLISTED, Metrics
from hybridge.observers.samples import FAMILIES, SECONDS, Family, Sample, exposition, lasting, merged
from hybridge.types import Attempt

SECOND = 1_000_000


def attempt(deployment: str = "a/m", error: str = "", **more: object) -> Attempt:
    made = Attempt(
        deployment, deployment.partition("/")[0], "direct", started_us=100, ended_us=SECOND, error_class=error
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


def entry(*attempts: Attempt, status: int = 200) -> LedgerEntry:
    made = LedgerEntry(id="r", started_us=0, operation="chat", dialect="openai", model="m", stream=False)
    made.ended_us, made.status = SECOND + 400, status
    made.attempts.extend(attempts)
    return made


def counted(metrics: Metrics) -> dict[tuple[str, ...], Sample]:
    return {(sample.family.removeprefix("hybridge_"), *sample.labels): sample for sample in metrics.samples()}


def read(samples: list[Sample]) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(exposition(samples).decode())
        for sample in family.samples
    }


def test_a_request_is_counted_with_all_its_attempts() -> None:
    metrics = Metrics(lambda _: True)
    usage = Usage(input=9, output=3)
    last = attempt("b/m", first_content_us=200_100, usage=usage, cost_nano_usd=1_500_000_000, cost_source="computed")
    metrics(entry(attempt(error="server_error", cost_source="unpriced"), last))
    found = counted(metrics)
    assert found["requests_total", "chat", "openai", "b/m", "direct", "200"].value == 1
    assert found["attempts_total", "a/m", "server_error"].value == 1
    assert found["attempts_total", "b/m", "success"].value == 1
    assert found["tokens_total", "b/m", "input"].value == 9
    assert found["cost_usd_total", "b/m", "computed"].value == 1.5
    # Unpriced is never zero.
    assert ("cost_usd_total", "a/m", "unpriced") not in found
    assert found["unpriced_attempts_total", "a/m"].value == 1
    assert found["first_token_seconds", "b/m"].value == 0.2
    assert found["request_seconds", "b/m"].value == 1.0004
    assert found["overhead_seconds", "b/m"].value == 0.0005
    assert sum(found["overhead_seconds", "b/m"].counts) == 1


@given(st.lists(st.dictionaries(st.sampled_from(BUCKETS), st.integers(0, 3), max_size=2), max_size=5))
def test_every_bucket_of_a_bill_is_counted(bills: list[dict[str, int]]) -> None:
    metrics = Metrics(lambda _: True)
    usages = [Usage(**bill) for bill in bills]
    for usage in usages:
        metrics(entry(attempt(usage=usage)))
    found = counted(metrics)
    for bucket in BUCKETS:
        total = sum(getattr(usage, bucket) for usage in usages)
        sample = found.get(("tokens_total", "a/m", bucket))
        assert (sample.value if sample else 0) == total


@given(st.lists(st.integers(-5, 700_000_000) | st.sampled_from([round(end * SECOND) for end in SECONDS]), max_size=8))
def test_a_request_is_in_the_bucket_of_its_seconds(took: list[int]) -> None:
    metrics = Metrics(lambda _: True)
    for each in took:
        made = entry(attempt())
        made.ended_us = each
        metrics(made)
    if took:
        sample = counted(metrics)["request_seconds", "a/m"]
        assert sample.value == pytest.approx(sum(took) / SECOND)
        for place, end in enumerate(SECONDS, 1):
            assert sum(sample.counts[:place]) == sum(each / SECOND <= end for each in took)
        assert sum(sample.counts) == len(took)


def test_a_request_that_nobody_was_asked_for_is_counted_too() -> None:
    metrics = Metrics(lambda _: True)
    metrics(entry(status=404))
    assert counted(metrics)["requests_total", "chat", "openai", "", "", "404"].value == 1


def test_clients_cannot_make_labels() -> None:
    metrics = Metrics(lambda deployment: deployment == "a/listed")
    for number in range(1000):
        metrics(entry(attempt(f"a/made-up-{number}", error="not_found"), status=502))
    metrics(entry(attempt("a/listed", error="server_error"), status=502))
    assert {key[1] for key in counted(metrics) if key[0] == "attempts_total"} == {"a/other", "a/listed"}
    assert metrics.labels("a/listed")
    assert not metrics.labels("a/other")
    # One that its provider has answered for exists, and has a label; but not any number of them.
    for number in range(2 * MOST_UNLISTED):
        metrics(entry(attempt(f"a/served-{number}")))
    labels = {key[1] for key in counted(metrics) if key[0] == "attempts_total"}
    assert "a/served-0" in labels
    assert len(labels) == MOST_UNLISTED + 2


def test_processes_are_added_up_and_what_is_gone_still_counts() -> None:
    one, other = Metrics(lambda _: True), Metrics(lambda _: True)
    for metrics, times in ((one, 2), (other, 3)):
        for _ in range(times):
            metrics(entry(attempt()))
    gauges = [Sample("hybridge_inflight_requests", (), 4), Sample("hybridge_breaker_state", ("a/m",), 2)]
    calm = [Sample("hybridge_inflight_requests", (), 1), Sample("hybridge_breaker_state", ("a/m",), 0)]
    together = read(merged([[*one.samples(), *gauges], [*other.samples(), *calm]]))
    assert together["hybridge_requests_total", ("chat", "openai", "a/m", "direct", "200")] == 5
    assert together["hybridge_request_seconds_count", ("a/m",)] == 5
    assert together["hybridge_request_seconds_bucket", ("a/m", "+Inf")] == 5
    assert together["hybridge_request_seconds_bucket", ("a/m", "1")] == 0
    assert together["hybridge_inflight_requests", ()] == 5
    assert together["hybridge_breaker_state", ("a/m",)] == 2
    assert lasting(gauges) == []
    assert len(lasting(one.samples())) == len(one.samples())


def value_of(family: Family) -> tuple[float, tuple[int, ...]]:
    """1.5 as each kind of family tells it, three of four as a ratio."""
    if family.merge == "ratio":
        return 0, (3, 1)
    if family.kind == "summary":
        return 0, (sketch.bucket(3 * family.unit // 2), 2)
    return 1.5, tuple(1 for _ in (*family.buckets, 0))


def test_prometheus_reads_every_family_and_any_label() -> None:
    label = 'a/"quoted\\slash\nline"'
    samples = [Sample(family.name, tuple(label for _ in family.labels), *value_of(family)) for family in FAMILIES]
    families = list(text_string_to_metric_families(exposition(samples).decode()))
    assert len(families) == len(FAMILIES)
    for family, written in zip(families, FAMILIES, strict=True):
        assert family.name == written.name.removesuffix("_total")
        assert (family.type, family.documentation) == (written.kind, written.help)
        assert all(
            value == label
            for sample in family.samples
            for name, value in sample.labels.items()
            if name not in ("le", "quantile")
        )
        told = {
            round(sample.value, 1 if written.kind == "summary" else 9)
            for sample in family.samples
            if not sample.name.endswith(("_bucket", "_count"))
        }
        assert told == {0.75 if written.merge == "ratio" else 1.5}


@given(
    st.lists(st.integers(-5, 700 * SECOND) | st.sampled_from([round(end * SECOND) for end in SECONDS]), max_size=30),
    st.sampled_from([1, 20]),
)
def test_times_stand_in_their_buckets_whenever_they_are_looked_at(some: list[int], often: int) -> None:
    metrics, times = Metrics(lambda _: True), some * often
    for number, took in enumerate(times):
        one = entry(attempt(first_content_us=100 + took))
        one.ended_us = took
        metrics(one)
        if number % 400 == 300:
            metrics.samples()
    found = counted(metrics)
    ends = [round(end * SECOND) for end in SECONDS]
    for family in ("request_seconds", "first_token_seconds"):
        if not times:
            assert (family, "a/m") not in found
            continue
        noted = [took for took in times if family == "request_seconds" or 100 + took]
        counts = [0] * (len(ends) + 1)
        for took in noted:
            counts[sum(end < took for end in ends)] += 1
        assert found[family, "a/m"].counts == tuple(counts)
        assert found[family, "a/m"].value == sum(noted) / SECOND
