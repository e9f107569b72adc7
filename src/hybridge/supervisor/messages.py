"""What the supervisor and its processes say to each other.

Any message may be a question: it then has a `number`, which its answer repeats in `answers`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from hybridge.admin.holds import Held
from hybridge.config import Config, Secret
from hybridge.observers.samples import Sample


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """What every message has."""

    number: int = 0
    answers: int = 0


class Hello(Message, frozen=True):
    """A process's first word."""

    role: Literal["worker", "scene", "control"]
    pid: int


class Prepare(Message, frozen=True):
    """To a worker: make what this configuration needs, and wait. It listens at `addresses` once that is in force."""

    config: Config
    demo: bool = False
    addresses: tuple[tuple[str, int], ...] = ()


class Apply(Message, frozen=True):
    """To a worker: what was prepared is in force from now on."""


class Done(Message, frozen=True):
    """From a worker: it did what it was asked, or these are the problems."""

    problems: tuple[str, ...] = ()


class Count(Message, frozen=True):
    """To a worker: its samples, please. To the supervisor: everybody's."""


class Samples(Message, frozen=True):
    """How things stand."""

    samples: tuple[Sample, ...] = ()


class Playing(Message, frozen=True):
    """From the scene: its simulated providers listen. `providers` is that section of a configuration."""

    providers: dict[str, dict[str, Any]]


class Drain(Message, frozen=True):
    """To a worker: end what is under way and leave; or leave `now`. To the supervisor: all of them."""

    now: bool = False


class InForce(Message, frozen=True):
    """To the control plane: the configuration in force since a time (UTC, seconds), and the file it came from."""

    config: Config
    demo: bool = False
    file: str | None = None
    since: float = 0.0


class Stand(Message, frozen=True):
    """To a worker: how do you stand? To the supervisor: how does everybody?"""


class Standings(Message, frozen=True):
    """Each worker as it stands (a `Standing`, which is the control plane's to read); and, of the supervisor, what is
    held, how many workers there should be, and how often one was started again."""

    workers: tuple[Raw, ...] = ()
    held: tuple[Held, ...] = ()
    wanted: int = 0
    restarted: int = 0


class Hold(Message, frozen=True):
    """From the control plane: a breaker is held from now on."""

    held: Held


class LetGo(Message, frozen=True):
    """From the control plane: the breaker of this id is left to itself from now on."""

    id: str


class Holding(Message, frozen=True):
    """To a worker: all breakers that are held now, and no others."""

    held: tuple[Held, ...] = ()


class Reload(Message, frozen=True):
    """From the control plane: read the configuration again."""


AnyMessage = (
    Hello
    | Prepare
    | Apply
    | Done
    | Count
    | Samples
    | Playing
    | Drain
    | InForce
    | Stand
    | Standings
    | Hold
    | LetGo
    | Holding
    | Reload
)


def _written(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal(), value.source
    raise TypeError(f"no message holds a {type(value).__name__}")


def _read(kind: type, value: Any) -> Any:
    if kind is Secret:
        return Secret(*value)
    raise TypeError(f"no message holds a {kind.__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_written)
_DECODER: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage, dec_hook=_read)


def encode(message: Message) -> bytes:
    """A message as one line. It may hold secrets."""
    return _ENCODER.encode(message) + b"\n"


def decode(line: bytes) -> AnyMessage:
    """The message of a line. Raises `msgspec.MsgspecError`."""
    return _DECODER.decode(line)
