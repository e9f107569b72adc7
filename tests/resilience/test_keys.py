"""A provider's keys: in turn, at rest, set aside."""

from __future__ import annotations

import pytest

from hybridge.resilience.keys import FIRST_ASIDE, MOST_RESTS, TRIAL, Key, KeyPool, KeyState, fingerprint

from .world import Clock

SECRETS = ("sk-secret-one", "sk-secret-two", "sk-secret-three")
ONE, TWO, THREE = map(fingerprint, SECRETS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(clock: Clock) -> KeyPool:
    return KeyPool(SECRETS, clock)


def taken(pool: KeyPool, times: int = 1, place: str = "") -> list[str]:
    keys = [pool.take(place) for _ in range(times)]
    return [key.id if key else "" for key in keys]


def test_keys_take_turns(pool: KeyPool) -> None:
    assert taken(pool, 7) == [ONE, TWO, THREE, ONE, TWO, THREE, ONE]


def test_secrets_are_never_shown(pool: KeyPool) -> None:
    key = pool.take()
    assert key is not None
    assert key.secret == SECRETS[0]
    shown = repr(pool) + repr(key) + repr([key]) + str(key) + key.id
    assert "secret" not in shown
    assert repr(key) == f"<Key {ONE}>"
    assert len(ONE) == 8


def test_a_provider_may_need_no_key(clock: Clock) -> None:
    assert KeyPool(("",), clock).take() == Key("none", "")
    assert KeyPool((), clock).take() is None
    assert KeyPool((), clock).soonest() is None


def test_the_same_key_twice_is_one_key(clock: Clock) -> None:
    assert len(KeyPool(("a", "b", "a"), clock).keys) == 2


def test_a_key_may_be_excluded(pool: KeyPool) -> None:
    key = pool.take("", {ONE, TWO})
    assert key is not None
    assert key.id == THREE
    assert pool.take("", {ONE, TWO, THREE}) is None
    assert pool.soonest("", {ONE, TWO, THREE}) is None


def test_a_key_rests_as_long_as_it_was_told(pool: KeyPool, clock: Clock) -> None:
    pool.rest(ONE, seconds=7.5)
    assert taken(pool, 4) == [TWO, THREE, TWO, THREE]
    clock.now += 7.4
    assert ONE not in taken(pool, 3)
    clock.now += 0.1
    assert ONE in taken(pool, 3)


def test_a_key_rests_in_one_place_only(pool: KeyPool) -> None:
    for key in (ONE, TWO, THREE):
        pool.rest(key, "big-model", 5.0)
    assert taken(pool, 1, "big-model") == [""]
    assert pool.soonest("big-model") == 5.0
    assert pool.soonest("small-model") == 0.0
    assert taken(pool, 1, "small-model") == [ONE]


def test_soonest_is_the_first_to_be_well(pool: KeyPool, clock: Clock) -> None:
    for key, seconds in ((ONE, 9.0), (TWO, 3.0), (THREE, 6.0)):
        pool.rest(key, seconds=seconds)
    assert pool.soonest() == 3.0
    assert pool.soonest("", {TWO}) == 6.0
    assert pool.take() is None
    assert pool.take(within=2.9) is None
    soon = pool.take(within=3.0)
    assert soon is not None
    assert soon.id == TWO
    clock.now += 100
    assert pool.soonest() == 0.0


def test_a_shorter_rest_does_not_end_a_longer_one(pool: KeyPool) -> None:
    pool.rest(ONE, seconds=9.0)
    pool.rest(ONE, seconds=1.0)
    assert pool.soonest("", {TWO, THREE}) == 9.0


def test_a_told_rest_is_bounded(pool: KeyPool) -> None:
    pool.rest(ONE, seconds=1e9)
    assert pool.soonest("", {TWO, THREE}) == 3600.0
    pool.rest(TWO, seconds=-5.0)
    assert pool.soonest("", {ONE, THREE}) == 0.0


def test_an_untold_rest_grows_with_each_offence(pool: KeyPool, clock: Clock) -> None:
    rests = []
    for _ in range(7):
        pool.rest(ONE)
        pool.rest(ONE)  # a second call that was under way: the same offence
        rest = pool.soonest("", {TWO, THREE})
        assert rest is not None
        rests.append(rest)
        clock.now += rest
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    pool.worked(ONE)
    pool.rest(ONE)
    assert pool.soonest("", {TWO, THREE}) == 1.0


def test_a_late_success_does_not_end_a_rest(pool: KeyPool) -> None:
    pool.rest(ONE, seconds=5.0)
    pool.worked(ONE)
    assert pool.soonest("", {TWO, THREE}) == 5.0


def test_a_refused_key_is_set_aside_everywhere(pool: KeyPool, clock: Clock) -> None:
    pool.set_aside(ONE)
    assert ONE not in taken(pool, 6)
    assert ONE not in taken(pool, 6, "elsewhere")
    assert not pool.all_refused
    clock.now += FIRST_ASIDE
    assert taken(pool, 6).count(ONE) == 1, "one call tries it, the others leave it alone"
    clock.now += TRIAL
    assert taken(pool, 6).count(ONE) == 1
    pool.worked(ONE)
    assert taken(pool, 6).count(ONE) == 2


def test_a_key_that_stays_refused_is_tried_ever_more_rarely(pool: KeyPool, clock: Clock) -> None:
    waits = []
    for _ in range(8):
        pool.set_aside(ONE)
        pool.set_aside(ONE)  # a second call that was under way
        wait = pool.soonest("", {TWO, THREE})
        assert wait is not None
        waits.append(wait)
        clock.now += wait
        assert pool.take("", {TWO, THREE}) is not None
    assert waits == [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600]


def test_all_keys_may_be_refused(pool: KeyPool) -> None:
    for key in (ONE, TWO, THREE):
        pool.set_aside(key)
    assert pool.all_refused
    assert pool.take() is None
    assert pool.soonest() == FIRST_ASIDE


def test_it_says_how_its_keys_are(pool: KeyPool) -> None:
    pool.rest(ONE, "m", 3.0)
    pool.rest(ONE, "n", 3.0)
    pool.set_aside(TWO)
    assert repr(pool) == "<KeyPool 3 keys, 1 resting, 1 set aside>"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_turn_is_the_same_whether_a_rest_is_remembered_or_not(clock: Clock, count: int) -> None:
    calm, wary = KeyPool(SECRETS[:count], clock), KeyPool(SECRETS[:count], clock)
    wary.rest(ONE, "elsewhere", 1.0)
    clock.now += 2
    for places in (["m"] * 5, ["m", "elsewhere", "n"] * 3):
        for place in places:
            assert calm.take(place) == wary.take(place)


def test_places_that_clients_make_up_do_not_fill_the_memory(pool: KeyPool, clock: Clock) -> None:
    pool.rest(ONE, "slow", 3600.0)
    for number in range(3 * MOST_RESTS):
        clock.now += 0.1
        pool.rest(TWO, f"made-up-{number}", 1.0)
    assert len(pool._resting) <= MOST_RESTS
    assert pool.soonest("slow", {TWO, THREE}) is not None
    assert pool.soonest("slow", {TWO, THREE}) != 0.0


def test_rests_under_way_are_kept_however_many(pool: KeyPool, clock: Clock) -> None:
    for number in range(3 * MOST_RESTS):
        pool.rest(ONE, f"place-{number}", 60.0)
    assert all(pool.soonest(f"place-{number}", {TWO, THREE}) == 60.0 for number in range(3 * MOST_RESTS))
    clock.now += 61
    for number in range(4 * MOST_RESTS):
        pool.rest(ONE, f"later-{number}", 0.0)
    assert len(pool._resting) <= MOST_RESTS


def test_what_was_told_is_no_offence(pool: KeyPool, clock: Clock) -> None:
    pool.rest(ONE, seconds=2.0)
    clock.now += 2
    pool.rest(ONE)
    assert pool.soonest("", {TWO, THREE}) == 1.0


def test_an_operator_sees_what_is_the_matter_with_each_key(pool: KeyPool, clock: Clock) -> None:
    pool.rest(ONE, "m", 30)
    pool.rest(ONE, "n", 1)
    pool.set_aside(TWO)
    assert pool.states() == [KeyState(ONE, None, {"m": 30.0, "n": 1.0}), KeyState(TWO, FIRST_ASIDE), KeyState(THREE)]
    clock.now += 10
    assert pool.states() == [KeyState(ONE, None, {"m": 20.0}), KeyState(TWO, FIRST_ASIDE - 10), KeyState(THREE)]
    clock.now += FIRST_ASIDE
    # Its time is over, but nobody has seen it work since.
    assert pool.states() == [KeyState(ONE), KeyState(TWO, 0.0), KeyState(THREE)]
    pool.worked(TWO)
    assert pool.states()[1] == KeyState(TWO)
