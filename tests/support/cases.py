"""Builders with defaults for the values that the core decides on; used by tests of every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tieout.core.abilities import Abilities, EntityAbilities, TotalsRule
from tieout.core.case import (
    Buyer,
    Candidate,
    CustomerCase,
    DocumentCase,
    LinkBase,
    OpenOperation,
    OpState,
    RefRole,
    Seen,
    SlotRef,
    SlotState,
    Target,
)
from tieout.core.keys import KeyKind, Slot
from tieout.core.mapping.fields import Mode, Owner
from tieout.core.model import (
    Address,
    Company,
    Customer,
    Deal,
    DealState,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Identifier,
    IdState,
    Instalment,
    Item,
    ItemRef,
    ItemTax,
    Line,
    LineKind,
    PartyKind,
)
from tieout.core.policy import (
    BooksPolicy,
    BridgePolicy,
    CustomerPolicy,
    DocumentPolicy,
    FieldRule,
    FlowMode,
    Rule,
)
from tieout.core.tax import TaxAnswer, Treatment

CRM, BOOKS = "salesforce-prod", "visma-se"
CRM_ORG, COMPANY = "00D000000000001EAA", "5560001234"
TODAY = date(2026, 10, 31)
NOW = datetime(2026, 10, 31, 9, 10, tzinfo=UTC)
LANE = f"nordic/documents/{BOOKS}"
CUSTOMERS_LANE = f"nordic/customers/{BOOKS}"
SE25, SE12 = Decimal("0.25"), Decimal("0.12")


def money(text: str | Decimal | int) -> Decimal:
    """A Decimal from how people write it: ``1,249.50``."""
    return Decimal(str(text).replace(",", ""))


# --- the CRM's side ------------------------------------------------------------------------------


def crm_ref(entity: str, id: str) -> ExternalRef:
    return ExternalRef(CRM, entity, id)


def books_ref(entity: str, id: str) -> ExternalRef:
    return ExternalRef(BOOKS, entity, id)


def line(
    item: str = "CONS",
    price: str | Decimal = "1000.00",
    quantity: str | Decimal = "1",
    discount: str | Decimal = "0",
    *,
    position: int = 1,
    name: str | None = None,
    **more: Any,
) -> Line:
    """A priced line of a deal; `item` is the product's code, '' for one without."""
    return Line(
        position=position,
        item=ItemRef(number=item, name=item if name is None else name),
        quantity=money(quantity),
        unit_price=money(price),
        discount=money(discount),
        **more,
    )


def text_line(text: str, position: int = 1) -> Line:
    return Line(position=position, kind=LineKind.TEXT, text=text)


def lines(*made: Line) -> tuple[Line, ...]:
    """The lines with their positions counted from 1."""
    return tuple(replace(one, position=place) for place, one in enumerate(made, start=1))


def deal(
    number: str = "D-108",
    *priced: Line,
    state: DealState = DealState.WON,
    customer: str = "C-1",
    currency: str = "SEK",
    **more: Any,
) -> Deal:
    """A won deal; without lines it has one of 1,000.00."""
    return Deal(
        **{
            "ref": crm_ref("deal", number),
            "source_id": number,
            "number": number,
            "title": "Lager 3",
            "customer": crm_ref("customer", customer),
            "state": state,
            "currency": currency,
            "lines": lines(*(priced or (line(),))),
            "owner": "Maria Ek",
            "delivered_on": date(2026, 10, 30),
            **more,
        }
    )


def instalments(*amounts: str, due: Sequence[date | None] = ()) -> tuple[Instalment, ...]:
    days = list(due) + [None] * len(amounts)
    return tuple(
        Instalment(part=number, amount=money(amount), due_on=day)
        for number, (amount, day) in enumerate(zip(amounts, days, strict=False), start=1)
    )


def number(
    kind: str, raw: str, state: IdState = IdState.VALID, reason: str | None = None
) -> Identifier:
    """A company ('company'), VAT ('vat') or e-invoice ('einvoice') number."""
    plain = raw.replace("-", "").replace(" ", "")
    return Identifier(
        kind=kind, country="SE", raw=raw, normal=plain, key=plain, state=state, reason=reason
    )


def address(postcode: str = "111 22", street: str = "Storgatan 1", **more: Any) -> Address:
    given = {"postcode": postcode, "city": "Stockholm", "country": "SE", **more}
    return Address(lines=(street,) if street else (), **given)


def customer(
    id: str = "C-1",
    name: str = "Tallmo Skog AB",
    *identifiers: Identifier,
    connection: str = CRM,
    **more: Any,
) -> Customer:
    """A company of the CRM with a whole billing address."""
    return Customer(
        **{
            "ref": ExternalRef(connection, "customer", id),
            "name": name,
            "kind": PartyKind.COMPANY,
            "identifiers": identifiers,
            "addresses": (address(),),
            "emails": {"invoice": "faktura@tallmo.example"},
            "owner": "m.ek",
            **more,
        }
    )


# --- the books' side -----------------------------------------------------------------------------


def books_customer(
    id: str = "318", name: str = "Tallmo Skog AB", *identifiers: Identifier, **more: Any
) -> Customer:
    """The same company as the books show it."""
    return customer(id, name, *identifiers, connection=BOOKS, **{"number": id, "owner": "", **more})


def item(code: str = "CONS", rate: Decimal | None = SE25, **more: Any) -> Item:
    """An active item that is sold with domestic VAT at the rate."""
    taxes = (ItemTax(treatment=Treatment.DOMESTIC_RATE, rate=rate),)
    return Item(
        **{
            "ref": books_ref("item", f"i-{code}"),
            "number": code,
            "name": f"{code} name",
            "tax": taxes,
            **more,
        }
    )


def items(*made: Item) -> dict[str, Item]:
    found = made or (item(), item("GOODS"), item("FOOD", SE12), item("RABATT"))
    return {one.number: one for one in found}


def domestic(known: Mapping[str, Item]) -> dict[str, TaxAnswer]:
    """Every item sold at home."""
    answer = TaxAnswer(treatment=Treatment.DOMESTIC_RATE, rate=SE25)
    return dict.fromkeys(known, answer)


def abilities(
    *,
    totals_rule: TotalsRule = TotalsRule.PER_RATE,
    currency_on: str = "document",
    document: EntityAbilities | None = None,
    makes: tuple[str, ...] = ("invoice_draft", "invoice", "sales_order"),
) -> Abilities:
    return Abilities(
        side="books",
        entities={
            Entity.DOCUMENT: document or EntityAbilities(decimals={"discount": 4}),
            Entity.CUSTOMER: EntityAbilities(),
        },
        totals_rule=totals_rule,
        currency_on=currency_on,
        makes=frozenset(makes),
    )


def company(**more: Any) -> Company:
    given = {"id": COMPANY, "name": "Nordljus Konsult AB", "country": "SE", "currency": "SEK"}
    return Company(**{**given, **more})


def target(*, rounds_to_unit: bool = False, books: Company | None = None, **more: Any) -> Target:
    return Target(
        connection=BOOKS,
        company=books or company(),
        abilities=abilities(**more),
        rounds_to_unit=rounds_to_unit,
    )


# --- what is known of a place --------------------------------------------------------------------


def slot(source_id: str = "D-108", part: int = 0, kind: KeyKind = KeyKind.DOCUMENT) -> Slot:
    return Slot(crm_org=CRM_ORG, source_id=source_id, company=COMPANY, kind=kind, part=part)


def slot_state(place: Slot | None = None, **more: Any) -> SlotState:
    """A slot that nothing is known of."""
    place = place or slot()
    return SlotState(slot=place, key13=place.key13, **more)


def linked(
    state: SlotState,
    ref: ExternalRef,
    wanted: Any,
    shown: Any,
    *,
    known: bool = True,
    found_by: str = "answer",
) -> SlotState:
    """The slot with a current record and the pair that both sides agreed on."""
    current = SlotRef(ref=ref, generation=state.generation, role=RefRole.CURRENT, found_by=found_by)
    base = LinkBase(wanted=wanted, shown=shown, known=known)
    return replace(state, exists=True, refs=(current,), link=base)


def operation(
    state: OpState, action: str = "create", want_digest: str = "", **more: Any
) -> OpenOperation:
    given = {"id": "op-1", "generation": 0, "seq": 0, **more}
    return OpenOperation(state=state, action=action, want_digest=want_digest, **given)


def shown_as(wanted: Document, ref: str = "2217", *, booked: bool = False, **more: Any) -> Document:
    """The document as books show what was wanted: with a ref, a version, and a number if booked."""
    given: dict[str, Any] = {
        "ref": books_ref("document", ref),
        "version": "1",
        "kind": DocumentKind.INVOICE if booked else DocumentKind.DRAFT,
        "booked": booked,
        "number": "1038" if booked else "",
    }
    return replace(wanted, **{**given, **more})


# --- policies ------------------------------------------------------------------------------------


def rule(test: Callable[[Mapping[str, Any]], object], text: str = "deal.ready") -> Rule:
    return Rule(text=text, test=test)


def field_rule(
    target: str,
    value: Callable[[Mapping[str, Any]], object],
    *,
    text: str = "deal.Field__c",
    table: str = "",
    owner: Owner = Owner.CRM,
    mode: Mode = Mode.OVERWRITE,
) -> FieldRule:
    return FieldRule(target=target, text=text, value=value, table=table, owner=owner, mode=mode)


def books_policy(*currencies: str, base: str = "SEK") -> BooksPolicy:
    return BooksPolicy(
        connection=BOOKS,
        company=COMPANY,
        seller="SE",
        base_currency=base,
        time_zone="Europe/Stockholm",
        currencies=frozenset(currencies or ("SEK", "EUR")),
    )


def document_policy(**more: Any) -> DocumentPolicy:
    """Sends by itself unless the test says otherwise."""
    return DocumentPolicy(**{"mode": FlowMode.AUTO, **more})


def bridge(
    documents: DocumentPolicy | None = None,
    customers: CustomerPolicy | None = None,
    books: BooksPolicy | None = None,
) -> BridgePolicy:
    return BridgePolicy(
        name="nordic",
        version=7,
        digest="v7",
        crm=CRM,
        crm_org=CRM_ORG,
        books=(books or books_policy(),),
        customers=customers or CustomerPolicy(),
        documents=documents or document_policy(),
    )


# --- cases ---------------------------------------------------------------------------------------


def document_case(made: Deal | None = None, part: int = 0, **more: Any) -> DocumentCase:
    """A won deal of a customer that is in the books, nothing sent yet."""
    made = made or deal()
    known = more.pop("items", None) or items()
    return DocumentCase(
        **{
            "deal": made,
            "part": part,
            "crm_customer": customer(),
            "buyer": Buyer(ref=books_ref("customer", "318"), record=books_customer()),
            "state": slot_state(slot(made.source_id, part)),
            "target": target(),
            "items": known,
            "taxes": domestic(known),
            "rates": {"SEK": Decimal(1), "EUR": Decimal("11.2")},
            "today": TODAY,
            "now": NOW,
            **more,
        }
    )


def customer_case(
    source: Customer | None = None, *candidates: Candidate, **more: Any
) -> CustomerCase:
    """A CRM customer that is not linked, with who in the books it could be."""
    source = source or customer()
    id = source.ref.id if source.ref else "C-1"
    return CustomerCase(
        **{
            "source": source,
            "state": slot_state(slot(id, kind=KeyKind.CUSTOMER)),
            "candidates": candidates,
            **more,
        }
    )


def seen(record: Any, *, gone: bool = False) -> Seen:
    return Seen(record=record, gone=gone, gone_certain=gone)
