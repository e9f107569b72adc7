"""Requests: framing, headers that cannot break out, addresses."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from hybridge.errors import ConnectFailed, ConnectionLost, InvalidRequest, Silent
from hybridge.providers.transport import HttpTransport, encode_headers
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import OK, Asked, Peer, Script, post, saying, soon, to_loopback, turns


def hearing(heard: list[Asked]) -> Script:
    """A script that notes what it is asked."""

    async def script(peer: Peer) -> None:
        while True:
            heard.append(await peer.asked())
            await peer.say(OK)

    return script


async def test_on_the_wire(transport: HttpTransport, serve: Serve) -> None:
    heard: list[Asked] = []
    server = await serve(hearing(heard))
    block = transport.encode_headers([("authorization", "Bearer sk-1"), ("content-type", "application/json")])
    url = server.url + "?key=a%20b#fragment"
    await post(transport, url, b'{"a":1}', headers=[block, ("X-Name", "caf\xe9")])
    host = f"127.0.0.1:{server.port}"
    assert heard[0].head.split(b"\r\n") == [
        b"POST /v1/chat?key=a%20b HTTP/1.1",
        f"host: {host}".encode(),
        b"accept-encoding: identity",
        b"authorization: Bearer sk-1",
        b"content-type: application/json",
        b"X-Name: caf\xe9",
        b"content-length: 7",
    ]
    assert heard[0].body == b'{"a":1}'
    assert "sk-1" not in repr(block)


async def test_a_block_alone_and_an_address_without_path(transport: HttpTransport, serve: Serve) -> None:
    heard: list[Asked] = []
    server = await serve(hearing(heard))
    await post(transport, f"http://127.0.0.1:{server.port}?a=b", headers=encode_headers([("x", "y")]))
    assert (heard[0].line, heard[0].headers["x"]) == ("POST /?a=b HTTP/1.1", "y")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
async def test_without_a_body(transport: HttpTransport, serve: Serve, method: str) -> None:
    heard: list[Asked] = []
    server = await serve(hearing(heard))
    await post(transport, server.url, b"", method=method)
    length = heard[0].headers.get("content-length")
    assert (heard[0].line.split()[0], length) == (method, None if method in ("GET", "HEAD") else "0")


@pytest.mark.parametrize("size", [1, 32 * 1024, 32 * 1024 + 1, 3_000_000])
async def test_bodies_of_any_size_and_cut(transport: HttpTransport, serve: Serve, size: int) -> None:
    heard: list[Asked] = []
    server = await serve(hearing(heard))
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    parts: list[bytes | memoryview] = [
        body[: size // 3],
        b"",
        memoryview(body)[size // 3 : size // 2],
        memoryview(body)[size // 2 :],
    ]
    for answer in (await post(transport, server.url, body), await post(transport, server.url, parts)):
        assert await answer.read(2) == b"ok"
    assert [asked.body for asked in heard] == [body, body]
    assert [asked.headers["content-length"] for asked in heard] == [str(size)] * 2
    assert server.connections == 1


@pytest.mark.parametrize("value", ["a\r\nx: b", "a\nb", "a\rb", "a\0b", "\x7f", "\x1b[0m", "đồng", "\u2028"], ids=ascii)
async def test_a_value_cannot_break_out(transport: HttpTransport, serve: Serve, value: str) -> None:
    server = await serve(saying(OK))
    with pytest.raises(InvalidRequest, match="the value of header x-user cannot be sent") as refused:
        await post(transport, server.url, headers=[("x-user", value)])
    assert refused.value.param == "x-user"
    assert value not in str(refused.value)
    with pytest.raises(InvalidRequest):
        encode_headers([("x-user", value)])
    assert server.connections == 0


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é", "a\0", "(x)"])
async def test_an_illegal_name(transport: HttpTransport, name: str) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        await post(transport, "http://127.0.0.1:1/", headers=[(name, "b")])


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Host", "connection", "Expect", "TE"])
async def test_framing_is_not_for_callers(transport: HttpTransport, name: str) -> None:
    with pytest.raises(InvalidRequest, match="belongs to the connection"):
        await post(transport, "http://127.0.0.1:1/", headers=[(name, "5")])


@pytest.mark.parametrize("path", ["a b", "a\r\nx: y", "a\n", "a\t", "é", "a\0"], ids=ascii)
async def test_an_address_cannot_break_out(transport: HttpTransport, path: str) -> None:
    with pytest.raises(InvalidRequest, match="address"):
        await post(transport, f"http://127.0.0.1:1/{path}")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "127.0.0.1/",
        "http://",
        "http://a:99999/",
        "http://a:b/",
        "http://a:0/",
        "http://[::1/",
        "http://a%20b/",
    ],
)
async def test_an_address_that_leads_nowhere(transport: HttpTransport, url: str) -> None:
    with pytest.raises(ConnectFailed, match="address"):
        await post(transport, url)


async def test_a_method_cannot_break_out(transport: HttpTransport) -> None:
    with pytest.raises(InvalidRequest, match="method"):
        await post(transport, "http://127.0.0.1:1/", method="GET / HTTP/1.1\r\n")


async def test_user_info_is_not_sent(serve: Serve) -> None:
    heard: list[Asked] = []
    server = await serve(hearing(heard))
    transport = HttpTransport(environ={}, resolver=to_loopback())
    await post(transport, f"http://user:secret@Provider.Test.:{server.port}/")
    assert heard[0].headers["host"] == f"provider.test:{server.port}"
    assert b"secret" not in heard[0].head
    await transport.aclose()


async def test_many_addresses_do_not_pile_up(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(OK))
    for number in range(1100):
        await (await post(transport, f"{server.url}/{number}")).read(2)
    assert len(transport._targets) == 1024
    for number in range(300):
        with pytest.raises(ConnectFailed):
            await post(transport, f"http://127.0.{number // 200}.{number % 200 + 2}:1/")
    assert len(transport._pools) <= 256


async def test_a_slow_server_does_not_fill_memory(transport: HttpTransport, serve: Serve) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await go.wait()
        asked = await peer.asked()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n%08d" % len(asked.body))

    server = await serve(script)
    body = bytes(32 << 20)
    tracemalloc.start()
    try:
        sending = asyncio.create_task(post(transport, server.url, body))
        await turns(200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    go.set()
    answer = await sending
    assert await answer.read(8) == b"%08d" % len(body)


async def test_a_server_that_does_not_listen_is_silent(transport: HttpTransport, serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readexactly(10)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    server = await serve(script)
    with pytest.raises(Silent) as failed:
        await transport.send("POST", server.url, (), bytes(64 << 20), connect=20, deadline=soon(0.05))
    assert failed.value.phase == "head"


async def test_an_answer_before_the_body_was_heard(transport: HttpTransport, serve: Serve) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await peer.reader.readuntil(b"\r\n\r\n")
            await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await peer.gone()
            gone.set()
        else:
            await peer.asked()
            await peer.say(OK)

    server = await serve(script)
    answer = await post(transport, server.url, bytes(64 << 20))
    assert (answer.status, await answer.read(2)) == (413, b"no")
    await gone.wait()
    # What was not sent must not be taken for the next request.
    assert (await post(transport, server.url)).status == 200
    assert server.connections == 2


async def test_cut_off_while_sending(transport: HttpTransport, serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.reset()

    server = await serve(script)
    with pytest.raises(ConnectionLost):
        await post(transport, server.url, bytes(64 << 20))
