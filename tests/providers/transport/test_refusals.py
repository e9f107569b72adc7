"""Answers that could be read in two ways, or in none."""

from __future__ import annotations

import pytest

from hybridge.errors import ConnectionLost, MalformedAnswer
from hybridge.providers.transport import HttpTransport
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import CHUNKED, OK, Peer, chunk, fetched, post, saying, saying_last, turns

HEAD = b"HTTP/1.1 200 OK\r\n"
END = b"content-length: 2\r\n\r\nok"

MALFORMED = {
    "length and chunks": HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"content-length: 3\r\n" + END,
    "length list": HEAD + b"content-length: 2, 2\r\n\r\nok",
    "signed length": HEAD + b"content-length: +2\r\n\r\nok",
    "negative length": HEAD + b"content-length: -2\r\n\r\nok",
    "endless length": HEAD + b"content-length: 99999999999999999999\r\n\r\nok",
    "empty length": HEAD + b"content-length:\r\n\r\nok",
    "space before colon": HEAD + b"content-length : 2\r\n\r\nok",
    "folded line": HEAD + b"x: a\r\n b\r\n" + END,
    "folded line with tab": HEAD + b"x: a\r\n\tb\r\n" + END,
    "folded first line": HEAD + b" x: a\r\n" + END,
    "bare CR": HEAD + b"x: a\rb\r\n" + END,
    "bare LF": HEAD + b"x: a\n" + END,
    "NUL": HEAD + b"x: a\0b\r\n" + END,
    "bad name": HEAD + b"x(y): a\r\n" + END,
    "no name": HEAD + b": a\r\n" + END,
    "no colon": HEAD + b"xyz\r\n" + END,
    "coding behind chunked": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "coding before chunked": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding twice": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity coding": HEAD + b"transfer-encoding: identity\r\n\r\nok",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown version": b"HTTP/1.3 200 OK\r\n" + END,
    "no HTTP": b"<html>Bad gateway</html>",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n" + END,
    "status below 100": b"HTTP/1.1 099 OK\r\n" + END,
    "switching protocols": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "switching nothing": b"HTTP/1.1 101 Switching\r\n\r\n" + HEAD + END,
    "head without end": HEAD + b"x: " + b"y" * 600_000,
    "long head": HEAD + b"".join(b"x-%d: %b\r\n" % (i, b"y" * 1000) for i in range(70)) + END,
    "early hints without end": b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" * 3000,
    "unknown encoding": HEAD + b"content-encoding: br\r\n" + END,
    "two encodings": HEAD + b"content-encoding: gzip, gzip\r\n" + END,
}

BROKEN_BODIES = {
    "negative chunk": b"-3\r\nabc\r\n0\r\n\r\n",
    "prefixed chunk": b"0x3\r\nabc\r\n0\r\n\r\n",
    "endless chunk": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "chunk with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk with bare LF": b"3\nabc\r\n0\r\n\r\n",
    "chunk longer than said": b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk without size": b"\r\nabc\r\n0\r\n\r\n",
    "extension with LF": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "extension without end": b"3;" + b"a" * 600_000,
    "trailers without end": b"3\r\nabc\r\n0\r\nx: " + b"y" * 600_000,
}


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_head(transport: HttpTransport, serve: Serve, wire: bytes) -> None:
    server = await serve(saying_last(wire))
    with pytest.raises(MalformedAnswer):
        await post(transport, server.url)
    assert repr(transport).endswith("0 idle, 0 waiting>")


@pytest.mark.parametrize("wire", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
async def test_malformed_body(transport: HttpTransport, serve: Serve, wire: bytes, together: bool) -> None:
    server = await serve(saying_last(CHUNKED + wire) if together else saying_last(CHUNKED, wire))
    answer = await post(transport, server.url)
    with pytest.raises(MalformedAnswer, match="not an HTTP answer") as failed:
        await answer.read(1 << 20)
    assert failed.value.status == 200
    assert repr(transport).endswith("0 idle, 0 waiting>")


@pytest.mark.parametrize(
    "wire",
    [b"", b"HT", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", b"HTTP/1.1 100 C\r\n\r\n"],
)
async def test_cut_before_the_head_is_whole(transport: HttpTransport, serve: Serve, wire: bytes) -> None:
    server = await serve(saying_last(wire) if wire else saying_last())
    with pytest.raises(ConnectionLost):
        await post(transport, server.url)
    assert server.connections == 1


@pytest.mark.parametrize(
    "wire",
    [
        HEAD + b"content-length: 9\r\n\r\nsome",
        CHUNKED + b"4\r\nsome\r\n",
        CHUNKED + b"9\r\nsome",
        CHUNKED + b"4\r\nsome\r\n0\r\n",
    ],
)
async def test_cut_in_the_body(transport: HttpTransport, serve: Serve, wire: bytes) -> None:
    server = await serve(saying_last(wire))
    answer = await post(transport, server.url)
    assert await chunk(answer) == b"some"
    with pytest.raises(ConnectionLost, match="in the middle"):
        await chunk(answer)
    with pytest.raises(ConnectionLost):
        await answer.read(100)


async def test_reset_is_no_end(transport: HttpTransport, serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(HEAD + b"\r\nsome")
        peer.reset()

    server = await serve(script)
    answer = await post(transport, server.url)
    with pytest.raises(ConnectionLost) as lost:
        await answer.read(100)
    assert isinstance(lost.value.__cause__, ConnectionResetError)


@pytest.mark.parametrize("more", [OK, b"HTTP/1.1 200", b"junk"], ids=["answer", "half an answer", "junk"])
async def test_more_than_was_asked_for_is_never_an_answer(transport: HttpTransport, serve: Serve, more: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(OK + (more if peer.number == 1 else b""))
        await peer.gone()

    server = await serve(script)
    for _ in range(2):
        assert await fetched(transport, server.url) == (200, b"ok")
    assert server.connections == 2


async def test_bytes_that_nobody_asked_for_close_an_idle_connection(transport: HttpTransport, serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(OK, b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await peer.gone()

    server = await serve(script)
    assert await fetched(transport, server.url) == (200, b"ok")
    while "0 open" not in repr(transport):
        await turns(1)
    assert await fetched(transport, server.url) == (200, b"ok")


async def test_the_message_names_the_origin_and_no_secret(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(b"nonsense"))
    with pytest.raises(MalformedAnswer) as failed:
        await post(transport, f"{server.url}?key=sk-secret", headers=[("authorization", "Bearer sk-secret")])
    assert f"http://127.0.0.1:{server.port}:" in str(failed.value)
    assert "secret" not in repr(failed.value)
    assert failed.value.__cause__ is not None
