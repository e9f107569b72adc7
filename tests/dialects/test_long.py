"""Long pictures are left where they lie: what comes of them is what comes of text, and only what is plain is left."""

from __future__ import annotations

import tracemalloc
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hybridge.chat import Image, Long
from hybridge.dialects import dialect, long
from hybridge.dialects.codec import Target
from hybridge.errors import InvalidRequest
from hybridge.types import Facts

PNG = "iVBORw0KGgo" + "A" * 200
TARGETS = {
    "anthropic": Target("claude-3-haiku-20240307", "claude-3-haiku", stream=False),
    "gemini": Target("gemini-2.0-flash", "gemini-2.0-flash", stream=False),
}


def facts(*urls: str, schema: bytes = b"{}") -> Facts:
    """Those of a request; each address is written as it is to stand between quotes."""
    pictures = ",".join(f'{{"type":"image_url","image_url":{{"url":"{url}"}}}}' for url in urls)
    tool = b'{"type":"function","function":{"name":"f","parameters":%b}}' % schema
    content = b'[{"type":"text","text":"?"},%b]' % pictures.encode()
    body = b'{"model":"m","messages":[{"role":"user","content":%b}],"tools":[%b]}' % (content, tool)
    return dialect("openai").client.read_facts(body, None, None)


def sent(asked: Facts, to: str, least: int) -> bytes | str:
    """The body for a provider, or why there is none, where what has so many bytes is long."""
    with patch.object(long, "LONG", least):
        try:
            chat = dialect("openai").client.decode_request(asked.fields)
            return dialect(to).provider.encode_request(chat, TARGETS[to]).body
        except InvalidRequest as refused:
            return f"{refused} {refused.param}"


def lying(url: str) -> bool:
    """Whether the picture of that address is left where it lies."""
    with patch.object(long, "LONG", 100):
        (turn,) = dialect("openai").client.decode_request(facts(url).fields).turns
    return isinstance(turn.parts[1], Image) and isinstance(turn.parts[1].data, Long)


PIECES = st.sampled_from(
    ["A", "/", "+w==", "\\/", "\\u0041", "\\u002f", '\\"', "\\n", "é", " ", "-_", "%", "A" * 70_000]
)
HEADS = st.sampled_from(
    [
        "data:image/png;base64,",
        "data:image\\/png;base64,",
        "data:;base64,",
        "data:image/png,",
        "data:a;b=c;base64,",
        "x,",
    ]
)


@pytest.mark.parametrize("to", TARGETS)
@given(head=HEADS, start=st.sampled_from([PNG, "\\/9j\\/" + "A" * 200, "%" * 200]), pieces=st.lists(PIECES, max_size=4))
def test_what_lies_is_sent_as_text_would_be(to: str, head: str, start: str, pieces: list[str]) -> None:
    url = head + start + "".join(pieces)
    asked = facts(url, "data:image/png;base64," + PNG, url)
    assert sent(asked, to, 100) == sent(asked, to, 1 << 30)


@pytest.mark.parametrize("at", [11, 65_535, 65_536, 131_000])
@pytest.mark.parametrize("odd", ["\\/", "\\u0041", "é", " ", "%", "\x7f"])
def test_only_plain_base64_lies(odd: str, at: int) -> None:
    plain = "data:image/png;base64," + PNG + "A" * 131_000
    assert lying(plain)
    assert not lying(plain[: 22 + 70 + at] + odd + plain[22 + 70 + at :])
    assert not lying("data:image\\/png" + plain[14:])
    assert not lying("data:image/png;base64," + "A" * 64)


@pytest.mark.parametrize("to", TARGETS)
def test_a_client_that_writes_the_mark_itself_is_not_mistaken(to: str) -> None:
    asked = facts("data:image/png;base64," + PNG, schema=b'{"type":"object","description":"x"}')
    with patch.object(long, "_MARK", b'"x"'):
        assert sent(asked, to, 100) == sent(asked, to, 1 << 30)


@pytest.mark.parametrize("to", TARGETS)
def test_a_long_picture_is_copied_once(to: str) -> None:
    size = 4_000_000
    asked = facts("data:image/png;base64," + PNG + "A" * size)
    tracemalloc.start()
    try:
        body = sent(asked, to, long.LONG)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(body, bytes)
    assert (PNG + "A" * size).encode() in body
    assert peak < 1.2 * size


def test_the_same_request_may_be_written_twice() -> None:
    asked = facts("data:image/png;base64," + PNG)
    with patch.object(long, "LONG", 100):
        chat = dialect("openai").client.decode_request(asked.fields)
        bodies = {dialect(to).provider.encode_request(chat, TARGETS[to]).body for to in (*TARGETS, *TARGETS)}
    assert len(bodies) == 2
    assert all(PNG.encode() in body for body in bodies)


def test_it_is_its_text() -> None:
    one = Long(memoryview(b"QUJD"))
    assert one == "QUJD" == str(one)
    assert one == Long(memoryview(bytearray(b"QUJD")).toreadonly())
    assert one != "QUJE"
    assert one != 1
    assert hash(one) == hash("QUJD")
    assert repr(one) == "<Long of 4 bytes>"
    assert long.found(Raw(b'"data:image/png;base64,QUJD"')) is None
    with pytest.raises(TypeError, match="no body holds a object"):
        long.encode({"a": object()})
    assert msgspec.json.decode(long.encode({"a": one, "b": [one, "c"]})) == {"a": "QUJD", "b": ["QUJD", "c"]}
