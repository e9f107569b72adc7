"""Streams on their way through: bytes unchanged, and what is heard in them."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.chat import StopReason
from hybridge.dialects import dialect
from hybridge.dialects.codec import Relay
from hybridge.errors import Broken, EmptyAnswer, MalformedAnswer, RateLimited, Truncated
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Quirks
from tests.dialects.openai.test_stream import DONE, SPENT, chunk, framed, tool

PROVIDER = dialect("openai").provider
USAGE_CHUNK = framed({"id": "x", "choices": [], "usage": SPENT, "object": "chat.completion.chunk"})
USAGE = Usage(input=1, output=2)


def listen(*pieces: bytes, withhold: bool = True, quirks: Quirks = NO_QUIRKS) -> tuple[Relay, bytes]:
    relay = PROVIDER.listener(withhold_usage=withhold, quirks=quirks)
    return relay, b"".join([*map(relay.feed, pieces), relay.end()])


def test_a_usage_chunk_that_nobody_asked_for_is_withheld() -> None:
    before, after = chunk({"content": "a"}) + chunk({}, "stop"), DONE
    relay, out = listen(before, USAGE_CHUNK, after)
    assert out == before + after
    assert relay.usage == USAGE
    assert (relay.content, relay.stop, relay.error) == (True, StopReason.STOP, None)
    assert listen(before, USAGE_CHUNK, after, withhold=False)[1] == before + USAGE_CHUNK + after
    assert listen(before + USAGE_CHUNK + after)[1] == before + after


def test_usage_beside_a_choice_passes() -> None:
    """OpenRouter and Mistral send it unasked, in a chunk that says more."""
    last = chunk({"content": ""}, "stop", usage=SPENT)
    relay, out = listen(chunk({"content": "a"}), last, DONE)
    assert out.endswith(last + DONE)
    assert relay.usage == USAGE


def test_a_chunk_without_choices_or_usage_passes() -> None:
    first = framed({"id": "", "choices": [], "prompt_filter_results": [], "usage": None})
    assert listen(first, chunk({"content": "a"}, "stop"), DONE)[1].startswith(first)


def test_comments_pass() -> None:
    comments = b": OPENROUTER PROCESSING\n\n"
    relay, out = listen(comments, comments, chunk({"content": "a"}, "stop"), DONE)
    assert out.startswith(comments * 2)
    assert relay.progress == 2


def test_only_whole_events_leave() -> None:
    relay = PROVIDER.listener(withhold_usage=True, quirks=NO_QUIRKS)
    event = chunk({"content": "ü"})
    assert relay.feed(event[:-7]) == b""
    assert not relay.content
    assert relay.progress == 0
    assert relay.feed(event[-7:] + event + event[:5]) == event + event
    assert relay.content


def test_an_event_as_long_as_the_piece_that_ended_it_is_not_taken_for_it() -> None:
    """The piece brings an event's last byte and a chunk that is withheld."""
    bare = chunk({"content": ""})
    event = chunk({"content": "x" * (len(USAGE_CHUNK) + 1 - len(bare))})
    relay = PROVIDER.listener(withhold_usage=True, quirks=NO_QUIRKS)
    assert relay.feed(event[:-1]) == b""
    assert relay.feed(event[-1:] + USAGE_CHUNK) == event


@pytest.mark.parametrize(
    ("delta", "content"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"content": None, "refusal": None, "tool_calls": None}, False),
        ({"content": "a"}, True),
        ({"content": [{"type": "text", "text": "a"}]}, True),
        ({"reasoning_content": "a"}, True),
        ({"reasoning": "a"}, True),
        ({"reasoning_details": [{"data": "d"}]}, True),
        ({"reasoning_content": "", "content": ""}, False),
        ({"refusal": "no"}, True),
        ({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}, True),
        ({"tool_calls": []}, False),
        ({"function_call": {"name": "f"}}, True),
        ({"audio": {"data": "UklG"}}, True),
        ({}, False),
        (None, False),
    ],
)
def test_what_is_content(delta: Any, content: bool) -> None:
    relay, _ = listen(chunk(delta))
    assert relay.content is content
    assert (relay.said > 0) is content


def test_what_was_said_is_counted() -> None:
    relay, _ = listen(
        chunk({"content": "abc"}),
        chunk({"reasoning": "de", "reasoning_details": [{"text": "de"}]}),
        tool(index=0, function={"arguments": "{}"}),
        chunk({"content": ""}),
        chunk({"content": None}),
        chunk({"content": "x"}),
        chunk({"content": "yz"}),
    )
    assert relay.said == 3 + 2 + 3 + 1 + 2


def test_groq_puts_usage_elsewhere() -> None:
    last = chunk({}, "stop", x_groq={"usage": SPENT})
    relay, out = listen(chunk({"content": "a"}), last, DONE, quirks=Quirks(usage_path="x_groq.usage"))
    assert relay.usage == USAGE
    assert last in out


def test_usage_inside_a_choice() -> None:
    last = framed({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": SPENT}]})
    assert listen(chunk({"content": "a"}), last, DONE)[0].usage == USAGE


def test_the_last_usage_holds() -> None:
    early = chunk({"content": "a"}, usage={"prompt_tokens": 1, "completion_tokens": 1})
    assert listen(early, chunk({"content": "b"}, "stop", usage=SPENT), DONE)[0].usage == USAGE


def test_an_error_is_not_passed_on_but_what_came_before_is() -> None:
    good = chunk({"content": "a"})
    bad = framed({"error": {"code": 429, "message": "slow"}})
    relay, out = listen(good + bad + good, good, DONE)
    assert out == good
    assert isinstance(relay.error, RateLimited)


@pytest.mark.parametrize(
    "bad",
    [
        b'event: error\ndata: {"error":{"message":"x","code":"tool_use_failed"}}\n\n',
        framed({"choices": [{"delta": {}, "error": {"message": "x"}}]}),
        chunk({"content": ""}, "error"),
        framed({"error": {"message": "x"}, "choices": [], "usage": SPENT}),
    ],
)
def test_errors_in_every_place(bad: bytes) -> None:
    for before in (b"", chunk({"content": "a"})):
        relay, out = listen(before + bad, DONE)
        assert out == before
        assert isinstance(relay.error, Broken)


def test_nonsense_is_malformed() -> None:
    relay, out = listen(b"data: <html>\n\n")
    assert out == b""
    assert isinstance(relay.error, MalformedAnswer)


def test_a_stream_that_breaks_off() -> None:
    relay, out = listen(chunk({"content": "a"}), chunk({"content": "b"})[:-9])
    assert out == chunk({"content": "a"})
    assert isinstance(relay.error, Truncated)
    assert isinstance(listen()[0].error, Truncated)


def test_a_stream_without_content() -> None:
    relay, _ = listen(chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), DONE)
    assert isinstance(relay.error, EmptyAnswer)
    cut = listen(chunk({"role": "assistant", "content": ""}), chunk({}, "length"), DONE)[0]
    assert cut.error is None


def test_the_end_may_lack_its_blank_line() -> None:
    relay, out = listen(chunk({"content": "a"}, "stop"), b"data: [DONE]")
    assert relay.error is None
    assert out.endswith(b"data: [DONE]")


def test_some_end_without_the_mark() -> None:
    relay, out = listen(chunk({"content": "a"}, "stop"), quirks=Quirks(ends_without_done=True))
    assert relay.error is None
    late = listen(chunk({"content": "a"}), chunk({}, "stop").rstrip(), quirks=Quirks(ends_without_done=True))
    assert late[0].error is None
    assert late[1].endswith(b"}")
    assert out


def test_an_error_may_come_last_without_a_blank_line() -> None:
    relay, out = listen(chunk({"content": "a"}), framed({"error": {"message": "x"}}).rstrip())
    assert isinstance(relay.error, Broken)
    assert out == chunk({"content": "a"})
