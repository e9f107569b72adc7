"""Streams of a provider, and streams for a client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybridge.chat import (
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StopReason,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects.codec import Relay
from hybridge.dialects.gemini import ArrayWriter
from hybridge.errors import Broken, EmptyAnswer, MalformedAnswer, ProviderError, RateLimited, Truncated
from hybridge.money import Usage
from tests.dialects.gemini.corpus import CLIENT, PROVIDER, QUIRKS, framed, said

ERROR = b'{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}'
USED = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def decoded(stream: bytes) -> list[Event]:
    return PROVIDER.stream_decoder(QUIRKS).feed(stream)


def heard(*pieces: bytes) -> tuple[Relay, bytes]:
    relay = PROVIDER.listener(withhold_usage=True, quirks=QUIRKS)
    return relay, b"".join(relay.feed(piece) for piece in pieces) + relay.end()


# --- decoded -------------------------------------------------------------------------------------------------------


def test_a_stream() -> None:
    stream = framed(
        [
            said({"text": "hm", "thought": True}),
            said({"text": "Hel"}, usageMetadata={"trafficType": "ON_DEMAND"}),
            said({"text": "lo", "thoughtSignature": "YQ=="}, end="STOP", usageMetadata=USED),
        ]
    )
    assert decoded(stream) == [
        Start("r1", "m-1"),
        ReasoningDelta("hm"),
        TextDelta("Hel"),
        TextDelta("lo"),
        ReasoningDelta(signature="YQ==", origin="gemini", block=1),
        UsageEvent(Usage(input=3, output=2)),
        Finish(StopReason.STOP),
    ]


def test_usage_is_cumulative_and_told_when_it_changes() -> None:
    stream = framed([said({"text": "a"}, usageMetadata=USED)] * 3 + [said(end="STOP", usageMetadata=USED)])
    assert [type(event) for event in decoded(stream)].count(UsageEvent) == 1


def test_calls_come_whole_and_are_numbered() -> None:
    stream = framed(
        [
            said({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "YQ=="}),
            said({"functionCall": {"id": "own", "name": "g"}}, end="STOP"),
        ]
    )
    assert decoded(stream)[1:] == [
        ToolStart(0, "call_r1_0", "f", "YQ==", "gemini"),
        ToolDelta(0, '{"a": 1}'),
        ToolStart(1, "own", "g"),
        ToolDelta(1, "{}"),
        Finish(StopReason.TOOL_CALLS),
    ]


def piece(path: str, **value: object) -> dict[str, object]:
    return said({"functionCall": {"partialArgs": [{"jsonPath": path, **value}], "willContinue": True}})


def test_arguments_in_pieces() -> None:
    stream = framed(
        [
            said({"functionCall": {"name": "f", "willContinue": True}}),
            piece("$.list[0].name", stringValue="New ", willContinue=True),
            piece("$.list[0].name", stringValue="York", willContinue=True),
            piece("$.list[0].name", stringValue=""),
            piece("$.list[1]['odd.key']", numberValue=2),
            piece('$.list[1]["x"]', boolValue=False),
            piece("$.none", nullValue="NULL_VALUE"),
            said({"functionCall": {}}),
            said({"functionCall": {"name": "g", "willContinue": True}}),
            said({"text": "done"}, end="STOP"),
        ]
    )
    assert decoded(stream)[1:] == [
        ToolStart(0, "call_r1_0", "f"),
        ToolDelta(0, '{"list":[{"name":"New York"},{"odd.key":2,"x":false}],"none":null}'),
        ToolStart(1, "call_r1_1", "g"),
        ToolDelta(1, "{}"),
        TextDelta("done"),
        Finish(StopReason.TOOL_CALLS),
    ]


@pytest.mark.parametrize("path", ["$", "$[0]", "x.y", "$.z[99999999]", "$.a[", "$.a.b[0]", "$" + ".a" * 101])
def test_arguments_at_impossible_places_fail(path: str) -> None:
    stream = framed(
        [
            said({"functionCall": {"name": "f", "willContinue": True}}),
            piece("$.a.b", stringValue="x"),
            piece(path, stringValue="x"),
        ]
    )
    [*_, last] = decoded(stream)
    assert isinstance(last, Failed)
    assert isinstance(last.error, MalformedAnswer)


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        (b"data: " + ERROR + b"\r\n\r\n", RateLimited),
        (b"data: [" + ERROR + b"]\r\n\r\n", RateLimited),
        (ERROR + b"\n", RateLimited),
        (json.dumps(json.loads(ERROR), indent=2).encode(), RateLimited),
        (b"[" + ERROR + b"]", RateLimited),
        (b"event: error\r\ndata: " + ERROR + b"\r\n\r\n", RateLimited),
        (b"data: {oops\r\n\r\n", MalformedAnswer),
        (framed([said(end="MALFORMED_FUNCTION_CALL")]), MalformedAnswer),
    ],
)
def test_an_error_in_the_stream(tail: bytes, kind: type[ProviderError]) -> None:
    stream = framed([said({"text": ""})])
    decoder = PROVIDER.stream_decoder(QUIRKS)
    last = (decoder.feed(stream) + decoder.feed(tail))[-1]
    assert isinstance(last, Failed)
    assert type(last.error) is kind
    assert decoder.feed(framed([said({"text": "more"}, end="STOP")])) == []
    assert not decoder.ended
    relay, out = heard(stream, tail)
    assert type(relay.error) is kind
    assert out == stream
    assert relay.feed(stream) == b""


def test_a_mishap_after_content_is_an_end() -> None:
    stream = framed([said({"text": "a"}), said(end="OTHER")])
    assert decoded(stream)[-1] == Finish(StopReason.STOP)
    assert heard(stream)[0].error is None


def test_a_blocked_prompt_is_an_end() -> None:
    stream = framed([{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}])
    assert decoded(stream)[-1] == Finish(StopReason.CONTENT_FILTER)
    relay, out = heard(stream)
    assert (relay.error, relay.stop, relay.usage, out) == (None, StopReason.CONTENT_FILTER, Usage(input=4), stream)


def test_other_candidates_are_left_to_those_who_asked_for_them() -> None:
    second = {"index": 1, "content": {"parts": [{"text": "B"}]}, "finishReason": "STOP"}
    chunk: dict[str, Any] = said({"text": "A"})
    chunk["candidates"].insert(0, second)
    assert decoded(framed([chunk]))[1:] == [TextDelta("A")]


# --- listened to ---------------------------------------------------------------------------------------------------


def test_what_a_relay_hears() -> None:
    relay = PROVIDER.listener(withhold_usage=True, quirks=QUIRKS)
    first, second, third = (
        framed([said({"text": "", "thoughtSignature": "YQ=="})]),
        framed([said({"text": "xin chào"}, usageMetadata=USED)]),
        framed([said({"functionCall": {"name": "f"}}, end="STOP", usageMetadata={"trafficType": "X"})]),
    )
    assert relay.feed(first[:-1]) == b""
    assert (relay.progress, relay.content) == (0, False)
    assert relay.feed(first[-1:]) == first
    assert (relay.progress, relay.content, relay.said) == (1, False, 0)
    assert relay.feed(second + third) == second + third
    assert (relay.progress, relay.content, relay.stop) == (2, True, StopReason.TOOL_CALLS)
    assert relay.said == len("xin chào") + len('{"name": "f"}')
    assert relay.usage == Usage(input=3, output=2)
    assert relay.end() == b""
    assert relay.error is None


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ({"text": ""}, False),
        ({"text": "", "thoughtSignature": "YQ=="}, False),
        ({"thoughtSignature": "YQ=="}, False),
        ({"text": "x"}, True),
        ({"text": "x", "thought": True}, True),
        ({"functionCall": {"name": "f", "args": {}}}, True),
        ({"inlineData": {"mimeType": "image/png", "data": "AA=="}}, True),
        ({"executableCode": {"code": "1"}}, True),
    ],
)
def test_what_counts_as_content(part: dict[str, object], content: bool) -> None:
    relay = PROVIDER.listener(withhold_usage=False, quirks=QUIRKS)
    relay.feed(framed([said(part)]))
    assert relay.content is content


def test_a_stream_that_is_cut_short() -> None:
    whole = framed([said({"text": "a"}), said({"text": "b"}, end="STOP")])
    relay, out = heard(whole[:-30])
    assert isinstance(relay.error, Truncated)
    assert out == framed([said({"text": "a"})])
    relay, out = heard(framed([said({"text": "a"})]))
    assert isinstance(relay.error, Truncated)


def test_a_last_event_without_its_blank_line_counts() -> None:
    whole = framed([said({"text": "a"}, end="STOP")])
    relay, out = heard(whole[:-4])
    assert relay.error is None
    assert out == whole[:-4]


def test_an_end_without_content_is_an_empty_answer() -> None:
    relay, _ = heard(framed([said({"text": ""}, end="STOP")]))
    assert isinstance(relay.error, EmptyAnswer)


def test_lf_comments_and_event_names_are_understood() -> None:
    chunk = json.dumps(said({"text": "a"}, end="STOP")).encode()
    for stream in (
        b"data:" + chunk + b"\n\n",
        b": hi\n\nevent: x\ndata: " + chunk + b"\n\n",
        b"data: " + chunk + b"\r\r",
    ):
        assert decoded(stream)[1] == TextDelta("a")
        # Comments are no sign of life, and Google's SDK fails on them.
        assert heard(stream)[1] == stream.removeprefix(b": hi\n\n")


def test_a_comment_is_no_progress() -> None:
    relay, out = heard(b": wait\n\n: wait\n\n")
    assert (relay.progress, out) == (0, b"")


# --- for a client --------------------------------------------------------------------------------------------------


def encoded(*events: Event) -> list[Any]:
    encoder = CLIENT.stream_encoder(model="asked", include_usage=False, request_id="req_1", created=1)
    out = encoder.encode(events) + encoder.finish()
    blocks = out.split(b"\r\n\r\n")
    assert blocks.pop() == b""
    assert all(block.startswith(b"data: ") and b"\n" not in block for block in blocks)
    return [json.loads(block[6:]) for block in blocks]


def test_a_stream_for_a_client() -> None:
    assert encoded(
        Start("gen-1", "m-2", Usage(input=9)),
        TextDelta("a"),
        TextDelta(""),
        RefusalDelta("no"),
        Finish(StopReason.LENGTH),
        UsageEvent(Usage(input=9, output=1)),
    ) == [
        {
            "candidates": [{"content": {"parts": [part], "role": "model"}, **end, "index": 0}],
            **used,
            "modelVersion": "m-2",
            "responseId": "gen-1",
        }
        for part, end, used in (
            ({"text": "a"}, {}, {}),
            ({"text": "no"}, {}, {}),
            (
                {"text": ""},
                {"finishReason": "MAX_TOKENS"},
                {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1, "totalTokenCount": 10}},
            ),
        )
    ]


def test_calls_are_sent_whole_even_if_their_pieces_are_mixed() -> None:
    *calls, last = encoded(
        ToolStart(1, "b", "g"),
        ToolStart(0, "a", "f", "YQ==", "gemini"),
        ToolDelta(0, '{"x"'),
        ToolDelta(1, ""),
        ToolDelta(0, ":1}"),
        ToolDelta(7, "lost"),
        Finish(StopReason.TOOL_CALLS),
    )
    assert [chunk["candidates"][0]["content"]["parts"] for chunk in calls] == [
        [{"functionCall": {"name": "f", "args": {"x": 1}, "id": "a"}, "thoughtSignature": "YQ=="}],
        [{"functionCall": {"name": "g", "args": {}, "id": "b"}}],
    ]
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["modelVersion"] == "asked"
    assert last["responseId"] == "req_1"


def test_thoughts_for_a_client() -> None:
    chunks = encoded(
        ReasoningDelta("hm"),
        ReasoningDelta(signature="YQ==", origin="gemini"),
        ReasoningDelta(signature="sig", origin="anthropic"),
        ReasoningDelta(),
    )
    thought, own, foreign, _ = (chunk["candidates"][0]["content"]["parts"][0] for chunk in chunks)
    assert thought == {"text": "hm", "thought": True}
    assert own == {"text": "", "thoughtSignature": "YQ=="}
    assert foreign["thought"] is True
    assert "sig" not in foreign["thoughtSignature"]


def test_nothing_keeps_an_idle_stream_open() -> None:
    assert CLIENT.keep_alive == b""


def test_a_stream_as_one_array() -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="r", created=0)
    out = encoder.encode([TextDelta("a"), TextDelta("b")]) + encoder.finish()
    writer = ArrayWriter()
    made = b"".join(writer.feed(out[at : at + 7]) for at in range(0, len(out), 7)) + writer.end()
    assert [chunk["responseId"] for chunk in json.loads(made)] == ["r"] * 3
    assert made.startswith(b'[{"candidates"')
    assert ArrayWriter().end() == b"[]"


def test_an_error_is_an_element_of_the_array() -> None:
    writer = ArrayWriter()
    made = writer.feed(framed([said({"text": "a"})])) + writer.feed(framed([ERROR])) + writer.end()
    assert "error" in json.loads(made)[1]


def test_broken_is_what_an_unknown_error_is() -> None:
    [*_, last] = decoded(framed([b'{"error": {"message": "?"}}']))
    assert isinstance(last, Failed)
    assert type(last.error) is Broken


def test_a_call_is_one_line_however_its_arguments_were_written() -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=False, request_id="r", created=1)
    written = '{\n  "city": "Hà Nội\\n",\r\n  "days": [1,\n 2.50]\r}'
    wire = encoder.encode([ToolStart(0, "", "weather"), ToolDelta(0, written)]) + encoder.finish()
    first, *_ = wire.split(b"\r\n\r\n")
    assert b"\n" not in first
    assert b'"args":{"city":"H\xc3\xa0 N\xe1\xbb\x99i\\n","days":[1,2.50]}' in first
