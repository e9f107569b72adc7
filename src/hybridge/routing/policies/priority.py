"""The order that somebody wrote down."""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from hybridge.routing.order import arranged
from hybridge.routing.policy import Able, Signals
from hybridge.types import Considered, Request


class Priority(Struct, frozen=True, forbid_unknown_fields=True):
    """As `deployments` are written, else as `providers` are; a request that asks to be sorted is."""

    def order(self, request: Request, able: Able, signals: Signals, chance: random.Random) -> Sequence[Considered]:
        """As written."""
        return arranged(replace(able, written=True), able.deployments, signals)
