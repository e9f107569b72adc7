"""When to come back, in every vendor's form, and in none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridge.dialects import dialect
from hybridge.dialects.retry_after import duration, moment, retry_after, used_up

NOON = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC
WEEK = 7 * 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("6m0s", 360),
        ("1h2m", 3720),
        ("1m2.5s", 62.5),
        ("17.39s", 17.39),
        ("34.4s", 34.4),
        ("1m30.5s", 90.5),
        ("250us", 0.00025),
        ("20", 20),
        ("1.5", 1.5),
        ("0", 0),
        (" 2 ", 2),
        ("99999999h", WEEK),
        ("-1", None),
        ("-5s", None),
        ("1e3", None),
        ("1_000", None),
        ("٣", None),
        ("inf", None),
        ("nan", None),
        ("NaN", None),
        ("9" * 400, None),
        ("9" * 400 + "s", None),
        ("1741305600000", None),
        ("2026-11-22T00:00:00Z", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("s", None),
        ("", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 22 Nov 2026 12:00:00 GMT", NOON),
        ("Sunday, 22-Nov-26 12:00:00 GMT", NOON),
        ("Sun Nov 22 12:00:00 2026", NOON),
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22T12:00:00.500Z", NOON + 0.5),
        ("2026-11-22T19:00:00+07:00", NOON),
        ("2026-11-22T12:00:00", NOON),
        (str(int(NOON)), NOON),
        (str(int(NOON * 1000)), NOON),
        ("30", None),
        ("soon", None),
        ("2026-13-45T99:00:00Z", None),
        ("Mon, 99 Foo 2026 12:00:00 GMT", None),
        ("Sun, 22 Nov 99999 12:00:00 GMT", None),
        ("", None),
    ],
)
def test_moments(text: str, seconds: float | None) -> None:
    assert moment(text) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "1500.25"}, 1.50025),
        ({"retry-after": "7", "retry-after-ms": "garbage"}, 7),
        ({"retry-after": "7", "retry-after-ms": "-3"}, 7),
        ({"retry-after": "3.5s"}, 3.5),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT", "date": "Sun, 22 Nov 2026 12:00:20 GMT"}, 10),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Sun, 22 Nov 3026 12:00:00 GMT"}, WEEK),
        ({"retry-after": str(int(NOON) + 5)}, 5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [400, 429, 503, 529])
def test_retry_after(status: int, headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(status, headers, NOON) == (None if seconds is None else pytest.approx(seconds))
    assert retry_after(200, headers, NOON) is None


def test_a_date_needs_another_date() -> None:
    late = "Sun, 22 Nov 2026 12:00:30 GMT"
    assert retry_after(503, {"retry-after": late}) is None
    assert retry_after(503, {"retry-after": late, "date": "Sun, 22 Nov 2026 12:00:00 GMT"}) == 30
    assert retry_after(503, {"retry-after": late, "date": "long ago"}, NOON) == 30


OPENAI = {
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "9",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-11-22T12:00:12Z",
    "anthropic-ratelimit-input-tokens-remaining": "12000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-22T12:01:00Z",
}


def test_the_limit_that_is_used_up_says_when() -> None:
    assert retry_after(429, OPENAI) == 360
    assert retry_after(503, OPENAI) is None
    assert retry_after(429, {**OPENAI, "x-ratelimit-remaining-tokens": "5"}) == 1
    assert retry_after(429, {**OPENAI, "retry-after": "3"}) == 3
    assert retry_after(429, ANTHROPIC, NOON) == 12
    assert retry_after(429, {**ANTHROPIC, "anthropic-ratelimit-requests-remaining": "1"}, NOON) == 12
    assert retry_after(429, ANTHROPIC) is None, "nobody knows how late it is"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (OPENAI, 360),
        ({**OPENAI, "x-ratelimit-remaining-tokens": "1"}, None),
        ({**OPENAI, "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h"}, 3600),
        (ANTHROPIC, 12),
        ({"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}, 2),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON + 9) * 1000)}, 9),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0s"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0", "x-ratelimit-limit": "0"}, None),
        ({"x-ratelimit-remaining-input-images": "0", "x-ratelimit-reset-input-images": "1h"}, None),
        ({"x-xss-protection": "0", "x-ratelimit-reset-requests": "9s"}, None),
        ({}, None),
    ],
)
def test_what_an_answer_has_used_up(headers: Mapping[str, str], seconds: float | None) -> None:
    assert used_up(headers, NOON) == seconds


NAMES = st.sampled_from(
    ["retry-after", "retry-after-ms", "date", *OPENAI, *ANTHROPIC, "x-ratelimit-reset", "x-ratelimit-remaining"]
)
VALUES = st.one_of(
    st.text(max_size=80),
    st.from_regex(r"-?[0-9]{1,70}(\.[0-9]*)?(e[0-9]+)?[a-zµ]{0,3}", fullmatch=True),
    st.from_regex(r"[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9:.Z+-]{0,20}", fullmatch=True),
    st.from_regex(r"(Mon, )?[0-9]{1,3} (Jan|Foo) [0-9]{1,6} [0-9:]{0,9} (GMT|[+-][0-9]{4,9})?", fullmatch=True),
    st.sampled_from(["inf", "-inf", "nan", "0", "-0", "0000", "1" * 60, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00"]),
)


@given(st.sampled_from([400, 429, 503]), st.dictionaries(NAMES, VALUES), st.sampled_from([None, NOON, 0.0]))
@example(429, {"retry-after": "Mon, 1 Jan 1 00:00:00 +9999"}, NOON)
@example(429, {"retry-after": "0001-01-01T00:00:00+14:00"}, NOON)
@example(429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 60}, NOON)
def test_whatever_a_provider_says_is_harmless(status: int, headers: dict[str, str], now: float | None) -> None:
    for seconds in (retry_after(status, headers, now), used_up(headers, now)):
        assert seconds is None or (math.isfinite(seconds) and 0.0 <= seconds <= WEEK)


@given(st.integers(0, 100), st.integers(0, 59), st.integers(0, 59_999))
def test_a_go_duration_is_the_sum_of_its_parts(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{milliseconds / 1000:.3f}s"
    assert duration(text) == pytest.approx(min(WEEK, hours * 3600 + minutes * 60 + milliseconds / 1000))


@given(st.floats(0.0, WEEK))
def test_a_plain_number_is_itself(seconds: float) -> None:
    assert duration(f"{seconds:.6f}") == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
def test_every_dialect_reads_it(name: str) -> None:
    classify = dialect(name).provider.classify
    late = {"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}
    assert classify(503, late, b"", NOON).retry_after == 30
    assert classify(503, {**late, "date": "Sun, 22 Nov 2026 12:00:10 GMT"}, b"").retry_after == 20


def test_recorded_answers_are_understood(shared: Path) -> None:
    """Each recorded wait and reset means some seconds, by the date of its answer or today's."""
    read = 0
    for file in sorted((shared / "wire" / "fixtures").rglob("*.meta.json")):
        headers = json.loads(file.read_text()).get("response_headers") or {}
        headers = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
        for name, value in headers.items():
            if name == "retry-after" or ("ratelimit" in name and "reset" in name):
                read += 1
                assert duration(value) is not None or moment(value) is not None, (file.name, name, value)
        seconds = used_up(headers, NOON)
        assert seconds is None or seconds <= 3600
    assert read > 100
