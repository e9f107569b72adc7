"""Samples of how things stand: health windows and probes in Prometheus' words."""

from __future__ import annotations

from collections.abc import Iterable

from hybridge.observers.health import Window
from hybridge.observers.samples import Sample
from hybridge.observers.sketch import Counts
from hybridge.providers.probe import Probed


def of_windows(windows: Iterable[Window]) -> Iterable[Sample]:
    """What deployments did lately. Sketches and both sides of the ratio travel whole, so that processes add up."""
    for window in windows:
        name = (window.deployment,)
        if window.success_ratio is not None:
            yield Sample("hybridge_deployment_success_ratio", name, 0, (window.successes, window.failed))
        yield from _sketch("hybridge_deployment_first_token_seconds", name, window.first_token)
        yield from _sketch("hybridge_deployment_answer_seconds", name, window.total)
        yield from _sketch("hybridge_deployment_tokens_per_second", name, window.throughput)


def of_probes(results: Iterable[Probed]) -> Iterable[Sample]:
    """What the latest probes showed, by provider and key."""
    for probed in results:
        labels = (probed.provider, probed.key)
        yield Sample("hybridge_probe_ok", labels, 1.0 if probed.verdict == "ok" else 0.0)
        if probed.status:
            yield Sample("hybridge_probe_seconds", labels, probed.ms / 1000)
        if probed.balance is not None:
            yield Sample("hybridge_key_balance", (*labels, probed.currency), float(probed.balance))


def _sketch(family: str, labels: tuple[str, ...], counts: Counts) -> Iterable[Sample]:
    if counts:
        yield Sample(family, labels, 0, tuple(number for pair in counts.items() for number in pair))
