"""Buckets and the percentiles that are read from them."""

from __future__ import annotations

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from hybridge.observers.sketch import BUCKETS, bucket, middle, percentile, summed

VALUES = st.integers(0, (1 << 40) - 1)


@given(VALUES)
def test_a_value_is_known_to_within_a_thirtieth(value: int) -> None:
    assert abs(middle(bucket(value)) - value) <= 0.032 * value


@given(VALUES, VALUES)
def test_buckets_are_in_the_order_of_their_values(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert bucket(low) <= bucket(high) < BUCKETS


def test_what_is_out_of_bounds_has_a_bucket_too() -> None:
    assert bucket(-5) == bucket(0) == 0
    assert bucket(1 << 60) == BUCKETS - 1


@given(st.lists(VALUES, min_size=1), st.floats(0, 100))
def test_a_percentile_is_that_of_the_values(values: list[int], percent: float) -> None:
    found = percentile(Counter(map(bucket, values)), percent)
    exact = sorted(values)[max(0, ceil(len(values) * percent / 100 - 1e-9) - 1)]
    assert found is not None
    assert abs(found - exact) <= 0.032 * exact


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 99) is None


@given(st.lists(VALUES), st.lists(VALUES))
def test_sketches_add_up(one: list[int], other: list[int]) -> None:
    both = summed(Counter(map(bucket, one)), Counter(map(bucket, other)))
    assert both == Counter(map(bucket, one + other))
