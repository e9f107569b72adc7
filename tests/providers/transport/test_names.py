"""Names and addresses: remembered, both families tried."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from hybridge.errors import ConnectFailed
from hybridge.providers.transport import Address, HttpTransport
from hybridge.providers.transport.dns import interleave
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import OK, fetched, post, saying, saying_last, to_loopback, turns

V4 = (socket.AF_INET, ("127.0.0.1", 1))
V6 = (socket.AF_INET6, ("::1", 1, 0, 0))
LAST = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class Counting:
    """A resolver that counts and can be told to fail."""

    def __init__(self, *addresses: str) -> None:
        self.asked: list[tuple[str, int]] = []
        self.fails = False
        self.gate: asyncio.Event | None = None
        self._answer = to_loopback(*addresses)

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return await self._answer(host, port)


def test_families_take_turns() -> None:
    other = (socket.AF_INET6, ("::2", 1, 0, 0))
    assert interleave([V6, other, V4]) == [V6, V4, other]
    assert interleave([V4]) == [V4]
    assert interleave([]) == []


@pytest.mark.parametrize(("life", "questions"), [(30.0, 1), (0.0, 3)])
async def test_remembered_for_its_life(serve: Serve, life: float, questions: int) -> None:
    server = await serve(saying_last(LAST))
    resolver = Counting()
    transport = HttpTransport(environ={}, resolver=resolver, dns_life=life)
    for _ in range(3):
        assert await fetched(transport, f"http://provider.test:{server.port}/") == (200, b"ok")
    assert resolver.asked == [("provider.test", server.port)] * questions
    await transport.aclose()


async def test_one_question_at_a_time(serve: Serve) -> None:
    server = await serve(saying(OK))
    resolver = Counting()
    resolver.gate = asyncio.Event()
    transport = HttpTransport(environ={}, resolver=resolver)
    calls = [asyncio.create_task(fetched(transport, f"http://provider.test:{server.port}/")) for _ in range(5)]
    await turns(5)
    # Whoever asked first may leave: the others still get the answer.
    calls[0].cancel()
    await turns(2)
    resolver.gate.set()
    assert (await asyncio.gather(*calls, return_exceptions=True))[1:] == [(200, b"ok")] * 4
    assert len(resolver.asked) == 1
    await transport.aclose()


async def test_an_old_answer_serves_when_asking_fails(serve: Serve) -> None:
    server = await serve(saying_last(LAST))
    resolver = Counting()
    transport = HttpTransport(environ={}, resolver=resolver, dns_life=0.0)
    url = f"http://provider.test:{server.port}/"
    assert await fetched(transport, url) == (200, b"ok")
    resolver.fails = True
    assert await fetched(transport, url) == (200, b"ok")
    with pytest.raises(ConnectFailed, match=r"http://other\.test: Temporary failure"):
        await post(transport, "http://other.test/")
    await transport.aclose()


async def test_no_address_at_all() -> None:
    async def nobody(host: str, port: int) -> Sequence[Address]:
        return []

    transport = HttpTransport(environ={}, resolver=nobody)
    with pytest.raises(ConnectFailed, match=r"provider\.test has no address"):
        await post(transport, "http://provider.test/")
    await transport.aclose()


async def test_a_resolver_may_refuse(serve: Serve) -> None:
    async def guarded(host: str, port: int) -> Sequence[Address]:
        raise ConnectFailed("that address is not for fetching")

    transport = HttpTransport(environ={}, resolver=guarded)
    with pytest.raises(ConnectFailed, match="not for fetching"):
        await post(transport, "http://10.0.0.1/")
    await transport.aclose()


async def test_closing_gives_up_questions() -> None:
    resolver = Counting()
    resolver.gate = asyncio.Event()
    transport = HttpTransport(environ={}, resolver=resolver)
    call = asyncio.create_task(post(transport, "http://provider.test/"))
    await turns(3)
    await transport.aclose()
    with pytest.raises(ConnectFailed):
        await call


async def test_after_a_failure_the_name_is_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    resolver = Counting()
    transport = HttpTransport(environ={}, resolver=resolver)
    for _ in range(2):
        with pytest.raises(ConnectFailed, match="refused"):
            await post(transport, f"http://provider.test:{port}/")
    assert len(resolver.asked) == 2
    await transport.aclose()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("listening", ["127.0.0.1", "::1"])
async def test_both_families_are_tried(serve: Serve, listening: str) -> None:
    server = await serve(saying(OK), host=listening)
    transport = HttpTransport(environ={}, resolver=to_loopback("::1", "127.0.0.1"))
    assert await fetched(transport, f"http://provider.test:{server.port}/") == (200, b"ok")
    await transport.aclose()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
async def test_an_ipv6_address_in_the_url(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK), host="::1")
    assert await fetched(transport, server.url) == (200, b"ok")


async def test_localhost_by_the_system(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    assert await fetched(transport, f"http://localhost:{server.port}/") == (200, b"ok")


async def test_a_silent_address_does_not_hold_up_the_next(serve: Serve) -> None:
    server = await serve(saying(OK))
    with socket.socket() as listener:
        # A full backlog on another loopback address: this one never answers.
        listener.bind(("127.0.0.2", server.port))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", server.port))
        transport = HttpTransport(environ={}, resolver=to_loopback("127.0.0.2", "127.0.0.1"))
        before = asyncio.all_tasks()
        answer = await post(transport, f"http://provider.test:{server.port}/")
        # The one that lost the race is called off; the server's own task is the only new one.
        assert len(asyncio.all_tasks() - before) == 1
        assert await answer.read(2) == b"ok"
        await transport.aclose()
        for filler in fillers:
            filler.close()


async def test_when_none_answers_the_first_reason_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = HttpTransport(environ={}, resolver=to_loopback("127.0.0.1", "127.0.0.2", "127.0.0.3"))
    with pytest.raises(ConnectFailed, match="refused"):
        await post(transport, f"http://provider.test:{port}/")
    await transport.aclose()
