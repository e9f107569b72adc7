"""One request on its way through the proxy, and what a fault makes of its answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from typing import Protocol

from msgspec import Struct

from hybridge.chaos import wire
from hybridge.chaos.plan import Fault
from hybridge.simulator.voice import Refusal, Voice

#: What stands in an event that brings content, in any dialect: a string that is not empty, or a call.
_CONTENT = re.compile(
    rb'"(?:content|text|thinking|arguments|partial_json|reasoning|reasoning_content|refusal)"\s*:\s*"[^"]'
    rb'|"functionCall"\s*:\s*\{'
)
#: What says that an answer is complete.
_ENDING = re.compile(rb'"finish_reason"\s*:\s*"|"finishReason"\s*:|"stop_reason"\s*:\s*"|"message_stop"|\[DONE\]')
_EVENT_END = re.compile(rb"\r?\n\r?\n")

#: What was sent is given this long to be read before a reset throws it away.
_READ_FIRST_S = 0.03


class Broken(Exception):
    """The connection was broken on purpose, or lost: nothing more can be said on it."""


class Client(Protocol):
    """Who asked: what is written goes to them; `left` is set once they have gone."""

    writer: asyncio.StreamWriter
    left: asyncio.Event


class Passage(Struct):
    """Sends one answer on to the client. Methods raise `Broken` once the connection can carry nothing more.

    `fetch` asks the provider; it is not called where the fault comes before that. `now_s` is UTC.
    """

    client: Client
    fault: Fault | None
    stream: bool
    voice: Voice
    fetch: Callable[[], Awaitable[tuple[wire.Head, AsyncIterator[bytes]]]]
    now_s: Callable[[], float]
    sent: int = 0

    async def run(self) -> None:
        """The whole of it."""
        fault = self.fault
        if fault is not None and fault.is_instead:
            await self._instead(fault)
            return
        if fault is not None and fault.kind == "latency":
            await asyncio.sleep(fault.delay_s)
        head, pieces = await self.fetch()
        if "text/event-stream" in head.get("content-type"):
            await self._stream(head, pieces)
        else:
            await self._whole(head, b"".join([piece async for piece in pieces]))

    async def _instead(self, fault: Fault) -> None:
        """An answer of the fault's own."""
        if fault.kind != "status":
            await self._break(fault, b"")
        refusal = self.voice.refusal(Refusal(fault.status, f"Injected failure {fault.status}."))
        headers = [("content-type", "application/json"), ("content-length", str(len(refusal)))]
        if fault.retry_after is not None:
            date = formatdate(self.now_s() + fault.retry_after, usegmt=True)
            headers.append(("retry-after", date if fault.as_date else f"{fault.retry_after:g}"))
            headers.append(("date", formatdate(self.now_s(), usegmt=True)))
        await self._write(wire.encode(f"HTTP/1.1 {fault.status} Injected", headers) + refusal)

    async def _whole(self, head: wire.Head, body: bytes) -> None:
        fault = self.fault
        if fault is not None and fault.kind == "error_in_200":
            body = self.voice.refusal(Refusal(502, "Injected failure."))
        if fault is not None and fault.kind == "truncate":
            body = body[: len(body) // 2]
        kept = head.without("connection", "keep-alive", "transfer-encoding", "content-length")
        await self._write(wire.encode(head.first, [*kept, ("content-length", str(len(body)))]))
        if fault is not None and fault.kind in ("stall", "reset", "cut"):
            half = 0 if fault.where == "first" else len(body) // 2
            await self._write(body[: half if fault.after_octets is None else fault.after_octets])
            await self._break(fault, b"")
        await self._dripped(body)

    async def _stream(self, head: wire.Head, pieces: AsyncIterator[bytes]) -> None:
        kept = head.without("connection", "keep-alive", "transfer-encoding", "content-length")
        await self._write(wire.encode(head.first, [*kept, ("transfer-encoding", "chunked")]))
        seen = 0
        async for event in _events(pieces):
            content = _CONTENT.search(event) is not None
            if self._is_due(seen, content, event):
                assert self.fault is not None
                await self._interrupt(self.fault, event)
                break
            seen += content
            await self._chunk(event)
        await self._write(b"0\r\n\r\n")

    def _is_due(self, seen: int, content: bool, event: bytes) -> bool:
        """Whether the fault comes in the place of this event, `seen` events with content having passed."""
        fault = self.fault
        if fault is None or fault.kind in ("latency", "drip"):
            return False
        if fault.kind == "no_end":
            return _ENDING.search(event) is not None
        if fault.after_octets is not None:
            return self.sent + len(event) > fault.after_octets
        return content and (fault.where == "first" or seen >= fault.after_content)

    async def _interrupt(self, fault: Fault, event: bytes) -> None:
        """What the fault puts in the place of an event; returns where the stream then ends cleanly."""
        if fault.kind == "error_in_200":
            await self._chunk(self.voice.break_off(Refusal(502, "Injected failure.")))
        elif fault.kind == "truncate":
            await self._chunk(event[: len(event) // 2])
        elif fault.kind != "no_end":
            await self._break(fault, event)

    async def _break(self, fault: Fault, event: bytes) -> None:
        """Nothing more comes on this connection. Raises `Broken`."""
        if fault.kind == "cut" and event:
            await self._write(b"%x\r\n%s" % (len(event), event[: len(event) // 2]))
        if fault.after_octets is not None and event:
            await self._chunk(event[: fault.after_octets - self.sent])
        if fault.kind == "stall":
            await self.client.left.wait()
        elif fault.kind == "reset":
            await asyncio.sleep(_READ_FIRST_S)
            wire.reset(self.client.writer)
        raise Broken

    async def _chunk(self, octets: bytes) -> None:
        self.sent += len(octets)
        fault = self.fault
        size = fault.octets if fault is not None and fault.kind == "drip" else len(octets)
        for at in range(0, len(octets), size or 1):
            piece = octets[at : at + size]
            await self._write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if fault is not None and fault.kind == "drip":
                await asyncio.sleep(fault.every_s)

    async def _dripped(self, body: bytes) -> None:
        fault = self.fault
        if fault is None or fault.kind != "drip":
            await self._write(body)
            return
        for at in range(0, len(body), fault.octets):
            await self._write(body[at : at + fault.octets])
            await asyncio.sleep(fault.every_s)

    async def _write(self, octets: bytes) -> None:
        if self.client.writer.is_closing():
            raise Broken
        try:
            self.client.writer.write(octets)
            await self.client.writer.drain()
        except OSError as error:
            raise Broken from error


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events of a stream, each whole, as soon as it is."""
    held = b""
    async for piece in pieces:
        held += piece
        at = 0
        for found in _EVENT_END.finditer(held):
            yield held[at : found.end()]
            at = found.end()
        held = held[at:]
    if held:
        yield held
