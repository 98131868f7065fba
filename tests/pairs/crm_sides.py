"""Sales at work in a served CRM: what a story needs of Salesforce and of webCRM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from pairs.program import Program
from support.served_project import Served, start
from tieout_sandbox.kit.registry import credentials

PLACES = {
    "SE": ("Storgatan 1", "111 22", "Stockholm", "Sverige"),
    "NO": ("Storgata 1", "7010", "Trondheim", "Norge"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """A line of a deal: how many, at which price, less how many per cent."""

    quantity: str
    price: str
    discount: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a deal's record shows of the books; None or "" where it shows nothing."""

    status: str
    number: str
    open: Decimal | None


@dataclass(frozen=True, slots=True)
class Billed:
    """
    An invoice or credit note, to the cent. ``lines``: quantity, price less discount, and net of
    each that has a price, in no order; what a credit note takes off is negative in amounts alone.
    """

    customer: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    open: Decimal
    lines: tuple[tuple[Decimal, ...], ...]


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """Somebody at a customer."""

    given: str
    family: str
    email: str
    phone: str


class CrmSide(Protocol):
    """One CRM, served. Calls block."""

    served: Served

    def connect(self, program: Program, country: str, currency: str) -> None:
        """By `tieout connection add`."""

    def prepare(self, item: str, currency: str) -> None:
        """Its administrator adds the item and the fields that the example names."""

    def customer(self, name: str, number: str, country: str, currency: str) -> str:
        """A customer with that company number; its id."""

    def win(self, title: str, customer: str, *lines: Sold) -> str:
        """A deal that is won; its id."""

    def reopen(self, deal: str) -> None:
        """It is not won any more."""

    def shown(self, deal: str) -> Shown:
        """What its record shows."""

    def value_list(self) -> str:
        """A list of values with one of a person's; '' where nobody can write such."""

    def offered(self) -> dict[str, bool]:
        """The values of that list, and whether they can be chosen."""

    def person(self, customer: str, given: str, family: str, email: str) -> str:
        """A person of a customer; the id."""

    def calls(self, person: str, phone: str) -> None:
        """Somebody writes another telephone number."""

    def persons(self, customer: str) -> list[Person]:
        """All persons of a customer, by name."""

    def price_list(self) -> str:
        """A price list that sellers can choose; what the configuration calls it."""

    def listed(self, item: str) -> Decimal | None:
        """What that item costs there; None where it is not sold by that list."""

    def invoices(self) -> dict[str, Billed]:
        """What is listed of the books' invoices and credit notes, by number."""

    def spoil(self, number: str) -> None:
        """Somebody writes another net amount on a line of that invoice, and deletes another."""

    def pass_by(self, seconds: int) -> None:
        """Its clock goes on by so much, where it has one of its own."""

    def state(self) -> Any:
        """All that can be written there, with its stamps."""

    def stop(self) -> None:
        """The simulator ends."""


def _stop(served: Served) -> None:
    served.process.terminate()
    served.process.wait(timeout=20)
    if served.process.stdout is not None:
        served.process.stdout.close()


@dataclass(slots=True)
class SalesforceSide:
    """Salesforce with our package and the custom fields of the examples."""

    served: Served = field(
        default_factory=lambda: start("salesforce", "--with-package", "--size", "0")
    )
    item: str = ""
    currency: str = ""

    def connect(self, program: Program, country: str, currency: str) -> None:
        """By a signed assertion."""
        known = credentials("salesforce")
        key = program.root / "salesforce.pem"
        key.write_text(known["private_key"], encoding="utf-8")
        words = ("--client-id", known["client_id"], "--user", known["username"])
        where = ("--secret-file", str(key), "--base-url", self.served.base_url)
        program.well(
            "connection", "add", "salesforce", *words, *where, "--set", f"currency={currency}"
        )
        key.unlink()

    def prepare(self, item: str, currency: str) -> None:
        """A product, and the fields that differ from org to org."""
        self.item, self.currency = item, currency
        for kind, name, shape in (
            ("Opportunity", "Billing_Plan__c", "string:200"),
            ("Opportunity", "Delivered_On__c", "date"),
            ("Opportunity", "Region__c", "string:40"),
            ("Opportunity", "Project__c", "string:40"),
            ("Account", "Legal_Name__c", "string:200"),
        ):
            self.served.act("create_field", object=kind, field=name, type=shape)
        self.served.act(
            "create_product", name="Montage", code=item, price="1249.50", currency=currency
        )

    def customer(self, name: str, number: str, country: str, currency: str) -> str:
        """An account with a whole address."""
        street, postcode, city, _ = PLACES[country]
        fields = {
            "BillingStreet": street,
            "BillingPostalCode": postcode,
            "BillingCity": city,
            "BillingCountryCode": country,
            "Org_Number__c": number,
            "Payment_Terms__c": "Net 30",
            "Invoice_Email__c": "faktura@kund.example",
            "CurrencyIsoCode": currency,
        }
        return str(self.served.act("create_account", name=name, fields=fields)["id"])

    def win(self, title: str, customer: str, *lines: Sold) -> str:
        """An opportunity with products, closed won."""
        made = self.served.act(
            "create_opportunity",
            name=title,
            account=customer,
            currency=self.currency,
            lines=[
                {
                    "product": self.item,
                    "quantity": line.quantity,
                    "unit_price": line.price,
                    **({"discount": line.discount} if line.discount != "0" else {}),
                }
                for line in lines
            ],
        )
        self.served.act("win", id=made["id"])
        return str(made["id"])

    def reopen(self, deal: str) -> None:
        """Back to its last open stage."""
        self.served.act("reopen", id=deal)

    def shown(self, deal: str) -> Shown:
        """The fields of our package."""
        row = _one(self.served.records("Opportunity"), "Id", deal)
        return Shown(
            status=row.get("Erp_Status__c") or "",
            number=row.get("Erp_Invoice_Number__c") or "",
            open=_amount(row.get("Erp_Open_Amount__c")),
        )

    def value_list(self) -> str:
        """A global value set."""
        self.served.act("create_value_set", name="Payment_Terms", values=["Cash"])
        return "Payment_Terms"

    def offered(self) -> dict[str, bool]:
        """Those of the set."""
        (found,) = self.served.records("GlobalValueSet")
        return {code: active for code, _, active, _ in found["values"]}

    def person(self, customer: str, given: str, family: str, email: str) -> str:
        """A contact."""
        fields = {"FirstName": given, **({"Email": email} if email else {})}
        made = self.served.act("create_contact", account=customer, last_name=family, fields=fields)
        return str(made["id"])

    def calls(self, person: str, phone: str) -> None:
        """Of the contact."""
        self.served.act("edit_record", id=person, fields={"Phone": phone})

    def persons(self, customer: str) -> list[Person]:
        """The account's contacts."""
        names = ("FirstName", "LastName", "Email", "Phone")
        rows = self.served.records("Contact")
        return sorted(
            Person(*(row.get(name) or "" for name in names))
            for row in rows
            if row["AccountId"] == customer and not row.get("_deleted")
        )

    def price_list(self) -> str:
        """A price book."""
        self.served.act("create_price_book", name="Partners")
        return "Partners"

    def listed(self, item: str) -> Decimal | None:
        """The entry of the product in it."""
        books = {row["Id"]: row["Name"] for row in self.served.records("Pricebook2")}
        for row in self.served.records("PricebookEntry"):
            mine = (row.get("ProductCode"), books[row["Pricebook2Id"]], row["IsActive"])
            if mine == (item, "Partners", True):
                return _amount(row["UnitPrice"])
        return None

    def invoices(self) -> dict[str, Billed]:
        """The package's two objects."""
        names = {row["Id"]: row["Name"] for row in self._live("Account")}
        found: dict[str, Billed] = {}
        for row in self._live("Tieout_Invoice__c"):
            lines = [
                one
                for one in self._live("Tieout_Invoice_Line__c")
                if one["Tieout_Invoice__c"] == row["Id"] and one["Kind__c"] != "text"
            ]
            assert row["Number__c"] not in found
            found[row["Number__c"]] = Billed(
                names[row["Account__c"]],
                *(_sure(row[f"{name}__c"]) for name in ("Net", "Tax", "Total", "Balance")),
                lines=_rows(lines, "Quantity__c", "Unit_Price__c", "Discount__c", "Amount__c"),
            )
        return found

    def spoil(self, number: str) -> None:
        """On the lines of the package."""
        head = _one(self.served.records("Tieout_Invoice__c"), "Number__c", number)
        first, *_, last = [
            row["Id"]
            for row in self._live("Tieout_Invoice_Line__c")
            if row["Tieout_Invoice__c"] == head["Id"]
        ]
        self.served.act("edit_record", id=first, fields={"Amount__c": "1.00"})
        self.served.act("delete_record", id=last)

    def _live(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.served.records(name) if not row.get("_deleted")]

    def pass_by(self, seconds: int) -> None:
        """By so much."""
        self.served.move_clock(seconds)

    def state(self) -> Any:
        """Deals, customers, persons, and prices."""
        names = ("Opportunity", "Account", "Contact", "Product2", "PricebookEntry")
        names = (*names, "GlobalValueSet", "Tieout_Invoice__c", "Tieout_Invoice_Line__c")
        return [self.served.records(name) for name in names]

    def stop(self) -> None:
        """The simulator ends."""
        _stop(self.served)


# What the generated webCRM calls its fields.
WEBCRM_FIELDS = (
    "account.org_number=OrganisationCustom1",
    "account.terms=OrganisationCustom2",
    "account.invoice_email=OrganisationCustom3",
    "account.currency=OrganisationCustom6",
    "account_standing.open=OrganisationCustom7",
    "account_standing.overdue_amount=OrganisationCustom8",
    "deal.po_number=OpportunityCustom2",
    "deal.buyer_reference=OpportunityCustom3",
    "delivery_standing.number=DeliveryCustom3",
    "delivery_standing.status=DeliveryCustom4",
    "delivery_standing.due_date=DeliveryCustom5",
    "delivery_standing.open=DeliveryCustom6",
    "line.key=Data4",
    # Every run looks at the whole list, as if an hour had passed.
    "invoices_every_s=0",
    "invoice.key=ProductCustom1",
    "invoice.kind=ProductCustom2",
    "invoice.number=ProductCustom3",
    "invoice.status=ProductCustom4",
    "invoice.issue_date=ProductCustom5",
    "invoice.due_date=ProductCustom6",
    "invoice.currency=ProductCustom7",
    "invoice.net=ProductCustom8",
    "invoice.tax=ProductCustom9",
    "invoice.gross=ProductCustom10",
    "invoice.open=ProductCustom11",
    "invoice.amount=ProductCustom12",
    "invoice.item=ProductCustom13",
    "invoice.rounding=ProductPlus3",
)


@dataclass(slots=True)
class WebcrmSide:
    """webCRM, where a deal is won when it is a delivery."""

    served: Served = field(default_factory=lambda: start("webcrm", "--size", "0"))
    item: str = ""
    currency: str = ""
    sold: int = 0

    def connect(self, program: Program, country: str, currency: str) -> None:
        """By an application token."""
        token = program.root / "webcrm.token"
        token.write_text(credentials("webcrm")["application_token"], encoding="utf-8")
        settings = (f"currency={currency}", f"country={country}", *WEBCRM_FIELDS)
        program.well(
            *("connection", "add", "webcrm", "--secret-file", str(token)),
            *("--base-url", self.served.base_url),
            *(word for each in settings for word in ("--set", each)),
        )
        token.unlink()

    def prepare(self, item: str, currency: str) -> None:
        """An item of the catalogue; the fields are there."""
        self.item, self.currency = item, currency
        names = ["Varenummer", "Navn", "Enhed", "Tieout", "Partner"]
        self.served.act("set_columns", columns=names)
        self.served.act("add_item", item=item, text="Montage", unit="stk", price="1249.50")

    def customer(self, name: str, number: str, country: str, currency: str) -> str:
        """An organisation with a whole address."""
        street, postcode, city, called = PLACES[country]
        values = {
            "Address": street,
            "PostCode": postcode,
            "City": city,
            "Country": called,
            "Custom1": number,
            "Custom2": "30: 30 dage",
            "Custom3": "faktura@kunde.example",
            "Custom6": currency,
        }
        made = self.served.act("add_organisation", name=name, set=values)
        return str(made["OrganisationId"])

    def win(self, title: str, customer: str, *lines: Sold) -> str:
        """A delivery with lines."""
        self.sold += 1
        made = self.served.act(
            "add_delivery",
            organisation=int(customer),
            title=title,
            currency=self.currency,
            lines=[
                {
                    "item": self.item,
                    "quantity": line.quantity,
                    "price": line.price,
                    "discount": line.discount,
                }
                for line in lines
            ],
            set={"Number": f"D-{self.sold}"},
        )
        return str(made["DeliveryId"])

    def reopen(self, deal: str) -> None:
        """Back to an opportunity."""
        self.served.act("reopen", deal=int(deal))

    def shown(self, deal: str) -> Shown:
        """The custom fields of the delivery."""
        row = _one(self.served.records("Deliveries"), "DeliveryId", int(deal))
        return Shown(
            status=row["DeliveryCustom4"],
            number=row["DeliveryCustom3"],
            open=_amount(row["DeliveryCustom6"]),
        )

    def value_list(self) -> str:
        """Its interface reads drop-down lists and writes none."""
        return ""

    def offered(self) -> dict[str, bool]:
        """Nothing of ours."""
        return {}

    def person(self, customer: str, given: str, family: str, email: str) -> str:
        """A person of the organisation."""
        made = self.served.act(
            "add_person",
            organisation=int(customer),
            first_name=given,
            last_name=family,
            **({"email": email} if email else {}),
        )
        return str(made["PersonId"])

    def calls(self, person: str, phone: str) -> None:
        """The direct number."""
        self.served.act("edit_person", person=int(person), set={"DirectPhone": phone})

    def persons(self, customer: str) -> list[Person]:
        """The organisation's persons."""
        names = ("FirstName", "LastName", "Email", "DirectPhone")
        rows = self.served.records("Persons")
        return sorted(
            Person(*(row.get(f"Person{name}") or "" for name in names))
            for row in rows
            if row["PersonOrganisationId"] == int(customer) and not row.get("_deleted")
        )

    def price_list(self) -> str:
        """A column of the catalogue."""
        return "Data5"

    def listed(self, item: str) -> Decimal | None:
        """What stands in it."""
        stem = "QuotationLineLinkedDataItem"
        for row in self.served.records("QuotationLineLinkedData"):
            if row[f"{stem}Data1"] == item and not row.get("_deleted"):
                return _amount(str(row[f"{stem}Data5"]).removesuffix(f" {self.currency}"))
        return None

    def invoices(self) -> dict[str, Billed]:
        """What organisations have bought."""
        names = {
            row["OrganisationId"]: row["OrganisationName"]
            for row in self.served.records("Organisations")
        }
        rows = [row for row in self.served.records("Products") if not row.get("_deleted")]
        keys = [row["ProductCustom1"] for row in rows]
        assert len(set(keys)) == len(keys)
        found: dict[str, Billed] = {}
        for row in rows:
            key = row["ProductCustom1"]
            if len(key) != 16:
                continue
            mine = [one for one in rows if one["ProductCustom1"].startswith(f"{key}-")]
            mine = [one for one in mine if not one["ProductCustom1"].endswith("-out")]
            assert row["ProductCustom3"] not in found
            found[row["ProductCustom3"]] = Billed(
                names[row["ProductOrganisationId"]],
                *(_sure(row[f"ProductCustom{place}"]) for place in (8, 9, 10, 11)),
                lines=_rows(
                    mine, "ProductQuantity", "ProductPrice", "ProductDiscount", "ProductCustom12"
                ),
            )
        return found

    def spoil(self, number: str) -> None:
        """On the rows of its lines."""
        first, *_, last = [
            row["ProductId"]
            for row in self.served.records("Products")
            if (row["ProductCustom3"], row["ProductSortOrder"] > 0) == (number, True)
            and not row.get("_deleted")
        ]
        self.served.act("edit_product", product=first, set={"Custom12": "1.00"})
        self.served.act("delete_product", product=last)

    def pass_by(self, seconds: int) -> None:
        """By so much."""
        self.served.move_clock(seconds)

    def state(self) -> Any:
        """Deals, customers, persons, the catalogue, and what was bought."""
        names = ("Deliveries", "Organisations", "Persons", "QuotationLineLinkedData", "Products")
        return [self.served.records(name) for name in names]

    def stop(self) -> None:
        """The simulator ends."""
        _stop(self.served)


def _one(rows: Sequence[dict[str, Any]], name: str, value: Any) -> dict[str, Any]:
    return next(row for row in rows if row[name] == value and not row.get("_deleted"))


def _amount(shown: Any) -> Decimal | None:
    return None if shown in (None, "") else Decimal(str(shown))


def _rows(rows: Sequence[dict[str, Any]], *names: str) -> tuple[tuple[Decimal, ...], ...]:
    found = [tuple(_sure(row[name] or 0) for name in names) for row in rows if row[names[0]]]
    return tuple(
        sorted(
            (abs(quantity), abs(price) * (1 - discount / 100), net)
            for quantity, price, discount, net in found
        )
    )


def _sure(shown: Any) -> Decimal:
    return Decimal(str(shown))


SIDES = {"salesforce": SalesforceSide, "webcrm": WebcrmSide}
