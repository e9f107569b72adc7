"""A client's request in the neutral types."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec import Raw

from hybridge.chat import (
    Audio,
    Chat,
    File,
    Format,
    Image,
    Reasoning,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from hybridge.errors import InvalidRequest
from tests.dialects.gemini.corpus import CLIENT, body


def decoded(**members: Any) -> Chat:
    return CLIENT.decode_request(CLIENT.read_facts(body(**members), "m").fields)


def parts_of(*parts: dict[str, Any], role: str = "user") -> tuple[object, ...]:
    return decoded(contents=[{"role": role, "parts": list(parts)}]).turns[0].parts


def test_contents_of_one_side_are_one_turn_and_a_missing_role_is_the_user() -> None:
    chat = decoded(
        contents=[
            {"parts": {"text": "a"}},
            {"role": "user", "parts": [{"text": "b"}]},
            {"role": "model", "parts": [{"text": "Hel"}]},
            {"role": "model", "parts": [{"text": "lo"}]},
            {"role": "user", "parts": [{"text": ""}, {}]},
        ]
    )
    assert chat.turns == (Turn("user", (Text("a"), Text("b"))), Turn("assistant", (Text("Hello"),)))


def test_snake_case_is_read_everywhere() -> None:
    chat = decoded(
        system_instruction={"parts": [{"text": "be brief"}]},
        generation_config={"max_output_tokens": 5, "top_k": 3.0, "stop_sequences": ["x"], "topP": "0.5"},
        tool_config={"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        tools=[{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
        contents=[{"parts": [{"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]}],
    )
    assert chat.system == (Text("be brief"),)
    assert (chat.max_tokens, chat.top_k, chat.stop, chat.top_p) == (5, 3, ("x",), 0.5)
    assert chat.tool_choice == ToolChoice("tool", "f")
    assert chat.tools[0].schema == Raw(b'{"type": "object"}')
    assert chat.turns[0].parts == (Image(data="AAAA", media_type="image/png"),)


def test_ids_are_made_up_and_results_find_their_calls_by_name_and_order() -> None:
    chat = decoded(
        contents=[
            {"parts": {"text": "go"}},
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"name": "f", "args": {"n": 1}}},
                    {"functionCall": {"name": "g", "args": {}}},
                    {"functionCall": {"name": "f", "args": {"n": 2}}},
                ],
            },
            {
                "role": "function",
                "parts": [
                    {"text": "by the way"},
                    {"functionResponse": {"name": "f", "response": {"result": "one"}}},
                    {"functionResponse": {"name": "f", "response": {"result": "two"}}},
                    {"functionResponse": {"name": "g", "response": {"a": 1}}},
                ],
            },
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"parts": [{"functionResponse": {"name": "f", "response": {"error": "broken"}}}]},
        ]
    )
    calls = [part for turn in chat.turns for part in turn.parts if isinstance(part, ToolCall)]
    results = [part for turn in chat.turns for part in turn.parts if isinstance(part, ToolResult)]
    assert len({call.id for call in calls}) == 4
    ids = [call.id for call in calls]
    assert [(result.call_id, result.parts, result.is_error) for result in results] == [
        (ids[0], (Text("one"),), False),
        (ids[2], (Text("two"),), False),
        (ids[1], (Text('{"a": 1}'),), False),
        (ids[3], (Text("broken"),), True),
    ]
    assert isinstance(chat.turns[2].parts[-1], Text)


def test_a_call_that_nobody_answered_takes_no_later_result() -> None:
    call = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
    result = {"parts": [{"functionResponse": {"name": "f", "response": {"result": "x"}}}]}
    chat = decoded(contents=[{"parts": [{"text": "a"}]}, call, {"parts": [{"text": "never mind"}]}, call, result])
    last = chat.turns[-1].parts[0]
    assert isinstance(last, ToolResult)
    assert [last.call_id] == [part.id for part in chat.turns[3].parts if isinstance(part, ToolCall)]


def test_an_id_that_is_there_is_kept_even_if_the_result_has_none() -> None:
    chat = decoded(
        contents=[
            {"role": "model", "parts": [{"functionCall": {"id": "abc", "name": "f", "args": {}}}]},
            {"parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]},
        ]
    )
    assert chat.turns[0].parts == (ToolCall("abc", "f", "{}"),)
    assert chat.turns[1].parts == (ToolResult("abc", (Text("x"),), "f"),)


def test_a_result_without_a_call_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parts_of({"functionResponse": {"name": "f", "response": {}}})
    assert caught.value.param == "contents[0].parts[0].functionResponse"


def test_signatures_stay_with_what_they_sign() -> None:
    assert parts_of(
        {"text": "I think", "thought": True},
        {"text": ", so", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Yes.", "thoughtSignature": "dGV4dA=="},
        {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "Y2FsbA=="},
        {"text": "", "thought_signature": "ZW1wdHk="},
        role="model",
    ) == (
        Reasoning("I think, so", "c2ln", origin="gemini"),
        Text("Yes."),
        Reasoning(signature="dGV4dA==", origin="gemini"),
        ToolCall("1", "f", "{}", "Y2FsbA==", "gemini"),
        Reasoning(signature="ZW1wdHk=", origin="gemini"),
    )


def test_a_broken_seal_is_no_signature() -> None:
    seal = base64.b64encode(b"hybridge:sealed:1:nonsense").decode()
    assert parts_of({"text": "a", "thoughtSignature": seal}, role="model") == (Text("a"),)


def test_a_schema_that_is_too_deep_is_refused() -> None:
    schema: dict[str, Any] = {"type": "STRING"}
    for _ in range(400):
        schema = {"type": "ARRAY", "items": schema}
    with pytest.raises(InvalidRequest):
        decoded(generationConfig={"responseSchema": schema})


def test_googles_word_for_no_signature_is_none() -> None:
    call = {"functionCall": {"id": "1", "name": "f", "args": {}}}
    assert parts_of({**call, "thoughtSignature": "skip_thought_signature_validator"}, role="model") == (
        ToolCall("1", "f", "{}"),
    )


def test_media() -> None:
    assert parts_of(
        {"inlineData": {"mimeType": "image/png", "data": "-_8"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a"}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}},
    ) == (
        Image(data="+/8=", media_type="image/png"),
        Image(url="https://example.com/a", media_type="image/jpeg"),
        Audio("AAAA", "mp3"),
        File(data="AAAA", media_type="application/pdf", filename="a.pdf"),
    )


def test_a_picture_in_a_result() -> None:
    chat = decoded(
        contents=[
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {
                "parts": [
                    {
                        "functionResponse": {
                            "name": "f",
                            "response": {"result": "ok"},
                            "parts": [
                                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                                {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
                            ],
                        }
                    }
                ]
            },
        ]
    )
    result = chat.turns[1].parts[0]
    assert isinstance(result, ToolResult)
    assert result.parts == (Text("ok"), Image(data="AAAA", media_type="image/png"))
    assert chat.unknown == ("functionResponse.parts",)


def test_schemas_become_json_schema() -> None:
    chat = decoded(
        tools=[
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": None,
                        "parameters": {
                            "type": "OBJECT",
                            "properties": {
                                "b": {"type": "STRING", "nullable": True, "format": "enum", "enum": ["x"]},
                                "any_of": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "2"},
                                "c": {"any_of": [{"type": "STRING"}, {"type": "NUMBER"}], "nullable": True},
                            },
                            "required": ["b"],
                            "propertyOrdering": ["any_of", "b"],
                        },
                    }
                ]
            }
        ]
    )
    assert chat.tools[0].schema is not None
    schema = json.loads(bytes(chat.tools[0].schema))
    assert list(schema["properties"]) == ["any_of", "b", "c"]
    assert schema == {
        "type": "object",
        "properties": {
            "any_of": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
            "c": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
        },
        "required": ["b"],
    }


@pytest.mark.parametrize(
    ("calling", "choice", "tools"),
    [
        ({}, None, "fgh"),
        ({"mode": "AUTO"}, ToolChoice("auto"), "fgh"),
        ({"mode": "NONE"}, ToolChoice("none"), "fgh"),
        ({"mode": "ANY"}, ToolChoice("any"), "fgh"),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, ToolChoice("tool", "g"), "fgh"),
        ({"mode": "ANY", "allowedFunctionNames": ["g", "h"]}, ToolChoice("any"), "gh"),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("auto"), "f"),
    ],
)
def test_how_tools_are_chosen(calling: dict[str, Any], choice: ToolChoice | None, tools: str) -> None:
    chat = decoded(
        tools=[{"functionDeclarations": [{"name": name} for name in "fgh"]}],
        toolConfig={"functionCallingConfig": calling},
    )
    assert chat.tool_choice == choice
    assert "".join(tool.name for tool in chat.tools) == tools
    assert bool(chat.hints) == (calling.get("mode") == "VALIDATED")


def test_format_and_thinking() -> None:
    def config(**members: Any) -> Chat:
        return decoded(generationConfig=members)

    assert config(responseMimeType="application/json").format == Format("json_object")
    assert config(responseMimeType="text/plain").format is None
    schema = config(responseMimeType="application/json", responseSchema={"type": "STRING"}).format
    assert schema == Format("json_schema", schema=Raw(b'{"type":"string"}'))
    assert config(thinkingConfig={"thinkingLevel": "low"}).thinking == Thinking("low")
    assert config(thinkingConfig={"thinkingBudget": -1, "includeThoughts": True}).thinking == Thinking(
        budget_tokens=-1, visible=True
    )
    assert config(thinkingConfig={}).thinking is None


def test_hints_and_what_has_no_slot_are_named() -> None:
    chat = decoded(
        labels={"a": "b"},
        safetySettings=[{"threshold": "OFF"}],
        serviceTier="SERVICE_TIER_FLEX",
        cachedContent="cachedContents/x",
        generationConfig={"candidateCount": 3, "mediaResolution": "MEDIA_RESOLUTION_LOW"},
        contents=[{"parts": [{"executableCode": {"code": "1"}}, {"text": "hi"}]}],
        systemInstruction={"parts": [{"text": "s"}, {"inlineData": {}}]},
        tools=[{"googleSearch": {}}, {"functionDeclarations": [{"name": "f", "response": {"type": "STRING"}}]}],
    )
    assert chat.hints == ("labels", "safetySettings", "mediaResolution", "functionDeclarations.response")
    assert chat.unknown == (
        "tools.googleSearch",
        "generationConfig.candidateCount",
        "cachedContent",
        "contents.parts.executableCode",
        "systemInstruction.parts.inlineData",
    )
    assert chat.service_tier == "flex"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"contents": [{"role": "system", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0].inlineData"),
        ({"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall.name"),
        (
            {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": [1]}}]}]},
            "contents[0].parts[0].functionCall.args",
        ),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"responseSchema": [1]}}, "generationConfig.responseSchema"),
        (
            {
                "contents": [
                    {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
                    {"parts": [{"functionResponse": {"name": "f", "response": "text"}}]},
                ]
            },
            "contents[1].parts[0].functionResponse.response",
        ),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
    ],
)
def test_every_problem_names_its_place(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded(**members)
    assert caught.value.param == param
    assert param in caught.value.message
