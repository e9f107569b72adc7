"""Which configuration holds: a file that is named, one that lies here, the environment, demo mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.config import Overrides, Secret, find, from_environment, read
from hybridge.errors import ConfigError
from hybridge.providers.row import load_rows

ENVIRON = {"OPENAI_API_KEY": "canary"}
NAMED = "providers: {openai: {keys: [one]}}\nserver: {port: 1}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_option_wins_over_the_variable_over_the_file_here_over_the_environment(here: Path) -> None:
    assert find(None, ENVIRON).path is None
    (here / "hybridge.yaml").write_text(NAMED)
    assert find(None, ENVIRON).config.server.port == 1
    (here / "two.yaml").write_text(NAMED.replace("port: 1", "port: 2"))
    assert find(None, ENVIRON | {"HYBRIDGE_CONFIG": "two.yaml"}).config.server.port == 2
    (here / "three.yaml").write_text(NAMED.replace("port: 1", "port: 3"))
    found = find(Path("three.yaml"), ENVIRON | {"HYBRIDGE_CONFIG": "two.yaml"})
    assert (found.config.server.port, found.path, found.demo) == (3, Path("three.yaml"), False)


@pytest.mark.parametrize("environ", [{}, {"HYBRIDGE_CONFIG": "gone.yaml"}])
def test_a_file_that_is_named_must_be_there(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: the configuration cannot be read: No such file or directory"):
        find(None if environ else Path("gone.yaml"), environ)


def test_the_environment_switches_providers_on() -> None:
    found = find(None, {"GOOGLE_API_KEY": "canary-g", "OPENAI_API_KEY": " canary-o\n", "GROQ_API_KEY": ""})
    assert {name: provider.keys for name, provider in found.config.providers.items()} == {
        "google": (Secret("canary-g"),),
        "openai": (Secret("canary-o"),),
    }
    assert "canary" not in repr(found)


def test_every_row_can_be_switched_on_by_each_of_its_variables() -> None:
    for row in load_rows().values():
        for variable in row.env:
            assert row.id in from_environment({variable: "canary"}).config.providers


@pytest.mark.parametrize("environ", [{}, ENVIRON])
def test_without_a_file_the_environment_has_the_token_of_the_control_plane(environ: dict[str, str]) -> None:
    assert find(None, environ).config.admin.token is None
    assert find(None, environ | {"HYBRIDGE_ADMIN_TOKEN": " "}).config.admin.token is None
    token = find(None, environ | {"HYBRIDGE_ADMIN_TOKEN": "canary-t\n"}).config.admin.token
    assert (token, repr(token)) == (Secret("canary-t"), "<Secret env:HYBRIDGE_ADMIN_TOKEN>")


def test_a_file_says_itself_what_the_token_is(here: Path) -> None:
    (here / "hybridge.yaml").write_text(NAMED)
    assert find(None, {"HYBRIDGE_ADMIN_TOKEN": "canary-t"}).config.admin.token is None


@pytest.mark.parametrize(
    ("written", "port"),
    [("admin_port: off", None), ("admin_port: 0", 0), ("admin_port: 9081", 9081), ("port: 1", 8081)],
)
def test_a_control_plane_may_have_no_port(written: str, port: int | None) -> None:
    text = f"providers: {{openai: {{keys: [one]}}}}\nserver: {{{written}}}"
    found = read(text, {})
    assert found.config.server.admin_port == port
    assert found.report.given(("server", "admin_port")) == ("admin" in written)
    off = read(text, {}, overrides=Overrides(admin_port="off"))
    assert off.config.server.admin_port is None
    assert off.report.given(("server", "admin_port"))


@pytest.mark.parametrize("written", ["of", "-1", "65536", "8081.5", "", "on"])
def test_a_port_of_the_control_plane_that_is_none(written: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.admin_port: expected a port from 0 to 65535, or off"):
        read(f"providers: {{openai: {{keys: [one]}}}}\nserver: {{admin_port: {written}}}", {})


def test_the_code_of_an_application_comes_from_the_environment() -> None:
    environ = {"AIHUBMIX_API_KEY": "canary", "AIHUBMIX_APP_CODE": "code", "OPENAI_APP_CODE": "x", "OPENAI_API_KEY": "y"}
    providers = from_environment(environ).config.providers
    assert providers["aihubmix"].app_code == Secret("code")
    assert providers["openai"].app_code is None


def test_with_neither_file_nor_key_it_is_a_demo() -> None:
    found = find(None, {}, overrides=Overrides(port=0))
    assert (found.demo, found.config.server.port, found.config.ledger_path) == (True, 0, "hybridge-demo.db")
    assert found.config.providers == {}


def test_a_demo_can_be_asked_for(here: Path) -> None:
    (here / "hybridge.yaml").write_text(NAMED)
    assert find(None, ENVIRON, demo=True).demo


@pytest.mark.parametrize("demo", [True, False])
def test_a_demo_is_on_loopback_only(demo: bool) -> None:
    with pytest.raises(ConfigError, match=r"command line: server\.host: demo mode runs on loopback only"):
        find(None, {}, demo=demo, overrides=Overrides(host="0.0.0.0"))


def test_a_file_without_usable_key_is_no_demo(here: Path) -> None:
    (here / "hybridge.yaml").write_text("providers: {openai: }")
    with pytest.raises(ConfigError) as caught:
        find(None, {})
    assert caught.value.problems == ("hybridge.yaml:1: providers: no provider has a usable key; set OPENAI_API_KEY",)
    assert not find(None, {}, need_keys=False).demo


def test_the_environment_alone_does_not_open_beyond_loopback() -> None:
    with pytest.raises(ConfigError, match=r"environment: access\.mode: 0\.0\.0\.0 can be reached"):
        find(None, ENVIRON, overrides=Overrides(host="0.0.0.0"))
