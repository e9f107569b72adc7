"""The walk over a plan: which deployment is asked next, with which key, after how long, and when it is over.

Another deployment is preferred to a second call to the same one, whatever the failure was: it answers at once,
while a retry waits, and most failures of a deployment last longer than a wait. So the plan is gone through once,
then those whose failure may have passed are asked again. A key's failure is no failure of the deployment: another
key is tried there first, and that call does not count as an attempt of `retries.attempts`.

The first call and the first fallback to a deployment that is well are free; every further call is paid for out of
what its deployment has saved (`Gate.pay`), so that an outage is not made worse by those who try again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from hybridge.errors import Blame, CannotCarry, ContentFiltered, ContextOverflow, GatewayError, ProviderError
from hybridge.resilience.breaker import LAST_RESORT
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.gate import Gate
from hybridge.resilience.keys import Key, KeyPool
from hybridge.resilience.verdict import Failure, all_failed, nobody_asked, refusal
from hybridge.types import Deployment

#: Seconds: the first wait is drawn from 0 to `BACKOFF`, doubling; no wait is longer than `LONGEST_WAIT`.
BACKOFF = 0.25
LONGEST_WAIT = 4.0


class Retries(Struct, frozen=True, forbid_unknown_fields=True):
    """`attempts`: calls to one deployment, the first included. `per_request`: calls in all. `deadline`: seconds
    after which no new attempt begins."""

    attempts: int = 2
    per_request: int = 6
    deadline: float = 60.0


DEFAULT_RETRIES = Retries()


class Step(Struct, frozen=True, eq=False):
    """The next call: to whom, with which key, after how many seconds. It owes its walk one result.

    `number` counts the steps of the walk from 1; gate and pool learn of the result, by the tickets of the
    deployment's breaker and of its provider's.
    """

    deployment: Deployment
    key: Key
    delay: float
    number: int
    ticket: int
    gate: Gate
    pool: KeyPool
    provider_ticket: int = 0


class _Leg(Struct, eq=False):
    """What the walk knows of one deployment."""

    deployment: Deployment
    pool: KeyPool
    gate: Gate
    #: Calls that count as attempts: a change of key is none.
    attempts: int = 0
    #: When it may be asked again.
    ready: float = 0.0
    #: The keys that were used, and whether the last call failed because of its key.
    keys: set[str] = set()
    key_failed: bool = False
    open: bool = False
    out: bool = False


class Walk(Struct, eq=False):
    """One request's way over its plan.

        walk = Walk(plan.deployments, breakers, pools)
        while step := walk.next():
            ...wait `step.delay`, call, then one of:
            walk.succeeded(step) | walk.failed(step, error) | walk.released(step) | walk.unable(step)
            | walk.outrun(step)
        raise walk.verdict()

    Only the first result of a step counts, so a `released` in a `finally` is safe. Several steps may be open at
    once: `beside` gives one for a hedge, and `next` never gives a deployment that has one. More steps may be asked
    for after a failure in mid-answer.
    Clock and chance are those of `breakers`; `pools` are by provider; `content_filter` is what the refusal of a
    filter means, as in `routing.content_filter`. `retries.deadline` counts from the first `next`.
    """

    deployments: Sequence[Deployment]
    breakers: Breakers
    pools: Mapping[str, KeyPool]
    retries: Retries = DEFAULT_RETRIES
    content_filter: Literal["pass", "fallback"] = "pass"
    #: What failed so far, in the order of the results.
    failures: list[Failure] = []
    #: Why a deployment was passed over, by its id: `breaker`, `provider`, `keys`, `busy` or `retries`.
    skipped: dict[str, str] = {}
    #: Steps given so far.
    steps: int = 0
    #: From when on no attempt begins; `None` before the first `next`.
    _deadline: float | None = None
    #: The first step where it was given at once, and whether it has its result, or its leg has taken over.
    _first: Step | None = None
    _over: bool = False
    #: What is known of each deployment, made by `_all`; and of those that have an open step.
    _legs: list[_Leg] | None = None
    _open: dict[int, _Leg] = {}
    #: The failure that ended the walk: the request itself is at fault.
    _final: Failure | None = None
    #: The largest context that was too small; `None` before one was.
    _too_small: int | None = None

    def next(self) -> Step | None:
        """The next call, or `None` if there is none to make (for now, where steps are open)."""
        retries, now = self.retries, self.breakers.clock()
        if self._deadline is None:
            self._deadline = now + retries.deadline
        if now >= self._deadline or self.steps >= retries.per_request or self._final is not None:
            return None
        if not self.steps and self._legs is None and self._at_once():
            return self._first
        return self._other_key() or self._fallback() or self._retry(now) or self._last_resort(now)

    def beside(self, step: Step) -> Step | None:
        """A second call while `step` is open, for a hedge: to a deployment that nobody has asked yet, is well, and
        belongs to a provider that is not being asked. `None` if there is no such one, or no call is left."""
        self._all()
        spent = self._deadline is None or self.breakers.clock() >= self._deadline or self._final is not None
        if spent or self.steps >= self.retries.per_request or step.number not in self._open:
            return None
        asked = {leg.deployment.provider for leg in self._open.values()}
        for leg in self._left():
            if not leg.attempts and leg.deployment.provider not in asked and leg.gate.is_well and self._admitted(leg):
                return self._step(leg)
        return None

    def _at_once(self) -> bool:
        """Make the first step, if nothing is the matter with the first deployment: so most requests go."""
        if not self.deployments:
            return False
        deployment = self.deployments[0]
        gate, pool = self.breakers.meet(self.deployments), self.pools[deployment.provider]
        breaker, provider = gate.breaker, gate.provider
        if not (breaker.free and provider.calm and gate.calls < gate.most):
            return False
        if (key := pool.take(deployment.model)) is None:
            return False
        gate.calls += 1
        gate.total += 1
        self.steps = 1
        self._first = Step(deployment, key, 0.0, 1, breaker.ticket, gate, pool, provider.ticket)
        return True

    def _all(self) -> list[_Leg]:
        """What is known of each deployment: made when more happens than a first step and its success."""
        if self._legs is None:
            self._legs = [
                _Leg(each, self.pools[each.provider], self.breakers.gate(each.id)) for each in self.deployments
            ]
            if self._first is not None:
                leg = self._legs[0]
                leg.attempts, leg.keys = 1, {self._first.key.id}
                if not self._over:
                    leg.open, self._open[1] = True, leg
            self._over = True
        return self._legs

    def _other_key(self) -> Step | None:
        for leg in self._left():
            if leg.key_failed and self._admitted(leg, exclude=leg.keys):
                leg.attempts -= 1
                return self._step(leg, exclude=leg.keys)
        return None

    def _fallback(self) -> Step | None:
        for leg in self._left():
            if not leg.attempts and self._admitted(leg):
                return self._step(leg)
        return None

    def _retry(self, now: float) -> Step | None:
        """A further call: to the one that is ready first, or before it in the plan and ready in the same second."""
        assert self._deadline is not None
        tried = [leg for leg in self._left() if 0 < leg.attempts < self.retries.attempts]
        waits = [(max(leg.ready - now, _keys_wait(leg)), leg) for leg in tried]
        short = [pair for pair in waits if pair[0] <= LONGEST_WAIT and now + pair[0] < self._deadline]
        for wait, leg in sorted(short, key=lambda pair: int(pair[0])):
            if self._admitted(leg, within=wait):
                return self._step(leg, wait)
        return None

    def _last_resort(self, now: float) -> Step | None:
        """A call although no breaker admits one, so that the end of an outage of all is noticed within a second.

        One request a second goes to the least bad, which is the one that was probed the fewest times since it opened,
        then the one that is due the soonest.
        """
        if self.steps:
            return None
        shut = [leg for leg in self._left() if leg.gate.is_shut and not _keys_wait(leg)]
        if not shut or now < LAST_RESORT + max(leg.gate.probed for leg in shut):
            return None
        least_bad = min(shut, key=lambda leg: leg.gate.badness)
        return self._step(least_bad) if least_bad.gate.admit_last_resort() else None

    def _left(self) -> Iterator[_Leg]:
        """The deployments that may still be asked, in the plan's order."""
        for leg in self._all():
            if not (leg.out or leg.open) and (self._too_small is None or self._larger(leg.deployment)):
                yield leg

    def _larger(self, deployment: Deployment) -> bool:
        return (deployment.limits.context or 0) > (self._too_small or 0)

    def _admitted(self, leg: _Leg, within: float = 0.0, exclude: Collection[str] = ()) -> bool:
        """Whether a call may go there, which then is admitted and has to be made."""
        wait = leg.pool.soonest(leg.deployment.model, exclude)
        if wait is None or wait > within:
            reason = "keys"
        else:
            reason = leg.gate.refusal() or ("" if exclude or self._is_free(leg) or leg.gate.pay() else "retries")
        if reason:
            self.skipped[leg.deployment.id] = reason
            return False
        leg.gate.admit()
        return True

    def _is_free(self, leg: _Leg) -> bool:
        """Whether the call is the first, or the first fallback to a deployment that is well."""
        called = sum(each.attempts > 0 for each in self._all())
        return not called or (called == 1 and not leg.attempts and leg.gate.is_well)

    def _step(self, leg: _Leg, delay: float = 0.0, exclude: Collection[str] = ()) -> Step:
        key = leg.pool.take(leg.deployment.model, exclude, delay)
        assert key is not None, "the pool had a key when the breaker was asked"
        self.skipped.pop(leg.deployment.id, None)
        self.steps += 1
        leg.attempts += 1
        leg.keys.add(key.id)
        leg.key_failed = False
        leg.open = True
        self._open[self.steps] = leg
        gate = leg.gate
        return Step(leg.deployment, key, delay, self.steps, gate.breaker.ticket, gate, leg.pool, gate.provider.ticket)

    def _closed(self, step: Step) -> _Leg | None:
        self._all()
        leg = self._open.pop(step.number, None)
        if leg is not None:
            leg.open = False
        return leg

    def succeeded(self, step: Step) -> None:
        """The answer came, whole."""
        if step is self._first and not self._over:
            self._over = True
        elif self._closed(step) is None:
            return
        step.gate.success(step.ticket)
        step.pool.worked(step.key.id, step.deployment.model)

    def released(self, step: Step) -> None:
        """The call was given up and says nothing about the deployment: the client left."""
        if self._closed(step):
            step.gate.release(step.ticket, step.provider_ticket)

    def outrun(self, step: Step) -> None:
        """The call was given up because the one beside it has answered: says nothing, unless it was a probe."""
        if self._closed(step):
            step.gate.outrun(step.ticket, step.provider_ticket)

    def unable(self, step: Step) -> None:
        """No call was made, because the request cannot be carried there: the deployment is asked no more."""
        if leg := self._closed(step):
            step.gate.release(step.ticket, step.provider_ticket)
            leg.out, leg.attempts = True, 0

    def failed(self, step: Step, error: ProviderError) -> None:
        """The call failed: those to blame are told, and the walk draws its conclusions."""
        if leg := self._closed(step):
            failure = Failure(leg.deployment, step.key.id, error)
            self.failures.append(failure)
            step.gate.failure(step.ticket, step.provider_ticket, error)
            if error.blames is Blame.KEY:
                self._blame_key(leg, step, error)
            elif error.retry:
                leg.ready = self.breakers.clock() + self._backoff(leg, error)
            else:
                leg.out = True
            if isinstance(error, CannotCarry):
                leg.attempts = 0
            if not error.fallback:
                self._conclude(failure)

    def _blame_key(self, leg: _Leg, step: Step, error: ProviderError) -> None:
        leg.key_failed = True
        if error.retry:
            step.pool.rest(step.key.id, leg.deployment.model, error.retry_after)
        else:
            step.pool.set_aside(step.key.id)

    def _backoff(self, leg: _Leg, error: ProviderError) -> float:
        """Seconds before the deployment may be asked again: its own word, else full jitter."""
        if error.retry_after is not None:
            return error.retry_after
        return self.breakers.chance.uniform(0.0, min(LONGEST_WAIT, BACKOFF * 2.0 ** (leg.attempts - 1)))

    def _conclude(self, failure: Failure) -> None:
        """The request is at fault. It may still go on to a larger context, or past a filter if that is wanted."""
        if isinstance(failure.error, ContextOverflow):
            self._too_small = max(self._too_small or 0, failure.deployment.limits.context or 0)
        elif not (isinstance(failure.error, ContentFiltered) and self.content_filter == "fallback"):
            self._final = failure

    def verdict(self, dialect: str | None = None) -> GatewayError:
        """What the client is told, once `next` gives nothing and nobody answered.

        A refused request keeps the provider's body only if that provider speaks `dialect` (or none is given).
        """
        final = self._final or self._at_fault()
        if final is not None:
            return refusal(final, dialect)
        if self.failures:
            return all_failed(self.failures, min(map(_keys_wait, self._all())))
        waiting = [leg for leg in self._all() if leg.deployment.id in self.skipped]
        limited = all(self.skipped[leg.deployment.id] == "keys" and not leg.pool.all_refused for leg in waiting)
        busy = "busy" in self.skipped.values()
        return nobody_asked([max(leg.gate.retry_in, _keys_wait(leg)) for leg in waiting], limited=limited, busy=busy)

    def _at_fault(self) -> Failure | None:
        """The failure that shows the request at fault, if no deployment that could take it failed otherwise."""
        faults = [each for each in self.failures if not each.error.fallback]
        others = [each for each in self.failures if each.error.fallback]
        if self._too_small is not None:
            others = [each for each in others if self._larger(each.deployment)]
        return faults[-1] if faults and not others else None

    def __repr__(self) -> str:
        first_open = self._first is not None and not self._over
        return f"<Walk {self.steps} steps, {len(self.failures)} failed, {len(self._open) + first_open} open>"


def _keys_wait(leg: _Leg) -> float:
    """Seconds until a key of the deployment is well."""
    wait = leg.pool.soonest(leg.deployment.model)
    return float("inf") if wait is None else wait
