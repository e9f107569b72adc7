"""`check`, `explain`, `providers`, `models`: what a configuration means, told to people and to programs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hybridge.providers.row import load_rows
from hybridge.resilience.keys import fingerprint
from tests.cli.running import CANARY, Shell

TWO = """\
providers:
  openai: {keys: [env:OPENAI_API_KEY]}
  openrouter: {keys: [env:OPENROUTER_API_KEY]}
  groq:
models:
  gpt-4o-mini:
    deployments: [openai/gpt-4o-mini, openrouter/openai/gpt-4o-mini]
    fallbacks:
      - gpt-3.5-turbo
      - nobody-makes-this
"""
KEYS = {"OPENAI_API_KEY": CANARY, "OPENROUTER_API_KEY": CANARY}


class Listed(BaseHTTPRequestHandler):
    """A provider's list of models, for one good key; below `/open` for anybody."""

    def do_GET(self) -> None:
        good = self.headers["authorization"] == f"Bearer {CANARY}" and self.path == "/v1/models"
        listed = good or self.path == "/open/models"
        body = json.dumps({"data": [{"id": "here-20260101"}]} if listed else {"error": {"message": "no"}}).encode()
        self.send_response(200 if listed else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Listed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_check_prints_routes_and_warns_at_their_places(shell: Shell) -> None:
    shell.write("hybridge.yaml", TWO)
    done = shell.run("check", **KEYS)
    assert done.code == 0
    assert done.out.startswith("hybridge.yaml: 2 providers on: openai, openrouter\n")
    lines = [line.split() for line in done.out.splitlines()]
    assert ["gpt-4o-mini", "1", "openai/gpt-4o-mini", "direct", "openai", "0.15/0.6"] in [line[:6] for line in lines]
    assert ["2", "openrouter/openai/gpt-4o-mini", "gateway", "openai", "0.15/0.6"] in [line[:5] for line in lines]
    assert ["then", "gpt-3.5-turbo"] in lines
    assert "Warning: hybridge.yaml:4: providers.groq: off: it has no usable key; set GROQ_API_KEY\n" in done.err
    assert "Warning: hybridge.yaml:9: models.gpt-4o-mini.fallbacks[0]: gpt-3.5-turbo offers no vision" in done.err
    assert "Warning: hybridge.yaml:10: models.gpt-4o-mini.fallbacks[1]: nobody-makes-this: no provider" in done.err


def test_check_as_json(shell: Shell) -> None:
    shell.write("other.yaml", TWO)
    told = shell.run("check", "--config", "other.yaml", "--format", "json", **KEYS).json()
    assert (told["ok"], told["errors"], told["live"]) == (True, [], [])
    (route,) = told["routes"]
    assert [one["deployment"] for one in route["deployments"]] == [
        "openai/gpt-4o-mini",
        "openrouter/openai/gpt-4o-mini",
    ]
    assert route["deployments"][0]["price_usd_per_million"]["input"] == "0.15"
    assert len(told["warnings"]) == 3


def test_check_as_json_tells_errors_too(shell: Shell) -> None:
    shell.write("hybridge.yaml", "provders: {}")
    done = shell.run("check", "--format", "json")
    assert done.code == 1
    assert done.json()["ok"] is False
    assert any("did you mean providers?" in error for error in done.json()["errors"])


def test_check_without_models_says_where_they_are(shell: Shell) -> None:
    done = shell.run("check", **KEYS)
    assert done.code == 0
    assert done.out.startswith("the environment: 2 providers on: openai, openrouter\n")
    assert "hybridge models" in done.out


def test_check_prints_the_schema(shell: Shell) -> None:
    assert shell.run("check", "--schema").json()["title"] == "Hybridge configuration"


def test_check_live_asks_every_provider_with_every_key(shell: Shell, address: str) -> None:
    shell.write(
        "hybridge.yaml",
        "providers:\n"
        f"  mine: {{kind: direct, dialect: openai, base_url: '{address}', keys: [env:GOOD, env:BAD]}}\n"
        "  gone: {kind: direct, dialect: openai, base_url: 'http://127.0.0.1:9/v1', keys: [none]}\n",
    )
    done = shell.run("check", "--live", "--format", "json", GOOD=CANARY, BAD="wrong-key")
    assert done.code == 1
    said = {(one["provider"], one["key"]): (one["ok"], one["said"]) for one in done.json()["live"]}
    assert said[("mine", "env:GOOD")] == (True, "it answers")
    assert said[("mine", "env:BAD")] == (False, "it refuses the key (HTTP 401)")
    assert said[("gone", "none")][0] is False
    assert "wrong-key" not in done.out + done.err
    table = shell.run("check", "--live", GOOD=CANARY, BAD="wrong-key")
    assert table.code == 1
    assert "it refuses the key (HTTP 401)" in table.out


def test_check_live_with_good_keys_is_content(shell: Shell, address: str) -> None:
    shell.write(
        "hybridge.yaml",
        f"providers: {{mine: {{kind: direct, dialect: openai, base_url: '{address}', keys: [env:GOOD]}}}}",
    )
    done = shell.run("check", "--live", GOOD=CANARY)
    assert (done.code, done.err) == (0, "")
    assert "it answers" in done.out


def test_check_live_tells_which_models_are_missing_and_what_a_list_proves(shell: Shell, address: str) -> None:
    shell.write(
        "hybridge.yaml",
        "providers:\n"
        f"  mine: {{kind: direct, dialect: openai, base_url: '{address}', keys: [env:GOOD]}}\n"
        f"  open: {{kind: direct, dialect: openai, base_url: '{address[:-3]}/open', keys: [env:GOOD]}}\n"
        "models: {m: {deployments: [mine/here, mine/gone, open/gone]}}\n",
    )
    done = shell.run("check", "--live", "--format", "json", GOOD=CANARY)
    assert done.code == 0
    mine, public = done.json()["live"]
    assert (mine["models"], mine["missing"], mine["balance"]) == (1, ["gone"], None)
    assert (mine["fingerprint"], mine["said"]) == (fingerprint(CANARY), "it answers")
    assert mine["ms"] >= 0
    assert "proves no key" in public["said"]
    (row,) = [
        line.split()
        for line in shell.run("check", "--live", GOOD=CANARY).out.splitlines()
        if "env:GOOD" in line and "mine" in line
    ]
    assert row[:4] == ["mine", "env:GOOD", fingerprint(CANARY), "ok"]
    assert row[5:7] == ["1", "gone"]


def test_check_live_in_a_demo_asks_the_simulated_providers(shell: Shell) -> None:
    done = shell.run("check", "--live", "--format", "json")
    assert done.code == 0
    assert [(one["ok"], one["models"] > 0) for one in done.json()["live"]] == [(True, True)] * 5


def test_explain_shows_the_plan_and_why(shell: Shell) -> None:
    shell.write("hybridge.yaml", TWO)
    done = shell.run("explain", "gpt-4o-mini", "--vision", **KEYS)
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert ["1", "openai/gpt-4o-mini", "direct", "openai"] in [line[:4] for line in lines]
    assert "it does not offer images" in done.out


def test_explain_as_json_with_everything_asked(shell: Shell) -> None:
    shell.write("hybridge.yaml", TWO)
    asked = ["--vision", "--tools", "--json-schema", "--stream", "--max-tokens", "50", "--input-tokens", "1000"]
    told = shell.run(
        *["explain", "gpt-4o-mini", *asked, "--budget", "5000 VND", "--currency", "USD", "--policy", "cheapest"],
        *["--complexity", "low", "--format", "json"],
        **KEYS,
    ).json()
    assert told["policy"] == "cheapest"
    assert told["budget"] == "5000 VND"
    assert told["chain"][0] == "openai/gpt-4o-mini"
    assert 1000 < told["estimate"]["input_tokens"] < 5000
    assert told["candidates"][0]["estimate"]["text"].endswith(" USD")


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (["gpt-4o-mini", "--budget", "0.0001 VND"], 1, "Error: budget_exceeded: "),
        (["gpt-4o-mini", "--policy", "hybird"], 1, "did you mean `hybrid`?"),
        (["gpt-4o-mini", "--budget", "lots"], 2, "not an amount of money: 'lots'"),
        (["gpt-4o-mini", "--currency", "XYZ"], 2, "no rate for XYZ"),
    ],
)
def test_explain_says_why_not(shell: Shell, asked: list[str], code: int, said: str) -> None:
    shell.write("hybridge.yaml", TWO)
    done = shell.run("explain", *asked, **KEYS)
    assert done.code == code
    assert said in done.err


def test_providers_lists_every_row(shell: Shell) -> None:
    done = shell.run("providers")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[2:]] == list(load_rows())


def test_providers_as_json_with_those_of_ones_own(shell: Shell) -> None:
    shell.write(
        "hybridge.yaml",
        "providers:\n  openai: {keys: [env:OPENAI_API_KEY], base_url: 'http://h/v1', fee: 2%}\n"
        "  mine: {kind: gateway, dialect: anthropic, base_url: 'http://h', keys: [none]}\n",
    )
    told = {one["provider"]: one for one in shell.run("providers", "--format", "json", **KEYS).json()}
    assert (told["openai"]["on"], told["openai"]["base_url"], told["openai"]["fee_ppm"]) == (
        True,
        "http://h/v1",
        20_000,
    )
    assert told["openai"]["variables"] == ["OPENAI_API_KEY"]
    assert (told["mine"]["kind"], told["mine"]["dialects"], told["mine"]["tier"]) == ("gateway", ["anthropic"], "own")
    assert told["groq"]["on"] is False
    on = shell.run("providers", "--on", "--format", "json", **KEYS).json()
    assert [one["provider"] for one in on] == ["openai", "mine"]


def test_providers_and_models_need_no_key(shell: Shell) -> None:
    shell.write("hybridge.yaml", "providers: {openai: }")
    assert shell.run("providers", "--on").code == 0
    assert "openai/gpt-4o-mini" in shell.run("models", "gpt-4o-mini").out


def test_models_of_what_is_configured(shell: Shell) -> None:
    done = shell.run("models", "GPT-4o-mini", "--provider", "openai", **KEYS)
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()[2:]]
    assert ["gpt-4o-mini", "openai/gpt-4o-mini", "direct", "openai", "128000", "16384", "0.15/0.6"] in [
        row[:7] for row in rows
    ]
    assert {row[1].split("/")[0] for row in rows} == {"openai"}


def test_models_as_json(shell: Shell) -> None:
    told = shell.run("models", "claude-3-haiku", "--all", "--format", "json", **KEYS).json()
    direct = next(one for one in told if one["provider"] == "anthropic")
    assert (direct["model"], direct["price_usd_per_million"]["output"]) == ("claude-3-haiku", "1.25")
    assert "vision" in direct["capabilities"]
