"""What is kept of a request: one entry, with its attempts; and its shape as rows of the two tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, json

from hybridge.money import BUCKETS, Money
from hybridge.types import Attempt, Considered

#: The columns of the table `requests`, in the order of `Rows.request`.
REQUEST_COLUMNS = tuple(
    "id started_us ended_us operation dialect model stream key_id user session tags policy variant status "
    "error_code budget_amount budget_currency input_estimate considered".split()
)
#: The columns of the table `attempts`, in the order of each of `Rows.attempts`.
ATTEMPT_COLUMNS = (
    *"request_id number deployment provider kind key_id status error_class error".split(),
    *"started_us first_content_us ended_us".split(),
    *BUCKETS,
    *"requests price_id cost_nano_usd cost_source currency rate rate_date".split(),
)


class LedgerEntry(Struct):
    """One request: what was asked, what became of it, and its attempts, over which money is summed.

    Filled while the request lives, unchanged once appended. Times are UTC microseconds; `key` is the id of the
    virtual key; `status` and `error_code` are what the client was told (499 where it had left); `rate` is the
    decimal number of units of `currency` per USD, as text, on `rate_date` (ISO), in force when the request came.
    """

    id: str
    started_us: int
    operation: str
    dialect: str
    model: str
    stream: bool = False
    key: str = "open"
    user: str | None = None
    session: str | None = None
    tags: tuple[str, ...] = ()
    policy: str = ""
    variant: str | None = None
    ended_us: int = 0
    status: int = 0
    error_code: str = ""
    budget: Money | None = None
    input_estimate: int | None = None
    considered: Sequence[Considered] = ()
    attempts: list[Attempt] = []
    currency: str = "USD"
    rate: str = "1"
    rate_date: str = ""

    @property
    def cost_nano_usd(self) -> int | None:
        """The sum over all attempts; `None` as soon as one is unpriced, because then the sum is not known."""
        total = 0
        for attempt in self.attempts:
            if attempt.cost_nano_usd is None:
                return None
            total += attempt.cost_nano_usd
        return total

    @property
    def known_nano_usd(self) -> int:
        """The sum over the attempts whose cost is known: a lower bound."""
        return sum(attempt.cost_nano_usd or 0 for attempt in self.attempts)

    @property
    def deployment(self) -> str:
        """The deployment of the last attempt, which is the one that answered if one did; empty without attempts."""
        return self.attempts[-1].deployment if self.attempts else ""


class Rows(Struct):
    """An entry as the database keeps it."""

    request: list[Any]
    attempts: list[list[Any]]


def rows_of(entry: LedgerEntry) -> Rows:
    """The rows of an entry, in the order of the columns."""
    budget = entry.budget
    return Rows(
        [
            entry.id,
            entry.started_us,
            entry.ended_us,
            str(entry.operation),
            entry.dialect,
            entry.model,
            int(entry.stream),
            entry.key,
            entry.user,
            entry.session,
            json.encode(entry.tags).decode(),
            entry.policy,
            entry.variant,
            entry.status,
            entry.error_code,
            format(budget.amount, "f") if budget else None,
            budget.currency if budget else None,
            entry.input_estimate,
            json.encode([_explained(candidate) for candidate in entry.considered]).decode(),
        ],
        [_attempt_row(entry, number, attempt) for number, attempt in enumerate(entry.attempts, 1)],
    )


def _attempt_row(entry: LedgerEntry, number: int, attempt: Attempt) -> list[Any]:
    usage = attempt.usage
    return [
        entry.id,
        number,
        attempt.deployment,
        attempt.provider,
        str(attempt.kind),
        attempt.key_id,
        attempt.status,
        attempt.error_class,
        attempt.error,
        attempt.started_us,
        attempt.first_content_us,
        attempt.ended_us,
        *(getattr(usage, bucket) if usage else None for bucket in BUCKETS),
        usage.requests if usage else None,
        attempt.price_id,
        attempt.cost_nano_usd,
        attempt.cost_source,
        entry.currency,
        entry.rate,
        entry.rate_date,
    ]


def _explained(candidate: Considered) -> dict[str, Any]:
    return {
        "deployment": candidate.deployment.id,
        "reason": candidate.reason,
        "scores": candidate.scores,
        "estimate_nano_usd": candidate.estimate_nano_usd,
    }


def record_of(rows: Rows) -> dict[str, Any]:
    """The rows of a request as one object: its columns, the sum of its costs, and its attempts with their columns.

    `cost_nano_usd` is `null` if one attempt is unpriced. Nothing of it is secret, but `key_id` says whose it is.
    """
    request = dict(zip(REQUEST_COLUMNS, rows.request, strict=True))
    attempts = [dict(zip(ATTEMPT_COLUMNS, row, strict=True)) for row in rows.attempts]
    for attempt in attempts:
        del attempt["request_id"]
    request["stream"] = bool(request["stream"])
    request["tags"] = json.decode(request["tags"])
    request["considered"] = json.decode(request["considered"])
    request["deployment"] = attempts[-1]["deployment"] if attempts else None
    costs = [attempt["cost_nano_usd"] for attempt in attempts]
    request["cost_nano_usd"] = None if None in costs else sum(costs)
    request["attempts"] = attempts
    return request
