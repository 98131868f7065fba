"""What holds for every chain: sums to the cent, no order, nothing explained without evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tieout.core.chain import walk
from tieout.core.status import Settlement, SettlementKind, status_from_amounts
from tieout.core.tieout import (
    Acceptance,
    Approval,
    Cancellation,
    Cause,
    DocumentEvidence,
    DocumentKind,
    Edit,
    LedgerRow,
    OpenException,
    Period,
    Prediction,
    StepFigures,
    Unanswered,
    tie_out,
)

OCTOBER = Period.month(2026, 10)
CUT_OFF = date(2026, 10, 31)

amounts = st.integers(-5_000_000, 5_000_000).map(lambda n: Decimal(n).scaleb(-2))
sizes = st.integers(0, 5_000_000).map(lambda n: Decimal(n).scaleb(-2))
days = st.dates(date(2026, 9, 1), date(2026, 12, 1))
rates = st.integers(1, 200_000).map(lambda n: Decimal(n).scaleb(-4))
currencies = st.sampled_from(["SEK", "SEK", "EUR"])
edits = st.none() | st.just(Edit(version="2", changed="price lowered"))
voids = st.none() | st.none() | st.builds(Cancellation, seen_on=days)


@st.composite
def documents(draw, ref: str, of: str | None = None) -> DocumentEvidence:
    kinds = [DocumentKind.INVOICE, DocumentKind.DRAFT] if of is None else [DocumentKind.CREDIT_NOTE]
    return DocumentEvidence(
        ref=ref,
        number=ref,
        kind=draw(st.sampled_from(kinds)),
        net=draw(sizes),
        currency=draw(currencies),
        day=draw(days),
        rate=draw(st.none() | rates),
        base_net=draw(st.none() | st.none() | sizes),
        version_is_ours=draw(st.booleans()),
        written_net=draw(st.none() | sizes),
        edit=draw(edits),
        cancellation=draw(voids),
        present=draw(st.sampled_from([True, True, True, False])),
        credits=of,
        generation=draw(st.integers(1, 2)),
    )


@st.composite
def steps(draw, name: str, number: int) -> StepFigures:
    found: list[DocumentEvidence] = []
    for place in range(draw(st.integers(0, 3))):
        ref = f"{name}-{number}-{place}"
        found.append(draw(documents(ref)))
        if draw(st.booleans()):
            found.append(draw(documents(f"{ref}c", of=draw(st.sampled_from([ref, "else"])))))
    case = OpenException(id="EX-1", code="x", amount=draw(st.none() | amounts))
    return StepFigures(
        deal=name,
        number=name,
        step=number,
        customer="Alvik Analys AB",
        currency=draw(currencies),
        close_date=draw(days),
        sold=draw(amounts),
        rate=draw(rates),
        excluded_by=draw(st.none() | st.just("own group")),
        trigger_missing=draw(st.none() | st.just("not delivered")),
        due_on=draw(st.none() | days),
        approval=draw(st.none() | st.just(Approval(reason="limit"))),
        exceptions=draw(st.sampled_from([(), (), (case,)])),
        unanswered=draw(st.none() | st.just(Unanswered(operation="OP", reason="lost"))),
        prediction=draw(st.none() | st.builds(Prediction, net=amounts, lines=st.integers(1, 9))),
        documents=tuple(found),
        acceptance=draw(
            st.none()
            | st.builds(Acceptance, name=st.just("A"), reason=st.just("b"), amount=amounts)
        ),
    )


@st.composite
def worlds(draw) -> tuple[list[StepFigures], list[DocumentEvidence], list[LedgerRow]]:
    made = [draw(steps(f"D-{n}", part)) for n in range(draw(st.integers(0, 3))) for part in (1, 2)]
    loose = [draw(documents(f"loose-{n}")) for n in range(draw(st.integers(0, 2)))]
    refs = draw(st.lists(st.sampled_from(["D-0-1-0", "D-1-2-0", "loose-0", "zz"]), unique=True))
    ledger = [
        LedgerRow(ref=ref, number=ref, net=draw(sizes), tax=draw(sizes), gross=draw(sizes),
                  day=draw(days))
        for ref in refs
    ]  # fmt: skip
    return made, loose, ledger


def answer(made, loose, ledger):
    return tie_out(made, loose, ledger, cut_off=CUT_OFF, period=OCTOBER, base_currency="SEK")


@given(worlds())
def test_parts_causes_and_period_add_up_to_the_cent(world):
    result = answer(*world)
    assert all(sum(p.amount for p in r.parts) == r.gap for r in result.rows)
    assert sum(c.amount for c in result.causes) == result.gap == result.sold - result.invoiced
    assert sum(line.amount for line in result.by_period) == result.ledger_net
    assert abs(result.unexplained_net) <= result.unexplained


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(world, random):
    made, loose, ledger = ([*part] for part in world)
    expected = answer(*world)
    for part in (made, loose, ledger):
        random.shuffle(part)
    made = [replace(s, documents=tuple(random.sample(s.documents, len(s.documents)))) for s in made]
    assert answer(made, loose, ledger) == expected


@given(worlds())
def test_the_ledgers_list_is_what_is_compared_with(world):
    made, loose, ledger = world
    result = answer(made, loose, ledger)
    assert result.ledger_net == sum((r.net for r in ledger if r.day in OCTOBER), Decimal(0))


@given(steps("D-1", 1))
def test_without_evidence_the_gap_is_unexplained(step):
    bare = replace(
        step,
        currency="SEK",
        rate=Decimal(1),
        excluded_by=None,
        trigger_missing=None,
        due_on=None,
        approval=None,
        exceptions=(),
        unanswered=None,
        prediction=None,
        acceptance=None,
        documents=tuple(
            replace(
                d,
                edit=None,
                cancellation=None,
                currency="SEK",
                base_net=None,
                rate=None,
                kind=DocumentKind.INVOICE,
                day=CUT_OFF,
            )
            for d in step.documents
            if d.credits is None
        ),
    )
    chain = walk(bare, CUT_OFF, "SEK")
    assert sum(p.amount for p in chain.parts) == chain.gap
    assert {p.cause for p in chain.parts} <= {Cause.UNEXPLAINED}


settled = st.lists(
    st.builds(Settlement, kind=st.sampled_from(list(SettlementKind)), amount=amounts), max_size=6
)


@given(sizes, settled, st.none() | sizes)
def test_total_less_settled_is_open(total, settlements, open_amount):
    s = status_from_amounts(total=total, settlements=settlements, open_amount=open_amount)
    kinds = s.paid + s.credited + s.discount + s.written_off + s.small_difference + s.unknown
    assert s.total - kinds == s.open
    given_kinds = sum((x.amount for x in settlements), Decimal(0))
    if open_amount is None:
        assert s.open - s.on_account - s.credit_rest == total - given_kinds
