"""Errors for clients that may not see which deployments there are (`access.reveal: minimal`)."""

from __future__ import annotations

from hybridge.errors import GatewayError

#: What is said instead of words that name deployments.
_WORDS = {
    "all_deployments_failed": "nobody who could answer did",
    "timeout": "nobody answered in time",
    "stream_broken": "the answer broke off",
    "no_able_deployment": "nobody here is able to answer this request",
    "unsupported_parameter": "nobody who is able can carry the field that `param` names",
    "budget_exceeded": "the budget fits nobody who is able; `quote` is the cheapest",
}


def discreet(error: GatewayError) -> GatewayError:
    """The same error without a word about deployments or attempts."""
    if not error.details and error.code not in _WORDS:
        return error
    details = {name: value for name, value in error.details.items() if name != "attempts"}
    if "quote" in details:
        details["quote"] = {name: value for name, value in details["quote"].items() if name != "deployment"}
    hushed = GatewayError(
        _WORDS.get(error.code, error.message),
        code=error.code,
        param=error.param,
        retry_after=error.retry_after,
        details=details,
    )
    hushed.status = error.status
    return hushed
