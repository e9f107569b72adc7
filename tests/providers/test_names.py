"""Spellings of one model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.providers.names import bare, cut_suffix, date_of, spelling, stem, undated

words = st.from_regex(r"[a-z]{2,8}", fullmatch=True)
versions = st.lists(st.integers(1, 99).map(str), min_size=1, max_size=3)
dates = st.dates().filter(lambda day: 2000 <= day.year < 2100)


@st.composite
def models(draw: st.DrawFn) -> tuple[str, list[str], str]:
    """A name's front, the numbers of its version, its end."""
    return draw(words), draw(versions), draw(words)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("claude-3.5-haiku", "claude-3-5-haiku"),
        ("anthropic/claude-3.5-haiku", "claude-3-5-haiku"),
        ("Qwen/Qwen3-Coder", "qwen/qwen3-coder"),
        ("claude-opus-4-0", "claude-opus-4"),
        ("claude-opus-4.0", "claude-opus-4"),
        ("accounts/fireworks/models/kimi-k2", "kimi-k2"),
    ],
)
def test_the_same_model(one: str, other: str) -> None:
    assert spelling(one) == spelling(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4", "gpt-4o"),
        ("gpt-4o", "gpt-4o-mini"),
        ("claude-3-haiku", "claude-3-5-haiku"),
        ("o1", "o10"),
        ("gpt-4o-2024-05-13", "gpt-4o"),
        ("llama-3.3-70b:free", "llama-3.3-70b"),
    ],
)
def test_another_model(one: str, other: str) -> None:
    assert spelling(one) != spelling(other)


@pytest.mark.parametrize(
    ("name", "without", "date"),
    [
        ("claude-3-haiku-20240307", "claude-3-haiku", "20240307"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4", "20250514"),
        ("gpt-4o-2024-08-06", "gpt-4o", "20240806"),
        ("mistral-large-latest", "mistral-large", ""),
        ("gemini-2.0-flash-001", "gemini-2.0-flash", ""),
        ("a/x-20240307:free", "a/x:free", "20240307"),
        ("grok-4-0709", "grok-4-0709", ""),
        ("mixtral-8x7b-32768", "mixtral-8x7b-32768", ""),
    ],
)
def test_dates(name: str, without: str, date: str) -> None:
    assert undated(name) == without
    assert date_of(name) == date


def test_a_stem_has_no_date_of_any_kind() -> None:
    assert stem("Grok-4-0709") == stem("grok-4-latest") == stem("grok-4") == "grok-4"


@pytest.mark.parametrize(
    ("name", "cut", "sort"),
    [
        ("x:floor", "x", "price"),
        ("a/x:nitro", "a/x", "throughput"),
        ("x:free", "x", None),
        ("x:thinking", "x:thinking", None),
        ("llama3.2:1b", "llama3.2:1b", None),
    ],
)
def test_suffixes(name: str, cut: str, sort: str | None) -> None:
    assert cut_suffix(name) == (cut, sort)


@given(st.text(max_size=60))
def test_spelling_twice_is_spelling_once(name: str) -> None:
    assert spelling(spelling(name)) == spelling(name)
    assert bare(bare(name)) == bare(name)


@given(models())
def test_dots_and_dashes_between_numbers_are_one(parts: tuple[str, list[str], str]) -> None:
    front, version, end = parts
    assert spelling(f"{front}-{'.'.join(version)}-{end}") == spelling(f"{front}-{'-'.join(version)}-{end}")


@given(models(), dates)
def test_a_date_is_cut_whatever_its_form(parts: tuple[str, list[str], str], day: object) -> None:
    front, version, end = parts
    name = f"{front}-{'-'.join(version)}-{end}"
    compact = str(day).replace("-", "")
    assert undated(f"{name}-{day}") == undated(f"{name}-{compact}") == undated(f"{name}-latest") == name
    assert date_of(f"{name}-{day}") == date_of(f"{name}-{compact}") == compact


@given(models(), words)
def test_an_author_makes_no_difference(parts: tuple[str, list[str], str], author: str) -> None:
    name = f"{parts[0]}-{'.'.join(parts[1])}"
    assert spelling(f"{author}/{name}") == spelling(name.upper()) == spelling(name)
