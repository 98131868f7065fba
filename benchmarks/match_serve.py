"""
A simulator that holds one side of the generated set, served on 127.0.0.1.

    python -m benchmarks.match_serve salesforce 1000 500 ids.json

The customers' ids go to the file, by the index of the set, so that what was matched can be told
from what should have been.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import match_set
from benchmarks.match_set import Facts
from tieout_sandbox.kit.cli import system_clock
from tieout_sandbox.kit.registry import credentials, simulator_class
from tieout_sandbox.kit.serve import serve

FIRST_DAY = date(2026, 4, 1)
PRODUCT = "CONS"


def main() -> None:
    """Fills the simulator and serves it until it is told to end."""
    system, count, invoices, ids = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    more = {"package": True} if system == "salesforce" else {}
    sim = simulator_class(system)(
        seed=1, size=0, clock=system_clock(None), rate_limits=False, **more
    )
    fill = _salesforce if system == "salesforce" else _visma
    known = fill(sim.act, count, invoices)
    Path(ids).write_text(json.dumps(known), encoding="utf-8")
    token_path = credentials(system).get("token_path", "")
    asyncio.run(serve(sim, port=0, token_path=token_path, as_json=True))


Act = Callable[[str, dict[str, Any]], Any]


def _salesforce(act: Act, count: int, invoices: int) -> dict[str, str]:
    act(
        "create_field",
        {"object": "Opportunity", "field": "Deal_Number__c", "type": "string:20"},
    )
    act("create_product", {"name": "Consulting hour", "code": PRODUCT, "price": "100.00"})
    ids: dict[str, str] = {}
    on_both: list[int] = []
    for known in match_set.customers(count):
        if known.crm is not None:
            made = act("create_account", {"name": known.crm.shown, "fields": _account(known.crm)})
            ids[str(known.index)] = str(made["id"])
            if known.books is not None:
                on_both.append(known.index)
    for one in match_set.history(invoices, on_both):
        if not one.deal:
            continue
        day = (FIRST_DAY + timedelta(days=one.day)).isoformat()
        made = act(
            "create_opportunity",
            {
                "name": f"{one.number} {one.customer}",
                "account": ids[str(one.customer)],
                "close_date": day,
                "currency": "SEK",
                "lines": [{"product": PRODUCT, "quantity": "1", "unit_price": one.net}],
                "fields": {"Deal_Number__c": one.number},
            },
        )
        act("win", {"id": made["id"], "close_date": day})
        ids[one.number] = str(made["id"])
    return ids


def _account(facts: Facts) -> dict[str, str]:
    return {
        "BillingStreet": facts.street,
        "BillingPostalCode": facts.postcode,
        "BillingCity": facts.city,
        "BillingCountryCode": "SE",
        "Org_Number__c": facts.number,
        "Invoice_Email__c": facts.mail,
        "CurrencyIsoCode": "SEK",
    }


def _visma(act: Act, count: int, invoices: int) -> dict[str, str]:
    ids: dict[str, str] = {}
    on_both: list[int] = []
    for known in match_set.customers(count):
        if known.books is not None:
            made = act("create_customer", {"set": _customer(known.books)})
            ids[str(known.index)] = str(made["Id"])
            if known.crm is not None:
                on_both.append(known.index)
    for one in match_set.history(invoices, on_both):
        # Half of them say which deal it was; the others are dated a few days after it.
        words = {"YourReference": f"Order {one.number}"} if one.reference and one.deal else {}
        made = act(
            "create_invoice",
            {
                "customer": ids[str(one.customer)],
                "amount": one.net,
                "date": (FIRST_DAY + timedelta(days=one.day + 3)).isoformat(),
                "set": words,
            },
        )
        ids[one.number] = str(made["Id"])
    return ids


def _customer(facts: Facts) -> dict[str, Any]:
    return {
        "Name": facts.shown[:50],
        "CorporateIdentityNumber": facts.number,
        "InvoiceAddress1": facts.street,
        "InvoicePostalCode": facts.postcode,
        "InvoiceCity": facts.city,
        "InvoiceCountryCode": "SE",
        "EmailAddress": facts.mail,
    }


if __name__ == "__main__":
    main()
