"""The Sales Order service v3, and the way from an order to its invoice."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from visma_net_support import D, VismaNet, wrap

BASE = "/api/v3/SalesOrders"


@pytest.fixture
def net() -> VismaNet:
    return VismaNet().sign_in()


def line(item: str = "CONS", price: Any = "100.00", **fields: Any) -> dict[str, Any]:
    return {"inventoryId": item, "quantity": 1, "unitPrice": D(price), **fields}


def body(customer: str, /, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    who = {"id": customer, **fields.pop("customer", {})}
    return {"type": "SO", "customer": who, "orderLines": list(lines) or [line()], **fields}


def make(net: VismaNet, *lines: dict[str, Any], **fields: Any) -> str:
    customer = fields.pop("who", None) or net.customer()
    return net.create(BASE, body(customer, *lines, **fields))


def faults(net: VismaNet, given: dict[str, Any]) -> dict[str, str]:
    """Property and code of everything that was wrong."""
    answer = net.call("POST", BASE, given)
    assert answer.status == 400, (answer.status, answer.body)
    found = answer.json()
    assert found["status"] == 400
    codes = {one["parameters"]["property"]: one["code"] for one in found["details"]}
    assert set(codes) <= set(found["errors"])
    return codes


def test_the_example_order(net: VismaNet) -> None:
    customer = net.customer()
    answer = net.good(
        "POST",
        BASE,
        body(
            customer,
            line(price="129.95", quantity=7, hasManualPrice=True, discountPercent=D("12.5"),
                 hasManualDiscount=True, unitOfMeasure="TIME"),
            customer={"order": "PO 4711", "refNo": "tieout-9F3T6B2H"},
            status="Hold",
        ),
    )  # fmt: skip
    assert (answer.status, answer.body) == (201, b"")
    where = "https://salesorder.visma.net/api/v3/SalesOrders/SO/000223"
    assert answer.headers["Location"] == where
    listed = net.get(f"{BASE}/SO?customerId={customer}&pageSize=100&pageIndex=0")
    assert (listed["totalCount"], listed["nextPage"]) == (1, None)
    row = listed["value"][0]
    assert (row["customerRefNo"], row["orderTotal"]) == ("tieout-9F3T6B2H", D("994.93"))
    assert row["status"] == "Hold"
    one = net.call("GET", f"{BASE}/SO/000223")
    assert one.headers["ETag"] == answer.headers["ETag"]
    found = one.json()
    assert found["status"] == {"description": "On hold", "hold": True, "cancelled": False}
    assert found["version"] == one.headers["ETag"].strip('"')
    # Parts that are not expanded are left out.
    assert {"customer", "billing", "note"} & set(found) == set()
    found = net.get(f"{BASE}/SO/000223?expand=customer,financialInformation")
    assert found["customer"]["refNo"] == "tieout-9F3T6B2H"
    assert "billing" not in found
    assert net.call("GET", f"{BASE}/SO/000223?expand=nothing").status == 400
    net.assume("order_etag", "rowversion")
    assert len(net.call("GET", f"{BASE}/SO/000223").headers["ETag"]) == 14


def test_prices_and_discounts_that_are_not_manual_are_thrown_away(net: VismaNet) -> None:
    net.act("set_discount", code="LINE5")
    number = make(
        net,
        line(price=1),
        line(price=1, hasManualPrice=False),
        line(discountPercent=50),
        line(discountPercent=50, hasManualDiscount=False),
        line(discountAmount=10),
    )
    rows = net.get(f"{BASE}/SO/{number}/lines")["value"]
    assert [row["unitPrice"] for row in rows] == [1, 1095, 100, 100, 100]
    assert [row["extendedPrice"] for row in rows] == [D("0.95"), D("1040.25"), 50, 95, 90]


def test_the_body_is_strict(net: VismaNet) -> None:
    customer = net.customer()
    assert faults(net, body(customer, surprise=1)) == {"Surprise": "0004-ValueNotAllowed"}
    long = {"customer": {"order": "x" * 41}, "note": "n" * 2049}
    assert faults(net, body(customer, **long)) == {
        "Customer.Order": "0002-InvalidLength",
        "Note": "0002-InvalidLength",
    }
    assert faults(net, {"customer": {"id": customer}}) == {"Type": "0001-NullNotAllowed"}
    assert faults(net, body(customer, line(quantity="many"))) == {
        "OrderLines[0].Quantity": "0003-InvalidValue"
    }
    answer = net.call("POST", BASE, b"{")
    assert answer.status == 400
    unknown = net.call("POST", BASE, body(customer, type="ZZ"))
    assert unknown.json()["errors"] == {"Type": ["Order type cannot be found"]}


def test_everything_that_is_wrong_has_a_code(net: VismaNet) -> None:
    customer = net.customer()
    place = "OrderLines[0]."
    for given, expected in (
        ({"customer": {"id": "nobody"}}, {"Customer.Id": "1400-CustomerLookupException"}),
        ({"customer": {"termsId": "x"}}, {"Customer.TermsId": "1401-MissingTermsId"}),
        ({"currencyId": "EUR"}, {"CurrencyId": "1408-OverrideCurrencyIdProhibited"}),
        ({"projectId": "P9"}, {"ProjectId": "1904-ProjectNotFound"}),
        ({"date": "2031-01-05T00:00:00+01:00"}, {"Date": "1600-FinancialPeriodNotFound"}),
        ({"status": "Sleeping"}, {"Status": "0003-InvalidValue"}),
    ):
        assert faults(net, body(customer, **given)) == expected
    for fields, code in (
        ({"inventoryId": "X"}, {"InventoryId": "1804-InventoryIdNotFound"}),
        ({"inventoryId": "OLD"}, {"InventoryId": "1804-InventoryIdNotFound"}),
        ({"unitOfMeasure": "KG"}, {"UnitOfMeasure": "1808-InvalidUnitOfMeasure"}),
        ({"taxCategoryId": "x"}, {"TaxCategoryId": "1805-InvalidTaxCategoryId"}),
        ({"salesAccountId": "1"}, {"SalesAccountId": "1806-InvalidSalesAccountId"}),
        ({"warehouseId": "9"}, {"WarehouseId": "1802-InvalidWarehouseId"}),
        ({"subaccount": {"1": "999"}}, {"Subaccount": "1202-SegmentValueNotFound"}),
        ({"subaccount": {"1": "900"}}, {"Subaccount": "1200-SubaccountSegmentInactive"}),
        ({"discountPercent": 101}, {"DiscountPercent": "0100-OutsideValidRange",
                                    "DiscountAmount": "1101-DiscountAmountMoreThanExtPrice"}),
        ({"discountCode": "x"}, {"DiscountCode": "1105-InvalidDiscountCode"}),
        ({"quantity": -1}, {"Quantity": "1809-InvalidQuantityForType"}),
    ):  # fmt: skip
        expected = {f"{place}{name}": value for name, value in code.items()}
        assert faults(net, body(customer, line(**fields))) == expected
    found = faults(net, body(customer, projectId="P1000"))
    assert found == {f"{place}ProjectTaskId": "1908-ProjectTaskNotFound"}
    assert faults(net, body(customer, projectId="P2000"))["ProjectId"] == "1907-ProjectCompleted"
    net.act("close_period", period="202611")
    assert faults(net, body(customer)) == {"Date": "1601-FinancialPeriodClosed"}
    net.act("activate_period", period="202611", active=False)
    assert faults(net, body(customer)) == {"Date": "1602-FinancialPeriodInactive"}
    net.act("activate_period", period="202611")
    net.act("open_period", period="202611")
    net.act("set_customer_status", customer=customer, status="Inactive")
    assert faults(net, body(customer)) == {"Customer.Id": "1407-InvalidCustomerStatus"}
    assert net.get(BASE)["value"] == []


def test_versions_are_required(net: VismaNet) -> None:
    number = make(net, status="Hold")
    path = f"{BASE}/SO/{number}"
    etag = net.call("GET", path).headers["ETag"]
    for method, tail, given in (
        ("PATCH", "", {"description": "x"}),
        ("POST", "/lines", {"lines": [line()]}),
        ("DELETE", "/lines?ids=1", None),
        ("DELETE", "", None),
    ):
        missing = net.call(method, path + tail, given)
        assert (missing.status, missing.json()["status"]) == (428, 428)
        stale = net.call(method, path + tail, given, **{"If-Match": '"99"'})
        assert (stale.status, stale.json()["title"]) == (412, "Precondition Failed")
    answer = net.good("PATCH", path, {"description": "x"}, **{"If-Match": etag})
    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers["ETag"] != etag
    assert net.get(path)["description"] == "x"
    gone = net.good("DELETE", path, **{"If-Match": answer.headers["ETag"]})
    assert gone.status == 202
    assert net.call("GET", path).status == 404


def test_lines_are_changed_all_or_nothing(net: VismaNet) -> None:
    number = make(net)
    path = f"{BASE}/SO/{number}"

    def write(method: str, tail: str, given: Any = None) -> Any:
        etag = net.call("GET", path).headers["ETag"]
        return net.call(method, path + tail, given, **{"If-Match": etag})

    assert write("POST", "/lines", {"lines": [line("LIC"), line("FOOD")]}).status == 202
    change = {"lines": [{"lineId": 2, "quantity": 3}, {"lineId": 9, "quantity": 1}]}
    bad = write("PATCH", "/lines", change)
    assert bad.json()["details"][0]["code"] == "0200-LineIdDoesNotExist"
    rows = net.get(f"{path}/lines")["value"]
    assert [row["quantity"] for row in rows] == [1, 1, 1]
    assert write("PATCH", "/lines", {"lines": [{"lineId": 2, "quantity": 3}]}).status == 202
    assert write("DELETE", "/lines?ids=1,3").status == 202
    rows = net.get(f"{path}/lines")["value"]
    assert [(row["lineId"], row["extendedPrice"]) for row in rows] == [(2, 300)]
    assert net.get(path)["totals"]["orderTotal"] == 375
    assert net.get(f"{path}/tax")[0]["taxAmount"] == 75
    assert net.call("GET", f"{path}/lines/9").status == 404
    assert write("DELETE", "/lines?ids=a").status == 400
    assert write("PUT", "").status == 405


def test_a_patch_with_null(net: VismaNet) -> None:
    number = make(net, description="d")
    path = f"{BASE}/SO/{number}"

    def patch(given: dict[str, Any]) -> Any:
        etag = net.call("GET", path).headers["ETag"]
        net.good("PATCH", path, given, **{"If-Match": etag})
        return net.get(path).get("description")

    net.assume("order_patch_null", "absent")
    assert patch({"description": None}) == "d"
    net.assume("order_patch_null", "clear")
    assert patch({"description": None}) is None


def test_addresses_are_taken_whole(net: VismaNet) -> None:
    home = wrap(addressLine1="Havnegata 12", postalCode="7010", city="Trondheim", countryId="NO")
    customer = net.customer(mainAddress=home)
    number = make(net, who=customer, billing={"address": {"line1": "Box 1"}})
    billing = net.get(f"{BASE}/SO/{number}?expand=billing")["billing"]["address"]
    assert billing == {"line1": "Box 1", "overridesDefault": True}
    shipping = net.get(f"{BASE}/SO/{number}?expand=shipping")["shipping"]["address"]
    assert (shipping["line1"], shipping["overridesDefault"]) == ("Havnegata 12", False)


def test_times_without_an_offset_are_utc(net: VismaNet) -> None:
    for text, day in (
        ("2026-11-25T00:00:00+01:00", "2026-11-25"),
        ("2026-11-24T23:30:00", "2026-11-25"),
        ("2026-11-25T23:30:00", "2026-11-26"),
    ):
        number = make(net, date=text)
        assert net.get(f"{BASE}/SO/{number}")["date"] == f"{day}T00:00:00"


def test_lists_of_orders(net: VismaNet) -> None:
    customer = net.customer()
    numbers = []
    for place in range(3):
        numbers.append(make(net, who=customer, customer={"refNo": f"r-{place}"}))
        net.pass_time(seconds=10)
    page = net.get(f"{BASE}?pageSize=2")
    assert (page["totalCount"], len(page["value"])) == (3, 2)
    last = net.get(page["nextPage"])
    assert (last["nextPage"], [row["orderId"] for row in last["value"]]) == (None, numbers[2:])
    order = quote("lastModified desc")
    rows = net.get(f"{BASE}/SO?customerId={customer}&orderBy={order}")["value"]
    assert [row["orderId"] for row in rows] == numbers[::-1]
    assert net.call("GET", f"{BASE}?orderBy=name").status == 400
    since = "2026-11-25T08:41:20"
    assert len(net.get(f"{BASE}?modifiedSince={since}")["value"]) == 1
    assert len(net.get(f"{BASE}?modifiedSince={since}Z")["value"]) == 1
    assert len(net.get(f"{BASE}?modifiedSince={since}{quote('+')}01:00")["value"]) == 3
    # The filter looks at the order's number only.
    assert net.get(f"{BASE}?filter={numbers[1]}")["totalCount"] == 1
    assert net.get(f"{BASE}?filter=r-1")["totalCount"] == 0
    assert net.get(f"{BASE}?customerId=nobody")["totalCount"] == 0
    assert net.get(f"{BASE}?status=open")["totalCount"] == 3
    assert net.get(f"{BASE}/QT")["value"] == []
    found = net.get("/api/v3/Customers?filter=fjord")
    assert found["value"][0]["id"] == customer
    assert net.call("GET", "/api/v3/Nothing").status == 404


def test_expanded_lists_are_short(net: VismaNet) -> None:
    customer = net.customer()
    for _ in range(101):
        make(net, who=customer)
    assert len(net.get(f"{BASE}?pageSize=500")["value"]) == 101
    page = net.get(f"{BASE}?pageSize=500&expand=note,shipping")
    assert len(page["value"]) == 100
    assert "shipping" in page["value"][0]


def test_numbers_by_hand(net: VismaNet) -> None:
    customer = net.customer()
    given = body(customer, orderId="X1", overrideNumberSeries=True)
    assert net.create(BASE, given) == "X1"
    again = net.call("POST", BASE, given)
    assert (again.status, again.json()["title"]) == (409, "Conflict")
    net.assume("duplicate_order_status", 400)
    assert faults(net, given) == {"OrderId": "0004-ValueNotAllowed"}
    net.act("set_series", series="SOORDER", manual_on_import=False)
    given["orderId"] = "X2"
    assert faults(net, given) == {"OrderId": "1900-OrderNumberSequenceNotFound"}


def test_from_the_order_to_the_paid_invoice(net: VismaNet) -> None:
    customer = net.customer()
    number = make(
        net,
        line("PUMP", 8000, quantity=2),
        line(price=500),
        who=customer,
        customer={"order": "PO 1"},
        freight={"premiumAmount": 100, "taxCategoryId": "3"},
    )
    path = f"{BASE}/SO/{number}"
    assert net.get(path)["totals"]["orderTotal"] == 20750
    prepare = f"/v2/salesorder/SO/{number}/action/prepareInvoice"
    assert net.call("POST", prepare).status == 404  # the ERP host does not know it yet
    net.pass_time(seconds=3)
    shipment = net.good("POST", f"salesorder/{number}/action/createShipment", {}).json()
    shipped = shipment["referenceNumber"]
    assert net.get(path)["status"]["description"] == "Shipping"
    net.good("POST", f"shipment/{shipped}/action/confirmShipment")
    assert net.get(f"shipment/{shipped}")["status"] == "Confirmed"
    assert net.get("inventory/PUMP")["warehouseDetails"][0]["quantityOnHand"] == 23
    change = {"lines": [{"lineId": 1, "quantity": 5}]}
    etag = net.call("GET", path).headers["ETag"]
    refused = net.call("PATCH", f"{path}/lines", change, **{"If-Match": etag})
    assert "1811" in refused.json()["details"][0]["code"]
    invoice = net.good("POST", prepare).json()["referenceNumber"]
    found = net.invoice(invoice)
    assert (found["status"], found["customerRefNumber"]) == ("Balanced", "PO 1")
    kinds = [(row["lineType"], row["amountInCurrency"]) for row in found["invoiceLines"]]
    assert kinds == [("GI", 16000), ("GN", 500), ("FR", 100)]
    assert found["invoiceLines"][0]["soOrderNbr"] == number
    assert found["invoiceLines"][0]["soShipmentNbr"] == shipped
    assert net.get(f"{path}/shipment")[0]["invoiceId"] == invoice
    assert net.get(path)["status"]["description"] == "Invoiced"
    net.act("release", document=invoice)
    assert net.get(path)["status"]["description"] == "Completed"
    assert net.balance() == 20750 == net.open_items()
    etag = net.call("GET", path).headers["ETag"]
    late = net.call("PATCH", path, {"note": "x"}, **{"If-Match": etag})
    assert late.json()["details"][0]["code"] == "0005-InvalidState"
    gone = net.call("DELETE", path, **{"If-Match": etag})
    assert gone.status == 409


def test_a_part_delivery_is_a_part_invoice(net: VismaNet) -> None:
    number = make(net, line("PUMP", 1000, quantity=5))
    net.act("ship_order", order=number, quantities={"1": 2})
    first = net.act("invoice_order", order=number)
    assert first["detailTotal"] == 2000
    assert net.get(f"{BASE}/SO/{number}")["status"]["description"] == "Back order"
    net.act("ship_order", order=number)
    assert net.act("invoice_order", order=number)["detailTotal"] == 3000
    rows = net.get(f"{BASE}/SO/{number}/lines")["value"]
    assert (rows[0]["billedQuantity"], rows[0]["completed"]) == (5, True)
    assert "has status" in net.refused("ship_order", order=number)


def test_orders_stop_and_are_let_go(net: VismaNet) -> None:
    customer = net.customer()
    net.act("set_credit_limit", customer=customer, limit=10)
    number = make(net, who=customer)
    assert net.get(f"{BASE}/SO/{number}")["status"]["description"] == "Credit hold"
    net.act("approve_order", order=number)
    assert net.get(f"{BASE}/SO/{number}")["status"]["description"] == "Open"
    net.act("cancel_order", order=number)
    assert net.get(f"{BASE}/SO/{number}")["status"]["cancelled"] is True
    assert "Cancelled" in net.refused("invoice_order", order=number)
    too_many = make(net, line("PUMP", quantity=99))
    assert "not enough" in net.refused("ship_order", order=too_many)
    assert net.get("inventory/PUMP")["warehouseDetails"][0]["quantityOnHand"] == 25
