"""A few scenarios before a real gateway, and runs that must fail."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hybridge.chaos.plan import Fault, Plan
from hybridge.chaos.report import CLOSING, COLUMNS, OPENING, cells, markdown
from hybridge.chaos.row import Row
from hybridge.chaos.run import play
from hybridge.chaos.scenarios import Load, Scenario, all_scenarios, planned
from hybridge.chaos.stage import Setting

SCENARIOS = {scenario.name: scenario for scenario in all_scenarios()}
SMALL = Load(requests=18, parallel=18)


@pytest.mark.parametrize(
    "name",
    [
        "error_in_200-first",
        "reset-content",
        "malformed",
        "kept-alive-in-vain",
        "streams-broken-error",
        "streams-broken-restart",
        "streams-broken-continue-overlap",
        "streams-broken-continue-apology",
    ],
)
async def test_the_bars_are_held(name: str) -> None:
    row = await play(SCENARIOS[name], SMALL, seed=3)
    assert row.problems == []
    assert row.requests == SMALL.requests
    assert row.served + row.early + row.late == row.requests
    assert row.silent == row.wrong == 0
    if name.startswith("streams-broken"):
        assert (row.late, row.resumed) == ((18, 0) if name.endswith("error") else (0, 18))
    if name == "error_in_200-first":
        assert row.unseen > 0
        assert 1 < row.calls_per_request < 2


async def test_a_worker_is_killed() -> None:
    row = await play(SCENARIOS["worker-killed"], SMALL, seed=3)
    assert row.problems == []
    assert row.requests > row.served * 0.5 > 30


async def test_all_legs_leave_and_come_back() -> None:
    row = await play(SCENARIOS["total-outage"], SMALL, seed=3)
    assert row.problems == []
    assert row.early > 0


async def test_a_plan_of_ones_own() -> None:
    row = await play(planned(Plan((Fault("status", probability=0.5), Fault("reset")))), SMALL, seed=1)
    assert row.problems == []
    assert row.notes[0].startswith("met: ")
    assert row.unseen > 0


async def test_what_does_not_hold_is_found() -> None:
    """A fault that is never met proves nothing."""
    unbroken = replace(SCENARIOS["streams-broken-error"], setting=Setting())
    assert (await play(unbroken, SMALL, seed=0)).problems == ["18 streams did not end in an error"]


async def test_a_gateway_that_does_not_start_is_told() -> None:
    broken = Scenario("s", "head", "f", Setting(config={"timeouts": {"conect": "1s"}}), SCENARIOS["reset-head"].play)
    with pytest.raises(RuntimeError, match=r"did not start: .*conect"):
        await play(broken, SMALL, seed=0)


def test_names_are_unique_and_every_kind_of_fault_has_its_phases() -> None:
    names = [scenario.name for scenario in all_scenarios()]
    assert len(names) == len(set(names)) == len(SCENARIOS)
    assert {"stall-head", "stall-first", "stall-content", "cut-content", "no_end-content"} <= SCENARIOS.keys()


def test_the_section_of_a_page() -> None:
    good = Row(scenario="a", phase="head", fault="x", requests=1000, served=1000, first_ms={"p50": 1.4, "p99": 9.6})
    bad = Row(scenario="b", phase="head", fault="y", requests=2, problems=["2 silent ends"], notes=["so"])
    assert len(cells(good)) == len(COLUMNS)
    section = markdown([good, bad], "hybridge chaos run")
    assert "1,002 requests; bars missed in 1 of 2 rows" in section
    assert "| MISSED: 2 silent ends; so |" in section
    assert "every bar is held" in markdown([good], "hybridge chaos run")
    assert (section.split("\n")[0], section.split("\n")[-2]) == (OPENING, CLOSING)
