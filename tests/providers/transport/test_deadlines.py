"""Time-outs: each phase has its own, and one timer serves them all."""

from __future__ import annotations

import asyncio

import pytest

from hybridge.errors import ConnectTimeout, Silent
from hybridge.providers.transport import HttpTransport
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import CHUNKED, OK, Peer, chunk, fetched, post, saying, soon, turns


def past() -> float:
    """A loop time that is over."""
    return asyncio.get_running_loop().time() - 1.0


async def silent(peer: Peer) -> None:
    """Listens, and says nothing."""
    await peer.asked()
    await peer.gone()


async def stalling(peer: Peer) -> None:
    """Begins, and stops."""
    await peer.asked()
    await peer.say(CHUNKED + b"4\r\nsome\r\n")
    await peer.gone()


async def test_no_head(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(silent)
    await _warm(transport, serve)
    deadline = soon(0.01)
    with pytest.raises(Silent, match="the head time-out passed") as failed:
        await transport.send("POST", server.url, (), b"", connect=5, deadline=deadline)
    assert (failed.value.phase, failed.value.status) == ("head", 0)
    assert asyncio.get_running_loop().time() >= deadline - 0.002


async def _warm(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    await fetched(transport, server.url)


@pytest.mark.parametrize("whole", [True, False], ids=["read", "chunk"])
async def test_no_more_body(transport: HttpTransport, serve: Serve, whole: bool) -> None:
    server = await serve(stalling)
    answer = await post(transport, server.url)
    answer.expect(past())
    if not whole:
        assert await chunk(answer) == b"some"
    with pytest.raises(Silent) as failed:
        await (answer.read(100) if whole else chunk(answer))
    assert (failed.value.phase, failed.value.status) == ("idle", 200)
    assert repr(transport).endswith("0 idle, 0 waiting>")


async def test_the_total_caps_every_deadline(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(stalling)
    total = soon(0.05)
    answer = await transport.send("POST", server.url, (), b"", connect=5, deadline=soon(), total=total)
    assert answer.deadline == total
    answer.expect(soon())
    assert answer.deadline == total
    assert await chunk(answer) == b"some"
    with pytest.raises(Silent) as failed:
        await chunk(answer)
    assert failed.value.phase == "total"


async def test_a_deadline_moves_while_somebody_waits(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(stalling)
    answer = await post(transport, server.url)
    assert await chunk(answer) == b"some"
    waiting = asyncio.create_task(chunk(answer))
    await turns(2)
    answer.expect(past())
    with pytest.raises(Silent):
        await waiting


async def test_a_deadline_moved_away_does_not_fire(transport: HttpTransport, serve: Serve) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(CHUNKED + b"4\r\nsome\r\n")
        await go.wait()
        await peer.say(b"0\r\n\r\n")

    server = await serve(script)
    answer = await post(transport, server.url)
    assert await chunk(answer) == b"some"
    answer.expect(soon(0.005))
    waiting = asyncio.create_task(chunk(answer))
    await turns(2)
    answer.expect(soon())
    asyncio.get_running_loop().call_later(0.01, go.set)
    assert await waiting == b""


async def test_a_deadline_moved_away_fires_later(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(stalling)
    answer = await post(transport, server.url)
    assert await chunk(answer) == b"some"
    answer.expect(soon(0.005))
    waiting = asyncio.create_task(chunk(answer))
    await turns(2)
    later = soon(0.03)
    answer.expect(later)
    with pytest.raises(Silent):
        await waiting
    assert asyncio.get_running_loop().time() >= later - 0.002


async def test_what_came_is_read_after_the_deadline(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    answer = await post(transport, server.url)
    answer.expect(past())
    assert await answer.read(2) == b"ok"


async def test_no_time_to_connect(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(silent)
    with pytest.raises(ConnectTimeout):
        await transport.send("POST", server.url, (), b"", connect=5, deadline=past())


async def test_calls_share_a_timer(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    await fetched(transport, server.url)
    connection = next(iter(next(iter(transport._pools.values())).connections))
    timer = connection._timer
    assert timer is not None
    for _ in range(20):
        await fetched(transport, server.url)
    assert connection._timer is timer
    await transport.aclose()
    assert timer.cancelled()
