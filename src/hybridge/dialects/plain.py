"""Events that say more words and nothing else: known by their likeness to one that was read in full.

While a model speaks, an event differs from the one before in its words alone, and with some providers in a padding
that hides their length. The bytes around them are compared, and the words must be the inside of a JSON string: so such
an event means what the one read in full meant. Whatever is not exactly like it is for others to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

#: Changes what does not stand for itself in a JSON string, and nothing else.
_ODD = bytes.maketrans(bytes((*range(32), 0x22, 0x5C)), b'"' * 32 + b'\\"')
#: The inside of a JSON string, but for halves of surrogate pairs: whether they are whole is for a decoder to say.
_string = re.compile(
    rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
).fullmatch
_padding = re.compile(rb'"(?:obfuscation|p)": ?"([0-9A-Za-z]*)"').search
_text = msgspec.json.Decoder(str).decode
_PROBE = b"probe"
_CR, _ESCAPE = b"\r\\"
_NONE: list[bytes] = []
#: So many bytes at the end of an event are looked for: few, and none that is frequent.
_END = 3
#: How much of a chunk is looked at together, in bytes.
_WINDOW = 16_384
#: After so many examples like which nothing was, no further one is taken.
_TRIES = 4


class Plain:
    """How plain events of a stream look: an example with a gap for its words. Without an example nothing is plain."""

    __slots__ = ("_fruitless", "_gap", "_head", "_middle", "_size", "_tail")

    def __init__(self) -> None:
        self._head = self._middle = self._tail = b""
        self._gap = slice(0)
        #: Of head and tail together; no chunk is shorter than nothing.
        self._size = -1
        self._fruitless = 0

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
        end = self._tail[-_END:]
        events = chunk[at : at + _WINDOW].split(end)
        # The last one has no end here.
        events.pop()
        while events and not self.alone(events[-1] + end):
            events.pop()
        words, size = self._words(events, chunk, at)
        if not words:
            # Something else stands between them.
            words, size = self._words(events[:1], chunk, at)
        return words, at + size

    def _words(self, events: list[bytes], chunk: bytes, at: int) -> tuple[list[bytes], int]:
        """The words of `events` and the bytes these have in `chunk`; none and 0 unless all of them are plain."""
        gap, head, tail = self._gap, self._head, self._tail
        words = [event[gap] for event in events]
        inside = (tail + head).join(words)
        start = at + len(head)
        if not (words and chunk.startswith(inside, start) and chunk.startswith(tail, start + len(inside))):
            return _NONE, 0
        if self._middle:
            words = [self._unpadded(piece) for piece in words]
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
        self._middle = b""
        if padding := _padding(tail):
            self._middle, tail = tail[: padding.start(1)], tail[padding.end(1) :]
        self._head, self._tail = head, tail
        self._gap = slice(len(head), _END - len(tail))
        self._size = len(head) + len(tail)
        return True


def text_of(words: bytes) -> str | None:
    """The text that words stand for; `None` if they are no text."""
    try:
        return _text(b'"%b"' % words) if _ESCAPE in words else words.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
