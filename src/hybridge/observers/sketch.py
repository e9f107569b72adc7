"""A sketch: values counted in buckets, from which percentiles are read; two of them are one by adding the counts.

Bucket `i` holds the whole numbers that have its five highest bits in common, so that a value is known to within
3.2 %, and those below 32 exactly. Knows no room, as `samples` does.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Bits of a value that are kept below its highest one.
BITS = 4
#: Buckets of values up to 40 bits: microseconds up to a week.
BUCKETS = 41 - BITS << BITS

#: How often each bucket was met; a bucket that was not is left out.
Counts = Mapping[int, int]


def bucket(value: int) -> int:
    """The bucket of a value; what is below zero is zero, what is too large is in the last one."""
    if value < 2 << BITS:
        return max(value, 0)
    shift = value.bit_length() - 1 - BITS
    return min((shift << BITS) + (value >> shift), BUCKETS - 1)


def middle(number: int) -> float:
    """The value that stands for all of a bucket."""
    if number < 2 << BITS:
        return number
    shift = (number >> BITS) - 1
    return (number - (shift << BITS) + 0.5) * (1 << shift)


def percentile(counts: Counts, percent: float) -> float | None:
    """The value that so many percent of the values do not exceed (nearest rank); `None` where there are none."""
    # Less a little, so that a rank which is whole but for rounding is that rank.
    rank = sum(counts.values()) * percent / 100 - 1e-9
    below, number = 0, None
    for number in sorted(counts):
        below += counts[number]
        if below >= rank:
            break
    return None if number is None else middle(number)


def summed(one: Counts, other: Counts) -> dict[int, int]:
    """Both sketches as one."""
    return {number: one.get(number, 0) + other.get(number, 0) for number in one.keys() | other.keys()}
