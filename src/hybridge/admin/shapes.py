"""The nouns of the control plane, as its answers and its OpenAPI document show them.

Times that end in `_us` are UTC in microseconds, other times ISO 8601 in UTC; amounts of money are exact, as text.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["closed", "half_open", "open"]
KeyWord = Literal["well", "resting", "refused"]


class Shape(BaseModel):
    """What all of them have: nothing but what is named."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """What went wrong: a code for programs, and a sentence that says what to do next."""

    code: str
    message: str
    param: str | None = None
    #: Each problem with its place, where there are several.
    problems: list[str] = []


class Refusal(Shape):
    """The body of every error."""

    error: Problem


class AttemptRecord(Shape):
    """One call to a deployment. `error_class` is empty for a success; an unpriced cost is `null`, never 0."""

    number: int
    deployment: str
    provider: str
    kind: str
    key_id: str
    status: int
    error_class: str
    error: str
    started_us: int
    first_content_us: int
    ended_us: int
    input: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None
    output: int | None
    reasoning: int | None
    audio_input: int | None
    audio_output: int | None
    image: int | None
    requests: int | None
    price_id: str
    cost_nano_usd: int | None
    cost_source: str
    currency: str
    rate: str
    rate_date: str


class CandidateRecord(Shape):
    """What the router thought of a deployment: `reason` is why it was out, empty if it was in."""

    deployment: str
    reason: str
    scores: dict[str, float]
    estimate_nano_usd: int | None


class RequestSummary(Shape):
    """A request, what became of it, and its attempts. `cost` is exact, or `unpriced`."""

    id: str
    started_us: int
    ended_us: int
    operation: str
    dialect: str
    model: str
    stream: bool
    key_id: str
    user: str | None
    session: str | None
    tags: list[str]
    policy: str
    variant: str | None
    status: int
    error_code: str
    budget_amount: str | None
    budget_currency: str | None
    input_estimate: int | None
    deployment: str | None
    cost_nano_usd: int | None
    cost: str
    attempts: list[AttemptRecord]


class RequestRecord(RequestSummary):
    """All there is of a request: also what the router considered, in its order."""

    considered: list[CandidateRecord]


class RequestPage(Shape):
    """Requests, the newest first. `next` is the `before` of the next page, `null` at the end."""

    requests: list[RequestSummary]
    next: str | None


class PlaceRecord(Shape):
    """Where a key rests: a model of its provider, and the seconds that are left."""

    model: str
    retry_in_s: float


class ProbeRecord(Shape):
    """What the last probe with a key showed; `said` is for people, `status` 0 where there was no answer."""

    at: str
    verdict: Literal["ok", "refused", "failing", "unreachable"]
    said: str
    ms: float
    status: int
    balance: str | None
    currency: str


class KeyRecord(Shape):
    """A provider's key by its fingerprint, as it stands in the process where it stands worst.

    `source` is where it comes from; `retry_in_s` are the seconds until a refused key is tried again.
    """

    id: str
    source: str
    state: KeyWord
    retry_in_s: float
    resting_at: list[PlaceRecord]
    probe: ProbeRecord | None


class WorkerBreaker(Shape):
    """A breaker in one process. `retry_in_s` are the seconds until a call may be admitted, `null` for never;
    `calls` are under way at a deployment, of `most` that may be at a time."""

    pid: int
    state: State
    why: str
    failures: int
    retry_in_s: float | None
    open_for_s: float
    calls: int
    most: int


class BreakerRecord(Shape):
    """A circuit breaker, of a deployment or of a provider, as it stands in the process where it stands worst.

    `forced` is the state that an operator holds it in, until `until` (`null`: for good), and `reason` why.
    """

    id: str
    scope: Literal["deployment", "provider"]
    state: State
    why: str
    failures: int
    retry_in_s: float | None
    open_for_s: float
    forced: Literal["open", "closed"] | None
    until: str | None
    reason: str
    workers: list[WorkerBreaker]


class Breakers(Shape):
    """Every breaker that is held, or that some process has met."""

    breakers: list[BreakerRecord]


class Percentiles(Shape):
    """Within these so many percent of the values lie; of a speed, so many percent reach at least these."""

    p50: float
    p90: float
    p95: float
    p99: float


class HealthRecord(Shape):
    """What a deployment did within the last five minutes, over all workers; faults of requests and clients left out.

    `failures` are by error class; `first_token_s` is of streams, `total_s` of whole answers, both in seconds;
    `tokens_per_second` is of streams from their first content on. `null` where there was none.
    """

    calls: int
    failed: int
    success_ratio: float | None
    failures: dict[str, int]
    first_token_s: Percentiles | None
    total_s: Percentiles | None
    tokens_per_second: Percentiles | None


class InUse(Shape):
    """A deployment that requests went to: its breaker, and what it did lately."""

    deployment: str
    breaker: BreakerRecord | None
    health: HealthRecord | None


class ProviderRecord(Shape):
    """A configured provider, its keys, and its deployments that were in use."""

    id: str
    name: str
    kind: str
    dialects: list[str]
    base_url: str
    fee: str
    tier: str
    models: int
    keys: list[KeyRecord]
    breaker: BreakerRecord | None
    deployments: list[InUse]


class Providers(Shape):
    """The configured providers."""

    providers: list[ProviderRecord]


class DeploymentRecord(Shape):
    """A model as one provider serves it. Prices are USD per million tokens by bucket, `null` where nobody knows."""

    deployment: str
    provider: str
    kind: str
    dialect: str
    context: int | None
    output: int | None
    price_usd_per_million: dict[str, str] | None
    fee_ppm: int
    capabilities: list[str]
    state: State
    health: HealthRecord | None


class ModelRecord(Shape):
    """A name that clients may ask for, its deployments in their order, and the models that are asked after it."""

    name: str
    configured: bool
    policy: str | None
    fallbacks: list[str]
    deployments: list[DeploymentRecord]


class Models(Shape):
    """Every model that can be asked for."""

    models: list[ModelRecord]


class SpendRecord(Shape):
    """What was spent in one group. Attempts whose price is unknown are not in the amount; `unpriced` counts them."""

    group: str
    requests: int
    errors: int
    attempts: int
    failed_attempts: int
    input_tokens: int
    output_tokens: int
    unpriced: int
    cost_nano_usd: int
    amount: str


class Spending(Shape):
    """What was spent since a time."""

    by: str
    since: str
    currency: str
    zone: str
    rows: list[SpendRecord]


class WorkerRecord(Shape):
    """A process that answers requests. `pending_rows` are ledger entries that wait to be written."""

    pid: int
    in_flight: int
    draining: bool
    pending_rows: int


class Workers(Shape):
    """The processes that answered within a moment, of `wanted`; the sum of what is under way in them."""

    wanted: int
    restarted: int
    in_flight: int
    workers: list[WorkerRecord]


class Configuration(Shape):
    """The configuration in force since a time. Of a secret it tells only where it comes from."""

    file: str | None
    demo: bool
    since: str
    config: dict[str, Any]


class Reloaded(Shape):
    """What a reload changed, by dotted path; a secret's new value shows nowhere."""

    before: dict[str, Any]
    after: dict[str, Any]


class Draining(Shape):
    """What is being drained: the gateway (`draining` is its only word), or a deployment or provider."""

    draining: str
    breaker: BreakerRecord | None = None


class ChangeRecord(Shape):
    """One change: who made it (a token by its fingerprint), when, and what it did to what."""

    number: int
    at: str
    who: str
    what: str
    subject: str
    before: Any
    after: Any


class Audit(Shape):
    """Changes, the newest first. `next` is the `before` of the next page, `null` at the end."""

    changes: list[ChangeRecord]
    next: int | None


class Force(Shape):
    """What a breaker is to be: held `open` or `closed`, or left to itself (`auto`).

    `until` is a time (ISO 8601; without a zone it is UTC), a duration such as `10m`, or a number of seconds; absent:
    for good.
    """

    state: Literal["open", "closed", "auto"]
    until: float | str | None = None
    reason: str = Field(default="", max_length=200)


class Drain(Shape):
    """What to drain: one deployment, one provider, or, without either, the whole gateway."""

    deployment: str = ""
    provider: str = ""
    until: float | str | None = None
