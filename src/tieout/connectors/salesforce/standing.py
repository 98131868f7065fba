"""What the books say, shown on opportunities, orders, quotes and accounts: rows we own whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import Row, SalesforceApi
from tieout.connectors.salesforce.cells import RowError, date_of, number_of, text_of, value_at
from tieout.connectors.salesforce.ids import id18, object_of, row_id, unique
from tieout.connectors.salesforce.org import OrgField
from tieout.connectors.salesforce.settings import (
    NEEDED_STANDING,
    SalesforceSettings,
)
from tieout.core.finding import Finding, Severity
from tieout.core.model import Entity, ExternalRef, Standing

_AMOUNTS = frozenset({"net", "gross", "paid", "open", "overdue_amount"})
_DATES = frozenset({"order_date", "delivered_on", "issue_date", "due_date", "last_payment_on"})
_FLAGS = frozenset({"overdue", "credited_in_part", "refund_due", "booked"})
_STANDING_FIELDS = frozenset(entry.name for entry in fields(Standing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """
    Where a standing is shown on one object: our word → its field, of those that exist.

    ``missing`` are the words whose field the integration user does not see.
    """

    object: str
    of: str
    fields: Mapping[str, OrgField]
    missing: Mapping[str, str]
    parent: str
    currency: bool

    @property
    def columns(self) -> list[str]:
        """What is read of a row to know what it shows."""
        found = ["Id", "SystemModstamp"]
        if self.parent:
            found.append(self.parent)
        if self.currency:
            found.append("CurrencyIsoCode")
        return [*found, *(field.name for field in self.fields.values())]


class Standings:
    """Reads what rows show now, and knows where things are shown."""

    def __init__(self, name: str, api: SalesforceApi, settings: SalesforceSettings) -> None:
        self._name = name
        self._api = api
        self._settings = settings

    async def board(self, object_name: str) -> Board | None:
        """Where a standing is shown on that object; None where the org does not have it."""
        known = await self._api.object(object_name)
        if known is None:
            return None
        of = "customer" if object_name == "Account" else "deal"
        found: dict[str, OrgField] = {}
        missing: dict[str, str] = {}
        for ours, theirs in self._settings.standing_fields(of).items():
            field = known.field(theirs)
            if field is None or not field.updateable:
                missing[ours] = theirs
            else:
                found[ours] = field
        return Board(
            object=object_name,
            of=of,
            fields=found,
            missing=missing,
            parent="AccountId" if known.has("AccountId") else "",
            currency=known.has("CurrencyIsoCode"),
        )

    async def rows(self, board: Board, ids: Sequence[str]) -> dict[str, Row]:
        """The rows as they are now, by id: one query where the ids fit into it."""
        found: dict[str, Row] = {}
        for chunk in soql.chunks(ids, board.columns):
            where = [soql.one_of("Id", chunk)]
            rows = await self._api.query(soql.select(board.columns, board.object, where=where))
            while True:
                found.update({id18(row["Id"]): row for row in rows.rows})
                if rows.more is None:
                    break
                rows = await self._api.more(rows.more)
        return found

    async def get(self, refs: Sequence[ExternalRef], shape: str = "") -> list[Standing | None]:
        """What the rows show, in order; None where a row is not there."""
        asked = [row_id(ref.id) for ref in refs]
        ids = unique(record_id for record_id in asked if record_id is not None)
        found: dict[str, Standing] = {}
        for object_name in ("Account", "Opportunity", "Order", "Quote"):
            mine = [record_id for record_id in ids if object_of(record_id) == object_name]
            board = await self.board(object_name) if mine else None
            if board is not None:
                for record_id, row in (await self.rows(board, mine)).items():
                    found[record_id] = self.record(board, row, shape)
        return [found.get(record_id) if record_id is not None else None for record_id in asked]

    def record(self, board: Board, row: Row, shape: str = "") -> Standing:
        """What a row shows. What is not shown there is None."""
        values: dict[str, Any] = {}
        for ours, field in board.fields.items():
            if ours not in _STANDING_FIELDS:
                continue
            if ours in _AMOUNTS:
                values[ours] = number_of(row, field.name)
            elif ours in _DATES:
                values[ours] = _day(row, field.name)
            elif ours in _FLAGS:
                values[ours] = _flag(value_at(row, field.name))
            else:
                values[ours] = text_of(row, field.name) or None
        if board.currency and "currency" not in board.fields:
            values["currency"] = text_of(row, "CurrencyIsoCode") or None
        return Standing(
            ref=ExternalRef(self._name, Entity.STANDING.value, id18(row["Id"])),
            version=text_of(row, "SystemModstamp") or None,
            of=board.of,
            shape=shape,
            **values,
        )

    async def problems(self) -> list[Finding]:
        """The fields that are missing, each by its name."""
        found: list[Finding] = []
        names = [_OBJECTS[source] for source in self._settings.sources]
        for object_name in (*names, "Account"):
            board = await self.board(object_name)
            if board is None:
                continue
            needed = NEEDED_STANDING[board.of]
            for ours, theirs in board.missing.items():
                found.append(_missing(board, ours, theirs, needed=ours in needed))
        return found


_OBJECTS = {"opportunity": "Opportunity", "order": "Order", "quote": "Quote"}


def _day(row: Row, name: str) -> date | None:
    try:
        return date_of(row, name)
    except RowError:
        # Somebody wrote over it; it is not the day that we wrote.
        return None


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"Yes": True, "No": False}.get(value)
    return value if isinstance(value, bool) else None


def _missing(board: Board, ours: str, theirs: str, *, needed: bool) -> Finding:
    word = ours.replace("_", " ")
    return Finding(
        code="field_missing",
        message=f"{board.object} has no field {theirs} that the integration user can write, "
        f"so {'the state in the books' if needed else f'the {word}'} is not shown there.",
        hint=f"Make that field on {board.object} (they stand in docs/howto/connect-salesforce.md) "
        "and let the integration user read and edit it"
        + ("." if needed else f", or set {board.of}_standing.{ours} to '' in the connection."),
        severity=Severity.ERROR if needed else Severity.INFO,
        place=f"{board.object}.{theirs}",
        values={"object": board.object, "field": theirs},
    )
