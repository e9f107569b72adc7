"""List prices of the catalogue, exact, and the operator's own over them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from hybridge.money import Terms, Usage, cost_nano_usd
from hybridge.providers.catalog import Catalog
from hybridge.providers.settings import ModelSetting, ProviderSetting
from hybridge.types import Deployment

DAY = dt.date(2026, 11, 22)
#: USD per million tokens in femto-USD per token.
USD = 1_000_000_000


def at(deployment_id: str, *models: ModelSetting, day: dt.date = DAY) -> Deployment:
    provider = deployment_id.partition("/")[0]
    found = Catalog([ProviderSetting(id=provider)], models, day=day).deployment(deployment_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("deployment_id", "figures"),
    [
        ("openai/gpt-4o-mini", {"input": "0.15", "output": "0.60", "cache_read": "0.075"}),
        (
            "anthropic/claude-3-haiku",
            {"input": "0.25", "output": "1.25", "cache_read": "0.03", "cache_write": "0.30", "cache_write_1h": "0.50"},
        ),
        ("openrouter/openai/gpt-4o-mini", {"input": "0.15", "output": "0.60"}),
        ("openrouter/anthropic/claude-3-haiku", {"input": "0.25", "output": "1.25", "cache_read": "0.03"}),
        ("aihubmix/gpt-4o-mini", {"input": "0.15", "output": "0.60", "cache_read": "0.075"}),
        ("google/gemini-2.5-pro", {"input": "1.25", "output": "10", "cache_read": "0.125"}),
        ("google/gemini-2.5-flash", {"input": "0.30", "output": "2.50", "audio_input": "1"}),
        ("google/gemini-1.5-flash", {"input": "0.075", "output": "0.30"}),
    ],
)
def test_known_prices(deployment_id: str, figures: dict[str, str]) -> None:
    price = at(deployment_id).price
    assert price is not None
    assert {bucket: getattr(price, bucket) for bucket in figures} == {
        bucket: int(Decimal(usd) * USD) for bucket, usd in figures.items()
    }


def test_a_price_names_source_date_and_whose_it_is() -> None:
    price, resold = at("openai/gpt-4o-mini").price, at("aihubmix/gpt-4o-mini").price
    assert price is not None and resold is not None
    source, _, rest = price.id.partition("@")
    assert source.startswith("genai-prices-")
    assert rest == "2026-11-22/openai/gpt-4o-mini"
    assert resold.id == price.id


def test_a_long_input_has_another_price() -> None:
    price = at("google/gemini-2.5-pro").price
    assert price is not None
    assert price.at(200_000).input == int(Decimal("1.25") * USD)
    assert price.at(200_001).input == int(Decimal("2.5") * USD)
    assert price.at(200_001).output == 15 * USD
    assert cost_nano_usd(price, Usage(input=300_000)) == 750_000_000


def test_a_price_that_is_known_to_change_changes_on_its_day() -> None:
    before, after = at("google/gemini-4-argon").price, at("google/gemini-4-argon", day=dt.date(2026, 12, 1)).price
    assert before is not None and after is not None
    assert (before.input, after.input) == (2 * USD, 4 * USD)
    assert before.id != after.id


def test_a_discount_of_the_hour_is_not_promised() -> None:
    price = at("deepseek/deepseek-chat").price
    assert price is not None
    assert (price.input, price.output) == (int(Decimal("0.27") * USD), int(Decimal("1.1") * USD))


def test_own_prices_win() -> None:
    own = ModelSetting(name="gpt-4o-mini", price={"openai/gpt-4o-mini": {"input": 0.1, "output": "0.5"}})
    price = at("openai/gpt-4o-mini", own).price
    assert price is not None
    assert (price.id, price.input, price.output) == ("configuration/openai/gpt-4o-mini", USD // 10, USD // 2)


def test_an_own_price_holds_for_a_deployment_nobody_lists() -> None:
    own = ModelSetting(name="mine", deployments=("ollama/m",), price={"ollama/m": {"per_request": "0.001"}})
    price = at("ollama/m", own).price
    assert price is not None
    assert cost_nano_usd(price, Usage(input=1000, output=1000)) == 1_000_000


@pytest.mark.parametrize("written", [("ollama/m",), ()])
def test_an_assumed_price_is_no_price(written: tuple[str, ...]) -> None:
    own = ModelSetting(name="m", deployments=written, assume_price={"input": 1, "output": 2})
    found = at("ollama/m", own)
    assert found.price is None
    assert found.assume_price is not None
    assert (found.assume_price.id, found.assume_price.output) == ("assumed/ollama/m", 2 * USD)


def test_an_unknown_price_is_none_and_never_zero() -> None:
    assert at("openai/gpt-unheard-of").price is None
    assert at("zhipu-coding/glm-4.7").price is None


def test_a_free_model_costs_nothing() -> None:
    catalog = Catalog([ProviderSetting(id="openrouter")], day=DAY)
    free = [entry.listed.id for entry in catalog.providers["openrouter"].stock.entries if ":free" in entry.listed.id]
    prices = [deployment.price for name in free if (deployment := catalog.deployment(f"openrouter/{name}"))]
    assert any(price is not None for price in prices)
    assert all(price is None or (price.input, price.output) == (0, 0) for price in prices)


def test_fees_of_the_row_and_of_the_operator() -> None:
    def terms(setting: ProviderSetting) -> Terms:
        found = Catalog([setting]).deployment(f"{setting.id}/anything")
        assert found is not None
        return found.terms

    assert terms(ProviderSetting(id="openrouter")) == Terms(55_000, 0)
    assert terms(ProviderSetting(id="openrouter", fee_ppm=0, discount_ppm=10_000)) == Terms(0, 10_000)
    assert terms(ProviderSetting(id="openai")) == Terms()
