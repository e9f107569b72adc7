"""A stream on its way through to a client of the same dialect: bytes unchanged, but listened to.

Source: https://platform.openai.com/docs/api-reference/chat/streaming.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import StopReason
from hybridge.dialects.codec import verdict
from hybridge.dialects.openai.errors import error_inside
from hybridge.dialects.openai.reply import FAILURES, stop_of
from hybridge.dialects.openai.stream import DONE, error_in, gave_up, unreadable
from hybridge.dialects.openai.usage import usage_at, usage_of
from hybridge.dialects.quirks import asks
from hybridge.dialects.sse import Splitter, data_of
from hybridge.errors import ProviderError
from hybridge.money import Usage
from hybridge.types import Quirks

_NONE = Raw(b"")


class _HeardFunction(Struct):
    arguments: Raw = _NONE


class _HeardCall(Struct):
    function: _HeardFunction | None = None


class _HeardDelta(Struct):
    content: Raw = _NONE
    reasoning_content: Raw = _NONE
    reasoning: Raw = _NONE
    tool_calls: list[_HeardCall] | None = None
    refusal: Raw = _NONE
    reasoning_details: Raw = _NONE
    function_call: Raw = _NONE
    audio: Raw = _NONE
    images: Raw = _NONE


class _HeardChoice(Struct):
    delta: _HeardDelta | None = None
    finish_reason: str | None = None
    usage: Raw = _NONE
    error: Raw = _NONE


class _HeardChunk(Struct):
    choices: list[_HeardChoice] | None = None
    usage: Raw = _NONE
    error: Raw = _NONE


_heard = msgspec.json.Decoder(_HeardChunk)


class Listener:
    """A relay for a client of the same dialect: bytes pass unchanged, but for a usage chunk nobody asked for.

    A chunk whose usage stands beside a choice always passes: cutting it would cut the choice.
    """

    def __init__(self, *, withhold_usage: bool, quirks: Quirks) -> None:
        self.content = False
        self.progress = 0
        self.said = 0
        self.stop: StopReason | None = None
        self.usage: Usage | None = None
        self.error: ProviderError | None = None
        self._withhold = withhold_usage
        self._quirks = quirks
        self._splitter = Splitter()
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece."""
        blocks = [] if self.error is not None else self._splitter.feed(chunk)
        heard = False
        for at, block in enumerate(blocks):
            name, data = data_of(block)
            if not data:
                continue
            heard = True
            if not self._listen(name, data):
                blocks[at] = b""
            if self.error is not None:
                del blocks[at:]
                break
        self.progress += heard
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def end(self) -> bytes:
        """The provider closed: the rest for the client. Sets `error` to what `verdict` says."""
        rest = self._splitter.rest()
        if rest and self.error is None:
            name, data = data_of(rest)
            heard = _is_whole(data) and self._listen(name, data)
            rest = rest if heard else b""
        # Hearing the rest may have found an error.
        self.error = self.error or verdict(self._ended, self.content, self.stop, self.usage)
        return rest if self.error is None else b""

    def _listen(self, name: str, data: bytes) -> bool:
        """Hear one event; whether it is for the client."""
        if data.startswith(DONE):
            self._ended = True
            return True
        try:
            chunk = _heard.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            self.error = unreadable(name, data, exc)
            return False
        if name or chunk.error is not _NONE:
            self.error = error_in(name, data, chunk.error)
        choices = chunk.choices or ()
        for choice in choices:
            self._choice(choice)
        told = False
        if chunk.usage is not _NONE or self._quirks.usage_path:
            told = self._hear_usage(chunk.usage, data)
        return self.error is None and (bool(choices) or not (told and self._withhold))

    def _choice(self, choice: _HeardChoice) -> None:
        if choice.delta is not None:
            said = _said(choice.delta)
            if said:
                self.content = True
                self.said += said
        if choice.finish_reason:
            self._finish(choice.finish_reason)
        if choice.error is not _NONE and asks(choice.error):
            self.error = error_inside(choice.error)
        if choice.usage is not _NONE:
            self._hear_usage(choice.usage, b"")

    def _finish(self, reason: str) -> None:
        if reason in FAILURES:
            self.error = gave_up(reason)
        elif self.stop is None:
            self.stop = stop_of(reason)
            self._ended = self._ended or self._quirks.ends_without_done

    def _hear_usage(self, raw: Raw, data: bytes) -> bool:
        usage = usage_of(raw, self._quirks)
        if usage is None and self._quirks.usage_path and data:
            usage = usage_at(data, self._quirks.usage_path, self._quirks)
        if usage is not None:
            self.usage = usage
        return usage is not None


def _said(delta: _HeardDelta) -> int:
    """The characters of content in a delta, as bytes on the wire; 0 if it holds none."""
    if delta.content is not _NONE and (size := _size(delta.content)):
        return size
    if size := _size(delta.reasoning_content) or _size(delta.reasoning):
        return size
    if delta.tool_calls:
        return 1 + sum(_size(call.function.arguments) for call in delta.tool_calls if call.function is not None)
    return (
        _size(delta.refusal)
        or _size(delta.reasoning_details)
        or _size(delta.function_call)
        or _size(delta.audio)
        or _size(delta.images)
    )


def _size(raw: Raw) -> int:
    size = memoryview(raw).nbytes
    if size > 4:
        return size - 2
    return 0 if size < 3 or bytes(raw) == b"null" else size - 2


def _is_whole(data: bytes) -> bool:
    if data.startswith(DONE):
        return True
    try:
        msgspec.json.decode(data, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
