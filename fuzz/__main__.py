"""`python -m fuzz`: mutated requests and answers, and whether what comes of them is always an answer.

Exits 1 if one case shows a defect, and tells how to run it alone: a case is drawn from the seed, its number and the
recorded traffic in `$HYBRIDGE_SHARED`, if there is any.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from fuzz.parts import Part, play
from fuzz.verdict import Share

#: Memory may grow by so much in a process; judged of so many cases on, after the first third.
_MOST_MB = 40.0
_LONG_ENOUGH = 30_000
_SHOWN = 40


def main() -> None:
    """Run the cases in several processes, print what came of them."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="through the gateway, and as many codec cases")
    parser.add_argument("--minutes", type=float, default=120.0, help="it ends then, with fewer cases if need be")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run; by default the time")
    parser.add_argument("--only", choices=("gateway", "codecs"))
    parser.add_argument("--case", type=int, help="run this case alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    seed = int(time.time()) if given.seed is None else given.seed
    kinds = (given.only,) if given.only else ("codecs", "gateway")
    print(f"seed {seed}", flush=True)
    seconds = given.minutes * 60 / len(kinds)
    wrong = False
    for kind in kinds:
        if given.case is not None:
            shares = [play(Part(kind, seed, given.case, given.case + 1, 1, seconds))]
        else:
            count = min(given.processes, given.cases)
            parts = [Part(kind, seed, first, given.cases, count, seconds) for first in range(count)]
            with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
                shares = list(pool.map(play, parts))
        wrong = _told(kind, seed, shares) or wrong
        if given.case is None and (ran := sum(share.cases for share in shares)) < given.cases:
            print(f"{kind}: time was up, {given.cases - ran:,} cases were not run")
    sys.exit(1 if wrong else 0)


def _told(kind: str, seed: int, shares: list[Share]) -> bool:
    """Print what came of the cases; whether something is wrong."""
    answers: Counter[str] = Counter()
    for share in shares:
        answers += share.answers
    failures = [failure for share in shares for failure in share.failures]
    print(f"{kind}: {sum(share.cases for share in shares):,} cases, {len(failures)} failures")
    for said, count in answers.most_common():
        print(f"  {count:9,}  {said}")
    for share in shares:
        if share.memory:
            print(
                "  memory:",
                ", ".join(f"{cases:,}: {mb:.0f} MB" for cases, mb in share.memory[:: len(share.memory) // 6 + 1]),
            )
    for failure in failures[:_SHOWN]:
        print(f"wrong: {failure.said}", file=sys.stderr)
        if failure.number >= 0:
            print(
                f"  alone: python -m fuzz --seed {seed} --only {failure.kind} --case {failure.number}", file=sys.stderr
            )
    grown = [share for share in shares if _grown(share) > _MOST_MB]
    for share in grown:
        print(f"wrong: memory grew by {_grown(share):.0f} MB", file=sys.stderr)
    return bool(failures or grown)


def _grown(share: Share) -> float:
    if share.cases < _LONG_ENOUGH:
        return 0.0
    later = [mb for cases, mb in share.memory if cases > share.cases / 3]
    return later[-1] - later[0] if later else 0.0


if __name__ == "__main__":
    main()
