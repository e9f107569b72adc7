"""When a second copy of a request goes out: late, and rarely.

Source of the figures: the project's simulations. A copy after about the slowest hundredth of first tokens cuts the
worst thousandth to less than half, for about one call in a hundred.
"""

from __future__ import annotations

from collections.abc import Callable

#: Seconds: no copy goes out sooner; and so long it waits where nobody knows yet how slow is slow.
LEAST = 1.0
AT_FIRST = 2.0
#: So many copies may go out in a row although the share allows fewer.
BURST = 10.0


class Hedging:
    """The hedges of one model.

    `late` tells how many seconds hardly an answer of a deployment takes until its first content, streamed or whole, if
    that is known; `share` is the part of the requests that may have a copy, `least` and `at_first` are seconds.
    """

    def __init__(
        self,
        late: Callable[[str, bool], float | None],
        share: float = 0.02,
        least: float = LEAST,
        at_first: float = AT_FIRST,
    ) -> None:
        self._late = late
        self._share = share
        self._least = least
        self._at_first = at_first
        self._left = 1.0

    def delay(self, deployment_id: str, *, stream: bool) -> float:
        """A request goes to the deployment: in how many seconds its copy is due."""
        self._left = min(BURST, self._left + self._share)
        known = self._late(deployment_id, stream)
        return max(self._least, self._at_first if known is None else known)

    def spend(self) -> bool:
        """Whether a copy may go out now."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def refund(self) -> None:
        """The copy did not go out."""
        self._left += 1.0

    def __repr__(self) -> str:
        return f"<Hedging {self._share:.1%}, {self._left:.1f} left>"
