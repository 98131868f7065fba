"""The general ledger as far as receivables go: balanced batches, sums per account, and what each
customer's receivables are made of. Base currency, debit positive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

RECEIVABLES = "1500"
BANK = "1920"
OUTPUT_VAT = {"3": "2701", "31": "2702", "33": "2703"}
OTHER_VAT = "2709"
SALES = "3000"
FREIGHT = "3090"
EXEMPT_SALES = "3100"
ROUNDING = "7740"
BAD_DEBT = "7830"
CASH_DISCOUNT = "3080"
INTEREST = "8051"
EXCHANGE_GAIN = "8060"
EXCHANGE_LOSS = "8160"
BANK_CHARGES = "7770"
SUSPENSE = "1590"

ZERO = Decimal("0.00")

ACCOUNTS: dict[str, tuple[str, str]] = {
    RECEIVABLES: ("Asset", "Kundefordringer"),
    SUSPENSE: ("Asset", "Andre fordringer"),
    BANK: ("Asset", "Bankinnskudd"),
    "2701": ("Liability", "Utgående mva. høy sats"),
    "2702": ("Liability", "Utgående mva. middels sats"),
    "2703": ("Liability", "Utgående mva. lav sats"),
    OTHER_VAT: ("Liability", "Utgående mva. annet"),
    SALES: ("Income", "Salgsinntekt, avgiftspliktig"),
    "3010": ("Income", "Salg av tjenester, avgiftspliktig"),
    CASH_DISCOUNT: ("Income", "Kontantrabatt"),
    FREIGHT: ("Income", "Fraktinntekt"),
    EXEMPT_SALES: ("Income", "Salgsinntekt, avgiftsfri"),
    ROUNDING: ("Expense", "Øreavrunding"),
    BANK_CHARGES: ("Expense", "Bankgebyr"),
    BAD_DEBT: ("Expense", "Tap på fordringer"),
    INTEREST: ("Income", "Purregebyr og renter"),
    EXCHANGE_GAIN: ("Income", "Valutagevinst"),
    EXCHANGE_LOSS: ("Expense", "Valutatap"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An amount on an account. On the receivables it names the customer (by internal id) and what
    it is: sales, payments, adjustments or overdue."""

    account: str
    amount: Decimal
    customer: int | None = None
    kind: str = ""


class Ledger:
    """All batches, oldest first."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []
        self._sums: dict[str, Decimal] = {}

    def post(self, day: date, period: str, source: str, entries: Iterable[Entry]) -> None:
        """Books one batch; its entries come to nothing together."""
        kept = [entry for entry in entries if entry.amount]
        assert sum((entry.amount for entry in kept), ZERO) == 0, "a batch has to balance"
        if not kept:
            return
        rows = [[entry.account, entry.amount, entry.customer, entry.kind] for entry in kept]
        self.batches.append({"day": day, "period": period, "source": source, "entries": rows})
        self._add(rows, 1)

    def balance(self, account: str) -> Decimal:
        """The sum of an account over all time."""
        return self._sums.get(account, ZERO)

    def total(self) -> Decimal:
        """The sum of all accounts, which is nothing."""
        return sum(self._sums.values(), ZERO)

    def receivables(self) -> list[tuple[int, str, str, Decimal]]:
        """Every entry on the receivables with a customer: (customer, period, kind, amount)."""
        return [
            (customer, batch["period"], kind, amount)
            for batch in self.batches
            for account, amount, customer, kind in batch["entries"]
            if account == RECEIVABLES and customer is not None
        ]

    def cut(self, length: int) -> None:
        """Takes back every batch after so many."""
        for batch in self.batches[length:]:
            self._add(batch["entries"], -1)
        del self.batches[length:]

    def _add(self, rows: list[list[Any]], sign: int) -> None:
        for account, amount, *_ in rows:
            self._sums[account] = self._sums.get(account, ZERO) + sign * amount

    def state(self) -> list[Any]:
        """Everything, for the state file."""
        return self.batches

    def load(self, state: list[Any]) -> None:
        """Takes back what `state` gave."""
        self.batches = state
        for batch in state:
            self._add(batch["entries"], 1)
