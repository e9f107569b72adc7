"""Sections of the file whose features do not exist yet: read and checked for their shape, then refused."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from hybridge.config.units import Hidden, Percentage, Seconds, Spending


def _about(text: str) -> Meta:
    return Meta(description=text)


Share = Annotated[int, Meta(ge=0, le=100)]


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """What a part of the traffic may cost. Not supported yet."""

    scope: Annotated[str, _about("`total`, or `provider:`, `model:`, `team:`, `user:`, `tag:` and a name")]
    limit: Annotated[Spending, _about("what may be spent")]


class Cache(Struct, frozen=True, forbid_unknown_fields=True):
    """Answers that are given again. Only `off` is supported yet."""

    mode: Annotated[Literal["off", "exact", "semantic"], _about("which requests count as the same")] = "off"
    ttl: Annotated[Seconds, _about("how long an answer is kept")] = 3600.0


class Logging(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of prompts and answers. Only `off` is supported yet."""

    contents: Annotated[Literal["off", "sample", "all"], _about("whether prompts and answers are stored")] = "off"


class Webhook(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that is told what happens. Not supported yet."""

    url: Annotated[str, _about("where events are posted")]
    events: Annotated[
        tuple[Literal["budget", "breaker", "migration", "drift"], ...], _about("events it is told; empty: all")
    ] = ()
    secret: Annotated[Hidden | None, _about("signs what is posted")] = None


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """One side of an experiment."""

    model: Annotated[str, _about("the model it asks")]
    weight: Annotated[int, _about("its share among the weights"), Meta(ge=0)] = 1


class Experiment(Struct, frozen=True, forbid_unknown_fields=True):
    """A measured comparison of models. Not supported yet."""

    name: Annotated[str, _about("its name")]
    model: Annotated[str, _about("the name that clients ask for")]
    variants: Annotated[dict[str, Variant], _about("its sides by name")]
    sticky_by: Annotated[str, _about("what keeps its side: `user`, `key` or `session`")] = "user"
    metric: Annotated[Literal["feedback", "success", "cost", "latency"], _about("what is compared")] = "feedback"
    mode: Annotated[Literal["fixed", "bandit"], _about("whether shares follow the evidence")] = "fixed"


class Guards(Struct, frozen=True, forbid_unknown_fields=True):
    """How much worse than `from` a migration may be: rates in percentage points, the others relative."""

    error_rate: Annotated[Percentage | None, _about("requests that fail")] = None
    p95_first_token: Annotated[Percentage | None, _about("time to first token")] = None
    cost: Annotated[Percentage | None, _about("cost")] = None
    thumbs_down: Annotated[Percentage | None, _about("bad feedback")] = None


class Migration(Struct, frozen=True, forbid_unknown_fields=True):
    """A gradual move from one deployment to another. Not supported yet."""

    name: Annotated[str, _about("its name")]
    origin: Annotated[str, _about("deployment that is left")] = field(name="from")
    to: Annotated[str, _about("deployment that takes over")]
    steps: Annotated[tuple[Share, ...], _about("shares of the traffic, in percent")] = (1, 5, 25, 50, 100)
    step_time: Annotated[Seconds, _about("shortest time of a step")] = 600.0
    min_requests: Annotated[int, _about("fewest requests of a step"), Meta(ge=0)] = 200
    guards: Annotated[Guards, _about("worsening that stops it")] = Guards()
