"""Money: exact prices, one rounding, disjoint buckets, dated rates."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hybridge.money import (
    BUCKETS,
    LIST_TERMS,
    PPM,
    SHIPPED_RATES,
    Money,
    Price,
    Rate,
    Terms,
    Usage,
    cost_nano_usd,
    plain,
    rates,
    reported_cost_nano_usd,
)

#: USD per million tokens, with up to nine decimals.
usd = st.decimals(0, 10_000, places=9)
price_tables = st.fixed_dictionaries(
    {"input": usd, "output": usd},
    optional={name: usd for name in (*BUCKETS, "per_request") if name not in ("input", "output")},
)
usages = st.builds(Usage, **{name: st.integers(0, 10**8) for name in (*BUCKETS, "requests")})
terms = st.builds(Terms, fee_ppm=st.integers(0, PPM), discount_ppm=st.integers(0, PPM))
INSTEAD = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_input": "input",
    "audio_output": "output",
    "image": "input",
}


def usd_of(table: dict[str, Decimal], bucket: str) -> Decimal:
    """What a bucket costs by a published table."""
    return table[bucket] if bucket in table else usd_of(table, INSTEAD[bucket])


def oracle(table: dict[str, Decimal], usage: Usage, terms: Terms) -> int:
    """The cost by decimal arithmetic from the published table, rounded once."""
    with localcontext(prec=200):
        cost = sum((getattr(usage, bucket) * usd_of(table, bucket) / 1_000_000 for bucket in BUCKETS), Decimal(0))
        per_request = table.get("per_request", Decimal(0)).quantize(Decimal("1e-9"), ROUND_HALF_EVEN)
        cost += usage.requests * per_request
        cost *= Decimal(PPM + terms.fee_ppm) / PPM * Decimal(PPM - terms.discount_ppm) / PPM
        return int((cost * 10**9).to_integral_value(ROUND_HALF_EVEN))


@given(price_tables, usages, terms)
def test_a_cost_is_exact_and_rounded_half_even_once(table: dict[str, Decimal], usage: Usage, terms: Terms) -> None:
    cost = cost_nano_usd(Price.per_million("p", table), usage, terms)
    assert cost == oracle(table, usage, terms)
    assert cost >= 0


@pytest.mark.parametrize(
    ("input_tokens", "nano"), [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4)], ids=["0.5", "1", "1.5", "2.5", "3.5"]
)
def test_half_a_nano_goes_to_the_even_one(input_tokens: int, nano: int) -> None:
    price = Price.per_million("p", {"input": "0.0005"})
    assert cost_nano_usd(price, Usage(input=input_tokens)) == nano


@given(price_tables, usages, usages)
def test_costs_add_up_to_one_nano(table: dict[str, Decimal], one: Usage, two: Usage) -> None:
    both = Usage(**{name: getattr(one, name) + getattr(two, name) for name in (*BUCKETS, "requests")})
    price = Price.per_million("p", table)
    apart = cost_nano_usd(price, one) + cost_nano_usd(price, two)
    assert abs(cost_nano_usd(price, both) - apart) <= 1


@given(price_tables, usages, st.sampled_from(BUCKETS), st.integers(1, 10**6))
def test_more_never_costs_less(table: dict[str, Decimal], usage: Usage, bucket: str, more: int) -> None:
    larger: dict[str, Any] = {name: getattr(usage, name) for name in (*BUCKETS, "requests")}
    larger[bucket] += more
    price = Price.per_million("p", table)
    assert cost_nano_usd(price, Usage(**larger)) >= cost_nano_usd(price, usage)


@given(usages)
def test_buckets_are_disjoint_and_whole(usage: Usage) -> None:
    assert usage.prompt_tokens + usage.completion_tokens == sum(getattr(usage, bucket) for bucket in BUCKETS)


@given(st.integers(0, 10**15), terms)
def test_a_reported_bill_has_our_terms_on_it(reported: int, terms: Terms) -> None:
    with localcontext(prec=200):
        exact = reported * Decimal(PPM + terms.fee_ppm) * Decimal(PPM - terms.discount_ppm) / PPM / PPM
        assert reported_cost_nano_usd(reported, terms) == int(exact.to_integral_value(ROUND_HALF_EVEN))
    assert reported_cost_nano_usd(reported, LIST_TERMS) == reported


def test_an_empty_usage_costs_its_request() -> None:
    price = Price.per_million("p", {"input": 1, "per_request": "0.01"})
    assert cost_nano_usd(price, Usage()) == 10_000_000
    assert cost_nano_usd(price, Usage(requests=0)) == 0


# Prices


def test_a_bucket_without_a_price_costs_what_it_is_a_kind_of() -> None:
    price = Price.per_million("p", {"input": 3, "output": 15, "cache_write": "3.75"})
    assert [getattr(price, bucket) for bucket in BUCKETS] == [
        3 * 10**9,
        3 * 10**9,
        375 * 10**7,
        375 * 10**7,
        15 * 10**9,
        15 * 10**9,
        3 * 10**9,
        15 * 10**9,
        3 * 10**9,
    ]
    assert (price.id, price.per_request, price.tiers) == ("p", 0, ())


def test_zero_is_a_price() -> None:
    free = Price.per_million("free", {"input": 0, "output": 0})
    assert cost_nano_usd(free, Usage(input=10**9, output=10**9)) == 0
    gift = Price.per_million("p", {"input": 3, "cache_read": 0})
    assert gift.cache_read == 0


@pytest.mark.parametrize("figure", [0.1, "0.1", Decimal("0.1")])
def test_a_float_is_its_shortest_decimal(figure: float | str | Decimal) -> None:
    assert Price.per_million("p", {"input": figure}).input == 100_000_000


def test_the_smallest_published_figure_is_exact() -> None:
    assert Price.per_million("p", {"input": "0.000000001"}).input == 1
    assert Price.per_million("p", {"input": 1e-9}).input == 1


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "at least one of input, output, per_request"),
        ({"cache_read": 1}, "at least one of input, output, per_request"),
        ({"input": -1}, "a price cannot be -1"),
        ({"input": "NaN"}, "a price cannot be NaN"),
        ({"output": float("inf")}, "a price cannot be inf"),
        ({"input": "cheap"}, "not a number: 'cheap'"),
        ({"input": 1, "outputs": 1}, "a price has no `outputs`"),
    ],
)
def test_nonsense_is_no_price(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Price.per_million("p", table)


def test_a_long_prompt_has_the_price_of_its_tier() -> None:
    long = Price.per_million("long", {"input": 2})
    longer = Price.per_million("longer", {"input": 4})
    price = Price.per_million("p", {"input": 1}).with_tiers({400_000: longer, 200_000: long})
    for tokens, per_token in ((0, 1), (200_000, 1), (200_001, 2), (400_000, 2), (400_001, 4)):
        assert price.at(tokens).input == per_token * 10**9
        assert cost_nano_usd(price, Usage(input=tokens)) == tokens * per_token * 1000
    assert cost_nano_usd(price, Usage(cache_read=200_000, input=1)) == 200_001 * 2000, "the whole prompt counts"


# Amounts and rates


@given(
    st.decimals(0, 10**12, allow_nan=False, places=6),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
)
def test_an_amount_reads_what_it_writes(amount: Decimal, currency: str) -> None:
    money = Money(amount, currency)
    assert Money.parse(str(money)) == money


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("1000 VND", "1000", "VND"),
        ("  0.5usd ", "0.5", "USD"),
        (".5 USD", "0.5", "USD"),
        ("5_000_000 vnd", "5000000", "VND"),
    ],
)
def test_an_amount_as_people_write_it(text: str, amount: str, currency: str) -> None:
    assert Money.parse(text) == Money(Decimal(amount), currency)


@pytest.mark.parametrize(
    "text", ["", "1000", "VND", "-1 VND", "1,000 VND", "1000 dong", "1e3 VND", "1 000 VND", "NaN USD", "_ USD"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match='write it as "1000 VND"'):
        Money.parse(text)


def test_the_example_of_the_product_page() -> None:
    assert rates("VND").text(18_300) == "0.48129 VND"
    assert rates("VND").text(18_300, "USD") == "0.0000183 USD"
    assert rates().text(18_300) == "0.0000183 USD"


@given(st.integers(0, 10**18), st.decimals("0.0001", 10**6, places=6))
def test_an_amount_is_exact(nano: int, per_usd: Decimal) -> None:
    table = rates("XTS", {"XTS": Rate("XTS", per_usd, dt.date(2026, 11, 22))})
    with localcontext(prec=200):
        assert table.amount(nano) == nano * per_usd / 10**9


@given(
    st.integers(-(10**15), 10**18) | st.sampled_from([0, 1, 10**9, 5 * 10**8]),
    st.decimals("0.0001", 10**6, places=6)
    | st.sampled_from([Decimal(x) for x in ("26300", "1", "1E+3", "1E+8", "1E+9", "1E+12", "2.50", "1E-40")]),
    st.booleans(),
)
def test_an_amount_as_text_is_the_amount(nano: int, per_usd: Decimal, named: bool) -> None:
    table = rates("XTS", {"XTS": Rate("XTS", per_usd, dt.date(2026, 11, 22))})
    amount = table.amount(nano)
    assert table.text(nano, "XTS" if named else None) == f"{plain(amount)} XTS"


def test_an_amount_of_an_unknown_currency_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no rate for XYZ; known: USD, VND"):
        rates().text(1, "XYZ")


@given(st.decimals(0, 10**9, places=4), st.decimals("0.01", 10**6, places=4))
def test_a_budget_is_never_widened_by_rounding(amount: Decimal, per_usd: Decimal) -> None:
    assume(per_usd > 0)
    table = rates("XTS", {"XTS": Rate("XTS", per_usd, dt.date(2026, 11, 22))})
    nano = table.nano_usd(Money(amount, "XTS"))
    with localcontext(prec=200):
        assert nano * per_usd <= amount * 10**9 < (nano + 1) * per_usd


def test_an_unknown_currency_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no rate for XYZ; known: USD, VND"):
        rates("XYZ")
    with pytest.raises(ValueError, match="no rate for EUR"):
        rates("VND").nano_usd(Money(Decimal(1), "EUR"))


def test_a_configured_rate_wins_but_not_for_usd() -> None:
    own = Rate("VND", Decimal(25000), dt.date(2026, 1, 1))
    odd = Rate("USD", Decimal(2), dt.date(2026, 1, 1))
    table = rates("VND", {"VND": own, "USD": odd})
    assert table.rate("VND") is own
    assert table.rate("USD") is SHIPPED_RATES[0]
    assert table.amount(10**9) == 25000


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1E+3", "1000"), ("100", "100"), ("1.500", "1.5"), ("0.000", "0"), ("1E-10", "0.0000000001"), ("10.0", "10")],
)
def test_a_plain_number(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text
