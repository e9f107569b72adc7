"""Tables, and the figures in them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.report import Report, Spread, Table, introduction, markdown, ratio, spread, write

TABLE = Table("Cost", ("", "ours", "theirs"), [["a", Spread(346.2, 1, 2), None], ["longer", 2.345, "text"]], "So.")


def test_a_table_is_aligned_markdown() -> None:
    assert markdown(TABLE).splitlines() == [
        "### Cost",
        "",
        "So.",
        "",
        "|        |            ours | theirs |",
        "|--------|----------------:|-------:|",
        "| a      | 346 (1.00–2.00) |      – |",
        "| longer |            2.35 |   text |",
    ]
    assert "(" not in markdown(Table("", ("",), [[spread([12.34])]]))


def test_a_table_is_written_as_json(tmp_path: Path) -> None:
    write(tmp_path / "figures.json", [TABLE])
    report = msgspec.json.decode((tmp_path / "figures.json").read_bytes(), type=Report)
    assert report.tables[0].rows == [["a", Spread(346.2, 1, 2), None], ["longer", 2.345, "text"]]
    assert report.machine["python"] in introduction()
    assert report.at[:10] == introduction()[:10]


def test_a_ratio_is_that_of_rounds_in_the_same_seconds() -> None:
    assert ratio([10, 30, 20], [1, 2, 1]) == Spread(15, 10, 20)
    assert ratio([10, 30], [1, -0.5]) is None
    assert ratio([10], []) is None
    with pytest.raises(ValueError, match="shorter"):
        ratio([10, 20], [1])
