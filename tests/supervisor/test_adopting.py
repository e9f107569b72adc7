"""What a configuration leaves to the one that follows it."""

from __future__ import annotations

from hybridge import app
from hybridge.config import load
from hybridge.ledger.store import MemoryLedger
from hybridge.resilience.keys import fingerprint

A = {"kind": "direct", "dialect": "openai", "base_url": "http://127.0.0.1:1/v1", "keys": ["one", "two"]}
B = {**A, "base_url": "http://127.0.0.1:2/v1"}


def assembled(**more: object) -> app.Assembled:
    return app.assemble(load({"providers": {"a": A, "b": B}, **more}, {}))


async def test_what_still_applies_goes_on() -> None:
    first = app.start(assembled(), MemoryLedger())
    for deployment in ("a/m", "b/m"):
        for _ in range(3):
            first.breakers[deployment].failure()
    for pool in first.pools.values():
        pool.rest(fingerprint("one"), "m", 60)
        pool.rest(fingerprint("two"), "m", 60)
    # The keys of one change; the other has moved.
    changed = assembled(providers={"a": {**A, "keys": ["two", "three"]}, "b": {**B, "base_url": "http://127.0.0.1:3"}})
    second = app.start(changed, first.ledger, first)
    assert {name: breaker.state for name, breaker in second.breakers} == {"a/m": "open", "a": "closed"}
    assert second.breakers["a/m"] is first.breakers["a/m"]
    taken = second.pools["a"].take("m")
    assert taken is not None
    assert taken.secret == "three"
    assert second.pools["a"].take("m", exclude=[taken.id]) is None
    assert second.pools["b"].take("m") is not None
    assert (second.transport, second.ledger, second.ids) == (first.transport, first.ledger, first.ids)
    assert second.traffic is first.traffic
    # Nothing about the providers changes, but what a breaker does.
    third = app.start(assembled(providers={"a": A, "b": B}, breaker={"failures": 9}), first.ledger, first)
    assert list(third.breakers) == []
    assert third.pools["a"] is first.pools["a"]
    await third.aclose()
