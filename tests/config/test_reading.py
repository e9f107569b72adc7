"""A file becomes values, and every problem is told with its place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from hybridge.config import Config, Found, Overrides, Secret, find, load, read
from hybridge.errors import ConfigError
from hybridge.money import SHIPPED_RATES, Money
from hybridge.types import Bounds, Kind, Timeouts

TODAY = SHIPPED_RATES[0].as_of
ENVIRON = {"A_KEY": "canary-a", "B_KEY": "canary-b"}
ON = "providers: {openai: {keys: [env:A_KEY]}}\n"

FULL = """\
server:
  {host: 127.0.0.1, port: 9080, admin_port: 9081, workers: 1, max_body: 8MB, max_upload: 1GB, concurrency: 10,
   keep_alive: 10s, resume_window: 20s, drain: 30s, cors: ["https://app.example"]}
admin: {host: 127.0.0.1, token: env:A_KEY}
storage: sqlite:////var/lib/hybridge.db
state: memory
currency: {default: EUR, rates: {EUR: {per_usd: 0.9, as_of: 2026-11-20}, VND: {per_usd: 26300, as_of: 2026-11-20}}}
providers:
  openai:
    keys: [env:A_KEY, env:B_KEY]
    timeouts: {connect: 2s}
    headers: {x-team: env:B_KEY}
    quirks: {drop: [logit_bias], clamp: {temperature: {max: 1.5}}}
  openrouter: {keys: [env:A_KEY], fee: 5.5%, discount: 1%}
  aihubmix: {keys: [env:A_KEY], app_code: env:B_KEY}
  mine: {kind: direct, dialect: anthropic, base_url: "http://127.0.0.1:8000/v1", auth: none, keys: [none]}
models:
  gpt-4o-mini:
    deployments: [openai/gpt-4o-mini, openrouter/openai/gpt-4o-mini]
    fallbacks: [claude-3-haiku]
    price: {openai/gpt-4o-mini: {input: 0.15, output: 0.60, cache_read: 0.075, per_request: 0.001}}
    assume_price: {input: 1, output: 2}
    policy: cheapest
    timeouts: {total: 90s}
    retries: {attempts: 1}
  claude-3-haiku:
routing:
  {policy: priority, cheap_below: 2000 VND, unknown_models: "pass:mine", unpriced: refuse, content_filter: fallback}
timeouts: {connect: 3s, first_token: 20s, first_token_reasoning: 100s, idle: 40s, total: 300s}
breaker: {failures: 5, reset_after: 30s}
retries: {attempts: 3, per_request: 8, deadline: 45s}
budgets: []
health: {probes: off, paid_per_day: 0 USD}
cache: {mode: off, ttl: 2h}
ledger: {keep: 30d}
logging: {contents: off}
webhooks: []
access:
  mode: keys
  keys: [{name: app, key: env:A_KEY, models: [gpt-4o-mini]}]
  reveal: minimal
experiments: []
migrations: []
"""


def reading(text: str, environ: Mapping[str, str] = ENVIRON, **more: object) -> Found:
    return read(text, environ, today=TODAY, **more)  # type: ignore[arg-type]


def problems(text: str, environ: Mapping[str, str] = ENVIRON, **more: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        reading(text, environ, **more)
    assert "canary" not in str(caught.value)
    return list(caught.value.problems)


def warnings(text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    return [str(warning) for warning in reading(text, environ).warnings]


def test_every_key_is_read() -> None:
    config = reading(FULL).config
    assert (config.server.max_body, config.server.max_upload, config.server.drain) == (8_000_000, 10**9, 30.0)
    assert config.server.cors == ("https://app.example",)
    assert config.admin.token == Secret("canary-a")
    assert config.ledger_path == "/var/lib/hybridge.db"
    assert config.currency.rates["EUR"].per_usd == Decimal("0.9")
    assert config.currency.rates["EUR"].as_of == dt.date(2026, 11, 20)
    assert isinstance(config.timeouts, Timeouts)
    assert (config.timeouts.connect, config.timeouts.total) == (3.0, 300.0)
    assert (config.breaker.failures, config.breaker.reset_after) == (5, 30.0)
    assert (config.retries.attempts, config.retries.per_request, config.retries.deadline) == (3, 8, 45.0)
    assert (config.health.probes, config.ledger.keep, config.cache.ttl) == ("off", 30 * 86400.0, 7200.0)
    assert (config.routing.policy, config.routing.cheap_below) == ("priority", Money(Decimal(2000), "VND"))
    assert (config.routing.unknown_models, config.routing.unpriced) == ("pass:mine", "refuse")
    assert config.routing.content_filter == "fallback"


def test_every_key_of_a_provider_is_read() -> None:
    providers = reading(FULL).config.providers
    assert list(providers) == ["openai", "openrouter", "aihubmix", "mine"]
    assert [key.reveal() for key in providers["openai"].keys] == ["canary-a", "canary-b"]
    assert providers["openai"].timeouts.over(Timeouts()).connect == 2.0
    assert providers["openai"].timeouts.over(Timeouts()).idle == 60.0
    assert providers["openai"].headers["x-team"].reveal() == "canary-b"
    assert providers["openai"].own_quirks() == {"drop": ("logit_bias",), "clamp": {"temperature": Bounds(max=1.5)}}
    assert providers["openrouter"].own_quirks() == {}
    assert (providers["openrouter"].fee, providers["openrouter"].discount) == (55_000, 10_000)
    assert providers["aihubmix"].app_code == Secret("canary-b")
    mine = providers["mine"]
    assert (mine.kind, mine.dialect, mine.base_url, mine.auth) == (
        Kind.DIRECT,
        "anthropic",
        "http://127.0.0.1:8000/v1",
        "none",
    )
    assert mine.keyless and not providers["openai"].keyless


def test_every_key_of_a_model_and_of_access_is_read() -> None:
    config = reading(FULL).config
    model = config.models["gpt-4o-mini"]
    assert model.deployments == ("openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini")
    assert model.fallbacks == ("claude-3-haiku",)
    assert model.price["openai/gpt-4o-mini"].figures() == {
        "input": Decimal("0.15"),
        "output": Decimal("0.60"),
        "cache_read": Decimal("0.075"),
        "per_request": Decimal("0.001"),
    }
    assert model.assume_price is not None and model.assume_price.output == 2
    assert (model.policy, model.timeouts.total) == ("cheapest", 90.0)
    retries = model.retries.over(config.retries)
    assert (retries.attempts, retries.per_request) == (1, 8)
    assert config.models["claude-3-haiku"].deployments == ()
    assert config.access.mode == "keys" and config.access.reveal == "minimal"
    (key,) = config.access.keys
    assert (key.name, key.key.reveal(), key.models) == ("app", "canary-a", ("gpt-4o-mini",))


def test_the_defaults_are_those_of_the_page() -> None:
    config = reading(ON).config
    assert (config.server.port, config.server.admin_port, config.server.max_body) == (8080, 8081, 64_000_000)
    assert (config.server.keep_alive, config.server.resume_window, config.server.drain) == (15.0, 30.0, 60.0)
    assert (config.server.max_upload, config.server.concurrency) == (512_000_000, 1000)
    assert (config.storage, config.ledger_path, config.state) == ("sqlite:///hybridge.db", "hybridge.db", "memory")
    assert (config.routing.policy, config.routing.cheap_below) == ("hybrid", Money(Decimal(1000), "VND"))
    assert (config.routing.unknown_models, config.routing.unpriced) == ("gateway", "allow")
    assert (config.timeouts.first_token, config.timeouts.first_token_reasoning) == (30.0, 180.0)
    assert (config.breaker.failures, config.breaker.reset_after) == (3, 60.0)
    assert (config.retries.attempts, config.retries.per_request, config.retries.deadline) == (2, 6, 60.0)
    assert (config.ledger.keep, config.cache.mode, config.logging.contents) == (90 * 86400.0, "off", "off")
    assert (config.access.mode, config.access.reveal, config.currency.default) == ("open", "full", "VND")


def test_no_secret_is_ever_shown() -> None:
    found = reading(FULL)
    assert "canary" not in f"{found!r} {found.config} {found.warnings}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("providers:\n  openai: {keyss: [env:A_KEY]}", "2: providers.openai.keyss: unknown key; did you mean keys?"),
        (ON + "severs: {}", "2: severs: unknown key; did you mean server?"),
        (ON + "breaker: {zzz: 1}", "2: breaker.zzz: unknown key; it may be failures, reset_after or concurrency"),
        (ON + "server:\n  port: abc", "3: server.port: expected a whole number from 0 to 65535, got 'abc'"),
        (ON + "server:\n  port: 70000", "3: server.port: expected a whole number from 0 to 65535, got 70000"),
        (ON + "server: {port: 80.5}", "2: server.port: expected a whole number from 0 to 65535, got 80.5"),
        (ON + "server: {workers: 0}", "2: server.workers: expected a whole number of at least 1, got 0"),
        (ON + "server: {cors: x}", "2: server.cors: expected a list, such as [a, b], got a single value"),
        (ON + "server: {host: [a]}", "2: server.host: expected text, got a list"),
        (ON + "server: {host: }", "2: server.host: expected text, got nothing"),
        (ON + "server: 5", "2: server: expected a mapping of keys to values, got a single value"),
        (ON + "server: {drain: soon}", "2: server.drain: expected a duration such as 5s, 500ms, 10m, got 'soon'"),
        (ON + "server: {max_body: 1TB}", "2: server.max_body: expected a size such as 64MB or 512KiB, got '1TB'"),
        (
            ON + "timeouts: {connect: 0s}",
            "2: timeouts.connect: expected a duration above zero such as 5s, 500ms, 10m, got '0s'",
        ),
        (
            ON + "routing: {cheap_below: 1000}",
            "2: routing.cheap_below: expected an amount of money such as 1000 VND or 0.05 USD, got 1000",
        ),
        (
            ON + "routing: {unpriced: alow}",
            "2: routing.unpriced: expected allow or refuse, got 'alow'; did you mean allow?",
        ),
        (
            ON + "routing: {policy: hybird}",
            "2: routing.policy: expected cheapest, hybrid or priority, got 'hybird'; did you mean hybrid?",
        ),
        (
            ON + "routing: {unknown_models: nope}",
            "2: routing.unknown_models: expected text that matches ^(gateway|reject|pass:.+)$, got 'nope'",
        ),
        (
            ON + "routing: {unknown_models: 'pass:opena'}",
            "2: routing.unknown_models: unknown provider 'opena'; did you mean openai?",
        ),
        (ON + "models:\n  m: {hedge: yes}", "3: models.m.hedge: expected true or false, got 'yes'"),
        (
            ON + "models:\n  m: {deployments: [openai/x, gpt]}",
            "3: models.m.deployments[1]: expected provider/model-as-the-provider-names-it, got 'gpt'",
        ),
        (
            ON + "models:\n  m:\n    deployments:\n    - openia/x",
            "5: models.m.deployments[0]: unknown provider 'openia'; did you mean openai?",
        ),
        (
            ON + "models: {m: {price: {openai/x: {input: -1, output: 2}}}}",
            "2: models.m.price.openai/x.input: expected a number that is not negative, got -1",
        ),
        (ON + "models: {m: {price: {openai/x: {input: 1}}}}", "2: models.m.price.openai/x.output: required"),
        (ON + "models: {m: {policy: fastest}}", "2: models.m.policy: the policy fastest is not supported yet"),
        ("providers:\n  opnai: {}", "2: providers.opnai: no provider of that name is known; did you mean openai?"),
        (
            "providers:\n  mine: {}",
            "2: providers.mine: no provider of that name is known; one of your own needs kind, dialect and base_url",
        ),
        (
            "providers: {mine: {kind: direct, dialect: openai, keys: [none]}}",
            "1: providers.mine.base_url: required for a provider that is not in the catalogue",
        ),
        (
            "providers: {mine: {kind: direct, dialect: openai, base_url: 'http://h'}}",
            "1: providers.mine.keys: required; write [none] for a provider that asks for no key",
        ),
        (
            "providers: {openai: {keys: [env:A_KEY], base_url: ftp://x}}",
            "1: providers.openai.base_url: expected an address that begins with https:// or http://",
        ),
        (
            "providers: {openai: {keys: [env:A_KEY], base_url: 'http://[x'}}",
            "1: providers.openai.base_url: expected an address that begins with https:// or http://",
        ),
        (
            "providers: {openai: {keys: [env:A_KEY], dialect: opnai}}",
            "1: providers.openai.dialect: expected anthropic, gemini or openai; did you mean openai?",
        ),
        (
            "providers: {openai: {keys: [env:A_KEY], kind: dircet}}",
            "1: providers.openai.kind: expected direct or gateway, got 'dircet'; did you mean direct?",
        ),
        (
            "providers: {openai: {keys: [env:A_KEY], fee: 5.5}}",
            "1: providers.openai.fee: expected a percentage such as 5.5%, got 5.5",
        ),
        (
            "providers: {openai: {keys: [env:A_KEY], app_code: x}}",
            "1: providers.openai.app_code: unknown key: openai takes none",
        ),
        (
            "providers: {openai: {keys: [env:A_KEY, none]}}",
            "1: providers.openai.keys: `none` stands alone: a provider asks for a key or does not",
        ),
        (
            "providers: {openai: {keys: canary}}",
            "1: providers.openai.keys: expected a list, such as [a, b], got a single value",
        ),
        (
            "providers: {openai: {keys: [[canary]]}}",
            "1: providers.openai.keys[0]: expected env:NAME, file:/path or the secret itself, got a list",
        ),
        (ON + "currency: {default: vnd}", "2: currency.default: expected text that matches ^[A-Z]{3}$, got 'vnd'"),
        (ON + "currency: {default: EUR}", "2: currency.default: no rate for EUR; add it under currency.rates"),
        (ON + "routing: {cheap_below: 5 EUR}", "2: routing.cheap_below: no rate for EUR; add it under currency.rates"),
        (
            ON + "currency: {rates: {VND: {per_usd: 0, as_of: 2026-11-22}}}",
            "2: currency.rates.VND.per_usd: expected a number above zero, got 0",
        ),
        (
            ON + "currency: {rates: {VND: {per_usd: 1, as_of: today}}}",
            "2: currency.rates.VND.as_of: expected a date such as 2026-11-22, got 'today'",
        ),
        (
            ON + "currency: {rates: {USD: {per_usd: 2, as_of: 2026-11-22}}}",
            "2: currency.rates.USD: rates are units per USD, so this one is 1",
        ),
        (
            ON + "currency: {rates: {dong: {per_usd: 2, as_of: 2026-11-22}}}",
            "2: currency.rates.dong: expected a currency's code of three capitals, such as VND",
        ),
        (ON + "access: {mode: keys}", "2: access.mode: nobody could call: add keys under access.keys"),
        (ON + "access: {keys: [{name: a, key: env:NOPE}]}", "2: access.keys[0].key: the variable NOPE is not set"),
        (ON + "access: {keys: [{name: a, key: ''}]}", "2: access.keys[0].key: the secret is empty"),
        (ON + "access: {keys: [{name: open, key: x}]}", "2: access.keys[0].name: the name 'open' is taken"),
        (
            ON + "access: {keys: [{name: a, key: env:A_KEY}, {name: b, key: env:A_KEY}]}",
            "2: access.keys[1].key: another key has the same secret",
        ),
        (ON + "storage: hybridge.db", "2: storage: expected sqlite:///FILE"),
        (ON + "state: disk", "2: state: expected memory"),
        (ON + "server: {tls: {cert: /no/cert, key: /no/key}}", "2: server.tls.cert: no such file: /no/cert"),
        (ON + ON, "2: providers: this key stands twice"),
        ("server: {}", ": providers: required"),
        ("", ": providers: required"),
        ("providers: {}", "1: providers: expected at least one provider"),
        ("- a", ": expected a mapping of keys to values, got a list"),
        ("a: [1\nb: 2", "2: this is not YAML: expected ',' or ']', but got ':'"),
        (ON + "\tx: 1", "2: this is not YAML: found character '\\t' that cannot start any token"),
        ("a: *canary", "1: this is not YAML: found undefined alias"),
        ("a: &x {b: *x}", ": this is not YAML (RecursionError)"),
        ("a: \x00", ": this is not YAML (ReaderError)"),
    ],
)
def test_every_problem_has_its_place(text: str, expected: str) -> None:
    told = problems(text)
    separator = "" if expected.startswith(":") else ":"
    assert f"configuration{separator}{expected}" in told, told


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("storage: postgresql://user:canary@host/db", "storage: PostgreSQL"),
        ("state: redis://:canary@host:6379/0", "state: state shared between hosts"),
        ("budgets: [{scope: total, limit: 5 USD/month}]", "budgets: budgets"),
        ("webhooks: [{url: 'https://x', events: [budget], secret: env:A_KEY}]", "webhooks: webhooks"),
        ("cache: {mode: exact}", "cache.mode: the exact cache"),
        ("logging: {contents: all}", "logging.contents: keeping prompts and answers"),
        ("routing: {direct_or_gateway: measured}", "routing.direct_or_gateway: deciding by measurement"),
        ("access: {passthrough: [openai]}", "access.passthrough: raw pass-through"),
        ("access: {keys: [{name: a, key: env:A_KEY, rpm: 60}]}", "access.keys[0].rpm: rpm of a key"),
        ("access: {keys: [{name: a, key: env:A_KEY, tpm: 60}]}", "access.keys[0].tpm: tpm of a key"),
        ("access: {keys: [{name: a, key: env:A_KEY, team: b}]}", "access.keys[0].team: team of a key"),
        ("access: {keys: [{name: a, key: env:A_KEY, parallel: 2}]}", "access.keys[0].parallel: parallel of a key"),
        ("access: {keys: [{name: a, key: env:A_KEY, expires: 9d}]}", "access.keys[0].expires: expires of a key"),
        ("access: {keys: [{name: a, key: env:A_KEY, tags: [b]}]}", "access.keys[0].tags: tags of a key"),
        ("access: {keys: [{name: a, key: env:A_KEY, cache: true}]}", "access.keys[0].cache: cache of a key"),
        (
            "access: {keys: [{name: a, key: env:A_KEY, passthrough: [b]}]}",
            "access.keys[0].passthrough: passthrough of a key",
        ),
        ("access: {keys: [{name: a, key: env:A_KEY, budget: 5 USD/day}]}", "access.keys[0].budget: budget of a key"),
        ("models: {m: {cache: {mode: semantic}}}", "models.m.cache.mode: the semantic cache"),
        (
            "experiments: [{name: a, model: m, variants: {b: {model: c, weight: 1}}}]",
            "experiments: experiments",
        ),
        (
            "migrations: [{name: a, from: openai/x, to: openai/y, steps: [1, 100], guards: {error_rate: 1%}}]",
            "migrations: migrations",
        ),
    ],
)
def test_what_does_not_exist_yet_is_refused_by_name(text: str, place: str) -> None:
    (problem,) = problems(ON + text)
    assert problem.startswith(f"configuration:2: {place}")
    assert problem.endswith(" not supported yet")


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    told = problems(ON + "server: {port: x}\nretries: {attempts: 0}\nbreaker: {failures: a, reset: 1s}")
    lines = [problem.split(":")[1] for problem in told]
    assert lines == ["2", "3", "4", "4"]


def test_a_provider_without_its_key_is_off_with_a_warning() -> None:
    text = "providers:\n  openai: {keys: [env:A_KEY]}\n  anthropic: {keys: [env:NOT_THERE]}\n  groq:"
    assert list(reading(text).config.providers) == ["openai"]
    assert warnings(text) == [
        "configuration:3: providers.anthropic: off: it has no usable key; set NOT_THERE",
        "configuration:3: providers.anthropic.keys[0]: the variable NOT_THERE is not set",
        "configuration:4: providers.groq: off: it has no usable key; set GROQ_API_KEY",
    ]


def test_a_pool_goes_on_with_the_keys_that_are_there() -> None:
    text = "providers: {openai: {keys: [env:A_KEY, env:NOT_THERE]}}"
    assert [key.source for key in reading(text).config.providers["openai"].keys] == ["env:A_KEY"]
    assert warnings(text) == ["configuration:1: providers.openai.keys[1]: the variable NOT_THERE is not set"]


def test_no_usable_key_at_all_names_the_missing_variables() -> None:
    text = "providers:\n  openai: {keys: [env:X1]}\n  google: {}"
    assert problems(text) == [
        "configuration:1: providers: no provider has a usable key; set X1 or GEMINI_API_KEY or GOOGLE_API_KEY"
    ]
    assert reading(text, need_keys=False).config.providers == {}


def test_a_known_provider_takes_its_key_from_the_variable_of_its_row() -> None:
    found = reading("providers: {google: , ollama: {}}", {"GOOGLE_API_KEY": "canary"})
    assert found.config.providers["google"].keys == (Secret("canary"),)
    assert found.config.providers["google"].keys[0].source == "env:GOOGLE_API_KEY"
    assert found.config.providers["ollama"].keys == ()


def test_keys_that_are_written_are_the_only_ones() -> None:
    assert problems("providers: {openai: {keys: [env:NOT_THERE]}}", {"OPENAI_API_KEY": "canary"})


def test_only_a_provider_may_go_without_a_key() -> None:
    config = reading(ON + "access: {keys: [{name: a, key: none}]}").config
    assert config.access.keys[0].key.reveal() == "none"


def test_an_empty_variable_is_no_key() -> None:
    assert problems("providers: {openai: {keys: [env:A_KEY]}}", {"A_KEY": " "})


def test_secrets_come_from_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("canary-file\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin").write_bytes(b"\xff")
    file = tmp_path / "hybridge.yaml"
    file.write_text("providers: {openai: {keys: ['file:key', 'file:empty', 'file:latin', file:/no/such]}}")
    found = read(file, {}, today=TODAY)
    assert found.path == file
    assert found.config.providers["openai"].keys == (Secret("canary-file"),)
    assert [warning.message for warning in found.warnings] == [
        "the file empty is empty",
        "the file latin is not UTF-8",
        "the file /no/such cannot be read: No such file or directory",
    ]


def test_a_missing_admin_token_warns() -> None:
    assert warnings(ON + "admin: {token: env:NOPE}") == ["configuration:2: admin.token: the variable NOPE is not set"]


def test_a_deployment_whose_provider_is_not_configured_is_left_out() -> None:
    text = ON + "models: {m: {deployments: [openai/x, groq/y], price: {openai/z: {input: 1, output: 1}}}}"
    assert warnings(text) == [
        "configuration:2: models.m.deployments[1]: left out: groq is not under providers",
        "configuration:2: models.m.price.openai/z: this is no deployment of the model; did you mean openai/x?",
    ]


def test_an_old_rate_warns() -> None:
    text = ON + "currency: {rates: {VND: {per_usd: 26000, as_of: 2026-10-01}}}"
    late = dt.date(2026, 11, 22)
    (warning,) = read(text, ENVIRON, today=late).warnings
    assert str(warning) == "configuration:2: currency.rates.VND.as_of: this rate is 52 days old"
    assert read(text, ENVIRON, today=dt.date(2026, 10, 31)).warnings == ()
    (warning,) = read(ON, ENVIRON, today=TODAY + dt.timedelta(days=31)).warnings
    assert "the rate that came with this release is of" in str(warning)
    assert read(ON, ENVIRON, today=TODAY + dt.timedelta(days=30)).warnings == ()


def test_access_open_beyond_loopback_must_be_written_out() -> None:
    beyond = ON + "server: {host: 0.0.0.0}\n"
    (problem,) = problems(beyond)
    assert problem.startswith("configuration: access.mode: 0.0.0.0 can be reached from beyond this machine")
    assert reading(beyond + "access: {mode: open}").config.access.mode == "open"
    assert reading(beyond + "access: {mode: keys, keys: [{name: a, key: env:A_KEY}]}").config.access.mode == "keys"
    assert problems(ON, overrides=Overrides(host="192.0.2.1"))
    assert reading(ON + "server: {host: localhost}").config.server.host == "localhost"


def test_the_command_line_wins_and_is_named() -> None:
    overrides = Overrides(port=1234, admin_port=1235, workers=3)
    server = reading(ON + "server: {port: 99}", overrides=overrides).config.server
    assert (server.port, server.admin_port, server.workers) == (1234, 1235, 3)
    with pytest.raises(ConfigError) as raised:
        find(None, {}, overrides=Overrides(host="192.0.2.1"), demo=True)
    assert raised.value.problems[0].startswith("command line: server.host: ")


def test_yaml_1_2_words_and_numbers() -> None:
    config = load(ON + "cache: {mode: off}\nserver: {port: 0x1F90, concurrency: 1_000}", ENVIRON)
    assert (config.cache.mode, config.server.port, config.server.concurrency) == ("off", 8080, 1000)


def test_plain_values_are_read_like_a_file() -> None:
    values = {
        "server": {"port": 0, "cors": ["a"], "tls": None},
        "providers": {"mine": {"kind": "direct", "dialect": "openai", "base_url": "http://h/v1", "keys": ["demo"]}},
        "models": {"m": {"hedge": False, "price": {"mine/m": {"input": 0.15, "output": 1}}}},
    }
    config = load(values, {})
    assert isinstance(config, Config)
    assert config.models["m"].price["mine/m"].input == Decimal("0.15")
    assert config.providers["mine"].keys == (Secret("demo"),)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=reason):
            load(path, {})
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "latin.yaml", {})


def test_aliases_are_followed() -> None:
    text = "providers: {openai: &p {keys: [env:A_KEY]}, groq: *p}"
    assert list(reading(text).config.providers) == ["openai", "groq"]
