"""`hybridge chaos proxy`: in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from hybridge.chaos.plan import Plan
from hybridge.chaos.proxy import ChaosProxy


def proxy(to: str, plan: Plan, seed: int, port: int) -> None:
    """Serve. Raises `ValueError` for an address that cannot be one, `OSError` for a port that is taken."""
    uvloop.run(_serve(ChaosProxy(to, plan, seed=seed, port=port), to))


async def _serve(proxy: ChaosProxy, to: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with proxy:
        print(f"chaos is ready on {proxy.address} in front of {to}", flush=True)
        await stop.wait()
    met = ", ".join(f"{count} x {kind}" for kind, count in sorted(proxy.injected.items()))
    print(f"{proxy.requests} requests, broken: {met or 'none'}", flush=True)
