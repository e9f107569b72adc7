"""Host names and origins."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hybridge.errors import NotAllowed
from hybridge.server.asgi import AsgiWire, Message
from hybridge.server.call import Call
from hybridge.server.guard import Guard, is_loopback


async def _silent() -> Message:
    raise AssertionError("nobody asked for the body")


async def _deaf(message: Message) -> None:
    raise AssertionError("nobody was to be told anything")


def call(headers: Mapping[str, str], method: str = "POST") -> Call:
    """A call with these headers."""
    named = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    return Call(AsgiWire(_silent, _deaf), method, "/", b"", named)


def told(lines: list[bytes]) -> dict[bytes, bytes]:
    """The headers that lines of a head make; each is whole."""
    assert all(line.endswith(b"\r\n") for line in lines)
    return dict(line[:-2].split(b": ", 1) for line in lines)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "app.localhost"])
def test_loopback_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.com", "127.0.0.1.com", "x", "2130706433"])
def test_other_names(host: str) -> None:
    assert not is_loopback(host)


def test_beyond_loopback_any_host_name_will_do() -> None:
    guard = Guard(bound_to="0.0.0.0", cors=[])
    assert guard.check(call({"host": "api.example"})) == []
    with pytest.raises(NotAllowed) as caught:
        guard.check(call({"host": "api.example", "origin": "https://api.example"}))
    assert caught.value.code == "origin_not_allowed"


def test_on_loopback_a_call_without_a_host_is_refused() -> None:
    guard = Guard(bound_to="127.0.0.1", cors=[])
    with pytest.raises(NotAllowed):
        guard.check(call({}))


def test_a_listed_origin_still_needs_a_loopback_host() -> None:
    guard = Guard(bound_to="localhost", cors=["https://app.example"])
    with pytest.raises(NotAllowed):
        guard.check(call({"host": "evil.example", "origin": "https://app.example"}))
    allowed = told(guard.check(call({"host": "localhost", "origin": "https://app.example"})))
    assert allowed[b"access-control-allow-origin"] == b"https://app.example"


def test_many_names_that_pass_are_not_all_remembered() -> None:
    guard = Guard(bound_to="127.0.0.1", cors=[])
    for number in range(1000):
        assert guard.check(call({"host": f"n{number}.localhost:80"})) == []


def test_a_preflight_allows_what_the_page_names_and_without_names_everything() -> None:
    asked = call({"access-control-request-headers": "x-a, x-b"}, "OPTIONS")
    assert told(Guard.preflight_lines(asked))[b"access-control-allow-headers"] == b"x-a, x-b"
    assert told(Guard.preflight_lines(call({})))[b"access-control-allow-headers"] == b"*"
