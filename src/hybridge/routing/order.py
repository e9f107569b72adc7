"""The orders that policies are made of. All are stable: what is equal stays as it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from hybridge.money import cost_nano_usd
from hybridge.routing.policy import Able, Signal, Signals, Sort
from hybridge.types import Considered, Deployment, ProviderPreferences

_UNMEASURED = Signal()


def by_cost(able: Able, deployments: Sequence[Deployment]) -> list[Considered]:
    """Cheapest for this request first, unpriced last and flagged."""
    if len(deployments) < 2:
        return [Considered(deployment) for deployment in deployments]
    usage = able.usage
    scored: list[Considered] = []
    for deployment in deployments:
        price = deployment.price
        if price is None:
            scored.append(Considered(deployment, "", {"unpriced": 1.0}))
        else:
            cost = cost_nano_usd(price, usage, deployment.terms)
            scored.append(Considered(deployment, "", {"cost_nano_usd": float(cost)}, cost))
    scored.sort(key=_cost)
    return scored


def arranged(able: Able, deployments: Sequence[Deployment], signals: Signals) -> list[Considered]:
    """As the request asks, else as written, else by cost; those known to miss its soft wishes go to the end."""
    if able.sort == "price" or not able.written:
        scored = by_cost(able, deployments)
    else:
        scored = [Considered(deployment) for deployment in deployments]
    if signals and able.sort is not None and able.sort != "price":
        scored = _by_measure(scored, able.sort, signals)
    if signals and able.preferences is not None:
        return _wished(scored, able.preferences, signals)
    return scored


def _cost(scored: Considered) -> float:
    cost = scored.estimate_nano_usd
    return inf if cost is None else cost


def _by_measure(scored: Iterable[Considered], sort: Sort, signals: Signals) -> list[Considered]:
    """Best median first, unmeasured last. Seconds per token and seconds to the first one: lower is better."""

    def with_term(one: Considered) -> Considered:
        signal = signals.get(one.deployment.id, _UNMEASURED)
        if sort == "latency":
            seconds = signal.first_token.get("p50", inf)
        else:
            tokens_per_second = signal.throughput.get("p50")
            seconds = 1 / tokens_per_second if tokens_per_second else inf
        return (
            one
            if seconds == inf
            else Considered(one.deployment, "", {**one.scores, sort: seconds}, one.estimate_nano_usd)
        )

    return sorted(map(with_term, scored), key=lambda one: one.scores.get(sort, inf))


def _wished(scored: Iterable[Considered], preferences: ProviderPreferences, signals: Signals) -> list[Considered]:
    slowest = _cutoffs(preferences.preferred_max_latency)
    least = _cutoffs(preferences.preferred_min_throughput)

    def misses(one: Considered) -> bool:
        signal = signals.get(one.deployment.id, _UNMEASURED)
        return any(signal.first_token.get(at, 0) > cutoff for at, cutoff in slowest.items()) or any(
            signal.throughput.get(at, inf) < cutoff for at, cutoff in least.items()
        )

    return sorted(scored, key=misses)


def _cutoffs(asked: float | Mapping[str, float] | None) -> Mapping[str, float]:
    """A number stands for the median, as at OpenRouter."""
    if asked is None:
        return {}
    return asked if isinstance(asked, Mapping) else {"p50": asked}
