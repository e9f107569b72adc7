"""What became of the requests of one run."""

from __future__ import annotations

from array import array
from collections import Counter

from msgspec import Struct

from hybridge.errors import AllDeploymentsFailed, GatewayError

#: Seconds: a request that has no first token by then is lost, whatever comes later.
DEADLINE = 30.0


class Lost(Struct, frozen=True):
    """A request that was not served: when it came, when it was told so, and what, by its code."""

    came: float
    told: float
    code: str


class Tally:
    """Counts, and the seconds to the first tokens of the requests that were served."""

    def __init__(self) -> None:
        self.requests = 0
        self.firsts = array("d")
        self.lost: list[Lost] = []
        #: Malformed requests that were told so; malformed ones are no loss.
        self.refused = 0
        self.misjudged = 0
        #: How often each breaker opened, by its id, and the failures that the client was not told each of.
        self.opened: Counter[str] = Counter()
        self.unexplained = 0

    def served(self, came: float, now: float) -> None:
        """The first token is there."""
        if now - came > DEADLINE:
            self.lost.append(Lost(came, now, "late"))
        else:
            self.firsts.append(now - came)

    def told(self, came: float, now: float, error: GatewayError, failures: int) -> None:
        """The request ended in an error, after so many calls that failed."""
        self.lost.append(Lost(came, now, error.code))
        if isinstance(error, AllDeploymentsFailed) and len(error.details["attempts"]) != failures:
            self.unexplained += 1
        if not error.message or error.code == GatewayError.code:
            self.unexplained += 1

    def judged(self, error: GatewayError) -> None:
        """A malformed request ended: its sender ought to be told so."""
        if error.status == 400:
            self.refused += 1
        else:
            self.misjudged += 1

    @property
    def wanted(self) -> int:
        """Requests that could be served: those that were served or lost."""
        return len(self.firsts) + len(self.lost)

    @property
    def success(self) -> float:
        """The share of them that was served."""
        return len(self.firsts) / self.wanted if self.wanted else 1.0

    def quantiles(self, *shares: float) -> list[float]:
        """Seconds within which these shares of those that were served had their first token (nearest rank)."""
        ordered = sorted(self.firsts)
        return [ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0 for share in shares]

    @property
    def slowest(self) -> float:
        """Seconds until the last to know knew what became of its request."""
        return max(max(self.firsts, default=0.0), max((one.told - one.came for one in self.lost), default=0.0))
