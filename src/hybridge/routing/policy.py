"""What a policy is, what it is shown, and what it answers.

A policy is a frozen Struct in a file of `policies/`; its fields are its options. It is pure: what it may know of the
world is in `Signals`, what it may leave to luck in `chance`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, get_args

from msgspec import Struct

from hybridge.money import Usage
from hybridge.types import Considered, Deployment, ProviderPreferences, Request

Sort = Literal["price", "throughput", "latency"]
SORTS: tuple[Sort, ...] = get_args(Sort)


class Signal(Struct, frozen=True):
    """What was measured of a deployment lately, by percentile (`p50`, `p75`, `p90`, `p99`).

    `first_token` is in seconds; `throughput` in tokens per second, that as many percent of the requests reached.
    """

    first_token: Mapping[str, float] = {}
    throughput: Mapping[str, float] = {}


#: Measurements by deployment id: a frozen snapshot.
Signals = Mapping[str, Signal]
NO_SIGNALS: Signals = {}


class Able(Struct, frozen=True):
    """The deployments of one model that are able, as written (`written`) or in the order of `providers`.

    `usage` is what the request will probably use, `budget_nano_usd` its own budget, `sort` what it asked to be sorted
    by, `preferences` what else it wishes.
    """

    deployments: tuple[Deployment, ...]
    written: bool
    usage: Usage
    budget_nano_usd: int | None = None
    sort: Sort | None = None
    preferences: ProviderPreferences | None = None


class Policy(Protocol):
    """Orders the able deployments of one model, best first."""

    def order(self, request: Request, able: Able, signals: Signals, chance: random.Random) -> Sequence[Considered]:
        """A permutation of `able.deployments`, each with its scores: named terms, lower is better.

        No scores mean that neither an estimate nor a measurement nor luck had a say, so that a whole order without any
        is kept for all requests of the same shape.
        """
