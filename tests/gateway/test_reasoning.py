"""A conversation that moves between vendors: each gets its own reasoning back, nobody else's, and is content."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from itertools import permutations

import pytest

from tests.gateway.harness import Gateway, Upstream, gateway, provider
from tests.gateway.talking import TALKS, AnthropicTalk, Talk
from tests.gateway.vendors import VENDORS, Vendor

#: Who is asked, and whether it calls a tool; `?` is a new question.
STORY = ("?", "A+", "B+", "A+", "B", "?", "B+", "A", "?", "A+", "A+", "B+", "B+", "A")

#: Where nothing is translated, a call of another vendor may come without a thought to one that wants it.
WANTING = {("openai", "deepseek"), ("anthropic", "kimi")}
#: The same of a client that forgets.
FORGETTING = WANTING | {("anthropic", "claude")}


def apart(pairs: set[tuple[str, str]]) -> list[tuple[type[Talk], str, str]]:
    """All cases but those where a client speaks to a vendor like this."""
    cases = [(talk, *pair) for talk in TALKS for pair in permutations(VENDORS, 2)]
    return [case for case in cases if not pairs & {(case[0].dialect, case[1]), (case[0].dialect, case[2])}]


@contextlib.asynccontextmanager
async def behind(*names: str) -> AsyncIterator[tuple[Gateway, dict[str, Vendor]]]:
    """A gateway with a model for each of these vendors, under the vendor's name."""
    vendors = {name: VENDORS[name]() for name in names}
    async with contextlib.AsyncExitStack() as stack:
        providers, models = {}, {}
        for name, vendor in vendors.items():
            upstream = await stack.enter_async_context(Upstream(vendor))
            providers[name] = provider(upstream, vendor.dialect, quirks=vendor.quirks)
            models[name] = {"deployments": [f"{name}/{vendor.model}"]}
        values = {"providers": providers, "models": models, "retries": {"attempts": 1}}
        yield await stack.enter_async_context(gateway(values)), vendors


async def told(talk: Talk, first: Vendor, second: Vendor, names: tuple[str, str]) -> list[str]:
    """Tell the story. What was named as dropped in each answer."""
    dropped = []
    for number, step in enumerate(STORY):
        if step == "?":
            talk.say(f"And now, {number}?")
            continue
        vendor = first if step[0] == "A" else second
        vendor.calls = step.endswith("+")
        answer = await talk.ask(names[0] if step[0] == "A" else names[1])
        assert answer.status_code == 200, (number, step, answer.text, vendor.bodies[-1])
        dropped.append(answer.headers.get("x-hybridge-dropped", ""))
    return dropped


@pytest.mark.parametrize(("talk", "one", "other"), apart(WANTING))
async def test_a_conversation_moves_between_vendors(talk: type[Talk], one: str, other: str) -> None:
    async with behind(one, other) as (running, vendors):
        first, second = vendors[one], vendors[other]
        dropped = await told(talk(running), first, second, (one, other))
    for vendor, stranger in ((first, second), (second, first)):
        assert vendor.refusals == []
        whole = b"".join(stranger.bodies)
        assert not [secret for secret in vendor.secrets if secret in whole]
        assert vendor.due
        assert vendor.returned.issuperset(vendor.due)
    if first.secrets and second.secrets:
        assert any("reasoning" in names for names in dropped)


@pytest.mark.parametrize(("talk", "one", "other"), apart(FORGETTING))
async def test_a_client_that_returns_no_reasoning_is_served(talk: type[Talk], one: str, other: str) -> None:
    async with behind(one, other) as (running, vendors):
        first, second = vendors[one], vendors[other]
        await told(talk(running, forgets=True), first, second, (one, other))
    assert first.refusals == second.refusals == []


@pytest.mark.parametrize(
    ("talk", "one", "other", "forgets"),
    [
        (Talk, "router", "deepseek", True),
        (Talk, "deepseek", "gemini", True),
        (AnthropicTalk, "claude", "kimi", True),
        (AnthropicTalk, "kimi", "gemini", True),
        (AnthropicTalk, "gemini", "claude", True),
        # Claude did not think amid the other's calls, so some come back without a thought all the same.
        (AnthropicTalk, "kimi", "claude", False),
    ],
)
async def test_a_refusal_for_reasoning_is_answered_by_a_second_try(
    talk: type[Talk], one: str, other: str, forgets: bool
) -> None:
    async with behind(one, other) as (running, vendors):
        await told(talk(running, forgets=forgets), vendors[one], vendors[other], (one, other))
        refused = sum(len(vendor.refusals) for vendor in vendors.values())
        asked = sum(len(vendor.bodies) for vendor in vendors.values())
        attempts = [attempt for entry in running.entries for attempt in entry.attempts]
    assert refused
    assert asked == len(attempts)
    assert [attempt.error_class for attempt in attempts if attempt.error_class] == ["foreign_reasoning"] * refused
