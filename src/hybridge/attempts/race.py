"""A hedged attempt: where the first content is late, a second one is made beside it, and the first content wins."""

from __future__ import annotations

import asyncio

from hybridge.attempts.attempt import Attempting
from hybridge.errors import ProviderError
from hybridge.resilience.hedge import Hedging
from hybridge.resilience.retry import Step, Walk
from hybridge.types import Sink


class Race:
    """The attempts of one request, the first of them perhaps beside a second; at most one of these is the answer.

    The other is given up, and billed for what it used.
    """

    def __init__(self, attempting: Attempting, walk: Walk, hedging: Hedging) -> None:
        self._attempting = attempting
        self._walk = walk
        self._hedging = hedging
        self._runners: list[_Runner] = []
        self._winner: _Runner | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the stream, which has begun and broken off, may go on at the next deployment."""
        return self._attempting.goes_on

    async def make(self, step: Step, sink: Sink) -> Step:
        """Make the step, the first time with a second one beside it if it is time. Gives the step that has answered.

        Raises the `ProviderError` of the last that failed, or the winner's; the walk knows of all by then.
        """
        if self._runners:
            return await self._attempting.make(step, sink)
        try:
            first = self._enter(step, self._attempting, sink)
            await asyncio.wait([first.task], timeout=self._delay(step))
            if not first.task.done() and self._winner is None:
                self._hedge(step, sink)
            return await self._finish()
        finally:
            await self._leave()

    def _delay(self, step: Step) -> float:
        return self._hedging.delay(step.deployment.id, stream=self._attempting.stream)

    def _hedge(self, step: Step, sink: Sink) -> None:
        if self._hedging.spend():
            second = self._walk.beside(step)
            if second is None:
                self._hedging.refund()
            else:
                self._enter(second, self._attempting.beside(), sink)

    def _enter(self, step: Step, attempting: Attempting, sink: Sink) -> _Runner:
        runner = _Runner(step, attempting, asyncio.create_task(attempting.make(step, sink)))
        attempting.claim = lambda: self._claim(runner)
        self._runners.append(runner)
        return runner

    def _claim(self, runner: _Runner) -> None:
        if self._winner is None:
            self._winner = runner
            self._attempting = runner.attempting
            for other in self._runners:
                if other is not runner and not other.task.done():
                    other.attempting.lose()
                    other.task.cancel()
        elif self._winner is not runner:
            # Both had their content in the same turn of the loop.
            raise asyncio.CancelledError

    async def _finish(self) -> Step:
        """Wait for the first that ends well; for the winner, once there is one."""
        waiting = list(self._runners)
        while True:
            await asyncio.wait([runner.task for runner in waiting], return_when=asyncio.FIRST_COMPLETED)
            for runner in [one for one in waiting if one.task.done()]:
                waiting.remove(runner)
                if runner.task.cancelled():
                    continue
                error = runner.task.exception()
                if error is None:
                    return runner.step
                if not isinstance(error, ProviderError):
                    raise error
                self._walk.failed(runner.step, error)
                if runner is self._winner or not waiting:
                    raise error

    async def _leave(self) -> None:
        for runner in self._runners:
            runner.attempting.claim = None
            runner.task.cancel()
        await asyncio.gather(*(runner.task for runner in self._runners), return_exceptions=True)
        for runner in self._runners:
            if runner.task.cancelled():
                lost = self._winner not in (None, runner)
                (self._walk.outrun if lost else self._walk.released)(runner.step)


class _Runner:
    """One of them."""

    __slots__ = ("attempting", "step", "task")

    def __init__(self, step: Step, attempting: Attempting, task: asyncio.Task[Step]) -> None:
        self.step = step
        self.attempting = attempting
        self.task = task
