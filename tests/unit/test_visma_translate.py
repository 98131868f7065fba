"""Pure parts of the Visma connector: payloads, totals, errors, small readings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.connectors.http.json import dumps
from tieout.connectors.visma_eaccounting.documents import (
    draft,
    draft_version,
    invoice,
    without_key,
)
from tieout.connectors.visma_eaccounting.errors import Kind, problem_of, throttled
from tieout.connectors.visma_eaccounting.names import Names, dimension_names, terms_names
from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.connectors.visma_eaccounting.translate import coding_rate, customer
from tieout.connectors.visma_eaccounting.values import cut_at_word, day_of, instant_of, quoted
from tieout.core.abilities import TotalsRule
from tieout.core.model import Line, PartyKind
from tieout.core.predict import predict
from tieout.ports import HttpResponse

NAMES = Names(connection="visma-se", country="SE", currency="SEK", rounds=True)
DRAFT = "d7a70000-0000-4000-8000-000000000001"
INVOICE: dict[str, Any] = {
    "Id": "f1000000-0000-4000-8000-000000001018",
    "InvoiceNumber": 1018,
    "IsCreditInvoice": False,
    "CustomerId": "3c0f1111-7a52-4b0e-9d6e-aaaaaaaa0417",
    "CurrencyCode": "SEK",
    "CurrencyRate": 1,
    "InvoiceDate": "2026-11-24",
    "DueDate": "2026-12-24",
    "TotalAmount": Decimal("14701.00"),
    "TotalVatAmount": Decimal("2940.29"),
    "TotalRoundings": Decimal("-0.43"),
    "TotalAmountInvoiceCurrency": Decimal("14701.00"),
    "TotalVatAmountInvoiceCurrency": Decimal("2940.29"),
    "RemainingAmount": Decimal("14701.00"),
    "RemainingAmountInvoiceCurrency": Decimal("14701.00"),
    "SetOffAmountInvoiceCurrency": 0,
    "PaymentStatus": 1,
    "PaymentDate": None,
    "OurReference": "Sara Ek ref 7K3Q9M2XW4TRDD00",
    "CreatedFromDraftId": DRAFT,
    "ModifiedUtc": "2026-11-24T09:24:59.8712340Z",
    "CreditedBy": [],
    "Rows": [],
}


def row(quantity: str, price: str, discount: str = "0", rate: str = "0.25") -> Line:
    return Line(
        quantity=Decimal(quantity),
        unit_price=Decimal(price),
        discount=Decimal(discount),
        tax_rate=Decimal(rate),
    )


# --- totals, by the reference's own examples -----------------------------------------------------


def test_the_domestic_example_is_certain() -> None:
    rows = [row("3", "1249.50", "0.1"), row("7.5", "1095.00"), row("1", "199.99", "0.125")]
    found = predict(rows, "SEK", rule=TotalsRule.UNKNOWN, rounds_to_unit=True)
    assert found.other is None
    assert found.totals.net == Decimal("11761.14")
    assert found.totals.tax == Decimal("2940.29")
    assert found.totals.gross == Decimal("14701.00")
    assert found.totals.rounding == Decimal("-0.43")


def test_the_variants_differ_in_vat_and_without_rounding_in_money() -> None:
    rows = [row("1", "33.33")] * 3
    found = predict(rows, "SEK", rule=TotalsRule.UNKNOWN, rounds_to_unit=True)
    assert found.other is not None
    assert (found.totals.tax, found.totals.rounding) == (Decimal("25.00"), Decimal("0.01"))
    assert (found.other.tax, found.other.rounding) == (Decimal("24.99"), Decimal("0.02"))
    assert found.totals.gross == found.other.gross == 125
    foreign = predict(rows, "EUR", rule=TotalsRule.UNKNOWN, rounds_to_unit=False)
    assert foreign.other is not None
    assert (foreign.totals.gross, foreign.other.gross) == (Decimal("124.99"), Decimal("124.98"))


def test_a_known_rule_leaves_one_figure() -> None:
    rows = [row("1", "33.33")] * 3
    by_line = predict(rows, "SEK", rule=TotalsRule.PER_LINE, rounds_to_unit=True)
    by_rate = predict(rows, "SEK", rule=TotalsRule.PER_RATE, rounds_to_unit=True)
    assert by_line.other is by_rate.other is None
    assert (by_line.totals.tax, by_rate.totals.tax) == (Decimal("24.99"), Decimal("25.00"))


def test_vat_inside_the_price_is_taken_out() -> None:
    found = predict(
        [row("1", "125.00")],
        "SEK",
        rule=TotalsRule.UNKNOWN,
        rounds_to_unit=True,
        includes_tax=True,
    )
    assert (found.totals.net, found.totals.tax, found.totals.gross) == (100, 25, 125)


_PRICES = st.decimals(min_value=0, max_value=99999, places=2)
_RATES = st.sampled_from(["0", "0.06", "0.12", "0.25"])


@given(
    st.lists(st.tuples(st.integers(1, 99), _PRICES, _RATES), min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_figures_always_add_up(
    lines: list[tuple[int, Decimal, str]], rounds: bool, inside: bool
) -> None:
    rows = [row(str(quantity), str(price), "0", rate) for quantity, price, rate in lines]
    found = predict(
        rows, "SEK", rule=TotalsRule.UNKNOWN, rounds_to_unit=rounds, includes_tax=inside
    )
    for totals in (found.totals, found.other or found.totals):
        assert totals.gross == totals.net + totals.tax + totals.rounding
        assert abs(totals.rounding) <= Decimal("0.50")
        assert totals.rounding == 0 or rounds


# --- documents -----------------------------------------------------------------------------------


def test_an_invoice_of_the_reference() -> None:
    found = invoice(INVOICE, NAMES)
    assert str(found.ref) == f"visma-se:document:invoice:{INVOICE['Id']}"
    assert str(found.came_from[0]) == f"visma-se:document:draft:{DRAFT}"
    assert found.totals is not None
    assert found.totals.net == Decimal("11761.14")
    assert found.due_date == date(2026, 12, 24)


@pytest.mark.parametrize(
    ("fields", "credited", "paid"),
    [
        ({}, 0, 0),
        ({"Remaining": "9701.00", "PaymentDate": "2026-12-01T00:00:00Z"}, 0, 5000),
        ({"Remaining": "4701.00", "SetOff": "5000", "PaymentDate": "2026-12-01"}, 5000, 5000),
        ({"Remaining": "0", "SetOff": "-14701.00"}, 14701, 0),
        ({"Remaining": "0", "CreditedBy": [{"CreditInvoiceId": DRAFT}]}, 14701, 0),
        ({"Remaining": "0"}, 0, None),
        ({"Remaining": "0", "IsSold": True, "PaymentDate": "2026-12-01"}, 0, None),
        ({"SetOff": None}, None, None),
        ({"Remaining": "15000.00", "PaymentDate": "2026-12-01"}, 0, -299),
    ],
)
def test_what_is_told_of_money_and_credits(
    fields: dict[str, Any], credited: int | None, paid: int | None
) -> None:
    payload = {**INVOICE, **{k: v for k, v in fields.items() if k not in ("Remaining", "SetOff")}}
    if "Remaining" in fields:
        payload["RemainingAmountInvoiceCurrency"] = Decimal(fields["Remaining"])
    if "SetOff" in fields:
        told = fields["SetOff"]
        payload["SetOffAmountInvoiceCurrency"] = None if told is None else Decimal(told)
    found = invoice(payload, NAMES)
    assert (found.credited, found.paid) == (credited, paid)


@pytest.mark.parametrize("total", [-1, 1])
@pytest.mark.parametrize("base", [-1, 1])
@pytest.mark.parametrize("left", [-1, 1])
def test_every_mixture_of_signs_makes_the_same_credit_note(
    total: int, base: int, left: int
) -> None:
    payload = {
        **INVOICE,
        "IsCreditInvoice": True,
        "TotalAmount": base * Decimal("14701.00"),
        "TotalVatAmount": base * Decimal("2940.29"),
        "TotalRoundings": base * Decimal("-0.43"),
        "TotalAmountInvoiceCurrency": total * Decimal("14701.00"),
        "TotalVatAmountInvoiceCurrency": total * Decimal("2940.29"),
        "RemainingAmountInvoiceCurrency": left * Decimal("14701.00"),
        "RemainingAmount": -left * Decimal("14701.00"),
    }
    found = invoice(payload, NAMES)
    for totals in (found.totals, found.base_totals):
        assert totals is not None
        assert totals.gross == totals.open == Decimal("-14701.00")
        assert (totals.net, totals.tax) == (Decimal("-11761.14"), Decimal("-2940.29"))
        assert totals.rounding == Decimal("0.43")


def test_an_unknown_status_is_shown_as_it_is() -> None:
    assert invoice({**INVOICE, "PaymentStatus": 7}, NAMES).raw_status == "7"


def test_the_version_of_a_draft_sees_edits_and_no_noise() -> None:
    line = {"LineNumber": 1, "ArticleId": "a", "Quantity": 3, "UnitPrice": Decimal("1.50")}
    base = {"Id": "1", "CustomerId": "c", "InvoiceDate": "2026-11-24", "Rows": [line]}
    noise = {
        **base,
        "Id": "2",
        "InvoiceDate": "2026-11-25",
        "DueDate": "2026-12-25",
        "CreatedUtc": "x",
        "TotalAmountBaseCurrency": 5,
        "YourReference": "",
        "Rows": [{**line, "Id": "new", "Quantity": Decimal("3.00"), "UnitPrice": Decimal("1.5")}],
    }
    assert draft_version(base) == draft_version(noise)
    for edit in (
        {"YourReference": "Kim"},
        {"Rows": [{**line, "Quantity": 4}]},
        {"Rows": [line, {"LineNumber": 2, "IsTextRow": True, "Text": "x"}]},
        {"Rows": []},
    ):
        assert draft_version({**base, **edit}) != draft_version(base)


def test_lines_stand_in_the_vendors_order() -> None:
    rows = [
        {"LineNumber": 2, "ArticleId": "b", "Text": "two"},
        {"LineNumber": 1, "ArticleId": "a", "Text": "one"},
    ]
    found = draft({"CustomerId": "c", "Rows": rows}, NAMES)
    assert [line.text for line in found.lines] == ["one", "two"]
    assert found.issue_date is None


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("Sara Ek ref 7K3Q9M2XW4TRDD00", "Sara Ek"),
        ("ref 7K3Q9M2XW4TRDD00", ""),
        ("Sara ref 7k3q9m2xw4trdd00 Ek", "Sara Ek"),
        ("Sara Ek ref 12", "Sara Ek ref 12"),
    ],
)
def test_our_key_is_not_part_of_the_reference(text: str, ours: str) -> None:
    assert without_key(text) == ours


# --- names and values ----------------------------------------------------------------------------


def test_terms_are_called_by_days_only_where_that_is_one() -> None:
    rows = [
        {"Id": "a", "Name": "30 dagar", "NumberOfDays": 30, "TermsOfPaymentTypeId": 0},
        {"Id": "b", "Name": "30 dagar fritt", "NumberOfDays": 30, "TermsOfPaymentTypeId": 0},
        {"Id": "c", "Name": "14 dagar", "NumberOfDays": 14, "TermsOfPaymentTypeId": 0},
        {"Id": "d", "Name": "Månad", "NumberOfDays": 14, "TermsOfPaymentTypeId": 1},
        {"Id": "e", "Name": "Inköp", "NumberOfDays": 5, "AvailableForSales": False},
    ]
    codes, _days, ids = terms_names(rows)
    assert codes == {"a": "30 dagar", "b": "30 dagar fritt", "c": "14", "d": "Månad"}
    assert "30" not in ids
    assert ids["14"] == "c"
    assert ids["30 dagar"] == "a"


def test_dimensions_have_a_kind_of_their_own() -> None:
    centres = [{"Number": 2, "Items": [{"Id": "i", "ShortName": "SE"}]}]
    projects = [{"Id": "p", "Number": "104"}]
    assert dimension_names(centres, projects) == {
        "i": ("cost_center_2", "SE"),
        "p": ("project", "104"),
    }


def test_a_customer_of_few_fields() -> None:
    found = customer({"Id": "x", "Name": "A", "IsPrivatePerson": True}, NAMES)
    assert found.kind is PartyKind.PERSON
    assert found.currency == "SEK"
    assert found.address() is not None
    assert found.address("shipping") is None
    assert found.identifiers == ()


@pytest.mark.parametrize(
    ("coding", "rate"),
    [
        ({"VatRatePercent": Decimal("0.25")}, "0.25"),
        ({"VatRatePercent": 25}, "0.25"),
        ({"VatRate": "12 %"}, "0.12"),
        ({"VatRate": "0,06"}, "0.06"),
        ({"VatRate": ""}, None),
    ],
)
def test_rates_in_every_scale(coding: dict[str, Any], rate: str | None) -> None:
    assert coding_rate(coding) == (None if rate is None else Decimal(rate))


@pytest.mark.parametrize(
    "text", ["2026-08-10", "2026-08-10T00:00:00Z", "2026-08-10T17:34:17.6730217Z"]
)
def test_dates_in_three_shapes(text: str) -> None:
    assert day_of({"D": text}, "D") == date(2026, 8, 10)


def test_stamps_of_seven_decimals_are_instants() -> None:
    when = instant_of({"S": "2026-06-27T17:34:17.6730217Z"}, "S")
    assert when is not None
    assert when.microsecond == 673021
    assert when.utcoffset() is not None


def test_texts_are_cut_between_words() -> None:
    assert cut_at_word("Nordljus Konsult", 10) == "Nordljus"
    assert cut_at_word("Nordljus", 8) == "Nordljus"
    assert cut_at_word("x" * 60, 50) == "x" * 50
    assert quoted("O'Brien") == "'O''Brien'"


@given(st.text(max_size=120), st.integers(10, 60))
def test_a_cut_text_is_short_and_a_beginning(text: str, length: int) -> None:
    cut = cut_at_word(text, length)
    assert len(cut) <= length
    assert text.strip().startswith(cut)


# --- errors --------------------------------------------------------------------------------------


def response(status: int, body: object = None, **headers: str) -> HttpResponse:
    raw = body.encode() if isinstance(body, str) else dumps(body) if body is not None else b""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=named, body=raw)


def test_one_code_for_two_errors() -> None:
    module = "ForbiddenRequestException - No access to module: api_standard"
    body = {"ErrorCode": 4002, "DeveloperErrorMessage": module}
    assert problem_of(response(403, body)).kind is Kind.BROKEN
    assert problem_of(response(400, body)).kind is Kind.BROKEN
    body = {"ErrorCode": 4002, "DeveloperErrorMessage": "CanNotBeCreatedOrUpdated - paid"}
    assert problem_of(response(400, body)).kind is Kind.REJECTED


def test_a_number_that_is_taken_by_any_status() -> None:
    for status in (400, 404, 409):
        assert problem_of(response(status, {"ErrorCode": 4000})).number_taken


def test_the_wait_is_found_where_it_is_told() -> None:
    text = "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 55 seconds."
    body = {"ErrorCode": 4010, "DeveloperErrorMessage": text}
    assert throttled(response(429, body)) == 55
    assert throttled(response(429, body, retry_after="7")) == 7
    assert throttled(response(429, "slow down")) == 60
    assert throttled(response(503)) is None


@pytest.mark.parametrize("status", [400, 404, 409, 500, 502])
def test_what_is_not_in_the_vendors_form_is_unknown(status: int) -> None:
    assert problem_of(response(status, "<html>gateway</html>")).kind is Kind.UNKNOWN
    assert problem_of(response(status)).kind is Kind.UNKNOWN


def test_an_unknown_code_goes_by_its_status() -> None:
    assert problem_of(response(400, {"ErrorCode": 9999})).kind is Kind.REJECTED
    assert problem_of(response(500, {"ErrorCode": 9999})).kind is Kind.UNKNOWN
    assert problem_of(response(404, {"ErrorCode": 9999})).kind is Kind.NOT_FOUND


def test_fields_of_the_vendor_are_named_and_its_prose_is_not() -> None:
    body = {
        "ErrorCode": 2000,
        "DeveloperErrorMessage": "The field X must be a string with a maximum length of 11.",
        "Errors": [{"Field": "RotReducedInvoicingOrgNumber", "ErrorCode": "MaxLength"}],
    }
    message = problem_of(response(400, body)).message
    assert "RotReducedInvoicingOrgNumber" in message
    assert "must be" not in message


# --- settings ------------------------------------------------------------------------------------


def test_the_vendors_addresses_are_the_default_and_sound() -> None:
    settings = VismaSettings()
    assert list(settings.problems()) == []
    assert settings.host == "https://eaccountingapi.vismaonline.com"
    assert replace(settings, api_url="https://x.example/v2/").host == "https://x.example"
    assert "forceselectcompany:true" in settings.authorize_extra()["acr_values"]


def test_an_open_address_is_a_problem() -> None:
    assert list(VismaSettings(api_url="http://books.example.com").problems())
