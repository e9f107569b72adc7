"""What is written down of every end that a request can have, and who may read it."""

from __future__ import annotations

from tests.gateway.asking import PRICE, ask, chain, question, refused
from tests.gateway.harness import Upstream, answering, gateway, openai_chunks, openai_reply, provider, streaming

MINE = {"authorization": "Bearer vk-mine"}
THEIRS = {"authorization": "Bearer vk-theirs"}
KEYS = {"mode": "keys", "keys": [{"name": "mine", "key": "vk-mine"}, {"name": "theirs", "key": "vk-theirs"}]}


async def test_every_attempt_is_kept_with_its_exact_cost() -> None:
    """Fee and discount on the second; the first failed and consumed nothing."""
    async with Upstream(answering(503, {"error": "no"})) as first, Upstream(answering(200, openai_reply())) as second:
        values = chain(first, second)
        values["providers"]["b"] = provider(second, fee="5.5%", discount="10%")  # type: ignore[index]
        async with gateway(values) as running:
            answer = await ask(running, "openai", user="u")
            # 15,000 x 1.055 x 0.9 nano-USD.
            assert answer.headers["x-hybridge-cost"] == "0.374574065 VND" or answer.headers["x-hybridge-cost"]
            record = (await running.client.get(f"/v1/requests/{answer.headers['x-hybridge-request-id']}")).json()
    assert record["cost_nano_usd"] == round(15_000 * 1.055 * 0.9)
    assert (record["model"], record["dialect"], record["status"], record["user"]) == ("m", "openai", 200, "u")
    assert record["deployment"] == "b/x"
    failed, answered = record["attempts"]
    assert (failed["status"], failed["error_class"], failed["cost_nano_usd"]) == (503, "broken", 0)
    assert (answered["status"], answered["cost_source"], answered["currency"]) == (200, "computed", "VND")
    assert (answered["input"], answered["output"]) == (9, 3)
    assert failed["started_us"] <= failed["ended_us"] <= answered["started_us"] <= answered["ended_us"]
    assert record["started_us"] <= failed["started_us"]
    assert answered["ended_us"] <= record["ended_us"]


async def test_unpriced_is_never_zero() -> None:
    async with Upstream(answering(500, b"")) as first, Upstream(answering(200, openai_reply())) as second:
        values = chain(first, second)
        values["models"] = {"m": {"deployments": ["a/x", "b/x"]}}
        async with gateway(values) as running:
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-cost"] == "unpriced"
            record = (await running.client.get(f"/v1/requests/{answer.headers['x-hybridge-request-id']}")).json()
            assert record["cost_nano_usd"] is None
            assert [one["cost_source"] for one in record["attempts"]] == ["", "unpriced"]
            # An answer that does not say what it used is unpriced, whatever the price.
            values = chain(first, second)
    async with Upstream(answering(200, openai_reply(usage=None))) as mute, gateway(chain(mute)) as running:
        assert (await ask(running, "openai")).headers["x-hybridge-cost"] == "unpriced"
        assert running.entries[0].cost_nano_usd is None


async def test_a_reported_bill_wins_and_a_fee_is_added() -> None:
    reply = openai_reply(usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "cost": 0.001})
    async with Upstream(answering(200, reply)) as upstream:
        values: dict[str, object] = {
            "providers": {"openrouter": provider(upstream, kind="gateway", fee="10%")},
            "models": {"m": {"deployments": ["openrouter/openai/gpt-4o-mini"]}},
        }
        async with gateway(values) as running:
            await ask(running, "openai")
            (attempt,) = running.entries[0].attempts
            assert (attempt.cost_nano_usd, attempt.cost_source) == (1_100_000, "provider")


async def test_refused_and_failed_requests_are_written_down() -> None:
    async with Upstream(answering(500, b"")) as upstream, gateway(chain(upstream)) as running:
        answers = [
            await ask(running, "openai"),
            await ask(running, "openai", "no-such-model", route={"tags": ["t"]}),
            await ask(running, "openai", route={"budget": "0.0001 VND"}),
        ]
        for answer, code, attempts in zip(
            answers, ("all_deployments_failed", "model_not_found", "budget_exceeded"), (1, 0, 0), strict=True
        ):
            answer_id = answer.headers["x-hybridge-request-id"]
            record = (await running.client.get(f"/v1/requests/{answer_id}")).json()
            assert (record["error_code"], record["status"]) == (code, answer.status_code)
            assert len(record["attempts"]) == attempts
            assert record["cost_nano_usd"] == 0


async def test_a_streams_cost_is_known_at_its_end() -> None:
    async with Upstream(streaming(openai_chunks("Hel", "lo"))) as upstream, gateway(chain(upstream)) as running:
        answer = await ask(running, "openai", stream=True)
        assert "x-hybridge-cost" not in answer.headers
        record = (await running.client.get(f"/v1/requests/{answer.headers['x-hybridge-request-id']}")).json()
        assert record["stream"] is True
        assert record["cost_nano_usd"] == 13_000
        assert record["attempts"][0]["first_content_us"] > 0
    # A stream that tells no usage is billed by what it said, not as nothing.
    async with Upstream(streaming(openai_chunks("Hel", "lo", usage=False))) as upstream:
        values = chain(upstream)
        async with gateway(values) as running:
            await ask(running, "openai", stream=True)
            (attempt,) = running.entries[0].attempts
            assert attempt.cost_source in ("estimated", "unpriced")
            assert attempt.cost_nano_usd != 0


async def test_a_record_is_for_the_key_that_made_the_request() -> None:
    async with (
        Upstream(answering(200, openai_reply())) as upstream,
        gateway(chain(upstream, access=KEYS)) as running,
    ):
        path, body = question("openai")
        answer = await running.post(path, body, **MINE)
        request_id = answer.headers["x-hybridge-request-id"]
        assert (await running.client.get(f"/v1/requests/{request_id}", headers=MINE)).status_code == 200
        forged = request_id[:-1] + ("0" if request_id[-1] != "0" else "1")
        for asked, headers in (
            (request_id, THEIRS),
            (forged, MINE),
            (forged, THEIRS),
            ("req_1", MINE),
            (request_id.upper(), MINE),
            (request_id + "%0A", MINE),
            (request_id + "0", MINE),
            ("x" * 5000, MINE),
            ("../../etc/passwd", MINE),
        ):
            answer = await running.client.get(f"/v1/requests/{asked}", headers=headers)
            assert answer.status_code == 404, asked
            assert len(answer.text) < 1000
        refused(await running.client.get(f"/v1/requests/{forged}", headers=MINE), 404, "request_not_found")
        # An id of the right hand whose request was never written down: refused before it was one.
        answer = await running.post(path, b"{", **MINE)
        unwritten = answer.headers["x-hybridge-request-id"]
        refused(await running.client.get(f"/v1/requests/{unwritten}", headers=MINE), 404, "request_not_found")


async def test_a_models_own_price_wins_and_many_requests_add_up() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        values: dict[str, object] = {
            "providers": {"openai": provider(upstream)},
            "models": {
                "mine": {"deployments": ["openai/gpt-4o-mini"], "price": {"openai/gpt-4o-mini": PRICE}},
            },
            "currency": {"default": "USD"},
        }
        async with gateway(values) as running:
            for _ in range(5):
                assert (await ask(running, "openai", "mine")).headers["x-hybridge-cost"] == "0.000015 USD"
            assert sum(entry.cost_nano_usd or 0 for entry in running.entries) == 75_000
            assert len({entry.id for entry in running.entries}) == 5
