"""`hybridge chaos`: the proxy in a process of its own, and what a run can be asked for."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.running import Shell

PLAN = "faults: [{kind: status, status: 418}]\n"


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(f"{address}/v1/models", timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_proxy_says_where_it_is_and_what_it_did(shell: Shell) -> None:
    shell.write("plan.yaml", PLAN)
    with shell.lasting("chaos", "proxy", "--to", "http://127.0.0.1:9", "--plan", "plan.yaml") as proxy:
        assert status(proxy.address()) == 418
        done = proxy.stop()
    assert (done.code, done.out, done.err) == (0, "1 requests, broken: 1 x status\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["proxy"], "Missing option '--to'"),
        (["proxy", "--to", "nowhere"], "not an address of a provider"),
        (["proxy", "--to", "http://x", "--plan", "bad.yaml"], "unknown field `fault`"),
        (["proxy", "--to", "http://x", "--plan", "gone.yaml"], "does not exist"),
        (["run", "nonsense"], "no scenario 'nonsense'"),
        (["run", "--plan", "bad.yaml"], "unknown field `fault`"),
        (["run", "reset-head", "--plan", "plan.yaml"], "none can be named with --plan"),
        (["run", "--requests", "0"], "--requests"),
    ],
)
def test_what_cannot_be_asked_for(shell: Shell, arguments: list[str], said: str) -> None:
    shell.write("bad.yaml", "fault: []")
    shell.write("plan.yaml", PLAN)
    done = shell.run("chaos", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())


def test_scenarios_are_named(shell: Shell) -> None:
    done = shell.run("chaos", "run", "--list")
    assert done.code == 0
    assert "streams-broken-continue-overlap" in done.out


def test_a_run_in_each_form(shell: Shell) -> None:
    shell.write("plan.yaml", PLAN)
    page = shell.write("page.md", "# Reliability\n")
    done = shell.process(
        "chaos", "run", "--plan", "plan.yaml", "--requests", "6", "--format", "json", "--into", page.name
    )
    (row,) = done.json()
    assert (done.code, row["served"], row["unseen"], row["problems"]) == (0, 6, row["unseen"], [])
    assert row["unseen"] > 0
    written = Path(page).read_text(encoding="utf-8")
    assert written.startswith("# Reliability\n\n<!-- chaos -->\n\n`hybridge chaos run --requests 6")
    done = shell.process("chaos", "run", "reset-head", "--requests", "18", "--format", "markdown")
    assert (done.code, done.out.splitlines()[0]) == (0, "<!-- chaos -->")
    done = shell.process("chaos", "run", "latency-head", "--requests", "1")
    assert done.code == 1
    assert "MISSED: the fault was never met" in done.out
