"""Rows: all of them load, each says where it has its facts from, and a wrong one is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

import hybridge.providers.row as room
from hybridge.dialects import NAMES
from hybridge.errors import ConfigError
from hybridge.providers.auth import AUTH
from hybridge.providers.row import Row, Rows, load_rows, parse_row, percent
from hybridge.providers.table import markdown
from hybridge.types import Bounds, Kind, Needs, Quirks

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted((Path(room.__file__).parent / "rows").glob("*.toml"), key=lambda file: file.stem)
ROWS = load_rows()
PLAIN = """
name = "Example"
base_url = "https://api.example.com/v1/"
env = ["EXAMPLE_API_KEY"]
source = "https://example.com/docs"
verified_on = 2026-11-22
"""


def test_there_are_enough() -> None:
    assert len(ROWS) >= 55
    assert [file.stem for file in FILES] == list(ROWS) == sorted(ROWS)


def test_a_row_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    for name, text in (("b", PLAIN), ("b-c", "name = 1"), ("a", "nothing at all")):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    rows = Rows(tmp_path)
    assert list(rows) == ["a", "b", "b-c"]
    assert len(rows) == 3
    assert "b-c" in rows
    assert "c" not in rows
    assert rows.get("c") is None
    assert rows["b"] is rows["b"]
    for wrong, key in (("a", r"rows/a\.toml: "), ("b-c", r"rows/b-c\.toml: .*name")):
        with pytest.raises(ConfigError, match=key):
            rows[wrong]


def test_those_with_recordings_are_verified() -> None:
    verified = {row.id for row in ROWS.values() if row.tier == "verified"}
    direct = "openai anthropic google mistral groq deepseek xai together ollama"
    assert verified == {*direct.split(), "openrouter"}
    assert {ROWS["openrouter"].kind, ROWS["aihubmix"].kind} == {Kind.GATEWAY}


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.id)
def test_each_says_who_and_where(row: Row) -> None:
    assert row.name
    assert row.source.startswith("https://")
    assert row.verified_on.year >= 2026
    assert row.env or not row.key_required
    assert row.models_path == "" or row.models_path.startswith("/")
    assert set(row.resells) <= set(ROWS)
    for door in (row, *row.surfaces):
        assert door.dialect in NAMES
        assert door.auth in AUTH
        assert not door.base_url.endswith("/")
        assert door.surface.headers == tuple(sorted(door.headers.items()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_is_short(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    assert len(lines) <= 32
    assert sum(line.startswith("#") for line in lines) <= 2


def test_no_variable_stands_for_two_providers() -> None:
    variables = [variable for row in ROWS.values() for variable in row.env]
    assert len(variables) == len(set(variables))


def test_local_servers_need_no_key() -> None:
    local = {row.id for row in ROWS.values() if not row.key_required}
    assert local == {"lmstudio", "ollama", "vllm", "xinference"}
    assert all(ROWS[name].base_url.startswith("http://127.0.0.1") for name in local)


def test_the_known_quirks() -> None:
    assert ROWS["groq"].quirks.usage_path == "x_groq.usage"
    assert ROWS["xai"].quirks == Quirks(
        cost_path="cost_in_usd_ticks", cost_units_per_usd=10_000_000_000, reasoning_outside_completion=True
    )
    assert ROWS["perplexity"].quirks.ends_without_done
    assert ROWS["mistral"].quirks.rename["seed"] == "random_seed"
    assert ROWS["mistral"].quirks.no_stream_options
    assert ROWS["moonshot"].quirks.clamp == {"temperature": Bounds(0.0, 1.0)}
    assert ROWS["straico"].lacking == Needs.STREAMING
    assert ROWS["openrouter"].quirks.cost_path == "cost"
    assert ROWS["openrouter"].fee_ppm == 55_000
    assert not ROWS["openrouter"].reported_includes_fee


@pytest.mark.parametrize(
    ("model", "dialect", "base_url", "auth"),
    [
        ("claude-3-haiku", "anthropic", "https://aihubmix.com/v1", "x_api_key"),
        ("Claude-Sonnet-4-5", "anthropic", "https://aihubmix.com/v1", "x_api_key"),
        ("gemini-2.5-pro", "gemini", "https://aihubmix.com/gemini/v1beta", "x_goog_api_key"),
        ("imagen-4.0", "gemini", "https://aihubmix.com/gemini/v1beta", "x_goog_api_key"),
        ("gemini-2.5-pro-nothink", "openai", "https://aihubmix.com/v1", "bearer"),
        ("gemini-2.5-pro-search", "openai", "https://aihubmix.com/v1", "bearer"),
        ("gpt-4o-mini", "openai", "https://aihubmix.com/v1", "bearer"),
    ],
)
def test_a_gateway_chooses_its_surface_by_the_model(model: str, dialect: str, base_url: str, auth: str) -> None:
    surface = ROWS["aihubmix"].door(model).surface
    assert (surface.dialect, surface.base_url, surface.auth) == (dialect, base_url, auth)


def test_the_first_variable_that_is_set_holds_the_key() -> None:
    google = ROWS["google"]
    assert google.key_from({"GOOGLE_API_KEY": "b", "GEMINI_API_KEY": "a"}) == "a"
    assert google.key_from({"GOOGLE_API_KEY": "b", "GEMINI_API_KEY": ""}) == "b"
    assert google.key_from({}) is None


def test_a_plain_row_needs_five_lines() -> None:
    row = parse_row("example", PLAIN)
    assert (row.id, row.kind, row.tier, row.dialect, row.auth) == (
        "example",
        Kind.DIRECT,
        "community",
        "openai",
        "bearer",
    )
    assert row.surface.base_url == "https://api.example.com/v1"
    assert row.quirks == Quirks()
    assert row.fee_ppm == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("drops = []", "unknown field `drops`"),
        ("drop = 'user'", "drop"),
        ("clamp = {temperature = {least = 1}}", "clamp"),
        ("kind = 'reseller'", "kind"),
        ("dialect = 'cohere'", "dialect: no 'cohere'; there are anthropic, gemini, openai"),
        ("auth = 'bearers'", "auth: no 'bearers'"),
        ("id = 'other'", "id: the name of the file is the id"),
        ("fee = '5.5'", "fee: '5.5' is no percentage"),
        ("forward = ['X-Title']", "forward: 'X-Title' is not lower case"),
        ("lacks = ['colour']", "lacks: no 'colour'"),
        ("adds = {'*' = ['colour']}", "adds: no 'colour'"),
        ("timeouts = {connects = 1}", "timeouts: no 'connects'"),
        ("[[surfaces]]\nmatch = ['a*']\nbase_url = 'ftp://x'", "base_url: 'ftp://x' is no http address"),
        ("not toml", "Expected '='"),
    ],
)
def test_a_wrong_row_is_refused_with_file_and_key(line: str, says: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_row("example", PLAIN + line)
    assert str(refusal.value).startswith("rows/example.toml: ")
    assert says in str(refusal.value)


def test_a_row_without_a_key_must_say_so() -> None:
    with pytest.raises(ConfigError, match="env: names no variable"):
        parse_row("example", PLAIN.replace('["EXAMPLE_API_KEY"]', "[]"))
    assert not parse_row("example", PLAIN.replace('["EXAMPLE_API_KEY"]', "[]") + "key_required = false").env


@pytest.mark.parametrize(("text", "ppm"), [("0%", 0), ("5.5%", 55_000), ("12%", 120_000), ("0.0001%", 1)])
def test_percentages_are_exact(text: str, ppm: int) -> None:
    assert percent(text) == ppm


@pytest.mark.parametrize("text", ["5", "-1%", "5,5%", "100%", "%", "1.00001%"])
def test_nonsense_is_no_percentage(text: str) -> None:
    with pytest.raises(ValueError, match="not a percentage"):
        percent(text)


def test_the_page_of_providers_is_the_rows() -> None:
    page = (REPOSITORY / "docs" / "reference" / "providers.md").read_text("utf-8")
    assert page == markdown()
    assert all(f"`{name}`" in page for name in ROWS)
