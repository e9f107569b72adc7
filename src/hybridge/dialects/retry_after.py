"""When to come back: what the headers of an answer say about it, in any vendor's form.

Sources: RFC 9110 section 10.2.3 (`Retry-After`), https://platform.openai.com/docs/guides/rate-limits,
https://platform.claude.com/docs/en/api/rate-limits, and the recorded answers. All results are seconds from now, not
negative; whatever cannot be read says nothing. `headers` are lower case, `now` is in Unix seconds: it counts only
where a date is named and the answer itself has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_GO_PIECE = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)", re.ASCII)
_GO = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d*)?", re.ASCII)
#: No wait is longer. A plain number beyond it is a date in Unix seconds; one beyond the second, in milliseconds.
_LONGEST = 7 * 86_400.0
_MILLISECONDS = 1e11
#: Longer than this is none of the forms.
_LONGEST_TEXT = 64
#: What a limit may be of that every call uses up, as its headers name it.
_OF_EVERY_CALL = frozenset(("", "requests", "tokens", "input-tokens", "output-tokens"))


def duration(text: str) -> float | None:
    """Seconds from a Go duration (`12ms`, `6m0s`, `17.39s`) or a plain number; `None` for anything else."""
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        return None
    if _GO.fullmatch(text):
        return min(_LONGEST, sum(float(count) * _GO_UNITS[unit] for count, unit in _GO_PIECE.findall(text)))
    if _NUMBER.fullmatch(text) and float(text) <= _LONGEST:
        return float(text)
    return None


def moment(text: str) -> float | None:
    """Unix seconds from an HTTP date, RFC 3339, or a number of seconds or milliseconds that is too long for a delay."""
    text = text.strip()
    if not text or len(text) > _LONGEST_TEXT:
        return None
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number / 1000 if number > _MILLISECONDS else number if number > _LONGEST else None
    try:
        date = datetime.fromisoformat(text) if text[0].isdecimal() else parsedate_to_datetime(text)
        # Neither form may leave its zone out, and those who do mean UTC.
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds if math.isfinite(seconds) else None


def retry_after(status: int, headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds from `retry-after-ms`, `retry-after`, or on a 429 the rate limit that is used up.

    Answers below 400 give none: Anthropic sends `retry-after` on a 200 too.
    """
    if status < 400:
        return None
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds) and (seconds := duration(f"{milliseconds.rstrip('.')}ms")) is not None:
        return seconds
    seconds = _until(headers.get("retry-after", ""), headers, now)
    if seconds is not None or status != 429:
        return seconds
    limits = list(_limits(headers, now))
    empty = [reset for _, left, reset in limits if left == "0"]
    return max(empty) if empty else min((reset for _, _, reset in limits), default=None)


def used_up(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds until a rate limit that this answer has used up is whole again; `None` where there is still room.

    Only limits of what every call needs: one on images stops nobody who sends none.
    """
    if "0" not in headers.values():
        return None
    resets = [reset for what, left, reset in _limits(headers, now) if left == "0" and what in _OF_EVERY_CALL]
    return max(resets, default=0.0) or None


def _limits(headers: Mapping[str, str], now: float | None) -> Iterator[tuple[str, str, float]]:
    """Each rate limit that says when it is whole again: what it is of, how much is left, and in how many seconds."""
    for name, value in headers.items():
        if "ratelimit-" not in name or "reset" not in name or (reset := _until(value, headers, now)) is None:
            continue
        # A limit of 0 is none.
        if headers.get(name.replace("reset", "limit", 1), "").strip() != "0":
            what = name.partition("ratelimit-")[2].replace("reset", "", 1).strip("-")
            yield what, headers.get(name.replace("reset", "remaining", 1), "").strip(), reset


def _until(text: str, headers: Mapping[str, str], now: float | None) -> float | None:
    """Seconds from a delay, or to a date: by the clock of the one who wrote it, where that is known."""
    seconds = duration(text)
    if seconds is not None or (date := moment(text)) is None:
        return seconds
    theirs = moment(headers.get("date", ""))
    since = now if theirs is None else theirs
    return None if since is None else min(_LONGEST, max(0.0, date - since))
