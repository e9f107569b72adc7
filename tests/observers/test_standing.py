"""How several processes stand, as one."""

from __future__ import annotations

from decimal import Decimal

from msgspec import json
from msgspec.structs import replace

from hybridge.observers.health import Window
from hybridge.observers.standing import Standing, latest_probes, worst_breakers, worst_key
from hybridge.providers.probe import Probed
from hybridge.resilience.breakers import BreakerState
from hybridge.resilience.keys import KeyState

CLOSED = BreakerState("a/m", "closed", "", 0, 0.0, 0.0, False, None)


def test_a_breaker_stands_as_where_it_stands_worst() -> None:
    half = replace(CLOSED, state="half_open", failures=9)
    opened = replace(CLOSED, state="open", failures=3)
    worse = replace(opened, failures=4)
    other = replace(CLOSED, id="b/m")
    workers = [Standing(n, breakers=found) for n, found in enumerate(((CLOSED, other), (half,), (opened,), (worse,)))]
    assert worst_breakers(workers) == {"a/m": worse, "b/m": other}
    assert worst_breakers(workers[:2])["a/m"] is half
    assert worst_breakers(reversed(workers))["a/m"] is worse
    assert worst_breakers([]) == {}


def test_a_key_rests_as_long_as_anywhere() -> None:
    workers = [
        Standing(1, keys={"a": (KeyState("k", None, {"m": 3.0, "n": 1.0}), KeyState("l"))}),
        Standing(2, keys={"a": (KeyState("k", 600.0, {"m": 5.0}),), "b": (KeyState("l", 1.0),)}),
    ]
    assert worst_key(workers, "a", "k") == KeyState("k", 600.0, {"m": 5.0, "n": 1.0})
    assert worst_key(workers, "a", "l") == KeyState("l")
    assert worst_key(workers, "nobody", "l") == KeyState("l")


def test_of_the_probes_the_latest_counts() -> None:
    old, new, other = (
        Probed("a", "k", 1, "refused", "no"),
        Probed("a", "k", 2, "ok", "yes"),
        Probed("a", "l", 1, "ok", ""),
    )
    for workers in ([(old,), (new, other)], [(new, other), (old,)]):
        standings = [Standing(pid, probes=probes) for pid, probes in enumerate(workers)]
        assert latest_probes(standings) == {("a", "k"): new, ("a", "l"): other}


def test_a_standing_arrives_as_it_was_sent() -> None:
    sent = Standing(
        7,
        1,
        True,
        2,
        (CLOSED,),
        {"a": (KeyState("k", 2.5, {"m": 3.0}),)},
        (Window("a/m", {"broken": 2}, {5: 1}),),
        (Probed("a", "k", 1, "ok", "answers", balance=Decimal("1.5")),),
    )
    assert json.decode(json.encode(sent), type=Standing) == sent
