"""Errors, to a client and from a provider."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybridge.errors import (
    AllDeploymentsFailed,
    Broken,
    BudgetExceeded,
    ContentFiltered,
    ContextOverflow,
    EndpointNotFound,
    GatewayError,
    InternalError,
    InvalidApiKey,
    InvalidRequest,
    KeyRefused,
    ModelUnknown,
    NotAllowed,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Refused,
    Rejected,
    RequestTooLarge,
    Silent,
    TimedOut,
    TooManyRequests,
    Unavailable,
    UnsupportedParameter,
)
from tests.dialects.anthropic.corpus import CLIENT, PROVIDER


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (InvalidRequest("m"), "invalid_request_error", "invalid_request"),
        (UnsupportedParameter("m", param="n"), "invalid_request_error", "unsupported_parameter"),
        (InvalidApiKey("m"), "authentication_error", "invalid_api_key"),
        (BudgetExceeded("m"), "billing_error", "budget_exceeded"),
        (NotAllowed("m"), "permission_error", "model_not_allowed"),
        (EndpointNotFound("m"), "not_found_error", "endpoint_not_found"),
        (RequestTooLarge("m"), "request_too_large", "request_too_large"),
        (TooManyRequests("m"), "rate_limit_error", "rate_limit_exceeded"),
        (InternalError("m"), "api_error", "internal_error"),
        (AllDeploymentsFailed("m"), "api_error", "all_deployments_failed"),
        (Unavailable("m"), "overloaded_error", "no_able_deployment"),
        (TimedOut("m"), "timeout_error", "timeout"),
        (Refused("m", status=422), "invalid_request_error", "invalid_request"),
    ],
)
def test_every_error_has_the_shape_of_the_dialect(error: GatewayError, kind: str, code: str) -> None:
    said = json.loads(CLIENT.encode_error(error, request_id="req_1"))
    assert said["type"] == "error"
    assert said["request_id"] == "req_1"
    assert (said["error"]["type"], said["error"]["code"], said["error"]["message"]) == (kind, code, "m")
    assert said["error"].get("param") == error.param


def test_details_stand_beside_the_type_and_never_over_it() -> None:
    error = AllDeploymentsFailed("m", details={"attempts": [{"deployment": "a/b", "status": 503}], "type": "x"})
    said = json.loads(CLIENT.encode_error(error, request_id="r"))["error"]
    assert said["attempts"] == [{"deployment": "a/b", "status": 503}]
    assert said["type"] == "api_error"


def test_an_error_as_the_last_event_of_a_stream() -> None:
    event = CLIENT.encode_stream_error(TimedOut("m"), request_id="r")
    head, data = event.removesuffix(b"\n\n").split(b"\n")
    assert head == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["error"]["code"] == "timeout"


def body(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"}).encode()


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "max_tokens: Field required", Rejected),
        (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum", ContextOverflow),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
            ContextOverflow,
        ),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", QuotaExhausted),
        (
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
            QuotaExhausted,
        ),
        (400, "invalid_request_error", "Output blocked by content filtering policy", ContentFiltered),
        (401, "authentication_error", "invalid x-api-key", KeyRefused),
        (402, "billing_error", "m", QuotaExhausted),
        (403, "permission_error", "m", KeyRefused),
        (404, "not_found_error", "model: claude-x", ModelUnknown),
        (404, "not_found_error", "File not found: file_011CNha8iCJcU1wXNR6q4V8w", Rejected),
        (404, "not_found_error", "No such thing: file_011CNha8iCJcU1wXNR6q4V8w", Rejected),
        (413, "request_too_large", "m", Rejected),
        (429, "rate_limit_error", "m", RateLimited),
        (500, "api_error", "m", Broken),
        (504, "timeout_error", "m", Silent),
        (529, "overloaded_error", "Overloaded", Broken),
        (503, "of_tomorrow", "m", Broken),
        (400, "of_tomorrow", "m", Rejected),
    ],
)
def test_classes(status: int, kind: str, message: str, expected: type[ProviderError]) -> None:
    error = PROVIDER.classify(status, {}, body(kind, message))
    assert type(error) is expected
    assert (error.status, error.message) == (status, message)
    assert error.body == (b"" if expected is Silent else body(kind, message))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b'{"error":{"message":"oh"}}', "oh"),
        (b'[{"error":{"message":"oh"}}]', "oh"),
        (b'{"type":"error","error":{"type":"api_error","message":"oh"}}', "oh"),
        (b'{"error":"oh","code":"x"}', "oh"),
        (b'{"error":"x","message":"oh"}', "oh"),
        (b'{"message":"oh"}', "oh"),
        (b'{"detail":"oh"}', "oh"),
        (b'{"detail":[{"loc":["body","a"],"msg":"oh"}]}', "body.a: oh"),
        (b'{"object":"error","message":"oh"}', "oh"),
        (b'{"base_resp":{"status_code":1,"status_msg":"oh"}}', "oh"),
        (b"<html><title>oh</title></html>", "oh"),
        (b"oh", "oh"),
        (b"", "the provider answered 500"),
    ],
)
def test_every_shape_of_an_error_body_gives_its_message(said: bytes, message: str) -> None:
    error = PROVIDER.classify(500, {}, said)
    assert type(error) is Broken
    assert error.message == message


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "12"}, 12.0),
        (529, {"retry-after-ms": "250", "retry-after": "12"}, 0.25),
        (429, {"anthropic-ratelimit-tokens-reset": "2026-11-22T10:00:00Z"}, None),
        (400, {}, None),
    ],
)
def test_when_to_come_back(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert PROVIDER.classify(status, headers, body("rate_limit_error", "m")).retry_after == seconds


def test_details_of_any_kind_are_carried() -> None:
    quote: dict[str, Any] = {"quote": {"deployment": "a/b", "cost": "1.5 VND"}}
    assert json.loads(CLIENT.encode_error(BudgetExceeded("m", details=quote), request_id="r"))["error"]["quote"]
