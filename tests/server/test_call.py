"""One exchange with a client: bodies in pieces, keys in places, lines of a head, values fit for a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import ClientGone, RequestTooLarge
from hybridge.server.call import Call, header, header_value


class Script:
    """A wire whose client sends these pieces, and then leaves unless the last one was the end."""

    def __init__(self, pieces: tuple[bytes, ...], leaves: bool) -> None:
        self.slow = False
        self.call: Call | None = None
        self.said: list[object] = []
        self._pieces = list(pieces)
        self._leaves = leaves

    async def more(self) -> None:
        """The next piece."""
        call = self.call
        assert call is not None
        if not self._pieces:
            call.gone = True
            raise ClientGone("the client left")
        piece = self._pieces.pop(0)
        call.pieces.append(piece)
        call.size += len(piece)
        call.whole = not self._pieces and not self._leaves

    def answer(self, status: int, lines: list[bytes], body: bytes) -> None:
        """Note it."""
        self.said.append((status, lines, body))

    def begin(self, status: int, lines: list[bytes]) -> None:
        """Note it."""
        self.said.append((status, lines))

    def send(self, piece: bytes, more: bool) -> bool:
        """Note it."""
        self.said.append((piece, more))
        return not self.slow

    async def drain(self) -> None:
        """Note it."""
        self.said.append("drained")


def call(*pieces: bytes, headers: dict[bytes, bytes] | None = None, query: bytes = b"", leaves: bool = False) -> Call:
    """A call of a scripted client."""
    wire = Script(pieces, leaves)
    wire.call = Call(wire, "POST", "/", query, headers or {}, whole=not pieces and not leaves)
    return wire.call


def said(to: Call) -> list[object]:
    """What a call said."""
    assert isinstance(to.wire, Script)
    return to.wire.said


async def test_a_body_in_pieces() -> None:
    assert await call(b"whole").body(5) == b"whole"
    assert await call(b"in ", b"", b"two").body(6) == b"in two"
    assert await call().body(0) == b""


async def test_a_body_is_not_read_beyond_its_limit() -> None:
    for pieces in ((b"whole",), (b"123", b"45"), (b"12345", b"never read")):
        large = call(*pieces)
        with pytest.raises(RequestTooLarge, match=r"(5|more than 5) bytes; server\.max_body allows 4"):
            await large.body(4)
        assert large.pieces == []
    with pytest.raises(RequestTooLarge, match="99"):
        await call(b"", headers={b"content-length": b"99"}).body(4)
    assert await call(b"1234", headers={b"content-length": b"4"}).body(4) == b"1234"


async def test_half_a_body_and_no_client() -> None:
    left = call(b"12", leaves=True)
    with pytest.raises(ClientGone):
        await left.body(100)
    assert left.gone


async def test_nothing_is_said_to_a_client_that_left() -> None:
    left = call()
    left.gone = True
    with pytest.raises(ClientGone):
        left.reply(200, b"")
    with pytest.raises(ClientGone):
        left.answer(200, [], b"")
    with pytest.raises(ClientGone):
        left.head(200, [])
    with pytest.raises(ClientGone):
        left.piece(b"", more=False)
    with pytest.raises(ClientGone):
        await left.drain()
    assert not left.answered
    assert said(left) == ["drained"]


async def test_the_lines_of_a_head() -> None:
    whole = call()
    whole.extra, whole.request_id = [b"x-extra: 1\r\n"], "req_1"
    whole.reply(200, b"{}")
    lines = [b"content-type: application/json\r\n", b"x-hybridge-request-id: req_1\r\n", b"x-extra: 1\r\n"]
    assert said(whole) == [(200, lines, b"{}")]
    plain = call()
    answered = [plain.answered]
    plain.head(201, [b"a: b\r\n"])
    assert [*answered, plain.answered] == [False, True]
    plain.piece(b"x", more=True)
    await plain.drain()
    assert said(plain) == [(201, [b"a: b\r\n"]), (b"x", True), "drained"]


@pytest.mark.parametrize("slow", [False, True])
def test_a_slow_client_is_the_wire_s_to_notice(slow: bool) -> None:
    asked = call()
    assert isinstance(asked.wire, Script)
    asked.wire.slow = slow
    asked.head(200, [])
    assert asked.piece(b"x", more=True) == (not slow)


def test_a_body_is_taken_once() -> None:
    asked = call()
    asked.pieces, asked.size = [b"all of ", b"it"], 9
    assert asked.take(9) == b"all of it"
    assert asked.pieces == []


def test_headers_and_parameters() -> None:
    asked = call(headers={b"a": b" \xe9 "}, query=b"x=1&x=2&y=&z=%20")
    assert (asked.header(b"a"), asked.header(b"b")) == ("é", None)
    assert [asked.query_value(name) for name in "xyzw"] == ["2", None, " ", None]
    assert call().query_value("x") is None


def test_calls_share_nothing() -> None:
    one, other = call(), call()
    one.params["a"], one.extra[:], one.pieces[:] = "b", [b""], [b""]
    assert (other.params, other.extra, other.pieces) == ({}, [], [])


@pytest.mark.parametrize(
    ("headers", "query", "secret"),
    [
        ({b"authorization": b"Bearer one"}, b"", "one"),
        ({b"authorization": b"bEaReR   one "}, b"", "one"),
        ({b"authorization": b"Basic one", b"x-api-key": b"two"}, b"", "two"),
        ({b"api-key": b"two"}, b"", "two"),
        ({b"x-goog-api-key": b" two "}, b"key=three", "two"),
        ({}, b"a=b&key=three", "three"),
        ({}, b"key=th%20ree", "th ree"),
        ({}, b"key=", None),
        ({}, b"", None),
        ({b"authorization": b"Bearer"}, b"", None),
    ],
)
def test_where_a_key_may_stand(headers: dict[bytes, bytes], query: bytes, secret: str | None) -> None:
    assert call(headers=headers, query=query).secret() == secret


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"\r", b"a\0b"])
def test_a_line_is_one_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="b'x-name'"):
        header(b"x-name", value)


@given(st.text())
def test_what_others_chose_is_fit_for_a_header(text: str) -> None:
    value = header_value(text)
    assert not {*value} & {*range(9), *range(10, 32), *range(127, 160)}
    assert len(value) == len(text)
    assert header(b"x", value) == b"x: %b\r\n" % value


def test_what_is_fit_stays() -> None:
    assert header_value("openai/gpt-4o-mini=200;é\t") == "openai/gpt-4o-mini=200;é\t".encode("latin-1")
    assert header_value("a\r\nset-cookie: b") == b"a??set-cookie: b"
