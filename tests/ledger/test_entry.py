"""An entry, its sum, and its shape as rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge.ledger.entry import ATTEMPT_COLUMNS, REQUEST_COLUMNS, LedgerEntry, record_of, rows_of
from hybridge.money import BUCKETS, Usage

from .records import NOON, attempt, entry, full_entry

costs = st.lists(st.none() | st.integers(0, 10**15), max_size=8)


@given(costs)
def test_money_is_summed_over_attempts_and_unpriced_is_never_zero(each: list[int | None]) -> None:
    made = LedgerEntry("req_1", NOON, "chat", "openai", "m", attempts=[attempt(cost=cost) for cost in each])
    known = [cost for cost in each if cost is not None]
    assert made.cost_nano_usd == (sum(known) if len(known) == len(each) else None)
    assert made.known_nano_usd == sum(known)
    record = record_of(rows_of(made))
    assert record["cost_nano_usd"] == made.cost_nano_usd
    assert [row["cost_nano_usd"] for row in record["attempts"]] == each


@given(st.lists(st.integers(0, 10**12), min_size=len(BUCKETS), max_size=len(BUCKETS)))
def test_buckets_are_columns_that_add_up(tokens: list[int]) -> None:
    usage = Usage(**dict(zip(BUCKETS, tokens, strict=True)))
    row = record_of(rows_of(entry(1, attempt(usage=usage))))["attempts"][0]
    assert [row[bucket] for bucket in BUCKETS] == tokens
    assert sum(tokens) == usage.prompt_tokens + usage.completion_tokens


def test_a_record_has_all_that_is_known() -> None:
    record = record_of(rows_of(full_entry()))
    assert record.keys() == {*REQUEST_COLUMNS, "deployment", "cost_nano_usd", "attempts"}
    assert record["id"] == "req_00000000000000000000000000000007"
    assert (record["operation"], record["dialect"], record["model"]) == ("chat", "openai", "gpt-4o-mini")
    assert (record["stream"], record["key_id"], record["user"], record["session"]) == (True, "vk_app", "đồng", "s1")
    assert (record["policy"], record["variant"], record["tags"]) == ("hybrid", "treatment", ["a", "b"])
    assert (record["budget_amount"], record["budget_currency"]) == ("1000.50", "VND")
    assert (record["started_us"], record["ended_us"], record["input_estimate"]) == (NOON, NOON + 1000, 123)
    assert (record["status"], record["error_code"]) == (200, "")
    assert (record["deployment"], record["cost_nano_usd"]) == ("shop/mini", 77)
    assert record["considered"] == [
        {"deployment": "house/mini", "reason": "", "scores": {"cost": 1.5}, "estimate_nano_usd": 55},
        {"deployment": "house/old", "reason": "lacks vision", "scores": {}, "estimate_nano_usd": None},
    ]
    failed, answered = record["attempts"]
    assert answered.keys() == set(ATTEMPT_COLUMNS) - {"request_id"}
    assert (failed["number"], failed["status"], failed["error_class"], failed["error"]) == (
        1,
        503,
        "broken",
        "out of order",
    )
    assert (failed["input"], failed["cost_source"]) == (None, "computed")
    assert [answered[bucket] for bucket in (*BUCKETS, "requests")] == list(range(1, 11))
    assert (answered["currency"], answered["rate"], answered["rate_date"]) == ("VND", "26300", "2026-11-22")
    assert (answered["kind"], answered["provider"], answered["key_id"]) == ("direct", "shop", "0a1b2c3d")
    assert (answered["cost_nano_usd"], answered["cost_source"]) == (77, "estimated")
    assert answered["price_id"] == "list@2026-11-22"
    assert [answered[time] - NOON for time in ("started_us", "first_content_us", "ended_us")] == [10, 500, 900]


def test_a_request_that_nobody_was_asked_for_costs_nothing() -> None:
    refused = LedgerEntry("req_1", NOON, "chat", "openai", "m", status=402, error_code="budget_exceeded")
    assert (refused.cost_nano_usd, refused.deployment) == (0, "")
    record = record_of(rows_of(refused))
    assert (record["deployment"], record["attempts"], record["cost_nano_usd"]) == (None, [], 0)


def test_two_entries_share_no_list() -> None:
    one, two = (LedgerEntry("r", NOON, "chat", "openai", "m") for _ in range(2))
    one.attempts.append(attempt())
    assert two.attempts == []
    assert one.deployment == "house/mini"
