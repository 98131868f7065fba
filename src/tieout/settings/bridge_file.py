"""What may stand in `tieout.yaml`: one bridge, each key with what it means."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from tieout.core.policy import BrakePolicy, FlowMode, RegisterPolicy
from tieout.settings.bridge_contacts import ContactFields, ContactFlow, ContactRow
from tieout.settings.bridge_kinds import (
    Amount,
    Cell,
    CrmField,
    Currency,
    Duration,
    Expression,
    Group,
    InlineTable,
    Name,
    Share,
    Strict,
    distinct,
    or_empty,
    zone_name,
)
from tieout.settings.bridge_reference import ReferenceFlow
from tieout.settings.bridge_row import FieldRow
from tieout.settings.validate import json_schema

# --- books and flows -----------------------------------------------------------------------------


class Books(Strict):
    """One company's books."""

    connection: Name = Field(description="Name of the connection to these books.")
    when: Expression | None = Field(
        default=None,
        description="Which deals go to these books; the first book whose rule is true takes the "
        "deal. Left out: all that no earlier book took.",
    )
    currency: Annotated[tuple[Currency, ...], AfterValidator(distinct)] = Field(
        default=(), description="Currencies that these books take. Left out: any."
    )
    time_zone: Annotated[str, AfterValidator(zone_name)] | None = Field(
        default=None,
        description="Time zone in which days are counted. Left out: the one of the company.",
    )


class CustomerFlow(Group):
    """Customers of the CRM to the books."""

    direction: Literal["to_books", "both"] = Field(
        default="to_books",
        description="to_books, or both: then what the books own, or changed last, goes to the CRM.",
    )
    owners: dict[
        Literal[
            "name",
            "identifiers",
            "addresses",
            "emails",
            "phones",
            "contact_name",
            "language",
        ],
        Literal["crm", "books", "latest", "manual"],
    ] = Field(
        default_factory=dict,
        description="With direction both: whose word counts for a field that no mapping makes. "
        "Left out: crm.",
    )
    mode: FlowMode = Field(
        default=FlowMode.AUTO,
        description="off, shadow (plan only), approve (a person releases), auto.",
    )
    when: Expression | None = Field(
        default=None,
        description="Which customers are kept in the books. Left out: those that a deal needs.",
    )
    match: Annotated[
        tuple[Literal["external_id", "tax_number", "name_postcode"], ...],
        Field(min_length=1),
        AfterValidator(distinct),
    ] = Field(
        default=("external_id", "tax_number", "name_postcode"),
        description="By what an existing customer is recognised, in the order of trust.",
    )
    conflict: Literal["manual", "crm", "books"] = Field(
        default="manual",
        description="Who is right where both sides changed a field that nobody owns.",
    )


Kind = Literal["invoice_draft", "invoice", "sales_order"]


class KindRow(Strict):
    """What is made of some deals."""

    when: Expression = Field(description="Which deals, as in deal.kind == 'order'.")
    create: Kind = Field(description="What is made of them in the books.")


class DocumentFlow(Group):
    """Deals to documents in the books."""

    mode: FlowMode = Field(
        default=FlowMode.APPROVE,
        description="off, shadow (plan only), approve (a person releases), auto.",
    )
    include: Expression | None = Field(
        default=None,
        description="Which deals are meant at all; the others are left out by rule and named so "
        "in the tie-out. Left out: all.",
    )
    when: Expression | None = Field(
        default=None, description="When a deal becomes a document. Left out: deal.won."
    )
    create: Kind = Field(
        default="invoice_draft",
        description="What is made in the books: invoice_draft, invoice (a draft that is booked by "
        "a write of its own once it shows what was predicted), or sales_order.",
    )
    kinds: tuple[KindRow, ...] = Field(
        default=(),
        description="What is made of some deals instead: the first rule that is true counts. "
        "A document that is there stays what it is.",
    )
    order_changes: Literal["leave", "ask"] = Field(
        default="leave",
        description="What becomes of an order that somebody changed in the books before it was "
        "shipped: it is left as it is, or a person is asked which side counts.",
    )
    instalments: Expression | None = Field(
        default=None,
        description="The billing plan of a deal as a text: 3, 3 monthly, or 30% 2026-10-05, rest "
        "2026-11-30. Left out, or empty on a deal: one document for the whole deal.",
    )
    approve_above: Amount | None = Field(
        default=None,
        description="With mode approve: a person releases what is above this net amount in the "
        "book's base currency, summed per customer and day. Left out: everything.",
    )
    four_eyes: bool | None = Field(
        default=None,
        description="Who releases is neither who won the deal nor who last changed this file. "
        "Left out: true where approve_above is set.",
    )
    void_on_reopen: bool = Field(
        default=True,
        description="Whether an untouched draft goes when its deal is no longer won.",
    )
    require_reference: Literal["never", "always", "flagged"] = Field(
        default="flagged",
        description="Whether a document needs the buyer's reference; flagged: public buyers and "
        "those with an e-invoice address.",
    )
    require_email: bool = Field(
        default=False, description="Whether a customer needs an e-mail address for invoices."
    )
    tolerance: Amount = Field(
        default=Decimal("0.00"),
        description="How far the net that the books will show may be from the deal's.",
    )
    discount_item: Expression = Field(
        default="", description="The books' item for a discount that no percent gives exactly."
    )
    required_dimensions: Annotated[tuple[Name, ...], AfterValidator(distinct)] = Field(
        default=(), description="Kinds of dimension without which a line is not sent."
    )
    prices_include_tax: bool = Field(
        default=False, description="Whether the prices of deals contain VAT."
    )
    check_vat_state: bool = Field(
        default=False,
        description="Whether a VAT number has to be confirmed by its register, which is then asked "
        "(registers). False: no register is asked, and a number that is well formed counts.",
    )


class StatusFlow(Group):
    """Status, payments and balances back to the CRM."""

    direction: Literal["to_crm"] = Field(
        default="to_crm", description="Status goes to the CRM; there is no other direction."
    )
    mode: FlowMode = Field(
        default=FlowMode.AUTO,
        description="off, shadow (plan only), approve (a person releases), auto.",
    )
    every: Duration | None = Field(
        default=None,
        description="How often tieout run --every decides it, such as 1m. Left out: with every "
        "round.",
    )
    tolerance: dict[Currency, Amount] = Field(
        default_factory=dict,
        description="Per currency, what may be open on an invoice that counts as paid. "
        "Left out: 0.99 for SEK, NOK and DKK, 0.05 for EUR, else 0.",
    )


BASE_LIST: Final = "base"


class ItemPrices(Strict):
    """Prices of one list of the books, and the CRM's price list that shows them."""

    list: Annotated[Cell, Field(max_length=100)] = Field(
        description="A price list or customer price class of the books by its code, or base: the "
        "prices for everybody."
    )
    book: Annotated[str, Field(min_length=1, max_length=120)] | None = Field(
        default=None,
        description="The CRM's price list by name or id, or standard: its list prices. Left out: "
        "the one that is called as the list.",
    )
    currency: tuple[Currency, ...] = Field(
        default=(),
        description="Currencies in which every item should have a price there. Left out: those in "
        "which it has one.",
    )


class ItemFlow(Group):
    """Items of the books to the CRM."""

    direction: Literal["to_crm"] = Field(
        default="to_crm", description="The books own their items; there is no other direction."
    )
    mode: FlowMode = Field(
        default=FlowMode.OFF,
        description="off, shadow (plan only), approve (a person releases), auto.",
    )
    when: Expression | None = Field(
        default=None,
        description="Which items the CRM shows, as in item.service. Left out: all with a number.",
    )
    cost: bool = Field(
        default=False,
        description="Whether the CRM also shows what an item costs us, in its own field for that. "
        "A field of yours is named under mapping.item instead.",
    )
    prices: tuple[ItemPrices, ...] = Field(
        default=(),
        description="Which price lists of the books the CRM shows. Left out: the list price alone.",
    )
    every: Duration | None = Field(
        default=None,
        description="How often tieout run --every decides it, such as 15m. Left out: with every "
        "round.",
    )


class InvoiceFlow(Group):
    """Invoices and credit notes of linked customers to the CRM, whoever made them."""

    direction: Literal["to_crm"] = Field(
        default="to_crm", description="The books own their invoices; there is no other direction."
    )
    mode: FlowMode = Field(
        default=FlowMode.OFF,
        description="off, shadow (plan only), approve (a person releases), auto.",
    )
    since: date | None = Field(
        default=None,
        description="The first invoice date that is shown, such as 2024-01-01. Left out: all.",
    )
    lines: bool = Field(default=True, description="Whether their lines are shown too.")
    every: Duration | None = Field(
        default=None,
        description="How often tieout run --every decides it, such as 15m. Left out: with every "
        "round.",
    )


class ReconcileFlow(Group):
    """The tie-out."""

    every: Duration | None = Field(
        default=None,
        description="How often tieout run does it behind its work, such as 1d. Left out: only "
        "tieout reconcile does.",
    )
    sold_amount: Literal["lines", "head"] = Field(
        default="lines",
        description="What was sold: the sum of the lines to invoice, or the deal's own amount.",
    )
    rate: Expression | None = Field(
        default=None,
        description="The deal's own rate to the books' base currency, for what was sold. Left "
        "out: the books' rate.",
    )
    threshold: Amount = Field(
        default=Decimal("0.00"),
        description="Above which unexplained amount an exception is opened; all is always shown.",
    )
    alert: Name | None = Field(
        default=None, description="Whose that exception is: a name, as the list shows it."
    )


class Flows(Group):
    """What runs between the two sides."""

    customers: CustomerFlow = Field(
        default=CustomerFlow(), description="Customers of the CRM to the books."
    )
    documents: DocumentFlow = Field(
        default=DocumentFlow(), description="Deals to documents in the books."
    )
    status: StatusFlow = Field(
        default=StatusFlow(), description="Status, payments and balances back to the CRM."
    )
    items: ItemFlow = Field(default=ItemFlow(), description="Items of the books to the CRM.")
    invoices: InvoiceFlow = Field(
        default=InvoiceFlow(),
        description="Invoices and credit notes of linked customers to the CRM.",
    )
    contacts: ContactFlow = Field(
        default=ContactFlow(), description="Persons of linked customers, both ways or one way."
    )
    reference: ReferenceFlow = Field(
        default=ReferenceFlow(), description="Codes of the books to lists of values of the CRM."
    )
    reconcile: ReconcileFlow = Field(
        default=ReconcileFlow(), description="The comparison of sold, invoiced and paid."
    )


def _register_address(value: str) -> str:
    """Registers are read without a sign-in, but what they say must come from them."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    near = host == "localhost" or _is_loopback(host)
    if not host or parts.scheme not in (("https", "http") if near else ("https",)):
        raise ValueError(f'"{value}" is no address that begins with https:// and names a host.')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f'"{value}" must hold no password, query or fragment.')
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _own_vat_number(value: str) -> str:
    text = "".join(value.split()).upper()
    if not re.fullmatch("[A-Z]{2}[A-Z0-9+*]{2,12}", text):
        raise ValueError(f'"{value}" is no VAT number with its letters, such as SE556016068001.')
    return text


RegisterAddress = Annotated[str, AfterValidator(_register_address)]
_REGISTERS: Final = RegisterPolicy()


class Registers(Group):
    """How registers of VAT numbers are asked, where flows.documents.check_vat_state is true."""

    vies: RegisterAddress = Field(
        default=_REGISTERS.vies,
        description="Address of VIES, for numbers of member states and of Northern Ireland; https, "
        "or this machine.",
    )
    brreg: RegisterAddress = Field(
        default=_REGISTERS.brreg,
        description="Address of Norway's register of entities, for Norwegian numbers.",
    )
    requester: Annotated[str, AfterValidator(_own_vat_number)] | None = Field(
        default=None,
        description="Your own VAT number: with it VIES gives a consultation number as proof. Left "
        "out: none is told.",
    )
    max_age: Duration = Field(
        default=_REGISTERS.max_age_s,
        description="How long an answer counts. An older one is asked for again, and holds the "
        "deal until it comes.",
    )
    timeout: Annotated[Duration, Field(le=10)] = Field(
        default=_REGISTERS.timeout_s, description="How long one call may take, at most 10s."
    )
    calls: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=_REGISTERS.calls, description="How many numbers are asked about in a minute."
    )


_BRAKES: Final = BrakePolicy()


class Brakes(Group):
    """When a run stops and asks. Shares are of what is linked: 0.3 is 30 %."""

    floor: Annotated[int, Field(ge=0)] = Field(
        default=_BRAKES.floor, description="Shares count only from so many changes on."
    )
    create_share: Annotated[Decimal, Field(ge=0)] = Field(
        default=_BRAKES.create_share, description="New records above this share stop a run."
    )
    update_share: Share = Field(
        default=_BRAKES.update_share, description="Changed records above this share stop a run."
    )
    gone_slots: Annotated[int, Field(ge=0)] = Field(
        default=_BRAKES.gone_slots, description="So many vanished records stop a run."
    )
    gone_share: Share = Field(
        default=_BRAKES.gone_share, description="Vanished records above this share stop a run."
    )
    unknown_share: Share = Field(
        default=_BRAKES.unknown_share,
        description="Writes whose outcome is unknown above this share stop a run.",
    )
    clock_offset: Duration = Field(
        default=_BRAKES.clock_offset_s,
        description="How far a vendor's clock may be from ours, such as 1h.",
    )


# --- mapping -------------------------------------------------------------------------------------


class CustomerRow(FieldRow):
    """Where a customer's field comes from, and who may write it when."""

    owner: Literal["crm", "books", "latest", "manual"] | None = Field(
        default=None,
        description="Whose word counts after the first write; where both changed, latest is the "
        "side that did so last and manual a person. Left out: books for terms and currency, else "
        "crm.",
    )
    mode: Literal["overwrite", "if_empty", "create_only"] = Field(
        default="overwrite", description="How the field is written."
    )


class CustomerText(CustomerRow):
    """A customer's field that can hold more than one entry."""

    mode: Literal["overwrite", "if_empty", "create_only", "append"] = Field(  # type: ignore[assignment]
        default="overwrite",
        description="How the field is written; append, for contact_name, email and phone of a "
        "customer: after what stands there, with a semicolon, and nothing is taken away.",
    )


class CustomerFields(Group):
    """Fields of a customer in the books."""

    name: CustomerRow | None = Field(default=None, description="Its legal name.")
    kind: CustomerRow | None = Field(
        default=None, description="company, person or unknown, as a text."
    )
    contact_name: CustomerText | None = Field(default=None, description="Whom to ask for.")
    email: CustomerText | None = Field(default=None, description="Where invoices are sent to.")
    phone: CustomerText | None = Field(default=None, description="Its telephone number.")
    language: CustomerRow | None = Field(default=None, description="Language of its documents.")
    currency: CustomerRow | None = Field(default=None, description="Its currency.")
    terms: CustomerRow | None = Field(
        default=None, description="Payment terms by the books' own code."
    )
    payment_terms: CustomerRow | None = Field(default=None, description="The same as terms.")


class DocumentFields(Group):
    """Fields of a document in the books."""

    your_reference: FieldRow | None = Field(
        default=None, description="The buyer's person. Left out: the billing contact."
    )
    our_reference: FieldRow | None = Field(
        default=None, description="Our person. Left out: the deal's owner."
    )
    po_number: FieldRow | None = Field(default=None, description="The buyer's order number.")
    buyer_reference: FieldRow | None = Field(
        default=None, description="The reference that the buyer demands on e-invoices."
    )
    terms: FieldRow | None = Field(
        default=None, description="Payment terms. Left out: those of the customer in the books."
    )
    delivered_on: FieldRow | None = Field(
        default=None, description="The day of delivery, which decides the VAT."
    )


class LineFields(Group):
    """Fields of a line of a document."""

    item: FieldRow | None = Field(
        default=None,
        description="The item's code in the books. Left out: the product's code, through the "
        "table items where there is one.",
    )
    text: FieldRow | None = Field(default=None, description="What the line says.")
    quantity: FieldRow | None = Field(default=None, description="How many.")
    unit_price: FieldRow | None = Field(default=None, description="The price of one.")
    discount: FieldRow | None = Field(
        default=None, description="A fraction of the line: 0.1 is 10 %."
    )


class FieldMappings(Group):
    """Which field comes from where. What is not named here comes from its usual place."""

    customer: CustomerFields = Field(
        default=CustomerFields(), description="Fields of a customer in the books."
    )
    document: DocumentFields = Field(
        default=DocumentFields(), description="Fields of a document in the books."
    )
    document_line: LineFields = Field(
        default=LineFields(),
        alias="document.line",
        description="Fields of a document's lines.",
    )
    contact: ContactFields = Field(
        default=ContactFields(),
        description="Fields of a person in the books; what is mapped goes this way only.",
    )
    contact_to_crm: ContactFields = Field(
        default=ContactFields(),
        alias="contact.to_crm",
        description="Fields of a person in the CRM; what is mapped goes this way only.",
    )
    dimensions: Annotated[dict[Name, FieldRow], BeforeValidator(or_empty)] = Field(
        default_factory=dict,
        description="Dimensions of a document's lines by kind, such as cost_center.",
    )
    item: Annotated[dict[CrmField, FieldRow], BeforeValidator(or_empty)] = Field(
        default_factory=dict,
        description="Fields of an item in the CRM by their names there, such as Cost_Price__c, "
        "each with an expression over item.",
    )


class BridgeFile(Strict):
    """One bridge: a CRM connection, one or more books, and what runs between them."""

    bridge: Name = Field(description="Name of this bridge.")
    crm: Name = Field(description="Name of the connection to the CRM.")
    books: Annotated[tuple[Books, ...], Field(min_length=1)] = Field(
        description="The books, in the order in which they are tried."
    )
    flows: Flows = Field(default=Flows(), description="What runs, and how far by itself.")
    brakes: Brakes = Field(default=Brakes(), description="When a run stops and asks.")
    registers: Registers = Field(
        default=Registers(), description="How registers of VAT numbers are asked."
    )
    mapping: FieldMappings = Field(
        default=FieldMappings(), description="Which field comes from where."
    )
    tables: Annotated[dict[Name, InlineTable], BeforeValidator(or_empty)] = Field(
        default_factory=dict,
        description="Values of the CRM and what the books call them. Larger tables stand in "
        "tables/NAME.csv with the columns from, to, note.",
    )


_ROWS: Final = (FieldRow, CustomerRow, CustomerText, ContactRow)
_NULL: Final = {"type": "null"}


def bridge_schema() -> dict[str, Any]:
    """The JSON Schema of `tieout.yaml`, for editors and `tieout config schema`."""
    schema = json_schema(BridgeFile, title="Tieout bridge")
    definitions = schema["$defs"]
    for place in (schema, *definitions.values()):
        for key in place.get("properties", {}).values():
            # A description that is also its group's own is left out by Pydantic.
            group = definitions.get(str(key.get("$ref", "")).rpartition("/")[2], {})
            if "description" in group:
                key.setdefault("description", group["description"])
    for row in _ROWS:
        alone = {"type": ["string", "number", "boolean"], "description": "An expression alone."}
        definitions[row.__name__] = {"anyOf": [alone, definitions[row.__name__]]}
    for kind in Group.__subclasses__():
        definitions[kind.__name__] = {"anyOf": [definitions[kind.__name__], _NULL]}
    tables = schema["properties"]["tables"]
    for inner in (tables, tables["additionalProperties"]):
        inner["type"] = ["object", "null"]
    mapping = definitions[FieldMappings.__name__]["anyOf"][0]
    for name in ("dimensions", "item"):
        mapping["properties"][name]["type"] = ["object", "null"]
    return schema


def is_group(path: tuple[str | int, ...]) -> bool:
    """Whether keys stand at this path of the file, so that nothing there means no keys."""
    match path:
        case ("flows" | "brakes" | "registers" | "mapping" | "tables",):
            return True
        case ("flows" | "mapping" | "tables", _):
            return True
        case _:
            return False
