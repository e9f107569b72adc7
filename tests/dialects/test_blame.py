"""Error bodies of every known shape, what they mean, and when to come back."""

from __future__ import annotations

import msgspec
import pytest

from hybridge.dialects import blame
from hybridge.dialects.blame import Said, Signs
from hybridge.errors import (
    Broken,
    ContextOverflow,
    KeyRefused,
    ModelUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Rejected,
)

SHAPES: list[tuple[bytes, str, str]] = [
    (b'{"error":{"message":"no","type":"t","param":null,"code":"c"}}', "no", "c"),
    (b'[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]', "no", "invalid_argument"),
    (b'{"type":"error","error":{"type":"overloaded_error","message":"no"}}', "no", "overloaded_error"),
    (b'{"code":"invalid-argument","error":"no"}', "no", "invalid-argument"),
    (b'{"error":"Too Many Requests","message":"no"}', "no", ""),
    (b'{"error":"no"}', "no", ""),
    (b'{"id":"1","message":"no"}', "no", ""),
    (b'{"error_type":"TOO_MANY_TOKENS","message":"no"}', "no", "too_many_tokens"),
    (b'{"detail":"no"}', "no", ""),
    (b'{"detail":[{"loc":["body","messages"],"msg":"no","type":"missing"}]}', "body.messages: no", ""),
    (b'{"object":"error","message":"no","type":"rate_limited","code":"1300"}', "no", "rate_limited"),
    (b'{"base_resp":{"status_code":1004,"status_msg":"no"}}', "no", "base_resp.1004"),
    (b"<html><style>p{}</style><h1>502</h1> <p>Bad   Gateway</p></html>", "502 Bad Gateway", ""),
    (b"upstream connect error", "upstream connect error", ""),
    (b"", "", ""),
    (b"[]", "", ""),
    (b"null", "", ""),
    (b'"no"', "no", ""),
    (b'{"error":null}', "", ""),
    (b"\xff\xfe", "\ufffd\ufffd", ""),
]


@pytest.mark.parametrize(("body", "message", "code"), SHAPES)
def test_shapes(body: bytes, message: str, code: str) -> None:
    words = blame.said(body)
    assert words.message == message
    assert words.code == code


def test_a_gateway_quotes_what_failed_behind_it() -> None:
    words = blame.said(
        b'{"error":{"code":400,"message":"Provider returned error","metadata":'
        b'{"error_type":"context_length_exceeded","raw":"prompt is too long"}}}'
    )
    assert words.message == "Provider returned error: prompt is too long"
    assert words.codes == ("context_length_exceeded", "400")
    assert words.status == 400


def test_inner_errors_and_reasons_are_codes() -> None:
    azure = blame.said(b'{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}')
    assert azure.codes == ("content_filter", "responsibleaipolicyviolation")
    google = blame.said(b'{"error":{"code":400,"status":"X","details":[{"reason":"API_KEY_INVALID"},{"a":1}, 7]}}')
    assert google.codes == ("x", "api_key_invalid", "400")
    moderated = blame.said(b'{"error":{"code":403,"message":"m","metadata":{"reasons":["violence"]}}}')
    assert moderated.code == "content_policy_violation"


def test_a_long_message_is_cut() -> None:
    words = blame.said(msgspec.json.encode({"error": {"message": "x" * 10_000}}))
    assert len(words.message) == 2_000
    error = blame.error_of(Rejected, 400, words, body=b"y" * 1_000_000)
    assert len(error.body) == blame.BODY_LIMIT


def test_an_error_always_has_a_message() -> None:
    assert blame.error_of(Broken, 502, Said()).message == "the provider answered 502"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, KeyRefused),
        (402, QuotaExhausted),
        (403, KeyRefused),
        (404, ModelUnknown),
        (408, Broken),
        (409, Broken),
        (412, KeyRefused),
        (413, Rejected),
        (422, Rejected),
        (429, RateLimited),
        (500, Broken),
        (503, Broken),
        (529, Broken),
        (302, Broken),
        (418, Broken),
    ],
)
def test_statuses(status: int, kind: type[ProviderError]) -> None:
    assert blame.by_status(status) is kind
    assert blame.judge(status, Said(), Signs()) is kind


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens",
        "Your input exceeds the context window of this model",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is too long for requested model.",
        "Input Tokens Exceeded",
        "too many tokens: size limit exceeded by 25836 tokens",
        "The total length of all messages is too long.",
        "prompt too long; exceeded max context length by 5 tokens",
        "The prompt exceeds model's maximum context",
        "length of prompt_tokens (139216) must be less than max_seq_len (98304).",
        "Request too large for gpt-4o in organization org on tokens per min (TPM): Limit 30000, Requested 31538.",
    ],
)
def test_an_input_that_is_too_long(message: str) -> None:
    for status in (400, 413, 429):
        assert blame.judge(status, Said(message=message), Signs()) is ContextOverflow
    assert blame.judge(503, Said(message=message), Signs()) is Broken


@pytest.mark.parametrize("message", ["max_tokens is too large", "Rate limit reached for gpt-4", "invalid image", ""])
def test_what_is_no_overflow(message: str) -> None:
    assert not blame.overflows(message.lower())


def test_a_code_says_more_than_a_status_and_a_sentence_more_than_nothing() -> None:
    signs = Signs(codes={"rate": RateLimited, "bad_key": KeyRefused}, sentences=(("wrong key", KeyRefused),))
    assert blame.judge(400, Said(codes=("bad_key",)), signs) is KeyRefused
    assert blame.judge(400, Said(message="A wrong KEY"), signs) is KeyRefused
    assert blame.judge(502, Said(message="a wrong key"), signs) is Broken
    assert blame.judge(429, Said(codes=("rate",), message="Request too large for x"), signs) is ContextOverflow
    assert blame.judge(400, Said(codes=("other", "rate")), signs) is RateLimited
