"""Events in their usual form, and those known by their likeness, mean the same as if each were read in full.

With a comment before its lines no event has the usual form: that is the measure.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.chat import Event, Failed, TextDelta
from hybridge.dialects.anthropic.tools import JSON_TOOL
from tests.dialects.anthropic import corpus
from tests.dialects.anthropic.corpus import decoder, listener, sse

_COMMENT = b": read me in full\n"

#: What may stand between the quotes of a JSON string, and what may not, and what ends the string and says more.
WORDS = st.one_of(
    st.text("ab ü€ế😀/}", max_size=5).map(lambda text: text.encode()),
    st.text('a"\\\n\t\x01ü😀', max_size=4).map(lambda text: json.dumps(text)[1:-1].encode()),
    st.sampled_from(
        [
            b"",
            b"\xff",
            b"\x01",
            b"\t",
            b"\r",
            b"\\",
            b"\\q",
            b"\\ud800",
            b"\\u12zz",
            b'"',
            b'a","signature":"s',
            b'a","text":"b',
            b'a"},"type":"ping","x":{"y":"',
            b'a"},"type":"message_stop","x":{"y":"',
            b'a"},"index":1,"x":{"y":"',
            b'a"},"delta":{"type":"text_delta","text":"other',
        ]
    ),
)

_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{%b}%b}\n\n'


def more(index: int, delta: bytes, behind: bytes = b"") -> bytes:
    return _DELTA % (index, delta, behind)


#: Frames of events that say more: `<>` is where the words stand.
FRAMES = (
    more(0, b'"type":"text_delta","text":"<>"'),
    more(1, b'"type":"text_delta","text":"<>"'),
    more(0, b'"type": "text_delta", "text": "<>"'),
    more(0, b'"type":"text_delta","text":"<>"', b"    "),
    more(0, b'"type":"text_delta","text":"<>","new":1'),
    more(0, b'"type":"text_delta","text":"<>"', b',"new":{"usage":1}'),
    more(0, b'"type":"text_delta","text":"<>"', b',"message":7'),
    more(0, b'"type":"text_delta","text":"<>","thinking":"<>"'),
    more(0, b'"type":"text_delta","text":"text"'),
    more(0, b'"type":"text_delta","text":null'),
    more(0, b'"type":"text_delta","text":7'),
    more(0, b'"type":"text_delta"'),
    more(2, b'"type":"thinking_delta","thinking":"<>"'),
    more(2, b'"type":"signature_delta","signature":"<>"'),
    more(3, b'"type":"input_json_delta","partial_json":"<>"'),
    more(4, b'"type":"input_json_delta","partial_json":"<>"'),
    more(0, b'"type":"of_tomorrow","text":"<>"'),
    more(9, b'"type":"text_delta","text":"<>"'),
    b'event: content_block_delta\ndata: {"index":0,"delta":{"text":"<>","type":"text_delta"},'
    b'"type":"content_block_delta"}\n\n',
    b'event: other\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"<>"}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"<>"}}\n\n',
    b'event: content_block_delta\ndata: {"type":"ping","index":0,"delta":{"type":"text_delta","text":"<>"}}\n\n',
    b"event: content_block_delta\ndata: <>\n\n",
)
START = sse({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}})
OPENED = (
    sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    sse({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "a"}}),
    sse({"type": "content_block_start", "index": 2, "content_block": {"type": "thinking", "thinking": ""}}),
    sse({"type": "content_block_start", "index": 3, "content_block": {"type": "tool_use", "id": "t", "name": "f"}}),
    sse({"type": "content_block_start", "index": 4, "content_block": {"type": "tool_use", "name": JSON_TOOL}}),
)
OTHERS = (
    *OPENED,
    *(sse({"type": "content_block_stop", "index": index}) for index in range(4)),
    sse({"type": "ping"}),
    b": comment\n\n",
    b"event: content_block_delta\n\n",
    b'data: {"type":"content_block_delta"}\n\n',
    sse({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}),
    sse(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_details": {"explanation": "a"}},
            "usage": {"output_tokens": 6},
        }
    ),
    sse({"type": "message_stop"}),
    sse({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
    START.replace(b"msg_1", b"msg_2"),
    b"data: <html>\n\n",
)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """The events of a stream in which one frame, at times two, comes again and again."""
    frames = draw(st.lists(st.sampled_from(FRAMES), min_size=1, max_size=2))
    events = [START, *OPENED]
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.integers(0, 5)) == 0:
            events.append(draw(st.sampled_from(OTHERS)))
        else:
            events.append(draw(st.sampled_from(frames)).replace(b"<>", draw(WORDS)))
    return events


def told(error: Exception | None) -> tuple[type, str] | None:
    return None if error is None else (type(error), str(error))


def heard(pieces: Iterable[bytes]) -> tuple[bytes, dict[str, Any]]:
    relay = listener()
    passed = b"".join([relay.feed(piece) for piece in pieces])
    state = {"content": relay.content, "said": relay.said, "stop": relay.stop, "usage": relay.usage}
    moved = relay.progress > 0
    passed += relay.end()
    return passed, {**state, "moved": moved, "error": told(relay.error)}


def events_of(pieces: Iterable[bytes]) -> tuple[list[Any], bool]:
    read = decoder()
    found: list[Event] = []
    for piece in pieces:
        found += read.feed(piece)
    return [told(event.error) if isinstance(event, Failed) else event for event in found], read.ended


def in_full(events: Iterable[bytes]) -> list[bytes]:
    return [_COMMENT + event for event in events]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [*sorted(places), len(stream)]
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(events=streams(), chance=st.data())
def test_any_form_and_any_cut_is_heard_alike(events: list[bytes], chance: st.DataObject) -> None:
    stream = b"".join(events)
    places = chance.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    passed, state = heard(in_full(events))
    for pieces in ([stream], events, cut(stream, places), cut(stream, range(len(stream)))):
        assert heard(pieces) == (passed.replace(_COMMENT, b""), state)


@given(events=streams(), chance=st.data())
def test_any_form_and_any_cut_is_read_alike(events: list[bytes], chance: st.DataObject) -> None:
    stream = b"".join(events)
    places = chance.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    wanted = events_of(in_full(events))
    for pieces in ([stream], events, cut(stream, places), cut(stream, range(len(stream)))):
        assert events_of(pieces) == wanted


def test_recorded_streams_are_read_and_heard_alike(shared: Path) -> None:
    chance = random.Random(5)
    for name, stream in corpus.streams(shared):
        events = [event + b"\n\n" for event in stream.removesuffix(b"\n\n").split(b"\n\n")]
        passed, state = heard(in_full(events))
        wanted = events_of(in_full(events))
        whole = b"".join(events)
        for pieces in ([whole], events, cut(whole, chance.choices(range(len(whole)), k=20))):
            assert heard(pieces) == (passed.replace(_COMMENT, b""), state), name
            assert events_of(pieces) == wanted, name


def test_progress_counts_feeds() -> None:
    relay = listener()
    event = FRAMES[0].replace(b"<>", b"a")
    for count, chunk in enumerate((event, event, event * 3, event + sse({"type": "ping"}), event[:9], event[9:]), 1):
        relay.feed(chunk)
        assert relay.progress == min(count, 4) + (count == 6)
    for chunk in (sse({"type": "ping"}), b": x\n\n"):
        relay.feed(chunk)
        assert relay.progress == 5


@pytest.mark.parametrize("closing", [sse({"type": "content_block_stop", "index": 0}), OPENED[0]])
def test_a_block_that_is_closed_says_nothing_more(closing: bytes) -> None:
    read = decoder()
    event = FRAMES[0].replace(b"<>", b"a")
    for chunk in (START, OPENED[0], event, event):
        read.feed(chunk)
    read.feed(closing)
    assert len(read.feed(event)) == (closing is OPENED[0])


def test_the_name_may_stand_for_the_type() -> None:
    event = b'event: content_block_delta\ndata: {"index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
    for form in (event, _COMMENT + event):
        _, state = heard([START, OPENED[0], form])
        assert state["said"] == 1
        assert events_of([START, OPENED[0], form])[0][1:] == [TextDelta("a")]
