"""Errors of a provider, and errors for a client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybridge.errors import (
    AllDeploymentsFailed,
    BudgetExceeded,
    ContextOverflow,
    GatewayError,
    InvalidRequest,
    KeyRefused,
    ModelUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Refused,
    Rejected,
    Silent,
    TimedOut,
    TooManyRequests,
    Unavailable,
)
from hybridge.errors import Broken as BrokenError
from tests.dialects.gemini.corpus import CLIENT, PROVIDER


def error(status: int, word: str, message: str = "m", *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"code": status, "status": word, "message": message, "details": details}}).encode()


INFO = "type.googleapis.com/google.rpc.ErrorInfo"


@pytest.mark.parametrize(
    ("status", "sent", "kind"),
    [
        (400, error(400, "INVALID_ARGUMENT", "bad"), Rejected),
        (
            400,
            error(400, "INVALID_ARGUMENT", "API key not valid.", {"@type": INFO, "reason": "API_KEY_INVALID"}),
            KeyRefused,
        ),
        (400, error(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), KeyRefused),
        (400, error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), KeyRefused),
        (
            400,
            error(400, "INVALID_ARGUMENT", "GenerateContentRequest: unexpected model name format"),
            ModelUnknown,
        ),
        (
            400,
            error(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens (8)."),
            ContextOverflow,
        ),
        (401, error(401, "UNAUTHENTICATED"), KeyRefused),
        (403, error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."), KeyRefused),
        (403, error(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)"), Rejected),
        (403, error(403, "PERMISSION_DENIED", "You do not have permission to access the File x"), Rejected),
        (403, error(403, "PERMISSION_DENIED", "x", {"@type": INFO, "reason": "BILLING_DISABLED"}), QuotaExhausted),
        (404, error(404, "NOT_FOUND", "models/x is not found for API version v1beta"), ModelUnknown),
        (404, error(404, "NOT_FOUND", "CachedContent cachedContents/x not found"), Rejected),
        (429, error(429, "RESOURCE_EXHAUSTED"), RateLimited),
        (
            429,
            error(429, "RESOURCE_EXHAUSTED", "m", {"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}),
            QuotaExhausted,
        ),
        (429, error(429, "RESOURCE_EXHAUSTED", "m", {"violations": [{"quotaValue": "0"}]}), QuotaExhausted),
        (429, error(429, "RESOURCE_EXHAUSTED", "m", {"violations": [{"quotaId": "PerMinute"}, 7]}), RateLimited),
        (500, error(500, "INTERNAL"), BrokenError),
        (503, error(503, "UNAVAILABLE", "The model is overloaded."), BrokenError),
        (504, error(504, "DEADLINE_EXCEEDED"), Silent),
        (429, b"[" + error(429, "RESOURCE_EXHAUSTED") + b"]", RateLimited),
        (502, b"<html>Bad Gateway</html>", BrokenError),
        (502, b"", BrokenError),
        (403, b"nope", KeyRefused),
        (400, b'{"error": {"message": "x", "details": "odd"}}', Rejected),
    ],
)
def test_what_an_answer_means(status: int, sent: bytes, kind: type[ProviderError]) -> None:
    found = PROVIDER.classify(status, {}, sent)
    assert type(found) is kind
    assert found.status == status
    assert found.message
    assert found.body == (b"" if kind is Silent else sent)


def test_when_to_come_back() -> None:
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}
    assert PROVIDER.classify(429, {}, error(429, "RESOURCE_EXHAUSTED", "m", delay)).retry_after == 34.4
    assert PROVIDER.classify(429, {"retry-after": "7"}, error(429, "RESOURCE_EXHAUSTED")).retry_after == 7
    assert PROVIDER.classify(503, {}, b"").retry_after is None


@pytest.mark.parametrize(
    ("told", "status", "word"),
    [
        (InvalidRequest("bad", param="contents"), 400, "INVALID_ARGUMENT"),
        (BudgetExceeded("dear", details={"quote": {"amount": "1"}}), 402, "FAILED_PRECONDITION"),
        (TooManyRequests("slow", code="budget_reserved", retry_after=1), 429, "RESOURCE_EXHAUSTED"),
        (AllDeploymentsFailed("all", details={"attempts": [1]}), 502, "UNAVAILABLE"),
        (Unavailable("none", code="draining"), 503, "UNAVAILABLE"),
        (TimedOut("late"), 504, "DEADLINE_EXCEEDED"),
        (Refused("no", status=422), 422, "INVALID_ARGUMENT"),
        (Refused("no", status=418), 418, "INVALID_ARGUMENT"),
    ],
)
def test_an_error_for_a_client(told: GatewayError, status: int, word: str) -> None:
    found = json.loads(CLIENT.encode_error(told, request_id="req_1"))["error"]
    assert (found["code"], found["status"], found["message"]) == (status, word, told.message)
    info = found["details"][0]
    assert info["@type"] == INFO
    assert (info["reason"], info["domain"]) == (told.code, "hybridge")
    assert info["metadata"]["request_id"] == "req_1"
    assert info["metadata"].get("param") == told.param
    assert {name: info[name] for name in told.details} == told.details


def test_a_delay_is_told_as_google_tells_it() -> None:
    told = TooManyRequests("slow", retry_after=1.5)
    found = json.loads(CLIENT.encode_error(told, request_id="r"))["error"]["details"][1]
    assert found == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}


def test_an_error_in_a_stream_is_an_event_that_begins_with_it() -> None:
    out = CLIENT.encode_stream_error(TimedOut("late"), request_id="r")
    assert out.startswith(b'data: {"error":{"code":504,')
    assert out.endswith(b"\r\n\r\n")
