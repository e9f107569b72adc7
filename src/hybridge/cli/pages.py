"""Pages that hold sections made by commands, each between two marks."""

from __future__ import annotations

from pathlib import Path


def put(path: Path, section: str) -> None:
    """Write a section into a page, in the place of the one that it had, at its end if it had none.

    The section's first and last lines are its marks.
    """
    page = path.read_text("utf-8") if path.exists() else ""
    lines = section.strip().splitlines()
    before, opening, rest = page.partition(lines[0])
    if opening:
        page = before + section.strip() + rest.partition(lines[-1])[2]
    else:
        page = f"{page.rstrip()}\n\n{section}" if page.strip() else section
    path.write_text(page, encoding="utf-8")
