"""A stream between two dialects: what is heard in it does not depend on how its bytes are cut."""

from __future__ import annotations

import msgspec
import pytest

from hybridge.chat import StopReason
from hybridge.dialects import dialect
from hybridge.dialects.codec import Translation
from hybridge.errors import Broken
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS


def chunk(**fields: object) -> bytes:
    return b"data: " + msgspec.json.encode({"id": "x", "model": "m", **fields}) + b"\n\n"


def delta(delta: object, finish: str | None = None) -> bytes:
    return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


WORDS = [delta({"content": text}) for text in ("one", "ü", "", "three\n")]
CALL = delta({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a":1}'}}]})
END = [
    delta({}, "tool_calls"),
    chunk(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2}),
    b"data: [DONE]\n\n",
]


def translation(client: str) -> Translation:
    encoder = dialect(client).client.stream_encoder(model="m", include_usage=True, request_id="r", created=1)
    return Translation(dialect("openai").provider.stream_decoder(NO_QUIRKS), encoder)


@pytest.mark.parametrize("client", ["anthropic", "gemini", "openai"])
def test_any_cut_is_heard_alike(client: str) -> None:
    events = [delta({"role": "assistant", "content": ""}), *WORDS, delta({"reasoning": "hm"}), CALL, *END]
    stream = b"".join(events)
    for pieces in ([stream], events, [stream[at : at + 1] for at in range(len(stream))], [stream[:300], stream[300:]]):
        relay = translation(client)
        for piece in pieces:
            relay.feed(piece)
        relay.end()
        assert relay.error is None
        assert relay.content
        assert relay.said == len("oneüthree\n") + len("hm") + len('{"a":1}')
        assert relay.stop is StopReason.TOOL_CALLS
        assert relay.usage == Usage(input=1, output=2)


def test_content_begins_with_the_first_word_and_each_feed_that_says_something_is_progress() -> None:
    relay = translation("anthropic")
    relay.feed(delta({"role": "assistant", "content": ""}))
    before = relay.content
    assert not before
    for count, word in enumerate(WORDS[:2], 2):
        assert word not in relay.feed(word)
        assert relay.content
        assert relay.progress == count
    relay.feed(b": comment\n\n")
    assert relay.progress == 3


def test_an_error_ends_it() -> None:
    relay = translation("anthropic")
    before = relay.feed(WORDS[0] + chunk(error={"message": "x"}) + WORDS[0])
    assert before == translation("anthropic").feed(WORDS[0])
    assert isinstance(relay.error, Broken)
    assert relay.end() == b""
