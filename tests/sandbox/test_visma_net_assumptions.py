"""Every switch for what nobody knows: it has a default, it can be changed, it does something."""

from __future__ import annotations

import pytest
from visma_net_support import VismaNet, line, wrap

from tieout_sandbox.visma_net import CLIENT_SECRET, Assumptions, credentials


@pytest.fixture
def net() -> VismaNet:
    return VismaNet(size=1).sign_in()


def test_set_by_name_and_kind() -> None:
    known = Assumptions()
    known.set("location_host", "vendor")
    known.set("max_page_size_of.customer", 7)
    known.set("stamp_zone_of.customer", "local")
    assert known.page_limit("customer") == 7
    assert (known.zone_of("customer"), known.zone_of("contact")) == ("local", "utc")
    for name, value in (
        ("nothing", 1),
        ("rate_limit", "many"),
        ("rate_limit", True),
        ("rate_limit.x", 1),
        ("max_page_size_of.customer", "x"),
        ("max_page_size_of", 5),
    ):
        with pytest.raises(ValueError):
            known.set(name, value)
    assert Assumptions().page_limit("customer") == 1000


def test_answers_to_writes(net: VismaNet) -> None:
    net.assume("post_body", True)
    body = wrap(name="A", mainAddress=wrap(countryId="NO"))
    answer = net.good("POST", "customer", body)
    assert answer.json() == {"number": answer.headers["Location"].rpartition("/")[2]}
    assert "Location" not in net.good("PUT", "customer/10000", wrap(note="n")).headers
    net.assume("put_location", True)
    answer = net.good("PUT", "customer/10000", wrap(note="n"))
    assert answer.headers["Location"].endswith("/v1/customer/10000")
    assert "cannot be found" in net.message("GET", "customer/none", status=404)
    net.assume("not_found_body", "empty")
    assert net.call("GET", "customer/none").body == b""


def test_fields_without_a_value(net: VismaNet) -> None:
    assert "gln" not in net.get("customer/10000")
    net.assume("null_fields", "written")
    assert net.get("customer/10000")["gln"] is None


def test_an_insert_that_names_a_line_may_be_a_new_one(net: VismaNet) -> None:
    number = net.draft("10000")
    net.assume("insert_with_number", "insert")
    body = {"invoiceLines": [line(lineNumber=1, price=5)]}
    net.good("PUT", f"customerinvoice/{number}", body)
    rows = net.invoice(number)["invoiceLines"]
    assert [row["amountInCurrency"] for row in rows] == [100, 5]


def test_a_date_that_the_preference_forbids_may_be_ignored(net: VismaNet) -> None:
    net.assume("reads_orig_as_error", False)
    number = net.draft("10000", origInvoiceDate="2026-11-01")
    assert "origInvoiceDate" not in net.invoice(number)


def test_drafts_may_show_their_amount(net: VismaNet) -> None:
    number = net.draft("10000")
    net.assume("amounts_on_drafts", "shown")
    assert net.invoice(number)["amount"] == 125


def test_refresh_tokens_may_stay(net: VismaNet) -> None:
    net.assume("refresh_token_rotates", False)
    form = {
        "grant_type": "refresh_token",
        "client_id": credentials()["interactive_client_id"],
        "client_secret": CLIENT_SECRET,
        "refresh_token": credentials()["refresh_token"],
    }
    for _ in range(2):
        assert net.form(**form).json()["refresh_token"] == form["refresh_token"]


def test_how_long_work_takes(net: VismaNet) -> None:
    net.assume("release_seconds", 100)
    number = net.draft("10000")
    net.good("POST", f"customerinvoice/{number}/action/release")
    net.pass_time(seconds=99)
    assert net.invoice(number)["status"] == "Balanced"
    net.pass_time(seconds=2)
    assert net.invoice(number)["status"] == "Open"
    net.assume("background_seconds", 50)
    job = net.call("GET", "currency", **{"erp-api-background": "none"}).json()["id"]
    net.pass_time(seconds=49)
    assert net.get(f"background/{job}")["status"] == "Started"


def test_the_licence_error_may_have_another_status(net: VismaNet) -> None:
    net.assume("status_licence", 401)
    refresh = net.form(
        grant_type="refresh_token",
        client_id=credentials()["interactive_client_id"],
        client_secret=CLIENT_SECRET,
        refresh_token=credentials()["refresh_token"],
    ).json()
    net.act("set_api_user_role", api_user=False)
    net.token = refresh["access_token"]
    answer = net.call("GET", "customer")
    assert (answer.status, answer.json()["ExceptionFaultCode"]) == (401, "12027")


def test_kept_dates_and_rates(net: VismaNet) -> None:
    number = net.draft("10000", cashDiscountDate="2026-12-05", exchangeRate=5, salesperson="3")
    net.good("PUT", f"customerinvoice/{number}", wrap(note="n"))
    found = net.invoice(number)
    assert found["cashDiscountDate"] == "2026-12-05T00:00:00"
    assert (found["exchangeRate"], found["salesPerson"]["description"]) == (1, "Sara Ek")
    text = net.message("POST", "/v2/customerinvoice", net.body("10000", salesperson="9"))
    assert "SalesPersonID '9' cannot be found in the system." in text


def test_financial_years_need_not_be_calendar_years() -> None:
    net = VismaNet().sign_in()
    net.act("set_financial_year", first_month=5)
    row = net.get("financialPeriod/202707")
    assert (row["startDate"], row["endDate"]) == ("2026-11-01T00:00:00", "2026-12-01T00:00:00")
    customer = net.customer()
    number = net.booked(customer)
    assert net.invoice(number)["financialPeriod"] == "202707"
    # The month's own number is another period here, and is taken as it is sent.
    other = net.draft(customer, financialPeriod="202611")
    assert net.get("financialPeriod/202611")["startDate"] == "2026-03-01T00:00:00"
    assert net.invoice(other)["financialPeriod"] == "202611"
    balance = net.get(f"customer/{customer}/balance")
    assert (balance["totalSalePeriod"], balance["totalSaleYear"]) == (125, 125)
    assert "nothing may have a period" in net.refused("set_financial_year", first_month=1)


def test_the_switches_are_listed(net: VismaNet) -> None:
    assert net.act("assumptions") == Assumptions().as_json()
