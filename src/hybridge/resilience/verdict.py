"""What the client is told when the walk over a plan is over and nobody has answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from hybridge.errors import (
    AllDeploymentsFailed,
    Blame,
    CannotCarry,
    ConnectTimeout,
    ContentFiltered,
    ContextOverflow,
    GatewayError,
    ProviderError,
    RateLimited,
    Refused,
    Silent,
    TimedOut,
    TooManyRequests,
    Unavailable,
    UnsupportedParameter,
)
from hybridge.types import Deployment

#: Statuses about our key or our own configuration, which are no client's business.
_OURS = frozenset((401, 402, 403, 404, 407, 429))
#: Vendors' words for "the request is at fault" that say no more than our own.
_NO_MORE = frozenset(("", "400", "413", "422", "bad_request", "invalid-argument", "invalid_argument"))
#: A code is a word; what is none stays in the provider's own body.
_CODE = re.compile(r"[\w.:-]{1,64}", re.ASCII)
#: Seconds: nobody is told to come back sooner.
_SOONEST = 1.0


class Failure(Struct, frozen=True, eq=False):
    """One call that failed."""

    deployment: Deployment
    key_id: str
    error: ProviderError


def refusal(failure: Failure, dialect: str | None = None) -> Refused:
    """A provider's own words about a request that is at fault; its body only for clients of its `dialect`."""
    error = failure.error
    status, code = error.status, error.provider_code
    if isinstance(error, ContextOverflow):
        status, code = 400, "context_length_exceeded"
    elif isinstance(error, ContentFiltered):
        code = code or "content_filter"
    if code in _NO_MORE or code.startswith("invalid_request") or not _CODE.fullmatch(code):
        code = Refused.code
    if not 400 <= status < 500 or status in _OURS:
        status = 400
    same = dialect is None or dialect == failure.deployment.surface.dialect
    return Refused(
        error.message,
        status=status,
        code=code,
        body=error.body if same else b"",
        retry_after=error.retry_after,
        headers=error.headers,
    )


def all_failed(failures: Sequence[Failure], wait: float | None) -> GatewayError:
    """Every call failed; `wait` is the shortest time in seconds until a key is well again.

    A deployment that cannot carry the request was not called and is no attempt; if all are such, the request is told.
    """
    failures = [failure for failure in failures if not isinstance(failure.error, CannotCarry)] or failures
    if all(isinstance(failure.error, CannotCarry) for failure in failures):
        return _unsupported(failures)
    errors = [failure.error for failure in failures]
    details = {"attempts": [_described(failure) for failure in failures]}
    if any(isinstance(error, RateLimited) for error in errors) and all(map(_too_fast, errors)):
        told = [error.retry_after for error in errors if error.retry_after is not None]
        return TooManyRequests(
            "every provider that could answer limits the rate just now",
            retry_after=max(_SOONEST, min(told) if told else wait or 0.0),
            details=details,
        )
    if all(isinstance(error, (Silent, ConnectTimeout)) for error in errors):
        return TimedOut(f"no answer in time in {_attempts(len(errors))}", details=details)
    return AllDeploymentsFailed(f"every deployment failed, in {_attempts(len(errors))}", details=details)


def _unsupported(failures: Sequence[Failure]) -> UnsupportedParameter:
    fields = sorted({field for one in failures if isinstance(one.error, CannotCarry) for field in one.error.fields})
    return UnsupportedParameter(
        f"no deployment that is able can carry {', '.join(fields)}; "
        "leave it out, or allow dropping it by route.drop_unsupported",
        param=fields[0] if fields else None,
    )


def nobody_asked(waits: Sequence[float], *, limited: bool, busy: bool) -> GatewayError:
    """No call was made: `waits` are the seconds until each deployment may be asked, `limited` if only keys rest,
    `busy` if one that is well has all the calls it can take."""
    if not waits:
        return Unavailable("no deployment can serve this request")
    if busy:
        return TooManyRequests(
            "every deployment that is well has all the calls it can take", code="overloaded", retry_after=_SOONEST
        )
    # A breaker that an operator holds open for good has no time of its own.
    wait = min(max(_SOONEST, min(waits)), 3600.0)
    if limited:
        return TooManyRequests("every key that could be used rests after a rate limit", retry_after=wait)
    return Unavailable(
        "no deployment of this model is healthy just now", code="no_healthy_deployment", retry_after=wait
    )


def _too_fast(error: ProviderError) -> bool:
    return isinstance(error, RateLimited) or error.status == 429


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"


def _described(failure: Failure) -> dict[str, Any]:
    error = failure.error
    # What a provider says about our key often quotes a part of it.
    ours = error.blames is Blame.KEY
    return {
        "deployment": failure.deployment.id,
        "status": error.status,
        "error": error.error_class,
        "message": "" if ours else error.message,
    }
