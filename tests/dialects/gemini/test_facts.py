"""The facts of a request, and what asks for nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from hybridge.chat import Ask
from hybridge.errors import InvalidRequest
from hybridge.types import Facts, Needs
from tests.dialects.gemini.corpus import CLIENT, body


def facts(**members: Any) -> Facts:
    return CLIENT.read_facts(body(**members), "gemini-2.5-flash", stream=False)


def of_parts(*parts: dict[str, Any], role: str = "user") -> Facts:
    return facts(contents=[{"role": role, "parts": list(parts)}])


def test_model_and_stream_stand_in_the_path() -> None:
    read = CLIENT.read_facts(body(), "models/tuned/x:y", stream=True)
    assert (read.model, read.stream, read.needs) == ("tuned/x:y", True, Needs.STREAMING)


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{", None),
        (b'{"contents": "hi"}', "contents"),
        (b'{"contents": []}', "contents"),
        (b"{}", "contents"),
        (b'{"contents": null}', "contents"),
        (body(tools="x"), "tools"),
        (body(generationConfig=[]), "generationConfig"),
        (body(generationConfig={"maxOutputTokens": "many"}), "generationConfig.maxOutputTokens"),
        (b'{"contents": [{"parts": [{"text": "\xff"}]}]' + b"[" * 5000, None),
    ],
)
def test_what_cannot_be_understood_is_named(sent: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.read_facts(sent, "m")
    assert caught.value.param == param


def test_a_request_without_a_model_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.read_facts(body())
    assert caught.value.param == "model"
    assert CLIENT.read_facts(body(model="models/m")).model == "m"


def test_a_feature_is_there_only_if_it_is_not_empty() -> None:
    empty = facts(
        tools=[],
        toolConfig={},
        safetySettings=[],
        cachedContent="",
        systemInstruction=None,
        generationConfig={
            "candidateCount": 1,
            "responseModalities": ["TEXT"],
            "responseMimeType": "text/plain",
            "responseSchema": None,
            "thinkingConfig": {"thinkingBudget": 0},
            "responseLogprobs": False,
            "imageConfig": {},
        },
    )
    assert (empty.needs, empty.asks) == (Needs.NOTHING, frozenset())


def test_hints_and_fields_of_the_router_are_no_ask() -> None:
    assert not facts(
        labels={"a": "b"},
        store=True,
        serviceTier="flex",
        route={"budget": "1 USD"},
        models=["a"],
        provider={"only": ["x"]},
        transforms=["t"],
        plugins=[{"id": "web"}],
        generationConfig={"seed": 1, "topK": 3, "presencePenalty": 1, "mediaResolution": "MEDIA_RESOLUTION_LOW"},
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    ).asks


@pytest.mark.parametrize(
    ("members", "asks"),
    [
        ({"cachedContent": "cachedContents/x"}, {"cachedContent"}),
        ({"someFutureThing": 1}, {"someFutureThing"}),
        ({"safetySettings": [{"threshold": "BLOCK_LOW_AND_ABOVE"}]}, {"safetySettings"}),
        ({"tools": [{"googleSearch": {}}]}, {Ask.WEB_SEARCH}),
        ({"tools": [{"code_execution": {}}]}, {Ask.SERVER_TOOLS}),
        ({"generationConfig": {"candidateCount": 2}}, {Ask.N}),
        ({"generation_config": {"response_logprobs": True}}, {Ask.LOGPROBS}),
        ({"generationConfig": {"stopSequences": list("abcde")}}, {Ask.STOP_OVER_4}),
        ({"generationConfig": {"stopSequences": list("abcdef")}}, {Ask.STOP_OVER_4, Ask.STOP_OVER_5}),
        ({"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}, {Ask.MODALITIES}),
        ({"generationConfig": {"imageConfig": {"aspectRatio": "1:1"}}}, {"generationConfig.imageConfig"}),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, {"generationConfig.responseMimeType"}),
        ({"contents": [{"parts": {"text": "a"}}, {"role": "model", "parts": {"text": "b"}}]}, {Ask.PREFILL}),
    ],
)
def test_what_others_may_be_unable_to_carry(members: dict[str, Any], asks: set[str]) -> None:
    assert facts(**members).asks == asks


@pytest.mark.parametrize(
    ("members", "needs"),
    [
        ({"tools": [{"functionDeclarations": [{"name": "f"}]}]}, Needs.TOOLS),
        ({"tools": {"function_declarations": [{"name": "f"}]}}, Needs.TOOLS),
        ({"generationConfig": {"responseMimeType": "application/json"}}, Needs.JSON_OBJECT),
        ({"generation_config": {"response_schema": {"type": "object"}}}, Needs.JSON_SCHEMA),
        ({"generationConfig": {"_responseJsonSchema": {"type": "object"}}}, Needs.JSON_SCHEMA),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, Needs.REASONING),
        ({"generationConfig": {"thinking_config": {"thinking_budget": -1}}}, Needs.REASONING),
        ({"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}, Needs.REASONING),
        ({"generationConfig": {"thinkingConfig": {"includeThoughts": False}}}, Needs.NOTHING),
        ({"generationConfig": {"responseModalities": ["AUDIO"]}}, Needs.AUDIO_OUTPUT),
    ],
)
def test_needs(members: dict[str, Any], needs: Needs) -> None:
    assert facts(**members).needs == needs


@pytest.mark.parametrize(
    ("part", "needs", "asks"),
    [
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, Needs.VISION, set()),
        ({"inline_data": {"mime_type": "image/png", "data": "AAAA"}}, Needs.VISION, set()),
        ({"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}}, Needs.VISION, set()),
        ({"file_data": {"file_uri": "https://example.com/a.png?x=1"}}, Needs.VISION, set()),
        ({"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}, Needs.FILES, set()),
        ({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}, Needs.AUDIO_INPUT, set()),
        ({"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}, Needs.FILES, {"video"}),
        ({"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}}, Needs.VISION, {"fileData"}),
        (
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
            Needs.FILES,
            {"fileData"},
        ),
        ({"text": "look: inlineData"}, Needs.NOTHING, set()),
    ],
)
def test_media_in_the_contents(part: dict[str, Any], needs: Needs, asks: set[str]) -> None:
    read = of_parts({"text": "see"}, part)
    assert (read.needs, set(read.asks)) == (needs, asks)
    assert read.images == (needs == Needs.VISION)


def test_a_picture_in_a_result_is_asked_for() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    read = of_parts({"functionResponse": {"name": "f", "response": {}, "parts": [picture]}})
    assert (read.needs, read.images) == (Needs.VISION, 1)
    assert read.asks == {Ask.TOOL_IMAGES}


def test_input_bytes_leave_media_out() -> None:
    data = base64.b64encode(bytes(300_000)).decode()
    sent = body(contents=[{"parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": data}}]}])
    read = CLIENT.read_facts(sent, "m")
    assert read.input_bytes == len(sent) - len(data) - 2 < 200


def test_the_limit_of_the_output_and_all_members_as_they_came() -> None:
    read = facts(generationConfig={"maxOutputTokens": "77"}, x_new=[1])
    assert read.max_tokens == 77
    assert {name: json.loads(bytes(raw)) for name, raw in read.fields.items()}["x_new"] == [1]
    assert read.include_usage


def test_a_request_to_count_may_hold_the_request_to_generate() -> None:
    inner = json.loads(body(systemInstruction={"parts": {"text": "s"}}, model="models/m"))
    read = CLIENT.read_facts(json.dumps({"generateContentRequest": inner}).encode(), "m")
    assert set(read.fields) >= {"contents", "systemInstruction"}
    assert CLIENT.decode_request(read.fields).system[0].text == "s"
    assert CLIENT.encode_count(31) == b'{"totalTokens":31}'
