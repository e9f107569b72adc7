"""`python -m hybridge.supervisor.scene CHANNEL`: the simulated providers of a demo, in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import uvloop

from hybridge.simulator.demo import scene
from hybridge.supervisor.channel import connect
from hybridge.supervisor.logs import write_logs
from hybridge.supervisor.messages import Hello, Playing


async def _play(path: str) -> None:
    channel = await connect(path)
    channel.send(Hello(role="scene", pid=os.getpid()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, channel.close)
    async with scene() as simulated:
        channel.send(Playing(providers=simulated.providers()))
        async for _ in channel.messages():
            pass


def main() -> None:
    """Play until the supervisor is gone or wants an end."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    write_logs()
    with contextlib.suppress(FileNotFoundError, ConnectionError):
        uvloop.run(_play(sys.argv[1]))


if __name__ == "__main__":
    main()
