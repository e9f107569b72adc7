"""The way of a call through somebody else's server: by hand, and under uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from hybridge.errors import ClientGone, RequestTooLarge
from hybridge.server.asgi import Message, Receive, Scope, Send, answer
from hybridge.server.call import Call, header
from tests.server.serving import PLENTY, Client, Handler, echo, get, name, post, turns

GONE: Message = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = False) -> Message:
    """A piece of a request's body."""
    return {"type": "http.request", "body": body, "more_body": more}


class Server:
    """A server made by hand: its client sends these messages, and then nothing until `leave`."""

    def __init__(self, *messages: Message, breaks_after: int = 1000) -> None:
        self.sent: list[Message] = []
        self.asked = 0
        self._messages = list(messages)
        self._left = asyncio.Event()
        self._breaks_after = breaks_after

    async def receive(self) -> Message:
        """The next message."""
        self.asked += 1
        if not self._messages:
            await self._left.wait()
            return GONE
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        """Note it, or find that nobody is there."""
        if len(self.sent) >= self._breaks_after:
            raise OSError("the client left")
        self.sent.append(message)

    def leave(self) -> None:
        """The client leaves."""
        self._left.set()

    async def run(self, handle: Handler, **more: object) -> list[Message]:
        """Answer a request; what was sent."""
        headers = [(b"host", b"127.0.0.1")]
        scope = {"type": "http", "method": "POST", "path": "/a b", "query_string": b"q=1", "headers": headers, **more}
        await answer(handle, scope, self.receive, self.send)
        return self.sent


async def test_a_whole_answer() -> None:
    async def handle(call: Call) -> None:
        call.extra = [b"x-extra: a: b\r\n"]
        assert (call.method, call.path, call.query, call.headers) == ("POST", "/a b", b"q=1", {b"host": b"127.0.0.1"})
        call.reply(201, await call.body(PLENTY))

    headers = [(b"content-type", b"application/json"), (b"x-extra", b"a: b"), (b"content-length", b"5")]
    assert await Server(piece(b"wh", more=True), piece(b"", more=True), piece(b"ole")).run(handle) == [
        {"type": "http.response.start", "status": 201, "headers": headers},
        {"type": "http.response.body", "body": b"whole", "more_body": False},
    ]


async def test_a_stream_goes_out_as_it_is_said() -> None:
    server = Server(piece(b""))

    async def handle(call: Call) -> None:
        await call.body(PLENTY)
        call.head(200, [header(b"content-type", b"text/plain")])
        assert server.sent == []
        assert not call.piece(b"a", more=True)
        await call.drain()
        assert [message["type"] for message in server.sent] == ["http.response.start", "http.response.body"]
        call.piece(b"b", more=False)

    *_, last = await server.run(handle)
    assert last == {"type": "http.response.body", "body": b"b", "more_body": False}
    assert [message.get("body") for message in server.sent] == [None, b"a", b"b"]


@pytest.mark.parametrize(("path", "root"), [("/v1/x", ""), ("/gateway/v1/x", "/gateway"), ("/v1/x", "/gateway")])
async def test_where_it_is_mounted_is_not_its_own(path: str, root: str) -> None:
    (_, body) = await Server(piece(b"")).run(name, path=path, root_path=root)
    assert body["body"] == b"/v1/x"


async def test_too_large() -> None:
    async def handle(call: Call) -> None:
        with pytest.raises(RequestTooLarge):
            await call.body(4)
        call.reply(413, b"")

    server = Server(piece(b"123", more=True), piece(b"45", more=True), piece(b"never asked for"))
    start, _ = await server.run(handle)
    assert (start["status"], server.asked) == (413, 2)


async def test_half_a_body_and_no_client() -> None:
    async def handle(call: Call) -> None:
        with pytest.raises(ClientGone):
            await call.body(PLENTY)
        assert call.gone

    assert await Server(piece(b"12", more=True), GONE).run(handle) == []


async def test_a_client_that_leaves_cancels_what_is_done_for_it() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> None:
        await call.body(PLENTY)
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert call.gone
            cancelled.set()

    server = Server(piece(b"all"))
    running = asyncio.create_task(server.run(handle))
    await begun.wait()
    server.leave()
    assert await running == []
    assert cancelled.is_set()


async def test_nobody_looks_out_any_more() -> None:
    """No task outlives its request."""
    before = asyncio.all_tasks()
    for handle in (echo, name):
        server = Server(piece(b"all"))
        await server.run(handle)
        await turns(2)
        assert asyncio.all_tasks() == before


async def test_a_client_that_left_is_noticed_when_something_is_sent() -> None:
    seen = []

    async def handle(call: Call) -> None:
        call.head(200, [])
        call.piece(b"a", more=True)
        await call.drain()
        call.piece(b"b", more=True)
        with pytest.raises(ClientGone):
            await call.drain()
        seen.append(call.gone)

    assert len(await Server(breaks_after=2).run(handle)) == 2
    assert seen == [True]
    assert await Server(breaks_after=0).run(name) == []


async def test_a_server_that_stops_cancels() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert not call.gone
            cancelled.set()
            raise

    running = asyncio.create_task(Server(piece(b"")).run(handle))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cancelled.is_set()


async def test_a_defect_is_the_server_s_to_report() -> None:
    async def handle(call: Call) -> None:
        call.head(200, [])
        call.piece(b"half", more=True)
        await call.drain()
        raise KeyError("oh")

    server = Server(piece(b""))
    with pytest.raises(KeyError):
        await server.run(handle)
    assert [message.get("more_body") for message in server.sent] == [None, True]


async def test_websockets_are_refused_and_life_spans_nobody_s_matter() -> None:
    server = Server({"type": "websocket.connect"})
    assert await server.run(name, type="websocket") == [{"type": "websocket.close", "code": 1000}]
    server = Server({"type": "lifespan.startup"})
    assert await server.run(name, type="lifespan") == []
    assert server.asked == 0


@contextlib.asynccontextmanager
async def under_uvicorn(handle: Handler) -> AsyncIterator[Any]:
    """A handler served by uvicorn; yields what connects to it."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(handle, scope, receive, send)

    config = uvicorn.Config(
        application, port=0, lifespan="on", ws="none", log_config=None, date_header=False, server_header=False
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    clients: list[Client] = []

    async def connect() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return clients[-1]

    try:
        yield connect
    finally:
        for client in clients:
            client.writer.transport.abort()
        await server.shutdown()


async def test_whole_answers_under_uvicorn() -> None:
    async with under_uvicorn(echo) as connect:
        client = await connect()
        wire = post("/a%20b?c", b"in two")
        await client.say(wire[:-3], wire[-3:])
        told = (await client.answer()).json
        assert (told["method"], told["path"], told["query"], told["body"]) == ("POST", "/a b", "c", "in two")
        await client.say(get("/", method="HEAD") + get("/again"))
        assert (await client.answer("HEAD")).status == 200
        assert (await client.answer()).json["path"] == "/again"


async def test_streams_under_uvicorn() -> None:
    async def handle(call: Call) -> None:
        call.head(200, [])
        for _ in range(100):
            if not call.piece(b"x" * 10_000, more=True):
                await call.drain()
        call.piece(b"", more=False)

    async with under_uvicorn(handle) as connect:
        client = await connect()
        await client.say(get("/"))
        assert len((await client.answer()).body) == 1_000_000


async def test_a_client_that_leaves_uvicorn() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> None:
        await call.body(PLENTY)
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert call.gone
            cancelled.set()

    async with under_uvicorn(handle) as connect:
        client = await connect()
        await client.say(post("/", b"all"))
        await begun.wait()
        client.close()
        await cancelled.wait()
