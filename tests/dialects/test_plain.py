"""Events known by their likeness: which are, and above all which are not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.dialects.plain import Examples, Plain, text_of, texts_of

_WORDS = re.compile(rb'data: \{"text":"((?:[^"\\]|\\.)*)"[^\n]*\}\n\n')


def read(event: bytes) -> bytes:
    found = _WORDS.fullmatch(event)
    return found[1] if found else b""


def event(words: bytes, more: bytes = b"") -> bytes:
    return b'data: {"text":"%b"%b}\n\n' % (words, more)


def learnt(example: bytes) -> Plain:
    plain = Plain()
    assert plain.learn(example, read(example), read)
    return plain


def test_nothing_is_plain_without_an_example() -> None:
    plain = Plain()
    for chunk in (b"", b"\n\n", event(b"a")):
        assert plain.alone(chunk) == b""
        assert plain.run(chunk, 0) == ([], 0)


@pytest.mark.parametrize(
    "words", [b"a", b" ", "ü€😀".encode(), b"\xff", b"\\n", b'\\"', b"\\\\", b"\\u00e9", b"a" * 70_000]
)
def test_words_may_be_any_inside_of_a_string(words: bytes) -> None:
    plain = learnt(event(b"first"))
    assert plain.alone(event(words)) == words
    if len(words) < 10_000:
        assert plain.run(event(words), 0) == ([words], len(event(words)))
        assert plain.run(b"xx" + event(words) * 3 + b"rest", 2) == ([words] * 3, 2 + 3 * len(event(words)))


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b'"',
        b"\\",
        b"\\q",
        b"\\ud800",
        b"\\u12",
        b"\x00",
        b"\x1f",
        b"\n",
        b"\r",
        b"\t",
        b'a","b":"c',
        b"a\n\ndata: b",
    ],
)
def test_anything_else_is_not_known(words: bytes) -> None:
    plain = learnt(event(b"first"))
    assert plain.alone(event(words)) == b""
    assert plain.run(event(words), 0) == ([], 0)
    chunk = event(b"a") + event(words) + event(b"b")
    assert plain.run(chunk, 0) == ([b"a"], len(event(b"a")))


@pytest.mark.parametrize(
    "other",
    [
        event(b"a", b',"more":1'),
        event(b"a").replace(b":", b": ", 1),
        event(b"a")[:-1],
        event(b"a")[1:],
        b"data: [DONE]\n\n",
        b'data: {"text":"',
        b'"}\n\n',
    ],
)
def test_another_frame_is_not_known(other: bytes) -> None:
    plain = learnt(event(b"first"))
    assert plain.alone(other) == b""
    assert plain.run(other, 0) == ([], 0)
    assert plain.run(event(b"a") * 2 + other + event(b"b"), 0)[0][:1] == [b"a"]
    assert plain.run(other + event(b"b"), len(other)) == ([b"b"], len(other + event(b"b")))


@given(st.lists(st.from_regex(rb"[a-z ]{1,9}", fullmatch=True), min_size=1, max_size=9), st.booleans())
def test_words_are_counted_by_what_stands_around_them(words: list[bytes], padded: bool) -> None:
    more = b',"p":"%b"' if padded else b""
    plain = learnt(event(b"first", more % b"xy" if padded else b""))
    chunk = b"".join([event(said, more % (b"x" * at) if padded else b"") for at, said in enumerate(words)])
    found, end = plain.run(chunk + b"data: [DONE]\n\n", 0)
    assert (found, end) == (words, len(chunk))
    assert plain.said(found, end) == len(b"".join(words))


@pytest.mark.parametrize("name", [b"obfuscation", b"p"])
def test_a_padding_may_differ(name: bytes) -> None:
    more = b',"%b":"%%b","usage":null' % name
    plain = learnt(event(b"first", more % b"x1"))
    for padding in (b"", b"a", b"Zz09" * 50):
        assert plain.alone(event(b"a", more % padding)) == b"a"
    chunk = b"".join(event(b"w%d" % at, more % (b"z" * at)) for at in range(5))
    assert plain.run(chunk, 0) == ([b"w%d" % at for at in range(5)], len(chunk))
    for padding in (b'"', b" ", b"\\n", b"\xc3\xa4", b'","usage":7,"x":"'):
        assert plain.alone(event(b"a", more % padding)) == b""
        assert plain.run(event(b"a", more % b"b") + event(b"a", more % padding), 0)[0] == [b"a"]


def test_another_member_is_no_padding() -> None:
    plain = learnt(event(b"first", b',"finish":"x"'))
    assert plain.alone(event(b"a", b',"finish":"x"')) == b"a"
    assert plain.alone(event(b"a", b',"finish":"y"')) == b""


def test_an_example_must_say_other_words_when_given_them() -> None:
    plain = Plain()
    # The first place where these words stand is not the one that is read.
    assert not plain.learn(b'data: {"text":"text"}\n\n', b"text", read)
    assert plain.alone(event(b"text")) == b""
    for bad in (b"data: x\n\n", event(b"a")[:-1], event(b"a", b"\r")):
        assert not plain.learn(bad, read(bad), read)


def test_a_later_example_takes_the_place_of_an_earlier_one() -> None:
    plain = learnt(event(b"a"))
    assert plain.learn(event(b"a", b',"b":1'), b"a", read)
    assert plain.alone(event(b"x")) == b""
    assert plain.alone(event(b"x", b',"b":1')) == b"x"


def test_a_stream_that_never_repeats_is_given_up() -> None:
    plain = Plain()
    asked = []

    def counted(event: bytes) -> bytes:
        asked.append(event)
        return read(event)

    for at in range(20):
        plain.learn(event(b"a", b',"id":%d' % at), b"a", counted)
    assert len(asked) < 20
    assert not plain.learns
    lasting = Plain()
    for at in range(20):
        frame = b',"id":%d' % at
        assert lasting.learns and lasting.learn(event(b"a", frame), b"a", read)
        assert lasting.alone(event(b"b", frame)) == b"b"


def test_an_example_of_another_stream_is_taken_if_an_event_is_like_it() -> None:
    examples: Examples[str] = Examples()
    learnt(event(b"a")).keep(examples, "short")
    learnt(event(b"a", b',"p":"x"')).keep(examples, "padded")
    learnt(event(b"a", b',"b":1')).keep(examples, "long")
    for more, about in ((b"", "short"), (b',"p":"yy"', "padded"), (b',"b":1', "long")):
        plain = Plain()
        assert plain.recall(event(b"word", more), examples) == (b"word", about)
        assert plain.run(event(b"x", more) * 3, 0) == ([b"x"] * 3, 3 * len(event(b"x", more)))
    for other in (event(b""), event(b'"'), event(b"a", b',"b":2'), event(b"a", b',"p":"y-"'), b"", b"\n\n"):
        plain = Plain()
        assert plain.recall(other, examples) is None
        assert plain.alone(other) == b""


def test_an_envelope_is_no_part_of_an_example() -> None:
    examples: Examples[None] = Examples()
    plain = learnt(event(b"a"))
    plain.keep(examples, None, b"data: ")
    assert examples.kept[0].head == b'{"text":"'
    other = Plain()
    assert other.recall(b"id: 7\n" + event(b"b"), examples, b"id: 7\ndata: ") == (b"b", None)
    assert other.alone(b"id: 7\n" + event(b"c")) == b"c"
    assert other.alone(event(b"c")) == b""


def test_examples_are_bounded_and_the_latest_is_first() -> None:
    examples: Examples[int] = Examples()
    for at in range(100):
        learnt(event(b"a", b',"b":%d' % at)).keep(examples, at)
        learnt(event(b"a", b',"b":%d' % at)).keep(examples, at)
    assert [example.about for example in examples.kept] == list(range(99, 83, -1))


def test_a_run_of_events_with_several_lines() -> None:
    def named(words: bytes) -> bytes:
        return b"event: x\n" + event(words)

    def words_of(block: bytes) -> bytes:
        return read(block.removeprefix(b"event: x\n"))

    plain = Plain()
    assert plain.learn(named(b"a"), b"a", words_of)
    chunk = b": hello\n\n" + b"".join(map(named, (b"a", b"b", b"c d"))) + event(b"e")
    assert plain.run(chunk, 9) == ([b"a", b"b", b"c d"], len(chunk) - len(event(b"e")))
    assert plain.run(chunk.replace(b"x\ndata", b"y\ndata"), 9) == ([], 9)


def test_a_long_run_is_taken_in_pieces() -> None:
    plain = learnt(event(b"first"))
    one = event(b"w" * 50)
    chunk = one * 2000 + event(b"", b',"end":1')
    at = count = 0
    while True:
        words, end = plain.run(chunk, at)
        if not words:
            break
        count += len(words)
        at = end
    assert (count, at) == (2000, 2000 * len(one))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (b"a", "a"),
        (b'\\u00e9\\n\\"', 'é\n"'),
        ("é😀".encode(), "é😀"),
        (b"\xff", None),
        (b"\\n\xff", None),
        (b"\\ud83d\\ude00", "😀"),
        (b"\\ud83d", None),
    ],
)
def test_what_words_stand_for(words: bytes, text: str | None) -> None:
    assert text_of(words) == text


def test_texts_are_those_of_each() -> None:
    words = [b"a", b'\\u00e9\\n\\"', "\u00e9".encode(), b" ", b"\\ud83d\\ude00"]
    assert texts_of(words) == [text_of(piece) for piece in words]
    for bad in (b"\xff", b"\\ud83d"):
        assert texts_of([*words, bad]) is None


@pytest.mark.parametrize("words", [b"", b"\\q", b'a"b'])
def test_an_event_that_only_looks_like_an_example_changes_nothing(words: bytes) -> None:
    examples: Examples[int] = Examples()
    learnt(event(b"first", b',"n":1')).keep(examples, 1)
    plain = learnt(event(b"own"))
    assert plain.recall(event(words, b',"n":1'), examples) is None
    assert plain.alone(event(b"word", b',"n":1')) == b""
    assert plain.alone(event(b"word")) == b"word"
