"""A probe: a call that costs nothing and shows whether a provider answers, takes the key, and lists its models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hybridge.dialects import dialect
from hybridge.errors import InvalidRequest, KeyRefused, ProviderError
from hybridge.providers.auth import auth
from hybridge.providers.names import undated
from hybridge.providers.provider import Provider
from hybridge.providers.transport import HttpTransport

#: Seconds for a probe, and the most of a list that is read.
PATIENCE = 10.0
MOST_BYTES = 20_000_000
_MOST_OF_AN_ERROR = 65_536

#: How a dialect is asked for the whole list at once. Sources: https://docs.anthropic.com/en/api/models-list and
#: https://ai.google.dev/api/models#method:-models.list.
_WHOLE_LIST = {"anthropic": "?limit=1000", "gemini": "?pageSize=1000"}
#: The code of a key that is good, but not for lists (https://platform.openai.com/docs/guides/error-codes).
_NOT_FOR_LISTS = "missing_scope"

_CURRENCY = re.compile(r"[A-Z]{3}")

#: `failing`: it answers with an error of its own.
Verdict = Literal["ok", "refused", "failing", "unreachable"]


class Probed(Struct, frozen=True, omit_defaults=True):
    """What a probe of a provider with one key showed at `at_us` (UTC, microseconds).

    `key` is its fingerprint; `ms` is the time to the head of the answer; `status` is 0 where there was none; `said` is
    for people; `models` are the names that it lists, if it was asked and told all; `balance` is what is left of the
    key's money, in `currency`.
    """

    provider: str
    key: str
    at_us: int
    verdict: Verdict
    said: str
    ms: float = 0.0
    status: int = 0
    code: str = ""
    models: tuple[str, ...] | None = None
    balance: Decimal | None = None
    currency: str = ""

    @property
    def spoils_key(self) -> bool:
        """Whether the key is sure to be of no use: a 403 may mean that it is good, but not for this."""
        return self.verdict == "refused" and self.status != 403 and self.code != _NOT_FOR_LISTS

    def lists(self, model: str) -> bool | None:
        """Whether the provider lists a model; `None` where that is not known. Dates and variants may differ."""
        if self.models is None:
            return None
        base = model.rpartition(":")[0] or model
        return any(name in (model, base) or undated(name) == model for name in self.models)


class Prober:
    """Makes probes. `now_us` is UTC in microseconds, `loop_time` the clock of the loop; `agent` says who asks."""

    def __init__(
        self,
        transport: HttpTransport,
        *,
        now_us: Callable[[], int],
        loop_time: Callable[[], float],
        agent: str,
        patience: float = PATIENCE,
    ) -> None:
        self._transport = transport
        self._now_us = now_us
        self._loop_time = loop_time
        self._agent = agent
        self._patience = patience

    async def look(self, provider: Provider, key: str, secret: str) -> Probed | None:
        """The least that shows how a provider and a key are; `None` where it has nothing to ask for."""
        if provider.balance_url and secret:
            return await self._balance(provider, key, secret)
        if provider.row.models_path:
            return await self._list(provider, key, secret, read=False)
        return None

    async def ask(self, provider: Provider, key: str, secret: str) -> Probed | None:
        """All that is free: the list of models, whether the key is taken, what is left of its money."""
        listed = await self._list(provider, key, secret) if provider.row.models_path else None
        if listed is not None and listed.verdict != "ok":
            return listed
        if not (provider.balance_url and secret):
            return listed
        balance = await self._balance(provider, key, secret)
        if listed is None or balance.verdict == "refused":
            return balance
        return msgspec.structs.replace(listed, balance=balance.balance, currency=balance.currency)

    async def is_public(self, provider: Provider) -> bool:
        """Whether the list is there for anybody, so that it proves no key."""
        return (await self._list(provider, "", "", read=False)).verdict == "ok"

    async def _list(self, provider: Provider, key: str, secret: str, *, read: bool = True) -> Probed:
        surface = provider.surface("")
        query = _WHOLE_LIST.get(surface.dialect, "")
        probed, body = await self._get(provider, surface.base_url + provider.row.models_path + query, key, secret, read)
        return msgspec.structs.replace(probed, models=names_in(body)) if body else probed

    async def _balance(self, provider: Provider, key: str, secret: str) -> Probed:
        probed, body = await self._get(provider, provider.balance_url, key, secret)
        place = provider.row.balance
        if not body or place is None:
            return probed
        try:
            told = msgspec.json.decode(body)
            amount = Decimal(str(_at(told, place.amount)))
            currency = place.currency if _CURRENCY.fullmatch(place.currency) else str(_at(told, place.currency))
        except (msgspec.DecodeError, InvalidOperation, LookupError):
            return probed
        known = amount.is_finite() and _CURRENCY.fullmatch(currency)
        return msgspec.structs.replace(probed, balance=amount, currency=currency) if known else probed

    async def _get(
        self, provider: Provider, url: str, key: str, secret: str, read: bool = True
    ) -> tuple[Probed, bytes]:
        """Ask; and the body, if all is well and it is to be read."""
        surface = provider.surface("")
        headers = (("user-agent", self._agent), *surface.headers, *(auth(surface.auth)(secret) if secret else ()))
        began = self._loop_time()
        deadline = began + self._patience
        connect = provider.timeouts.get("connect", 5.0)
        ms, at_us = 0.0, self._now_us()
        try:
            answer = await self._transport.send("GET", url, headers, connect=connect, deadline=deadline)
            ms = round((self._loop_time() - began) * 1000, 3)
            try:
                answer.expect(deadline)
                well = answer.status < 400
                body = await answer.read(MOST_BYTES if well else _MOST_OF_AN_ERROR) if read or not well else b""
            finally:
                answer.close()
        except (ProviderError, InvalidRequest) as failure:
            said = failure.message.replace(secret, "***") if secret else failure.message
            return Probed(provider.id, key, at_us, "unreachable", said, ms), b""
        if well:
            return Probed(provider.id, key, at_us, "ok", "it answers", ms, answer.status), body
        error = dialect(surface.dialect).provider.classify(
            answer.status, answer.headers, body, self._now_us() / 1_000_000
        )
        verdict, said = _meaning(answer.status, error)
        return Probed(provider.id, key, at_us, verdict, said, ms, answer.status, error.provider_code), b""


def _meaning(status: int, error: ProviderError) -> tuple[Verdict, str]:
    if isinstance(error, KeyRefused):
        if error.provider_code == _NOT_FOR_LISTS:
            return "ok", f"it answers, but the key may not ask for lists (HTTP {status})"
        return "refused", f"it refuses the key (HTTP {status})"
    if status == 429:
        return "ok", "it answers, and limits the rate just now (HTTP 429)"
    if status < 500:
        return "ok", f"it answers, but has nothing there (HTTP {status})"
    return "failing", f"HTTP {status}"


def names_in(body: bytes) -> tuple[str, ...] | None:
    """The names in a list of models of any dialect; `None` if it is no list, or not all of it."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, dict):
        if found.get("has_more") or found.get("nextPageToken"):
            return None
        found = found.get("data", found.get("models"))
    return tuple(_names(found)) if isinstance(found, list) else None


def _names(listed: list[Any]) -> Iterator[str]:
    for one in listed:
        name = one.get("id") or one.get("name") if isinstance(one, Mapping) else one
        if isinstance(name, str):
            yield name.removeprefix("models/")


def _at(value: Any, path: str) -> Any:
    """What stands at a path such as `data.0.left`. Raises `LookupError`."""
    for step in path.split("."):
        if isinstance(value, list) and step.isdecimal():
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value[step]
        else:
            raise LookupError(path)
    return value
