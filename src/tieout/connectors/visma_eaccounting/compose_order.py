"""An order in the vendor's form, made of the draft that it would be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.connectors.visma_eaccounting.making import Made
from tieout.connectors.visma_eaccounting.names import Names
from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.connectors.visma_eaccounting.values import Payload, text_of

DRAFT, ONGOING, SHIPPED, INVOICED = 1, 2, 3, 4
# What can be written; all else of an order is told only, and a PUT takes all that is missing away.
_HEAD = frozenset(
    {
        *("CustomerId", "CurrencyCode", "OrderDate", "Status", "EuThirdParty"),
        *("RotReducedInvoicingType", "RotPropertyType", "Persons", "UsesGreenTechnology"),
        *("ReverseChargeOnConstructionServices", "DeliveryDate", "YourReference", "OurReference"),
        *("BuyersOrderReference", "TermsOfPaymentId", "InvoiceAddress1", "InvoiceAddress2"),
        *("InvoiceCity", "InvoiceCountryCode", "InvoiceCustomerName", "InvoicePostalCode"),
        *("DeliveryCustomerName", "DeliveryAddress1", "DeliveryAddress2", "DeliveryPostalCode"),
        *("DeliveryCity", "DeliveryCountryCode", "DeliveryMethodName", "DeliveryMethodCode"),
        *("DeliveryTermName", "DeliveryTermCode", "HouseWorkAmount"),
        *("HouseWorkAutomaticDistribution", "HouseWorkCorporateIdentityNumber"),
        "HouseWorkPropertyName",
    }
)
_ROW = frozenset(
    {
        *("LineNumber", "DeliveredQuantity", "ArticleId", "IsTextRow", "Text", "UnitPrice"),
        *("DiscountPercentage", "Quantity", "WorkCostType", "IsWorkCost", "WorkHours"),
        *("MaterialCosts", "EligibleForReverseChargeOnVat", "CostCenterItemId1"),
        *("CostCenterItemId2", "CostCenterItemId3", "ProjectId", "GreenTechnologyType"),
    }
)


def order_body(
    made: Made,
    *,
    customer: Payload,
    names: Names,
    settings: VismaSettings,
    day: str,
    read: Payload | None,
) -> dict[str, Any]:
    """
    The order of a draft's body: an order names its currency and its day, and each row says what
    only orders know. What was read beside it stays.
    """
    currency = text_of(customer, "CurrencyCode") or names.currency
    new = {
        "Status": ONGOING if settings.order_status == "ongoing" else DRAFT,
        "OrderDate": day,
        "CurrencyCode": currency,
        "ReverseChargeOnConstructionServices": False,
    }
    kept = {name: value for name, value in (read or new).items() if name in _HEAD}
    body = {**kept, **{name: v for name, v in made.body.items() if name in _HEAD}}
    body["Rows"] = [_row(row) for row in made.body["Rows"]]
    return body


def order_payload(draft: Payload, body: Mapping[str, Any], read: Payload | None) -> dict[str, Any]:
    """The order as its answer will read, of the draft as that would."""
    return {
        **(read or {}),
        **draft,
        **{name: value for name, value in body.items() if name != "Rows"},
        "TermsOfPaymentId": draft.get("TermsOfPaymentId"),
        "Amount": draft.get("TotalAmount"),
        "VatAmount": draft.get("TotalVatAmount"),
        "RoundingsAmount": draft.get("TotalRoundings"),
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in row.items() if name in _ROW}
    found.setdefault("IsTextRow", False)
    found.setdefault("IsWorkCost", False)
    found.setdefault("EligibleForReverseChargeOnVat", False)
    return found
