"""Streams to events: every trap of the wire by name."""

from __future__ import annotations

from typing import Any

import msgspec
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
from hybridge.dialects import dialect
from hybridge.errors import Broken, ContextOverflow, MalformedAnswer, ProviderError, RateLimited
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Quirks

PROVIDER = dialect("openai").provider
DONE = b"data: [DONE]\n\n"
START = Start("x", "m")


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return framed({"id": "x", "model": "m", "choices": [choice], **fields})


def framed(fields: Any) -> bytes:
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


def read(*pieces: bytes, quirks: Quirks = NO_QUIRKS) -> list[Event]:
    decoder = PROVIDER.stream_decoder(quirks)
    return [event for piece in pieces for event in decoder.feed(piece)]


def tool(**call: Any) -> bytes:
    return chunk({"tool_calls": [call]})


def piece(arguments: str, name: str | None = None) -> dict[str, Any]:
    return {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}


def test_a_plain_stream() -> None:
    assert read(
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk({"content": "a"}, obfuscation="zzz"),
        chunk({"content": "b"}, p="zzz"),
        chunk({}, "stop"),
        framed({"id": "x", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
        DONE,
    ) == [
        START,
        TextDelta("a"),
        TextDelta("b"),
        Finish(StopReason.STOP),
        UsageEvent(Usage(input=1, output=2)),
    ]


def test_the_end_is_its_mark_alone() -> None:
    decoder = PROVIDER.stream_decoder(NO_QUIRKS)
    decoder.feed(chunk({"content": "a"}, "stop"))
    assert not decoder.ended
    decoder.feed(DONE)
    assert decoder.ended


def test_the_end_mark_may_lack_its_blank_line() -> None:
    for end in (b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n"):
        decoder = PROVIDER.stream_decoder(NO_QUIRKS)
        decoder.feed(chunk({"content": "a"}, "stop"))
        decoder.feed(end)
        assert decoder.ended


def test_some_end_without_the_mark() -> None:
    decoder = PROVIDER.stream_decoder(Quirks(ends_without_done=True))
    decoder.feed(chunk({"content": "a"}))
    assert not decoder.ended
    decoder.feed(chunk({}, "stop"))
    assert decoder.ended


def test_the_finish_reason_comes_once() -> None:
    """OpenRouter repeats it in the chunk with usage."""
    events = read(chunk({"content": "a"}), chunk({}, "length"), chunk({"content": ""}, "length", usage=None), DONE)
    assert [event for event in events if isinstance(event, Finish)] == [Finish(StopReason.LENGTH)]


def test_a_finish_reason_may_be_missing_or_empty() -> None:
    assert read(chunk({"content": "a"}, ""), DONE)[-1] == Finish(StopReason.STOP)
    called = read(tool(index=0, id="a", function=piece("{}", "f")), DONE)
    assert called[-1] == Finish(StopReason.TOOL_CALLS)


def test_azure_begins_with_a_chunk_without_choices() -> None:
    first = framed({"id": "", "model": "", "choices": [], "prompt_filter_results": []})
    assert read(first, chunk({"content": "a"})) == [START, TextDelta("a")]


def test_perplexity_repeats_the_whole_message_beside_the_delta() -> None:
    choice = {"index": 0, "message": {"content": "a b"}, "delta": {"content": " b"}, "finish_reason": None}
    assert read(framed({"id": "x", "model": "m", "choices": [choice]})) == [START, TextDelta(" b")]


def test_a_message_without_a_delta_is_one() -> None:
    choice = {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}
    assert read(framed({"id": "x", "model": "m", "choices": [choice]})) == [
        START,
        TextDelta("a"),
        Finish(StopReason.STOP),
    ]


def test_of_several_choices_the_first_is_heard() -> None:
    events = read(chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "stop", 1), chunk({}, "length"))
    assert events == [START, TextDelta("a"), Finish(StopReason.LENGTH)]


def test_parallel_calls_are_joined_by_index() -> None:
    assert read(
        tool(index=0, id="a", type="function", function=piece("", "f")),
        tool(index=0, function=piece('{"x"')),
        tool(index=0, function=piece(":1}")),
        tool(index=1, id="b", type="function", function=piece("", "g")),
        tool(index=1, function=piece("{}")),
        chunk({}, "tool_calls"),
    ) == [
        START,
        ToolStart(0, "a", "f"),
        ToolDelta(0, '{"x"'),
        ToolDelta(0, ":1}"),
        ToolStart(1, "b", "g"),
        ToolDelta(1, "{}"),
        Finish(StopReason.TOOL_CALLS),
    ]


def test_an_empty_id_never_overwrites_one() -> None:
    """DashScope repeats `id` as an empty string."""
    events = read(
        tool(index=0, id="a", function=piece("", "f")), tool(index=0, id="", function={"name": "", "arguments": "{}"})
    )
    assert events == [START, ToolStart(0, "a", "f"), ToolDelta(0, "{}")]
    early = read(tool(index=0, id="a", function=piece("")), tool(index=0, id="", function=piece("{}", "f")))
    assert early == events


def test_calls_may_lack_an_index() -> None:
    """Mistral sends calls whole, some without `index`."""
    events = read(
        chunk({"tool_calls": [{"id": "a", "function": piece("{}", "f")}, {"id": "b", "function": piece("{}", "f")}]}),
        tool(function=piece(" ")),
    )
    assert events == [
        START,
        ToolStart(0, "a", "f"),
        ToolDelta(0, "{}"),
        ToolStart(1, "b", "f"),
        ToolDelta(1, "{}"),
        ToolDelta(1, " "),
    ]


def test_two_calls_may_share_an_index() -> None:
    events = read(tool(index=0, id="a", function=piece("{}", "f")), tool(index=0, id="b", function=piece("{}", "g")))
    assert events[1:] == [ToolStart(0, "a", "f"), ToolDelta(0, "{}"), ToolStart(1, "b", "g"), ToolDelta(1, "{}")]


def test_a_provider_may_repeat_id_and_name_with_each_piece() -> None:
    events = read(tool(index=0, id="0", function=piece("", "f")), tool(index=0, id="0", function=piece("{}", "f")))
    assert events[1:] == [ToolStart(0, "0", "f"), ToolDelta(0, "{}")]


def test_indexes_of_the_wire_may_begin_anywhere() -> None:
    events = read(tool(index=7, id="a", function=piece("{}", "f")))
    assert events[1:] == [ToolStart(0, "a", "f"), ToolDelta(0, "{}")]


def test_the_name_may_come_late() -> None:
    events = read(tool(index=0, id="a", function=piece("{")), tool(index=0, function=piece("}", "f")))
    assert events[1:] == [ToolStart(0, "a", "f"), ToolDelta(0, "{}")]


def test_a_missing_id_is_made_and_unique() -> None:
    events = read(tool(index=0, function=piece("{}", "f")), tool(index=1, function=piece("{}", "f")))
    ids = [event.id for event in events if isinstance(event, ToolStart)]
    assert len(set(ids)) == 2
    assert all(made.startswith("call_") for made in ids)


def test_a_forced_call_ends_in_stop() -> None:
    events = read(tool(index=0, id="a", function=piece("{}", "f")), chunk({}, "stop"))
    assert events[-1] == Finish(StopReason.TOOL_CALLS)


def test_a_function_call_of_old() -> None:
    events = read(
        chunk({"function_call": piece("", "f")}), chunk({"function_call": piece("{}")}), chunk({}, "function_call")
    )
    assert isinstance(events[1], ToolStart)
    assert events[2:] == [ToolDelta(0, "{}"), Finish(StopReason.TOOL_CALLS)]


def test_gemini_signs_calls() -> None:
    events = read(
        tool(index=0, id="a", function=piece("{}", "f"), extra_content={"google": {"thought_signature": "s"}})
    )
    assert events[1] == ToolStart(0, "a", "f", "s", "gemini")


def test_reasoning_in_every_place() -> None:
    assert read(
        chunk({"reasoning_content": "a", "content": None}), chunk({"reasoning": "b", "channel": "analysis"})
    ) == [
        START,
        ReasoningDelta("a"),
        ReasoningDelta("b"),
    ]


def test_details_say_more_than_the_text_they_repeat() -> None:
    form = "anthropic-claude-v1"
    events = read(
        chunk(
            {
                "reasoning": "a",
                "reasoning_details": [{"type": "reasoning.text", "text": "a", "format": form, "index": 0}],
            }
        ),
        chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "format": form, "index": 0}]}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": form, "index": 1}]}),
        chunk({"reasoning": "c", "reasoning_details": []}),
    )
    assert events[1:] == [
        ReasoningDelta("a", origin="anthropic"),
        ReasoningDelta(signature="s", origin="anthropic"),
        ReasoningDelta(data="d", origin="anthropic", block=1),
        ReasoningDelta("c"),
    ]


def test_mistral_thinks_in_the_content() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]
    assert read(chunk({"content": thinking}), chunk({"content": [{"type": "text", "text": "b"}]}))[1:] == [
        ReasoningDelta("a"),
        TextDelta("b"),
    ]


def test_a_refusal() -> None:
    assert read(chunk({"refusal": "no"}), chunk({}, "stop"))[1:] == [RefusalDelta("no"), Finish(StopReason.REFUSAL)]


SPENT = {"prompt_tokens": 1, "completion_tokens": 2}
HEARD = UsageEvent(Usage(input=1, output=2))


def test_where_usage_stands() -> None:
    assert read(chunk({}, "stop", usage=SPENT))[-1] == HEARD
    assert read(chunk({}, "stop", x_groq={"usage": SPENT}), quirks=Quirks(usage_path="x_groq.usage"))[-1] == HEARD
    inside = framed({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": SPENT}]})
    assert read(inside)[-1] == HEARD
    assert not any(isinstance(event, UsageEvent) for event in read(chunk({"content": "a"}, usage=None)))


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (framed({"error": {"message": "down", "code": None}}), Broken),
        (framed({"error": {"code": 429, "message": "slow"}, "choices": [{"delta": {"content": ""}}]}), RateLimited),
        (framed({"error": {"code": "context_length_exceeded", "message": "long"}}), ContextOverflow),
        (framed({"error": "plain"}), Broken),
        (
            b'event: error\ndata: {"error":{"message":"bad call","code":"tool_use_failed","status_code":400}}\n\n',
            Broken,
        ),
        (b'event: error\ndata: {"message":"down","type":"server_error"}\n\n', Broken),
        (b"event: error\ndata: boom\n\n", Broken),
        (framed({"choices": [{"index": 0, "error": {"code": 502, "message": "down"}}]}), Broken),
        (chunk({"content": ""}, "error"), Broken),
        (chunk({"content": ""}, "insufficient_system_resource"), Broken),
        (b"data: {half\n\n", MalformedAnswer),
        (b"data: <html>\n\n", MalformedAnswer),
        (b"data: [1]\n\n", MalformedAnswer),
        (b"data: \xff\n\n", MalformedAnswer),
    ],
)
def test_errors_end_the_stream(block: bytes, kind: type[ProviderError]) -> None:
    events = read(chunk({"content": "a"}), block, chunk({"content": "never"}), DONE)
    assert events[:2] == [START, TextDelta("a")]
    (failed,) = events[2:]
    assert isinstance(failed, Failed)
    assert type(failed.error) is kind
    assert failed.error.message


def test_null_and_empty_errors_are_none() -> None:
    assert read(chunk({"content": "a"}, error=None), chunk({"content": "b"}, error={}))[1:] == [
        TextDelta("a"),
        TextDelta("b"),
    ]


def test_comments_and_unknown_events_are_nothing() -> None:
    assert read(b": OPENROUTER PROCESSING\n\n", b": keep-alive\n\n", b"event: ping\n\n", b"\n\n") == []
    assert read(b'event: usage\ndata: {"object":"x"}\n\n') == []


def test_line_ends_and_missing_spaces() -> None:
    assert read(chunk({"content": "a"}).replace(b"\n", b"\r\n").replace(b"data: ", b"data:")) == [START, TextDelta("a")]
