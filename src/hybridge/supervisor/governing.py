"""What the control plane asks of the supervisor, and what it is told."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

from hybridge.admin.holds import Holds
from hybridge.config import Found
from hybridge.errors import ConfigError
from hybridge.supervisor.channel import Channel
from hybridge.supervisor.children import Child
from hybridge.supervisor.link import Link
from hybridge.supervisor.messages import (
    AnyMessage,
    Done,
    Drain,
    Hold,
    InForce,
    LetGo,
    Prepare,
    Reload,
    Stand,
    Standings,
)
from hybridge.supervisor.sockets import occupy

log = logging.getLogger("hybridge.supervisor")


class Governing:
    """The control plane's end of the supervisor. It keeps what operators hold, and hands it to workers that come.

    `links` and `children` are the supervisor's own lists; `reload` gives the problems.
    """

    def __init__(
        self,
        links: Sequence[Link],
        children: Sequence[Child],
        reload: Callable[[], Awaitable[Sequence[str]]],
        stop: Callable[[], None],
    ) -> None:
        self.holds = Holds(time.time)
        self._links = links
        self._children = children
        self._reload = reload
        self._stop = stop
        self._channel: Channel | None = None
        self._told: InForce | None = None

    def __repr__(self) -> str:
        return f"<Governing {'with' if self._channel else 'without'} a control plane, {self.holds!r}>"

    def met(self, channel: Channel) -> None:
        """The control plane has begun."""
        self._channel = channel
        if self._told is not None:
            channel.send(self._told)

    def tell(self, asked: Prepare, file: str | None) -> None:
        """This configuration is in force from now on."""
        self._told = InForce(config=asked.config, demo=asked.demo, file=file, since=time.time())
        if self._channel is not None:
            self._channel.send(self._told)

    def met_worker(self, link: Link) -> None:
        """A worker has begun: what is held comes before what makes it answer requests."""
        link.tell_held(self.holds.all())

    async def answer(self, channel: Channel, question: AnyMessage) -> None:
        """Do what the control plane asks."""
        match question:
            case Stand():
                channel.answer(question, await self._stand())
            case Hold(held=held):
                channel.answer(question, Done(problems=self.holds.hold(held) or await self._spread()))
            case LetGo(id=breaker_id):
                self.holds.let_go(breaker_id)
                channel.answer(question, Done(problems=await self._spread()))
            case Reload():
                channel.answer(question, Done(problems=tuple(await self._reload())))
            case Drain():
                channel.answer(question, Done())
                self._stop()

    async def _stand(self) -> Standings:
        found = await asyncio.gather(*(link.stand() for link in self._links))
        return Standings(
            workers=tuple(chain.from_iterable(found)),
            held=self.holds.all(),
            wanted=len(self._children),
            restarted=sum(child.restarted for child in self._children),
        )

    async def _spread(self) -> tuple[str, ...]:
        """Tell every worker what is held; the problems with it. One that comes later is told when it comes."""
        held = self.holds.all()
        found = await asyncio.gather(*(link.take_held(held) for link in self._links))
        return tuple(chain.from_iterable(found))


def open_admin(found: Found) -> list[socket.socket]:
    """The port of the control plane, if it is to have one. Raises `ConfigError`."""
    host, port = found.config.admin.host, found.config.server.admin_port
    if port is None:
        return []
    try:
        return occupy(host, port)
    except ConfigError as error:
        if found.report.given(("server", "admin_port")) or found.report.given(("admin", "host")):
            raise
        # Nobody asked for this very port, and requests need no control plane.
        log.warning("there is no control plane (server.admin_port says where it may be): %s", error)
        return []


#: What only the control plane asks.
ITS_QUESTIONS = (Stand, Hold, LetGo, Reload, Drain)
