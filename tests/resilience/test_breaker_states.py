"""Whatever happens in whatever order: the laws of the breaker hold."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)
from msgspec import Struct

from hybridge.resilience.breaker import LAST_RESORT, PROBE, CircuitBreaker

from .world import Clock


class Sent(Struct, frozen=True):
    """A call that was admitted: its ticket, and in which of the breaker's ages and waits."""

    ticket: int
    age: int
    wait: int
    due: bool


class BreakerMachine(RuleBasedStateMachine):
    """Calls are admitted and end in any order, late or never, while time passes."""

    calls: Bundle[Sent] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(3, 60.0, clock=self.clock, chance=Random(0))
        #: An age begins whenever it opens or closes, a wait whenever it opens or a probe has failed.
        self.age = 0
        self.wait = 0
        self.until = 0.0
        #: When the last probe of any kind went out, and the probe that was due: its ticket, and until when it is alone.
        self.probed = 0.0
        self.probe, self.alone = 0, 0.0
        self.due = False

    def state(self) -> str:
        return self.breaker.state

    def is_open(self) -> bool:
        return self.state() != "closed"

    def sent(self) -> Sent:
        return Sent(self.breaker.ticket, self.age, self.wait, self.due)

    def begin_wait(self) -> None:
        self.wait += 1
        self.probed, self.until = self.clock.now, self.clock.now + self.breaker.retry_in
        self.probe, self.alone, self.due = 0, 0.0, False

    def told(self, was_open: bool) -> None:
        """A result was told, and may have opened or closed it."""
        if self.is_open() != was_open:
            self.age += 1
            if self.is_open():
                self.begin_wait()

    @rule(target=calls)
    def admit(self) -> Sent | MultipleResults[Sent]:
        now = self.clock.now
        if not self.is_open():
            assert self.breaker.admit()
            return self.sent()
        admitted = self.breaker.admit()
        assert admitted == (now >= self.until and now >= self.alone), "when it is due, and one at a time"
        if not admitted:
            return multiple()
        self.due = True
        self.probe, self.probed, self.alone = self.breaker.ticket, now, now + PROBE
        return self.sent()

    @rule(target=calls)
    def admit_last_resort(self) -> Sent | MultipleResults[Sent]:
        now = self.clock.now
        is_open = self.is_open()
        admitted = self.breaker.admit_last_resort()
        assert admitted == (is_open and now >= self.probed + LAST_RESORT), "one a second"
        if not admitted:
            return multiple()
        self.probed = now
        return self.sent()

    @rule(call=consumes(calls))
    def succeed(self, call: Sent) -> None:
        was_open = self.is_open()
        self.breaker.success(call.ticket)
        assert self.is_open() == (was_open and call.age != self.age), "a good probe closes, an older call says nothing"
        self.told(was_open)

    @rule(call=consumes(calls))
    def fail(self, call: Sent) -> None:
        was_open, retry_in, failed = self.is_open(), self.breaker.retry_in, self.breaker.failed
        opened = self.breaker.failure(call.ticket, "why")
        assert self.breaker.failed == failed + (call.age == self.age), "only calls of this age are counted"
        if was_open:
            assert self.is_open()
            doubles = call.age == self.age and call.due and call.wait == self.wait
            assert opened == doubles, "the failure of a probe that was due, once in each wait"
            if doubles:
                assert 0.8 * 120.0 <= self.breaker.retry_in <= 1.2 * 120.0
                self.begin_wait()
            else:
                assert self.breaker.retry_in == retry_in, "a last resort puts nothing off"
        else:
            assert opened == self.is_open()
        self.told(was_open)

    @rule(call=consumes(calls))
    def release(self, call: Sent) -> None:
        was_open = self.is_open()
        self.breaker.release(call.ticket)
        if was_open and call.ticket == self.probe:
            self.alone = 0.0
        assert self.is_open() == was_open

    @rule(call=consumes(calls))
    def forget(self, call: Sent) -> None:
        """The call never reports."""

    @rule()
    def a_sign_of_life(self) -> None:
        calm = self.breaker.calm
        self.breaker.answered()
        assert self.breaker.calm
        self.age += not calm

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.9, 5.0, 30.0, 60.0, 150.0, 1000.0]))
    def wait_some(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.breaker.state != "closed")
    @rule()
    def it_is_never_jammed(self) -> None:
        self.clock.now += self.breaker.retry_in
        assert self.breaker.admit()
        self.breaker.success()
        assert not self.is_open()
        self.age += 1

    @invariant()
    def waits_are_bounded(self) -> None:
        assert 0.0 <= self.breaker.retry_in <= 120.0 * 1.2 + PROBE
        assert self.breaker.state in ("closed", "open", "half_open")
        assert bool(self.breaker.why) == (self.breaker.failed > 0)
        assert self.breaker.calm == (self.breaker.failed == 0)


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase
