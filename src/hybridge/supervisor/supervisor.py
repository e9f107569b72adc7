"""The supervisor: starts the workers, starts them again when they end, changes their configuration, ends them.

It imports no room of the data plane, touches no request, and holds the port, so that a worker may come and go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hybridge.config import Config, Found, load
from hybridge.errors import ConfigError
from hybridge.observers.samples import Sample, lasting, merged
from hybridge.supervisor.channel import Channel, listen
from hybridge.supervisor.children import Child
from hybridge.supervisor.governing import ITS_QUESTIONS, Governing, open_admin
from hybridge.supervisor.link import Link
from hybridge.supervisor.messages import AnyMessage, Count, Hello, Playing, Prepare, Samples
from hybridge.supervisor.settled import settled
from hybridge.supervisor.sockets import addresses, reserve
from hybridge.supervisor.watching import Mark, changes, mark

log = logging.getLogger("hybridge.supervisor")

#: Seconds beyond `server.drain` after which a worker that is still there is killed.
_GRACE_S = 10.0

WORKER = "hybridge.supervisor.worker"
SCENE = "hybridge.supervisor.scene"
CONTROL = "hybridge.supervisor.control"


class Supervisor:
    """The processes of one gateway.

    `find` reads the configuration, also later when it changed; it raises `ConfigError`. `tell` is given what was found,
    `say` the one line that tells that everything listens.
    """

    def __init__(self, find: Callable[[], Found], tell: Callable[[Found], None], say: Callable[[str], None]) -> None:
        self._find = find
        self._tell = tell
        self._say = say
        self.links: list[Link] = []
        self.children: list[Child] = []
        self._governing = Governing(self.links, self.children, self.reload, self.stop)
        self._scene: Child | None = None
        self._control: Child | None = None
        self._path = ""
        self._held: list[socket.socket] = []
        #: Those of the control plane, which listen: whoever comes while it starts again waits.
        self._admin: list[socket.socket] = []
        self._found: Found | None = None
        self._mark: Mark | None = None
        #: What workers are given; `None` until there is one.
        self._in_force: Prepare | None = None
        self._changing = asyncio.Lock()
        #: Whether the start is over: true once all are ready, false if it was broken off.
        self._started: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        self._reloads: Counter[str] = Counter()
        #: Samples of workers that are gone.
        self._gone: list[Sample] = []
        self._tasks: set[asyncio.Task[object]] = set()

    def __repr__(self) -> str:
        return f"<Supervisor of {len(self.links)} workers>"

    async def run(self) -> None:
        """Run until `stop`. Raises `ConfigError` where that cannot begin."""
        async with self._channel():
            try:
                # It imports its modules while the configuration is read here.
                self._add_worker()
                self._begin(self._find())
                if await self._started:
                    self._announce()
                    self._govern()
                    self._in_background(self._watch())
                    await self._stopping.wait()
            finally:
                await self._end()

    def stop(self, *, now: bool = False) -> None:
        """Have the workers end what is under way, or not, and leave. May be called again."""
        self._stopping.set()
        if not self._started.done():
            self._started.set_result(False)
        if now:
            for link in self.links:
                link.leave_now()

    def interrupt(self) -> None:
        """Stop; the second time without waiting for anybody."""
        self.stop(now=self._stopping.is_set())

    def hang_up(self) -> None:
        """Reload, in the background."""
        self._in_background(self.reload())

    async def reload(self) -> Sequence[str]:
        """Read the configuration again and change over to it, all workers or none; the problems with a bad one."""
        async with self._changing:
            problems = await self._read_again()
        self._reloads["error" if problems else "success"] += 1
        for problem in problems:
            log.error("the configuration is not changed: %s", problem)
        return problems

    async def samples(self) -> Sequence[Sample]:
        """Those of all workers, also of those that are gone, and our own."""
        ready = [link for link in self.links if link.ready]
        counted = await asyncio.gather(*(link.count() for link in ready))
        own = [Sample("hybridge_config_reloads_total", (result,), n) for result, n in self._reloads.items()]
        own.append(Sample("hybridge_workers", (), len(ready)))
        own.append(Sample("hybridge_worker_restarts_total", (), sum(child.restarted for child in self.children)))
        return merged([self._gone, own, *counted])

    @contextlib.asynccontextmanager
    async def _channel(self) -> AsyncIterator[None]:
        # The folder is ours alone (0700), and what passes through it are secrets.
        with tempfile.TemporaryDirectory(prefix="hybridge-") as folder:
            path = Path(folder) / "control"
            self._path = str(path)
            server = await listen(path, self._met)
            try:
                yield
            finally:
                server.close()

    def _begin(self, found: Found) -> None:
        """Hold the port and start the other processes. Raises `ConfigError`."""
        self._found = found
        self._mark = mark(found.path) if found.path else None
        self._tell(found)
        server = found.config.server
        self._held = reserve(server.host, server.port)
        self._admin = open_admin(found)
        for _ in range(1, server.workers):
            self._add_worker()
        if found.demo:
            self._scene = Child("the scene", SCENE, self._path, self._ended)
        else:
            self._put_in_force(found.config)

    def _govern(self) -> None:
        """Start the control plane, once it can take nothing from the start of those that answer requests."""
        if self._admin:
            self._control = Child("the control plane", CONTROL, self._path, self._ended, self._admin)

    def _add_worker(self) -> None:
        self.children.append(Child(f"worker {len(self.children) + 1}", WORKER, self._path, self._ended))

    def _put_in_force(self, config: Config) -> None:
        """The first configuration."""
        assert self._found is not None
        self._now_in_force(Prepare(config=config, demo=self._found.demo, addresses=addresses(self._held)))
        self._bring_up()

    def _now_in_force(self, asked: Prepare) -> None:
        assert self._found is not None
        self._in_force = asked
        self._governing.tell(asked, str(self._found.path) if self._found.path else None)

    def _bring_up(self) -> None:
        """Give the configuration in force to every worker that has another one, or none."""
        for link in self.links:
            if not link.holds(self._in_force):
                self._in_background(self._set_up(link))

    async def _set_up(self, link: Link) -> None:
        while (asked := self._in_force) is not None and not link.holds(asked):
            if problems := await link.take_up(asked):
                self._unfit(link, problems)
                return
        ready = sum(each.ready for each in self.links)
        if ready == len(self.children) and not self._started.done():
            self._started.set_result(True)

    def _unfit(self, link: Link, problems: Sequence[str]) -> None:
        """A worker cannot work: at the start that is the end, later another is started in its place."""
        self._fail(problems)
        for problem in problems:
            log.error("process %d cannot work: %s", link.pid, problem)
        link.dismiss()

    def _fail(self, problems: Sequence[str]) -> None:
        if not self._started.done():
            self._started.set_exception(ConfigError(problems))
            self._stopping.set()

    def _ended(self, child: Child, code: int) -> bool:
        self._fail([f"{child.name} ended while it was starting (exit code {code})"])
        return not self._stopping.is_set()

    async def _read_again(self) -> Sequence[str]:
        """Change over to what the file says now; the problems with it, if that is not to be."""
        before, in_force = self._found, self._in_force
        if before is None or before.path is None or in_force is None:
            return ["there is no file to read again"]
        try:
            found = self._find()
        except ConfigError as error:
            return error.problems
        if found.path != before.path:
            return [f"{before.path}: the file is gone"]
        self._tell(found)
        config, late = settled(in_force.config, found.config)
        for key in late:
            log.warning("%s: %s changes with the next start only", found.path, key)
        return await self._change_over(replace(in_force, config=config))

    async def _change_over(self, asked: Prepare) -> Sequence[str]:
        """All workers or none; the problems with it."""
        ready = [link for link in self.links if link.is_free]
        found = await asyncio.gather(*(link.prepare(asked) for link in ready))
        if problems := list(dict.fromkeys(chain.from_iterable(found))):
            return problems
        self._now_in_force(asked)
        for link, failed in zip(ready, await asyncio.gather(*(link.apply(asked) for link in ready)), strict=True):
            if failed:
                self._unfit(link, failed)
        self._bring_up()
        log.info("a new configuration is in force")
        return ()

    async def _play(self, providers: dict[str, dict[str, Any]]) -> None:
        """The scene has begun; where it is not the first, its providers have other addresses now."""
        assert self._found is not None
        config = replace(self._found.config, providers=load({"providers": providers}, {}).providers)
        if self._in_force is None:
            self._put_in_force(config)
        else:
            async with self._changing:
                await self._change_over(replace(self._in_force, config=config))

    async def _count_for(self, channel: Channel, question: Count) -> None:
        channel.answer(question, Samples(samples=tuple(await self.samples())))

    async def _met(self, channel: Channel) -> None:
        """Hear what a process says until it is gone."""
        link: Link | None = None
        try:
            async for message in channel.messages():
                match message:
                    case Hello(role="worker", pid=pid):
                        link = Link(channel, pid)
                        self.links.append(link)
                        self._governing.met_worker(link)
                        self._bring_up()
                    case Samples(samples=samples) if link:
                        link.latest = samples
                    case _:
                        self._hear(channel, message)
        finally:
            if link is not None:
                self.links.remove(link)
                self._gone = merged([self._gone, lasting(link.latest)])

    def _hear(self, channel: Channel, message: AnyMessage) -> None:
        match message:
            case Hello(role="control"):
                self._governing.met(channel)
            case Playing(providers=providers):
                self._in_background(self._play(providers))
            case Count():
                self._in_background(self._count_for(channel, message))
            case _ if isinstance(message, ITS_QUESTIONS):
                self._in_background(self._governing.answer(channel, message))

    async def _watch(self) -> None:
        assert self._found is not None
        path = self._found.path
        if path is not None:
            async for _ in changes(path, self._mark):
                await self.reload()

    def _announce(self) -> None:
        assert self._in_force is not None
        config = self._in_force.config
        count = len(config.providers)
        line = f"Hybridge is ready on {_url(self._held[0], tls=config.server.tls is not None)}"
        line += f" ({count} {'provider' if count == 1 else 'providers'})"
        if self._admin:
            line += f", its control plane on {_url(self._admin[0])}"
        self._say(line)

    def _in_background(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a defect of the supervisor", exc_info=error)

    async def _end(self) -> None:
        """End all processes, the workers first: until then they may need the scene, and people the control plane."""
        self._stopping.set()
        drain = self._in_force.config.server.drain if self._in_force else 0.0
        await asyncio.gather(*(child.stop(drain + _GRACE_S) for child in self.children))
        await asyncio.gather(*(child.stop(_GRACE_S) for child in (self._scene, self._control) if child is not None))
        for task in self._tasks:
            task.cancel()
        for held in (*self._held, *self._admin):
            held.close()


def _url(bound: socket.socket, *, tls: bool = False) -> str:
    host, port = bound.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


async def supervise(find: Callable[[], Found], tell: Callable[[Found], None], say: Callable[[str], None]) -> None:
    """Run a gateway until SIGTERM or SIGINT; a second SIGINT does not wait, SIGHUP reads the configuration again.

    Raises `ConfigError` where it cannot begin.
    """
    supervisor = Supervisor(find, tell, say)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, supervisor.stop)
    loop.add_signal_handler(signal.SIGINT, supervisor.interrupt)
    loop.add_signal_handler(signal.SIGHUP, supervisor.hang_up)
    await supervisor.run()
