"""Finance at work in served books: what a story needs of each system, done in its own screens."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from pairs.crm_sides import PLACES, Billed, Person
from pairs.program import Program, secret
from support.served_project import Served, start
from support.tryton_server import RunningTryton
from support.tryton_wire import Wire
from tieout_sandbox.kit.registry import credentials
from tieout_sandbox.tryton import acts

# Every run looks at everything, as if these times had passed.
_AT_EVERY_RUN = ("open_invoices_every_s=0", "balances_every_s=0")
_PRICES_TOO = (*_AT_EVERY_RUN, "prices_every_s=0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft: its id over there, whose it is, what it shows with VAT."""

    id: str
    customer: str
    gross: Decimal


class BooksSide(Protocol):
    """
    One company's books. ``unit``: what totals are rounded to. ``orders``: sales orders are read and
    made. Calls block.
    """

    orders: bool
    country: str
    currency: str
    unit: Decimal

    def connect(self, program: Program) -> None:
        """By `tieout connection add`, under the name that the example has."""

    def prepare(self, item: str) -> None:
        """The item is there."""

    def known(self, name: str, number: str) -> None:
        """A customer that was there before us."""

    def by_hand(self, customer: str, item: str, net: str) -> str:
        """An invoice of today that finance made and booked for that customer; its number."""

    def customers(self) -> list[str]:
        """The names of all customers."""

    def invoices(self) -> dict[str, Billed]:
        """All booked invoices and credit notes, by number."""

    def drafts(self) -> list[Draft]:
        """All drafts."""

    def documents(self) -> int:
        """How many drafts, invoices and credit notes there are."""

    def book(self, draft: Draft) -> str:
        """The draft becomes an invoice; its number."""

    def pay(self, number: str, amount: Decimal | None = None) -> None:
        """Money for an invoice: so much, or all that is open."""

    def credit(self, number: str) -> None:
        """A credit note over the whole invoice, set against it."""

    def person(self, customer: str, given: str, family: str, email: str) -> None:
        """A person of the customer of that name; NotImplementedError where none is held."""

    def persons(self, customer: str) -> list[Person] | None:
        """All persons of the customer of that name; None where none is held."""

    def price_list(self) -> str:
        """The code of a price list; '' where none is read."""

    def price(self, item: str, amount: str) -> None:
        """A price of that item in it, in the company's currency."""

    def orders_made(self) -> list[str]:
        """The ids of all sales orders."""

    def invoice_order(self, order: str) -> str:
        """The order is delivered, invoiced and the invoice booked; its number."""

    def lose_answer(self) -> None:
        """The answer to the next new draft gets lost on its way; the draft is made."""

    def lost(self) -> int:
        """How many answers were lost."""

    def pass_by(self, seconds: int) -> None:
        """Its clock goes on by so much, where it has one of its own."""

    def state(self) -> Any:
        """All that can be written there, with its stamps."""

    def stop(self) -> None:
        """What was started ends."""


def _less(price: Any, discount: Any) -> Decimal:
    """A price less so many per cent."""
    return Decimal(str(price)) * (1 - Decimal(str(discount)) / 100)


def billed(
    customer: str,
    gross: Any,
    tax: Any,
    left: Any,
    *,
    lines: list[tuple[Any, Any, Any]],
    credit: bool,
    rounding: Any = 0,
) -> Billed:
    """Figures as books tell them; those of a credit note count against the others."""
    sign = -1 if credit else 1
    gross, tax, left, rounding = (
        sign * abs(Decimal(str(one))) for one in (gross, tax, left, rounding)
    )
    own = [tuple(abs(Decimal(str(one))) for one in line) for line in lines]
    net = sum((amount for _, _, amount in own), Decimal(0)) * sign
    assert abs(gross - tax - net) in (0, abs(rounding)), (gross, tax, net, rounding)
    rows = tuple(sorted((quantity, price, sign * amount) for quantity, price, amount in own))
    return Billed(customer.partition(" (")[0], net, tax, gross, left, rows)


@dataclass(slots=True)
class _Simulated:
    served: Served
    orders: bool = False
    country: str = "SE"
    currency: str = "SEK"
    unit: Decimal = Decimal("0.01")
    written: tuple[str, ...] = ()

    def records(self, entity: str) -> list[dict[str, Any]]:
        """What is there and was not deleted."""
        return [row for row in self.served.records(entity) if not row.get("_deleted")]

    def lost(self) -> int:
        """How many answers were lost."""
        return self.served.struck()

    def pass_by(self, seconds: int) -> None:
        """By so much."""
        self.served.move_clock(seconds)

    def state(self) -> Any:
        """Customers and documents."""
        return [self.served.records(name) for name in self.written]

    def stop(self) -> None:
        """The simulator ends."""
        self.served.process.terminate()
        self.served.process.wait(timeout=20)
        if self.served.process.stdout is not None:
            self.served.process.stdout.close()


@dataclass(slots=True)
class VismaSide(_Simulated):
    """Visma eAccounting, a Swedish company."""

    served: Served = field(
        default_factory=lambda: start("visma_eaccounting", "--size", "0", "--rate-limits", "off")
    )
    unit: Decimal = Decimal(1)
    written: tuple[str, ...] = ("customers", "customerinvoicedrafts", "customerinvoices")

    def connect(self, program: Program) -> None:
        """By a refresh token."""
        known = credentials("visma_eaccounting")
        with secret(SECRET=known["client_secret"], TOKEN=known["refresh_token"]):
            program.well(
                *("connection", "add", "visma_eaccounting", "--name", "visma-se"),
                *("--client-id", known["client_id"], "--base-url", self.served.base_url),
                *("--secret-env", "SECRET", "--refresh-token-env", "TOKEN"),
                *(word for each in self._settings() for word in ("--set", each)),
            )

    def _settings(self) -> tuple[str, ...]:
        return (*_PRICES_TOO, "orders=true") if self.orders else _PRICES_TOO

    def prepare(self, item: str) -> None:
        """A service with 25 % VAT."""
        coding = next(
            row["Id"]
            for row in self.records("articleaccountcodings")
            if row["Name"] == "Tjänster 25 %"
        )
        if item not in {row["Number"] for row in self.records("articles")}:
            values = {"Number": item, "Name": "Montage", "CodingId": coding}
            self.served.act("create_article", set=values)

    def known(self, name: str, number: str) -> None:
        """A company."""
        street, postcode, city, _ = PLACES[self.country]
        self.served.act(
            "create_customer",
            set={
                "Name": name,
                "CorporateIdentityNumber": number,
                "InvoiceAddress1": street,
                "InvoicePostalCode": postcode,
                "InvoiceCity": city,
                "InvoiceCountryCode": self.country,
                "IsPrivatePerson": False,
                "TermsOfPaymentId": self.records("termsofpayments")[0]["Id"],
            },
        )

    def by_hand(self, customer: str, item: str, net: str) -> str:
        """With one row, of the first article that there is."""
        row = next(row for row in self.records("customers") if row["Name"] == customer)
        made = self.served.act("create_invoice", customer=row["Id"], amount=net)
        return str(made["InvoiceNumber"])

    def customers(self) -> list[str]:
        """By name."""
        return [row["Name"] for row in self.records("customers")]

    def invoices(self) -> dict[str, Billed]:
        """The list of invoices, credit invoices among them."""
        return {
            str(row["InvoiceNumber"]): billed(
                row["InvoiceCustomerName"],
                *(row[name] for name in ("TotalAmount", "TotalVatAmount", "RemainingAmount")),
                lines=[
                    (
                        one["Quantity"],
                        _less(one["UnitPrice"], 100 * one["DiscountPercentage"]),
                        one["AmountNoVat"],
                    )
                    for one in row["Rows"]
                    if not one["IsTextRow"]
                ],
                credit=row["IsCreditInvoice"],
                rounding=row["TotalRoundings"],
            )
            for row in self.records("customerinvoices")
        }

    def drafts(self) -> list[Draft]:
        """The list of drafts."""
        return [
            Draft(
                id=row["Id"],
                customer=row["CustomerName"],
                gross=Decimal(str(row["TotalAmount"])),
            )
            for row in self.records("customerinvoicedrafts")
        ]

    def documents(self) -> int:
        """Both lists."""
        return len(self.drafts()) + len(self.records("customerinvoices"))

    def book(self, draft: Draft) -> str:
        """Booked today."""
        return str(self.served.act("book_draft", draft=draft.id)["InvoiceNumber"])

    def pay(self, number: str, amount: Decimal | None = None) -> None:
        """A part as it comes, the whole by bank."""
        if amount is None:
            self.served.act("pay", invoice=number, kind=2)
        else:
            self.served.act("pay", invoice=number, amount=str(amount))

    def credit(self, number: str) -> None:
        """A credit invoice."""
        self.served.act("credit", invoice=number)

    def person(self, customer: str, given: str, family: str, email: str) -> None:
        """None is held."""
        raise NotImplementedError

    def persons(self, customer: str) -> list[Person] | None:
        """None is held."""
        return None

    def price_list(self) -> str:
        """Its number."""
        return "7"

    def price(self, item: str, amount: str) -> None:
        """In that list."""
        self.served.act("set_list_price", article=item, list=7, price=amount)

    def orders_made(self) -> list[str]:
        """The list of orders."""
        return [str(row["Id"]) for row in self.records("orders")]

    def invoice_order(self, order: str) -> str:
        """Shipped, then invoiced as a whole."""
        self.served.act("ship_order", order=order)
        return str(self.served.act("invoice_order", order=order)["InvoiceNumber"])

    def lose_answer(self) -> None:
        """The next POST of a draft."""
        self.served.fault(kind="drop_after_commit", method="POST", path="/v2/customerinvoicedrafts")


@dataclass(slots=True)
class VismaNetSide(_Simulated):
    """Visma.net, a Norwegian company. Drafts are invoices on hold."""

    served: Served = field(default_factory=lambda: start("visma_net", "--size", "0"))
    country: str = "NO"
    currency: str = "NOK"
    written: tuple[str, ...] = ("customer", "contact", "customerinvoice", "customercreditnote")

    def connect(self, program: Program) -> None:
        """By a service application."""
        known = credentials("visma_net")
        settings = (f"tenant_id={known['tenant_id']}", "zone_eu=02", "zone_abroad=03")
        every = ("drafts_every_s=0", *_AT_EVERY_RUN)
        if self.orders:
            every = (*every, "orders=true", f"orders_url={self.served.base_url}")
        with secret(SECRET=known["client_secret"]):
            program.well(
                *("connection", "add", "visma_net", "--client-id", known["client_id"]),
                *("--secret-env", "SECRET", "--base-url", self.served.base_url),
                *(word for each in (*settings, *every) for word in ("--set", each)),
            )

    def prepare(self, item: str) -> None:
        """The company has it already."""
        assert item in {row["inventoryNumber"] for row in self.records("inventory")}

    def known(self, name: str, number: str) -> None:
        """A company."""
        street, postcode, city, _ = PLACES[self.country]
        self.served.act(
            "make_customer",
            name=name,
            address={"addressLine1": street, "postalCode": postcode, "city": city},
            set={"corporateId": number},
        )

    def by_hand(self, customer: str, item: str, net: str) -> str:
        """Released at once."""
        row = next(row for row in self.records("customer") if row["name"] == customer)
        made = self.served.act("make_invoice", customer=row["number"], item=item, price=net)
        return str(made["referenceNumber"])

    def customers(self) -> list[str]:
        """By name."""
        return [row["name"] for row in self.records("customer")]

    def invoices(self) -> dict[str, Billed]:
        """Both lists, without what is on hold."""
        return {
            row["referenceNumber"]: billed(
                row["customer"]["name"],
                *(row[name] for name in ("amount", "vatTotal", "balance")),
                lines=[
                    (
                        one["quantity"],
                        _less(one["unitPrice"], one["discountPercent"]),
                        one["amount"],
                    )
                    for one in row.get("invoiceLines") or row["lines"]
                ],
                credit=row["documentType"] == "CreditNote",
            )
            for name in ("customerinvoice", "customercreditnote")
            for row in self.records(name)
            if row["status"] in ("Open", "Closed")
        }

    def drafts(self) -> list[Draft]:
        """Invoices on hold."""
        return [
            Draft(
                id=row["referenceNumber"],
                customer=row["customer"]["name"],
                gross=Decimal(str(row["detailTotal"])) + Decimal(str(row["vatTotal"])),
            )
            for row in self.records("customerinvoice")
            if row["status"] == "Hold"
        ]

    def documents(self) -> int:
        """Invoices and credit notes."""
        return len(self.records("customerinvoice")) + len(self.records("customercreditnote"))

    def book(self, draft: Draft) -> str:
        """Taken off hold and released: it keeps its number."""
        self.served.act("hold_document", document=draft.id, on=False)
        self.served.act("release", document=draft.id)
        return draft.id

    def pay(self, number: str, amount: Decimal | None = None) -> None:
        """A payment, set against it."""
        more = {} if amount is None else {"amount": str(amount)}
        self.served.act("pay", document=number, **more)

    def credit(self, number: str) -> None:
        """A credit note, matched."""
        self.served.act("credit", document=number)

    def person(self, customer: str, given: str, family: str, email: str) -> None:
        """A contact."""
        values = {"firstName": given, "lastName": family, "email": email, "phone1": "22 33"}
        self.served.act("make_contact", customer=self._number(customer), set=values)

    def persons(self, customer: str) -> list[Person] | None:
        """The customer's contacts."""
        own = self._number(customer)
        names = ("firstName", "lastName", "email", "phone1")
        return sorted(
            Person(*(row.get(name) or "" for name in names))
            for row in self.records("contact")
            if row["businessAccount"] == own
        )

    def _number(self, customer: str) -> str:
        return next(row["number"] for row in self.records("customer") if row["name"] == customer)

    def price_list(self) -> str:
        """A customer price class."""
        return "PARTNER"

    def price(self, item: str, amount: str) -> None:
        """For that class."""
        self.served.act("set_price", item=item, price=amount, **{"class": "PARTNER"})

    def orders_made(self) -> list[str]:
        """The orders of the order service."""
        return [str(row["orderId"]) for row in self.records("salesorder")]

    def invoice_order(self, order: str) -> str:
        """Taken off hold; services need no shipment. Its invoice is released."""
        self.served.act("approve_order", order=order)
        number = str(self.served.act("invoice_order", order=order)["referenceNumber"])
        self.served.act("release", document=number)
        return number

    def lose_answer(self) -> None:
        """The next POST of an invoice."""
        self.served.fault(kind="drop_after_commit", method="POST", path="/v2/customerinvoice")


@dataclass(slots=True)
class TrytonSide:
    """A real Tryton, Swedish, with a wire before it on which answers can get lost."""

    running: RunningTryton
    orders: bool = False
    country: str = "SE"
    currency: str = "SEK"
    unit: Decimal = Decimal("0.01")
    wire: Wire = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Wire(self.running.port)

    def connect(self, program: Program) -> None:
        """By login and password."""
        person = self.running.plan_of("tieout")
        settings = (f"database={self.running.database}", "drafts_every_s=0", *_AT_EVERY_RUN)
        if self.orders:
            settings = (*settings, "orders=true")
        with secret(PASSWORD=person.password):
            program.well(
                *("connection", "add", "tryton", "--name", "tryton-se", "--user", person.login),
                *("--secret-env", "PASSWORD", "--base-url", self.wire.url),
                *(word for each in settings for word in ("--set", each)),
            )

    def prepare(self, item: str) -> None:
        """A service with 25 % VAT, made by the administrator."""
        books = self.running.books
        sold = {"salable": True, "sale_uom": books.units["Hour"]} if self.orders else {}
        self.running.admin.call(
            "model.product.template.create",
            [
                {
                    "name": "Montage",
                    "code": item,
                    "type": "service",
                    "default_uom": books.units["Hour"],
                    "list_price": Decimal(1),
                    **sold,
                    "account_category": books.categories["Tjänster 25 %"],
                    "products": [["create", [{"suffix_code": None}]]],
                }
            ],
        )

    def known(self, name: str, number: str) -> None:
        """A party with its number."""
        street, postcode, city, _ = PLACES[self.country]
        address = {
            "street": street,
            "postal_code": postcode,
            "city": city,
            "country": self.running.books.countries[self.country],
            "invoice": True,
        }
        values: dict[str, Any] = {"name": name, "addresses": [["create", [address]]]}
        if number:
            identifier = {"type": "se_orgnr", "code": number.replace("-", "")}
            values["identifiers"] = [["create", [identifier]]]
        self.running.person("anna").create("party.party", values)

    def by_hand(self, customer: str, item: str, net: str) -> str:
        """Posted by the accountant."""
        anna = self.running.person("anna")
        party = anna.one("party.party", [["name", "=", customer]])["id"]
        product = anna.one("product.product", [["code", "=", item]])["id"]
        made = acts.make_invoice(anna, party, [acts.Line(item=product, price=Decimal(net))])
        acts.post(anna, made)
        return str(anna.read(acts.INVOICE, made, "number")["number"])

    def customers(self) -> list[str]:
        """All parties but the company itself."""
        others = [["id", "!=", self.running.books.party]]
        found = self.running.admin.search("party.party", others, ["name"])
        return [str(row["name"]) for row in found]

    def _invoices(self, *more: Any) -> list[dict[str, Any]]:
        names = ["party.name", "total_amount", "number"]
        return self.running.admin.search(acts.INVOICE, [["type", "=", "out"], *more], names)

    def invoices(self) -> dict[str, Billed]:
        """All that have been posted, credit notes among them."""
        lines = ["quantity", "unit_price", "amount", "type"]
        names = ["party.name", "number", "total_amount", "tax_amount", "amount_to_pay"]
        # What was credited as a whole is cancelled there, and keeps its number.
        states = ["posted", "paid", "cancelled"]
        where = [["type", "=", "out"], ["state", "in", states], ["number", "!=", None]]
        names = [*names, *(f"lines.{name}" for name in lines)]
        return {
            str(row["number"]): billed(
                row["party."]["name"],
                *(row[name] for name in ("total_amount", "tax_amount", "amount_to_pay")),
                lines=[
                    (one["quantity"], one["unit_price"], one["amount"])
                    for one in row["lines."]
                    if one["type"] == "line"
                ],
                credit=row["total_amount"] < 0,
            )
            for row in self.running.admin.search(acts.INVOICE, where, names)
        }

    def drafts(self) -> list[Draft]:
        """Sales invoices in draft."""
        return [
            Draft(
                id=str(row["id"]),
                customer=row["party."]["name"],
                gross=row["total_amount"],
            )
            for row in self._invoices(["state", "=", "draft"])
        ]

    def documents(self) -> int:
        """All of them."""
        return len(self._invoices())

    def book(self, draft: Draft) -> str:
        """Posted by the accountant."""
        anna = self.running.person("anna")
        acts.post(anna, int(draft.id))
        return str(anna.read(acts.INVOICE, int(draft.id), "number")["number"])

    def pay(self, number: str, amount: Decimal | None = None) -> None:
        """By the wizard that pays an invoice."""
        acts.pay(self.running.person("anna"), self._id(number), amount)

    def credit(self, number: str) -> None:
        """By the wizard that credits one."""
        acts.credit(self.running.person("anna"), self._id(number))

    def _id(self, number: str) -> int:
        (row,) = self._invoices(["number", "=", number])
        return int(row["id"])

    def person(self, customer: str, given: str, family: str, email: str) -> None:
        """None is held."""
        raise NotImplementedError

    def persons(self, customer: str) -> list[Person] | None:
        """None is held."""
        return None

    def price_list(self) -> str:
        """None is read."""
        return ""

    def price(self, item: str, amount: str) -> None:
        """There is no list."""

    def orders_made(self) -> list[str]:
        """All sales."""
        return [str(row["id"]) for row in self.running.admin.search("sale.sale", [], ["id"])]

    def invoice_order(self, order: str) -> str:
        """Quoted, confirmed and processed; the accountant posts what it made."""
        for button in ("quote", "confirm", "process"):
            self.running.admin.call(f"model.sale.sale.{button}", [int(order)])
        (draft,) = self.drafts()
        return self.book(draft)

    def lose_answer(self) -> None:
        """The next call that writes: of a run with one deal of a known customer, its draft."""
        self.wire.fail("lose")

    def lost(self) -> int:
        """How many answers were lost."""
        return self.wire.struck["lose"]

    def pass_by(self, seconds: int) -> None:
        """It tells its time by the machine's clock."""

    def state(self) -> Any:
        """Parties and invoices with what tells a write from none."""
        admin, stamps = self.running.admin, ["_timestamp", "write_date"]
        return [admin.search(model, [], stamps) for model in ("party.party", acts.INVOICE)]

    def stop(self) -> None:
        """The wire ends; the server is the fixture's."""
        self.wire.close()
