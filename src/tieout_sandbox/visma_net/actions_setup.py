"""What people do in the program's set-up: customers, items, periods, series, rates, preferences,
and who may sign in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import ActionError
from tieout_sandbox.visma_net import (
    contacts,
    customers,
    dimensions,
    items,
    lookups,
    periods,
    webhooks,
)
from tieout_sandbox.visma_net.arguments import (
    Arguments,
    customer_of,
    day_of,
    document_of,
    flag_of,
    item_of,
    number_of,
    object_of,
    row_of,
    text_of,
)
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.credentials import WEBHOOK_KEY
from tieout_sandbox.visma_net.ledger import RECEIVABLES, SUSPENSE, Entry
from tieout_sandbox.visma_net.reference import CRM_KEY, fill_periods
from tieout_sandbox.visma_net.seeds import wrapped
from tieout_sandbox.visma_net.signin import SignIn

Doing = Callable[[Company, Arguments], Any]
Listed = dict[str, tuple[dict[str, str], Doing]]

PREFERENCES: dict[str, type[Any]] = {
    "holdOnEntry": bool,
    "useOrigInvoiceDate": bool,
    "validateTotals": bool,
    "printBeforeRelease": bool,
    "emailBeforeRelease": bool,
    "failBackground": bool,
    "invoiceRounding": str,
    "invoiceRoundingTo": Decimal,
    "invoiceRoundingLimit": Decimal,
    "priceDecimals": int,
    "quantityDecimals": int,
    "customerClass": str,
    "mainLocation": str,
    "subaccount": str,
}
_LEDGERS = {
    "customer": "closedInCustomerLedger",
    "general": "closedInGeneralLedger",
    "inventory": "closedInInventoryManagement",
    "cash": "closedInCashManagement",
}


def _assume(company: Company, arguments: Arguments) -> Any:
    try:
        company.assumptions.set(text_of(arguments, "name"), arguments.get("value"))
    except ValueError as error:
        raise ActionError(str(error)) from error
    return company.assumptions.as_json()


def _prefer(company: Company, arguments: Arguments) -> Any:
    name, value = text_of(arguments, "name"), arguments.get("value")
    kind = PREFERENCES.get(name)
    if kind is None:
        raise ActionError(f"no such preference: {name}; there are {', '.join(PREFERENCES)}")
    if kind is Decimal:
        value = number_of(arguments, "value")
    elif type(value) is not kind:
        raise ActionError(f"{name} is a {kind.__name__}")
    if name == "mainLocation" and len(company.customers):
        raise ActionError("there are customers already: their locations have names")
    company.settings[name] = value
    return {name: value}


# Customers and items.


def _make_customer(company: Company, arguments: Arguments) -> Any:
    fields = {"name": text_of(arguments, "name"), **object_of(arguments, "set")}
    country = text_of(arguments, "country", "NO")
    address = wrapped(countryId=country, **object_of(arguments, "address"))
    body = wrapped(**fields, mainAddress=address)
    return customers.present(company, customers.put_new(company, body))


def _edit_customer(company: Company, arguments: Arguments) -> Any:
    record = customer_of(company, arguments)
    body = wrapped(**object_of(arguments, "set"))
    return customers.present(company, customers.put(company, record, body))


def _make_contact(company: Company, arguments: Arguments) -> Any:
    body = wrapped(
        businessAccount=customer_of(company, arguments)["number"], **object_of(arguments, "set")
    )
    return contacts.contact_row(company, contacts.put_new(company, body))


def _edit_contact(company: Company, arguments: Arguments) -> Any:
    record = contacts.of_id(company, text_of(arguments, "contact"))
    body = wrapped(**object_of(arguments, "set"))
    return contacts.contact_row(company, contacts.put(company, record, body))


def _status(company: Company, arguments: Arguments) -> Any:
    record = customer_of(company, arguments)
    body = wrapped(status=text_of(arguments, "status", "CreditHold"))
    return customers.present(company, customers.put(company, record, body))


def _credit_limit(company: Company, arguments: Arguments) -> Any:
    record = customer_of(company, arguments)
    body = wrapped(
        creditVerification=text_of(arguments, "verification", "CreditLimit"),
        creditLimit=number_of(arguments, "limit"),
    )
    return customers.present(company, customers.put(company, record, body))


def _currencies(company: Company, arguments: Arguments) -> Any:
    record = customer_of(company, arguments)
    allowed = flag_of(arguments, "allowed", True)
    record = company.save(company.customers, {**record, "_override_currency": allowed})
    return customers.present(company, record)


def _renumber_customer(company: Company, arguments: Arguments) -> Any:
    record = customer_of(company, arguments)
    number = text_of(arguments, "number")
    return customers.present(company, customers.renumber(company, record, number))


def _edit_item(company: Company, arguments: Arguments) -> Any:
    record = item_of(company, arguments)
    body = wrapped(**object_of(arguments, "set"))
    return items.present(company, items.put(company, record, body))


def _discontinue(company: Company, arguments: Arguments) -> Any:
    record = item_of(company, arguments)
    body = wrapped(status=text_of(arguments, "status", "NoSales"))
    return items.present(company, items.put(company, record, body))


def _set_price(company: Company, arguments: Arguments) -> Any:
    item, name = item_of(company, arguments), text_of(arguments, "class", "")
    begins = day_of(company, arguments, "from") if "from" in arguments else None
    customer = text_of(arguments, "customer", "")
    kind = "Customer" if customer else "CustomerPriceClass" if name else "Base"
    place = {
        "priceType": kind,
        "priceCode": customer or name or None,
        "currency": text_of(arguments, "currency", company.base_currency),
        "breakQty": number_of(arguments, "quantity", Decimal(0)),
        "promotion": flag_of(arguments, "promotion", False),
        "effectiveDate": begins,
    }
    found = [
        row
        for row in company.prices.find("inventoryId", item["inventoryNumber"])
        if all(row[key] == value for key, value in place.items())
    ]
    given = {
        **place,
        "inventoryId": item["inventoryNumber"],
        "price": number_of(arguments, "price"),
    }
    if "to" in arguments:
        given["expirationDate"] = day_of(company, arguments, "to")
    record = items.put_price(company, given, found[0] if found else None)
    return items.price_row(company, record)


def _delete_price(company: Company, arguments: Arguments) -> Any:
    record = row_of(company.prices, text_of(arguments, "price"))
    company.prices.remove(record["_key"])
    return {"recordId": record["recordId"]}


def _delete_item(company: Company, arguments: Arguments) -> Any:
    record = item_of(company, arguments)
    company.items.remove(record["_key"])
    return {"inventoryId": record["inventoryId"]}


def _renumber_item(company: Company, arguments: Arguments) -> Any:
    record = item_of(company, arguments)
    number = text_of(arguments, "number")
    return items.present(company, items.renumber(company, record, number))


def _stock(company: Company, arguments: Arguments) -> Any:
    record = item_of(company, arguments)
    quantity = number_of(arguments, "quantity")
    return items.present(company, company.save(company.items, {**record, "_on_hand": quantity}))


def _error_info(company: Company, arguments: Arguments) -> Any:
    """Lets a customer, or a document, say in 200 answers that it could not be read well."""
    text = text_of(arguments, "text", "") or None
    if arguments.get("document") is not None:
        record = document_of(company, arguments)
        company.documents.save({**record, "_error_info": text})
    else:
        record = customer_of(company, arguments)
        company.customers.save({**record, "_error_info": text})
    return {"errorInfo": text}


def _crm_key(company: Company, arguments: Arguments) -> Any:
    """Assigns the attribute to a class of customers, or takes it off."""
    row = row_of(company.customer_classes, text_of(arguments, "class"))
    names = [name for name in row["_attributes"] if name != CRM_KEY]
    if flag_of(arguments, "assigned", True):
        names.append(CRM_KEY)
    company.save(company.customer_classes, {**row, "_attributes": names})
    return {"class": row["id"], "attributes": names}


# Books.


def _period(closed: bool) -> Doing:
    def doing(company: Company, arguments: Arguments) -> Any:
        row = row_of(company.periods, text_of(arguments, "period"))
        ledger = text_of(arguments, "ledger", "customer")
        if ledger not in _LEDGERS:
            raise ActionError(f"no such ledger: {ledger}; there are {', '.join(_LEDGERS)}")
        row = company.save(company.periods, {**row, _LEDGERS[ledger]: closed})
        return lookups.period(company, row)

    return doing


def _activate_period(company: Company, arguments: Arguments) -> Any:
    row = row_of(company.periods, text_of(arguments, "period"))
    row = company.save(company.periods, {**row, "active": flag_of(arguments, "active", True)})
    return lookups.period(company, row)


def _financial_year(company: Company, arguments: Arguments) -> Any:
    """Lets financial years begin in another month; only before anything has a period."""
    month = int(number_of(arguments, "first_month"))
    if not 1 <= month <= 12 or len(company.documents) or company.ledger.batches:
        raise ActionError("first_month is 1 to 12, and nothing may have a period yet")
    for row in company.periods:
        company.periods.remove(row["_key"])
    company.periods.deleted.clear()
    fill_periods(company, month)
    return [lookups.period(company, row) for row in company.periods]


def _series(company: Company, arguments: Arguments) -> Any:
    row = dict(row_of(company.series, text_of(arguments, "series")))
    row["manualNumbering"] = flag_of(arguments, "manual", row["manualNumbering"])
    row["_manual_on_import"] = flag_of(arguments, "manual_on_import", row["_manual_on_import"])
    return lookups.series(company, company.save(company.series, row))


def _one_series(company: Company, arguments: Arguments) -> Any:
    """Gives a series the numbers of another: both begin where that one stands."""
    row = dict(row_of(company.series, text_of(arguments, "series")))
    row["_start"] = text_of(arguments, "start")
    company.counters.pop(f"series:{row['_key']}", None)
    return lookups.series(company, company.save(company.series, row))


def _rate(company: Company, arguments: Arguments) -> Any:
    given = {
        "fromCurrencyId": text_of(arguments, "currency"),
        "toCurrencyId": company.base_currency,
        "rate": number_of(arguments, "rate"),
        "multDiv": text_of(arguments, "mult_div", "Multiply"),
        "effectiveDate": day_of(company, arguments),
    }
    return lookups.rate(company, lookups.put_rate(company, given))


def _vat_rule(company: Company, arguments: Arguments) -> Any:
    row = row_of(company.vats, text_of(arguments, "vat"))
    rule = text_of(arguments, "calculate_on")
    if rule not in ("ExtractFromItemAmount", "ItemAmount", "DocumentAmount"):
        raise ActionError(f"no such rule: {rule}")
    return lookups.vat(company, company.save(company.vats, {**row, "calculateOn": rule}))


def _vat_rate(company: Company, arguments: Arguments) -> Any:
    row = row_of(company.vats, text_of(arguments, "vat"))
    step = {
        "startDate": day_of(company, arguments),
        "vatRate": number_of(arguments, "rate"),
        "groupType": "Output",
    }
    row = company.save(company.vats, {**row, "schedules": [*row["schedules"], step]})
    return lookups.vat(company, row)


def _discount(company: Company, arguments: Arguments) -> Any:
    row = dict(row_of(company.discounts, text_of(arguments, "code")))
    row["active"] = flag_of(arguments, "active", True)
    row["_percent"] = number_of(arguments, "percent", row["_percent"])
    return lookups.discount(company, company.save(company.discounts, row))


def _segment(company: Company, arguments: Arguments) -> Any:
    row = row_of(company.dimensions, "SUBACCOUNT")
    number, value = int(number_of(arguments, "segment")), text_of(arguments, "value")
    active = flag_of(arguments, "active", False)
    segment = next((one for one in row["_segments"] if one["segmentId"] == number), None)
    if segment is None or all(one["valueId"] != value for one in segment["_values"]):
        raise ActionError(f"segment {number} has no value {value}")
    values = [
        {**one, "active": active} if one["valueId"] == value else one for one in segment["_values"]
    ]
    dimensions.put_segment(company, row, number, values)
    return {"segment": number, "value": value, "active": active}


def _voucher(company: Company, arguments: Arguments) -> Any:
    """A manual posting on the receivables: in the account, in no open item."""
    amount = number_of(arguments, "amount").quantize(Decimal("0.01"))
    day: date = day_of(company, arguments)
    period = periods.of_date(company, day)["_key"]
    periods.require_open(company, period)
    entries = [Entry(RECEIVABLES, amount), Entry(SUSPENSE, -amount)]
    company.ledger.post(day, period, text_of(arguments, "text", "manual"), entries)
    return {"account": RECEIVABLES, "balance": company.ledger.balance(RECEIVABLES)}


def _project(company: Company, arguments: Arguments) -> Any:
    record = company.projects.one("projectID", text_of(arguments, "project"))
    if record is None:
        raise ActionError("there is no such project")
    status = text_of(arguments, "status", "Completed")
    company.save(company.projects, {**record, "status": status})
    return {"project": record["projectID"], "status": status}


def _subscribe(company: Company, arguments: Arguments) -> Any:
    events = arguments.get("events", [])
    if not isinstance(events, list) or not set(events) <= set(webhooks.EVENTS):
        raise ActionError(f"events is a list out of {', '.join(webhooks.EVENTS)}")
    url = text_of(arguments, "url")
    row = {"url": url, "events": events, "key": text_of(arguments, "key", WEBHOOK_KEY)}
    others = [one for one in company.settings.get("subscriptions", []) if one["url"] != url]
    company.settings["subscriptions"] = [*others, row]
    return row


def _unsubscribe(company: Company, arguments: Arguments) -> Any:
    url = text_of(arguments, "url")
    known = company.settings.get("subscriptions", [])
    company.settings["subscriptions"] = [one for one in known if one["url"] != url]
    return {"subscriptions": company.settings["subscriptions"]}


def sign_in_actions(sign_in: SignIn) -> Listed:
    """What the administrator does about the sign-in."""

    def connect(company: Company, arguments: Arguments) -> Any:
        _ = company
        sign_in.connected = flag_of(arguments, "connected", True)
        if not sign_in.connected:
            sign_in.access.clear()
        return {"connected": sign_in.connected}

    def role(company: Company, arguments: Arguments) -> Any:
        _ = company
        sign_in.role = flag_of(arguments, "api_user", True)
        return {"api_user": sign_in.role}

    return {
        "connect_application": ({"connected": "false: taken off the company"}, connect),
        "set_api_user_role": ({"api_user": "false: the user may not"}, role),
    }


_CUSTOMER, _ITEM, _DAY = {"customer": "number"}, {"item": "number"}, "YYYY-MM-DD"
ACTIONS: Listed = {
    "set_assumption": ({"name": "of the switch", "value": "its new value"}, _assume),
    "assumptions": ({}, lambda company, _: company.assumptions.as_json()),
    "set_preference": ({"name": "of the preference", "value": "its new value"}, _prefer),
    "make_customer": (
        {
            "name": "text",
            "country": "NO where it is left out",
            "address": "fields of the address",
            "set": "more fields",
        },
        _make_customer,
    ),
    "edit_customer": ({**_CUSTOMER, "set": "fields"}, _edit_customer),
    "make_contact": ({**_CUSTOMER, "set": "fields"}, _make_contact),
    "edit_contact": ({"contact": "its id", "set": "fields"}, _edit_contact),
    "set_customer_status": (
        {**_CUSTOMER, "status": "CreditHold where it is left out"},
        _status,
    ),
    "set_credit_limit": (
        {**_CUSTOMER, "limit": "amount", "verification": "CreditLimit"},
        _credit_limit,
    ),
    "allow_currencies": ({**_CUSTOMER, "allowed": "true"}, _currencies),
    "renumber_customer": ({**_CUSTOMER, "number": "the new one"}, _renumber_customer),
    "edit_item": ({**_ITEM, "set": "fields"}, _edit_item),
    "discontinue_item": ({**_ITEM, "status": "NoSales where it is left out"}, _discontinue),
    "renumber_item": ({**_ITEM, "number": "the new one"}, _renumber_item),
    "delete_item": (dict(_ITEM), _delete_item),
    "set_price": (
        {
            **_ITEM,
            "price": "net amount",
            "class": "customer price class; everybody's price where it is left out",
            "customer": "number of the one customer who pays it",
            "currency": "the company's where it is left out",
            "quantity": "from how many on",
            "promotion": "true or false",
            "from": "first day",
            "to": "last day",
        },
        _set_price,
    ),
    "delete_price": ({"price": "its recordId"}, _delete_price),
    "set_stock": ({**_ITEM, "quantity": "on hand"}, _stock),
    "set_error_info": (
        {"customer": "number", "document": "or number", "type": "Invoice", "text": "empty: none"},
        _error_info,
    ),
    "assign_crm_key": ({"class": "of customers", "assigned": "true"}, _crm_key),
    "close_period": ({"period": "YYYYMM", "ledger": ", ".join(_LEDGERS)}, _period(True)),
    "open_period": ({"period": "YYYYMM", "ledger": ", ".join(_LEDGERS)}, _period(False)),
    "activate_period": ({"period": "YYYYMM", "active": "true"}, _activate_period),
    "set_financial_year": ({"first_month": "1 to 12"}, _financial_year),
    "set_series": (
        {"series": "id", "manual": "true or false", "manual_on_import": "true or false"},
        _series,
    ),
    "restart_series": ({"series": "id", "start": "next number"}, _one_series),
    "set_exchange_rate": (
        {"currency": "code", "rate": "number", "mult_div": "Multiply or Divide", "date": _DAY},
        _rate,
    ),
    "set_vat_rule": ({"vat": "id", "calculate_on": "DocumentAmount, ItemAmount …"}, _vat_rule),
    "set_vat_rate": ({"vat": "id", "rate": "percent", "date": _DAY}, _vat_rate),
    "set_discount": (
        {"code": "LINE5 or DOC2", "active": "true", "percent": "percent"},
        _discount,
    ),
    "set_segment_value": (
        {"segment": "number", "value": "id", "active": "false where it is left out"},
        _segment,
    ),
    "manual_voucher": ({"amount": "on the receivables", "text": "text", "date": _DAY}, _voucher),
    "subscribe_webhooks": (
        {
            "url": "on this machine",
            "events": "list; all where it is left out",
            "key": "signature key; that of the credentials where it is left out",
        },
        _subscribe,
    ),
    "unsubscribe_webhooks": ({"url": "of the subscription"}, _unsubscribe),
    "set_project_status": ({"project": "id", "status": "Completed"}, _project),
}
