"""The reference pages and the schema are those that the program makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.cli import reference

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(reference.files()))
def test_a_file_is_as_the_program_makes_it(name: str) -> None:
    made = reference.files()[name]
    assert (REPOSITORY / name).read_text(encoding="utf-8") == made, "run python -m hybridge.cli.reference"


def test_they_are_written_where_they_belong(tmp_path: Path) -> None:
    reference.write(tmp_path)
    written = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert sorted(written) == sorted(reference.files())


def test_no_key_of_the_file_is_left_out() -> None:
    page = reference.files()["docs/reference/config.md"]
    for key in ("resume_window", "first_token_reasoning", "app_code", "cache_write_1h", "p95_first_token", "sticky_by"):
        assert f"| `{key}` |" in page
