"""Which dialect a path speaks, and what it asks for."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from hybridge.simulator.anthropic import Anthropic
from hybridge.simulator.gemini import Gemini
from hybridge.simulator.openai import OpenAI
from hybridge.simulator.scenario import DialectName, Leg
from hybridge.simulator.voice import Voice

Asked = Literal["chat", "count", "models"]

_GEMINI = re.compile(r"/models/(?P<model>.+):(?P<verb>generateContent|streamGenerateContent|countTokens)$")
_MODELS = re.compile(r"/models(?:/(?P<model>[^:]+))?$")
_PATHS: tuple[tuple[DialectName, str, Asked], ...] = (
    ("openai", "/chat/completions", "chat"),
    ("anthropic", "/messages", "chat"),
    ("anthropic", "/messages/count_tokens", "count"),
)


class Route(Struct, frozen=True):
    """What a path asks for, in which dialect. `model` and `stream` are what the path says of them."""

    voice: Voice
    asked: Asked
    model: str = ""
    stream: bool = False
    #: Of a stream.
    content_type: str = "text/event-stream; charset=utf-8"


class Routes:
    """The paths of a leg."""

    def __init__(self, leg: Leg) -> None:
        everything = leg.flavour in ("aihubmix", "polyglot")
        voices: dict[DialectName, Voice] = {"openai": OpenAI(leg), "anthropic": Anthropic(leg), "gemini": Gemini(leg)}
        self.main = voices[leg.dialect]
        self.voices = voices if everything else {leg.dialect: self.main}
        self._array = Gemini(leg, array=True)

    def find(self, method: str, path: str, query: dict[str, str]) -> Route | None:
        """What is behind a path; `None` if nothing is."""
        if method == "GET":
            return self._models(path)
        for dialect, suffix, asked in _PATHS:
            if dialect in self.voices and path.endswith(suffix):
                return Route(self.voices[dialect], asked)
        found = _GEMINI.search(path)
        return self._generate(found["model"], found["verb"], query) if found and "gemini" in self.voices else None

    def _generate(self, model: str, verb: str, query: dict[str, str]) -> Route:
        gemini = self.voices["gemini"]
        if verb == "countTokens":
            return Route(gemini, "count", model)
        if verb == "generateContent":
            return Route(gemini, "chat", model)
        if query.get("alt") == "sse":
            return Route(gemini, "chat", model, stream=True, content_type="text/event-stream")
        return Route(self._array, "chat", model, stream=True, content_type="application/json; charset=UTF-8")

    def _models(self, path: str) -> Route | None:
        found = _MODELS.search(path)
        if found is None:
            return None
        voice = self.voices.get("gemini", self.main) if "/v1beta/" in path else self.main
        return Route(voice, "models", found["model"] or "")
