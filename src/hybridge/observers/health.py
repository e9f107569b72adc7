"""Health as traffic shows it: what each deployment did within the last five minutes.

Each process watches its own traffic; the windows of several are one by addition. A request that is at fault itself,
and a client that leaves, say nothing about a deployment and count neither way.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import compress

from msgspec import Struct

from hybridge.errors import Blame, ProviderError
from hybridge.ledger.entry import LedgerEntry
from hybridge.observers.sketch import BUCKETS, bucket, percentile, summed
from hybridge.types import Attempt

#: A window is so many slots of so many microseconds, the one under way included.
SLOTS = 30
SLOT_US = 10_000_000
#: The error class of a call whose copy, or whose original, was faster.
OVERTAKEN = "hedged"
#: Fewer values than this say nothing about a tail.
FEWEST = 50
#: So long a percentile is taken for the one of now.
FRESH_US = 1_000_000
#: So many deployments are watched; clients make up names of models, so there is a bound.
MOST = 1024

#: Below this a time is sure to have a bucket of its own: an hour, in one of CPython's digits.
_USUAL = 1 << 30
#: A stream that ends this soon after its first content says nothing about tokens per second.
_SHORTEST_US = 10_000
_MICRO = 1_000_000
#: Throughput is counted in thousandths of a token per second.
_MILLI = 1000


_NUMBERS = tuple(range(BUCKETS))


def _failures(*kinds: type[ProviderError]) -> set[str]:
    found = {kind.error_class for kind in kinds if kind.blames is not Blame.NOBODY}
    return found.union(*(_failures(*kind.__subclasses__()) for kind in kinds))


#: The error classes that count against a deployment.
FAILURES = frozenset(_failures(ProviderError))


class Window(Struct, omit_defaults=True):
    """What one deployment did lately; what several processes saw of it is added up.

    `failures` are by error class. The sketches hold microseconds: `first_token` of streams, `total` of whole answers;
    and thousandths of output tokens per second: `throughput` of streams from their first content on. `overtaken` calls
    were given up because a copy of them, made later, was the answer: they are in the sketches with the time they had
    taken by then, and count neither as answered nor as failed.
    """

    deployment: str
    failures: dict[str, int] = {}
    first_token: dict[int, int] = {}
    total: dict[int, int] = {}
    throughput: dict[int, int] = {}
    overtaken: int = 0

    @property
    def successes(self) -> int:
        """Calls that were answered, whole or as a stream."""
        return sum(self.first_token.values()) + sum(self.total.values()) - self.overtaken

    @property
    def failed(self) -> int:
        """Calls that failed, and not by the request's own fault."""
        return sum(self.failures.values())

    @property
    def success_ratio(self) -> float | None:
        """The share of the calls that were answered; `None` without calls."""
        successes, failed = self.successes, self.failed
        return successes / (successes + failed) if successes or failed else None

    def first_token_p(self, percent: float) -> float | None:
        """Seconds within which so many percent of the streams had their first content; `None` without streams."""
        return _seconds(percentile(self.first_token, percent))

    def total_p(self, percent: float) -> float | None:
        """Seconds within which so many percent of the whole answers were there; `None` without any."""
        return _seconds(percentile(self.total, percent))

    def throughput_p(self, percent: float) -> float | None:
        """Output tokens per second that so many percent of the streams reached at least; `None` without streams."""
        found = percentile(self.throughput, 100 - percent)
        return None if found is None else found / _MILLI

    def __add__(self, other: Window) -> Window:
        return Window(
            self.deployment,
            dict(Counter(self.failures) + Counter(other.failures)),
            summed(self.first_token, other.first_token),
            summed(self.total, other.total),
            summed(self.throughput, other.throughput),
            self.overtaken + other.overtaken,
        )


def merged(processes: Iterable[Iterable[Window]]) -> list[Window]:
    """The windows of several processes, one for each deployment."""
    found: dict[str, Window] = {}
    for windows in processes:
        for window in windows:
            before = found.get(window.deployment)
            found[window.deployment] = before + window if before else window
    return list(found.values())


class _Live:
    """A deployment's slots: the one under way, from `began` until before `ends`, and those before it as windows."""

    __slots__ = ("began", "ends", "failures", "first_token", "known", "overtaken", "past", "throughput", "total")

    def __init__(self) -> None:
        self.began = self.ends = 0
        self.past: deque[tuple[int, Window]] = deque()
        #: Percentiles that were asked for, and until when they hold.
        self.known: dict[tuple[str, float], tuple[int, float | None]] = {}
        self._empty()

    def _empty(self) -> None:
        self.failures: Counter[str] = Counter()
        self.overtaken = 0
        self.first_token = [0] * BUCKETS
        self.total = [0] * BUCKETS
        self.throughput = [0] * BUCKETS

    def turn(self, now_us: int) -> None:
        """Let the slot of that time be the one under way."""
        slot = self._slot("")
        if slot != Window(""):
            self.past.append((self.began, slot))
            self._empty()
        self.began = now_us - now_us % SLOT_US
        self.ends = self.began + SLOT_US
        oldest = self.ends - SLOTS * SLOT_US
        # What seems to lie ahead was counted before the clock was set back: nobody knows how old it is.
        self.past = deque((began, slot) for began, slot in self.past if oldest <= began <= now_us)

    def _slot(self, deployment: str) -> Window:
        sketches = _met(self.first_token), _met(self.total), _met(self.throughput)
        return Window(deployment, dict(self.failures), *sketches, self.overtaken)

    def window(self, deployment: str, now_us: int) -> Window:
        """All slots as one."""
        if not self.began <= now_us < self.ends:
            self.turn(now_us)
        window = self._slot(deployment)
        for _, slot in self.past:
            window += slot
        return window


class Health:
    """Watches entries. `now_us` is UTC in microseconds, of the same clock as the times in entries.

    `listed` says whether the catalogue knows a deployment: one that it does not is watched once it has answered. It
    may be set anew when the configuration changes. Of `MOST` those without calls are forgotten as others come; where
    all have calls, no further one is watched.
    """

    def __init__(self, now_us: Callable[[], int], listed: Callable[[str], bool] = lambda _: True) -> None:
        self.listed = listed
        self._now_us = now_us
        self._live: dict[str, _Live] = {}
        #: Where calls are counted that are not told of.
        self._unwatched = _Live()

    def __repr__(self) -> str:
        return f"<Health of {len(self._live)} deployments>"

    def count(self, entry: LedgerEntry) -> None:
        """Count the attempts of a request that is over."""
        # As plain as can be, since every request comes here; `sketch.bucket` is written out.
        now_us, stream = entry.ended_us, entry.stream
        for attempt in entry.attempts:
            try:
                live = self._live[attempt.deployment]
            except KeyError:
                live = self._meets(attempt)
            if not live.began <= now_us < live.ends:
                live.turn(now_us)
            if attempt.error_class:
                _count_failure(live, attempt, entry)
            elif stream:
                _count_stream(live, attempt)
            else:
                took = attempt.ended_us - attempt.started_us
                if _USUAL > took > 31:
                    shift = took.bit_length() - 5
                    live.total[(shift << 4) + (took >> shift)] += 1
                else:
                    live.total[bucket(took)] += 1

    def _meets(self, attempt: Attempt) -> _Live:
        """Watch a deployment from now on, if it may be."""
        name = attempt.deployment
        if attempt.error_class and not self.listed(name):
            return self._unwatched
        if len(self._live) >= MOST:
            self.windows()
        if len(self._live) >= MOST:
            return self._unwatched
        live = self._live[name] = _Live()
        return live

    def windows(self) -> list[Window]:
        """How it stands; deployments without calls are left out, and forgotten."""
        now_us = self._now_us()
        windows = [live.window(name, now_us) for name, live in self._live.items()]
        windows = [window for window in windows if window != Window(window.deployment)]
        self._live = {window.deployment: self._live[window.deployment] for window in windows}
        return windows

    def window(self, deployment: str) -> Window:
        """How one deployment stands."""
        live = self._live.get(deployment)
        return Window(deployment) if live is None else live.window(deployment, self._now_us())

    def first_token_p(self, deployment: str, percent: float) -> float | None:
        """Seconds within which so many percent of its streams had their first content, up to a second ago.

        `None` where there were fewer than `FEWEST`.
        """
        return self._p(deployment, "first_token", percent)

    def total_p(self, deployment: str, percent: float) -> float | None:
        """The same of whole answers, until they were there."""
        return self._p(deployment, "total", percent)

    def _p(self, deployment: str, sketch: str, percent: float) -> float | None:
        live = self._live.get(deployment)
        if live is None:
            return None
        now_us = self._now_us()
        until, value = live.known.get((sketch, percent), (0, None))
        if now_us < until <= now_us + FRESH_US:
            return value
        counts = getattr(live.window(deployment, now_us), sketch)
        value = _seconds(percentile(counts, percent)) if sum(counts.values()) >= FEWEST else None
        live.known[sketch, percent] = now_us + FRESH_US, value
        return value


def _count_failure(live: _Live, attempt: Attempt, entry: LedgerEntry) -> None:
    if attempt.error_class in FAILURES:
        live.failures[attempt.error_class] += 1
    elif attempt.error_class == OVERTAKEN and any(each.started_us > attempt.started_us for each in entry.attempts):
        # It took at least so long. Without those a tail would look the shorter the more it is cut.
        live.overtaken += 1
        sketch = live.first_token if entry.stream else live.total
        sketch[bucket(attempt.ended_us - attempt.started_us)] += 1


def _count_stream(live: _Live, attempt: Attempt) -> None:
    first, usage = attempt.first_content_us, attempt.usage
    took = first - attempt.started_us
    if _USUAL > took > 31:
        shift = took.bit_length() - 5
        live.first_token[(shift << 4) + (took >> shift)] += 1
    else:
        live.first_token[bucket(took)] += 1
    took = attempt.ended_us - first
    if usage is not None and took >= _SHORTEST_US:
        rate = (usage.output + usage.reasoning) * (_MILLI * _MICRO) // took
        if _USUAL > rate > 31:
            shift = rate.bit_length() - 5
            live.throughput[(shift << 4) + (rate >> shift)] += 1
        else:
            live.throughput[bucket(rate)] += 1


def _met(counts: Sequence[int]) -> dict[int, int]:
    return {number: counts[number] for number in compress(_NUMBERS, counts)}


def _seconds(value: float | None) -> float | None:
    return None if value is None else value / _MICRO
