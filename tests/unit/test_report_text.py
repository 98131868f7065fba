"""The report in the terminal, as CSV and as data."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from test_report_html import context, october_report
from tieout_october import ledger_row, october, october_ledger, october_steps, step

from tieout.core.chain import Cause, Part
from tieout.core.tieout import Approval, CauseTotal
from tieout.report.csv import plain_text, tie_out_csv, tie_out_csv_bytes
from tieout.report.data import digest, report_data
from tieout.report.text import (
    _deals,
    deal_lines,
    note_lines,
    period_lines,
    receivables_lines,
    reconcile_lines,
)
from tieout.report.words import CAUSES, cause_note, period_code, period_name

D = Decimal

SCREEN = """\
Explained to the cent.  nordic, October 2026, SEK net, cut-off 31 Oct, read 5 Nov 2026, 08:11
Sold                     1,024,390.01  17 deals
Invoiced                   557,735.08  by the cut-off, after credit notes
Gap                        466,654.93
Unexplained                      0.00  against the ledger's own list
Still to be invoiced       428,473.34
  waiting for approval     210,000.00  D-105
  in draft                  66,500.00  D-108, D-117
  trigger not yet true      64,000.00  D-104
  remaining instalments     33,333.34  D-110
  booked after the cut-off  25,000.00  D-109
  on its way                18,000.00  D-107
  exception open            11,640.00  D-106, D-116
Will not be invoiced        42,600.00
  credited                  16,500.00  D-113, D-117
  excluded by rule          15,000.00  D-103
  cancelled                  8,900.00  D-112
  edited in the books        2,200.00  D-111, D-117
Rate, rounding, no deal     -4,418.41
  invoiced without a deal   -6,300.00  invoice 1049
  currency rate              1,881.60  D-115
  rounding                      -0.01  D-114"""


def test_the_screen_of_october():
    assert reconcile_lines(october_report()) == SCREEN.splitlines()


def test_every_unexplained_amount_has_its_line_before_all_others():
    extra = ledger_row(
        "1060", "1250.00", "312.50", customer="Sjöholm Bygg AB", day=date(2026, 10, 30)
    )
    steps = [*october_steps(), step(120, "Alvik Analys AB", "9640.00")]
    result = october(steps=steps, ledger=[*october_ledger(), extra])
    lines = reconcile_lines(october_report(tie_out=result))
    assert lines[:3] == [
        "UNEXPLAINED 9,640.00: D-120 Alvik Analys AB: no document, and no reason.",
        "UNEXPLAINED 1,250.00: invoice 1060, Sjöholm Bygg AB, is in the ledger's list, "
        "not in ours.",
        "nordic, October 2026, SEK net, cut-off 31 Oct, read 5 Nov 2026, 08:11",
    ]
    assert "Unexplained                 10,890.00  against the ledger's own list" in lines


def test_a_ledger_that_was_not_read_is_said():
    lines = reconcile_lines(october_report(tie_out=october(ledger=None)))
    assert lines[0] == "NOT COMPARED: the ledger's own list was not read."
    assert not any("Explained to the cent" in line for line in lines)


def test_many_deals_of_one_cause_are_counted():
    steps = [
        step(n, "A AB", "10.00", approval=Approval(reason="above 1.00")) for n in range(1000, 1040)
    ]
    report = october_report(
        tie_out=october(steps=steps, documents_without_deal=[], ledger=[]), context=context()
    )
    (line,) = (x for x in reconcile_lines(report) if "waiting for approval" in x)
    assert line.endswith("and 34 more")
    assert len(line) <= 100


def test_no_screen_is_wider_than_100_columns():
    report = october_report()
    result = report.tie_out
    screens = (
        reconcile_lines(report),
        deal_lines(result),
        period_lines(result),
        receivables_lines(report.receivables, report.ageing),
        note_lines(result),
    )
    assert max(len(line) for screen in screens for line in screen) <= 100


def test_a_long_head_goes_on_a_line_of_its_own():
    report = october_report()
    named = replace(report, context=replace(report.context, bridge="nordic-wholesale-retail"))
    assert reconcile_lines(named)[:2] == [
        "Explained to the cent.",
        "nordic-wholesale-retail, October 2026, SEK net, cut-off 31 Oct, read 5 Nov 2026, 08:11",
    ]


def test_deals_have_a_line_each_and_a_total():
    lines = deal_lines(october())
    assert lines[1].split() == ["D-101", "Brännvik", "Logistik", "AB", "120,000.00",
                                "120,000.00", "0.00", "agrees"]  # fmt: skip
    assert [line.strip() for line in lines[18:20]] == ["in draft", "credited"]
    assert lines[-1].split() == ["Total", "1,024,390.01", "557,735.08", "466,654.93"]


def test_by_period_and_receivables():
    assert period_lines(october()) == [
        "October's deals, invoiced by 31 October  557,735.08",
        "Invoices in October for September deals   22,000.00",
        "Credits in October for September deals    -4,000.00",
        "Ledger's October list, net               575,735.08",
        "VAT                                      110,804.17",
        "Öresavrundning                                 1.15",
        "October documents, gross                 686,540.40",
    ]
    report = october_report()
    lines = receivables_lines(report.receivables, report.ageing)
    assert "Open items, 31 October     378,165.00" in lines
    assert "Manual voucher A 412         2,400.00  no invoice" in lines
    assert lines[-1] == "Open items                 378,165.00"


def test_csv_has_all_rows_and_adds_up():
    rows = list(csv.DictReader(io.StringIO(tie_out_csv(october()))))
    assert len(rows) == 18
    assert sum(D(r["sold"]) for r in rows) == D("1024390.01")
    assert sum(D(r["in draft"]) for r in rows) == D("66500.00")
    for row in rows:
        assert sum(D(row[name]) for name in CAUSES.values()) == D(row["gap"])
    assert rows[-1]["kind"] == "no_deal"
    assert rows[-1]["invoiced without a deal"] == "-6300.00"
    assert "EX-31" in rows[5]["evidence"]


def test_csv_bytes_begin_with_the_mark_of_utf_8():
    assert tie_out_csv_bytes(october()).startswith(b"\xef\xbb\xbfkind,deal,")
    assert ";" in tie_out_csv(october(), delimiter=";").splitlines()[0]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", " =1", "\rx", "＝1", "\ufeff=1"])
def test_a_cell_that_would_run_stays_text(text):
    assert plain_text(text) == f"'{text}"
    result = october(steps=[step(1, text, "1.00")], documents_without_deal=[], ledger=[])
    row = next(csv.DictReader(io.StringIO(tie_out_csv(result), newline="")))
    assert row["customer"] == f"'{text}"


@pytest.mark.parametrize("text", ["", "Åsvik-Montage AB", "a=1", "1-2"])
def test_harmless_text_is_left_alone(text):
    assert plain_text(text) == text


def test_data_is_json_with_money_as_text():
    data = report_data(october_report())
    again = json.loads(json.dumps(data))
    assert again["month"] == "2026-10"
    assert again["gap"] == {"amount": "466654.93", "currency": "SEK"}
    assert again["unexplained"] == {"amount": "0.00", "currency": "SEK"}
    assert again["read_at"] == "2026-11-05T07:11:00Z"
    assert again["filed_by"] == "Anna Lind"
    before_acceptance = [cause for cause in list(Cause)[:14] if cause is not Cause.ORDERED]
    assert [c["cause"] for c in again["causes"]] == [
        *(cause.value for cause in before_acceptance),
        "invoiced_without_deal",
    ]
    assert again["receivables"]["open_items"]["amount"] == "378165.00"
    assert again["ageing"]["days_31_60"]["amount"] == "42500.00"


def test_the_digest_is_of_the_figures_not_of_the_printing():
    report = october_report()
    later = october_report(context=context(filed=None, run="R-2000", check=""))
    assert digest(later) == digest(report)
    other = october_report(tie_out=october(documents_without_deal=[]))
    assert digest(other) != digest(report)
    assert digest(october_report(context=context(definitions=("Sold: else.",)))) != digest(report)
    assert report_data(report)["digest"] == digest(report)


def test_periods_have_names():
    result = october()
    assert (period_name(result.period), period_code(result.period)) == ("October 2026", "2026-10")
    half = type(result.period)(start=date(2026, 10, 1), end=date(2026, 10, 15))
    assert period_name(half) == "1 to 15 Oct 2026"
    assert period_name(replace(half, end=date(2026, 11, 5))) == "1 Oct to 5 Nov 2026"
    assert period_name(replace(half, end=date(2027, 1, 5))) == "1 Oct 2026 to 5 Jan 2027"
    assert period_name(replace(half, end=half.start)) == "1 Oct 2026"
    assert period_code(half) == "2026-10-01..2026-10-15"


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (["above 100000.00", "above 100000.00"], "above 100000.00"),
        (
            ["A person confirms the VAT of line 1.", "A person confirms the VAT of lines 2, 3."],
            "2 documents to release",
        ),
    ],
)
def test_what_waits_for_release_is_one_reason_or_a_number(reasons: list[str], said: str):
    parts = tuple(
        Part(cause=Cause.WAITING_FOR_APPROVAL, amount=D(10), evidence=reason) for reason in reasons
    )
    total = CauseTotal(
        cause=Cause.WAITING_FOR_APPROVAL,
        amount=D(20),
        parts=parts,
        deals=("D-1", "D-2"),
        acts=("Approver",),
    )
    assert cause_note(total) == said


def test_a_formula_does_not_begin_inside_a_cell_for_who_separates_by_semicolons() -> None:
    inside = (
        "AB;=1+1",
        "AB; @SUM(A1)",
        'AB;"=1+1',
        "AB\n-2+3",
        "AB\t\u00a0+1",
        "=1;=2",
        "\r=1",
        "\t=1",
    )
    result = replace(october(), rows=tuple(replace(october().rows[0], title=t) for t in inside))
    file = tie_out_csv(result)
    for line in file.replace("\r", "\n").split("\n"):
        for cell in line.split(";")[1:]:
            assert cell.strip(' "\u00a0')[:1] not in set("=+-@")
        assert line[:1] not in set("=+-@")
    assert "'=1;'=2" in file
    assert plain_text("12 st; á 5, -10 %") == "12 st; á 5, -10 %"


def test_a_long_deal_leaves_room_for_the_others_and_for_the_table() -> None:
    result = october()
    longest = "Renewal of all that stands in the north " * 4
    rows = tuple(
        replace(row, number=longest) if row.number == "D-106" else row for row in result.rows
    )
    for text in deal_lines(replace(result, rows=rows)):
        assert len(text) <= 100, text
    total = next(each for each in result.causes if len(each.deals) > 1)
    shown = _deals(replace(total, deals=(longest, *total.deals[1:])))
    assert shown.endswith(f"… and {len(total.deals) - 1} more")
    assert len(shown) <= 61
