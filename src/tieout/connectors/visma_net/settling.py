"""What met a document, from its applications: money, notes, write-offs and cash discounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.connectors.visma_net.values import Payload, amount_of, day_of, rows_of, text_of
from tieout.core.model import Paid
from tieout.core.money import ZERO

# The document column is a free text: the names of the type and the codes behind them both occur.
_KINDS: Mapping[str, str] = {
    "payment": "Payment",
    "pmt": "Payment",
    "prepayment": "Prepayment",
    "ppm": "Prepayment",
    "voidpayment": "VoidPayment",
    "rpm": "VoidPayment",
    "refund": "Refund",
    "ref": "Refund",
    "creditnote": "CreditNote",
    "crm": "CreditNote",
    "smallbalancewo": "SmallBalanceWo",
    "smb": "SmallBalanceWo",
    "smallcreditwo": "SmallCreditWo",
    "smc": "SmallCreditWo",
    "invoice": "Invoice",
    "inv": "Invoice",
    "debitnote": "DebitNote",
    "drm": "DebitNote",
    "fincharge": "FinCharge",
    "fch": "FinCharge",
}
MONEY = frozenset({"Payment", "Prepayment", "VoidPayment", "Refund"})
WRITE_OFFS = frozenset({"SmallBalanceWo", "SmallCreditWo"})
CLAIMS = frozenset({"Invoice", "DebitNote", "FinCharge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application: what met the document, with how much, and on which day."""

    kind: str
    number: str
    amount: Decimal
    discount: Decimal = ZERO
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What took from an invoice, positive; ``told`` False: more closed it than is named."""

    paid: Decimal = ZERO
    credited: Decimal = ZERO
    written_off: Decimal = ZERO
    discounted: Decimal = ZERO
    last_payment_on: date | None = None
    payments: tuple[Paid, ...] = ()
    told: bool = True
    notes: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()


def kind_of(text: str) -> str:
    """The type of a document that a text means: 'PMT' and 'Payment' are both 'Payment'."""
    return _KINDS.get(text.replace(" ", "").casefold(), text)


def applications(payload: Payload, *, at_all: bool = False) -> list[Application]:
    """
    What met the document and stands: released, and not taken back. ``at_all`` gives those that
    were taken back too, with plus and minus, each on its day.
    """
    found = []
    for row in rows_of(payload, "applications"):
        if row.get("released") is False or (row.get("voided") and not at_all):
            continue
        found.append(
            Application(
                kind=kind_of(text_of(row, "docType")),
                number=text_of(row, "refNbr"),
                amount=amount_of(row, "amountPaid"),
                discount=amount_of(row, "cashDiscountTaken"),
                day=day_of(row, "applicationDate"),
            )
        )
    return found


def _by_day(payload: Payload, paid: Decimal) -> tuple[Paid, ...]:
    """The money one by one, what was taken back with plus and minus; nothing if days are missing"""
    money = [one for one in applications(payload, at_all=True) if one.kind in MONEY]
    found = tuple(Paid(on=one.day, amount=one.amount) for one in money if one.day is not None)
    whole = len(found) == len(money) and sum((one.amount for one in found), ZERO) == paid
    return found if whole else ()


def settled_of(payload: Payload, gross: Decimal, left: Decimal | None) -> Settled:
    """What took from a document of that size, of which so much is left."""
    found = applications(payload)
    money = [one for one in found if one.kind in MONEY]
    paid = sum((one.amount for one in money), ZERO)
    credited = sum((one.amount for one in found if one.kind == "CreditNote"), ZERO)
    written_off = sum((one.amount for one in found if one.kind in WRITE_OFFS), ZERO)
    discounted = sum((one.discount for one in found), ZERO)
    claims = sum((one.amount for one in found if one.kind in CLAIMS), ZERO)
    taken = paid + credited + written_off + discounted + claims
    return Settled(
        paid=paid,
        credited=credited,
        written_off=written_off,
        discounted=discounted,
        last_payment_on=max((one.day for one in money if one.day), default=None),
        payments=_by_day(payload, paid),
        told=left is None or abs(gross) - abs(left) == taken,
        notes=tuple(dict.fromkeys(o.number for o in found if o.kind == "CreditNote")),
        claims=tuple(dict.fromkeys((o.kind, o.number) for o in found if o.kind in CLAIMS)),
    )
