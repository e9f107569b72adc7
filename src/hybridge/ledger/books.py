"""The books: an entry is opened for every request, and closed whatever became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Raw

from hybridge.ledger.entry import LedgerEntry, explained
from hybridge.ledger.store import Ledger
from hybridge.money import Rates
from hybridge.types import Considered, Plan, Request

#: Reads every entry once it is closed.
Observer = Callable[[LedgerEntry], None]

#: Bytes of a request per token, for a first guess of what went in.
_BYTES_PER_TOKEN = 4


#: What the router considered is the same for many requests; so many of such are kept as JSON.
_MOST_EXPLAINED = 256


class Books:
    """Opens and closes entries. `now_us` is UTC in microseconds; the rate in force is noted in each."""

    def __init__(
        self, ledger: Ledger, rates: Rates, now_us: Callable[[], int], observers: Sequence[Observer] = ()
    ) -> None:
        self.now_us = now_us
        self._append = ledger.append
        self._observers = tuple(observers)
        rate = rates.rate(rates.default)
        self._currency, self._rate, self._rate_date = rate.currency, str(rate.per_usd), rate.as_of.isoformat()
        #: By identity: the object is kept beside its JSON, so that no other can be taken for it.
        self._explained: dict[int, tuple[Sequence[Considered], Raw]] = {}

    def open(self, request: Request) -> LedgerEntry:
        """An entry for a request that has just come."""
        options = request.options
        budget = options.budget
        # By position, which costs half of what names cost.
        return LedgerEntry(
            request.id,
            request.created,
            request.operation,
            request.dialect,
            request.model,
            request.stream,
            request.key,
            options.user,
            options.session,
            options.tags,
            None if budget is None else str(budget),
            request.facts.input_bytes // _BYTES_PER_TOKEN,
            self._currency,
            self._rate,
            self._rate_date,
        )

    def planned(self, entry: LedgerEntry, plan: Plan) -> None:
        """The request has a plan: note which, and why."""
        entry.policy = plan.policy
        entry.variant = plan.variant
        considered = plan.considered
        known = self._explained.get(id(considered))
        entry.considered = self._explain(considered) if known is None else known[1]

    def _explain(self, considered: Sequence[Considered]) -> Raw:
        if len(self._explained) >= _MOST_EXPLAINED:
            self._explained.clear()
        told = explained(considered)
        self._explained[id(considered)] = considered, told
        return told

    def close(self, entry: LedgerEntry) -> None:
        """The request is over: write it down, and tell whoever reads entries."""
        entry.ended_us = self.now_us()
        self._append(entry)
        for observe in self._observers:
            observe(entry)
