"""What a chaos proxy is to do to which requests: faults with their phase, chance, window and match, in a small file."""

from __future__ import annotations

import random
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

Kind = Literal[
    "latency", "drip", "status", "stall", "reset", "cut", "truncate", "error_in_200", "no_end", "outage"
]  # fmt: skip
Phase = Literal["head", "first", "content"]
How = Literal["refuse", "reset", "hang"]

KINDS: tuple[Kind, ...] = get_args(Kind)
PHASES: tuple[Phase, ...] = get_args(Phase)

#: The phases in which a kind has a meaning; the first one is meant where none is written.
ALLOWED: dict[Kind, tuple[Phase, ...]] = {
    "latency": ("head",),
    "drip": ("head",),
    "status": ("head",),
    "stall": ("head", "first", "content"),
    "reset": ("head", "first", "content"),
    "cut": ("content", "head", "first"),
    "truncate": ("content", "first"),
    "error_in_200": ("first", "content"),
    "no_end": ("content",),
    "outage": ("head",),
}

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """A failure, and the requests that it hits.

    * `latency`: `delay_s` more before the answer's head
    * `drip`: the body in pieces of `octets` bytes, one every `every_s`
    * `status`: `status` with the dialect's own body; `retry_after` in seconds, as a number or as a date
    * `stall`: silence until the client leaves
    * `reset`: the connection is reset, after `after_octets` bytes of the body if given
    * `cut`: the connection is closed, in the midst of a chunk
    * `truncate`: half of a JSON, then a clean end
    * `error_in_200`: an error under status 200, then a clean end
    * `no_end`: a stream ends cleanly after its content, without finish reason or end marker
    * `outage`: from `from_s` to `to_s` nobody is there: `how` says whether connections are refused, reset or never
      answered

    `phase` is `head` (before the answer begins), `first` (before a stream's first content) or `content` (after
    `after_content` events with content; of a whole answer: in the middle of its body). `from_s` and `to_s` are seconds
    since the proxy began; `path` and `model` are patterns with `*`; `streams` narrows to streams or whole answers.
    """

    kind: Kind
    phase: Phase | None = None
    probability: Share = 1.0
    from_s: NotNegative = 0.0
    to_s: NotNegative | None = None
    path: str = "*"
    model: str = "*"
    streams: bool | None = None
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    retry_after: NotNegative | None = None
    as_date: bool = False
    delay_s: NotNegative = 2.0
    octets: Count = 16
    every_s: Positive = 0.05
    after_content: Count = 3
    after_octets: Count | None = None
    how: How = "refuse"

    def __post_init__(self) -> None:
        if self.phase is not None and self.phase not in ALLOWED[self.kind]:
            known = ", ".join(ALLOWED[self.kind])
            raise ValueError(f"a fault of kind {self.kind} has no phase {self.phase}; there is {known}")
        if self.to_s is not None and self.to_s <= self.from_s:
            raise ValueError(f"to_s ({self.to_s:g}) must be later than from_s ({self.from_s:g})")
        if self.kind == "no_end" and self.streams is False:
            raise ValueError("only a stream can lack its end marker")
        if self.kind == "outage" and self.probability != 1:
            raise ValueError("an outage hits everybody; it has no probability")

    @property
    def where(self) -> Phase:
        """The phase, written or not."""
        return self.phase or ALLOWED[self.kind][0]

    @property
    def is_instead(self) -> bool:
        """Whether the provider is not even asked."""
        return self.where == "head" and self.after_octets is None and self.kind in ("status", "stall", "reset", "cut")

    def is_on(self, elapsed_s: float) -> bool:
        """Whether its window is open that long after the start."""
        return self.from_s <= elapsed_s and (self.to_s is None or elapsed_s < self.to_s)

    def matches(self, asked: Asked) -> bool:
        """Whether it is meant for such a request."""
        if self.streams is not None and self.streams != asked.stream:
            return False
        if self.kind == "no_end" and not asked.stream:
            return False
        return fnmatchcase(asked.path, self.path) and fnmatchcase(asked.model, self.model)


class Asked(Struct, frozen=True):
    """A request, as far as faults look at it."""

    path: str
    model: str
    stream: bool


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """The faults in order: the first one that is due hits."""

    faults: tuple[Fault, ...] = ()

    def draw(self, asked: Asked, elapsed_s: float, chance: random.Random) -> Fault | None:
        """The fault that a request meets. One draw for each fault, so that they do not shift each other."""
        due = [fault for fault in self.faults if chance.random() < fault.probability and fault.is_on(elapsed_s)]
        return next((fault for fault in due if fault.kind != "outage" and fault.matches(asked)), None)

    @property
    def outages(self) -> Iterable[Fault]:
        """What is no matter of single requests."""
        return (fault for fault in self.faults if fault.kind == "outage")


def load(path: Path) -> Plan:
    """A plan from a YAML file. Raises `ValueError` with the place of what is wrong."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        plain: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path}: {exc}") from exc
    try:
        return msgspec.convert(plain, Plan)
    except msgspec.ValidationError as exc:
        raise ValueError(f"{path}: {exc}") from exc
