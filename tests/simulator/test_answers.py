"""What a simulated model says, and values for schemas."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.simulator.answers import Question, Tool, answer, pieces, tokens
from hybridge.simulator.scenario import Leg
from hybridge.simulator.schemas import example
from hybridge.simulator.server import SimulatedProvider
from tests.simulator.raw import ask

LOOK = Tool("lookUpOrder", schema={"properties": {"id": {"type": "integer"}}, "required": ["id"]})
WRITE = Tool("write_mail", schema={"type": "object", "properties": {"to": {"type": "string", "format": "email"}}})


def say(seed: int = 0, **asked: Any) -> Any:
    return answer(Question(model="m", **asked), random.Random(seed))


def test_it_answers_in_the_language_of_the_question() -> None:
    assert say(text="Xin chào, bạn khỏe không?").text.startswith("Bạn nói")
    assert say(text="Hello").text.startswith("You said")


@given(st.text(max_size=200))
def test_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


@given(
    st.text(min_size=1, max_size=60),
    st.one_of(st.none(), st.integers(1, 80)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["auto", "any", "none", "tool:write_mail"]),
    st.integers(0, 99),
)
def test_what_is_said_is_counted_and_never_more_than_allowed(
    text: str, most: int | None, reasoning: bool, with_tools: bool, choice: str, seed: int
) -> None:
    tools = (LOOK, WRITE) if with_tools else ()
    said = say(seed, text=text, max_tokens=most, reasoning=reasoning, tools=tools, choice=choice, sent=7)
    assert said == say(seed, text=text, max_tokens=most, reasoning=reasoning, tools=tools, choice=choice, sent=7)
    assert said.sent == 7
    assert most is None or said.said + said.thought <= most
    if said.stop != "length":
        calls = sum(tokens(call.name + call.arguments) for call in said.calls)
        assert said.said == tokens(said.text) + calls
    assert said.thought == tokens(said.reasoning)
    assert (said.stop == "tools") == bool(said.calls)
    assert not (said.calls and said.text)


def test_tools_are_called_if_their_names_are_said() -> None:
    both = say(text="Look up order 5 and write a mail", tools=(LOOK, WRITE))
    assert [call.name for call in both.calls] == ["lookUpOrder", "write_mail"]
    assert say(text="Hello", tools=(LOOK, WRITE)).calls == ()
    assert say(text="order", tools=(LOOK,), result="done").calls == ()
    assert say(text="order", tools=(LOOK,), choice="none").calls == ()
    assert len(say(text="order mail", tools=(LOOK, WRITE), parallel=False).calls) == 1


def test_stop_sequences_end_the_answer_at_the_first() -> None:
    said = say(text="one two three", stop=("three", "two", ""))
    assert (said.text, said.stop, said.stop_sequence) == ("You said: “one ", "sequence", "two")


async def test_an_answer_depends_on_the_seed_the_number_and_the_request_alone() -> None:
    async def bodies(seed: int, word: str) -> list[bytes]:
        async with SimulatedProvider(Leg("s", seed=seed)) as provider:
            asked = [{"role": "user", "content": word}]
            return [(await ask(provider, stream, messages=asked)).body for stream in (False, True, False)]

    first = await bodies(1, "Hello")
    assert first == await bodies(1, "Hello")
    assert first[0] != first[2]
    assert first != await bodies(2, "Hello")
    assert first != await bodies(1, "Hallo")


SCHEMAS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "string", "enum": ["a"]}, "a"),
    ({"const": 5}, 5),
    ({"type": "integer", "minimum": 3, "maximum": 3}, 3),
    ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}, 4),
    ({"type": "number", "minimum": 2, "maximum": 2}, 2.0),
    ({"type": ["null", "string"], "minLength": 8, "maxLength": 9}, "textxxxx"),
    ({"type": "string", "format": "date"}, "2026-11-22"),
    ({"type": "null"}, None),
    ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
    ({"type": "array", "items": {"type": "null"}, "minItems": 0}, []),
    ({"anyOf": [{"type": "null"}, {"const": 1}]}, 1),
    ({"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["a"]}]}, {"a": 1}),
    ({"$ref": "#/$defs/A", "$defs": {"A": {"const": 9}}}, 9),
    ({"type": "OBJECT", "properties": {"A": {"type": "NULL"}, "b": {}}, "required": ["A"]}, {"A": None}),
    ({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}}, {"a": None, "b": None}),
    ({}, {}),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS, ids=str)
def test_a_value_fits_its_schema(schema: dict[str, Any], value: Any) -> None:
    assert example(schema, random.Random(0)) == value


def test_a_schema_within_itself_ends() -> None:
    schema = {"properties": {"child": {"$ref": "#"}}, "required": ["child"]}
    assert msgspec.json.encode(example(schema, random.Random(0))).count(b"child") < 20
    assert example({"$ref": "#"}, random.Random(0)) == "text"


def test_texts_are_names_that_were_said() -> None:
    schema = {"properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert example(schema, random.Random(0), "Weather in Ho Chi Minh City?") == {"city": "Ho Chi Minh City"}
    assert example(schema, random.Random(0), "weather in hanoi") == {"city": "hanoi"}
    assert example(schema, random.Random(0)) == {"city": "city"}
    assert isinstance(example({"type": "boolean"}, random.Random(0)), bool)
