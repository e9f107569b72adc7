"""Hybridge as a library: the same engine, without a server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from hybridge import app
from hybridge.config import Config, load
from hybridge.dialects import dialect
from hybridge.dialects.sse import Splitter, data_of
from hybridge.errors import GatewayError, HybridgeError
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.store import Ledger, SqliteLedger
from hybridge.routing.explain import explain as explained
from hybridge.server.options import read_options
from hybridge.server.sink import trail
from hybridge.types import Head, Operation, Request

#: Pieces of a stream that may wait for a slow reader.
_AHEAD = 16

Messages = Sequence[Mapping[str, Any]]


class Shaped(dict[str, Any]):
    """A JSON object whose members are attributes too. `hybridge` tells deployment, attempts and cost."""

    hybridge: Shaped

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Hybridge:
    """The gateway within a program. Use it as an async context manager.

        async with Hybridge.from_config("hybridge.yaml") as hybridge:
            answer = await hybridge.chat(model="gpt-4o-mini", messages=[{"role": "user", "content": "Xin chào"}])
            print(answer.choices[0].message.content, answer.hybridge.cost)

    Errors are those of `hybridge.errors`.
    """

    def __init__(self, config: Config, *, ledger: Ledger | None = None) -> None:
        self._assembled = app.assemble(config)
        self._ledger = ledger
        self._running: app.Running | None = None

    @classmethod
    def from_config(
        cls, source: str | os.PathLike[str] | Mapping[str, object], *, ledger: Ledger | None = None
    ) -> Hybridge:
        """From a configuration file, or from its values. `ledger` replaces the one that `storage` names.

        Raises `ConfigError` with every problem.
        """
        values = source if isinstance(source, Mapping) else Path(source)
        return cls(load(values, os.environ), ledger=ledger)

    async def __aenter__(self) -> Hybridge:
        ledger = self._ledger or SqliteLedger(self._assembled.config.ledger_path)
        self._running = app.start(self._assembled, ledger, probing=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running, self._running = self._open(), None
        await running.aclose()

    async def chat(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        route: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Shaped:
        """A whole answer in OpenAI's shape. `route` holds the per-request options, `fields` what else OpenAI takes."""
        request = self._request({**fields, "model": model, "messages": messages, "route": route, "stream": False})
        sink = _Whole()
        entry = await self._open().exchange.run(request, sink)
        answer: Shaped = _shaped(msgspec.json.decode(sink.body))
        answer.__dict__["hybridge"] = self._told(entry)
        return answer

    async def stream(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        route: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> AsyncIterator[Shaped]:
        """The chunks of a stream in OpenAI's shape. Leaving the loop early cancels the provider's call."""
        request = self._request({**fields, "model": model, "messages": messages, "route": route, "stream": True})
        sink = _Pieces()
        task = asyncio.create_task(self._open().exchange.run(request, sink))
        task.add_done_callback(sink.over)
        splitter = Splitter()
        try:
            while (piece := await sink.next()) is not None:
                for block in splitter.feed(piece):
                    _, data = data_of(block)
                    if data and data != b"[DONE]":
                        yield _shaped(msgspec.json.decode(data))
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def explain(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        route: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """The plan for a request, and why; nobody is called. The record of `/v1/route/explain`."""
        request = self._request({**fields, "model": model, "messages": messages, "route": route})
        return explained(request, self._assembled.router.consider(request), self._assembled.rates)

    def _request(self, body: dict[str, Any]) -> Request:
        running = self._open()
        wire = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
        facts = dialect("openai").client.read_facts(wire)
        options, private = read_options(facts, {}, frozenset(self._assembled.catalog.providers))
        return Request(
            id=running.ids.make("open"),
            operation=Operation.CHAT,
            dialect="openai",
            model=facts.model,
            stream=facts.stream,
            body=wire,
            facts=facts,
            options=options,
            private=private,
            created=app.now_us(),
        )

    def _told(self, entry: LedgerEntry) -> Shaped:
        cost = entry.cost_nano_usd
        return Shaped(
            request_id=entry.id,
            deployment=entry.deployment,
            kind=entry.attempts[-1].kind,
            policy=entry.policy,
            attempts=trail(entry.attempts).decode("latin-1"),
            cost="unpriced" if cost is None else self._assembled.rates.text(cost),
            cost_nano_usd=cost,
        )

    def _open(self) -> app.Running:
        if self._running is None:
            raise HybridgeError("use Hybridge as `async with Hybridge.from_config(...) as hybridge:`")
        return self._running


class _Whole:
    """A sink that keeps a whole answer."""

    def __init__(self) -> None:
        self.started = False
        self.body = b""

    async def drain(self) -> None:
        """Never needed."""

    def whole(self, head: Head, body: bytes) -> None:
        self.started = True
        self.body = body

    def start(self, head: Head) -> None:
        self.started = True

    def recovered(self, how: str, origin: str, to: str) -> None:
        """Never: what is whole has not begun."""

    def write(self, chunk: bytes) -> bool:
        self.body += chunk
        return True

    def end(self, last: bytes = b"") -> None:
        self.body += last


class _Pieces:
    """A sink that hands pieces to a reader, and says so when the reader is slow."""

    def __init__(self) -> None:
        self.started = False
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._read = asyncio.Event()

    async def drain(self) -> None:
        while self._pieces.qsize() >= _AHEAD:
            self._read.clear()
            await self._read.wait()

    def whole(self, head: Head, body: bytes) -> None:
        self.start(head)
        self.end(body)

    def start(self, head: Head) -> None:
        self.started = True

    def recovered(self, how: str, origin: str, to: str) -> None:
        told = {"event": how, "from": origin, "to": to}
        self.write(dialect("openai").client.encode_recovery(told, model="", request_id="", created=0))

    def write(self, chunk: bytes) -> bool:
        self._pieces.put_nowait(chunk)
        return self._pieces.qsize() < _AHEAD

    def end(self, last: bytes = b"") -> None:
        self.write(last)

    def over(self, _: object) -> None:
        self._pieces.put_nowait(None)

    async def next(self) -> bytes | None:
        piece = await self._pieces.get()
        self._read.set()
        return piece


def _shaped(value: Any) -> Any:
    if isinstance(value, dict):
        return Shaped({name: _shaped(member) for name, member in value.items()})
    return [_shaped(member) for member in value] if isinstance(value, list) else value


__all__ = ["GatewayError", "Hybridge", "Shaped"]
