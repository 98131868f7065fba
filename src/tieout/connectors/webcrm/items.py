"""
Items of the books in webCRM's catalogue for quotation lines: made once, corrected, never deleted.

A column of the catalogue that is ours (`line.key`) carries our key; without it nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.sending import answer_to
from tieout.connectors.webcrm import errors
from tieout.connectors.webcrm.api import Row, WebcrmApi, server_time
from tieout.connectors.webcrm.ids import ITEM, number_of
from tieout.connectors.webcrm.price_columns import (
    EMPTY,
    STEM,
    field_values,
    other_currency,
    price_values,
)
from tieout.connectors.webcrm.reading import ITEM_ID, Reader
from tieout.connectors.webcrm.refusing import not_done
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.translate import Shape
from tieout.connectors.webcrm.values import number_at, text_at
from tieout.connectors.webcrm.writing import not_possible
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Doubt,
    Hit,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Sight,
    Unknown,
    Wire,
)
from tieout.core.errors import SyncError
from tieout.core.finding import Finding
from tieout.core.keys import key_in
from tieout.core.model import Item
from tieout.ports import HttpResponse

PATH = "/QuotationLines/LinkedData"
_ACTIONS = frozenset({Action.CREATE, Action.UPDATE})


class ItemWriter:
    """Prepares and sends items, one at a time."""

    def __init__(self, api: WebcrmApi, reader: Reader, settings: WebcrmSettings) -> None:
        self._api = api
        self._reader = reader
        self._settings = settings
        self._key = f"{STEM}{settings.line.key}" if settings.line.key else ""

    async def prepare(self, changes: Sequence[Change]) -> list[Prepared | Refused]:
        """Each change as bytes, after one read of the catalogue."""
        if not self._key:
            return [Refused(key=c.key, findings=(_no_column(),)) for c in changes]
        rows = {id_of(row): row for row in await self._api.catalogue()} if changes else {}
        return [await self._one(change, rows) for change in changes]

    async def _one(self, change: Change, rows: Mapping[int, Row]) -> Prepared | Refused:
        wanted = change.wanted.record if change.wanted is not None else None
        if change.action not in _ACTIONS or not isinstance(wanted, Item):
            return Refused(key=change.key, findings=(not_possible(change),))
        number = number_of(change.target.id, ITEM) if change.target is not None else 0
        row = rows.get(number)
        if change.action is Action.UPDATE and row is None:
            gone = errors.gone(f"item {wanted.number or number}")
            return Refused(key=change.key, findings=(gone,), stale=True)
        assert change.wanted is not None
        findings: list[Finding] = []
        values = self._values(wanted, change.wanted.fields, findings)
        if findings:
            return Refused(key=change.key, findings=tuple(findings))
        if row is None:
            columns = {f"{STEM}Data{place}": EMPTY for place in await self._used()}
            body = {ITEM_ID: 0, f"{STEM}EntityType": "Product", **columns, **values}
            body[self._key] = change.key
            # What was not sent is shown as nothing, and an amount as zero.
            amounts = {f"{STEM}Price": Decimal(0), f"{STEM}CostPrice": Decimal(0)}
            shown: Row = {**amounts, **body}
        else:
            moved = {name: one for name, one in values.items() if not _same(one, row.get(name))}
            if moved:
                moved = {**await self._filled(row, change.key), **moved}
            body = {ITEM_ID: number, **moved} if moved else {}
            shown = {**row, **moved}
        translator = await self._reader.translator()
        lists = frozenset(one.list for one in wanted.prices)
        shape = Shape.of(wanted.extra, wanted.shape, lists)
        shows = translator.item({**shown, ITEM_ID: number or 1}, shape)
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method="POST" if row is None else "PUT",
            path=PATH if row is None else f"{PATH}/{number}",
            body=dumps(body) if body else b"",
            witness={"number": wanted.number},
            shows=replace(shows, ref=change.target),
            read=translator.item(row, shape) if row is not None else None,
            revision=change.revision,
        )

    def _values(
        self, wanted: Item, names: frozenset[str], findings: list[Finding]
    ) -> dict[str, Any]:
        columns = self._settings.line
        places = {"number": columns.item, "name": columns.name, "unit": columns.unit}
        found: dict[str, Any] = {
            f"{STEM}{column}": getattr(wanted, name) or EMPTY
            for name, column in places.items()
            if name in names and column
        }
        for name, place in (("price", "Price"), ("cost", "CostPrice")):
            amount = getattr(wanted, name)
            if name in names and amount is not None:
                found[f"{STEM}{place}"] = amount
        own = self._settings.currency
        if "price" in names and wanted.currency and own and wanted.currency != own:
            findings.append(other_currency(wanted.number or wanted.name, wanted.currency, own))
        if "prices" in names:
            found |= price_values(wanted, columns, findings)
        if "extra" in names:
            found |= field_values(wanted.extra, columns, findings)
        return found

    async def _filled(self, row: Row, key: str) -> dict[str, Any]:
        """
        What an item that was there before a column was used lacks: webCRM takes no change of one
        with an empty column. Ours gets the key, so that it is known from then on.
        """
        names = [f"{STEM}Data{place}" for place in await self._used()]
        found = {name: EMPTY for name in names if not row.get(name)}
        if (row.get(self._key) or EMPTY) == EMPTY:
            found[self._key] = key
        return found

    async def _used(self) -> list[int]:
        """The columns that are used: none of them may be empty."""
        setup = await self._api.catalogue_setup()
        stem = "QuotationLineLinkedSetupUseLinkedField"
        return [place for place in range(1, 10) if setup.get(f"{stem}{place}") is True]

    # Sending.

    async def send(self, wire: Wire) -> list[Outcome]:
        """One write; then the item is read."""
        (key,) = wire.items
        template = PATH if wire.path == PATH else f"{PATH}/{{id}}"
        answer = await answer_to(
            wire, self._api.write, template=template, timeout_s=self._settings.timeout_s
        )
        if isinstance(answer, list):
            return answer
        return [await self._outcome(key, wire, answer, server_time(answer))]

    async def _outcome(
        self, key: str, wire: Wire, response: HttpResponse, at: datetime | None
    ) -> Outcome:
        refused = not_done(wire, response, at, lambda: self._label(wire))
        if refused is not None:
            return refused
        try:
            row = await self._written(wire, response)
        except SyncError as error:
            reason = f"written, and could not be looked at: {error.message}"
            return Unknown(key=key, reason=reason, vendor_time=at)
        if row is None:
            return Unknown(key=key, reason="written, and not found", vendor_time=at)
        sent = loads(wire.body)
        wrong = [n for n, one in sent.items() if n != ITEM_ID and not _same(one, row.get(n))]
        if wrong and wire.method == "PUT":
            finding = errors.not_kept(f"item {id_of(row)}", ", ".join(wrong))
            return Rejected(key=key, findings=(finding,), vendor_time=at)
        shows = (await self._reader.translator()).item(row, Shape())
        assert shows.ref is not None
        return Applied(key=key, ref=shows.ref, shows=shows, vendor_time=at)

    def _label(self, wire: Wire) -> str:
        body = loads(wire.body)
        return f"item {body.get(f'{STEM}{self._settings.line.item}') or body[ITEM_ID]}"

    async def _written(self, wire: Wire, response: HttpResponse) -> Row | None:
        """The item that a write made or changed: by its number, or by our key in the catalogue."""
        number = int(wire.path.rpartition("/")[2]) if wire.path != PATH else _told(response)
        rows = await self._api.catalogue()
        if number:
            return next((row for row in rows if id_of(row) == number), None)
        (key,) = wire.items
        mine = [row for row in rows if text_at(row, self._key) == key]
        return mine[0] if len(mine) == 1 else None

    # Looking.

    async def find(self, doubts: Sequence[Doubt], began: datetime, now: datetime) -> list[Sight]:
        """
        One look for each: the items that carry a key of the slot. The catalogue is one list, so
        that nothing hides between two of its pages.
        """
        rows = await self._api.catalogue() if doubts else []
        translator = await self._reader.translator()
        found: list[Sight] = []
        for doubt in doubts:
            hits = tuple(
                Hit(key=key, record=translator.item(row, Shape()))
                for row in rows
                if self._key and (key := key_in(text_at(row, self._key), doubt.key13))
            )
            target = doubt.target
            number = number_of(target.id, ITEM) if target is not None else 0
            row = next((row for row in rows if number and id_of(row) == number), None)
            found.append(
                Sight(
                    key=doubt.key,
                    began_at=began,
                    vendor_time=self._api.vendor_time or now,
                    hits=hits,
                    target=translator.item(row, Shape()) if row is not None else None,
                    target_gone=bool(number) and row is None,
                    complete=bool(self._key),
                )
            )
        return found


def id_of(row: Row) -> int:
    """The number of a row of the catalogue."""
    value = row.get(ITEM_ID)
    return value if isinstance(value, int) else 0


def _told(response: HttpResponse) -> int:
    """The new number that an answer tells: bare, in an object, or not at all."""
    try:
        told = loads(response.body) if response.body else 0
    except ValueError:
        return 0
    if isinstance(told, Mapping):
        return id_of(told)
    return told if isinstance(told, int) and not isinstance(told, bool) else 0


def _same(wanted: Any, shown: Any) -> bool:
    if isinstance(wanted, (Decimal, int)) and not isinstance(wanted, bool):
        return Decimal(wanted) == (number_at({"v": shown}, "v") or Decimal(0))
    return str(wanted) == str(shown or "")


def _no_column() -> Finding:
    return Finding(
        code="action_not_possible",
        message="Items are written to webCRM's catalogue only where one of its columns carries "
        "our key.",
        hint="Make a column for it and name it in the connection: line.key=Data9. Or switch "
        "flows.items off.",
    )
