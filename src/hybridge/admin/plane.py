"""What the control plane may ask of the data plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from hybridge.admin.holds import Held
from hybridge.observers.standing import Standing


class Survey(Struct, frozen=True):
    """The data plane as it stands: its processes as far as they answered, and what operators hold.

    `wanted` processes should be there; `restarted` is how often one was started again.
    """

    workers: Sequence[Standing] = ()
    held: Sequence[Held] = ()
    wanted: int = 0
    restarted: int = 0


class DataPlane(Protocol):
    """The processes that answer requests. Raises `Unreachable` from any method."""

    async def survey(self) -> Survey:
        """How everybody stands."""

    async def hold(self, held: Held) -> Sequence[str]:
        """Hold a breaker in all processes, also in those to come; the problems with it."""

    async def let_go(self, breaker_id: str) -> Sequence[str]:
        """Leave a breaker to itself in all processes; the problems with it."""

    async def reload(self) -> Sequence[str]:
        """Read the configuration again and change over to it; the problems with it, if that is not to be."""

    async def drain(self) -> None:
        """End what is under way, then leave."""


class Unreachable(Exception):
    """Nobody answered, in words for people."""
