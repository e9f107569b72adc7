"""A port, its connections, and how both come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import trustme

from hybridge.errors import ConfigError
from hybridge.server.application import Application
from hybridge.server.call import Call
from hybridge.server.front import Front, Traffic
from hybridge.server.listen import Listener, Place
from tests.server.serving import PLENTY, Client, Handler, get, name, post, turns


class Answering(Application):
    """An application that knows one handler, and what is under way."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(cast(Front, SimpleNamespace(traffic=Traffic())))
        self.calls: list[Call] = []
        self._handler = handler

    async def handle(self, call: Call) -> None:
        """Count, and answer; a client that left is no failure."""
        self.calls.append(call)
        self.front.traffic.in_flight += 1
        try:
            await self._handler(call)
        except asyncio.CancelledError:
            if not call.gone:
                raise
        finally:
            self.front.traffic.in_flight -= 1


class Listening:
    """A listener at work."""

    def __init__(self, listener: Listener, application: Answering, task: asyncio.Task[None], url: str) -> None:
        self.listener = listener
        self.application = application
        self.task = task
        self.url = url
        self.clients: list[Client] = []

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        """A new connection."""
        host, _, port = self.url.rpartition("//")[2].rpartition(":")
        self.clients.append(Client(*await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls)))
        return self.clients[-1]

    async def over(self) -> None:
        """Wait until it has ended, which is long before anybody's patience does."""
        await asyncio.wait_for(asyncio.shield(self.task), 20)


Listen = Callable[..., Awaitable[Listening]]


@pytest.fixture
async def listen(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listen]:
    """Start a listener that is made to leave when the test is over. Who waits for last bytes waits too long."""
    monkeypatch.setattr("hybridge.server.listen._LAST_BYTES_S", 60)
    started: list[Listening] = []

    async def start(
        handler: Handler = name,
        place: Place | None = None,
        idle: float = 30.0,
        bound: list[socket.socket] | None = None,
    ) -> Listening:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        application = Answering(handler)
        place = place or Place("127.0.0.1", 0, drain=60)
        listener = Listener(application, place, ready.set_result, bound or (), idle)
        task = asyncio.create_task(listener.listen())
        task.add_done_callback(lambda _: ready.done() or ready.cancel())
        with contextlib.suppress(asyncio.CancelledError):
            await ready
        if ready.cancelled():
            await task
        started.append(Listening(listener, application, task, await ready))
        return started[-1]

    yield start
    for each in started:
        each.listener.leave()
        await each.task
        for client in each.clients:
            client.writer.transport.abort()
        await turns(5)


class Slow:
    """A handler that waits until it may go on; under `/stream` its head has left before."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.ended: list[str] = []

    async def __call__(self, call: Call) -> None:
        """Answer with the path."""
        if call.path == "/quick":
            call.reply(200, b"quick")
            return
        if call.path == "/stream":
            call.head(200, [])
            call.piece(b"first", more=True)
        try:
            await self.go.wait()
            if call.path == "/later":
                call.head(200, [])
            if call.answered:
                call.piece(b", last", more=False)
            else:
                call.reply(200, b"slow")
        finally:
            # What a ledger needs when its request is cut.
            await asyncio.sleep(0.02)
            self.ended.append(call.path)


async def test_an_address_is_told_and_a_connection_is_counted(listen: Listen) -> None:
    listening = await listen()
    assert listening.url.startswith("http://127.0.0.1:")
    assert repr(listening.listener) == "<Listener 0 connections>"
    client = await listening.connect()
    await client.say(get("/a"))
    assert (await client.answer()).body == b"/a"
    assert repr(listening.listener) == "<Listener 1 connections>"


async def test_ipv6(listen: Listen) -> None:
    listening = await listen(place=Place("::1", 0))
    assert listening.url.startswith("http://[::1]:")
    client = await listening.connect()
    await client.say(get("/a"))
    assert (await client.answer()).body == b"/a"


async def test_sockets_that_are_bound_already(listen: Listen) -> None:
    bound = [socket.socket(), socket.socket()]
    for each in bound:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in bound]
    listening = await listen(place=Place("192.0.2.1", 1), bound=bound)
    assert listening.url == f"http://127.0.0.1:{ports[0]}"
    for port in ports:
        listening.url = f"http://127.0.0.1:{port}"
        client = await listening.connect()
        await client.say(get("/", "connection: close"))
        assert (await client.answer()).status == 200
        assert await client.closed()


async def test_a_port_that_is_taken(listen: Listen) -> None:
    port = int((await listen()).url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await listen(place=Place("127.0.0.1", port))


async def test_the_time_that_an_idle_connection_has(listen: Listen) -> None:
    client = await (await listen(idle=0.05)).connect()
    assert await client.closed()


async def test_a_drain_with_nothing_under_way_ends_at_once(listen: Listen) -> None:
    listening = await listen()
    idle, half, new = [await listening.connect() for _ in range(3)]
    await idle.say(get("/"))
    await idle.answer()
    await half.say(get("/")[:-3])
    listening.listener.drain()
    for client in (idle, half, new):
        assert await client.closed()
    await listening.over()
    with pytest.raises(OSError):
        await listening.connect()


@pytest.mark.parametrize(("path", "body"), [("/stream", b"first, last"), ("/slow", b"slow"), ("/later", b", last")])
async def test_what_is_under_way_ends_and_the_port_stays_open_meanwhile(listen: Listen, path: str, body: bytes) -> None:
    slow = Slow()
    listening = await listen(slow)
    client, idle = await listening.connect(), await listening.connect()
    await client.say(get(path))
    await idle.say(get("/quick"))
    assert "connection" not in (await idle.answer()).headers
    listening.listener.drain()
    assert listening.application.front.traffic.draining
    await asyncio.sleep(0.05)
    for late in (idle, await listening.connect()):
        await late.say(get("/quick"))
        assert (await late.answer()).headers["connection"] == "close"
        assert await late.closed()
    slow.go.set()
    answer = await client.answer()
    assert answer.body == body
    assert ("connection" in answer.headers) == (path != "/stream")
    assert await client.closed()
    await listening.over()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_drain_has_an_end(listen: Listen, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not ready by then has a little more for the last bytes, and is told that the answer is not whole."""
    monkeypatch.setattr("hybridge.server.listen._LAST_BYTES_S", 0.1)
    slow = Slow()
    listening = await listen(slow, place=Place("127.0.0.1", 0, drain=60))
    listening.listener.drain_s = 0.02
    client = await listening.connect()
    await client.say(get("/stream", version=version))
    await client.reader.readuntil(b"first")
    listening.listener.drain()
    with pytest.raises((EOFError, ConnectionError)):
        await client.reader.readuntil(b"last")
        raise EOFError
    await listening.over()
    assert slow.ended == ["/stream"]
    assert listening.application.calls[0].gone


async def test_leaving_waits_for_nobody_but_every_entry_is_written(listen: Listen) -> None:
    slow = Slow()
    listening = await listen(slow)
    clients = [await listening.connect() for _ in range(3)]
    for client, path in zip(clients, ("/slow", "/stream", "/quick"), strict=True):
        await client.say(get(path))
    await clients[2].answer()
    listening.listener.drain()
    await asyncio.sleep(0.02)
    assert not listening.task.done()
    listening.listener.leave()
    await listening.over()
    assert sorted(slow.ended) == ["/slow", "/stream"]
    assert repr(listening.listener) == "<Listener 0 connections>"
    for client in clients:
        with contextlib.suppress(ConnectionError):
            await client.rest()


async def test_requests_that_wait_behind_are_not_begun_in_a_drain(listen: Listen) -> None:
    slow = Slow()
    listening = await listen(slow)
    client = await listening.connect()
    await client.say(get("/slow") + get("/second"))
    listening.listener.drain()
    slow.go.set()
    assert (await client.answer()).headers["connection"] == "close"
    assert await client.closed()
    client.close()
    await listening.over()
    assert [call.path for call in listening.application.calls] == ["/slow"]


async def test_a_listener_that_is_cancelled_closes_its_connections(listen: Listen) -> None:
    slow = Slow()
    listening = await listen(slow)
    client = await listening.connect()
    await client.say(get("/slow"))
    listening.task.cancel()
    slow.go.set()
    assert (await client.answer()).body == b"slow"
    with pytest.raises(asyncio.CancelledError):
        await listening.task
    listening.task = asyncio.create_task(turns(1))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client needs."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def secured(authority: trustme.CA, tmp_path: Path) -> Place:
    """A place with a certificate."""
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    return Place("127.0.0.1", 0, drain=60, certificate=str(chain), private_key=str(key))


async def test_tls(listen: Listen, secured: Place, trusting: ssl.SSLContext) -> None:
    """Whole answers, streams, large bodies, an early answer and nonsense; then the end."""

    async def handle(call: Call) -> None:
        if call.path == "/early":
            call.reply(413, b"too much")
            return
        body = await call.body(PLENTY)
        call.head(200, [])
        for start in range(0, len(body), 100_000):
            if not call.piece(body[start : start + 100_000], more=True):
                await call.drain()
        call.piece(b"!", more=False)

    listening = await listen(handle, secured)
    assert listening.url.startswith("https://127.0.0.1:")
    client = await listening.connect(trusting)
    body = bytes(range(256)) * 20_000
    for sent in (b"", body, b"x"):
        saying = asyncio.create_task(client.say(post("/", sent)))
        assert (await client.answer()).body == sent + b"!"
        await saying
    early = await listening.connect(trusting)
    await early.say(post("/early", body))
    assert (await early.answer()).body == b"too much"
    early.close()
    wrong = await listening.connect(trusting)
    await wrong.say(b"NONSENSE\r\n\r\n")
    assert (await wrong.answer()).status == 400
    wrong.close()
    plain = await listening.connect()
    await plain.say(get("/"))
    with contextlib.suppress(ConnectionError):
        assert not (await plain.rest()).startswith(b"HTTP")
    listening.listener.drain()
    assert await client.closed()
    await listening.over()


async def test_a_client_that_leaves_through_tls(listen: Listen, secured: Place, trusting: ssl.SSLContext) -> None:
    slow = Slow()
    listening = await listen(slow, secured)
    client = await listening.connect(trusting)
    await client.say(get("/stream"))
    await client.reader.readuntil(b"first")
    client.close()
    while not slow.ended:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    assert listening.application.calls[0].gone


@pytest.mark.parametrize("wrong", ["certificate", "private_key", "nonsense", "another's"])
async def test_a_certificate_that_cannot_be_used(
    listen: Listen, secured: Place, authority: trustme.CA, tmp_path: Path, wrong: str
) -> None:
    chain, key = secured.certificate, secured.private_key
    other = tmp_path / "other.pem"
    if wrong == "nonsense":
        other.write_text("no certificate")
        chain = str(other)
    elif wrong == "another's":
        authority.issue_cert("localhost").private_key_pem.write_to_path(str(other))
        key = str(other)
    else:
        chain, key = (str(other), key) if wrong == "certificate" else (chain, str(other))
    with pytest.raises(ConfigError, match=r"server\.tls: cannot use .*\.pem"):
        await listen(place=Place("127.0.0.1", 0, certificate=chain, private_key=key))
