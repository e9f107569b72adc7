"""One answer on its way out, and everything that a fault makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from msgspec import Struct

from hybridge.simulator.answers import Answer, Question
from hybridge.simulator.connection import Connection
from hybridge.simulator.faults import Fault, Kind
from hybridge.simulator.routes import Route
from hybridge.simulator.voice import Event, Refusal, Voice

#: Pauses below this are not worth a timer; they are made up for by a later one.
_SHORTEST_S = 0.001

_PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"

_WORDS = {429: "Rate limit reached, please slow down.", 529: "Overloaded", 500: "The server had an error."}


async def send_whole(
    connection: Connection, status: int, body: bytes, headers: Iterable[tuple[str, str]] = (), kind: str = ""
) -> None:
    """A unary answer."""
    about = [("content-type", kind or "application/json"), ("content-length", str(len(body)))]
    await connection.start(status, [*about, *headers])
    await connection.end(body)


async def refuse(connection: Connection, voice: Voice, refusal: Refusal) -> None:
    """An error in the dialect's shape."""
    await send_whole(connection, refusal.status, voice.refusal(refusal))


class Reply(Struct):
    """The answer to one question. Times are in seconds."""

    connection: Connection
    route: Route
    question: Question
    answer: Answer
    first_token: float
    tokens_per_second: float
    fault: Fault | None = None
    paced: float = 0.0

    async def send(self) -> None:
        """Send it, or what the fault leaves of it."""
        fault = self.fault
        if fault is not None and fault.kind != "slow":
            await self._faults[fault.kind](fault)
            return
        if fault is not None:
            self.first_token += fault.delay_ms / 1000
        if not self.question.stream:
            await self._think(self.answer.said + self.answer.thought)
            await send_whole(self.connection, 200, self._body, self._headers)
            return
        await self._stream(self._events)
        await self.connection.end()

    @property
    def _faults(self) -> dict[Kind, Callable[[Fault], Coroutine[Any, Any, None]]]:
        return {
            "status": self._status,
            "reset": self._reset,
            "stall": self._stall,
            "cut": self._cut,
            "error_in_200": self._error_in_200,
            "html": self._html,
            "empty": self._empty,
            "half_json": self._half_json,
        }

    @property
    def _voice(self) -> Voice:
        return self.route.voice

    @property
    def _body(self) -> bytes:
        return self._voice.whole(self.question, self.answer)

    @property
    def _events(self) -> list[Event]:
        return self._voice.events(self.question, self.answer)

    @property
    def _headers(self) -> list[tuple[str, str]]:
        return self._voice.headers(self.answer)

    async def _think(self, count: int) -> None:
        """The time that a whole answer takes."""
        speaking = count / self.tokens_per_second if self.tokens_per_second else 0.0
        await self.connection.wait(self.first_token + speaking)

    async def _stream(self, events: Sequence[Event]) -> None:
        """The head and these events, each in its time."""
        early = [event for event in events if event.early]
        if not early:
            await self.connection.wait(self.first_token)
        await self.connection.start(200, [("content-type", self.route.content_type), *self._headers])
        for event in early:
            await self.connection.write(event.octets)
        if early:
            await self.connection.wait(self.first_token)
        clock = asyncio.get_running_loop().time
        due = clock()
        for event in events[len(early) :]:
            if self.tokens_per_second:
                due += event.tokens / self.tokens_per_second
            if due - clock() > _SHORTEST_S:
                await self.connection.wait(due - clock())
            await self.connection.write(event.octets)

    def _refusal(self, fault: Fault) -> Refusal:
        return Refusal(fault.status, _WORDS.get(fault.status, f"Simulated failure {fault.status}."))

    async def _status(self, fault: Fault) -> None:
        body = self._voice.refusal(self._refusal(fault)) if fault.body is None else fault.body.encode()
        wait = [] if fault.retry_after is None else [("retry-after", f"{fault.retry_after:g}")]
        await send_whole(self.connection, fault.status, body, wait)

    async def _reset(self, fault: Fault) -> None:
        await self.connection.reset()

    async def _stall(self, fault: Fault) -> None:
        if self.question.stream and fault.after_events:
            await self._stream(self._events[: fault.after_events])
        await self.connection.wait(None)

    async def _cut(self, fault: Fault) -> None:
        if self.question.stream:
            await self._stream(self._events[: fault.after_events])
        else:
            body = self._body
            about = [("content-type", "application/json"), ("content-length", str(len(body)))]
            await self.connection.start(200, [*about, *self._headers])
            await self.connection.write(body[: len(body) // 2])
        await self.connection.cut()

    async def _error_in_200(self, fault: Fault) -> None:
        refusal = self._refusal(fault)
        if not self.question.stream:
            await send_whole(self.connection, 200, self._voice.refusal(refusal), self._headers)
            return
        await self._stream(self._events[: fault.after_events])
        await self.connection.end(self._voice.break_off(refusal))

    async def _html(self, fault: Fault) -> None:
        await send_whole(self.connection, 200, _PAGE, kind="text/html; charset=utf-8")

    async def _empty(self, fault: Fault) -> None:
        if not self.question.stream:
            await send_whole(self.connection, 200, b"", self._headers)
            return
        await self._stream([])
        await self.connection.end()

    async def _half_json(self, fault: Fault) -> None:
        if not self.question.stream:
            body = self._body
            await send_whole(self.connection, 200, body[: len(body) // 2], self._headers)
            return
        events = self._events
        await self._stream(events[: fault.after_events])
        broken = events[min(fault.after_events, len(events) - 1)].octets
        await self.connection.end(broken[: len(broken) // 2])
