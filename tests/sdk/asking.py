"""What all SDKs are asked: the same tools in the words of each, and the same shape of an answer."""

from __future__ import annotations

from anthropic.types import ToolParam
from google.genai import types
from openai.types.chat import ChatCompletionToolParam
from pydantic import BaseModel

#: A simulated model calls the tools whose names have a word of this.
WEATHER_AND_TRAFFIC = "Tell me the weather and the traffic in Hanoi"

#: The calls that it then makes.
BOTH: list[tuple[str, object]] = [("get_weather", {"city": "Hanoi"}), ("get_traffic", {"road": "Hanoi"})]

_ARGUMENTS = {"get_weather": "city", "get_traffic": "road"}


class Capital(BaseModel):
    """The shape of a structured answer."""

    city: str
    people: int
    rivers: list[str]


def _schema(argument: str) -> dict[str, object]:
    return {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}


OPENAI_TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": name, "description": "Tells it.", "parameters": _schema(argument)}}
    for name, argument in _ARGUMENTS.items()
]

ANTHROPIC_TOOLS: list[ToolParam] = [
    {"name": name, "description": "Tells it.", "input_schema": _schema(argument)}
    for name, argument in _ARGUMENTS.items()
]

GEMINI_TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(
                name=name,
                description="Tells it.",
                parameters=types.Schema(
                    type=types.Type.OBJECT,
                    properties={argument: types.Schema(type=types.Type.STRING)},
                    required=[argument],
                ),
            )
            for name, argument in _ARGUMENTS.items()
        ]
    )
]


def gemini_config(**settings: object) -> types.GenerateContentConfig:
    """A configuration of Google's SDK, which would otherwise call the tools itself and warn that it cannot."""
    automatic = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig.model_validate({"automatic_function_calling": automatic, **settings})
