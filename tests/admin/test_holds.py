"""What operators hold, and for how long."""

from __future__ import annotations

from hybridge.admin.holds import MOST, Held, Holds


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_hold_is_there_until_its_time_or_until_it_is_let_go() -> None:
    clock = Clock()
    holds = Holds(clock)
    short, long, good = Held("a/m", "open", 1010.0), Held("b/m", "closed", 1020.0), Held("c", "open", None, "drained")
    for one in (short, long, good):
        assert holds.hold(one) == ()
    assert holds.all() == (short, long, good)
    clock.now = 1010.0
    assert holds.all() == (long, good)
    # The last word counts.
    again = Held("b/m", "open")
    assert holds.hold(again) == ()
    assert set(holds.all()) == {again, good}
    clock.now = 1e12
    assert len(holds.all()) == 2
    holds.let_go("c")
    holds.let_go("nobody")
    assert holds.all() == (again,)


def test_only_so_many_are_held_at_a_time() -> None:
    clock = Clock()
    holds = Holds(clock)
    for number in range(MOST):
        assert holds.hold(Held(f"a/{number}", "open", 1010.0)) == ()
    (problem,) = holds.hold(Held("a/more", "open"))
    assert "let some of them go" in problem
    assert holds.hold(Held("a/0", "closed")) == ()
    holds.let_go("a/1")
    assert holds.hold(Held("a/more", "open")) == ()
    clock.now = 1010.0
    assert [one.id for one in holds.all()] == ["a/0", "a/more"]
