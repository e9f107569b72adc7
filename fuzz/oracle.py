"""What every answer of the gateway must be, whatever was asked and whatever the provider said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fuzz.codecs import Wrong
from fuzz.questions import Question
from hybridge.chaos.wire import Head
from hybridge.ledger.entry import LedgerEntry, encoded, record_of
from hybridge.money import BUCKETS

STATUSES = frozenset((200, 204, 400, 402, 403, 404, 405, 413, 422, 429, 502, 503, 504))


def judge(asked: Question, head: Head, body: bytes) -> None:
    """Whether an answer is one in the client's dialect. Raises `Wrong`."""
    name = asked.dialect
    if head.status not in STATUSES:
        raise Wrong(f"status {head.status}: {body[:300]!r}")
    code = head.get("x-hybridge-error")
    if head.status >= 400:
        if not code or code == "internal_error":
            raise Wrong(f"{head.status} with x-hybridge-error: {code!r}")
        _judge_error(name, _parsed(body))
    elif code:
        raise Wrong(f"{head.status} with x-hybridge-error: {code!r}")
    elif asked.stream and head.get("content-type").startswith("text/event-stream"):
        _judge_stream(name, body, translated=_is_translated(name, head))
    elif _is_translated(name, head) or (name == "gemini" and body[:1] == b"["):
        # What passes as it is may hold what is no text.
        _parsed(body.decode("utf-8", "replace").encode())


def _is_translated(name: str, head: Head) -> bool:
    deployment = head.get("x-hybridge-deployment")
    return bool(deployment) and not deployment.startswith(name)


def _judge_error(name: str, said: Any) -> None:
    if not isinstance(said, dict) or "error" not in said:
        raise Wrong(f"no error of the {name} dialect: {str(said)[:300]}")


def _judge_stream(name: str, body: bytes, *, translated: bool) -> None:
    lines = [
        line.removeprefix(b"data:").strip()
        for line in body.replace(b"\xef\xbb\xbf", b"").replace(b"\r", b"\n").split(b"\n")
        if line.startswith(b"data:")
    ]
    lines = [line for line in lines if line]
    if not lines:
        raise Wrong(f"a stream without an event: {body[:200]!r}")
    if translated:
        said = [_parsed(line) for line in lines if line != b"[DONE]"]
        if any(isinstance(one, dict) and "internal_error" in str(one.get("error")) for one in said):
            raise Wrong("internal_error in mid-stream")
    if b"internal_error" in lines[-1]:
        raise Wrong("internal_error in mid-stream")
    if not any(_ends(name, line) for line in lines):
        raise Wrong(f"a stream without an end or an error: …{body[-300:]!r}")


def _ends(name: str, line: bytes) -> bool:
    if name == "openai" and line == b"[DONE]":
        return True
    mark = {"openai": b'"error"', "anthropic": b'"message_stop"', "gemini": b"inish"}[name]
    return mark in line or b'"error"' in line or b"lockReason" in line


def _parsed(octets: bytes) -> Any:
    try:
        return json.loads(octets.decode())
    except ValueError as error:
        raise Wrong(f"no JSON: {error} {octets[:300]!r}") from error
    except RecursionError:
        return {"error": "so deep that this reader cannot follow"}


def judge_entries(head: Head, entries: Sequence[LedgerEntry]) -> None:
    """Whether the accounts of a request are right. Raises `Wrong`."""
    accepted = bool(head.get("x-hybridge-attempts"))
    if len(entries) > 1 or (accepted and not entries):
        raise Wrong(f"{len(entries)} entries in the ledger")
    for entry in entries:
        if not entry.ended_us or not entry.status or entry.error_code == "internal_error":
            raise Wrong(f"an entry of status {entry.status} {entry.error_code}, ended at {entry.ended_us}")
        record_of(entry)
        for attempt in entry.attempts:
            cost = attempt.cost_nano_usd
            if cost is not None and (type(cost) is not int or cost < 0 or cost >= 1 << 63):
                raise Wrong(f"an attempt that cost {cost!r}")
            counts = [getattr(attempt.usage, bucket) for bucket in BUCKETS] if attempt.usage else []
            if any(type(count) is not int or count < 0 for count in counts):
                raise Wrong(f"a usage of {attempt.usage}")
        encoded(entry)
