"""
The configuration as the core sees it: values and compiled rules, nothing that reads or asks.

The settings layer makes a `BridgePolicy` out of a configuration version; the core and the engine
only read it. A `Rule` is an expression made into a function; a `FieldRule` says where a field of
ours comes from, who owns it, and how it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from tieout.core.mapping.fields import Mode as WriteMode
from tieout.core.mapping.fields import Owner

Scope = Mapping[str, object]


class FlowMode(StrEnum):
    """How far a flow goes by itself: plan only, wait for a person, or do it."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition. ``text`` is what the person wrote, for messages and for `why`."""

    text: str
    test: Callable[[Scope], object]

    def holds(self, scope: Scope) -> bool:
        """Whether the condition is true. Raises `core.mapping.errors.MappingError`."""
        return self.test(scope) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """
    Where one field of ours comes from. ``table`` names the value table that was used, or '', and
    ``kept_in`` is where a person finds that.
    """

    target: str
    text: str
    value: Callable[[Scope], object]
    table: str = ""
    kept_in: str = ""
    owner: Owner = Owner.CRM
    mode: WriteMode = WriteMode.OVERWRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksPolicy:
    """
    One company's books in a bridge: which billing steps go there, and what it takes.

    ``company`` is the vendor's own id of the company; ``seller`` its country.
    """

    connection: str
    company: str
    seller: str
    base_currency: str
    time_zone: str
    when: Rule | None = None
    currencies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPolicy:
    """
    ``when`` None: a customer is made when a deal needs it. ``match`` in order of trust.

    ``both``: what the books own, or changed last, also goes to the CRM. ``owners`` says whose word
    counts for fields of ours that no mapping names; without one the usual owner's.
    """

    mode: FlowMode = FlowMode.AUTO
    when: Rule | None = None
    match: tuple[str, ...] = ("external_id", "tax_number", "name_postcode")
    conflict: Owner = Owner.MANUAL
    both: bool = False
    owners: Mapping[str, Owner] = field(default_factory=dict)
    fields: tuple[FieldRule, ...] = ()


INVOICE_DRAFT, INVOICE, SALES_ORDER = "invoice_draft", "invoice", "sales_order"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRule:
    """What is made of the deals for which ``when`` holds."""

    when: Rule
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPolicy:
    """
    How deals become documents. The first of ``kinds`` that holds says what is made of a deal, else
    ``kind``: an invoice draft, an invoice that we book, or a sales order. ``include`` False leaves
    a deal out by rule; ``trigger`` says when.

    ``approve_above`` is a net amount in the book's base currency, summed per customer and day.
    ``void_on_reopen`` allows deleting an untouched draft of a deal that is no longer won.
    ``require_reference``: 'never', 'always', or 'flagged' (public and e-invoice customers).
    ``tolerance``: how far the predicted net may be from the deal's. ``instalments`` gives the
    text of a deal's billing plan (`core.schedule`). ``ask_order_changes``: an order that somebody
    changed in the books is put before a person, else it is left as it is.
    """

    mode: FlowMode = FlowMode.APPROVE
    include: Rule | None = None
    trigger: Rule | None = None
    kind: str = INVOICE_DRAFT
    kinds: tuple[KindRule, ...] = ()
    ask_order_changes: bool = False
    approve_above: Decimal | None = None
    four_eyes: bool = False
    void_on_reopen: bool = True
    require_reference: str = "flagged"
    require_email: bool = False
    tolerance: Decimal = Decimal("0.00")
    discount_item: str = ""
    required_dimensions: tuple[str, ...] = ()
    prices_include_tax: bool = False
    check_vat_state: bool = False
    fields: tuple[FieldRule, ...] = ()
    line_fields: tuple[FieldRule, ...] = ()
    instalments: FieldRule | None = None

    @property
    def looks(self) -> bool:
        """Whether a document's kind or a field of it hangs on an expression."""
        return bool(self.kinds or self.fields or self.line_fields)

    def kind_of(self, scope: Scope) -> str:
        """What is made of the deal of that scope. Raises `core.mapping.errors.MappingError`."""
        return next((rule.kind for rule in self.kinds if rule.when.holds(scope)), self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPolicy:
    """
    What comes back to the CRM. ``tolerance`` per currency: what still counts as paid.

    ``every_s``: how often a bridge that runs again and again decides it; None: in every round.
    """

    mode: FlowMode = FlowMode.AUTO
    every_s: int | None = None
    tolerance: Mapping[str, Decimal] = field(default_factory=dict)


STANDARD_LIST = "standard"
"""What the CRM's own list price is called where a configuration names its price lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRule:
    """
    Prices of one list of the books, shown in one price list of the CRM.

    ``list`` '' are the prices for everybody. ``book`` is the CRM's price list by its name or id.
    ``currencies`` are those in which a price has to be there; none: those in which one is.
    """

    list: str
    book: str
    currencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPolicy:
    """
    Items of the books shown in the CRM, so that quotes are made with them. ``when`` None: all.

    ``cost`` also shows what an item costs us, in the CRM's own field for it; ``fields`` are fields
    of the CRM that the configuration names, each with what it shows. ``every_s`` as in
    `StatusPolicy`.
    """

    mode: FlowMode = FlowMode.OFF
    when: Rule | None = None
    cost: bool = False
    prices: tuple[PriceRule, ...] = ()
    fields: tuple[FieldRule, ...] = ()
    every_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRule:
    """
    Codes of one kind as values of a list of the CRM. ``books`` is the connection they come from.

    ``target`` is the list's name there. ``label`` says what people see: the code's 'name', the
    'code' itself, or 'both'.
    """

    kind: str
    target: str
    books: str
    label: str = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePolicy:
    """Codes of the books as lists of values in the CRM; ``every_s`` as in `StatusPolicy`."""

    mode: FlowMode = FlowMode.OFF
    lists: tuple[ValueRule, ...] = ()
    every_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePolicy:
    """
    Invoices and credit notes of linked customers shown in the CRM, whoever made them.

    ``since`` None: from the first one on. ``lines`` False shows heads only.
    """

    mode: FlowMode = FlowMode.OFF
    since: date | None = None
    lines: bool = True
    every_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPolicy:
    """
    Persons of linked customers, matched by their e-mail address within the customer.

    ``to_books`` and ``to_crm`` are the directions that run, ``books_when`` and ``crm_when`` which
    persons go there (None: all that have an address). ``owners`` says whose word counts for a
    field; without one the latest change. ``books_fields`` and ``crm_fields`` are fields that a
    mapping makes, which go one way. ``shared``: 'each' keeps persons of several customers with
    one address apart, 'hold' asks. ``every_s`` as in `StatusPolicy`.
    """

    mode: FlowMode = FlowMode.OFF
    to_books: bool = True
    to_crm: bool = False
    books_when: Rule | None = None
    crm_when: Rule | None = None
    owners: Mapping[str, Owner] = field(default_factory=dict)
    books_fields: tuple[FieldRule, ...] = ()
    crm_fields: tuple[FieldRule, ...] = ()
    shared: str = "each"
    every_s: int | None = None

    @property
    def both(self) -> bool:
        """Whether changes go both ways."""
        return self.to_books and self.to_crm


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilePolicy:
    """
    ``rate`` gives a deal's own rate to base currency; without it that of the books counts.

    ``every_s``: how often a run does it; None: only when asked. What stays unexplained above
    ``threshold`` then opens an exception of ``alert``'s.
    """

    sold_amount: str = "lines"
    every_s: int | None = None
    threshold: Decimal = Decimal("0.00")
    alert: str = ""
    rate: FieldRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakePolicy:
    """
    When a run stops and asks. Shares are of what is linked, counted only from ``floor`` up.
    """

    floor: int = 10
    create_share: Decimal = Decimal("1.0")
    update_share: Decimal = Decimal("0.3")
    gone_slots: int = 3
    gone_share: Decimal = Decimal("0.01")
    unknown_share: Decimal = Decimal("0.05")
    clock_offset_s: int = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPolicy:
    """
    How registers of VAT numbers are asked, where ``documents.check_vat_state`` says that they are.

    ``vies`` and ``brreg`` are addresses, ``requester`` our own VAT number ('': none is told).
    An answer counts for ``max_age_s``; a call takes at most ``timeout_s``, and a run makes at most
    ``calls`` in a minute.
    """

    vies: str = "https://ec.europa.eu/taxation_customs/vies/rest-api"
    brreg: str = "https://data.brreg.no/enhetsregisteret/api"
    requester: str = ""
    max_age_s: int = 7 * 86_400
    timeout_s: int = 5
    calls: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePolicy:
    """One configuration version in force. ``crm_org`` is the vendor's own organisation id."""

    name: str
    version: int
    digest: str
    crm: str
    crm_org: str
    books: tuple[BooksPolicy, ...]
    customers: CustomerPolicy = field(default_factory=CustomerPolicy)
    documents: DocumentPolicy = field(default_factory=DocumentPolicy)
    status: StatusPolicy = field(default_factory=StatusPolicy)
    items: ItemPolicy = field(default_factory=ItemPolicy)
    invoices: InvoicePolicy = field(default_factory=InvoicePolicy)
    reference: ReferencePolicy = field(default_factory=ReferencePolicy)
    contacts: ContactPolicy = field(default_factory=ContactPolicy)
    reconcile: ReconcilePolicy = field(default_factory=ReconcilePolicy)
    brakes: BrakePolicy = field(default_factory=BrakePolicy)
    registers: RegisterPolicy = field(default_factory=RegisterPolicy)

    def by_hand(self) -> BridgePolicy:
        """The same with a person's release before every write that would go by itself."""

        def mode(given: FlowMode) -> FlowMode:
            return FlowMode.APPROVE if given is FlowMode.AUTO else given

        return replace(
            self,
            customers=replace(self.customers, mode=mode(self.customers.mode)),
            documents=replace(self.documents, mode=mode(self.documents.mode), approve_above=None),
            status=replace(self.status, mode=mode(self.status.mode)),
            items=replace(self.items, mode=mode(self.items.mode)),
            invoices=replace(self.invoices, mode=mode(self.invoices.mode)),
            reference=replace(self.reference, mode=mode(self.reference.mode)),
            contacts=replace(self.contacts, mode=mode(self.contacts.mode)),
        )

    def book(self, connection: str) -> BooksPolicy:
        """The books of that connection. Raises KeyError when the bridge has none such."""
        for book in self.books:
            if book.connection == connection:
                return book
        raise KeyError(connection)
