"""Questions to the ledger: what was spent, on what, by whom, when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal, localcontext
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from hybridge.errors import ConfigError
from hybridge.ledger import schema
from hybridge.money import NANO, Rate, Rates

By = Literal["provider", "model", "key", "day", "deployment", "user"]
GROUPINGS: tuple[By, ...] = get_args(By)

#: What each grouping is in SQL. `model` is the name that was asked for; `deployment` says what answered.
_GROUP = {
    "provider": "a.provider",
    "deployment": "a.deployment",
    "model": "r.model",
    "key": "r.key_id",
    "user": "coalesce(r.user, '')",
    "day": "day_of(r.started_us)",
}
#: Seconds.
_QUARTER_S = 900

_FROM = """
    FROM requests r LEFT JOIN attempts a ON a.request_id = r.id
    WHERE r.started_us >= ? AND {group} IS NOT NULL
"""
#: The counts of each group, in the order of the fields of `Spend`.
_COUNTS = (
    """
    SELECT {group},
        count(DISTINCT r.id),
        count(DISTINCT CASE WHEN r.status >= 400 OR r.error_code <> '' THEN r.id END),
        count(a.number),
        coalesce(sum(a.error_class <> ''), 0),
        coalesce(sum(coalesce(a.input, 0) + coalesce(a.cache_read, 0) + coalesce(a.cache_write, 0)
            + coalesce(a.cache_write_1h, 0) + coalesce(a.audio_input, 0) + coalesce(a.image, 0)), 0),
        coalesce(sum(coalesce(a.output, 0) + coalesce(a.reasoning, 0) + coalesce(a.audio_output, 0)), 0),
        coalesce(sum(a.cost_nano_usd), 0),
        coalesce(sum(a.number IS NOT NULL AND a.cost_nano_usd IS NULL), 0)
    """
    + _FROM
    + "GROUP BY 1"
)
#: The known costs of each group, apart by the currency and the rate they were kept with.
_SUMS = (
    "SELECT {group}, sum(a.cost_nano_usd), a.currency, a.rate"
    + _FROM
    + "AND a.cost_nano_usd IS NOT NULL GROUP BY 1, 3, 4"
)


class Spend(Struct):
    """What was spent in one group.

    `cost_nano_usd` and `amount` sum what is known; `unpriced` attempts cost something that nobody knows, so with
    them the sums are lower bounds. `errors` are requests that ended in an error, `failed_attempts` calls that failed,
    also where a fallback saved the request. `converted` is the part of `amount` that was converted at today's rate,
    because its entries had been kept in another currency.
    """

    group: str
    requests: int = 0
    errors: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0
    amount: Decimal = Decimal(0)
    converted: Decimal = Decimal(0)


def spend(
    path: Path | str,
    by: By,
    rates: Rates,
    *,
    since_us: int = 0,
    currency: str | None = None,
    zone: str = "UTC",
) -> list[Spend]:
    """What was spent by each `by` in requests since `since_us`, the most expensive first (days in their order).

    Money is summed over attempts. It is shown in `currency` (the default one): entries that were kept in it by
    their own rate, others by the rate of `rates`. Days begin at midnight in `zone`. A group by provider or
    deployment counts the requests that tried it. Raises `ValueError` for an unknown currency, grouping or zone, and
    `ConfigError` where there is no ledger.
    """
    if by not in _GROUP:
        raise ValueError(f"cannot group by {by!r}; groupings are {', '.join(GROUPINGS)}")
    wanted = rates.rate(currency or rates.default)
    if not Path(path).exists():
        raise ConfigError([f"storage: there is no ledger at {path} yet"])
    with closing(schema.connect(Path(path))) as database:
        # One view for both questions, whatever is written meanwhile.
        database.execute("BEGIN")
        database.create_function("day_of", 1, _day_of(zone), deterministic=True)
        group = _GROUP[by]
        rows = database.execute(_COUNTS.format(group=group), (since_us,)).fetchall()
        sums = database.execute(_SUMS.format(group=group), (since_us,)).fetchall()
    groups = {row[0]: Spend(*row) for row in rows}
    for name, cost, kept_in, rate in sums:
        _add(groups[name], cost, Rate(kept_in, Decimal(rate), dt.date.min), wanted)
    if by == "day":
        return sorted(groups.values(), key=lambda row: row.group)
    return sorted(groups.values(), key=lambda row: (-row.cost_nano_usd, -row.requests, row.group))


def _add(row: Spend, cost_nano_usd: int, kept: Rate, wanted: Rate) -> None:
    own = kept.currency == wanted.currency
    with localcontext(prec=60):
        amount = cost_nano_usd * (kept if own else wanted).per_usd / NANO
        row.amount += amount
        if not own:
            row.converted += amount


def _day_of(zone: str) -> Callable[[int], str]:
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(f"no time zone {zone!r}") from exc

    @lru_cache(maxsize=4096)
    def day_of_quarter(quarter: int) -> str:
        return dt.datetime.fromtimestamp(quarter * _QUARTER_S, place).date().isoformat()

    # Offsets from UTC are whole quarters of an hour, so that one answer holds for each of them.
    return lambda started_us: day_of_quarter(started_us // (_QUARTER_S * 1_000_000))
