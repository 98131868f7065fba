"""Totals by the vendor's rounding, VAT by zone and category, invoice rounding, currencies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visma_net_support import D, VismaNet, line

from tieout_sandbox.visma_net.totals import Line, Rules, Vat, document


@pytest.fixture
def net() -> VismaNet:
    return VismaNet().sign_in()


def totals(net: VismaNet, *lines: dict[str, Any], **head: Any) -> Any:
    return net.invoice(net.draft(net.customer(), *lines, **head))


def test_where_vat_is_rounded(net: VismaNet) -> None:
    lines = [line(price="33.33") for _ in range(3)]
    found = totals(net, *lines)
    assert (found["detailTotal"], found["vatTotal"]) == (D("99.99"), D("25.00"))
    net.act("set_vat_rule", vat="3", calculate_on="ItemAmount")
    assert totals(net, *lines)["vatTotal"] == D("24.99")
    net.assume("item_vat_rounded", False)
    assert totals(net, *lines)["vatTotal"] == D("25.00")


def test_discount_and_half_up(net: VismaNet) -> None:
    lines = [
        line(price="129.95", quantity=7, discountPercent=D("12.5")),
        line("LIC", "399.90", quantity=D("2.5"), discountPercent=0),
    ]
    found = totals(net, *lines)
    first, second = found["invoiceLines"]
    assert (first["discountAmountInCurrency"], first["amountInCurrency"]) == (
        D("113.71"),
        D("795.94"),
    )
    assert second["amountInCurrency"] == D("999.75")
    assert (found["detailTotal"], found["vatTotal"]) == (D("1795.69"), D("448.92"))
    net.act("set_vat_rule", vat="3", calculate_on="ItemAmount")
    assert totals(net, *lines)["vatTotal"] == D("448.93")


def test_invoice_rounding_leaves_lines_and_vat_alone(net: VismaNet) -> None:
    net.prefer("invoiceRounding", "nearest")
    lines = [line("KIT/A", "1249.50"), line("FOOD", "300.20")]
    number = net.booked(net.customer(), *lines)
    found = net.invoice(number)
    assert found["vatTotal"] == D("357.41")
    assert (found["amount"], found["roundingDiff"]) == (D("1907.00"), D("-0.11"))
    net.assume("rounding_diff", "exact_minus_rounded")
    assert net.invoice(number)["roundingDiff"] == D("0.11")
    assert net.balance() == D("1907.00") == net.open_items()
    assert net.balance("7740") == D("0.11")
    net.prefer("invoiceRoundingLimit", 0)
    text = net.message("POST", "/v2/customerinvoice", net.body("10000", *lines))
    assert "rounding difference is above the limit" in text


def test_amount_is_nothing_on_a_draft(net: VismaNet) -> None:
    number = net.draft(net.customer())
    found = net.invoice(number)
    assert (found["amount"], found["balance"], found["detailTotal"]) == (0, 0, 100)
    net.prefer("validateTotals", True)
    assert net.invoice(number)["amount"] == 125
    net.prefer("validateTotals", False)
    net.act("release", document=number)
    assert net.invoice(number)["amount"] == 125


def test_vat_is_what_zone_and_category_share(net: VismaNet) -> None:
    found = totals(net, line("FOOD"), line("TICKET"), line("COURSE"))
    shares = {one["taxId"]: one["vatAmount"] for one in found["taxDetails"]}
    assert shares == {"31": 15, "33": 12, "5": 0}
    assert (found["vatTaxableTotal"], found["vatExemptTotal"]) == (200, 100)
    assert totals(net, line(), customerVatZoneId="03")["vatTotal"] == 0
    # No id in both: no VAT, without a word.
    nothing = totals(net, line(vatCodeId="99"))
    assert (nothing["vatTotal"], nothing["taxDetails"]) == (0, [])
    net.assume("no_vat_id", "error")
    text = net.message("POST", "/v2/customerinvoice", net.body("10000", line(vatCodeId="99")))
    assert "TaxID '99' cannot be found in the system." in text
    text = net.message("POST", "/v2/customerinvoice", net.body("10000", line(vatCodeId="0")))
    assert "TaxCategoryID '0' cannot be found in the system." in text


def test_the_location_rules_the_zone(net: VismaNet) -> None:
    customer = net.customer()
    net.good("PUT", f"location/{customer}/Main", {"vatZone": {"value": "03"}})
    found = net.invoice(net.draft(customer))
    assert (found["customerVatZone"]["id"], found["vatTotal"]) == ("03", 0)


def test_rates_by_date(net: VismaNet) -> None:
    net.act("set_vat_rate", vat="3", rate=30, date="2026-11-20")
    assert totals(net, line(), documentDate="2026-11-19")["vatTotal"] == 25
    assert totals(net, line(), documentDate="2026-11-20")["vatTotal"] == 30


def test_prices_with_vat_in_them(net: VismaNet) -> None:
    number = net.booked(net.customer(), line("SHOP", "125.00", quantity=2))
    found = net.invoice(number)
    assert (found["detailTotal"], found["vatTotal"], found["amount"]) == (200, 50, 250)
    net.assume("extract_detail_total", "gross")
    assert totals(net, line("SHOP", "125.00"))["detailTotal"] == 125
    assert net.balance() == 250
    assert net.balance("3000") == -200


def test_decimals_are_cut_before_the_multiplication(net: VismaNet) -> None:
    found = totals(net, line(price="33.335", quantity=D("2.005")))
    row = found["invoiceLines"][0]
    assert (row["unitPriceInCurrency"], row["quantity"]) == (D("33.34"), D("2.01"))
    assert row["amountInCurrency"] == D("67.01")
    net.prefer("priceDecimals", 4)
    assert totals(net, line(price="33.3355"))["invoiceLines"][0]["unitPriceInCurrency"] == D(
        "33.3355"
    )


def test_base_amounts_of_a_foreign_document(net: VismaNet) -> None:
    customer = net.customer()
    body = net.body(customer, line(), currencyId="EUR")
    assert "takes no EUR" in net.message("POST", "/v2/customerinvoice", body)
    net.act("allow_currencies", customer=customer)
    lines = [
        line(price="129.95", quantity=7, discountPercent=D("12.5")),
        line("LIC", "399.90", quantity=D("2.5")),
    ]
    found = net.invoice(net.booked(customer, *lines, currencyId="EUR"))
    assert (found["amountInCurrency"], found["amount"]) == (D("2244.61"), D("25661.50"))
    assert found["exchangeRate"] == D("11.4325")
    assert net.balance() == D("25661.50")
    net.assume("currency_pair", "swapped")
    turned = net.invoice(found["referenceNumber"])
    assert (turned["amountInCurrency"], turned["amount"]) == (D("25661.50"), D("2244.61"))
    prices = {row["unitPrice"] for row in turned["invoiceLines"]}
    assert prices == {D("129.95"), D("399.9")}
    own = net.invoice(net.booked(net.customer()))
    assert own["amount"] == own["amountInCurrency"]
    net.assume("currency_pair", "named")
    given_rate = net.invoice(net.draft(customer, line(), currencyId="EUR", exchangeRate=D("10")))
    assert given_rate["detailTotal"] == 1000
    net.act("set_exchange_rate", currency="DKK", rate="0.65", mult_div="Divide")
    divided = net.invoice(net.draft(customer, line(), currencyId="DKK"))
    assert divided["detailTotal"] == D("153.85")
    net.act("set_exchange_rate", currency="SEK", rate="1.05", date="2027-01-01")
    assert net.invoice(net.draft(customer, line(), currencyId="SEK"))["exchangeRate"] == D("1.032")


def test_automatic_discounts_creep_in(net: VismaNet) -> None:
    net.act("set_discount", code="LINE5")
    bare = line()
    bare.pop("manualDiscount")
    found = totals(net, bare, line())["invoiceLines"]
    assert [one["amountInCurrency"] for one in found] == [95, 100]
    assert found[0]["discountCode"] == "LINE5"
    net.act("set_discount", code="LINE5", active=False)
    net.act("set_discount", code="DOC2")
    number = net.booked(net.customer(), line(), line("FOOD"))
    found = net.invoice(number)
    system = found["invoiceLines"][-1]
    assert (system["lineType"], system["amountInCurrency"]) == ("DS", -4)
    assert (found["detailTotal"], found["discountTotal"], found["vatTotal"]) == (200, 4, D("39.20"))
    assert found["amount"] == D("235.20") == net.balance()
    assert net.find("discount", discountCode="DOC2")["records"][0]["active"] is True


money = st.decimals(min_value=-10000, max_value=10000, places=2)
VATS = [
    Vat(vat_id="3", rate=D("0.25"), calculate_on="DocumentAmount"),
    Vat(vat_id="31", rate=D("0.15"), calculate_on="ItemAmount"),
    Vat(vat_id="3G", rate=D("0.25"), calculate_on="ExtractFromItemAmount"),
    Vat(vat_id="5", rate=D("0"), calculate_on="DocumentAmount", exempt=True),
]


@given(
    st.lists(st.tuples(money, st.sampled_from(VATS)), min_size=1, max_size=8),
    st.sampled_from(["none", "nearest", "up", "down"]),
    st.booleans(),
)
def test_totals_add_up(parts: list[tuple[Any, Vat]], rounding: str, extract_net: bool) -> None:
    lines = [Line(amount=amount, vats=(vat,)) for amount, vat in parts]
    rules = Rules(rounding=rounding, extract_net=extract_net)
    gross = sum((line.amount for line in lines), D(0))
    discount = (gross / 10).quantize(D("0.01"))
    found = document(lines, discount, rules)
    included = sum(
        (one.amount for one in found.shares if one.vat.calculate_on.startswith("Extract")), D(0)
    )
    assert found.total == gross - discount + found.vat - included + found.rounding
    assert found.taxable + found.exempt == gross - discount - included
    assert found.detail == gross - (included if extract_net else 0)
    assert abs(found.rounding) < 1
    if rounding != "none":
        assert found.total == found.total.to_integral_value()
