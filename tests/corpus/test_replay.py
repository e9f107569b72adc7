"""Every recorded chat goes through the running gateway unchanged, whole and streamed, cut at random places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridge.dialects.sse import Splitter, data_of
from hybridge.money import Usage
from tests.corpus.recordings import CHATS, Recording, recordings
from tests.gateway.harness import Gateway, Upstream, answering, gateway


def events(body: bytes) -> list[bytes]:
    """The data of each event of a stream."""
    splitter = Splitter()
    blocks = [*splitter.feed(body), splitter.rest()]
    return [data for _, data in map(data_of, blocks) if data]


def is_usage_alone(data: bytes) -> bool:
    """Whether an OpenAI chunk holds usage and nothing else."""
    if not data.startswith(b"{"):
        return False
    chunk = json.loads(data)
    return chunk.get("choices") == [] and bool(chunk.get("usage"))


def usages(found: object) -> Iterator[dict[str, object]]:
    """Every usage object anywhere in a body."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name in ("usage", "usageMetadata") and isinstance(value, dict):
                yield value
            else:
                yield from usages(value)
    elif isinstance(found, list):
        for value in found:
            yield from usages(value)


def number(usage: dict[str, object], *names: str) -> int:
    return sum(value for name in names if isinstance(value := usage.get(name), int))


def counted(recording: Recording, dialect: str) -> tuple[int, int] | None:
    """Tokens in and out as the body says, read without our codecs: the largest ones, of Gemini the last ones."""
    bodies = events(recording.response) if recording.stream else [recording.response]
    found = [usage for body in bodies if body != b"[DONE]" for usage in usages(json.loads(body))]
    if not found:
        return None
    if dialect == "gemini":
        totals = [
            (
                number(u, "promptTokenCount", "toolUsePromptTokenCount"),
                number(u, "candidatesTokenCount", "thoughtsTokenCount"),
            )
            for u in found[-1:]
        ]
    elif dialect == "anthropic":
        cached = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        totals = [(number(u, *cached), number(u, "output_tokens")) for u in found]
    else:
        totals = [(number(u, "prompt_tokens"), number(u, "completion_tokens")) for u in found]
    return max(total[0] for total in totals), max(total[1] for total in totals)


async def through(running: Gateway, upstream: Upstream, recording: Recording) -> str:
    """What is wrong with a recording's way through the gateway; empty if nothing is."""
    upstream.scripts = [recording.replay]
    asked = recording.asked
    answer = await running.post(recording.path, recording.request)
    if recording.status != 200:
        ours = answer.headers.get("x-hybridge-error")
        # A call of a tool that the model got wrong is the model's failure, whatever the status says.
        refused = recording.status in (400, 413, 422) and b"tool_use_failed" not in recording.response
        fine = answer.status_code >= 400 and ours and (not refused or answer.status_code < 500)
        return "" if fine else f"{recording.status} became {answer.status_code} {ours}"
    if not recording.stream:
        return "" if answer.content == recording.response else f"{answer.status_code} {answer.text[:200]}"
    want, got = events(recording.response), events(answer.content)
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text[:200]}"
    if answer.headers["content-type"].startswith("application/json"):
        return "" if answer.json() == [json.loads(data) for data in want] else answer.text[:200]
    if not (asked.get("stream_options") or {}).get("include_usage"):
        want = [data for data in want if not is_usage_alone(data)]
    at = next((place for place, data in enumerate(want) if b'"error":{' in data.replace(b" ", b"")), None)
    if at is not None:
        # The provider broke off: what came before has passed, then follows our own error.
        error = json.loads(got[-1])["error"]
        return "" if error["code"] == "stream_broken" and got[:-1] == want[:at] else f"{got[-2:]}"
    if got != want:
        different = next((pair for pair in zip(got, want, strict=False) if pair[0] != pair[1]), (len(got), len(want)))
        return f"{answer.status_code} {different}"
    return ""


def billed(usage: Usage | None) -> tuple[int, int] | None:
    return None if usage is None else (usage.prompt_tokens, usage.completion_tokens)


def config(upstream: Upstream, folder: str) -> dict[str, object]:
    """The provider's own row, at the address of the replaying upstream."""
    provider, dialect, _ = CHATS[folder]
    base = upstream.url + ("/v1beta" if dialect == "gemini" else "/v1")
    return {
        "providers": {provider: {"base_url": base, "keys": ["test-key"]}},
        "routing": {"unknown_models": f"pass:{provider}"},
        "retries": {"attempts": 1},
        "breaker": {"failures": 1000},
    }


@pytest.mark.parametrize("folder", CHATS)
async def test_recorded_chats_pass_through(shared: Path, folder: str) -> None:
    found = [recording for recording in recordings(shared, folder) if recording.status == 200]
    if not found:
        pytest.skip(f"the corpus holds no recorded chat of {folder}")
    wrong: dict[str, str] = {}
    async with Upstream(answering(500, b"")) as upstream, gateway(config(upstream, folder)) as running:
        for recording in found:
            problem = await through(running, upstream, recording)
            entry = running.entries[-1]
            usage = billed(entry.attempts[-1].usage if entry.attempts else None)
            want = counted(recording, CHATS[folder][1])
            if not problem and want is not None and usage != want:
                problem = f"billed {usage}, recorded {want}"
            if problem:
                wrong[recording.stem] = problem
    assert not wrong, f"{len(wrong)} of {len(found)}:\n" + "\n".join(f"{stem}: {said}" for stem, said in wrong.items())


@pytest.mark.parametrize("folder", CHATS)
async def test_recorded_errors_are_told_in_our_words(shared: Path, folder: str) -> None:
    found = [recording for recording in recordings(shared, folder) if recording.status != 200]
    if not found:
        pytest.skip(f"the corpus holds no recorded error of {folder}")
    wrong: dict[str, str] = {}
    async with Upstream(answering(500, b"")) as upstream:
        for recording in found:
            # A refused key is set aside, so that each error meets a gateway of its own.
            async with gateway(config(upstream, folder)) as running:
                if problem := await through(running, upstream, recording):
                    wrong[recording.stem] = problem
    assert not wrong, f"{len(wrong)} of {len(found)}:\n" + "\n".join(f"{stem}: {said}" for stem, said in wrong.items())
