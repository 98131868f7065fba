"""
The records that cross the port: what a CRM and the books have in common, in our form.

Frozen values. ``ref`` says which record over there; ``version`` is that system's own mark of the
state (opaque, never part of identity); ``extra`` holds the paths that the configuration asked for
under the vendor's names; ``shape`` is the digest of the selection they were read with.
Amounts are Decimal in the document's currency, dates belong to the book's time zone, times are
aware UTC. See the reference "records" page of the documentation for each field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

Scalar = str | bool | int | Decimal | None
# Values are Scalar; the looser type is what a typed JSON decoder can read back.
Extra = Mapping[str, Any]


class Entity(StrEnum):
    """A kind of thing in our model."""

    CUSTOMER = "customer"
    CONTACT = "contact"
    ITEM = "item"
    PRICE = "price"
    CODE = "code"
    VALUES = "values"
    DEAL = "deal"
    DOCUMENT = "document"
    PAYMENT = "payment"
    BALANCE = "balance"
    STANDING = "standing"


@dataclass(frozen=True, slots=True, order=True)
class ExternalRef:
    """Which record, over there: the connection, the entity, and the vendor's opaque id."""

    connection: str
    entity: str
    id: str

    def __str__(self) -> str:
        return f"{self.connection}:{self.entity}:{self.id}"


class PartyKind(StrEnum):
    COMPANY = "company"
    PERSON = "person"
    UNKNOWN = "unknown"


class IdState(StrEnum):
    """What is known about a number: its own check digits, or what a register answered."""

    VALID = "valid"
    INVALID = "invalid"
    DOUBTFUL = "doubtful"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A company, VAT or e-invoice number. ``kind`` is 'company', 'vat' or 'einvoice'."""

    kind: str
    country: str | None
    raw: str
    normal: str = ""
    key: str = ""
    state: IdState = IdState.UNCHECKED
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """``role`` is 'billing' or 'shipping'; ``country`` is ISO 3166 alpha-2 or '' if not told."""

    role: str = "billing"
    name: str = ""
    lines: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """
    A code of the vendor's: terms, tax code, unit, price list, currency, dimension, project, branch.

    ``facts`` are what the code means where that is known, such as ``days`` of terms or ``rate`` of
    a tax code (a fraction: 0.25 is 25 %).
    """

    kind: str
    code: str
    name: str = ""
    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    active: bool = True
    facts: Extra = field(default_factory=dict)
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedValue:
    """A value of a pick list: what is stored, what people see, and whether it can be chosen."""

    code: str
    label: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueList:
    """
    A list of values in the CRM, in the order in which people see it.

    ``ours`` are the codes that came from the books, also those that the books do not have any
    more; the other values are somebody else's and stay as they are.
    """

    ref: ExternalRef | None = None
    version: str | None = None
    name: str = ""
    values: tuple[ListedValue, ...] = ()
    ours: tuple[str, ...] = ()
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A legal entity that buys. ``emails`` and ``phones`` are by role ('invoice', 'general')."""

    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    came_from: tuple[ExternalRef, ...] = ()
    number: str = ""
    name: str = ""
    kind: PartyKind = PartyKind.UNKNOWN
    identifiers: tuple[Identifier, ...] = ()
    addresses: tuple[Address, ...] = ()
    emails: Mapping[str, str] = field(default_factory=dict)
    phones: Mapping[str, str] = field(default_factory=dict)
    contact_name: str = ""
    language: str = ""
    currency: str = ""
    terms: str = ""
    tax_group: str = ""
    price_list: str = ""
    credit_limit: Decimal | None = None
    credit_stop: bool = False
    active: bool = True
    parent: ExternalRef | None = None
    owner: str = ""
    merged_into: ExternalRef | None = None
    open_balance: Decimal | None = None
    note: str = ""
    extra: Extra = field(default_factory=dict)
    shape: str = ""

    def identifier(self, kind: str) -> Identifier | None:
        """The first number of that kind, or None."""
        return next((found for found in self.identifiers if found.kind == kind), None)

    def address(self, role: str = "billing") -> Address | None:
        """The first address of that role, or None."""
        return next((found for found in self.addresses if found.role == role), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """
    A person at a customer; ``roles`` such as 'billing' come from the system's own roles.

    ``title`` is what the person is there, such as Finance Director.
    """

    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    customer: ExternalRef | None = None
    given: str = ""
    family: str = ""
    email: str = ""
    phone: str = ""
    mobile: str = ""
    title: str = ""
    roles: tuple[str, ...] = ()
    active: bool = True
    extra: Extra = field(default_factory=dict)
    shape: str = ""

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTax:
    """
    What VAT an item gets in a situation. ``rate`` is a fraction; None: the books refuse it there.

    ``treatment`` is one of the words of `core.tax.Treatment`; ``code`` is the books' own code
    where a line carries one, else ''.
    """

    treatment: str
    rate: Decimal | None
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPrice:
    """
    What an item costs in one price list of the CRM. ``list`` is called as the configuration does.

    ``currency`` is ISO 4217, '' where the CRM has but one. ``amount`` is net of VAT for one unit;
    None: the item is not sold by that list in that currency.
    """

    list: str
    currency: str = ""
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """
    What can be sold. ``number`` is the code that people use; ``tax`` by treatment.

    ``price`` is the list price, net of VAT, and ``cost`` what it costs us, both in ``currency``
    ('': the company's own). ``prices`` are those of the CRM's price lists; what books have is a
    `Price` of its own.
    """

    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    number: str = ""
    name: str = ""
    service: bool = False
    unit: str = ""
    tax_class: str = ""
    tax: tuple[ItemTax, ...] = ()
    price: Decimal | None = None
    cost: Decimal | None = None
    currency: str = ""
    prices: tuple[ListedPrice, ...] = ()
    active: bool = True
    extra: Extra = field(default_factory=dict)
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """
    A price of the books: what one unit of an item costs, for whom, from which quantity, and when.

    ``list`` is the code of the price list or customer price class, '' for everybody. ``unit`` ''
    is the item's own. ``valid_to`` is the last day. ``promotion`` goes before the usual price.
    ``customer`` is the number of the one customer who pays it: it is on no list.
    ``item`` has the number, the ref, or both, as the books tell them.
    """

    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    item: ItemRef | None = None
    list: str = ""
    customer: str = ""
    currency: str = ""
    unit: str = ""
    from_quantity: Decimal = Decimal(0)
    valid_from: date | None = None
    valid_to: date | None = None
    amount: Decimal = Decimal(0)
    includes_tax: bool = False
    promotion: bool = False
    active: bool = True
    extra: Extra = field(default_factory=dict)
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRef:
    """The item of a line: its code, its name, and its ref where that is known."""

    number: str = ""
    name: str = ""
    ref: ExternalRef | None = None


class LineKind(StrEnum):
    ITEM = "item"
    TEXT = "text"
    CHARGE = "charge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    A line of a deal or document. ``discount`` is a fraction of the line (0.1 is 10 %).

    ``stated_net`` is what the system itself says the line is worth, None where it says nothing.
    ``tax_rate`` is a fraction. ``dimensions`` are kind → code.
    """

    ref: ExternalRef | None = None
    position: int = 0
    kind: LineKind = LineKind.ITEM
    item: ItemRef | None = None
    text: str = ""
    quantity: Decimal = Decimal(1)
    unit: str = ""
    unit_price: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    includes_tax: bool = False
    stated_net: Decimal | None = None
    tax_code: str = ""
    tax_rate: Decimal | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)
    delivered_on: date | None = None
    extra: Extra = field(default_factory=dict)


class DealKind(StrEnum):
    OPPORTUNITY = "opportunity"
    QUOTE = "quote"
    ORDER = "order"
    DELIVERY = "delivery"


class DealState(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """One billing step of a deal: its share as an amount (net) and the day it is due."""

    part: int
    amount: Decimal
    due_on: date | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """
    What was agreed. ``source_id`` is the root deal (an opportunity and its quote are one source).

    ``stated_total`` is the head's own net amount; ``discount`` a document discount as an amount.
    ``schedule`` empty means one billing step, number 0: the whole deal.
    """

    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    came_from: tuple[ExternalRef, ...] = ()
    kind: DealKind = DealKind.OPPORTUNITY
    source_id: str = ""
    number: str = ""
    title: str = ""
    url: str = ""
    customer: ExternalRef | None = None
    billing_contact: Contact | None = None
    state: DealState = DealState.OPEN
    stage: str = ""
    close_date: date | None = None
    won_at: datetime | None = None
    delivered_on: date | None = None
    currency: str = ""
    lines: tuple[Line, ...] = ()
    discount: Decimal = Decimal(0)
    stated_total: Decimal | None = None
    po_number: str = ""
    buyer_reference: str = ""
    owner: str = ""
    owner_email: str = ""
    probability: Decimal | None = None
    record_type: str = ""
    schedule: tuple[Instalment, ...] = ()
    dimensions: Mapping[str, str] = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)
    shape: str = ""


class DocumentKind(StrEnum):
    ORDER = "order"
    DRAFT = "draft"
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class OrderState(StrEnum):
    """
    How far a sales order has come in the books. ``shipped``: delivered or invoiced at least in
    part, so that nobody changes it from outside; ``invoiced``: nothing more comes of it.
    """

    DRAFT = "draft"
    AWAITING = "awaiting"
    APPROVED = "approved"
    SHIPPED = "shipped"
    INVOICED = "invoiced"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Figures of a document in one currency: gross = net + tax + rounding; None where not told."""

    currency: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    rounding: Decimal = Decimal(0)
    open: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Money that met a document: its day in the books and its size, gross; taken back: minus."""

    on: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """
    A sales document in the books. Sizes are positive for invoices, negative for credit notes.

    ``credited`` is what credit notes took off (gross), ``paid`` what money did, ``written_off``,
    ``discounted`` and ``small_difference`` what we bear, each only where the books tell it;
    ``payments`` are the money one by one where the books tell each, and then come to ``paid``;
    ``sale`` is False for a reminder fee or interest, a claim of its own; ``came_from`` names the
    draft or order it grew out of (the order first); ``credits`` the documents that this credit
    note corrects;
    ``carrier_text`` where our key is looked for; ``order_state`` is an order's, and its
    ``issue_date`` the order date, ``delivered_on`` the day on which it is to be delivered.
    """

    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    came_from: tuple[ExternalRef, ...] = ()
    kind: DocumentKind = DocumentKind.INVOICE
    number: str = ""
    raw_status: str = ""
    booked: bool = False
    voided: bool = False
    order_state: OrderState | None = None
    customer: ExternalRef | None = None
    customer_name: str = ""
    issue_date: date | None = None
    due_date: date | None = None
    delivered_on: date | None = None
    currency: str = ""
    rate: Decimal | None = None
    totals: Totals | None = None
    base_totals: Totals | None = None
    lines: tuple[Line, ...] = ()
    credited: Decimal | None = None
    paid: Decimal | None = None
    written_off: Decimal | None = None
    discounted: Decimal | None = None
    small_difference: Decimal | None = None
    sale: bool = True
    last_payment_on: date | None = None
    payments: tuple[Paid, ...] = ()
    terms: str = ""
    our_reference: str = ""
    your_reference: str = ""
    po_number: str = ""
    buyer_reference: str = ""
    carrier_text: str = ""
    credits: tuple[ExternalRef, ...] = ()
    credited_by: tuple[ExternalRef, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""
    url: str = ""
    extra: Extra = field(default_factory=dict)
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money (or what stands for it) against documents. ``origin`` is 'stated' or 'derived'."""

    ref: ExternalRef | None = None
    version: str | None = None
    changed_at: datetime | None = None
    customer: ExternalRef | None = None
    document: ExternalRef | None = None
    paid_on: date | None = None
    amount: Decimal = Decimal(0)
    currency: str = ""
    kind: str = "money"
    method: str = ""
    origin: str = "stated"
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a customer owes in one currency, as the books themselves say it."""

    ref: ExternalRef | None = None
    version: str | None = None
    customer: ExternalRef | None = None
    currency: str = ""
    open: Decimal = Decimal(0)
    overdue: Decimal = Decimal(0)
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """
    What the books say about a deal or a customer, to be shown in the CRM. We own it whole.

    ``ref`` has the CRM's id of the deal or customer. Fields that are None are not shown.
    ``vendor_status`` is the books' own word for the document, beside our ``status``.
    """

    ref: ExternalRef | None = None
    version: str | None = None
    of: str = "deal"
    status: str | None = None
    overdue: bool | None = None
    credited_in_part: bool | None = None
    refund_due: bool | None = None
    booked: bool | None = None
    vendor_status: str | None = None
    order_number: str | None = None
    order_date: date | None = None
    delivered_on: date | None = None
    number: str | None = None
    books_id: str | None = None
    issue_date: date | None = None
    due_date: date | None = None
    last_payment_on: date | None = None
    currency: str | None = None
    net: Decimal | None = None
    gross: Decimal | None = None
    paid: Decimal | None = None
    open: Decimal | None = None
    overdue_amount: Decimal | None = None
    message: str | None = None
    shape: str = ""


Record = (
    Customer
    | Contact
    | Item
    | Price
    | Code
    | ValueList
    | Deal
    | Document
    | Payment
    | Balance
    | Standing
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """The company behind a connection. ``id`` is the vendor's own; it never changes."""

    id: str
    name: str
    country: str = ""
    currency: str = ""
    time_zone: str = "UTC"
    user: str = ""
    locked_to: date | None = None
    first_open_day: date | None = None
    last_open_day: date | None = None
    facts: Extra = field(default_factory=dict)
