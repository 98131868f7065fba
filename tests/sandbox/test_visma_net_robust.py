"""Whatever a client sends, the answer is the vendor's; nothing breaks, nothing is half done."""

from __future__ import annotations

import copy
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from visma_net_support import D, VismaNet, line, wrap

from tieout_sandbox.kit import Dropped, dumps, pack

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
    {},
    {"value": {}},
    {"value": []},
    {"value": "x"},
    {"value": -5},
    "2026-02-30",
    "9999-12-31",
]


def spoilt(body: Any, chance: Random) -> Any:
    """The body with one value, somewhere in it, replaced by junk."""
    body = copy.deepcopy(body)
    place: Any = body
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        inside = place[key]
        if isinstance(inside, (dict, list)) and inside and chance.random() < 0.75:
            place = inside
            continue
        place[key] = chance.choice(JUNK)
        return body


def stored(net: VismaNet) -> bytes:
    """Everything that is kept, but the counters of ids."""
    state = net.sim.company.state()
    del state["counters"]
    return dumps(pack(state))


def bodies(net: VismaNet) -> dict[str, tuple[str, str, Any]]:
    customer = net.customer()
    draft = net.draft(customer)
    booked = net.booked(customer)
    address = wrap(addressLine1="a", postalCode="7010", city="b", countryId="NO")
    full = {
        **wrap(
            name="A",
            status="Active",
            creditLimit=D("5"),
            creditTermsId="30",
            currencyId="NOK",
            vatZoneId="01",
            parentRecordNumber=customer,
            mainAddress=address,
            mainContact=wrap(name="n", email="e"),
        ),
        "attributeLines": [wrap(attributeId="CRMKEY", attributeValue="v")],
    }
    invoice = net.body(
        customer,
        line(subaccount=[{"segmentId": 1, "segmentValue": "100"}], vatCodeId="3", taskId="1"),
        line(None, description="d", accountNumber="3000", taskId="2"),
        project="P1000",
        documentDate="2026-11-25",
        documentDueDate="2026-12-25",
        financialPeriod="202611",
        currencyId="NOK",
        exchangeRate=D("1"),
        billingAddress={**address, **wrap(overrideAddress=True)},
    )
    note = net.body(customer)
    note["lines"] = note.pop("invoiceLines")
    note["applicationLines"] = [wrap(documentType="Invoice", refNbr=booked, amountPaid=5)]
    paid = wrap(documentType="Invoice", refNbr=booked, amountPaid=5, cashDiscountTaken=1)
    payment = {
        **wrap(type="Payment", customer=customer, paymentAmount=5, applicationDate="2026-11-25"),
        "paymentLines": [paid],
    }
    order = {
        "type": "SO",
        "customer": {"id": customer, "order": "o", "refNo": "r", "termsId": "30"},
        "date": "2026-11-25T00:00:00+01:00",
        "billing": {"address": {"line1": "a", "countryId": "NO"}},
        "financialInformation": {"postPeriod": "202611"},
        "freight": {"premiumAmount": 5, "taxCategoryId": "3"},
        "orderLines": [
            {"inventoryId": "PUMP", "quantity": 1, "unitPrice": 5, "subaccount": {"1": "100"}}
        ],
    }
    item = wrap(inventoryNumber="N", description="d", itemClass="VARE", defaultPrice=5)
    price = wrap(inventoryId="CONS", price=5, breakQty=1, effectiveDate="2026-01-01")
    project = {**wrap(projectID="P", status="Active"), "tasks": [wrap(taskId="1")]}
    return {
        "customer": ("POST", "customer", full),
        "change of a customer": ("PUT", f"customer/{customer}", full),
        "invoice": ("POST", "/v2/customerinvoice", invoice),
        "change of an invoice": ("PUT", f"customerinvoice/{draft}", invoice),
        "credit note": ("POST", "/v2/customerCreditNote", note),
        "payment": ("POST", "customerPayment", payment),
        "order": ("POST", "/api/v3/SalesOrders", order),
        "item": ("POST", "inventory", item),
        "price": ("POST", "customerSalesPrice", price),
        "contact": ("POST", "contact", wrap(lastName="l", businessAccount=customer)),
        "location": ("POST", "location", wrap(baccountId=customer, locationId="L", vatZone="01")),
        "project": ("POST", "project", project),
        "rate": ("POST", "/v2/currencyrate",
                 wrap(fromCurrencyId="EUR", toCurrencyId="NOK", rate=D("11"))),
        "segment": ("PUT", "dimension/SUBACCOUNT/1",
                    {"segmentValues": [{"value": "300", "operation": "Insert"}]}),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(bodies(VismaNet().sign_in())))
def test_spoilt_bodies(name: str) -> None:
    net = VismaNet().sign_in()
    chance = Random(7)
    method, path, good = bodies(net)[name]
    refused = 0
    for _ in range(60):
        before = stored(net)
        answer = net.call(method, path, spoilt(good, chance))
        assert answer.status in (200, 201, 202, 204, 400, 404, 409, 428), answer
        if answer.status >= 400:
            refused += 1
            assert stored(net) == before, answer.body
        for number in [one["referenceNumber"] for one in net.sim.company.documents][-1:]:
            assert net.get(f"customerdocument?greaterThanValue={int(number) - 1}") is not None
    assert refused


def test_spoilt_queries() -> None:
    net = VismaNet(size=4).sign_in()
    chance = Random(3)
    names = ["pageNumber", "pageSize", "skipRecords", "numberToRead", "status", "released"]
    names += ["lastModifiedDateTime", "documentDate", "attributes", "greaterThanValue"]
    names += ["pageIndex", "modifiedSince", "orderBy", "filter", "expand", "fromFinPeriod"]
    values = ["", "0", "-1", "x", "9" * 20, "{}", "[]", '{"a":1}', "2026-11-25", "é"]
    paths = ["customer", "customerinvoice", "customerPayment", "inventory", "creditTerm"]
    paths += ["/v2/customer/balance", "/api/v3/SalesOrders", "financialPeriod", "contact"]
    for _ in range(300):
        pairs = [f"{name}={quote(chance.choice(values))}" for name in chance.sample(names, 3)]
        pairs += ["lastModifiedDateTimeCondition=%3E", "documentDateCondition=x"]
        path = f"{chance.choice(paths)}?{'&'.join(pairs)}"
        answer = net.call("GET", path)
        assert answer.status in (200, 400), (path, answer)


def test_a_date_at_the_end_of_the_calendar() -> None:
    net = VismaNet().sign_in()
    body = net.body(net.customer(), documentDate="9999-12-31")
    assert "no due date" in net.message("POST", "/v2/customerinvoice", body)


def test_a_body_that_is_none() -> None:
    net = VismaNet().sign_in()
    for path in ("customer", "/v2/customerinvoice", "customerPayment", "inventory"):
        for raw in (b"", b"{", b"[]", b"null", b"\xff"):
            assert net.call("POST", path, raw).status == 400
    assert net.call("POST", "/api/v3/SalesOrders", b"").status == 400


def test_actions_refuse_what_makes_no_sense() -> None:
    net = VismaNet().sign_in()
    number = net.booked(net.customer())
    before = stored(net)
    for name, arguments in (
        ("pay", {"document": number, "amount": 0}),
        ("pay", {"document": number, "amount": "1.005"}),
        ("pay", {"document": "none"}),
        ("pay", {"document": number, "date": "soon"}),
        ("pay", {"document": number, "surprise": 1}),
        ("credit", {"document": number, "net": -1}),
        ("write_off", {"document": number, "amount": 1000}),
        ("close_period", {"period": "209912"}),
        ("close_period", {"period": "202611", "ledger": "x"}),
        ("set_assumption", {"name": "x", "value": 1}),
        ("set_assumption", {"name": "single_as_array", "value": "yes"}),
        ("set_preference", {"name": "holdOnEntry", "value": 1}),
        ("set_segment_value", {"segment": 1, "value": "x"}),
        ("set_vat_rule", {"vat": "3", "calculate_on": "x"}),
        ("edit_document", {"document": number, "lines": 5}),
        ("release", {"document": number}),
        ("ship_order", {"order": "1"}),
    ):
        assert net.refused(name, **arguments)
    assert stored(net) == before


def test_every_fault_has_its_answer() -> None:
    net = VismaNet().sign_in()
    body = wrap(name="A", mainAddress=wrap(countryId="NO"))

    def strike(kind: str, **more: Any) -> Any:
        fault = {"method": "POST", "path": "/v1/customer", "kind": kind, **more}
        made = net.send("POST", "/_sandbox/faults", fault)
        assert made.json()["effective"] is True
        return net.send("POST", "/v1/customer", body, Authorization=f"Bearer {net.token}")

    def count() -> int:
        return int(net.send("GET", "/_sandbox/records").json()["customer"])

    assert isinstance(strike("drop_before"), Dropped)
    assert count() == 0
    assert strike("drop_after_commit") == Dropped(carried_out=True)
    assert count() == 1
    assert isinstance(strike("commit_late", seconds=30), Dropped)
    assert count() == 1
    net.pass_time(seconds=31)
    assert count() == 2
    assert strike("stale").status == 412
    limited = strike("rate_limited")
    assert (limited.status, limited.headers["Retry-After"]) == (429, "55")
    assert strike("garbage").status == 502
    assert strike("status", status=503).status == 503
    assert strike("token_expired").status == 401
    net.sign_in()
    assert strike("token_revoked").status == 401
    order = {"method": "PATCH", "path": "/api/v3/SalesOrders/{type}/{orderId}", "kind": "stale"}
    net.send("POST", "/_sandbox/faults", order)
    stale = net.call("PATCH", "/api/v3/SalesOrders/SO/1", {})
    assert stale.json()["title"] == "Precondition Failed"
