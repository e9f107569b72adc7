"""The real gateway on a real port, asked over raw connections, in front of a provider that says anything."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from fuzz import upstream
from fuzz.answers import Scripted, answer
from fuzz.codecs import Wrong
from fuzz.oracle import judge, judge_entries
from fuzz.questions import Question, question
from fuzz.seeds import DIALECTS, Seeds
from fuzz.verdict import Failure, Share
from hybridge import app
from hybridge.chaos import wire
from hybridge.config import load
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.store import MemoryLedger
from hybridge.resilience.keys import KeyPool
from hybridge.server.application import Application
from hybridge.server.listen import Listener

LANES = 12
#: Seconds within which every request is over: several times what its time-outs allow.
BOUND_S = 30.0
_NONSENSE_S = 0.05
_SETTLED_S = 5.0
_PRICE = {"input": 1, "output": 2, "cache_read": 0.1, "cache_write": 1.25, "reasoning": 3, "per_request": 0.001}
_BASES = {"openai": "v1", "anthropic": "v1", "gemini": "v1beta"}


def configuration(address: str) -> dict[str, Any]:
    """Providers and models for every lane: one in each dialect, a chain through all three, and one with hedges."""
    providers: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for lane in range(LANES):
        ids = []
        for name in DIALECTS:
            base = f"{address}/{lane}/{name}/{_BASES[name]}"
            kind = "gateway" if name == "gemini" else "direct"
            providers[f"{name}{lane}"] = {"kind": kind, "dialect": name, "base_url": base, "keys": ["k1", "k2"]}
            ids.append(f"{name}{lane}/x")
            models[f"{name}-{lane}"] = {"deployments": ids[-1:], "price": {ids[-1]: _PRICE}}
        priced = dict.fromkeys(ids[:2], _PRICE)
        models[f"chain-{lane}"] = {"deployments": ids, "price": priced, "retries": {"attempts": 2}}
        models[f"hedge-{lane}"] = {"deployments": ids, "price": priced, "hedge": True}
    return {
        "server": {"port": 0, "keep_alive": "1s", "drain": "5s", "max_body": "2MB"},
        "providers": providers,
        "models": models,
        "routing": {"unknown_models": "reject"},
        "retries": {"attempts": 1, "per_request": 4, "deadline": "3s"},
        "hedging": {"least": "1ms", "at_first": "1ms", "share": "100%"},
        "breaker": {"failures": 1_000_000_000},
        "timeouts": {"connect": "2s", "first_token": "1s", "first_token_reasoning": "1s", "idle": "1s", "total": "4s"},
        "health": {"probes": "off"},
    }


class _Kept(MemoryLedger):
    """A ledger that is asked for an entry once."""

    def __init__(self) -> None:
        super().__init__()
        self.by_id: dict[str, list[LedgerEntry]] = {}

    def append(self, entry: LedgerEntry) -> None:
        self.by_id.setdefault(entry.id, []).append(entry)


class _Heard(logging.Handler):
    """Errors in the log: whatever is told there is a defect."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        formatter = logging.Formatter()
        trace = formatter.formatException(record.exc_info) if record.exc_info else ""
        self.said.append(f"{record.getMessage()[:300]} {trace[-900:]}")


class _Lane:
    """One connection to the gateway, and the answers that its provider will give."""

    def __init__(self, seeds: dict[str, Seeds]) -> None:
        self._seeds = seeds
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._answers = Random()

    def following(self, name: str, stream: bool) -> Scripted:
        """The provider's next answer."""
        return answer(self._seeds[name], self._answers, stream=stream)

    async def ask(self, address: str, asked: Question, answers: Random) -> tuple[wire.Head, bytes] | None:
        """Send the request, and read its answer; `None` where none was due and none came."""
        self._answers = answers
        if not asked.whole:
            self.close()
        if self._writer is None:
            place = urlsplit(address)
            self._reader, self._writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 18)
        writer = self._writer
        try:
            for piece in asked.pieces:
                writer.write(piece)
                if len(asked.pieces) > 1:
                    await asyncio.sleep(0)
            if not asked.whole:
                await self._nonsense()
                return None
            head = await wire.read_answer(self._reader)
            body = b"".join([piece async for piece in wire.body(self._reader, head)])
        except BaseException:
            self.close()
            raise
        if head.closes:
            self.close()
        return head, body

    async def _nonsense(self) -> None:
        """Hear whether an answer begins, if it is to be one at all."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            said = await asyncio.wait_for(self._reader.read(1 << 16), _NONSENSE_S)
            if said and (not said.startswith(b"HTTP/1.1 ") or b"internal_error" in said):
                raise Wrong(f"to no HTTP it said {said[:200]!r}")
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


class _House:
    """A gateway that runs, its lanes, and what was found so far."""

    def __init__(self, seeds: dict[str, Seeds], seed: int) -> None:
        self.seeds = seeds
        self.seed = seed
        self.lanes = [_Lane(seeds) for _ in range(LANES)]
        self.ledger = _Kept()
        self.heard = _Heard()
        self.share = Share()
        self.running: app.Running
        self.address = ""

    async def work(self, lane: int, numbers: Iterator[int], until: float) -> None:
        """Send the cases of one lane, until there are no more or time is up."""
        for number in numbers:
            if time.monotonic() > until:
                return
            said = None
            try:
                async with asyncio.timeout(BOUND_S):
                    await self._case(lane, number)
            except Wrong as wrong:
                said = str(wrong)
            except TimeoutError:
                said = f"it hangs: nothing for {BOUND_S:.0f} s"
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
            if self.heard.said:
                said = f"{said or ''} in the log, of this request or one beside it: {self.heard.said[0]}"
            self.heard.said.clear()
            self.share.cases += 1
            if said is not None:
                self.lanes[lane].close()
                self.share.failures.append(Failure("gateway", number, said))

    async def _case(self, lane: int, number: int) -> None:
        chance = Random(f"{self.seed}:gateway:{number}")
        asked = question(self.seeds, chance, lane)
        self._forget(lane)
        told = await self.lanes[lane].ask(self.address, asked, Random(f"{self.seed}:answer:{number}"))
        if told is None:
            return
        head, body = told
        self.share.count(head.status, head.get("x-hybridge-error"))
        judge(asked, head, body)
        await self._settled(head)
        judge_entries(head, self.ledger.by_id.pop(head.get("x-hybridge-request-id"), []))
        if len(self.ledger.by_id) > 4 * LANES:
            self.ledger.by_id.clear()

    async def _settled(self, head: wire.Head) -> None:
        """Wait for the entry of a request that was accepted: it comes after the last byte of its answer."""
        until = time.monotonic() + _SETTLED_S
        while head.get("x-hybridge-attempts") and time.monotonic() < until:
            if head.get("x-hybridge-request-id") in self.ledger.by_id:
                return
            await asyncio.sleep(0.001)

    def _forget(self, lane: int) -> None:
        """What earlier answers made of the keys, so that a case is the same alone."""
        for name in DIALECTS:
            self.running.pools[f"{name}{lane}"] = KeyPool(["k1", "k2"], time.monotonic)


@contextlib.asynccontextmanager
async def _open(house: _House) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    connections: set[upstream.Connection] = set()

    def following(lane: int, name: str, stream: bool) -> Scripted:
        return house.lanes[lane].following(name, stream)

    provider = await loop.create_server(lambda: upstream.Connection(following, connections), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{provider.sockets[0].getsockname()[1]}"
    config = load(configuration(address), {})
    running = house.running = app.start(app.assemble(config), house.ledger)
    ready: asyncio.Future[str] = loop.create_future()
    listener = Listener(Application(app.front(running)), app.place(config), ready.set_result)
    task = asyncio.create_task(listener.listen())
    try:
        house.address = await ready
        yield
    finally:
        for lane in house.lanes:
            lane.close()
        listener.leave()
        await task
        await running.aclose()
        for connection in list(connections):
            connection.close()
        provider.close()
        await provider.wait_closed()


def resident_mb() -> float:
    """The memory of this process, as far as the system tells."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


async def _run(house: _House, numbers: Iterator[int], until: float, tell: Callable[[Share], None]) -> None:
    async with _open(house):
        workers = [asyncio.create_task(house.work(lane, numbers, until)) for lane in range(LANES)]
        while not all(worker.done() for worker in workers):
            await asyncio.wait(workers, timeout=5.0)
            house.share.memory.append((house.share.cases, resident_mb()))
            tell(house.share)
        await asyncio.gather(*workers)
    await asyncio.sleep(0.2)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if left:
        house.share.failures.append(Failure("gateway", -1, f"left over at the end: {left[:5]}"))


def run(
    seeds: dict[str, Seeds], seed: int, numbers: Iterator[int], seconds: float, tell: Callable[[Share], None]
) -> Share:
    """Send these cases; what was found."""
    house = _House(seeds, seed)
    logging.getLogger().addHandler(house.heard)
    ours = logging.getLogger("hybridge")
    level = ours.level
    ours.setLevel(logging.ERROR)
    before = _sockets()
    asyncio.run(_run(house, numbers, time.monotonic() + seconds, tell))
    logging.getLogger().removeHandler(house.heard)
    ours.setLevel(level)
    if (more := _sockets() - before) > 0:
        house.share.failures.append(Failure("gateway", -1, f"{more} sockets are left over"))
    return house.share


def _sockets() -> int:
    """Files and sockets that this process holds, where the system tells."""
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 0
