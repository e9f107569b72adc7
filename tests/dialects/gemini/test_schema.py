"""JSON Schema into the subset, through the door of an old model's tools."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hybridge.chat import Chat, Text, Tool, Turn
from hybridge.dialects.codec import Target
from tests.dialects.gemini.corpus import CLIENT, PROVIDER

#: The members of the dialect's `Schema`, from its discovery document.
KNOWN = frozenset(
    "nullable type properties items minLength maxItems minProperties enum propertyOrdering maximum format anyOf "
    "minimum title example default minItems maxProperties required maxLength pattern description".split()
)


def cleaned(schema: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The subset of the schema of one argument, and what was named as lost."""
    whole = {"type": "object", "properties": {"x": schema}, "$defs": schema.get("$defs", {})}
    chat = Chat((Turn("user", (Text("a"),)),), tools=(Tool("f", schema=Raw(json.dumps(whole))),))
    out = PROVIDER.encode_request(chat, Target("gemini-2.0-flash", "g", stream=False))
    declared = json.loads(out.body)["tools"][0]["functionDeclarations"][0]["parameters"]
    return declared["properties"]["x"], out.dropped


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "$schema": "s", "strict": True}, {"type": "STRING"}),
        ({"type": ["integer", "null"]}, {"type": "INTEGER", "nullable": True}),
        ({"type": ["integer", "string"]}, {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}),
        (
            {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]},
            {"anyOf": [{"type": "STRING"}, {"type": "ARRAY", "items": {"type": "NUMBER"}}]},
        ),
        (
            {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}]},
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a", "b"]},
        ),
        ({"type": "string", "format": "uri"}, {"type": "STRING"}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        ({"type": "object", "properties": {}, "additionalProperties": False}, {"type": "OBJECT"}),
        (
            {"$ref": "#/$defs/a~1b", "description": "d", "$defs": {"a/b": {"type": "integer", "minimum": 1}}},
            {"type": "INTEGER", "minimum": 1, "description": "d"},
        ),
        ({"$ref": "#/nowhere"}, {"type": "STRING"}),
        ({}, {"type": "STRING"}),
        ({"properties": {"a": True}}, {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}),
        ({"type": "string", "nullable": True, "example": "x"}, {"type": "STRING", "nullable": True}),
    ],
)
def test_what_the_subset_says_instead(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert cleaned(schema) == (expected, ())


@pytest.mark.parametrize(
    ("schema", "lost"),
    [
        ({"type": "string", "not": {"const": "x"}}, "not"),
        ({"type": "object", "patternProperties": {"^a": {}}}, "patternProperties"),
        ({"type": "integer", "multipleOf": 2}, "multipleOf"),
        ({"enum": [1, 2]}, "enum"),
        ({"const": 3}, "const"),
        ({"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}}, "$ref"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "$ref"),
    ],
)
def test_what_is_lost_is_named(schema: dict[str, Any], lost: str) -> None:
    assert cleaned(schema)[1] == (f"schema.{lost}",)


def test_a_list_of_itself_ends() -> None:
    node = {"type": ["array", "string"], "items": {"$ref": "#/$defs/n"}}
    found, lost = cleaned({"$ref": "#/$defs/n", "$defs": {"n": node}})
    assert found["anyOf"] == [{"type": "ARRAY", "items": {"type": "OBJECT"}}, {"type": "STRING"}]
    assert lost == ("schema.$ref",)


def test_a_short_schema_that_means_an_enormous_one_ends() -> None:
    defs = {
        f"d{at}": {"properties": {"a": {"$ref": f"#/$defs/d{at + 1}"}, "b": {"$ref": f"#/$defs/d{at + 1}"}}}
        for at in range(30)
    }
    found, lost = cleaned({"$ref": "#/$defs/d0", "$defs": defs})
    assert len(json.dumps(found)) < 1_000_000
    assert lost == ("schema.$ref",)


def test_a_very_deep_schema_ends() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"a": schema}}
    assert cleaned(schema)[1] == ("schema.$ref",)


schemas = st.recursive(
    st.sampled_from(
        [{"type": "string"}, {"type": ["integer", "null"]}, {"const": "a"}, {"enum": ["a", 1]}, {"type": "boolean"}, {}]
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda p: {"type": "object", "properties": p, "required": list(p)}, st.dictionaries(st.text(), inner)
        ),
        st.builds(lambda i: {"type": "array", "items": i, "uniqueItems": True}, inner),
        st.builds(lambda c: {"anyOf": c}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda c: {"oneOf": c, "description": "d"}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda c: {"allOf": c}, st.lists(inner, max_size=3)),
    ),
    max_leaves=12,
)


def assert_within(schema: dict[str, Any]) -> None:
    assert not set(schema) - KNOWN
    assert isinstance(schema.get("type", ""), str)
    assert "type" in schema or "anyOf" in schema
    assert schema.get("type") != "ARRAY" or "items" in schema
    for inner in (
        *schema.get("properties", {}).values(),
        *schema.get("anyOf", ()),
        *([schema["items"]] if "items" in schema else []),
    ):
        assert_within(inner)


@given(schemas)
def test_whatever_comes_the_subset_holds(schema: dict[str, Any]) -> None:
    found, _ = cleaned(schema)
    assert_within(found)


def test_the_subset_comes_back_as_json_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}
    chat = Chat((Turn("user", (Text("a"),)),), tools=(Tool("f", schema=Raw(json.dumps(schema))),))
    sent = PROVIDER.encode_request(chat, Target("gemini-2.0-flash", "g", stream=False))
    again = CLIENT.decode_request(CLIENT.read_facts(sent.body, "m").fields).tools[0].schema
    assert again is not None
    assert json.loads(bytes(again)) == schema
