"""A process's part of the cases."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from random import Random

from msgspec import Struct

from fuzz.codecs import codecs
from fuzz.gateway import run
from fuzz.seeds import seeds
from fuzz.verdict import Failure, Share

_TELL_S = 30.0


class Part(Struct, frozen=True):
    """Every `step`th case from `first` up to `end`, of a seed."""

    kind: str
    seed: int
    first: int
    end: int
    step: int
    seconds: float

    @property
    def numbers(self) -> Iterator[int]:
        """The numbers of its cases."""
        return iter(range(self.first, self.end, self.step))


def play(part: Part) -> Share:
    """One process's cases."""
    began = time.monotonic()
    told = [began]

    def tell(share: Share) -> None:
        if part.first == 0 and time.monotonic() - told[0] > _TELL_S:
            told[0] = time.monotonic()
            each = share.cases / (told[0] - began)
            print(f"{part.kind}: {share.cases:,} in this process, {each:.0f} a second", flush=True)

    share = run(seeds(), part.seed, part.numbers, part.seconds, tell) if part.kind == "gateway" else _codecs(part, tell)
    share.memory = share.memory[:: max(1, len(share.memory) // 50)] + share.memory[-1:]
    return share


def _codecs(part: Part, tell: Callable[[Share], None]) -> Share:
    share, found = Share(), seeds()
    until = time.monotonic() + part.seconds
    for number in itertools.takewhile(lambda _: time.monotonic() < until, part.numbers):
        try:
            codecs(found, Random(f"{part.seed}:codecs:{number}"))
        except Exception as error:
            share.failures.append(Failure("codecs", number, f"{type(error).__name__}: {error}"))
        share.cases += 1
        if share.cases % 1000 == 0:
            tell(share)
    return share
