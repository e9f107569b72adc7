"""Request ids that prove themselves."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from hybridge.access.request_ids import RequestIds

NOW_US = 1_795_000_000_123_456
SHAPE = re.compile(r"req_([0-9a-f]{32})([0-9a-f]{12})")


def ids(secret: bytes = b"secret", now_us: int = NOW_US) -> RequestIds:
    return RequestIds(secret, now_us=lambda: now_us)


def test_an_id_is_a_uuid_of_version_7_and_a_seal() -> None:
    made = ids().make("app")
    found = SHAPE.fullmatch(made)
    assert found is not None
    number = int(found[1], 16)
    assert number >> 80 == NOW_US // 1000
    assert number >> 76 & 0xF == 7
    assert number >> 62 & 0b11 == 0b10


def test_ids_are_in_the_order_of_time_and_never_the_same() -> None:
    made = {ids().make("app") for _ in range(1000)}
    assert len(made) == 1000
    assert max(made) < ids(now_us=NOW_US + 1000).make("app")


def test_only_the_key_that_it_was_made_for_owns_it() -> None:
    made = ids().make("app")
    assert ids().is_ours(made, "app")
    assert not ids().is_ours(made, "other")
    assert not ids().is_ours(made, "")
    assert not ids(b"another").is_ours(made, "app")


def test_any_worker_with_the_secret_knows_it() -> None:
    assert ids(now_us=1).is_ours(ids().make("app"), "app")


@given(st.integers(4, 47), st.sampled_from("0123456789abcdef"))
def test_no_digit_of_it_may_change(at: int, digit: str) -> None:
    made = ids().make("app")
    changed = made[:at] + digit + made[at + 1 :]
    assert ids().is_ours(changed, "app") is (changed == made)


@given(st.text(max_size=60))
def test_what_is_no_id_is_not_ours(text: str) -> None:
    assert not ids().is_ours(text, "app")


def test_nothing_may_stand_around_it() -> None:
    made = ids().make("app")
    for wrong in (f" {made}", f"{made} ", f"{made}\n", made.upper(), made.removeprefix("req_"), f"{made}0"):
        assert not ids().is_ours(wrong, "app"), wrong
