"""Durations, sizes, percentages, money: what is read, and that what is written is read back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.config.units import (
    Allowance,
    Secret,
    allowance,
    duration,
    figure,
    octets,
    parts_per_million,
    percentage,
    port,
    port_text,
    rate,
    seconds,
    since,
    size,
    wait,
)
from hybridge.money import Money


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5s", 5.0),
        ("500ms", 0.5),
        ("10m", 600.0),
        ("1h", 3600.0),
        ("90d", 7776000.0),
        ("1.5s", 1.5),
        ("7", 7.0),
        ("0s", 0),
    ],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "5 weeks", "-5s", "1h30m", "5S", "1e3s", "٥s", "5s\n"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64MB", 64_000_000),
        ("512KiB", 524_288),
        ("1GiB", 2**30),
        ("1.5kB", 1500),
        ("0", 0),
        ("12B", 12),
        ("2 GB", 2 * 10**9),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert octets(text) == value


@pytest.mark.parametrize("text", ["", "MB", "64mb", "0.5B", "1.0001kB", "-1MB", "1TB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError):
        octets(text)


@pytest.mark.parametrize(("text", "value"), [("5.5%", 55_000), ("0%", 0), ("100%", 1_000_000), ("0.0001%", 1)])
def test_percentages(text: str, value: int) -> None:
    assert parts_per_million(text) == value


@pytest.mark.parametrize("text", ["5.5", "%", "-1%", "0.00001%", "5,5%"])
def test_no_percentages(text: str) -> None:
    with pytest.raises(ValueError):
        parts_per_million(text)


@pytest.mark.parametrize(
    ("value", "text"), [(60.0, "60s"), (3600.0, "1h"), (600.0, "600s"), (0.5, "500ms"), (0.0, "0s")]
)
def test_durations_are_written_as_people_write_them(value: float, text: str) -> None:
    assert duration(value) == text


@given(st.integers(0, 10**12).map(lambda milliseconds: milliseconds / 1000))
def test_a_written_duration_is_read_back(value: float) -> None:
    assert seconds(duration(value)) == value


@given(st.floats(0, 1e9))
def test_any_float_of_seconds_is_read_back(value: float) -> None:
    assert seconds(duration(value)) == value


@given(st.integers(0, 10**15))
def test_a_written_size_is_read_back(value: int) -> None:
    assert octets(size(value)) == value


@given(st.integers(0, 10**9))
def test_a_written_percentage_is_read_back(value: int) -> None:
    assert parts_per_million(percentage(value)) == value


@given(
    st.decimals(0, 10**12, places=4).map(lambda amount: Money(amount, "VND")),
    st.sampled_from(["day", "week", "month", "total"]),
)
def test_a_written_allowance_is_read_back(money: Money, period: str) -> None:
    assert allowance(f"{money}/{period}") == Allowance(money, period)  # type: ignore[arg-type]
    assert str(allowance(f"{money}/{period}")) == f"{money}/{period}"


def test_an_allowance_without_period_is_in_total() -> None:
    assert allowance("5 USD") == Allowance(Money(Decimal(5), "USD"), "total")


@pytest.mark.parametrize("text", ["5 USD/year", "USD/month", "5 USD/", "5/month"])
def test_no_allowances(text: str) -> None:
    with pytest.raises(ValueError):
        allowance(text)


def test_figures_are_exact_and_not_negative() -> None:
    assert figure("0.15") == Decimal("0.15")
    assert figure("1e-3") == Decimal("0.001")
    for text in ("-1", "nan", ".inf", "1e9999", "x", ""):
        with pytest.raises(ValueError):
            figure(text)


def test_some_figures_and_durations_may_not_be_zero() -> None:
    assert (rate("26300"), wait("5s")) == (Decimal(26300), 5.0)
    for read in (rate, wait):
        with pytest.raises(ValueError):
            read("0")


def test_a_secret_is_never_shown() -> None:
    secret = Secret("canary", "env:KEY")
    assert "canary" not in f"{secret} {secret!r} {[secret]} {secret.source}"
    assert secret.reveal() == "canary"
    assert secret == Secret("canary") != Secret("other")


@pytest.mark.parametrize(
    ("text", "value"),
    [("7d", 1e9 - 604800), ("0s", 1e9), ("2001-09-09", 999_993_600.0), ("2001-09-09T07:00:00+07:00", 999_993_600.0)],
)
def test_times_by_age_or_by_date(text: str, value: float) -> None:
    assert since(text, 1e9) == value


@pytest.mark.parametrize("text", ["", "once", "-1d", "2001-13-01", "2001-09-09x"])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match="expected an age such as 7d or a date"):
        since(text, 1e9)


@given(st.none() | st.integers(0, 65535))
def test_a_port_is_read_as_it_is_written(value: int | None) -> None:
    assert port(port_text(value)) == value


@pytest.mark.parametrize("text", ["", "of", "OFF", "-1", "65536", "1.5", "٥", "1_0", " 1"])
def test_no_ports(text: str) -> None:
    with pytest.raises(ValueError):
        port(text)
