"""What the operator says about providers and models; the configuration is turned into these."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from hybridge.money import Terms
from hybridge.types import Kind

#: USD per million tokens by bucket, `per_request` in USD.
UsdPrices = Mapping[str, Decimal | str | float]


class ProviderSetting(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A configured provider.

    A known id takes from its row what is left out; an unknown one needs `kind`, `dialect` and `base_url`.
    `options` are those that its row turns into headers; `timeouts` (seconds) and `quirks` go over the row's.
    """

    id: str
    kind: Kind | None = None
    dialect: str | None = None
    base_url: str | None = None
    auth: str | None = None
    keys: tuple[str, ...] = ()
    fee_ppm: int | None = None
    discount_ppm: int = 0
    headers: dict[str, str] = {}
    options: dict[str, str] = {}
    timeouts: dict[str, float] = {}
    quirks: dict[str, Any] = {}

    def terms(self, row_fee_ppm: int) -> Terms:
        """Fee and discount, with the row's fee where none is configured."""
        return Terms(row_fee_ppm if self.fee_ppm is None else self.fee_ppm, self.discount_ppm)

    def __repr__(self) -> str:
        return f"<ProviderSetting {self.id}, {len(self.keys)} keys>"


class ModelSetting(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A configured model. Without `deployments` the catalogue says where it is served.

    `price` is by deployment id; `assume_price` holds for each of its deployments that has no price.
    """

    name: str
    deployments: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    price: dict[str, dict[str, Decimal | str | float]] = {}
    assume_price: dict[str, Decimal | str | float] | None = None
    timeouts: dict[str, float] = {}
    policy: str | None = None
