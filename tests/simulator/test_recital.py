"""A text that every simulated provider says alike, and going on with one that was broken off."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.simulator.answers import Turn
from hybridge.simulator.recital import WAYS, Way, recital, reply_to
from hybridge.simulator.scenario import DialectName, Leg
from hybridge.simulator.server import SimulatedProvider
from tests.simulator.raw import ask

WORDS = 60
WHOLE = recital("Tell me", WORDS)
ASKED = Turn(False, "Tell me")


def said(way: Way | None, *turns: Turn) -> str:
    return reply_to(turns, WORDS, way, random.Random(0))


def test_the_text_depends_on_what_is_asked_alone() -> None:
    assert said("exact", ASKED) == said("restart", ASKED) == WHOLE
    assert recital("Tell him", WORDS) != WHOLE
    assert [len(recital("Tell me", words).split()) for words in (1, 60, 500)] == [1, 60, 500]


@given(st.integers(1, len(WHOLE) - 1), st.sampled_from(WAYS), st.booleans())
def test_what_was_begun_is_gone_on_with(at: int, way: Way, told: bool) -> None:
    turns = [ASKED, Turn(True, WHOLE[:at]), *([Turn(False, "Go on.")] if told else [])]
    rest = said(way, *turns)
    if way == "exact":
        assert WHOLE[:at] + rest == WHOLE
    elif way == "restart":
        assert rest == WHOLE
    elif way == "overlap":
        assert WHOLE.endswith(rest)
        assert len(rest) > len(WHOLE) - at
        assert len(WHOLE[: len(WHOLE) - len(rest)].split()) == max(0, len(WHOLE[:at].split()) - 6)
    else:
        assert rest.startswith("Sorry")
        assert rest.endswith("\n\n" + WHOLE[at:])


@pytest.mark.parametrize("before", ["", WHOLE, "Something else"])
def test_what_is_whole_or_strange_is_not_gone_on_with(before: str) -> None:
    assert said("exact", ASKED, Turn(True, before), Turn(False, "More")) == recital("More", WORDS)


def test_the_way_is_drawn_where_none_is_set() -> None:
    turns = (ASKED, Turn(True, WHOLE[:50]))
    assert len({reply_to(turns, WORDS, None, random.Random(seed)) for seed in range(40)}) == len(WAYS)


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_every_dialect_says_the_same_and_goes_on(dialect: DialectName) -> None:
    leg = Leg("r", dialect, recital=WORDS, continues="exact", seed=len(dialect))
    begun = WHOLE[:50].rstrip()
    async with SimulatedProvider(leg) as provider:
        whole = await ask(provider, **conversation(dialect, "Tell me"))
        rest = await ask(provider, **conversation(dialect, "Tell me", begun))
    assert text_of(dialect, whole.json) == WHOLE
    assert begun + text_of(dialect, rest.json) == WHOLE


def conversation(dialect: str, *texts: str) -> dict[str, Any]:
    if dialect == "gemini":
        return {"contents": [{"role": ("user", "model")[n % 2], "parts": [{"text": t}]} for n, t in enumerate(texts)]}
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    return {"messages": messages, "max_tokens": 4096}


def text_of(dialect: str, said: Any) -> str:
    if dialect == "openai":
        return str(said["choices"][0]["message"]["content"])
    if dialect == "anthropic":
        return str(said["content"][0]["text"])
    return str(said["candidates"][0]["content"]["parts"][0]["text"])
