"""The nouns. Every room speaks in these, and they know no room.

A request (`Request`) asks for a model; the router answers with a `Plan`, deployments in order; each try at one is
an `Attempt`; the answer is pushed into a `Sink`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Flag, StrEnum, auto
from typing import Literal, Protocol

from msgspec import Raw, Struct

from hybridge.chat import Chat
from hybridge.money import LIST_TERMS, Money, Price, Terms, Usage


class Operation(StrEnum):
    """What a client asks for."""

    # A label of metrics: the hash of an enumeration is a Python call.
    __hash__ = str.__hash__

    CHAT = "chat"
    COUNT_TOKENS = "count_tokens"


class Kind(StrEnum):
    """How a provider is reached: itself, or through one that resells it."""

    __hash__ = str.__hash__

    DIRECT = "direct"
    GATEWAY = "gateway"


class Needs(Flag):
    """What a request needs and what a deployment offers: able means `request.needs in deployment.offers`."""

    NOTHING = 0
    VISION = auto()
    TOOLS = auto()
    PARALLEL_TOOLS = auto()
    JSON_OBJECT = auto()
    JSON_SCHEMA = auto()
    AUDIO_INPUT = auto()
    AUDIO_OUTPUT = auto()
    FILES = auto()
    REASONING = auto()
    STREAMING = auto()


EVERYTHING = ~Needs.NOTHING


class Limits(Struct, frozen=True):
    """Tokens a deployment takes in all and gives at most; `None` where nobody says."""

    context: int | None = None
    output: int | None = None


class Timeouts(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds. `first_token` and `idle` hold for streams, `total` for both, `connect` for reaching the provider."""

    connect: float = 5.0
    first_token: float = 30.0
    first_token_reasoning: float = 180.0
    idle: float = 60.0
    total: float = 600.0


class Bounds(Struct, frozen=True, forbid_unknown_fields=True):
    """Inclusive bounds of a number; `None` is open."""

    min: float | None = None
    max: float | None = None


class Quirks(Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider differs from its dialect; data of its row.

    Fields are the dialect's top-level ones. What `drop`, `rename`, `clamp` or `scale` change is named to the client.
    """

    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    clamp: dict[str, Bounds] = {}
    scale: dict[str, float] = {}
    #: Where usage stands when not at the dialect's own place, e.g. `x_groq.usage`.
    usage_path: str = ""
    #: Where the provider reports its bill, inside usage, and how many of its units are one USD.
    cost_path: str = ""
    cost_units_per_usd: int = 1
    #: The stream is whole without `[DONE]` once a finish reason came.
    ends_without_done: bool = False
    #: `stream_options` is refused, or not needed because usage always comes.
    no_stream_options: bool = False
    #: `completion_tokens` does not contain the reasoning tokens.
    reasoning_outside_completion: bool = False
    #: An empty `tools` list must not come with `tool_choice`.
    no_tool_choice_without_tools: bool = False
    #: Fields that only this provider understands, so a pass-through keeps them here alone.
    own_fields: tuple[str, ...] = ()


NO_QUIRKS = Quirks()


class Surface(Struct, frozen=True):
    """One door of a provider: a dialect at an address. Most providers have one.

    `auth` names a function of `providers/auth.py`; `forward` are client headers (lower case) that travel on.
    """

    dialect: str
    base_url: str
    auth: str = "bearer"
    headers: tuple[tuple[str, str], ...] = ()
    forward: tuple[str, ...] = ()
    quirks: Quirks = NO_QUIRKS


class Deployment(Struct, frozen=True, eq=False):
    """A model as one provider serves it: the unit of routing, health and price. One object per id.

    `name` is the catalogue's name of the model, `model` the provider's; `id` is `provider/model`.
    """

    id: str
    provider: str
    model: str
    name: str
    kind: Kind
    surface: Surface
    price: Price | None = None
    terms: Terms = LIST_TERMS
    reported_includes_fee: bool = False
    offers: Needs = EVERYTHING
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    #: An upper bound used under a budget where no price is known.
    assume_price: Price | None = None
    #: Data policy as the catalogue knows it: the provider may keep prompts; `None` = not known.
    retains_data: bool | None = None

    def __repr__(self) -> str:
        return f"<Deployment {self.id}>"


class ProviderPreferences(Struct, frozen=True):
    """OpenRouter's `provider` object, as far as Hybridge acts on it.

    Source: https://openrouter.ai/docs/guides/routing/provider-selection. Prices are USD per million tokens.
    """

    order: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    sort: str | dict[str, str | None] | None = None
    max_price: dict[str, float | str] | None = None
    preferred_min_throughput: float | dict[str, float] | None = None
    preferred_max_latency: float | dict[str, float] | None = None


class Options(Struct, frozen=True):
    """What the caller asked of the router: our `route` object, our headers, OpenRouter's own fields."""

    budget: Money | None = None
    complexity: Literal["low", "medium", "high"] | None = None
    policy: str | None = None
    session: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    stream_recovery: Literal["error", "restart", "continue"] = "error"
    resumable: bool = False
    drop_unsupported: bool = False
    cache: str | None = None
    #: OpenRouter's `models`: asked after the model itself.
    models: tuple[str, ...] = ()
    provider: ProviderPreferences | None = None


NO_OPTIONS = Options()


class Facts(Struct):
    """What a client's dialect tells about a request without decoding its contents.

    `fields` are the top-level members as they came (for a pass-through); `asks` the neutral names (`Ask`) of what
    another dialect may be unable to carry; `input_bytes` the size of the text, media left out. Without `thoughts` the
    conversation is sure to hold none of a model's reasoning.
    """

    model: str
    stream: bool
    fields: dict[str, Raw]
    needs: Needs = Needs.NOTHING
    asks: frozenset[str] = frozenset()
    max_tokens: int | None = None
    user: str | None = None
    include_usage: bool = False
    input_bytes: int = 0
    images: int = 0
    thoughts: bool = True


class Request(Struct):
    """What a client asked: the facts that routing needs, and the body as it came.

    `key` is the id of the virtual key, `allowed` the models it may ask for (`None`: all); `headers` are the client's
    (lower case), of which a surface picks those that travel on; `private` are members of the body that no provider
    may see. `created` is in UTC microseconds. `chat` is filled on first need.
    """

    id: str
    operation: Operation
    dialect: str
    model: str
    stream: bool
    body: bytes
    facts: Facts
    key: str = "open"
    allowed: frozenset[str] | None = None
    options: Options = NO_OPTIONS
    headers: Mapping[bytes, bytes] = {}
    private: frozenset[str] = frozenset()
    created: int = 0
    chat: Chat | None = None


class Considered(Struct, frozen=True):
    """One candidate and what the router thought of it: `reason` is why it is out, empty if it is in."""

    deployment: Deployment
    reason: str = ""
    #: The policy's named terms; lower is better.
    scores: dict[str, float] = {}
    estimate_nano_usd: int | None = None


class Plan(Struct, frozen=True):
    """The deployments for one request, best first, and how that came about."""

    deployments: tuple[Deployment, ...]
    policy: str
    considered: tuple[Considered, ...] = ()
    variant: str | None = None
    #: Output tokens are clamped to this, so that the request's budget holds; by deployment id.
    clamp: dict[str, int] = {}


CostSource = Literal["provider", "computed", "estimated", "unpriced", ""]


class Attempt(Struct, omit_defaults=True, gc=False):
    """One try at one deployment. Times are UTC microseconds, 0 where it did not come to that.

    `error_class` is empty for a success; `cost_nano_usd` is `None` where the price is unknown, never zero for that.
    """

    deployment: str
    provider: str
    kind: str
    key_id: str = ""
    status: int = 0
    error_class: str = ""
    error: str = ""
    started_us: int = 0
    first_content_us: int = 0
    ended_us: int = 0
    usage: Usage | None = None
    price_id: str = ""
    cost_nano_usd: int | None = None
    cost_source: CostSource = ""


class Head(Struct):
    """The start of an answer: who gives it, and after whom. A sink tells its client as much of it as it may.

    `attempts` are all so far, the last one is this; `headers` are those of the provider that travel on.
    """

    content_type: bytes
    deployment: Deployment
    plan: Plan
    attempts: Sequence[Attempt]
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Sink(Protocol):
    """Where an answer is pushed, without waiting. Raises `ClientGone` from any method once the client has left.

    Until `started` another deployment may be asked; after it the answer can only go on or end in an error.
    """

    started: bool

    async def drain(self) -> None:
        """Wait while the client is slow."""

    def whole(self, head: Head, body: bytes) -> None:
        """Send a whole answer."""

    def start(self, head: Head) -> None:
        """Send the head of a stream."""

    def recovered(self, how: str, origin: str, to: str) -> None:
        """The stream broke off and goes on, at the deployment `to`: `restart` or `continue`."""

    def write(self, chunk: bytes) -> bool:
        """Send a piece of the body; `False` where the client is slow: whoever has more should `drain` first."""

    def end(self, last: bytes = b"") -> None:
        """The answer is whole; `last` is its last piece."""


class Answer(Protocol):
    """A provider's answer on its way."""

    status: int
    headers: dict[str, str]

    def expect(self, deadline: float) -> None:
        """Loop time at which a pending or later read fails with `Silent`."""

    async def relay(self, take: Callable[[bytes], bool]) -> bool:
        """Hand the body on, piece by piece, in the turn of the loop in which each arrives; `True` at its end.

        `take` says whether to go on; where it does not, `relay` returns `False`, and may be called again for the rest.
        What `take` raises comes out here.
        """

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `TooLarge` beyond `limit` bytes."""

    def close(self) -> None:
        """Give the connection back if the answer is whole, else close it. May be called twice."""


class Transport(Protocol):
    """The only way out to a provider. Every failure is a `ProviderError`."""

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
        *,
        connect: float,
        deadline: float,
    ) -> Answer:
        """Send a request and wait for the head of its answer.

        `connect` is seconds, `deadline` the loop time by which the head must be there.
        """

    async def aclose(self) -> None:
        """Close every connection."""


class TokenCounter(Protocol):
    """Counts the tokens of a text."""

    def count(self, text: str) -> int:
        """Tokens in `text`; special tokens in it are ordinary text."""


__all__ = [
    "EVERYTHING",
    "NO_OPTIONS",
    "NO_QUIRKS",
    "Answer",
    "Attempt",
    "Bounds",
    "Considered",
    "CostSource",
    "Deployment",
    "Facts",
    "Head",
    "Kind",
    "Limits",
    "Needs",
    "Operation",
    "Options",
    "Plan",
    "ProviderPreferences",
    "Quirks",
    "Request",
    "Sink",
    "Surface",
    "Timeouts",
    "TokenCounter",
    "Transport",
]
