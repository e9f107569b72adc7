"""`hybridge simulate`: simulated providers in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec.structs import replace

from hybridge.simulator.faults import Fault
from hybridge.simulator.scenario import DialectName, Latency, Leg, load
from hybridge.simulator.server import SimulatedProvider

_DIALECTS: tuple[DialectName, ...] = ("openai", "anthropic", "gemini")


def simulate(  # noqa: PLR0913 - they are the options of the command
    *,
    dialects: Sequence[str],
    port: int,
    scenario: Path | None,
    seed: int,
    latency_ms: float,
    tokens_per_second: float,
    faults: Sequence[str],
) -> None:
    """Run one provider for each dialect, or the legs of a scenario file, and print a line for each once it listens.

    They take `port` and those after it, any free ones for 0. Raises `ValueError` for a fault, a dialect or a file that
    cannot be understood, and `OSError` for a port that is taken.
    """
    import uvloop

    plain = Leg(
        name="",
        latency=Latency(p50_ms=latency_ms),
        tokens_per_second=tokens_per_second,
        failures=tuple(map(Fault.parse, faults)),
        seed=seed,
    )
    legs = _of_dialects(dialects, plain) if scenario is None else _of_file(scenario, seed)
    uvloop.run(_run(_with_ports(legs, port)))


def _of_dialects(dialects: Sequence[str], plain: Leg) -> list[Leg]:
    unknown = [name for name in dialects if name not in _DIALECTS]
    if unknown:
        raise ValueError(f"no dialect {unknown[0]!r}; there are {', '.join(_DIALECTS)}")
    return [replace(plain, name=name, dialect=name) for name in _DIALECTS if name in dialects]


def _of_file(path: Path, seed: int) -> list[Leg]:
    read = load(path)
    return [replace(leg, seed=leg.seed + read.seed + seed) for leg in read.legs]


def _with_ports(legs: Iterable[Leg], port: int) -> list[Leg]:
    return [replace(leg, port=port + place) if port and not leg.port else leg for place, leg in enumerate(legs)]


async def _run(legs: Sequence[Leg]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        for leg in legs:
            provider = await stack.enter_async_context(SimulatedProvider(leg))
            spoken = leg.flavour or leg.dialect
            print(f"{leg.name} is ready on {provider.base_url} ({spoken})", flush=True)
        await stop.wait()
