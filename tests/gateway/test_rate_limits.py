"""What a provider says of its limits is heeded before it has to refuse."""

from __future__ import annotations

import pytest

from tests.gateway.asking import CHUNKS, ask, chain
from tests.gateway.harness import Upstream, answering, gateway, openai_reply, streaming


@pytest.mark.parametrize(
    "said",
    [
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "1m2.5s"},
        {"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "40"},
    ],
)
async def test_a_key_with_nothing_left_is_not_tried_until_its_reset(said: dict[str, str]) -> None:
    async with (
        Upstream(answering(200, openai_reply(), **said)) as a,
        Upstream(answering(200, openai_reply())) as b,
        gateway(chain(a, b)) as running,
    ):
        answered = [(await ask(running, "openai")).headers["x-hybridge-deployment"] for _ in range(3)]
        assert answered == ["a/x", "b/x", "b/x"]
        assert len(a.received) == 1


async def test_a_key_with_something_left_goes_on() -> None:
    said = {"x_ratelimit_remaining_requests": "1", "x_ratelimit_reset_requests": "60s", "x_other": "0"}
    async with Upstream(answering(200, openai_reply(), **said)) as a, gateway(chain(a)) as running:
        assert [(await ask(running, "openai")).status_code for _ in range(3)] == [200, 200, 200]


async def test_when_every_key_has_nothing_left_the_client_is_told_when_to_come_back() -> None:
    said = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "30s"}
    async with Upstream(answering(200, openai_reply(), **said)) as a, gateway(chain(a)) as running:
        await ask(running, "openai")
        answer = await ask(running, "openai")
        assert (answer.status_code, answer.headers["x-hybridge-error"]) == (429, "rate_limit_exceeded")
        assert 28 <= int(answer.headers["retry-after"]) <= 30
        a.scripts = [streaming(CHUNKS["openai"]("Hel", "lo"))]
        assert (await ask(running, "openai", stream=True)).status_code == 429
