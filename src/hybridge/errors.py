"""What can go wrong, and what to do next.

Two families. A `GatewayError` is what the client is told; it is rendered in the client's dialect.
A `ProviderError` is what a provider did; its class attributes tell the exchange what to do next.

    GatewayError (status, code)
      InvalidRequest            400 invalid_request
        UnsupportedParameter    400 unsupported_parameter
      InvalidApiKey             401 invalid_api_key
      BudgetExceeded            402 budget_exceeded          with the cheapest quote
      NotAllowed                403 model_not_allowed | endpoint_not_allowed | origin_not_allowed
      ModelNotFound             404 model_not_found
      EndpointNotFound          404 endpoint_not_found
      MethodNotAllowed          405 method_not_allowed
      RequestTooLarge           413 request_too_large
      TooManyRequests           429 rate_limit_exceeded | budget_reserved | overloaded
      InternalError             500 internal_error           a defect of ours, never a traceback
      AllDeploymentsFailed      502 all_deployments_failed   with the attempts
      Unavailable               503 no_able_deployment | no_healthy_deployment | draining
      TimedOut                  504 timeout
      Refused                   a provider's own 4xx, passed on
      StreamBroken              502 stream_broken            after the first content; 504 if it fell silent

    ProviderError               fallback  blames      retry
      Rejected                  no        nobody      no     400/413/422: the request's fault
      ContextOverflow           larger    nobody      no     only a larger context can help
      ForeignReasoning          no        nobody      no     thoughts it cannot read; without them it may answer
      ContentFiltered           policy    nobody      no     `routing.content_filter` decides
      KeyRefused                yes       key         no     401/402/403: our key; another key first
        QuotaExhausted          yes       key         no     the key's money is spent
      RateLimited               yes       key         yes    429: the key rests until `retry_after`
      ModelUnknown              yes       deployment  no     404: our name for the model is wrong there
      Broken                    yes       deployment  yes    5xx, or an error inside a 200
        ConnectFailed           yes       deployment  yes    refused, unreachable, DNS, TLS
          ConnectTimeout
        ConnectionLost          yes       deployment  yes    reset or cut
        Silent                  yes       deployment  yes    a time-out passed; `phase` says which
        MalformedAnswer         yes       deployment  yes    HTML, half a JSON, nonsense
          TooLarge
        Truncated               yes       deployment  yes    ended without its end marker
        EmptyAnswer             yes       deployment  yes    a 200 with nothing in it
      CannotCarry               yes       nobody      no     a field cannot be carried; nobody was called
      NotJoined                 yes       nobody      yes    it was to go on with another answer and did not

    ClientGone                  the client left: nobody's fault, nobody else is asked
    ConfigError                 the configuration cannot be used; every problem with its place
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar


class Blame(Enum):
    """Whom a provider's failure is counted against."""

    NOBODY = "nobody"
    KEY = "key"
    DEPLOYMENT = "deployment"


class HybridgeError(Exception):
    """Everything that Hybridge raises on purpose."""


class GatewayError(HybridgeError):
    """What the client is told.

    `details` are extra JSON members for the error body (attempts, quote, param);
    `retry_after` is in seconds and becomes the `Retry-After` header, rounded up.
    """

    status: int = 500
    code: str = "internal_error"
    #: The attempts that led to it, for the client's headers.
    attempts: Sequence[Any] = ()

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.details: Mapping[str, Any] = details or {}
        if code is not None:
            self.code = code

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.code}: {self.message}>"


class InvalidRequest(GatewayError):
    """The request cannot be understood; `param` names the place."""

    status = 400
    code = "invalid_request"


class UnsupportedParameter(InvalidRequest):
    """A field that no able deployment can carry; `param` names it."""

    code = "unsupported_parameter"


class InvalidApiKey(GatewayError):
    """No key, or one that nobody knows."""

    status = 401
    code = "invalid_api_key"


class BudgetExceeded(GatewayError):
    """No able deployment fits the budget; `details["quote"]` is the cheapest."""

    status = 402
    code = "budget_exceeded"


class NotAllowed(GatewayError):
    """The key, or the page that calls, may not do this; `code` says which."""

    status = 403
    code = "model_not_allowed"


class ModelNotFound(GatewayError):
    """Nobody here serves a model of that name."""

    status = 404
    code = "model_not_found"


class EndpointNotFound(GatewayError):
    """There is no such path."""

    status = 404
    code = "endpoint_not_found"


class MethodNotAllowed(GatewayError):
    """The path exists, for another method."""

    status = 405
    code = "method_not_allowed"


class RequestTooLarge(GatewayError):
    """The body is larger than `server.max_body`."""

    status = 413
    code = "request_too_large"


class TooManyRequests(GatewayError):
    """Come back after `retry_after` seconds; `code` says why."""

    status = 429
    code = "rate_limit_exceeded"


class InternalError(GatewayError):
    """A defect of ours: the log has the traceback, the client a code."""


class AllDeploymentsFailed(GatewayError):
    """The whole chain failed; `details["attempts"]` lists what each did."""

    status = 502
    code = "all_deployments_failed"


class Unavailable(GatewayError):
    """Nobody can serve this now; `code` says why."""

    status = 503
    code = "no_able_deployment"


class TimedOut(GatewayError):
    """Every attempt ran out of time."""

    status = 504
    code = "timeout"


class Refused(GatewayError):
    """A provider's own words about a request that is at fault, with the provider's status.

    `body` is the provider's body where it speaks the client's dialect (it is passed on unchanged), else empty;
    `headers` are those of the provider that travel on.
    """

    code = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        body: bytes = b"",
        retry_after: float | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message, code=code or None, retry_after=retry_after)
        self.status = status
        self.body = body
        self.headers = headers


class StreamBroken(GatewayError):
    """The answer broke off after its first content; said in the stream, whose head had left long before."""

    status = 502
    code = "stream_broken"

    def __init__(self, cause: ProviderError) -> None:
        super().__init__(f"the answer broke off: {cause.message}")
        if isinstance(cause, Silent):
            self.status, self.code = 504, "timeout"


class ProviderError(HybridgeError):
    """What a provider did, and what to do next.

    `status` is the provider's HTTP status (0 where there was none), `provider_code` its machine-readable code,
    `retry_after` seconds to leave the blamed party alone, `body` what it sent (bounded) and `headers` those of its
    headers that travel, for passing on.
    """

    fallback: ClassVar[bool] = True
    blames: ClassVar[Blame] = Blame.DEPLOYMENT
    retry: ClassVar[bool] = True
    error_class: ClassVar[str] = "broken"
    #: Whether a connection to the provider was made: where none is, its other deployments are no better.
    reached: ClassVar[bool] = True
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        provider_code: str = "",
        retry_after: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.provider_code = provider_code
        self.retry_after = retry_after
        self.body = body

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status or '-'} {self.message}>"


class Rejected(ProviderError):
    """The request is at fault: passed on, never tried elsewhere."""

    fallback = False
    blames = Blame.NOBODY
    retry = False
    error_class = "rejected"


class ContextOverflow(Rejected):
    """Too long for this model's context; a larger one may take it."""

    error_class = "context_overflow"


class ForeignReasoning(Rejected):
    """The reasoning in the conversation is not the provider's own, or some that it demands is missing."""

    error_class = "foreign_reasoning"


class ContentFiltered(Rejected):
    """The provider's filter refused; `routing.content_filter` says whether another is asked."""

    error_class = "content_filtered"


class KeyRefused(ProviderError):
    """Our key is not welcome: it is set aside, another one is tried."""

    blames = Blame.KEY
    retry = False
    error_class = "key_refused"


class QuotaExhausted(KeyRefused):
    """The key's money or quota is spent."""

    error_class = "quota_exhausted"


class RateLimited(ProviderError):
    """Too fast for this key: it rests until `retry_after`."""

    blames = Blame.KEY
    error_class = "rate_limited"


class ModelUnknown(ProviderError):
    """The provider does not know the model by the name we use."""

    retry = False
    error_class = "model_unknown"


class Broken(ProviderError):
    """A 5xx, or an error inside a 200."""


class ConnectFailed(Broken):
    """No connection: refused, unreachable, name not found, TLS not trusted."""

    error_class = "connect_failed"
    reached = False


class ConnectTimeout(ConnectFailed):
    """No connection within `timeouts.connect`, or no free one in the pool."""

    error_class = "connect_timeout"


class ConnectionLost(Broken):
    """The connection broke in the middle of the exchange."""

    error_class = "connection_lost"


class Silent(Broken):
    """A time-out passed; `phase` is `head`, `first_token`, `idle` or `total`."""

    error_class = "timeout"

    def __init__(self, message: str, *, phase: str = "head", status: int = 0) -> None:
        super().__init__(message, status=status)
        self.phase = phase


class MalformedAnswer(Broken):
    """Not an answer in the dialect that was asked for."""

    error_class = "malformed"


class TooLarge(MalformedAnswer):
    """The answer is larger than Hybridge reads into memory."""

    error_class = "too_large"


class Truncated(Broken):
    """The answer ended without its end marker."""

    error_class = "truncated"


class EmptyAnswer(Broken):
    """A 200 that holds no answer at all."""

    error_class = "empty"


class ClientGone(HybridgeError):
    """The client left before its answer was whole. No `OSError`, so that no provider is blamed for it."""


class CannotCarry(ProviderError):
    """A codec cannot carry these fields to its dialect: the deployment is not able, and nobody was called."""

    blames = Blame.NOBODY
    retry = False
    error_class = "unable"

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(f"cannot carry {', '.join(fields)}")
        self.fields = tuple(fields)


class NotJoined(ProviderError):
    """An answer that was to go on with another one said something else instead."""

    blames = Blame.NOBODY
    error_class = "not_joined"


class ConfigError(HybridgeError):
    """The configuration cannot be used; each problem names its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
