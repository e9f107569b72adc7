"""A stream on its way through to a client of the same dialect: bytes unchanged, but listened to.

Source: https://platform.openai.com/docs/api-reference/chat/streaming.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct, field

from hybridge.chat import StopReason
from hybridge.dialects.codec import verdict
from hybridge.dialects.openai import heard
from hybridge.dialects.openai.errors import error_inside
from hybridge.dialects.openai.reply import FAILURES, stop_of
from hybridge.dialects.openai.stream import DONE, error_in, gave_up, unreadable
from hybridge.dialects.openai.usage import usage_at, usage_of
from hybridge.dialects.openai.usual import Silent, envelope_of, rest_of
from hybridge.dialects.plain import Examples, Plain
from hybridge.dialects.quirks import asks
from hybridge.dialects.sse import Splitter, data_of
from hybridge.errors import ProviderError
from hybridge.money import Usage
from hybridge.types import Quirks

_LAST = b"data: %b\n\n" % DONE
_CR, _LF = b"\r\n"
#: How an event ends whose last member is an object, as usage is.
_NESTED = b"}}\n\n"

#: Plain events of earlier streams, from behind their envelopes on, each with what it counts beside its words.
_spoken: Examples[int] = Examples()
#: Events of earlier streams that say no words, from behind their envelopes on: the reason each gives to finish.
_silent = Silent()


class Listener(Struct, eq=False):
    """A relay for a client of the same dialect: bytes pass unchanged, but for a usage chunk nobody asked for.

    A chunk whose usage stands beside a choice always passes: cutting it would cut the choice.
    """

    withhold_usage: bool
    quirks: Quirks
    content: bool = False
    progress: int = 0
    said: int = 0
    stop: StopReason | None = None
    usage: Usage | None = None
    error: ProviderError | None = None
    _splitter: Splitter = field(default_factory=Splitter)
    _plain: Plain = field(default_factory=Plain)
    #: What a plain event counts beside its words.
    _beside: int = 0
    #: What stands before the choices of this stream's chunks; `b""` as long as that is not known.
    _envelope: bytes = b""
    _ended: bool = False

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece."""
        if self.error is not None:
            return b""
        if not self._splitter.pending:
            if words := self._plain.alone(chunk):
                self.said += self._beside + len(words)
                self.progress += 1
                return chunk
            if chunk == _LAST:
                self._ended = True
                self.progress += 1
                return chunk
        return self._pass(chunk)

    def end(self) -> bytes:
        """The provider closed: the rest for the client. Sets `error` to what `verdict` says."""
        rest = self._splitter.rest()
        if rest and self.error is None:
            name, data = data_of(rest)
            wanted = _is_whole(data) and self._listen(name, data, rest)
            rest = rest if wanted else b""
        # Hearing the rest may have found an error.
        self.error = self.error or verdict(self._ended, self.content, self.stop, self.usage)
        return rest if self.error is None else b""

    def _pass(self, chunk: bytes) -> bytes:
        splitter, plain = self._splitter, self._plain
        progress = self.progress
        out: list[bytes] = []
        # What stands between `kept` and `at` goes on as it came.
        kept = at = 0
        while at < len(chunk) and self.error is None:
            words, end = ([], at) if splitter.pending else plain.run(chunk, at)
            if words:
                self.said += len(words) * self._beside + plain.said(words, end - at)
                self.progress = progress + 1
            else:
                told, end = self._step(chunk, at, progress + 1)
                if told is not None:
                    out += (chunk[kept:at], *told)
                    kept = end
            at = end
        if kept == 0:
            return chunk
        out.append(chunk[kept:at])
        return b"".join(out)

    def _step(self, chunk: bytes, at: int, progress: int) -> tuple[list[bytes] | None, int]:
        """Hear what is next: what the client gets for it, `None` if that is what came; and where it ends."""
        begun = self._splitter.pending
        end = chunk.find(_LF, at) + 2
        event = chunk[at:end]
        if begun or not event.endswith(b"\n\n") or _CR in event:
            blocks, end = self._splitter.step(chunk, at)
        elif self._recall(event):
            self.progress = progress
            return None, end
        else:
            blocks = [event]
        told = self._hear(blocks, progress)
        same = not begun and len(told) == 1 and len(told[0]) == end - at
        return (None if same else told), end

    def _recall(self, event: bytes) -> bool:
        """Hear an event that means what one of an earlier stream meant; whether there is such a one."""
        if event == _LAST:
            self._ended = True
            return True
        if event.endswith(_NESTED) or self.quirks.usage_path:
            # It brings usage, or might do so where nothing is compared.
            return False
        envelope = self._envelope
        if not (envelope and event.startswith(envelope)):
            envelope = self._envelope = envelope_of(event)
        rest = rest_of(event, envelope)
        if not rest:
            return False
        reason = _silent.reason(rest)
        if reason is not None:
            if reason:
                self._finish(reason)
            return True
        found = self._plain.recall(event, _spoken, envelope)
        if found is None:
            return False
        words, self._beside = found
        self.content = True
        self.said += self._beside + len(words)
        return True

    def _hear(self, blocks: list[bytes], progress: int) -> list[bytes]:
        """Hear events up to an error; those for the client. One that is no mere comment sets `progress`."""
        told = []
        for block in blocks:
            name, data = data_of(block)
            if data:
                self.progress = progress
                wanted = self._listen(name, data, block)
                if self.error is not None:
                    break
                if not wanted:
                    continue
            told.append(block)
        return told

    def _listen(self, name: str, data: bytes, block: bytes) -> bool:
        """Hear one event; whether it is for the client."""
        if data.startswith(DONE):
            self._ended = True
            return True
        try:
            chunk = heard.hear(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            self.error = unreadable(name, data, exc)
            return False
        if name or chunk.error is not heard.NONE:
            self.error = error_in(name, data, chunk.error)
        before = self.said
        for choice in chunk.choices or ():
            self._choice(choice)
        told = False
        if chunk.usage not in heard.NOTHING or self.quirks.usage_path:
            told = self._hear_usage(chunk.usage, data)
        if not (told or name or self.error):
            self._learn(block, chunk, self.said - before)
        return self.error is None and (bool(chunk.choices) or not (told and self.withhold_usage))

    def _learn(self, block: bytes, chunk: heard.HeardChunk, said: int) -> None:
        """Take in how an event looks that counted nothing but `said` characters, for those that look like it."""
        envelope = self._envelope
        usual = envelope != b"" and block.startswith(envelope) and not self.quirks.usage_path
        if not said:
            if usual and (reason := heard.reason_alone(chunk)) is not None and block.endswith(b"\n\n"):
                _silent.keep(block[len(envelope) :], reason)
            return
        words = heard.words_in(chunk) if self._plain.learns else b""
        if words and self._plain.learn(block, words, heard.words):
            self._beside = said - len(words)
            if usual:
                self._plain.keep(_spoken, self._beside, envelope)

    def _choice(self, choice: heard.HeardChoice) -> None:
        if choice.delta is not None:
            said = heard.said(choice.delta)
            if said:
                self.content = True
                self.said += said
        if choice.finish_reason:
            self._finish(choice.finish_reason)
        if choice.error is not heard.NONE and asks(choice.error):
            self.error = error_inside(choice.error)
        if choice.usage is not heard.NONE:
            self._hear_usage(choice.usage, b"")

    def _finish(self, reason: str) -> None:
        if reason in FAILURES:
            self.error = gave_up(reason)
        elif self.stop is None:
            self.stop = stop_of(reason)
            self._ended = self._ended or self.quirks.ends_without_done

    def _hear_usage(self, raw: Raw, data: bytes) -> bool:
        usage = usage_of(raw, self.quirks)
        if usage is None and self.quirks.usage_path and data:
            usage = usage_at(data, self.quirks.usage_path, self.quirks)
        if usage is not None:
            self.usage = usage
        return usage is not None


def _is_whole(data: bytes) -> bool:
    if data.startswith(DONE):
        return True
    try:
        msgspec.json.decode(data, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
