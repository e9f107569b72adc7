"""What goes wrong is raised by each SDK as its own exception, with our code in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import anthropic
import openai
import pytest
from google.genai import errors
from msgspec import Struct

from hybridge.simulator.faults import Fault
from hybridge.simulator.scenario import DialectName
from tests.sdk.clients import Clients, clients
from tests.sdk.house import DIALECTS, Behind, House

KEY = "sk-app-of-the-test"


class Raised(Struct):
    """What a program sees of an error."""

    kind: type[Exception]
    message: str
    status: int | None
    code: str
    headers: Mapping[str, str]


def ask(sdks: Clients, ours: DialectName, model: str) -> Iterator[str]:
    """The words of an answer, streamed."""
    if ours == "openai":
        for chunk in sdks.openai.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hello"}], stream=True
        ):
            yield chunk.choices[0].delta.content or ""
    elif ours == "anthropic":
        with sdks.anthropic.messages.stream(
            model=model, max_tokens=200, messages=[{"role": "user", "content": "hello"}]
        ) as stream:
            yield from stream.text_stream
    else:
        for answer in sdks.gemini.models.generate_content_stream(model=model, contents="hello"):
            yield answer.text or ""


def ask_whole(sdks: Clients, ours: DialectName, model: str) -> object:
    """A whole answer."""
    if ours == "openai":
        return sdks.openai.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])
    if ours == "anthropic":
        return sdks.anthropic.messages.create(
            model=model, max_tokens=200, messages=[{"role": "user", "content": "hello"}]
        )
    return sdks.gemini.models.generate_content(model=model, contents="hello")


def raised(call: Callable[[], object]) -> Raised:
    """What the SDK raises."""
    with pytest.raises((openai.APIError, anthropic.APIError, errors.APIError)) as caught:
        call()
    error = caught.value
    if isinstance(error, errors.APIError):
        headers = getattr(error.response, "headers", {})
        return Raised(type(error), str(error.message), error.code, _reason(error.details), headers)
    status, headers = None, {}
    if isinstance(error, openai.APIStatusError | anthropic.APIStatusError):
        status, headers = error.status_code, error.response.headers
    if isinstance(error, openai.APIError):
        return Raised(type(error), error.message, status, str(error.code), headers)
    assert isinstance(error, anthropic.APIError)
    assert isinstance(error.body, dict)
    return Raised(type(error), str(error), status, str(error.body["error"].get("code")), headers)


def _reason(details: Any) -> str:
    """The `reason` in an error of Gemini's dialect."""
    found = details["error"].get("details") or []
    return str(next((one["reason"] for one in found if one["@type"].endswith("google.rpc.ErrorInfo")), None))


@pytest.fixture(params=DIALECTS)
def ours(request: pytest.FixtureRequest) -> DialectName:
    """The dialect of the client."""
    dialect: DialectName = request.param
    return dialect


@pytest.fixture
def fresh(house: House, behind: dict[DialectName, Behind]) -> Iterator[Clients]:
    """Clients of a gateway that no other test has seen: its breakers are closed, its keys are well."""
    with house.gateway(behind) as running, clients(running.url) as made:
        yield made


NOT_FOUND = {"openai": openai.NotFoundError, "anthropic": anthropic.NotFoundError, "gemini": errors.ClientError}
NO_KEY = {
    "openai": openai.AuthenticationError,
    "anthropic": anthropic.AuthenticationError,
    "gemini": errors.ClientError,
}
FORBIDDEN = {
    "openai": openai.PermissionDeniedError,
    "anthropic": anthropic.PermissionDeniedError,
    "gemini": errors.ClientError,
}
LIMITED = {"openai": openai.RateLimitError, "anthropic": anthropic.RateLimitError, "gemini": errors.ClientError}
BAD = {"openai": openai.BadRequestError, "anthropic": anthropic.BadRequestError, "gemini": errors.ClientError}
BROKEN = {
    "openai": openai.InternalServerError,
    "anthropic": anthropic.InternalServerError,
    "gemini": errors.ServerError,
}


@pytest.mark.parametrize("whole", [True, False])
def test_a_model_that_nobody_has(sdks: Clients, ours: DialectName, whole: bool) -> None:
    error = raised(lambda: _asked(sdks, ours, "no-such-model", whole))
    assert (error.status, error.code) == (404, "model_not_found")
    assert issubclass(error.kind, NOT_FOUND[ours])
    assert error.headers["x-hybridge-error"] == "model_not_found"


def _asked(sdks: Clients, ours: DialectName, model: str, whole: bool = True) -> object:
    return ask_whole(sdks, ours, model) if whole else list(ask(sdks, ours, model))


def test_keys(house: House, behind: dict[DialectName, Behind], ours: DialectName) -> None:
    access = {"mode": "keys", "keys": [{"name": "app", "key": KEY, "models": ["via-openai"]}]}
    with house.gateway(behind, access=access) as running:
        with clients(running.url, "sk-of-a-stranger") as strangers:
            error = raised(lambda: ask_whole(strangers, ours, "via-openai"))
            assert (error.status, error.code) == (401, "invalid_api_key")
            assert issubclass(error.kind, NO_KEY[ours])
        with clients(running.url, KEY) as friends:
            assert "".join(ask(friends, ours, "via-openai"))
            error = raised(lambda: ask_whole(friends, ours, "via-anthropic"))
            assert (error.status, error.code) == (403, "model_not_allowed")
            assert issubclass(error.kind, FORBIDDEN[ours])
            assert {model.id for model in friends.openai.models.list()} == {"via-openai"}


def check_limited(fresh: Clients, ours: DialectName, theirs: Behind, *, whole: bool) -> None:
    # Google's servers say it in the body.
    delay = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
    told = {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED", "details": delay}}
    body = json.dumps(told) if theirs.dialect == "gemini" else None
    theirs.provider.fail_next(Fault("status", status=429, retry_after=7, body=body))
    error = raised(lambda: _asked(fresh, ours, theirs.model, whole))
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert issubclass(error.kind, LIMITED[ours])
    assert error.headers["retry-after"] == "7"
    assert error.headers["x-should-retry"] == "false"


def test_everybody_limits(fresh: Clients, ours: DialectName, theirs: Behind) -> None:
    check_limited(fresh, ours, theirs, whole=True)


def test_everybody_limits_before_a_stream(fresh: Clients, ours: DialectName, behind: dict[DialectName, Behind]) -> None:
    check_limited(fresh, ours, behind["openai"], whole=False)


def test_the_chain_is_spent_and_the_sdk_does_not_begin_anew(
    house: House, behind: dict[DialectName, Behind], ours: DialectName
) -> None:
    theirs = behind["openai"]
    with house.gateway(behind) as running, clients(running.url, retries=2) as stubborn:
        theirs.provider.fail_next(Fault("status", status=503), 1)
        calls = theirs.count
        error = raised(lambda: ask_whole(stubborn, ours, theirs.model))
        assert (error.status, error.code) == (502, "all_deployments_failed")
        assert issubclass(error.kind, BROKEN[ours])
        assert error.headers["x-hybridge-attempts"] == "openai/gpt-4o-mini=503"
        assert theirs.count == calls + 1


@pytest.mark.parametrize("whole", [True, False])
def test_the_provider_blames_the_request(sdks: Clients, ours: DialectName, theirs: Behind, whole: bool) -> None:
    theirs.provider.fail_next(Fault("status", status=400))
    calls = theirs.count
    error = raised(lambda: _asked(sdks, ours, theirs.model, whole))
    assert error.status == 400
    assert issubclass(error.kind, BAD[ours])
    assert "Simulated failure 400." in error.message
    assert error.headers["x-hybridge-error"].startswith("invalid_")
    # In the same dialect the provider's own words are passed on; this one gave no code.
    assert error.code == ("None" if ours == theirs.dialect else error.headers["x-hybridge-error"])
    assert theirs.count == calls + 1


def test_a_field_that_cannot_be_carried_is_named(sdks: Clients, behind: dict[DialectName, Behind]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdks.openai.chat.completions.create(
            model="via-anthropic", messages=[{"role": "user", "content": "hello"}], logprobs=True
        )
    assert caught.value.code == "unsupported_parameter"
    assert caught.value.param == "logprobs"


def test_hints_are_dropped_and_named(sdks: Clients, behind: dict[DialectName, Behind]) -> None:
    answer = sdks.openai.chat.completions.with_raw_response.create(
        model="via-anthropic",
        messages=[{"role": "user", "content": "hello"}],
        presence_penalty=0.5,
        seed=7,
        user="lan",
    )
    assert answer.parse().choices[0].message.content
    dropped = answer.headers["x-hybridge-dropped"]
    assert "presence_penalty" in dropped
    assert "seed" in dropped


@pytest.mark.parametrize("kind", ["cut", "error_in_200"])
def test_a_stream_that_breaks_after_its_first_words(
    sdks: Clients, ours: DialectName, theirs: Behind, kind: Literal["cut", "error_in_200"]
) -> None:
    words: list[str] = []
    # Gemini's first event holds several words.
    theirs.provider.fail_next(Fault(kind, after_events=1 if theirs.dialect == "gemini" else 6))

    def read() -> None:
        for word in ask(sdks, ours, theirs.model):
            words.append(word)

    error = raised(read)
    assert error.code == "stream_broken"
    assert "".join(words).startswith("You ")


@pytest.mark.parametrize("fault", ["reset", "empty", "half_json", "html", "error_in_200", "cut"])
def test_a_stream_that_breaks_before_its_first_words(
    sdks: Clients, ours: DialectName, theirs: Behind, fault: str
) -> None:
    # A connection that was kept may be reset at any time, so the first reset does not count.
    theirs.provider.fail_next(Fault.parse(fault), times=2)
    error = raised(lambda: list(ask(sdks, ours, theirs.model)))
    theirs.provider.faults.clear()
    assert (error.status, error.code) == (502, "all_deployments_failed")
    assert issubclass(error.kind, BROKEN[ours])
