"""OpenRouter's `provider` object, read for one request.

Source: https://openrouter.ai/docs/guides/routing/provider-selection. `quantizations` and the like mean nothing to the
providers that Hybridge asks itself, and `sort.partition` nothing where models stay apart: both are let pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from hybridge.errors import InvalidRequest
from hybridge.money import NANO, PPM, Price, Terms
from hybridge.routing.nearest import nearest
from hybridge.routing.policy import SORTS, Sort
from hybridge.types import ProviderPreferences

#: What `max_price` may name (USD per million tokens, `request` in USD); `image` has no counterpart in our prices.
_CEILINGS = {"prompt": "input", "completion": "output", "request": "per_request"}


class Wishes(Struct, frozen=True):
    """The object with its names folded and its figures read. `ceilings` are femto-USD (`per_request` nano-USD)."""

    only: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()
    order: Mapping[str, int] = {}
    fallbacks: bool = True
    strict: bool = False
    #: The member that shuts out deployments that keep data, empty if none does.
    discreet: str = ""
    sort: Sort | None = None
    ceilings: Mapping[str, int] = {}
    #: The object itself, for its soft wishes.
    preferred: ProviderPreferences | None = None


NO_WISHES = Wishes()


def read_wishes(preferences: ProviderPreferences | None) -> Wishes:
    """Read the object. Raises `InvalidRequest` with the place of what cannot be understood."""
    if preferences is None:
        return NO_WISHES
    return Wishes(
        only=None if preferences.only is None else frozenset(map(str.casefold, preferences.only)),
        ignore=frozenset(map(str.casefold, preferences.ignore or ())),
        order={name.casefold(): place for place, name in reversed([*enumerate(preferences.order or ())])},
        fallbacks=preferences.allow_fallbacks is not False,
        strict=preferences.require_parameters is True,
        discreet=_discreet(preferences),
        sort=_sort(preferences.sort),
        ceilings=_ceilings(preferences.max_price or {}),
        preferred=preferences,
    )


def _discreet(preferences: ProviderPreferences) -> str:
    if preferences.zdr:
        return "provider.zdr"
    return "provider.data_collection: deny" if preferences.data_collection == "deny" else ""


def _sort(asked: str | dict[str, str | None] | None) -> Sort | None:
    by = asked.get("by") if isinstance(asked, dict) else asked
    if by is None:
        return None
    for sort in SORTS:
        if by == sort:
            return sort
    near = nearest(by, SORTS, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"it is one of {', '.join(SORTS)}"
    raise InvalidRequest(f"provider.sort cannot be `{by}`; {hint}", param="provider.sort")


def _ceilings(asked: Mapping[str, float | str]) -> dict[str, int]:
    ceilings: dict[str, int] = {}
    for name, value in asked.items():
        place = f"provider.max_price.{name}"
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            raise InvalidRequest(f"{place} is not a number: {value!r}", param=place) from None
        if not amount.is_finite() or amount < 0:
            raise InvalidRequest(f"{place} cannot be {value}", param=place)
        if name in _CEILINGS:
            ceilings[_CEILINGS[name]] = int(amount * NANO)
    return ceilings


def dearer_than(wishes: Wishes, price: Price, terms: Terms, tokens_in: int) -> str:
    """The member of `max_price` that a price, fee included, is above; empty if none."""
    at = price.at(tokens_in)
    factor = (PPM + terms.fee_ppm) * (PPM - terms.discount_ppm)
    for member, ours in _CEILINGS.items():
        ceiling = wishes.ceilings.get(ours)
        if ceiling is not None and getattr(at, ours) * factor > ceiling * PPM * PPM:
            return member
    return ""
