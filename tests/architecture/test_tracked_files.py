"""What may not stand in any file: addresses of package indexes, paths of a machine, unfinished work."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

INDEX = re.compile(
    r"https?://[^\s'\"]*/simple\b|(?:--(?:extra-)?index-url|--find-links)[ =]+\S*/"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs|crates\.io"
)
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X]|NotImplemented[E]rror)\b")


@cache
def texts() -> dict[str, str]:
    """Every file that git tracks or would add, by its path."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        answer = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git does not know this folder")
    paths = [REPOSITORY / name for name in answer.stdout.decode().split("\0") if name]
    readable = [path for path in paths if path.is_file()]
    return {str(path.relative_to(REPOSITORY)): path.read_text("utf-8", errors="replace") for path in readable}


def places(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}"
        for name, text in texts().items()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def paths_of_this_machine() -> re.Pattern[str]:
    """The home folder, the repository, and what lies beside it."""
    around = REPOSITORY.parent
    beside = [REPOSITORY] if around == Path(around.anchor) else [REPOSITORY, *around.iterdir()]
    homes = [path for path in (Path.home(),) if path != Path(path.anchor)]
    folders = "|".join(sorted(re.escape(str(path)) for path in {*homes, *beside}))
    return re.compile(rf"(?<![\w.])(?:{folders})(?![\w.-])")


def test_no_address_of_a_package_index() -> None:
    assert places(INDEX) == []


def test_no_path_of_this_machine() -> None:
    assert places(paths_of_this_machine()) == []


def test_nothing_says_that_it_is_unfinished() -> None:
    assert places(UNFINISHED) == []
