"""A provider is a row: no Python outside its few places knows one by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from hybridge.dialects import NAMES as DIALECTS

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "hybridge"
KNOWING = ("dialects/", "providers/auth.py", "simulator/")

ROWS = frozenset(row.stem for row in (PACKAGE / "providers" / "rows").glob("*.toml"))
BRANDS = frozenset(
    "aihubmix anthropic azure bedrock cerebras cohere deepseek gemini google groq huggingface mistral nvidia "
    "ollama openai openrouter sambanova vertexai xai".split()
)
IDS = ROWS | BRANDS

#: Words with a meaning of their own: a dialect's name, or English. They count only where a provider is meant.
PLAIN = frozenset(DIALECTS) | frozenset(
    "custom fireworks github local meta perplexity prism reka replicate sail spark together upstage".split()
)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def words_of(name: str) -> Iterator[str]:
    """The words of an identifier, and each two neighbours as one: `OpenRouterRow` has `openrouter`."""
    words = [word.lower() for word in WORD.findall(name)]
    yield from words
    yield from (first + second for first, second in pairwise(words))


def names_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.keyword(arg=str(name)):
            yield name


def means_a_provider(node: ast.expr) -> bool:
    return any("provider" in words_of(name) for part in ast.walk(node) for name in names_in(part))


def strings_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value.strip(" /:.").lower()


def known_by(node: ast.AST) -> Iterator[str]:
    """The providers that this one node knows by name."""
    for name in names_in(node):
        yield from (word for word in words_of(name) if word in IDS - PLAIN)
    match node:
        case ast.Constant(value=str()):
            yield from (text for text in strings_in(node) if text in IDS - PLAIN)
        case ast.Compare() if means_a_provider(node):
            yield from (text for text in strings_in(node) if text in IDS & PLAIN)
        case ast.Match() if means_a_provider(node.subject):
            for case in node.cases:
                yield from (text for text in strings_in(case.pattern) if text in IDS & PLAIN)


def knowledge(source: str) -> list[str]:
    """`line: provider` for each place in Python source that knows a provider."""
    nodes = ast.walk(ast.parse(source))
    return [f"{getattr(node, 'lineno', 0)}: {provider}" for node in nodes for provider in known_by(node)]


def ignorant_files() -> list[Path]:
    files = sorted(PACKAGE.rglob("*.py"))
    return [file for file in files if not file.relative_to(PACKAGE).as_posix().startswith(KNOWING)]


@pytest.mark.parametrize("file", ignorant_files(), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_python_knows_a_provider(file: Path) -> None:
    assert knowledge(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 'openrouter'",
        "x = f'openrouter/{slug}'",
        "if name == 'Groq': pass",
        "groq_url = 1",
        "class OpenRouterRow: pass",
        "def is_xai(): pass",
        "f(aihubmix=1)",
        "from hybridge.providers import mistral",
        "if deployment.provider == 'openai': pass",
        "if provider_id in ('openai', 'together'): pass",
        "match deployment.provider:\n    case 'anthropic': pass",
    ],
)
def test_knowledge_is_found(source: str) -> None:
    assert knowledge(source)


@pytest.mark.parametrize(
    "source",
    [
        "'''OpenRouter and Groq do this.'''",
        "x = 'as openrouter does'",
        "together = meta = 1",
        "x = body['meta']",
        "route = ('/v1/chat/completions', 'openai')",
        "if request.dialect == 'anthropic': pass",
        "if provider == '': pass",
        "coherent = groqed = 1",
    ],
)
def test_english_and_dialects_are_left_alone(source: str) -> None:
    assert knowledge(source) == []
