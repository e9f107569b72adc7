"""Money: prices, usage, cost, currencies. Integers inside, currencies at the edges.

A price is integer femto-USD (1e-15 USD) per token, so that any published price (USD per million tokens, up to nine
decimals) is exact. A cost is integer nano-USD (1e-9 USD), rounded half-even once. Another currency is
nano-USD times a dated rate, exact as a `Decimal`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation, localcontext

from msgspec import Struct
from msgspec.structs import replace

NANO = 1_000_000_000
FEMTO_PER_NANO = 1_000_000
PPM = 1_000_000

#: Decimals of an amount in USD.
_NANO_PLACES = 9
#: Wide enough that no product of a cost and a rate is ever rounded.
_EXACT = Context(prec=60)
_MONEY = re.compile(r"^\s*([0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]{3})\s*$")


class Usage(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a call consumed, in disjoint buckets of tokens (`requests` counts calls).

    `output` excludes `reasoning` and `audio_output`; `input` excludes cached and audio tokens.
    `reported_nano_usd` is the bill that the provider itself reported, if it did.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image: int = 0
    requests: int = 1
    reported_nano_usd: int | None = None

    @property
    def prompt_tokens(self) -> int:
        """All that went in."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h + self.audio_input + self.image

    @property
    def completion_tokens(self) -> int:
        """All that came out."""
        return self.output + self.reasoning + self.audio_output


#: The buckets that are priced per token, in the order of the ledger's columns.
BUCKETS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image",
)

#: What a bucket without a price of its own costs.
_INSTEAD = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_input": "input",
    "audio_output": "output",
    "image": "input",
}


class Price(Struct, frozen=True):
    """A dated price: femto-USD per token and bucket, nano-USD per request.

    `tiers` are (input tokens above which it holds, price) pairs, ascending. `id` names source and date.
    """

    id: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    reasoning: int
    audio_input: int
    audio_output: int
    image: int
    per_request: int = 0
    tiers: tuple[tuple[int, Price], ...] = ()

    @classmethod
    def per_million(cls, price_id: str, usd: Mapping[str, Decimal | str | float]) -> Price:
        """A price from USD per million tokens by bucket (`per_request` in USD).

        Floats are read as their shortest decimal. Raises `ValueError` on a negative, unknown or missing figure.
        """
        unknown = set(usd) - {*BUCKETS, "per_request"}
        if unknown:
            raise ValueError(f"a price has no `{min(unknown)}`; it has {', '.join(BUCKETS)}, per_request")
        figures = {name: _decimal(value) for name, value in usd.items()}
        rates: dict[str, int] = {}
        for bucket in BUCKETS:
            source = bucket
            while source not in figures and source in _INSTEAD:
                source = _INSTEAD[source]
            rates[bucket] = int((figures.get(source, Decimal(0)) * NANO).to_integral_value())
        if "input" not in figures and "output" not in figures and "per_request" not in figures:
            raise ValueError("a price needs at least one of input, output, per_request")
        per_request = int((figures.get("per_request", Decimal(0)) * NANO).to_integral_value())
        return cls(
            id=price_id,
            input=rates["input"],
            output=rates["output"],
            cache_read=rates["cache_read"],
            cache_write=rates["cache_write"],
            cache_write_1h=rates["cache_write_1h"],
            reasoning=rates["reasoning"],
            audio_input=rates["audio_input"],
            audio_output=rates["audio_output"],
            image=rates["image"],
            per_request=per_request,
        )

    def with_tiers(self, tiers: Mapping[int, Price]) -> Price:
        """The same price with other prices above certain input sizes (tokens)."""
        return replace(self, tiers=tuple(sorted(tiers.items())))

    def at(self, prompt_tokens: int) -> Price:
        """The price that holds for an input of that size."""
        price = self
        for threshold, tier in self.tiers:
            if prompt_tokens > threshold:
                price = tier
        return price


class Terms(Struct, frozen=True):
    """What is added to or taken off a list price, in millionths: `fee` of a gateway, `discount` of a contract."""

    fee_ppm: int = 0
    discount_ppm: int = 0


LIST_TERMS = Terms()


def _decimal(value: Decimal | str | float) -> Decimal:
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation as exc:
        raise ValueError(f"not a number: {value!r}") from exc
    if not number.is_finite() or number < 0:
        raise ValueError(f"a price cannot be {value}")
    return number


def _round_half_even(numerator: int, denominator: int) -> int:
    quotient = numerator // denominator
    twice = 2 * (numerator - quotient * denominator)
    if twice < denominator or (twice == denominator and not quotient & 1):
        return quotient
    return quotient + 1


def cost_nano_usd(price: Price, usage: Usage, terms: Terms = LIST_TERMS) -> int:
    """What `usage` costs at `price`, in nano-USD: exact, then rounded half-even once."""
    at = price
    if price.tiers:
        at = price.at(usage.prompt_tokens)
    femto = usage.input * at.input + usage.output * at.output
    # Most calls leave all others empty.
    if usage.cache_read or usage.cache_write or usage.cache_write_1h:
        femto += (
            usage.cache_read * at.cache_read
            + usage.cache_write * at.cache_write
            + usage.cache_write_1h * at.cache_write_1h
        )
    if usage.reasoning:
        femto += usage.reasoning * at.reasoning
    if usage.audio_input or usage.audio_output or usage.image:
        femto += usage.audio_input * at.audio_input + usage.audio_output * at.audio_output + usage.image * at.image
    if at.per_request:
        femto += usage.requests * at.per_request * FEMTO_PER_NANO
    if terms.fee_ppm or terms.discount_ppm:
        return _round_half_even(femto * (PPM + terms.fee_ppm) * (PPM - terms.discount_ppm), FEMTO_PER_NANO * PPM * PPM)
    # `_round_half_even`, said straight.
    nano = femto // FEMTO_PER_NANO
    twice = 2 * (femto - nano * FEMTO_PER_NANO)
    return nano if twice < FEMTO_PER_NANO or (twice == FEMTO_PER_NANO and not nano & 1) else nano + 1


def reported_cost_nano_usd(reported: int, terms: Terms = LIST_TERMS) -> int:
    """A bill that the provider reported, with our fee and discount on it."""
    return _round_half_even(reported * (PPM + terms.fee_ppm) * (PPM - terms.discount_ppm), PPM * PPM)


class Money(Struct, frozen=True):
    """An amount in a currency, as somebody wrote it."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> Money:
        """`"1000 VND"`, `"0.5 USD"`. Raises `ValueError` that says what is expected."""
        found = _MONEY.match(text)
        if not found:
            raise ValueError(f'not an amount of money: {text!r}; write it as "1000 VND" or "0.05 USD"')
        return cls(Decimal(found[1].replace("_", "")), found[2].upper())

    def __str__(self) -> str:
        return f"{format(self.amount, 'f')} {self.currency}"


class Rate(Struct, frozen=True):
    """Units of a currency per USD, and the day it was taken."""

    currency: str
    per_usd: Decimal
    as_of: dt.date


class Rates(Struct, frozen=True):
    """The dated rates in force; USD is always there."""

    default: str
    by_currency: dict[str, Rate]
    #: The rates of usual size as whole numbers: nano-USD times `factor` are so many of the last of `places` decimals.
    _whole: dict[str, tuple[int, int]] = {}

    def __post_init__(self) -> None:
        for currency, rate in self.by_currency.items():
            _, digits, exponent = rate.per_usd.as_tuple()
            if isinstance(exponent, int) and exponent < _NANO_PLACES:
                self._whole[currency] = int("".join(map(str, digits))), _NANO_PLACES - exponent

    def rate(self, currency: str) -> Rate:
        """The rate of a currency. Raises `ValueError` naming those that are known."""
        try:
            return self.by_currency[currency]
        except KeyError:
            known = ", ".join(sorted(self.by_currency))
            raise ValueError(f"no rate for {currency}; known: {known}; add it under currency.rates") from None

    def nano_usd(self, money: Money) -> int:
        """An amount in nano-USD, rounded down (a budget is never widened by rounding)."""
        with localcontext(_EXACT):
            return int(money.amount * NANO / self.rate(money.currency).per_usd)

    def amount(self, nano_usd: int, currency: str | None = None) -> Decimal:
        """Nano-USD in a currency (the default one), exact."""
        return _EXACT.divide(_EXACT.multiply(self.rate(currency or self.default).per_usd, nano_usd), NANO)

    def text(self, nano_usd: int, currency: str | None = None) -> str:
        """`"0.48129 VND"`: exact, not rounded, without trailing zeros."""
        currency = currency or self.default
        whole = self._whole.get(currency)
        if whole is None or nano_usd < 0:
            return f"{plain(self.amount(nano_usd, currency))} {currency}"
        factor, places = whole
        digits = str(nano_usd * factor)
        if len(digits) <= places:
            digits = digits.zfill(places + 1)
        part = digits[-places:].rstrip("0")
        return f"{digits[:-places]}.{part} {currency}" if part else f"{digits[:-places]} {currency}"


def plain(amount: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


#: Rates shipped with the release, used where the configuration names none. Mid-market, rounded, of the day named.
SHIPPED_RATES = (
    Rate("USD", Decimal(1), dt.date(2026, 11, 22)),
    Rate("VND", Decimal(26300), dt.date(2026, 11, 22)),
)


def rates(default: str = "USD", configured: Mapping[str, Rate] | None = None) -> Rates:
    """The shipped rates with the configured ones over them. Raises `ValueError` if the default has none."""
    table = {rate.currency: rate for rate in SHIPPED_RATES}
    table.update(configured or {})
    table["USD"] = SHIPPED_RATES[0]
    made = Rates(default, table)
    made.rate(default)
    return made
