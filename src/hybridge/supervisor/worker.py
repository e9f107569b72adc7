"""`python -m hybridge.supervisor.worker CHANNEL`: a process of the data plane.

It knows nothing but the way to its supervisor, which sends it the configuration. When the supervisor is gone it drains
and leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import uvloop
from msgspec import Raw, json

from hybridge import app
from hybridge.admin.holds import Held
from hybridge.errors import ConfigError
from hybridge.ledger.store import SqliteLedger
from hybridge.observers.samples import Sample
from hybridge.routing.tokens import Splintr
from hybridge.server.application import Application
from hybridge.server.front import Front
from hybridge.server.listen import Listener
from hybridge.supervisor.channel import Channel, connect
from hybridge.supervisor.logs import write_logs
from hybridge.supervisor.messages import (
    AnyMessage,
    Apply,
    Count,
    Done,
    Drain,
    Hello,
    Holding,
    Prepare,
    Samples,
    Stand,
    Standings,
)
from hybridge.supervisor.sockets import share

log = logging.getLogger("hybridge.worker")

#: Objects that may come to be before the collector looks for cycles among them.
_YOUNG = 50_000
#: Open files that are asked for.
_FILES = 65_536
#: Seconds to wait for everybody's samples; then this process tells its own.
_COUNT_S = 1.0


class Worker:
    """Answers requests under the configuration that the supervisor put in force last."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._counter = Splintr(_in_a_thread)
        self._prepared: tuple[Prepare, app.Assembled] | None = None
        self._running: app.Running | None = None
        #: The breakers that operators hold.
        self._held: tuple[Held, ...] = ()
        self._application: Application | None = None
        self._listener: Listener | None = None
        self._over = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Worker {os.getpid()}, {'listening' if self._listener else 'not listening'}>"

    async def run(self) -> None:
        """Do what the supervisor says until it is gone, or wants an end, and what is under way has ended."""
        self._channel.send(Hello(role="worker", pid=os.getpid()))
        hearing = asyncio.create_task(self._hear())
        try:
            await self._over.wait()
        finally:
            hearing.cancel()
            if self._running is not None:
                self._channel.send(Samples(samples=tuple(self._running.metrics.samples())))
                await self._running.aclose()
            self._channel.close()

    def drain(self) -> None:
        """End what is under way, then leave."""
        if self._listener is None:
            self._over.set()
        else:
            self._listener.drain()

    async def _hear(self) -> None:
        try:
            async for message in self._channel.messages():
                await self._act(message)
        finally:
            self.drain()

    async def _act(self, message: AnyMessage) -> None:
        match message:
            case Prepare():
                self._channel.answer(message, Done(problems=await _problems(self._prepare(message))))
            case Apply():
                self._channel.answer(message, Done(problems=await _problems(self._apply())))
            case Count() | Stand() | Holding():
                self._channel.answer(message, self._tell(message))
            case Drain(now=now):
                self.drain()
                if now and self._listener is not None:
                    self._listener.leave()

    def _tell(self, question: Count | Stand | Holding) -> Samples | Standings | Done:
        running = self._running
        match question:
            case Count():
                return Samples(samples=tuple(running.metrics.samples()) if running else ())
            case Stand():
                return Standings(workers=(Raw(json.encode(app.standing(running))),) if running else ())
            case Holding(held=held):
                gone = {one.id for one in self._held} - {one.id for one in held}
                self._held = held
                self._hold(gone)
                return Done()

    def _hold(self, gone: Iterable[str] = ()) -> None:
        if self._running is None:
            return
        breakers, now = self._running.breakers, time.time()
        for breaker_id in gone:
            breakers.force(breaker_id, "auto")
        for one in self._held:
            if one.until is None or one.until > now:
                breakers.force(one.id, one.state, None if one.until is None else one.until - now)

    async def _prepare(self, asked: Prepare) -> tuple[str, ...]:
        """Make catalogue and router, in a thread: streams go on meanwhile."""
        assembled = await asyncio.to_thread(app.assemble, asked.config, counter=self._counter)
        self._prepared = asked, assembled
        return ()

    async def _apply(self) -> tuple[str, ...]:
        if self._prepared is None:
            return ("nothing was prepared",)
        (asked, assembled), self._prepared = self._prepared, None
        if self._application is None or self._running is None or self._listener is None:
            await self._begin(asked, assembled)
        else:
            self._running = app.start(assembled, self._running.ledger, self._running)
            self._application.front = self._front(asked)
            self._listener.drain_s = assembled.config.server.drain
            gc.unfreeze()
        # What lives now lives for long: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Requests leave no cycles behind: what is young when many are under way is only in use.
        gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
        return ()

    async def _begin(self, asked: Prepare, assembled: app.Assembled) -> None:
        """Open the ledger and the port. Raises `ConfigError`, `OSError`."""
        sockets = share(asked.addresses)
        self._running = app.start(assembled, SqliteLedger(assembled.config.ledger_path))
        self._hold()
        self._application = Application(self._front(asked))
        ready = asyncio.Event()
        place = app.place(assembled.config)
        self._listener = Listener(self._application, place, lambda _: ready.set(), sockets)
        listening = asyncio.create_task(self._listener.listen())
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([listening, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if listening.done():
            self._listener = None
            listening.result()
        else:
            listening.add_done_callback(lambda _: self._over.set())

    def _front(self, asked: Prepare) -> Front:
        assert self._running is not None
        return app.front(self._running, demo=asked.demo, samples=self._everybody)

    async def _everybody(self) -> Sequence[Sample]:
        """The samples of all processes, or of this one where nobody gathers them."""
        answer = await self._channel.ask(Count(), _COUNT_S)
        if isinstance(answer, Samples):
            return answer.samples
        assert self._running is not None
        return self._running.metrics.samples()


async def _problems(work: Awaitable[tuple[str, ...]]) -> tuple[str, ...]:
    """What stands in the way of some work."""
    try:
        return await work
    except ConfigError as error:
        return tuple(error.problems)
    except OSError as error:
        return (f"{error.filename}: {error.strerror}" if error.filename else str(error),)
    except Exception as error:
        # Whatever this is, it is ours, and the configuration that works so far must go on working.
        log.exception("a defect")
        return (f"a defect of Hybridge: {type(error).__name__}",)


def _in_a_thread(work: Callable[[], object]) -> None:
    threading.Thread(target=work, name="hybridge-vocabulary", daemon=True).start()


async def _work(path: str) -> None:
    worker = Worker(await connect(path))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
    await worker.run()


def _allow_connections() -> None:
    """As many open files as the system lets us have: each request holds a connection to its client and one beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    """Work until the supervisor is gone or wants an end."""
    # A terminal sends these to every process; what they mean is the supervisor's to say.
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    write_logs()
    _allow_connections()
    # Without the socket there is no supervisor any more.
    with contextlib.suppress(FileNotFoundError, ConnectionError):
        uvloop.run(_work(sys.argv[1]))


if __name__ == "__main__":
    main()
