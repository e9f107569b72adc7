"""The pages that are for users, and the fenced blocks and links in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

REPOSITORY = Path(__file__).resolve().parents[2]

#: Pages whose every block is run.
RUN = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs" / "how-to").glob("*.md"))]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Block(Struct, frozen=True):
    """A fenced block; `place` is `PAGE:LINE`."""

    place: str
    language: str
    text: str


class Command(Struct, frozen=True):
    """A command of a `sh` block. `status` is the HTTP status that a comment before it announces."""

    place: str
    words: tuple[str, ...]
    status: int = 200


def every_page() -> list[Path]:
    """All Markdown of the repository that is written by hand or by the program."""
    return sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def name(page: Path) -> str:
    """A page's path within the repository."""
    return page.relative_to(REPOSITORY).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(f"{name(page)}:{text.count(chr(10), 0, found.start()) + 1}", found["language"], found["text"])
        for found in _FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    """Where a page's links within the repository lead."""
    for found in _LINK.finditer(prose(page)):
        if not found["target"].startswith(("http://", "https://", "mailto:")):
            yield found["target"]


def inline(page: Path) -> list[str]:
    """What stands between back-ticks in a page's prose."""
    return _INLINE.findall(prose(page))


def commands(block: Block) -> Iterator[Command]:
    """The commands of a `sh` block; one may stretch over lines."""
    pending, status = "", 200
    for line in block.text.splitlines():
        if not pending and line.startswith("#"):
            announced = re.search(r"\b[45]\d\d\b", line)
            status = int(announced[0]) if announced else status
            continue
        if line.endswith("\\"):
            pending += line[:-1]
            continue
        pending += line + "\n"
        if not _is_whole(pending):
            continue
        if words := shlex.split(pending, comments=True):
            yield Command(block.place, tuple(words), status)
            status = 200
        pending = ""
    assert not pending, f"{block.place}: a quote is not closed"


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True
