"""Events that are known by their likeness mean the same as if each were read in full, wherever the bytes are cut.

Fed byte by byte no event is ever known by its likeness: that is the measure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.chat import Event, Failed, TextDelta
from hybridge.dialects import dialect
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Quirks
from tests.dialects.openai.corpus import NEEDS_CORPUS
from tests.dialects.openai.test_corpus import WHOLE_STREAMS, any_cuts, pieces_of

PROVIDER = dialect("openai").provider
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}

#: What may stand between the quotes of a JSON string, and what may not, and what ends the string and says more.
WORDS = st.one_of(
    st.text("ab ü€ế😀/", max_size=5).map(lambda text: text.encode()),
    st.text('a"\\\n\t\x01ü😀', max_size=4).map(lambda text: json.dumps(text)[1:-1].encode()),
    st.text('a"\\\n😀', max_size=4).map(lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode()),
    st.sampled_from(
        [
            b"",
            b"\xff",
            b"\x01",
            b"\t",
            b"\n",
            b"\r",
            b"\n\n",
            b"\\",
            b"\\q",
            b"\\ud800",
            b"\\u12",
            b"\\u12zz",
            b"[DONE]",
            b'a"',
            b'"',
            b'x","refusal":"no',
            b'x"},"finish_reason":"length","a":{"b":"',
            b'x"},"finish_reason":"error","a":{"b":"',
            b'x"}}],"usage":{"prompt_tokens":9,"completion_tokens":9},"a":[{"b":{"c":"',
            b'x"}}],"error":{"message":"bad"},"a":[{"b":{"c":"',
            b"x\n\ndata: [DONE]\n\ndata: ",
        ]
    ),
)

#: Frames of plain events: `{}` is where the words stand, `<>` where a padding does.
FRAMES = (
    b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"{}"},"logprobs":null,"finish_reason":null}]}',
    b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"{}"},"finish_reason":null}],"usage":null}',
    b'data: {"id": "x", "choices": [{"index": 0, "delta": {"content": "{}"}, "finish_reason": null}], "usage": null}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"},"finish_reason":null}],"obfuscation":"<>"}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"}}],"obfuscation":"<>","usage":null}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"}}],"p":"<>"}',
    b'data: {"choices":[{"index":0,"delta":{"content":"","reasoning_content":"{}"}}]}',
    b'data: {"choices":[{"index":0,"delta":{"reasoning":"{}"}}]}',
    b'data: {"choices":[{"index":0,"delta":{"reasoning":"{}","reasoning_details":[{"text":"{}"}]}}]}',
    b'data: {"choices":[{"index":0,"delta":{"reasoning":"{}","reasoning_details":[{"text":"fixed"}]}}]}',
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}',
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"{}"}}]}}]}',
    b'data: {"choices":[{"index":1,"delta":{"content":"{}"}}]}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"}},{"index":1,"delta":{"content":"{}"}}]}',
    b'data: {"choices":[{"index":0,"message":{"content":"{}"},"delta":{"content":"{}"}}]}',
    b'data: {"choices":[{"index":0,"message":{"content":"{}"}}]}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"},"finish_reason":"stop"}]}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"},"usage":{"prompt_tokens":4,"completion_tokens":1}}]}',
    b'data: {"choices":[{"index":0,"delta":{"content":"{}"}}],"x_groq":{"usage":{"prompt_tokens":5}}}',
    b'data: {"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"{}"}]}}]}',
    b'data: {"choices":[{"index":0,"delta":{"refusal":"{}"}}]}',
    b'event: x\ndata: {"choices":[{"index":0,"delta":{"content":"{}"}}]}',
    b'data: {"content":"{}","choices":[{"index":0,"delta":{"content" : "{}"}}]}',
)
OTHERS = (
    b": comment",
    b"",
    b"\n",
    b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]}',
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g"}}]}}]}',
    b'data: {"choices":[],"usage":' + json.dumps(USAGE).encode() + b"}",
    b'data: {"choices":[],"x_groq":{"usage":{"prompt_tokens":8,"completion_tokens":2}}}',
    b"data: [DONE]",
    b'data: {"error":{"message":"x"}}',
    b"data: <html>",
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream in which one frame, at times two, comes again and again."""
    frames = draw(st.lists(st.sampled_from(FRAMES), min_size=1, max_size=2))
    end = draw(st.sampled_from([b"\n\n", b"\n\n", b"\n\n", b"\r\n\r\n"]))
    events = []
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.integers(0, 7)) == 0:
            events.append(draw(st.sampled_from(OTHERS)))
        else:
            frame = draw(st.sampled_from(frames))
            padding = draw(st.sampled_from([b"", b"a", b"Zz09", b'"', b"\\n", b'","usage":{"prompt_tokens":7},"a":"']))
            events.append(frame.replace(b"{}", draw(WORDS)).replace(b"<>", padding))
    return b"".join(event + end for event in events)


def state(pieces: Iterable[bytes], *, withhold: bool, quirks: Quirks) -> dict[str, Any]:
    relay = PROVIDER.listener(withhold_usage=withhold, quirks=quirks)
    out = b"".join([relay.feed(piece) for piece in pieces])
    heard = {
        "out": out,
        "content": relay.content,
        "said": relay.said,
        "stop": relay.stop,
        "progress": relay.progress > 0,
    }
    return {**heard, "rest": relay.end(), "usage": relay.usage, "error": told(relay.error)}


def told(error: Exception | None) -> tuple[type, str] | None:
    return None if error is None else (type(error), str(error))


def events(pieces: Iterable[bytes], quirks: Quirks) -> tuple[list[Any], bool]:
    decoder = PROVIDER.stream_decoder(quirks)
    found: list[Event] = []
    for piece in pieces:
        found += decoder.feed(piece)
    return [told(event.error) if isinstance(event, Failed) else event for event in found], decoder.ended


def each_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def each_event(stream: bytes) -> list[bytes]:
    *blocks, rest = stream.split(b"\n\n")
    return [*(block + b"\n\n" for block in blocks), rest]


def cut_events(stream: bytes) -> list[bytes]:
    """No event comes alone and whole, so each is read in full."""
    return [part for event in each_event(stream) for part in (event[:1], event[1:])]


@given(stream=streams(), withhold=st.booleans(), path=st.sampled_from(["", "x_groq.usage"]), chance=st.data())
def test_any_cut_is_heard_alike(stream: bytes, withhold: bool, path: str, chance: st.DataObject) -> None:
    quirks = Quirks(usage_path=path)
    cuts = chance.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    wanted = state(each_byte(stream), withhold=withhold, quirks=quirks)
    for pieces in ([stream], each_event(stream), pieces_of(stream, cuts)):
        assert state(pieces, withhold=withhold, quirks=quirks) == wanted


@given(stream=streams(), path=st.sampled_from(["", "x_groq.usage"]), chance=st.data())
def test_any_cut_gives_the_same_events(stream: bytes, path: str, chance: st.DataObject) -> None:
    quirks = Quirks(usage_path=path)
    cuts = chance.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    wanted = events(each_byte(stream), quirks)
    for pieces in ([stream], each_event(stream), pieces_of(stream, cuts)):
        assert events(pieces, quirks) == wanted


@NEEDS_CORPUS
@pytest.mark.parametrize(("stream", "quirks"), WHOLE_STREAMS)
def test_recorded_streams_are_heard_alike(stream: bytes, quirks: Quirks) -> None:
    wanted = state(cut_events(stream), withhold=True, quirks=quirks)
    read = events(cut_events(stream), quirks)
    for pieces in ([stream], each_event(stream), pieces_of(stream, any_cuts(stream, 1))):
        assert state(pieces, withhold=True, quirks=quirks) == wanted
        assert events(pieces, quirks) == read


def test_progress_counts_feeds() -> None:
    relay = PROVIDER.listener(withhold_usage=True, quirks=NO_QUIRKS)
    event = FRAMES[0].replace(b"{}", b"a") + b"\n\n"
    for count, chunk in enumerate((event, event, event * 3, event + b": x\n\n", event[:9], event[9:]), 1):
        relay.feed(chunk)
        assert relay.progress == min(count, 4) + (count == 6)
    relay.feed(b": x\n\n")
    assert relay.progress == 5


def plain(words: bytes) -> bytes:
    return FRAMES[0].replace(b"{}", words) + b"\n\n"


def test_a_line_before_an_event_is_not_overtaken_by_it() -> None:
    for line in (b": comment\n", b"id: 7\n", b"data: "):
        relay = PROVIDER.listener(withhold_usage=True, quirks=NO_QUIRKS)
        assert relay.feed(plain(b"a")) == plain(b"a")
        assert relay.feed(line) == b""
        assert relay.feed(plain(b"b")) == (b"" if line == b"data: " else line + plain(b"b"))
        decoder = PROVIDER.stream_decoder(NO_QUIRKS)
        decoder.feed(plain(b"a"))
        decoder.feed(plain(b"a"))
        assert decoder.feed(line) == []
        (event,) = decoder.feed(plain(b"b"))
        assert isinstance(event, Failed if line == b"data: " else TextDelta)


def test_words_that_are_no_text_fail_where_they_stand() -> None:
    decoder = PROVIDER.stream_decoder(NO_QUIRKS)
    decoder.feed(plain(b"a") * 2)
    *before, failed = decoder.feed(plain(b"b") + plain(b"\xff") + plain(b"c"))
    assert before == [TextDelta("b")]
    assert isinstance(failed, Failed)
    assert decoder.feed(plain(b"d")) == []


@pytest.mark.parametrize(
    ("frame", "quirks"),
    [
        (b'"usage":{"prompt_tokens":4,"completion_tokens":1}}],"x":0', NO_QUIRKS),
        (b'"x":0}],"usage":{"prompt_tokens":4,"completion_tokens":1}', NO_QUIRKS),
        (b'"x":0}],"x_groq":{"usage":{"prompt_tokens":4,"completion_tokens":1}}', Quirks(usage_path="x_groq.usage")),
    ],
)
def test_usage_beside_words_is_heard_each_time(frame: bytes, quirks: Quirks) -> None:
    counted = b'data: {"choices":[{"index":0,"delta":{"content":"{}"},%b}\n\n' % frame
    relay = PROVIDER.listener(withhold_usage=False, quirks=quirks)
    other = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9}}\n\n'
    for event in (counted.replace(b"{}", b"a"), other, counted.replace(b"{}", b"b")):
        relay.feed(event)
    assert relay.usage == Usage(input=4, output=1)
