"""The figures of a tie-out and their evidence: causes, documents, steps, parts and chains."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from tieout.core.model import DocumentKind
from tieout.core.money import CENT, round_money

ZERO = Decimal("0.00")
_BOOKED = (DocumentKind.INVOICE, DocumentKind.CREDIT_NOTE)


def kind_word(kind: DocumentKind) -> str:
    """The kind as it is said: 'credit note'."""
    return kind.value.replace("_", " ")


class Cause(StrEnum):
    """Why a part of what was sold is not invoiced; the order is the chain's."""

    EXCLUDED_BY_RULE = "excluded_by_rule"
    TRIGGER_NOT_YET_TRUE = "trigger_not_yet_true"
    REMAINING_INSTALMENTS = "remaining_instalments"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    EXCEPTION_OPEN = "exception_open"
    ON_ITS_WAY = "on_its_way"
    ROUNDING = "rounding"
    EDITED_IN_THE_BOOKS = "edited_in_the_books"
    CANCELLED = "cancelled"
    ORDERED = "ordered"
    IN_DRAFT = "in_draft"
    BOOKED_AFTER_CUT_OFF = "booked_after_cut_off"
    CREDITED = "credited"
    CURRENCY_RATE = "currency_rate"
    ACCEPTED = "accepted"
    INVOICED_WITHOUT_DEAL = "invoiced_without_deal"
    UNEXPLAINED = "unexplained"


CHAIN_ORDER = {cause: place for place, cause in enumerate(Cause)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change that somebody made in the books after we wrote: the other version and what moved."""

    version: str
    changed: str  # the changed line or field, in words
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """A deletion or void that was seen, on the day it was seen."""

    seen_on: date
    how: str = "deleted"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEvidence:
    """
    A document of the books as it stands now, with what is known about how it came to stand so.

    `net` is in the document's currency, credit notes by their size. `base_net` is the ledger's
    own amount in base currency; without it net × rate is used. `written_net` is what the
    document showed when we last wrote it. `credits` names the invoice that a credit note
    lowers. `present` is False for a document that no longer is where it was. `order` names the
    sales order that an invoice or draft grew out of; `closed`: nothing more comes of an order.
    """

    ref: str
    number: str
    kind: DocumentKind
    net: Decimal
    currency: str
    day: date | None = None
    rate: Decimal | None = None
    base_net: Decimal | None = None
    status: str = ""
    version_is_ours: bool = True
    written_net: Decimal | None = None
    edit: Edit | None = None
    cancellation: Cancellation | None = None
    present: bool = True
    credits: str | None = None
    generation: int = 1
    customer: str = ""
    order: str | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        if self.is_booked and self.day is None:
            raise ValueError(f"a booked document needs its date: {self.ref}")

    @property
    def is_booked(self) -> bool:
        """True for invoices and credit notes; drafts and orders make no claim."""
        return self.kind in _BOOKED

    @property
    def is_credit(self) -> bool:
        """True for a credit note, booked or in draft."""
        return self.kind is DocumentKind.CREDIT_NOTE or self.credits is not None

    @property
    def signed_net(self) -> Decimal:
        """Net in the document's currency; a credit note counts against sales."""
        return -abs(self.net) if self.is_credit else self.net

    @property
    def is_gone(self) -> bool:
        return self.cancellation is not None or not self.present

    def is_booked_by(self, cut_off: date) -> bool:
        return self.is_booked and self.day is not None and self.day <= cut_off

    def base(self, fallback_rate: Decimal, base_currency: str) -> Decimal:
        """Signed net in base currency: the ledger's own figure, else net × rate."""
        if self.base_net is not None:
            return -abs(self.base_net) if self.is_credit else self.base_net
        rate = self.rate if self.rate is not None else fallback_rate
        return round_money(self.signed_net * rate, base_currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """An approval that is still awaited."""

    reason: str
    by: str = "Approver"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenException:
    """
    A stopped operation that waits for a person; `amount` None holds all that is unwritten.
    `shown` also where that is nothing: what stands in the books is itself in question.
    `standing`: what is booked differs from the deal; the amount is measured from what stands of
    it, after its credit notes.
    """

    id: str
    code: str
    owner: str = "Finance"
    amount: Decimal | None = None
    text: str = ""
    shown: bool = False
    standing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """An operation whose outcome is unknown or not there yet."""

    operation: str
    reason: str
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The net that the target's way of rounding gives, over so many lines."""

    net: Decimal
    lines: int = 1
    unit: Decimal = CENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A person's word for an amount that nothing else explains, in the deal's currency."""

    name: str
    reason: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """
    One billing step of a deal: what was sold, what stops it, and its documents.

    Amounts are net in the deal's currency; `rate` is the deal's own rate to base currency.
    A stop that is absent is None: `excluded_by` names the rule that leaves the step out,
    `trigger_missing` says what is still missing, `due_on` is the day of an instalment that is
    not due yet, or was not at the cut-off.
    """

    deal: str
    number: str
    customer: str
    currency: str
    close_date: date
    sold: Decimal
    title: str = ""
    link: str | None = None
    step: int = 1
    rate: Decimal = Decimal(1)
    excluded_by: str | None = None
    trigger_missing: str | None = None
    trigger_owner: str = "Sales"
    due_on: date | None = None
    approval: Approval | None = None
    exceptions: tuple[OpenException, ...] = ()
    unanswered: Unanswered | None = None
    prediction: Prediction | None = None
    documents: tuple[DocumentEvidence, ...] = ()
    acceptance: Acceptance | None = None
    paid: Decimal = ZERO
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One cause's share of a gap, in base currency, with its evidence in a few words."""

    cause: Cause
    amount: Decimal
    evidence: str
    ref: str = ""
    acts: str = ""
    day: date | None = None
    deal: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A step walked to its end, in base currency: sold − invoiced = the sum of the parts."""

    sold: Decimal
    invoiced: Decimal
    parts: tuple[Part, ...]

    @property
    def gap(self) -> Decimal:
        return self.sold - self.invoiced
