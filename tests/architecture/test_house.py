"""The shape of the house: sizes, names of modules, the rows, the README's tree."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "hybridge"
ROWS = sorted((PACKAGE / "providers" / "rows").glob("*.toml"))

MOST_LINES = 500
MOST_LINES_OF_THE_STORY = 150
NO_ROOMS = frozenset(
    "base common core engine handler handlers helper helpers manager managers misc processor service util "
    "utils wrapper".split()
)
BRANCH = re.compile(r"^(?P<indent>[│ \u00a0]*)[├└]── (?P<name>[\w.\-]+)(?P<folder>/?)")


def python_files() -> list[Path]:
    return sorted(file for top in ("src", "tests", "bench", "fuzz") for file in (REPOSITORY / top).rglob("*.py"))


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def tree_of(readme: str) -> Iterator[tuple[Path, bool]]:
    """The paths, and whether each is a folder, in the README's block that begins with `src/hybridge/`."""
    block = re.search(r"^```\w*\nsrc/hybridge/.*?^```", readme, re.MULTILINE | re.DOTALL)
    above: list[str] = []
    for line in block[0].splitlines() if block else ():
        branch = BRANCH.match(line)
        if branch is None:
            continue
        depth = len(branch["indent"]) // 4
        above[depth:] = [branch["name"]]
        yield Path(*above), branch["folder"] == "/"


def test_no_file_is_too_long() -> None:
    long = [str(file.relative_to(REPOSITORY)) for file in python_files() if lines(file) > MOST_LINES]
    assert long == []


def test_the_story_is_short() -> None:
    story = PACKAGE / "exchange.py"
    if not story.exists():
        pytest.skip("there is no exchange.py in this tree")
    assert lines(story) <= MOST_LINES_OF_THE_STORY


def test_every_module_is_a_room_with_a_name() -> None:
    named = [file.parent.name if file.stem == "__init__" else file.stem for file in python_files()]
    assert not NO_ROOMS.intersection(named)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.stem)
def test_a_row_is_named_plainly_and_says_its_source(row: Path) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9\-]*", row.stem)
    assert re.match(r"https?://\S+", tomllib.loads(row.read_text(encoding="utf-8"))["source"])


def test_the_readme_draws_the_real_tree() -> None:
    readme = REPOSITORY / "README.md"
    if not readme.exists():
        pytest.skip("there is no README.md in this tree")
    drawn = dict(tree_of(readme.read_text(encoding="utf-8")))
    wrong = [
        str(path)
        for path, folder in drawn.items()
        if not (PACKAGE / path).exists() or (PACKAGE / path).is_dir() != folder
    ]
    real = {Path(entry.name) for entry in PACKAGE.iterdir() if not entry.name.startswith(("__", "."))}
    missing = sorted(str(path) for path in real - drawn.keys() - {Path("py.typed")})
    assert (wrong, missing) == ([], [])


def test_the_readers_of_the_tree_see_folders_in_folders() -> None:
    drawn = tree_of("```\nsrc/hybridge/\n├── types.py  n\n├── a/\n│   └── b.py\n└── c/\n    └── d/\n```\n")
    assert [(str(path), folder) for path, folder in drawn] == [
        ("types.py", False),
        ("a", True),
        ("a/b.py", False),
        ("c", True),
        ("c/d", True),
    ]
