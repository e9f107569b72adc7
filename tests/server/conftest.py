"""Both event loops, and servers that must leave nothing behind."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from tests.server.serving import Handler, Serve, Served, echo


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here runs on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve a handler; `idle` is seconds."""
    started: list[Served] = []

    async def start(handle: Handler = echo, *, idle: float = 30.0, tls: ssl.SSLContext | None = None) -> Served:
        served = await Served(handle, idle).start(tls)
        started.append(served)
        return served

    yield start
    for served in started:
        await served.stop()
