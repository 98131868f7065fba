"""What money had paid of a step by the cut-off, beside credit notes that count, or do not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from support.cases import books_policy
from tieout.core.model import Paid
from tieout.services.reconcile import _View, step_figures
from tieout.store.reconciling import DocumentRow, StepRow

DAY = date(2026, 10, 12)


def document(ref: str, kind: str, net: str, **more: object) -> DocumentRow:
    """One that was booked on that day, with 25 % VAT."""
    values: dict[str, object] = {
        **{"ref": ref, "generation": 0, "role": "current", "kind": kind, "number": ref},
        **{"status": "booked", "net": Decimal(net), "gross": Decimal(net) * Decimal("1.25")},
        **{"currency": "SEK", "day": DAY, "gone_at": None, "gone_certain": False, "rate": None},
        **{"base_net": None, "shown_net": None, "version": "1", "wrote_version": "1"},
        "content_moved": False,
    }
    return DocumentRow(**{**values, **more})  # type: ignore[arg-type]


def step(*documents: DocumentRow) -> StepRow:
    """A won deal over 4,000.00 with these."""
    values: dict[str, object] = {
        **{"books": "visma-se", "source_id": "D-1", "part": 0, "number": "D-1", "title": ""},
        **{"deal_title": "", "url": "", "close_date": DAY, "currency": "SEK"},
        **{"verdict": "nothing", "reason": "in_step", "message": "", "predicted_net": None},
        **{"line_count": 1, "key13": None, "operation": None, "operation_state": None},
        **{"sold": Decimal("4000.00"), "documents": list(documents)},
    }
    return StepRow(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "paid"), [("booked", "3000.00"), ("cancelled", "3500.00")])
def test_a_voided_credit_note_takes_nothing_off_what_was_paid(status: str, paid: str) -> None:
    money = (Paid(on=DAY, amount=Decimal("4375.00")),)
    invoice = document("1", "invoice", "4000.00", paid=Decimal("4375.00"), payments=money)
    note = document("2", "credit_note", "-1000.00", status=status, credits="1")
    view = _View(book=books_policy(), cut_off=date(2026, 10, 31), rates={"SEK": Decimal(1)})
    assert step_figures(step(invoice, note), view).paid == Decimal(paid)
