"""Errors of this dialect: what a provider means, and how a client is told.

Codes: https://platform.openai.com/docs/guides/error-codes, https://openrouter.ai/docs/api-reference/errors, and the
recorded answers of the others.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from hybridge.dialects import blame
from hybridge.dialects.openai.places import UNREADABLE
from hybridge.dialects.retry_after import retry_after
from hybridge.errors import (
    Broken,
    ContentFiltered,
    ContextOverflow,
    GatewayError,
    KeyRefused,
    ModelUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Rejected,
)

_SIGNS = blame.Signs(
    codes={
        "context_length_exceeded": ContextOverflow,
        "too_many_prompt_tokens": ContextOverflow,
        "too_many_tokens": ContextOverflow,
        "invalid_api_key": KeyRefused,
        "authentication": KeyRefused,
        "authentication_error": KeyRefused,
        "account_deactivated": KeyRefused,
        "insufficient_quota": QuotaExhausted,
        "exceeded_current_quota_error": QuotaExhausted,
        "billing_hard_limit_reached": QuotaExhausted,
        "payment_required": QuotaExhausted,
        "insufficient_balance": QuotaExhausted,
        "1113": QuotaExhausted,
        "rate_limit_exceeded": RateLimited,
        "rate_limit_error": RateLimited,
        "rate_limit_reached_error": RateLimited,
        "rate_limited": RateLimited,
        "ratelimitreached": RateLimited,
        "1302": RateLimited,
        "1303": RateLimited,
        "1305": RateLimited,
        "model_not_found": ModelUnknown,
        "deploymentnotfound": ModelUnknown,
        "unknown_model": ModelUnknown,
        "model_not_available": ModelUnknown,
        "content_filter": ContentFiltered,
        "content_policy_violation": ContentFiltered,
        "data_inspection_failed": ContentFiltered,
        "1301": ContentFiltered,
        # The model wrote what the provider itself could not read: another try may do better.
        "tool_use_failed": Broken,
        "json_validate_failed": Broken,
        "engine_overloaded_error": Broken,
        "overloaded_error": Broken,
        "provider_overloaded": Broken,
        "provider_unavailable": Broken,
        "no_available_channel": Broken,
        "server_error": Broken,
        # MiniMax says these inside a 200: https://platform.minimax.io/docs/api-reference/errorcode.
        "base_resp.1002": RateLimited,
        "base_resp.1004": KeyRefused,
        "base_resp.1008": QuotaExhausted,
        "base_resp.1026": ContentFiltered,
        "base_resp.1027": ContentFiltered,
        "base_resp.1039": RateLimited,
        "base_resp.2013": Rejected,
        "base_resp.2049": KeyRefused,
    },
    sentences=(
        ("incorrect api key", KeyRefused),
        ("invalid api key", KeyRefused),
        ("incorrect model id", ModelUnknown),
        ("not a valid model id", ModelUnknown),
        ("no endpoints found", ModelUnknown),
        ("does not exist or you do not have access", ModelUnknown),
        ("no available channel", Broken),
        ("content management policy", ContentFiltered),
        ("exceeded your current quota", QuotaExhausted),
        ("insufficient balance", QuotaExhausted),
    ),
)

#: A gateway's words for "the one behind me failed"; its status then stands in `param`.
_RELAYED = "bad_response_status_code"

_encoder = msgspec.json.Encoder()


def classify(status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> ProviderError:
    """What an answer that is not a 200 means."""
    words = blame.said(body)
    kind = blame.judge(status, words, _SIGNS)
    if kind is Rejected and _RELAYED in words.codes and words.param.isdecimal():
        relayed = blame.by_status(int(words.param))
        kind = relayed if relayed in (Rejected, RateLimited) else Broken
    return blame.error_of(kind, status, words, retry_after=retry_after(status, headers, now), body=body)


def error_inside(error: Raw | bytes, body: bytes = b"") -> ProviderError:
    """What an error inside a 200 means: the value of `error`, its own status counting as one."""
    try:
        words = blame.said_by({"error": msgspec.json.decode(error)})
    except UNREADABLE:
        words = blame.Said("the provider reported an error that cannot be read")
    status = words.status if words.status >= 400 else 500
    return blame.error_of(blame.judge(status, words, _SIGNS), status, words, body=body)


def refusal_inside(body: bytes) -> ProviderError | None:
    """What a 200 without choices means, if it says anything: `{"error": …}`, `{"base_resp": …}`, `{"detail": …}`."""
    words = blame.said(body)
    if not words.message:
        return None
    status = words.status if words.status >= 400 else 500
    return blame.error_of(blame.judge(status, words, _SIGNS), status, words, body=body)


_TYPES = {401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}


def encode_error(error: GatewayError, *, request_id: str) -> bytes:
    """The body of an error: `{"error": {"message", "type", "param", "code", …}}` with the details beside."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    fields = {
        **error.details,
        "message": error.message,
        "type": kind,
        "param": error.param,
        "code": error.code,
        "request_id": request_id,
    }
    return _encoder.encode({"error": fields})


def encode_stream_error(error: GatewayError, *, request_id: str) -> bytes:
    """The error as the last event of a stream; SDKs raise on a truthy top-level `error`."""
    return b"data: " + encode_error(error, request_id=request_id) + b"\n\n"
