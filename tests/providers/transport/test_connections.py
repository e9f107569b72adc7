"""Connections: kept, stale, limited, cut off, counted."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from hybridge.errors import ConnectFailed, ConnectionLost, ConnectTimeout
from hybridge.providers.transport import HttpTransport
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import OK, Peer, chunk, fetched, post, saying, saying_last, soon, turns


def open_files() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_connections_are_kept(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    for _ in range(5):
        assert await fetched(transport, server.url) == (200, b"ok")
    assert server.connections == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: keep-alive, close\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\n",
    ],
)
async def test_not_kept_where_the_server_says_so(transport: HttpTransport, serve: Serve, head: bytes) -> None:
    server = await serve(saying(head + b"content-length: 2\r\n\r\nok"))
    for _ in range(3):
        assert await fetched(transport, server.url) == (200, b"ok")
    assert server.connections == 3


async def test_idle_connections_expire(serve: Serve) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(OK)
        await peer.gone()
        closed.set()

    server = await serve(script)
    transport = HttpTransport(environ={}, idle=0.001)
    assert await fetched(transport, server.url) == (200, b"ok")
    await closed.wait()
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"
    await transport.aclose()


async def test_a_kept_connection_closed_by_the_server_is_forgotten(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying_last(OK))
    assert await fetched(transport, server.url) == (200, b"ok")
    while "0 open" not in repr(transport):
        await turns(1)
    assert await fetched(transport, server.url) == (200, b"ok")


@pytest.mark.parametrize("reset", [False, True])
async def test_a_stale_connection_is_tried_once_more(transport: HttpTransport, serve: Serve, reset: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(OK)
        if peer.number == 1:
            await peer.asked()
            if reset:
                peer.reset()

    server = await serve(script)
    for _ in range(2):
        assert await fetched(transport, server.url) == (200, b"ok")
    assert server.connections == 2


async def test_the_second_try_takes_a_new_connection(transport: HttpTransport, serve: Serve) -> None:
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        await peer.asked()
        if peer.number <= 2:
            await both.wait()
        await peer.say(OK)
        if peer.number <= 2:
            await peer.asked()

    server = await serve(script)
    await asyncio.gather(fetched(transport, server.url), fetched(transport, server.url))
    assert repr(transport) == "<HttpTransport 2 open, 2 idle, 0 waiting>"
    assert await fetched(transport, server.url) == (200, b"ok")
    assert server.connections == 3


async def test_a_large_body_is_sent_again_whole(transport: HttpTransport, serve: Serve) -> None:
    bodies: list[bytes] = []
    body = bytes(range(256)) * 2000

    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(OK)
        if peer.number == 1:
            await peer.reader.readexactly(1000)
            peer.reset()
        else:
            bodies.append((await peer.asked()).body)

    async def other(peer: Peer) -> None:
        bodies.append((await peer.asked()).body)
        await peer.say(OK)

    server = await serve(script)
    assert await fetched(transport, server.url) == (200, b"ok")
    server.script = other
    answer = await post(transport, server.url, [body[:1000], memoryview(body)[1000:]])
    assert (answer.status, bodies) == (200, [body])


@pytest.mark.parametrize(
    ("cut", "within"), [(b"H", 1.0), (b"", 0.0)], ids=["an answer had begun", "the server had the time to work"]
)
async def test_what_may_have_been_heard_is_not_sent_again(
    transport: HttpTransport, serve: Serve, cut: bytes, within: float
) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(OK)
        await peer.asked()
        if cut:
            await peer.say(cut)

    transport.stale_within = within
    server = await serve(script)
    assert await fetched(transport, server.url) == (200, b"ok")
    with pytest.raises(ConnectionLost):
        await post(transport, server.url)
    assert server.connections == 1


async def test_a_new_connection_is_never_tried_again(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying_last())
    with pytest.raises(ConnectionLost, match="before the answer"):
        await post(transport, server.url)
    assert server.connections == 1


async def test_tried_once_more_means_once(transport: HttpTransport, serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        if peer.number == 1:
            await peer.say(OK)
            await peer.asked()

    server = await serve(script)
    assert await fetched(transport, server.url) == (200, b"ok")
    with pytest.raises(ConnectionLost):
        await post(transport, server.url)
    assert server.connections == 2


async def test_the_limit_lets_others_wait_in_order(serve: Serve) -> None:
    served: list[bytes] = []
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            asked = await peer.asked()
            await go.wait()
            served.append(asked.body)
            await peer.say(OK)

    server = await serve(script)
    transport = HttpTransport(environ={}, pool_size=1)

    async def call(number: int) -> None:
        answer = await post(transport, server.url, b"%d" % number)
        assert await answer.read(2) == b"ok"

    calls = []
    for number in range(6):
        calls.append(asyncio.create_task(call(number)))
        await turns(2)
    while repr(transport) != "<HttpTransport 1 open, 0 idle, 5 waiting>":
        await turns(1)
    go.set()
    await asyncio.gather(*calls)
    assert (served, server.connections) == ([b"%d" % n for n in range(6)], 1)
    await transport.aclose()


async def test_as_many_connections_as_may_be(serve: Serve) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.asked()
            await go.wait()
            await peer.say(OK)

    server = await serve(script)
    transport = HttpTransport(environ={}, pool_size=3)
    calls = [asyncio.create_task(fetched(transport, server.url)) for _ in range(10)]
    while repr(transport) != "<HttpTransport 3 open, 0 idle, 7 waiting>":
        await turns(1)
    go.set()
    assert await asyncio.gather(*calls) == [(200, b"ok")] * 10
    assert repr(transport) == "<HttpTransport 3 open, 3 idle, 0 waiting>"
    assert server.connections == 3
    await transport.aclose()


async def test_waiting_is_bounded_by_the_connect_time_out(serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        await peer.gone()

    server = await serve(script)
    transport = HttpTransport(environ={}, pool_size=1)
    first = await post(transport, server.url)
    with pytest.raises(ConnectTimeout, match="no connection in time"):
        await transport.send("POST", server.url, (), b"", connect=0.001, deadline=soon())
    # Its place in the queue is gone: the next one gets the place that comes free.
    second = asyncio.create_task(post(transport, server.url))
    await turns(3)
    first.close()
    assert (await second).status == 200
    await transport.aclose()


@pytest.mark.parametrize("end", ["closed", "whole"])
async def test_who_waits_is_served_when_another_ends(serve: Serve, end: str) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.asked()
            await go.wait()
            close = b"connection: close\r\n" if end == "closed" else b""
            await peer.say(b"HTTP/1.1 200 OK\r\n" + close + b"content-length: 2\r\n\r\nok")

    server = await serve(script)
    transport = HttpTransport(environ={}, pool_size=1)
    calls = [asyncio.create_task(fetched(transport, server.url)) for _ in range(5)]
    await turns(20)
    calls[2].cancel()
    go.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [result for result in done if result == (200, b"ok")] == [(200, b"ok")] * 4
    assert server.connections == (4 if end == "closed" else 1)
    await transport.aclose()


async def test_who_waits_and_is_served_and_cancelled_at_once_gives_back(serve: Serve) -> None:
    server = await serve(saying(OK))
    transport = HttpTransport(environ={}, pool_size=1)
    first = await post(transport, server.url)
    assert await first.read(2) == b"ok"
    pool = next(iter(transport._pools.values()))
    connection = pool.take()
    assert connection is not None
    waiter = asyncio.create_task(fetched(transport, server.url))
    await turns(3)
    pool.release(connection, {})
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert repr(transport) == "<HttpTransport 1 open, 1 idle, 0 waiting>"
    assert await fetched(transport, server.url) == (200, b"ok")
    await transport.aclose()


async def test_one_that_is_closed_before_its_turn_is_passed_over(serve: Serve) -> None:
    server = await serve(saying(OK))
    transport = HttpTransport(environ={}, pool_size=1)
    transport.stale_within = 0.0
    assert await fetched(transport, server.url) == (200, b"ok")
    pool = next(iter(transport._pools.values()))
    connection = pool.take()
    assert connection is not None
    waiter = asyncio.create_task(fetched(transport, server.url))
    await turns(3)
    pool.release(connection, {})
    connection.abort()
    assert await waiter == (200, b"ok")
    assert server.connections == 2
    await transport.aclose()


async def test_refused(transport: HttpTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectFailed, match=f"http://127.0.0.1:{port}: .*refused") as failed:
        await post(transport, f"http://127.0.0.1:{port}/")
    assert isinstance(failed.value.__cause__, OSError)
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"


async def test_a_failure_leaves_its_place(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = HttpTransport(environ={}, pool_size=1)
    for _ in range(3):
        with pytest.raises(ConnectFailed, match="refused"):
            await post(transport, f"http://127.0.0.1:{port}/")
    server = await serve(saying(OK))
    for count in (1, 2):
        call = asyncio.create_task(post(transport, server.url))
        await turns(count)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert await fetched(transport, server.url) == (200, b"ok")
    await transport.aclose()


async def test_the_last_used_is_used_first(transport: HttpTransport, serve: Serve) -> None:
    used: list[int] = []
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        while True:
            await peer.asked()
            used.append(peer.number)
            if len(used) <= 2:
                await both.wait()
            if peer.number == 1:
                await turns(20)
            await peer.say(OK)

    server = await serve(script)
    await asyncio.gather(fetched(transport, server.url), fetched(transport, server.url))
    for _ in range(3):
        await fetched(transport, server.url)
    assert used[2:] == [1, 1, 1]


async def test_connect_time_out(transport: HttpTransport) -> None:
    # A full backlog: nobody accepts, so the third connection waits for ever.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        place = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(place)
        with pytest.raises(ConnectTimeout):
            await transport.send("GET", f"http://127.0.0.1:{place[1]}/", (), connect=0.05, deadline=soon())
        for filler in fillers:
            filler.close()
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"


async def test_closed_means_closed(serve: Serve) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nsome")
        await peer.gone()
        gone.set()

    server = await serve(script)
    transport = HttpTransport(environ={}, pool_size=1)
    answer = await post(transport, server.url)
    assert await chunk(answer) == b"some"
    waiting = asyncio.create_task(post(transport, server.url))
    reading = asyncio.create_task(chunk(answer))
    await turns(3)
    await transport.aclose()
    with pytest.raises(ConnectionLost):
        await reading
    with pytest.raises(ConnectFailed, match="closed"):
        await waiting
    with pytest.raises(ConnectFailed, match="closed"):
        await post(transport, server.url)
    await gone.wait()
    await transport.aclose()


async def test_ten_thousand_calls_leak_nothing(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    assert await fetched(transport, server.url) == (200, b"ok")
    before = open_files()
    for _ in range(10_000):
        answer = await post(transport, server.url)
        assert await answer.read(2) == b"ok"
    assert open_files() == before
    assert server.connections == 1


async def test_a_thousand_short_connections_leak_nothing(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying_last(b"HTTP/1.1 200 OK\r\n\r\nok"))
    await fetched(transport, server.url)
    await turns(20)
    before = open_files()
    for _ in range(1000):
        assert await fetched(transport, server.url) == (200, b"ok")
    await turns(20)
    assert open_files() <= before + 2
    assert "0 idle" in repr(transport)
