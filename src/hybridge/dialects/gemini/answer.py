"""What a provider answers, as it stands on the wire, and what it consumed.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse, and for partial arguments
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import StopReason
from hybridge.money import Usage

#: msgspec knows no optional `Raw`: a member that is not there, or is null, is compared with these.
ABSENT = Raw(b"")
_NULL = Raw(b"null")


def there(raw: Raw) -> bool:
    """Whether a member is there and not null."""
    return raw not in (ABSENT, _NULL)


class ModalityCount(Struct, rename="camel", gc=False):
    """Tokens of one modality; the count is missing where it is 0."""

    modality: str = ""
    token_count: int = 0


class UsageMetadata(Struct, rename="camel", gc=False):
    """Counts as the provider makes them: thoughts outside candidates, cached inside the prompt, tool use beside it."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    cache_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityCount] | None = None

    def counts(self) -> bool:
        """Whether it counts anything: Vertex sends none until the last chunk."""
        return self.prompt_token_count is not None or self.total_token_count is not None


class PartialArg(Struct, rename="camel", gc=False):
    """One piece of one argument, at a JSON path."""

    json_path: str = "$"
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    will_continue: bool | None = None


class FunctionCall(Struct, rename="camel", gc=False):
    """A call, whole or (Vertex) in pieces: name first, then arguments, then one without `willContinue`."""

    id: str | None = None
    name: str | None = None
    args: Raw = ABSENT
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class Blob(Struct, rename="camel", gc=False):
    """Media in the answer."""

    mime_type: str = ""
    data: str = ""


class Part(Struct, rename="camel", gc=False):
    """One part of the answer; kinds that no other dialect knows are not looked at."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(Struct, gc=False):
    """The parts; they may be missing altogether."""

    parts: list[Part] | None = None


class Candidate(Struct, rename="camel", gc=False):
    """One answer of perhaps several."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None


class PromptFeedback(Struct, rename="camel", gc=False):
    """Why a prompt was blocked; then there are no candidates."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Answer(Struct, rename="camel", gc=False):
    """A whole answer, or one chunk of a stream: they have the same form."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = ABSENT


ANSWER = msgspec.json.Decoder(Answer)


# --- why it ended --------------------------------------------------------------------------------------------------

_FILTERED = frozenset(
    "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR "
    "IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION".split()
)
#: Ends that are the model's own mishap: worth another try while nothing was said, else the end of what was.
MISHAPS = frozenset(
    "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE MALFORMED_RESPONSE "
    "OTHER LANGUAGE ESCALATION NO_IMAGE IMAGE_OTHER".split()
)


#: A member of an enumeration is looked up in Python.
_STOP, _TOOL_CALLS = StopReason.STOP, StopReason.TOOL_CALLS


def stop_reason(finish_reason: str, *, called: bool) -> StopReason:
    """The neutral reason. There is none for tools on the wire: a STOP after a call is that. Unknown ones are a stop."""
    if finish_reason == "STOP":
        return _TOOL_CALLS if called else _STOP
    if finish_reason == "MAX_TOKENS":
        return StopReason.LENGTH
    if finish_reason in _FILTERED:
        return StopReason.CONTENT_FILTER
    return _TOOL_CALLS if called else _STOP


# --- what it consumed ----------------------------------------------------------------------------------------------

#: Documents are counted page by page as pictures.
_PICTURES = ("IMAGE", "DOCUMENT")


def usage_of(found: UsageMetadata | None) -> Usage | None:
    """Disjoint buckets; `None` where nothing is counted."""
    if found is None or not found.counts():
        return None
    cached = max(0, found.cached_content_token_count or 0)
    prompt = (found.prompt_token_count or 0) + (found.tool_use_prompt_token_count or 0)
    spoken = found.candidates_token_count or 0
    heard = audio = image = 0
    # Nearly everything is all text, and then there is nothing to sort.
    if _has_media(found.candidates_tokens_details):
        heard = _count(found.candidates_tokens_details, ("AUDIO",))
    if _has_media(found.prompt_tokens_details) or _has_media(found.tool_use_prompt_tokens_details):
        asked = (found.prompt_tokens_details, found.tool_use_prompt_tokens_details)
        audio = _fresh(asked, found.cache_tokens_details, ("AUDIO",))
        image = _fresh(asked, found.cache_tokens_details, _PICTURES)
    fresh = prompt - cached - audio - image
    return Usage(
        input=fresh if fresh > 0 else 0,
        cache_read=cached,
        output=spoken - heard if spoken > heard else 0,
        reasoning=max(0, found.thoughts_token_count or 0),
        audio_input=audio,
        audio_output=heard,
        image=image,
    )


def _has_media(details: list[ModalityCount] | None) -> bool:
    if details is not None:
        for detail in details:
            if detail.modality != "TEXT":
                return True
    return False


def _fresh(
    asked: tuple[list[ModalityCount] | None, ...],
    cached: list[ModalityCount] | None,
    modalities: tuple[str, ...],
) -> int:
    return max(0, sum(_count(details, modalities) for details in asked) - _count(cached, modalities))


def _count(details: list[ModalityCount] | None, modalities: tuple[str, ...]) -> int:
    if not details:
        return 0
    return sum(max(0, detail.token_count) for detail in details if detail.modality in modalities)


def usage_metadata(usage: Usage) -> dict[str, object]:
    """The same for a client: what is 0 is left out, but for the prompt's count."""
    prompt = usage.prompt_tokens
    spoken = usage.output + usage.audio_output
    made: dict[str, object] = {"promptTokenCount": prompt}
    if spoken:
        made["candidatesTokenCount"] = spoken
    if usage.reasoning:
        made["thoughtsTokenCount"] = usage.reasoning
    if usage.cache_read:
        made["cachedContentTokenCount"] = usage.cache_read
    made["totalTokenCount"] = prompt + spoken + usage.reasoning
    if usage.audio_input or usage.image:
        made["promptTokensDetails"] = _details(
            TEXT=prompt - usage.audio_input - usage.image, AUDIO=usage.audio_input, IMAGE=usage.image
        )
    if usage.audio_output:
        made["candidatesTokensDetails"] = _details(TEXT=usage.output, AUDIO=usage.audio_output)
    return made


def _details(**counts: int) -> list[dict[str, object]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]
