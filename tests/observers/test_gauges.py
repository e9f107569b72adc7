"""How things stand, in Prometheus' words: of one process, and of several."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hybridge.observers import gauges
from hybridge.observers.health import Window
from hybridge.observers.samples import exposition, lasting, merged
from hybridge.observers.sketch import bucket
from hybridge.providers.probe import Probed
from hybridge.supervisor.messages import Samples, decode, encode
from tests.supervisor.serving import parsed

SECOND = 1_000_000


def test_windows_of_several_processes_become_one() -> None:
    one = Window("a/m", {"timeout": 1}, {bucket(SECOND): 9}, {}, {bucket(40_000): 9})
    other = Window("a/m", {"broken": 1}, {bucket(SECOND): 80, bucket(9 * SECOND): 9}, {bucket(3 * SECOND): 1})
    samples = merged([list(gauges.of_windows([one])), list(gauges.of_windows([other]))])
    found = parsed(exposition(samples).decode())
    assert found["hybridge_deployment_success_ratio", ("a/m",)] == pytest.approx(99 / 101)
    told = {q: found["hybridge_deployment_first_token_seconds", ("a/m", q)] for q in ("0.5", "0.9", "0.95", "0.99")}
    assert told == pytest.approx({"0.5": 1, "0.9": 1, "0.95": 9, "0.99": 9}, rel=0.05)
    assert found["hybridge_deployment_answer_seconds", ("a/m", "0.5")] == pytest.approx(3, rel=0.05)
    assert found["hybridge_deployment_tokens_per_second", ("a/m", "0.5")] == pytest.approx(40, rel=0.05)
    # A window ends with its process.
    assert lasting(samples) == []


def test_what_never_happened_is_not_told() -> None:
    (ratio,) = gauges.of_windows([Window("a/m", {"timeout": 4})])
    assert parsed(exposition([ratio]).decode()) == {("hybridge_deployment_success_ratio", ("a/m",)): 0}


def test_probes_are_told_by_provider_and_key() -> None:
    well = Probed("p", "f1", 0, "ok", "it answers", 250.0, 200, balance=Decimal("74.5"), currency="USD")
    gone = Probed("q", "f2", 0, "unreachable", "nobody there")
    samples = list(gauges.of_probes([well, gone]))
    found = parsed(exposition(samples).decode())
    assert found == {
        ("hybridge_probe_ok", ("p", "f1")): 1,
        ("hybridge_probe_seconds", ("p", "f1")): 0.25,
        ("hybridge_key_balance", ("p", "f1", "USD")): 74.5,
        ("hybridge_probe_ok", ("q", "f2")): 0,
    }
    windows = list(gauges.of_windows([Window("a/m", {"timeout": 1}, {7: 9}, {8: 1}, {9: 3})]))
    told = decode(encode(Samples(samples=(*samples, *windows))))
    assert told == Samples(samples=(*samples, *windows))
