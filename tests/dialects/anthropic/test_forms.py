"""Thinking, tools and the form of the answer, as the model asked takes them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from hybridge.chat import (
    Format,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from hybridge.dialects.anthropic.tools import JSON_TOOL
from hybridge.dialects.codec import Target
from tests.dialects.anthropic.asking import HI, SCHEMA, TOOL, body, chat, encoded, refused
from tests.dialects.anthropic.corpus import NEW, OLD

_OPUS_46 = Target("claude-opus-4-6", "", stream=False)
_OPUS_45 = Target("claude-opus-4-5", "", stream=False)


@pytest.mark.parametrize(
    ("thinking", "target", "sent", "effort", "named"),
    [
        (Thinking("high"), NEW, {"type": "adaptive"}, "high", False),
        (Thinking("minimal"), NEW, {"type": "adaptive"}, "low", True),
        (Thinking("xhigh"), NEW, {"type": "adaptive"}, "xhigh", False),
        (Thinking("xhigh"), _OPUS_46, {"type": "adaptive"}, "high", True),
        (Thinking(budget_tokens=3000), NEW, {"type": "adaptive"}, None, True),
        (Thinking(budget_tokens=3000), _OPUS_46, {"type": "enabled", "budget_tokens": 3000}, None, False),
        (Thinking(budget_tokens=-1), _OPUS_46, {"type": "adaptive"}, None, False),
        (Thinking("medium"), _OPUS_45, {"type": "enabled", "budget_tokens": 5000}, "medium", False),
        (Thinking("low"), OLD, {"type": "enabled", "budget_tokens": 2000}, None, False),
        (Thinking("minimal"), OLD, {"type": "enabled", "budget_tokens": 1024}, None, False),
        (Thinking(budget_tokens=500), OLD, {"type": "enabled", "budget_tokens": 1024}, None, True),
        (Thinking(budget_tokens=50_000), OLD, {"type": "enabled", "budget_tokens": 9999}, None, True),
        (
            Thinking(budget_tokens=2000, visible=False),
            OLD,
            {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
            None,
            False,
        ),
        (Thinking("none"), OLD, {"type": "disabled"}, None, False),
        (Thinking("none"), NEW, None, None, False),
        (Thinking(visible=True), OLD, None, None, False),
    ],
)
def test_thinking(
    thinking: Thinking, target: Target, sent: dict[str, Any] | None, effort: str | None, named: bool
) -> None:
    sent_body, dropped = encoded(chat(thinking=thinking, max_tokens=10_000), target)
    assert sent_body.get("thinking") == sent
    assert sent_body.get("output_config", {}).get("effort") == effort
    assert bool(dropped) == named


def test_thinking_where_it_cannot_be() -> None:
    haiku = Target("claude-3-haiku-20240307", "", stream=False)
    assert refused(chat(thinking=Thinking("low")), haiku) == ("reasoning_effort",)
    forced = chat(thinking=Thinking("low"), max_tokens=9000, tools=(TOOL,), tool_choice=ToolChoice("any"))
    assert refused(forced) == ("reasoning_effort",)
    sent, dropped = encoded(chat(thinking=Thinking("low"), max_tokens=1000))
    assert "thinking" not in sent
    assert dropped == ("reasoning_effort",)


def test_no_thinking_amid_calls_that_began_without_a_thought() -> None:
    call, result = ToolCall("t", "f", "{}"), Turn("user", (ToolResult("t", (Text("1"),)),))
    own = Reasoning("a", "sig", origin="anthropic")
    members: dict[str, Any] = {"tools": (TOOL,), "thinking": Thinking(budget_tokens=1024)}
    sent, dropped = encoded(chat(HI, Turn("assistant", (call,)), result, **members))
    assert ("thinking" in sent, dropped) == (False, ("reasoning",))
    sent, dropped = encoded(chat(HI, Turn("assistant", (own, call)), result, **members))
    assert ("thinking" in sent, dropped) == (True, ())


@pytest.mark.parametrize(
    ("members", "choice"),
    [
        ({}, None),
        ({"tool_choice": ToolChoice("auto")}, {"type": "auto"}),
        ({"tool_choice": ToolChoice("any")}, {"type": "any"}),
        ({"tool_choice": ToolChoice("none"), "parallel_tools": False}, {"type": "none"}),
        ({"tool_choice": ToolChoice("tool", "f")}, {"type": "tool", "name": "f"}),
        ({"parallel_tools": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tools": True, "tool_choice": ToolChoice("any")},
            {"type": "any", "disable_parallel_tool_use": False},
        ),
    ],
)
def test_tool_choice(members: dict[str, Any], choice: dict[str, Any] | None) -> None:
    sent = body(chat(tools=(TOOL,), **members))
    assert sent.get("tool_choice") == choice
    assert sent["tools"] == [{"name": "f", "description": "does f", "input_schema": json.loads(bytes(SCHEMA))}]


def test_a_tool_choice_without_tools_is_not_sent() -> None:
    assert "tool_choice" not in body(chat(tool_choice=ToolChoice("auto"), parallel_tools=False))


def test_tools_of_the_past_are_defined() -> None:
    sent = body(chat(HI, Turn("assistant", (ToolCall("t", "old", "{}"),)), Turn("user", (ToolResult("t", ()),))))
    assert sent["tools"] == [{"name": "old", "input_schema": {"type": "object"}}]
    assert sent["tool_choice"] == {"type": "none"}


def test_a_tool_always_has_the_schema_of_an_object() -> None:
    tools = (Tool("a"), Tool("b", schema=Raw(b'{"properties":{"x":{}}}')), Tool("c", schema=Raw(b'{"type":"object"}')))
    assert [tool["input_schema"] for tool in body(chat(tools=tools))["tools"]] == [
        {"type": "object", "properties": {}},
        {"properties": {"x": {}}, "type": "object"},
        {"type": "object"},
    ]


def test_tool_names() -> None:
    assert refused(chat(tools=(Tool("a.b"),))) == ("tools",)
    assert refused(chat(tools=(Tool("x" * 129),))) == ("tools",)
    assert refused(chat(tools=(Tool(JSON_TOOL),))) == ("tools",)


def test_strict_tools() -> None:
    strict = Tool("f", schema=Raw(b'{"type":"object","properties":{"a":{"type":"integer","minimum":1}}}'), strict=True)
    (sent,) = body(chat(tools=(strict,)), NEW)["tools"]
    assert sent["strict"] is True
    assert sent["input_schema"] == {
        "type": "object",
        "properties": {"a": {"type": "integer", "description": "minimum: 1"}},
        "additionalProperties": False,
    }
    assert refused(chat(tools=(strict,))) == ("strict_tools",)
    opened = Tool("f", schema=Raw(b'{"type":"object","additionalProperties":{"type":"string"}}'), strict=True)
    assert refused(chat(tools=(opened,)), NEW) == ("strict_tools",)
    assert body(chat(tools=(Tool("f", strict=True),)), NEW)["tools"][0]["strict"] is True


FORM = Format("json_schema", "answer", schema=SCHEMA, strict=True)


def test_structured_output_where_the_model_has_it() -> None:
    sent = body(chat(format=FORM, tools=(TOOL,)), NEW)
    assert sent["output_config"] == {"format": {"type": "json_schema", "schema": json.loads(bytes(SCHEMA))}}
    assert [tool["name"] for tool in sent["tools"]] == ["f"]
    both = body(chat(format=replace(FORM, description="d"), thinking=Thinking("low")), NEW)["output_config"]
    assert both["effort"] == "low"
    assert both["format"]["schema"]["description"] == "d"


def test_structured_output_by_a_forced_tool_elsewhere() -> None:
    sent = body(chat(format=replace(FORM, description="An a.")))
    assert sent["tool_choice"] == {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}
    (tool,) = sent["tools"]
    assert tool["name"] == JSON_TOOL
    assert tool["input_schema"] == json.loads(bytes(SCHEMA))
    assert tool["description"].endswith("An a.")
    assert "output_config" not in sent


def test_any_json_object_is_a_forced_tool_everywhere() -> None:
    sent = body(chat(format=Format("json_object")), NEW)
    assert sent["tools"][0]["input_schema"] == {"type": "object"}


def test_a_form_beside_tools() -> None:
    assert body(chat(format=FORM, tools=(TOOL,)))["tool_choice"] == {"type": "any"}
    assert [tool["name"] for tool in body(chat(format=FORM, tools=(TOOL,)))["tools"]] == ["f", JSON_TOOL]
    quiet = body(chat(format=FORM, tools=(TOOL,), tool_choice=ToolChoice("none")))
    assert quiet["tool_choice"]["name"] == JSON_TOOL
    forced = body(chat(format=FORM, tools=(TOOL,), tool_choice=ToolChoice("tool", "f")))
    assert [tool["name"] for tool in forced["tools"]] == ["f"]


def test_forms_that_cannot_be_carried() -> None:
    rows = Format("json_schema", schema=Raw(b'{"type":"array","items":{"type":"string"}}'))
    assert refused(chat(format=rows)) == ("response_format",)
    assert body(chat(format=rows), NEW)["output_config"]["format"]["schema"]["type"] == "array"
    assert refused(chat(format=FORM, thinking=Thinking(budget_tokens=1024))) == ("response_format",)


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"type": "string", "format": "uuid"}, {"type": "string", "format": "uuid"}),
        (
            {"type": "string", "pattern": "a+", "format": "odd"},
            {"type": "string", "description": 'pattern: "a+", format: "odd"'},
        ),
        (
            {"oneOf": [{"type": "null"}, {"$schema": "x", "type": "string"}]},
            {"anyOf": [{"type": "null"}, {"type": "string"}]},
        ),
        (
            {"type": "array", "minItems": 3, "items": {"const": 1}},
            {"type": "array", "items": {"const": 1}, "description": "minItems: 3"},
        ),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
        ),
        ({"type": "object"}, None),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, None),
        ({"$ref": "https://elsewhere"}, None),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}}, None),
        ({"$ref": "#/$defs/missing"}, None),
        ({"items": True}, None),
        ({"anyOf": 7}, None),
    ],
)
def test_the_schema_subset(schema: dict[str, Any], sent: dict[str, Any] | None) -> None:
    """What the subset cannot say goes by the forced tool instead."""
    raw = Raw(msgspec.json.encode({"type": "object", "properties": {"x": schema}, "additionalProperties": False}))
    if "$defs" in schema:
        raw = Raw(msgspec.json.encode(schema))
    got = body(chat(format=Format("json_schema", schema=raw)), NEW)
    if sent is None:
        assert "output_config" not in got
    else:
        form = got["output_config"]["format"]["schema"]
        assert (form if "$defs" in schema else form["properties"]["x"]) == sent
