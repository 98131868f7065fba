"""Persons: which address counts, and what becomes of one that is found, missing or moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tieout.core.case import (
    ContactCase,
    LinkBase,
    Namesake,
    OpenOperation,
    OpState,
    RefRole,
    Seen,
    SlotRef,
    SlotState,
    Verdict,
)
from tieout.core.change import Action
from tieout.core.contacts import FIELDS, called, is_address, normal_address, wanted_contact
from tieout.core.decide_contact import decide_contact
from tieout.core.keys import KeyKind, Slot
from tieout.core.mapping.errors import UnmappedValueError
from tieout.core.mapping.fields import Mode, Owner
from tieout.core.model import Contact, ExternalRef
from tieout.core.policy import ContactPolicy, FieldRule, FlowMode, Scope

ACCOUNT = ExternalRef("crm", "customer", "a1")
CUSTOMER = ExternalRef("books", "customer", "k1")
ELSEWHERE = ExternalRef("books", "customer", "k2")
FAMILY = frozenset({ACCOUNT, CUSTOMER})
MINE = ExternalRef("crm", "contact", "c1")
THEIRS = ExternalRef("books", "contact", "b1")
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SLOT = Slot(crm_org="org", source_id="c1", company="co", kind=KeyKind.CONTACT)
EMPTY = SlotState(slot=SLOT, key13=SLOT.key13)
LINKED = replace(
    EMPTY,
    exists=True,
    refs=(SlotRef(ref=THEIRS, generation=0, role=RefRole.CURRENT, found_by="answer"),),
)
TO_BOOKS = ContactPolicy(mode=FlowMode.AUTO)
BOTH = replace(TO_BOOKS, to_crm=True)
ALL = frozenset({*FIELDS, "customer"})
ANN = Contact(
    ref=MINE, customer=ACCOUNT, given="Ann", family="Ek", email="ann@kund.example", changed_at=NOON
)
THERE = replace(ANN, ref=THEIRS, customer=CUSTOMER, version="7")


def case(source: Contact = ANN, **more: object) -> ContactCase:
    """A person of the CRM whose customer is linked."""
    wanted = replace(source, ref=None, changed_at=None, customer=CUSTOMER)
    values: dict[str, object] = {
        "side": Owner.CRM,
        "source": source,
        "wanted": wanted,
        "state": EMPTY,
        "family": FAMILY,
    }
    return ContactCase(**{**values, **more})  # type: ignore[arg-type]


def paired(shown: Contact = THERE, source: Contact = ANN, **more: object) -> ContactCase:
    """One that is linked, both having shown the same before."""
    base = (replace(ANN, customer=CUSTOMER), THERE)
    values: dict[str, object] = {
        "state": LINKED,
        "pair": THEIRS,
        "target": Seen(record=shown),
        "base": base,
        "settled": CUSTOMER,
    }
    return case(source, **{**values, **more})


def told(given: ContactCase, policy: ContactPolicy = TO_BOOKS) -> tuple[str, str]:
    decision = decide_contact(given, policy, "nordic/contacts/books", ALL)
    if decision.verdict is Verdict.HOLD:
        assert decision.message.endswith(".")
        assert decision.findings[0].hint
        assert decision.findings[0].hold_on in ("contact", "configuration")
    return str(decision.verdict), decision.reason


@pytest.mark.parametrize(
    "text",
    ["ann@kund.example", " Ann.Ek+x@KUND.example ", "å@önk.example", "o'neill@a-b.co.uk", "a@b.cd"],
)
def test_an_address_can_be_written_in_many_ways(text: str) -> None:
    assert is_address(text)
    assert normal_address(text) == text.strip().casefold()


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "ann@", "@kund.example", "ann@kund", "ann@kund..example", "a b@kund.example"),
        *("ann@kund.example, bo@kund.example", "Ann <ann@kund.example>", ".ann@kund.example"),
        *(
            "ann.@kund.example",
            "ann@-kund.example",
            f"{'a' * 65}@kund.example",
            "ann@@kund.example",
        ),
        f"ann@{'a' * 250}.example",
    ],
)
def test_what_mail_cannot_be_sent_to_is_no_address(text: str) -> None:
    assert not is_address(text)


def test_a_person_without_a_name_is_called_by_the_address() -> None:
    assert called(replace(ANN, given="", family="")) == "ann@kund.example"
    assert called(Contact(ref=MINE)) == "c1"


def test_a_new_person_is_made_with_its_customer_first() -> None:
    decision = decide_contact(case(customer_key="K" * 13), TO_BOOKS, "lane", ALL)

    assert decision.verdict is Verdict.WRITE
    assert decision.change is not None
    assert decision.change.action is Action.CREATE
    assert decision.change.depends_on == "K" * 13
    assert decision.change.wanted is not None
    assert decision.change.wanted.fields == ALL
    assert (decision.number, decision.title) == ("ann@kund.example", "Ann Ek")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (case(chosen=False), ("skip", "left_out_by_rule")),
        (case(replace(ANN, email=" ")), ("skip", "no_address")),
        (case(replace(ANN, email=" "), chosen=True), ("hold", "contact_no_address")),
        (case(replace(ANN, email="ann at kund")), ("hold", "contact_address_invalid")),
        (case(replace(ANN, active=False)), ("skip", "inactive")),
        (case(replace(ANN, customer=None)), ("skip", "no_customer")),
        (case(wanted=None, waits_for="account:a1"), ("wait", "customer_not_linked")),
        (case(twins=(replace(ANN, family="Bo"),)), ("hold", "contact_address_twice")),
        (case(found=(Namesake(contact=THERE),)), ("agreed", "matched")),
        (case(found=(Namesake(contact=THERE), Namesake(contact=THERE))),
         ("hold", "contact_address_twice")),
        (case(found=(Namesake(contact=replace(THERE, active=False)), Namesake(contact=THERE))),
         ("agreed", "matched")),
        (case(found=(Namesake(contact=THERE, linked=True),)), ("hold", "contact_address_taken")),
        (case(found=(Namesake(contact=THERE, linked=True, ours=False),)),
         ("skip", "shown_by_another_company")),
        (case(occupied=replace(THERE, email="bo@kund.example")), ("hold", "contact_place_taken")),
        (case(others=2), ("write", "create")),
        (case(gone=True, gone_certain=True), ("skip", "not_there")),
        (case(taken=True, side=Owner.BOOKS), ("skip", "shown_by_another_company")),
        (case(taken=True), ("write", "create")),
    ],
)  # fmt: skip
def test_who_is_not_linked_ends_in_one_of_these(
    given: ContactCase, expected: tuple[str, str]
) -> None:
    assert told(given) == expected


def test_who_moved_to_a_customer_that_is_not_linked_waits_where_the_half_is() -> None:
    decision = decide_contact(paired(wanted=None, waits_for="account:a2"), TO_BOOKS, "lane", ALL)

    assert (str(decision.verdict), decision.reason) == ("wait", "customer_not_linked")
    assert decision.waits_for == "account:a2"
    assert "stays as before" in decision.message
    assert (
        "stays as before"
        not in decide_contact(
            case(wanted=None, waits_for="account:a2"), TO_BOOKS, "lane", ALL
        ).message
    )


def test_an_address_of_several_customers_is_said_or_held() -> None:
    decision = decide_contact(case(others=1), TO_BOOKS, "lane", ALL)
    assert "1 person of other customers" in decision.message

    held = replace(TO_BOOKS, shared="hold")
    assert told(case(others=1), held) == ("hold", "contact_address_shared")
    # One that is linked already is what it is.
    assert told(paired(others=1), held)[0] in ("agreed", "nothing")


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        (paired(), TO_BOOKS, ("agreed", "agreed")),
        (paired(replace(THERE, phone="1")), TO_BOOKS, ("agreed", "agreed")),
        (paired(source=replace(ANN, phone="1")), TO_BOOKS, ("write", "update")),
        (paired(source=replace(ANN, phone="1"), chosen=False), TO_BOOKS,
         ("skip", "left_out_by_rule")),
        (paired(source=replace(ANN, email="")), TO_BOOKS, ("hold", "contact_no_address")),
        (paired(source=replace(ANN, email="x")), TO_BOOKS, ("hold", "contact_address_invalid")),
        (paired(target=None), TO_BOOKS, ("wait", "not_read_yet")),
        (paired(target=Seen(record=THERE, gone=True)), TO_BOOKS, ("wait", "not_read_yet")),
        (paired(target=Seen(record=THERE, gone=True, gone_certain=True)), TO_BOOKS,
         ("hold", "deleted_in_books")),
        (paired(target=Seen(record=THERE, gone=True, gone_certain=True, merged_into="b2")),
         TO_BOOKS, ("end", "merged")),
        (paired(source=replace(ANN, active=False),
                target=Seen(record=THERE, gone=True, gone_certain=True)), TO_BOOKS,
         ("skip", "inactive")),
        (paired(gone=True, gone_certain=True), TO_BOOKS, ("write", "retired")),
        (paired(gone=True, gone_certain=True), BOTH, ("skip", "deleted")),
        (paired(gone=True, gone_certain=True, merged=True), BOTH, ("end", "merged")),
        (paired(gone=True), TO_BOOKS, ("skip", "not_there")),
        (paired(replace(THERE, active=False), gone=True, gone_certain=True), TO_BOOKS,
         ("end", "deleted")),
        (paired(replace(THERE, customer=ELSEWHERE)), TO_BOOKS, ("hold", "contact_moved")),
        (paired(replace(THERE, customer=ELSEWHERE), returns=ALL), BOTH, ("nothing", "goes_to_crm")),
        (paired(replace(THERE, customer=ELSEWHERE), settled=ELSEWHERE), TO_BOOKS,
         ("write", "moved")),
        (paired(replace(THERE, phone="1"), returns=ALL), BOTH, ("nothing", "goes_to_crm")),
    ],
)  # fmt: skip
def test_who_is_linked_ends_in_one_of_these(
    given: ContactCase, policy: ContactPolicy, expected: tuple[str, str]
) -> None:
    assert told(given, policy) == expected


def test_where_a_person_cannot_move_the_old_one_is_retired_and_left() -> None:
    fixed = ALL - {"customer"}
    away = paired(replace(THERE, customer=ELSEWHERE), settled=ELSEWHERE)
    retired = decide_contact(away, TO_BOOKS, "lane", fixed)
    assert (retired.verdict, retired.reason) == (Verdict.WRITE, "moved_away")
    assert retired.change is not None
    assert retired.change.wanted is not None
    assert retired.change.wanted.fields == {"active"}
    # It is looked at again as soon as that is written.
    assert retired.not_before is not None

    shown = replace(THERE, customer=ELSEWHERE, active=False)
    left = decide_contact(paired(shown, settled=ELSEWHERE), TO_BOOKS, "lane", fixed)
    assert (left.verdict, left.reason) == (Verdict.END, "moved")
    # Nobody is made active who cannot be, and nothing is deleted.
    bare = decide_contact(away, TO_BOOKS, "lane", fixed - {"active"})
    assert (bare.verdict, bare.reason) == (Verdict.END, "moved")


@pytest.mark.parametrize(
    ("owner", "later", "expected"),
    [
        (Owner.LATEST, "crm", ("write", "update")),
        (Owner.LATEST, "books", ("agreed", "agreed")),
        (Owner.LATEST, "same", ("write", "update")),
        (Owner.LATEST, "untold", ("hold", "contact_both_changed")),
        (Owner.CRM, "books", ("write", "update")),
        (Owner.BOOKS, "crm", ("agreed", "agreed")),
        (Owner.MANUAL, "crm", ("hold", "contact_both_changed")),
    ],
)
def test_a_field_that_both_changed(owner: Owner, later: str, expected: tuple[str, str]) -> None:
    times = {
        "crm": (NOON, NOON - timedelta(hours=1)),
        "books": (NOON - timedelta(hours=1), NOON),
        "same": (NOON, NOON),
        "untold": (None, NOON),
    }
    mine, theirs = times[later]
    given = paired(
        replace(THERE, phone="2", changed_at=theirs), replace(ANN, phone="1", changed_at=mine)
    )

    assert told(given, replace(TO_BOOKS, owners={"phone": owner})) == expected


def test_what_one_side_never_said_clears_nothing_on_the_other() -> None:
    shown = replace(THERE, phone="1", title="CFO")
    owned = replace(TO_BOOKS, owners={"phone": Owner.CRM, "title": Owner.LATEST})

    assert told(paired(shown), owned) == ("agreed", "agreed")


def test_what_was_cut_over_there_is_no_change() -> None:
    long = replace(ANN, family="E" * 40)
    shown = replace(THERE, family="E" * 30)
    base = (replace(long, customer=CUSTOMER), shown)

    assert told(paired(shown, long, base=base))[0] == "agreed"
    # The other direction's write left it cut here.
    cut = (replace(THERE, family="E" * 40), replace(ANN, family="E" * 30))
    turned = paired(replace(THERE, family="E" * 40), replace(ANN, family="E" * 30),
                    cut=(cut[1], cut[0]))  # fmt: skip
    assert told(turned)[0] == "agreed"


def test_capitals_and_blanks_of_an_address_are_no_change() -> None:
    assert told(paired(replace(THERE, email=" Ann@KUND.example")))[0] in ("agreed", "nothing")


def test_a_write_under_way_is_waited_for_and_one_that_waits_is_kept() -> None:
    open_one = OpenOperation(
        id="o", state=OpState.UNKNOWN, action="create", generation=0, seq=0, want_digest=""
    )
    assert told(case(state=replace(EMPTY, operation=open_one))) == ("wait", "on_its_way")

    first = decide_contact(case(), TO_BOOKS, "lane", ALL)
    ready = replace(open_one, state=OpState.READY, want_digest=first.digest)
    assert told(case(state=replace(EMPTY, operation=ready))) == ("wait", "create")
    other = decide_contact(
        case(replace(ANN, phone="1"), state=replace(EMPTY, operation=ready)), TO_BOOKS, "lane", ALL
    )
    assert other.supersede
    gone = decide_contact(
        case(chosen=False, state=replace(EMPTY, operation=ready)), TO_BOOKS, "lane", ALL
    )
    assert gone.supersede


def test_a_person_releases_what_waits_for_approval() -> None:
    by_hand = replace(TO_BOOKS, mode=FlowMode.APPROVE)
    held = decide_contact(case(), by_hand, "lane", ALL)
    assert (held.verdict, held.reason) == (Verdict.APPROVAL, "waiting_for_approval")
    released = replace(EMPTY, approved=frozenset({held.digest}))
    assert told(case(state=released), by_hand) == ("write", "create")


def test_mapped_fields_go_over_as_their_mapping_says() -> None:
    def upper(scope: Scope) -> object:
        return str(scope["contact"]).upper()

    def lost(scope: Scope) -> object:
        raise UnmappedValueError("titles", "Boss")

    rules = (
        FieldRule(target="family", text="x", value=upper),
        FieldRule(target="title", text="y", value=lost),
    )
    made, findings = wanted_contact(ANN, CUSTOMER, rules, {"contact": "ek"})
    assert (made.family, made.given, made.customer) == ("EK", "Ann", CUSTOMER)
    assert [finding.code for finding in findings] == ["value_unmapped"]
    assert told(case(findings=findings)) == ("hold", "value_unmapped")


@pytest.mark.parametrize(
    ("mode", "there", "expected"),
    [
        (Mode.OVERWRITE, "old", "write"),
        (Mode.IF_EMPTY, "old", "agreed"),
        (Mode.IF_EMPTY, "", "write"),
        (Mode.CREATE_ONLY, "", "agreed"),
    ],
)
def test_a_mapping_says_how_it_writes(mode: Mode, there: str, expected: str) -> None:
    rule = FieldRule(target="title", text="t", value=lambda _: "new", mode=mode)
    policy = replace(TO_BOOKS, books_fields=(rule,))

    assert told(paired(replace(THERE, title=there), replace(ANN, title="new")), policy)[0] == (
        expected
    )


@pytest.mark.parametrize(
    ("rival", "verdict"),
    [
        (ANN, Verdict.HOLD),
        (replace(ANN, active=False), Verdict.NOTHING),
        (replace(ANN, email="bo@kund.example"), Verdict.NOTHING),
        (replace(ANN, customer=ELSEWHERE), Verdict.NOTHING),
    ],
)
def test_two_who_are_taken_for_one_over_there_are_named(rival: Contact, verdict: Verdict) -> None:
    given = paired(rival=replace(rival, ref=replace(MINE, id="c2")))
    link = LinkBase(wanted=given.wanted, shown=THERE, known=True)
    given = replace(given, state=replace(LINKED, link=link))
    decision = decide_contact(given, BOTH, "nordic/contacts/books", ALL)
    assert decision.verdict is verdict
    assert decision.reason == ("contact_address_twice" if verdict is Verdict.HOLD else "in_step")


@pytest.mark.parametrize(
    ("owner", "expected"),
    [(Owner.LATEST, ("update", ("phone",))), (Owner.BOOKS, ("in_step", ()))],
)
def test_books_beside_those_that_speak_for_all_own_nothing(
    owner: Owner, expected: tuple[str, tuple[str, ...]]
) -> None:
    """An edit in them goes to the CRM; of a field that the books own the CRM says there."""
    policy = ContactPolicy(mode=FlowMode.AUTO, to_crm=True, owners={"phone": owner})
    theirs = replace(ANN, ref=THERE.ref, customer=CUSTOMER, phone="08-2")
    shown = replace(ANN, phone="08-1")
    base = (replace(theirs, phone=shown.phone), shown)
    given = case(
        theirs,
        side=Owner.BOOKS,
        wanted=replace(theirs, ref=None, customer=ANN.customer),
        pair=ANN.ref,
        target=Seen(record=shown),
        base=base,
        settled=ANN.customer,
        family=FAMILY,
        back=True,
        taken=True,
    )
    decision = decide_contact(given, policy, "nordic/persons/books", ALL)
    assert (decision.reason, decision.differs) == expected
    alone = decide_contact(replace(given, back=False), policy, "nordic/persons/books", ALL)
    assert alone.reason == "shown_by_another_company"
