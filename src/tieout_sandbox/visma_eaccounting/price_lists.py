"""Price lists: a currency each, with a net price for some articles."""

from __future__ import annotations

from decimal import Decimal

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import schemas_extras
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.totals import cents


def present_row(_books: Books, record: Record) -> Record:
    """A price as the API shows it: it has no id of its own."""
    return {name: record.get(name) for name in schemas_extras.PRICE_ROW.fields}


def rows(books: Books, call: Call) -> Response:
    """`GET /salespricelists/prices/{salesPriceListId}`."""
    books.need(books.price_lists, call.id, "price list", path=True)
    mine = books.price_rows.find("SalesPriceListId", call.id)
    return list_answer(books, call, books.price_rows, present_row, source=mine)


def list_named(books: Books, number: int, currency: str) -> Record:
    """The price list of that number; a new one in that currency where there is none."""
    for found in books.price_lists.records.values():
        if found["Number"] == number:
            return found
    return books.save(
        books.price_lists,
        {
            "Id": books.new_id("salespricelists"),
            "Name": f"Prislista {number}",
            "Number": number,
            "CurrencyCode": currency,
            "Note": None,
            "IsStandard": False,
            "IsActive": True,
            "ChangedUtc": books.stamp(),
        },
    )


def put_row(books: Books, price_list: Record, article: Record, net: Decimal | None) -> Record:
    """A price of an article in a list; None takes it away."""
    key = f"{price_list['Id']}:{article['Id']}"
    if net is None:
        books.price_rows.remove(key)
        return {"SalesPriceListId": price_list["Id"], "ArticleId": article["Id"]}
    rate = books.codings.records[article["CodingId"]]["VatRatePercent"]
    record = {
        "Id": key,
        "SalesPriceListId": price_list["Id"],
        "ArticleId": article["Id"],
        "NetPrice": cents(net),
        "GrossPrice": cents(net * (1 + rate)),
        "CurrencyCode": price_list["CurrencyCode"],
        "ChangedUtc": books.stamp(),
    }
    return present_row(books, books.save(books.price_rows, record))
