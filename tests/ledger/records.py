"""Entries to keep."""

from __future__ import annotations

import json
from typing import Any

from hybridge.ledger.entry import ATTEMPT_COLUMNS, REQUEST_COLUMNS, LedgerEntry, explained, record_of
from hybridge.money import Price, Terms, Usage
from hybridge.types import Attempt, Considered, CostSource, Deployment, Kind, Surface

NOON = 1_790_000_000_000_000  # 2026-09-21 14:13:20 UTC
PRICE = Price.per_million("list@2026-11-22", {"input": "0.15", "output": "0.60"})


def deployment(
    name: str = "mini",
    provider: str = "house",
    price: Price | None = PRICE,
    terms: Terms | None = None,
    *,
    includes_fee: bool = False,
) -> Deployment:
    return Deployment(
        id=f"{provider}/{name}",
        provider=provider,
        model=name,
        name=name,
        kind=Kind.DIRECT,
        surface=Surface(dialect="openai", base_url="http://127.0.0.1:9"),
        price=price,
        terms=terms or Terms(),
        reported_includes_fee=includes_fee,
    )


def attempt(
    name: str = "house/mini",
    cost: int | None = 18_300,
    usage: Usage | None = None,
    error: str = "",
    source: CostSource = "computed",
) -> Attempt:
    return Attempt(
        deployment=name,
        provider=name.partition("/")[0],
        kind=Kind.DIRECT,
        key_id="0a1b2c3d",
        status=503 if error else 200,
        error_class=error,
        error=error and "out of order",
        started_us=NOON + 10,
        first_content_us=0 if error else NOON + 500,
        ended_us=NOON + 900,
        usage=usage if usage or error else Usage(input=2, output=30),
        price_id="" if error else PRICE.id,
        cost_nano_usd=cost,
        cost_source="unpriced" if cost is None else source,
    )


def entry(number: int = 1, *attempts: Attempt, **asked: object) -> LedgerEntry:
    made = LedgerEntry(
        id=f"req_{number:032x}",
        started_us=NOON,
        operation="chat",
        dialect="openai",
        model="gpt-4o-mini",
        attempts=list(attempts) or [attempt()],
        ended_us=NOON + 1000,
        status=200,
        currency="VND",
        rate="26300",
        rate_date="2026-11-22",
    )
    for name, value in asked.items():
        setattr(made, name, value)
    return made


def full_entry() -> LedgerEntry:
    """An entry with something in every place."""
    return entry(
        7,
        attempt("house/mini", 0, error="broken"),
        attempt("shop/mini", 77, Usage(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), source="estimated"),
        stream=True,
        key="vk_app",
        user="đồng",
        session="s1",
        tags=("a", "b"),
        policy="hybrid",
        variant="treatment",
        status=200,
        error_code="",
        budget="1000.50 VND",
        input_estimate=123,
        considered=explained(
            [
                Considered(deployment(), scores={"cost": 1.5}, estimate_nano_usd=55),
                Considered(deployment("old"), reason="lacks vision"),
            ]
        ),
    )


def rows_of_tables(entry: LedgerEntry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An entry as the first version kept it: a row of `requests`, and those of `attempts`."""
    record = record_of(entry)
    request = {column: record[column] for column in REQUEST_COLUMNS}
    request["stream"] = int(record["stream"])
    request |= {column: json.dumps(record[column], separators=(",", ":")) for column in ("tags", "considered")}
    attempts = [{"request_id": entry.id, **attempt} for attempt in record["attempts"]]
    return request, [{column: attempt[column] for column in ATTEMPT_COLUMNS} for attempt in attempts]
