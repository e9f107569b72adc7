"""A provider that costs next to nothing: prebuilt answers over a raw asyncio protocol.

A path that ends in `/messages` is answered in Anthropic's dialect, any other in OpenAI's. Unary answers are 680 bytes.
A stream has 52 events, all at once, or one every 2 ms where the model's name has `paced` in it. Where it has `flaky`,
every fifth call is answered 500, where it has `dead`, every one. `GET /counts` tells how many calls there were.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from typing import cast

EVENTS = 52
PACE_S = 0.002
MODEL = "gpt-4o-mini"
COUNTS = "/counts"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r", re.IGNORECASE)
_STREAMED = re.compile(rb'"stream": ?true')
_WORDS = "The quick brown fox jumps over the lazy dog while the band plays on. " * 8


def _http(body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind, len(body), body)


def _openai_unary() -> bytes:
    usage = {"prompt_tokens": 250, "completion_tokens": 80, "total_tokens": 330}
    message = {"role": "assistant", "content": _WORDS[:370]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    return _http(json.dumps({**body, "choices": [choice], "usage": usage}).encode())


def _anthropic_unary() -> bytes:
    usage = {"input_tokens": 250, "output_tokens": 80}
    content = [{"type": "text", "text": _WORDS[:370]}]
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-haiku-20240307"}
    return _http(
        json.dumps(
            {**body, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        ).encode()
    )


def _sse(event: dict[str, object], *, named: bool = False) -> bytes:
    name = b"event: %s\n" % str(event["type"]).encode() if named else b""
    return name + b"data: %s\n\n" % json.dumps(event).encode()


def _openai_events() -> list[bytes]:
    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        start = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
        return _sse({**start, "choices": [choice], "usage": None})

    usage = {"prompt_tokens": 250, "completion_tokens": 48, "total_tokens": 298}
    last = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    words = [chunk({"content": f"word {number} "}) for number in range(EVENTS - 4)]
    return [
        chunk({"role": "assistant", "content": ""}),
        *words,
        chunk({}, "stop"),
        _sse({**last, "usage": usage}),
        b"data: [DONE]\n\n",
    ]


def _anthropic_events() -> list[bytes]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-haiku", "content": []}
    usage = {"input_tokens": 250, "output_tokens": 1}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {**message, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    for number in range(EVENTS - 5):
        delta = {"type": "text_delta", "text": f"word {number} "}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 47}},
        {"type": "message_stop"},
    ]
    return [_sse(event, named=True) for event in events]


_UNARY = {False: _openai_unary(), True: _anthropic_unary()}
_STREAM = {False: _openai_events(), True: _anthropic_events()}
_FAILURE = _http(b'{"error": {"message": "out of order", "type": "server_error"}}').replace(b"200 OK", b"500 Broken")
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


class _Provider(asyncio.Protocol):
    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._received = bytearray()
        self._needed = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < self._needed:
            return
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._received, 0, end + 2)
        self._needed = end + 4 + (int(found[1]) if found else 0)
        if len(self._received) < self._needed:
            return
        request, self._received, self._needed = bytes(self._received), bytearray(), 0
        if request.startswith(b"GET"):
            self._tell(request.split(b" ", 2)[1])
        else:
            self._answer(request.split(b" ", 2)[1], request[end + 4 :])

    def _tell(self, path: bytes) -> None:
        about = self._counts if path == COUNTS.encode() else {"object": "list", "data": [{"id": MODEL}]}
        self._transport.write(_http(json.dumps(about).encode()))

    def _answer(self, path: bytes, body: bytes) -> None:
        self._counts["requests"] += 1
        at = body.find(b'"model"')
        model = body[at : at + 80].split(b",", 1)[0]
        if b"dead" in model or (b"flaky" in model and self._every_fifth()):
            self._counts["failed"] += 1
            self._transport.write(_FAILURE)
            return
        anthropic = path.endswith(b"/messages")
        if not _STREAMED.search(body):
            self._transport.write(_UNARY[anthropic])
        elif b"paced" in model:
            self._transport.write(_HEAD)
            self._pace(list(_STREAM[anthropic]))
        else:
            self._transport.write(_HEAD + _framed(b"".join(_STREAM[anthropic])) + b"0\r\n\r\n")

    def _every_fifth(self) -> bool:
        self._counts["flaky"] += 1
        return self._counts["flaky"] % 5 == 0

    def _pace(self, left: list[bytes]) -> None:
        if self._transport.is_closing():
            return
        if not left:
            self._transport.write(b"0\r\n\r\n")
            return
        self._transport.write(_framed(left.pop(0)))
        asyncio.get_running_loop().call_later(PACE_S, self._pace, left)


def text(stream: bool, anthropic: bool) -> str:
    """What an answer says."""
    if not stream:
        return _WORDS[:370]
    return "".join(f"word {number} " for number in range(EVENTS - (5 if anthropic else 4)))


async def listen(port: int) -> asyncio.Server:
    """Listen on a port, with counts of its own."""
    counts: Counter[str] = Counter()
    return await asyncio.get_running_loop().create_server(lambda: _Provider(counts), "127.0.0.1", port, backlog=1024)


async def _serve(port: int) -> None:
    await (await listen(port)).serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
