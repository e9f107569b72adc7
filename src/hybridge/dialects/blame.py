"""What an error answer means: whose fault it is.

Classes follow the provider's machine-readable code, then the few sentences without which two different things would
look the same (kept here as data), then the HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hybridge.errors import (
    Broken,
    ContentFiltered,
    ContextOverflow,
    ForeignReasoning,
    KeyRefused,
    ModelUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Silent,
)

#: How much of a provider's error body is kept for passing on, in bytes.
BODY_LIMIT = 65_536
_MESSAGE_LIMIT = 2_000
#: No provider hides its words behind more details of details.
_DEEPEST = 8

#: Statuses whose class needs no words. What is not here and not a 5xx is a fault of the deployment.
STATUSES: Mapping[int, type[ProviderError]] = {
    400: Rejected,
    401: KeyRefused,
    402: QuotaExhausted,
    403: KeyRefused,
    404: ModelUnknown,
    410: ModelUnknown,
    412: KeyRefused,
    413: Rejected,
    415: Rejected,
    422: Rejected,
    429: RateLimited,
}

#: Sentences of an input that is too long, lower case; many providers say it in no other way.
OVERFLOW = (
    "maximum context length",
    "context length exceeded",
    "context_length_exceeded",
    "context window",
    "context limit",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input tokens exceeded",
    "too many tokens",
    "total length of all messages is too long",
    "exceeds model's maximum context",
    "must be less than max_seq_len",
    "range of input length should be",
    "request too large for",
)
_OVERFLOW_COUNT = re.compile(r"input token count \(?\d+\)? exceeds|exceeds the maximum number of tokens")

#: How vendors, and gateways that quote them, refuse a conversation for its reasoning: a proof that is not theirs, a
#: thought that they want back, or a member that they do not know.
_REASONING = re.compile(
    r"invalid `?(?:signature|data)`? in `?(?:redacted_)?thinking`? block"
    r"|expected `thinking` or `redacted_thinking`"
    r"|`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified"
    r"|\.(?:thinking\.signature|redacted_thinking\.data): "
    r"|thought[ _]signature(?:`? is not valid|' \(type_bytes\))|corrupted thought signature"
    r"|missing a `?thought_signature"
    r"|(?:reasoning_content|content\[\]\.thinking)`? in the thinking mode must be passed back"
    r"|missing `?reasoning_content`? field|reasoning_content is missing in assistant"
    r"|encrypted content .{0,200}could not be (?:verified|decrypted)"
    r"|property 'reasoning(?:_content|_details)?' is unsupported"
    r"|\.reasoning(?:_content|_details)?['`]?: (?:extra inputs|extra fields) (?:are )?not permitted"
    r"|(?:unknown|unrecognized|unsupported) (?:parameter|field|name).{0,40}\breasoning_(?:content|details)"
)


class Said(Struct, frozen=True):
    """What an error body says: words for people, codes for machines (lower case, most telling first).

    `raw` is what the provider quotes of another one; `status` the HTTP status named inside the body, 0 if none.
    """

    message: str = ""
    codes: tuple[str, ...] = ()
    param: str = ""
    raw: str = ""
    status: int = 0

    @property
    def code(self) -> str:
        """The most telling code, empty if there is none."""
        return self.codes[0] if self.codes else ""


class Signs(Struct, frozen=True):
    """How a dialect's providers say what a status alone does not: codes, and sentences (both lower case)."""

    codes: Mapping[str, type[ProviderError]] = {}
    sentences: tuple[tuple[str, type[ProviderError]], ...] = ()


def said(body: bytes) -> Said:
    """Read any of the known shapes of an error body; plain text and HTML give their beginning as the message.

    `{"error":{…}}`, `[{"error":{…}}]`, `{"type":"error","error":{…}}`, `{"error":"…","code"?}`,
    `{"error":"…","message":"…"}`, `{"message":"…"}`, `{"detail":"…"|[…]}`, `{"object":"error",…}`, `{"base_resp":…}`.
    """
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said(message=_plain(body))
    return said_by(found)


def said_by(found: Any) -> Said:
    """The same for a body that is decoded already."""
    if isinstance(found, list):
        found = found[0] if found else {}
    if not isinstance(found, dict):
        return Said(message=_clip(found) if isinstance(found, str) else "")
    error = found.get("error")
    if isinstance(error, dict):
        return _structured(error)
    if isinstance(error, str) and error:
        message = found.get("message")
        return _structured({**found, "message": message if isinstance(message, str) and message else error})
    if isinstance(found.get("base_resp"), dict):
        inner = found["base_resp"]
        code = f"base_resp.{inner.get('status_code')}"
        return _structured({"message": inner.get("status_msg"), "code": code})
    if found.get("message") or found.get("object") == "error":
        return _structured(found)
    return Said(message=_detail(found.get("detail")))


def _structured(error: Mapping[str, Any]) -> Said:
    metadata = error.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    codes = []
    status = 0
    for value in _codes(error, metadata):
        if isinstance(value, bool):
            continue
        text = str(value)
        if text.isdecimal() and len(text) == 3:
            status = status or int(text)
        if isinstance(value, (str, int)) and text:
            codes.append(text.lower())
    raw = metadata.get("raw")
    raw = raw if isinstance(raw, str) else msgspec.json.encode(raw).decode() if raw else ""
    message = error.get("message")
    message = message if isinstance(message, str) else _detail(message)
    if raw and message in ("", "Provider returned error"):
        message = f"{message or 'error'}: {raw}"
    # A word says more than a number: `{"code": 400, "status": "INVALID_ARGUMENT"}`.
    codes.sort(key=str.isdecimal)
    param = error.get("param")
    return Said(_clip(message), tuple(dict.fromkeys(codes)), param if isinstance(param, str) else "", raw, status)


def _codes(error: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[Any]:
    inner = error.get("innererror")
    details = error.get("details")
    if any(metadata.get(name) for name in ("flagged_input", "reasons", "patterns")):
        yield "content_policy_violation"
    for source, names in (
        (error, ("code",)),
        (inner, ("code",)),
        (metadata, ("error_type", "provider_code")),
        (error, ("status", "type", "error_type", "status_code")),
    ):
        if isinstance(source, Mapping):
            yield from (source[name] for name in names if source.get(name) is not None)
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("reason"), str):
            yield detail["reason"]


def _detail(detail: Any, depth: int = 0) -> str:
    if isinstance(detail, str):
        return _clip(detail)
    if depth > _DEEPEST:
        return ""
    if isinstance(detail, dict):
        return _detail(detail.get("detail") or detail.get("msg") or detail.get("message"), depth + 1)
    if isinstance(detail, list):
        return _clip("; ".join(filter(None, (_place(entry, depth) for entry in detail))))
    return ""


def _place(entry: Any, depth: int) -> str:
    message = _detail(entry, depth + 1)
    place = entry.get("loc") if isinstance(entry, dict) else None
    return f"{'.'.join(map(str, place))}: {message}" if isinstance(place, list) and message else message


_TAGS = re.compile(r"<(?:style|script).*?</(?:style|script)>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def _plain(body: bytes) -> str:
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    if text.lstrip()[:1] == "<":
        text = _TAGS.sub(" ", text)
    return _clip(" ".join(text.split()), 300)


def _clip(text: str, limit: int = _MESSAGE_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def by_status(status: int) -> type[ProviderError]:
    """The class of a status without any words. Anything unusual is the deployment's fault."""
    return STATUSES.get(status, Broken)


def overflows(text: str) -> bool:
    """Whether a message, lower case, says that the input is too long."""
    return any(sentence in text for sentence in OVERFLOW) or _OVERFLOW_COUNT.search(text) is not None


def blames_reasoning(words: Said) -> bool:
    """Whether an error says that the conversation's reasoning is what is wrong."""
    if "invalid_encrypted_content" in words.codes:
        return True
    return _REASONING.search(f"{words.message} {words.raw}".lower()) is not None


def judge(status: int, words: Said, signs: Signs) -> type[ProviderError]:
    """The class of an error answer, by code, then sentence, then status.

    Sentences count only on 400, 404, 413, 422, 429 and 500; elsewhere the status says it all.
    """
    for code in words.codes:
        if code in signs.codes:
            return _confirmed(signs.codes[code], words)
    if status in (400, 404, 413, 422, 429, 500):
        text = f"{words.message} {words.raw}".lower()
        if overflows(text):
            return ContextOverflow
        if status in (400, 422) and blames_reasoning(words):
            return ForeignReasoning
        for sentence, kind in signs.sentences:
            if sentence in text:
                return kind
    return by_status(status)


def _confirmed(kind: type[ProviderError], words: Said) -> type[ProviderError]:
    # Codes such as `rate_limit_exceeded` also stand on a request that alone is larger than the limit.
    if kind in (RateLimited, Rejected) and overflows(f"{words.message} {words.raw}".lower()):
        return ContextOverflow
    return ForeignReasoning if kind is Rejected and blames_reasoning(words) else kind


def error_of(
    kind: type[ProviderError],
    status: int,
    words: Said,
    *,
    retry_after: float | None = None,
    body: bytes = b"",
) -> ProviderError:
    """The error itself, its body bounded and its message never empty."""
    message = words.message or f"the provider answered {status}"
    if kind is Silent:
        return Silent(message, status=status)
    return kind(message, status=status, provider_code=words.code, retry_after=retry_after, body=body[:BODY_LIMIT])


__all__ = [
    "BODY_LIMIT",
    "OVERFLOW",
    "STATUSES",
    "ContentFiltered",
    "Said",
    "Signs",
    "by_status",
    "error_of",
    "judge",
    "overflows",
    "said",
    "said_by",
]
