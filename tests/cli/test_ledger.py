"""`hybridge ledger`: what was spent, from a real database."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.store import SqliteLedger
from hybridge.money import Usage
from hybridge.types import Attempt
from tests.cli.running import Shell

DAY_US = 86_400_000_000


def fill(path: Path) -> None:
    """Three requests: one dear, one unpriced, one of last month."""
    now = time.time_ns() // 1000
    kept = SqliteLedger(path)
    for number, (provider, age, cost) in enumerate([("one", 0, 18_300), ("two", 0, None), ("one", 30, 5)]):
        started = now - age * DAY_US
        attempt = Attempt(
            f"{provider}/m",
            provider,
            "direct",
            status=200,
            started_us=started,
            usage=Usage(input=100, output=7),
            cost_nano_usd=cost,
            cost_source="computed" if cost else "unpriced",
        )
        entry = LedgerEntry(f"req_{number}", started, "chat", "openai", "m", status=200, attempts=[attempt])
        entry.currency, entry.rate, entry.rate_date = "VND", "26300", "2026-11-22"
        kept.append(entry)
    kept.close()


@pytest.fixture
def filled(shell: Shell) -> Shell:
    fill(shell.folder / "hybridge.db")
    return shell


def test_as_a_table(filled: Shell) -> None:
    done = filled.run("ledger")
    assert (done.code, done.err) == (0, "")
    head, _, *rows = [line.split() for line in done.out.splitlines()]
    assert head[0] == "provider" and head[-2:] == ["cost", "(VND)"]
    assert rows == [
        ["one", "1", "0", "1", "0", "100", "7", "0", "0.48129"],
        ["two", "1", "0", "1", "0", "100", "7", "1", "0"],
    ]


def test_as_csv_since_a_while(filled: Shell) -> None:
    done = filled.run("ledger", "--since", "60d", "--format", "csv", "--by", "model", "--currency", "usd")
    (row,) = csv.DictReader(done.out.splitlines())
    assert (row["model"], row["requests"], row["unpriced"]) == ("m", "3", "1")
    assert (row["cost"], row["currency"]) == ("0.000018305", "USD")


def test_as_json_since_a_date(filled: Shell) -> None:
    told = filled.run("ledger", "--since", "2026-01-01", "--format", "json", "--by", "day").json()
    assert (told["by"], told["currency"], len(told["rows"])) == ("day", "VND", 2)
    assert sum(row["cost_nano_usd"] for row in told["rows"]) == 18_305


def test_nothing_in_that_time(filled: Shell) -> None:
    assert filled.run("ledger", "--since", "2200-01-01").out == "nothing was asked in that time\n"


def test_the_configuration_says_where_it_is_and_needs_no_key(shell: Shell) -> None:
    shell.write("hybridge.yaml", "providers: {openai: }\nstorage: sqlite:///accounts.db\n")
    fill(shell.folder / "accounts.db")
    shell.write("hybridge.db", "somebody else's")
    assert "0.48129" in shell.run("ledger").out


def test_the_accounts_of_the_demo(shell: Shell) -> None:
    fill(shell.folder / "hybridge-demo.db")
    assert "0.48129" in shell.run("ledger").out
    fill(shell.folder / "hybridge.db")
    (shell.folder / "hybridge-demo.db").unlink()
    assert "0.48129" in shell.run("ledger").out
    assert shell.run("ledger", "--demo").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--since", "yore"], 2, "expected an age such as 7d or a date such as 2026-11-01, got 'yore'"),
        (["--currency", "XYZ"], 2, "no rate for XYZ"),
    ],
)
def test_wrong_questions(filled: Shell, arguments: list[str], code: int, said: str) -> None:
    done = filled.run("ledger", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_no_ledger_yet(shell: Shell) -> None:
    done = shell.run("ledger")
    assert done.code == 1
    assert "there is no ledger at hybridge-demo.db yet" in done.err
    assert not (shell.folder / "hybridge-demo.db").exists()


def test_no_ledger_at_all(shell: Shell) -> None:
    shell.write("hybridge.db", "this is no database, though it is long enough to be one" * 20)
    done = shell.run("ledger")
    assert done.code == 1
    assert "hybridge.db cannot be read as a ledger" in done.err
