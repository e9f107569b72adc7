"""What a request asks of the router: most ask for nothing, and those are let through at a glance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hybridge.errors import InvalidRequest
from hybridge.money import Money
from hybridge.server.options import read_options
from hybridge.types import NO_OPTIONS, Facts, Options, ProviderPreferences

OURS = frozenset({"openai", "openrouter"})
STRANGE: dict[bytes, bytes] = {
    b"host": b"127.0.0.1",
    b"content-type": b"application/json",
    b"x-hybridge": b"1",
    b"x-hybridge-": b"1",
    b"x-hybridge-budgets": b"1 VND",
    b"hybridge-user": b"me",
    b"user": b"me",
    b"route": b"{}",
}


def facts(user: str | None = None, /, **members: Any) -> Facts:
    body = json.dumps({"model": "m", "messages": [], **members}).encode()
    return Facts("m", False, msgspec.json.decode(body, type=dict[str, Raw]), user=user)


def read(
    headers: Mapping[bytes, bytes] | None = None, user: str | None = None, /, **members: Any
) -> tuple[Options, frozenset[str]]:
    return read_options(facts(user, **members), headers or {}, OURS)


def test_who_asks_for_nothing_gets_nothing() -> None:
    options, private = read(STRANGE, temperature=1, users=["me"], routes=[], provide={}, model="route")
    assert options is NO_OPTIONS
    assert private == frozenset()


def test_a_user_is_no_wish() -> None:
    assert read(STRANGE, "me") == (Options(user="me"), frozenset())
    assert read(STRANGE, "") == (Options(user=""), frozenset())


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        (b"x-hybridge-budget", b"700 VND", Options(budget=Money.parse("700 VND"))),
        (b"x-hybridge-complexity", b"low", Options(complexity="low")),
        (b"x-hybridge-policy", b" cheapest ", Options(policy="cheapest")),
        (b"x-hybridge-session", b"s", Options(session="s")),
        (b"x-hybridge-user", b"them", Options(user="them")),
    ],
)
def test_each_header_alone_is_heard(header: bytes, value: bytes, expected: Options) -> None:
    assert read({**STRANGE, header: value}) == (expected, frozenset())


@pytest.mark.parametrize(
    ("member", "value", "expected", "private"),
    [
        ("route", {"policy": "cheapest"}, Options(policy="cheapest"), {"route"}),
        ("route", {"tags": ["a"], "drop_unsupported": True}, Options(tags=("a",), drop_unsupported=True), {"route"}),
        ("route", {}, NO_OPTIONS, {"route"}),
        ("route", "fallback", NO_OPTIONS, set()),
        ("route", None, NO_OPTIONS, set()),
        ("models", ["a", "b"], Options(models=("a", "b")), set()),
        ("models", None, NO_OPTIONS, set()),
        ("provider", {"only": ["openai"]}, Options(provider=ProviderPreferences(only=("openai",))), {"provider"}),
        ("provider", {"sort": "price"}, Options(provider=ProviderPreferences(sort="price")), set()),
        ("provider", {"only": ["deepinfra"]}, NO_OPTIONS, set()),
    ],
)
def test_each_member_alone_is_heard(member: str, value: Any, expected: Options, private: set[str]) -> None:
    assert read_options(facts(**{member: value}), STRANGE, OURS) == (expected, frozenset(private))


def test_a_user_beside_a_wish_is_kept_and_the_nearer_word_wins() -> None:
    assert read(None, "u", models=["a"])[0] == Options(user="u", models=("a",))
    assert read({b"x-hybridge-user": b"h"}, "u")[0].user == "h"
    assert read({b"x-hybridge-user": b"h"}, "u", route={"user": "r"})[0].user == "r"


@pytest.mark.parametrize("member", ["route", "models", "provider"])
def test_nonsense_is_refused_with_its_place(member: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_options(facts(**{member: 7}), {}, OURS)
    assert caught.value.param == member


@given(
    st.dictionaries(st.sampled_from([*STRANGE, b"x-hybridge-session", b"x-hybridge-user"]), st.just(b"v")),
    st.one_of(st.none(), st.just("u")),
    st.dictionaries(st.sampled_from(["seed", "user", "stop"]), st.just(1)),
)
def test_a_glance_says_what_a_close_look_says(
    headers: dict[bytes, bytes], user: str | None, members: dict[str, Any]
) -> None:
    # `models: null` asks for nothing, but it has to be looked at.
    assert read(headers, user, **members) == read(headers, user, **{**members, "models": None})
