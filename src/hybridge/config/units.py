"""How durations, sizes, money, percentages and secrets are written in the configuration file.

Each kind is a `Unit`, found through the annotation of a field; the file's text becomes a plain value in base units:
seconds, bytes, parts per million, `Money`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from hybridge.money import PPM, Money, plain

_DURATION = re.compile(r"^([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h|d)?$")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}

_SIZE = re.compile(r"^([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(B|[kKMG]i?B)?$")
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "kiB": 2**10, "MiB": 2**20}
_BYTES["GiB"] = 2**30

_PERCENT = re.compile(r"^([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*%$")

_FIGURE = re.compile(r"^([0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?$")

Period = Literal["day", "week", "month", "total"]
_PERIODS: tuple[Period, ...] = ("day", "week", "month", "total")


#: Written for a port that is not opened.
OFF = "off"


class Allowance(Struct, frozen=True):
    """An amount of money that may be spent within each period."""

    money: Money
    period: Period = "total"

    def __str__(self) -> str:
        return f"{self.money}/{self.period}"


class Secret:
    """A value that is never shown: `repr` and `str` tell where it came from, `reveal()` what it is.

    `source` is what stands in the file: `env:NAME`, `file:/path`, `none`, or `(written in the file)`.
    """

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str = "(written in the file)") -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """The value; empty for `none`, which means that no key is sent."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"<Secret {self.source}>"


def seconds(text: str) -> float:
    """`5s`, `500ms`, `10m`, `1h`, `90d`; a bare number is seconds. Raises `ValueError`."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(text)
    return float(Decimal(found[1]) * _SECONDS[found[2] or "s"])


def wait(text: str) -> float:
    """A duration that is not zero. Raises `ValueError`."""
    value = seconds(text)
    if not value:
        raise ValueError(text)
    return value


def duration(value: float) -> str:
    """Seconds as they are written: `seconds(duration(x)) == x`."""
    exact = Decimal(repr(float(value)))
    for unit in ("d", "h", "s", "ms"):
        count = exact / _SECONDS[unit]
        if count == count.to_integral_value():
            return f"{int(count)}{unit}" if count else "0s"
    return f"{plain(exact)}s"


def since(text: str, now: float) -> float:
    """The time (UTC, in seconds) that an age such as `7d` or a date such as `2026-11-01` means at the time `now`.

    Raises `ValueError`.
    """
    try:
        return now - seconds(text)
    except ValueError:
        pass
    try:
        day = dt.datetime.fromisoformat(text)
        return (day if day.tzinfo else day.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"expected an age such as 7d or a date such as 2026-11-01, got {text!r}") from None


def until(text: str, now: float) -> float:
    """The time (UTC, in seconds) that a duration such as `10m` or a time such as `2026-11-23T06:00:00Z` means at `now`.

    Raises `ValueError`.
    """
    try:
        return now + seconds(text)
    except ValueError:
        pass
    try:
        found = dt.datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"expected a time such as 2026-11-23T06:00:00Z or a duration such as 10m, got {text!r}"
        ) from None


def octets(text: str) -> int:
    """`64MB`, `1.5GB`, `512KiB`; a bare number is bytes. Raises `ValueError`, also for a part of a byte."""
    found = _SIZE.fullmatch(text)
    count = Decimal(found[1]) * _BYTES[found[2] or "B"] if found else Decimal("0.5")
    if count != count.to_integral_value():
        raise ValueError(text)
    return int(count)


def size(value: int) -> str:
    """Bytes as they are written: `octets(size(x)) == x`."""
    for unit in ("GB", "GiB", "MB", "MiB", "kB", "KiB"):
        if value and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return f"{value}B"


def parts_per_million(text: str) -> int:
    """`5.5%` is 55000. Raises `ValueError`, also below a ten-thousandth of a percent."""
    found = _PERCENT.fullmatch(text)
    count = Decimal(found[1]) * (PPM // 100) if found else Decimal("0.5")
    if count != count.to_integral_value():
        raise ValueError(text)
    return int(count)


def percentage(value: int) -> str:
    """Parts per million as they are written: `parts_per_million(percentage(x)) == x`."""
    return f"{plain(Decimal(value) * 100 / PPM)}%"


def figure(text: str) -> Decimal:
    """A number that is not negative, exact. Raises `ValueError`."""
    if not _FIGURE.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def rate(text: str) -> Decimal:
    """A number above zero, exact. Raises `ValueError`."""
    number = figure(text)
    if not number:
        raise ValueError(text)
    return number


def allowance(text: str) -> Allowance:
    """`200000 VND/month`; without a period it is `total`. Raises `ValueError`."""
    amount, slash, period = text.partition("/")
    for known in _PERIODS:
        if period.strip() == known or not slash:
            return Allowance(Money.parse(amount), known if slash else "total")
    raise ValueError(text)


def port(text: str) -> int | None:
    """A port, or `None` for `off`. Raises `ValueError`."""
    if text == OFF:
        return None
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise ValueError(text)
    return int(text)


def port_text(value: int | None) -> str:
    """A port as it is written: `port(port_text(x)) == x`."""
    return OFF if value is None else str(value)


class Unit(Struct, frozen=True):
    """A kind of value: how it is read and written, and how an error and the JSON Schema describe it.

    `read` is `None` for secrets, which only the reader of files and environment can fetch.
    """

    name: str
    expected: str
    pattern: str
    read: Callable[[str], Any] | None
    write: Callable[[Any], str] = str
    #: A bare number may stand for it.
    number: bool = False


_NUMBER = r"([0-9]+(\.[0-9]+)?|\.[0-9]+)"
_DURATIONS = rf"^{_NUMBER}\s*(ms|s|m|h|d)?$"
_AMOUNT = r"([0-9][0-9_]*(\.[0-9]+)?|\.[0-9]+)\s*[A-Za-z]{3}"

UNITS = {
    unit.name: unit
    for unit in (
        Unit("duration", "a duration such as 5s, 500ms, 10m", _DURATIONS, seconds, duration, True),
        Unit("wait", "a duration above zero such as 5s, 500ms, 10m", _DURATIONS, wait, duration, True),
        Unit("size", "a size such as 64MB or 512KiB", rf"^{_NUMBER}\s*(B|[kKMG]i?B)?$", octets, size, True),
        Unit("percentage", "a percentage such as 5.5%", rf"^{_NUMBER}\s*%$", parts_per_million, percentage),
        Unit("figure", "a number that is not negative", r"", figure, plain, True),
        Unit("rate", "a number above zero", r"", rate, plain, True),
        Unit("money", "an amount of money such as 1000 VND or 0.05 USD", rf"^\s*{_AMOUNT}\s*$", Money.parse),
        Unit(
            "allowance",
            "an amount per day, week, month or total, such as 200000 VND/month",
            rf"^\s*{_AMOUNT}\s*(/\s*({'|'.join(_PERIODS)})\s*)?$",
            allowance,
        ),
        Unit("port", "a port from 0 to 65535, or off", r"^([0-9]{1,5}|off)$", port, port_text, True),
        Unit("secret", "env:NAME, file:/path or the secret itself", r"", None),
    )
}


def _meta(unit: str) -> Meta:
    return Meta(extra={"unit": unit})


Seconds = Annotated[float, _meta("duration")]
Wait = Annotated[float, _meta("wait")]
Bytes = Annotated[int, _meta("size")]
Percentage = Annotated[int, _meta("percentage")]
Figure = Annotated[Decimal, _meta("figure")]
PositiveFigure = Annotated[Decimal, _meta("rate")]
Amount = Annotated[Money, _meta("money")]
Spending = Annotated[Allowance, _meta("allowance")]
PortOrOff = Annotated[int | None, _meta("port")]
Hidden = Annotated[Secret, _meta("secret")]
