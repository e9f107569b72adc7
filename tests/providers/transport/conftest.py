"""Both event loops, scripted servers, and a transport that must close."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from hybridge.providers.transport import HttpTransport
from tests.providers.transport.scripted import Script, Server

Serve = Callable[..., Awaitable[Server]]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here runs on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server that follows a script."""
    servers: list[Server] = []

    async def start(script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Server:
        server = await Server(script, tls, host).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    """A transport without proxies."""
    transport = HttpTransport(environ={})
    yield transport
    await transport.aclose()
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"
