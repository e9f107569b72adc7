"""Errors, in both directions.

Source: https://platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hybridge.dialects.blame import Said, Signs, error_of, judge, said
from hybridge.dialects.retry_after import retry_after
from hybridge.errors import (
    Broken,
    ContentFiltered,
    GatewayError,
    KeyRefused,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Silent,
)

#: The error types and the status that each one comes with.
STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPE_OF = {status: kind for kind, status in STATUS_OF.items()} | {503: "overloaded_error"}

#: `invalid_request_error` and `not_found_error` are left to the sentences and the status: they cover several things.
SIGNS = Signs(
    codes={
        "authentication_error": KeyRefused,
        "billing_error": QuotaExhausted,
        "permission_error": KeyRefused,
        "request_too_large": Rejected,
        "rate_limit_error": RateLimited,
        "api_error": Broken,
        "timeout_error": Silent,
        "overloaded_error": Broken,
    },
    sentences=(
        ("credit balance is too low", QuotaExhausted),
        ("reached your specified api usage limits", QuotaExhausted),
        ("blocked by content filtering policy", ContentFiltered),
        ("file not found", Rejected),
        ("file_", Rejected),
    ),
)


def classify(status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> ProviderError:
    """What an answer that is not a 200 means."""
    words = said(body)
    kind = judge(status, words, SIGNS)
    return error_of(kind, status, words, retry_after=retry_after(status, headers, now), body=body)


def reported(words: Said, body: bytes) -> ProviderError:
    """An error that came inside a 200, with the status that it would have had."""
    status = words.status or next((STATUS_OF[code] for code in words.codes if code in STATUS_OF), 500)
    return error_of(judge(status, words, SIGNS), status, words, body=body)


def error_type(status: int) -> str:
    """The error type that goes with a status."""
    return _TYPE_OF.get(status, "invalid_request_error" if 400 <= status < 500 else "api_error")


def encode_error(error: GatewayError, request_id: str) -> bytes:
    """The body of an error; `code`, `param` and the details stand beside `type`."""
    members: dict[str, Any] = dict(error.details)
    members |= {"type": error_type(error.status), "message": error.message, "code": error.code}
    if error.param is not None:
        members["param"] = error.param
    return msgspec.json.encode({"type": "error", "error": members, "request_id": request_id})


def encode_stream_error(error: GatewayError, request_id: str) -> bytes:
    """The error as the last event of a stream."""
    return b"event: error\ndata: " + encode_error(error, request_id) + b"\n\n"
