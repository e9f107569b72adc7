"""A client that hides nothing: what it sends and gets are bytes on a socket."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from hybridge.simulator.server import SimulatedProvider

#: Headers that satisfy every dialect.
KEYS = {
    "authorization": "Bearer k",
    "x-api-key": "k",
    "x-goog-api-key": "k",
    "anthropic-version": "2023-06-01",
}

ASKS: dict[str, dict[str, Any]] = {
    "openai": {"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
    "anthropic": {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}


class Got(Struct):
    """What came back. `ended` is `whole`, `cut` (closed too early) or `reset`."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    ended: str = "whole"

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def path_of(dialect: str, stream: bool = False) -> str:
    if dialect == "openai":
        return "/v1/chat/completions"
    if dialect == "anthropic":
        return "/v1/messages"
    return f"/v1beta/models/m:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"


async def ask(provider: SimulatedProvider, stream: bool = False, **changes: Any) -> Got:
    """The plainest question in the provider's own dialect, with these members changed."""
    dialect = provider.leg.dialect
    body = {**ASKS[dialect], **changes}
    if stream and dialect != "gemini":
        body["stream"] = True
    return await call(provider, path_of(dialect, stream), body)


async def call(
    provider: SimulatedProvider,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    method: str = "",
) -> Got:
    """One exchange on a connection of its own; `body` is JSON to be, or bytes."""
    reader, writer = await open_to(provider)
    octets = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    writer.write(head(method or ("GET" if body is None else "POST"), path, len(octets), headers) + octets)
    try:
        return await read(reader)
    finally:
        writer.close()


async def open_to(provider: SimulatedProvider) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(provider.address)
    return await asyncio.open_connection(place.hostname, place.port)


def head(method: str, path: str, length: int, headers: dict[str, str] | None = None) -> bytes:
    sent = {"host": "x", "content-length": str(length), **(KEYS if headers is None else headers)}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    return "\r\n".join(lines).encode()


async def read(reader: asyncio.StreamReader) -> Got:
    got = Got()
    try:
        await _read(reader, got)
    except asyncio.IncompleteReadError as exc:
        got.body += exc.partial
        got.ended = "cut"
    except ConnectionResetError:
        got.ended = "reset"
    return got


async def _read(reader: asyncio.StreamReader, got: Got) -> None:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    got.status = int(lines[0].split()[1])
    got.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    if "content-length" in got.headers:
        got.body = await reader.readexactly(int(got.headers["content-length"]))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        got.body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
