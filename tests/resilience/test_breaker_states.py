"""Whatever happens in whatever order: the laws of the breaker hold."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from hybridge.resilience.breaker import LAST_RESORT, PROBE, CircuitBreaker

from .world import Clock


class BreakerMachine(RuleBasedStateMachine):
    """Calls are admitted and end in any order, late or never, while time passes."""

    calls: Bundle[int] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(3, 60.0, clock=self.clock, chance=Random(0))
        #: The probe under way: its ticket, and when it went out.
        self.probe: tuple[int, float] | None = None
        self.early = False
        self.opened_at = 0.0
        self.wait = 0.0

    def state(self) -> str:
        return self.breaker.state

    def note(self, before: str) -> None:
        """Look at what a result did."""
        after = self.state()
        if after == "closed":
            self.probe = None
        elif before == "closed" or (before == "half_open" and after == "open" and not self.early):
            self.opened_at, self.wait, self.probe = self.clock.now, self.breaker.retry_in, None

    @rule(target=calls)
    def admit(self) -> int:
        before, leased = self.state(), self.probe and self.clock.now < self.probe[1] + PROBE
        admitted = self.breaker.admit()
        if before == "closed":
            assert admitted
        else:
            assert not (admitted and leased), "a second probe while one is out"
            due = self.clock.now >= self.opened_at + self.wait
            assert admitted == (due and not leased)
        if admitted and before != "closed":
            self.probe, self.early = (self.breaker.ticket, self.clock.now), False
        return self.breaker.ticket if admitted else -1

    @rule(target=calls)
    def admit_last_resort(self) -> int:
        before, leased = self.state(), self.probe and self.clock.now < self.probe[1] + PROBE
        admitted = self.breaker.admit_last_resort()
        assert not (admitted and (before == "closed" or leased))
        assert not (admitted and self.clock.now < self.opened_at + LAST_RESORT)
        if admitted:
            self.probe = self.breaker.ticket, self.clock.now
            self.early = self.clock.now < self.opened_at + self.wait
        return self.breaker.ticket if admitted else -1

    @rule(call=consumes(calls))
    def succeed(self, call: int) -> None:
        if call < 0:
            return
        before = self.state()
        self.breaker.success(call)
        if self.probe and call == self.probe[0] and before != "closed":
            assert self.state() == "closed", "a good probe closes"
        self.note(before)

    @rule(call=consumes(calls))
    def fail(self, call: int) -> None:
        if call < 0:
            return
        before = self.state()
        self.breaker.failure(call)
        if before == "open" and not self.probe:
            assert self.state() == "open"
        if self.probe and call == self.probe[0]:
            assert self.state() == "open" or before == "closed" or self.early
        if self.early and before != "closed":
            self.probe = None
        self.note(before)

    @rule(call=consumes(calls))
    def release(self, call: int) -> None:
        if call < 0:
            return
        before = self.state()
        self.breaker.release(call)
        if self.probe and call == self.probe[0]:
            self.probe = None
        if before == "closed":
            assert self.state() == "closed"

    @rule(call=consumes(calls))
    def forget(self, call: int) -> None:
        """The call never reports."""

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.9, 5.0, 30.0, 60.0, 150.0, 1000.0]))
    def wait_some(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.breaker.state != "closed")
    @rule()
    def it_is_never_jammed(self) -> None:
        self.clock.now += self.breaker.retry_in
        assert self.breaker.admit()
        self.probe, self.early = (self.breaker.ticket, self.clock.now), False
        self.breaker.success()
        assert self.breaker.state == "closed"
        self.probe = None

    @invariant()
    def waits_are_bounded(self) -> None:
        assert 0.0 <= self.breaker.retry_in <= 120.0 * 1.2 + PROBE
        assert self.breaker.state in ("closed", "open", "half_open")


BreakerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase
