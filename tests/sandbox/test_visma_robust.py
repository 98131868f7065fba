"""Whatever a client sends, the answer is the vendor's; nothing breaks, nothing is half done."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from visma_support import Visma

from tieout_sandbox.kit import dumps, pack

JUNK: list[Any] = [
    None,
    True,
    "",
    "x",
    "x" * 3000,
    0,
    -1,
    10**30,
    Decimal("1.23456789"),
    [],
    [None],
    [1],
    ["a"],
    {},
    {"a": 1},
    "2026-02-30",
    "00000000-0000-4000-8000-000000000000",
]


def spoilt(body: Any, chance: Random) -> Any:
    """The body with one value, somewhere in it, replaced by junk."""
    body = copy.deepcopy(body)
    place: Any = body
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        inside = place[key]
        if isinstance(inside, (dict, list)) and inside and chance.random() < 0.7:
            place = inside
            continue
        place[key] = chance.choice(JUNK)
        return body


def bodies(visma: Visma) -> dict[str, tuple[str, Any]]:
    customer = visma.customer()["Id"]
    text = {"IsTextRow": True, "Text": "t", "ReversedConstructionServicesVatFree": False}
    rows = [visma.row(ProjectId=visma.get("projects")["Data"][0]["Id"]), text]
    head = {
        "OurReference": "r",
        "InvoiceDate": "2026-11-24",
        "DueDate": "2026-12-24",
        "TermsOfPaymentId": visma.terms(),
        "Persons": [],
    }
    draft = visma.draft_body(customer, *rows, **head)
    waiting = visma.draft(customer)["Id"]
    made = visma.booked(customer)["Id"]
    full = visma.get(f"customers/{customer}")
    check = {
        "TotalAmountInvoiceCurrency": 125,
        "Rows": [{"LineNumber": 1, "TotalAmountNoVatInvoiceCurrency": 100}],
    }
    payment = {
        "CompanyBankAccountId": visma.get("bankaccounts")["Data"][0]["Id"],
        "PaymentDate": "2026-11-24",
        "PaymentAmount": 1,
        "PaymentCurrency": "SEK",
        "PaymentType": 1,
    }
    order = {**draft, "CurrencyCode": "SEK", "OrderDate": "2026-11-24", "Status": 1}
    order["ReverseChargeOnConstructionServices"] = False
    order["Rows"] = [
        {**row, "LineNumber": 1, "IsWorkCost": False, "EligibleForReverseChargeOnVat": False}
        for row in rows
    ]
    return {
        "draft": ("customerinvoicedrafts", draft),
        "put": (f"customerinvoicedrafts/{waiting}", draft),
        "convert": (f"customerinvoicedrafts/{waiting}/convert", check),
        "invoice": ("customerinvoices", draft),
        "customer": ("customers", {**full, "CustomerNumber": None}),
        "article": ("articles", visma.get("articles")["Data"][0]),
        "order": ("orders", order),
        "payment": (f"customerinvoices/{made}/payments", payment),
        "note": ("notes", {"Text": "t", "AttachedTo": customer, "DocumentType": 1}),
    }


@pytest.mark.parametrize(
    "what",
    ["draft", "put", "convert", "invoice", "customer", "article", "order", "payment", "note"],
)
def test_spoilt_bodies_get_an_answer_and_refused_ones_change_nothing(what: str) -> None:
    visma = Visma(rate_limits=False).sign_in()
    path, body = bodies(visma)[what]
    chance = Random(what)
    method = "PUT" if what == "put" else "POST"
    refused = 0
    for _ in range(150):
        before = records(visma)
        answer = visma.call(method, path, spoilt(body, chance))
        if answer.status in (200, 201):
            continue
        refused += 1
        assert answer.status in (400, 404, 409), answer
        assert answer.json()["ErrorCode"] >= 2000
        assert records(visma) == before
    assert refused > 10


def records(visma: Visma) -> bytes:
    books = visma.sim.books
    tables = {name: list(table.records.values()) for name, table in books.tables().items()}
    return dumps(pack([tables, books.settings, books.ledger.state()]))


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"[]", b"1", b'"x"', b"\xff\xfe", b"{}"])
def test_bodies_that_are_no_object(raw: bytes) -> None:
    visma = Visma(rate_limits=False).sign_in()
    customer = visma.customer()["Id"]
    for method, path in (
        ("POST", "customerinvoicedrafts"),
        ("POST", "customers"),
        ("PUT", f"customers/{customer}"),
        ("PUT", "companysettings"),
        ("POST", "messagethreads"),
        ("POST", "salesdocumentattachments/order"),
    ):
        assert visma.code(method, path, raw) == (400, 2000), path


def test_odd_queries() -> None:
    visma = Visma(size=5, rate_limits=False).sign_in()
    for query in (
        "$filter=%27",
        "$filter=((((",
        "$filter=not",
        "$filter=Id%20eq%20null",
        "$filter=CustomerNumber%20gt%205",
        "$filter=IsActive%20gt%20%27x%27",
        "$filter=Name%20gt%202026-01-01",
        "$filter=ChangedUtc%20lt%20%27x%27",
        "$filter=contains(IsActive,true)",
        "$orderby=",
        "$orderby=ChangedUtc%20sideways",
        "$orderby=CustomerLabels",
        "$select=,",
        "$page=x",
        "$pagesize=-1",
        "$pagesize=NaN",
        "$page=1e400",
        "$page=99999999999999999999",
    ):
        answer = visma.call("GET", f"customers?{query}")
        assert answer.status in (200, 400), (query, answer)


Mistake = tuple[str, dict[str, Any]]
MISTAKES: list[Mistake] = [
    ("pay", {"invoice": None}),
    ("pay", {"invoice": 1001, "amount": "much"}),
    ("pay", {"invoice": 1001, "date": "soon"}),
    ("pay", {"invoice": 1001, "bank_account": 7}),
    ("pay", {"invoice": 1001, "kind": 9}),
    ("pay", {"invoice": 1001, "bank_account": "x"}),
    ("credit", {"invoice": 1001, "lines": [99]}),
    ("credit", {"invoice": 1001, "lines": 5}),
    ("edit_draft", {"draft": "x"}),
    ("edit_draft", {"draft": 5, "set": []}),
    ("book_draft", {}),
    ("lock_period", {}),
    ("lock_period", {"to": 5}),
    ("lock_year", {}),
    ("lock_year", {"year": "x"}),
    ("set_assumption", {"name": "vat_rounding", "value": 5}),
    ("set_assumption", {"name": "nothing", "value": 5}),
    ("set_assumption", {"name": "filterable.customers", "value": "x"}),
    ("set_company_setting", {"name": "nothing"}),
    ("set_exchange_rate", {"currency": "EUR"}),
    ("set_exchange_rate", {"currency": "EUR", "rate": "x"}),
    ("manual_voucher_1510", {}),
    ("manual_voucher_1510", {"amount": 5, "account": "x"}),
    ("create_customer", {"set": {"Name": "x" * 51}}),
    ("create_customer", {"set": 7}),
    ("create_invoice", {"customer": 1001}),
    ("create_invoice", {"customer": "1001", "rows": [5]}),
    ("end_project", {"project": "x"}),
    ("return_payment", {"payment": "x"}),
]


@pytest.mark.parametrize(("name", "arguments"), MISTAKES)
def test_actions_asked_wrongly(name: str, arguments: dict[str, Any]) -> None:
    visma = Visma(size=1, rate_limits=False)
    answer = visma.send("POST", f"/_sandbox/actions/{name}", arguments)
    assert answer.status == 400, answer
    assert answer.json()["error"]


def test_every_promised_action_is_there() -> None:
    visma = Visma()
    described: dict[str, Callable[..., Any]] = dict(visma.sim.actions())
    assert {
        "book_draft",
        "edit_draft",
        "delete_draft",
        "copy_draft",
        "pay",
        "return_payment",
        "cash_discount",
        "write_off",
        "bank_charge",
        "credit",
        "set_off",
        "void",
        "lock_period",
        "unlock",
        "create_customer",
        "edit_customer",
        "deactivate_customer",
        "create_invoice",
        "reminder_fee",
        "manual_voucher_1510",
        "create_article",
        "set_company_setting",
        "set_assumption",
    } <= set(described)
