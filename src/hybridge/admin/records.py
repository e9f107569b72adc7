"""From what the rooms know to what the control plane shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from hybridge.admin import shapes
from hybridge.admin.holds import Held
from hybridge.app import Assembled
from hybridge.config import Config, Secret
from hybridge.config.masked import address, told
from hybridge.config.units import percentage
from hybridge.ledger.audit import Change
from hybridge.ledger.entry import LedgerEntry, record_of
from hybridge.money import Rate, Rates, plain
from hybridge.observers.health import merged
from hybridge.observers.standing import Standing, latest_probes, worst_breakers, worst_key
from hybridge.providers.describe import deployment_record
from hybridge.providers.probe import Probed
from hybridge.providers.provider import Provider
from hybridge.resilience.breakers import BreakerState
from hybridge.resilience.keys import KeyState, fingerprint


def iso(seconds: float) -> str:
    """A time (UTC, in seconds) in ISO 8601."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def summary(entry: LedgerEntry) -> shapes.RequestSummary:
    """A request without what the router considered."""
    record = record_of(entry)
    del record["considered"]
    return shapes.RequestSummary(cost=_cost(entry), **record)


def request(entry: LedgerEntry) -> shapes.RequestRecord:
    """All there is of a request."""
    return shapes.RequestRecord(cost=_cost(entry), **record_of(entry))


def _cost(entry: LedgerEntry) -> str:
    """As the header `x-hybridge-cost` tells it: by the entry's own rate."""
    cost = entry.cost_nano_usd
    if cost is None:
        return "unpriced"
    rate = Rate(entry.currency, Decimal(entry.rate), dt.date.min)
    return Rates(entry.currency, {entry.currency: rate}).text(cost)


def breakers(workers: Sequence[Standing], held: Iterable[Held]) -> list[shapes.BreakerRecord]:
    """Every breaker that is held or that a process has met: those that are not closed first, then by id."""
    by_id = {one.id: one for one in held}
    worst = worst_breakers(workers)
    for one in by_id.values():
        worst.setdefault(one.id, _unmet(one.id))
    ids = sorted(worst, key=lambda name: (worst[name].state == "closed", name))
    return [_breaker(worst[name], workers, by_id.get(name)) for name in ids]


def unmet(breaker_id: str) -> shapes.BreakerRecord:
    """A breaker that nobody holds and no process has met."""
    return _breaker(_unmet(breaker_id), (), None)


def _unmet(breaker_id: str) -> BreakerState:
    return BreakerState(breaker_id, "closed", "", 0, 0.0, 0.0, False, None)


def _breaker(worst: BreakerState, workers: Sequence[Standing], held: Held | None) -> shapes.BreakerRecord:
    return shapes.BreakerRecord(
        id=worst.id,
        scope="deployment" if "/" in worst.id else "provider",
        state=held.state if held else worst.state,
        why=worst.why,
        failures=worst.failures,
        retry_in_s=worst.retry_in_s,
        open_for_s=worst.open_for_s,
        forced=held.state if held else None,
        until=iso(held.until) if held and held.until is not None else None,
        reason=held.reason if held else "",
        workers=[
            shapes.WorkerBreaker(
                pid=worker.pid,
                state=one.state,
                why=one.why,
                failures=one.failures,
                retry_in_s=one.retry_in_s,
                open_for_s=one.open_for_s,
                calls=one.calls,
                most=one.most,
            )
            for worker in workers
            for one in worker.breakers
            if one.id == worst.id
        ],
    )


def providers(
    assembled: Assembled, workers: Sequence[Standing], found: Sequence[shapes.BreakerRecord]
) -> list[shapes.ProviderRecord]:
    """The configured providers, in the order of the file."""
    by_id, healthy = {one.id: one for one in found}, health(workers)
    used: dict[str, list[shapes.InUse]] = {}
    for name in sorted({*(each for each in by_id if "/" in each), *healthy}):
        one = shapes.InUse(deployment=name, breaker=by_id.get(name), health=healthy.get(name))
        used.setdefault(name.partition("/")[0], []).append(one)
    return [
        _provider(provider, assembled.config, workers, by_id.get(name), used.get(name, []))
        for name, provider in assembled.catalog.providers.items()
    ]


def health(workers: Sequence[Standing]) -> dict[str, shapes.HealthRecord]:
    """What each deployment did lately, over all workers."""
    return {
        one.deployment: shapes.HealthRecord(
            calls=one.successes + one.failed,
            failed=one.failed,
            success_ratio=one.success_ratio,
            failures=one.failures,
            first_token_s=_percentiles(one.first_token_p),
            total_s=_percentiles(one.total_p),
            tokens_per_second=_percentiles(one.throughput_p),
        )
        for one in merged(worker.windows for worker in workers)
    }


def _percentiles(read: Callable[[float], float | None]) -> shapes.Percentiles | None:
    p50, p90, p95, p99 = (read(percent) for percent in (50, 90, 95, 99))
    if p50 is None or p90 is None or p95 is None or p99 is None:
        return None
    return shapes.Percentiles(p50=p50, p90=p90, p95=p95, p99=p99)


def _provider(
    provider: Provider,
    config: Config,
    workers: Sequence[Standing],
    breaker: shapes.BreakerRecord | None,
    deployments: list[shapes.InUse],
) -> shapes.ProviderRecord:
    given, row = config.providers[provider.id], provider.row
    doors = [given.dialect] if given.dialect else [door.dialect for door in (row, *row.surfaces)]
    return shapes.ProviderRecord(
        id=provider.id,
        name=provider.name,
        kind=provider.kind,
        dialects=list(dict.fromkeys(doors)),
        base_url=address(given.base_url or row.base_url),
        fee=percentage(provider.terms.fee_ppm),
        tier=row.tier if row.source else "own",
        models=len(provider.stock.entries),
        keys=[_key(provider.id, secret, workers) for secret in given.keys],
        breaker=breaker,
        deployments=deployments,
    )


def _key(provider: str, secret: Secret, workers: Sequence[Standing]) -> shapes.KeyRecord:
    standing = worst_key(workers, provider, fingerprint(secret.reveal()))
    probed = latest_probes(workers).get((provider, standing.id))
    return shapes.KeyRecord(
        id=standing.id,
        source=told(secret),
        state=_state(standing),
        retry_in_s=standing.refused_s or 0.0,
        resting_at=[shapes.PlaceRecord(model=model, retry_in_s=left) for model, left in standing.resting.items()],
        probe=_probe(probed) if probed else None,
    )


def _probe(probed: Probed) -> shapes.ProbeRecord:
    return shapes.ProbeRecord(
        at=iso(probed.at_us / 1_000_000),
        verdict=probed.verdict,
        said=probed.said,
        ms=probed.ms,
        status=probed.status,
        balance=None if probed.balance is None else plain(probed.balance),
        currency=probed.currency,
    )


def _state(key: KeyState) -> shapes.KeyWord:
    if key.refused_s is not None:
        return "refused"
    return "resting" if key.resting else "well"


def models(assembled: Assembled, workers: Sequence[Standing]) -> list[shapes.ModelRecord]:
    """Every model that can be asked for: the configured ones first."""
    worst, healthy, catalog = worst_breakers(workers), health(workers), assembled.catalog
    return [
        shapes.ModelRecord(
            name=listing.name,
            configured=listing.name in assembled.config.models,
            policy=found.policy if (found := catalog.resolve(listing.name)) else None,
            fallbacks=list(catalog.fallbacks(listing.name)),
            deployments=[
                shapes.DeploymentRecord(
                    **deployment_record(each),
                    state=worst[each.id].state if each.id in worst else "closed",
                    health=healthy.get(each.id),
                )
                for each in listing.deployments
            ],
        )
        for listing in catalog.models()
    ]


def change(one: Change) -> shapes.ChangeRecord:
    """An entry of the audit."""
    return shapes.ChangeRecord(
        number=one.number,
        at=iso(one.at_us / 1_000_000),
        who=one.who,
        what=one.what,
        subject=one.subject,
        before=one.before,
        after=one.after,
    )
