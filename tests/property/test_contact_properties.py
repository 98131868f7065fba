"""Two copies of one person, edited at random on both sides: they come together, then all rests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tieout.core.case import ContactCase, LinkBase, RefRole, Seen, SlotRef, SlotState, Verdict
from tieout.core.contacts import FIELDS, content, normal_address
from tieout.core.decide_contact import decide_contact
from tieout.core.keys import KeyKind, Slot
from tieout.core.mapping.fields import Owner
from tieout.core.model import Contact, ExternalRef
from tieout.core.policy import ContactPolicy, FlowMode

ACCOUNT, CUSTOMER = ExternalRef("crm", "customer", "a"), ExternalRef("books", "customer", "k")
HERE, THERE = ExternalRef("crm", "contact", "c"), ExternalRef("books", "contact", "b")
ALL = frozenset(FIELDS)
CUT = 3
NAMES = ("given", "family", "phone", "mobile", "title")

values = st.text("xyz", max_size=5)
people = st.builds(
    Contact,
    given=values,
    family=values,
    email=st.sampled_from(("a@b.example", "A@B.example", "c@d.example")),
    phone=values,
    mobile=values,
    title=values,
)
edits = st.lists(
    st.tuples(st.sampled_from(("crm", "books")), st.sampled_from(NAMES), values), max_size=6
)
owners = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from((Owner.CRM, Owner.BOOKS, Owner.LATEST))
)


def cut(contact: Contact) -> Contact:
    """The books hold three characters of a family name."""
    return replace(contact, family=contact.family[:CUT])


@dataclass
class Pair:
    """Both halves and what the two slots keep of them, as the engine would have it."""

    here: Contact
    there: Contact
    policy: ContactPolicy
    forth: LinkBase | None = None
    back: LinkBase | None = None
    writes: int = 0
    clock: int = 0
    seen: list[str] = field(default_factory=list)

    def edit(self, side: str, name: str, value: str) -> None:
        """Somebody edits one field on one side, later than everybody before."""
        self.clock += 1
        at = datetime(2026, 11, 26, tzinfo=UTC) + timedelta(minutes=self.clock)
        if side == "crm":
            self.here = replace(self.here, **{name: value}, changed_at=at)
        else:
            self.there = cut(replace(self.there, **{name: value}, changed_at=at))

    def run(self) -> None:
        """Both directions decide again and again until neither moves, as one run does."""
        for _ in range(4):
            before = self.writes
            self._forth()
            self._back()
            if self.writes == before:
                return

    def _forth(self) -> None:
        state = _state(KeyKind.CONTACT, "c", THERE, self.forth)
        base = None if self.forth is None else _sides(self.forth)
        turned = None if self.back is None else _sides(self.back)
        case = ContactCase(
            side=Owner.CRM,
            source=self.here,
            wanted=replace(self.here, ref=None, customer=CUSTOMER),
            state=state,
            pair=THERE,
            target=Seen(record=self.there),
            base=base,
            settled=CUSTOMER,
            cut=None if turned is None else (turned[1], turned[0]),
            family=frozenset({ACCOUNT, CUSTOMER}),
            returns=ALL if self.policy.to_crm else frozenset(),
        )
        made = decide_contact(case, self.policy, "forth", ALL)
        self.seen.append(f"forth {made.verdict} {made.reason} {made.differs}")
        if made.verdict is Verdict.AGREED:
            assert made.agreed is not None
            self.forth = LinkBase(wanted=made.agreed[0], shown=made.agreed[1], known=True)
        if made.verdict is Verdict.WRITE:
            assert made.change is not None
            assert made.change.wanted is not None
            wanted, names = made.change.wanted.record, made.change.wanted.fields
            was = self.there
            self.there = cut(_set(self.there, wanted, names))
            shown = _set(was, self.there, names)
            self.forth = LinkBase(wanted=wanted, shown=shown, known=True)
            self.writes += 1

    def _back(self) -> None:
        if not self.policy.to_crm or self.forth is None:
            return
        anchor = _sides(self.forth)
        case = ContactCase(
            side=Owner.BOOKS,
            source=self.there,
            wanted=replace(self.there, ref=None, customer=ACCOUNT),
            state=_state(KeyKind.PERSON, "b", HERE, self.back),
            pair=HERE,
            target=Seen(record=self.here),
            base=(anchor[1], anchor[0]),
            settled=CUSTOMER,
            cut=None if self.back is None else _sides(self.back),
            family=frozenset({ACCOUNT, CUSTOMER}),
            back=True,
        )
        made = decide_contact(case, self.policy, "back", ALL)
        self.seen.append(f"back {made.verdict} {made.reason} {made.differs}")
        if made.verdict is Verdict.WRITE:
            assert made.change is not None
            assert made.change.wanted is not None
            wanted, names = made.change.wanted.record, made.change.wanted.fields
            was = self.here
            self.here = _set(self.here, wanted, names)
            shown = _set(was, self.here, names)
            self.back = LinkBase(wanted=wanted, shown=shown, known=True)
            self.writes += 1


def _sides(link: LinkBase) -> tuple[Contact, Contact]:
    assert isinstance(link.wanted, Contact)
    assert isinstance(link.shown, Contact)
    return link.wanted, link.shown


def _state(kind: KeyKind, source: str, ref: ExternalRef, link: LinkBase | None) -> SlotState:
    slot = Slot(crm_org="o", source_id=source, company="co", kind=kind)
    current = SlotRef(ref=ref, generation=0, role=RefRole.CURRENT, found_by="match")
    return SlotState(slot=slot, key13=slot.key13, exists=True, refs=(current,), link=link)


def _set(onto: Contact, wanted: object, names: frozenset[str]) -> Contact:
    return replace(onto, **{name: getattr(wanted, name) for name in names})


def _met(one: Contact, other: Contact, policy: ContactPolicy) -> Pair:
    """Two that were matched by their address a moment ago: nothing is agreed yet."""
    at = datetime(2026, 11, 26, tzinfo=UTC)
    here = replace(one, ref=HERE, customer=ACCOUNT, changed_at=at)
    there = cut(
        replace(other, ref=THERE, customer=CUSTOMER, email=one.email.upper(), changed_at=at)
    )
    blank = LinkBase(wanted=Contact(), shown=Contact(), known=True)
    return Pair(here=here, there=there, policy=policy, forth=blank)


@given(people, people, edits, edits, owners)
def test_both_ways_two_copies_come_together_and_rest(
    one: Contact,
    other: Contact,
    first: list[tuple[str, str, str]],
    second: list[tuple[str, str, str]],
    owned: dict[str, Owner],
) -> None:
    pair = _met(one, other, ContactPolicy(mode=FlowMode.AUTO, to_crm=True, owners=owned))
    for changes in (first, second):
        for change in changes:
            pair.edit(*change)
        pair.run()
        pair.run()
        rest = pair.writes
        pair.run()

        assert pair.writes == rest, pair.seen
        # A name that the books cut may be whole in the CRM: what they show is what they can.
        for name in FIELDS:
            mine, theirs = content(cut(pair.here), name), content(cut(pair.there), name)
            assert mine == theirs, (name, pair.seen)


@given(people, people, edits)
def test_one_way_the_crm_is_never_written_to_and_its_edits_arrive(
    one: Contact, other: Contact, changes: list[tuple[str, str, str]]
) -> None:
    pair = _met(one, other, ContactPolicy(mode=FlowMode.AUTO))
    pair.run()
    for change in changes:
        before = pair.here
        pair.edit(*change)
        here = pair.here
        pair.run()
        rest = pair.writes
        pair.run()

        assert pair.here == here
        assert pair.writes == rest
        side, name, value = change
        if side == "crm" and getattr(before, name) != value:
            assert content(pair.there, name) == content(cut(here), name)


@given(people, people)
def test_no_address_is_ever_cleared(one: Contact, other: Contact) -> None:
    pair = _met(one, other, ContactPolicy(mode=FlowMode.AUTO, to_crm=True))
    pair.run()
    pair.here = replace(pair.here, email="")
    pair.run()

    assert normal_address(pair.there.email)
    assert any("contact_no_address" in line for line in pair.seen[-2:])
