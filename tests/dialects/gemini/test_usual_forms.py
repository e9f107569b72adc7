"""Events and requests in their usual form mean the same as in any other, which is read the long way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.chat import Event, Failed
from hybridge.dialects.codec import Target
from hybridge.types import Needs
from tests.dialects.gemini.corpus import CLIENT, PROVIDER, QUIRKS, body, said

#: With a comment before its line no event has the usual form: that is the measure.
_COMMENT = b": read me in full\n"

_COUNTED: dict[str, Any] = {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 5, "candidatesTokenCount": 2}}
_WHOLE: tuple[dict[str, Any], ...] = (
    said({"text": "a"}),
    said({"text": "ü\n\r"}, **_COUNTED),
    said({"text": "b", "thought": True}),
    said({"text": "", "thoughtSignature": "s"}),
    said({"text": "c", "thoughtSignature": "s"}),
    said({"functionCall": {"name": "f", "args": {"a": 1}}}),
    said({"functionCall": {"name": "f", "willContinue": True}}),
    said({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]}}),
    said({"functionCall": {"partialArgs": [{"jsonPath": "a", "stringValue": "x"}]}}),
    said({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    said(end="STOP"),
    said(end="SAFETY"),
    said(end="MALFORMED_FUNCTION_CALL"),
    said({"text": "d"}, end="STOP", **_COUNTED),
    {"promptFeedback": {"blockReason": "SAFETY"}, **_COUNTED},
    {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}},
    {"error": None},
    {"candidates": [{"content": {}}], "usageMetadata": {}},
    {"candidates": 7},
    {},
)
BLOCKS = st.one_of(
    st.sampled_from([b"data: " + json.dumps(event).encode() for event in _WHOLE]),
    st.sampled_from([b"data:" + json.dumps(event).encode() for event in _WHOLE[:4]]),
    st.sampled_from([b"data: {", b"data: [1]", b'data: {"candidates":\ndata: []}', b'data: {"candidates":\r[]}', b"x"]),
)
ENDS = st.sampled_from([b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\n\n", b"\r\r"])


def told(error: Exception | None) -> tuple[type, str] | None:
    return None if error is None else (type(error), str(error))


def heard(pieces: Iterable[bytes]) -> tuple[bytes, dict[str, Any]]:
    relay = PROVIDER.listener(withhold_usage=False, quirks=QUIRKS)
    passed = b"".join([relay.feed(piece) for piece in pieces])
    state = {"content": relay.content, "said": relay.said, "stop": relay.stop, "usage": relay.usage}
    passed += relay.end()
    return passed, {**state, "error": told(relay.error)}


def events_of(pieces: Iterable[bytes]) -> tuple[list[Any], bool]:
    read = PROVIDER.stream_decoder(QUIRKS)
    found: list[Event] = []
    for piece in pieces:
        found += read.feed(piece)
    return [told(event.error) if isinstance(event, Failed) else event for event in found], read.ended


@given(blocks=st.lists(BLOCKS, min_size=1, max_size=8), end=ENDS, chance=st.data())
def test_any_form_and_any_cut_is_heard_and_read_alike(blocks: list[bytes], end: bytes, chance: st.DataObject) -> None:
    events = [block + end for block in blocks]
    if end == b"\r\r":  # whether a CR at the very end is half a line's end, only what follows can tell
        events.append(b"data: {}\n\n")
    stream = b"".join(events)
    places = sorted(chance.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    comment = _COMMENT if end != b"\r\r" else b": c\r"
    passed, state = heard(comment + event for event in events)
    wanted = events_of(comment + event for event in events)
    cut = [stream[start:stop] for start, stop in zip([0, *places], [*places, len(stream)], strict=True)]
    for pieces in ([stream], events, cut, [stream[at : at + 1] for at in range(len(stream))]):
        assert heard(pieces) == (passed.replace(comment, b""), state)
        assert events_of(pieces) == wanted


def test_progress_counts_feeds_without_an_error() -> None:
    relay = PROVIDER.listener(withhold_usage=False, quirks=QUIRKS)
    event = b"data: " + json.dumps(_WHOLE[0]).encode() + b"\r\n\r\n"
    for chunk, progress in ((event, 1), (event * 3, 2), (event[:9], 2), (event[9:], 3), (b": x\n\n", 3)):
        relay.feed(chunk)
        assert relay.progress == progress
    bad = b"data: {\r\n\r\n"
    assert relay.feed(event + event + bad + event) == event + event
    assert relay.feed(event) == b""


# --- requests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"temperature": 1, "topP": 0.5, "topK": 3.0, "maxOutputTokens": 9, "seed": 1},
        {"presencePenalty": 0.5, "frequencyPenalty": 0.5, "mediaResolution": "MEDIA_RESOLUTION_LOW"},
    ],
)
def test_plain_requests_need_nothing_under_any_names(config: dict[str, object]) -> None:
    plain = CLIENT.read_facts(body(generationConfig=config), "m", stream=False)
    snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in config.items()}
    for other in (
        body(generation_config=snake, safety_settings=None),
        body(
            generationConfig={**config, "candidateCount": 1, "stopSequences": None}, tools=[], toolConfig={}, new=None
        ),
    ):
        facts = CLIENT.read_facts(other, "m", stream=False)
        assert (facts.needs, facts.asks, facts.max_tokens) == (plain.needs, plain.asks, plain.max_tokens)
        assert facts.needs == Needs.NOTHING
        assert CLIENT.decode_request(facts.fields) == CLIENT.decode_request(plain.fields)


@given(
    members=st.dictionaries(
        st.sampled_from(["model", "labels", "route", "models", "provider", "systemInstruction", "new"]),
        st.sampled_from([{}, {"a": "b"}, None]),
    ),
    strip=st.sets(st.sampled_from(["route", "models", "provider", "plugins"])),
)
def test_what_is_stripped_is_gone_and_all_else_stays(members: dict[str, object], strip: set[str]) -> None:
    asked = body(**members)
    sent = PROVIDER.adapt(
        CLIENT.read_facts(asked.replace(b'"model": {}', b'"model": null'), "m"),
        Target("m", "m", stream=False, strip=frozenset(strip)),
    )
    wanted = {name: value for name, value in json.loads(asked).items() if name not in {*strip, "model"}}
    assert json.loads(sent.body) == wanted
    assert sent.dropped == ()
