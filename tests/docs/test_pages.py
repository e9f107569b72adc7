"""What the pages tell a reader to do works, what they point at is there, and nothing in them is left unproved."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hybridge.cli import main
from tests.cli.running import Shell
from tests.docs.pages import REPOSITORY, RUN, Block, blocks, commands, every_page, inline, links, name
from tests.docs.running import Reader


@pytest.mark.parametrize("page", RUN, ids=name)
def test_a_page_works_from_top_to_bottom(
    page: Path, tmp_path: Path, providers: Mapping[str, Mapping[str, Any]]
) -> None:
    with ExitStack() as stack:
        Reader(Shell(tmp_path), providers, stack).read(page)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("rust", "fn main() {}"),
        ("", "anything"),
        ("text", "anything"),
        ("sh", "rm -rf hybridge"),
        ("sh", "make no-such-target"),
        ("sh", "curl http://127.0.0.1:8080/healthz"),
        ("sh", "export NO_SUCH_KEY=…"),
        ("sh", ".venv/bin/hybridge no-such-command"),
        ("yaml", "providers: {openai: {keyz: [env:OPENAI_API_KEY]}}"),
        ("python", "raise SystemExit(1)"),
    ],
)
def test_a_block_that_nobody_proves_is_found(
    tmp_path: Path, language: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.docs.running.blocks", lambda page: [Block("page:1", language, text)])
    with ExitStack() as stack, pytest.raises(AssertionError):
        Reader(Shell(tmp_path), {}, stack).read(tmp_path)


def test_the_pages_are_run_at_all() -> None:
    assert {name(page) for page in RUN} >= {"README.md", "docs/how-to/first-real-provider.md"}
    languages = [block.language for block in blocks(REPOSITORY / "README.md")]
    assert languages.count("yaml") == languages.count("python") == 1
    typed = [
        command.words
        for block in blocks(REPOSITORY / "README.md")
        if block.language == "sh"
        for command in commands(block)
    ]
    assert ("make", "run") in typed
    assert sum(words[0] == "curl" for words in typed) >= 2


@pytest.mark.parametrize("page", every_page(), ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), f"{name(page)} points at {target}"
        if anchor:
            assert anchor in {_anchor(line) for line in found.read_text(encoding="utf-8").splitlines()}, target


def _anchor(line: str) -> str | None:
    heading = re.match(r"#+ (.*)", line)
    return re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-") if heading else None


@pytest.mark.parametrize("page", every_page(), ids=name)
def test_commands_in_the_prose_exist(page: Path) -> None:
    """Commands that a changelog or a decision only plans would be found out too."""
    for words in (text.split() for text in inline(page)):
        if len(words) > 1 and words[0].rpartition("/")[2] == "hybridge":
            assert words[1] in main_commands(), f"{name(page)}: {' '.join(words)}"
        if len(words) > 1 and words[0] == "make":
            makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
            assert f"\n{words[1]}:" in makefile, f"{name(page)}: {' '.join(words)}"


def main_commands() -> set[str]:
    """The commands of the program, as its reference lists them."""
    page = (REPOSITORY / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert callable(main)
    return set(re.findall(r"^## `hybridge (\w+)`$", page, re.MULTILINE))


def test_the_tree_in_the_readme_is_the_tree() -> None:
    (block,) = [block for block in blocks(REPOSITORY / "README.md") if block.language == "text"]
    drawn = set(re.findall(r"^[├└]── (\S+?)/?(?:\s|$)", block.text, re.MULTILINE))
    there = {path.name for path in (REPOSITORY / "src" / "hybridge").iterdir()} - {"__pycache__"}
    assert drawn == there


def test_the_glossary_has_the_words_and_the_words_are_used() -> None:
    page = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z ]+) \| (.+) \|$", page, re.MULTILINE)
    words = [word for word, _ in rows if word != "word"]
    assert len(words) == len(set(words)) > 10
    used = " ".join(
        other.read_text(encoding="utf-8").casefold() for other in every_page() if other.name != "glossary.md"
    )
    used += " ".join(_docstrings(path) for path in sorted((REPOSITORY / "src").rglob("*.py"))).casefold()
    for word in words:
        assert re.search(rf"\b{re.escape(word)}s?\b", used), f"nobody uses the word {word}"
    assert all(len(meaning) < 120 for _, meaning in rows)


def _docstrings(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return " ".join(ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, defined))


def test_the_glossary_holds_every_word_of_the_product_page(shared: Path) -> None:
    product = (shared / "design" / "PRODUCT.md").read_text(encoding="utf-8")
    section = product.partition("\n## 2. Words\n")[2].partition("\n## ")[0]
    said = re.sub(r"\([^)]*\)|\*|`[^`]*`", "", section.replace("**kind** of a provider: ", "kind: "))
    words = {word.partition(":")[0].strip(" .\n") for one in said.split("·") for word in one.split(",")}
    glossary = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert {word for word in words if word} == set(re.findall(r"^\| ([a-z ]+) \|", glossary, re.MULTILINE)) - {"word"}
