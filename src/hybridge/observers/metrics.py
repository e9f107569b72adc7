"""Metrics: counted in plain dicts on the hot path, made into samples when somebody asks.

Labels come from the catalogue, never from clients: a model that nobody lists counts as `other` until its provider has
answered for it, and only so many of those have a label of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable

from hybridge.ledger.entry import LedgerEntry
from hybridge.money import BUCKETS, NANO, Usage
from hybridge.observers.samples import OVERHEAD_SECONDS, SECONDS, Sample
from hybridge.types import Attempt

#: So many models that the catalogue does not list, but a provider serves, have a label of their own.
MOST_UNLISTED = 200

_MICRO = 1_000_000
#: Times that are noted before they are sorted into their buckets.
_MOST_NOTED = 256

#: The buckets that are empty in most calls.
_RARE = tuple(bucket for bucket in BUCKETS if bucket not in ("input", "output"))

_SECONDS_US = tuple(round(end * _MICRO) for end in SECONDS)
_OVERHEAD_US = tuple(round(end * _MICRO) for end in OVERHEAD_SECONDS)


class _Histogram:
    """Times in microseconds, noted one by one and sorted into buckets later, many at once.

    `ends` are the buckets' upper ends, each of which belongs to its bucket.
    """

    __slots__ = ("_counts", "_ends", "_sum", "note", "noted")

    def __init__(self, ends: tuple[int, ...]) -> None:
        self._ends = ends
        self._counts = [0] * (len(ends) + 1)
        self._sum = 0
        self.noted: list[int] = []
        self.note = self.noted.append

    def counts(self) -> tuple[int, ...]:
        """How many are in each bucket, and beyond the last."""
        self.sort_in()
        return tuple(self._counts)

    def seconds(self) -> float:
        """The sum of all."""
        return (self._sum + sum(self.noted)) / _MICRO

    def sort_in(self) -> None:
        """Find the buckets of what was noted."""
        noted, below = self.noted, 0
        noted.sort()
        for bucket, end in enumerate(self._ends):
            upto = bisect_right(noted, end, below)
            self._counts[bucket] += upto - below
            below = upto
        self._counts[-1] += len(noted) - below
        self._sum += sum(noted)
        noted.clear()


class _Deployment:
    """What is counted of one deployment."""

    __slots__ = (
        "_histograms",
        "cost",
        "first_token",
        "input",
        "outcomes",
        "output",
        "overhead",
        "request",
        "requests",
        "successes",
        "tokens",
    )

    def __init__(self) -> None:
        #: Each count is a list of one, so that its key is hashed once.
        self.requests: dict[tuple[str, str, str, int], list[int]] = {}
        self.request = _Histogram(_SECONDS_US)
        self.first_token = _Histogram(_SECONDS_US)
        self.overhead = _Histogram(_OVERHEAD_US)
        self._histograms = self.request, self.first_token, self.overhead
        self.successes = 0
        self.outcomes: defaultdict[str, int] = defaultdict(int)
        self.input, self.output = 0, 0
        self.tokens: defaultdict[str, int] = defaultdict(int)
        self.cost: defaultdict[str, int] = defaultdict(int)

    def sort_in(self) -> None:
        """Find the buckets of what was noted."""
        for histogram in self._histograms:
            histogram.sort_in()


class Metrics:
    """Counts entries. `listed`: whether the catalogue knows a deployment's id; `gauges` are asked when somebody looks.

    Both may be set anew when the configuration changes; what was counted stays.
    """

    def __init__(self, listed: Callable[[str], bool], gauges: Callable[[], Iterable[Sample]] = tuple) -> None:
        self.listed = listed
        self.gauges = gauges
        #: By operation, dialect and status, of those that nobody was asked for.
        self._refused: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._deployments: dict[str, _Deployment] = {}
        #: The deployments that have a label of their own, as they are counted.
        self._own: dict[str, _Deployment] = {}
        self._unlisted = 0

    def __call__(self, entry: LedgerEntry) -> None:
        """Count a request that is over."""
        attempts = entry.attempts
        if not attempts:
            self._refused[entry.operation, entry.dialect, entry.status] += 1
            return
        # As plain as can be, since every request comes here.
        for attempt in attempts:
            try:
                counted = self._own[attempt.deployment]
            except KeyError:
                counted = self._named(attempt)
            _count(counted, attempt)
        began, ended = entry.started_us, entry.ended_us
        key = entry.operation, entry.dialect, attempt.kind, entry.status
        count = counted.requests.get(key)
        if count is None:
            count = counted.requests[key] = [0]
        count[0] += 1
        counted.request.note(ended - began)
        counted.overhead.note(attempts[0].started_us - began + ended - attempt.ended_us)
        if len(counted.request.noted) >= _MOST_NOTED:
            counted.sort_in()

    def _named(self, attempt: Attempt) -> _Deployment:
        """Where the attempt is counted, as its deployment has no label of its own so far."""
        own = self._has_label(attempt)
        name = attempt.deployment if own else f"{attempt.provider}/other"
        counted = self._deployments.get(name)
        if counted is None:
            counted = self._deployments[name] = _Deployment()
        if own:
            self._own[name] = counted
        return counted

    def _has_label(self, attempt: Attempt) -> bool:
        if self.listed(attempt.deployment):
            return True
        if attempt.error_class or self._unlisted == MOST_UNLISTED:
            return False
        self._unlisted += 1
        return True

    def labels(self, deployment: str) -> bool:
        """Whether a deployment has a label of its own."""
        return deployment in self._own

    def samples(self) -> list[Sample]:
        """Everything as it stands."""
        found = [
            Sample("hybridge_requests_total", (operation, dialect, "", "", str(status)), count)
            for (operation, dialect, status), count in self._refused.items()
        ]
        for name, counted in self._deployments.items():
            found += _samples(name, counted)
        return [*found, *self.gauges()]


def _count(counted: _Deployment, attempt: Attempt) -> None:
    if attempt.error_class:
        counted.outcomes[attempt.error_class] += 1
    else:
        counted.successes += 1
    if attempt.first_content_us:
        counted.first_token.note(attempt.first_content_us - attempt.started_us)
        if len(counted.first_token.noted) >= _MOST_NOTED:
            counted.sort_in()
    if attempt.cost_source:
        # Unpriced is never zero: it is counted apart, in calls.
        cost = attempt.cost_nano_usd
        counted.cost[attempt.cost_source] += 1 if cost is None else cost
    usage = attempt.usage
    if usage is None:
        return
    counted.input += usage.input
    counted.output += usage.output
    rare = usage.cache_read or usage.cache_write or usage.cache_write_1h or usage.reasoning
    if rare or usage.audio_input or usage.audio_output or usage.image:
        _count_rare(counted.tokens, usage)


def _count_rare(tokens: defaultdict[str, int], usage: Usage) -> None:
    for bucket in _RARE:
        tokens[bucket] += getattr(usage, bucket)


def _samples(name: str, counted: _Deployment) -> Iterable[Sample]:
    for (operation, dialect, kind, status), (count,) in counted.requests.items():
        yield Sample("hybridge_requests_total", (operation, dialect, name, kind, str(status)), count)
    for family, times in (
        ("hybridge_request_seconds", counted.request),
        ("hybridge_first_token_seconds", counted.first_token),
        ("hybridge_overhead_seconds", counted.overhead),
    ):
        yield Sample(family, (name,), times.seconds(), times.counts())
    for outcome, count in {"success": counted.successes, **counted.outcomes}.items():
        if count:
            yield Sample("hybridge_attempts_total", (name, outcome), count)
    for bucket, count in {"input": counted.input, "output": counted.output, **counted.tokens}.items():
        if count:
            yield Sample("hybridge_tokens_total", (name, bucket), count)
    for source, sum_ in counted.cost.items():
        yield _cost(name, source, sum_)


def _cost(name: str, source: str, sum_: int) -> Sample:
    if source == "unpriced":
        return Sample("hybridge_unpriced_attempts_total", (name,), sum_)
    return Sample("hybridge_cost_usd_total", (name, source), sum_ / NANO)
