"""HTTP/1.1 to a client, over real sockets: framing, pipelining, idle connections, answers that are wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from hybridge.server.http import Protocol

GET = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers as the path says."""
    path = scope["path"]
    if path == "/wait":
        await asyncio.Event().wait()
    headers = [(b"content-type", b"text/plain")]
    if path == "/injected":
        headers.append((b"x-injected", b"a\r\nx-forged: b"))
    if path in ("/short", "/long", "/exact"):
        headers.append((b"content-length", b"5"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/stream":
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": b"x" * 70_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = {"/short": b"1234", "/long": b"123456", "/exact": b"12345"}.get(path, path.encode())
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def serving(keep_alive: float = 30.0) -> AsyncIterator[int]:
    """The protocol on any free port."""
    config = uvicorn.Config(
        application,
        port=0,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    config.timeout_keep_alive = keep_alive  # type: ignore[assignment]
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


async def said(port: int, *pieces: bytes) -> bytes:
    """Everything that the server says to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    found = await reader.read()
    writer.close()
    await writer.wait_closed()
    return found


async def test_pipelined_requests_are_answered_in_order_and_an_idle_connection_is_closed() -> None:
    async with serving(keep_alive=0.05) as port:
        found = await said(port, (GET % b"/one") + (GET % b"/two") + (GET % b"/exact"))
    assert [part.rpartition(b"\r\n")[2] for part in found.split(b"HTTP/1.1 200 OK")] == [b"", b"", b"", b"12345"]
    assert found.index(b"/one") < found.index(b"/two") < found.index(b"12345")
    assert found.count(b"transfer-encoding: chunked\r\n") == 2


async def test_a_connection_in_use_is_not_idle() -> None:
    async with serving(keep_alive=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((GET % b"/exact") + (GET % b"/wait"))
        assert (await reader.readuntil(b"12345")).startswith(b"HTTP/1.1 200 OK")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()
        await writer.wait_closed()


async def test_an_old_client_gets_one_answer() -> None:
    async with serving() as port:
        found = await said(port, b"GET /exact HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n")
    assert b"connection: close\r\n" in found
    assert found.endswith(b"12345")


async def test_a_head_has_no_body_and_the_connection_goes_on() -> None:
    async with serving(keep_alive=0.05) as port:
        found = await said(port, b"HEAD /exact HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" + (GET % b"/one"))
    assert b"content-length: 5\r\n\r\nHTTP/1.1 200 OK" in found


async def test_a_stream_is_framed_and_its_head_may_go_first() -> None:
    async with serving(keep_alive=0.05) as port:
        found = await said(port, GET % b"/stream")
    head, _, body = found.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"%x\r\n" % 70_000 + b"x" * 70_000 + b"\r\n0\r\n\r\n"


async def test_the_path_is_decoded() -> None:
    async with serving(keep_alive=0.05) as port:
        assert b"/a b" in await said(port, GET % b"/a%20b")


@pytest.mark.parametrize("path", [b"/injected", b"/short", b"/long"])
async def test_a_wrong_answer_never_reaches_the_client_whole(path: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as port:
        found = await said(port, GET % path)
    assert b"x-forged" not in found
    assert path != b"/injected" or found == b""
    assert "RuntimeError" in caplog.text


async def test_nonsense_is_refused() -> None:
    async with serving() as port:
        assert (await said(port, b"NONSENSE\r\n\r\n")).startswith(b"HTTP/1.1 400")
