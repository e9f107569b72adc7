"""Metrics: counted in plain dicts on the hot path, made into samples when somebody asks.

Labels come from the catalogue, never from clients: a model that nobody lists counts as `other` until its provider has
answered for it, and only so many of those have a label of their own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable

from msgspec.structs import astuple

from hybridge.ledger.entry import LedgerEntry
from hybridge.money import BUCKETS, NANO, Usage
from hybridge.observers.samples import OVERHEAD_SECONDS, SECONDS, Sample
from hybridge.types import Attempt

#: So many models that the catalogue does not list, but a provider serves, have a label of their own.
MOST_UNLISTED = 200

_MICRO = 1_000_000


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
        #: By the fields of `Usage`, of which the buckets come first.
        self.tokens = [0] * len(Usage.__struct_fields__)
        self.cost: defaultdict[str, int] = defaultdict(int)


class Metrics:
    """Counts entries. `listed`: whether the catalogue knows a deployment's id; `gauges` are asked when somebody looks.

    Both may be set anew when the configuration changes; what was counted stays.
    """

    def __init__(self, listed: Callable[[str], bool], gauges: Callable[[], Iterable[Sample]] = tuple) -> None:
        self.listed = listed
        self.gauges = gauges
        self._requests: defaultdict[tuple[str, str, str, str, int], int] = defaultdict(int)
        self._deployments: dict[str, _Deployment] = {}
        self._names: set[str] = set()
        self._unlisted = 0

    def __call__(self, entry: LedgerEntry) -> None:
        """Count a request that is over."""
        attempts = entry.attempts
        if not attempts:
            self._requests[entry.operation, entry.dialect, "", "", entry.status] += 1
            return
        for attempt in attempts:
            name = self._count(attempt)
        counted = self._deployments[name]
        last = attempts[-1]
        counted.request.observe((entry.ended_us - entry.started_us) / _MICRO)
        before, after = attempts[0].started_us - entry.started_us, entry.ended_us - last.ended_us
        counted.overhead.observe((before + after) / _MICRO)
        self._requests[entry.operation, entry.dialect, name, last.kind, entry.status] += 1

    def _count(self, attempt: Attempt) -> str:
        name = attempt.deployment
        if name not in self._names:
            name = self._name(attempt)
        counted = self._deployments.get(name)
        if counted is None:
            counted = self._deployments[name] = _Deployment()
        counted.outcomes[attempt.error_class] += 1
        if attempt.first_content_us:
            counted.first_token.observe((attempt.first_content_us - attempt.started_us) / _MICRO)
        if attempt.cost_source:
            # Unpriced is never zero: it is counted apart, in calls.
            cost = attempt.cost_nano_usd
            counted.cost[attempt.cost_source] += 1 if cost is None else cost
        usage = attempt.usage
        if usage is not None:
            tokens = counted.tokens
            for place, count in enumerate(astuple(usage)):
                if count:
                    tokens[place] += count
        return name

    def _name(self, attempt: Attempt) -> str:
        """What the attempt's deployment is called in a label, where it has not one of its own yet."""
        name = attempt.deployment
        if not self.listed(name):
            if attempt.error_class or self._unlisted == MOST_UNLISTED:
                return f"{attempt.provider}/other"
            self._unlisted += 1
        self._names.add(name)
        return name

    def labels(self, deployment: str) -> bool:
        """Whether a deployment has a label of its own."""
        return deployment in self._names

    def samples(self) -> list[Sample]:
        """Everything as it stands."""
        found = [
            Sample("hybridge_requests_total", (*labels, str(status)), count)
            for (*labels, status), count in self._requests.items()
        ]
        for name, counted in self._deployments.items():
            found += _samples(name, counted)
        return [*found, *self.gauges()]


def _samples(name: str, counted: _Deployment) -> Iterable[Sample]:
    for family, histogram in (
        ("hybridge_request_seconds", counted.request),
        ("hybridge_first_token_seconds", counted.first_token),
        ("hybridge_overhead_seconds", counted.overhead),
    ):
        yield Sample(family, (name,), histogram.total, tuple(histogram.counts))
    for error, count in counted.outcomes.items():
        yield Sample("hybridge_attempts_total", (name, error or "success"), count)
    # Not strict: what a bill says besides its tokens stands after the buckets.
    for bucket, count in zip(BUCKETS, counted.tokens, strict=False):
        if count:
            yield Sample("hybridge_tokens_total", (name, bucket), count)
    for source, sum_ in counted.cost.items():
        if source == "unpriced":
            yield Sample("hybridge_unpriced_attempts_total", (name,), sum_)
        else:
            yield Sample("hybridge_cost_usd_total", (name, source), sum_ / NANO)
