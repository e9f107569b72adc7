"""Questions to the ledger: what was spent, on what, by whom, when."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from decimal import Decimal, localcontext
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct, json

from hybridge.ledger import schema
from hybridge.ledger.entry import LedgerEntry, entry_of
from hybridge.money import NANO, Rate, Rates, plain
from hybridge.types import Attempt

By = Literal["provider", "model", "key", "day", "deployment", "user"]
GROUPINGS: tuple[By, ...] = get_args(By)

#: Attempts of one entry by group.
Grouped = Mapping[str, Sequence[Attempt]]

#: Seconds.
_QUARTER_S = 900

#: Where a day begins, by the currency of the accounts.
_ZONES = {"VND": "Asia/Ho_Chi_Minh"}


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

    def record(self, by: By) -> dict[str, Any]:
        """As JSON tells it: the amount as text, exact."""
        counts = {name: getattr(self, name) for name in COUNTS}
        return {by: self.group, **counts, "cost_nano_usd": self.cost_nano_usd, "amount": plain(self.amount)}


#: What is counted of a group.
COUNTS = ("requests", "errors", "attempts", "failed_attempts", "input_tokens", "output_tokens", "unpriced")


def zone_of(currency: str) -> str:
    """Where the days of a currency begin, if this machine knows the place."""
    name = _ZONES.get(currency, "UTC")
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return "UTC"
    return name


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
    `ConfigError` where there is no ledger, or one of another version.
    """
    if by not in GROUPINGS:
        raise ValueError(f"cannot group by {by!r}; groupings are {', '.join(GROUPINGS)}")
    wanted = rates.rate(currency or rates.default)
    count = _Count(_grouping(by, zone))
    with closing(schema.look(Path(path))) as database:
        for (text,) in database.execute("SELECT entry FROM entries WHERE started_us >= ?", (since_us,)):
            entry = entry_of(text)
            if entry is not None:
                count.add(entry)
    groups = count.priced(wanted)
    if by == "day":
        return sorted(groups, key=lambda row: row.group)
    return sorted(groups, key=lambda row: (-row.cost_nano_usd, -row.requests, row.group))


def spent(path: Path | str, key: str, since_us: int) -> int:
    """What requests with a virtual key have cost since `since_us`, in nano-USD, as far as that is known."""
    mark = json.encode({"key_id": key}).decode().strip("{}")
    with closing(schema.connect(Path(path))) as database:
        # The mark sifts out nearly all others before any is decoded.
        rows = database.execute("SELECT entry FROM entries WHERE started_us >= ? AND instr(entry, ?)", (since_us, mark))
        entries = [entry for (text,) in rows if (entry := entry_of(text)) is not None]
    return sum(entry.known_nano_usd for entry in entries if entry.key == key)


class _Count:
    """Adds entries up by group. The grouping says which attempts of an entry belong to which group."""

    def __init__(self, grouping: Callable[[LedgerEntry], Grouped]) -> None:
        self._grouping = grouping
        self._rows: dict[str, Spend] = {}
        #: Known costs, apart by group and by the currency and the rate they were kept with.
        self._costs: defaultdict[tuple[str, str, str], int] = defaultdict(int)

    def add(self, entry: LedgerEntry) -> None:
        failed = entry.status >= 400 or entry.error_code != ""
        for group, attempts in self._grouping(entry).items():
            row = self._rows.get(group)
            if row is None:
                row = self._rows[group] = Spend(group)
            row.requests += 1
            row.errors += failed
            known = _add(row, attempts)
            if known:
                self._costs[group, entry.currency, entry.rate] += known

    def priced(self, wanted: Rate) -> Iterable[Spend]:
        """The groups, with their amounts."""
        for (group, currency, rate), cost in self._costs.items():
            row = self._rows[group]
            own = currency == wanted.currency
            with localcontext(prec=60):
                amount = cost * (Decimal(rate) if own else wanted.per_usd) / NANO
                row.amount += amount
                if not own:
                    row.converted += amount
        return self._rows.values()


def _add(row: Spend, attempts: Sequence[Attempt]) -> int:
    """Count attempts; what is known of their cost."""
    known = 0
    row.attempts += len(attempts)
    for attempt in attempts:
        if attempt.error_class:
            row.failed_attempts += 1
        if attempt.usage is not None:
            row.input_tokens += attempt.usage.prompt_tokens
            row.output_tokens += attempt.usage.completion_tokens
        if attempt.cost_nano_usd is None:
            row.unpriced += 1
        else:
            known += attempt.cost_nano_usd
    row.cost_nano_usd += known
    return known


def _grouping(by: By, zone: str) -> Callable[[LedgerEntry], Grouped]:
    """`model` is the name that was asked for; `deployment` and `provider` say who was tried, each with its attempts."""
    if by == "model":
        return lambda entry: {entry.model: entry.attempts}
    if by == "key":
        return lambda entry: {entry.key: entry.attempts}
    if by == "user":
        return lambda entry: {entry.user or "": entry.attempts}
    if by == "day":
        day_of = _day_of(zone)
        return lambda entry: {day_of(entry.started_us): entry.attempts}
    return partial(_tried, attrgetter(by))


def _tried(name: Callable[[Attempt], str], entry: LedgerEntry) -> Grouped:
    groups: dict[str, list[Attempt]] = {}
    for attempt in entry.attempts:
        groups.setdefault(name(attempt), []).append(attempt)
    return groups


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
