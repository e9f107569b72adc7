"""What clients saw of one fault in one phase."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from hybridge.chaos.client import Told


class Row(Struct, kw_only=True):
    """Counts of requests, by what became of them; `problems` are the bars that were missed.

    `unseen`: served by another leg, with nothing to be seen of it. `resumed`: broken after content and gone on with.
    `early` and `late`: a typed error before and after content. `silent` and `wrong` may never be. Times to the first
    content are in milliseconds; `codes` are those of the errors.
    """

    scenario: str
    phase: str
    fault: str
    requests: int = 0
    served: int = 0
    unseen: int = 0
    resumed: int = 0
    early: int = 0
    late: int = 0
    silent: int = 0
    wrong: int = 0
    first_ms: dict[str, float] = {}
    calls_per_request: float = 0.0
    codes: dict[str, int] = {}
    notes: list[str] = []
    problems: list[str] = []

    def expect(self, holds: bool, problem: str) -> None:
        """Note a bar that was missed."""
        if not holds:
            self.problems = [*self.problems, problem]

    def note(self, said: str) -> None:
        """Say what the counts do not."""
        self.notes = [*self.notes, said]


def tally(row: Row, told: Sequence[Told], calls: Mapping[str, int]) -> None:
    """Count what was told; `calls` are those of each request by its id.

    Silent ends, wrong texts and answers that the ledger knows nothing of are problems.
    """
    row.requests = len(told)
    whole = [one for one in told if one.outcome == "whole"]
    row.served = len(whole)
    row.resumed = sum(bool(one.resumed) for one in whole)
    row.unseen = sum(calls.get(one.request_id, one.calls) > 1 and not one.resumed for one in whole)
    row.early = sum(one.outcome == "error" and one.first_s is None for one in told)
    row.late = sum(one.outcome == "error" and one.first_s is not None for one in told)
    row.silent = sum(one.outcome == "silent" for one in told)
    row.wrong = sum(one.outcome == "wrong" for one in told)
    row.codes = dict(Counter(one.code for one in told if one.outcome == "error"))
    firsts = sorted(one.first_s * 1000 for one in told if one.first_s is not None)
    row.first_ms = {f"p{at}": round(firsts[len(firsts) * at // 100], 1) for at in (50, 99)} if firsts else {}
    counted = [calls[one.request_id] for one in told if one.request_id in calls]
    row.calls_per_request = round(sum(counted) / len(counted), 3) if counted else 0.0
    row.expect(not row.silent, f"{row.silent} silent ends")
    row.expect(not row.wrong, f"{row.wrong} wrong texts")
    unwritten = sum(one.request_id not in calls for one in told if one.request_id)
    row.expect(not unwritten, f"{unwritten} answers are not in the ledger")
