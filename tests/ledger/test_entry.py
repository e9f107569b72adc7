"""An entry, its sum, and its shape as rows."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.ledger.entry import ATTEMPT_COLUMNS, REQUEST_COLUMNS, LedgerEntry, entry_of, plainly, record_of, rows_of
from hybridge.money import BUCKETS, Usage
from hybridge.types import Attempt

from .records import NOON, attempt, entry, full_entry

costs = st.lists(st.none() | st.integers(0, 10**15), max_size=8)


@given(costs)
def test_money_is_summed_over_attempts_and_unpriced_is_never_zero(each: list[int | None]) -> None:
    made = LedgerEntry("req_1", NOON, "chat", "openai", "m", attempts=[attempt(cost=cost) for cost in each])
    known = [cost for cost in each if cost is not None]
    assert made.cost_nano_usd == (sum(known) if len(known) == len(each) else None)
    assert made.known_nano_usd == sum(known)
    record = record_of(made)
    assert record["cost_nano_usd"] == made.cost_nano_usd
    assert [row["cost_nano_usd"] for row in record["attempts"]] == each


@given(st.lists(st.integers(0, 10**12), min_size=len(BUCKETS), max_size=len(BUCKETS)))
def test_buckets_are_columns_that_add_up(tokens: list[int]) -> None:
    usage = Usage(**dict(zip(BUCKETS, tokens, strict=True)))
    row = record_of(entry(1, attempt(usage=usage)))["attempts"][0]
    assert [row[bucket] for bucket in BUCKETS] == tokens
    assert sum(tokens) == usage.prompt_tokens + usage.completion_tokens


def test_a_record_has_all_that_is_known() -> None:
    record = record_of(full_entry())
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
    record = record_of(refused)
    assert (record["deployment"], record["attempts"], record["cost_nano_usd"]) == (None, [], 0)


def test_two_entries_share_no_list() -> None:
    one, two = (LedgerEntry("r", NOON, "chat", "openai", "m") for _ in range(2))
    one.attempts.append(attempt())
    assert two.attempts == []
    assert one.deployment == "house/mini"


amounts = st.integers(0, 2**70) | st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, 2**64])
usages = st.none() | st.builds(
    Usage, **dict.fromkeys((*BUCKETS, "requests"), amounts), reported_nano_usd=st.none() | amounts
)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
tried = st.builds(
    Attempt,
    texts,
    texts,
    st.sampled_from(["direct", "gateway"]),
    error=texts,
    usage=usages,
    cost_nano_usd=st.none() | amounts,
    cost_source=st.sampled_from(["provider", "computed", "estimated", "unpriced", ""]),
)


@given(
    st.builds(
        LedgerEntry,
        texts,
        st.integers(0, 2**63 - 1),
        st.just("chat"),
        texts,
        texts,
        stream=st.booleans(),
        user=st.none() | texts,
        tags=st.lists(texts).map(tuple),
        budget=st.none() | st.just("0.0000001 VND"),
        input_estimate=st.none() | amounts,
        attempts=st.lists(tried, max_size=3),
        status=st.integers(0, 599),
        rate=texts,
    )
)
def test_a_row_holds_everything_exactly(made: LedgerEntry) -> None:
    (row,) = rows_of([made])
    assert (row[0], row[1]) == (made.id, made.started_us)
    read = entry_of(row[2])
    assert read is not None
    assert bytes(read.considered) == bytes(made.considered)
    read.considered = made.considered
    assert read == made
    assert record_of(read) == record_of(made)


def test_a_row_is_one_line_without_what_has_its_default() -> None:
    plain = LedgerEntry("req_1", NOON, "chat", "openai", "a\nb", attempts=[])
    assert json.loads(rows_of([plain])[0][2]) == {
        "id": "req_1",
        "started_us": NOON,
        "operation": "chat",
        "dialect": "openai",
        "model": "a\nb",
    }
    assert "\n" not in rows_of([plain])[0][2]
    assert json.loads(rows_of([entry(1, attempt(usage=Usage()))])[0][2])["attempts"][0]["usage"] == {}


def test_rows_are_those_of_their_entries() -> None:
    entries = [entry(1), full_entry(), entry(3)]
    assert rows_of(entries) == [rows_of([each])[0] for each in entries]


@pytest.mark.parametrize("text", ["", "{}", '{"id": 1}', "[1]", "nonsense", '{"id":"req_1","started_us":1}'])
def test_what_is_no_entry_is_named_in_the_log(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert entry_of(text) is None
    assert "this is no ledger entry" in caplog.text


def test_an_entry_that_no_row_can_hold_is_still_told() -> None:
    told = json.loads(plainly(entry(1, model="\ud800", user=object())))
    assert told["id"] == entry(1).id
    assert told["model"] == "\ud800"
    assert told["user"].startswith("<object")
    assert told["attempts"][0]["usage"]["output"] == 30
