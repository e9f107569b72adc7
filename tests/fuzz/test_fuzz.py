"""The cases are the same again, pass on what is there, and a defect is seen."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from fuzz import codecs
from fuzz.answers import answer
from fuzz.codecs import Wrong
from fuzz.mutation import pieces, wrong
from fuzz.oracle import judge, judge_entries
from fuzz.parts import Part, play
from fuzz.questions import Question, question
from fuzz.seeds import DIALECTS, seeds
from hybridge.chaos.wire import Head
from hybridge.dialects.openai.provider import OpenAIProvider
from hybridge.ledger.entry import LedgerEntry
from hybridge.server.endpoints import chat
from hybridge.types import Attempt

GATEWAY = Part("gateway", 1, 0, 40, 1, 30.0)


@pytest.fixture(autouse=True)
def built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYBRIDGE_SHARED", raising=False)


def test_a_case_is_the_same_again() -> None:
    found = seeds()
    for number in range(50):
        drawn = [question(found, Random(f"1:{number}"), 0) for _ in range(2)]
        assert drawn[0] == drawn[1]
        told = [answer(found["gemini"], Random(f"1:{number}"), stream=True) for _ in range(2)]
        assert told[0] == told[1]


def test_what_goes_wrong_is_small_and_has_an_end() -> None:
    for number in range(300):
        value = json.loads(seeds()["openai"].requests[1])
        assert len(wrong(value, Random(number))) < 1_000_000


def test_pieces_lose_nothing() -> None:
    for number in range(50):
        assert b"".join(pieces(b"0123456789" * 50, Random(number))) == b"0123456789" * 50


def test_the_gateway_stands() -> None:
    share = play(GATEWAY)
    assert share.failures == []
    assert share.cases == 40
    assert sum(share.answers.values()) >= 35


def test_the_codecs_stand() -> None:
    share = play(Part("codecs", 1, 0, 150, 1, 30.0))
    assert (share.cases, share.failures) == (150, [])


def test_a_defect_of_the_gateway_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(chat, "take_in", broken)
    share = play(replace(GATEWAY, end=5))
    assert share.failures
    assert "a defect" in share.failures[0].said


def test_a_defect_of_a_codec_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(OpenAIProvider, "peek_reply", broken)
    share = play(Part("codecs", 1, 0, 60, 1, 30.0))
    assert share.failures
    assert "KeyError" in share.failures[0].said


def head(status: int, **headers: str) -> Head:
    return Head(f"HTTP/1.1 {status} x", [(name.replace("_", "-"), value) for name, value in headers.items()])


@pytest.mark.parametrize(
    ("answered", "body"),
    [
        (head(500, x_hybridge_error="internal_error"), b'{"error":{}}'),
        (head(401, x_hybridge_error="invalid_api_key"), b'{"error":{}}'),
        (head(400), b'{"error":{}}'),
        (head(400, x_hybridge_error="invalid_request"), b"{"),
        (head(400, x_hybridge_error="invalid_request"), b"{}"),
        (head(200, content_type="text/event-stream"), b""),
        (head(200, content_type="text/event-stream"), b'data: {"choices":[]}\n\n'),
        (head(200, x_hybridge_deployment="gemini0/x"), b"no"),
    ],
)
def test_what_is_no_answer(answered: Head, body: bytes) -> None:
    with pytest.raises(Wrong):
        judge(Question("openai", [], stream=True), answered, body)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_stream_that_stops_is_no_stream(name: str) -> None:
    whole = seeds()[name].streams[0]
    answered = head(200, content_type="text/event-stream")
    judge(Question(name, [], stream=True), answered, b"".join(whole))
    with pytest.raises(Wrong):
        judge(Question(name, [], stream=True), answered, b"".join(whole[:1]))


def test_accounts_that_are_wrong() -> None:
    attempt = Attempt("a/x", "a", "direct", "k", 200, "", "", 1)
    entry = LedgerEntry("req_1", 1, "chat", "openai", "m", ended_us=2, status=200, attempts=[attempt])
    accepted = head(200, x_hybridge_attempts="a/x=200")
    judge_entries(accepted, [entry])
    for entries in ([], [entry, entry]):
        with pytest.raises(Wrong):
            judge_entries(accepted, entries)
    attempt.cost_nano_usd = -1
    with pytest.raises(Wrong):
        judge_entries(accepted, [entry])


def test_an_event_that_is_none() -> None:
    codecs.check_stream("openai", b'data: {"a":1}\n\ndata: [DONE]\n\n', complete=True)
    for octets in (b"data: {\n\n", b'data: {"a":1}\n', b"nonsense\n\n"):
        with pytest.raises(Wrong):
            codecs.check_stream("openai", octets, complete=True)
