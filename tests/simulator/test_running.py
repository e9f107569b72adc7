"""Scenarios, control from outside, the benchmark's answers, the command, the demo's scene."""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import sys
from pathlib import Path

import msgspec
import pytest

from hybridge.providers.catalog import Catalog
from hybridge.providers.settings import ProviderSetting
from hybridge.simulator.command import simulate
from hybridge.simulator.control import CONTROL
from hybridge.simulator.demo import KEY, scene
from hybridge.simulator.faults import Burst, Fault
from hybridge.simulator.scenario import Card, DialectName, Latency, Leg, load
from hybridge.simulator.server import SimulatedProvider
from tests.simulator.raw import ASKS, KEYS, ask, call, path_of

SCENARIO = """
seed: 5
legs:
  - name: quick
    latency: {p50_ms: 20, p99_ms: 60}
    tokens_per_second: 100
    models: {gpt-4o-mini: {input: 0.15, output: 0.6}}
    failures: [{kind: status, status: 503, probability: 0.1, burst: {every_s: 60, for_s: 5}}]
  - {name: claude, dialect: anthropic, port: 0, seed: 2}
"""


def test_a_scenario_file(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO)
    read = load(file)
    quick, claude = read.legs
    assert quick.failures == (Fault("status", status=503, probability=0.1, burst=Burst(60, 5)),)
    assert (quick.card("gpt-4o-mini"), quick.card("x"), claude.card("x")) == (Card(0.15, 0.6), None, Card())
    assert (read.seed, claude.dialect, claude.base_path) == (5, "anthropic", "/v1")


@pytest.mark.parametrize(
    "text", ["legs: [{name: x, dialetc: openai}]", "legs: [", "legs: [{name: x, dialect: telnet}]"]
)
def test_a_scenario_that_cannot_be_understood(tmp_path: Path, text: str) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"scenario\.yaml"):
        load(file)


def test_latency_has_the_percentiles_it_names() -> None:
    chance = random.Random(1)
    drawn = sorted(Latency(100, 400).seconds(chance) for _ in range(20_000))
    assert statistics.median(drawn) == pytest.approx(0.1, rel=0.05)
    assert drawn[int(0.99 * len(drawn))] == pytest.approx(0.4, rel=0.1)
    assert Latency(50).seconds(chance) == 0.05
    assert Latency(0, 10).seconds(chance) == 0


async def test_control_from_outside() -> None:
    async with SimulatedProvider(Leg("p")) as provider:
        await ask(provider)
        told = await call(provider, CONTROL)
        assert told.json == {"name": "p", "requests": 1, "left_early": 0, "faults": []}
        order = {"faults": [{"kind": "empty", "after_n": 3}], "fail_next": [{"kind": "status", "status": 418}]}
        assert (await call(provider, CONTROL, order)).json["faults"][0]["kind"] == "empty"
        assert [(await ask(provider)).status for _ in range(2)] == [418, 200]
        assert (await ask(provider)).body == b""
        assert (await call(provider, CONTROL, {"fail_next": []})).json["requests"] == 4
        assert (await call(provider, CONTROL, method="DELETE")).json["faults"] == []
        assert (await ask(provider)).body
        wrong = await call(provider, CONTROL, {"fautls": []})
        assert wrong.status == 400 and "fautls" in wrong.json["error"]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_the_benchmarks_answers(dialect: DialectName) -> None:
    async with SimulatedProvider(Leg("b", dialect, fixed=True, paced_ms=0.01)) as provider:
        unary = [await ask(provider) for _ in range(2)]
        assert unary[0].body == unary[1].body
        stream = await ask(provider, stream=True)
        assert 0 < stream.body.count(b"data: ") < 60
        assert (await call(provider, "/v1/models")).status == 200
        assert (await call(provider, "/v1/other", {})).status == 404
        assert (provider.count, len(provider.requests)) == (5, 0)


async def test_the_benchmarks_openai_is_that_of_the_other_benchmarks() -> None:
    async with SimulatedProvider(Leg("b", fixed=True)) as provider:
        assert len((await ask(provider)).body) == 680
        assert (await ask(provider, stream=True)).body.count(b"\n\n") == 52
        with_usage = await ask(provider, stream=True, stream_options={"include_usage": True})
        assert with_usage.body.count(b"\n\n") == 53
        spaced = await call(provider, path_of("openai"), b'{"stream": true}')
        assert spaced.body.endswith(b"data: [DONE]\n\n")


async def test_aihubmix_speaks_three_dialects_at_one_host() -> None:
    async with SimulatedProvider(Leg("aihubmix", flavour="aihubmix")) as provider:
        for dialect, path in (("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")):
            assert (await call(provider, path, ASKS[dialect])).status == 200
        gemini = await call(provider, "/gemini/v1beta/models/m:generateContent", ASKS["gemini"])
        assert gemini.json["candidates"]
        assert "data" in (await call(provider, "/v1/models")).json
        assert "models" in (await call(provider, "/gemini/v1beta/models")).json
        assert (await call(provider, "/nowhere")).status == 404


async def _told(**options: object) -> tuple[list[str], int | None, bytes]:
    """Run the command until it has said two lines, then end it."""
    code = f"from hybridge.simulator.command import *; from pathlib import *; simulate(**{options!r})"
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert running.stdout is not None
    lines = [(await running.stdout.readline()).decode() for _ in range(2)]
    running.send_signal(signal.SIGTERM)
    _, complaints = await running.communicate()
    return lines, running.returncode, complaints


async def test_the_command_runs_until_it_is_told_to_end(tmp_path: Path) -> None:
    plain = {"port": 0, "seed": 1, "latency_ms": 0.0, "tokens_per_second": 0.0}
    (first, second), status, complaints = await _told(
        dialects=["openai", "gemini"], scenario=None, faults=["status:503@0"], **plain
    )
    assert first.startswith("openai is ready on http://127.0.0.1:")
    assert second.startswith("gemini is ready on http://127.0.0.1:") and "/v1beta" in second
    assert (status, complaints) == (0, b"")
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO)
    (first, second), status, _ = await _told(dialects=[], scenario=file, faults=[], **plain)
    assert (first.split()[0], second.split()[0], status) == ("quick", "claude", 0)


def test_what_the_command_cannot_understand(tmp_path: Path) -> None:
    plain = {"port": 0, "seed": 0, "latency_ms": 0.0, "tokens_per_second": 0.0}
    with pytest.raises(ValueError, match="not a fault"):
        simulate(dialects=["openai"], scenario=None, faults=["boom"], **plain)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no dialect 'telnet'"):
        simulate(dialects=["telnet"], scenario=None, faults=[], **plain)  # type: ignore[arg-type]
    (tmp_path / "s.yaml").write_text("legs: 5")
    with pytest.raises(ValueError, match=r"s\.yaml"):
        simulate(dialects=[], scenario=tmp_path / "s.yaml", faults=[], **plain)  # type: ignore[arg-type]


async def test_the_demos_scene_is_a_configuration_of_known_providers() -> None:
    before = scene().providers()
    async with scene() as running:
        written = running.providers()
        assert written.keys() == before.keys() == {"openai", "anthropic", "google", "openrouter", "aihubmix"}
        settings = [
            ProviderSetting(id=name, base_url=one["base_url"], keys=tuple(one["keys"])) for name, one in written.items()
        ]
        catalog = Catalog(settings)
        for name, one in running.running.items():
            one.faults.clear()
            stranger = await call(
                one,
                "/v1/models",
                headers={**KEYS, "authorization": "Bearer x", "x-api-key": "x", "x-goog-api-key": "x"},
            )
            assert stranger.status in (400, 401), name
        resolved = catalog.resolve("gpt-4o-mini")
        assert resolved is not None
        assert {one.provider for one in resolved.deployments} == {"openai", "openrouter", "aihubmix"}
        router = running.running["openrouter"]
        card = router.leg.card("openai/gpt-4o-mini")
        assert card == Card(input=0.15, output=0.6, context=128_000, max_output=16_384)
        headers = {"authorization": f"Bearer {KEY}"}
        asked = {**ASKS["openai"], "model": "openai/gpt-4o-mini", "max_tokens": 1}
        assert (
            msgspec.json.decode((await call(router, "/api/v1/chat/completions", asked, headers=headers)).body)["usage"][
                "cost"
            ]
            > 0
        )
    assert not running.running
