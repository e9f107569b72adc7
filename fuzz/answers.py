"""What a provider says: right, nearly right, an error, or no HTTP at all."""

from __future__ import annotations

import gzip
import json
from random import Random
from typing import Literal

from msgspec import Struct

from fuzz.mutation import broken, pieces, wrong, wrong_stream
from fuzz.seeds import Seeds

_STATUSES = (400, 401, 402, 403, 404, 408, 413, 422, 429, 429, 500, 502, 503, 529)
_ODD_STATUSES = (
    *(b"HTTP/1.1 204 None", b"HTTP/1.1 304 Same", b"HTTP/1.1 302 There", b"HTTP/1.1 999 Odd", b"HTTP/1.1 0 Zero"),
    *(
        b"HTTP/1.1 201 Made",
        b"HTTP/1.0 200 OK",
        b"HTTP/2 200",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000 OK",
        b"ICY 200 OK",
        b"",
        b"\x16\x03\x01",
    ),
    *(
        b"HTTP/1.1 101 Switching",
        b"HTTP/1.1 206 Part",
        b"HTTP/1.1 200",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 -1 x",
    ),
)
_RETRY_AFTER = (
    b"0",
    b"1",
    b"-1",
    b"1e9",
    b"99999999999999999999",
    b"soon",
    b"nan",
    b"",
    b"Fri, 31 Dec 9999 23:59:59 GMT",
)
_ODD_HEADERS = (
    *(b"content-length: 5", b"content-length: -1", b"content-length: x", b"content-length: 99999999999999999999", b"x"),
    *(b"transfer-encoding: gzip", b"transfer-encoding: chunked", b"transfer-encoding: chunked, chunked", b": no name"),
    *(b"content-encoding: gzip", b"content-encoding: br", b"content-encoding: deflate", b"content-encoding: x, gzip"),
    *(
        b"x-request-id: \xff\xfe",
        b"x-request-id: a\rb",
        b"x-request-id: " + b"a" * 9000,
        b"set-cookie: a=b",
        b" folded: x",
    ),
    *(b"connection: close", b"connection: upgrade\r\nupgrade: x", b"x-ratelimit-remaining-requests: 0", b"trailer: x"),
    *(
        b"x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 1e99s",
        b"date: yesterday",
        b"x\x00y: z",
        b"a: " + b"b" * 70_000,
    ),
    *(
        b"x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: \xd9\xa1s",
        b"anthropic-ratelimit-tokens-remaining: 0",
    ),
)
_TYPES = (
    b"application/json",
    b"text/event-stream",
    b"text/html",
    b"",
    b"\xff",
    b"application/json; charset=latin-1",
    b"text/plain",
)
_CHUNKS = (
    b"zz\r\n",
    b"-1\r\n",
    b"5;x=y\r\nhello\r\n",
    b"ffffffffffffffffff\r\n",
    b"5\r\nhelloXX",
    b"\r\n",
    b"0\r\nx: y\r\n\r\n",
    b"00\r\n\r\n",
)

Ending = Literal["keep", "close", "reset", "stall"]


class Scripted(Struct, frozen=True):
    """The bytes of an answer, each piece in a write of its own, and what becomes of the connection."""

    pieces: list[bytes]
    ending: Ending


def answer(seeds: Seeds, chance: Random, *, stream: bool) -> Scripted:
    """An answer of a dialect to a request that did or did not want a stream."""
    stream = stream != (chance.random() < 0.03)
    if chance.random() < 0.25:
        return _framed(*_refusal(seeds, chance), chance)
    content_type = b"text/event-stream" if stream else b"application/json"
    body = _stream(seeds, chance) if stream else _reply(seeds, chance)
    return _framed(b"HTTP/1.1 200 OK", [b"content-type: " + content_type], body, chance)


def _refusal(seeds: Seeds, chance: Random) -> tuple[bytes, list[bytes], bytes]:
    status = b"HTTP/1.1 %d Error" % chance.choice(_STATUSES)
    headers = [b"content-type: application/json"]
    if chance.random() < 0.3:
        headers.append(b"retry-after: " + chance.choice(_RETRY_AFTER))
    return status, headers, chance.choice(seeds.errors) if chance.random() < 0.4 else _mutated(seeds.errors, chance)


def _reply(seeds: Seeds, chance: Random) -> bytes:
    kind = chance.random()
    if kind < 0.27:
        return chance.choice(seeds.replies)
    return chance.choice(seeds.errors) if kind < 0.32 else _mutated(seeds.replies, chance)


def _stream(seeds: Seeds, chance: Random) -> bytes:
    kind = chance.random()
    events = chance.choice(seeds.streams)
    if kind < 0.27:
        return b"".join(events)
    if kind < 0.32:
        return b"data: " + chance.choice(seeds.errors) + b"\n\n"
    if kind < 0.33:
        # It does not come to an end.
        return b"".join([*events[:-1], *(events[len(events) // 2 :][:1] * 400)])
    return wrong_stream(events, chance)


def _mutated(texts: list[bytes], chance: Random) -> bytes:
    text = chance.choice(texts)
    return broken(text, chance) if chance.random() < 0.15 else wrong(json.loads(text), chance)


def _framed(status: bytes, headers: list[bytes], body: bytes, chance: Random) -> Scripted:
    """The answer as HTTP, or as what is not quite HTTP."""
    if chance.random() < 0.04:
        headers[0] = b"content-type: " + chance.choice(_TYPES)
    if chance.random() < 0.06:
        headers.append(chance.choice(_ODD_HEADERS))
    if chance.random() < 0.03:
        status = chance.choice(_ODD_STATUSES)
    if chance.random() < 0.03:
        headers.append(b"content-encoding: gzip")
        body = gzip.compress(body, 1, mtime=0) if chance.random() < 0.7 else body
        body = broken(body, chance) if chance.random() < 0.4 else body
    framing = chance.choices((_sized, _chunked, _until_closed, _missized), (50, 35, 10, 5))[0]
    cut, ending = framing(headers, body, chance)
    sent = [b"\r\n".join((status, *headers)) + b"\r\n\r\n", *cut]
    if chance.random() < 0.02:
        sent, ending = sent[: chance.randrange(len(sent) + 1)], chance.choice(("close", "reset", "stall"))
    elif chance.random() < 0.01:
        sent, ending = [broken(b"".join(sent), chance)], "close"
    return Scripted([b"".join(sent)] if chance.random() < 0.7 else sent, ending)


def _cut(body: bytes, chance: Random) -> list[bytes]:
    """At most a few hundred pieces."""
    found = pieces(body, chance)
    return [*found[:200], b"".join(found[200:])]


def _sized(headers: list[bytes], body: bytes, chance: Random) -> tuple[list[bytes], Ending]:
    headers.append(b"content-length: %d" % len(body))
    return _cut(body, chance), chance.choices(("keep", "close"), (20, 1))[0]


def _chunked(headers: list[bytes], body: bytes, chance: Random) -> tuple[list[bytes], Ending]:
    headers.append(b"transfer-encoding: chunked")
    cut = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _cut(body, chance) if piece]
    if chance.random() < 0.1:
        cut.insert(chance.randrange(len(cut) + 1), chance.choice(_CHUNKS))
    if chance.random() < 0.07:
        return cut, chance.choice(("close", "reset"))
    return [*cut, b"0\r\n\r\n" if chance.random() < 0.9 else b"0\r\nx-trailer: y\r\nbad\r\n\r\n"], "keep"


def _until_closed(headers: list[bytes], body: bytes, chance: Random) -> tuple[list[bytes], Ending]:
    return _cut(body, chance), "close"


def _missized(headers: list[bytes], body: bytes, chance: Random) -> tuple[list[bytes], Ending]:
    headers.append(b"content-length: %d" % max(0, len(body) + chance.choice((-1, 1, -10, 10, 1000))))
    return _cut(body, chance), chance.choice(("keep", "close", "reset", "keep"))
