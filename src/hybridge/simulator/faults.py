"""What can go wrong at a simulated provider, when, and how that is drawn."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

Kind = Literal["status", "reset", "stall", "cut", "error_in_200", "html", "empty", "half_json", "slow"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_WRITTEN = re.compile(r"(?P<kind>\w+)(?::(?P<value>[0-9.]+))?(?:@(?P<probability>[0-9.]+))?$")


class Burst(Struct, frozen=True, forbid_unknown_fields=True):
    """Faulty for `for_s` seconds at the end of every `every_s`."""

    every_s: float
    for_s: float

    def is_on(self, elapsed_s: float) -> bool:
        """Whether a fault is due that long after the start."""
        return elapsed_s % self.every_s >= self.every_s - self.for_s


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """A failure and its schedule.

    * `status`: `status` with `body` (the dialect's own by default) and `retry_after` seconds
    * `reset`: the connection is reset before an answer
    * `stall`: silence, for a stream after `after_events`, until the client leaves
    * `cut`: the connection is closed in the middle: a stream's after `after_events`, else half-way through the body
    * `error_in_200`: an error under status 200, in a stream after `after_events`
    * `html`, `empty`, `half_json`: a 200 with a page, with nothing, with half of a JSON
    * `slow`: `delay_ms` more to the first token

    `probability` holds from request `after_n` (exclusive) for `first_n` requests (0: for ever), in `burst`s if given.
    """

    kind: Kind
    status: int = 503
    body: str | None = None
    retry_after: float | None = None
    after_events: int = 0
    delay_ms: float = 5_000.0
    probability: float = 1.0
    only_stream: bool = False
    first_n: int = 0
    after_n: int = 0
    burst: Burst | None = None

    @classmethod
    def parse(cls, text: str) -> Fault:
        """`status:503@0.1`, `reset@0.05`, `cut:4` (events), `slow:2000` (ms). Raises `ValueError`."""
        written = _WRITTEN.match(text.strip())
        kind = next((kind for kind in KINDS if written and kind == written["kind"]), None)
        if written is None or kind is None:
            raise ValueError(f"not a fault: {text!r}; write KIND[:VALUE][@PROBABILITY], KIND one of {', '.join(KINDS)}")
        probability = float(written["probability"] or 1)
        if not 0 <= probability <= 1:
            raise ValueError(f"not a probability: {probability:g} in {text!r}; it is from 0 to 1")
        value = written["value"]
        if value is None:
            return cls(kind, probability=probability)
        if kind == "status":
            return cls(kind, status=_status(value, text), probability=probability)
        if kind == "slow":
            return cls(kind, delay_ms=float(value), probability=probability)
        return cls(kind, after_events=int(float(value)), probability=probability)

    def is_due(self, number: int, stream: bool, elapsed_s: float, chance: random.Random) -> bool:
        """Whether it hits request `number`. One draw for every call, so that schedules do not shift each other."""
        hit = chance.random() < self.probability
        if self.only_stream and not stream:
            return False
        if number <= self.after_n or (self.first_n and number > self.after_n + self.first_n):
            return False
        return hit and (self.burst is None or self.burst.is_on(elapsed_s))


def _status(value: str, text: str) -> int:
    status = int(float(value))
    if not 400 <= status <= 599:
        raise ValueError(f"not the status of a failure: {status} in {text!r}; it is from 400 to 599")
    return status


class Faults:
    """The faults in force, which can be changed at run time. What `fail_next` asks for comes before them."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.standing: tuple[Fault, ...] = tuple(faults)
        self._next: deque[Fault] = deque()

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """The next `times` requests meet `fault`."""
        self._next.extend([fault] * times)

    def clear(self) -> None:
        """From now on all is well."""
        self.standing = ()
        self._next.clear()

    def draw(self, number: int, stream: bool, elapsed_s: float, chance: random.Random) -> Fault | None:
        """The fault that request `number` meets: the first one due."""
        due = [fault for fault in self.standing if fault.is_due(number, stream, elapsed_s, chance)]
        if self._next:
            return self._next.popleft()
        return due[0] if due else None
