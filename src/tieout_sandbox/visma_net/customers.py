"""Customers: read, made, changed, renumbered; their balances and notes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import attributes, contacts, credit, periods, tax, webhooks
from tieout_sandbox.visma_net.call import Call, changed, created, done
from tieout_sandbox.visma_net.company import Company, rounded, stamp_text
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.lists import (
    bare,
    flag,
    greater,
    matching,
    one,
    paged,
    param,
    stored,
)
from tieout_sandbox.visma_net.places import check_address
from tieout_sandbox.visma_net.shown import (
    address,
    contact,
    described,
    finished,
    short,
    stamps,
)
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read

SHAPE = "CustomerUpdateDto"
RESOURCE = "customer"
ADDRESSES = ("mainAddress", "invoiceAddress", "deliveryAddress")
CONTACTS = ("mainContact", "invoiceContact", "deliveryContact")
_PLAIN = (
    "accountReference",
    "numberOfEmployees",
    "corporateId",
    "vatRegistrationId",
    "gln",
    "note",
    "creditLimit",
    "creditDaysPastDue",
    "creditVerification",
    "statementType",
    "excludeDebtCollection",
    "printInvoices",
    "acceptAutoInvoices",
    "sendInvoicesByEmail",
    "sendDunningLettersViaEMail",
    "printDunningLetters",
    "printStatements",
    "sendStatementsByEmail",
    "printMultiCurrencyStatements",
    "invoiceToDefaultLocation",
    "glAccounts",
    "eInvoiceContract",
    "directDebitLines",
)
FLAGS = tuple(name for name in _PLAIN if name.startswith(("print", "send", "accept", "exclude")))


def need(company: Company, number: str) -> Record:
    """The customer of a number; NotFoundError where there is none."""
    found = company.customers.one("number", number)
    if found is None:
        raise NotFoundError(f"Customer '{number}' cannot be found in the system.")
    return found


def need_internal(company: Company, internal_id: str) -> Record:
    """The customer of an internal id; NotFoundError where there is none."""
    found = company.customers.get(internal_id)
    if found is None:
        raise NotFoundError(f"Customer '{internal_id}' cannot be found in the system.")
    return found


def put_new(company: Company, body: Any) -> Record:
    """A new customer; BusinessError where the rules refuse it."""
    given = read(SHAPE, body, company.assumptions)
    if not given.get("name"):
        raise BusinessError("Error: 'Customer Name' cannot be empty.")
    number = company.number(
        "CUSTOMER",
        given.get("number"),
        bool(given.get("overrideNumberSeries")),
        company.customers,
        "number ",  # the keys are internal ids
    )
    while not given.get("number") and company.customers.one("number", number) is not None:
        number = company.number("CUSTOMER", None, False, company.customers, "number ")
    if company.customers.one("number", number) is not None:
        raise BusinessError(f"Error: customer '{number}' already exists.")
    if not (given.get("mainAddress") or {}).get("countryId"):
        raise BusinessError("Error: 'Country' cannot be empty.")
    class_id = given.get("customerClassId") or company.settings["customerClass"]
    class_ = _class(company, class_id)
    internal_id = 4000 + company.count("customer")
    record: Record = {
        "_key": str(internal_id),
        "internalId": internal_id,
        "number": number,
        "customerClassId": class_id,
        **dict.fromkeys((*_PLAIN, *ADDRESSES, *CONTACTS, "parentRecordNumber")),
        **dict.fromkeys(FLAGS, False),
        "status": "Active",
        "creditVerification": "Disabled",
        "creditLimit": Decimal(0),
        "creditDaysPastDue": 0,
        "statementType": "OpenItem",
        "priceClassId": None,
        "attributes": {},
        **_of_class(class_),
    }
    return _applied(company, record, given, new=True)


def put(company: Company, record: Record, body: Any) -> Record:
    """The customer with the fields that were sent."""
    given = read(SHAPE, body, company.assumptions)
    record = dict(record)
    if given.get("customerClassId"):
        class_ = _class(company, given["customerClassId"])
        record["customerClassId"] = given["customerClassId"]
        if given.get("overrideWithClassValues"):
            record.update(_of_class(class_))  # what the class says goes before what was there
    return _applied(company, record, given, new=False)


def _class(company: Company, class_id: str) -> Record:
    found = company.customer_classes.get(class_id)
    if found is None:
        raise missing("CustomerClassID", class_id)
    return found


def _of_class(class_: Record) -> Record:
    return {
        "creditTermsId": class_["_terms"],
        "currencyId": class_["_currency"],
        "vatZoneId": class_["taxZoneId"],
        "defaultPaymentMethodId": class_["paymentMethodId"],
        "_override_currency": class_["_override_currency"],
        "priceClassId": class_["_price_class"],
    }


def _applied(company: Company, record: Record, given: Record, *, new: bool) -> Record:
    if given.get("name"):
        record["name"] = given["name"]
    if given.get("status"):
        record["status"] = given["status"]
    for name in _PLAIN:
        if name in given and name != "creditVerification":
            record[name] = given[name] if given[name] != "" else None
    if given.get("creditVerification"):
        record["creditVerification"] = given["creditVerification"]
    for field, table, label in (
        ("creditTermsId", company.terms, "TermsID"),
        ("currencyId", company.currencies, "CuryID"),
        ("priceClassId", company.price_classes, "PriceClassID"),
    ):
        if given.get(field):
            if table.get(given[field]) is None:
                raise missing(label, given[field])
            record[field] = given[field]
    if given.get("vatZoneId"):
        tax.zone(company, given["vatZoneId"])
        record["vatZoneId"] = given["vatZoneId"]
    if "parentRecordNumber" in given:
        record["parentRecordNumber"] = _parent(company, given["parentRecordNumber"])
    method = (given.get("defaultPaymentMethod") or {}).get("paymentMethodId")
    if method:
        if company.payment_methods.get(method) is None:
            raise missing("PaymentMethodID", method)
        record["defaultPaymentMethodId"] = method
    if "attributeLines" in given:
        class_ = _class(company, record["customerClassId"])
        record["attributes"] = attributes.merged(
            company, record["attributes"], given["attributeLines"], class_["_attributes"]
        )
    _places(company, record, given)
    saved = company.save(company.customers, record)
    contacts.follow(company, saved, given, new=new)
    webhooks.send(company, "Customer Created" if new else "Customer Updated", saved["_key"])
    return saved


def _parent(company: Company, number: str | None) -> str | None:
    if not number:
        return None
    found = company.customers.one("number", number)
    if found is None:
        raise missing("ParentBAccountID", number)
    return str(found["_key"])


def _places(company: Company, record: Record, given: Record) -> None:
    """An address that was not sent stays; the invoice address that was never sent is the main
    one."""
    for name in ADDRESSES:
        if not given.get(name):
            continue
        old = record[name] or {"addressId": 9000 + company.count("address")}
        both = {**old, **{key: value or None for key, value in given[name].items()}}
        if name != "mainAddress" and not both.get("countryId"):
            both["countryId"] = record["mainAddress"]["countryId"]
        check_address(company, both)
        record[name] = both
    for name in CONTACTS:
        if not given.get(name):
            continue
        old = record[name] or {"contactId": 7000 + company.count("contactinfo")}
        record[name] = {**old, **{key: value or None for key, value in given[name].items()}}


def present(company: Company, record: Record) -> Any:
    """A customer as the API shows it."""
    return shown(company, record, everything=True)


def shown(
    company: Company,
    record: Record,
    *,
    everything: bool,
    accounts: bool = False,
    methods: bool = False,
    debits: bool = False,
) -> Any:
    """A customer; a list leaves out what was not expanded."""
    parent = company.customers.get(record["parentRecordNumber"])
    class_ = company.customer_classes.get(record["customerClassId"])
    main = record["mainAddress"]
    found: Record = {
        "internalId": record["internalId"],
        "number": record["number"],
        "name": record["name"],
        "status": record["status"],
        "customerClass": described(class_),
        "creditTerms": described(company.terms.get(record["creditTermsId"]), "termsId"),
        "currencyId": record["currencyId"],
        "vatZone": _zone(company, record["vatZoneId"]),
        "priceClass": described(company.price_classes.get(record["priceClassId"])),
        "location": {
            "countryId": main["countryId"],
            "id": company.settings["mainLocation"],
            "name": "Primary",
        },
        "attributes": attributes.shown(company, record["attributes"]),
        "defaultPaymentMethodId": record["defaultPaymentMethodId"],
        **stamps(company, RESOURCE, record),
        "timeStamp": record["_version"],
        "errorInfo": record.get("_error_info"),
    }
    for name in _PLAIN:
        if name not in ("glAccounts", "directDebitLines", "note"):
            found[name] = record[name]
    found["creditLimit"] = short(record["creditLimit"])
    if parent is not None:
        found["parentRecord"] = {"number": parent["number"], "name": parent["name"]}
    for name in ADDRESSES:
        found[name] = address(company, record[name] or main)
    for name in CONTACTS:
        found[name] = contact(record[name] or record["mainContact"])
    if everything or methods:
        method = record["defaultPaymentMethodId"]
        found["paymentMethods"] = [{"paymentMethodId": method, "isDefault": True}] if method else []
    if everything or debits:
        found["directDebitLines"] = []
    if everything or accounts:
        found["glAccounts"] = _accounts(company)
    return finished(company, found)


def _zone(company: Company, zone_id: str) -> Record | None:
    row = company.vat_zones.get(zone_id)
    if row is None:
        return None
    return {
        "id": row["id"],
        "description": row["description"],
        "defaultVatCategory": row["defaultVatCategory"],
    }


def _accounts(company: Company) -> Record:
    found: Record = {}
    for name, number in (("customerLedgerAccount", "1500"), ("salesAccount", "3000")):
        row = company.accounts.get(number)
        if row is not None:
            found[name] = {
                "type": row["type"],
                "number": row["accountCD"],
                "description": row["description"],
            }
    return found


# Calls.


def listing(company: Company, call: Call) -> Response:
    """GET /v1/customer."""
    request = call.request
    wanted = attributes.query(param(request, "attributes"))

    def mail(record: Record, text: str) -> bool:
        main = record["mainContact"] or {}
        return str(main.get("email") or "").casefold() == text.casefold()

    def phone(record: Record, text: str) -> bool:
        main = record["mainContact"] or {}
        return text in (main.get("phone1"), main.get("phone2"))

    found = matching(
        company,
        request,
        RESOURCE,
        stored(company, company.customers),
        equal={
            name: lambda _, record, name=name: record[name]  # type: ignore[misc]
            for name in ("name", "status", "corporateId", "vatRegistrationId")
        },
        tests={"email": mail, "phone": phone, "greaterThanValue": greater("number")},
    )
    found = [record for record in found if attributes.meet(record["attributes"], wanted)]
    accounts = flag(request, "expandAccountInformation")
    methods, debits = flag(request, "expandPaymentMethods"), flag(request, "expandDirectDebit")

    def row(company: Company, record: Record) -> Any:
        return shown(
            company, record, everything=False, accounts=accounts, methods=methods, debits=debits
        )

    return paged(company, request, RESOURCE, found, row)


def single(company: Company, call: Call) -> Response:
    """GET /v1/customer/{number}."""
    record = need(company, call.ids[0])
    return one(company, present(company, record), record["_version"])


def single_internal(company: Company, call: Call) -> Response:
    """GET /v1/customer/internal/{internalId}."""
    record = need_internal(company, call.ids[0])
    return one(company, present(company, record), record["_version"])


def create(company: Company, call: Call) -> Response:
    """POST /v1/customer."""
    record = put_new(company, call.body())
    return created(company, call, "v1/customer", record["number"], record["_version"])


def change(company: Company, call: Call) -> Response:
    """PUT /v1/customer/{number}."""
    return _changed(company, call, need(company, call.ids[0]))


def change_internal(company: Company, call: Call) -> Response:
    """PUT /v1/customer/internal/{internalId}."""
    return _changed(company, call, need_internal(company, call.ids[0]))


def _changed(company: Company, call: Call, record: Record) -> Response:
    call.require_match(record)
    record = put(company, record, call.body())
    return changed(company, call, "v1/customer", record["number"], record["_version"])


def renumber(company: Company, record: Record, number: str) -> Record:
    """The customer under another number; its internal id stays."""
    if company.customers.one("number", number) is not None:
        raise BusinessError(f"Error: customer '{number}' already exists.")
    return company.save(company.customers, {**record, "number": number})


def renumber_call(company: Company, call: Call) -> Response:
    """The action `changeCustomerCd`."""
    record = need_internal(company, call.ids[0])
    given = read("ChangeCustomerCdActionDto", call.body(), company.assumptions)
    if not given.get("customerCd"):
        raise BusinessError("Error: 'customerCd' cannot be empty.")
    renumber(company, record, given["customerCd"])
    return done(company)


def classes(company: Company, call: Call) -> Response:
    """GET /v1/customer/customerClass."""
    _ = call
    return bare(company, company.customer_classes, _class_row)


def one_class(company: Company, call: Call) -> Response:
    """GET /v1/customer/customerClass/{id}."""
    row = company.customer_classes.get(call.ids[0])
    if row is None:
        raise NotFoundError(f"Customer class '{call.ids[0]}' cannot be found in the system.")
    return json_response(200, _class_row(company, row))


def _class_row(company: Company, row: Record) -> Any:
    return {
        **{
            name: row[name]
            for name in ("id", "description", "taxZoneId", "requiredTaxzoneId", "paymentMethodId")
        },
        "attributes": [
            attributes.of_class(company, attribute_id, place)
            for place, attribute_id in enumerate(row["_attributes"], start=1)
        ],
    }


def note(company: Company, call: Call) -> Response:
    """GET /v1/customer/{number}/note."""
    return json_response(200, {"note": need(company, call.ids[0])["note"] or ""})


def balance(company: Company, call: Call) -> Response:
    """GET /v1/customer/{number}/balance."""
    return json_response(200, _balance_row(company, need(company, call.ids[0])))


def balances(company: Company, call: Call) -> Response:
    """GET /v1/customer/balance."""
    found = matching(company, call.request, RESOURCE, stored(company, company.customers))
    return paged(company, call.request, "customerbalance", found, _balance_row)


def _balance_row(company: Company, record: Record) -> Record:
    month = periods.of_date(company, company.today())["_key"]
    year = month[:4]
    mine = [row for row in company.ledger.receivables() if row[0] == record["internalId"]]
    open_orders = sum(
        (
            order["_totals"]["total"]
            for order in company.orders.find("_customer", record["internalId"])
            if order["status"] in ("Open", "Shipping", "BackOrder")
        ),
        Decimal(0),
    )
    known = company.assumptions
    return {
        "customer": {name: record[name] for name in ("internalId", "number", "name")},
        "balance": short(credit.balance(company, record["internalId"])),
        "totalOrder": short(rounded(open_orders, 2)),
        "totalLoan": short(Decimal(0)),
        "totalSalePeriod": short(_sales(mine, month)),
        "totalSaleYear": short(_sales(mine, year)),
        "totalDiscountPeriod": short(Decimal(0)),
        "totalDiscountYear": short(Decimal(0)),
        "lastModified": stamp_text(
            record["_modified"], known.zone_of(RESOURCE), known.form_of(RESOURCE)
        ),
    }


def _sales(rows: list[tuple[int, str, str, Decimal]], begins: str) -> Decimal:
    return sum(
        (
            amount
            for _, period, kind, amount in rows
            if kind == "sales" and period.startswith(begins)
        ),
        Decimal(0),
    )


def balances_v2(company: Company, call: Call) -> Response:
    """GET /v2/customer/balance: what moved in a span of periods, per customer."""
    request = call.request
    first = param(request, "fromFinPeriod") or "000000"
    last = param(request, "toFinPeriod") or "999999"
    wanted, branch = param(request, "customer"), param(request, "branchNumber")
    moved: dict[int, dict[str, Decimal]] = {}
    for customer, period, kind, amount in company.ledger.receivables():
        if period > last:
            continue
        sums = moved.setdefault(customer, dict.fromkeys(_KINDS, Decimal(0)))
        sums["begin" if period < first else kind] += amount
    rows = []
    for key in sorted(moved):
        record = company.customers.get(key)
        assert record is not None
        if wanted is not None and record["number"] != wanted:
            continue
        if branch is not None and branch != company.settings["branch"]:
            continue
        rows.append(_moved_row(company, record, moved[key]))
    return paged(company, request, "customerbalance", rows, lambda _, row: row)


_KINDS = ("begin", "sales", "payments", "adjustments", "overdue")


def _moved_row(company: Company, record: Record, sums: dict[str, Decimal]) -> Record:
    row = company.branches.get(company.settings["branch"])
    assert row is not None
    return {
        "branchNumber": {"number": row["number"], "name": row["name"]},
        "customer": {name: record[name] for name in ("internalId", "number", "name")},
        "beginBalance": short(sums["begin"]),
        "sales": short(sums["sales"]),
        "paymentsAndPrepayments": short(sums["payments"]),
        "adjustmentsAndDiscounts": short(sums["adjustments"]),
        "overdueCharges": short(sums["overdue"]),
        "yearToDateBalance": short(sum(sums.values(), Decimal(0))),
    }
