"""How long to wait before a process that ended is started again."""

from __future__ import annotations

#: Who ends before so many seconds died young.
YOUNG_S = 10.0
#: Seconds of the first wait and of the longest; each is twice the one before.
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


class Restarts:
    """Of one process: none waits the first time, those that die young again and again wait ever longer."""

    def __init__(self) -> None:
        self._young = 0

    def __repr__(self) -> str:
        return f"<Restarts: {self._young} died young>"

    def wait(self, lived: float) -> float:
        """Seconds to wait, after one that lived for so many seconds."""
        self._young = self._young + 1 if lived < YOUNG_S else 0
        if self._young < 2:
            return 0.0
        return float(min(FIRST_WAIT_S * 2 ** (self._young - 2), LONGEST_WAIT_S))
