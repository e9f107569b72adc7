"""What processes tell each other of their counts, and how it looks in Prometheus' words.

Knows no room, so that a process that only adds up needs none.
Source of the format: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from hybridge.observers.sketch import percentile, summed

Labels = tuple[str, ...]
Kind = Literal["counter", "gauge", "histogram", "summary"]

#: What a summary tells of its values.
_PERCENTS = (50, 90, 95, 99)
#: Upper ends of the histograms' buckets, in seconds.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)


class Family(Struct, frozen=True):
    """One metric: its name, what it tells, its labels. `merge` says how several processes' values become one.

    A `ratio` has two counts, and tells the first one's share in both. A summary's counts are a sketch: buckets, each
    followed by how often it was met; `unit` of what the sketch counts are one of what the metric is called after.
    """

    name: str
    kind: Kind
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    merge: Literal["sum", "max", "ratio"] = "sum"
    unit: int = 1


FAMILIES = (
    Family(
        "hybridge_requests_total",
        "counter",
        "Requests that are over.",
        ("operation", "dialect", "deployment", "kind", "status"),
    ),
    Family("hybridge_request_seconds", "histogram", "A request, from its facts to its end.", ("deployment",), SECONDS),
    Family(
        "hybridge_first_token_seconds", "histogram", "From the call to its first content.", ("deployment",), SECONDS
    ),
    Family(
        "hybridge_overhead_seconds",
        "histogram",
        "What Hybridge adds before the first call and after the last.",
        ("deployment",),
        OVERHEAD_SECONDS,
    ),
    Family("hybridge_attempts_total", "counter", "Calls to deployments.", ("deployment", "outcome")),
    Family("hybridge_tokens_total", "counter", "Tokens by bucket of the bill.", ("deployment", "bucket")),
    Family("hybridge_cost_usd_total", "counter", "What was spent, in USD.", ("deployment", "source")),
    Family("hybridge_unpriced_attempts_total", "counter", "Calls whose price is not known.", ("deployment",)),
    Family("hybridge_breaker_state", "gauge", "0 closed, 1 half-open, 2 open.", ("deployment",), merge="max"),
    Family(
        "hybridge_deployment_success_ratio",
        "gauge",
        "Share of the calls of the last five minutes that were answered.",
        ("deployment",),
        merge="ratio",
    ),
    Family(
        "hybridge_deployment_first_token_seconds",
        "summary",
        "From the call to its first content: streams of the last five minutes.",
        ("deployment",),
        unit=1_000_000,
    ),
    Family(
        "hybridge_deployment_answer_seconds",
        "summary",
        "From the call to its end: whole answers of the last five minutes.",
        ("deployment",),
        unit=1_000_000,
    ),
    Family(
        "hybridge_deployment_tokens_per_second",
        "summary",
        "Output tokens after the first content: streams of the last five minutes.",
        ("deployment",),
        unit=1_000,
    ),
    Family(
        "hybridge_probe_ok",
        "gauge",
        "1 if the latest probe was answered and the key (by its fingerprint) taken, else 0.",
        ("provider", "key"),
        merge="max",
    ),
    Family("hybridge_probe_seconds", "gauge", "From that probe to its answer.", ("provider", "key"), merge="max"),
    Family(
        "hybridge_key_balance",
        "gauge",
        "What is left of a key's money, where the provider tells.",
        ("provider", "key", "currency"),
        merge="max",
    ),
    Family("hybridge_inflight_requests", "gauge", "Requests that are being answered."),
    Family("hybridge_ledger_pending_rows", "gauge", "Entries that wait to be written."),
    Family("hybridge_config_reloads_total", "counter", "Times the configuration was read again.", ("result",)),
    Family("hybridge_workers", "gauge", "Processes that answer."),
    Family("hybridge_worker_restarts_total", "counter", "Processes that ended and were started again."),
)

_BY_NAME = {family.name: family for family in FAMILIES}


class Sample(Struct, frozen=True, array_like=True):
    """One value; or a histogram: a count for each bucket and one beyond, and the sum; or what its `Family` says."""

    family: str
    labels: Labels
    value: float
    counts: tuple[int, ...] = ()


def merged(processes: Iterable[Sequence[Sample]]) -> list[Sample]:
    """The samples of several processes as one."""
    found: dict[tuple[str, Labels], Sample] = {}
    for samples in processes:
        for sample in samples:
            key = sample.family, sample.labels
            before = found.get(key)
            found[key] = sample if before is None else _joined(_BY_NAME[sample.family], before, sample)
    return list(found.values())


def lasting(samples: Iterable[Sample]) -> list[Sample]:
    """What still counts when its process is gone: what has been counted from its start."""
    return [sample for sample in samples if _BY_NAME[sample.family].kind in ("counter", "histogram")]


def _joined(family: Family, one: Sample, other: Sample) -> Sample:
    if family.merge == "max":
        return one if one.value >= other.value else other
    if family.kind == "summary":
        sketch = summed(_sketch(one), _sketch(other))
        return Sample(one.family, one.labels, 0, tuple(number for pair in sketch.items() for number in pair))
    counts = tuple(map(sum, zip(one.counts, other.counts, strict=True)))
    return Sample(one.family, one.labels, one.value + other.value, counts)


def exposition(samples: Sequence[Sample]) -> bytes:
    """Samples in Prometheus' text format."""
    lines = []
    for family in FAMILIES:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for sample in samples:
            if sample.family == family.name:
                lines += _lines(family, sample)
    return ("\n".join(lines) + "\n").encode()


def _lines(family: Family, sample: Sample) -> Iterable[str]:
    labels = [f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, sample.labels, strict=True)]
    if family.kind == "histogram":
        yield from _histogram(family, sample, labels)
    elif family.kind == "summary":
        sketch = _sketch(sample)
        for percent in _PERCENTS:
            value = (percentile(sketch, percent) or 0) / family.unit
            quantile = f'quantile="{percent / 100:g}"'
            yield f"{family.name}{_braced([*labels, quantile])} {value:.6g}"
    else:
        value = sample.counts[0] / sum(sample.counts) if family.merge == "ratio" else sample.value
        yield f"{family.name}{_braced(labels)} {value:.15g}"


def _histogram(family: Family, sample: Sample, labels: Sequence[str]) -> Iterable[str]:
    below = 0
    for end, count in zip((*family.buckets, float("inf")), sample.counts, strict=True):
        below += count
        edge = 'le="+Inf"' if end == float("inf") else f'le="{end:g}"'
        yield f"{family.name}_bucket{_braced([*labels, edge])} {below}"
    yield f"{family.name}_sum{_braced(labels)} {sample.value:.15g}"
    yield f"{family.name}_count{_braced(labels)} {below}"


def _sketch(sample: Sample) -> dict[int, int]:
    return dict(zip(sample.counts[::2], sample.counts[1::2], strict=True))


def _braced(labels: Sequence[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
