"""Worked figures of Visma.net, what its sentences mean, and its stamps. No simulator."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tieout.connectors.http.json import dumps
from tieout.connectors.visma_net.errors import Kind, problem_of, throttled
from tieout.connectors.visma_net.names import Names, Vat, build_names, read_periods
from tieout.connectors.visma_net.predict import Taxed, VatRule, predict
from tieout.connectors.visma_net.settling import applications, kind_of, settled_of
from tieout.connectors.visma_net.stamps import Stamps
from tieout.connectors.visma_net.values import number_in, plain, wall_text
from tieout.core.abilities import TotalsRule
from tieout.core.model import Paid, Totals
from tieout.core.money import line_net
from tieout.ports import HttpResponse

D = Decimal
NAMES = Names(connection="visma-net", currency="NOK", decimals={"NOK": 2})


def taxed(amount: str, rate: str = "0.25", on: str = "DocumentAmount", code: str = "3") -> Taxed:
    return Taxed(D(amount), Vat(code=code, kind="Vat", calculate_on=on), D(rate))


def figures(lines: list[Taxed], rule: TotalsRule, *, rounds: bool = False) -> tuple[Decimal, ...]:
    totals = predict(lines, "NOK", NAMES, rule=rule, rounds=rounds).totals
    return (totals.net, totals.tax, totals.rounding, totals.gross)


def test_vat_by_line_and_by_document_differ_by_a_cent() -> None:
    thirds = [taxed("33.33")] * 3
    assert figures(thirds, TotalsRule.PER_LINE) == (D("99.99"), D("24.99"), 0, D("124.98"))
    assert figures(thirds, TotalsRule.PER_RATE) == (D("99.99"), D("25.00"), 0, D("124.99"))
    both = predict(thirds, "NOK", NAMES, rule=TotalsRule.UNKNOWN, rounds=False)
    assert both.other is not None
    assert {both.totals.tax, both.other.tax} == {D("24.99"), D("25.00")}


def test_discounts_and_halves_go_away_from_zero() -> None:
    lines = [
        taxed(str(line_net(D(7), D("129.95"), D("0.125")))),
        taxed(str(line_net(D("2.5"), D("399.90"), D(0)))),
    ]
    assert sum(line.amount for line in lines) == D("1795.69")
    assert figures(lines, TotalsRule.PER_RATE)[1:] == (D("448.92"), 0, D("2244.61"))
    assert figures(lines, TotalsRule.PER_LINE)[1:] == (D("448.93"), 0, D("2244.62"))


def test_the_invoice_is_rounded_and_its_vat_is_not() -> None:
    lines = [taxed("1249.50"), taxed("300.20", "0.15", code="31")]
    assert figures(lines, TotalsRule.PER_RATE, rounds=True) == (
        D("1549.70"),
        D("357.41"),
        D("-0.11"),
        D("1907.00"),
    )


def test_prices_with_vat_inside() -> None:
    lines = [
        taxed("125.00", on="ExtractFromItemAmount"),
        taxed("99.99", on="ExtractFromItemAmount"),
    ]
    net, tax, _, gross = figures(lines, TotalsRule.PER_LINE)
    assert (net, tax, gross) == (D("179.99"), D("45.00"), D("224.99"))


@pytest.mark.parametrize(
    ("tax", "rule"),
    [
        ("25.00", TotalsRule.PER_RATE),
        ("24.99", TotalsRule.PER_LINE),
        ("26.00", TotalsRule.UNKNOWN),
    ],
)
def test_a_document_shows_how_the_company_rounds(tax: str, rule: TotalsRule) -> None:
    learner = VatRule(TotalsRule.UNKNOWN)
    shown = Totals(currency="NOK", net=D("99.99"), tax=D(tax), gross=D("99.99") + D(tax))
    learner.learn([taxed("33.33")] * 3, shown, NAMES)
    assert learner.rule is rule


def test_a_document_that_fits_both_shows_nothing() -> None:
    learner = VatRule(TotalsRule.UNKNOWN)
    shown = Totals(currency="NOK", net=D(100), tax=D(25), gross=D(125))
    learner.learn([taxed("100.00")], shown, NAMES)
    assert learner.rule is TotalsRule.UNKNOWN


# --- sentences -----------------------------------------------------------------------------------

_ID = "VismaId: f948dfa5-0000-49c7-bdf9-5e40729a0001. "


def answer(status: int, body: object = None, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else b"" if body is None else dumps(body)
    return HttpResponse(status=status, headers=headers, body=raw)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, {"message": _ID + "Error creating document. Error: TaxCategoryID '0' cannot be "
               "found in the system."}, Kind.REJECTED, "tax_unresolved"),
        (500, {"Message": _ID + "Error: InventoryID 'X' cannot be found in the system."},
         Kind.REJECTED, "item_no_code"),
        (500, {"message": "The service is not there."}, Kind.UNKNOWN, "outcome_unknown"),
        (500, b"<html>gateway</html>", Kind.UNKNOWN, "outcome_unknown"),
        (400, b"", Kind.UNKNOWN, "outcome_unknown"),
        (400, {"message": _ID + "Payment can't be updated because it is already released."},
         Kind.REJECTED, "booked"),
        (400, {"message": _ID + "Error: Financial Period '11-2026' is closed in Customer Ledger."},
         Kind.REJECTED, "period_closed"),
        (400, {"message": _ID + "Error: Another process has added the 'Invoice' record 7."},
         Kind.REJECTED, "number_taken"),
        (400, {"message": _ID + "Error: Something else."}, Kind.REJECTED, "value_not_accepted"),
        (403, {"ExceptionMessage": "No license for this company.", "ExceptionFaultCode": "12027"},
         Kind.BROKEN, "licence_missing"),
        (403, None, Kind.BROKEN, "scope_missing"),
        (401, None, Kind.BROKEN, "sign_in_withdrawn"),
        (404, None, Kind.NOT_FOUND, "not_found"),
        (410, None, Kind.UNKNOWN, "outcome_unknown"),
        (412, {"message": "stale"}, Kind.STALE, "stale"),
        (428, {"detail": "If-Match"}, Kind.STALE, "stale"),
        (429, None, Kind.THROTTLED, "quota_used"),
        (502, None, Kind.UNKNOWN, "outcome_unknown"),
        (400, {"title": "One or more errors", "details": [
            {"code": "1804-InventoryIdNotFound", "message": "InventoryId cannot be found"}]},
         Kind.REJECTED, "value_not_accepted"),
    ],
)  # fmt: skip
def test_what_a_refusal_means(status: int, body: object, kind: Kind, code: str) -> None:
    problem = problem_of(answer(status, body))
    assert (problem.kind, problem.code) == (kind, code)
    assert problem.message.endswith((".", ")"))
    if kind is Kind.REJECTED and _ID.strip(". ").split()[-1] in str(body):
        assert problem.reference == "f948dfa5-0000-49c7-bdf9-5e40729a0001"


def test_how_long_to_wait() -> None:
    told = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 41 seconds."}
    assert throttled(answer(429, told)) == 41
    assert throttled(answer(429, told, **{"retry-after": "7"})) == 7
    assert throttled(answer(429)) == 60
    assert throttled(answer(500)) is None


# --- small readings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "number"),
    [
        ("https://api.finance.visma.net/v1/customerinvoice/100245", "100245"),
        ("http://integration.visma.net/API/controller/api/v2/customerinvoice/000039/", "000039"),
        ("/v1/inventory/KIT%2FA", "KIT/A"),
        ("", ""),
    ],
)
def test_the_number_is_the_last_part_of_a_location(location: str, number: str) -> None:
    assert number_in(location) == number


def test_numbers_keep_two_decimals_at_least() -> None:
    told = ("0.1", "9000.0", "1234.7700", "3.125", "0", "1E+3")
    assert [str(plain(D(text))) for text in told] == [
        "0.10",
        "9000.00",
        "1234.77",
        "3.125",
        "0.00",
        "1000.00",
    ]


def test_a_stamp_without_a_zone_is_learnt_from_a_record_that_was_just_written() -> None:
    now = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    row = {"lastModifiedDateTime": "2026-11-25T10:00:01.33"}
    stamps = Stamps()
    assert stamps.instant("customer", row) == datetime(2026, 11, 25, 10, 0, 1, 330000, tzinfo=UTC)
    stamps.learn("customer", row, now)
    assert stamps.instant("customer", row) == datetime(2026, 11, 25, 9, 0, 1, 330000, tzinfo=UTC)
    old = {"lastModifiedDateTime": "2026-07-01T12:00:00"}
    assert stamps.instant("customer", old) == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    for text in ("2026-11-25T10:00:00+01:00", "2026-11-25T09:00:00Z"):
        assert stamps.instant("other", {"lastModifiedDateTime": text}) == now
    assert wall_text(now.astimezone(ZoneInfo("Europe/Oslo"))) == "2026-11-25T09:00:00"


@pytest.mark.parametrize("ends", ["2026-12-01T00:00:00", "2026-11-30T00:00:00"])
def test_the_end_of_a_period_may_mean_either_day(ends: str) -> None:
    following = "2027-01-01T00:00:00" if ends.endswith("01T00:00:00") else "2026-12-31T00:00:00"
    periods = read_periods(
        [
            {"year": 2026, "period": "11", "startDate": "2026-11-01T00:00:00", "endDate": ends},
            {"year": 2026, "period": "12", "startDate": "2026-12-01T00:00:00", "endDate": following,
             "closedInCustomerLedger": True},
        ]
    )  # fmt: skip
    assert [(one.code, one.last, one.open) for one in periods] == [
        ("202611", date(2026, 11, 30), True),
        ("202612", date(2026, 12, 31), False),
    ]


def test_what_met_a_document_by_either_name_and_without_what_came_back() -> None:
    assert kind_of("PMT") == kind_of("Payment") == "Payment"
    rows = [
        {"docType": "PMT", "refNbr": "1", "amountPaid": D(60), "released": True,
         "applicationDate": "2026-11-20T00:00:00"},
        {"docType": "Payment", "refNbr": "2", "amountPaid": D(90), "voided": True,
         "applicationDate": "2026-10-30T00:00:00"},
        {"docType": "Payment", "refNbr": "2", "amountPaid": D(-90), "voided": True,
         "applicationDate": "2026-11-02T00:00:00"},
        {"docType": "CRM", "refNbr": "3", "amountPaid": D(40), "cashDiscountTaken": D(0)},
        {"docType": "Payment", "refNbr": "4", "amountPaid": D(10), "released": False},
    ]  # fmt: skip
    told = settled_of({"applications": rows}, D(125), D(25))
    assert (told.paid, told.credited, told.told) == (60, 40, True)
    assert told.last_payment_on == date(2026, 11, 20)
    assert told.payments == (
        Paid(on=date(2026, 11, 20), amount=D(60)),
        Paid(on=date(2026, 10, 30), amount=D(90)),
        Paid(on=date(2026, 11, 2), amount=D(-90)),
    )
    del rows[0]["applicationDate"]
    assert settled_of({"applications": rows}, D(125), D(25)).payments == ()
    assert told.notes == ("3",)
    assert len(applications({"applications": rows}, at_all=True)) == 4
    assert not settled_of({"applications": rows}, D(125), D(0)).told


def test_a_rate_counts_from_its_day() -> None:
    names = build_names(
        "visma-net",
        organization={"mainAddress": {"country": {"id": "NO"}}, "baseCurrency": "NOK"},
        branches=[],
        terms=[],
        currencies=[{"id": "NOK", "isBaseCurrency": True, "decimalPrecision": 2}],
        rates=[],
        vats=[
            {
                "vatId": "33",
                "type": "Vat",
                "calculateOn": "DocumentAmount",
                "zones": [{"id": "01"}],
                "schedules": [
                    {"startDate": "2018-01-01T00:00:00", "vatRate": D("12.000000")},
                    {"startDate": "2020-04-01T00:00:00", "vatRate": D("6.000000")},
                    {"startDate": "2021-10-01T00:00:00", "vatRate": D("12.000000")},
                    {
                        "startDate": "2025-01-01T00:00:00",
                        "vatRate": D("99.000000"),
                        "groupType": "Input",
                    },
                ],
            }
        ],
        categories=[{"vatCategoryId": "33", "vatCategoryLines": [{"vatId": "33"}]}],
        zones=[{"id": "01"}],
        segments=[],
        projects=[],
        periods=[],
    )
    rates = [
        [vat.rate(day) for vat in names.applied("01", "33", day)]
        for day in (date(2017, 12, 31), date(2019, 1, 1), date(2020, 6, 1), date(2026, 1, 1))
    ]
    assert rates == [[], [D("0.12")], [D("0.06")], [D("0.12")]]
    assert names.applied("02", "33", date(2026, 1, 1)) == []
