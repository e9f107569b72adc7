"""The books: an entry is opened for every request, and closed whatever became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.store import Ledger
from hybridge.money import Rates
from hybridge.types import Request

#: Reads every entry once it is closed.
Observer = Callable[[LedgerEntry], None]

#: Bytes of a request per token, for a first guess of what went in.
_BYTES_PER_TOKEN = 4


class Books:
    """Opens and closes entries. `now_us` is UTC in microseconds; the rate in force is noted in each."""

    def __init__(
        self, ledger: Ledger, rates: Rates, now_us: Callable[[], int], observers: Sequence[Observer] = ()
    ) -> None:
        self.now_us = now_us
        self._ledger = ledger
        self._observers = observers
        rate = rates.rate(rates.default)
        self._currency, self._rate, self._rate_date = rate.currency, str(rate.per_usd), rate.as_of.isoformat()

    def open(self, request: Request) -> LedgerEntry:
        """An entry for a request that has just come."""
        options = request.options
        return LedgerEntry(
            id=request.id,
            started_us=request.created,
            operation=request.operation,
            dialect=request.dialect,
            model=request.model,
            stream=request.stream,
            key=request.key,
            user=options.user,
            session=options.session,
            tags=options.tags,
            budget=options.budget,
            input_estimate=request.facts.input_bytes // _BYTES_PER_TOKEN,
            currency=self._currency,
            rate=self._rate,
            rate_date=self._rate_date,
        )

    def close(self, entry: LedgerEntry) -> None:
        """The request is over: write it down, and tell whoever reads entries."""
        entry.ended_us = self.now_us()
        self._ledger.append(entry)
        for observe in self._observers:
            observe(entry)
