"""The control plane of a real gateway: what it changes reaches every worker, and nothing depends on it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx2
import pytest

from tests.admin.governed import FIRST, SECOND, Operator, governing, two_legs
from tests.gateway.harness import Upstream
from tests.supervisor.serving import Slow, answering, asked, processes, until

#: Processes start, and start again.
pytestmark = pytest.mark.timeout(180)


async def kill_a_worker(operator: Operator) -> None:
    """Kill one, and wait for the one in its place."""
    before = operator.served.workers()
    os.kill(before[0], signal.SIGKILL)

    async def replaced() -> bool:
        found = await operator.get("/workers")
        pids = {one["pid"] for one in found["workers"]}
        return len(pids) == len(before) and before[0] not in pids

    await operator.until(replaced)


async def test_a_breaker_that_is_forced_holds_in_every_worker_until_it_is_let_go(tmp_path: Path) -> None:
    async with (
        Upstream(answering()) as one,
        Upstream(answering()) as two,
        governing(tmp_path, two_legs(one, two)) as operator,
    ):
        assert await operator.answering() == {FIRST}
        forced = await operator.force(FIRST, "open", reason="it is slow")
        assert (forced["state"], forced["forced"], forced["until"], forced["reason"]) == (
            "open",
            "open",
            None,
            "it is slow",
        )
        assert [worker["state"] for worker in forced["workers"]] == ["open", "open"]
        # From the very next request on.
        assert await operator.answering() == {SECOND}
        await kill_a_worker(operator)
        assert await operator.answering() == {SECOND}
        # Over a configuration that makes new breakers, too.
        operator.served.configure(two_legs(one, two, breaker={"failures": 9}))
        await operator.post("/reload")
        assert await operator.answering() == {SECOND}
        released = await operator.force(FIRST, "auto")
        assert (released["state"], released["forced"]) == ("closed", None)
        assert await operator.answering() == {FIRST}
        # A whole provider.
        assert (await operator.force("one", "open"))["scope"] == "provider"
        assert await operator.answering() == {SECOND}
        await kill_a_worker(operator)
        assert await operator.answering() == {SECOND}
        await operator.force("one", "auto")
        assert await operator.answering() == {FIRST}
        told = (await operator.get("/audit"))["changes"]
        assert [(each["what"], each["subject"]) for each in told] == [
            ("breaker", "one"),
            ("breaker", "one"),
            ("breaker", FIRST),
            ("reload", "hybridge.yaml"),
            ("breaker", FIRST),
        ]
        assert told[-1]["before"] == {"state": "auto"}
        assert told[-1]["after"] == {"state": "open", "until": None, "reason": "it is slow"}
        assert told[3]["before"] == {"breaker.failures": 3}
        assert told[3]["after"] == {"breaker.failures": 9}
        assert {each["who"] for each in told} == {told[0]["who"]}
        assert told[0]["who"].startswith("admin token ")
        assert await operator.served.end() == 0


async def test_a_hold_ends_when_its_time_is_over(tmp_path: Path) -> None:
    async with (
        Upstream(answering()) as one,
        Upstream(answering()) as two,
        governing(tmp_path, two_legs(one, two)) as operator,
    ):
        forced = await operator.force(FIRST, "open", until=2)
        assert forced["until"] is not None
        assert 0 < forced["workers"][0]["retry_in_s"] <= 2
        # A worker that comes meanwhile is not told a longer one.
        await operator.force(SECOND, "closed", until="10m")
        assert await operator.answering(2) <= {FIRST, SECOND}

        async def over() -> bool:
            return (await operator.breaker(FIRST))["forced"] is None

        await operator.until(over)
        assert await operator.answering() == {FIRST}
        assert (await operator.breaker(SECOND))["forced"] == "closed"


async def test_a_deployment_or_a_provider_is_drained(tmp_path: Path) -> None:
    slow = Slow()
    async with Upstream(slow) as one, Upstream(answering()) as two, governing(tmp_path, two_legs(one, two)) as operator:
        async with operator.served.client.stream("POST", "/v1/chat/completions", json=asked(stream=True)) as answer:
            pieces = answer.aiter_bytes()
            said = await anext(pieces)
            drained = await operator.post("/drain", {"deployment": FIRST}, 202)
            assert (drained["draining"], drained["breaker"]["reason"]) == (FIRST, "drained")
            assert await operator.answering() == {SECOND}
            assert (await operator.get("/workers"))["in_flight"] == 1
            # What is under way there ends there.
            slow.go.set()
            async for piece in pieces:
                said += piece
        assert said.endswith(b"data: [DONE]\n\n")
        await operator.force(FIRST, "auto")
        assert await operator.answering() == {FIRST}
        assert (await operator.post("/drain", {"provider": "one"}, 202))["draining"] == "one"
        assert await operator.answering() == {SECOND}
        for wrong in ({"deployment": "one"}, {"provider": "nobody"}, {"deployment": FIRST, "provider": "one"}):
            answer = await operator.client.post("/admin/drain", json=wrong)
            assert answer.status_code in (400, 404), answer.text


async def test_the_gateway_is_drained_while_a_stream_runs(tmp_path: Path) -> None:
    slow = Slow()
    async with (
        Upstream(slow) as one,
        Upstream(answering()) as two,
        governing(tmp_path, two_legs(one, two) | {"server": {"port": 0, "workers": 1, "drain": "20s"}}) as operator,
    ):
        served = operator.served
        control, workers = served.control(), served.workers()
        async with served.client.stream("POST", "/v1/chat/completions", json=asked(stream=True)) as answer:
            pieces = answer.aiter_bytes()
            said = await anext(pieces)
            assert await operator.post("/drain", status=202) == {"draining": "gateway", "breaker": None}
            while (ready := await served.client.get("/readyz")).status_code == 200:
                pass
            assert (ready.status_code, ready.headers["x-hybridge-error"]) == (503, "draining")
            # The control plane is there as long as something is under way.
            assert (await operator.get("/workers"))["workers"][0]["draining"] is True
            assert (await operator.get("/audit"))["changes"][0]["after"] == "draining"
            slow.go.set()
            async for piece in pieces:
                said += piece
        assert said.endswith(b"data: [DONE]\n\n")
        assert await asyncio.wait_for(served.process.wait(), 20) == 0
        with pytest.raises(httpx2.TransportError):
            await operator.client.get("/admin/workers")
        await until(lambda: not {*control, *workers} & {pid for pid, _, _ in processes()})
        # Nobody had to be made to leave.
        assert "killed" not in served.log


async def test_a_reload_says_what_it_changed_or_what_is_wrong(tmp_path: Path) -> None:
    async with Upstream(answering()) as one, Upstream(answering()) as two:
        text = two_legs(one, two)
        async with governing(tmp_path, text) as operator:
            served = operator.served
            served.configure("providers:\n  one: {kind: direct, dialect: opnai}\n")
            refused = (await operator.post("/reload", status=409))["error"]
            assert refused["code"] == "configuration_refused"
            assert any("providers.one.dialect" in problem for problem in refused["problems"])
            assert await operator.answering() == {FIRST}
            served.configure(text | {"models": {"m": {"deployments": [SECOND]}}})
            # Whoever comes first: the operator, or the file that is looked at twice a second.
            told = await operator.post("/reload")
            assert await operator.answering() == {SECOND}
            (change,) = (await operator.get("/audit"))["changes"]
            assert change["what"] == "reload"
            assert change["after"]["models.m.deployments"] == [SECOND]
            assert told["after"] in ({}, change["after"])
            config = await operator.get("/config")
            assert config["config"]["models"]["m"]["deployments"] == [SECOND]
            assert config["config"]["admin"]["token"] == "***"
            assert config["file"] == "hybridge.yaml"
            # Another token, from the next request on.
            served.configure(text | {"admin": {"token": "another"}})
            await served.until_logged("a new configuration is in force")
            await operator.until(lambda: refuses(operator))
            operator.client.headers["authorization"] = "Bearer another"
            assert (await operator.get("/audit"))["changes"][0]["who"] == "file hybridge.yaml"


def written(folder: Path) -> bytes:
    """All that the ledger's files hold."""
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.name.startswith("accounts.db"))


async def refuses(operator: Operator) -> bool:
    return (await operator.client.get("/admin/workers")).status_code == 401


async def test_requests_are_answered_while_the_control_plane_is_dead_and_it_comes_back(tmp_path: Path) -> None:
    async with (
        Upstream(answering()) as one,
        Upstream(answering()) as two,
        governing(tmp_path, two_legs(one, two)) as operator,
    ):
        served = operator.served
        assert (await operator.force(FIRST, "open"))["forced"] == "open"
        (control,), workers = served.control(), served.workers()
        os.kill(control, signal.SIGKILL)
        assert await operator.answering() == {SECOND}
        # Nobody is refused: who comes too early waits.
        async with httpx2.AsyncClient(base_url=served.admin_url, trust_env=False, timeout=60) as client:
            answer = await client.get("/admin/breakers", headers=dict(operator.client.headers))
        assert answer.json()["breakers"][0]["forced"] == "open"
        (again,) = served.control()
        assert again != control
        assert served.workers() == workers
        # One that hangs is no hindrance either.
        os.kill(again, signal.SIGSTOP)
        assert await operator.answering() == {SECOND}
        os.kill(again, signal.SIGCONT)
        assert await served.end() == 0
        await until(lambda: not {again, *workers} & {pid for pid, _, _ in processes()})


async def test_a_token_is_made_once_told_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    async with Upstream(answering()) as one, Upstream(answering()) as two:
        text = {key: value for key, value in two_legs(one, two).items() if key != "admin"}
        async with governing(tmp_path, text, token="") as operator:
            assert (await operator.client.get("/admin/workers")).status_code == 401
            await operator.served.until_logged("hyb_admin_")
            token = next(word for word in operator.served.log.split() if word.startswith("hyb_admin_"))
            assert operator.served.log.count("hyb_admin_") == 1
            operator.client.headers["authorization"] = f"Bearer {token}"
            assert (await operator.get("/workers"))["wanted"] == 2
            assert await operator.served.end() == 0
        assert token.encode() not in written(tmp_path)
        async with governing(tmp_path, text, token=token) as operator:
            assert (await operator.get("/workers"))["wanted"] == 2
            assert "hyb_admin_" not in operator.served.log
