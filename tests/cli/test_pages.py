"""Pages that hold sections made by commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.cli.pages import put

SECTION = "<!-- here -->\n\nnew\n\n<!-- /here -->\n"


@pytest.mark.parametrize(
    ("page", "then"),
    [
        (None, SECTION),
        ("", SECTION),
        ("# Title\n", f"# Title\n\n{SECTION}"),
        ("# Title\n\n<!-- here -->\nold\n<!-- /here -->\n\nAfter.\n", f"# Title\n\n{SECTION}\nAfter.\n"),
        ("<!-- there --><!-- /there -->\n", f"<!-- there --><!-- /there -->\n\n{SECTION}"),
    ],
)
def test_a_section_takes_the_place_that_it_had(tmp_path: Path, page: str | None, then: str) -> None:
    file = tmp_path / "page.md"
    if page is not None:
        file.write_text(page, "utf-8")
    put(file, SECTION)
    assert file.read_text("utf-8") == then
    put(file, SECTION)
    assert file.read_text("utf-8") == then
