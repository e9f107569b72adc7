"""Controlling a simulated provider from outside its process: `/__control`."""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec import Struct

from hybridge.simulator.connection import Connection
from hybridge.simulator.faults import Fault, Faults
from hybridge.simulator.reply import send_whole
from hybridge.simulator.scenario import Leg

CONTROL = "/__control"


class Controlled(Protocol):
    """The provider, as far as it is controlled."""

    leg: Leg
    faults: Faults
    count: int
    left_early: int


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: `faults` stand from now on; `fail_next` are met once each, in this order."""

    faults: tuple[Fault, ...] | None = None
    fail_next: tuple[Fault, ...] = ()


_ORDER = msgspec.json.Decoder(Order)


async def control(provider: Controlled, method: str, connection: Connection) -> None:
    """`GET` tells counts and faults, `POST` (an `Order`) changes faults, `DELETE` clears them."""
    body = await connection.body()
    if method == "DELETE":
        provider.faults.clear()
    elif method == "POST":
        try:
            order = _ORDER.decode(body)
        except msgspec.DecodeError as exc:
            await send_whole(connection, 400, msgspec.json.encode({"error": str(exc)}))
            return
        if order.faults is not None:
            provider.faults.standing = order.faults
        for fault in order.fail_next:
            provider.faults.fail_next(fault)
    told = {
        "name": provider.leg.name,
        "requests": provider.count,
        "left_early": provider.left_early,
        "faults": provider.faults.standing,
    }
    await send_whole(connection, 200, msgspec.json.encode(told))
