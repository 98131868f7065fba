"""Deciding on persons: which one of the other side each is, or could be, in either direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tieout.core.case import ContactCase, Decision, LinkBase, Namesake, Seen, SlotState, Verdict
from tieout.core.contacts import FIELDS, is_address, normal_address, wanted_contact
from tieout.core.decide_contact import decide_contact
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind
from tieout.core.mapping.fields import Owner
from tieout.core.model import Contact, Customer, Entity, ExternalRef
from tieout.core.policy import BooksPolicy, ContactPolicy, FieldRule, Rule
from tieout.core.scope import contact_scope, customer_scope
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.places import published_slot
from tieout.engine.triggers import holds
from tieout.storing_contacts import AddressUsed, Family


async def decide_contacts(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """Persons of the CRM for the books, or of the books for the CRM, by the lane."""
    way = _way(engine, book, lanes.flow_of(lane) == lanes.CONTACTS)
    around = await _around(engine, book, way, ids)
    fields = _fields(engine, way)
    return [
        _displacing(
            engine,
            way,
            decide_contact(_case(engine, way, around, key), engine.policy.contacts, lane, fields),
        )
        if key in around.sources
        else Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="not_there")
        for key in ids
    ]


def _displacing(engine: Engine, way: _Way, decision: Decision) -> Decision:
    """Who was found over there is not made here by the other direction, which did not know yet."""
    if decision.adopt is None:
        return decision
    half = published_slot(engine, way.book, way.other, decision.adopt.id)
    return replace(decision, displaces=half.key13)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One direction: whose persons they are, where they go, by which slots and rules."""

    side: Owner
    book: BooksPolicy
    source: str
    target: str
    own: KeyKind
    other: KeyKind
    when: Rule | None
    other_when: Rule | None
    rules: tuple[FieldRule, ...]
    both: bool


def _way(engine: Engine, book: BooksPolicy, to_books: bool) -> _Way:
    given, crm = engine.policy.contacts, engine.policy.crm
    if to_books:
        return _Way(
            side=Owner.CRM,
            book=book,
            source=crm,
            target=book.connection,
            own=KeyKind.CONTACT,
            other=KeyKind.PERSON,
            when=given.books_when,
            other_when=given.crm_when,
            rules=given.books_fields,
            both=given.both,
        )
    return _Way(
        side=Owner.BOOKS,
        book=book,
        source=book.connection,
        target=crm,
        own=KeyKind.PERSON,
        other=KeyKind.CONTACT,
        when=given.crm_when,
        other_when=given.books_when,
        rules=given.crm_fields,
        both=given.both,
    )


def _fields(engine: Engine, way: _Way) -> frozenset[str]:
    """What goes this way: what both systems hold, less what a mapping makes the other way."""
    mine, there = (
        engine.connectors[name].abilities.of(Entity.CONTACT).fields
        for name in (way.source, way.target)
    )
    mapped = frozenset(rule.target for rule in way.rules)
    given = engine.policy.contacts
    against = given.crm_fields if way.side is Owner.CRM else given.books_fields
    turned = frozenset(rule.target for rule in against) if way.both else frozenset()
    return ((mine & there & frozenset(FIELDS)) - turned) | (mapped & there) | (there & {"customer"})


@dataclass(slots=True, kw_only=True)
class _Around:
    """All that the decisions of a window look at, read set by set."""

    sources: dict[str, Seen] = field(default_factory=dict)
    families: dict[ExternalRef, Family] = field(default_factory=dict)
    states: dict[str, SlotState] = field(default_factory=dict)
    others: dict[str, SlotState] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Seen] = field(default_factory=dict)
    rivals: dict[str, Seen] = field(default_factory=dict)
    here: dict[str, list[AddressUsed]] = field(default_factory=dict)
    there: dict[str, list[AddressUsed]] = field(default_factory=dict)
    places: dict[str, list[AddressUsed]] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    apart: frozenset[tuple[str, str]] = frozenset()
    read_through: bool = False


async def _around(engine: Engine, book: BooksPolicy, way: _Way, ids: Sequence[str]) -> _Around:
    found, store = _Around(), engine.store
    found.sources = await store.mirror(way.source, Entity.CONTACT, ids)
    people = [seen.record for seen in found.sources.values() if isinstance(seen.record, Contact)]
    found.families = await _families(engine, book, way, people)
    slots = {key: published_slot(engine, book, way.own, key) for key in found.sources}
    states = await store.slots(list(slots.values()))
    found.states = {key: states[slot.key13] for key, slot in slots.items()}
    await _pairs(engine, book, way, found)
    found.read_through = await _read_through(engine, way.target)
    found.targets = await store.mirror(
        way.target, Entity.CONTACT, sorted(set(found.pairs.values()))
    )
    found.rivals = await store.mirror(
        way.source,
        Entity.CONTACT,
        sorted({state.current.ref.id for state in found.others.values() if state.current}),
    )
    await _addresses(engine, way, found, people)
    found.apart = await _apart(engine, way, found, people)
    found.customers = {
        key: seen.record
        for key, seen in (
            await store.mirror(
                way.source,
                Entity.CUSTOMER,
                sorted({one.customer.id for one in people if one.customer}),
            )
        ).items()
        if isinstance(seen.record, Customer)
    }
    return found


async def _read_through(engine: Engine, connection: str) -> bool:
    """Whether all persons of a side have been read."""
    selection = engine.selections[connection].get(Entity.CONTACT)
    if selection is None:
        return False
    cursor = await engine.store.cursor(connection, Entity.CONTACT, selection.shape)
    return cursor is not None and cursor.through_at is not None


async def _families(
    engine: Engine, book: BooksPolicy, way: _Way, people: Sequence[Contact]
) -> dict[ExternalRef, Family]:
    ids = sorted({one.customer.id for one in people if one.customer is not None})
    mine = way.side is Owner.CRM
    families = await engine.store.families(
        engine.policy.crm,
        engine.policy.crm_org,
        book.connection,
        book.company,
        ids if mine else [],
        [] if mine else ids,
    )
    return {ref: family for family in families for ref in family.refs}


async def _pairs(engine: Engine, book: BooksPolicy, way: _Way, found: _Around) -> None:
    """
    The other half of each: that of the slot that counts where both run (the books'), else the one
    that the other direction linked.
    """
    store, company = engine.store, book.company
    own = {
        key: state.current.ref.id
        for key, state in found.states.items()
        if state.current is not None
    }
    linked = await store.contact_partners(way.source, list(found.sources), way.other)
    reverse = {key: half for key, (half, owner) in linked.items() if owner == company}
    first, second = (own, reverse) if way.side is Owner.CRM else (reverse, own)
    found.pairs = {**second, **first}
    slots = {
        key: published_slot(engine, book, way.other, half) for key, half in found.pairs.items()
    }
    states = await store.slots(list(slots.values()))
    found.others = {key: states[slot.key13] for key, slot in slots.items()}
    if way.side is Owner.CRM:
        found.taken = {key for key, (_, owner) in linked.items() if owner != company}
    elif found.pairs:
        # One row of the CRM shows what one company's books say of a person.
        halves = await store.contact_partners(
            way.target, sorted(set(found.pairs.values())), way.own
        )
        found.taken = {
            key
            for key, half in found.pairs.items()
            if half in halves and halves[half][1] != company
        }


async def _addresses(engine: Engine, way: _Way, found: _Around, people: Sequence[Contact]) -> None:
    """Who else bears these addresses, on both sides; and who has a customer's only place."""
    loose = [
        one
        for one in people
        if one.ref is not None and (one.ref.id not in found.pairs or _away(found, one))
    ]
    asked = [*loose, *(one for one in people if _readdressed(found, one))]
    addresses = sorted({normal_address(one.email) for one in asked} - {""})
    org = engine.policy.crm_org
    one_each = engine.connectors[way.target].abilities.of(Entity.CONTACT).one_each
    homes = {
        ref.id
        for one in loose
        if one_each and one.customer in found.families
        for ref in found.families[one.customer].refs
        if ref.connection == way.target
    }
    for into, connection, customers in (
        (found.here, way.source, ()),
        (found.there, way.target, sorted(homes)),
    ):
        for used in await engine.store.contacts_by_address(
            connection, org, addresses, list(customers)
        ):
            into.setdefault(used.address, []).append(used)
            if used.contact.customer is not None and customers:
                found.places.setdefault(used.contact.customer.id, []).append(used)


async def _apart(
    engine: Engine, way: _Way, found: _Around, people: Sequence[Contact]
) -> frozenset[tuple[str, str]]:
    """Of those with one address, by the CRM's id and the books', whom a person told apart."""
    pairs = sorted(
        _pair_of(way, one.ref.id, used.contact)
        for one in people
        if one.ref is not None
        for used in found.there.get(normal_address(one.email), ())
    )
    return await engine.store.told_apart(way.book.connection, pairs) if pairs else frozenset()


def _pair_of(way: _Way, key: str, there: Contact) -> tuple[str, str]:
    other = there.ref.id if there.ref else ""
    return (key, other) if way.side is Owner.CRM else (other, key)


def _away(found: _Around, person: Contact) -> bool:
    """Whether the other half does not stand at this person's customer."""
    assert person.ref is not None
    seen = found.targets.get(found.pairs[person.ref.id])
    family = found.families.get(person.customer) if person.customer else None
    there = seen.record if seen else None
    return family is None or not isinstance(there, Contact) or there.customer not in family.refs


def _readdressed(found: _Around, person: Contact) -> bool:
    """Whether a linked person has another address here than over there."""
    assert person.ref is not None
    half = found.pairs.get(person.ref.id)
    seen = found.targets.get(half) if half is not None else None
    there = seen.record if seen else None
    return isinstance(there, Contact) and normal_address(there.email) != normal_address(
        person.email
    )


# --- one person --------------------


def _case(engine: Engine, way: _Way, around: _Around, key: str) -> ContactCase:
    seen, state = around.sources[key], around.states[key]
    source = seen.record
    assert isinstance(source, Contact)
    policy = engine.policy.contacts
    family = around.families.get(source.customer) if source.customer else None
    half = around.pairs.get(key)
    reverse_only = state.current is None or state.current.ref.id != half
    other = around.others.get(key) if half is not None else None
    pair = None if half is None else ExternalRef(way.target, "contact", half)
    target = around.targets.get(half) if half is not None else None
    if pair is not None and target is None and reverse_only and around.read_through:
        # It was read once, and a whole read of that side does not have it.
        target = Seen(record=Contact(ref=pair), gone=True, gone_certain=True)
    here = target is None or not target.gone_certain or bool(target.merged_into)
    if pair is not None and reverse_only and here and way.side is Owner.CRM:
        there = target.record if target else None
        joined = target is not None and bool(target.merged_into)
        away = not isinstance(there, Contact) or family is None or there.customer not in family.refs
        if joined or away:
            # What the other direction linked counts only while it stands at the same customer.
            pair, target, other = None, None, None
    anchored = other is not None and other.current is not None and other.current.ref.id == key
    back = way.side is Owner.BOOKS and way.both and anchored
    wanted: Contact | None = None
    findings: tuple[Finding, ...] = ()
    customer = None if family is None else _their(way, family)
    scope = _scope(way, source, around.customers)
    if customer is not None:
        wanted, findings = wanted_contact(source, customer, way.rules, scope)
    base, settled, cut = _bases(state, other if anchored else None, back, reverse_only)
    address = normal_address(source.email)
    me = source.ref
    return ContactCase(
        side=way.side,
        source=source,
        wanted=wanted,
        state=state,
        pair=pair,
        target=target,
        base=base,
        settled=settled,
        cut=cut,
        family=family.refs if family else frozenset(),
        twins=tuple(
            used.contact
            for used in around.here.get(address, ())
            if used.contact.ref != me
            and family is not None
            and used.contact.customer in family.refs
            and used.contact.active
            and _chosen(way.when, way, used.contact, around.customers) is not False
        ),
        found=tuple(
            _namesake(way, used, key, _pair_of(way, key, used.contact) in around.apart)
            for used in around.there.get(address, ())
            if family is not None and used.contact.customer in family.refs
        ),
        others=sum(
            used.contact.active
            and used.contact.ref != me
            and (family is None or used.contact.customer not in family.refs)
            for used in around.here.get(address, ())
        ),
        chosen=_chosen(way.when, way, source, around.customers),
        gone=seen.gone,
        gone_certain=seen.gone_certain,
        merged=bool(seen.merged_into),
        back=back,
        returns=_returns(engine, way, policy, target),
        taken=key in around.taken,
        waits_for=_waits_for(way, source),
        customer_key=family.key13 if family and way.side is Owner.CRM else "",
        occupied=_occupied(around, family, address),
        rival=_rival(around, other, key),
        findings=findings,
    )


def _their(way: _Way, family: Family) -> ExternalRef | None:
    return family.books if way.side is Owner.CRM else family.crm


def _waits_for(way: _Way, source: Contact) -> str:
    if source.customer is None:
        return ""
    return f"{'account' if way.side is Owner.CRM else 'customer'}:{source.customer.id}"


def _scope(
    way: _Way, source: Contact, customers: Mapping[str, Customer]
) -> dict[str, Mapping[str, object] | None]:
    """What expressions may name: the person, and the customer as its own side has it."""
    customer = customers.get(source.customer.id) if source.customer else None
    shown = customer_scope(customer)
    scope = {"contact": contact_scope(source), "customer": shown}
    return {**scope, "account": shown} if way.side is Owner.CRM else scope


def _chosen(
    rule: Rule | None, way: _Way, source: Contact, customers: Mapping[str, Customer]
) -> bool | None:
    return None if rule is None else holds(rule, _scope(way, source, customers))


def _bases(
    state: SlotState, other: SlotState | None, back: bool, reverse_only: bool
) -> tuple[tuple[Contact, Contact] | None, ExternalRef | None, tuple[Contact, Contact] | None]:
    """
    What this side and the other showed when they agreed, the customer of that, and the pair that
    the other direction's last write left behind.
    """
    mine = _sides(state.link)
    theirs = _sides(other.link) if other is not None else None
    turned = None if theirs is None else (theirs[1], theirs[0])
    if back:
        return turned, turned[0].customer if turned else None, mine
    if mine is None and reverse_only:
        return turned, turned[0].customer if turned else None, None
    return mine, mine[1].customer if mine else None, turned


def _sides(link: LinkBase | None) -> tuple[Contact, Contact] | None:
    if link is None or not isinstance(link.wanted, Contact) or not isinstance(link.shown, Contact):
        return None
    return link.wanted, link.shown


def _namesake(way: _Way, used: AddressUsed, key: str, apart: bool) -> Namesake:
    """Whether a contact over there belongs to another person, and to whose company's."""
    company = way.book.company
    halves = [(half, owner) for _, half, owner in used.links if half != key]
    if way.side is Owner.CRM:
        mine = [half for half, owner in halves if owner == company]
        return Namesake(contact=used.contact, linked=bool(mine), apart=apart)
    mine = [half for half, owner in halves if owner == company]
    shown = [kind for kind, half, owner in used.links if owner != company and kind == way.own]
    linked = bool(mine or shown)
    return Namesake(contact=used.contact, linked=linked, ours=bool(mine), apart=apart)


def _returns(
    engine: Engine, way: _Way, policy: ContactPolicy, target: Seen | None
) -> frozenset[str]:
    """Fields that the other direction brings here, if it takes this person over at all."""
    there = target.record if target and not target.gone else None
    if not policy.both or not isinstance(there, Contact):
        return frozenset()
    if not is_address(there.email):
        return frozenset()
    back = _way(engine, way.book, way.side is Owner.BOOKS)
    if back.when is not None and not holds(back.when, _scope(back, there, {})):
        return frozenset()
    return _fields(engine, back) | {"customer"}


def _rival(around: _Around, other: SlotState | None, key: str) -> Contact | None:
    """Another person of this side whom the other direction takes for this one's other half."""
    if other is None or other.current is None or other.current.ref.id == key:
        return None
    seen = around.rivals.get(other.current.ref.id)
    there = seen.record if seen is not None and not seen.gone else None
    return there if isinstance(there, Contact) else None


def _occupied(around: _Around, family: Family | None, address: str) -> Contact | None:
    """Who has the customer's one place over there, if that is somebody else."""
    if family is None:
        return None
    return next(
        (
            used.contact
            for ref in sorted(family.refs)
            for used in around.places.get(ref.id, ())
            if used.address != address
        ),
        None,
    )
