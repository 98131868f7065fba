"""Documents by chance, written straight to a Tryton, against what is predicted of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

from support.tryton_server import RunningTryton
from tieout.connectors.tryton.predict import EndlessError, Priced, Tax, predict
from tieout_sandbox.tryton import acts

_MORE = (
    ("Punktskatt 3,33 %", "0.0333"),
    ("Stadsskatt 1,25 %", "0.0125"),
    ("Avgift 7,77 %", "0.0777"),
)
_QUANTITIES = ("1", "2", "3", "7", "0.5", "1.5", "2.25", "0.333", "12.125", "-1", "-2", "-0.5")
_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A document whose figures were not those that were predicted."""

    lines: tuple[Priced, ...]
    by_line: bool
    predicted: tuple[Decimal, ...]
    shown: tuple[Decimal, ...]


class Predicting:
    """One company, its taxes and a few that are odd, and currencies with other smallest steps."""

    def __init__(self, running: RunningTryton, seed: int) -> None:
        self.admin = running.admin
        self.books = running.books
        self.random = Random(seed)
        self.today = datetime.now(UTC).date()
        self.customer = acts.make_customer(self.admin, "Slump AB")
        self.address = self.admin.read("party.party", self.customer, "addresses")["addresses"][0]
        self.taxes = self._taxes()
        self.steps = self._currencies()

    def set_rounding(self, kind: str) -> None:
        """'document' or 'line', for the whole company."""
        self.admin.write("account.configuration", 1, {"tax_rounding": kind})

    def differences(self, count: int, *, by_line: bool) -> Iterator[Difference]:
        """Writes so many drafts in lists and yields those that show something else."""
        self.set_rounding("line" if by_line else "document")
        while count > 0:
            some = [self._document(by_line) for _ in range(min(count, _AT_ONCE))]
            count -= len(some)
            made = self.admin.call(
                "model.account.invoice.create", [values for values, _, _ in some]
            )
            names = ["untaxed_amount", "tax_amount", "total_amount"]
            rows = self.admin.call("model.account.invoice.read", made, names)
            shown = {row["id"]: tuple(row[name] for name in names) for row in rows}
            for number, (_, lines, expected) in zip(made, some, strict=True):
                if shown[number] != expected:
                    yield Difference(
                        lines=lines, by_line=by_line, predicted=expected, shown=shown[number]
                    )

    def _document(
        self, by_line: bool
    ) -> tuple[dict[str, Any], tuple[Priced, ...], tuple[Decimal, ...]]:
        while True:
            code = self.random.choice(list(self.steps))
            currency, step = self.steps[code]
            lines = tuple(self._line() for _ in range(self.random.randint(1, 6)))
            try:
                made = predict(
                    lines, self.taxes, currency=code, step=step, by_line=by_line, day=self.today
                )
            except EndlessError:
                # This one would hang the server's thread; see docs/decisions.
                continue
            assert made is not None
            totals = made.totals
            return self._values(currency, lines), lines, (totals.net, totals.tax, totals.gross)

    def _line(self) -> Priced:
        few = self.random.random()
        number = 0 if few < 0.05 else 1 if few < 0.7 else self.random.randint(2, 3)
        price = Decimal(self.random.choice((0, 1, 5, 50, 999, 12_345, 250_000)))
        price += Decimal(self.random.randint(0, 9999)) / 10_000
        places = self.random.choice((0, 1, 2, 2, 2, 3, 4))
        return Priced(
            quantity=Decimal(self.random.choice(_QUANTITIES)),
            unit_price=price.quantize(Decimal(1).scaleb(-places)),
            taxes=tuple(sorted(self.random.sample(sorted(self.taxes), number))),
        )

    def _values(self, currency: int, lines: tuple[Priced, ...]) -> dict[str, Any]:
        account = self.books.accounts["3001"]
        return {
            "type": "out",
            "company": self.books.company,
            "party": self.customer,
            "invoice_address": self.address,
            "account": self.books.receivable,
            "journal": self.books.journals["REV"],
            "currency": currency,
            "lines": [
                [
                    "create",
                    [
                        {
                            "type": "line",
                            "currency": currency,
                            "quantity": line.quantity,
                            "unit_price": line.unit_price,
                            "account": account,
                            "taxes": [["add", list(line.taxes)]] if line.taxes else [],
                            "description": "Slump",
                        }
                        for line in lines
                    ],
                ]
            ],
        }

    def _taxes(self) -> dict[int, Tax]:
        one = self.admin.search("account.tax", [], ["group", "invoice_account"], limit=1)[0]
        there = {row["name"] for row in self.admin.search("account.tax", [], ["name"])}
        for name, rate in _MORE:
            if name in there:
                continue
            self.admin.create(
                "account.tax",
                {
                    "name": name,
                    "description": name,
                    "group": one["group"],
                    "type": "percentage",
                    "rate": Decimal(rate),
                    "invoice_account": one["invoice_account"],
                    "credit_note_account": one["invoice_account"],
                    "company": self.books.company,
                },
            )
        names = ["rate", "invoice_account", "credit_note_account"]
        return {
            row["id"]: Tax(
                id=row["id"],
                rate=row["rate"],
                accounts=(row["invoice_account"], row["credit_note_account"]),
            )
            for row in self.admin.search("account.tax", [], names)
        }

    def _currencies(self) -> dict[str, tuple[int, Decimal]]:
        found = {code: (self.books.currencies[code], Decimal("0.01")) for code in ("SEK", "EUR")}
        for code, rounding, digits in (("CHF", "0.05", 2), ("ISK", "1", 0)):
            there = self.admin.search("currency.currency", [["code", "=", code]], ["id"])
            if there:
                found[code] = (there[0]["id"], Decimal(rounding))
                continue
            number = self.admin.create(
                "currency.currency",
                {
                    "name": code,
                    "code": code,
                    "symbol": code,
                    "digits": digits,
                    "rounding": Decimal(rounding),
                },
            )
            rate = {"currency": number, "date": date(2020, 1, 1), "rate": Decimal("0.5")}
            self.admin.create("currency.currency.rate", rate)
            found[code] = (number, Decimal(rounding))
        return found
