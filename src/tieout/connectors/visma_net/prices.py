"""Sales prices: for everybody, by customer price class, and what one customer pays."""

from __future__ import annotations

from datetime import date, datetime

from tieout.connectors.visma_net.names import Names
from tieout.connectors.visma_net.stamps import Stamps
from tieout.connectors.visma_net.translate import extra_of
from tieout.connectors.visma_net.values import Payload, number_of, text_of
from tieout.core.model import ItemRef, Price
from tieout.core.money import ZERO
from tieout.ports import Selection

_CUSTOMER = "Customer"
_KINDS = frozenset({"Base", "CustomerPriceClass", _CUSTOMER})


def is_known(payload: Payload) -> bool:
    """Whether it is said whose price it is."""
    return text_of(payload, "priceType") in _KINDS


def price(payload: Payload, names: Names, stamps: Stamps, want: Selection | None = None) -> Price:
    """
    A price, net of VAT unless a VAT code stands on it: then nobody says whether it is in it.

    Its item is known by its number alone. Raises ValueError where it has no amount.
    """
    amount = number_of(payload, "price")
    if amount is None:
        raise ValueError("a price without an amount")
    kind, code = text_of(payload, "priceType"), text_of(payload, "priceCode")
    if kind == _CUSTOMER and not code:
        raise ValueError("a customer's price without the customer")
    return Price(
        ref=names.ref("price", text_of(payload, "recordId")),
        version=text_of(payload, "timeStamp") or None,
        changed_at=stamps.instant("customerSalesPrice", payload),
        item=ItemRef(number=text_of(payload, "inventoryId")),
        list=code if kind == "CustomerPriceClass" else "",
        customer=code if kind == _CUSTOMER else "",
        currency=text_of(payload, "currency"),
        unit=text_of(payload, "uoM"),
        from_quantity=number_of(payload, "breakQty") or ZERO,
        valid_from=_day(payload, "effectiveDate"),
        valid_to=_day(payload, "expirationDate"),
        amount=amount,
        includes_tax=bool(text_of(payload, "vat")),
        promotion=bool(payload.get("promotion")),
        # A price of one warehouse is not what everybody pays.
        active=not text_of(payload, "warehouse"),
        extra=extra_of(payload, want),
        shape=want.shape if want else "",
    )


def _day(payload: Payload, name: str) -> date | None:
    """The day as it stands there: a time of day on it says nothing."""
    text = text_of(payload, name)
    return datetime.fromisoformat(text).date() if text else None
