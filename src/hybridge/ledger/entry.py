"""What is kept of a request: one entry, with its attempts, as one JSON object; and the record that is told of it."""

from __future__ import annotations

import json as stdlib_json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import MsgspecError, Raw, Struct, json
from msgspec.structs import asdict

from hybridge.money import BUCKETS
from hybridge.types import Attempt, Considered

#: The columns of the views `requests` and `attempts`, and the members of a record.
REQUEST_COLUMNS = tuple(
    "id started_us ended_us operation dialect model stream key_id user session tags policy variant status "
    "error_code budget_amount budget_currency input_estimate considered".split()
)
ATTEMPT_COLUMNS = (
    *"request_id number deployment provider kind key_id status error_class error".split(),
    *"started_us first_content_us ended_us".split(),
    *BUCKETS,
    *"requests price_id cost_nano_usd cost_source currency rate rate_date".split(),
)

#: An entry as the database keeps it: its id, when it began, and the entry as JSON.
Row = tuple[str, int, str]

log = logging.getLogger(__name__)


class Explained(Struct, omit_defaults=True):
    """What is kept of a candidate that the router considered."""

    deployment: str
    reason: str = ""
    scores: dict[str, float] = {}
    estimate_nano_usd: int | None = None


def explained(considered: Sequence[Considered]) -> Raw:
    """What the router considered, as JSON: a list of `Explained`."""
    told = [Explained(one.deployment.id, one.reason, one.scores, one.estimate_nano_usd) for one in considered]
    return Raw(json.encode(told)) if told else _NOTHING


_NOTHING = Raw(b"[]")


class LedgerEntry(Struct, omit_defaults=True, rename={"key": "key_id"}, gc=False):
    """One request: what was asked, what became of it, and its attempts, over which money is summed.

    Filled while the request lives, unchanged once appended; it is kept as it is, without what has its default. Times
    are UTC microseconds; `key` is the id of the virtual key; `budget` is the amount as it was asked for (`"1000 VND"`);
    `considered` is JSON (see `explained`); `status` and `error_code` are what the client was told (499 where it had
    left); `rate` is the decimal number of units of `currency` per USD, as text, on `rate_date` (ISO), in force when
    the request came.
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
    budget: str | None = None
    input_estimate: int | None = None
    currency: str = "USD"
    rate: str = "1"
    rate_date: str = ""
    policy: str = ""
    variant: str | None = None
    considered: Raw = _NOTHING
    attempts: list[Attempt] = []
    ended_us: int = 0
    status: int = 0
    error_code: str = ""

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


#: An entry as JSON. Raises `ValueError`, `TypeError` or whatever a value raises that no JSON can hold.
encoded: Callable[[LedgerEntry], bytes] = json.Encoder().encode
_DECODER = json.Decoder(LedgerEntry)
_EXPLAINED = json.Decoder(list[Explained])


def rows_of(entries: Sequence[LedgerEntry]) -> list[Row]:
    """The rows of entries. Raises `ValueError`, `TypeError` or whatever a value raises that no JSON can hold."""
    return [(entry.id, entry.started_us, encoded(entry).decode()) for entry in entries]


def entry_of(text: str) -> LedgerEntry | None:
    """The entry of a row; `None`, and a line in the log, for what is none."""
    try:
        return _DECODER.decode(text)
    except (MsgspecError, ValueError) as exc:
        log.error("this is no ledger entry: %s: %.200r", exc, text)
        return None


def plainly(entry: LedgerEntry) -> str:
    """An entry that no row can hold, for whoever looks what became of it: JSON, with as text what has no other form."""
    return stdlib_json.dumps(asdict(entry), default=_plain)


def _plain(value: object) -> Any:
    return asdict(value) if isinstance(value, Struct) else str(value)


def record_of(entry: LedgerEntry) -> dict[str, Any]:
    """An entry as one flat object: the columns of `requests`, the sum of its costs, and its attempts with theirs.

    `cost_nano_usd` is `null` if one attempt is unpriced. Nothing of it is secret, but `key_id` says whose it is.
    """
    amount, _, currency = (entry.budget or "").partition(" ")
    own = {
        "key_id": entry.key,
        "tags": list(entry.tags),
        "budget_amount": amount or None,
        "budget_currency": currency or None,
        "considered": [_candidate(one) for one in _EXPLAINED.decode(entry.considered)],
    }
    record = {column: own[column] if column in own else getattr(entry, column) for column in REQUEST_COLUMNS}
    record["deployment"] = entry.deployment or None
    record["cost_nano_usd"] = entry.cost_nano_usd
    record["attempts"] = [_attempt(entry, number, attempt) for number, attempt in enumerate(entry.attempts, 1)]
    return record


def _candidate(one: Explained) -> dict[str, Any]:
    return {field: getattr(one, field) for field in one.__struct_fields__}


def _attempt(entry: LedgerEntry, number: int, attempt: Attempt) -> dict[str, Any]:
    record: dict[str, Any] = {"number": number}
    for column in ATTEMPT_COLUMNS[2:]:
        if column in _OF_USAGE:
            record[column] = getattr(attempt.usage, column, None)
        else:
            record[column] = getattr(entry if column in _OF_ENTRY else attempt, column)
    return record


_OF_USAGE = frozenset((*BUCKETS, "requests"))
_OF_ENTRY = frozenset(("currency", "rate", "rate_date"))
