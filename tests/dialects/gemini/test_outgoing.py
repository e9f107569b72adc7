"""Requests on their way to a provider."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from msgspec import Raw

from hybridge.chat import (
    Audio,
    Chat,
    Effort,
    File,
    Format,
    Image,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from hybridge.dialects.codec import Outgoing, Target
from hybridge.errors import CannotCarry
from hybridge.types import Bounds, Limits, Quirks
from tests.dialects.gemini.corpus import CLIENT, PROVIDER, body

OLD, MIDDLE, PRO, NEW = "gemini-2.0-flash", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-flash-preview"
HELLO = Turn("user", (Text("hello"),))


def target(model: str = MIDDLE, **more: Any) -> Target:
    return Target(model, model, stream=False, **more)


def encoded(*turns: Turn, model: str = MIDDLE, to: Target | None = None, **members: Any) -> tuple[Any, Outgoing]:
    sent = PROVIDER.encode_request(Chat(turns or (HELLO,), **members), to or target(model))
    return json.loads(sent.body), sent


def parts_of(*parts: Part, role: Literal["user", "assistant"] = "user", model: str = MIDDLE) -> Any:
    before = (HELLO,) if role == "assistant" else ()
    sent, _ = encoded(*before, Turn(role, parts), model=model)
    return sent["contents"][-1]["parts"]


# --- the address ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
        ("a/b:c?d#e f", "/models/a%2Fb%3Ac%3Fd%23e%20f:generateContent"),
        ("..", "/models/..:generateContent"),
    ],
)
def test_the_model_stands_in_the_path(model: str, expected: str) -> None:
    assert PROVIDER.path(model, stream=False) == expected
    assert PROVIDER.path(model, stream=True) == expected.replace(":gen", ":streamGen") + "?alt=sse"


# --- passed through ------------------------------------------------------------------------------------------------


def adapted(sent: bytes, to: Target) -> tuple[Any, Outgoing]:
    out = PROVIDER.adapt(CLIENT.read_facts(sent, "m"), to)
    return json.loads(out.body), out


def test_a_pass_through_keeps_every_member_as_it_came() -> None:
    sent = b'{"contents": [{"parts": [{"text": "\\u00e9", "n": 1.50}]}], "zz": {"a": 1e2}, "system_instruction": {}}'
    _, out = adapted(sent, target())
    assert out == Outgoing(
        b'{"contents":[{"parts": [{"text": "\\u00e9", "n": 1.50}]}],"zz":{"a": 1e2},"system_instruction":{}}'
    )


def test_only_the_model_and_our_own_members_are_taken_out() -> None:
    made, out = adapted(body(model="models/x", route={}, labels={}), target(strip=frozenset({"route"})))
    assert set(made) == {"contents", "labels"}
    assert out.dropped == ()


def test_a_clamp_is_named_and_stands_where_the_client_put_it() -> None:
    made, out = adapted(body(generation_config={"max_output_tokens": 900, "topK": 1}), target(max_tokens=50))
    assert made["generation_config"] == {"maxOutputTokens": 50, "topK": 1}
    assert out.dropped == ("max_tokens",)
    made, out = adapted(body(), target(max_tokens=50))
    assert made["generationConfig"] == {"maxOutputTokens": 50}
    made, out = adapted(body(generationConfig={"maxOutputTokens": 20}), target(max_tokens=50))
    assert made["generationConfig"] == {"maxOutputTokens": 20}
    assert out.dropped == ()


def test_quirks_hold_for_the_body_and_its_configuration() -> None:
    quirks = Quirks(drop=("labels", "seed"), clamp={"temperature": Bounds(max=1)})
    sent = body(labels={"a": "b"}, generationConfig={"seed": 1, "temperature": 1.5})
    made, out = adapted(sent, target(quirks=quirks))
    assert made["generationConfig"] == {"temperature": 1}
    assert "labels" not in made
    assert set(out.dropped) == {"labels", "seed", "temperature"}
    made, out = encoded(to=target(quirks=quirks), seed=1, temperature=1.5)
    assert made["generationConfig"] == {"temperature": 1}
    assert set(out.dropped) == {"seed", "temperature"}


def test_a_signature_of_another_origin_never_reaches_the_provider() -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="r", created=0)
    chunk = json.loads(encoder.encode([ReasoningDelta("hm", "SECRET", origin="anthropic")]).removeprefix(b"data: "))
    part = chunk["candidates"][0]["content"]["parts"][0]
    sent = body(contents=[{"parts": [{"text": "a"}]}, {"role": "model", "parts": [part]}])
    made, out = adapted(sent, target())
    assert made["contents"] == [{"parts": [{"text": "a"}]}]
    assert out.dropped == ("reasoning",)
    # To the one that made it, it comes back whole.
    chat = CLIENT.decode_request(CLIENT.read_facts(sent, "m").fields)
    assert chat.turns[1].parts == (Reasoning("hm", "SECRET", origin="anthropic"),)


# --- turns ---------------------------------------------------------------------------------------------------------


def test_roles_alternate_and_the_user_begins() -> None:
    sent, out = encoded(
        Turn("assistant", (Text("hi"),)),
        Turn("system", (Text("rule"),)),
        Turn("user", (Text(""), Text("a"))),
        Turn("user", (Text(""),)),
        Turn("assistant", (Text(""),)),
        Turn("user", (Text("b"),)),
        system=(Text("one"), Text(""), Text("two")),
    )
    assert sent["contents"] == [
        {"role": "user", "parts": [{"text": "."}]},
        {"role": "model", "parts": [{"text": "hi"}]},
        {"role": "user", "parts": [{"text": "rule"}, {"text": "a"}, {"text": "b"}]},
    ]
    assert sent["systemInstruction"] == {"parts": [{"text": "one"}, {"text": "two"}]}
    assert out.dropped == ("system",)


def test_system_text_alone_is_what_the_user_says() -> None:
    sent = json.loads(PROVIDER.encode_request(Chat((), system=(Text("go"),)), target()).body)
    assert sent == {"contents": [{"role": "user", "parts": [{"text": "go"}]}]}


def test_results_stand_in_the_order_of_their_calls_under_their_names() -> None:
    sent, _ = encoded(
        HELLO,
        Turn("assistant", (Text("ok"), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", ""))),
        Turn("user", (Text("so"), ToolResult("c2", (Text("two"),)), ToolResult("c1", (Text('{"x": 1.0}'),)))),
    )
    assert sent["contents"][1]["parts"][1:] == [
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}},
        {"functionCall": {"name": "g", "args": {}, "id": "c2"}},
    ]
    assert sent["contents"][2]["parts"] == [
        {"functionResponse": {"name": "f", "response": {"x": 1.0}, "id": "c1"}},
        {"functionResponse": {"name": "g", "response": {"result": "two"}, "id": "c2"}},
        {"text": "so"},
    ]


def test_an_old_model_is_sent_no_ids() -> None:
    sent, _ = encoded(
        HELLO,
        Turn("assistant", (ToolCall("c1", "f", "{}"),)),
        Turn("user", (ToolResult("c1", (Text("x"),)),)),
        model=OLD,
    )
    assert "id" not in sent["contents"][1]["parts"][0]["functionCall"]
    assert "id" not in sent["contents"][2]["parts"][0]["functionResponse"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (" ", {}),
        ('{"a":1}', {"a": 1}),
        ("{nonsense", {"arguments": "{nonsense"}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_arguments_are_always_an_object(arguments: str, expected: dict[str, Any]) -> None:
    assert parts_of(ToolCall("1", "f", arguments), role="assistant")[0]["functionCall"]["args"] == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ToolResult("1", (Text("sunny"),), "f"), {"result": "sunny"}),
        (ToolResult("1", (Text("a"), Text("b")), "f"), {"result": "a\nb"}),
        (ToolResult("1", (Text('{"a": 1}'),), "f"), {"a": 1}),
        (ToolResult("1", (Text('{"result": "x"}'),), "f"), {"result": '{"result": "x"}'}),
        (ToolResult("1", (Text("bad"),), "f", is_error=True), {"error": "bad"}),
        (ToolResult("1", (), "f"), {"result": ""}),
    ],
)
def test_results_are_always_an_object(result: ToolResult, expected: dict[str, Any]) -> None:
    assert parts_of(result)[0]["functionResponse"]["response"] == expected


def test_a_result_whose_call_nobody_knows_cannot_be_carried() -> None:
    with pytest.raises(CannotCarry) as caught:
        parts_of(ToolResult("nobody", (Text("x"),)))
    assert caught.value.fields == ("tool_call_id",)


def test_pictures_in_results_stand_inside_or_beside() -> None:
    result = ToolResult("1", (Text("see"), Image(data="AAAA", media_type="image/png")), "f")
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    new = parts_of(result, model=NEW)
    assert new[0]["functionResponse"]["parts"] == [picture]
    assert parts_of(result, model=MIDDLE)[1] == picture


def test_media() -> None:
    assert parts_of(
        Image(data="iVBORw0", detail="auto"),
        Image(url="data:image/webp;base64,AAAA"),
        Image(url="gs://bucket/a.png"),
        Audio("AAAA", "mp3"),
        Audio("AAAA", "wav"),
        File(data="AAAA", filename="a.csv"),
        File(url="https://example.com/a.pdf"),
        Refusal("no"),
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0"}},
        {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"inlineData": {"mimeType": "text/csv", "data": "AAAA"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
        {"text": "no"},
    ]


def test_public_pictures_are_fetched_and_put_inline() -> None:
    url = "https://example.com/a.png"
    chat = Chat(
        (
            Turn("user", (Image(url=url), Image(url="gs://b/a.png"), Image(url="data:image/png;base64,AA=="))),
            Turn("user", (ToolResult("1", (Image(url="http://example.com/b.png"), Image(url=url)), "f"),)),
        )
    )
    assert PROVIDER.images_to_fetch(chat) == (url, "http://example.com/b.png")
    sent = json.loads(PROVIDER.encode_request(chat, target(images={url: ("image/png", "QUJD")})).body)
    assert {"inlineData": {"mimeType": "image/png", "data": "QUJD"}} in sent["contents"][0]["parts"]


# --- signatures ----------------------------------------------------------------------------------------------------


def test_own_signatures_go_back_where_they_stood() -> None:
    parts = parts_of(
        Reasoning("hm", "cw==", origin="gemini"),
        Text("Yes"),
        Reasoning(signature="dA==", origin="gemini"),
        ToolCall("1", "f", "{}", "Yw==", "gemini"),
        Reasoning(signature="ZQ==", origin="gemini"),
        role="assistant",
        model=NEW,
    )
    assert parts == [
        {"text": "hm", "thought": True, "thoughtSignature": "cw=="},
        {"text": "Yes", "thoughtSignature": "dA=="},
        {"functionCall": {"name": "f", "args": {}, "id": "1"}, "thoughtSignature": "Yw=="},
        {"text": "", "thoughtSignature": "ZQ=="},
    ]


def test_thoughts_of_another_origin_are_left_out_and_named() -> None:
    thoughts = Reasoning("hm", "SECRET", "HIDDEN", origin="anthropic")
    sent, out = encoded(HELLO, Turn("assistant", (thoughts, Text("a"), ToolCall("1", "f", "{}", "SECRET", "openai"))))
    assert b"SECRET" not in out.body
    assert b"HIDDEN" not in out.body
    assert out.dropped == ("reasoning",)
    assert len(sent["contents"][1]["parts"]) == 2


def test_a_missing_signature_is_excused_where_one_is_required() -> None:
    calls = (ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}"))
    new = parts_of(*calls, role="assistant", model=NEW)
    assert [part.get("thoughtSignature") for part in new] == ["skip_thought_signature_validator", None]
    assert all("thoughtSignature" not in part for part in parts_of(*calls, role="assistant", model=MIDDLE))


# --- tools ---------------------------------------------------------------------------------------------------------

SCHEMA = Raw(b'{"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": false}')


def test_tools_by_generation() -> None:
    tools = (Tool("f", "does", SCHEMA), Tool("g", schema=Raw(b'{"type":"object","properties":{}}')), Tool("h"))
    sent, out = encoded(tools=tools)
    assert sent["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does", "parametersJsonSchema": json.loads(bytes(SCHEMA))},
                {"name": "g"},
                {"name": "h"},
            ]
        }
    ]
    assert bytes(SCHEMA) in out.body
    old, _ = encoded(tools=tools, model=OLD)
    assert old["tools"][0]["functionDeclarations"][0]["parameters"] == {
        "type": "OBJECT",
        "properties": {"a": {"type": "STRING", "nullable": True}},
    }


@pytest.mark.parametrize(
    ("choice", "strict", "calling"),
    [
        (None, False, None),
        (ToolChoice("auto"), False, {"mode": "AUTO"}),
        (ToolChoice("none"), False, {"mode": "NONE"}),
        (ToolChoice("any"), False, {"mode": "ANY"}),
        (ToolChoice("tool", "f"), True, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (None, True, {"mode": "VALIDATED"}),
    ],
)
def test_how_tools_are_chosen(choice: ToolChoice | None, strict: bool, calling: dict[str, Any] | None) -> None:
    sent, _ = encoded(tools=(Tool("f", strict=strict or None),), tool_choice=choice)
    assert sent.get("toolConfig", {}).get("functionCallingConfig") == calling
    assert "toolConfig" not in encoded(tool_choice=choice)[0]


@pytest.mark.parametrize(
    ("members", "model", "fields"),
    [
        ({"tools": (Tool("f"),), "parallel_tools": False}, NEW, ("parallel_tool_calls",)),
        ({"tools": (Tool("f", strict=True),)}, OLD, ("strict_tools",)),
        ({"tools": (Tool("7f"),)}, NEW, ("tools",)),
        ({"tools": (Tool("f"),), "format": Format("json_object")}, MIDDLE, ("response_format",)),
        ({"stop": tuple("abcdef")}, NEW, ("stop",)),
        ({"unknown": ("logit_bias", "n")}, NEW, ("logit_bias", "n")),
        ({"turns": (Turn("user", (File(filename="a"), Text("x"))),)}, NEW, ("file",)),
    ],
)
def test_what_cannot_be_carried(members: dict[str, Any], model: str, fields: tuple[str, ...]) -> None:
    chat = Chat(**{"turns": (HELLO,), **members})
    with pytest.raises(CannotCarry) as caught:
        PROVIDER.encode_request(chat, target(model))
    assert caught.value.fields == fields
    allowed = PROVIDER.encode_request(chat, target(model, drop_unsupported=True))
    assert allowed.dropped == fields


# --- configuration -------------------------------------------------------------------------------------------------


def test_sampling() -> None:
    sent, out = encoded(
        temperature=1.5,
        top_p=0.9,
        top_k=4,
        max_tokens=7,
        stop=("a", "b"),
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        service_tier="flex",
    )
    assert sent["generationConfig"] == {
        "temperature": 1.5,
        "topP": 0.9,
        "topK": 4,
        "maxOutputTokens": 7,
        "stopSequences": ["a", "b"],
        "seed": 1,
        "presencePenalty": 0.5,
        "frequencyPenalty": -0.5,
    }
    assert sent["serviceTier"] == "flex"
    assert out.dropped == ()


def test_hints_that_are_dropped_or_adapted_are_named() -> None:
    sent, out = encoded(
        Turn("user", (Text("a", cache="5m"), Image(data="/9j/", detail="low"))),
        temperature=3.0,
        seed=2**40,
        user="u",
        service_tier="scale",
        hints=("metadata",),
        format=Format("json_schema", "n", "d", SCHEMA),
    )
    assert sent["generationConfig"]["temperature"] == 2.0
    assert "seed" not in sent["generationConfig"]
    assert set(out.dropped) == {
        "metadata",
        "cache_control",
        "detail",
        "temperature",
        "seed",
        "user",
        "service_tier",
        "response_format.description",
    }
    assert encoded(service_tier="default")[1].dropped == ()


@pytest.mark.parametrize(
    ("asked", "clamp", "limit", "sent", "named"),
    [
        (None, None, 100, None, False),
        (50, None, 100, 50, False),
        (500, None, 100, 100, True),
        (50, 20, 100, 20, True),
        (None, 20, 100, 20, True),
        (10, 20, None, 10, False),
    ],
)
def test_the_output_is_limited(
    asked: int | None, clamp: int | None, limit: int | None, sent: int | None, named: bool
) -> None:
    made, out = encoded(max_tokens=asked, to=target(max_tokens=clamp, limits=Limits(output=limit)))
    assert made.get("generationConfig", {}).get("maxOutputTokens") == sent
    assert ("max_tokens" in out.dropped) == named


def test_formats_by_generation() -> None:
    form = Format("json_schema", "n", schema=SCHEMA)
    new, out = encoded(format=form)
    assert new["generationConfig"]["responseMimeType"] == "application/json"
    assert bytes(SCHEMA) in out.body
    old, _ = encoded(format=form, model=OLD)
    assert old["generationConfig"]["responseSchema"]["type"] == "OBJECT"
    assert encoded(format=Format("json_object"))[0]["generationConfig"] == {"responseMimeType": "application/json"}
    assert "tools" in encoded(format=form, tools=(Tool("f"),), model=NEW)[0]


@pytest.mark.parametrize(
    ("model", "effort", "config", "named"),
    [
        (MIDDLE, "none", {"thinkingBudget": 0}, False),
        (MIDDLE, "low", {"thinkingBudget": 1024, "includeThoughts": True}, False),
        (MIDDLE, "medium", {"thinkingBudget": 8192, "includeThoughts": True}, False),
        (MIDDLE, "max", {"thinkingBudget": 24576, "includeThoughts": True}, False),
        (PRO, "none", {"thinkingBudget": 128}, True),
        (NEW, "none", {"thinkingLevel": "MINIMAL"}, True),
        (NEW, "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}, False),
        (NEW, "high", {"thinkingLevel": "HIGH", "includeThoughts": True}, False),
        (NEW, "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}, True),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}, True),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}, False),
        (OLD, "high", None, True),
        (OLD, "none", None, False),
    ],
)
def test_efforts(model: str, effort: Effort, config: dict[str, Any] | None, named: bool) -> None:
    sent, out = encoded(thinking=Thinking(effort), model=model)
    assert sent.get("generationConfig", {}).get("thinkingConfig") == config
    assert out.dropped == (("reasoning_effort",) if named else ())


@pytest.mark.parametrize(
    ("model", "tokens", "config", "named"),
    [
        (MIDDLE, -1, {"thinkingBudget": -1, "includeThoughts": True}, False),
        (MIDDLE, 0, {"thinkingBudget": 0}, False),
        (MIDDLE, 99_999, {"thinkingBudget": 24_576, "includeThoughts": True}, True),
        (PRO, 10, {"thinkingBudget": 128, "includeThoughts": True}, True),
        ("gemini-2.5-flash-lite", 100, {"thinkingBudget": 512, "includeThoughts": True}, True),
        (NEW, 2_000, {"thinkingBudget": 2_000, "includeThoughts": True}, False),
        (NEW, 0, {"thinkingLevel": "MINIMAL"}, True),
    ],
)
def test_budgets_and_levels_are_never_both_sent(model: str, tokens: int, config: dict[str, Any], named: bool) -> None:
    sent, out = encoded(thinking=Thinking("high", tokens), model=model)
    assert sent["generationConfig"]["thinkingConfig"] == config
    assert ("thinking" in out.dropped) == named


def test_the_catalogues_name_tells_the_generation_where_the_providers_does_not() -> None:
    chat = Chat((HELLO,), tools=(Tool("f", schema=SCHEMA),))
    sent = json.loads(PROVIDER.encode_request(chat, Target("ep-123", NEW, stream=False)).body)
    assert "parametersJsonSchema" in sent["tools"][0]["functionDeclarations"][0]
    sent = json.loads(PROVIDER.encode_request(chat, Target("ep-123", "x", stream=False)).body)
    assert "parameters" in sent["tools"][0]["functionDeclarations"][0]
