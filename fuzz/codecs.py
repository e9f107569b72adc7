"""The codecs alone, by direct calls: what they may raise, and that two readers of one answer agree."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec

from fuzz.mutation import broken, pieces, wrong, wrong_stream
from fuzz.seeds import DIALECTS, Seeds
from hybridge.chat import (
    CONTENT,
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Reply,
    StopReason,
    Text,
    TextDelta,
    UsageEvent,
)
from hybridge.dialects import dialect
from hybridge.dialects.codec import Relay, Target, Translation, verdict
from hybridge.dialects.gemini import ArrayWriter
from hybridge.errors import EmptyAnswer, GatewayError, InternalError, MalformedAnswer, ProviderError
from hybridge.server.options import read_options
from hybridge.types import NO_QUIRKS, Operation

_NAMES = {"openai": "gpt-4o-mini", "anthropic": "claude-3-7-sonnet-20250219", "gemini": "gemini-2.5-flash"}
_STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529, 418, 302, 204, 999)
_RETRY_AFTER = (
    "1",
    "-5",
    "1e99",
    "nan",
    "inf",
    "9" * 400,
    "",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "yesterday",
    "0x10",
    "١",
)


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Wrong(Exception):
    """A case that shows a defect; the message says which."""


def codecs(seeds: dict[str, Seeds], chance: Random) -> None:
    """One case. Raises `Wrong`, or whatever a codec raises that it must not."""
    kind = chance.randrange(8)
    name = chance.choice(DIALECTS)
    if kind < 3:
        _request(name, _mutated(seeds[name].requests, chance), chance)
    elif kind < 5:
        _reply(name, _mutated(seeds[name].replies + seeds[name].errors[:2], chance), chance)
    elif kind < 6:
        _error(name, _mutated(seeds[name].errors, chance), chance)
    else:
        _stream(name, wrong_stream(chance.choice(seeds[name].streams), chance), chance)


def _mutated(texts: list[bytes], chance: Random) -> bytes:
    text = chance.choice(texts)
    return broken(text, chance) if chance.random() < 0.15 else wrong(json.loads(text), chance)


def _request(name: str, body: bytes, chance: Random) -> None:
    client = dialect(name).client
    try:
        facts = client.read_facts(body, *(("m", chance.random() < 0.5) if name == "gemini" else ()))
        client.check(facts, Operation.CHAT)
        read_options(facts, {}, ("a", "b"))
        chat = client.decode_request(facts.fields)
    except GatewayError as error:
        _told(error)
        _json(client.encode_error(error, request_id="req_0"), "error")
        return
    except UnicodeDecodeError:
        # As below: who calls tells it.
        return
    for other in DIALECTS:
        provider = dialect(other).provider
        target = Target(
            _NAMES[other],
            _NAMES[other],
            facts.stream,
            max_tokens=chance.choice((None, 1, 4096)),
            drop_unsupported=chance.random() < 0.7,
            without_reasoning=chance.random() < 0.1,
            strip=chance.choice((frozenset[str](), frozenset(("route", "provider")))),
        )
        try:
            if other == name:
                sent = provider.adapt(facts, target).body
            else:
                images = dict.fromkeys(provider.images_to_fetch(chat), ("image/png", "AAAA"))
                sent = provider.encode_request(chat, msgspec.structs.replace(target, images=images)).body
        except GatewayError as error:
            _told(error)
        except (ProviderError, *_UNREADABLE):
            # What is unreadable inside of what nobody reads before is told by who calls.
            pass
        else:
            # Text that is none passes where it stands in what is passed on as it is.
            _json(sent.decode("utf-8", "replace").encode(), f"request to {other}")


def _told(error: GatewayError) -> None:
    if isinstance(error, InternalError) or not 400 <= error.status < 500 or not error.code:
        raise Wrong(f"{error!r} for a request")


def _reply(name: str, body: bytes, chance: Random) -> None:
    provider = dialect(name).provider
    peek = reply = None
    said: list[str] = []
    strict = False
    try:
        peek = provider.peek_reply(body, NO_QUIRKS)
    except ProviderError as error:
        said.append(f"peek: {error!r}")
    try:
        reply = provider.decode_reply(body, NO_QUIRKS)
    except ProviderError as error:
        said.append(f"decode: {error!r}")
        strict = isinstance(error, (MalformedAnswer, EmptyAnswer))
    # An array is a stream's form, which only who asked for a stream may get.
    if peek is None and reply is not None and body.lstrip()[:1] != b"[":
        raise Wrong(f"only the listener fails: {said}")
    if peek is not None and reply is None and not strict:
        raise Wrong(f"only the decoder fails: {said}")
    if peek is None or reply is None:
        return
    if _plain(peek.stop) != _plain(reply.stop) or (peek.usage is not None and peek.usage != reply.usage):
        raise Wrong(f"peek heard {peek.stop} {peek.usage}, decode {reply.stop} {reply.usage}")
    for other in DIALECTS:
        encoded = dialect(other).client.encode_reply(reply, request_id="req_0", created=1)
        _json(encoded, f"answer in {other}")
        _again(other, encoded, reply)


def _plain(stop: StopReason | None) -> StopReason | None:
    """A stop reason as far as a listener hears it: it does not look at calls and refusals."""
    return StopReason.STOP if stop in (None, StopReason.TOOL_CALLS, StopReason.REFUSAL) else stop


def _again(other: str, encoded: bytes, reply: Reply) -> None:
    """Our own answer must be one that our own codec takes, with the same words."""
    if not _words(reply):
        return
    try:
        again = dialect(other).provider.decode_reply(encoded, NO_QUIRKS)
    except ProviderError as error:
        raise Wrong(f"our answer in {other} is none: {error!r} {encoded[:500]!r}") from error
    before, after = (_words(one) for one in (reply, again))
    if before != after:
        raise Wrong(f"in {other} {before!r} became {after!r}")


def _words(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, (Text, Refusal)))


def _error(name: str, body: bytes, chance: Random) -> None:
    headers = {
        "retry-after": chance.choice(_RETRY_AFTER),
        "date": chance.choice(("", "x", "Thu, 01 Jan 1970 00:00:00 GMT")),
    }
    if chance.random() < 0.3:
        headers = {
            "retry-after-ms": chance.choice(_RETRY_AFTER),
            "x-ratelimit-reset-requests": chance.choice(_RETRY_AFTER),
        }
    error = dialect(name).provider.classify(chance.choice(_STATUSES), headers, body, chance.choice((None, 1e9)))
    if not isinstance(error, ProviderError):
        raise Wrong(f"{error!r} is no ProviderError")
    if error.retry_after is not None and not 0 <= error.retry_after < 1e9:
        raise Wrong(f"leave alone for {error.retry_after} s")


class _Heard:
    """What a stream came to."""

    def __init__(self, relay: Relay, cut: list[bytes]) -> None:
        out = []
        for piece in cut:
            out.append(relay.feed(piece))
            if relay.error is not None:
                break
        last = b"" if relay.error is not None else relay.end()
        self.out = b"".join((*out, last))
        self.failed = relay.error is not None
        self.why = repr(relay.error)
        #: Without the characters counted: what is no text counts otherwise where it is cut.
        self.gist = (relay.content, relay.stop, relay.usage)


def _stream(name: str, stream: bytes, chance: Random) -> None:
    provider = dialect(name).provider
    withhold = chance.random() < 0.5
    whole = _Heard(provider.listener(withhold_usage=withhold, quirks=NO_QUIRKS), [stream])
    parts = _Heard(provider.listener(withhold_usage=withhold, quirks=NO_QUIRKS), pieces(stream, chance))
    # A failure's report may stop the reading before what stands behind it in the same piece.
    _same(whole, parts, "the listener heard it whole and in pieces")
    if not whole.failed and whole.out != parts.out:
        raise Wrong("the listener passed on other bytes in pieces")
    events = _events(name, [stream])
    decoded = _gist(events)
    split = _gist(_events(name, pieces(stream, chance)))
    if decoded != split:
        raise Wrong(f"decoded whole {decoded}, in pieces {split}")
    # A decoder must understand what a listener may pass on: it alone may find it malformed, or no content in it.
    malformed = any(isinstance(event, Failed) and isinstance(event.error, MalformedAnswer) for event in events[0])
    content, stop = whole.gist[0], _plain(whole.gist[1])
    nothing = malformed or not any(map(_is_content, events[0]))
    if not nothing and (
        decoded[0] != whole.failed or (not whole.failed and (decoded[1], _plain(decoded[2])) != (content, stop))
    ):
        raise Wrong(f"the listener heard {whole.gist} {whole.why}, the decoder {decoded}")
    for other in DIALECTS:
        if other != name:
            _translated(name, other, stream, decoded, chance)


def _same(one: _Heard, other: _Heard, what: str) -> None:
    if one.failed != other.failed or (not one.failed and one.gist != other.gist):
        raise Wrong(f"{what}: {one.gist} {one.why} and {other.gist} {other.why}")


def _events(name: str, cut: list[bytes]) -> tuple[list[Event], bool]:
    decoder = dialect(name).provider.stream_decoder(NO_QUIRKS)
    events: list[Event] = []
    for piece in cut:
        events += decoder.feed(piece)
        if events and isinstance(events[-1], Failed):
            break
    return events, decoder.ended


def _is_content(event: Event) -> bool:
    """Proofs of thoughts are none."""
    return isinstance(event, CONTENT) and not (isinstance(event, ReasoningDelta) and not event.text)


def _gist(heard: tuple[list[Event], bool]) -> tuple[bool, bool, Any, str, Any]:
    """Whether it failed, whether there was content, the stop reason, the text, the usage."""
    events, ended = heard
    content = any(isinstance(event, CONTENT) for event in events)
    stop = next((event.stop for event in reversed(events) if isinstance(event, Finish)), None)
    usage = next((event.usage for event in reversed(events) if isinstance(event, UsageEvent)), None)
    failed = any(isinstance(event, Failed) for event in events) or verdict(ended, content, stop, usage) is not None
    return (
        failed,
        content,
        stop,
        "".join(event.text for event in events if isinstance(event, (TextDelta, RefusalDelta))),
        usage,
    )


def _translated(name: str, other: str, stream: bytes, decoded: tuple[Any, ...], chance: Random) -> None:
    client = dialect(other).client
    encoder = client.stream_encoder(model="m", include_usage=chance.random() < 0.5, request_id="req_0", created=1)
    heard = _Heard(Translation(dialect(name).provider.stream_decoder(NO_QUIRKS), encoder), pieces(stream, chance))
    check_stream(other, heard.out, complete=not heard.failed)
    if heard.failed != decoded[0]:
        raise Wrong(f"translated to {other}: {heard.why}; decoded: {decoded}")
    if heard.failed or not decoded[1]:
        return
    again = _gist(_events(other, [heard.out]))
    if again[0] or again[3] != decoded[3]:
        raise Wrong(f"our stream in {other} says {again}, the provider's {decoded}")
    if other == "gemini":
        writer = ArrayWriter()
        array = b"".join([*(writer.feed(piece) for piece in pieces(heard.out, chance)), writer.end()])
        _json(array, "array")


def check_stream(name: str, octets: bytes, *, complete: bool) -> None:
    """Whether a stream of ours is one of that dialect. Raises `Wrong`."""
    text = octets.replace(b"\r\n", b"\n")
    if complete and text and not text.endswith(b"\n\n"):
        raise Wrong(f"the last event of a stream is not whole: {text[-100:]!r}")
    for event in text.split(b"\n\n"):
        for line in event.split(b"\n"):
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                _json(line[6:], f"an event in {name}")
            elif (
                line
                and not line.startswith((b"event: ", b"data: [DONE]"))
                and not (line[:1] == b":" and name != "gemini")
            ):
                raise Wrong(f"no line of an event: {line[:100]!r}")


def _json(octets: bytes, what: str) -> None:
    try:
        json.loads(octets.decode())
    except ValueError as error:
        raise Wrong(f"{what} is no JSON: {error} {octets[:300]!r}") from error
    except RecursionError:
        return
