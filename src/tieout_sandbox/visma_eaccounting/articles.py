"""Articles."""

from __future__ import annotations

from decimal import Decimal

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import schemas
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer, ok, visible
from tieout_sandbox.visma_eaccounting.errors import CONFLICT, VismaError
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.totals import cents

_BLANK = schemas.ARTICLE.blank


def present(books: Books, record: Record) -> Record:
    """An article as the API shows it, with the names of its coding and unit."""
    coding = books.codings.records[record["CodingId"]]
    unit = books.units.records[record["UnitId"]]
    return {
        **_BLANK,
        **visible(record),
        "CodingName": coding["Name"],
        "UnitName": unit["Name"],
        "UnitAbbreviation": unit["Abbreviation"],
        "IsServiceArticle": coding["Type"] == "Services",
        "NetPriceWithDiscount": record["NetPrice"],
        "DiscountPercentage": Decimal(0),
    }


def put(books: Books, values: Record, old: Record | None = None) -> Record:
    """Saves a new article, or replaces one; VismaError where it cannot be."""
    coding = books.need(books.codings, values["CodingId"], "account coding")
    books.need(books.units, values["UnitId"], "unit")
    same = books.articles.find("Number", values["Number"])
    if any(old is None or found["Id"] != old["Id"] for found in same):
        raise VismaError(
            CONFLICT, f"ConflictException - article number {values['Number']} is taken"
        )
    net, gross = _prices(values, coding["VatRatePercent"], old)
    stamp = books.stamp()
    record = {
        "SendToWebshop": True,
        **values,
        "Id": old["Id"] if old else books.new_id("articles"),
        "NetPrice": net,
        "GrossPrice": gross,
        "CreatedUtc": old["CreatedUtc"] if old else stamp,
        "ChangedUtc": stamp,
    }
    return books.save(books.articles, record)


def _prices(values: Record, rate: Decimal, old: Record | None) -> tuple[Decimal, Decimal]:
    """Net and gross belong together: the one that was changed decides, else the net."""
    net, gross = values.get("NetPrice"), values.get("GrossPrice")
    if old is not None and net == old["NetPrice"] and gross not in (None, old["GrossPrice"]):
        net = None
    if net is None and gross is not None:
        return cents(gross / (1 + rate)), cents(gross)
    net = cents(net or Decimal(0))
    return net, cents(net * (1 + rate))


def listing(books: Books, call: Call) -> Response:
    """`GET /articles`."""

    def coding_type(_books: Books, record: Record) -> int:
        return 2 if _books.codings.records[record["CodingId"]]["Type"] == "Services" else 1

    _check_customer(books, call)
    return list_answer(books, call, books.articles, present, derived={"CodingType": coding_type})


def one(books: Books, call: Call) -> Response:
    """`GET /articles/{id}`."""
    _check_customer(books, call)
    return ok(present(books, books.need(books.articles, call.id, "article", path=True)))


def create(books: Books, call: Call) -> Response:
    """`POST /articles`."""
    values = schemas.ARTICLE.read(call.body(), books.assumptions)
    return ok(present(books, put(books, values)), 201)


def replace(books: Books, call: Call) -> Response:
    """`PUT /articles/{id}`."""
    old = books.need(books.articles, call.id, "article", path=True)
    values = schemas.ARTICLE.read(call.body(), books.assumptions)
    return ok(present(books, put(books, values, old)))


def _check_customer(books: Books, call: Call) -> None:
    customer_id = call.request.param("customerId")
    if customer_id:
        books.need(books.customers, customer_id.lower(), "customer")
