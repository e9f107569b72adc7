"""The circuit breaker of a deployment: it spares callers the wait for one that is down.

Version 2 of the project's simulations: a short window of calls, so that an outage at a high rate is noticed at
once, and one probe at a time, so that nobody is stampeded. Its weakness: each process learns alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from random import Random
from time import monotonic
from typing import Literal

from hybridge.types import Deployment

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
#: So many breakers are kept; clients make up names of models, so there is a bound.
MOST = 4096


class CircuitBreaker:
    """Opens at `failures` in a row, or as many and half of the last calls; probes after `reset_after` seconds.

        if breaker.admit():
            ticket = breaker.ticket
            ...
            breaker.success(ticket)     # or failure(ticket), or release(ticket): it says nothing about the deployment

    A result without a ticket belongs to the call that was admitted last. Results of calls that were admitted before
    the breaker opened are ignored. `clock` gives monotonic seconds, `chance` moves the waits by up to a fifth.
    """

    __slots__ = (
        "_chance",
        "_clock",
        "_failures",
        "_forced",
        "_forced_until",
        "_lease",
        "_open",
        "_opened_number",
        "_probe",
        "_probed",
        "_recent",
        "_reset",
        "_reset_after",
        "_streak",
        "_until",
        "free",
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
        #: Names the call admitted last; grows with each opening and each probe.
        self.ticket = 0
        #: Every call is admitted and every result counts: it is closed, and nobody holds it.
        self.free = True
        self._opened_number = 0
        self._open = False
        self._until = 0.0
        self._reset = reset_after
        self._probe = 0
        #: When the last probe went out; before one has, when it was opened or made.
        self._probed = clock()
        self._lease = 0.0
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
        return True

    def admit_last_resort(self) -> bool:
        """Whether a call may go out although the breaker is open, because nothing else is left: one a second."""
        now = self._clock()
        if self._is_forced(now) or not self._open or now < self._lease or now < self._probed + LAST_RESORT:
            return False
        self._begin_probe(now)
        return True

    def _begin_probe(self, now: float) -> None:
        self.ticket += 1
        self._probe = self.ticket
        self._probed = now
        self._lease = now + PROBE

    def success(self, ticket: int | None = None) -> None:
        """The call succeeded: a probe closes the breaker."""
        clock = self._clock
        now = clock()
        if not self.free and self._is_forced(now):
            return
        if ticket is None:
            ticket = self.ticket
        if self._open:
            if ticket > self._opened_number:
                self._close()
        elif ticket >= self._opened_number:
            if self._streak:
                self._streak.clear()
            self._recent.append((now, False))

    def failure(self, ticket: int | None = None) -> None:
        """The call failed, and the deployment is to blame."""
        now = self._clock()
        if self._is_forced(now):
            return
        number = self.ticket if ticket is None else ticket
        if self._open:
            if number > self._opened_number:
                self._probe_failed(now)
        elif number >= self._opened_number:
            self._streak.append(now)
            self._recent.append((now, True))
            if self._in_a_row(now) or self._by_share(now):
                self._open_for(self._reset_after, now)

    def _probe_failed(self, now: float) -> None:
        if self._probed < self._until:
            # A last resort came before its time: it must not put off the probe that is due.
            self._lease = 0.0
        else:
            self._open_for(min(2 * self._reset, max(LONGEST_RESET, self._reset_after)), now)

    def release(self, ticket: int | None = None) -> None:
        """The call says nothing: the client left, or its request was at fault. A probe may be made again at once."""
        if self._open and (self.ticket if ticket is None else ticket) == self._probe:
            self._lease = 0.0

    def _in_a_row(self, now: float) -> bool:
        return len(self._streak) == self._failures and now - self._streak[0] <= STREAK

    def _by_share(self, now: float) -> bool:
        calls = [failed for ended, failed in self._recent if now - ended <= WINDOW]
        failed = sum(calls)
        return failed >= self._failures and failed >= SHARE * len(calls)

    def _open_for(self, seconds: float, now: float) -> None:
        self._open = True
        self.free = False
        self._reset = seconds
        self._until = now + seconds * (1 + JITTER * (2 * self._chance.random() - 1))
        self.ticket += 1
        self._opened_number = self.ticket
        self._probe, self._probed, self._lease = 0, now, 0.0

    def _close(self) -> None:
        self._open = False
        self.free = self._forced is None
        self._probe = 0
        self._streak.clear()
        self._recent.clear()

    def force(self, state: Literal["open", "closed", "auto"], until: float | None = None) -> None:
        """Hold the breaker in a state until that time of its clock (for good if `None`); `auto` lets it go.

        Meanwhile results are not counted; afterwards it starts closed and knows nothing.
        """
        if state == "auto" and self._forced is None:
            return
        self._forced = None if state == "auto" else state
        self._forced_until = float("inf") if until is None else until
        self.ticket += 1
        self._opened_number = self.ticket
        self._close()

    def _is_forced(self, now: float) -> bool:
        if self._forced is None:
            return False
        if now < self._forced_until:
            return True
        self.force("auto")
        return False

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
        now = self._clock()
        if self._is_forced(now):
            return 0.0 if self._forced == "closed" else self._forced_until - now
        return max(0.0, self._until - now, self._lease - now) if self._open else 0.0

    @property
    def last_used(self) -> float:
        """When a call last ended, or a probe last went out."""
        return max(self._probed, self._recent[-1][0]) if self._recent else self._probed

    @property
    def is_quiet(self) -> bool:
        """Whether little is lost with it: it is closed, or it opened long ago and nobody has asked since."""
        return self.free or (self._open and self._clock() > max(self._until + LONGEST_RESET, self._lease))

    def __repr__(self) -> str:
        text = f"{self.state}, {len(self._streak)}/{self._failures} failures"
        if self._open:
            text = f"{self.state}, retry in {self.retry_in:.1f} s"
        return f"<CircuitBreaker {text}{', forced' if self._forced else ''}>"


class Breakers:
    """The breakers of all deployments, by deployment id, each made when it is first asked for.

    Of more than `MOST` those that have been quiet for longest are forgotten; one that is open, or held, never is.
    """

    def __init__(
        self, failures: int = 3, reset_after: float = 60.0, *, clock: Callable[[], float], chance: Random
    ) -> None:
        self.clock = clock
        self.chance = chance
        self._failures = failures
        self._reset_after = reset_after
        self._by_id: dict[str, CircuitBreaker] = {}
        self._most = MOST
        self._met: Sequence[Deployment] = ()

    def __getitem__(self, deployment_id: str) -> CircuitBreaker:
        try:
            return self._by_id[deployment_id]
        except KeyError:
            return self._made(deployment_id)

    def meet(self, plan: Sequence[Deployment]) -> CircuitBreaker:
        """The breaker of the first deployment of a plan; the others have theirs from now on."""
        if plan is not self._met:
            for deployment in plan:
                self[deployment.id]
            self._met = plan
        return self[plan[0].id]

    def _made(self, deployment_id: str) -> CircuitBreaker:
        if len(self._by_id) >= self._most:
            self._forget()
        breaker = CircuitBreaker(self._failures, self._reset_after, clock=self.clock, chance=self.chance)
        self._by_id[deployment_id] = breaker
        return breaker

    def _forget(self) -> None:
        """Down to three quarters, but where too few are quiet more are kept for a while."""
        quiet = sorted((breaker.last_used, name) for name, breaker in self if breaker.is_quiet)
        for _, name in quiet[: len(self._by_id) - MOST * 3 // 4]:
            del self._by_id[name]
        self._most = max(MOST, len(self._by_id) + MOST // 4)

    def adopt(self, before: Breakers, stays: Callable[[str], bool]) -> None:
        """Go on with the breakers of those deployments that stay what they were."""
        self._by_id.update((name, breaker) for name, breaker in before if stays(name))

    def __iter__(self) -> Iterator[tuple[str, CircuitBreaker]]:
        return iter(self._by_id.items())

    def __repr__(self) -> str:
        shut = [f"{name} {breaker.state}" for name, breaker in self if breaker.state != "closed"]
        return f"<Breakers {', '.join(shut) or 'all closed'}>"
