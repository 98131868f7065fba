"""Receivables from the opening balance to the control account, as the books themselves tell."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout.core.ageing import Ageing, ageing
from tieout.core.ledger_list import Period
from tieout.core.receivables import Bank, Movements, Receivables, Voucher
from tieout.ports import Connector, Control, Subledger

ZERO = Decimal("0.00")

# What a posting's kind moves, and the sign with which it is told as a size.
_MOVES = {
    "invoice": ("invoices", 1),
    "credit_note": ("credit_notes", -1),
    "fee": ("fees", 1),
    "money": ("payments", -1),
    "on_account": ("on_account", -1),
    "small_difference": ("small_differences", -1),
    "discount": ("discounts", -1),
    "write_off": ("bad_debt", -1),
    "exchange": ("small_differences", -1),
}


async def roll_forward(
    connector: Connector, period: Period, day: date
) -> tuple[Receivables, Ageing] | None:
    """
    The receivables of a period up to a day and their age; None where the books cannot tell them.

    Raises what the connector raises.
    """
    told = await connector.subledger(period.start, day)
    if told is None:
        return None
    control = await connector.control(day)
    rolled = rolled_forward(told, control, period.start, day)
    return rolled, ageing(told.items, day, told.currency)


def rolled_forward(
    told: Subledger, control: Control | None, opening_day: date, day: date
) -> Receivables:
    """Opening + movements = open items; open items + vouchers = control account, as told."""
    sizes = dict.fromkeys((name for name, _ in _MOVES.values()), ZERO)
    for posting in told.postings:
        name, sign = _MOVES[posting.kind]
        sizes[name] += sign * posting.amount
    bank = None
    if told.bank is not None:
        bank = Bank(received=told.bank, exchange_gain=told.exchange_gain, fees=told.bank_fees)
    return Receivables(
        day=day,
        currency=told.currency,
        opening=told.opening,
        opening_day=opening_day,
        movements=Movements(**sizes),
        open_items=sum((item.open for item in told.items), ZERO),
        control_account=control.account if control else "",
        control=control.balance if control else None,
        vouchers=tuple(
            Voucher(number=number, amount=amount, text=text)
            for number, amount, text in (control.vouchers if control else ())
        ),
        bank=bank,
    )
