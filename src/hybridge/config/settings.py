"""The configuration file as Structs: one field per key, with the value that holds where the key is absent.

Values are plain and in base units: durations in float seconds, sizes in bytes, percentages in integer parts per
million, amounts as `Money`, prices as `Decimal` USD per million tokens, secrets as `Secret`.
Descriptions are what the reference page and the JSON Schema show.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from hybridge import types
from hybridge.config.later import Budget, Cache, Experiment, Logging, Migration, Webhook
from hybridge.config.units import (
    Amount,
    Bytes,
    Figure,
    Hidden,
    Percentage,
    PortOrOff,
    PositiveFigure,
    Seconds,
    Spending,
    Wait,
)
from hybridge.money import BUCKETS, Money, Rate, Rates, rates
from hybridge.types import NO_QUIRKS, Kind, Quirks


def about(text: str) -> Meta:
    """What a key is for."""
    return Meta(description=text)


Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]

#: What `routing.unknown_models` may be.
UNKNOWN_MODELS = r"^(gateway|reject|pass:.+)$"
PASS = "pass:"
SQLITE = "sqlite:///"


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate of the data plane."""

    cert: Annotated[str, about("path of the certificate chain, PEM")]
    key: Annotated[str, about("path of its private key, PEM")]


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """Where Hybridge listens, and how much it takes."""

    host: Annotated[str, about("address of the data plane")] = "127.0.0.1"
    port: Annotated[Port, about("port of the data plane; 0 takes any free one")] = 8080
    admin_port: Annotated[PortOrOff, about("port of the control plane; 0 takes any free one, `off` opens none")] = 8081
    workers: Annotated[Positive, about("processes that share the port")] = 1
    max_body: Annotated[Bytes, about("largest body of a JSON request")] = 64_000_000
    max_upload: Annotated[Bytes, about("largest upload of a file; without effect so far")] = 512_000_000
    concurrency: Annotated[Positive, about("requests at a time; more are told to come back")] = 1000
    keep_alive: Annotated[Wait, about("silence of a stream after which a keep-alive is sent")] = 15.0
    resume_window: Annotated[
        Seconds, about("how long a stream whose client was lost can be taken up again; without effect so far")
    ] = 30.0
    drain: Annotated[Seconds, about("how long SIGTERM waits for requests in flight")] = 60.0
    cors: Annotated[tuple[str, ...], about("origins of web pages that may call")] = ()
    tls: Annotated[Tls | None, about("serve HTTPS with this certificate")] = None


class Admin(Struct, frozen=True, forbid_unknown_fields=True):
    """The control plane."""

    host: Annotated[str, about("address of the control plane")] = "127.0.0.1"
    token: Annotated[
        Hidden | None, about("opens the control plane; without it one is made at first start, and told once")
    ] = None


class DatedRate(Struct, frozen=True, forbid_unknown_fields=True):
    """What a USD was worth on a day."""

    per_usd: Annotated[PositiveFigure, about("units of the currency per USD")]
    as_of: Annotated[dt.date, about("the day the rate was taken, YYYY-MM-DD")]


class Currency(Struct, frozen=True, forbid_unknown_fields=True):
    """The currency that costs are told in, and the rates in force over those shipped with the release."""

    default: Annotated[str, about("currency of answers and reports"), Meta(pattern="^[A-Z]{3}$")] = "VND"
    rates: Annotated[dict[str, DatedRate], about("rates by currency; one older than 30 days warns")] = {}

    def in_force(self) -> Rates:
        """The rates, those of the release included. Raises `ValueError` if the default currency has none."""
        return rates(self.default, {name: Rate(name, rate.per_usd, rate.as_of) for name, rate in self.rates.items()})


class Timeouts(types.Timeouts, frozen=True, forbid_unknown_fields=True):
    """How long each phase of a call may take. A provider or a model may override any of them."""

    connect: Annotated[Wait, about("to reach the provider")] = 5.0
    first_token: Annotated[Wait, about("to the first content of a stream")] = 30.0
    first_token_reasoning: Annotated[Wait, about("the same where the request asks for reasoning")] = 180.0
    idle: Annotated[Wait, about("between two pieces of a stream's content")] = 60.0
    total: Annotated[Wait, about("of a whole call")] = 600.0


class OwnTimeouts(Struct, frozen=True, forbid_unknown_fields=True):
    """Time-outs of one provider or one model; what is absent is as in `timeouts`."""

    connect: Annotated[Wait | None, about("to reach the provider")] = None
    first_token: Annotated[Wait | None, about("to the first content of a stream")] = None
    first_token_reasoning: Annotated[Wait | None, about("the same where reasoning is asked for")] = None
    idle: Annotated[Wait | None, about("between two pieces of a stream's content")] = None
    total: Annotated[Wait | None, about("of a whole call")] = None

    def over(self, those: types.Timeouts) -> types.Timeouts:
        """These where they are given, else `those`."""
        return types.Timeouts(**asdict(those) | _given(self))


class Provider(Struct, frozen=True, forbid_unknown_fields=True):
    """One provider. A known id takes the rest from its row in the catalogue; any other needs `kind`, `dialect` and
    `base_url`.
    """

    kind: Annotated[Kind | None, about("reached itself, or through one that resells it")] = None
    dialect: Annotated[str | None, about("wire format that it speaks")] = None
    base_url: Annotated[str | None, about("address, without the path of an operation")] = None
    auth: Annotated[str | None, about("how the key is sent, a name known to the catalogue")] = None
    keys: Annotated[tuple[Hidden, ...], about("a pool, rotated; `none` sends no key; absent: the row's variables")] = ()
    fee: Annotated[Percentage | None, about("what it adds to every bill")] = None
    discount: Annotated[Percentage | None, about("what it takes off every bill")] = None
    app_code: Annotated[Hidden | None, about("code of the calling application, where its row knows one")] = None
    headers: Annotated[dict[str, Hidden], about("headers sent with every call")] = {}
    quirks: Annotated[Quirks | None, about("how it differs from its dialect, over what its row says")] = None
    timeouts: Annotated[OwnTimeouts, about("its own time-outs")] = OwnTimeouts()

    @property
    def keyless(self) -> bool:
        """It is called without any key: `keys: [none]`."""
        return bool(self.keys) and not any(key.reveal() for key in self.keys)

    def own_quirks(self) -> dict[str, Any]:
        """The quirks that go over the row's: those that are not as in a plain dialect."""
        plain, own = asdict(NO_QUIRKS), asdict(self.quirks or NO_QUIRKS)
        return {name: value for name, value in own.items() if value != plain[name]}


class OwnPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """A price of one's own, in USD per million tokens (`per_request` in USD). It wins over the catalogue."""

    input: Annotated[Figure, about("prompt tokens")]
    output: Annotated[Figure, about("answer tokens")]
    cache_read: Annotated[Figure | None, about("prompt tokens read from a cache; absent: as `input`")] = None
    cache_write: Annotated[Figure | None, about("written to a cache for 5 minutes; absent: as `input`")] = None
    cache_write_1h: Annotated[Figure | None, about("written to a cache for 1 hour; absent: as `cache_write`")] = None
    reasoning: Annotated[Figure | None, about("reasoning tokens; absent: as `output`")] = None
    audio_input: Annotated[Figure | None, about("audio in; absent: as `input`")] = None
    audio_output: Annotated[Figure | None, about("audio out; absent: as `output`")] = None
    image: Annotated[Figure | None, about("image tokens in; absent: as `input`")] = None
    per_request: Annotated[Figure | None, about("USD for each request")] = None

    def figures(self) -> dict[str, Decimal]:
        """What is given, by bucket, as `Price.per_million` takes it."""
        return {name: value for name in (*BUCKETS, "per_request") if (value := getattr(self, name)) is not None}


class Retries(Struct, frozen=True, forbid_unknown_fields=True):
    """How often a request is tried."""

    attempts: Annotated[Positive, about("calls to one deployment, the first included")] = 2
    per_request: Annotated[Positive, about("calls in all, over keys, deployments, fallbacks and hedges")] = 6
    deadline: Annotated[Seconds, about("after this no new attempt begins")] = 60.0


class Hedging(Struct, frozen=True, forbid_unknown_fields=True):
    """When a model with `hedge: true` is asked a second time, elsewhere; the first content wins, both are billed."""

    percentile: Annotated[
        int, about("slower than this percentage of the answers of the last minutes is late"), Meta(ge=50, le=99)
    ] = 99
    least: Annotated[Seconds, about("no copy goes out sooner")] = 1.0
    at_first: Annotated[Seconds, about("when it goes out while too few answers were seen to know what is late")] = 2.0
    share: Annotated[Percentage, about("of the requests may have a copy")] = 20_000


class OwnRetries(Struct, frozen=True, forbid_unknown_fields=True):
    """Retries of one model; what is absent is as in `retries`."""

    attempts: Annotated[Positive | None, about("calls to one deployment, the first included")] = None
    per_request: Annotated[Positive | None, about("calls in all")] = None
    deadline: Annotated[Seconds | None, about("after this no new attempt begins")] = None

    def over(self, those: Retries) -> Retries:
        """These where they are given, else `those`."""
        return Retries(**asdict(those) | _given(self))


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """A name that clients ask for."""

    deployments: Annotated[tuple[str, ...], about("`provider/model`, best first; absent: the catalogue's")] = ()
    fallbacks: Annotated[tuple[str, ...], about("models that are asked when every deployment failed")] = ()
    price: Annotated[dict[str, OwnPrice], about("own prices by deployment")] = {}
    assume_price: Annotated[OwnPrice | None, about("upper bound under a budget where no price is known")] = None
    policy: Annotated[str | None, about("policy of this model")] = None
    hedge: Annotated[bool, about("send a second copy elsewhere when the first is slow; see `hedging`")] = False
    cache: Annotated[Cache | None, about("cache of this model")] = None
    timeouts: Annotated[OwnTimeouts, about("its own time-outs; they win over the provider's")] = OwnTimeouts()
    retries: Annotated[OwnRetries, about("its own retries")] = OwnRetries()


class Routing(Struct, frozen=True, forbid_unknown_fields=True):
    """How the plan of a request is made."""

    policy: Annotated[str, about("policy that orders the deployments")] = "hybrid"
    cheap_below: Annotated[Amount, about("a request whose own budget is lower goes by cost")] = Money(
        Decimal(1000), "VND"
    )
    unknown_models: Annotated[str, about("`gateway`, `pass:PROVIDER` or `reject`"), Meta(pattern=UNKNOWN_MODELS)] = (
        "gateway"
    )
    unpriced: Annotated[Literal["allow", "refuse"], about("routes whose price is unknown")] = "allow"
    content_filter: Annotated[Literal["pass", "fallback"], about("what a provider's content filter leads to")] = "pass"
    direct_or_gateway: Annotated[
        Literal["rules", "measured"], about("who decides between the two; `measured` is not supported yet")
    ] = "rules"


class Breaker(Struct, frozen=True, forbid_unknown_fields=True):
    """When a deployment is left alone."""

    failures: Annotated[Positive, about("failures in a row that open it")] = 3
    reset_after: Annotated[Wait, about("until one probe is let through; doubles to 120s")] = 60.0
    concurrency: Annotated[
        Positive, about("calls to a deployment at a time, of one worker; fewer while it says that it is overloaded")
    ] = 1000


class Health(Struct, frozen=True, forbid_unknown_fields=True):
    """Probes of providers that traffic says nothing good of: no answer for 5 minutes, or a breaker that is open."""

    probes: Annotated[
        Literal["off", "free", "paid"],
        about("`free`: by calls that cost nothing; `paid`: also by chats of one token, to deployments under `models`"),
    ] = "free"
    every: Annotated[Wait, about("time between two rounds of probes, give or take a fifth")] = 60.0
    paid_per_day: Annotated[Amount, about("the most that paid probes may cost in a day (UTC)")] = Money(
        Decimal(0), "USD"
    )


class Ledger(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of what happened."""

    keep: Annotated[Seconds, about("age at which raw entries go; roll-ups stay; without effect so far")] = 90 * 86400.0


class AccessKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A virtual key. Of its limits, `models` is supported yet; the others are refused."""

    name: Annotated[str, about("its name in the ledger")]
    key: Annotated[Hidden, about("the secret that the client sends")]
    models: Annotated[tuple[str, ...] | None, about("models it may ask for; absent: all")] = None
    team: Annotated[str | None, about("team it belongs to")] = None
    budget: Annotated[Spending | None, about("what it may spend")] = None
    rpm: Annotated[Positive | None, about("requests per minute")] = None
    tpm: Annotated[Positive | None, about("tokens per minute")] = None
    parallel: Annotated[Positive | None, about("requests at a time")] = None
    expires: Annotated[Seconds | None, about("age at which it ends")] = None
    tags: Annotated[tuple[str, ...], about("tags of its ledger entries")] = ()
    passthrough: Annotated[tuple[str, ...], about("providers it may reach raw")] = ()
    cache: Annotated[bool | None, about("whether its answers may come from a cache")] = None


class Access(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may call. `open` beyond loopback is refused unless `mode` is written out."""

    mode: Annotated[Literal["open", "keys"], about("anybody, or virtual keys only")] = "open"
    keys: Annotated[tuple[AccessKey, ...], about("the virtual keys")] = ()
    passthrough: Annotated[tuple[str, ...], about("providers that may be reached raw; not supported yet")] = ()
    reveal: Annotated[Literal["full", "minimal"], about("whether clients see deployments and attempts")] = "full"


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything may be left out but `providers`."""

    server: Server = Server()
    admin: Admin = Admin()
    storage: Annotated[str, about("where the ledger is: `sqlite:///FILE`")] = "sqlite:///hybridge.db"
    state: Annotated[str, about("what workers share: `memory`")] = "memory"
    currency: Currency = Currency()
    providers: Annotated[dict[str, Provider], about("the providers by id; the only key that a file needs")] = {}
    models: Annotated[dict[str, Model], about("names that clients ask for, besides those of the catalogue")] = {}
    routing: Routing = Routing()
    timeouts: Timeouts = Timeouts()
    breaker: Breaker = Breaker()
    retries: Retries = Retries()
    hedging: Hedging = Hedging()
    budgets: Annotated[tuple[Budget, ...], about("what may be spent")] = ()
    health: Health = Health()
    cache: Cache = Cache()
    ledger: Ledger = Ledger()
    logging: Logging = Logging()
    webhooks: Annotated[tuple[Webhook, ...], about("who is told what happens")] = ()
    access: Access = Access()
    experiments: Annotated[tuple[Experiment, ...], about("measured comparisons of models")] = ()
    migrations: Annotated[tuple[Migration, ...], about("gradual moves from one deployment to another")] = ()

    @property
    def ledger_path(self) -> str:
        """The SQLite file that `storage` names, relative to the working directory unless it is absolute."""
        return self.storage.removeprefix(SQLITE)


def _given(these: Struct) -> dict[str, object]:
    return {name: value for name, value in asdict(these).items() if value is not None}
