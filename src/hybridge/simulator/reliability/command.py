"""`hybridge simulate --reliability`: all rows, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from hybridge.simulator.reliability import scenarios, steady
from hybridge.simulator.reliability.rows import Row

SCENES = scenarios.scenes()
#: How many rows there are.
COUNT = len(steady.CASES) + len(SCENES)


def rows(requests: int, seed: int) -> Iterator[Row]:
    """Those of steady weather, of about so many requests each, then the scenarios, whose length is their own."""
    return chain(steady.rows(requests / steady.RATE, seed), scenarios.rows(seed, SCENES))
