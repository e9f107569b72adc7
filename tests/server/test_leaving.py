"""Clients that leave, clients that stay and say nothing, clients that do not read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from hybridge.errors import ClientGone
from hybridge.server.call import Call
from tests.server.serving import PLENTY, Client, Serve, chunked, echo, get, name, post, turns

LEAVE = pytest.mark.parametrize("leave", [Client.close, Client.reset])
Leave = Callable[[Client], None]


class Watched:
    """A handler that waits for ever, and tells how it ended. Under `/stream` it says something before."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        """Wait, unless the path is `/quick`."""
        if call.path == "/quick":
            call.reply(200, b"quick")
            return
        if call.path == "/stream":
            call.head(200, [])
            call.piece(b"first", more=True)
        self.begun.set()
        try:
            await (call.body(PLENTY) if call.path == "/body" else asyncio.Event().wait())
        except asyncio.CancelledError:
            assert call.gone
            with pytest.raises(ClientGone):
                call.reply(200, b"")
            with pytest.raises(ClientGone):
                call.head(200, [])
            with pytest.raises(ClientGone):
                call.piece(b"", more=True)
            with pytest.raises(ClientGone):
                await call.drain()
            with pytest.raises(ClientGone):
                await call.wire.more()
            self.cancelled.set()


@LEAVE
@pytest.mark.parametrize(
    "wire", [get("/wait"), get("/stream"), post("/body", b"ab")[:-1]], ids=["wait", "stream", "body"]
)
async def test_a_client_that_leaves_cancels_what_is_done_for_it(serve: Serve, leave: Leave, wire: bytes) -> None:
    watched = Watched()
    served = await serve(watched)
    client = await served.connect()
    await client.say(get("/quick"))
    assert (await client.answer()).body == b"quick"
    await client.say(wire)
    await watched.begun.wait()
    leave(client)
    await watched.cancelled.wait()
    await served.emptied()


@LEAVE
async def test_what_waits_behind_is_not_begun(serve: Serve, leave: Leave) -> None:
    """A connection with requests that wait is not read, so leaving is noticed when something is written."""
    go, calls = asyncio.Event(), []

    async def handle(call: Call) -> None:
        calls.append(call)
        call.head(200, [])
        with contextlib.suppress(ClientGone):
            for _ in range(1000):
                await turns(3)
                call.piece(b"x" * 10_000, more=True)
                await call.drain()
                go.set()

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1") + get("/2"))
    await go.wait()
    leave(client)
    await served.emptied()
    assert [(call.path, call.gone) for call in calls] == [("/1", True)]


@LEAVE
async def test_leaving_between_requests_harms_nobody(serve: Serve, leave: Leave) -> None:
    served = await serve(name)
    for wire in (b"", get("/"), get("/")[:-3]):
        client = await served.connect()
        await client.say(wire)
        leave(client)
        await served.emptied()


async def test_leaving_while_a_handler_outlasts_its_answer(serve: Serve) -> None:
    """It has nothing to lose and ends by itself."""
    go, ended = asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> None:
        call.reply(200, b"")
        await go.wait()
        ended.set()

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/"))
    await client.answer()
    client.close()
    await served.emptied()
    go.set()
    await ended.wait()


async def test_an_idle_connection_is_closed(serve: Serve) -> None:
    served = await serve(name, idle=0.6)
    client = await served.connect()
    assert await client.closed()
    client = await served.connect()
    for _ in range(5):
        await client.say(get("/"))
        assert (await client.answer()).status == 200
        await asyncio.sleep(0.15)
    assert await client.closed()
    await served.emptied()


async def test_a_connection_in_use_is_not_idle(serve: Serve) -> None:
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        if call.path == "/slow":
            await go.wait()
        call.reply(200, b"")

    served = await serve(handle, idle=0.1)
    client = await served.connect()
    await client.say(get("/") + get("/slow"))
    await client.answer()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.reader.read(1), 0.2)
    go.set()
    assert (await client.answer()).status == 200
    assert await client.closed()


@pytest.mark.parametrize("first", [b"", get("/")])
async def test_a_head_that_never_ends_is_cut(serve: Serve, first: bytes) -> None:
    """However busily it is sent."""
    served = await serve(name, idle=0.2)
    client = await served.connect()
    await client.say(first)
    if first:
        await client.answer()
    with contextlib.suppress(ConnectionError):
        await client.say(b"GET / HTTP/1.1\r\n")
        while served.house.open:
            await client.say(b"x")
            await asyncio.sleep(0.005)
    assert len(served.calls) == len(first and [1])


async def test_a_body_that_stops_is_cut_but_a_slow_one_is_not(serve: Serve) -> None:
    served = await serve(echo, idle=0.6)
    client = await served.connect()
    await client.say(post("/", b"slow and long")[:-5])
    for byte in b" long":
        await asyncio.sleep(0.15)
        await client.say(bytes((byte,)))
    assert (await client.answer()).json["body"] == "slow and long"
    await client.say(post("/", b"slow and long")[:-1])
    assert await client.closed()
    await served.emptied()
    assert served.calls[1].gone


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_client_that_reads_slowly_gets_everything(serve: Serve, version: str) -> None:
    """And little of it waits in the gateway."""
    written, most = 0, 0
    piece = bytes(range(256)) * 64

    async def handle(call: Call) -> None:
        nonlocal written, most
        call.head(200, [])
        for _ in range(1000):
            fast = call.piece(piece, more=True)
            written += len(piece)
            most = max(most, transport.get_write_buffer_size())
            if not fast:
                await call.drain()
                assert transport.get_write_buffer_size() < len(piece) * 4
        call.piece(b"", more=False)

    served = await serve(handle)
    client = await served.connect()
    (connection,) = served.house.open
    transport = connection._transport
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.say(get("/", version=version))
    before = -1
    while before != written:
        before = written
        await asyncio.sleep(0.05)
    assert written < 1000 * len(piece)
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    answer = await client.answer()
    assert len(answer.body) == 1000 * len(piece)
    assert answer.body == piece * 1000
    assert most < 256 * 1024


@LEAVE
async def test_a_client_that_leaves_while_the_handler_waits_for_it_to_read(serve: Serve, leave: Leave) -> None:
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> None:
        call.head(200, [])
        try:
            while True:
                if not call.piece(b"x" * 10_000, more=True):
                    waiting.set()
                await call.drain()
        except asyncio.CancelledError:
            assert call.gone
            ended.set()

    served = await serve(handle)
    client = await served.connect()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.say(get("/"))
    await waiting.wait()
    await asyncio.sleep(0.02)
    leave(client)
    await ended.wait()
    await served.emptied()


async def test_who_never_reads_its_answer_is_left_at_last(serve: Serve) -> None:
    async def handle(call: Call) -> None:
        call.reply(200, b"x" * 20_000_000)

    served = await serve(handle, idle=0.2)
    for wire in (get("/"), get("/", "connection: close"), post("/", b"half")[:-1]):
        client = await served.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.say(wire)
        await served.emptied()


async def test_what_is_taken_in_while_nobody_reads_is_bounded(serve: Serve) -> None:
    """Of many requests that wait as well as of a body."""
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        await go.wait()
        call.reply(200, b"%d" % len(await call.body(PLENTY)))

    served = await serve(handle)
    client = await served.connect()
    body = b"x" * 3_000_000
    sending = asyncio.create_task(client.say(get("/"), chunked("/", *[body] * 3), post("/", body)))
    await asyncio.sleep(0.1)
    assert not sending.done()
    (connection,) = served.house.open
    assert [call.size < 400_000 for call, *_ in connection._waiting] == [True]
    go.set()
    assert [(await client.answer()).body for _ in range(3)] == [b"0", b"9000000", b"3000000"]
    await sending


async def test_not_everybody_is_let_into_the_queue(serve: Serve) -> None:
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        await go.wait()
        call.reply(200, b"")

    served = await serve(handle)
    client = await served.connect()
    wire, many = get("/", "x: " + "a" * 5000), 1000
    sending = asyncio.create_task(client.say(wire * many))
    await asyncio.sleep(0.1)
    (connection,) = served.house.open
    assert 0 < len(connection._waiting) * len(wire) < 400_000
    go.set()
    for _ in range(many):
        assert (await client.answer()).status == 200
    await sending


async def test_what_is_said_of_a_connection(serve: Serve) -> None:
    seen: list[str] = []

    async def handle(call: Call) -> None:
        seen.extend(map(repr, served.house.open))
        call.reply(200, b"")

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/"))
    await client.answer()
    seen.extend(map(repr, served.house.open))
    assert seen == ["<Connection answering>", "<Connection idle>"]
