"""What passes through, what stays here, and what the caller asks of the router."""

from __future__ import annotations

import json
from typing import Any

from tests.gateway.asking import PRICE, anthropic_chunks, ask, chain, events, in_each_dialect, question, refused
from tests.gateway.harness import (
    Upstream,
    answering,
    anthropic_reply,
    gateway,
    gemini_reply,
    openai_chunks,
    openai_reply,
    provider,
    streaming,
)

REPLIES = {"openai": openai_reply, "anthropic": anthropic_reply, "gemini": gemini_reply}
ODD = '{"a":1.50,"b":[1e3,true,null,"\\u0110\\ud83c\\uddfb"],"c" : {"d":9007199254740993123}}'


@in_each_dialect
async def test_unknown_members_of_a_request_survive_byte_for_byte(dialect: str) -> None:
    async with (
        Upstream(answering(200, REPLIES[dialect]())) as upstream,
        gateway(chain(upstream, dialects=[dialect])) as running,
    ):
        path, body = question(dialect)
        wire = json.dumps(body)[:-1] + f', "future_member": {ODD}, "temperature": 0.70, "route": {{"tags": ["a"]}}}}'
        assert (await running.post(path, wire.encode())).status_code == 200
        sent = upstream.received[0]
        assert f'"future_member":{ODD}' in sent.body.decode().replace('"future_member": ', '"future_member":')
        assert b"0.70" in sent.body
        assert b"route" not in sent.body
        contents = "contents" if dialect == "gemini" else "messages"
        assert sent.json[contents] == body[contents]
        if dialect == "gemini":
            assert sent.path == "/v1beta/models/x:generateContent"
            assert "model" not in sent.json
        else:
            assert sent.json["model"] == "x"


@in_each_dialect
async def test_an_answer_is_untouched_to_the_byte(dialect: str) -> None:
    reply = json.dumps(REPLIES[dialect]())[:-1] + f', "future_member": {ODD}  }}\n'
    async with (
        Upstream(answering(200, reply.encode())) as upstream,
        gateway(chain(upstream, dialects=[dialect])) as running,
    ):
        answer = await ask(running, dialect)
        assert answer.content == reply.encode()
        assert answer.headers["content-length"] == str(len(reply))


async def test_unknown_members_of_a_stream_survive() -> None:
    chunks = openai_chunks("Hi")
    chunks[1] = chunks[1].replace(b'"choices"', b'"future": ' + ODD.encode() + b', "choices"')
    async with Upstream(streaming(chunks)) as upstream, gateway(chain(upstream)) as running:
        answer = await ask(running, "openai", stream=True, stream_options={"include_usage": True, "odd": 1})
        assert answer.content == b"".join(chunks)
        assert upstream.received[0].json["stream_options"] == {"include_usage": True, "odd": 1}


async def test_headers_that_travel_and_those_that_stay() -> None:
    theirs = {
        "set_cookie": "session=1",
        "openai_organization": "org-secret",
        "x_ratelimit_remaining_requests": "7",
        "anthropic_ratelimit_requests_remaining": "7",
        "retry_after": "9",
        "x_request_id": "req-theirs",
        "server": "theirs",
        "via": "theirs",
        "x_hybridge_cost": "0 VND",
        "x_hybridge_deployment": "forged/one",
    }
    async with Upstream(answering(200, openai_reply(), **theirs)) as upstream, gateway(chain(upstream)) as running:
        path, body = question("openai")
        answer = await running.post(
            path,
            body,
            openai_beta="assistants=v2",
            anthropic_beta="tools-1",
            anthropic_version="2023-06-01",
            cookie="a=b",
            authorization="Bearer mine",
            x_api_key="mine",
            api_key="mine",
            x_goog_api_key="mine",
            x_hybridge_user="me",
            x_hybridge_session="s",
            x_forwarded_for="10.0.0.1",
            openai_organization="org-mine",
            x_stainless_os="Linux",
            user_agent="me/1",
        )
        sent = upstream.received[0].headers
        assert sent["openai-beta"] == "assistants=v2"
        assert sent["authorization"] == "Bearer test-key"
        assert sent["user-agent"].startswith("hybridge/")
        kept = {"host", "accept-encoding", "content-type", "content-length", "authorization", "user-agent"}
        travelling = {"openai-beta", "anthropic-beta", "anthropic-version"}
        assert sent.keys() - kept <= travelling
        assert answer.headers["x-request-id"] == "req-theirs"
        assert answer.headers["x-hybridge-deployment"] == "a/x"
        assert answer.headers.get_list("x-hybridge-cost") == ["0.3945 VND"]
        for name in ("set-cookie", "openai-organization", "server", "via", "retry-after"):
            assert name not in answer.headers
        assert not [name for name in answer.headers if "ratelimit" in name]


async def test_anthropics_headers_travel_within_the_dialect_and_its_query_is_no_trouble() -> None:
    async with (
        Upstream(answering(200, anthropic_reply(), request_id="req_theirs")) as upstream,
        gateway(chain(upstream, dialects=["anthropic"])) as running,
    ):
        _, body = question("anthropic")
        answer = await running.post(
            "/v1/messages?beta=true", body, anthropic_beta="context-1m", anthropic_version="2023-01-01"
        )
        assert answer.status_code == 200
        sent = upstream.received[0]
        assert sent.headers["anthropic-beta"] == "context-1m"
        assert sent.headers["anthropic-version"] == "2023-01-01"
        assert answer.headers["request-id"] == "req_theirs"
        # To another dialect they mean nothing.
        await ask(running, "openai")
        assert "anthropic-beta" not in upstream.received[1].headers
        answer = await running.post("/v1/messages/count_tokens?beta=true", body)
        assert answer.json()["input_tokens"] > 0


OPENROUTERS: dict[str, Any] = {
    "models": ["other/one"],
    "provider": {"order": ["deepinfra", "novita"], "allow_fallbacks": False, "quantizations": ["fp8"]},
    "route": "fallback",
    "transforms": ["middle-out"],
    "plugins": [{"id": "web"}],
}


async def test_openrouters_own_fields_go_to_openrouter_only() -> None:
    async with Upstream(answering(500, b"")) as plain, Upstream(answering(200, openai_reply())) as router:
        values: dict[str, object] = {
            "providers": {"openai": provider(plain), "openrouter": provider(router, kind="gateway")},
            "models": {"m": {"deployments": ["openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini"]}},
            "retries": {"attempts": 1},
        }
        async with gateway(values) as running:
            answer = await ask(running, "openai", **OPENROUTERS)
            assert answer.status_code == 200, answer.text
            # `other/one` is nobody's model here but the gateway's.
            assert answer.headers["x-hybridge-attempts"].startswith("openai/gpt-4o-mini=500;openrouter/")
            assert not plain.received[0].json.keys() & OPENROUTERS.keys()
            sent = router.received[0].json
            assert {name: sent[name] for name in OPENROUTERS} == OPENROUTERS


async def test_a_provider_object_that_names_ours_is_ours() -> None:
    async with Upstream(answering(200, openai_reply())) as plain, Upstream(answering(200, openai_reply())) as router:
        values: dict[str, object] = {
            "providers": {"openai": provider(plain), "openrouter": provider(router, kind="gateway")},
            "models": {"m": {"deployments": ["openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini"]}},
        }
        async with gateway(values) as running:
            for wish in (
                {"order": ["openrouter"]},
                {"order": ["OpenRouter", "deepinfra"]},
                {"only": ["openrouter"]},
                {"ignore": ["openai"]},
            ):
                answer = await ask(running, "openai", provider=wish)
                assert answer.headers["x-hybridge-deployment"] == "openrouter/openai/gpt-4o-mini", wish
                assert "provider" not in router.received[-1].json
            answer = await ask(running, "openai", provider={"only": ["openrouter"], "ignore": ["openrouter"]})
            refused(answer, 503, "no_able_deployment")


@in_each_dialect
async def test_our_route_object_reaches_nobody_and_is_written_down(dialect: str) -> None:
    route = {"user": "me", "session": "s1", "tags": ["x", "y"], "complexity": "low", "budget": "500 VND"}
    async with (
        Upstream(answering(200, REPLIES[dialect]())) as upstream,
        gateway(chain(upstream, dialects=[dialect])) as running,
    ):
        answer = await ask(running, dialect, route=route)
        assert b"route" not in upstream.received[0].body
        entry = running.entries[0]
        assert (entry.user, entry.session, entry.tags, str(entry.budget)) == ("me", "s1", ("x", "y"), "500 VND")
        # 15,000 nano-USD at 26,300 VND a dollar are 0.3945 VND.
        assert answer.headers["x-hybridge-budget-remaining"] == "499.6055 VND"
        answer = await ask(running, dialect, route={"budget": {"amount": 0.5, "currency": "usd"}})
        assert answer.headers["x-hybridge-budget-remaining"] == "0.499985 USD"
        path, body = question(dialect)
        answer = await running.post(path, body, x_hybridge_budget="700 VND", x_hybridge_user="them")
        assert answer.headers["x-hybridge-budget-remaining"] == "699.6055 VND"
        assert running.entries[-1].user == "them"
        assert not [name for name in upstream.received[-1].headers if name.startswith("x-hybridge")]
        # The body's word is stronger than a header's.
        answer = await running.post(path, {**body, "route": {"budget": "1 USD"}}, x_hybridge_budget="700 VND")
        assert answer.headers["x-hybridge-budget-remaining"].endswith(" USD")


async def test_who_the_user_is() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream)) as running:
        for dialect, fields, headers, user in (
            ("openai", {"user": "u"}, {}, "u"),
            ("openai", {"safety_identifier": "i"}, {}, "i"),
            ("openai", {"user": "u"}, {"x_hybridge_user": "h"}, "h"),
            ("openai", {"user": "u", "route": {"user": "r"}}, {"x_hybridge_user": "h"}, "r"),
            ("anthropic", {"metadata": {"user_id": "a"}}, {}, "a"),
            ("gemini", {}, {}, None),
        ):
            path, body = question(dialect, **fields)
            await running.post(path, body, **headers)
            assert running.entries[-1].user == user


CHATTY: dict[str, Any] = {
    "presence_penalty": 0.5,
    "frequency_penalty": 0.1,
    "user": "u",
    "seed": 7,
    "store": False,
    "logit_bias": {},
    "n": 1,
    "logprobs": None,
    "stream_options": {"include_usage": True},
    "temperature": 1.7,
}


async def test_a_client_that_always_sends_everything_is_served_by_the_fallback_too() -> None:
    """The chain gpt-4o-mini, claude-3-haiku for a client that always sends penalties, a user and stream options."""
    async with Upstream(answering(503, b"")) as openai, Upstream(answering(200, anthropic_reply())) as anthropic:
        values: dict[str, object] = {
            "providers": {"openai": provider(openai), "anthropic": provider(anthropic, "anthropic")},
            "models": {"gpt-4o-mini": {"fallbacks": ["claude-3-haiku"]}},
            "retries": {"attempts": 1},
        }
        async with gateway(values) as running:
            answer = await ask(running, "openai", "gpt-4o-mini", **CHATTY)
            assert answer.status_code == 200, answer.text
            trail = answer.headers["x-hybridge-attempts"]
            assert trail.startswith("openai/gpt-4o-mini=503;anthropic/claude-3-haiku")
            dropped = set(answer.headers["x-hybridge-dropped"].split(", "))
            assert {"presence_penalty", "frequency_penalty", "seed"} <= dropped
            # What asks for nothing is no loss.
            assert not dropped & {"n", "logprobs", "logit_bias", "stream_options"}
            sent = anthropic.received[0].json
            assert sent["temperature"] == 1
            assert "presence_penalty" not in sent
            for usage in (True, False):
                anthropic.scripts = [streaming(anthropic_chunks("Hel", "lo"))]
                answer = await ask(
                    running,
                    "openai",
                    "gpt-4o-mini",
                    **{**CHATTY, "stream_options": {"include_usage": usage}, "stream": True},
                )
                assert answer.status_code == 200
                assert [one for one in events(answer.text) if one.get("usage")] != [] or not usage


async def test_what_cannot_be_carried_is_refused_or_dropped_by_consent() -> None:
    """The providers speak Anthropic's dialect, which has no second choice and no log probabilities."""
    async with (
        Upstream(answering(200, anthropic_reply())) as upstream,
        gateway(chain(upstream, dialects=["anthropic"])) as running,
    ):
        unable: dict[str, Any] = {"n": 2, "logprobs": True, "logit_bias": {"5": 1}}
        for field, value in unable.items():
            error = refused(await ask(running, "openai", **{field: value}), 400, "unsupported_parameter")
            assert error["param"] == field
            assert field in error["message"]
            answer = await ask(running, "openai", **{field: value}, route={"drop_unsupported": True})
            assert answer.status_code == 200, answer.text
            assert field in answer.headers["x-hybridge-dropped"]
        assert [entry.attempts for entry in running.entries if entry.status == 400] == [[]] * 3


async def test_a_deployment_that_cannot_carry_gives_way_to_one_that_can() -> None:
    async with (
        Upstream(answering(500, b"")) as first,
        Upstream(answering(200, openai_reply())) as second,
        gateway(chain(first, second, dialects=["anthropic", "openai"])) as running,
    ):
        answer = await ask(running, "openai", n=2)
        assert answer.headers["x-hybridge-attempts"] == "b/x=200"


async def test_quirks_of_a_row_are_named() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        values = chain(upstream)
        values["providers"]["a"]["quirks"] = {"drop": ["seed"], "clamp": {"temperature": {"max": 1}}}  # type: ignore[index]
        async with gateway(values) as running:
            answer = await ask(running, "openai", seed=5, temperature=1.5, top_p=0.5)
            assert set(answer.headers["x-hybridge-dropped"].split(", ")) == {"seed", "temperature"}
            sent = upstream.received[0].json
            assert "seed" not in sent
            assert (sent["temperature"], sent["top_p"]) == (1, 0.5)


async def test_an_unpriced_answer_says_so() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        values = chain(upstream)
        values["models"] = {"m": {"deployments": ["a/x"]}, "n": {"deployments": ["a/y"], "price": {"a/y": PRICE}}}
        async with gateway(values) as running:
            assert (await ask(running, "openai")).headers["x-hybridge-cost"] == "unpriced"
            assert (await ask(running, "openai", "n")).headers["x-hybridge-cost"] == "0.3945 VND"
            assert [entry.cost_nano_usd for entry in running.entries] == [None, 15_000]
            # Under a budget an unknown price is no price.
            refused(await ask(running, "openai", route={"budget": "1000 VND"}), 503, "no_able_deployment")


async def test_an_image_on_a_private_address_is_fetched_by_nobody() -> None:
    image = {"type": "image_url", "image_url": {"url": ""}}
    async with (
        Upstream(answering(200, gemini_reply())) as upstream,
        Upstream(answering(200, b"secret", content_type="image/png")) as private,
        gateway(chain(upstream, dialects=["gemini"])) as running,
    ):
        for url in (
            f"{private.url}/a.png",
            private.url.replace("http:", "https:").replace("127.0.0.1", "localhost"),
            "https://[::1]/a.png",
            "https://0x7f.1/a.png",
            "https://user@127.0.0.1/a.png",
        ):
            part = {**image, "image_url": {"url": url}}
            answer = await running.post(
                "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": [part]}]}
            )
            error = refused(answer, 400, "invalid_request")
            assert error["param"] == "image_url", url
        assert not private.received
        assert not upstream.received
