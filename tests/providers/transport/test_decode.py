"""Servers that compress although they were asked not to."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import ConnectionLost, MalformedAnswer, TooLarge
from hybridge.providers.transport import HttpTransport
from hybridge.providers.transport.decode import PIECE, Decoder
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import CHUNKED, chunk, post, saying, saying_last

TEXT = b"data: {}\n\n" * 1000


def raw_deflate(text: bytes) -> bytes:
    """A bare deflate stream, as some servers send it."""
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(text) + squeeze.flush()


ENCODED = {
    "gzip": (b"gzip", gzip.compress(TEXT)),
    "x-gzip": (b"X-GZIP", gzip.compress(TEXT)),
    "two members": (b"gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
    "padding": (b"gzip", gzip.compress(TEXT) + b"\0\0\0"),
    "deflate": (b"deflate", zlib.compress(TEXT)),
    "bare deflate": (b"deflate", raw_deflate(TEXT)),
}


def head(encoding: bytes, length: int) -> bytes:
    """The head of an encoded answer."""
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (encoding, length)


@pytest.mark.parametrize(("encoding", "wire"), ENCODED.values(), ids=ENCODED)
@pytest.mark.parametrize("whole", [True, False], ids=["read", "chunks"])
async def test_decoded(transport: HttpTransport, serve: Serve, encoding: bytes, wire: bytes, whole: bool) -> None:
    pieces = [wire[i : i + 7] for i in range(0, len(wire), 7)]
    server = await serve(saying(head(encoding, len(wire)), *pieces))
    answer = await post(transport, server.url)
    assert answer.headers == {}
    if whole:
        assert await answer.read(len(TEXT)) == TEXT
    else:
        parts = []
        while part := await chunk(answer):
            parts.append(part)
        assert b"".join(parts) == TEXT


async def test_events_come_one_by_one(transport: HttpTransport, serve: Serve) -> None:
    squeeze = zlib.compressobj(wbits=31)
    first = squeeze.compress(b"one") + squeeze.flush(zlib.Z_SYNC_FLUSH)
    second = squeeze.compress(b"two") + squeeze.flush()
    server = await serve(saying_last(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", first, second))
    answer = await post(transport, server.url)
    assert [await chunk(answer), await chunk(answer), await chunk(answer)] == [b"one", b"two", b""]


async def test_a_bomb_meets_the_limit(transport: HttpTransport, serve: Serve) -> None:
    bomb = gzip.compress(bytes(100 << 20))
    server = await serve(saying(head(b"gzip", len(bomb)) + bomb))
    answer = await post(transport, server.url)
    assert len(await chunk(answer)) <= PIECE
    with pytest.raises(TooLarge):
        await answer.read(1 << 20)
    other = await post(transport, server.url)
    with pytest.raises(TooLarge):
        await other.read(0)


@pytest.mark.parametrize(
    ("encoding", "wire"),
    [(b"gzip", b"no gzip at all"), (b"gzip", gzip.compress(TEXT)[:-9]), (b"deflate", b"x"), (b"deflate", b"\xff" * 9)],
)
async def test_broken(transport: HttpTransport, serve: Serve, encoding: bytes, wire: bytes) -> None:
    server = await serve(saying(head(encoding, len(wire)) + wire))
    answer = await post(transport, server.url)
    with pytest.raises(MalformedAnswer, match="encoding of the answer"):
        await answer.read(1 << 20)


async def test_cut_in_an_encoded_body(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying_last(head(b"gzip", 1000) + gzip.compress(b"some")))
    answer = await post(transport, server.url)
    assert await chunk(answer) == b"some"
    with pytest.raises(ConnectionLost):
        await chunk(answer)


async def test_encoded_and_empty(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(saying(CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n") + b"0\r\n\r\n"))
    answer = await post(transport, server.url)
    assert await answer.read(0) == b""


@given(st.data(), st.sampled_from(list(ENCODED.values())))
def test_any_cut_decodes_to_the_same(data: st.DataObject, encoded: tuple[bytes, bytes]) -> None:
    encoding, wire = encoded
    decoder = Decoder(encoding.decode().lower())
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=8)))
    decoded = b""
    for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        decoder.feed(wire[a:b])
        while piece := decoder.take():
            decoded += piece
    decoder.finish()
    assert decoded == TEXT
