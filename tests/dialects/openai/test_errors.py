"""What a provider's error means, and how a client is told of ours."""

from __future__ import annotations

import msgspec
import pytest

from hybridge.dialects import dialect
from hybridge.errors import (
    AllDeploymentsFailed,
    BudgetExceeded,
    EndpointNotFound,
    GatewayError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
)

OPENAI = dialect("openai")


def body(**error: object) -> bytes:
    return msgspec.json.encode({"error": error})


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (400, body(message="m", code="context_length_exceeded"), "context_overflow"),
        (400, body(message="m", code="unsupported_parameter", param="max_tokens"), "rejected"),
        (400, b'{"code":"invalid-argument","error":"Incorrect API key provided: xa***"}', "key_refused"),
        (400, body(message="foo is not a valid model ID", code=400), "model_unknown"),
        (400, body(message="m", code="data_inspection_failed"), "content_filtered"),
        (400, body(message="m", code="content_filter"), "content_filtered"),
        (400, body(message="x", code="1301"), "content_filtered"),
        (400, body(message="x", code="1113"), "quota_exhausted"),
        (400, body(message="m", code="json_validate_failed"), "broken"),
        (401, b"", "key_refused"),
        (402, body(message="Insufficient Balance"), "quota_exhausted"),
        (403, body(message="m", code=403, metadata={"reasons": ["x"]}), "content_filtered"),
        (403, body(message="m", type="exceeded_current_quota_error"), "quota_exhausted"),
        (403, body(message="m"), "key_refused"),
        (404, body(message="No endpoints found that support tool use", code=404), "model_unknown"),
        (413, body(message="Request too large for model", code="rate_limit_exceeded"), "context_overflow"),
        (422, b'{"detail":[{"loc":["body","x"],"msg":"Extra inputs are not permitted"}]}', "rejected"),
        (429, body(message="m", code="insufficient_quota"), "quota_exhausted"),
        (429, body(message="m", code="rate_limit_exceeded", type="tokens"), "rate_limited"),
        (429, body(message="m", type="engine_overloaded_error"), "broken"),
        (500, body(message="m", type="server_error"), "broken"),
        (502, body(message="m", code=502, metadata={"error_type": "provider_unavailable"}), "broken"),
        (503, body(message="no available channel for model x", type="new_api_error"), "broken"),
        (503, b"<html>busy</html>", "broken"),
        (400, body(message="m", type="upstream_error", param="400", code="bad_response_status_code"), "rejected"),
        (400, body(message="m", type="upstream_error", param="401", code="bad_response_status_code"), "broken"),
        (400, body(message="m", type="upstream_error", param="429", code="bad_response_status_code"), "rate_limited"),
        (400, body(message="m", type="upstream_error", param="502", code="bad_response_status_code"), "broken"),
    ],
)
def test_classes(status: int, answer: bytes, expected: str) -> None:
    error = OPENAI.provider.classify(status, {}, answer)
    assert error.error_class == expected
    assert error.status == status
    assert error.body == answer


def test_when_to_come_back() -> None:
    error = OPENAI.provider.classify(429, {"retry-after-ms": "1200"}, body(message="m", code="rate_limit_exceeded"))
    assert error.retry_after == pytest.approx(1.2)
    assert error.provider_code == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (InvalidRequest("m", param="messages[0]"), "invalid_request_error", "invalid_request"),
        (BudgetExceeded("m", details={"quote": {"amount": "1 VND"}}), "insufficient_quota", "budget_exceeded"),
        (TooManyRequests("m", code="overloaded"), "rate_limit_error", "overloaded"),
        (AllDeploymentsFailed("m", details={"attempts": []}), "server_error", "all_deployments_failed"),
        (Unavailable("m", code="draining"), "server_error", "draining"),
    ],
)
def test_errors_for_a_client(error: GatewayError, kind: str, code: str) -> None:
    written = msgspec.json.decode(OPENAI.client.encode_error(error, request_id="req_1"))
    assert written == {
        "error": {
            "message": "m",
            "type": kind,
            "param": error.param,
            "code": code,
            "request_id": "req_1",
            **error.details,
        }
    }
    streamed = OPENAI.client.encode_stream_error(error, request_id="req_1")
    assert (
        streamed == b"data: " + msgspec.json.encode(written) + b"\n\n"
        or msgspec.json.decode(streamed.removeprefix(b"data: ")) == written
    )


def test_details_never_hide_the_message() -> None:
    error = GatewayError("m", details={"message": "other", "code": "other"})
    written = msgspec.json.decode(OPENAI.client.encode_error(error, request_id="r"))["error"]
    assert (written["message"], written["code"]) == ("m", "internal_error")


def test_tokens_are_not_counted_here() -> None:
    with pytest.raises(EndpointNotFound):
        OPENAI.client.encode_count(5)
