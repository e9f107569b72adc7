"""Slow readers, and callers that leave."""

from __future__ import annotations

import asyncio

import pytest

from hybridge.providers.transport import HttpTransport
from hybridge.providers.transport.answer import HIGH_WATER
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import CHUNKED, OK, Peer, chunk, fetched, post, saying, turns

FLOOD = 64 << 20
#: What one read of the loop brings at most.
ONE_READ = 256 * 1024


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_slow_reader_stops_the_server(transport: HttpTransport, serve: Serve, chunked: bool) -> None:
    pushed = 0
    piece = b"x" * 65_536

    async def script(peer: Peer) -> None:
        nonlocal pushed
        await peer.asked()
        peer.writer.write(CHUNKED if chunked else b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % FLOOD)
        while pushed < FLOOD:
            peer.writer.write(b"10000\r\n%b\r\n" % piece if chunked else piece)
            await peer.writer.drain()
            pushed += len(piece)
        peer.writer.write(b"0\r\n\r\n" if chunked else b"")
        await peer.gone()

    server = await serve(script)
    answer = await post(transport, server.url)
    still = -1
    while pushed != still:
        still = pushed
        await turns(200)
    # What is on its way lies in the kernel's buffers.
    assert pushed < FLOOD // 2
    first = await chunk(answer)
    assert HIGH_WATER // 2 < len(first) <= HIGH_WATER + ONE_READ
    length = len(first)
    while piece_read := await chunk(answer):
        assert len(piece_read) <= HIGH_WATER + ONE_READ
        length += len(piece_read)
    assert length == FLOOD
    assert repr(transport) == "<HttpTransport 1 open, 1 idle, 0 waiting>"


async def test_reading_it_all_goes_on_after_a_stop(transport: HttpTransport, serve: Serve) -> None:
    body = bytes(range(256)) * 16_384
    server = await serve(saying(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body))
    answer = await post(transport, server.url)
    await turns(300)
    assert await answer.read(len(body)) == body
    assert await fetched_large(transport, server.url, len(body)) == body
    assert server.connections == 1


async def fetched_large(transport: HttpTransport, url: str, limit: int) -> bytes:
    """The whole body of one call."""
    answer = await post(transport, url)
    return await answer.read(limit)


async def test_an_answer_nobody_reads_is_whole_all_the_same(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    answer = await post(transport, server.url)
    assert repr(transport) == "<HttpTransport 1 open, 1 idle, 0 waiting>"
    assert await fetched(transport, server.url) == (200, b"ok")
    assert await answer.read(2) == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize("phase", ["connecting", "sending", "head", "body", "read"])
async def test_cancelling_closes(transport: HttpTransport, serve: Serve, phase: str) -> None:
    reached = asyncio.Event()
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        if phase == "sending":
            await peer.reader.readuntil(b"\r\n\r\n")
        else:
            await peer.asked()
        if phase in ("body", "read"):
            await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        reached.set()
        await peer.gone()
        gone.set()

    server = await serve(script)

    async def call() -> bytes:
        answer = await post(transport, server.url, bytes(64 << 20) if phase == "sending" else b"{}")
        return await (answer.read(9) if phase == "read" else chunk(answer))

    task = asyncio.create_task(call())
    if phase != "connecting":
        await reached.wait()
        await turns(20)
    else:
        await turns(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if phase != "connecting":
        await gone.wait()
    await turns(10)
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"
