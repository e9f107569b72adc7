"""What is looked at for one request alone: its wishes, its size, its budget."""

from __future__ import annotations

from hybridge.errors import InvalidRequest
from hybridge.money import Money, Rates
from hybridge.routing.able import Out, Why, overfull, unwanted
from hybridge.routing.budget import LEAST_OUTPUT, fit, price_under_budget
from hybridge.routing.estimate import NEAR, exact_size, rough_size, usage_of
from hybridge.routing.preferences import read_wishes
from hybridge.types import Deployment, Request, TokenCounter

#: A request that by its bytes is more than so many times too large for a context is too large without being counted.
_FAR = 4


class Screen:
    """Screens the candidates of one request. Counts its tokens at most once, and only if something hangs on them.

    `size` (and `usage`) is the best known by now; `clamp` is the output that the budget leaves room for, by
    deployment id.
    Raises `InvalidRequest` for a budget in a currency without a rate, and for a `provider` object that is wrong.
    """

    __slots__ = (
        "_budget",
        "_counter",
        "_max_tokens",
        "_rates",
        "_request",
        "_weighed",
        "budget_nano_usd",
        "clamp",
        "size",
        "usage",
        "wishes",
    )

    def __init__(self, request: Request, rates: Rates, counter: TokenCounter) -> None:
        self.size = rough_size(request.facts)
        self.usage = usage_of(self.size)
        self.wishes = read_wishes(request.options.provider)
        self.clamp: dict[str, int] = {}
        self.budget_nano_usd: int | None = None
        self._request = request
        self._max_tokens = request.facts.max_tokens
        self._budget = request.options.budget
        self._rates = rates
        self._counter = counter
        self._weighed = False
        if self._budget is not None:
            self.budget_nano_usd = _nano_usd(self._budget, rates)
            self._weigh()

    @property
    def alone(self) -> bool:
        """Whether the request wants no fallbacks."""
        return not self.wishes.fallbacks

    def out(self, deployment: Deployment, first: Deployment | None) -> Out | None:
        """Why a deployment is out; `first` is the one that was asked for by its id."""
        return (
            self._second(deployment, first)
            or unwanted(deployment, self._request, self.wishes, self.size.input)
            or self._overfull(deployment)
            or self._short(deployment)
        )

    @property
    def _least(self) -> int:
        return LEAST_OUTPUT if self._max_tokens is None else self._max_tokens

    def _weigh(self) -> None:
        self._weighed = True
        self.size = exact_size(self._request, self._counter)
        self.usage = usage_of(self.size)

    def _second(self, deployment: Deployment, first: Deployment | None) -> Out | None:
        """`allow_fallbacks: false` leaves those in `order`, else the deployment that was asked for."""
        if not self.alone:
            return None
        if self.wishes.order:
            if deployment.provider.casefold() not in self.wishes.order:
                return Out(Why.PREFERENCE, "provider.order does not name its provider, and fallbacks are not allowed")
        elif first is not None and deployment is not first:
            return Out(Why.PREFERENCE, f"{first.id} was asked for, and provider.allow_fallbacks is false")
        return None

    def _overfull(self, deployment: Deployment) -> Out | None:
        limits = deployment.limits
        if limits.context is not None:
            room = limits.context - self._least
            if not self._weighed and room < self.size.input * NEAR and self.size.input < room * _FAR:
                self._weigh()
        return overfull(limits, self.size, self._max_tokens)

    def _short(self, deployment: Deployment) -> Out | None:
        budget, budget_nano_usd = self._budget, self.budget_nano_usd
        if budget is None or budget_nano_usd is None:
            return None
        price = price_under_budget(deployment)
        if price is None:
            return Out(Why.PRICE, "its price is not known, and a budget applies; assume_price would let it in")
        found = fit(deployment, price, self.size, self._max_tokens, budget_nano_usd)
        if not found.admitted:
            costs = self._rates.text(found.quote_nano_usd, budget.currency)
            return Out(
                Why.BUDGET,
                f"it costs about {costs}, and the budget is {budget}",
                quote_nano_usd=found.quote_nano_usd,
            )
        if found.clamp is not None:
            self.clamp[deployment.id] = found.clamp
        return None


def _nano_usd(budget: Money, rates: Rates) -> int:
    try:
        return rates.nano_usd(budget)
    except ValueError as exc:
        raise InvalidRequest(f"budget: {exc}", param="route.budget") from exc
