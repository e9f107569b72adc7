"""A row and a setting made one."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.errors import ConfigError
from hybridge.providers.provider import configure, moved
from hybridge.providers.row import load_rows
from hybridge.providers.settings import ProviderSetting
from hybridge.types import Bounds, Kind, Quirks

ROWS = load_rows()


def surface(name: str, model: str = "m", **setting: Any) -> Any:
    return configure(ProviderSetting(id=name, **setting), ROWS.get(name)).surface(model)


def test_a_known_id_needs_nothing_else() -> None:
    found = surface("anthropic")
    assert (found.dialect, found.auth, found.base_url) == ("anthropic", "x_api_key", "https://api.anthropic.com/v1")
    assert found.headers == (("anthropic-version", "2023-06-01"),)
    assert found.forward == ("anthropic-beta", "anthropic-version")


def test_everything_of_a_row_can_be_overridden() -> None:
    found = surface(
        "mistral",
        base_url="http://127.0.0.1:1/v1/",
        auth="api_key",
        headers={"X-Team": "a"},
        quirks={"drop": ["seed"], "clamp": {"top_p": {"max": 0.5}}},
    )
    assert (found.base_url, found.auth, found.headers) == ("http://127.0.0.1:1/v1", "api_key", (("x-team", "a"),))
    assert found.quirks.drop == ("seed",)
    assert found.quirks.clamp == {"top_p": Bounds(max=0.5)}
    assert found.quirks.no_stream_options


def test_an_option_becomes_a_header_of_every_surface() -> None:
    for model in ("gpt-4o", "claude-3-haiku", "gemini-2.5-pro"):
        assert ("app-code", "secret") in surface("aihubmix", model, options={"app_code": "secret"}).headers


@pytest.mark.parametrize(
    ("model", "address"),
    [
        ("gpt-4o", "http://127.0.0.1:9/v1"),
        ("claude-3-haiku", "http://127.0.0.1:9/v1"),
        ("gemini-2.5-pro", "http://127.0.0.1:9/gemini/v1beta"),
    ],
)
def test_every_surface_moves_with_the_address(model: str, address: str) -> None:
    assert surface("aihubmix", model, base_url="http://127.0.0.1:9/v1").base_url == address


@pytest.mark.parametrize(
    ("to", "address"),
    [
        (None, "https://a.example/gemini/v1beta"),
        ("https://b.example/v1", "https://b.example/gemini/v1beta"),
        ("https://b.example/proxy/v1/", "https://b.example/proxy/gemini/v1beta"),
        ("https://b.example", "https://b.example/gemini/v1beta"),
    ],
)
def test_where_a_further_surface_moves(to: str | None, address: str) -> None:
    assert moved("https://a.example/gemini/v1beta", "https://a.example/v1", to) == address


def test_another_dialect_has_its_own_manners_and_one_surface() -> None:
    for model in ("gpt-4o", "gemini-2.5-pro"):
        found = surface("aihubmix", model, dialect="anthropic", base_url="https://b.example/v1")
        assert (found.dialect, found.auth) == ("anthropic", "x_api_key")
        assert found.headers == (("anthropic-version", "2023-06-01"),)
        assert found.base_url == "https://b.example/v1"
        assert found.quirks == Quirks()


@pytest.mark.parametrize(
    ("dialect", "auth"), [("openai", "bearer"), ("anthropic", "x_api_key"), ("gemini", "x_goog_api_key")]
)
def test_an_own_provider_speaks_its_dialect(dialect: str, auth: str) -> None:
    mine = configure(
        ProviderSetting(id="mine", kind=Kind.GATEWAY, dialect=dialect, base_url="https://c.example/v1"), None
    )
    assert (mine.kind, mine.surface("m").dialect, mine.surface("m").auth) == (Kind.GATEWAY, dialect, auth)
    assert repr(mine) == "<Provider mine gateway, 0 models>"


@pytest.mark.parametrize(
    ("name", "setting", "says"),
    [
        ("mine", {}, ["kind: a provider", "dialect: a provider", "base_url: a provider"]),
        ("openai", {"dialect": "openia"}, ["dialect: no 'openia'; did you mean openai?"]),
        ("openai", {"auth": "beare"}, ["auth: no 'beare'; did you mean bearer?"]),
        ("openai", {"base_url": "api.openai.com"}, ["base_url: 'api.openai.com' is no http address"]),
        ("openai", {"options": {"app_code": "x"}}, ["app_code: unknown key"]),
        ("aihubmix", {"options": {"app_cod": "x"}}, ["app_cod: unknown key; did you mean app_code?"]),
        ("openai", {"timeouts": {"conect": 1}}, ["timeouts.conect: unknown key; did you mean connect?"]),
        ("openai", {"quirks": {"drops": []}}, ["quirks: Object contains unknown field `drops`"]),
        ("openai", {"auth": "x", "dialect": "y"}, ["dialect: no 'y'", "auth: no 'x'"]),
    ],
)
def test_every_problem_is_told_with_its_place(name: str, setting: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        configure(ProviderSetting(id=name, **setting), ROWS.get(name))
    assert len(refusal.value.problems) == len(says)
    for problem, said in zip(refusal.value.problems, says, strict=True):
        assert problem.startswith(f"providers.{name}.{said}")


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(ProviderSetting(id="openai", keys=("secret",)))
