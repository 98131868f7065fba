"""Invoices of the books as webCRM shows them: all of them, and those of some organisations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from tieout.connectors.webcrm.api import Row, WebcrmApi
from tieout.connectors.webcrm.ids import number_for, ref_of
from tieout.connectors.webcrm.invoice_rows import (
    ID,
    KIND,
    OWNER,
    Form,
    Sheaf,
    is_custom_name,
    mark_of,
    sheaves,
    slim,
)
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.system import read_metadata
from tieout.connectors.webcrm.translate import stamp_text
from tieout.connectors.webcrm.values import id_at, text_at
from tieout.core.change import Fate, FateKind
from tieout.core.model import Document, Entity, ExternalRef
from tieout.ports import Page

PATH = "/Products"
_PAGE = 500
# From so many on, reading the whole list costs fewer calls.
_WALK = 25
_LIST_ROWS = 1000


class InvoiceReader:
    """Reads rows of products. What carries no key of ours is nobody's invoice and stays apart."""

    def __init__(self, name: str, api: WebcrmApi, settings: WebcrmSettings) -> None:
        self._name = name
        self._api = api
        self._settings = settings
        self._pages = 0

    async def form(self) -> Form:
        """Which fields show what, as the system is now."""
        told = read_metadata(KIND, await self._api.metadata(KIND))
        return Form(
            connection=self._name,
            named=self._settings.invoice,
            zone=ZoneInfo(self._settings.time_zone),
            fields=told.fields,
            told=any(is_custom_name(name) for name in told.fields),
        )

    # All of them.

    async def changes(self, shape: str) -> AsyncIterator[Page]:
        """The whole list: products have no lookup by the day of a change."""
        form = await self.form()
        found = sheaves((await self._walk(form)).values(), form.named.key)
        whole = [one for one in found.values() if one.heads]
        if not whole:
            yield Page(whole=True)
        for start in range(0, len(whole), _PAGE):
            some = whole[start : start + _PAGE]
            records = tuple(form.document(one.heads[0], one, shape) for one in some)
            yield Page(records=records, whole=True)

    async def keys(self) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """The ids of all heads that carry a key; a change of any row is one of its head's."""
        async for page in self.changes(""):
            yield [(one.ref, _version(one)) for one in page.records if one.ref is not None]

    async def _walk(self, form: Form, *, keyed: bool = True) -> dict[int, Row]:
        """
        The rows of the whole list, twice: one that goes while it is read hides the one behind it.
        ``keyed``: those that carry a key of ours.
        """
        found: dict[int, Row] = {}
        for _ in range(2):
            pages = 0
            async for rows in self._api.pages(PATH):
                pages += 1
                for row in rows:
                    if not keyed or mark_of(text_at(row, form.named.key)) is not None:
                        found[id_at(row, ID)] = slim(row, form.columns)
            self._pages = max(pages, 1)
        return found

    async def everything(self, form: Form) -> list[Row]:
        """All rows that carry a key of ours."""
        return list((await self._walk(form)).values())

    # Some.

    async def owned(self, form: Form, owners: Iterable[int]) -> dict[int, list[Row] | None]:
        """
        All rows of these organisations, those of others' making too; None where one is not there.
        """
        wanted = sorted(set(owners) - {0})
        if self._pages and len(wanted) > max(2 * self._pages, _WALK):
            found: dict[int, list[Row] | None] = {number: [] for number in wanted}
            for row in (await self._walk(form, keyed=False)).values():
                mine = found.get(id_at(row, OWNER))
                if mine is not None:
                    mine.append(row)
            return found
        return {number: await self._of(number) for number in wanted}

    async def _of(self, owner: int) -> list[Row] | None:
        rows = await self._api.owned(owner)
        if rows is None or len(rows) < _LIST_ROWS:
            return rows
        again = await self._api.owned(owner)
        return list({id_at(row, ID): row for row in [*rows, *(again or ())]}.values())

    async def row(self, number: int) -> Row | None:
        """One row as it is now; None where it is not there."""
        return await self._api.one(KIND, number)

    async def get(self, refs: Sequence[ExternalRef], shape: str = "") -> list[Document | None]:
        """What these head rows show now, in order; None where one is not there."""
        form = await self.form()
        numbers = [number_for(ref, Entity.DOCUMENT) for ref in refs]
        heads = await self._heads(form, [number for number in numbers if number])
        rows = await self.owned(form, (id_at(row, OWNER) for row in heads.values()))
        found: dict[int, Document] = {}
        for number, head in heads.items():
            mine = sheaves(rows.get(id_at(head, OWNER)) or (), form.named.key)
            mark = mark_of(text_at(head, form.named.key))
            if mark is None:
                found[number] = form.document(head, Sheaf(heads=[head]), shape)
            elif not mark.place:
                sheaf = mine.get(mark.key) or Sheaf(heads=[head])
                found[number] = form.document(head, sheaf, shape)
        return [found.get(number) for number in numbers]

    async def _heads(self, form: Form, numbers: Sequence[int]) -> Mapping[int, Row]:
        if len(numbers) > _WALK:
            rows = await self._walk(form, keyed=False)
            known = {number: rows[number] for number in numbers if number in rows}
        else:
            known = {}
        for number in numbers:
            if number not in known and (row := await self.row(number)) is not None:
                known[number] = row
        return known

    async def trace(self, refs: Sequence[ExternalRef]) -> list[Fate]:
        """A row is there, or it was deleted: it moves with its organisation and is never merged."""
        shown = await self.get(refs)
        return [
            Fate(ref=ref, kind=FateKind.DELETED if one is None else FateKind.PRESENT, record=one)
            for ref, one in zip(refs, shown, strict=True)
        ]

    def ref(self, number: int) -> ExternalRef:
        """The ref of the document whose head has that number."""
        return ref_of(self._name, Entity.DOCUMENT, number)


def _version(record: object) -> str:
    return stamp_text(getattr(record, "version", "") or "")
