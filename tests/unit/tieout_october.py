"""The worked month: 17 deals closed in October 2026 and one invoice without a deal."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout.core.ageing import ItemKind, OpenItem
from tieout.core.receivables import Bank, Movements, Receivables, Voucher
from tieout.core.tieout import (
    Approval,
    Cancellation,
    DocumentEvidence,
    DocumentKind,
    Edit,
    LedgerRow,
    OpenException,
    Period,
    Prediction,
    StepFigures,
    TieOut,
    Unanswered,
    tie_out,
)

D = Decimal
OCTOBER = Period.month(2026, 10)
CUT_OFF = date(2026, 10, 31)
CREDIT = DocumentKind.CREDIT_NOTE
DRAFT = DocumentKind.DRAFT


def document(
    number: str, net: str, day: date | None = date(2026, 10, 20), **more
) -> DocumentEvidence:
    values = {"ref": f"invoice:{number}", "kind": DocumentKind.INVOICE, "currency": "SEK"} | more
    return DocumentEvidence(number=number, net=D(net), day=day, **values)


def draft(number: str, net: str, **more) -> DocumentEvidence:
    return document(number, net, None, ref=f"draft:{number}", kind=DRAFT, **more)


def credit(
    number: str, net: str, of: str, day: date = date(2026, 10, 28), **more
) -> DocumentEvidence:
    return document(number, net, day, kind=CREDIT, credits=f"invoice:{of}", **more)


def step(
    number: int, customer: str, sold: str, *documents: DocumentEvidence, **more
) -> StepFigures:
    values = {
        "deal": f"deal:{number}",
        "number": f"D-{number}",
        "customer": customer,
        "currency": "SEK",
        "close_date": date(2026, 10, 5),
        "link": f"https://nordljus.my.salesforce.com/006Qy00000AbC{number}IAM",
    } | more
    return StepFigures(sold=D(sold), documents=documents, **values)


def october_steps() -> list[StepFigures]:
    lowered = Edit(version="2", changed="price lowered", by="finance")
    return [
        step(101, "Brännvik Logistik AB", "120000.00", document("1038", "120000.00"),
             paid=D("120000.00")),
        step(102, "Sjöholm Bygg AB", "48750.00", document("1039", "48750.00"), paid=D("23999.80")),
        step(103, "Nordljus Fastigheter AB", "15000.00", excluded_by="own group"),
        step(104, "Havtorn Energi AB", "64000.00", trigger_missing="order confirmation missing"),
        step(105, "Kustbanan Drift AB", "210000.00",
             approval=Approval(reason="above 100,000.00"), note="above the approval limit"),
        step(106, "Ekfors Trä AB", "9640.00", note="item without code",
             exceptions=(OpenException(id="EX-31", code="item_no_code", owner="Sales"),)),
        step(107, "Lindvall Data AB", "18000.00", note="answer lost 31 Oct 23:58, looked up",
             unanswered=Unanswered(operation="OP-9", reason="answer lost, found 1 Nov")),
        step(108, "Tallmo Skog AB", "37500.00", draft("2217", "37500.00")),
        step(109, "Österviks Hamn AB", "25000.00",
             document("1052", "25000.00", date(2026, 11, 2)), note="booked, dated 2 Nov"),
        step(110, "Fjällbo Hotell AB", "33333.33", document("1040", "33333.33"),
             note="2 of 3 instalments", paid=D("33333.33")),
        step(110, "Fjällbo Hotell AB", "33333.33", document("1041", "33333.33"), step=2),
        step(110, "Fjällbo Hotell AB", "33333.34", step=3, due_on=date(2026, 11, 30)),
        step(111, "Rönnskär Plåt AB", "27200.00",
             document("1042", "26000.00", version_is_ours=False, edit=lowered,
                      written_net=D("27200.00"))),
        step(112, "Mosippa Handel AB", "8900.00",
             draft("2219", "8900.00",
                   cancellation=Cancellation(seen_on=date(2026, 10, 27), by="finance"))),
        step(113, "Granit & Mark AB", "54000.00", document("1043", "54000.00"),
             credit("1051", "13500.00", "1043"), note="credited in part, credit note 1051"),
        step(114, "Alvik Analys AB", "10000.01", document("1044", "10000.02"),
             prediction=Prediction(net=D("10000.02"), lines=3), note="3 lines of 3,333.335"),
        step(115, "Saimaan Telakka Oy", "12000.00",
             document("1045", "12000.00", currency="EUR", rate=D("11.0432")),
             currency="EUR", rate=D("11.20"), note="EUR 12,000.00 at 11.0432"),
        step(116, "Vattenbo Teknik AB", "82000.00", document("1046", "80000.00"),
             exceptions=(OpenException(id="EX-34", code="changed_after_booking"),),
             note="raised by 2,000.00 after booking"),
        step(117, "Björkhaga Vård AB", "30000.00", document("1047", "30000.00"),
             credit("1050", "3000.00", "1047"), note="2 steps: credited in part, draft"),
        step(117, "Björkhaga Vård AB", "30000.00",
             draft("2220", "29000.00", version_is_ours=False, edit=lowered), step=2),
        step(98, "Granit & Mark AB", "22000.00", document("1048", "22000.00"),
             close_date=date(2026, 9, 28)),
        step(91, "Sjöholm Bygg AB", "30000.00",
             document("1009", "30000.00", date(2026, 9, 14)),
             credit("1053", "4000.00", "1009"), close_date=date(2026, 9, 10)),
    ]  # fmt: skip


def no_deal() -> list[DocumentEvidence]:
    return [document("1049", "6300.00", customer="Åsvik Montage AB")]


def ledger_row(number: str, net: str, tax: str, rounding: str = "0.00", **more) -> LedgerRow:
    values = {"ref": f"invoice:{number}", "day": date(2026, 10, 20), "series": "A"} | more
    amounts = {"net": D(net), "tax": D(tax), "rounding": D(rounding)}
    return LedgerRow(number=number, gross=sum(amounts.values(), D(0)), **amounts, **values)


def october_ledger() -> list[LedgerRow]:
    return [
        ledger_row("1038", "120000.00", "30000.00"),
        ledger_row("1039", "48750.00", "12187.50", "0.50"),
        ledger_row("1040", "33333.33", "8333.33", "0.34"),
        ledger_row("1041", "33333.33", "8333.33", "0.34"),
        ledger_row("1042", "26000.00", "6500.00"),
        ledger_row("1043", "54000.00", "13500.00"),
        ledger_row("1044", "10000.02", "2500.01", "-0.03"),
        ledger_row("1045", "132518.40", "0.00"),
        ledger_row("1046", "80000.00", "20000.00"),
        ledger_row("1047", "30000.00", "7500.00"),
        ledger_row("1048", "22000.00", "5500.00"),
        ledger_row("1049", "6300.00", "1575.00", customer="Åsvik Montage AB"),
        ledger_row("1050", "-3000.00", "-750.00", kind=CREDIT),
        ledger_row("1051", "13500.00", "3375.00", kind=CREDIT),
        ledger_row("1052", "25000.00", "6250.00", day=date(2026, 11, 2)),
        ledger_row("1053", "4000.00", "1000.00", kind=CREDIT),
    ]


def october(**changed) -> TieOut:
    values = {
        "steps": october_steps(),
        "documents_without_deal": no_deal(),
        "ledger": october_ledger(),
        "cut_off": CUT_OFF,
        "period": OCTOBER,
        "base_currency": "SEK",
    } | changed
    return tie_out(**values)


def open_items() -> list[OpenItem]:
    november = date(2026, 11, 19)
    amounts = {
        "1039": "30938.00", "1041": "41667.00", "1043": "50625.00", "1044": "12500.00",
        "1046": "100000.00", "1047": "33750.00", "1048": "27500.00", "1049": "7875.00",
    }  # fmt: skip
    return [
        *(
            OpenItem(ref=f"invoice:{number}", open=D(amount), currency="SEK", due_on=november)
            for number, amount in amounts.items()
        ),
        OpenItem(ref="invoice:1020", open=D("31250.00"), currency="SEK", due_on=date(2026, 10, 14)),
        OpenItem(ref="invoice:1009", open=D("42500.00"), currency="SEK", due_on=date(2026, 9, 20)),
        OpenItem(ref="fee:7", open=D("60.00"), currency="SEK", kind=ItemKind.FEE),
        OpenItem(ref="pay:3", open=D("-500.00"), currency="SEK", kind=ItemKind.ON_ACCOUNT),
    ]


def october_receivables(**changed) -> Receivables:
    values = {
        "day": CUT_OFF,
        "currency": "SEK",
        "opening": D("131250.00"),
        "opening_day": date(2026, 10, 1),
        "movements": Movements(
            invoices=D("712165.40"), credit_notes=D("25625.00"), payments=D("426685.06"),
            on_account=D("500.00"), small_differences=D("0.34"), bad_debt=D("12500.00"),
            fees=D("60.00"),
        ),
        "open_items": sum((item.open for item in open_items()), D("0.00")),
        "control_account": "1510",
        "control": D("380565.00"),
        "vouchers": (Voucher(number="A 412", amount=D("2400.00"), text="no invoice"),),
        "bank": Bank(received=D("427700.16"), exchange_gain=D("681.60"), fees=D("166.50")),
    } | changed  # fmt: skip
    return Receivables(**values)
