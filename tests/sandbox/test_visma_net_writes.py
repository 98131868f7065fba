"""Writes of the ERP host: wrapping, versions, numbers, refusals; customers and items."""

from __future__ import annotations

from typing import Any

import pytest
from visma_net_support import D, VismaNet, line, wrap


@pytest.fixture
def net() -> VismaNet:
    return VismaNet().sign_in()


# Wrapping.


def test_a_new_customer_answers_with_its_number_in_location_only(net: VismaNet) -> None:
    body: dict[str, Any] = {
        **wrap(
            number="10077",
            overrideNumberSeries=True,
            name="Fjord Logistikk AS",
            customerClassId="1",
            creditTermsId="30",
            currencyId="NOK",
            corporateId="987654321",
            mainAddress=wrap(
                addressLine1="Havnegata 12", postalCode="7010", city="Trondheim", countryId="NO"
            ),
            invoiceContact=wrap(name="Fjord", email="faktura@fjord.example"),
        ),
        "overrideWithClassValues": True,
        "attributeLines": [wrap(attributeId="CRMKEY", attributeValue="tieout-7Q2M")],
    }
    answer = net.good("POST", "customer", body)
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["Location"] == "https://api.finance.visma.net/v1/customer/10077"
    record = net.get("customer/10077")
    assert answer.headers["ETag"] == f'"{record["timeStamp"]}"'
    assert len(record["timeStamp"]) == 12  # eight bytes
    assert record["creditTerms"] == {"id": "30", "description": "30 days"}
    assert record["mainAddress"]["country"]["id"] == "NO"
    assert record["attributes"][0]["value"] == "tieout-7Q2M"
    assert "exists" in net.message("POST", "customer", body)
    # Nothing is unique but the number.
    assert net.customer(name="Fjord Logistikk AS") != net.customer(name="Fjord Logistikk AS")


def test_location_follows_the_host(net: VismaNet) -> None:
    body = wrap(name="A", mainAddress=wrap(countryId="NO"))
    answer = net.good("POST", "customer", body, Host="127.0.0.1:8703")
    assert answer.headers["Location"].startswith("http://127.0.0.1:8703/v1/customer/")
    net.assume("location_host", "http")
    answer = net.good("POST", "customer", body, Host="127.0.0.1:8703")
    assert answer.headers["Location"].startswith("http://api.finance.visma.net/v1/")


def test_values_are_wrapped_or_not_as_the_table_says(net: VismaNet) -> None:
    good = wrap(name="A", mainAddress=wrap(countryId="NO"))
    for wrong in (
        {**good, "name": "A"},
        {**good, "mainAddress": wrap(countryId="NO")},
        {**good, "mainAddress": {"value": {"countryId": "NO"}}},
        {**good, "overrideWithClassValues": {"value": True}},
        {**good, "creditLimit": {"value": "much"}},
        {**good, "status": {"value": "Sleeping"}},
    ):
        assert "not valid" in net.message("POST", "customer", wrong)
    number = net.create("customer", {**good, "somethingElse": 1})
    assert net.get(f"customer/{number}")["name"] == "A"


def test_absent_null_and_empty(net: VismaNet) -> None:
    number = net.customer(accountReference="ref", corporateId="1")
    path = f"customer/{number}"
    net.good("PUT", path, {"corporateId": None, "accountReference": {"value": None}})
    record = net.get(path)
    assert (record["corporateId"], record["accountReference"]) == ("1", "ref")
    net.assume("null_value", "clear")
    net.good("PUT", path, {"corporateId": None, "accountReference": {"value": None}})
    record = net.get(path)
    assert (record["corporateId"], record.get("accountReference")) == ("1", None)
    net.good("PUT", path, wrap(corporateId=""))
    assert "corporateId" not in net.get(path)


def test_a_z_moves_the_day(net: VismaNet) -> None:
    customer = net.customer()
    for text, day in (
        ("2026-11-25", "2026-11-25"),
        ("2026-11-25T00:00:00", "2026-11-25"),
        ("2026-11-24T23:30:00Z", "2026-11-25"),
    ):
        number = net.draft(customer, documentDate=text)
        assert net.invoice(number)["documentDate"] == f"{day}T00:00:00"


# Versions.


def test_versions_are_optional_and_checked(net: VismaNet) -> None:
    number = net.draft(net.customer())
    path = f"customerinvoice/{number}"
    first = net.call("GET", path).headers["ETag"]
    answer = net.good("PUT", path, wrap(note="a"), **{"If-Match": first})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["ETag"] != first
    stale = net.call("PUT", path, wrap(note="b"), **{"If-Match": first})
    assert stale.status == 412
    assert net.invoice(number)["note"] == "a"
    net.assume("stale_body", "empty")
    assert net.call("PUT", path, wrap(note="b"), **{"If-Match": first}).body == b""
    net.good("PUT", path, wrap(note="c"))  # last write wins
    release = f"{path}/action/release"
    assert net.call("POST", release, **{"If-Match": first}).status == 412
    other = net.draft("10000")
    # To delete takes no version.
    gone = net.call("DELETE", f"customerinvoice/{other}", **{"If-Match": first})
    assert gone.status == 204
    rows = net.call("GET", "customerinvoice")
    assert "ETag" not in rows.headers
    assert rows.json()[0]["timeStamp"] == net.invoice(number)["timeStamp"]
    # Items have no version header, only the field.
    item = net.call("GET", "inventory/CONS")
    assert "ETag" not in item.headers
    assert item.json()["timestamp"]
    body = wrap(description="X")
    assert net.call("PUT", "inventory/CONS", body, **{"If-Match": '"old"'}).status == 204


def test_release_and_payment_change_the_version(net: VismaNet) -> None:
    number = net.draft(net.customer())
    seen = [net.invoice(number)]
    net.pass_time(seconds=5)
    net.act("release", document=number)
    seen.append(net.invoice(number))
    net.pass_time(seconds=5)
    net.act("pay", document=number, amount=10)
    seen.append(net.invoice(number))
    net.assume("payment_moves_invoice", False)
    net.pass_time(seconds=5)
    net.act("pay", document=number, amount=10)
    seen.append(net.invoice(number))
    assert len({one["timeStamp"] for one in seen}) == 4
    assert len({one["lastModifiedDateTime"] for one in seen}) == 3


# Numbers.


def test_numbers_need_a_series_that_allows_them(net: VismaNet) -> None:
    customer = net.customer()
    body = net.body(customer, referenceNumber="X-1", overrideNumberSeries=True)
    assert "manual numbering" in net.message("POST", "/v2/customerinvoice", body)
    # Without the flag an automatic series takes no notice.
    assert net.draft(customer, referenceNumber="X-1") == "100245"
    net.act("set_series", series="ARINVOICE", manual_on_import=True)
    assert net.create("/v2/customerinvoice", body) == "X-1"
    assert "already exists" in net.message("POST", "/v2/customerinvoice", body)
    net.act("set_series", series="ARINVOICE", manual=True)
    assert "required" in net.message("POST", "/v2/customerinvoice", net.body(customer))


def test_a_deleted_number_is_not_given_again(net: VismaNet) -> None:
    customer = net.customer()
    first = net.draft(customer)
    assert net.call("DELETE", f"customerinvoice/{first}").status == 204
    assert net.call("GET", f"customerinvoice/{first}").status == 404
    assert net.draft(customer) == str(int(first) + 1)
    gone = net.send("GET", f"/_sandbox/records/customerinvoice?referenceNumber={first}").json()
    assert gone[0]["_deleted"] is True
    # A refused create takes no number.
    net.message("POST", "/v2/customerinvoice", net.body(customer, line("NOTHING")))
    assert net.draft(customer) == str(int(first) + 2)


def test_two_types_may_have_one_number(net: VismaNet) -> None:
    customer = net.customer()
    number = net.booked(customer)
    net.act("restart_series", series="ARCREDIT", start=number)
    assert net.act("credit", document=number)["referenceNumber"] == number
    rows = net.find("customerdocument", customer=customer)
    assert {(one["documentType"], one["referenceNumber"]) for one in rows} == {
        ("Invoice", number),
        ("CreditNote", number),
    }


# Customers.


def test_a_customer_needs_a_name_and_a_country_with_a_fitting_post_code(net: VismaNet) -> None:
    assert "'Customer Name'" in net.message("POST", "customer", wrap(mainAddress=wrap(city="x")))
    assert "'Country'" in net.message("POST", "customer", wrap(name="A"))
    for address in (
        wrap(countryId="NO", postalCode="11122"),
        wrap(countryId="XX"),
        wrap(countryId="NO", addressLine1="x" * 51),
    ):
        net.message("POST", "customer", wrap(name="A", mainAddress=address))


def test_invoice_address_differs_once_it_is_set(net: VismaNet) -> None:
    number = net.customer()
    record = net.get(f"customer/{number}")
    assert record["invoiceAddress"] == record["mainAddress"]
    body = wrap(invoiceAddress=wrap(addressLine1="Box 1", countryId="SE", postalCode="111 22"))
    net.good("PUT", f"customer/{number}", body)
    record = net.get(f"customer/{number}")
    assert record["invoiceAddress"]["country"]["id"] == "SE"
    assert record["mainAddress"]["country"]["id"] == "NO"
    net.good("PUT", f"customer/{number}", wrap(mainContact=wrap(email="x@y")))
    assert net.get(f"customer/{number}")["invoiceAddress"]["addressLine1"] == "Box 1"


def test_class_values_on_an_update_wipe_fields(net: VismaNet) -> None:
    number = net.customer(creditTermsId="10")
    path = f"customer/{number}"
    net.good("PUT", path, wrap(customerClassId="1"))
    assert net.get(path)["creditTerms"]["id"] == "10"
    net.good("PUT", path, {**wrap(customerClassId="1"), "overrideWithClassValues": True})
    assert net.get(path)["creditTerms"]["id"] == "30"


def test_attributes_must_be_there_and_on_the_class(net: VismaNet) -> None:
    def lines(name: str) -> dict[str, Any]:
        return {"attributeLines": [wrap(attributeId=name, attributeValue="v")]}

    head = wrap(name="A", mainAddress=wrap(countryId="NO"))
    text = net.message("POST", "customer", {**head, **lines("NONE")})
    assert "AttributeID 'NONE' cannot be found in the system." in text
    net.act("assign_crm_key", **{"class": "1"}, assigned=False)
    assert "not assigned" in net.message("POST", "customer", {**head, **lines("CRMKEY")})


def test_a_number_can_change_and_the_internal_id_cannot(net: VismaNet) -> None:
    number = net.customer()
    internal = net.get(f"customer/{number}")["internalId"]
    path = f"customer/action/changeCustomerCd/{internal}"
    assert net.good("POST", path, {"customerCd": "NEW"}).json()["actionResult"] == "Done"
    assert net.call("GET", f"customer/{number}").status == 404
    assert net.get(f"customer/internal/{internal}")["number"] == "NEW"
    net.act("renumber_item", item="CONS", number="CONS-2")
    assert net.call("GET", "inventory/CONS").status == 404


def test_statuses_stop_documents_and_payments(net: VismaNet) -> None:
    number = net.customer()
    invoice = net.booked(number)
    payment = {**wrap(customer=number, paymentAmount=5, hold=False)}
    for status, pays in (("CreditHold", True), ("OnHold", False), ("Inactive", False)):
        net.act("set_customer_status", customer=number, status=status)
        assert status in net.message("POST", "/v2/customerinvoice", net.body(number))
        assert net.call("POST", "customerPayment", payment).status == (201 if pays else 400)
    assert net.invoice(invoice)["status"] == "Open"


def test_the_main_location_has_a_local_name(net: VismaNet) -> None:
    net.prefer("mainLocation", "Primær")
    number = net.customer()
    assert net.get(f"customer/{number}")["location"]["id"] == "Primær"
    assert net.invoice(net.draft(number))["location"]["id"] == "Primær"
    assert "customers already" in net.refused("set_preference", name="mainLocation", value="Main")


def test_a_record_may_say_that_it_was_not_read_well(net: VismaNet) -> None:
    number = net.customer()
    before = net.get(f"customer/{number}")
    assert "errorInfo" not in before
    net.act("set_error_info", customer=number, text="cannot read the address")
    after = net.get(f"customer/{number}")
    assert after.pop("errorInfo") == "cannot read the address"
    assert after == before
    invoice = net.draft(number)
    net.act("set_error_info", document=invoice, text="x")
    assert net.invoice(invoice)["errorInfo"] == "x"


# Items.


def test_items_by_the_api(net: VismaNet) -> None:
    body = wrap(inventoryNumber="NEW/1", description="New", itemClass="VARE", defaultPrice=D("5"))
    answer = net.good("POST", "inventory", body)
    assert answer.headers["Location"].endswith("/v1/inventory/NEW%2F1")
    assert "ETag" not in answer.headers
    for name in ("inventoryNumber", "description", "itemClass"):
        less = {key: value for key, value in body.items() if key != name}
        assert "cannot be empty" in net.message("POST", "inventory", less)
    text = net.message("POST", "inventory", {**body, **wrap(inventoryNumber="B", itemClass="X")})
    assert "ItemClassID 'X' cannot be found in the system." in text
    net.good("PUT", "inventory/NEW%2F1", wrap(status="Inactive"))
    customer = net.customer()
    text = net.message("POST", "/v2/customerinvoice", net.body(customer, line("NEW/1")))
    assert "has status Inactive" in text


def test_prices_when_none_is_sent(net: VismaNet) -> None:
    customer = net.customer(priceClassId="RETAIL")

    def price(**fields: Any) -> None:
        net.create("customerSalesPrice", wrap(inventoryId="CONS", **fields))

    def asked(quantity: int = 1) -> Any:
        bare = {"operation": "Insert", **wrap(inventoryNumber="CONS", quantity=quantity)}
        return net.invoice(net.draft(customer, bare))["invoiceLines"][0]["unitPriceInCurrency"]

    assert asked() == D("1095.00")
    price(priceType="Base", price=900)
    assert asked() == 900
    price(priceType="CustomerPriceClass", priceCode="RETAIL", price=800)
    assert asked() == 800
    price(priceType="CustomerPriceClass", priceCode="RETAIL", price=750, breakQty=10)
    assert (asked(9), asked(10)) == (800, 750)
    price(priceType="Customer", priceCode=customer, price=850)
    assert asked() == 850
    price(priceType="Base", price=999, promotion=True)
    assert asked() == 999
    assert net.find("customerSalesPrice", priceType="Customer")[0]["price"] == 850
    text = net.message("POST", "customerSalesPrice", wrap(inventoryId="NONE", price=1))
    assert "InventoryID 'NONE' cannot be found in the system." in text
