"""`hybridge chaos run`: one scenario after the other, each on a stage of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

import uvloop

from hybridge.chaos.row import Row
from hybridge.chaos.scenarios import Load, Scenario
from hybridge.chaos.stage import Stage


async def play(scenario: Scenario, load: Load, seed: int) -> Row:
    """One scenario. Raises `RuntimeError` where its gateway does not start."""
    row = Row(scenario=scenario.name, phase=scenario.phase, fault=scenario.fault)
    async with Stage(scenario.setting, seed) as stage:
        await scenario.play(stage, load, row)
    return row


def run(scenarios: Sequence[Scenario], load: Load, seed: int, tell: Callable[[Row], None]) -> list[Row]:
    """All of them in order; each row is told as soon as it is there."""

    async def all_of_them() -> list[Row]:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        rows = []
        for scenario in scenarios:
            rows.append(await play(scenario, load, seed))
            tell(rows[-1])
        return rows

    try:
        return uvloop.run(all_of_them())
    except asyncio.CancelledError:
        # By SIGTERM: the gateway has been ended, as after Ctrl-C.
        raise KeyboardInterrupt from None
