"""A load generator: so many connections, one request after the other on each, over raw asyncio protocols.

Prints one JSON line: seconds, requests, failures, latencies in microseconds (median, p99).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from functools import partial
from typing import cast


class _Client(asyncio.Protocol):
    """One connection. An answer is whole by its content-length, or by the chunk that ends it."""

    def __init__(self, request: bytes, count: list[int], done: asyncio.Future[None], latencies: list[float]) -> None:
        self._request = request
        self._count = count
        self._done = done
        self._latencies = latencies
        self._needed = -1
        self._got = 0
        self._tail = b""
        self._started = 0.0
        self.failed = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        if self._count[0] <= 0:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        self._count[0] -= 1
        self._needed, self._got, self._tail = -1, 0, b""
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._needed == -1:
            data = self._tail + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._tail = data
                return
            head = data[:end].lower()
            if b" 200 " not in head[:16]:
                self.failed += 1
            at = head.find(b"content-length: ")
            self._needed = int(head[at + 16 :].split(b"\r", 1)[0]) if at >= 0 else -2
            data, self._tail = data[end + 4 :], b""
        self._got += len(data)
        self._tail = (self._tail + data)[-5:]
        if self._got == self._needed or (self._needed == -2 and self._tail == b"0\r\n\r\n"):
            self._latencies.append(time.perf_counter() - self._started)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self.failed += 1
            self._done.set_result(None)


async def run(port: int, request: bytes, connections: int, count: int) -> dict[str, float]:
    """Send `count` requests over `connections` connections."""
    loop = asyncio.get_running_loop()
    left, latencies = [count], list[float]()
    began = time.perf_counter()
    clients = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        client = _Client(request, left, done, latencies)
        await loop.create_connection(partial(_same, client), "127.0.0.1", port)
        clients.append((client, done))
    await asyncio.gather(*(done for _, done in clients))
    latencies.sort()
    return {
        "seconds": time.perf_counter() - began,
        "requests": len(latencies),
        "failures": sum(client.failed for client, _ in clients),
        "median_us": latencies[len(latencies) // 2] * 1e6 if latencies else 0,
        "p99_us": latencies[int(len(latencies) * 0.99)] * 1e6 if latencies else 0,
    }


def _same(client: _Client) -> _Client:
    return client


def request(port: int, path: str, body: bytes, headers: str = "") -> bytes:
    """A POST as bytes."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    import uvloop

    plan = json.loads(sys.argv[1])
    if "cores" in plan:
        os.sched_setaffinity(0, plan["cores"])
    wire = request(plan["port"], plan["path"], plan["body"].encode(), plan.get("headers", ""))
    print(json.dumps(uvloop.run(run(plan["port"], wire, plan["connections"], plan["count"]))))
