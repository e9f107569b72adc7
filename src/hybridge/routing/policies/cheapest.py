"""The cheapest for this request first."""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

from hybridge.routing.order import by_cost
from hybridge.routing.policy import Able, Signals
from hybridge.types import Considered, Request


class Cheapest(Struct, frozen=True, forbid_unknown_fields=True):
    """By estimated cost: estimated tokens in, expected tokens out, the provider's fee. Unpriced ones are last."""

    def order(self, request: Request, able: Able, signals: Signals, chance: random.Random) -> Sequence[Considered]:
        """By cost; equals stay as written."""
        return by_cost(able, able.deployments)
