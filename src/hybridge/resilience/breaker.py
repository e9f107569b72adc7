"""The circuit breaker of a deployment or a provider: it spares callers the wait for one that is down.

Version 2 of the project's simulations: a short window of calls, so that an outage at a high rate is noticed at
once, and one probe at a time, so that nobody is stampeded. Its weakness: each process learns alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Literal

State = Literal["closed", "half_open", "open"]

#: Failures in a row count together if they lie within so many seconds.
STREAK = 300.0
#: The share of failures is taken over so many calls, none older than so many seconds.
WINDOW_CALLS = 20
WINDOW = 10.0
SHARE = 0.5
#: The longest wait between two probes, and by how much a wait is moved at random.
LONGEST_RESET = 120.0
JITTER = 0.2
#: A probe that nobody reports on is given up after so many seconds.
PROBE = 5.0
#: Seconds between probes while nothing else is left to ask.
LAST_RESORT = 1.0


class CircuitBreaker:
    """Opens at `failures` in a row, or as many and half of the last calls; probes after `reset_after` seconds.

        if breaker.admit():
            ticket = breaker.ticket
            ...
            breaker.success(ticket)     # or failure(ticket), or release(ticket): it says nothing about the deployment

    A result without a ticket belongs to the call that was admitted last. Results of calls that were admitted before
    the breaker last opened, closed or was held are ignored. `clock` gives monotonic seconds, `chance` moves the waits
    by up to a fifth.
    """

    __slots__ = (
        "_chance",
        "_clock",
        "_due",
        "_failures",
        "_forced",
        "_forced_until",
        "_last",
        "_lease",
        "_open",
        "_opened",
        "_probe",
        "_reason",
        "_recent",
        "_reset",
        "_reset_after",
        "_since",
        "_streak",
        "_until",
        "calm",
        "failed",
        "free",
        "probed",
        "probes",
        "ticket",
    )

    def __init__(
        self,
        failures: int = 3,
        reset_after: float = 60.0,
        *,
        clock: Callable[[], float] = monotonic,
        chance: Random | None = None,
    ) -> None:
        if failures < 1 or reset_after < 0:
            raise ValueError(f"a breaker needs failures >= 1 and reset_after >= 0, not {failures}, {reset_after}")
        self._failures = failures
        self._reset_after = reset_after
        self._clock = clock
        self._chance = chance or Random()
        #: Times of the failures since the last success.
        self._streak: deque[float] = deque(maxlen=failures)
        #: The last calls: when they ended and whether they failed.
        self._recent: deque[tuple[float, bool]] = deque(maxlen=WINDOW_CALLS)
        #: Names the call admitted last; grows with each opening, closing and probe.
        self.ticket = 0
        #: Every call is admitted and every result counts: it is closed, and nobody holds it.
        self.free = True
        #: Free, and no failure is remembered.
        self.calm = True
        #: Failures since the last success, those of probes included.
        self.failed = 0
        #: Results of calls with a lower ticket say nothing.
        self._since = 0
        self._open = False
        self._opened = 0.0
        self._until = 0.0
        self._reset = reset_after
        #: The probe that is out, and the first one since it was due: 0 while there is none.
        self._probe = 0
        self._due = 0
        #: When the last probe went out; before one has, when it was opened or made. How many since it opened.
        self.probed = clock()
        self.probes = 0
        self._lease = 0.0
        #: Why it opened, and what was said of the last failure.
        self._reason = ""
        self._last = ""
        self._forced: Literal["open", "closed"] | None = None
        self._forced_until = 0.0

    def admit(self) -> bool:
        """Whether a call may go out now. Each admitted call owes a `success`, `failure` or `release`."""
        if self.free:
            return True
        now = self._clock()
        if self._is_forced(now):
            return self._forced == "closed"
        if not self._open:
            return True
        if now < self._until or now < self._lease:
            return False
        self._begin_probe(now)
        self._probe = self.ticket
        self._due = self._due or self.ticket
        self._lease = now + PROBE
        return True

    def admit_last_resort(self) -> bool:
        """Whether a call may go out although the breaker is open, because nothing else is left: one a second.

        It does not wait for the result of the last one: a deployment that hangs may have come back meanwhile.
        """
        now = self._clock()
        if self._is_forced(now) or not self._open or now < self.probed + LAST_RESORT:
            return False
        self._begin_probe(now)
        return True

    def _begin_probe(self, now: float) -> None:
        self.ticket += 1
        self.probes += 1
        self.probed = now

    def success(self, ticket: int | None = None) -> None:
        """The call succeeded: a probe closes the breaker."""
        clock = self._clock
        now = clock()
        if not self.free and self._is_forced(now):
            return
        if ticket is None:
            ticket = self.ticket
        if self._open:
            if ticket > self._since:
                self._close()
        elif ticket >= self._since:
            if self._streak:
                self._streak.clear()
                self.failed, self.calm = 0, True
            self._recent.append((now, False))

    def failure(self, ticket: int | None = None, why: str = "") -> bool:
        """The call failed, and the deployment is to blame; `why` in a few words, for people.

        Says whether it opened by this, for the first time or anew after a probe.
        """
        now = self._clock()
        if self._is_forced(now):
            return False
        number = self.ticket if ticket is None else ticket
        if self._open:
            if number > self._since:
                self._note(why)
            # A last resort that came before its time does not put off the probe that is due.
            if self._due and number >= self._due:
                self._wait(min(2 * self._reset, max(LONGEST_RESET, self._reset_after)), now)
                return True
        elif number >= self._since:
            self._note(why)
            self._streak.append(now)
            self._recent.append((now, True))
            if reason := self._in_a_row(now) or self._by_share(now):
                self._trip(reason, now)
                return True
        return False

    def _note(self, why: str) -> None:
        self.calm = False
        self.failed += 1
        self._last = why

    def release(self, ticket: int | None = None) -> None:
        """The call says nothing: the client left, or its request was at fault. A probe may be made again at once."""
        if self._open and (self.ticket if ticket is None else ticket) == self._probe:
            self._lease = 0.0

    def answered(self) -> None:
        """A sign of life, whatever it says and whenever its call began: nothing is held against it any more."""
        if not self.calm:
            self._close()

    def _in_a_row(self, now: float) -> str:
        if len(self._streak) == self._failures and now - self._streak[0] <= STREAK:
            return _failures(self.failed) + " in a row"
        return ""

    def _by_share(self, now: float) -> str:
        calls = [failed for ended, failed in self._recent if now - ended <= WINDOW]
        failed = sum(calls)
        if failed >= self._failures and failed >= SHARE * len(calls):
            return f"{failed} of the last {len(calls)} calls failed"
        return ""

    def _trip(self, reason: str, now: float) -> None:
        self._open = True
        self.free = False
        self._reason = reason
        self._opened = now
        self.probes = 0
        self.ticket += 1
        self._since = self.ticket
        self._wait(self._reset_after, now)

    def _wait(self, seconds: float, now: float) -> None:
        self._reset = seconds
        self._until = now + seconds * (1 + JITTER * (2 * self._chance.random() - 1))
        self._probe, self._due, self.probed, self._lease = 0, 0, now, 0.0

    def _close(self) -> None:
        self._open = False
        self.free = self.calm = self._forced is None
        self.failed = 0
        self._streak.clear()
        self._recent.clear()
        self.ticket += 1
        self._since = self.ticket

    def force(self, state: Literal["open", "closed", "auto"], until: float | None = None) -> None:
        """Hold the breaker in a state until that time of its clock (for good if `None`); `auto` lets it go.

        Meanwhile results are not counted; afterwards it starts closed and knows nothing.
        """
        if state == "auto" and self._forced is None:
            return
        self._forced = None if state == "auto" else state
        self._forced_until = float("inf") if until is None else until
        self._close()

    def _is_forced(self, now: float) -> bool:
        if self._forced is None:
            return False
        if now < self._forced_until:
            return True
        self.force("auto")
        return False

    @property
    def held_until(self) -> float | None:
        """The time of its clock until which an operator holds it, infinite if for good; `None` if nobody does."""
        return self._forced_until if self._is_forced(self._clock()) else None

    @property
    def state(self) -> State:
        """`half_open` from the time that a probe may go out until its result is known."""
        now = self._clock()
        if self._is_forced(now):
            return self._forced or "closed"
        if not self._open:
            return "closed"
        return "half_open" if now >= self._until or now < self._lease else "open"

    @property
    def retry_in(self) -> float:
        """Seconds until a call may be admitted; 0 if one may now."""
        if self.free:
            return 0.0
        now = self._clock()
        if self._is_forced(now):
            return 0.0 if self._forced == "closed" else self._forced_until - now
        return max(0.0, self._until - now, self._lease - now) if self._open else 0.0

    @property
    def open_for(self) -> float:
        """Seconds since it opened of itself; 0 while it is closed."""
        return self._clock() - self._opened if self._open else 0.0

    @property
    def why(self) -> str:
        """Why it is as it is, for people; empty while nothing is the matter."""
        if self._is_forced(self._clock()):
            return f"held {self._forced} by an operator"
        if not self.failed:
            return ""
        reason = self._reason if self._open else _failures(self.failed) + " since the last success"
        return f"{reason}, last: {self._last}" if self._last else reason

    @property
    def last_used(self) -> float:
        """When a call last ended, or a probe last went out."""
        return max(self.probed, self._recent[-1][0]) if self._recent else self.probed

    @property
    def is_quiet(self) -> bool:
        """Whether little is lost with it: it is closed, or it opened long ago and nobody has asked since."""
        return self.free or (self._open and self._clock() > max(self._until + LONGEST_RESET, self._lease))

    def __repr__(self) -> str:
        text = f"{self.state}, {len(self._streak)}/{self._failures} failures"
        if self._open:
            text = f"{self.state}, retry in {self.retry_in:.1f} s"
        return f"<CircuitBreaker {text}{', forced' if self._forced else ''}>"


def _failures(count: int) -> str:
    return "1 failure" if count == 1 else f"{count} failures"
