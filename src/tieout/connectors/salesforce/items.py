"""Items of the books as products of the org, with their list price in the standard price book."""

from __future__ import annotations

from collections.abc import Set
from decimal import Decimal
from typing import Any

from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.cells import Row, children_of, number_of, text_of, value_at
from tieout.connectors.salesforce.ids import id18
from tieout.connectors.salesforce.price_books import is_standard
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.model import Item

PRODUCT = "Product2"
PRICES = "PricebookEntries"
# The package's fields on a product.
KEY = "Erp_Id__c"
NUMBER = "Erp_Item_Number__c"
UNIT = "Erp_Unit__c"
COST = "Erp_Cost_Price__c"
STAMP = "Erp_Synced_At__c"
ITEM_FIELDS = (KEY, NUMBER, UNIT, COST)


def product_values(item: Item, names: Set[str], settings: SalesforceSettings) -> dict[str, Any]:
    """The org's names of a product's fields with what these fields of ours say."""
    ours = settings.ours
    found: dict[str, Any] = {}
    if "name" in names:
        # A product cannot be without a name.
        found["Name"] = item.name.strip() or item.number
    if "number" in names:
        found["ProductCode"] = found[ours(NUMBER)] = item.number
    if "unit" in names:
        found[ours(UNIT)] = item.unit
    if "cost" in names:
        found[ours(COST)] = item.cost
    if "active" in names:
        found["IsActive"] = item.active
    if "extra" in names:
        found.update(item.extra)
    return found


def is_list_price(entry: Row, currency: str) -> bool:
    """Whether an entry is the standard price in that currency ('' where the org has but one)."""
    return is_standard(entry) and (
        not currency or text_of(entry, "CurrencyIsoCode") in ("", currency)
    )


def list_price(row: Row, currency: str) -> Decimal | None:
    """The price that sellers see; None without one, or with one that is out of use."""
    mine = (one for one in children_of(row, PRICES) if is_list_price(one, currency))
    entry = next(mine, None)
    return number_of(entry, "UnitPrice") if entry and value_at(entry, "IsActive") else None


def unit_of(row: Row, settings: SalesforceSettings) -> str:
    """The books' unit where the org has a field for it, else the org's own."""
    field = settings.ours(UNIT)
    return text_of(row, field if field in row else "QuantityUnitOfMeasure")


class Catalogue:
    """What the whole catalogue of an org has in common, asked once."""

    def __init__(self, api: SalesforceApi, settings: SalesforceSettings) -> None:
        self._api = api
        self._settings = settings
        self._corporate: str | None = None
        self._book: str | None = None

    async def currency(self) -> str:
        """The currency of list prices; '' where the org has but one."""
        account = await self._api.object("Account")
        if account is None or not account.has("CurrencyIsoCode"):
            return ""
        if self._settings.item.price_currency:
            return self._settings.item.price_currency
        if self._corporate is None:
            where = ("IsCorporate = true",)
            rows = await self._api.query(soql.select(("IsoCode",), "CurrencyType", where=where))
            self._corporate = text_of(rows.rows[0], "IsoCode") if rows.rows else ""
        return self._corporate

    async def standard_book(self) -> str:
        """The id of the org's standard price book; '' where it cannot be seen."""
        if not self._book and await self._api.object("Pricebook2") is not None:
            where = ("IsStandard = true",)
            rows = await self._api.query(soql.select(("Id",), "Pricebook2", where=where))
            self._book = id18(str(rows.rows[0]["Id"])) if rows.rows else ""
        return self._book or ""
