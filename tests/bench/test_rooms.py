"""Every room of the benchmark runs; what it costs is told, and nothing is said about how much that may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.rooms import cost, rooms

ROOMS = rooms()


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_runs(name: str, record_property: Callable[[str, object], None]) -> None:
    spent = cost(ROOMS[name], times=20, rounds=1)
    record_property("us", spent)
    print(f"{name}: {spent:.1f} µs")
