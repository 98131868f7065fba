"""What is only read: company settings, codings, rates, accounts, vouchers and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import schemas_extras
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer, ok, shown, visible
from tieout_sandbox.visma_eaccounting.credentials import USER_ID, USERNAME
from tieout_sandbox.visma_eaccounting.errors import (
    ACCOUNT_NOT_FOUND,
    CONFLICT,
    INVALID_INPUT,
    NOT_FOUND,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.ledger import ACCOUNT_NAMES, Entry, voucher_rows
from tieout_sandbox.visma_eaccounting.tables import Table

Handler = Callable[[Books, Call], Response]
_SETTINGS_READ_ONLY = frozenset(
    {
        "CompanyIdentifier",
        "CurrencyCode",
        "CountryCode",
        "ProductVariant",
        "ActivatedModules",
        "CompanyStatus",
        "AccountingLockedTo",
        "AccountingLockInterval",
        "NextCustomerNumber",
        "NextCustomerInvoiceNumber",
        "NextOrderNumber",
        "NextQuoteNumber",
        "NextArticleNumber",
        "NextSupplierNumber",
    }
)


def table_list(name: str, present: Any = shown) -> Handler:
    """A handler that lists a table."""

    def handle(books: Books, call: Call) -> Response:
        return list_answer(books, call, books.tables()[name], present)

    return handle


def table_one(name: str, present: Any = shown) -> Handler:
    """A handler that gives one record of a table."""

    def handle(books: Books, call: Call) -> Response:
        return ok(present(books, books.need(books.tables()[name], call.id, name, path=True)))

    return handle


def settings(books: Books, _call: Call) -> Response:
    """`GET /companysettings`."""
    return ok(books.settings)


def put_settings(books: Books, call: Call) -> Response:
    """`PUT /companysettings`: replaces what a client may set."""
    body = call.body()
    if not isinstance(body, dict):
        raise VismaError(VALIDATION, "A JSON object is expected.")
    for name in ("Name", "Address1", "PostalCode", "City"):
        if not body.get(name):
            raise VismaError(VALIDATION, f"The {name} field is required.", field=name)
    for name in books.settings:
        if name not in _SETTINGS_READ_ONLY:
            books.settings[name] = body.get(name)
    return ok(books.settings)


def coding(books: Books, record: Record) -> Record:
    """An account coding as the API shows it."""
    scale = 100 if books.assumptions.vat_percent_scale == "percent" else 1
    return {**visible(record), "VatRatePercent": record["VatRatePercent"] * scale}


def _plain_list(books: Books, call: Call, name: str, rows: Iterable[Record]) -> Response:
    return list_answer(books, call, Table(name), shown, source=list(rows))


def vat_code_rates(books: Books, call: Call) -> Response:
    """`GET /vatcodesrates`."""
    rows = [
        {
            **{name: value for name, value in visible(code).items() if name != "VatRate"},
            "VatRates": [{"VatRateDate": date(2010, 1, 1), "VatRate": code["VatRate"]}],
        }
        for code in books.vat_codes.records.values()
    ]
    return _plain_list(books, call, "vatcodesrates", rows)


def currencies(books: Books, call: Call) -> Response:
    """`GET /currencies`."""
    return _plain_list(books, call, "currencies", ({"Code": code} for code in sorted(books.rates)))


def exchange_rate(books: Books, call: Call) -> Response:
    """`GET /currencies/exchangerate`. The simulator's rates are the same on every date."""
    source, target = (_currency(books, call, name) for name in ("sourceCurrency", "targetCurrency"))
    rate = (books.rates[source] / books.rates[target]).quantize(Decimal("0.0001"))
    day = _day(call.request.param("date") or books.today().isoformat())
    return ok({"Date": day, "SourceCurrency": source, "TargetCurrency": target, "Rate": rate})


def _currency(books: Books, call: Call, name: str) -> str:
    code = call.request.param(name)
    if not code:
        raise VismaError(INVALID_INPUT, f"InvalidInput - {name} is required")
    if code not in books.rates:
        raise VismaError(INVALID_INPUT, f"InvalidInput - {name} {code} is not known")
    return code


def countries(books: Books, call: Call) -> Response:
    """`GET /countries`."""
    return _plain_list(books, call, "countries", books.countries)


def country(books: Books, call: Call) -> Response:
    """`GET /countries/{code}`."""
    code = call.ids[0].upper()
    found = next((place for place in books.countries if place["Code"] == code), None)
    if found is None:
        raise VismaError(NOT_FOUND, f"ResourceNotFoundException - country {code}", path_id=True)
    return ok(found)


def cost_center(books: Books, record: Record) -> Record:
    """A kind of cost centre with its items."""
    items = books.cost_center_items.find("CostCenterId", record["Id"])
    return {**visible(record), "Items": [visible(item) for item in items]}


def create_cost_center_item(books: Books, call: Call) -> Response:
    """`POST /costcenteritems`."""
    values = schemas_extras.COST_CENTER_ITEM.read(call.body(), books.assumptions)
    return ok(visible(_put_item(books, values, None)), 201)


def replace_cost_center_item(books: Books, call: Call) -> Response:
    """`PUT /costcenteritems/{id}`."""
    old = books.need(books.cost_center_items, call.id, "cost centre item", path=True)
    values = schemas_extras.COST_CENTER_ITEM.read(call.body(), books.assumptions)
    return ok(visible(_put_item(books, values, old)))


def _put_item(books: Books, values: Record, old: Record | None) -> Record:
    books.need(books.cost_centers, values["CostCenterId"], "cost centre")
    record = {
        **values,
        "Id": old["Id"] if old else books.new_id("costcenteritems"),
        "CreatedUtc": old["CreatedUtc"] if old else books.stamp(),
    }
    return books.save(books.cost_center_items, record)


def project(books: Books, record: Record) -> Record:
    """A project as the API shows it."""
    customer = books.customers.get(record.get("CustomerId"))
    blank = schemas_extras.PROJECT.blank
    name = customer["Name"] if customer is not None else None
    return {**blank, **visible(record), "CustomerName": name}


def create_project(books: Books, call: Call) -> Response:
    """`POST /projects`."""
    values = schemas_extras.PROJECT.read(call.body(), books.assumptions)
    return ok(project(books, put_project(books, values, None)), 201)


def replace_project(books: Books, call: Call) -> Response:
    """`PUT /projects/{id}`."""
    old = books.need(books.projects, call.id, "project", path=True)
    values = schemas_extras.PROJECT.read(call.body(), books.assumptions)
    return ok(project(books, put_project(books, values, old)))


def put_project(books: Books, values: Record, old: Record | None) -> Record:
    """Saves a project; VismaError where its number is taken or its customer unknown."""
    taken = books.projects.find("Number", values["Number"])
    if any(old is None or found["Id"] != old["Id"] for found in taken):
        raise VismaError(CONFLICT, f"ConflictException - project number {values['Number']}")
    if "CustomerId" in values:
        books.need(books.customers, values["CustomerId"], "customer")
    record = {
        "Status": 1,
        **values,
        "Id": old["Id"] if old else books.new_id("projects"),
        "ModifiedUtc": books.stamp(),
    }
    return books.save(books.projects, record)


def accounts(books: Books, call: Call) -> Response:
    """`GET /accounts`, `GET /accounts/{fiscalyearId}`."""
    years = list(books.fiscal_years.records)
    if call.ids:
        years = [books.need(books.fiscal_years, call.id, "fiscal year", path=True)["Id"]]
    rows = [_account(year, number) for year in years for number in sorted(ACCOUNT_NAMES)]
    return _plain_list(books, call, "accounts", rows)


def _account(year: str, number: int) -> Record:
    return {
        "Name": ACCOUNT_NAMES[number],
        "Number": str(number),
        "VatCodeId": None,
        "VatCodeDescription": None,
        "FiscalYearId": year,
        "ReferenceCode": None,
        "Type": number // 1000,
        "TypeDescription": None,
        "ModifiedUtc": None,
        "CreatedUtc": None,
        "IsActive": True,
        "IsProjectAllowed": number >= 3000,
        "IsCostCenterAllowed": number >= 3000,
        "IsBlockedForManualBooking": False,
    }


def balances(books: Books, call: Call) -> Response:
    """`GET /accountbalances/{date}`."""
    day = _day(call.ids[0])
    rows = [balance_row(books, number, day) for number in sorted(ACCOUNT_NAMES)]
    return _plain_list(books, call, "accountbalances", rows)


def balance(books: Books, call: Call) -> Response:
    """`GET /accountbalances/{accountNumber}/{date}`."""
    number = int(call.ids[0]) if call.ids[0].isdigit() else 0
    if number not in ACCOUNT_NAMES:
        raise VismaError(ACCOUNT_NOT_FOUND, f"AccountNotFound - {call.ids[0]}", path_id=True)
    return ok(balance_row(books, number, _day(call.ids[1])))


def balance_row(books: Books, number: int, day: date) -> Record:
    """An account's balance at the end of a day; accounts of the result begin with the year."""
    year = books.fiscal_year(day)
    since = year["StartDate"] if number >= 3000 and year is not None else None
    return {
        "AccountNumber": number,
        "AccountName": ACCOUNT_NAMES[number],
        "Balance": books.ledger.balance(number, day, since),
        "AccountType": number // 1000,
        "AccountTypeDescription": None,
    }


def vouchers_of_year(books: Books, call: Call) -> Response:
    """`GET /vouchers/{fiscalyearId}`."""
    year = books.need(books.fiscal_years, call.id, "fiscal year", path=True)
    found = [
        record
        for record in books.vouchers.records.values()
        if year["StartDate"] <= record["VoucherDate"] <= year["EndDate"]
    ]
    return list_answer(books, call, books.vouchers, voucher, source=found)


def voucher_of_year(books: Books, call: Call) -> Response:
    """`GET /vouchers/{fiscalyearId}/{voucherId}`."""
    books.need(books.fiscal_years, call.id, "fiscal year", path=True)
    return ok(voucher(books, books.need(books.vouchers, call.guid(1), "voucher", path=True)))


_VOUCHER_ROW = dict.fromkeys(
    (
        "CostCenterItemId1",
        "CostCenterItemId2",
        "CostCenterItemId3",
        "VatCodeId",
        "VatCodeAndPercent",
        "VatAmount",
        "Quantity",
        "Weight",
        "DeliveryDate",
        "HarvestYear",
        "ProjectId",
    )
)


def voucher(_books: Books, record: Record) -> Record:
    """A voucher as the API shows it."""
    entries = (Entry(*entry) for entry in record["_entries"])
    rows = [{**_VOUCHER_ROW, **row} for row in voucher_rows(entries)]
    return {**visible(record), "Attachments": None, "Rows": rows}


def users(books: Books, call: Call) -> Response:
    """`GET /users`."""
    user = {
        "Id": USER_ID,
        "Email": USERNAME,
        "FirstName": "Sara",
        "LastName": "Ek",
        "IsActive": True,
        "IsCurrentUser": True,
        "IsConsultant": False,
    }
    return _plain_list(books, call, "users", [user])


def empty_list(name: str) -> Handler:
    """A handler for a list that this company has nothing in."""

    def handle(books: Books, call: Call) -> Response:
        return _plain_list(books, call, name, [])

    return handle


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise VismaError(INVALID_INPUT, f"InvalidInput - {text} is not a date") from error
