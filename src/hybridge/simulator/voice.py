"""What a simulated provider needs to know of a dialect: how it is read, how it answers, how it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from hybridge.simulator.answers import Answer, Question


class Refusal(Exception):
    """A request that the provider refuses. `kind` and `code` are the dialect's own words, `param` the place."""

    def __init__(self, status: int, message: str, *, kind: str = "", code: str | None = None, param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param


class Event(NamedTuple):
    """Bytes of a stream, and how many tokens they bring. What is `early` leaves before the first token is there."""

    octets: bytes
    tokens: int = 0
    early: bool = False


class Voice(Protocol):
    """One dialect, spoken by a provider."""

    def authorise(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Raises `Refusal` for a key that is missing, or not one of the leg's."""

    def read(self, body: bytes, model: str = "", stream: bool = False) -> Question:
        """A request; `model` and `stream` where the path says them. Raises `Refusal` as the vendor does."""

    def whole(self, question: Question, answer: Answer) -> bytes:
        """A unary answer."""

    def events(self, question: Question, answer: Answer) -> list[Event]:
        """A streamed answer, its end marker included."""

    def headers(self, answer: Answer) -> list[tuple[str, str]]:
        """What the vendor sends along."""

    def refusal(self, refusal: Refusal) -> bytes:
        """The body of an error."""

    def break_off(self, refusal: Refusal) -> bytes:
        """An error in the middle of a stream."""

    def models(self, name: str | None = None) -> bytes:
        """The list of models, or one of them. Raises `Refusal` for one that is not there."""

    def count(self, body: bytes, model: str) -> bytes:
        """The answer to a request to count tokens. Raises `Refusal`."""


def encode(value: Any) -> bytes:
    """JSON as most vendors write it: compact, UTF-8."""
    return msgspec.json.encode(value)


def bearer(headers: Mapping[str, str]) -> str:
    """The key of an `Authorization: Bearer` header, empty if there is none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
