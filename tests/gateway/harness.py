"""The whole gateway on a real port, in front of upstreams that do exactly what a test tells them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import httpx2
from msgspec import Struct

from hybridge import app
from hybridge.config import load
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.store import MemoryLedger
from hybridge.server.application import Application
from hybridge.server.listen import Listener

Values = Mapping[str, object]


class Received(Struct):
    """What an upstream was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Link:
    """One connection of an upstream, in the hands of a test's script."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        #: Set once the gateway has closed the connection.
        self.closed = asyncio.Event()

    async def send(self, *pieces: bytes) -> None:
        """Send bytes as they are, each piece in a write of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def reply(self, status: int, body: bytes | Values, **headers: str) -> None:
        """Send a whole answer; a mapping goes out as JSON. `_` in a header's name stands for `-`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = {"content_type": "application/json", "content_length": str(len(content)), **headers}
        await self.send(_head(status, head) + content)

    async def stream(
        self, pieces: Sequence[bytes], *, content_type: str = "text/event-stream", end: bool = True
    ) -> None:
        """Send a chunked answer, a chunk for each piece; without `end` it stays open."""
        await self.send(_head(200, {"content_type": content_type, "transfer_encoding": "chunked"}))
        for piece in pieces:
            if piece:
                await self.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        if end:
            await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()

    def hang_up(self) -> None:
        """End the connection where it is; what was sent arrives."""
        self._writer.close()

    async def until_closed(self) -> None:
        """Wait until the gateway has closed the connection."""
        with contextlib.suppress(ConnectionError):
            await self._reader.read()
        self.closed.set()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode("latin-1")


#: What an upstream does with one request.
Script = Callable[[Received, Link], Awaitable[None]]


class Upstream:
    """A provider on a real port. Each request is answered by the next script; the last one repeats."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.received: list[Received] = []
        self.url = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast(asyncio.Task[Any], asyncio.current_task())
        self._tasks.add(task)
        try:
            while (received := await _request(reader)) is not None:
                self.received.append(received)
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                await script(received, Link(reader, writer))
                if writer.transport.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Cancelled only when the test is over; asyncio's own callback would log it.
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ", 2)
    return Received(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def answering(status: int, body: bytes | Values, **headers: str) -> Script:
    """A script that sends a whole answer."""

    async def script(received: Received, link: Link) -> None:
        await link.reply(status, body, **headers)

    return script


def streaming(pieces: Sequence[bytes], *, content_type: str = "text/event-stream") -> Script:
    """A script that sends a chunked stream."""

    async def script(received: Received, link: Link) -> None:
        await link.stream(pieces, content_type=content_type)

    return script


class Gateway:
    """A running gateway: `client` speaks to it, `entries` is its ledger."""

    def __init__(self, running: app.Running, url: str, client: httpx2.AsyncClient) -> None:
        self.running = running
        self.url = url
        self.client = client

    @property
    def entries(self) -> list[LedgerEntry]:
        """The ledger, oldest first."""
        return cast(MemoryLedger, self.running.ledger).entries

    async def post(self, path: str, body: Values | bytes, **headers: str) -> httpx2.Response:
        """A request; `_` in a header's name stands for `-`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=content, headers={"content-type": "application/json", **named})

    async def chat(self, model: str, said: str = "hello", **more: object) -> httpx2.Response:
        """An OpenAI chat of one message."""
        messages = [{"role": "user", "content": said}]
        return await self.post("/v1/chat/completions", {"model": model, "messages": messages, **more})


@contextlib.asynccontextmanager
async def gateway(values: Values, environ: Mapping[str, str] | None = None) -> AsyncIterator[Gateway]:
    """A gateway with this configuration (the values of a `hybridge.yaml`), on any free port, its ledger in memory."""
    server = {"port": 0, **cast(dict[str, object], values.get("server", {}))}
    config = load({**values, "server": server}, environ or {})
    running = app.start(app.assemble(config), MemoryLedger())
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    listener = Listener(Application(app.front(running)), app.place(config), ready.set_result)
    task = asyncio.create_task(listener.listen())
    try:
        url = await ready
        async with httpx2.AsyncClient(
            base_url=url, timeout=30, trust_env=False, limits=httpx2.Limits(max_connections=None)
        ) as client:
            yield Gateway(running, url, client)
    finally:
        listener.leave()
        await task
        await running.aclose()


def provider(upstream: Upstream, dialect: str = "openai", kind: str = "direct", **more: object) -> dict[str, object]:
    """The configuration of a provider that is this upstream."""
    base = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}[dialect]
    return {"kind": kind, "dialect": dialect, "base_url": upstream.url + base, "keys": ["test-key"], **more}


def openai_reply(text: str = "Hi there.", **more: object) -> dict[str, object]:
    """An OpenAI answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    start = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    return {**start, "choices": [choice], "usage": usage, **more}


def anthropic_reply(text: str = "Hi there.", **more: object) -> dict[str, object]:
    """An Anthropic answer."""
    usage = {"input_tokens": 9, "output_tokens": 3}
    content = [{"type": "text", "text": text}]
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-haiku-20240307"}
    return {**start, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage, **more}


def gemini_reply(text: str = "Hi there.", **more: object) -> dict[str, object]:
    """A Gemini answer."""
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-1.5-flash", **more}


def openai_chunks(*words: str, usage: bool = True) -> list[bytes]:
    """An OpenAI stream, an event a piece."""

    def chunk(choices: list[object], **more: object) -> bytes:
        start = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
        return b"data: " + json.dumps({**start, "choices": choices, **more}).encode() + b"\n\n"

    def delta(value: dict[str, object], finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": value, "finish_reason": finish}])

    counted = {"prompt_tokens": 9, "completion_tokens": len(words), "total_tokens": 9 + len(words)}
    return [
        delta({"role": "assistant", "content": ""}),
        *(delta({"content": word}) for word in words),
        delta({}, "stop"),
        *([chunk([], usage=counted)] if usage else []),
        b"data: [DONE]\n\n",
    ]
