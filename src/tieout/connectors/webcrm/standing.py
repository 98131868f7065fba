"""What the books say, shown on deliveries, opportunities and organisations: our own fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from tieout.connectors.webcrm.api import Row
from tieout.connectors.webcrm.feed import Feed
from tieout.connectors.webcrm.ids import DEAL, ORGANISATION, number_of
from tieout.connectors.webcrm.lineage import Lineage, books_id_in, erp_id
from tieout.connectors.webcrm.reading import Reader
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.system import SystemField, enum_name, native
from tieout.connectors.webcrm.translate import stamp_text
from tieout.connectors.webcrm.values import (
    RowError,
    Unfit,
    Wire,
    day_at,
    flag_at,
    number_at,
    same,
    text_at,
    to_wire,
)
from tieout.core.finding import Finding, Severity
from tieout.core.model import Entity, ExternalRef, Standing

_AMOUNTS = frozenset({"net", "gross", "paid", "open", "overdue_amount"})
_DATES = frozenset({"order_date", "delivered_on", "issue_date", "due_date", "last_payment_on"})
_FLAGS = frozenset({"overdue", "credited_in_part", "refund_due", "booked"})
_STANDING_FIELDS = frozenset(entry.name for entry in fields(Standing))
READY, SYNCHRONIZED = "ReadyForSynchronization", "Synchronized"
_ERP_LENGTH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """
    Where a standing is shown on one kind of record: our word → its field, of those that exist.

    ``missing`` are the words whose field is not switched on.
    """

    kind: str
    fields: Mapping[str, SystemField]
    missing: Mapping[str, str]

    @property
    def of(self) -> str:
        """'customer' or 'deal'."""
        return "customer" if self.kind == "Organisation" else "deal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A record on which something is shown: its root, its kind, and its row as it is now."""

    root: int
    kind: str
    row: Row

    @property
    def number(self) -> int:
        """The id under which it is written."""
        return int(self.row[f"{self.kind}Id"])

    @property
    def id(self) -> str:
        """The id that it has with us."""
        return f"{ORGANISATION if self.kind == 'Organisation' else DEAL}:{self.root}"

    @property
    def label(self) -> str:
        """What people call it."""
        name = text_at(self.row, f"{self.kind}Number") or text_at(self.row, f"{self.kind}Name")
        return f"{self.kind} {name or self.number}"


class Standings:
    """Reads what records show now, and knows where things are shown."""

    def __init__(self, name: str, reader: Reader, settings: WebcrmSettings) -> None:
        self._name = name
        self._reader = reader
        self._feed: Feed = reader.feed
        self._lineage: Lineage = reader.lineage
        self._settings = settings
        self._zone = ZoneInfo(settings.time_zone)

    async def board(self, kind: str) -> Board:
        """Where a standing is shown on that kind of record."""
        known = await self._reader.fields(kind)
        found: dict[str, SystemField] = {}
        missing: dict[str, str] = {}
        for ours, theirs in self._settings.standing_fields(kind).items():
            field = known.field(theirs)
            if field is None and _is_native(theirs):
                field = native(theirs, length=_ERP_LENGTH if theirs.endswith("ErpId") else 0)
            if field is None:
                missing[ours] = theirs
            else:
                found[ours] = field
        return Board(kind=kind, fields=found, missing=missing)

    async def fields(self, kind: str) -> Mapping[str, SystemField]:
        """The fields of a kind by name, those that are shown on among them."""
        known = await self._reader.fields(kind)
        board = await self.board(kind)
        return {**known.fields, **{field.name: field for field in board.fields.values()}}

    async def rows(self, ids: Sequence[str]) -> dict[str, Shown]:
        """The records as they are now, by their ids (`deal:88231`, `organisation:4711`)."""
        found: dict[str, Shown] = {}
        deals = [number for one in ids if (number := number_of(one, DEAL))]
        for root, (kind, row) in (await self._lineage.now(deals)).items():
            found[f"{DEAL}:{root}"] = Shown(root=root, kind=kind, row=row)
        customers = [number for one in ids if (number := number_of(one, ORGANISATION))]
        for number, row in (await self._feed.some("Organisation", customers)).items():
            found[f"{ORGANISATION}:{number}"] = Shown(root=number, kind="Organisation", row=row)
        return found

    async def get(self, refs: Sequence[ExternalRef], shape: str = "") -> list[Standing | None]:
        """What the records show, in order; None where one is not there."""
        rows = await self.rows([ref.id for ref in refs])
        return [await self.shown(rows[ref.id], shape) if ref.id in rows else None for ref in refs]

    async def shown(self, found: Shown, shape: str = "") -> Standing:
        """What a record shows."""
        return self.record(await self.board(found.kind), found, found.row, shape)

    def record(self, board: Board, found: Shown, row: Row, shape: str = "") -> Standing:
        """What a row shows. What is not shown there is None."""
        values: dict[str, Any] = {}
        for ours, field in board.fields.items():
            if ours in _STANDING_FIELDS:
                values[ours] = self._value(ours, field, row)
        return Standing(
            ref=ExternalRef(self._name, Entity.STANDING.value, found.id),
            version=stamp_text(row.get(f"{board.kind}UpdatedAt")) or None,
            of=board.of,
            shape=shape,
            **values,
        )

    def _value(self, ours: str, field: SystemField, row: Row) -> Any:
        if ours in _AMOUNTS:
            return _amount(field, row)
        if ours in _DATES:
            try:
                return day_at(row, field.name, self._zone)
            except RowError:
                # Somebody wrote over it; it is not the day that we wrote.
                return None
        if ours in _FLAGS:
            return flag_at(row, field.name)
        text = text_at(row, field.name)
        if ours == "books_id" and field.name.endswith("ErpId"):
            text = books_id_in(text)
        return text or None

    def changed(
        self, board: Board, found: Shown, wanted: Standing, named: frozenset[str]
    ) -> tuple[dict[str, Wire], list[Finding]]:
        """The fields of a record that have to change, without the stamp of the change itself."""
        body: dict[str, Wire] = {}
        # Somebody chose that field: to leave it out would be to show less without a word.
        findings = [
            _missing(board, ours, theirs)
            for ours, theirs in board.missing.items()
            if ours in named and getattr(wanted, ours, None) is not None
        ]
        for ours, field in board.fields.items():
            if ours not in named or ours not in _STANDING_FIELDS:
                continue
            value: object = getattr(wanted, ours)
            if ours == "books_id" and field.name.endswith("ErpId"):
                value = erp_id(found.root, wanted.books_id)
            wire = to_wire(field, value, cut=True)
            if isinstance(wire, Unfit):
                findings.append(wire.finding)
            elif not same(field, wire, found.row.get(field.name)):
                body[field.name] = wire
        status = board.fields.get("erp_status")
        if status is not None and not findings and self._hands_over(status, found, wanted, named):
            body[status.name] = SYNCHRONIZED
        return body, findings

    def _hands_over(
        self, status: SystemField, found: Shown, wanted: Standing, named: frozenset[str]
    ) -> bool:
        """
        Whether the record is to be marked as handed over: it has something in the books.

        Where being ready is the trigger, only what is ready turns; a person who took it back has
        said no, and that is not overwritten.
        """
        if "books_id" not in named or not wanted.books_id:
            return False
        shows = enum_name(status.name, found.row.get(status.name))
        if shows == SYNCHRONIZED:
            return False
        return self._settings.won != "ready" or shows == READY

    async def problems(self) -> list[Finding]:
        """What is not shown, and the fields that are not there, each by its name."""
        found: list[Finding] = []
        kinds = ["Delivery", "Organisation"]
        if self._settings.won in ("ready", "level", "flag"):
            kinds.insert(1, "Opportunity")
        for kind in kinds:
            board = await self.board(kind)
            for ours, theirs in board.missing.items():
                found.append(_missing(board, ours, theirs))
            needed = "open" if kind == "Organisation" else "status"
            if needed not in {*board.fields, *board.missing}:
                found.append(_unset(kind, needed))
        return found


def _amount(field: SystemField, row: Row) -> Decimal | None:
    if field.kind in ("number", "int"):
        return number_at(row, field.name)
    text = text_at(row, field.name)
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        # Somebody wrote over it; it is not the amount that we wrote.
        return None


def _is_native(name: str) -> bool:
    return name.endswith(("ErpId", "ErpStatus", "ErpSyncDateTime"))


_SETTING = {
    "Delivery": "delivery_standing",
    "Opportunity": "opportunity_standing",
    "Organisation": "account_standing",
}


def _word(ours: str) -> str:
    words = {"open": "open amount", "status": "status in the books", "paid": "amount paid"}
    return words.get(ours, ours.replace("_", " "))


def _missing(board: Board, ours: str, theirs: str) -> Finding:
    return Finding(
        code="field_missing",
        message=f"{board.kind} has no field {theirs} that is switched on in webCRM, so the "
        f"{_word(ours)} is not shown there.",
        hint="Switch it on in webCRM's configuration, or name another one: "
        f"{_SETTING[board.kind]}.{ours}.",
        severity=Severity.ERROR,
        place=theirs,
        values={"object": board.kind, "field": theirs},
    )


def _unset(kind: str, ours: str) -> Finding:
    return Finding(
        code="field_not_chosen",
        message=f"No field of {kind} is named for the {_word(ours)}, so it is not shown.",
        hint=f"Name a custom field when you add the connection: {_SETTING[kind]}.{ours}.",
        severity=Severity.INFO,
        place=f"{_SETTING[kind]}.{ours}",
    )
