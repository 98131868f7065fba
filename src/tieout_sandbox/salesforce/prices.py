"""Products, price books and prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.values import Row, Value

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.writes import Writer


def entry_for(org: Org, book: Value, product: Value, currency: Value) -> Row | None:
    """The price of a product in a book and currency that is not deleted."""
    for row in org.tables["PricebookEntry"].find_live("Product2Id", product):
        if row["Pricebook2Id"] == book and row.get("CurrencyIsoCode") == currency:
            return row
    return None


def integrity(text: str, *fields: str) -> SalesforceError:
    """The platform's word for rows that do not fit together."""
    return SalesforceError(
        "FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {text}", fields=fields
    )


def before_entry(writer: Writer, row: Row, old: Row | None, given: Row) -> None:
    """Standard price first, one price per book, product and currency."""
    org = writer.org
    product = org.tables["Product2"].rows[str(row["Product2Id"])]
    row["Name"], row["ProductCode"] = product["Name"], product.get("ProductCode")
    row["IsArchived"] = bool(row.get("IsArchived"))
    currency = row.get("CurrencyIsoCode")
    standard = org.standard_book()
    base = entry_for(org, standard, row["Product2Id"], currency)
    is_standard = row["Pricebook2Id"] == standard
    if old is None:
        if entry_for(org, row["Pricebook2Id"], row["Product2Id"], currency) is not None:
            raise SalesforceError(
                org.switches.second_price_code,
                "This price definition already exists in this price book",
                fields=[],
            )
        if not is_standard and (base is None or not base["IsActive"]):
            raise SalesforceError(
                "STANDARD_PRICE_NOT_DEFINED",
                "No standard price defined for this product",
                fields=[],
            )
    if row.get("UseStandardPrice") and not is_standard and base is not None:
        if given.get("UnitPrice") is not None and given["UnitPrice"] != base["UnitPrice"]:
            raise integrity("UnitPrice (cannot be set with UseStandardPrice)", "UnitPrice")
        row["UnitPrice"] = base["UnitPrice"]


def after_entry(writer: Writer, row: Row, _old: Row | None, given: Row) -> None:
    """Prices that mirror the standard price follow it."""
    org = writer.org
    if row["Pricebook2Id"] != org.standard_book() or "UnitPrice" not in given:
        return
    for other in org.tables["PricebookEntry"].find_live("Product2Id", row["Product2Id"]):
        same_currency = other.get("CurrencyIsoCode") == row.get("CurrencyIsoCode")
        if other.get("UseStandardPrice") and same_currency and other["Id"] != row["Id"]:
            writer.change("PricebookEntry", str(other["Id"]), {"UnitPrice": row["UnitPrice"]})


def after_product(writer: Writer, row: Row, old: Row | None, _given: Row) -> None:
    """A product's name and code show on its prices and lines; their stamps stay."""
    if old is None:
        return
    if (row["Name"], row.get("ProductCode")) == (old["Name"], old.get("ProductCode")):
        return
    for entry in writer.org.tables["PricebookEntry"].find("Product2Id", row["Id"]):
        shown = {"Name": row["Name"], "ProductCode": row.get("ProductCode")}
        writer.change("PricebookEntry", str(entry["Id"]), shown, silent=True)
    for line in writer.org.tables["OpportunityLineItem"].find("Product2Id", row["Id"]):
        code = {"ProductCode": row.get("ProductCode")}
        writer.change("OpportunityLineItem", str(line["Id"]), code, silent=True)


def is_used(org: Org, entry: Row) -> bool:
    """Whether a line names the price, so that it can only be archived."""
    return any(
        org.tables[name].find_live("PricebookEntryId", entry["Id"])
        for name in ("OpportunityLineItem", "OrderItem", "QuoteLineItem")
    )


def pick_entry(org: Org, row: Row, *, book: Value, currency: Value, what: str) -> Row:
    """The price that a new line means, by its id or by its product; refuses one that cannot be
    used: of another book or currency, inactive, or of an inactive product."""
    entry: Row | None
    if row.get("PricebookEntryId") is None:
        if row.get("Product2Id") is None or not org.switches.line_by_product:
            raise SalesforceError(
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [PricebookEntryId]",
                fields=["PricebookEntryId"],
            )
        entry = entry_for(org, book or org.standard_book(), row["Product2Id"], currency)
        if entry is None:
            raise integrity(
                "PricebookEntryId (no price of this product in the price book and currency of "
                f"the {what})",
                "PricebookEntryId",
            )
    else:
        entry = org.tables["PricebookEntry"].rows[str(row["PricebookEntryId"])]
    if org.multi_currency and entry.get("CurrencyIsoCode") != currency:
        raise integrity(
            f"The pricebook entry currency code does not match the {what} currency code",
            "PricebookEntryId",
        )
    if book is not None and entry["Pricebook2Id"] != book:
        raise integrity(
            f"PricebookEntryId (pricebook entry is in a different pricebook than the one assigned "
            f"to the {what})",
            "PricebookEntryId",
        )
    product = org.tables["Product2"].rows[str(entry["Product2Id"])]
    if not entry["IsActive"] or not product["IsActive"]:
        raise integrity("PricebookEntryId (pricebook entry is inactive)", "PricebookEntryId")
    return entry
