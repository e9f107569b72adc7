"""Request ids that prove themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from random import Random
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from hybridge.access.request_ids import RequestIds

NOW_US = 1_795_000_000_123_456
SHAPE = re.compile(r"req_([0-9a-f]{32})([0-9a-f]{12})")


def ids(secret: bytes = b"secret", now_us: int = NOW_US) -> RequestIds:
    return RequestIds(secret, now_us=lambda: now_us)


def repeated(octet: int) -> Callable[[int], bytes]:
    """A kernel that always draws the same."""
    return lambda count: bytes([octet]) * count


def test_an_id_is_a_uuid_of_version_7_and_a_seal() -> None:
    made = ids().make("app")
    found = SHAPE.fullmatch(made)
    assert found is not None
    number = int(found[1], 16)
    assert number >> 80 == NOW_US // 1000
    assert number >> 76 & 0xF == 7
    assert number >> 62 & 0b11 == 0b10


@given(st.integers(0, (1 << 48) - 1), st.integers(0, 255), st.text(max_size=20), st.binary(min_size=1, max_size=64))
def test_an_id_is_what_its_definition_says(milliseconds: int, octet: int, key_id: str, secret: bytes) -> None:
    makes = RequestIds(secret, now_us=lambda: milliseconds * 1000 + 999, entropy=repeated(octet))
    for _ in range(3):
        made = makes.make(key_id)
        found = SHAPE.fullmatch(made)
        assert found is not None
        uuid = UUID(found[1])
        assert (uuid.version, uuid.variant) == (7, RFC_4122)
        drawn = int.from_bytes(bytes([octet]) * 10, "big")
        assert uuid.int >> 80 == milliseconds
        assert uuid.int >> 64 & 0xFFF == drawn >> 64 & 0xFFF
        assert uuid.int & (1 << 62) - 1 == drawn & (1 << 62) - 1
        assert found[2] == blake2b((found[1] + key_id).encode(), key=secret, digest_size=6).hexdigest()
        assert makes.is_ours(made, key_id)


def test_time_goes_on_within_one_draw_of_randomness() -> None:
    times = [NOW_US, NOW_US, NOW_US + 1000, NOW_US - 5000, 0]
    clock = iter(times)
    makes = RequestIds(b"secret", now_us=lambda: next(clock))
    assert [int(makes.make("app")[4:16], 16) for _ in times] == [time // 1000 for time in times]


def test_all_that_was_drawn_is_used_once() -> None:
    drawn: list[int] = []

    def counted(octets: int) -> bytes:
        drawn.append(octets)
        return Random(len(drawn)).randbytes(octets)

    makes = RequestIds(b"secret", now_us=lambda: NOW_US, entropy=counted)
    tails = {makes.make("app")[16:36] for _ in range(250)}
    assert len(tails) == 250
    assert drawn == [1000, 1000, 1000]


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


def test_whoever_has_looked_at_the_clock_tells_the_time() -> None:
    made = ids().make("app", 1_234_000)
    assert int(made[4:16], 16) == 1234
    assert ids().is_ours(made, "app")
