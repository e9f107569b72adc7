"""Answers that are as they should be, in every cut."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridge import types
from hybridge.errors import ConnectionLost, TooLarge
from hybridge.providers.transport import HttpTransport
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import CHUNKED, OK, Peer, chunk, fetched, post, saying, saying_last

LENGTH = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-Id: a\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nx-id: b\r\n\r\n"
    b'5;name="va;lue"\r\nhello\r\n006\r\n world\r\n0;last\r\nTrailer-One: 1\r\nX-Id: trailer\r\n\r\n'
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nx-id: early\r\n\r\n" + LENGTH
CLOSED = b"HTTP/1.1 200 OK\r\nx-id: c\r\n\r\nhello world"
OLD = b"HTTP/1.0 200 OK\r\nx-id: d\r\n\r\nhello world"


async def test_head_and_body(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(LENGTH))
    answer = await post(transport, server.url)
    assert answer.status == 201
    assert answer.headers == {"content-type": "application/json", "x-id": "a", "content-length": "11"}
    assert await answer.read(11) == b"hello world"
    assert await chunk(answer) == b""
    answer.close()
    answer.close()
    assert repr(transport) == "<HttpTransport 1 open, 1 idle, 0 waiting>"
    assert "201 from http://127.0.0.1" in repr(answer)


async def test_they_are_what_the_house_asks_for(transport: HttpTransport, serve: Serve) -> None:
    # mypy looks at these two lines: they fail where the protocols are not kept.
    way_out: types.Transport = transport
    answer: types.Answer = await post(transport, (await serve(saying(LENGTH))).url)
    assert (way_out is transport, answer.status) == (True, 201)


async def test_read_does_not_wait_for_what_came_with_the_head(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(LENGTH))
    answer = await post(transport, server.url)
    reading = answer.read(100)
    with pytest.raises(StopIteration) as done:
        reading.send(None)
    assert done.value.value == b"hello world"


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ((LENGTH,), b"hello world"),
        ((INTERIM,), b"hello world"),
        ((LENGTH[:-11], LENGTH[-11:]), None),
        ((LENGTH[:-1], LENGTH[-1:]), None),
        ((CHUNKS,), None),
        ((LENGTH.replace(b"11", b"0")[:-11],), None),
    ],
)
async def test_at_once_is_only_what_is_whole_and_in_one_piece(
    transport: HttpTransport, serve: Serve, pieces: tuple[bytes, ...], found: bytes | None
) -> None:
    answer = await post(transport, (await serve(saying(*pieces))).url)
    assert answer.at_once() == found
    assert await answer.read(11) == (b"" if found or b"Length: 0" in pieces[0] else b"hello world")


async def test_nothing_encoded_is_taken_at_once(transport: HttpTransport, serve: Serve) -> None:
    body = gzip.compress(b"hello world")
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    answer = await post(transport, (await serve(saying(head + body))).url)
    assert answer.at_once() is None
    assert await answer.read(11) == b"hello world"


@pytest.mark.parametrize("wire", [LENGTH, CHUNKS, INTERIM])
async def test_byte_by_byte(transport: HttpTransport, serve: Serve, wire: bytes) -> None:
    server = await serve(saying(*[wire[i : i + 1] for i in range(len(wire))]))
    for _ in range(2):
        answer = await post(transport, server.url)
        assert await answer.read(11) == b"hello world"
        assert answer.headers["x-id"] in ("a", "b")
        assert "trailer-one" not in answer.headers
    assert server.connections == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), wire=st.sampled_from([LENGTH, CHUNKS, INTERIM, CLOSED, OLD]))
async def test_any_cut_gives_the_same(serve: Serve, data: st.DataObject, wire: bytes) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=12)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    server = await serve(saying_last(*pieces))
    transport = HttpTransport(environ={})
    answer = await post(transport, server.url)
    parts = []
    while part := await chunk(answer):
        parts.append(part)
    whole = await post(transport, (await serve(saying_last(wire))).url)
    assert (answer.status, answer.headers) == (whole.status, whole.headers)
    assert b"".join(parts) == await whole.read(11) == b"hello world"
    await transport.aclose()


async def test_what_arrives_together_comes_together(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(CHUNKED, b"3\r\none\r\n3\r\ntwo\r\n", b"5\r\nthree\r\n0\r\n\r\n"))
    answer = await post(transport, server.url)
    assert [await chunk(answer), await chunk(answer), await chunk(answer)] == [b"onetwo", b"three", b""]


@pytest.mark.parametrize("wire", [CLOSED, OLD])
async def test_an_answer_may_end_with_its_connection(transport: HttpTransport, serve: Serve, wire: bytes) -> None:
    server = await serve(saying_last(wire))
    assert await fetched(transport, server.url) == (200, b"hello world")
    assert repr(transport).endswith("0 idle, 0 waiting>")


@pytest.mark.parametrize("status", [204, 304])
async def test_no_body_by_status(transport: HttpTransport, serve: Serve, status: int) -> None:
    server = await serve(saying(b"HTTP/1.1 %d X\r\ncontent-length: 5\r\n\r\n" % status))
    for _ in range(2):
        assert await fetched(transport, server.url) == (status, b"")
    assert server.connections == 1


async def test_head_has_no_body(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-encoding: gzip\r\n\r\n"))
    answer = await post(transport, server.url, b"", method="HEAD")
    assert (answer.status, answer.headers["content-length"], await answer.read(0)) == (200, "5", b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_answers(transport: HttpTransport, serve: Serve, status: int) -> None:
    head = b"HTTP/1.1 %d Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nno" % status
    server = await serve(saying(head))
    answer = await post(transport, server.url)
    assert (answer.status, answer.headers["location"]) == (status, "http://127.0.0.1:1/")
    assert await answer.read(9) == b"no"
    assert server.connections == 1


async def test_headers_are_joined_and_cookies_left_out(transport: HttpTransport, serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nVia: a\r\nvia: b\r\nSet-Cookie: s=1\r\nset-cookie: t=2\r\nX-Empty:\r\nX: \xe9\r\n"
    server = await serve(saying(head + b"content-length: 0\r\n\r\n"))
    answer = await post(transport, server.url)
    assert answer.headers == {"via": "a, b", "x-empty": "", "x": "é", "content-length": "0"}


async def test_trailers_do_not_leak_into_the_next_answer(transport: HttpTransport, serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(CHUNKED + b"0\r\nx-leak: 1\r\nx-empty:\r\n\r\n")
        await peer.asked()
        await peer.say(OK)
        await peer.gone()

    server = await serve(script)
    first = await post(transport, server.url)
    assert await first.read(0) == b""
    second = await post(transport, server.url)
    assert (server.connections, second.headers) == (1, {"content-length": "2"})


@pytest.mark.parametrize("length", [b"content-length: 100\r\n", b"transfer-encoding: chunked\r\n", b""])
async def test_too_large_is_refused_and_closed(transport: HttpTransport, serve: Serve, length: bytes) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.asked()
        body = b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n" if b"chunked" in length else b"x" * 100
        await peer.say(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n", body)
        await peer.gone()
        closed.set()

    server = await serve(script)
    answer = await post(transport, server.url)
    with pytest.raises(TooLarge, match="larger than 99 bytes"):
        await answer.read(99)
    if length != b"content-length: 100\r\n":
        return
    await closed.wait()


async def test_framing_does_not_count_as_body(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(CHUNKED, *[b"1\r\nx\r\n"] * 50, b"0\r\n\r\n"))
    answer = await post(transport, server.url)
    assert await answer.read(50) == b"x" * 50


async def test_closing_early_closes_the_connection(transport: HttpTransport, serve: Serve) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(CHUNKED + b"3\r\none\r\n")
        await peer.gone()
        closed.set()

    server = await serve(script)
    answer = await post(transport, server.url)
    answer.close()
    await closed.wait()
    with pytest.raises(ConnectionLost, match="closed before its end"):
        await chunk(answer)
