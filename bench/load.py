"""A load generator: so many connections, one request after the other on each, over raw asyncio protocols.

`python -m bench.load` takes a `Plan` as JSON on stdin and prints a `Result`. An answer counts as failed if its status
is not 200 or it is too short; every `CHECKED`th is read and must have the expected text and its end.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import cast

import msgspec

from bench.answers import fault, whole

#: Of so many answers one is read.
CHECKED = 20

_HEAD, _CHUNKED = -1, -2


class Asked(msgspec.Struct, frozen=True):
    """A request, and the text that its answer must have. `headers` are whole lines."""

    path: str
    body: str
    stream: bool
    expected: str
    headers: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What to send: `count` requests in turn, or as many as are begun within `seconds`, from `cores`."""

    port: int
    asked: Sequence[Asked]
    connections: int
    count: int
    seconds: float = 60.0
    cores: Sequence[int] = ()


class Result(msgspec.Struct):
    """What came back: answers, how many were wrong and what the first of those was, latencies in microseconds.

    `seconds` is the time from the first request to the last answer, `cpu_s` what the generator itself used of it.
    """

    seconds: float
    requests: int
    failures: int
    fault: str
    median_us: float
    p99_us: float
    cpu_s: float


class Run:
    """What the connections share."""

    def __init__(self, plan: Plan) -> None:
        self._wires = [(wire(plan.port, one), one) for one in plan.asked]
        self._left = plan.count
        self._until = time.perf_counter() + plan.seconds
        self.sent = 0
        self.latencies: list[float] = []
        self.failures = 0
        self.fault = ""

    def next(self) -> tuple[bytes, Asked] | None:
        """The next request, or `None` when it is enough."""
        if self._left <= 0 or time.perf_counter() > self._until:
            return None
        self._left -= 1
        self.sent += 1
        return self._wires[self.sent % len(self._wires)]

    def failed(self, why: str) -> None:
        """Count a wrong answer."""
        self.failures += 1
        self.fault = self.fault or why


class _Client(asyncio.Protocol):
    """One connection. An answer is whole by its content-length, or by the chunk that ends it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._asked: Asked
        self._needed = _HEAD
        self._got = 0
        self._tail = b""
        self._wrong = ""
        self._kept: bytearray | None = None
        self._started = 0.0
        self._transport: asyncio.Transport
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        following = self._run.next()
        if following is None:
            self.over.set_result(None)
            self._transport.close()
            return
        request, self._asked = following
        self._needed, self._got, self._tail, self._wrong = _HEAD, 0, b"", ""
        self._kept = bytearray() if self._run.sent % CHECKED == 1 else None
        self._started = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._needed == _HEAD:
            data = self._tail + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._tail = data
                return
            self._begin(data[:end].lower())
            data, self._tail = data[end + 4 :], b""
        self._got += len(data)
        if self._kept is not None:
            self._kept += data
        if self._needed >= 0:
            if self._got == self._needed:
                self._end()
            return
        self._tail = data[-5:] if len(data) >= 5 else (self._tail + data)[-5:]
        if self._tail == b"0\r\n\r\n":
            self._end()

    def _begin(self, head: bytes) -> None:
        if b" 200 " not in head[:16] and not head.endswith(b" 200"):
            self._wrong = head[:60].decode("latin-1")
        at = head.find(b"content-length: ")
        self._needed = int(head[at + 16 :].split(b"\r", 1)[0]) if at >= 0 else _CHUNKED

    def _end(self) -> None:
        self._run.latencies.append(time.perf_counter() - self._started)
        if wrong := self._wrong or self._fault():
            self._run.failed(wrong)
        self._next()

    def _fault(self) -> str:
        if self._got < len(self._asked.expected):
            return f"only {self._got} bytes"
        if self._kept is None:
            return ""
        body = bytes(self._kept) if self._needed >= 0 else whole(self._kept)
        return fault(body, self._asked.stream, self._asked.expected)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self._run.failed("the connection was closed")
            self.over.set_result(None)


async def run(plan: Plan) -> Result:
    """Carry the plan out."""
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), time.process_time()
    going = Run(plan)
    clients = [_Client(going) for _ in range(plan.connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", plan.port)  # type: ignore[misc]
    await asyncio.gather(*(client.over for client in clients))
    latencies = sorted(going.latencies) or [0.0]
    return Result(
        seconds=time.perf_counter() - began,
        requests=len(going.latencies),
        failures=going.failures,
        fault=going.fault,
        median_us=latencies[len(latencies) // 2] * 1e6,
        p99_us=latencies[int(len(latencies) * 0.99)] * 1e6,
        cpu_s=time.process_time() - cpu,
    )


def wire(port: int, asked: Asked) -> bytes:
    """A POST as bytes."""
    body = asked.body.encode()
    head = f"POST {asked.path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n{asked.headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    """Read a plan, print a result."""
    import uvloop

    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    if plan.cores:
        os.sched_setaffinity(0, plan.cores)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run(plan))))


if __name__ == "__main__":
    main()
