"""One pair at work: a CRM, books, and the project that an example makes of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any

from pairs.books_sides import BooksSide
from pairs.crm_sides import CrmSide, Sold
from pairs.program import ROOT, Program, Time
from tieout_sandbox.kit import company_numbers

LINES = (
    Sold(quantity="3", price="1249.50", discount="10"),
    Sold(quantity="7.5", price="1095.00"),
)
# Runs until an answer that got lost is cleared up, twenty seconds from one to the next.
_LONGEST = 6
NET, GROSS = "11586.15", Decimal("14482.69")


@dataclass(slots=True)
class Pair:
    """Both sides and the program between them."""

    name: str
    crm: CrmSide
    books: BooksSide
    program: Program
    item: str
    made: dict[str, str] = field(default_factory=dict)
    deals: dict[str, str] = field(default_factory=dict)
    _chance: Random = field(default_factory=lambda: Random(5))

    def number(self) -> str:
        """Another company number of the books' country."""
        if self.books.country == "NO":
            return company_numbers.norwegian(self._chance)
        return company_numbers.swedish(self._chance, "556")

    @property
    def gross(self) -> Decimal:
        """What an invoice of these lines comes to over there: in whole kronor, where those do."""
        return GROSS.quantize(self.books.unit, ROUND_HALF_UP).quantize(GROSS)

    def buyer(self, name: str, number: str = "") -> str:
        """A customer in the CRM; its id."""
        self.made[name] = self.crm.customer(
            name, number or self.number(), self.books.country, self.books.currency
        )
        return self.made[name]

    def win(self, title: str, customer: str) -> str:
        """A deal of two lines is won; its id."""
        self.deals[title] = self.crm.win(title, customer, *LINES)
        return self.deals[title]

    def later(self, seconds: int) -> None:
        """Time goes by, here and on the simulators."""
        self.program.time.pass_by(seconds)
        for side in (self.crm, self.books):
            side.pass_by(seconds)

    def run(self) -> dict[str, Any]:
        """A run, a little later; what it told."""
        self.later(2)
        found: dict[str, Any] = self.program.data("run", "--once")
        return found

    def settle(self, happened: Callable[[], bool]) -> None:
        """Runs, and time that goes by, until it has happened."""
        for _ in range(_LONGEST):
            self.later(20)
            self.program("run", "--once")
            if happened():
                return
        raise AssertionError("it did not happen in time")

    def book(self, deal: str) -> None:
        """Finance books the only draft that there is, and the deal shows it."""
        (draft,) = self.books.drafts()
        number = self.books.book(draft)
        self.run()
        shown = self.crm.shown(deal)
        assert (shown.status, shown.number) == ("booked", number)

    def tie_out(self) -> dict[str, Any]:
        """The figures of all that was sold this month."""
        month = f"{self.program.time.now():%Y-%m}"
        figures = self.program.data("reconcile", "--month", month)
        return {
            name: figures[name]["amount"] for name in ("sold", "invoiced", "gap", "unexplained")
        }

    def state(self) -> tuple[Any, Any]:
        """All that can be written on either side, with its stamps."""
        return self.crm.state(), self.books.state()


def item_of(example: Path) -> tuple[str, str]:
    """The first item that the example's table names: in the CRM, and in the books."""
    with (example / "tables" / "items.csv").open(newline="", encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    return first["from"], first["to"]


@contextmanager
def project(
    name: str, crm: CrmSide, books: BooksSide, folder: Path, database: str
) -> Iterator[Pair]:
    """A project as somebody makes it from the example: connected, looked at, published."""
    example = ROOT / "examples" / name
    environment = {
        "TIEOUT_ACTOR": "anna.lind",
        "TIEOUT_TEST_NOT_DURABLE": "1",
        "TIEOUT_DATABASE_URL": database,
    }
    with ExitStack() as stack:
        stack.callback(crm.stop)
        stack.callback(books.stop)
        in_crm, in_books = item_of(example)
        crm.prepare(in_crm, books.currency)
        books.prepare(in_books)
        outside = Program(folder, Time(), environment)
        outside.well("init", "firm", "--from", str(example / "tieout.yaml"))
        program = Program(folder / "firm", outside.time, environment)
        crm.connect(program, books.country, books.currency)
        books.connect(program)
        yield Pair(name, crm, books, program, in_books)
