"""Customers: who it is, what is made, whose field it is; and what the CRM is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from support.cases import (
    CUSTOMERS_LANE,
    address,
    books_customer,
    books_ref,
    crm_ref,
    customer,
    customer_case,
    field_rule,
    linked,
    number,
    operation,
    seen,
    slot,
    slot_state,
)
from tieout.core.case import (
    Candidate,
    CustomerCase,
    Decision,
    OpState,
    Seen,
    StandingCase,
    Verdict,
)
from tieout.core.change import Action
from tieout.core.conflict import Choice, mark
from tieout.core.decide_customer import decide_customer, fields_back, match, wanted_customer
from tieout.core.decide_standing import FIELDS as STANDING_FIELDS
from tieout.core.decide_standing import decide_standing
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind, operation_key
from tieout.core.mapping.errors import UnmappedValueError
from tieout.core.mapping.fields import Mode, Owner
from tieout.core.model import Address, Customer, ExternalRef, IdState, Standing
from tieout.core.policy import CustomerPolicy, FlowMode
from tieout.core.safeguards import ALL_ON

POLICY = CustomerPolicy()
ORG = number("company", "556000-1234")
PLACE = slot("C-1", kind=KeyKind.CUSTOMER)


def decide(
    case: CustomerCase, policy: CustomerPolicy = POLICY, *, needed: bool = True, **more: Any
) -> Decision:
    return decide_customer(case, policy, CUSTOMERS_LANE, needed=needed, **more)


def candidate(by: str, known: Customer | None = None, linked_to: str = "") -> Candidate:
    return Candidate(customer=known or books_customer(), by=by, linked_to=linked_to)


def at(postcode: str, id: str = "318", *numbers: Any, **more: Any) -> Customer:
    return books_customer(id, "Tallmo Skog AB", *numbers, addresses=(address(postcode),), **more)


# --- making one ----------------------------------------------------------------------------------


def test_an_unknown_customer_that_a_deal_needs_is_made() -> None:
    decision = decide(customer_case(), currency="SEK")
    assert (decision.verdict, decision.reason) == (Verdict.WRITE, "create")
    assert decision.change is not None
    assert decision.change.action is Action.CREATE
    assert decision.change.key == operation_key(PLACE, 0)
    assert decision.change.wanted is not None
    assert decision.change.wanted.record.name == "Tallmo Skog AB"  # type: ignore[union-attr]
    assert decision.change.wanted.record.currency == "SEK"  # type: ignore[union-attr]


def test_what_a_person_named_is_adopted_whether_a_deal_needs_it_or_not() -> None:
    named = candidate("person", at("98231"))
    case = replace(customer_case(), candidates=(named,), chosen=named.customer.ref)
    decision = decide(case, needed=False)
    assert (decision.verdict, decision.adopt) == (Verdict.AGREED, named.customer.ref)


def test_what_a_person_named_and_another_took_since_is_asked_about() -> None:
    named = candidate("person", at("98231"), linked_to="another")
    case = replace(customer_case(), candidates=(named,), chosen=named.customer.ref)
    decision = decide(case)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "customer_maybe_known")
    assert decision.message.endswith("which another account is by now.")


def test_one_that_nothing_needs_is_not() -> None:
    decision = decide(customer_case(), needed=False)
    assert (decision.verdict, decision.reason) == (Verdict.SKIP, "not_needed")


def test_one_that_a_deal_asked_for_is_not_taken_back_by_the_customers_own_turn() -> None:
    mark = decide(customer_case()).digest
    waiting = slot_state(PLACE, operation=operation(OpState.READY, want_digest=mark))
    decision = decide(customer_case(state=waiting), needed=False)
    assert (decision.verdict, decision.supersede) == (Verdict.WAIT, False)


def test_a_new_customer_needs_a_whole_address_and_right_numbers() -> None:
    wrong = customer(
        "C-1",
        "Alvik Analys AB",
        number("company", "556917-3071", IdState.INVALID, "check_digit"),
        addresses=(address(postcode=""),),
    )
    decision = decide(customer_case(wrong))
    assert decision.verdict is Verdict.HOLD
    assert [one.message for one in decision.findings] == [
        "Company number 556917-3071 of Alvik Analys AB has a wrong last digit.",
        "Alvik Analys AB has no post code in its billing address.",
    ]


def test_terms_that_no_table_has_hold_it() -> None:
    def unmapped(scope: Any) -> object:
        raise UnmappedValueError("terms", "Net 45")

    policy = CustomerPolicy(fields=(field_rule("terms", unmapped),))
    decision = decide(customer_case(customer(name="Havtorn Energi AB")), policy)
    assert [(one.code, one.message, one.hint) for one in decision.findings] == [
        ("terms_unmapped", '"Net 45" of Havtorn Energi AB is not in tables/terms.csv.', "Add it.")
    ]


def test_approval_is_bound_to_what_is_written() -> None:
    policy = CustomerPolicy(mode=FlowMode.APPROVE)
    first = decide(customer_case(), policy)
    assert (first.verdict, first.reason) == (Verdict.APPROVAL, "waiting_for_approval")
    approved = slot_state(PLACE, approved=frozenset({first.digest}))
    assert decide(customer_case(state=approved), policy).verdict is Verdict.WRITE
    renamed = customer_case(customer(name="Tallmo AB"), state=approved)
    assert decide(renamed, policy).verdict is Verdict.APPROVAL


@pytest.mark.parametrize("state", [OpState.STARTED, OpState.UNKNOWN, OpState.CONFIRMING])
def test_what_is_on_its_way_is_waited_for(state: OpState) -> None:
    case = customer_case(state=slot_state(PLACE, operation=operation(state)))
    assert (decide(case).verdict, decide(case).reason) == (Verdict.WAIT, "on_its_way")
    off = ALL_ON.without("one_open_operation")
    assert decide(case, rules=off).verdict is Verdict.WRITE


# --- matching ------------------------------------------------------------------------------------


def test_our_own_key_is_trusted_first() -> None:
    keyed, named = candidate("external_id", at("999 99", "7")), candidate("tax_number")
    assert match(customer_case(customer("C-1", "T", ORG), named, keyed), POLICY) == keyed


@pytest.mark.parametrize(
    "known",
    [at("11122", "318", ORG), at("", "318", ORG), books_customer("318", "Else", ORG, addresses=())],
)
def test_a_number_with_the_same_or_no_post_code_is_it(known: Customer) -> None:
    case = customer_case(customer("C-1", "T", ORG), candidate("tax_number", known))
    decision = decide(case)
    assert (decision.verdict, decision.reason) == (Verdict.AGREED, "matched")
    assert decision.adopt == known.ref
    assert decision.message == "Customer 318 by tax number."
    assert decision.agreed == (wanted_customer(case.source, POLICY)[0], known)


def test_one_number_may_be_many_customers() -> None:
    hits = [
        candidate("tax_number", at(code, id, ORG)) for code, id in (("11122", "1"), ("22233", "2"))
    ]
    found = match(customer_case(customer("C-1", "T", ORG), *hits), POLICY)
    assert found == hits[0]


def test_the_e_invoice_address_parts_them_before_the_post_code() -> None:
    route = number("einvoice", "0007:2120001")
    source = customer("C-1", "T", ORG, route)
    mine = candidate("tax_number", at("99999", "1", ORG, route))
    other = candidate("tax_number", at("11122", "2", ORG, number("einvoice", "0007:2120002")))
    assert match(customer_case(source, other, mine), POLICY) == mine


def ask(case: CustomerCase, policy: CustomerPolicy = POLICY) -> Finding:
    found = match(case, policy)
    assert isinstance(found, Finding)
    decision = decide(case, policy)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "customer_maybe_known")
    return found


EKFORS = customer("C-1", "Ekfors Trä AB", ORG)


@pytest.mark.parametrize(
    ("hits", "message"),
    [
        (
            [candidate("tax_number", at("99999", "112", ORG))],
            "Ekfors Trä AB has the tax number of customer 112.",
        ),
        (
            [candidate("tax_number", at("11122", id, ORG)) for id in ("112", "240")],
            "Ekfors Trä AB has the tax number of customers 112 and 240.",
        ),
        (
            [candidate("tax_number", at("99999", id, ORG)) for id in ("112", "240", "300")],
            "Ekfors Trä AB has the tax number of customers 112, 240 and 300.",
        ),
        (
            [candidate("external_id", at("11122", id)) for id in ("112", "240")],
            "Ekfors Trä AB has the key of customers 112 and 240.",
        ),
        (
            [candidate("tax_number", at("11122", "112", ORG), linked_to="K13")],
            "Ekfors Trä AB has the tax number of customer 112 (linked to another account already).",
        ),
        (
            [candidate("name_postcode", at("11122", "112"))],
            "Ekfors Trä AB has the name and post code of customer 112.",
        ),
    ],
)
def test_doubt_is_for_a_person(hits: list[Candidate], message: str) -> None:
    found = ask(customer_case(EKFORS, *hits))
    assert (found.code, found.message) == ("customer_maybe_known", message)
    assert found.hint == "Pick one, or say that it is new."
    assert found.values["candidates"].split() == [
        hit.customer.ref.id for hit in hits if hit.customer.ref
    ]


def test_a_name_never_links_by_itself_where_anybody_has_a_number() -> None:
    plain, same = customer(), books_customer()
    assert match(customer_case(plain, candidate("name_postcode", same)), POLICY) == candidate(
        "name_postcode", same
    )
    for source, known in (
        (customer("C-1", "Tallmo Skog AB", ORG), same),
        (plain, books_customer("318", "Tallmo Skog AB", number("vat", "SE556000123401"))),
        (plain, books_customer(addresses=(address(street="Lillgatan 2"),))),
        (plain, books_customer(addresses=(address(street=""),))),
        (plain, books_customer("318", "Tallmo Skog Aktiebolag")),
        (plain, books_customer(addresses=(Address(postcode="111 22", country="NO"),))),
    ):
        ask(customer_case(source, candidate("name_postcode", known)))


def test_case_and_blanks_make_no_other_door() -> None:
    known = books_customer("318", "TALLMO  skog ab", addresses=(address("11122", "storgatan  1"),))
    case = customer_case(customer(), candidate("name_postcode", known))
    assert decide(case).reason == "matched"


def test_only_the_configured_ways_match_in_their_order() -> None:
    hit = candidate("tax_number", at("11122", "1", ORG))
    case = customer_case(EKFORS, hit, candidate("external_id", at("11122", "2")))
    assert match(case, CustomerPolicy(match=("tax_number", "external_id"))) == hit
    assert match(case, CustomerPolicy(match=("name_postcode",))) is None


def test_a_persons_word_counts() -> None:
    hits = [candidate("tax_number", at("99999", id, ORG)) for id in ("112", "240")]
    chosen = customer_case(EKFORS, *hits, chosen=books_ref("customer", "240"))
    assert match(chosen, POLICY) == hits[1]
    assert decide(customer_case(EKFORS, *hits, make_new=True)).reason == "create"


def test_a_chosen_customer_that_is_not_found_is_not_made_anew() -> None:
    found = ask(customer_case(EKFORS, chosen=books_ref("customer", "777")))
    assert found.message == "Ekfors Trä AB was said to be customer 777, which is not found."


# --- in step -------------------------------------------------------------------------------------


def in_step(
    source: Customer,
    shown: Customer,
    base: tuple[Customer, Customer] | None = None,
    *,
    known: bool = True,
    **more: Any,
) -> CustomerCase:
    """Linked, with the pair that both sides agreed on (default: the plain customer)."""
    wanted, showed = base or (wanted_customer(customer(), POLICY)[0], books_customer())
    state = linked(slot_state(PLACE), books_ref("customer", "318"), wanted, showed, known=known)
    return customer_case(source, state=state, target=seen(shown), **more)


def test_nothing_moved() -> None:
    assert decide(in_step(customer(), books_customer())).verdict is Verdict.NOTHING


def test_a_change_in_the_crm_is_written_and_nothing_else() -> None:
    decision = decide(in_step(customer(name="Tallmo AB"), books_customer(version="9")))
    assert (decision.verdict, decision.differs) == (Verdict.WRITE, ("name",))
    change = decision.change
    assert change is not None
    assert change.wanted is not None
    assert (change.action, change.target) == (Action.UPDATE, books_ref("customer", "318"))
    assert (change.wanted.fields, change.version) == (frozenset({"name"}), "9")
    assert change.base == books_customer(version="9")


def test_a_change_in_the_books_stays() -> None:
    shown = books_customer(name="Tallmo (Nord)")
    decision = decide(in_step(customer(), shown))
    assert (decision.verdict, decision.agreed) == (
        Verdict.AGREED,
        (wanted_customer(customer(), POLICY)[0], shown),
    )


def test_a_name_that_the_books_cut_is_no_change() -> None:
    long = "Tallmo Skog och Sågverk Aktiebolag i Norra Ångermanland"
    base = (wanted_customer(customer(name=long), POLICY)[0], books_customer(name=long[:50]))
    assert decide(in_step(customer(name=long), base[1], base)).verdict is Verdict.NOTHING
    again = decide(in_step(customer(name=f"{long} II"), base[1], base))
    assert again.differs == ("name",)


def test_both_moved_to_the_same_value_is_no_conflict() -> None:
    decision = decide(in_step(customer(name="Tallmo AB"), books_customer(name="Tallmo AB")))
    assert decision.verdict is Verdict.AGREED


def test_a_register_that_answered_is_no_change() -> None:
    checked = number("company", "556000-1234", IdState.UNCHECKED)
    base = (wanted_customer(customer("C-1", "T", checked), POLICY)[0], books_customer())
    decision = decide(in_step(customer("C-1", "T", ORG), books_customer(), base))
    assert decision.change is None


def moved_apart(**more: Any) -> CustomerCase:
    times = more.pop("times", (None, None))
    return in_step(
        customer(name="Crm name", changed_at=times[0]),
        books_customer(name="Books name", changed_at=times[1]),
        **more,
    )


EARLY, LATE = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC)


def test_both_moved_apart_asks_a_person() -> None:
    decision = decide(moved_apart())
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "both_changed")
    assert decision.message == "Crm name changed on both sides: name."


def word(side: Owner, crm: str = "Crm name", books: str = "Books name") -> Choice:
    """A person's word on the name, over these two values."""
    return Choice(
        field="name",
        side=side,
        crm=mark(customer(name=crm), "name"),
        books=mark(books_customer(name=books), "name"),
    )


def test_a_conflict_names_what_both_sides_showed_and_show() -> None:
    (finding,) = decide(moved_apart(times=(EARLY, LATE))).findings
    told = {name: value for name, value in finding.values.items() if not name.endswith("mark")}
    assert told == {
        "fields": "name",
        "field": "name",
        "crm_then": "Tallmo Skog AB",
        "crm_now": "Crm name",
        "crm_at": "2026-10-01T00:00:00+00:00",
        "books_then": "Tallmo Skog AB",
        "books_now": "Books name",
        "books_at": "2026-10-02T00:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("choice", "verdict"),
    [
        (word(Owner.CRM), Verdict.WRITE),
        (word(Owner.BOOKS), Verdict.AGREED),
        (word(Owner.CRM, crm="Another name"), Verdict.HOLD),
        (word(Owner.CRM, books="Another name"), Verdict.HOLD),
    ],
)
def test_the_side_that_a_person_chose_counts_over_the_values_that_they_saw(
    choice: Choice, verdict: Verdict
) -> None:
    decision = decide(replace(moved_apart(), choices=(choice,)))
    assert decision.verdict is verdict
    assert decision.differs == (("name",) if verdict is Verdict.WRITE else ())


def test_what_the_books_were_chosen_for_goes_to_the_crm_where_that_is_written_to() -> None:
    case = replace(moved_apart(), choices=(word(Owner.BOOKS),))
    wanted, shown = wanted_customer(case.source, POLICY)[0], case.target.record  # type: ignore[union-attr]
    assert isinstance(shown, Customer)
    assert fields_back(case, CustomerPolicy(both=True), wanted, shown) == ("name",)
    assert not fields_back(replace(case, choices=()), CustomerPolicy(both=True), wanted, shown)


@pytest.mark.parametrize(
    ("conflict", "times", "verdict"),
    [
        (Owner.CRM, (None, None), Verdict.WRITE),
        (Owner.BOOKS, (None, None), Verdict.AGREED),
        (Owner.MANUAL, (None, None), Verdict.HOLD),
        (Owner.LATEST, (LATE, EARLY), Verdict.WRITE),
        (Owner.LATEST, (EARLY, LATE), Verdict.AGREED),
        (Owner.LATEST, (None, LATE), Verdict.HOLD),
    ],
)
def test_the_flow_says_who_is_right(conflict: Owner, times: Any, verdict: Verdict) -> None:
    case = moved_apart(times=times)
    assert decide(case, CustomerPolicy(conflict=conflict)).verdict is verdict
    # A mapping that names the owner goes first.
    owned = field_rule("name", lambda scope: "Crm name", owner=conflict)
    assert decide(case, CustomerPolicy(fields=(owned,))).verdict is verdict


@pytest.mark.parametrize(
    ("mode", "owner", "shown", "verdict"),
    [
        (Mode.OVERWRITE, Owner.CRM, "", Verdict.WRITE),
        (Mode.OVERWRITE, Owner.BOOKS, "", Verdict.AGREED),
        (Mode.CREATE_ONLY, Owner.CRM, "", Verdict.AGREED),
        (Mode.IF_EMPTY, Owner.CRM, "", Verdict.WRITE),
        (Mode.IF_EMPTY, Owner.CRM, "Sture", Verdict.AGREED),
    ],
)
def test_who_owns_a_field_and_how_it_is_written(
    mode: Mode, owner: Owner, shown: str, verdict: Verdict
) -> None:
    policy = CustomerPolicy(
        fields=(field_rule("contact_name", lambda scope: "Anna", owner=owner, mode=mode),)
    )
    base = (wanted_customer(customer(), POLICY)[0], books_customer(contact_name=shown))
    case = in_step(customer(), books_customer(contact_name=shown), base)
    assert decide(case, policy).verdict is verdict


@pytest.mark.parametrize(
    ("mine", "there", "written"),
    [
        ("Anna", "Sture", "Sture; Anna"),
        ("Anna", "", "Anna"),
        ("Anna", "Sture; ANNA", None),
        ("", "Sture", None),
    ],
)
def test_append_adds_and_takes_nothing_away(mine: str, there: str, written: str | None) -> None:
    rule = field_rule("contact_name", lambda scope: mine, mode=Mode.APPEND, owner=Owner.MANUAL)
    policy = CustomerPolicy(fields=(rule,))
    base = (
        replace(wanted_customer(customer(), POLICY)[0], contact_name="before"),
        books_customer(contact_name="before"),
    )
    decision = decide(in_step(customer(), books_customer(contact_name=there), base), policy)
    if written is None:
        assert decision.verdict is Verdict.AGREED
        return
    assert decision.change is not None
    assert decision.change.wanted is not None
    assert decision.change.wanted.fields == {"contact_name"}
    assert getattr(decision.change.wanted.record, "contact_name") == written  # noqa: B009
    # Written and read back, it is in step: nothing is added a second time.
    shown = books_customer(contact_name=written)
    after = in_step(customer(), shown, (decision.change.wanted.record, shown))  # type: ignore[arg-type]
    assert decide(after, policy).change is None


def test_append_to_one_role_leaves_the_others() -> None:
    rule = field_rule("phones", lambda scope: {"general": "08-2"}, mode=Mode.APPEND)
    there = {"general": "08-1", "mobile": "070-1"}
    base = (wanted_customer(customer(), POLICY)[0], books_customer(phones=there))
    decision = decide(
        in_step(customer(), books_customer(phones=there), base), CustomerPolicy(fields=(rule,))
    )
    assert decision.change is not None
    assert decision.change.wanted is not None
    assert decision.change.wanted.record.phones == {  # type: ignore[union-attr]
        "general": "08-1; 08-2",
        "mobile": "070-1",
    }


def test_what_finance_took_out_of_an_appended_field_stays_out() -> None:
    rule = field_rule("contact_name", lambda scope: "Anna", mode=Mode.APPEND)
    policy = CustomerPolicy(fields=(rule,))
    wanted = wanted_customer(customer(), policy)[0]
    base = (wanted, books_customer(contact_name="Sture; Anna"))
    decision = decide(in_step(customer(), books_customer(contact_name="Sture"), base), policy)
    assert decision.verdict is Verdict.AGREED


def test_if_empty_never_overwrites_what_a_person_filled_meanwhile() -> None:
    policy = CustomerPolicy(
        fields=(field_rule("contact_name", lambda scope: "Anna", mode=Mode.IF_EMPTY),)
    )
    decision = decide(in_step(customer(), books_customer(contact_name="Sture")), policy)
    assert decision.change is None


def test_terms_and_currency_belong_to_the_books() -> None:
    shown = books_customer(terms="30", currency="SEK")
    decision = decide(in_step(customer(terms="14", currency="EUR"), shown))
    assert decision.verdict is Verdict.AGREED


def test_a_customer_found_with_an_unknown_base_is_not_overwritten() -> None:
    shown = books_customer(name="Books name")
    decision = decide(in_step(customer(name="Crm name"), shown, known=False))
    assert decision.verdict is Verdict.AGREED


@pytest.mark.parametrize(
    ("owner", "crm", "books", "times", "to_books", "to_crm"),
    [
        (Owner.CRM, "Anna", "Bo", (EARLY, LATE), True, False),
        (Owner.BOOKS, "Anna", "Bo", (LATE, EARLY), False, True),
        (Owner.LATEST, "Anna", "Bo", (LATE, EARLY), True, False),
        (Owner.LATEST, "Anna", "Bo", (EARLY, LATE), False, True),
        # What is empty on one side is filled, whichever side was touched last.
        (Owner.LATEST, "", "Bo", (LATE, EARLY), False, True),
        (Owner.LATEST, "Anna", "", (EARLY, LATE), True, False),
        (Owner.MANUAL, "", "Bo", (LATE, EARLY), False, True),
        (Owner.LATEST, "Anna", "Anna", (EARLY, LATE), False, False),
    ],
)
def test_of_one_found_with_an_unknown_base_the_named_owner_counts(
    owner: Owner, crm: str, books: str, times: Any, to_books: bool, to_crm: bool
) -> None:
    policy = both(contact_name=owner)
    source = customer(contact_name=crm, changed_at=times[0])
    shown = books_customer(contact_name=books, changed_at=times[1])
    case = in_step(source, shown, known=False)
    decision = decide(case, policy)
    assert decision.differs == (("contact_name",) if to_books else ())
    assert decision.reason == ("update" if to_books else "goes_to_crm" if to_crm else "agreed")
    wanted, _ = wanted_customer(source, policy)
    assert fields_back(case, policy, wanted, shown) == (("contact_name",) if to_crm else ())


def test_of_one_found_with_an_unknown_base_nobodys_field_is_asked_about() -> None:
    case = in_step(customer(contact_name="Anna"), books_customer(contact_name="Bo"), known=False)
    decision = decide(case, both(contact_name=Owner.MANUAL))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "both_changed")


def test_a_customer_that_went_away_is_followed_first_and_then_asked_for() -> None:
    case = in_step(customer(), books_customer())
    assert decide(replace(case, target=None)).reason == "not_read_yet"
    maybe = replace(case, target=Seen(record=books_customer(), gone=True))
    assert decide(maybe).reason == "not_read_yet"
    surely = decide(replace(case, target=seen(books_customer(), gone=True)))
    assert (surely.verdict, surely.message) == (
        Verdict.HOLD,
        "Tallmo Skog AB is not in visma-se any more.",
    )


# --- standings -----------------------------------------------------------------------------------

DEAL_REF = ExternalRef("salesforce-prod", "standing", "deal:D-108")


def standing_case(wanted: Standing | None, **more: Any) -> StandingCase:
    state = more.pop("state", None) or slot_state(slot(kind=KeyKind.STANDING))
    return StandingCase(ref=DEAL_REF, of="deal", wanted=wanted, state=state)


def test_a_standing_is_written_by_the_fields_that_differ() -> None:
    first = standing_case(Standing(status="draft", net=None))
    # What a deal's row shows at first may have come along from the deal it was cloned from.
    decided = decide_standing(first, "l")
    assert (decided.verdict, set(decided.differs)) == (Verdict.WRITE, STANDING_FIELDS)
    decided = decide_standing(replace(first, of="customer"), "l")
    assert (decided.verdict, decided.differs) == (Verdict.WRITE, ("status",))
    state = linked(
        slot_state(slot(kind=KeyKind.STANDING)),
        crm_ref("standing", "deal:D-108"),
        Standing(status="draft", message="held"),
        None,
    )
    same = Standing(status="draft", message="held")
    assert decide_standing(standing_case(same, state=state), "l").verdict is Verdict.NOTHING
    moved = decide_standing(standing_case(Standing(status="paid"), state=state), "l")
    assert moved.differs == ("message", "status")
    assert decide_standing(standing_case(None, state=state), "l").verdict is Verdict.SKIP


def test_a_standing_on_its_way_is_waited_for_and_one_that_waits_is_replaced() -> None:
    place = slot(kind=KeyKind.STANDING)
    sent = slot_state(place, operation=operation(OpState.UNKNOWN, "update"))
    wanted = Standing(status="paid")
    assert decide_standing(standing_case(wanted, state=sent), "l").reason == "on_its_way"
    mark = decide_standing(standing_case(wanted), "l").digest
    ready = slot_state(place, operation=operation(OpState.READY, "update", mark))
    same = decide_standing(standing_case(wanted, state=ready), "l")
    assert (same.verdict, same.supersede) == (Verdict.WAIT, False)
    other = decide_standing(standing_case(Standing(status="draft"), state=ready), "l")
    assert (other.verdict, other.supersede) == (Verdict.WRITE, True)


# --- both ways --------------------


def both(**owners: Owner) -> CustomerPolicy:
    """The flow in both directions with these owners."""
    return CustomerPolicy(both=True, owners=owners)


def back(source: Customer, shown: Customer, policy: CustomerPolicy) -> tuple[str, ...]:
    """What the CRM takes over from the books."""
    case = in_step(source, shown)
    wanted, _ = wanted_customer(source, policy)
    return fields_back(case, policy, wanted, shown)


def test_what_the_books_own_goes_to_the_crm_wherever_it_differs() -> None:
    policy = both(name=Owner.BOOKS)
    assert back(customer(name="Tallmo AB"), books_customer(), policy) == ("name",)
    assert back(customer(), books_customer(name="Tallmo Trä AB"), policy) == ("name",)
    assert back(customer(), books_customer(), policy) == ()


def test_the_later_side_counts_and_an_empty_field_clears_nothing() -> None:
    policy = both(name=Owner.LATEST)
    assert back(customer(), books_customer(name="Tallmo Trä AB"), policy) == ("name",)
    assert back(customer(name="Tallmo AB"), books_customer(), policy) == ()
    assert back(customer(), books_customer(name=""), policy) == ()


def test_without_an_owner_the_crm_takes_over_nothing() -> None:
    assert back(customer(), books_customer(name="Tallmo Trä AB"), both()) == ()
