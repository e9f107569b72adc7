"""The JSON Schema accepts what the program accepts, and refuses what an editor should mark."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from hybridge.config.schema import schema
from tests.config.test_reading import FULL, ON

SCHEMA = schema()
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def fits(value: Any, rule: dict[str, Any]) -> bool:
    """Whether a value fits: as much of JSON Schema as ours uses."""
    if "$ref" in rule:
        return fits(value, SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]])
    if "anyOf" in rule:
        return any(fits(value, one) for one in rule["anyOf"])
    if "enum" in rule:
        return value in rule["enum"]
    kinds = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    if not any(isinstance(value, _TYPES[kind]) and (kind == "boolean") == isinstance(value, bool) for kind in kinds):
        return False
    if isinstance(value, dict):
        return fits_object(value, rule)
    if isinstance(value, list):
        return all(fits(item, rule["items"]) for item in value)
    if isinstance(value, str):
        return re.search(rule.get("pattern", ""), value) is not None
    return not isinstance(value, (int, float)) or fits_bounds(value, rule)


def fits_object(value: dict[str, Any], rule: dict[str, Any]) -> bool:
    known, other = rule.get("properties", {}), rule.get("additionalProperties", True)
    missing = [key for key in rule.get("required", ()) if key not in value]
    inside = [fits(item, known.get(key, other)) if known.get(key, other) else False for key, item in value.items()]
    return not missing and all(inside)


def fits_bounds(value: float, rule: dict[str, Any]) -> bool:
    above = value > float(rule.get("exclusiveMinimum", "-inf"))
    return above and float(rule.get("minimum", "-inf")) <= value <= float(rule.get("maximum", "inf"))


def plain(text: str) -> Any:
    """YAML as an editor sees it: dates are text."""
    loaded = YAML(typ="safe", pure=True).load(text)
    return with_text_dates(loaded)


def with_text_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): with_text_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_text_dates(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def test_the_whole_example_fits() -> None:
    assert fits(plain(FULL), SCHEMA)


@pytest.mark.parametrize(
    "more",
    [
        "timeouts: {connect: 5}",
        "server: {max_body: 1000, drain: 1.5s}",
        "migrations: [{name: a, from: x/y, to: x/z, guards: {cost: 10%}}]",
        "budgets: [{scope: total, limit: 5_000_000 VND/month}]",
        "models: {m: }",
    ],
)
def test_what_the_program_reads_fits(more: str) -> None:
    assert fits(plain(ON + more), SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "server: {}",
        ON + "sever: {}",
        ON + "server: {port: 70000}",
        ON + "server: {port: true}",
        ON + "server: {drain: soon}",
        ON + "routing: {cheap_below: 1000}",
        ON + "routing: {unpriced: maybe}",
        ON + "models: {m: {price: {a/b: {input: 1}}}}",
        ON + "models: {m: {price: {a/b: {input: -1, output: 1}}}}",
        ON + "currency: {rates: {VND: {per_usd: 0, as_of: 2026-11-22}}}",
        "providers: {openai: {fee: 5.5}}",
    ],
)
def test_what_the_program_refuses_does_not_fit(text: str) -> None:
    assert not fits(plain(text), SCHEMA)


def test_every_key_is_described() -> None:
    for name, definition in SCHEMA["$defs"].items():
        assert definition["description"]
        for key, rule in definition["properties"].items():
            assert "description" in rule or "$ref" in rule or name in ("Quirks", "Bounds"), (name, key)
