"""What the caller asks of the router: the `route` object, headers of the same names, and OpenRouter's own members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from hybridge.errors import InvalidRequest
from hybridge.money import Money
from hybridge.types import NO_OPTIONS, Facts, Options, ProviderPreferences

_T = TypeVar("_T")


class _Budget(Struct, forbid_unknown_fields=True):
    amount: Decimal
    currency: str


class _Route(Struct, forbid_unknown_fields=True):
    budget: str | _Budget | None = None
    complexity: Literal["low", "medium", "high"] | None = None
    policy: str | None = None
    session: str | None = None
    user: str | None = None
    tags: tuple[str, ...] | None = None
    stream_recovery: Literal["error", "restart", "continue"] | None = None
    resumable: bool | None = None
    drop_unsupported: bool | None = None
    cache: str | None = None


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ROUTE = msgspec.json.Decoder(_Route)
_MODELS = msgspec.json.Decoder(tuple[str, ...] | None)
_PREFERENCES = msgspec.json.Decoder(ProviderPreferences | None)

#: Which of our headers say the same as which member of `route`.
_HEADERS = (
    (b"x-hybridge-budget", "budget"),
    (b"x-hybridge-complexity", "complexity"),
    (b"x-hybridge-policy", "policy"),
    (b"x-hybridge-session", "session"),
    (b"x-hybridge-user", "user"),
)
_NOTHING: frozenset[str] = frozenset()

#: Digits before or after the point of an amount: 1e999999999 is a number too, but nobody can reckon with it.
_MOST_DIGITS = 18


def read_options(
    facts: Facts, headers: Mapping[bytes, bytes], provider_ids: Iterable[str]
) -> tuple[Options, frozenset[str]]:
    """The caller's options, and the members of the body that are ours alone and must reach no provider.

    A member of the body wins over a header. Names in `provider` are compared with `provider_ids`; if it names providers
    and none of them is ours, the object is OpenRouter's and stays in the body. Raises `InvalidRequest` with the place.
    """
    fields = facts.fields
    if not (
        "route" in fields
        or "models" in fields
        or "provider" in fields
        or b"x-hybridge-budget" in headers
        or b"x-hybridge-complexity" in headers
        or b"x-hybridge-policy" in headers
        or b"x-hybridge-session" in headers
        or b"x-hybridge-user" in headers
    ):
        return (NO_OPTIONS if facts.user is None else Options(user=facts.user)), _NOTHING
    values = _from_headers(headers)
    private = _NOTHING
    if (route := bytes(fields.get("route", b"null"))) != b"null" and route[:1] != b'"':
        values.update(_route_values(route))
        private |= {"route"}
    if "models" in fields:
        values["models"] = _decode(_MODELS, fields["models"], "models") or ()
    if "provider" in fields:
        preferences = _decode(_PREFERENCES, fields["provider"], "provider") or ProviderPreferences()
        named = _names(preferences)
        ours = not named.isdisjoint(map(str.casefold, provider_ids))
        if ours or not named:
            values["provider"] = preferences
        if ours:
            private |= {"provider"}
    if facts.user is not None:
        values.setdefault("user", facts.user)
    return (Options(**values) if values else NO_OPTIONS), private


def _from_headers(headers: Mapping[bytes, bytes]) -> dict[str, Any]:
    values = {member: headers[name].decode("latin-1").strip() for name, member in _HEADERS if name in headers}
    if not values:
        return values
    try:
        return _values(msgspec.convert(values, _Route))
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"a header x-hybridge-… is wrong: {exc}", param="x-hybridge-complexity") from exc


def _names(preferences: ProviderPreferences) -> frozenset[str]:
    names = (*(preferences.order or ()), *(preferences.only or ()), *(preferences.ignore or ()))
    return frozenset(map(str.casefold, names))


def _route_values(route: bytes) -> dict[str, Any]:
    try:
        return _values(_ROUTE.decode(route))
    except _UNREADABLE as exc:
        raise InvalidRequest(_explained(str(exc)), param="route") from exc


def _values(route: _Route) -> dict[str, Any]:
    values = {name: value for name in route.__struct_fields__ if (value := getattr(route, name)) is not None}
    if "budget" in values:
        values["budget"] = _budget(values["budget"])
    return values


def _budget(budget: str | _Budget) -> Money:
    try:
        money = Money.parse(budget) if isinstance(budget, str) else Money(budget.amount, budget.currency.upper())
    except ValueError as exc:
        raise InvalidRequest(f"budget: {exc}", param="route.budget") from exc
    if not money.amount.is_finite() or money.amount < 0 or abs(money.amount.adjusted()) > _MOST_DIGITS:
        raise InvalidRequest("budget: the amount must be a number that is not negative", param="route.budget")
    return money


def _explained(problem: str) -> str:
    """msgspec's words, with the nearest right one for a member that does not exist."""
    if "unknown field" in problem:
        wrong = problem.split("`")[1]
        near = get_close_matches(wrong, _Route.__struct_fields__, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else f"; it has {', '.join(_Route.__struct_fields__)}"
        return f"route has no `{wrong}`{hint}"
    return f"route: {problem.replace('$.', 'route.')}"


def _decode(decoder: msgspec.json.Decoder[_T], value: Raw, place: str) -> _T:
    try:
        return decoder.decode(value)
    except _UNREADABLE as exc:
        raise InvalidRequest(f"{place}: {str(exc).replace('$', place)}", param=place) from exc
