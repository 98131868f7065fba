"""Vouchers in double entry, and the balance of every account on every date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

RECEIVABLES = 1510
DOUBTFUL = 1515
ADVANCES = 2420
BANK = 1930
ROUNDING = 3740
CASH_DISCOUNT = 3731
REMINDER_FEES = 3591
BAD_DEBT = 6351
BANK_CHARGES = 6570
EXCHANGE_GAIN = 3960
EXCHANGE_LOSS = 7960
OUTPUT_VAT = {Decimal("0.25"): 2611, Decimal("0.12"): 2621, Decimal("0.06"): 2631}
EU_OUTPUT_VAT = 2670

CENT = Decimal("0.01")
ZERO = Decimal("0.00")

CUSTOMER_INVOICE = 14  # VoucherType of an invoice
CUSTOMER_PAYMENT = 15
MANUAL = 2

ACCOUNT_NAMES = {
    RECEIVABLES: "Kundfordringar",
    DOUBTFUL: "Osäkra kundfordringar",
    BANK: "Företagskonto",
    1910: "Kassa",
    1940: "Valutakonto",
    2099: "Årets resultat",
    ADVANCES: "Förskott från kunder",
    2611: "Utgående moms 25 %",
    2621: "Utgående moms 12 %",
    2631: "Utgående moms 6 %",
    EU_OUTPUT_VAT: "Utgående moms OSS",
    3001: "Försäljning varor 25 %",
    3002: "Försäljning varor 12 %",
    3003: "Försäljning varor 6 %",
    3004: "Försäljning momsfri",
    3041: "Försäljning tjänster 25 %",
    3042: "Försäljning tjänster 12 %",
    3043: "Försäljning tjänster 6 %",
    3044: "Försäljning tjänster momsfri",
    3105: "Försäljning varor utanför EU",
    3106: "Försäljning varor EU, moms",
    3108: "Försäljning varor EU, momsfri",
    3109: "Trepartshandel",
    3110: "Försäljning OSS",
    3231: "Försäljning byggtjänster, omvänd moms",
    3305: "Försäljning tjänster utanför EU",
    3308: "Försäljning tjänster EU, momsfri",
    REMINDER_FEES: "Påminnelseavgifter",
    CASH_DISCOUNT: "Lämnade kassarabatter",
    ROUNDING: "Öres- och kronutjämning",
    EXCHANGE_GAIN: "Valutakursvinster",
    BAD_DEBT: "Konstaterade kundförluster",
    BANK_CHARGES: "Bankkostnader",
    EXCHANGE_LOSS: "Valutakursförluster",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An amount on an account in base currency: positive debit, negative credit."""

    account: int
    amount: Decimal
    text: str | None = None


class Ledger:
    """Sums per account and date. Entries of one voucher come to nothing together."""

    def __init__(self) -> None:
        self._sums: dict[int, dict[date, Decimal]] = {}

    def post(self, day: date, entries: Iterable[Entry]) -> list[Entry]:
        """Adds a voucher's entries and gives those that are not nothing."""
        kept = [entry for entry in entries if entry.amount]
        assert sum((entry.amount for entry in kept), ZERO) == 0, "a voucher has to balance"
        for entry in kept:
            days = self._sums.setdefault(entry.account, {})
            days[day] = days.get(day, ZERO) + entry.amount
        return kept

    def accounts(self) -> list[int]:
        """Every account that was ever posted on."""
        return sorted(self._sums)

    def balance(self, account: int, day: date, since: date | None = None) -> Decimal:
        """The balance at the end of a day, from the start or from a date on."""
        days = self._sums.get(account, {})
        return sum(
            (
                amount
                for when, amount in days.items()
                if when <= day and (since is None or when >= since)
            ),
            ZERO,
        )

    def state(self) -> list[Any]:
        """Everything, for the state file."""
        return [
            [account, [[day, amount] for day, amount in days.items()]]
            for account, days in self._sums.items()
        ]

    def load(self, state: list[Any]) -> None:
        """Takes back what `state` gave."""
        self._sums = {account: dict(days) for account, days in state}


def turned(voucher: dict[str, Any]) -> list[Entry]:
    """The entries that take a voucher back."""
    return [Entry(account, -amount) for account, amount, _ in voucher["_entries"]]


def voucher_rows(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The entries as rows of a voucher."""
    return [
        {
            "AccountNumber": entry.account,
            "AccountDescription": ACCOUNT_NAMES.get(entry.account),
            "DebitAmount": max(entry.amount, ZERO),
            "CreditAmount": max(-entry.amount, ZERO),
            "TransactionText": entry.text,
        }
        for entry in entries
    ]
