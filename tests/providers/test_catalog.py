"""From a name to deployments: PRODUCT.md, section 5, "A model name resolves in this order"."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import ConfigError
from hybridge.providers.catalog import Catalog
from hybridge.providers.deployments import MOST_STRAYS
from hybridge.providers.settings import ModelSetting, ProviderSetting
from hybridge.types import EVERYTHING, Kind, Limits, Needs, Timeouts

DAY = dt.date(2026, 11, 22)
MINI = ModelSetting(
    name="gpt-4o-mini",
    deployments=("openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini", "aihubmix/gpt-4o-mini"),
    fallbacks=("claude-3-haiku", "gemini-1.5-flash"),
    policy="cheapest",
)
ALL = ("openai", "anthropic", "google", "openrouter", "aihubmix", "groq", "mistral")


def catalog(*ids: str, models: tuple[ModelSetting, ...] = (), **options: Any) -> Catalog:
    return Catalog([ProviderSetting(id=name) for name in ids or ALL], models, day=DAY, **options)


def ids(found: Catalog, name: str) -> list[str]:
    resolved = found.resolve(name)
    return [deployment.id for deployment in resolved.deployments] if resolved else []


WHOLE = catalog(models=(MINI,))


def test_a_configured_name_comes_first() -> None:
    found = WHOLE.resolve("gpt-4o-mini")
    assert found is not None
    assert [deployment.id for deployment in found.deployments] == list(MINI.deployments)
    assert (found.how, found.written, found.first) == ("model", True, None)
    assert found.fallbacks == WHOLE.fallbacks("gpt-4o-mini") == ("claude-3-haiku", "gemini-1.5-flash")
    assert found.policy == "cheapest"


def test_a_configured_name_may_look_like_anything() -> None:
    odd = ModelSetting(name="openai/gpt-4o", deployments=("groq/llama-3.3-70b-versatile",))
    found = catalog(models=(odd,)).resolve("openai/gpt-4o")
    assert found is not None
    assert (found.how, found.deployments[0].provider) == ("model", "groq")


def test_a_configured_model_without_deployments_has_those_of_the_catalogue() -> None:
    sonnet = ModelSetting(name="claude-3-sonnet", fallbacks=("gpt-4o",))
    found = catalog("anthropic", "openrouter", models=(sonnet,)).resolve("claude-3-sonnet")
    assert found is not None
    assert [deployment.provider for deployment in found.deployments] == ["anthropic", "openrouter"]
    assert (found.written, found.fallbacks) == (False, ("gpt-4o",))


def test_a_deployment_id_stands_first_and_the_others_follow() -> None:
    found = WHOLE.resolve("openrouter/openai/gpt-4o-mini")
    assert found is not None and found.first is not None
    assert found.how == "deployment"
    assert [deployment.id for deployment in found.deployments] == [
        "openrouter/openai/gpt-4o-mini",
        "openai/gpt-4o-mini",
        "aihubmix/gpt-4o-mini",
    ]
    assert found.first is found.deployments[0]
    assert found.fallbacks == MINI.fallbacks


def test_a_deployment_id_without_a_setting_is_followed_by_the_catalogue() -> None:
    assert ids(WHOLE, "openrouter/anthropic/claude-3-haiku") == [
        "openrouter/anthropic/claude-3-haiku",
        "anthropic/claude-3-haiku-20240307",
        "aihubmix/claude-3-haiku-20240307",
    ]


def test_a_deployment_id_wins_over_a_slug() -> None:
    found = WHOLE.resolve("google/gemini-2.5-pro")
    assert found is not None and found.first is not None
    assert (found.first.id, found.how) == ("google/gemini-2.5-pro", "deployment")


def test_a_slug_is_understood_where_its_author_is_not_configured() -> None:
    for name in ("anthropic/claude-3-haiku", "anthropic/claude-haiku-4.5"):
        found = catalog("openrouter", "openai").resolve(name)
        assert found is not None
        assert (found.how, found.first) == ("slug", None)
        assert [deployment.id for deployment in found.deployments] == [f"openrouter/{name}"]


def test_a_slug_reaches_other_gateways_too() -> None:
    found = catalog("aihubmix", "openai").resolve("anthropic/claude-3-haiku")
    assert found is not None
    assert [deployment.id for deployment in found.deployments] == ["aihubmix/claude-3-haiku-20240307"]


def test_what_a_configured_author_does_not_serve_itself_is_a_slug() -> None:
    found = WHOLE.resolve("openai/gpt-oss-120b")
    assert found is not None
    assert "openai" not in {deployment.provider for deployment in found.deployments}
    assert {"openrouter", "groq"} <= {deployment.provider for deployment in found.deployments}


@pytest.mark.parametrize(
    "name", ["claude-3-haiku", "Claude-3-Haiku", "claude-3-haiku-20240307", "claude-3-haiku-latest"]
)
def test_aliases(name: str) -> None:
    found = WHOLE.resolve(name)
    assert found is not None
    assert (found.name, found.how) == ("claude-3-haiku", "catalogue")
    assert [deployment.id for deployment in found.deployments] == [
        "anthropic/claude-3-haiku-20240307",
        "openrouter/anthropic/claude-3-haiku",
        "aihubmix/claude-3-haiku-20240307",
    ]


def test_dotted_and_dashed_versions_are_one_model() -> None:
    assert ids(WHOLE, "claude-3.5-haiku") == ids(WHOLE, "claude-3-5-haiku") != []
    assert ids(WHOLE, "claude-haiku-4.5")[0] == "anthropic/claude-haiku-4-5"


def test_a_version_with_a_date_is_asked_for_where_it_exists() -> None:
    assert ids(WHOLE, "gpt-4o-2024-08-06")[:2] == ["openai/gpt-4o-2024-08-06", "openrouter/openai/gpt-4o-2024-08-06"]
    assert ids(WHOLE, "claude-haiku-4-5-20251001") == [
        "anthropic/claude-haiku-4-5-20251001",
        "openrouter/anthropic/claude-haiku-4.5",
        "aihubmix/claude-haiku-4-5-20251001",
    ]


def test_one_model_has_one_name_everywhere() -> None:
    names = {deployment.name for deployment in WHOLE.deployments_of("gpt-4o-mini")}
    assert names == {"gpt-4o-mini"}
    assert {deployment.name for deployment in WHOLE.deployments_of("claude-3.5-haiku")} == {"claude-3-5-haiku"}


def test_the_order_is_that_of_the_providers() -> None:
    for order in itertools.permutations(("openai", "openrouter", "aihubmix")):
        assert [deployment.provider for deployment in catalog(*order).deployments_of("gpt-4o")] == list(order)


def test_an_id_as_written_is_kept_and_the_real_name_is_sent() -> None:
    haiku = ModelSetting(name="claude-3-haiku", deployments=("anthropic/claude-3-haiku", "aihubmix/claude-3-haiku"))
    found = catalog(models=(haiku,)).deployments_of("claude-3-haiku")
    assert [(deployment.id, deployment.model) for deployment in found] == [
        ("anthropic/claude-3-haiku", "claude-3-haiku-20240307"),
        ("aihubmix/claude-3-haiku", "claude-3-haiku-20240307"),
    ]
    assert found[1].surface.dialect == "anthropic"


def test_a_deployment_is_one_object_by_whatever_name() -> None:
    one = WHOLE.deployment("anthropic/claude-3-haiku")
    assert one is not None
    assert one is WHOLE.deployment("anthropic/claude-3-haiku-20240307")
    assert one is WHOLE.deployments_of("claude-3-haiku")[0]
    assert WHOLE.deployment("openai/gpt-unheard-of") is WHOLE.deployment("openai/gpt-unheard-of")


def test_what_is_written_follows_also_at_the_same_provider() -> None:
    both = ("anthropic/claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5")
    haiku = catalog("anthropic", models=(ModelSetting(name="claude-haiku-4-5", deployments=both),))
    assert ids(haiku, both[1]) == [both[1], both[0]]


def test_any_model_of_a_configured_provider_resolves() -> None:
    found = WHOLE.resolve("openai/gpt-unheard-of")
    assert found is not None and found.first is not None
    assert (found.first.id, found.first.model, found.first.name) == (
        "openai/gpt-unheard-of",
        "gpt-unheard-of",
        "gpt-unheard-of",
    )
    assert (found.first.offers, found.first.price, found.first.limits) == (EVERYTHING, None, Limits())
    assert WHOLE.deployment("nobody/gpt-4o") is None
    assert WHOLE.deployment("openai") is None
    assert WHOLE.deployment("openai/") is None


def test_an_id_may_hold_slashes_and_colons() -> None:
    found = catalog("ollama").resolve("ollama/hf.co/some/model:Q4_K_M")
    assert found is not None
    assert found.deployments[0].model == "hf.co/some/model:Q4_K_M"


def test_an_unknown_name_goes_to_every_gateway() -> None:
    found = WHOLE.resolve("new-lab/brand-new")
    assert found is not None
    assert [(each.id, each.model) for each in found.deployments] == [
        ("openrouter/new-lab/brand-new", "new-lab/brand-new"),
        ("aihubmix/new-lab/brand-new", "new-lab/brand-new"),
    ]
    assert found.how == "unknown"
    assert WHOLE.deployments_of("new-lab/brand-new") == ()


def test_an_unknown_name_without_a_gateway_is_nobodys() -> None:
    assert catalog("openai").resolve("brand-new") is None
    assert catalog("openai").fallbacks("brand-new") == ()


def test_an_unknown_name_may_be_rejected() -> None:
    assert catalog("openrouter", unknown_models="reject").resolve("brand-new") is None


def test_an_unknown_name_may_be_passed_to_one() -> None:
    assert ids(catalog("openai", "openrouter", unknown_models="pass:openai"), "brand-new") == ["openai/brand-new"]


def test_an_unknown_model_that_is_configured_goes_the_same_way() -> None:
    brand_new = ModelSetting(name="brand-new", fallbacks=("gpt-4o",))
    found = catalog("openai", "openrouter", models=(brand_new,)).resolve("brand-new")
    assert found is not None
    assert ([each.id for each in found.deployments], found.fallbacks) == (["openrouter/brand-new"], ("gpt-4o",))


@pytest.mark.parametrize(
    ("name", "first", "sort"),
    [
        ("gpt-4o-mini:floor", "openai/gpt-4o-mini", "price"),
        ("gpt-4o-mini:nitro", "openai/gpt-4o-mini", "throughput"),
        ("gpt-4o-mini:free", "openai/gpt-4o-mini", None),
        ("openai/gpt-4o-mini:nitro", "openai/gpt-4o-mini", "throughput"),
        ("meta-llama/llama-3.3-70b-instruct:floor", "openrouter/meta-llama/llama-3.3-70b-instruct", "price"),
    ],
)
def test_a_suffix_is_cut_from_what_is_unknown_with_it(name: str, first: str, sort: str | None) -> None:
    found = WHOLE.resolve(name)
    assert found is not None
    assert (found.deployments[0].id, found.sort) == (first, sort)


def test_a_suffix_that_belongs_to_a_name_stays() -> None:
    free = next(
        entry.listed.id for entry in WHOLE.providers["openrouter"].stock.entries if entry.listed.id.endswith(":free")
    )
    found = WHOLE.resolve(free)
    assert found is not None
    assert (found.deployments[0].model, found.sort) == (free, None)
    assert ids(WHOLE, "brand-new:nitro")[0] == "openrouter/brand-new:nitro"


def test_auto_is_no_model() -> None:
    assert WHOLE.resolve("auto") is None
    assert ids(WHOLE, "openrouter/auto") == ["openrouter/openrouter/auto"]
    assert ids(catalog(models=(ModelSetting(name="auto", deployments=("openai/gpt-4o",)),)), "auto") == [
        "openai/gpt-4o"
    ]


def test_deployments_of_providers_that_are_off_are_passed_over() -> None:
    assert ids(catalog("openai", models=(MINI,)), "gpt-4o-mini") == ["openai/gpt-4o-mini"]
    found = catalog("anthropic", models=(MINI,)).resolve("gpt-4o-mini")
    assert found is not None
    assert (found.deployments, found.fallbacks) == ((), MINI.fallbacks)


def test_an_own_provider() -> None:
    mine = ProviderSetting(id="mine", kind=Kind.DIRECT, dialect="openai", base_url="http://127.0.0.1:8000/v1/")
    both = Catalog([mine, ProviderSetting(id="openai")], [ModelSetting(name="mini", deployments=("mine/gpt-4o-mini",))])
    (deployment,) = both.deployments_of("mini")
    assert (deployment.id, deployment.name, deployment.kind) == ("mine/gpt-4o-mini", "gpt-4o-mini", Kind.DIRECT)
    assert (deployment.offers, deployment.price) == (EVERYTHING, None)
    assert (deployment.surface.base_url, deployment.surface.auth) == ("http://127.0.0.1:8000/v1", "bearer")


def test_models_are_listed_once_with_their_deployments() -> None:
    listing = {model.name: model.deployments for model in WHOLE.models()}
    assert len(listing) == len(WHOLE.models()) == len(WHOLE.names())
    assert next(iter(listing)) == "gpt-4o-mini"
    assert "auto" not in listing
    assert [deployment.id for deployment in listing["gpt-4o-mini"]] == list(MINI.deployments)
    assert all(listing.values())


def test_every_listed_id_resolves_to_its_own_model() -> None:
    everyone = catalog(*sorted(catalog().providers))
    for provider in everyone.providers.values():
        for entry in provider.stock.entries:
            deployment = everyone.deployment(f"{provider.id}/{entry.listed.id}")
            assert deployment is not None
            assert (deployment.model, deployment.name) == (entry.listed.id, entry.listed.name)


@given(st.text(min_size=1, max_size=40))
def test_no_name_breaks_it(name: str) -> None:
    for each in (name, f"openai/{name}", f"{name}:nitro", f"openrouter/{name}"):
        found = WHOLE.resolve(each)
        if found is not None:
            keys = [(deployment.provider, deployment.model) for deployment in found.deployments]
            assert len(keys) == len(set(keys))
            assert found.first is None or found.first is found.deployments[0]


def test_made_up_names_do_not_fill_the_memory() -> None:
    small = catalog("openrouter")
    first, listed = small.deployment("openrouter/made-up"), small.deployment("openrouter/openai/gpt-4o")
    for number in range(MOST_STRAYS - 1):
        small.resolve(f"made-up-{number}")
    assert small.deployment("openrouter/made-up") is first
    small.resolve("one-too-many")
    assert small.deployment("openrouter/made-up") is not first
    assert small.deployment("openrouter/openai/gpt-4o") is listed


def test_a_known_name_is_resolved_once() -> None:
    assert WHOLE.resolve("gpt-4o") is WHOLE.resolve("gpt-4o")


def test_offers_are_those_of_the_catalogue() -> None:
    mini = WHOLE.deployment("openai/gpt-4o-mini")
    old = WHOLE.deployment("openai/gpt-4")
    assert mini is not None and old is not None
    able = Needs.VISION | Needs.TOOLS | Needs.PARALLEL_TOOLS | Needs.JSON_SCHEMA | Needs.JSON_OBJECT | Needs.STREAMING
    assert able in mini.offers
    assert Needs.REASONING not in mini.offers
    assert Needs.VISION not in old.offers
    assert Needs.JSON_SCHEMA not in old.offers
    assert Needs.JSON_OBJECT | Needs.STREAMING in old.offers
    assert mini.limits == Limits(128_000, 16_384)


def test_what_a_provider_lacks_none_of_its_models_has() -> None:
    deployment = catalog("straico").deployment("straico/anything")
    assert deployment is not None
    assert deployment.offers == EVERYTHING & ~Needs.STREAMING


def test_a_row_adds_what_the_sources_deny() -> None:
    found = catalog("openai", "openrouter")
    turbo = found.deployment("openai/gpt-3.5-turbo")
    assert turbo is not None
    assert Needs.TOOLS in turbo.offers
    assert Needs.VISION not in turbo.offers
    resold = found.deployment("openrouter/openai/gpt-4o-mini")
    assert resold is not None
    assert Needs.FILES in resold.offers


def test_a_gateways_gaps_are_filled_from_the_maker() -> None:
    gateway = ProviderSetting(id="shop", kind=Kind.GATEWAY, dialect="openai", base_url="https://shop.example/v1")
    found = Catalog([gateway], day=DAY).deployment("shop/gpt-4o-mini")
    assert found is not None and found.price is not None
    assert found.limits == Limits(128_000, 16_384)
    assert Needs.REASONING not in found.offers
    assert "/openai/gpt-4o-mini" in found.price.id


def test_timeouts_come_from_the_nearest() -> None:
    slow = ProviderSetting(id="openai", timeouts={"total": 60.0, "connect": 2.0})
    model = ModelSetting(name="gpt-4o-mini", deployments=("openai/gpt-4o-mini",), timeouts={"total": 30.0})
    found = Catalog([slow], [model], timeouts=Timeouts(idle=9.0), day=DAY)
    mini, other = found.deployment("openai/gpt-4o-mini"), found.deployment("openai/gpt-4o")
    assert mini is not None and other is not None
    assert (mini.timeouts.total, mini.timeouts.connect, mini.timeouts.idle) == (30.0, 2.0, 9.0)
    assert (other.timeouts.total, other.timeouts.first_token) == (60.0, 30.0)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("gateways", "'gateways' is none of gateway, reject, pass:PROVIDER"),
        ("pass:openia", r"no provider 'openia' is on; did you mean openai\?"),
    ],
)
def test_a_wrong_rule_is_refused(rule: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        catalog("openai", unknown_models=rule)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"price": {"openai/gpt-4o": {"inputs": Decimal(1)}}}, "price.openai/gpt-4o: a price has no `inputs`"),
        ({"assume_price": {"input": -1}}, "assume_price: a price cannot be -1"),
        ({"timeouts": {"conect": 1.0}}, "timeouts.conect: unknown key; did you mean connect?"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(setting: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        catalog("openai", models=(ModelSetting(name="m", **setting),))
    assert refusal.value.problems[0] == f"models.m.{says}" or refusal.value.problems[0].startswith(f"models.m.{says};")


def test_it_tells_what_it_is() -> None:
    assert repr(WHOLE).startswith("<Catalog of ") and repr(WHOLE).endswith(" at 7 providers>")


def test_the_problems_of_all_providers_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as refusal:
        Catalog([ProviderSetting(id="openai", dialect="x"), ProviderSetting(id="groq", auth="y")])
    assert [problem.partition(":")[0] for problem in refusal.value.problems] == [
        "providers.openai.dialect",
        "providers.groq.auth",
    ]


def test_a_configured_name_is_meant_by_its_aliases_too() -> None:
    haiku = ModelSetting(name="claude-3-haiku", deployments=("openrouter/anthropic/claude-3-haiku",), fallbacks=("a",))
    found = catalog(models=(haiku,)).resolve("claude-3-haiku-20240307")
    assert found is not None
    assert ([each.id for each in found.deployments], found.fallbacks) == (list(haiku.deployments), ("a",))
