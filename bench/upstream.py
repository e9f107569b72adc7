"""A provider that costs next to nothing: prebuilt answers over a raw asyncio protocol.

The base URL's first segment chooses the stream: `/burst/…` sends 52 events at once, `/paced/…` one every 2 ms.
Unary answers are 680 bytes. Below `/anthropic/…` the same in Anthropic's dialect.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import cast

EVENTS = 52
PACE_S = 0.002

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
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
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


class _Provider(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end]
        found = _LENGTH.search(head)
        size = int(found[1]) if found else 0
        if len(self._received) < end + 4 + size:
            return
        body = self._received[end + 4 :]
        self._received = b""
        self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        anthropic = path.startswith(b"/anthropic")
        if b'"stream":true' not in body:
            self._transport.write(_UNARY[anthropic])
        elif b"/paced" in path:
            self._transport.write(_HEAD)
            self._pace(list(_STREAM[anthropic]))
        else:
            self._transport.write(_HEAD + _framed(b"".join(_STREAM[anthropic])) + b"0\r\n\r\n")

    def _pace(self, left: list[bytes]) -> None:
        if self._transport.is_closing():
            return
        if not left:
            self._transport.write(b"0\r\n\r\n")
            return
        self._transport.write(_framed(left.pop(0)))
        asyncio.get_running_loop().call_later(PACE_S, self._pace, left)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Provider, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
