"""
The tie-out chain of one billing step: from what was sold to what stands in the books.

sold → in scope → trigger true → steps due → released → answered → as the target rounds →
as the documents stand → not cancelled → booked → by the cut-off → after credits = invoiced.

Each link is the difference of two neighbours, so the parts of a step add up to its gap by
construction. A link is named by its cause only when its evidence is there; without evidence
the amount is *unexplained*, whatever it looks like.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from tieout.core.figures import (
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
    kind_word,
)
from tieout.core.model import DocumentKind
from tieout.core.money import CENT, round_money
from tieout.core.status import Status

__all__ = [
    "CHAIN_ORDER",
    "ZERO",
    "Acceptance",
    "Approval",
    "Cancellation",
    "Cause",
    "Chain",
    "DocumentEvidence",
    "Edit",
    "OpenException",
    "Part",
    "Prediction",
    "StepFigures",
    "Unanswered",
    "counted_documents",
    "kind_word",
    "walk",
]


def walk(step: StepFigures, cut_off: date, base_currency: str) -> Chain:
    """The chain of one step as of the cut-off; its parts add up to its gap to the cent."""
    return _Walk(step, cut_off, base_currency).run()


def counted_documents(step: StepFigures) -> tuple[DocumentEvidence, ...]:
    """The booked documents of the step that have or had effect: those voided before it are out."""
    return tuple(
        sorted(
            (d for d in step.documents if d.is_booked and not _voided(step, d)), key=_document_order
        )
    )


def _document_order(document: DocumentEvidence) -> tuple[int, str, str]:
    return (document.generation, document.number, document.ref)


def _credits_of(step: StepFigures, document: DocumentEvidence) -> list[DocumentEvidence]:
    """The booked credit notes that name the document, in its currency."""
    return [
        d
        for d in step.documents
        if d.is_booked
        and d.is_credit
        and not d.is_gone
        and d.credits == document.ref
        and d.currency == document.currency
    ]


def _voided(step: StepFigures, document: DocumentEvidence) -> bool:
    # A void that made a credit note had effect: that is "credited", not "cancelled".
    return document.is_gone and not _credits_of(step, document)


def _fully_credited(step: StepFigures, document: DocumentEvidence) -> bool:
    """Whether credit notes take off the whole of it, or more."""
    credited = sum((d.signed_net for d in _credits_of(step, document)), ZERO)
    return bool(document.net) and (document.net + credited) * document.net <= 0


def _credits_named(step: StepFigures) -> StepFigures:
    """
    The step with the credit notes that name an order alone held against what was invoiced of it:
    each against the first that has room for it.
    """
    notes = [d for d in step.documents if d.is_credit and d.is_booked and not d.is_gone]
    made: dict[str, list[DocumentEvidence]] = {}
    for document in sorted(step.documents, key=_document_order):
        if document.order and document.is_booked and not document.is_credit:
            made.setdefault(document.order, []).append(document)
    rest = {d.ref: d.net - sum((abs(n.net) for n in notes if n.credits == d.ref), ZERO)
            for of_order in made.values() for d in of_order}  # fmt: skip
    named: dict[str, DocumentEvidence] = {}
    for note in sorted(notes, key=_document_order):
        of_order = made.get(note.credits or "", [])
        if of_order:
            target = next((d for d in of_order if rest[d.ref] >= abs(note.net)), of_order[0])
            rest[target.ref] -= abs(note.net)
            named[note.ref] = replace(note, credits=target.ref)
    if not named:
        return step
    return replace(step, documents=tuple(named.get(d.ref, d) for d in step.documents))


@dataclass(slots=True)
class _Walk:
    """The state of one walk: the figure reached so far, and the parts found on the way."""

    step: StepFigures
    cut_off: date
    base_currency: str
    figure: Decimal = field(init=False)
    parts: list[Part] = field(init=False, default_factory=list)
    stopped: bool = field(init=False, default=False)
    main: DocumentEvidence | None = field(init=False, default=None)
    standing: Decimal | None = field(init=False, default=None)
    others: list[DocumentEvidence] = field(init=False, default_factory=list)
    grown: list[DocumentEvidence] = field(init=False, default_factory=list)
    foreign: list[DocumentEvidence] = field(init=False, default_factory=list)

    def run(self) -> Chain:
        self.figure = self.step.sold
        self._choose_documents()
        sold = self._base(self.figure)
        if any(case.standing for case in self.step.exceptions):
            self.standing = self._stands()
        self._stops()
        self._dismissed()
        self._rounding()
        self._standing()
        self._earlier_documents()
        self._credit_notes()
        invoiced = self._to_ledger()
        parts = _accept(self.step, self.parts, self.base_currency)
        if sum((p.amount for p in parts), ZERO) != sold - invoiced:
            raise ArithmeticError(f"the parts of {self.step.number} do not add up to its gap")
        return Chain(sold=sold, invoiced=invoiced, parts=tuple(parts))

    def _base(self, amount: Decimal) -> Decimal:
        return round_money(amount * self.step.rate, self.base_currency)

    def _move(
        self,
        to: Decimal,
        cause: Cause,
        evidence: str,
        *,
        ref: str = "",
        acts: str = "",
        day: date | None = None,
    ) -> None:
        # Levels are converted, not differences: so the parts add up in base currency too.
        amount = self._base(self.figure) - self._base(to)
        self.figure = to
        self._add(amount, cause, evidence, ref=ref, acts=acts, day=day)

    def _add(
        self,
        amount: Decimal,
        cause: Cause,
        evidence: str,
        *,
        ref: str = "",
        acts: str = "",
        day: date | None = None,
        always: bool = False,
    ) -> None:
        if amount or always:
            self.parts.append(
                Part(
                    cause=cause,
                    amount=amount,
                    evidence=evidence,
                    ref=ref,
                    acts=acts,
                    day=day,
                    deal=self.step.deal,
                    number=self.step.number,
                )
            )

    def _choose_documents(self) -> None:
        """The newest document is the step's own; what came before or beside it is kept apart."""
        step = self.step = _credits_named(self.step)
        own = [d for d in step.documents if not d.is_credit]
        if step.due_on is not None and step.due_on > self.cut_off:
            # At the cut-off nothing was due: what was made of it since belongs to later days.
            own = [d for d in own if d.is_booked_by(self.cut_off)]
        self.foreign = [d for d in own if d.currency != step.currency and not _voided(step, d)]
        own = [d for d in own if d.currency == step.currency]
        orders = {d.ref for d in own if d.kind is DocumentKind.ORDER}
        from_orders = [d for d in own if d.order in orders]
        own = [d for d in own if d.order not in orders]
        own.sort(key=lambda d: (-d.generation, _voided(step, d), d.number, d.ref))
        self.main = own[0] if own else None
        # Of an order that is done only its invoices count.
        self.others = [d for d in own[1:] if not (d.kind is DocumentKind.ORDER and d.closed)]
        mine = self.main.ref if self.main else ""
        self.grown = sorted((d for d in from_orders if d.order == mine), key=_document_order)
        self.others += [d for d in from_orders if d.order != mine]
        if self.main and step.unanswered and self._arrived(self.main):
            # The answer was lost but the document shows what was sent: that is what we wrote.
            self.main = replace(self.main, written_net=self.main.net)
        ended = self._has_stop() or not step.sold
        if self.main and ended and self._history(self.main):
            # The old invoice and its credit note are history; what is stopped is the next one, and
            # of a deal that was lost there is none.
            of_order = self.main.kind is DocumentKind.ORDER
            self.others = [*(self.grown if of_order else [self.main]), *self.others]
            self.main, self.grown = None, []

    def _history(self, main: DocumentEvidence) -> bool:
        """Fully credited: of an order, all that was invoiced of it, and no more comes."""
        if main.kind is not DocumentKind.ORDER:
            return _fully_credited(self.step, main)
        live = [d for d in self.grown if not _voided(self.step, d)]
        return main.closed and bool(live) and all(_fully_credited(self.step, d) for d in live)

    def _arrived(self, main: DocumentEvidence) -> bool:
        sent = self.step.prediction.net if self.step.prediction else self.step.sold
        return not _voided(self.step, main) and main.net == sent

    def _has_stop(self) -> bool:
        step = self.step
        gates = (step.excluded_by, step.trigger_missing, step.due_on, step.approval)
        return any(g is not None for g in gates) or bool(step.exceptions or step.unanswered)

    def _written(self) -> Decimal:
        """What already stands in a live document of ours: no stop can hold that back."""
        if self.standing is not None:
            return self.standing
        main = self.main
        if main is None or _voided(self.step, main):
            return sum((d.net for d in self.grown if not _voided(self.step, d)), ZERO)
        if main.written_net is not None:
            return main.written_net
        if main.edit is not None and self.step.prediction is not None:
            return self.step.prediction.net
        return main.net

    def _stop(
        self,
        cause: Cause,
        evidence: str,
        *,
        amount: Decimal | None = None,
        ref: str = "",
        acts: str = "",
        day: date | None = None,
        shown: bool = False,
    ) -> None:
        to = self._written() if amount is None else self.figure - self._held(amount)
        idle = to == self.figure and not self.stopped
        self.stopped = True
        self._move(to, cause, evidence, ref=ref, acts=acts, day=day)
        nothing = not self.step.sold and not self._written()
        if cause is Cause.EXCEPTION_OPEN and (nothing or (shown and idle)):
            # Nothing differs, and yet it waits for a person: it must not read as agreed.
            self._add(ZERO, cause, evidence, ref=ref, acts=acts, always=True)

    def _held(self, amount: Decimal) -> Decimal:
        """So much of the amount as is still unwritten: nothing is stopped twice."""
        unwritten = self.figure - self._written()
        if amount * unwritten <= 0:
            return ZERO
        return amount if abs(amount) <= abs(unwritten) else unwritten

    def _stops(self) -> None:
        step = self.step
        if step.excluded_by is not None:
            self._stop(Cause.EXCLUDED_BY_RULE, step.excluded_by)
        if step.trigger_missing is not None:
            self._stop(Cause.TRIGGER_NOT_YET_TRUE, step.trigger_missing, acts=step.trigger_owner)
        if step.due_on is not None:
            self._stop(Cause.REMAINING_INSTALMENTS, "not due yet", day=step.due_on)
        if step.approval is not None:
            self._stop(Cause.WAITING_FOR_APPROVAL, step.approval.reason, acts=step.approval.by)
        for case in sorted(step.exceptions, key=lambda e: (e.amount is None, e.id)):
            self._stop(
                Cause.EXCEPTION_OPEN,
                case.text or case.code,
                amount=case.amount,
                ref=case.id,
                acts=case.owner,
                shown=case.shown,
            )
        if step.unanswered is not None:
            lost = step.unanswered
            self._stop(Cause.ON_ITS_WAY, lost.reason, amount=lost.amount, ref=lost.operation)

    def _stands(self) -> Decimal | None:
        """
        What a booked document or an order comes to as it stands, with what is still to come of the
        order and after all credit notes: from there a person invoices or credits the rest. Those
        after the cut-off too: they say what is to be done now.
        """
        main = self.main
        if main is None or _voided(self.step, main):
            return None
        if main.kind is DocumentKind.ORDER:
            return self._order_comes_to(main) + self._credited()
        return main.net + self._credited() if main.is_booked else None

    def _order_comes_to(self, order: DocumentEvidence) -> Decimal:
        reached = sum((d.net for d in self._made_of(order)), ZERO)
        return reached if order.closed else max(order.net, reached)

    def _made_of(self, order: DocumentEvidence) -> list[DocumentEvidence]:
        """
        What was made of an order and counts: what was invoiced, credited in full and invoiced
        again, counts once.
        """
        live = [d for d in self.grown if not _voided(self.step, d)]
        if sum((d.net for d in live), ZERO) <= order.net:
            return live
        return [d for d in live if not _fully_credited(self.step, d)]

    def _credited(self) -> Decimal:
        """What credit notes take off the step's own document, or off what grew out of it."""
        main = self.main
        if main is None:
            return ZERO
        own = [main, *(self._made_of(main) if main.kind is DocumentKind.ORDER else ())]
        return sum((c.signed_net for d in own for c in _credits_of(self.step, d)), ZERO)

    def _dismissed(self) -> None:
        """A change after booking that a person let be, measured as its exception measured it."""
        word, stands = self.step.acceptance, self._stands()
        if self.stopped or word is None or stands is None or word.amount != self.figure - stands:
            return
        self.standing = stands
        self._move(stands, Cause.UNEXPLAINED, "the deal changed after its document was booked")

    def _rounding(self) -> None:
        predicted = self.step.prediction
        if predicted is None or self.stopped or self.standing is not None:
            return
        if abs(self.figure - predicted.net) <= predicted.unit * predicted.lines / 2:
            self._move(predicted.net, Cause.ROUNDING, "half a cent a line at most")
        else:
            self._move(predicted.net, Cause.UNEXPLAINED, "predicted beyond half a cent a line")

    def _standing(self) -> None:
        """As the documents stand, not cancelled, booked, by the cut-off."""
        main = self.main
        if main is None or (self.stopped and _voided(self.step, main) and not self.grown):
            reason = (
                "the document is in another currency"
                if self.foreign
                else "no document, and no reason"
            )
            self._move(ZERO, Cause.UNEXPLAINED, reason)
            return
        label = f"{kind_word(main.kind)} {main.number}".strip()
        # Of a deletion that was seen the whole is cancelled, also what the deal became since.
        ended = _voided(self.step, main) and main.cancellation is not None
        if self.standing is not None:
            # From what stands to what was booked: the credit notes follow one by one.
            text = f"{label} is above what stands by what was credited"
            self._move(self.figure - self._credited(), Cause.CREDITED, text, ref=main.ref)
        elif not ended or main.written_net == self.figure:
            self._edited(main, label)
        if main.kind is DocumentKind.ORDER:
            self._ordered(main, label)
        elif _voided(self.step, main):
            seen = main.cancellation
            if seen is None:
                self._move(ZERO, Cause.UNEXPLAINED, f"{label} is gone, not seen why", ref=main.ref)
            else:
                by = f" by {seen.by}" if seen.by else ""
                text = f"{kind_word(main.kind)} {seen.how}{by}"
                self._move(ZERO, Cause.CANCELLED, text, ref=main.ref, day=seen.seen_on)
        elif not main.is_booked:
            waits = ", awaiting approval" if main.status == Status.AWAITING_APPROVAL else ""
            self._move(ZERO, Cause.IN_DRAFT, f"{label}{waits}", ref=main.ref, acts="Finance")
        elif not main.is_booked_by(self.cut_off):
            self._move(ZERO, Cause.BOOKED_AFTER_CUT_OFF, label, ref=main.ref, day=main.day)

    def _ordered(self, order: DocumentEvidence, label: str) -> None:
        """From an order to what was invoiced of it; what is left of it is ordered, or lost."""
        live = self._made_of(order)
        self.others += [d for d in self.grown if d not in live and not _voided(self.step, d)]
        reached = sum((d.net for d in live), ZERO)
        self._rest_of_order(order, label, reached)
        for document in live:
            name = f"{kind_word(document.kind)} {document.number}".strip()
            if not document.is_booked:
                text = f"{name} of {label}"
                self._move(
                    self.figure - document.net,
                    Cause.IN_DRAFT,
                    text,
                    ref=document.ref,
                    acts="Finance",
                )
            elif not document.is_booked_by(self.cut_off):
                self._move(
                    self.figure - document.net,
                    Cause.BOOKED_AFTER_CUT_OFF,
                    name,
                    ref=document.ref,
                    day=document.day,
                )

    def _rest_of_order(self, order: DocumentEvidence, label: str, reached: Decimal) -> None:
        seen = order.cancellation
        if _voided(self.step, order):
            how = f"order {seen.how}" if seen else f"{label} is gone, not seen why"
            cause = Cause.CANCELLED if seen else Cause.UNEXPLAINED
            self._move(reached, cause, how, ref=order.ref, day=seen.seen_on if seen else None)
        elif order.closed or reached > self.figure:
            ended = "is closed" if order.closed else "stands"
            text = f"{label} {ended}, invoiced with {reached:,.2f}"
            self._move(reached, Cause.EDITED_IN_THE_BOOKS, text, ref=order.ref)
        else:
            waits = ", awaiting approval" if order.status == Status.AWAITING_APPROVAL else ""
            self._move(reached, Cause.ORDERED, f"{label}{waits}", ref=order.ref, acts="Finance")

    def _edited(self, main: DocumentEvidence, label: str) -> None:
        if main.net == self.figure:
            # It stands as sold: finance edited it, and the deal was corrected to the same.
            return
        credited = self._credited()
        if credited and main.net + credited == self.figure:
            text = f"{label} is above the deal by what was credited"
            self._move(main.net, Cause.CREDITED, text, ref=main.ref)
            return
        proven = main.edit is not None and not main.version_is_ours
        written = main.written_net
        if written is None:
            written = self.figure if proven else main.net
        if _fully_credited(self.step, main):
            # Of an invoice that was credited in full the whole is, also what the deal became since.
            self._move(written, Cause.CREDITED, f"{label} was credited in full", ref=main.ref)
        self._move(
            written, Cause.UNEXPLAINED, f"{label} was never at the planned amount", ref=main.ref
        )
        if proven and main.edit is not None:
            by = f" by {main.edit.by}" if main.edit.by else ""
            self._move(
                main.net, Cause.EDITED_IN_THE_BOOKS, f"{main.edit.changed}{by}", ref=main.ref
            )
        else:
            self._move(
                main.net, Cause.UNEXPLAINED, f"{label} differs, no edit was seen", ref=main.ref
            )

    def _earlier_documents(self) -> None:
        """
        Documents beside the step's own. An invoice and its full credit are closed and count
        nothing, and more than that is credited; what is left of them is a second document, which
        nothing explains.
        """
        for other in self.others:
            if _voided(self.step, other):
                continue
            credits = _credits_of(self.step, other)
            standing = other.net + sum((c.signed_net for c in credits), ZERO)
            counted = sum((c.signed_net for c in credits if c.is_booked_by(self.cut_off)), ZERO)
            if other.is_booked_by(self.cut_off):
                counted += other.net
            label = f"{kind_word(other.kind)} {other.number}"
            before = self.figure
            if _fully_credited(self.step, other):
                text = f"{label} was credited with more than its amount"
                self._move(before + standing, Cause.CREDITED, text, ref=other.ref)
            self._move(
                before + standing, Cause.UNEXPLAINED, f"a second document: {label}", ref=other.ref
            )
            late = Cause.BOOKED_AFTER_CUT_OFF if other.is_booked else Cause.IN_DRAFT
            self._move(before + counted, late, f"{label} and its credit", ref=other.ref)

    def _loose_credits(self) -> list[DocumentEvidence]:
        """Booked credit notes of the step that lower its own document, or name none of its own."""
        closed = {d.ref for d in self.others}
        return sorted(
            (
                d
                for d in self.step.documents
                if d.is_booked and d.is_credit and d.credits not in closed
            ),
            key=_document_order,
        )

    def _credit_notes(self) -> None:
        for credit in self._loose_credits():
            if not credit.is_booked_by(self.cut_off) or _voided(self.step, credit):
                continue
            if credit.currency == self.step.currency:
                self._move(
                    self.figure + credit.signed_net,
                    Cause.CREDITED,
                    f"credit note {credit.number}",
                    ref=credit.ref,
                    day=credit.day,
                )
            else:
                self.foreign.append(credit)

    def _to_ledger(self) -> Decimal:
        """What the ledger shows in base currency; the last part is the difference of the rates."""
        by_cut_off = [d for d in counted_documents(self.step) if d.is_booked_by(self.cut_off)]
        own = [d for d in by_cut_off if d.currency == self.step.currency]
        invoiced = sum((d.base(self.step.rate, self.base_currency) for d in own), ZERO)
        difference = self._base(self.figure) - invoiced
        if self.step.currency != self.base_currency:
            for document in own:
                difference -= self._beyond_its_rate(document)
            self._add(difference, Cause.CURRENCY_RATE, self._rates(own))
        else:
            self._add(difference, Cause.UNEXPLAINED, "the ledger shows another amount")
        for document in by_cut_off:
            if document.currency != self.step.currency:
                amount = document.base(Decimal(1), self.base_currency)
                text = f"{kind_word(document.kind)} {document.number} is in {document.currency}"
                self._add(-amount, Cause.UNEXPLAINED, text, ref=document.ref)
                invoiced += amount
        return invoiced

    def _beyond_its_rate(self, document: DocumentEvidence) -> Decimal:
        """What the ledger's amount differs from net × its own rate by, beyond a cent a line."""
        if document.rate is None or document.base_net is None:
            return ZERO
        booked = document.base(document.rate, self.base_currency)
        at_rate = round_money(document.signed_net * document.rate, self.base_currency)
        lines = self.step.prediction.lines if self.step.prediction else 1
        if abs(at_rate - booked) <= CENT * lines:
            return ZERO
        text = f"{kind_word(document.kind)} {document.number} does not fit its rate"
        self._add(at_rate - booked, Cause.UNEXPLAINED, text, ref=document.ref)
        return at_rate - booked

    def _rates(self, documents: list[DocumentEvidence]) -> str:
        rates = {d.rate for d in documents if d.rate is not None}
        at = f"{rates.pop()}" if len(rates) == 1 else "the ledger's rates"
        return f"{self.step.currency} at {at}, sold at {self.step.rate}"


def _accept(step: StepFigures, parts: Iterable[Part], base_currency: str) -> list[Part]:
    """The parts, with the unexplained ones replaced as far as a person has accepted them."""
    word = step.acceptance
    if word is None:
        return list(parts)
    left = round_money(word.amount * step.rate, base_currency)
    # A part is the difference of two levels that were each rounded; the word was rounded once.
    slack = ZERO if step.currency == base_currency else CENT
    result: list[Part] = []
    for part in parts:
        if part.cause is not Cause.UNEXPLAINED or left * part.amount <= 0:
            result.append(part)
            continue
        taken = part.amount if abs(part.amount) <= abs(left) + slack else left
        left -= taken
        text = f"{word.name}: {word.reason}"
        result.append(replace(part, cause=Cause.ACCEPTED, amount=taken, evidence=text, acts=""))
        if part.amount != taken:
            result.append(replace(part, amount=part.amount - taken))
    return result
