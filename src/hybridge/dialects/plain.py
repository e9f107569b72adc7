"""Events that say more words and nothing else: known by their likeness to one that was read in full.

While a model speaks, an event differs from the one before in its words alone, and with some providers in a padding
that hides their length. The bytes around them are compared, and the words must be the inside of a JSON string: so such
an event means what the one read in full meant. Whatever is not exactly like it is for others to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

#: Changes what does not stand for itself in a JSON string, and nothing else.
_ODD = bytes.maketrans(bytes((*range(32), 0x22, 0x5C)), b'"' * 32 + b'\\"')
#: The inside of a JSON string, but for halves of surrogate pairs: whether they are whole is for a decoder to say.
_string = re.compile(
    rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
).fullmatch
_padding = re.compile(rb'"(?:obfuscation|p)": ?"([0-9A-Za-z]*)"').search
_text = msgspec.json.Decoder(str).decode
_texts = msgspec.json.Decoder(list[str]).decode
_PROBE = b"probe"
_CR, _ESCAPE = b"\r\\"
_NONE: list[bytes] = []
#: How much of a chunk is looked at together, in bytes.
_WINDOW = 16_384
#: After so many examples like which nothing was, no further one is taken.
_TRIES = 4
#: So many examples of earlier streams are kept: each provider has one or two ways to say words.
_EXAMPLES = 16

_T = TypeVar("_T")


class Example(Struct, Generic[_T], frozen=True, gc=False):
    """What stands around the words of plain events, and `about` them what else a dialect knows.

    `before` and `after` are the parts of it in the line of the words: the one at `line` of an event's `lines`.
    """

    head: bytes
    middle: bytes
    tail: bytes
    before: bytes
    after: bytes
    line: int
    lines: int
    about: _T


class Examples(Generic[_T]):
    """Examples that outlive the streams they came from, the latest first."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: tuple[Example[_T], ...] = ()

    def keep(self, example: Example[_T]) -> None:
        """Take one more; the oldest gives way."""
        if example not in self.kept:
            self.kept = (example, *self.kept[: _EXAMPLES - 1])


class Plain(Struct, eq=False):
    """How plain events of a stream look: an example with a gap for its words. Without an example nothing is plain."""

    _head: bytes = b""
    _middle: bytes = b""
    _tail: bytes = b""
    _gap: slice = slice(0)
    #: What stands around the words in their line, which one of an event's lines that is, and how many these are.
    _before: bytes = b""
    _after: bytes = b""
    _line: int = 0
    _lines: int = 0
    #: Of head and tail together; no chunk is shorter than nothing.
    _size: int = -1
    _fruitless: int = 0

    @property
    def learns(self) -> bool:
        """Whether a further example would be taken."""
        return self._fruitless < _TRIES

    def alone(self, chunk: bytes) -> bytes:
        """The words of a chunk that is one plain event, as they stand in its JSON string; `b""` of any other."""
        words = chunk.removeprefix(self._head).removesuffix(self._tail)
        if len(words) + self._size != len(chunk):
            return b""
        if self._middle:
            words = self._unpadded(words)
        if words.translate(_ODD) != words and not _string(words):
            return b""
        self._fruitless = 0
        return words

    def run(self, chunk: bytes, at: int) -> tuple[list[bytes], int]:
        """The words of each of the plain events that follow one another from `at` on, and where the last one ends."""
        if self._size < 0 or not chunk.startswith(self._head, at):
            return _NONE, at
        stream = BytesIO(chunk)
        stream.seek(at)
        # Of each event the line that holds its words.
        lines = stream.readlines(_WINDOW)[self._line :: self._lines]
        before, after = self._before, self._after
        while lines and not (lines[-1].startswith(before) and lines[-1].endswith(after)):
            lines.pop()
        words, size = self._words(lines, chunk, at)
        if not words:
            # Something else stands between them.
            words, size = self._words(lines[:1], chunk, at)
        return words, at + size

    def said(self, words: list[bytes], size: int) -> int:
        """The characters of the words of plain events that have so many bytes together."""
        return len(b"".join(words)) if self._middle else size - len(words) * self._size

    def _words(self, lines: list[bytes], chunk: bytes, at: int) -> tuple[list[bytes], int]:
        """The words in `lines` and the bytes that their events have in `chunk`; none and 0 unless all are plain."""
        gap, head, tail = self._gap, self._head, self._tail
        words = [line[gap] for line in lines]
        inside = (tail + head).join(words)
        start = at + len(head)
        if not (words and chunk.startswith(inside, start) and chunk.startswith(tail, start + len(inside))):
            return _NONE, 0
        if self._middle:
            parts = [piece.partition(self._middle) for piece in words]
            paddings = b"".join([padding for _, _, padding in parts])
            words = [said if found else b"" for said, found, _ in parts]
            if paddings and not paddings.isalnum():
                return _NONE, 0
        # No escape holds a space, so together they are a string only if each is.
        together = b" ".join(words)
        if not all(words) or (together.translate(_ODD) != together and not _string(together)):
            return _NONE, 0
        return words, self._size + len(inside)

    def _unpadded(self, piece: bytes) -> bytes:
        words, found, padding = piece.partition(self._middle)
        return words if found and (not padding or padding.isalnum()) else b""

    def learn(self, event: bytes, words: bytes, read: Callable[[bytes], bytes]) -> bool:
        """Take an event that says these words and nothing else as the example; whether it can be one.

        `read` reads an event in full: the words of one that says nothing else, `b""` of any other.
        """
        if not (words and self.learns and event.endswith(b"\n\n")) or _CR in event:
            return False
        self._fruitless += 1
        head, _, tail = event.partition(b'"%b"' % words)
        head, tail = head + b'"', b'"' + tail
        # With other words there it must say those.
        if read(head + _PROBE + tail) != _PROBE:
            return False
        middle = b""
        if padding := _padding(tail):
            middle, tail = tail[: padding.start(1)], tail[padding.end(1) :]
        before, after = head[head.rfind(b"\n") + 1 :], tail[: tail.find(b"\n") + 1]
        line = head.count(b"\n")
        self._follow(Example(head, middle, tail, before, after, line, line + tail.count(b"\n"), None), b"")
        return True

    def recall(self, event: bytes, examples: Examples[_T], envelope: bytes = b"") -> tuple[bytes, _T] | None:
        """The words of an event that is like an example of another stream, now taken as this one's; and about it.

        The `envelope` with which the event begins stands before the example, in its first line.
        """
        rest = event[len(envelope) :]
        for example in examples.kept:
            if rest.startswith(example.head) and rest.endswith(example.tail) and _is_like(rest, example):
                self._follow(example, envelope)
                return self.alone(event), example.about
        return None

    def _follow(self, example: Example[_T], envelope: bytes) -> None:
        self._head, self._middle, self._tail = envelope + example.head, example.middle, example.tail
        self._before, self._after = envelope + example.before, example.after
        self._line, self._lines = example.line, example.lines
        self._gap = slice(len(self._before), -len(self._after))
        self._size = len(self._head) + len(self._tail)

    def keep(self, examples: Examples[_T], about: _T, envelope: bytes = b"") -> None:
        """Keep the example for other streams, without the `envelope` with which it begins."""
        head, before = self._head, self._before
        if envelope and self._line:
            # It is no part of the line that is looked at.
            return
        size = len(envelope)
        about_words = (before[size:], self._after, self._line, self._lines)
        examples.keep(Example(head[size:], self._middle, self._tail, *about_words, about))


def texts_of(words: list[bytes]) -> list[str] | None:
    """The texts that the words of several events stand for; `None` if any are no text."""
    try:
        return _texts(b'["%b"]' % b'","'.join(words))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_like(event: bytes, example: Example[_T]) -> bool:
    words = event.removeprefix(example.head).removesuffix(example.tail)
    if len(words) + len(example.head) + len(example.tail) != len(event):
        return False
    if example.middle:
        words, found, padding = words.partition(example.middle)
        if not found or (padding and not padding.isalnum()):
            return False
    return bool(words) and (words.translate(_ODD) == words or _string(words) is not None)


def text_of(words: bytes) -> str | None:
    """The text that words stand for; `None` if they are no text."""
    try:
        return _text(b'"%b"' % words) if _ESCAPE in words else words.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
