"""Usage in disjoint buckets, against bodies that others have labelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hybridge.chat import UsageEvent
from hybridge.money import Usage
from tests.dialects.gemini.corpus import CLIENT, PROVIDER, QUIRKS, said


def usage_in(metadata: dict[str, Any]) -> Usage | None:
    answer = said({"text": "x"}, end="STOP", usageMetadata=metadata)
    return PROVIDER.peek_reply(json.dumps(answer).encode(), QUIRKS).usage


def test_every_labelled_body(shared: Path) -> None:
    rows = (shared / "wire" / "fixtures" / "usage" / "gemini.jsonl").read_text(encoding="utf-8").splitlines()
    seen = 0
    for row in map(json.loads, rows):
        label = row["extracted"][0]["usage"]
        if "usageMetadata" not in row["body"]:
            continue
        seen += 1
        usage = usage_in(row["body"]["usageMetadata"])
        assert usage is not None
        assert usage.prompt_tokens == label.get("input_tokens", 0), row
        assert usage.completion_tokens == label.get("output_tokens", 0), row
        assert usage.cache_read == label.get("cache_read_tokens", 0)
        assert usage.reasoning == label.get("output_reasoning_tokens", 0)
        assert usage.audio_output == label.get("output_audio_tokens", 0)
        cached_audio = label.get("cache_audio_read_tokens", 0)
        cached_images = label.get("cache_image_read_tokens", 0)
        assert usage.audio_input == label.get("input_audio_tokens", 0) - cached_audio
        assert usage.image == label.get("input_image_tokens", 0) - cached_images
    assert seen > 100


def test_thoughts_stand_outside_candidates_and_cached_inside_the_prompt() -> None:
    assert usage_in(
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 60,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 30,
            "toolUsePromptTokenCount": 7,
            "totalTokenCount": 157,
        }
    ) == Usage(input=47, cache_read=60, output=20, reasoning=30)


def test_a_missing_count_is_zero_and_no_count_at_all_is_unknown() -> None:
    assert usage_in({"promptTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 7}) == Usage(
        input=5, reasoning=2
    )
    assert usage_in({"trafficType": "ON_DEMAND"}) is None


def test_buckets_are_never_negative() -> None:
    usage = usage_in(
        {
            "promptTokenCount": 5,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 9}, {"modality": "IMAGE"}],
            "candidatesTokenCount": 1,
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
        }
    )
    assert usage == Usage(input=0, audio_input=9, output=0, audio_output=4)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input=3),
        Usage(input=3, cache_read=4, output=5, reasoning=6),
        Usage(input=10, audio_input=4, image=7, output=2, audio_output=9),
    ],
)
def test_a_client_is_told_what_the_provider_would_have_told(usage: Usage) -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="r", created=0)
    encoder.encode([UsageEvent(usage)])
    chunk = json.loads(encoder.finish().removeprefix(b"data: "))
    assert usage_in(chunk["usageMetadata"]) == usage
