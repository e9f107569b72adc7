"""Direct where somebody serves the model directly, through a gateway where not, and cheapest where money is tight."""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

from hybridge.routing.order import arranged, by_cost
from hybridge.routing.policy import Able, Signals
from hybridge.types import Considered, Deployment, Kind, Needs, Request

#: A request with one of these goes direct first, whatever was measured or asked to be sorted by.
FEATURES = Needs.VISION | Needs.TOOLS

_DIRECT = Kind.DIRECT


class Hybrid(Struct, frozen=True, forbid_unknown_fields=True):
    """The default. `cheap_below_nano_usd`: a request whose own budget is under it goes to the cheapest.

    1. the request's budget is under the threshold: by cost, direct or not;
    2. it has images or tools: as 3, and neither a price nor a measurement puts a gateway first;
    3. a direct provider serves the model: direct first, gateways next;
    4. else: gateways.
    """

    cheap_below_nano_usd: int = 0

    def order(self, request: Request, able: Able, signals: Signals, chance: random.Random) -> Sequence[Considered]:
        """By the four rules; inside a group as written, else by cost."""
        if able.budget_nano_usd is not None and able.budget_nano_usd < self.cheap_below_nano_usd:
            return by_cost(able, able.deployments)
        if able.sort is not None and not request.facts.needs & FEATURES:
            return arranged(able, able.deployments, signals)
        direct: list[Deployment] = []
        gateways: list[Deployment] = []
        for deployment in able.deployments:
            (direct if deployment.kind is _DIRECT else gateways).append(deployment)
        return arranged(able, direct, signals) + arranged(able, gateways, signals)
