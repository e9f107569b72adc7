"""The gate to a deployment: whether a call may go through now, and what is learnt from those that did.

Three things can keep it shut: the deployment's breaker, its provider's, and the calls that are under way already.
How many may be is learnt: each success makes it a little more, each overload four times as much less, so that it
settles where one call in five is turned away; what fails less often than that is no matter of how many. An outage
teaches nothing. Its weakness: each process counts alone.
"""

from __future__ import annotations

from collections.abc import Callable

from hybridge.errors import Blame, ConnectTimeout, ProviderError, RateLimited, Silent
from hybridge.resilience.breaker import CircuitBreaker

#: Calls at a time that any deployment may have, however overloaded it says it is.
FEWEST = 10
#: What a success and an overload make of the calls at a time.
MORE = 1.005
FEWER = 0.98
#: Statuses by which a deployment says that it is overloaded.
OVERLOADED = (503, 529)

#: Further calls are paid for: so many per call, so many per second, and no more than so many are saved up.
PER_CALL = 0.2
PER_SECOND = 0.5
MOST_SAVED = 20.0


class Gate:
    """What all requests together know of one deployment.

    `calls` are under way, `most` may be. Whoever is let through, by `admit` where there is no `refusal` or by
    `admit_last_resort`, owes one `success`, `failure` or `release` with the tickets of both breakers.
    """

    __slots__ = (
        "_clock",
        "_counted",
        "_paid",
        "_saved",
        "breaker",
        "calls",
        "ceiling",
        "most",
        "provider",
        "total",
    )

    def __init__(
        self, breaker: CircuitBreaker, provider: CircuitBreaker, ceiling: int, clock: Callable[[], float]
    ) -> None:
        self.breaker = breaker
        #: The breaker of its provider, which all of the provider's deployments share.
        self.provider = provider
        self.ceiling = ceiling
        self._clock = clock
        self.calls = 0
        #: A whole number until the first overload.
        self.most: float = ceiling
        #: Calls ever; of these and of time, so many were counted into what is saved.
        self.total = 0
        self._counted = 0
        self._paid = clock()
        self._saved = MOST_SAVED

    def refusal(self) -> str:
        """Why no call may go out now: `breaker`, `provider` or `busy`; empty if one may."""
        if self.breaker.retry_in > 0.0:
            return "breaker"
        if self.provider.retry_in > 0.0:
            return "provider"
        return "busy" if self.calls >= self.most else ""

    def admit(self) -> None:
        """A call goes out, where nothing speaks against it."""
        self.breaker.admit()
        self.provider.admit()
        self.calls += 1
        self.total += 1

    @property
    def is_well(self) -> bool:
        """Whether both breakers are closed and there is room, so that a call would be no probe."""
        return self.breaker.state == "closed" == self.provider.state and self.calls < self.most

    @property
    def retry_in(self) -> float:
        """Seconds until the breakers may admit a call."""
        return max(self.breaker.retry_in, self.provider.retry_in)

    # The last resort

    @property
    def is_shut(self) -> bool:
        """Whether a breaker is open, and neither an operator holds it so nor too many calls are under way."""
        shut = self._shut()
        return bool(shut) and self.calls < self.ceiling and all(each.held_until is None for each in shut)

    @property
    def probed(self) -> float:
        """When the last probe went through, or the last of its breakers opened."""
        return max((each.probed for each in self._shut()), default=float("-inf"))

    @property
    def badness(self) -> tuple[int, float]:
        """Of gates that are shut, the lowest is the least bad: probed the fewest times, then due the soonest."""
        return sum(each.probes for each in self._shut()), self.retry_in

    def admit_last_resort(self) -> bool:
        """Whether a call may go out although a breaker is open."""
        if not all(each.admit_last_resort() for each in self._shut()):
            return False
        self.calls += 1
        self.total += 1
        return True

    def _shut(self) -> list[CircuitBreaker]:
        return [each for each in (self.breaker, self.provider) if each.state != "closed"]

    # Further calls

    def pay(self) -> bool:
        """Whether a further call of a request is paid for, by a fifth of the calls and by the time that passes."""
        now = self._clock()
        earned = PER_CALL * (self.total - self._counted) + PER_SECOND * (now - self._paid)
        self._saved = min(MOST_SAVED, self._saved + earned)
        self._counted, self._paid = self.total, now
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True

    # Results

    def success(self, ticket: int) -> None:
        """The answer came, whole."""
        self.calls -= 1
        if self.most < self.ceiling:
            self.most = min(self.ceiling, MORE * self.most)
        if not self.provider.calm:
            self.provider.answered()
        self.breaker.success(ticket)

    def release(self, ticket: int, provider_ticket: int) -> None:
        """The call says nothing."""
        self.calls -= 1
        self.breaker.release(ticket)
        self.provider.release(provider_ticket)

    def outrun(self, ticket: int, provider_ticket: int) -> None:
        """A copy of the call was faster, elsewhere. A probe that is given up has shown nobody that all is well: if
        the next one went out at once, an outage would take every hedge that there is."""
        self.calls -= 1
        for breaker, number in ((self.breaker, ticket), (self.provider, provider_ticket)):
            if breaker.state == "closed":
                breaker.release(number)
            else:
                breaker.failure(number, "a copy was faster")

    def failure(self, ticket: int, provider_ticket: int, error: ProviderError) -> None:
        """The call failed: those to blame are told."""
        self.calls -= 1
        why = f"{error.error_class} {error.status}" if error.status else error.error_class
        if self.breaker.free and _is_overload(error):
            self.most = max(FEWER * self.most, min(FEWEST, self.ceiling))
        opened = False
        if error.blames is Blame.DEPLOYMENT:
            opened = self.breaker.failure(ticket, why)
        else:
            self.breaker.release(ticket)
        if error.status:
            self.provider.answered()
        elif opened or not error.reached:
            # Each of its deployments that falls silent counts once: the others there may be silent, too.
            self.provider.failure(provider_ticket, why)
        else:
            self.provider.release(provider_ticket)

    def __repr__(self) -> str:
        return f"<Gate {self.breaker!r}, {self.calls} of {self.most:.0f} calls>"


def _is_overload(error: ProviderError) -> bool:
    return isinstance(error, (RateLimited, Silent, ConnectTimeout)) or error.status in OVERLOADED
