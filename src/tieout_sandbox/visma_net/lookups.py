"""Everything that is set up once and read often: VAT, terms, currencies, dimensions, periods,
branches, series, units, accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import subaccounts
from tieout_sandbox.visma_net.call import Call, Handler, changed, created
from tieout_sandbox.visma_net.company import Company, day_text
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.lists import (
    bare,
    enveloped,
    flag,
    matching,
    one,
    paged,
    param,
    stored,
)
from tieout_sandbox.visma_net.shown import account, finished, short, six, stamps
from tieout_sandbox.visma_net.tables import Record, Table
from tieout_sandbox.visma_net.writes import read

Present = Callable[[Company, Record], Any]
Pick = Callable[[Company], Table]


def table_list(pick: Pick, present: Present, *, how: str = "bare") -> Handler:
    """GET of all of a table: `bare`, `paged` or `enveloped`."""

    def handler(company: Company, call: Call) -> Response:
        table = pick(company)
        found = matching(company, call.request, table.name, stored(company, table))
        if how == "paged":
            return paged(company, call.request, table.name, found, present)
        if how == "enveloped":
            return enveloped(company, call.request, table.name, found, present)
        return bare(company, found, present)

    return handler


def table_one(pick: Pick, present: Present, *, version: bool = False) -> Handler:
    """GET of one of a table."""

    def handler(company: Company, call: Call) -> Response:
        row = need(pick(company), call.ids[0])
        return one(company, present(company, row), row["_version"] if version else None)

    return handler


def need(table: Table, key: str) -> Record:
    """The record of a key in any case; NotFoundError where there is none."""
    found = table.get(key)
    if found is None:
        fold = key.casefold()
        found = next((row for row in table if str(row["_key"]).casefold() == fold), None)
    if found is None:
        raise NotFoundError(f"'{key}' cannot be found in the system.")
    return found


def own(company: Company, row: Record) -> Any:
    """A record as it is stored, without what is ours."""
    _ = company
    return {name: value for name, value in row.items() if not name.startswith("_")}


def stamped(company: Company, row: Record) -> Any:
    """The same with its stamp."""
    stamp = stamps(company, "lookup", row)["lastModifiedDateTime"]
    return {**own(company, row), "lastModifiedDateTime": stamp}


# VAT.


def vat(company: Company, row: Record) -> Any:
    """A VAT id with its rates, categories and zones."""
    zones = [one for one in company.vat_zones if row["vatId"] in one["_vats"]]
    categories = [one for one in company.vat_categories if row["vatId"] in one["_vats"]]
    found = {
        **stamped(company, row),
        "notValidAfter": day_text(row["notValidAfter"]),
        "schedules": [
            {**step, "startDate": day_text(step["startDate"]), "vatRate": six(step["vatRate"])}
            for step in row["schedules"]
        ],
        "categories": [vat_category(company, one) for one in categories],
        "zones": [vat_zone(company, one) for one in zones],
    }
    return finished(company, found)


def vat_category(company: Company, row: Record) -> Any:
    """A VAT category with the ids in it."""
    return {**stamped(company, row), "vatCategoryLines": _category_lines(company, row)}


def _category_lines(company: Company, row: Record) -> list[Record]:
    lines = []
    for vat_id in row["_vats"]:
        known = need(company.vats, vat_id)
        lines.append(
            {
                "vatId": vat_id,
                "description": known["description"],
                "type": known["type"],
                "calculateOn": known["calculateOn"],
                "cashDiscount": known["cashDiscount"],
                "vatRates": [
                    {
                        "vatRate": six(step["vatRate"]),
                        "groupType": step["groupType"],
                        "startDate": day_text(step["startDate"]),
                    }
                    for step in known["schedules"]
                ],
            }
        )
    return lines


def vat_zone(company: Company, row: Record) -> Any:
    """A VAT zone; it does not say which ids are in it."""
    return own(company, row)


# Terms, currencies, rates.


def terms(company: Company, call: Call) -> Response:
    """GET /v1/creditTerm, in an envelope."""
    found = matching(
        company,
        call.request,
        "creditterm",
        stored(company, company.terms),
        equal={"termsId": lambda _, row: row["termsId"]},
    )
    return enveloped(company, call.request, "creditterm", found, term)


def term(company: Company, row: Record) -> Any:
    """Terms of payment."""
    return {
        **own(company, row),
        "discountPercent": short(row["discountPercent"]),
        "instalmentsSchedule": [
            {"days": one["days"], "percent": short(one["percent"])}
            for one in row["instalmentsSchedule"]
        ],
        **stamps(company, "creditterm", row),
    }


def rate(company: Company, row: Record) -> Any:
    """An exchange rate."""
    return {
        **own(company, row),
        "rate": six(row["rate"]),
        "rateReciprocal": six(1 / row["rate"]),
        "effectiveDate": day_text(row["effectiveDate"]),
        "timeStamp": row["_version"],
    }


def rates(company: Company, call: Call) -> Response:
    """GET /v2/currencyrate."""
    request = call.request
    first, last = param(request, "fromDate"), param(request, "toDate")
    found = [
        row
        for row in stored(company, company.rates)
        if (first is None or row["effectiveDate"].isoformat() >= first[:10])
        and (last is None or row["effectiveDate"].isoformat() <= last[:10])
    ]
    found = matching(
        company,
        request,
        "currencyrate",
        found,
        equal={
            "fromCurrency": lambda _, row: row["fromCurrencyId"],
            "toCurrency": lambda _, row: row["toCurrencyId"],
            "rateType": lambda _, row: row["rateType"],
        },
    )
    return bare(company, found, rate)


def create_rate(company: Company, call: Call) -> Response:
    """POST /v2/currencyrate."""
    given = read("CreateCurrencyRateDto", call.body(), company.assumptions)
    for name in ("fromCurrencyId", "toCurrencyId", "rate"):
        if not given.get(name):
            raise BusinessError(f"Error: '{name}' cannot be empty.")
    row = put_rate(company, given)
    return created(company, call, "v2/currencyrate", row["id"], row["_version"])


def put_rate(company: Company, given: Record, old: Record | None = None) -> Record:
    """An exchange rate, new or changed."""
    rate_id = old["id"] if old is not None else company.count("currencyrate")
    row: Record = {
        "_key": str(rate_id),
        "id": rate_id,
        "rateType": "SPOT",
        "multDiv": "Multiply",
        "effectiveDate": company.today(),
        **(old or {}),
        **{name: value for name, value in given.items() if value is not None},
    }
    for name in ("fromCurrencyId", "toCurrencyId"):
        if company.currencies.get(row[name]) is None:
            raise missing("CuryID", row[name])
    if row["rate"] <= 0:
        raise BusinessError("Error: the rate must be positive.")
    return company.save(company.rates, row)


def change_rate(company: Company, call: Call) -> Response:
    """PUT /v2/currencyrate/{id}."""
    row = need(company.rates, call.ids[0])
    call.require_match(row)
    given = read("UpdateCurrencyRateDto", call.body(), company.assumptions)
    row = put_rate(company, given, row)
    return changed(company, call, "v2/currencyrate", row["id"], row["_version"])


# The company.


def branch(company: Company, row: Record, request: Any = None) -> Any:
    """A branch with the parts that were asked for."""
    found = {
        **own(company, row),
        "lastModifiedDateTime": stamps(company, "branch", row)["lastModifiedDateTime"],
    }
    if request is not None:
        currency = company.currencies.get(company.base_currency)
        zone = company.vat_zones.get("01")
        assert currency is not None
        assert zone is not None
        if flag(request, "expandCurrency"):
            names = ("id", "description", "symbol")
            found["currency"] = {name: currency[name] for name in names}
        if flag(request, "expandVatZone"):
            found["vatZone"] = {name: zone[name] for name in ("id", "description")}
        if flag(request, "expandLedger"):
            found["ledger"] = {"id": "1", "description": "Actual"}
        if flag(request, "expandAddress"):
            found["mainAddress"] = company.settings["address"]
    return found


def branches(company: Company, call: Call) -> Response:
    """GET /v1/branch."""
    found = matching(company, call.request, "branch", stored(company, company.branches))
    return bare(company, found, lambda company, row: branch(company, row, call.request))


def branch_one(company: Company, call: Call) -> Response:
    """GET /v1/branch/{number}."""
    row = need(company.branches, call.ids[0])
    return json_response(200, branch(company, row, call.request))


def organization(company: Company, row: Record, with_branches: bool) -> Any:
    """The organisation, with its branches where they were asked for."""
    found = {
        **own(company, row),
        "mainAddress": company.settings["address"],
        "lastModifiedDateTime": stamps(company, "organization", row)["lastModifiedDateTime"],
        "timeStamp": row["_version"],
    }
    if with_branches:
        names = ("number", "name")
        found["branches"] = [{name: one[name] for name in names} for one in company.branches]
    return found


def organizations(company: Company, call: Call) -> Response:
    """GET /v1/organization."""
    with_branches = flag(call.request, "expandBranches")
    found = matching(company, call.request, "organization", stored(company, company.organizations))
    return bare(company, found, lambda company, row: organization(company, row, with_branches))


def organization_one(company: Company, call: Call) -> Response:
    """GET /v1/organization/{number}."""
    row = need(company.organizations, call.ids[0])
    found = organization(company, row, flag(call.request, "expandBranches"))
    return one(company, found, row["_version"])


def period(company: Company, row: Record) -> Any:
    """A financial period; whether its end still belongs to it nobody knows."""
    end = row["_last"]
    if company.assumptions.period_end == "exclusive":
        end += timedelta(days=1)
    return {
        **own(company, row),
        "startDate": day_text(row["startDate"]),
        "endDate": day_text(end),
    }


def periods(company: Company, call: Call) -> Response:
    """GET /v1/financialPeriod."""
    after = param(call.request, "greaterThanValue")
    found = [
        row
        for row in company.periods
        if after is None
        or (after.isdigit() and row["_key"] > after.ljust(6, "9"))
        or (after is not None and after.isdigit() and len(after) == 4 and row["year"] >= int(after))
    ]
    return bare(company, found, period)


def series(company: Company, row: Record) -> Any:
    """A number series with where it stands."""
    drawn = company.counters.get(f"series:{row['_key']}", 0)
    width = len(row["_start"])

    def number(offset: int) -> str:
        return str(int(row["_start"]) + offset).rjust(width, "0")

    return {
        "numberingId": row["_key"],
        "description": row["description"],
        "manualNumbering": row["manualNumbering"],
        "newNumberSymbol": "<NEW>",
        "sequence": [
            {
                "numberingId": row["_key"],
                "startNbr": row["_start"],
                "endNbr": "9" * width,
                "startDate": day_text(company.settings["began"]),
                "lastNbr": number(drawn - 1),
                "warnNbr": "9" * (width - 2) + "00",
                "nbrStep": 1,
                "nextNumber": number(drawn),
            }
        ],
    }


# Accounts, methods, people.


def ledger_account(company: Company, row: Record) -> Any:
    """An account of the general ledger."""
    return {**stamped(company, row), "timeStamp": row["_version"]}


def cash_account(company: Company, row: Record) -> Any:
    """A cash account."""
    found = account(company, row["number"]) or {}
    found.pop("active", None)
    return {
        **stamped(company, row),
        "account": found,
        "subaccount": subaccounts.shown(company, company.settings["subaccount"]),
        "entryTypes": [],
    }


def department(company: Company, row: Record) -> Any:
    """A department."""
    return {**stamped(company, row), "timeStamp": row["_version"]}


def create_department(company: Company, call: Call) -> Response:
    """POST /v1/department."""
    given = read("DepartmentUpdateBaseDto", call.body(), company.assumptions)
    key = given.get("departmentId")
    if not key:
        raise BusinessError("Error: 'departmentId' cannot be empty.")
    if company.departments.get(key) is not None:
        raise BusinessError(f"Error: department '{key}' already exists.")
    row = company.save(
        company.departments,
        {"_key": key, "departmentId": key, "description": given.get("description") or ""},
    )
    return created(company, call, "v1/department", key, row["_version"])


def salesperson(company: Company, row: Record) -> Any:
    """A salesperson."""
    return {
        **own(company, row),
        "commissionPct": short(Decimal(0)),
        "customers": [],
        "commissionHistory": [],
        **stamps(company, "salesperson", row),
    }


def discounts(company: Company, call: Call) -> Response:
    """GET /v1/discount, in an envelope."""
    found = matching(
        company,
        call.request,
        "discount",
        stored(company, company.discounts),
        equal={
            "discountCode": lambda _, row: row["discountCode"],
            "series": lambda _, row: row["series"],
        },
    )
    return enveloped(company, call.request, "discount", found, discount)


def discount(company: Company, row: Record) -> Any:
    """An automatic discount."""
    return {
        **own(company, row),
        "effectiveDate": day_text(row["effectiveDate"]),
        "discountBreakpoints": [
            {
                "lineNbr": 1,
                "active": True,
                "breakAmount": short(Decimal(0)),
                "discountPercent": short(row["_percent"]),
            }
        ],
        **stamps(company, "discount", row),
    }


def customer_payment_methods(company: Company, call: Call) -> Response:
    """GET /v1/customerpaymentmethod[/{customer}]."""
    rows = []
    for customer in company.customers:
        method = company.payment_methods.get(customer["defaultPaymentMethodId"])
        if method is None or (call.ids and customer["number"] != call.ids[0]):
            continue
        rows.append(
            {
                "customer": {"id": customer["number"], "name": customer["name"]},
                "paymentMethod": {"id": method["_key"], "description": method["description"]},
                "active": True,
                "paymentMethodDetails": [],
                "timeStamp": customer["_version"],
            }
        )
    if call.ids:
        return paged(company, call.request, "customerpaymentmethod", rows, lambda _, row: row)
    whole = [{"customerId": row["customer"]["id"], "paymentMethods": [row]} for row in rows]
    return paged(company, call.request, "customerpaymentmethod", whole, lambda _, row: row)


def feedback(company: Company, call: Call) -> Response:
    """POST /v1/webhooknotificationfeedback."""
    given = read("WebhookNotificationFeedbackDto", call.body(), company.assumptions)
    if not given.get("notificationId"):
        raise BusinessError("Error: 'notificationId' cannot be empty.")
    return Response(status=200)
