"""Plans of faults: what they say, what is wrong with them, and what they hit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.chaos.plan import ALLOWED, KINDS, PHASES, Asked, Fault, Plan, load
from hybridge.chaos.reference import EXAMPLE

STREAM = Asked("/v1/chat/completions", "gpt-4o-mini", True)
WHOLE = Asked("/v1/messages", "claude", False)


def written(folder: Path, text: str) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_of_the_reference_is_a_plan(tmp_path: Path) -> None:
    plan = load(written(tmp_path, EXAMPLE))
    assert [fault.kind for fault in plan.faults] == ["latency", "status", "reset", "status", "outage"]
    assert [fault.where for fault in plan.faults] == ["head", "head", "content", "head", "head"]
    assert [outage.how for outage in plan.outages] == ["refuse"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("faults: [{kind: rest}]", "Invalid enum value 'rest'"),
        ("faults: [{kind: reset, phaze: head}]", "unknown field `phaze`"),
        ("faults: [{kind: reset, probability: 2}]", "<= 1"),
        ("faults: [{kind: status, status: 200}]", ">= 400"),
        ("faults: [{kind: status, phase: content}]", "no phase content; there is head"),
        ("faults: [{kind: reset, from_s: 3, to_s: 2}]", "to_s (2) must be later than from_s (3)"),
        ("faults: [{kind: no_end, streams: false}]", "only a stream"),
        ("faults: [{kind: outage, probability: 0.5}]", "no probability"),
        ("faults: [{phase: head}]", "missing required field `kind`"),
        ("fault: []", "unknown field `fault`"),
        ("[", "plan.yaml"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"plan\.yaml") as told:
        load(path)
    assert said in str(told.value)


@given(st.integers(), st.integers(1, 10_000), st.floats(0, 100))
def test_what_is_hit_depends_on_seed_and_number_alone(seed: int, number: int, elapsed: float) -> None:
    plan = Plan(tuple(Fault(kind, probability=0.3) for kind in KINDS if kind != "outage"))
    first, again = (plan.draw(STREAM, elapsed, random.Random(f"{seed}/{number}")) for _ in range(2))
    assert first == again


def test_the_share_that_is_hit_is_the_probability() -> None:
    plan = Plan((Fault("reset", probability=0.2), Fault("stall", probability=0.5)))
    drawn = [plan.draw(WHOLE, 0, random.Random(f"0/{number}")) for number in range(4_000)]
    kinds = [fault.kind if fault else "" for fault in drawn]
    assert 0.17 < kinds.count("reset") / len(kinds) < 0.23
    assert 0.36 < kinds.count("stall") / len(kinds) < 0.44


@pytest.mark.parametrize(
    ("fault", "hits"),
    [
        (Fault("reset"), (True, True)),
        (Fault("reset", streams=True), (True, False)),
        (Fault("reset", streams=False), (False, True)),
        (Fault("reset", path="*/messages"), (False, True)),
        (Fault("reset", model="gpt-*"), (True, False)),
        (Fault("no_end"), (True, False)),
        (Fault("reset", from_s=5), (False, False)),
        (Fault("reset", to_s=5), (True, True)),
        (Fault("reset", to_s=1), (False, False)),
        (Fault("outage"), (False, False)),
    ],
)
def test_a_fault_hits_what_it_is_meant_for(fault: Fault, hits: tuple[bool, bool]) -> None:
    drawn = [Plan((fault,)).draw(asked, 2.0, random.Random(0)) for asked in (STREAM, WHOLE)]
    assert tuple(found is not None for found in drawn) == hits


def test_every_kind_has_phases() -> None:
    assert set(ALLOWED) == set(KINDS)
    for kind, phases in ALLOWED.items():
        assert phases
        assert set(phases) <= set(PHASES)
        assert Fault(kind).where == phases[0]
