"""`hybridge simulate --reliability`: what it prints, and how it ends."""

from __future__ import annotations

import pytest

from hybridge.simulator.reliability import command, scenarios, steady
from hybridge.simulator.reliability.play import Played, Run
from hybridge.simulator.reliability.rows import Bar
from tests.cli.running import Shell

FEW = ("simulate", "--reliability", "--requests", "1000", "--seed", "4")


def missed(run: Run, played: Played) -> list[Bar]:
    return [Bar("moons", 1, "<=", 0)]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows take some twenty seconds; they are tested as they are in their own room."""
    monkeypatch.setattr(steady, "CASES", steady.CASES[:4])
    monkeypatch.setattr(command, "SCENES", scenarios.scenes(1)[8:9])


@pytest.fixture
def missed_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    run = scenarios.scenes(1)[0].run
    monkeypatch.setattr(command, "SCENES", (scenarios.Scenario("a scene", run, missed),))


def test_tables_for_people(shell: Shell) -> None:
    done = shell.run(*FEW)
    assert done.code == 0
    assert "2 of 3 legs down 10 min, errors, 5/s" in done.out
    assert "calls to a dead leg per outage" in done.out
    assert "seed 4: " in done.out
    assert f"1/{command.COUNT} 99.5% legs, single failures, single: " in done.err
    assert "requests in " in done.err.splitlines()[-1]


def test_json_for_programs_is_the_same_for_the_same_seed(shell: Shell) -> None:
    rows = shell.run(*FEW, "--format", "json").json()
    assert {row["policy"] for row in rows} == {"single", "fallback", "ours", "ours+hedge"}
    assert [bar["met"] for bar in rows[-1]["bars"]] == [True, True]
    assert all(row["seed"] == f"4, {row['name']}" for row in rows)
    days = shell.run("simulate", "--reliability", "--days", str(1000 / 86400), "--seed", "4", "--format", "json")
    assert days.code == 2, "less than half an hour says nothing"
    assert shell.run(*FEW, "--format", "json").json() == rows


def test_days_are_requests_too(shell: Shell) -> None:
    rows = shell.run("simulate", "--reliability", "--days", "0.02", "--format", "json").json()
    assert 1600 < rows[0]["requests"] < 1860


def test_into_a_page(shell: Shell) -> None:
    page = shell.write("page.md", "# Reliability\n\n<!-- simulation -->\nold\n<!-- /simulation -->\n\nAfter.\n")
    done = shell.run(*FEW, "--format", "markdown", "--into", str(page))
    assert page.read_text("utf-8") == f"# Reliability\n\n{done.out}\nAfter.\n"
    assert "`hybridge simulate --reliability --requests 1000 --seed 4`" in done.out


@pytest.mark.usefixtures("missed_bar")
def test_a_missed_bar_fails_the_check_alone(shell: Shell) -> None:
    done = shell.run(*FEW)
    assert done.code == 0
    assert "MISSED" in done.out
    assert shell.run(*FEW, "--check").code == 1


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--reliability", "--port", "9"], "--port is not for --reliability"),
        (["--reliability", "--fail", "status:503"], "--fail is not for --reliability"),
        (["--check"], "--check is only for --reliability"),
        (["--requests", "5000"], "--requests is only for --reliability"),
    ],
)
def test_options_of_the_other_thing(shell: Shell, arguments: list[str], option: str) -> None:
    done = shell.run("simulate", *arguments)
    assert (done.code, done.out) == (2, "")
    assert option in done.err
