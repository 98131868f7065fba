"""What holds for every deal: figures to the cent, no order, no echo, and an end to planning."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from support.cases import (
    CUSTOMERS_LANE,
    LANE,
    SE12,
    SE25,
    books_customer,
    books_ref,
    bridge,
    customer,
    customer_case,
    deal,
    document_case,
    line,
    linked,
    seen,
    shown_as,
    slot,
    slot_state,
    text_line,
)
from tieout.core.abilities import TotalsRule
from tieout.core.case import Candidate, Decision, DocumentCase, Verdict
from tieout.core.change import Action
from tieout.core.compare import DOCUMENT_FIELDS, compare, differing, document_content
from tieout.core.compare import Verdict as Moved
from tieout.core.decide_customer import FIELDS, decide_customer, wanted_customer
from tieout.core.decide_document import decide_document
from tieout.core.digest import digest
from tieout.core.keys import KeyKind, Slot, generation_of, key_in, operation_key
from tieout.core.model import Deal, DealState, Document, DocumentKind, Line
from tieout.core.money import apportion, distribute, line_net, round_to
from tieout.core.policy import CustomerPolicy
from tieout.core.predict import net_of, predict

CENTS = st.integers(-10_000_000, 10_000_000).map(lambda n: Decimal(n).scaleb(-2))
PRICES = st.integers(0, 5_000_000).map(lambda n: Decimal(n).scaleb(-2))
QUANTITIES = st.integers(1, 10_000).map(lambda n: Decimal(n).scaleb(-2))
FRACTIONS = st.integers(0, 10_000).map(lambda n: Decimal(n).scaleb(-4))
RATES = st.sampled_from([SE25, SE12, Decimal("0.06"), Decimal("0.255"), Decimal(0), None])
WEIGHTS = st.lists(
    st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-3)), min_size=1, max_size=8
)

taxed_lines = st.lists(
    st.builds(
        lambda price, quantity, discount, rate, sign: Line(
            unit_price=sign * price, quantity=quantity, discount=discount, tax_rate=rate
        ),
        PRICES,
        QUANTITIES,
        FRACTIONS,
        RATES,
        st.sampled_from([1, 1, 1, -1]),
    ),
    min_size=1,
    max_size=8,
)

deal_lines = st.lists(
    st.one_of(
        st.builds(
            line,
            st.sampled_from(["CONS", "GOODS", "FOOD"]),
            PRICES,
            QUANTITIES,
            FRACTIONS,
            text=st.sampled_from(["", "Work in October"]),
        ),
        st.sampled_from(["As agreed", "Thanks"]).map(text_line),
    ),
    min_size=1,
    max_size=5,
)


@st.composite
def deals(draw: st.DrawFn) -> Deal:
    """A deal with a positive total."""
    made = deal(
        "D-108",
        *draw(deal_lines),
        state=draw(st.sampled_from([DealState.WON, DealState.WON, DealState.LOST])),
        currency=draw(st.sampled_from(["SEK", "EUR"])),
        po_number=draw(st.sampled_from(["", "4500"])),
        delivered_on=draw(st.sampled_from([None, date(2026, 10, 30)])),
    )
    total = sum((net_of(one, "SEK") for one in made.lines), Decimal(0))
    assume(total > 0)
    return replace(made, discount=draw(st.sampled_from([Decimal(0), round_to(total / 10, 2)])))


# --- money ---------------------------------------------------------------------------------------


@given(CENTS, WEIGHTS)
def test_a_total_is_split_exactly_and_fairly(total: Decimal, weights: list[Decimal]) -> None:
    parts = distribute(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            fair = Fraction(total) * Fraction(weight) / Fraction(whole)
            assert abs(Fraction(part) - fair) < Fraction(1, 100)


@given(CENTS, st.lists(st.integers(-(10**6), 10**9).map(Decimal), min_size=1, max_size=8))
def test_signed_shares_add_up_and_keep_their_sign(total: Decimal, weights: list[Decimal]) -> None:
    parts = apportion(total, weights)
    assert sum(parts) == total
    if sum(weights) > 0:
        for part, weight in zip(parts, weights, strict=True):
            fair = Fraction(total) * Fraction(weight) / Fraction(sum(weights))
            assert abs(Fraction(part) - fair) < Fraction(1, 100)


@given(
    st.decimals(-(10**9), 10**9, places=9),
    st.decimals(-(10**9), 10**9, places=9),
    st.decimals(0, 1, places=9),
)
def test_a_line_equals_exact_arithmetic(
    quantity: Decimal, price: Decimal, discount: Decimal
) -> None:
    exact = Fraction(quantity) * Fraction(price) * (1 - Fraction(discount)) * 100
    cents = abs(exact) + Fraction(1, 2)
    rounded = (cents.numerator // cents.denominator) * (1 if exact >= 0 else -1)
    assert line_net(quantity, price, discount) == Decimal(rounded).scaleb(-2)


@given(st.decimals(-(10**6), 10**6, places=5), st.integers(0, 4))
def test_rounding_twice_is_rounding_once_to_the_same_places(value: Decimal, places: int) -> None:
    once = round_to(value, places)
    assert round_to(once, places) == once
    assert once == value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    assert round_to(-value, places) == -once


# --- prediction ----------------------------------------------------------------------------------


@given(taxed_lines, st.booleans(), st.booleans(), st.sampled_from(list(TotalsRule)))
def test_gross_is_net_and_tax_and_rounding(
    lines: list[Line], to_unit: bool, with_tax: bool, rule: TotalsRule
) -> None:
    predicted = predict(lines, "SEK", rule=rule, rounds_to_unit=to_unit, includes_tax=with_tax)
    for totals in (predicted.totals, predicted.other):
        if totals is None:
            continue
        assert totals.gross == totals.net + totals.tax + totals.rounding
        assert abs(totals.rounding) <= Decimal("0.5")
        assert to_unit or totals.rounding == 0
        given_amount = sum((net_of(one, "SEK") for one in lines), Decimal(0))
        assert given_amount == (totals.net + totals.tax if with_tax else totals.net)


@given(taxed_lines)
def test_per_line_and_per_rate_differ_by_half_a_cent_a_line_at_most(lines: list[Line]) -> None:
    rules = (TotalsRule.PER_RATE, TotalsRule.PER_LINE)
    first, second = (
        predict(lines, "SEK", rule=rule, rounds_to_unit=False).totals for rule in rules
    )
    rates = {one.tax_rate for one in lines}
    assert first.net == second.net
    assert abs(first.tax - second.tax) <= Decimal("0.005") * (len(lines) + len(rates))
    unknown = predict(lines, "SEK", rule=TotalsRule.UNKNOWN, rounds_to_unit=False)
    assert unknown.totals == first
    assert unknown.other == (None if first == second else second)


@given(taxed_lines, st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_no_total(lines: list[Line], chance: random.Random) -> None:
    mixed = lines[:]
    chance.shuffle(mixed)
    one, other = (
        predict(each, "SEK", rule=TotalsRule.UNKNOWN, rounds_to_unit=True)
        for each in (lines, mixed)
    )
    assert one == other


# --- deciding ------------------------------------------------------------------------------------


def decide(case: DocumentCase) -> Decision:
    return decide_document(case, bridge(), LANE)


@given(deals())
def test_what_is_written_is_what_was_sold_to_the_cent(made: Deal) -> None:
    decision = decide(document_case(made))
    if decision.verdict is Verdict.WRITE:
        assert decision.predicted is not None
        assert decision.predicted.totals.net == decision.net


@given(deals(), st.randoms(use_true_random=False))
def test_the_order_of_inputs_changes_no_decision(made: Deal, chance: random.Random) -> None:
    def shuffled(values: dict[str, Any]) -> dict[str, Any]:
        pairs = list(values.items())
        chance.shuffle(pairs)
        return dict(pairs)

    case = document_case(made)
    other = replace(
        case,
        items=shuffled(dict(case.items)),
        taxes=shuffled(dict(case.taxes)),
        rates=shuffled(dict(case.rates)),
    )
    assert decide(other) == decide(case)


class Books:
    """The books in three lines: they hold one document and carry out what is decided."""

    def __init__(self, case: DocumentCase) -> None:
        self.case, self.writes = case, 0

    def run(self, made: Deal) -> Decision:
        """Decide, and carry it out; the decision."""
        self.case = replace(self.case, deal=made)
        decision = decide(self.case)
        state = self.case.state
        if decision.verdict is Verdict.AGREED and decision.agreed and state.current:
            wanted, shown = decision.agreed
            self._holds(state.current.ref.id, wanted, shown)  # type: ignore[arg-type]
        if decision.verdict is Verdict.END:
            self._nothing()
        change = decision.change
        if decision.verdict is not Verdict.WRITE or change is None:
            return decision
        self.writes += 1
        if change.action is Action.VOID:
            self._nothing()
            return decision
        assert change.wanted is not None
        wanted = change.wanted.record
        assert isinstance(wanted, Document)
        document = self.case.document
        before = document.record if document else Document(kind=DocumentKind.DRAFT)
        taken = {name: getattr(wanted, name) for name in DOCUMENT_FIELDS & change.wanted.fields}
        id = change.target.id if change.target else f"g{state.generation}"
        shown = replace(
            before,  # type: ignore[type-var]
            **taken,
            ref=books_ref("document", id),
            version=str(self.writes),
            totals=wanted.totals,
        )
        self._holds(id, wanted, shown)  # type: ignore[arg-type]
        return decision

    def edit(self, **more: Any) -> None:
        """Finance changes the document."""
        assert self.case.document is not None
        record = replace(self.case.document.record, version="finance", **more)  # type: ignore[type-var]
        self.case = replace(self.case, document=seen(record))

    def _holds(self, id: str, wanted: Document, shown: Document) -> None:
        state = linked(self.case.state, books_ref("document", id), wanted, shown)
        self.case = replace(self.case, state=state, document=seen(shown))

    def _nothing(self) -> None:
        place = self.case.state.slot
        ended = slot_state(place, exists=True, generation=self.case.state.generation + 1)
        self.case = replace(self.case, state=ended, document=None)


@given(st.lists(deals(), min_size=1, max_size=5))
def test_after_what_was_decided_is_done_nothing_is_decided(history: list[Deal]) -> None:
    books = Books(document_case(history[0]))
    for made in history:
        for _ in range(3):
            # A void is followed by a create; then all is said.
            books.run(made)
        writes = books.writes
        again = books.run(made)
        assert again.verdict in (Verdict.NOTHING, Verdict.SKIP, Verdict.HOLD)
        assert books.writes == writes
        assert books.run(made) == again


@given(deals(), deals())
def test_our_own_echo_is_no_change_and_an_equal_edit_no_conflict(first: Deal, second: Deal) -> None:
    books = Books(document_case(replace(first, state=DealState.WON)))
    first, second = (replace(one, state=DealState.WON, currency="SEK") for one in (first, second))
    if books.run(first).verdict is not Verdict.WRITE:
        return
    echo = books.run(first)
    assert (echo.verdict, echo.reason) == (Verdict.NOTHING, "in_step")
    target = Books(document_case(second))
    if target.run(second).verdict is not Verdict.WRITE:
        return
    assert target.case.document is not None
    same = document_content(target.case.document.record)  # type: ignore[arg-type]
    raw = {name: getattr(target.case.document.record, name) for name in same}
    books.edit(**raw)
    assert books.run(second).verdict in (Verdict.AGREED, Verdict.NOTHING)
    assert books.run(second).verdict is Verdict.NOTHING


@given(deals(), st.sampled_from(["terms", "po_number", "lines"]))
def test_an_edit_of_finance_is_never_overwritten(made: Deal, field: str) -> None:
    won = replace(made, state=DealState.WON)
    books = Books(document_case(won))
    if books.run(won).verdict is not Verdict.WRITE:
        return
    edit: Any = (line(price="7.77", text="by finance"),) if field == "lines" else "by finance"
    books.edit(**{field: edit})
    for later in (won, replace(won, lines=(line(price="5.00"),), discount=Decimal(0))):
        books.run(later)
        assert books.case.document is not None
        assert getattr(books.case.document.record, field) == edit
    for state in (DealState.LOST, DealState.WON):
        assert books.run(replace(won, state=state)).change is None


VALUES = st.sampled_from("abc")


@given(VALUES, VALUES, VALUES, VALUES)
def test_the_comparison_is_whole_and_looks_at_both_sides(
    wanted: str, base_wanted: str, shown: str, base_shown: str
) -> None:
    verdict = compare(wanted, base_wanted, shown, base_shown)
    mirrored = compare(shown, base_shown, wanted, base_wanted)
    opposite = {
        Moved.SOURCE_CHANGED: Moved.TARGET_CHANGED,
        Moved.TARGET_CHANGED: Moved.SOURCE_CHANGED,
    }
    assert mirrored is opposite.get(verdict, verdict)
    if wanted == shown:
        assert verdict is Moved.AGREED
    if verdict is Moved.AGREED and wanted != shown:
        assert (wanted, shown) == (base_wanted, base_shown)


# --- customers -----------------------------------------------------------------------------------

NAMES = st.sampled_from(["Tallmo Skog AB", "Tallmo AB", "Ekfors Trä AB"])
PEOPLE = st.sampled_from(["", "Anna", "Sture"])


@given(st.lists(st.tuples(NAMES, PEOPLE, NAMES, PEOPLE), min_size=1, max_size=6))
def test_a_customer_comes_to_rest(history: list[tuple[str, str, str, str]]) -> None:
    policy = CustomerPolicy()
    state = linked(
        slot_state(slot("C-1", kind=KeyKind.CUSTOMER)),
        books_ref("customer", "318"),
        wanted_customer(customer(), policy)[0],
        books_customer(),
    )
    shown = books_customer()
    for name, person, their_name, their_person in history:
        shown = replace(shown, name=their_name, contact_name=their_person)
        source = customer(name=name, contact_name=person)
        for _ in range(3):
            case = customer_case(source, state=state, target=seen(shown))
            decision = decide_customer(case, policy, CUSTOMERS_LANE, needed=True)
            wanted: Any = None
            if decision.verdict is Verdict.AGREED and decision.agreed:
                wanted, _ = decision.agreed
            elif decision.verdict is Verdict.WRITE and decision.change and decision.change.wanted:
                wanted = decision.change.wanted.record
                fields = decision.change.wanted.fields
                assert fields <= set(FIELDS)
                shown = replace(shown, **{name: getattr(wanted, name) for name in fields})
            if wanted is not None:
                state = linked(state, books_ref("customer", "318"), wanted, shown)
        case = customer_case(source, state=state, target=seen(shown))
        last = decide_customer(case, policy, CUSTOMERS_LANE, needed=True)
        assert last.verdict in (Verdict.NOTHING, Verdict.HOLD)


@given(st.permutations(["1", "2", "3"]), st.sampled_from(["tax_number", "name_postcode"]))
def test_the_order_of_candidates_picks_nobody(ids: list[str], by: str) -> None:
    hits = [Candidate(customer=books_customer(id), by=by) for id in ids]
    case = customer_case(customer(), *hits)
    decision = decide_customer(case, CustomerPolicy(), CUSTOMERS_LANE, needed=True)
    assert decision.verdict is Verdict.HOLD


# --- keys and digests ----------------------------------------------------------------------------

IDS = st.text(min_size=1, max_size=18)
slots = st.builds(
    Slot,
    crm_org=IDS,
    source_id=IDS,
    company=IDS,
    kind=st.sampled_from(list(KeyKind)),
    part=st.integers(0, 99),
)


@given(slots, slots, st.integers(0, 1023))
def test_a_key_names_its_place_and_no_other(one: Slot, other: Slot, generation: int) -> None:
    assert (one == other) == (one.key13 == other.key13)
    key = operation_key(one, generation)
    assert generation_of(key) == generation
    assert key_in(f"Maria Ek TIEOUT-{key.lower()}, tack", one.key13) == key


@given(deals(), st.text(max_size=20))
def test_a_key_survives_every_renaming(made: Deal, name: str) -> None:
    renamed = replace(made, number=name, title=name, owner=name, state=DealState.WON)
    first, second = (
        decide(document_case(one)) for one in (replace(made, state=DealState.WON), renamed)
    )
    if first.change and second.change:
        assert first.change.key == second.change.key


@given(st.decimals(-(10**9), 10**9, places=4), st.integers(0, 6))
def test_a_digest_does_not_see_trailing_zeros(value: Decimal, zeros: int) -> None:
    longer = value.quantize(Decimal(1).scaleb(-4 - zeros))
    assert digest(longer) == digest(value)
    assert digest(value + Decimal("0.0001")) != digest(value)


CHANGES: dict[str, Any] = {
    "lines": (line(price="999.99"),),
    "customer": books_ref("customer", "999"),
    "currency": "NOK",
    "terms": "99",
    "po_number": "PO-99",
    "buyer_reference": "R-99",
    "your_reference": "Y-99",
    "delivered_on": date(2001, 1, 1),
}


@given(deals(), st.sampled_from(sorted(DOCUMENT_FIELDS)))
def test_a_digest_sees_every_field_of_the_content(made: Deal, field: str) -> None:
    decision = decide(document_case(replace(made, state=DealState.WON)))
    assume(decision.change is not None)
    assert decision.change is not None
    assert decision.change.wanted is not None
    wanted = decision.change.wanted.record
    assert isinstance(wanted, Document)
    changed = replace(wanted, **{field: CHANGES[field]})
    assert digest(document_content(changed)) != digest(document_content(wanted))
    assert differing(changed, wanted, DOCUMENT_FIELDS) == (field,)
    assert differing(shown_as(wanted), wanted, DOCUMENT_FIELDS) == ()
