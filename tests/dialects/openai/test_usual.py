"""Events like those of an earlier stream mean the same as if each were read in full, and no others are taken for such.

Fed byte by byte no event is known by its likeness: that is the measure.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.dialects.openai.usual import Silent, envelope_of, rest_of
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Quirks
from tests.dialects.openai.test_plain_events import each_byte, each_event, events, state, streams

#: Members before `choices`: those that only name a stream, and those that say more or are no JSON.
NAMING = (
    b'"id":"a-1","object":"chat.completion.chunk","created":17,"model":"m/n:o",',
    b'"id": "b", "created": 0, "system_fingerprint": null, ',
    b'"created":1700000000,"id":"","provider":"P Q",',
)
TELLING = (
    b'"id":"c","created":17,"usage":{"prompt_tokens":4,"completion_tokens":1},',
    b'"id":"c","created":17,"usage":null,',
    b'"id":"c","created":17,"us\\u0061ge":{"prompt_tokens":4,"completion_tokens":1},',
    b'"id":"c","created":17,"error":{"message":"no"},',
    b'"id":"c","created":17,"error":"no",',
    b'"id":"c","created":17,"choices":[],',
    b'"id":"c","created":01,',
    b'"id":"c","created":17,,',
    b'"id":"\xff","created":17,',
    b'"id":"c\\q","created":17,',
    b'"id":"c","created":17,"x_groq":{"usage":{"prompt_tokens":6,"completion_tokens":1}},',
    b'"id":"c","created":17\n\n,',
    b'"id":"c","created":17}\n\ndata: {',
)


def named(stream: bytes, members: bytes) -> bytes:
    return stream.replace(b'"id":"x",', b"").replace(b'"id": "x", ', b"").replace(b'"choices"', members + b'"choices"')


@given(
    stream=streams(),
    members=st.lists(st.sampled_from(NAMING + NAMING + TELLING), min_size=2, max_size=2),
    withhold=st.booleans(),
    path=st.sampled_from(["", "", "x_groq.usage"]),
    ends=st.booleans(),
)
def test_a_stream_like_an_earlier_one_is_heard_alike(
    stream: bytes, members: list[bytes], withhold: bool, path: str, ends: bool
) -> None:
    quirks = Quirks(usage_path=path, ends_without_done=ends)
    earlier, later = named(stream, members[0]), named(stream, members[1])
    for other in (NO_QUIRKS, quirks):
        state([earlier], withhold=not withhold, quirks=other)
        events([earlier], other)
    wanted = state(each_byte(later), withhold=withhold, quirks=quirks)
    read = events(each_byte(later), quirks)
    for pieces in ([later], each_event(later)):
        assert state(pieces, withhold=withhold, quirks=quirks) == wanted
        assert events(pieces, quirks) == read


@given(first=streams(), second=streams(), members=st.sampled_from(NAMING))
def test_two_halves_of_a_stream_may_have_other_envelopes(first: bytes, second: bytes, members: bytes) -> None:
    stream = named(first, NAMING[0]) + named(second, members)
    wanted = state(each_byte(stream), withhold=True, quirks=NO_QUIRKS)
    for pieces in ([stream], each_event(stream), [stream]):
        assert state(pieces, withhold=True, quirks=NO_QUIRKS) == wanted


@pytest.mark.parametrize(
    ("behind", "earlier", "later"),
    [
        (
            b'}],"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":1}}}',
            NO_QUIRKS,
            Quirks(usage_path="x_groq.usage"),
        ),
        (b',"usage":{"prompt_tokens":5,"completion_tokens":1}}]}', NO_QUIRKS, NO_QUIRKS),
        (b'}],"usage":{"prompt_tokens":5,"completion_tokens":1}}', NO_QUIRKS, NO_QUIRKS),
    ],
)
@pytest.mark.parametrize("delta", [b"{}", b'{"content":"word"}'])
def test_usage_beside_a_choice_is_heard_in_each_stream(
    delta: bytes, behind: bytes, earlier: Quirks, later: Quirks
) -> None:
    event = b'data: {"choices":[{"delta":%b,"finish_reason":"stop"%b\n\n' % (delta, behind)
    other = b'data: {"choices":[{"delta":%b}]}\n\n' % delta
    for quirks, members in ((earlier, NAMING[0]), (later, NAMING[2])):
        stream = named(other + event * 2 + other, members)
        heard = state([stream], withhold=False, quirks=quirks)
        assert heard == state(each_byte(stream), withhold=False, quirks=quirks)
    assert heard["usage"] == Usage(input=5, output=1)


@pytest.mark.parametrize("members", NAMING)
def test_an_envelope_only_names_the_stream(members: bytes) -> None:
    event = b"data: {" + members + b'"choices":[{"delta":{}}]}\n\n'
    envelope = envelope_of(event)
    assert envelope == b"data: {" + members + b'"choices":'
    assert rest_of(event, envelope) == b'[{"delta":{}}]}\n\n'


@pytest.mark.parametrize("members", [*TELLING[:-1], b"", b'"id":"x",', b'"created":1,'])
def test_what_says_more_is_no_envelope(members: bytes) -> None:
    event = b"data: {" + members + b'"choices":[{"delta":{}}]}\n\n'
    envelope = envelope_of(event)
    # Of two members with a name the last one counts, so nothing may stand before the first.
    assert envelope in (b"", b'data: {"id":"c","created":17,"choices":') and (
        not envelope or b'"choices":[]' in members
    )
    assert rest_of(event, b"") == b""


def test_nothing_but_an_event_in_its_usual_form_has_an_envelope() -> None:
    usual = b"data: {" + NAMING[0] + b'"choices":[]}\n\n'
    assert envelope_of(usual)
    assert rest_of(usual, envelope_of(usual)) == b""
    for event in (b"event: x\n" + usual, usual[1:], b": " + usual, usual.replace(b"data: ", b"data:")):
        assert envelope_of(event) == b""


def test_a_padding_is_no_part_of_what_is_remembered() -> None:
    silent = Silent()
    rest = b'[{"delta":{},"finish_reason":"stop"}],"obfuscation":"%b"}\n\n'
    silent.keep(rest % b"abc", "stop")
    assert silent.reason(rest % b"Zz0") == silent.reason(rest % b"") == "stop"
    for other in (b'"', b"\\n", b" ", b"\xc3\xa4", b'","usage":{"prompt_tokens":1},"x":"'):
        assert silent.reason(rest % other) is None
    assert silent.reason((rest % b"abc")[:-1]) is None
    assert silent.reason(rest.replace(b"stop", b"length") % b"abc") is None


def test_what_is_remembered_is_bounded() -> None:
    silent = Silent()
    silent.keep(b"x" * 10_000, "stop")
    assert silent.reason(b"x" * 10_000) is None
    for number in range(10_000):
        silent.keep(b"%d" % number, "stop")
    assert sum(silent.reason(b"%d" % number) is not None for number in range(10_000)) <= 64
    assert silent.reason(b"9999") == "stop"
