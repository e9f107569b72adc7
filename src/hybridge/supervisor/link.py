"""A worker as the supervisor sees it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from hybridge.admin.holds import Held
from hybridge.observers.samples import Sample
from hybridge.supervisor.channel import Channel
from hybridge.supervisor.messages import (
    Apply,
    Count,
    Done,
    Drain,
    Holding,
    Message,
    Prepare,
    Samples,
    Stand,
    Standings,
)

#: Seconds for a worker to make what a configuration needs, or to change over to it.
PREPARE_S = 30.0
#: Seconds for a worker to give its samples or to say how it stands; somebody waits for it.
COUNT_S = 0.8
#: Seconds for a worker to hold what it is told to.
HOLD_S = 5.0


class Link:
    """A worker that has said hello. `latest` is how it stood when it was last asked."""

    def __init__(self, channel: Channel, pid: int) -> None:
        self.pid = pid
        self.latest: Sequence[Sample] = ()
        self._channel = channel
        self._holds: Prepare | None = None
        self._busy = False

    def __repr__(self) -> str:
        return f"<Link to process {self.pid}, {'ready' if self.ready else 'not ready'}>"

    @property
    def ready(self) -> bool:
        """Whether it answers requests."""
        return self._holds is not None

    @property
    def is_free(self) -> bool:
        """Whether it answers requests, and nothing is being changed about that."""
        return self.ready and not self._busy

    def holds(self, asked: Prepare | None) -> bool:
        """Whether it works under this configuration, or is about to ask which one it should."""
        return self._busy or self._holds is asked

    async def prepare(self, asked: Prepare) -> tuple[str, ...]:
        """Have a configuration prepared; the problems with it."""
        return await self._done(asked, PREPARE_S)

    async def apply(self, asked: Prepare) -> tuple[str, ...]:
        """Put in force what was prepared; the problems with it."""
        problems = await self._done(Apply(), PREPARE_S)
        if not problems:
            self._holds = asked
        return problems

    async def take_up(self, asked: Prepare) -> tuple[str, ...]:
        """Both at once."""
        self._busy = True
        try:
            return await self.prepare(asked) or await self.apply(asked)
        finally:
            self._busy = False

    async def count(self) -> Sequence[Sample]:
        """Its samples; the latest ones if it is too busy to tell."""
        answer = await self._channel.ask(Count(), COUNT_S)
        if isinstance(answer, Samples):
            self.latest = answer.samples
        return self.latest

    async def stand(self) -> tuple[Raw, ...]:
        """How it stands; nothing if it is too busy to tell."""
        answer = await self._channel.ask(Stand(), COUNT_S)
        return answer.workers if isinstance(answer, Standings) else ()

    def tell_held(self, held: tuple[Held, ...]) -> None:
        """Tell it what is held, without waiting."""
        self._channel.send(Holding(held=held))

    async def take_held(self, held: tuple[Held, ...]) -> tuple[str, ...]:
        """Have it hold these and no others; the problems with it."""
        return await self._done(Holding(held=held), HOLD_S)

    def leave_now(self) -> None:
        """Have it go without waiting for anybody."""
        self._channel.send(Drain(now=True))

    def dismiss(self) -> None:
        """Speak to it no more: it drains and leaves."""
        self._channel.close()

    async def _done(self, question: Message, within: float) -> tuple[str, ...]:
        answer = await self._channel.ask(question, within)
        if isinstance(answer, Done):
            return answer.problems
        # One that is gone is no problem: another comes in its place.
        return () if self._channel.over else (f"process {self.pid} did not answer in {within:g} s",)
