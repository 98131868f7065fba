"""Finance of the demo at work in Tryton, by what its own screens call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

from tieout.services.demo_people import Invoice, KnownCustomer, NewItem
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.books import Books, find_books
from tieout_sandbox.tryton.firm import CATEGORY
from tieout_sandbox.tryton.plan import ADMIN, ADMIN_PASSWORD
from tieout_sandbox.tryton.rpc import Row, Tryton, TrytonError

# One call posts so many: it answers when all are printed as well.
_AT_ONCE = 25
_UNITS = {"Hour": "Hour", "Day": "Day"}
_FIRST_ADDRESS = ("street", "postal_code", "city", "country")


@dataclass(slots=True)
class TrytonFinance:
    """An accountant's session, and the administrator's for what she may not do."""

    admin: Tryton
    person: Tryton
    sign_in: tuple[str, str]
    books: Books

    @classmethod
    def at_work(cls, base_url: str, database: str, sign_in: tuple[str, str]) -> TrytonFinance:
        """Both signed in. Blocks; the first sign-in waits until the server has loaded all."""
        port = urlsplit(base_url).port
        assert port is not None
        admin = Tryton(port, database)
        admin.log_in(ADMIN, ADMIN_PASSWORD)
        books = find_books(admin)
        person = Tryton(port, database, company=books.company)
        person.log_in(*sign_in)
        return cls(admin, person, sign_in, books)

    def add_items(self, items: Sequence[NewItem]) -> None:
        """Services with 25 % VAT, by the administrator: products are not the accountant's."""
        values = []
        for item in items:
            unit = self.books.units[_UNITS.get(item.unit, "Unit")]
            values.append(
                {
                    "name": item.name,
                    "code": item.code,
                    "type": "service",
                    "default_uom": unit,
                    "list_price": Decimal(1),
                    "account_category": self.books.categories[CATEGORY],
                    "products": [["create", [{"suffix_code": None}]]],
                }
            )
        self.admin.call("model.product.template.create", values)

    def add_customers(self, customers: Sequence[KnownCustomer]) -> None:
        """Companies with their number, where Tryton takes it; it checks its last digit."""
        for customer in customers:
            number = customer.company_number.replace("-", "")
            known = {"identifiers": [["create", [{"type": "se_orgnr", "code": number}]]]}
            values = self._party(customer)
            try:
                self.person.create("party.party", {**values, **known})
            except TrytonError:
                self.person.create("party.party", values)

    def _party(self, customer: KnownCustomer) -> Row:
        address = (
            customer.street,
            customer.postcode,
            customer.city,
            self.books.countries[customer.country],
        )
        found: Row = {
            "name": customer.name,
            "customer_payment_term": self.books.terms["Net 30 days"],
            "addresses": [
                ["create", [{**dict(zip(_FIRST_ADDRESS, address, strict=True)), "invoice": True}]]
            ],
        }
        if customer.email:
            mail = {"type": "email", "value": customer.email, "invoice": True}
            found["contact_mechanisms"] = [["create", [mail]]]
        return found

    def count_customers(self) -> int:
        """All parties but the company itself."""
        count: int = self.person.call(
            "model.party.party.search_count", [["id", "!=", self.books.party]], 0, None
        )
        return count

    def make_cheaper(self, draft: str) -> None:
        """As agreed on the telephone."""
        lines = self.person.search(
            "account.invoice.line",
            [["invoice", "=", int(draft)], ["type", "=", "line"], ["unit_price", ">", 0]],
            ["unit_price"],
        )
        price = (lines[0]["unit_price"] * Decimal("0.95")).quantize(Decimal("0.01"))
        acts.edit_line(self.person, int(draft), lines[0]["id"], unit_price=price)

    def book(self, drafts: Sequence[str]) -> Sequence[Invoice]:
        """Posted in lists."""
        # Posting wants a session that was used in the last minutes.
        self.person.log_in(*self.sign_in)
        ids = [int(draft) for draft in drafts]
        for first in range(0, len(ids), _AT_ONCE):
            acts.post(self.person, *ids[first : first + _AT_ONCE])
        found = {
            row["id"]: row
            for row in self.person.search(
                acts.INVOICE, [["id", "in", ids]], ["number", "amount_to_pay"]
            )
        }
        return [
            Invoice(id=str(each), number=found[each]["number"], open=found[each]["amount_to_pay"])
            for each in ids
        ]

    def receive(self, invoice: Invoice, amount: Decimal | None) -> None:
        """By the wizard that pays an invoice."""
        acts.pay(self.person, int(invoice.id), amount)

    def credit(self, invoice: Invoice) -> None:
        """By the wizard that credits one, which settles it at once."""
        acts.credit(self.person, int(invoice.id))

    def close(self, day: date) -> None:
        """Every month that has begun by that day: Tryton knows no shorter period."""
        begun = [["start_date", "<=", day], ["state", "=", "open"], ["type", "=", "standard"]]
        periods = [row["id"] for row in self.person.search("account.period", begun, [])]
        if periods:
            acts.close_period(self.person, *periods)

    def reopen(self, day: date) -> None:
        """That month, with its journals."""
        holds = [["start_date", "<=", day], ["end_date", ">=", day], ["type", "=", "standard"]]
        for row in self.person.search("account.period", [*holds, ["state", "=", "closed"]], []):
            acts.reopen_period(self.person, row["id"])
