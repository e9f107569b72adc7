"""Whole answers: listened to, decoded, encoded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybridge.chat import Audio, Image, Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.errors import (
    Broken,
    ContextOverflow,
    EmptyAnswer,
    KeyRefused,
    MalformedAnswer,
    ProviderError,
    RateLimited,
)
from hybridge.money import Usage
from tests.dialects.gemini.corpus import CLIENT, PROVIDER, QUIRKS, said

USED = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def decoded(answer: dict[str, object]) -> Reply:
    return PROVIDER.decode_reply(json.dumps(answer).encode(), QUIRKS)


def test_a_stop_after_a_call_is_a_call() -> None:
    reply = decoded(said({"functionCall": {"name": "f", "args": {"a": 1}}}, end="STOP", usageMetadata=USED))
    assert reply.stop is StopReason.TOOL_CALLS
    assert reply.parts == (ToolCall("call_r1_0", "f", '{"a": 1}'),)


def test_ids_are_made_up_once_for_each_call_of_each_answer() -> None:
    parts: list[dict[str, object]] = [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f", "args": {}}}]
    first = decoded(said(*parts, end="STOP"))
    second = decoded({**said(*parts, end="STOP"), "responseId": "x/y" * 30})
    ids = [part.id for reply in (first, second) for part in reply.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 4
    assert all(len(each) <= 40 and each.replace("_", "").replace("-", "").isalnum() for each in ids)
    kept = decoded(said({"functionCall": {"id": "abc", "name": "f", "args": {}}}, end="STOP"))
    assert kept.parts == (ToolCall("abc", "f", "{}"),)


def test_signatures_are_kept_also_on_an_empty_text() -> None:
    reply = decoded(
        said(
            {"text": "hm", "thought": True},
            {"text": "Yes", "thoughtSignature": "YQ=="},
            {"text": "", "thoughtSignature": "Yg=="},
            {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "Yw=="},
            end="STOP",
        )
    )
    assert reply.parts == (
        Reasoning("hm", origin="gemini"),
        Text("Yes"),
        Reasoning(signature="YQ==", origin="gemini"),
        Reasoning(signature="Yg==", origin="gemini"),
        ToolCall("1", "f", "{}", "Yw==", "gemini"),
    )


def test_media_in_an_answer() -> None:
    reply = decoded(
        said(
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
            end="STOP",
        )
    )
    assert reply.parts == (Image(data="AAAA", media_type="image/png"), Audio("AAAA", "wav"))


@pytest.mark.parametrize(
    ("end", "stop"),
    [
        ("STOP", StopReason.STOP),
        ("MAX_TOKENS", StopReason.LENGTH),
        ("SAFETY", StopReason.CONTENT_FILTER),
        ("RECITATION", StopReason.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", StopReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", StopReason.CONTENT_FILTER),
        ("OTHER", StopReason.STOP),
        ("MALFORMED_FUNCTION_CALL", StopReason.STOP),
        ("SOMETHING_NEW", StopReason.STOP),
        ("", StopReason.STOP),
    ],
)
def test_why_it_ended(end: str, stop: StopReason) -> None:
    assert decoded(said({"text": "x"}, end=end)).stop is stop


def test_a_blocked_prompt_is_a_filtered_answer() -> None:
    answer: dict[str, object] = {
        "promptFeedback": {"blockReason": "MODEL_ARMOR"},
        "usageMetadata": {"trafficType": "X"},
    }
    assert decoded(answer) == Reply("", "", (), StopReason.CONTENT_FILTER, Usage())
    assert PROVIDER.peek_reply(json.dumps(answer).encode(), QUIRKS).usage is None


def test_nothing_but_thinking_is_no_empty_answer() -> None:
    used = {"promptTokenCount": 3, "thoughtsTokenCount": 9, "totalTokenCount": 12}
    answer: dict[str, object] = {"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": used}
    assert decoded(answer).stop is StopReason.LENGTH
    assert decoded({"candidates": [{"content": {}, "finishReason": "SAFETY"}]}).stop is StopReason.CONTENT_FILTER


NOT_ENABLED = {"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", EmptyAnswer),
        (b" \n", EmptyAnswer),
        (b"<html><body>502</body></html>", MalformedAnswer),
        (b'{"candidates": [{"content": {"par', MalformedAnswer),
        (b'{"candidates": "no"}', MalformedAnswer),
        (b"[1]", MalformedAnswer),
        (json.dumps(said(end="STOP")).encode(), EmptyAnswer),
        (json.dumps(said({"text": ""}, {"text": "", "thoughtSignature": "YQ=="}, end="STOP")).encode(), EmptyAnswer),
        (b"{}", EmptyAnswer),
        (json.dumps(said(end="MALFORMED_FUNCTION_CALL", usageMetadata=USED)).encode(), MalformedAnswer),
        (json.dumps(said(end="OTHER")).encode(), MalformedAnswer),
        (b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}', RateLimited),
        (b'[{"error": {"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}}]', Broken),
        (b'{"error": "boom"}', Broken),
        (json.dumps(NOT_ENABLED).encode(), KeyRefused),
        (b'{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum (8)."}}', ContextOverflow),
    ],
)
def test_a_200_that_is_no_answer(answer: bytes, kind: type[ProviderError]) -> None:
    for read in (PROVIDER.decode_reply, PROVIDER.peek_reply):
        with pytest.raises(ProviderError) as caught:
            read(answer, QUIRKS)
        assert type(caught.value) is kind


def test_a_null_where_something_could_be_is_nothing() -> None:
    answer: dict[str, object] = {
        "error": None,
        "promptFeedback": None,
        "candidates": [{"content": {"parts": [{"text": "x", "functionCall": None, "thought": None}]}, "index": None}],
        "usageMetadata": None,
    }
    assert decoded(answer).parts == (Text("x"),)


def encoded(*parts: Any, stop: StopReason = StopReason.STOP) -> Any:
    reply = Reply("gen-1", "m", parts, stop, Usage(input=3, output=2))
    return json.loads(CLIENT.encode_reply(reply, request_id="req_1", created=1))


def test_an_answer_for_a_client() -> None:
    assert encoded(Text("hi")) == {
        "candidates": [
            {"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP", "index": 0},
        ],
        "usageMetadata": USED,
        "modelVersion": "m",
        "responseId": "gen-1",
    }


@pytest.mark.parametrize(
    ("stop", "end"),
    [
        (StopReason.STOP, "STOP"),
        (StopReason.STOP_SEQUENCE, "STOP"),
        (StopReason.TOOL_CALLS, "STOP"),
        (StopReason.PAUSE, "STOP"),
        (StopReason.LENGTH, "MAX_TOKENS"),
        (StopReason.CONTENT_FILTER, "SAFETY"),
        (StopReason.REFUSAL, "SAFETY"),
    ],
)
def test_every_stop_has_a_word_for_the_client(stop: StopReason, end: str) -> None:
    assert encoded(Text("x"), stop=stop)["candidates"][0]["finishReason"] == end


def test_parts_for_a_client() -> None:
    made = encoded(
        Reasoning("hm", "YQ==", origin="gemini"),
        Reasoning(signature="Yg==", origin="gemini"),
        Reasoning("plain"),
        Reasoning(),
        Refusal("no"),
        Image(data="AAAA", media_type="image/png"),
        ToolCall("c1", "f", "", "Yw==", "gemini"),
        ToolCall("c2", "g", "{oops"),
    )["candidates"][0]["content"]["parts"]
    assert made == [
        {"text": "hm", "thought": True, "thoughtSignature": "YQ=="},
        {"text": "", "thoughtSignature": "Yg=="},
        {"text": "plain", "thought": True},
        {"text": "no"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"functionCall": {"name": "f", "args": {}, "id": "c1"}, "thoughtSignature": "Yw=="},
        {"functionCall": {"name": "g", "args": {"arguments": "{oops"}, "id": "c2"}},
    ]
