"""Errors, of providers and for clients.

Sources: https://ai.google.dev/gemini-api/docs/troubleshooting, https://google.aip.dev/193.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hybridge.dialects import blame
from hybridge.dialects.retry_after import duration, retry_after
from hybridge.errors import (
    Broken,
    EmptyAnswer,
    GatewayError,
    KeyRefused,
    MalformedAnswer,
    ModelUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Silent,
)

_TYPE = "type.googleapis.com/google.rpc."
DOMAIN = "hybridge"

#: Machine-readable words, lower case: reasons of `ErrorInfo` and the statuses that mean one thing only.
_CODES: Mapping[str, type[ProviderError]] = {
    "api_key_invalid": KeyRefused,
    "api_key_expired": KeyRefused,
    "api_key_service_blocked": KeyRefused,
    "api_key_http_referrer_blocked": KeyRefused,
    "api_key_ip_address_blocked": KeyRefused,
    "access_token_expired": KeyRefused,
    "access_token_type_unsupported": KeyRefused,
    "account_state_invalid": KeyRefused,
    "billing_disabled": QuotaExhausted,
    "consumer_invalid": KeyRefused,
    "consumer_suspended": KeyRefused,
    "credentials_missing": KeyRefused,
    "service_disabled": KeyRefused,
    "unauthenticated": KeyRefused,
    # Where the key's project is or what it pays for, never the request.
    "failed_precondition": KeyRefused,
    "resource_exhausted": RateLimited,
    "unavailable": Broken,
    "internal": Broken,
    "deadline_exceeded": Silent,
}
#: Sentences for what has no code, lower case.
_SENTENCES: tuple[tuple[str, type[ProviderError]], ...] = (
    ("api key not valid", KeyRefused),
    ("api key expired", KeyRefused),
    ("api key not found", KeyRefused),
    ("user location is not supported", KeyRefused),
    ("cachedcontent", Rejected),
    ("cached content", Rejected),
    ("is not found for api version", ModelUnknown),
    ("unexpected model name format", ModelUnknown),
    ("was not found or your project does not have access", ModelUnknown),
    ("is no longer available", ModelUnknown),
)
#: Refusals that mean something the client named, not our key.
_NOT_OURS = ("cachedcontent", "cached content", "to access the file")
SIGNS = blame.Signs(codes=_CODES, sentences=_SENTENCES)

#: Google's word for an HTTP status. Source: https://cloud.google.com/apis/design/errors#handling_errors.
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


# --- of a provider -------------------------------------------------------------------------------------------------


def classify(status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> ProviderError:
    """What an answer that is not a 200 means."""
    found = _decoded(body)
    words = blame.said(body) if found is None else blame.said_by(found)
    kind = blame.judge(status, words, SIGNS)
    if status == 403 and any(sentence in words.message.lower() for sentence in _NOT_OURS):
        kind = Rejected
    details = _details(found)
    if kind is RateLimited and _is_for_long(details):
        kind = QuotaExhausted
    delay = _retry_delay(details)
    if delay is None:
        delay = retry_after(status, headers, now)
    return blame.error_of(kind, status, words, retry_after=delay, body=body)


def error_inside(body: bytes) -> ProviderError:
    """The error that a 200, or an event of a stream, holds."""
    words = blame.said(body)
    return classify(words.status if words.status >= 400 else 500, {}, body)


def malformed(body: bytes) -> ProviderError:
    """Why a 200 is no answer: nothing in it, an error in a list, or nonsense."""
    if not body.strip():
        return EmptyAnswer("the answer has no body", status=200)
    found = _decoded(body)
    if isinstance(found, list) and found and isinstance(found[0], dict) and found[0].get("error"):
        return error_inside(body)
    kind = "JSON of another form" if found is not None else "no JSON"
    return MalformedAnswer(
        f"the answer is {kind}: {blame.said(body).message}", status=200, body=body[: blame.BODY_LIMIT]
    )


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _details(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, list):
        found = found[0] if found else None
    error = found.get("error") if isinstance(found, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _is_for_long(details: list[dict[str, Any]]) -> bool:
    """A quota per day, or one of 0: no waiting helps soon."""
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and (
                "PerDay" in str(violation.get("quotaId")) or str(violation.get("quotaValue")) == "0"
            ):
                return True
    return False


def _retry_delay(details: list[dict[str, Any]]) -> float | None:
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str):
            return duration(delay)
    return None


# --- for a client --------------------------------------------------------------------------------------------------


def encode_error(error: GatewayError, *, request_id: str) -> bytes:
    """The body of an error, in Google's form; our code is the `reason` of its `ErrorInfo`, details stand beside it."""
    return msgspec.json.encode(_error(error, request_id))


def encode_stream_error(error: GatewayError, *, request_id: str) -> bytes:
    """The error as the last event of a stream; the SDK raises on an event that begins with `error`."""
    return b"data: " + encode_error(error, request_id=request_id) + b"\r\n\r\n"


def _error(error: GatewayError, request_id: str) -> dict[str, Any]:
    metadata = {"request_id": request_id}
    if error.param:
        metadata["param"] = error.param
    details: list[dict[str, Any]] = [
        {
            **error.details,
            "@type": f"{_TYPE}ErrorInfo",
            "reason": error.code,
            "domain": DOMAIN,
            "metadata": metadata,
        }
    ]
    if error.retry_after is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{error.retry_after:g}s"})
    return {
        "error": {
            "code": error.status,
            "message": error.message,
            "status": _STATUS.get(error.status, "UNKNOWN" if error.status >= 500 else "INVALID_ARGUMENT"),
            "details": details,
        }
    }
