"""Tables: drawn on a terminal, aligned in a pipe, and the cells are what they are."""

from __future__ import annotations

import io
import re
import sys

import pytest

from hybridge.cli import printing

COLUMNS = ("model", "price")
ROWS = [("a[bold]", "1"), ("long-name-of-a-model" * 10, "22")]


class Terminal(io.StringIO):
    """A terminal that keeps what it is shown."""

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str]]) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    printing.table(COLUMNS, rows, right=("price",))
    return terminal.getvalue()


def test_a_pipe_gets_whole_cells_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table(COLUMNS, ROWS, right=("price",))
    head, rule, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["model", "price"]
    assert set(rule) == {"-", " "}
    assert (first.split(), second.split()) == ([*ROWS[0]], [*ROWS[1]])
    assert len(first) == len(second) == len(head)


def test_a_table_without_rows_has_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table(COLUMNS, [])
    assert capsys.readouterr().out == "model  price\n-----  -----\n"


def test_a_terminal_gets_a_drawing_that_fits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = shown(monkeypatch, ROWS)
    assert "─" in drawn and "a[bold]" in drawn
    lines = re.sub(r"\x1b\[[0-9;]*m", "", drawn).splitlines()
    assert max(map(len, lines)) <= 80


def test_a_long_table_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "─" not in shown(monkeypatch, ROWS * 101)


def test_csv_quotes_what_needs_it(capsys: pytest.CaptureFixture[str]) -> None:
    printing.comma_separated(("a", "b"), [('x,"y"', 1)])
    assert capsys.readouterr().out == 'a,b\n"x,""y""",1\n'
