"""
The tie-out of a period: what was sold, what was invoiced, and the cause of every difference.

Pure: figures in, figures out. The chain of each billing step is walked in `chain`; here the
steps become deals, the documents without a deal join them, and our sum is held against the
ledger's own list, row by row. What the ledger shows and we do not (or the other way round) is
unexplained, and two such differences never cancel each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from tieout.core.chain import (
    CHAIN_ORDER,
    ZERO,
    Acceptance,
    Approval,
    Cancellation,
    Cause,
    Chain,
    DocumentEvidence,
    Edit,
    OpenException,
    Part,
    Prediction,
    StepFigures,
    Unanswered,
    counted_documents,
    kind_word,
    walk,
)
from tieout.core.ledger_list import (
    LedgerDifference,
    LedgerRow,
    NetToGross,
    OurList,
    Period,
    compare,
    natural,
    net_to_gross,
    number_holes,
)
from tieout.core.model import DocumentKind
from tieout.core.money import round_money

__all__ = [
    "Acceptance",
    "Agreed",
    "Approval",
    "Cancellation",
    "Cause",
    "CauseTotal",
    "DealRow",
    "DocumentEvidence",
    "DocumentKind",
    "Edit",
    "Group",
    "LedgerDifference",
    "LedgerRow",
    "NetToGross",
    "OpenException",
    "Part",
    "Period",
    "PeriodLine",
    "Prediction",
    "RowKind",
    "StepFigures",
    "TieOut",
    "Unanswered",
    "group_of",
    "number_holes",
    "tie_out",
]


class Group(StrEnum):
    """What a cause means for the reader: more to come, nothing to come, or a matter of form."""

    STILL_TO_BE_INVOICED = "still_to_be_invoiced"
    WILL_NOT_BE_INVOICED = "will_not_be_invoiced"
    RATE_ROUNDING_NO_DEAL = "rate_rounding_no_deal"
    UNEXPLAINED = "unexplained"


_GROUPS = {
    Cause.EXCLUDED_BY_RULE: Group.WILL_NOT_BE_INVOICED,
    Cause.EDITED_IN_THE_BOOKS: Group.WILL_NOT_BE_INVOICED,
    Cause.CANCELLED: Group.WILL_NOT_BE_INVOICED,
    Cause.CREDITED: Group.WILL_NOT_BE_INVOICED,
    Cause.ACCEPTED: Group.WILL_NOT_BE_INVOICED,
    Cause.ROUNDING: Group.RATE_ROUNDING_NO_DEAL,
    Cause.CURRENCY_RATE: Group.RATE_ROUNDING_NO_DEAL,
    Cause.INVOICED_WITHOUT_DEAL: Group.RATE_ROUNDING_NO_DEAL,
    Cause.UNEXPLAINED: Group.UNEXPLAINED,
}


def group_of(cause: Cause) -> Group:
    """The group that a cause is shown in."""
    return _GROUPS.get(cause, Group.STILL_TO_BE_INVOICED)


class RowKind(StrEnum):
    """What a row of the tie-out stands for."""

    DEAL = "deal"
    AGREED = "agreed"  # many deals of which each agrees, added up
    NO_DEAL = "no_deal"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class DealRow:
    """A deal (or a document without one) with its gap and the parts that make it up."""

    kind: RowKind
    ref: str
    number: str
    customer: str
    sold: Decimal
    invoiced: Decimal
    parts: tuple[Part, ...]
    title: str = ""
    link: str | None = None
    note: str = ""
    paid: Decimal = ZERO
    steps: int = 1
    document: DocumentKind | None = None  # of a row that stands for a document, not a deal

    @property
    def gap(self) -> Decimal:
        return self.sold - self.invoiced

    @property
    def is_deal(self) -> bool:
        """True for a deal, and for many that were added up."""
        return self.kind in (RowKind.DEAL, RowKind.AGREED)

    @property
    def agrees(self) -> bool:
        """True when nothing differs, not merely when the differences cancel."""
        return not self.parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """
    Deals of one step that agree, added up elsewhere instead of walked: sold is booked, in base
    currency, with nothing beside it.

    ``deals``, ``sold`` and ``paid`` are of those closed in the period, ``listed`` of all whose
    document is dated in it; ``timing`` is what of that belongs to deals closed in other months.
    ``before`` and ``after`` are documents of the period's deals with a date outside it.
    ``ledger`` adds up the ledger's rows of the listed documents, which say the same.
    """

    deals: int = 0
    sold: Decimal = ZERO
    paid: Decimal = ZERO
    listed: Decimal = ZERO
    timing: tuple[tuple[date, Decimal], ...] = ()
    before: Decimal = ZERO
    after: Decimal = ZERO
    ledger: NetToGross | None = None


NONE_AGREED = Agreed()


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseTotal:
    """All parts of one cause; `deals` are their numbers, in order, those of 0.00 last."""

    cause: Cause
    amount: Decimal
    parts: tuple[Part, ...]
    deals: tuple[str, ...]
    acts: tuple[str, ...]

    @property
    def group(self) -> Group:
        return group_of(self.cause)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLine:
    """A line between what the period's deals were invoiced and what the ledger booked in it."""

    code: str
    amount: Decimal
    month: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOut:
    """
    The answer: sold − invoiced = gap = the sum of the causes, to the cent.

    `invoiced` is what the ledger itself shows for the deals of the period and for documents
    without a deal. `unexplained` adds up sizes, so that a surplus never hides a shortfall;
    `unexplained_net` is its share of the gap.
    """

    period: Period
    cut_off: date
    currency: str
    rows: tuple[DealRow, ...]
    causes: tuple[CauseTotal, ...]
    differences: tuple[LedgerDifference, ...]
    by_period: tuple[PeriodLine, ...]
    ledger_net: Decimal
    ledger_read: bool
    net_to_gross: NetToGross
    alert_above: Decimal = ZERO

    @property
    def sold(self) -> Decimal:
        return sum((r.sold for r in self.rows), ZERO)

    @property
    def invoiced(self) -> Decimal:
        return sum((r.invoiced for r in self.rows), ZERO)

    @property
    def gap(self) -> Decimal:
        return self.sold - self.invoiced

    @property
    def paid(self) -> Decimal:
        return sum((r.paid for r in self.rows), ZERO)

    @property
    def unexplained(self) -> Decimal:
        return sum((abs(p.amount) for p in self.unexplained_parts), ZERO)

    @property
    def unexplained_net(self) -> Decimal:
        return sum((p.amount for p in self.unexplained_parts), ZERO)

    @property
    def unexplained_parts(self) -> tuple[Part, ...]:
        return next((c.parts for c in self.causes if c.cause is Cause.UNEXPLAINED), ())

    @property
    def explained(self) -> bool:
        """True when every difference has its evidence and the ledger's own list was read."""
        return self.ledger_read and not self.unexplained_parts

    @property
    def alerts(self) -> bool:
        """Whether somebody is to be told. It never decides what is shown."""
        return not self.ledger_read or self.unexplained > self.alert_above

    @property
    def deals(self) -> tuple[DealRow, ...]:
        return tuple(r for r in self.rows if r.kind is RowKind.DEAL)

    @property
    def deal_count(self) -> int:
        """How many deals of the period there are, those that were added up included."""
        return sum(r.steps if r.kind is RowKind.AGREED else 1 for r in self.rows if r.is_deal)

    @property
    def without_deal(self) -> tuple[DealRow, ...]:
        return tuple(r for r in self.rows if r.kind is RowKind.NO_DEAL)

    @property
    def sales_less_documents(self) -> Decimal:
        """The period's sales minus the period's documents: the other question."""
        return self.sold - self.ledger_net

    def group_total(self, group: Group) -> Decimal:
        return sum((c.amount for c in self.causes if c.group is group), ZERO)

    def in_group(self, group: Group) -> tuple[CauseTotal, ...]:
        """The causes of a group, largest first, ties in the chain's order."""
        found = [c for c in self.causes if c.group is group]
        return tuple(sorted(found, key=lambda c: (-abs(c.amount), CHAIN_ORDER[c.cause])))


def tie_out(
    steps: Iterable[StepFigures],
    documents_without_deal: Iterable[DocumentEvidence],
    ledger: Iterable[LedgerRow] | None,
    *,
    cut_off: date,
    period: Period,
    base_currency: str,
    alert_above: Decimal = ZERO,
    agreed: Agreed = NONE_AGREED,
) -> TieOut:
    """
    The tie-out of the deals closed in the period, as of the cut-off, in base currency.

    Steps of deals closed outside the period may be given too: their documents of the period
    are timing. `ledger` is the ledger's own list, read independently; None means that it was
    not read, and then nothing counts as explained. The order of the input does not matter.
    `agreed` are further deals, in none of the other arguments.
    Raises ValueError for a step or a ledger row that is given twice.
    """
    all_steps = sorted(steps, key=_step_order)
    loose = [d for d in documents_without_deal if d.is_booked and not d.is_gone]
    loose = sorted(
        (d for d in loose if d.day and d.day in period), key=lambda d: (natural(d.number), d.ref)
    )
    rows_of_ledger = None if ledger is None else [r for r in ledger if r.day in period]
    _refuse_twice("step", [f"{s.deal} {s.step}" for s in all_steps])
    _refuse_twice("ledger row", [r.ref for r in rows_of_ledger or ()])

    ours = OurList(all_steps, loose, period, base_currency)
    differences = compare(ours, rows_of_ledger)
    mine = [s for s in all_steps if s.close_date in period]
    rows = (
        *_deal_rows(mine, cut_off, base_currency),
        *_agreed_row(agreed),
        *(_no_deal_row(d, base_currency) for d in loose),
        *(_difference_row(d) for d in differences),
    )
    result = TieOut(
        period=period,
        cut_off=cut_off,
        currency=base_currency,
        rows=rows,
        causes=_cause_totals(rows),
        differences=differences,
        by_period=_by_period(
            rows, ours, agreed, _moved(mine, agreed, cut_off, period, base_currency)
        ),
        ledger_net=ours.total + agreed.listed - sum((d.amount for d in differences), ZERO),
        ledger_read=rows_of_ledger is not None,
        net_to_gross=_with_agreed(net_to_gross(rows_of_ledger or ()), agreed.ledger),
        alert_above=alert_above,
    )
    _check(result)
    return result


def _step_order(step: StepFigures) -> tuple[tuple[tuple[int, int, str], ...], str, int]:
    return (natural(step.number), step.deal, step.step)


def _refuse_twice(what: str, keys: list[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"{what} given twice: {key}")
        seen.add(key)


def _deal_rows(steps: list[StepFigures], cut_off: date, base_currency: str) -> list[DealRow]:
    by_deal: dict[str, list[StepFigures]] = defaultdict(list)
    for step in steps:
        by_deal[step.deal].append(step)
    return [
        _deal_row(of_deal, [walk(s, cut_off, base_currency) for s in of_deal], base_currency)
        for of_deal in by_deal.values()
    ]


def _deal_row(steps: list[StepFigures], chains: list[Chain], base_currency: str) -> DealRow:
    first = steps[0]
    parts = sorted(
        (part for chain in chains for part in chain.parts), key=lambda p: CHAIN_ORDER[p.cause]
    )
    paid = sum((s.paid * s.rate for s in steps), ZERO)
    return DealRow(
        kind=RowKind.DEAL,
        ref=first.deal,
        number=first.number,
        customer=first.customer,
        title=first.title,
        link=first.link,
        sold=sum((c.sold for c in chains), ZERO),
        invoiced=sum((c.invoiced for c in chains), ZERO),
        parts=tuple(parts),
        note=next((s.note for s in steps if s.note), ""),
        paid=round_money(paid, base_currency),
        steps=len(steps),
    )


def _agreed_row(agreed: Agreed) -> tuple[DealRow, ...]:
    if not agreed.deals:
        return ()
    row = DealRow(
        kind=RowKind.AGREED,
        ref="",
        number=f"{agreed.deals} deals",
        customer="each agrees",
        sold=agreed.sold,
        invoiced=agreed.sold,
        parts=(),
        note="each agrees by itself; added up",
        paid=agreed.paid,
        steps=agreed.deals,
    )
    return (row,)


def _with_agreed(rest: NetToGross, agreed: NetToGross | None) -> NetToGross:
    if agreed is None:
        return rest
    return NetToGross(
        net=rest.net + agreed.net,
        tax=rest.tax + agreed.tax,
        rounding=rest.rounding + agreed.rounding,
        gross=rest.gross + agreed.gross,
        unbalanced=tuple(sorted((*rest.unbalanced, *agreed.unbalanced), key=natural)),
    )


def _no_deal_row(document: DocumentEvidence, base_currency: str) -> DealRow:
    amount = document.base(Decimal(1), base_currency)
    label = f"{kind_word(document.kind)} {document.number}"
    part = Part(
        cause=Cause.INVOICED_WITHOUT_DEAL,
        amount=-amount,
        evidence=label,
        ref=document.ref,
        acts="Finance",
        day=document.day,
    )
    return DealRow(
        kind=RowKind.NO_DEAL,
        ref=document.ref,
        number="",
        customer=document.customer,
        sold=ZERO,
        invoiced=amount,
        parts=(part,) if amount else (),
        note=f"{label}, no deal",
        document=document.kind,
    )


def _difference_row(difference: LedgerDifference) -> DealRow:
    name = f"{kind_word(difference.kind)} {difference.number}"
    who = f", {difference.customer}," if difference.customer else ""
    part = Part(
        cause=Cause.UNEXPLAINED,
        amount=difference.amount,
        evidence=f"{name}{who} {difference.text}",
        ref=difference.ref,
        acts="Finance",
    )
    return DealRow(
        kind=RowKind.LEDGER,
        ref=difference.ref,
        number="",
        customer=difference.customer,
        sold=ZERO,
        invoiced=-difference.amount,
        parts=(part,) if difference.amount else (),
        note=f"{name} {difference.text}",
        document=difference.kind,
    )


def _cause_totals(rows: Iterable[DealRow]) -> tuple[CauseTotal, ...]:
    parts: dict[Cause, list[Part]] = defaultdict(list)
    names: dict[Cause, list[tuple[bool, str, str]]] = defaultdict(list)
    for row in rows:
        for part in row.parts:
            parts[part.cause].append(part)
            names[part.cause].append((not part.amount, row.ref, part.number))
    for found in parts.values():
        found.sort(key=lambda part: not part.amount)
    return tuple(
        CauseTotal(
            cause=cause,
            amount=sum((p.amount for p in parts[cause]), ZERO),
            parts=tuple(parts[cause]),
            deals=_named(names[cause]),
            acts=tuple(sorted({p.acts for p in parts[cause] if p.acts})),
        )
        for cause in sorted(parts, key=lambda c: CHAIN_ORDER[c])
    )


def _named(found: Iterable[tuple[bool, str, str]]) -> tuple[str, ...]:
    """Each deal once by its name, also where two have the same; those without an amount last."""
    deals: dict[str, str] = {}
    for _, ref, name in sorted(found, key=lambda each: each[0]):
        if name:
            deals.setdefault(ref, name)
    return tuple(deals.values())


def _moved(
    steps: list[StepFigures],
    agreed: Agreed,
    cut_off: date,
    period: Period,
    base_currency: str,
) -> list[PeriodLine]:
    """The documents of the period's deals that the cut-off and the period see differently."""
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    found["dated_before"] -= agreed.before
    found["dated_after"] -= agreed.after
    for step in steps:
        for document in counted_documents(step):
            day = document.day
            assert day is not None  # a booked document has its date
            rate = step.rate if document.currency == step.currency else Decimal(1)
            amount = document.base(rate, base_currency)
            if day in period and day > cut_off:
                found["after_cut_off"] += amount
            elif day < period.start and day <= cut_off:
                found["dated_before"] -= amount
            elif period.end < day <= cut_off:
                found["dated_after"] -= amount
    codes = ("dated_before", "after_cut_off", "dated_after")
    return [PeriodLine(code=code, amount=found[code]) for code in codes if found[code]]


def _by_period(
    rows: Iterable[DealRow], ours: OurList, agreed: Agreed, moved: list[PeriodLine]
) -> tuple[PeriodLine, ...]:
    """From what the period's deals were invoiced to what the ledger booked in the period."""
    late = ours.timing()
    for closed, amount in agreed.timing:
        late[(closed, False)] = late.get((closed, False), ZERO) + amount
    timing = sorted(late.items(), key=lambda item: (item[0][1], item[0][0]))
    return (
        PeriodLine(code="period_deals", amount=sum((r.invoiced for r in rows), ZERO)),
        *(
            PeriodLine(code="credits" if credit else "invoices", amount=amount, month=month)
            for (month, credit), amount in timing
            if amount
        ),
        *moved,
    )


def _check(result: TieOut) -> None:
    """The sums that the report promises; a failure is our defect, never a finding."""
    causes = sum((c.amount for c in result.causes), ZERO)
    if causes != result.gap:
        raise ArithmeticError(f"causes add up to {causes}, the gap is {result.gap}")
    lines = sum((line.amount for line in result.by_period), ZERO)
    if lines != result.ledger_net:
        raise ArithmeticError(f"by period adds up to {lines}, the ledger to {result.ledger_net}")
