"""VAT by the article's coding and the customer's situation; and the arithmetic of totals."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visma_support import Visma

from tieout_sandbox.visma_eaccounting.totals import Line, total

D = Decimal
PRIVATE = {"IsPrivatePerson": True}
GERMAN = {"InvoiceCountryCode": "DE"}
WITH_NUMBER = {**GERMAN, "VatNumber": "DE123456789"}


@pytest.fixture
def visma() -> Visma:
    return Visma(rate_limits=False).sign_in()


def sales_accounts(visma: Visma, invoice: dict[str, Any]) -> set[int]:
    (voucher,) = (one for one in visma.get("vouchers")["Data"] if one["Id"] == invoice["VoucherId"])
    return {row["AccountNumber"] for row in voucher["Rows"] if 3000 <= row["AccountNumber"] < 3700}


@pytest.mark.parametrize(
    ("customer", "article", "head", "rate", "account"),
    [
        ({}, "KAFFE-K3", {}, "0.25", 3001),
        ({}, "KONS-1", {}, "0.25", 3041),
        ({}, "BÖNOR-1", {}, "0.12", 3002),
        ({}, "BOK-1", {}, "0.06", 3003),
        ({}, "UTB-1", {}, "0", 3044),
        (PRIVATE, "KAFFE-K3", {}, "0.25", 3001),
        (WITH_NUMBER, "KAFFE-K3", {}, "0", 3108),
        (WITH_NUMBER, "KONS-1", {}, "0", 3308),
        (GERMAN, "KAFFE-K3", {}, "0.25", 3106),
        ({**GERMAN, **PRIVATE}, "KAFFE-K3", {}, "0.25", 3106),
        ({"InvoiceCountryCode": "NO"}, "KAFFE-K3", {}, "0", 3105),
        ({"InvoiceCountryCode": "NO", "ForceBookkeepVat": True}, "KAFFE-K3", {}, "0.25", 3001),
        (WITH_NUMBER, "KAFFE-K3", {"EuThirdParty": True}, "0", 3109),
    ],
)
def test_situations(
    visma: Visma,
    customer: dict[str, Any],
    article: str,
    head: dict[str, Any],
    rate: str,
    account: int,
) -> None:
    buyer = visma.customer(**customer)["Id"]
    draft = visma.draft(buyer, visma.row(article), **head)
    assert draft["Rows"][0]["VatRate"] == D(rate)
    invoice = visma.good("POST", f"customerinvoicedrafts/{draft['Id']}/convert")
    assert sales_accounts(visma, invoice) == {account}


def test_delivery_based_vat(visma: Visma) -> None:
    buyer = visma.customer(
        DeliveryBasedVat=True,
        DeliveryCity="Oslo",
        DeliveryCountryCode="NO",
        DeliveryPostalCode="0150",
    )["Id"]
    assert visma.draft(buyer)["Rows"][0]["VatRate"] == 0


def test_one_stop_shop_takes_the_buyers_rate(visma: Visma) -> None:
    visma.act("set_company_setting", name="UsesMoss", value=True)
    visma.act("edit_article", article="KAFFE-K3", set={"UsesMoss": True})
    buyer = visma.customer(**GERMAN, **PRIVATE)["Id"]
    invoice = visma.booked(buyer)
    assert invoice["Rows"][0]["VatRate"] == D("0.19")
    assert sales_accounts(visma, invoice) == {3110}


def test_construction_reverse_charge(visma: Visma) -> None:
    flag = {"ReversedConstructionServicesVatFree": True}
    builder = visma.customer(ReverseChargeOnConstructionServices=True, VatNumber="SE559999981901")[
        "Id"
    ]
    invoice = visma.booked(builder, visma.row("MONT-1", **flag))
    assert (invoice["TotalVatAmount"], sales_accounts(visma, invoice)) == (0, {3231})
    for customer, article in ((builder, "KONS-1"), (visma.customer()["Id"], "MONT-1")):
        body = visma.draft_body(customer, visma.row(article, **flag))
        assert visma.code("POST", "customerinvoicedrafts", body) == (400, 4027)


def test_a_coding_without_the_account_is_refused(visma: Visma) -> None:
    buyer = visma.customer(**WITH_NUMBER)["Id"]
    body = visma.draft_body(buyer, visma.row("SKÅP-SE"))
    assert visma.code("POST", "customerinvoicedrafts", body) == (400, 4024)
    visma.assume("sales_account_checked_on_draft", False)
    draft = visma.good("POST", "customerinvoicedrafts", body)
    convert = f"customerinvoicedrafts/{draft['Id']}/convert"
    assert visma.code("POST", convert) == (400, 4024)
    assert visma.get(f"customerinvoicedrafts/{draft['Id']}")["Id"] == draft["Id"]
    assert visma.get("vouchers")["Data"] == []


def test_codings_show_rate_and_accounts(visma: Visma) -> None:
    codings = {one["Name"]: one for one in visma.get("articleaccountcodings")["Data"]}
    coding = codings["Varor 25 %"]
    assert (coding["Type"], coding["VatRatePercent"]) == ("Goods", D("0.25"))
    assert coding["DomesticSalesSubjectToVatAccountNumber"] == 3001
    assert codings["Endast Sverige 25 %"]["ForeignSalesVatExemptWithinEuAccountNumber"] is None
    visma.assume("vat_percent_scale", "percent")
    scaled = visma.get(f"articleaccountcodings/{coding['Id']}")
    assert scaled["VatRatePercent"] == 25
    codes = {one["Code"]: one["VatRate"] for one in visma.get("vatcodes")["Data"]}
    assert codes == {"SE25": D("0.25"), "SE12": D("0.12"), "SE06": D("0.06"), "SE00": 0}
    rates = visma.get("vatcodesrates")["Data"]
    assert rates[0]["VatRates"][0]["VatRate"] == D("0.25")


cents = st.decimals(min_value=-99999, max_value=99999, places=2)
rates = st.sampled_from([D("0.25"), D("0.12"), D("0.06"), D("0.00")])
lines = st.lists(st.builds(lambda a, r: Line(amount=a, rate=r), cents, rates), max_size=12)


@given(lines, st.booleans(), st.booleans(), st.booleans())
def test_totals_hold_together(
    rows: list[Line], includes_vat: bool, rounds: bool, per_row: bool
) -> None:
    found = total(rows, includes_vat=includes_vat, rounds=rounds, per_row=per_row)
    assert found.payable == found.net + found.vat + found.roundings
    gross_or_net = found.net + found.vat if includes_vat else found.net
    assert gross_or_net == sum((row.amount for row in rows), D(0))
    assert found.vat == sum((share.vat for share in found.shares), D(0))
    if rounds:
        assert found.payable == found.payable.to_integral_value()
        assert abs(found.roundings) <= D("0.50")
    else:
        assert found.roundings == 0
    turned = found.turned()
    assert (turned.payable, turned.roundings) == (-found.payable, -found.roundings)


@given(lines, st.booleans())
def test_a_credit_is_the_invoice_with_its_sign_turned(rows: list[Line], per_row: bool) -> None:
    """Rounding is half away from zero, so it does not matter which side the sign is on."""
    there = total(rows, includes_vat=False, rounds=True, per_row=per_row)
    back = total(
        [Line(amount=-row.amount, rate=row.rate) for row in rows],
        includes_vat=False,
        rounds=True,
        per_row=per_row,
    )
    assert back == there.turned()


@given(lines)
def test_vat_per_rate_is_rounded_once(rows: list[Line]) -> None:
    found = total(rows, includes_vat=False, rounds=False, per_row=False)
    for share in found.shares:
        exact = sum((row.amount for row in rows if row.rate == share.rate), D(0)) * share.rate
        assert share.vat == exact.quantize(D("0.01"), rounding=ROUND_HALF_UP)


@pytest.mark.parametrize(("amount", "payable"), [("80.40", "101.00"), ("-80.40", "-101.00")])
def test_half_a_krona_goes_away_from_zero(amount: str, payable: str) -> None:
    found = total(
        [Line(amount=D(amount), rate=D("0.25"))], includes_vat=False, rounds=True, per_row=False
    )
    assert found.payable == D(payable)
