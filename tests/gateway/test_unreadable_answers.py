"""What is wrong deep inside of answers and errors."""

from __future__ import annotations

import pytest

from hybridge.dialects import dialect
from hybridge.errors import MalformedAnswer, ProviderError
from hybridge.types import NO_QUIRKS
from tests.gateway.asking import chain, question
from tests.gateway.harness import Upstream, answering, gateway

DEEP = b'{"detail":' * 900 + b"1" + b"}" * 900


@pytest.mark.parametrize("ours", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(
    "body", [b'{"error": {"message": tru}}', b'{"error": {"message": "\xff"}}', b'{"0": 1}', b"{}"]
)
async def test_a_refusal_that_no_client_could_read_is_told_anew(ours: str, body: bytes) -> None:
    async with Upstream(answering(422, body)) as upstream, gateway(chain(upstream, dialects=[ours])) as running:
        path, asked = question(ours)
        answer = await running.post(path, asked)
        assert answer.status_code == 422
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize("code", ["\x00", "a b", "é" * 50, "x" * 5000, "漢"])
async def test_a_code_that_is_no_word_is_not_ours_to_tell(code: str) -> None:
    body = {"error": {"message": "no", "code": code}}
    async with Upstream(answering(422, body)) as upstream, gateway(chain(upstream)) as running:
        answer = await running.chat("m")
        assert (answer.status_code, answer.headers["x-hybridge-error"]) == (422, "invalid_request")
        assert answer.json() == body


@pytest.mark.parametrize("error", [b"1e999", b'"\xff"', b'{"message":"\xff"}'])
def test_an_error_inside_an_answer_that_cannot_be_read(error: bytes) -> None:
    with pytest.raises(ProviderError):
        dialect("openai").provider.peek_reply(b'{"error":%b}' % error, NO_QUIRKS)


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
def test_an_error_whose_words_are_buried(name: str) -> None:
    error = dialect(name).provider.classify(400, {}, DEEP)
    assert error.message


def test_arguments_that_are_no_text() -> None:
    call = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"w","args":{"a":"\xed\xa0\x80"}}}]}}]}'
    with pytest.raises(MalformedAnswer):
        dialect("gemini").provider.decode_reply(call, NO_QUIRKS)
