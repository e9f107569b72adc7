"""Rounds go through real processes; answers and calls must be as many."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cases import CHAT, PACED, UNARY, Case
from bench.gateways import Gateway, answering, post, upstream, verify
from bench.processes import (
    REPOSITORY,
    cores,
    cpu_seconds,
    forget_peak,
    free_port,
    listening,
    peak_mb,
    resident_mb,
    running,
    tree,
)
from bench.rounds import Effort, added, counts, in_turn, load

LITTLE = Effort(rounds=2, connections=4, scale=0.0, seconds=5.0)

_FAMILY = """
import signal, subprocess, sys, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
work = "x = bytearray(40_000_000)\\nt = time.process_time()\\nwhile time.process_time() < t + 0.2: pass"
if len(sys.argv) == 1:
    # The child is that of a thread that is not the first.
    threading.Thread(target=lambda: subprocess.call([sys.executable, __file__, "child"])).start()
exec(work)
print("done", flush=True)
signal.pause()
"""


def test_gateways_take_turns_and_nothing_between_adds_nothing() -> None:
    with upstream() as provider:
        again = provider._replace(name="the same")
        rounds = in_turn([provider, again], provider, UNARY, LITTLE, 4)
        longer = added(rounds, provider)
    assert [len(each) for each in rounds.values()] == [2, 2]
    for each in rounds["the same"]:
        assert each.rate > 0
        assert 0 < each.cpu_us < each.others_us
        assert 0 < each.share < 2
    assert longer == {
        "the same": [
            (one.median_us - other.median_us, one.p99_us - other.p99_us)
            for one, other in zip(rounds["the same"], rounds["nothing between"], strict=True)
        ]
    }


def test_a_gateway_that_answers_by_itself_is_found_out() -> None:
    with (
        upstream() as provider,
        upstream() as cache,
        pytest.raises(RuntimeError, match=r"cache: the upstream had 0 requests for 100 answers"),
    ):
        in_turn([cache._replace(name="cache")], provider, UNARY, LITTLE, 4)


def test_the_upstream_fails_as_its_models_say() -> None:
    with upstream() as provider:
        for model, right in (("flaky", [200, 200, 200, 200, 500] * 2), ("dead", [500, 500])):
            case = Case(model, model, CHAT, False, 0)
            assert [post(provider.port, provider.asked(case))[0] for _ in right] == right
        assert counts(provider) == {"requests": 12, "failed": 4, "flaky": 10}
        with pytest.raises(RuntimeError, match=r"1 of 1 requests failed: http/1\.1 500 broken"):
            load(provider, [provider.asked(Case("", "dead", CHAT, False, 0))], 1, 1)
        with pytest.raises(RuntimeError, match="500"):
            verify(provider, [Case("dead", "dead", CHAT, False, 0)])


def test_a_large_body_is_taken_in_pieces_and_a_pace_is_kept() -> None:
    with upstream() as provider:
        asked = provider.asked(PACED)
        large = asked.body.replace('"model"', f'"ignored":"{"flaky dead " * 200_000}","model"')
        assert post(provider.port, type(asked)(asked.path, large, True, asked.expected))[0] == 200
        assert load(provider, [asked], 1, 2).median_us > 51 * 2000


def test_a_process_tree_is_measured_and_ended_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.processes.PATIENCE_S", 0.2)
    file = tmp_path / "family.py"
    file.write_text(_FAMILY)
    with running([sys.executable, str(file)], cores()[0]) as process:
        while process.said.count("done") < 2:
            process.must_run()
        family = tree(process.pid)
        assert len(family) == 2
        assert cpu_seconds(process.pid) > 0.4
        assert resident_mb(process.pid) > 80
        forget_peak(process.pid)
        assert peak_mb(process.pid) == pytest.approx(resident_mb(process.pid), rel=0.1)
    # Neither left when it was asked to.
    while any(alive(pid) for pid in family):
        pass


def alive(pid: int) -> bool:
    """Whether a process runs; one that was killed may wait for its parent."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'input()']).pid, flush=True)"
    with running([sys.executable, "-c", code], cores()[0]) as process:
        while not process.said.endswith("\n"):
            pass
        child = int(process.said)
    while alive(child):
        pass


def test_a_benchmark_that_is_ended_ends_what_it_started() -> None:
    command = [sys.executable, "-m", "bench.soak", "--requests", "2000"]
    soak = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    try:
        assert soak.stdout is not None
        while b"MB" not in soak.stdout.readline():
            assert soak.poll() is None
        family = tree(soak.pid)
        assert len(family) >= 4
    finally:
        soak.terminate()
    soak.stdout.close()
    assert soak.wait() == 143
    while any(alive(pid) for pid in family):
        pass


def test_a_program_that_ends_says_why() -> None:
    with running([sys.executable, "-c", "raise SystemExit('out of luck')"], cores()[0]) as process:
        with pytest.raises(RuntimeError, match="ended with 1: out of luck"):
            listening(free_port(), process)
        with pytest.raises(RuntimeError, match="out of luck"):
            answering(Gateway("dead", free_port(), process.pid), process)
