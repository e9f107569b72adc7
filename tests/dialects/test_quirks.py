"""A row's quirks, on bodies that pass through and on bodies that were encoded."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hybridge.dialects import quirks
from hybridge.types import Bounds, Quirks


def raw(**fields: Any) -> dict[str, Any]:
    return {name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}


def plain(**fields: Any) -> dict[str, Any]:
    return fields


def decoded(fields: dict[str, Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(fields))


@pytest.fixture(params=[raw, plain], ids=["raw", "plain"])
def form(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_drop_names_what_it_takes_away(form: Any) -> None:
    fields = form(user="x", store=True, seed=None)
    changed = quirks.apply(fields, Quirks(drop=("user", "seed", "logit_bias")))
    assert changed == ("user",)
    assert decoded(fields) == {"store": True}


def test_rename_keeps_the_value_and_never_overwrites(form: Any) -> None:
    fields = form(max_completion_tokens=5)
    assert quirks.apply(fields, Quirks(rename={"max_completion_tokens": "max_tokens"})) == ("max_completion_tokens",)
    assert decoded(fields) == {"max_tokens": 5}
    both = form(max_completion_tokens=5, max_tokens=7)
    quirks.apply(both, Quirks(rename={"max_completion_tokens": "max_tokens"}))
    assert decoded(both) == {"max_tokens": 7}


@pytest.mark.parametrize(("given", "expected"), [(2, 1), (-1, 0), (0.5, 0.5), (1, 1)])
def test_clamp(form: Any, given: float, expected: float) -> None:
    fields = form(temperature=given)
    changed = quirks.apply(fields, Quirks(clamp={"temperature": Bounds(min=0, max=1)}))
    assert decoded(fields)["temperature"] == expected
    assert changed == (("temperature",) if given != expected else ())


def test_a_clamped_whole_number_stays_whole(form: Any) -> None:
    fields = form(max_tokens=9000)
    quirks.apply(fields, Quirks(clamp={"max_tokens": Bounds(max=4096)}))
    assert msgspec.json.encode(fields) == b'{"max_tokens":4096}'


def test_scale_then_clamp(form: Any) -> None:
    fields = form(temperature=1.6)
    changed = quirks.apply(fields, Quirks(scale={"temperature": 0.5}, clamp={"temperature": Bounds(max=0.7)}))
    assert decoded(fields)["temperature"] == 0.7
    assert changed == ("temperature",)


def test_clamp_leaves_what_is_no_number(form: Any) -> None:
    fields = form(temperature="hot", top_p=None, n=True)
    bounds = {name: Bounds(max=0) for name in ("temperature", "top_p", "n", "seed")}
    assert quirks.apply(fields, Quirks(clamp=bounds)) == ()
    assert decoded(fields) == {"temperature": "hot", "top_p": None, "n": True}


def test_stream_options_go_without_a_word(form: Any) -> None:
    fields = form(stream_options={"include_usage": True})
    assert quirks.apply(fields, Quirks(no_stream_options=True)) == ()
    assert fields == {}


def test_no_tool_choice_beside_empty_tools(form: Any) -> None:
    fields = form(tools=[], tool_choice="auto")
    assert quirks.apply(fields, Quirks(no_tool_choice_without_tools=True)) == ("tool_choice",)
    assert fields == {}
    full = form(tools=[{"type": "function"}], tool_choice="auto")
    assert quirks.apply(full, Quirks(no_tool_choice_without_tools=True)) == ()
    assert set(full) == {"tools", "tool_choice"}


@pytest.mark.parametrize("value", [None, [], {}, ""])
def test_empty_asks_for_nothing(value: Any) -> None:
    assert not quirks.asks(value)
    assert not quirks.asks(Raw(msgspec.json.encode(value)))


@pytest.mark.parametrize("value", [0, False, "x", [1], {"a": 1}, "x" * 100])
def test_anything_else_asks(value: Any) -> None:
    assert quirks.asks(value)
    assert quirks.asks(Raw(msgspec.json.encode(value)))


def test_a_member_that_is_missing_asks_for_nothing() -> None:
    assert not quirks.asks(Raw(b""))
