"""Framing: where an event ends, wherever the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.dialects.sse import Splitter, data_of


def split(stream: bytes, cuts: list[int]) -> tuple[list[bytes], bytes]:
    splitter = Splitter()
    blocks = []
    start = 0
    for cut in [*sorted(cuts), len(stream)]:
        blocks += splitter.feed(stream[start:cut])
        start = cut
    return blocks, splitter.rest()


EVENTS = st.lists(
    st.sampled_from(
        ["data: {EOL}", "data:x", "data: ü→{}", "event: error{EOL}data: {}", ": comment", "id: 7{EOL}data: a"]
    ),
    min_size=1,
    max_size=6,
)


@given(events=EVENTS, eol=st.sampled_from(["\n", "\r\n", "\r"]), chance=st.data())
def test_any_cut_gives_the_same_events_and_bytes(events: list[str], eol: str, chance: st.DataObject) -> None:
    texts = [event.replace("{EOL}", eol) + eol * 2 for event in events]
    stream = "".join(texts).encode()
    cuts = chance.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    blocks, rest = split(stream, cuts)
    assert b"".join(blocks) + rest == stream
    assert [data_of(block) for block in blocks] == [data_of(text.encode()) for text in texts]


@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"])
def test_every_single_cut(eol: str) -> None:
    stream = f"event: a{eol}data: 1{eol}{eol}data: ü{eol}{eol}".encode()
    for cut in range(len(stream) + 1):
        blocks, rest = split(stream, [cut])
        assert rest == b""
        assert [data_of(block) for block in blocks] == [("a", b"1"), ("", "ü".encode())]


@pytest.mark.parametrize("end", [b"\n\r\n", b"\r\n\n", b"\r\n\r\n", b"\n\n", b"\r\r"])
def test_line_ends_may_be_mixed(end: bytes) -> None:
    blocks, rest = split(b"data: a" + end + b"data: b\n\n", [])
    assert [data_of(block)[1] for block in blocks] == [b"a", b"b"]
    assert rest == b""


def test_half_a_crlf_does_not_end_an_event_early() -> None:
    splitter = Splitter()
    assert splitter.feed(b"data: a\r\n\r") == []
    assert splitter.feed(b"\ndata: b\r\n\r\n") == [b"data: a\r\n\r\n", b"data: b\r\n\r\n"]


def test_what_arrives_together_is_cut_together() -> None:
    assert Splitter().feed(b"data: a\n\ndata: b\n\n: c\n\n") == [b"data: a\n\n", b"data: b\n\n", b": c\n\n"]


def test_the_tail_is_kept() -> None:
    assert not Splitter().pending
    splitter = Splitter()
    assert splitter.feed(b"data: a\n\ndata: b") == [b"data: a\n\n"]
    assert splitter.pending
    assert splitter.rest() == b"data: b"


def test_a_large_event_in_many_pieces_is_one_event() -> None:
    splitter = Splitter()
    piece = b"x" * 65_536
    assert all(splitter.feed(chunk) == [] for chunk in [b"data: ", *[piece] * 64])
    (block,) = splitter.feed(b"\n\n")
    assert data_of(block) == ("", piece * 64)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"data: {}\n\n", ("", b"{}")),
        (b"data:{}\n\n", ("", b"{}")),
        (b"data: {}\r\n\r\n", ("", b"{}")),
        (b"data:  {}\n\n", ("", b" {}")),
        (b"event: ping\ndata: {}\n\n", ("ping", b"{}")),
        (b"event:ping\r\ndata:{}\r\n\r\n", ("ping", b"{}")),
        (b"data: a\ndata: b\n\n", ("", b"a\nb")),
        (b": comment\ndata: a\n\n", ("", b"a")),
        (b": OPENROUTER PROCESSING\n\n", ("", b"")),
        (b":\n\n", ("", b"")),
        (b"\n\n", ("", b"")),
        (b"event: message_stop\n\n", ("message_stop", b"")),
        (b"id: 1\nretry: 5\ndata: a\n\n", ("", b"a")),
        (b"data\n\n", ("", b"")),
        (b"data: a\nid: 1\n\n", ("", b"a")),
        (b"\xef\xbb\xbfdata: a\n\n", ("", b"a")),
        (b"data: a", ("", b"a")),
    ],
)
def test_what_an_event_says(block: bytes, expected: tuple[str, bytes]) -> None:
    assert data_of(block) == expected
