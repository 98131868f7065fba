"""What is made of a record before the core sees it: numbers, folded names, VAT answers, days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from tieout.core.matching.party import NameParts
from tieout.core.model import Customer, Deal, Item
from tieout.core.policy import BooksPolicy
from tieout.core.tax import RegisterStatus, TaxAnswer, Treatment

if TYPE_CHECKING:
    from tieout.engine.context import Engine


class Enricher(Protocol):
    """Country rules as values. Implementations read no network and no clock."""

    def customer(self, record: Customer) -> Customer:
        """The same customer with its numbers checked: normal form, key, state, reason."""

    def folded(self, name: str, country: str) -> str:
        """The name without legal form and letter variants, for equality in SQL."""

    def name_parts(self, name: str, country: str) -> NameParts:
        """The name in plain words and the legal forms that were taken off, for comparing."""

    def postcode(self, written: str, country: str) -> str:
        """The post code in its normal form."""

    def tax(
        self, seller: str, buyer: Customer | None, deal: Deal, item: Item, net: Decimal, day: date
    ) -> TaxAnswer:
        """The VAT answer for one item of a deal."""

    def last_day(self, due: date, country: str) -> date:
        """The last day on which paying is not late."""


class Registers(Protocol):
    """Public registers that confirm VAT numbers, asked before documents are decided."""

    async def before(self, engine: Engine, book: BooksPolicy, ids: Sequence[str]) -> None:
        """
        Asks about the customers of these deals where an answer is missing, and gives what is known
        to the enricher. Ends within seconds; a register that is silent raises nothing.
        """

    async def status(self) -> Sequence[tuple[str, RegisterStatus]]:
        """Each register by what people call it, and whether it works now."""

    @property
    def requester_refused(self) -> bool:
        """Whether our own number is not taken, so that no consultation number comes."""


class PlainEnricher:
    """No country's rules: numbers as they are, domestic VAT for everything."""

    def customer(self, record: Customer) -> Customer:
        return record

    def folded(self, name: str, country: str) -> str:
        return " ".join(name.casefold().split())

    def name_parts(self, name: str, country: str) -> NameParts:
        return NameParts(words=tuple(name.casefold().split()))

    def postcode(self, written: str, country: str) -> str:
        return "".join(written.split()).upper()

    def tax(
        self, seller: str, buyer: Customer | None, deal: Deal, item: Item, net: Decimal, day: date
    ) -> TaxAnswer:
        return TaxAnswer(treatment=Treatment.DOMESTIC_RATE, rate=None)

    def last_day(self, due: date, country: str) -> date:
        return due
