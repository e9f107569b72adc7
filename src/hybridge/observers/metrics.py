"""Metrics: counted in plain dicts on the hot path, put into Prometheus' words when somebody asks.

Labels come from the catalogue, never from clients: a model that nobody lists counts as `other`.
Source of the format: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from hybridge.ledger.entry import LedgerEntry
from hybridge.money import BUCKETS, NANO
from hybridge.types import Attempt

Labels = tuple[str, ...]
Kind = Literal["counter", "gauge", "histogram"]

#: Upper ends of the histograms' buckets, in seconds.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)

_MICRO = 1_000_000


class Family(Struct, frozen=True):
    """One metric: its name, what it tells, its labels. `merge` says how several processes' values become one."""

    name: str
    kind: Kind
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    merge: Literal["sum", "max"] = "sum"


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
    Family("hybridge_breaker_state", "gauge", "0 closed, 1 half-open, 2 open.", ("deployment",), merge="max"),
    Family("hybridge_inflight_requests", "gauge", "Requests that are being answered."),
    Family("hybridge_ledger_pending_rows", "gauge", "Entries that wait to be written."),
    Family("hybridge_config_reloads_total", "counter", "Times the configuration was read again.", ("result",)),
)


class Sample(Struct, frozen=True, array_like=True):
    """One value, or a histogram: a count for each bucket and one beyond, and the sum."""

    family: str
    labels: Labels
    value: float
    counts: tuple[int, ...] = ()


class _Histogram:
    __slots__ = ("counts", "ends", "total")

    def __init__(self, ends: tuple[float, ...]) -> None:
        self.ends = ends
        self.counts = [0] * (len(ends) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.ends, value)] += 1
        self.total += value


class _Deployment:
    """What is counted of one deployment."""

    __slots__ = ("cost", "first_token", "outcomes", "overhead", "request", "tokens")

    def __init__(self) -> None:
        self.request = _Histogram(SECONDS)
        self.first_token = _Histogram(SECONDS)
        self.overhead = _Histogram(OVERHEAD_SECONDS)
        self.outcomes: defaultdict[str, int] = defaultdict(int)
        self.tokens = [0] * len(BUCKETS)
        self.cost: defaultdict[str, int] = defaultdict(int)


class Metrics:
    """Counts entries. `listed`: whether a deployment's id may be a label; `gauges` are asked when somebody looks."""

    def __init__(self, listed: Callable[[str], bool], gauges: Callable[[], Iterable[Sample]] = tuple) -> None:
        self.listed = listed
        self.gauges = gauges
        self._requests: defaultdict[Labels, int] = defaultdict(int)
        self._deployments: dict[str, _Deployment] = {}
        self._names: dict[str, str] = {}
        self.reloads: defaultdict[str, int] = defaultdict(int)

    def __call__(self, entry: LedgerEntry) -> None:
        """Count a request that is over."""
        attempts = entry.attempts
        name, kind = "", ""
        if attempts:
            last = attempts[-1]
            name, kind = self._name(last.deployment), last.kind
            counted = self._of(name)
            counted.request.observe((entry.ended_us - entry.started_us) / _MICRO)
            before, after = attempts[0].started_us - entry.started_us, entry.ended_us - last.ended_us
            counted.overhead.observe((before + after) / _MICRO)
            for attempt in attempts:
                self._count(attempt)
        self._requests[entry.operation, entry.dialect, name, kind, str(entry.status)] += 1

    def _count(self, attempt: Attempt) -> None:
        counted = self._of(self._name(attempt.deployment))
        counted.outcomes[attempt.error_class or "success"] += 1
        if attempt.first_content_us:
            counted.first_token.observe((attempt.first_content_us - attempt.started_us) / _MICRO)
        if attempt.cost_source:
            counted.cost[attempt.cost_source] += attempt.cost_nano_usd or 0
        usage = attempt.usage
        if usage is not None:
            tokens = counted.tokens
            for place, bucket in enumerate(BUCKETS):
                if count := getattr(usage, bucket):
                    tokens[place] += count

    def _name(self, deployment: str) -> str:
        name = self._names.get(deployment)
        if name is None:
            name = deployment if self.listed(deployment) else f"{deployment.partition('/')[0]}/other"
            if len(self._names) < 10_000:
                self._names[deployment] = name
        return name

    def _of(self, name: str) -> _Deployment:
        counted = self._deployments.get(name)
        if counted is None:
            counted = self._deployments[name] = _Deployment()
        return counted

    def samples(self) -> list[Sample]:
        """Everything as it stands."""
        found = [Sample("hybridge_requests_total", labels, count) for labels, count in self._requests.items()]
        for name, counted in self._deployments.items():
            for family, histogram in (
                ("hybridge_request_seconds", counted.request),
                ("hybridge_first_token_seconds", counted.first_token),
                ("hybridge_overhead_seconds", counted.overhead),
            ):
                found.append(Sample(family, (name,), histogram.total, tuple(histogram.counts)))
            found += [Sample("hybridge_attempts_total", (name, out), n) for out, n in counted.outcomes.items()]
            tokens = zip(BUCKETS, counted.tokens, strict=True)
            found += [Sample("hybridge_tokens_total", (name, bucket), count) for bucket, count in tokens if count]
            spent = counted.cost.items()
            found += [Sample("hybridge_cost_usd_total", (name, source), nano / NANO) for source, nano in spent]
        found += [Sample("hybridge_config_reloads_total", (result,), n) for result, n in self.reloads.items()]
        return [*found, *self.gauges()]


def merged(processes: Iterable[Sequence[Sample]]) -> list[Sample]:
    """The samples of several processes as one."""
    families = {family.name: family for family in FAMILIES}
    found: dict[tuple[str, Labels], Sample] = {}
    for samples in processes:
        for sample in samples:
            key = sample.family, sample.labels
            before = found.get(key)
            found[key] = sample if before is None else _joined(families[sample.family], before, sample)
    return list(found.values())


def _joined(family: Family, one: Sample, other: Sample) -> Sample:
    if family.merge == "max":
        return one if one.value >= other.value else other
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
    if family.kind != "histogram":
        yield f"{family.name}{_braced(labels)} {sample.value:.15g}"
        return
    below = 0
    for end, count in zip((*family.buckets, float("inf")), sample.counts, strict=True):
        below += count
        edge = 'le="+Inf"' if end == float("inf") else f'le="{end:g}"'
        yield f"{family.name}_bucket{_braced([*labels, edge])} {below}"
    yield f"{family.name}_sum{_braced(labels)} {sample.value:.15g}"
    yield f"{family.name}_count{_braced(labels)} {below}"


def _braced(labels: Sequence[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
