"""A provider's stream, decoded and listened to."""

from __future__ import annotations

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
from hybridge.dialects.anthropic.tools import JSON_TOOL
from hybridge.errors import Broken, EmptyAnswer, MalformedAnswer, Rejected, Truncated
from hybridge.money import Usage
from tests.dialects.anthropic.corpus import decoder, finish_of, last_usage, listener, sse

PING = sse({"type": "ping"})
STOP = sse({"type": "message_stop"})


def start(**usage: Any) -> bytes:
    message = {"id": "msg_1", "type": "message", "model": "m", "content": [], "usage": {"output_tokens": 3, **usage}}
    return sse({"type": "message_start", "message": message})


def opened(index: int, **block: Any) -> bytes:
    return sse({"type": "content_block_start", "index": index, "content_block": block})


def more(index: int, kind: str, **delta: Any) -> bytes:
    return sse({"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}})


def closed(index: int) -> bytes:
    return sse({"type": "content_block_stop", "index": index})


def ended(reason: str, usage: dict[str, Any] | None = None, **delta: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None, **delta}
    return sse({"type": "message_delta", "delta": delta, "usage": usage or {"output_tokens": 5}})


def text(index: int, words: str) -> bytes:
    return opened(index, type="text", text="") + more(index, "text_delta", text=words) + closed(index)


def tool(index: int, name: str, *pieces: str, **block: Any) -> bytes:
    head = opened(index, type="tool_use", id=f"t{index}", name=name, input=block.get("input", {}))
    return head + b"".join(more(index, "input_json_delta", partial_json=piece) for piece in pieces) + closed(index)


def events_of(stream: bytes) -> list[Event]:
    return decoder().feed(stream)


def test_the_events_of_an_answer() -> None:
    stream = start(input_tokens=7) + PING + text(0, "hi") + ended("end_turn") + STOP
    read = decoder()
    assert read.feed(stream) == [
        Start("msg_1", "m", Usage(input=7)),
        TextDelta("hi"),
        Finish(StopReason.STOP),
        UsageEvent(Usage(input=7, output=5)),
    ]
    assert read.ended


def test_calls_are_counted_apart_from_blocks() -> None:
    stream = start() + text(0, "a") + tool(1, "f", "", '{"a"', ":1}") + tool(2, "g", '{"b":2}')
    assert [event for event in events_of(stream) if isinstance(event, (ToolStart, ToolDelta))] == [
        ToolStart(0, "t1", "f"),
        ToolDelta(0, '{"a"'),
        ToolDelta(0, ":1}"),
        ToolStart(1, "t2", "g"),
        ToolDelta(1, '{"b":2}'),
    ]


@pytest.mark.parametrize("pieces", [(), ("",), ("", "")])
def test_a_tool_without_arguments_is_called_with_none(pieces: tuple[str, ...]) -> None:
    assert events_of(start() + tool(0, "f", *pieces))[1:] == [ToolStart(0, "t0", "f"), ToolDelta(0, "{}")]


def test_arguments_that_come_whole() -> None:
    assert events_of(start() + tool(0, "f", input={"a": 1}))[2:] == [ToolDelta(0, '{"a": 1}')]


def test_thoughts() -> None:
    stream = (
        start()
        + opened(0, type="thinking", thinking="", signature="")
        + more(0, "thinking_delta", thinking="hm")
        + more(0, "thinking_delta", thinking="")
        + more(0, "signature_delta", signature="sig")
        + closed(0)
        + opened(1, type="redacted_thinking", data="xyz")
        + closed(1)
        + opened(2, type="thinking", thinking="")
        + more(2, "signature_delta", signature="hybridge:gemini:s")
    )
    assert events_of(stream)[1:] == [
        ReasoningDelta("hm", origin="anthropic", block=0),
        ReasoningDelta(signature="sig", origin="anthropic", block=0),
        ReasoningDelta(data="xyz", origin="anthropic", block=1),
        ReasoningDelta(signature="s", origin="gemini", block=2),
    ]


def test_usage_of_the_delta_is_cumulative_and_not_additive() -> None:
    begin = start(
        input_tokens=10,
        cache_creation_input_tokens=9,
        cache_creation={"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
        cache_read_input_tokens=2,
    )
    middle = ended("", {"output_tokens": 20})
    end = ended("end_turn", {"input_tokens": 11, "cache_creation_input_tokens": 9, "output_tokens": 50})
    events = events_of(begin + text(0, "a") + middle + end + STOP)
    assert last_usage(events).usage == Usage(input=11, cache_read=2, cache_write=4, cache_write_1h=5, output=50)
    assert finish_of(events).stop is StopReason.STOP


def test_the_placeholder_of_the_start_is_no_output() -> None:
    assert events_of(start(input_tokens=1)) == [Start("msg_1", "m", Usage(input=1))]
    relay = listener()
    relay.feed(start(input_tokens=1))
    assert relay.usage == Usage(input=1)


def test_stop_sequence() -> None:
    stream = start() + text(0, "a") + ended("stop_sequence", stop_sequence="END") + STOP
    assert finish_of(events_of(stream)) == Finish(StopReason.STOP_SEQUENCE, "END")


def test_a_reason_that_comes_twice_is_told_once() -> None:
    events = events_of(start() + text(0, "a") + ended("end_turn") + ended("max_tokens") + STOP)
    assert finish_of(events).stop is StopReason.STOP


def test_a_refusal_in_the_last_event() -> None:
    details = {"type": "refusal", "category": None, "explanation": "no"}
    stream = start() + ended("refusal", stop_details=details) + STOP
    assert events_of(stream)[1:3] == [RefusalDelta("no"), Finish(StopReason.REFUSAL)]
    assert RefusalDelta("no") not in events_of(start() + text(0, "no") + ended("refusal", stop_details=details))
    relay = listener()
    relay.feed(stream)
    relay.end()
    assert (relay.content, relay.stop, relay.error) == (True, StopReason.REFUSAL, None)


def test_a_silent_refusal_is_no_empty_answer() -> None:
    relay = listener()
    stream = start() + ended("refusal", {"output_tokens": 0}) + STOP
    assert relay.feed(stream) + relay.end() == stream
    assert relay.error is None


def test_the_forced_tool_is_unwrapped() -> None:
    stream = start() + tool(0, JSON_TOOL, "", '{"a"', ":1}") + ended("tool_use") + STOP
    events = events_of(stream)
    assert events[1:4] == [TextDelta('{"a"'), TextDelta(":1}"), Finish(StopReason.STOP)]
    assert events_of(start() + tool(0, JSON_TOOL))[1:] == [TextDelta("{}")]
    both = start() + tool(0, "f", "{}") + tool(1, JSON_TOOL, "{}") + ended("tool_use")
    assert finish_of(events_of(both)).stop is StopReason.TOOL_CALLS


def test_what_nobody_knows_is_passed_over() -> None:
    stream = (
        start()
        + sse({"type": "of_tomorrow", "delta": 7})
        + opened(0, type="server_tool_use", id="s", name="web_search", input={})
        + more(0, "input_json_delta", partial_json='{"query":')
        + closed(0)
        + opened(1, type="web_search_tool_result", content=[{"type": "x"}])
        + closed(1)
        + opened(2, type="text", text="")
        + more(2, "citations_delta", citation={"type": "c"})
        + more(2, "input_json_delta", partial_json="{}")
        + more(2, "text_delta", text="a")
        + more(9, "text_delta", text="of no block")
        + b": a comment\n\n"
        + sse({"type": "message_start"})
    )
    assert events_of(stream)[1:] == [TextDelta("a")]


def test_the_same_head_twice_is_one_and_nothing_follows_the_end() -> None:
    stream = start() + start() + text(0, "a") + ended("end_turn") + STOP
    events = events_of(stream + start() + text(0, "b"))
    assert sum(isinstance(event, Start) for event in events) == 1
    assert TextDelta("b") not in events


@pytest.mark.parametrize("event_lines", [True, False])
def test_a_stream_without_event_lines_is_the_same(event_lines: bool) -> None:
    stream = start() + PING + text(0, "hi") + ended("end_turn") + STOP
    if not event_lines:
        stream = b"".join(line + b"\n\n" for line in stream.split(b"\n") if line.startswith(b"data:"))
    relay = listener()
    assert relay.feed(stream) + relay.end() == stream
    assert (relay.content, relay.stop, relay.usage, relay.said) == (True, StopReason.STOP, Usage(output=5), 2)
    assert events_of(stream)[1] == TextDelta("hi")


# --- failures ------------------------------------------------------------------------------------------------------

OVERLOADED = sse({"type": "error", "error": {"details": None, "type": "overloaded_error", "message": "Overloaded"}})


def test_an_error_in_the_stream() -> None:
    read = decoder()
    *before, failed = read.feed(start() + text(0, "a") + OVERLOADED + text(1, "b"))
    assert before[-1] == TextDelta("a")
    assert isinstance(failed, Failed)
    assert type(failed.error) is Broken
    assert (failed.error.message, failed.error.status) == ("Overloaded", 529)
    assert read.feed(STOP) == []
    assert not read.ended


def test_an_error_event_is_not_passed_on_but_what_came_before_it_is() -> None:
    relay = listener()
    before = start() + text(0, "a")
    assert relay.feed(before + OVERLOADED + STOP) == before
    assert isinstance(relay.error, Broken)
    assert relay.feed(STOP) == b""
    assert relay.end() == b""


def test_an_error_that_blames_the_request() -> None:
    error = {"type": "invalid_request_error", "message": "no such thing"}
    (failed,) = events_of(sse({"type": "error", "error": error, "request_id": "r"}))
    assert isinstance(failed, Failed)
    assert type(failed.error) is Rejected
    assert failed.error.status == 400


@pytest.mark.parametrize(
    "bad",
    [
        b"event: message_delta\ndata: {\n\n",
        b"data: <html>\n\n",
        b'data: {"type":"\xff"}\n\n',
        b'data: {"x":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_is_no_json_is_malformed(bad: bytes) -> None:
    *_, failed = events_of(start() + bad)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, MalformedAnswer)
    relay = listener()
    assert relay.feed(start() + bad) == start()
    assert isinstance(relay.error, MalformedAnswer)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"", Truncated),
        (start() + text(0, "a"), Truncated),
        (start() + text(0, "a") + ended("end_turn"), Truncated),
        (start() + text(0, "a") + ended("end_turn") + STOP[:-1], Truncated),
        (start() + ended("end_turn", {"output_tokens": 0}) + STOP, EmptyAnswer),
        (start() + ended("end_turn", {"output_tokens": 2}) + STOP, None),
        (start() + ended("max_tokens", {"output_tokens": 0}) + STOP, None),
    ],
)
def test_the_verdict_over_a_stream_that_is_over(stream: bytes, kind: type[Exception] | None) -> None:
    relay = listener()
    passed = relay.feed(stream)
    assert passed + relay.end() == passed
    assert (type(relay.error) if relay.error else None) is kind


# --- listening -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("piece", "content"),
    [
        (start(), False),
        (PING, False),
        (opened(0, type="text", text=""), False),
        (opened(0, type="text", text="a"), True),
        (opened(0, type="thinking", thinking="", signature=""), False),
        (opened(0, type="redacted_thinking", data="x"), True),
        (opened(0, type="tool_use", id="t", name="f", input={}), True),
        (opened(0, type="server_tool_use", id="t", name="f", input={}), True),
        (more(0, "text_delta", text=""), False),
        (more(0, "text_delta", text="a"), True),
        (more(0, "thinking_delta", thinking="a"), True),
        (more(0, "signature_delta", signature="a"), True),
        (more(0, "input_json_delta", partial_json=""), False),
        (more(0, "text_delta", text=None), False),
        (closed(0), False),
    ],
)
def test_the_commit_point(piece: bytes, content: bool) -> None:
    relay = listener()
    assert relay.feed(piece) == piece
    assert relay.content is content


def test_progress_is_more_than_pings_and_comments() -> None:
    relay = listener()
    for piece, progress in ((PING, 0), (b": hi\n\n", 0), (start(), 1), (start()[:9], 1), (start()[9:] + PING, 2)):
        relay.feed(piece)
        assert relay.progress == progress


def test_characters_are_counted() -> None:
    relay = listener()
    relay.feed(start() + text(0, "chữ") + more(1, "thinking_delta", thinking="ab") + tool(2, "f", '{"a":1}'))
    assert relay.said == 3 + 2 + 7
