"""
Invoices of the books into webCRM: prepared after a look, sent as one array, read again.

Nothing is deleted: the row of a line that is no more is emptied and taken again when one is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.sending import answer_to
from tieout.connectors.webcrm import errors
from tieout.connectors.webcrm.api import Row, WebcrmApi, server_time
from tieout.connectors.webcrm.ids import number_for
from tieout.connectors.webcrm.invoice_reading import PATH, InvoiceReader
from tieout.connectors.webcrm.invoice_rows import (
    DISCOUNT,
    HEAD,
    ID,
    OWNER,
    PLACE,
    PRICE,
    QUANTITY,
    Form,
    Mark,
    Sheaf,
    mark_of,
    sheaves,
    with_ref,
    with_row,
    written,
)
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.values import id_at, text_at
from tieout.connectors.webcrm.writing import hints_of, no_record, not_possible
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
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
from tieout.core.keys import key_in, wire_key
from tieout.core.model import Document, Entity
from tieout.ports import Clock, HttpResponse

ACTIONS = frozenset({Action.CREATE, Action.UPDATE})
_ALL = frozenset(HEAD.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """
    What a change meets: its organisation, the head if there is one, the rows that carry its key,
    the rows of that organisation that carry none, and lines that are known by their number alone.
    """

    owner: int
    key: str
    head: Row | None
    sheaf: Sheaf
    strange: Sequence[Row]
    lost: Mapping[int, Row]


class InvoiceWriter:
    """Prepares, packs and sends invoices."""

    def __init__(
        self, api: WebcrmApi, reader: InvoiceReader, settings: WebcrmSettings, clock: Clock
    ) -> None:
        self._api = api
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._most = settings.patch_items

    # Preparing.

    async def prepare(self, changes: Sequence[tuple[int, Change]]) -> dict[int, Prepared | Refused]:
        """Each change by its place, after one look at what its organisation has."""
        if not changes:
            return {}
        if not self._settings.invoice.key:
            return {at: Refused(key=c.key, findings=(no_fields(),)) for at, c in changes}
        form = await self._reader.form()
        missing = tuple(field_missing(word, name) for word, name in form.missing().items())
        if missing:
            return {at: Refused(key=change.key, findings=missing) for at, change in changes}
        owners = {one for _, change in changes for one in _owners(change)}
        rows = await self._reader.owned(form, owners)
        return {at: await self._one(change, form, rows) for at, change in changes}

    async def _one(
        self, change: Change, form: Form, rows: dict[int, list[Row] | None]
    ) -> Prepared | Refused:
        wanted = change.wanted.record if change.wanted is not None else None
        if change.action not in ACTIONS or not isinstance(wanted, Document):
            return Refused(key=change.key, findings=(not_possible(change),))
        around = await self._around(change, wanted, form, rows)
        if isinstance(around, Refused):
            return around
        findings: list[Finding] = []
        sheaf = Sheaf()
        bodies = self._bodies(change, wanted, around, form, sheaf, findings)
        if findings:
            return Refused(key=change.key, findings=tuple(findings))
        head = sheaf.heads[0]
        target = change.target or (self._reader.ref(id_at(head, ID)) if id_at(head, ID) else None)
        shows = with_ref(form.document(head, sheaf, wanted.shape), target)
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=target,
            method="PATCH",
            path=PATH,
            body=dumps(bodies) if bodies else b"",
            witness={"parent": str(around.owner)},
            shows=shows,
            revision=change.revision,
        )

    async def _around(
        self, change: Change, wanted: Document, form: Form, rows: dict[int, list[Row] | None]
    ) -> _Around | Refused:
        owner = number_for(wanted.customer, Entity.CUSTOMER) if wanted.customer else 0
        if not owner:
            return Refused(key=change.key, findings=(no_record(change),))
        if rows.get(owner) is None:
            gone = errors.gone(f"Organisation {owner}")
            return Refused(key=change.key, findings=(gone,))
        number = number_for(change.target, Entity.DOCUMENT) if change.target is not None else 0
        near = list(rows[owner] or ())
        head = _numbered(near, number) if number else None
        if number and head is None:
            # It is at another organisation, or it is not there.
            head = await self._reader.row(number)
            if head is None:
                gone = errors.gone(f"the row of invoice {wanted.number}")
                return Refused(key=change.key, findings=(gone,), stale=True)
            former = id_at(head, OWNER)
            if former not in rows:
                rows.update(await self._reader.owned(form, [former]))
            near += rows[former] or ()
        found = sheaves(near, form.named.key)
        mine = mark_of(text_at(head, form.named.key)) if head is not None else None
        key = mine.key if mine is not None else change.key
        sheaf = found.get(key, Sheaf())
        if head is None:
            head = sheaf.heads[0] if sheaf.heads else None
        doubled = [row for row in sheaf.heads if not _is(row, head)] + sheaf.doubled_lines()
        if doubled:
            return Refused(key=change.key, findings=(_doubled(wanted, key, doubled),))
        sheaf = replace(sheaf, lines={**_orphans(found, key, change.key[:13]), **sheaf.lines})
        strange = [row for row in near if not mark_of(text_at(row, form.named.key))]
        return _Around(
            owner=owner,
            key=key,
            head=head,
            sheaf=sheaf,
            strange=[row for row in strange if not _is(row, head)],
            lost=await self._lost(change, sheaf, form),
        )

    async def _lost(self, change: Change, sheaf: Sheaf, form: Form) -> dict[int, Row]:
        """
        Lines that were there when both sides last agreed, and that the organisation's list does
        not show with their key: they are asked for by their own number.
        """
        base = change.base if isinstance(change.base, Document) else Document()
        found: dict[int, Row] = {}
        for line in base.lines:
            number = number_for(line.ref, Entity.DOCUMENT) if line.ref is not None else 0
            if not number or line.position in sheaf.lines:
                continue
            row = await self._reader.row(number)
            mark = mark_of(text_at(row, form.named.key)) if row is not None else None
            if row is not None and (mark is None or mark.key[:13] == change.key[:13]):
                found[line.position] = row
        return found

    def _bodies(
        self,
        change: Change,
        wanted: Document,
        around: _Around,
        form: Form,
        sheaf: Sheaf,
        findings: list[Finding],
    ) -> list[dict[str, Any]]:
        """The rows to send, the head first; ``sheaf`` takes all rows as they will be."""
        assert change.wanted is not None
        names = change.wanted.fields
        head = around.head
        if head is None or mark_of(text_at(head, form.named.key)) is None:
            taken = _taken(wanted, around, form) if head is None else []
            findings += [_unclear(wanted, 0, around.key, row) for row in taken]
            names = names | _ALL
        elif text_at(head, form.named.kind) != wanted.kind.value:
            names = names | {"kind"}
        pen = _Pen(form=form, around=around, findings=findings)
        after, body = pen.write(Mark(key=around.key), form.head(wanted, names), head)
        sheaf.heads.append(after)
        bodies = self._lines(wanted, around, form, sheaf, pen, whole="lines" in names)
        if form.named.synced_at and (body or bodies):
            now = form.moved({form.named.synced_at: self._clock.now()}, head, [])
            body = {**_named(head, around, form), **body, **now}
            sheaf.heads[0] = {**after, **now}
        return [body, *bodies] if body else bodies

    def _lines(
        self,
        wanted: Document,
        around: _Around,
        form: Form,
        sheaf: Sheaf,
        pen: _Pen,
        *,
        whole: bool,
    ) -> list[dict[str, Any]]:
        bodies: list[dict[str, Any]] = []
        spares = list(around.sheaf.spares)
        present = {place: rows[0] for place, rows in around.sheaf.lines.items()}
        present |= around.lost
        lines = wanted.lines if whole else ()
        for place, line in enumerate(lines, 1):
            values = form.line(wanted, line, place)
            row = present.pop(place, None)
            if row is None:
                row = self._known(wanted, place, values, around, form, pen.findings)
            if row is None and spares:
                row = spares.pop(0)
            after, body = pen.write(Mark(key=around.key, place=place), values, row)
            with_row(sheaf, place, after)
            bodies += [body] if body else []
        for place, row in sorted(present.items()):
            spare = Mark(key=around.key, place=place, spare=whole)
            values = form.spare(wanted, place) if whole else form.repeated(wanted)
            after, body = pen.write(spare, values, row)
            bodies += [body] if body else []
            if not whole:
                with_row(sheaf, place, after)
        for row in spares:
            # It goes along where its invoice has another customer now.
            mark = mark_of(text_at(row, form.named.key))
            assert mark is not None
            _, body = pen.write(mark, {}, row)
            bodies += [body] if body else []
        return bodies

    def _known(
        self,
        wanted: Document,
        place: int,
        values: Mapping[str, object],
        around: _Around,
        form: Form,
        findings: list[Finding],
    ) -> Row | None:
        """
        A row without a key that is this line all the same: it says so by number and place. One
        that only comes to the same is shown to a person.
        """
        mine = [
            row
            for row in around.strange
            if text_at(row, form.named.number) == wanted.number
            and text_at(row, form.named.kind) == wanted.kind.value
            and _shows(row, form, {PLACE: place})
        ]
        if len(mine) == 1:
            return mine[0]
        alike = (PLACE, QUANTITY, PRICE, DISCOUNT, form.named.item, form.named.amount)
        near = mine or [
            row
            for row in around.strange
            if not text_at(row, form.named.number)
            and _shows(row, form, {name: values[name] for name in alike})
        ]
        findings += [_unclear(wanted, place, around.key, row) for row in near]
        return None

    # Packing.

    def pack(self, items: Sequence[Prepared]) -> list[Wire]:
        """Whole invoices in arrays of no more rows than webCRM is sent; a longer one goes alone."""
        found: list[Wire] = []
        waiting: list[Prepared] = []
        rows = 0
        for item in sorted(items, key=lambda item: int(item.witness["parent"])):
            count = len(loads(item.body))
            if waiting and rows + count > self._most:
                found.append(_together(waiting))
                waiting, rows = [], 0
            waiting.append(item)
            rows += count
        return found + ([_together(waiting)] if waiting else [])

    # Sending.

    async def send(self, wire: Wire) -> list[Outcome]:
        """
        The array, in parts where it is longer than webCRM is sent; then what the organisations
        have is read. A part that was refused as a whole goes again in shorter ones.
        """
        rows = [dict(row) for row in loads(wire.body)]
        told: list[str] = []
        at: datetime | None = None
        for number, part in enumerate(_parts(rows, self._most)):
            body = wire.body if len(part) == len(rows) else dumps(part)
            answer = await answer_to(
                replace(wire, body=body),
                self._api.write,
                template=PATH,
                timeout_s=self._settings.timeout_s,
            )
            if isinstance(answer, list):
                return answer if not number else _all(wire, "the answer to a part was lost", at)
            at = server_time(answer)
            if answer.status not in (200, 201, 204):
                return self._not_done(wire, part, answer, at, first=not number)
            hints = hints_of(answer)
            told += hints if len(hints) == len(part) else [""] * len(part)
        try:
            return await self._outcomes(wire, rows, told, at)
        except SyncError as error:
            return _all(wire, f"written, and could not be looked at: {error.message}", at)

    def _not_done(
        self,
        wire: Wire,
        part: Sequence[Row],
        response: HttpResponse,
        at: datetime | None,
        *,
        first: bool,
    ) -> list[Outcome]:
        status = response.status
        if not first or status >= 500 or status in (408, 425) or status < 400:
            return _all(wire, f"webCRM answered {status}", at)
        if status == 429:
            wait = errors.throttled(response) or errors.THROTTLED_WAIT_S
            return [_deferred(key, wait, "too many calls", at) for key in wire.items]
        if len(part) > 1 and status not in (401, 403):
            self._most = max(1, min(self._most, len(part)) // 2)
            return [_deferred(key, 0, "goes again in a shorter list", at) for key in wire.items]
        found: list[Outcome] = []
        for place, key in enumerate(wire.items):
            if place and status not in (401, 403):
                found.append(_deferred(key, 0, "the one before was refused", at))
                continue
            finding = errors.refused("an invoice of the books", response)
            found.append(Rejected(key=key, findings=(finding,), vendor_time=at))
        return found

    async def _outcomes(
        self, wire: Wire, rows: Sequence[Row], told: Sequence[str], at: datetime | None
    ) -> list[Outcome]:
        """What became of each invoice, by reading it: the answer to an array is a hint."""
        form = await self._reader.form()
        owned = await self._reader.owned(form, {id_at(row, OWNER) for row in rows})
        there = [row for mine in owned.values() for row in mine or ()]
        by_id = {id_at(row, ID): row for row in there}
        for number in {id_at(row, ID) for row in rows} - by_id.keys() - {0}:
            # It did not go along to the organisation where it was wanted.
            if (row := await self._reader.row(number)) is not None:
                by_id[number] = row
        found = sheaves(there, form.named.key)
        outcomes: list[Outcome] = []
        for key in wire.items:
            mine = [
                (row, words)
                for row, words in zip(rows, told, strict=True)
                if key_in(str(row[form.named.key]), key[:13])
            ]
            mark = mark_of(str(mine[0][0][form.named.key]))
            assert mark is not None
            sheaf = found.get(mark.key, Sheaf())
            wrong: list[str] = []
            absent = False
            for row, _ in mine:
                shown = by_id.get(id_at(row, ID)) or _carrier(sheaf, str(row[form.named.key]))
                absent = absent or shown is None
                if shown is not None:
                    wrong += [n for n in row if n != ID and not _shows(shown, form, {n: row[n]})]
            words = [one for _, one in mine if one and not one.isdigit()]
            label = f"invoice {_label(mine, form)}"
            new = any(_is_new_head(row, form) for row, _ in mine)
            done = _Done(wrong=sorted(set(wrong)), words=words, absent=absent, new=new)
            outcomes.append(_outcome(key, sheaf, form, label, done, at))
        return outcomes

    # Looking.

    async def find(self, doubts: Sequence[Doubt], began: datetime, now: datetime) -> list[Sight]:
        """One look for each: the heads that carry a key of the slot, at its organisations."""
        if not doubts:
            return []
        form = await self._reader.form()
        owners = {doubt.key: _sent_to(doubt) for doubt in doubts}
        rows = await self._reader.owned(form, {one for mine in owners.values() for one in mine})
        gone = any(rows[one] is None for mine in owners.values() for one in mine)
        if gone or not all(owners.values()):
            # An organisation that was merged took its rows elsewhere: then all are looked through.
            everything = await self._reader.everything(form)
        else:
            everything = [row for mine in rows.values() for row in mine or ()]
        found = sheaves(everything, form.named.key)
        targets = [doubt.target for doubt in doubts if doubt.target is not None]
        shown = dict(zip(targets, await self._reader.get(targets), strict=True))
        sights: list[Sight] = []
        for doubt in doubts:
            hits = [
                Hit(key=key, record=form.document(head, replace(sheaf, heads=[head])))
                for key, sheaf in found.items()
                if key_in(key, doubt.key13)
                for head in sheaf.heads
            ]
            target = shown.get(doubt.target) if doubt.target is not None else None
            sights.append(
                Sight(
                    key=doubt.key,
                    began_at=began,
                    vendor_time=self._api.vendor_time or now,
                    hits=tuple(hits),
                    target=target,
                    target_gone=doubt.target is not None and target is None,
                )
            )
        return sights


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pen:
    """Makes the body of one row of an invoice, and the row as it will be."""

    form: Form
    around: _Around
    findings: list[Finding]

    def write(
        self, mark: Mark, values: Mapping[str, object], row: Row | None
    ) -> tuple[Row, dict[str, Any]]:
        """The body is empty where the row shows everything already."""
        moved = self.form.moved(values, row, self.findings)
        if row is None:
            moved = {name: value for name, value in moved.items() if value != ""}
        key = self.form.named.key
        has = mark_of(text_at(row, key)) if row is not None else None
        stays = row is not None and id_at(row, OWNER) == self.around.owner
        if has == mark and stays and not moved:
            assert row is not None
            return row, {}
        named = _named(row, self.around, self.form) | {key: mark.text}
        body: dict[str, Any] = {**named, **moved}
        return written(row, body), body


def _named(row: Row | None, around: _Around, form: Form) -> dict[str, Any]:
    """What every row of an array says: which one it is, whose, and its key."""
    number = id_at(row, ID) if row is not None else 0
    return {ID: number, OWNER: around.owner, form.named.key: around.key}


def _owners(change: Change) -> list[int]:
    """The organisations at which the rows of an invoice are, or will be."""
    found = [change.wanted.record if change.wanted is not None else None, change.base]
    customers = [one.customer for one in found if isinstance(one, Document) and one.customer]
    return [number_for(ref, Entity.CUSTOMER) for ref in customers]


def _sent_to(doubt: Doubt) -> set[int]:
    """The organisations at which rows may have been made."""
    found = {number_for(ref, Entity.CUSTOMER) for ref in doubt.customers}
    found.add(int(doubt.witness.get("parent") or 0))
    for body in doubt.bodies:
        for row in loads(body) if body else ():
            found.add(id_at(row, OWNER))
    return found - {0}


def _orphans(found: Mapping[str, Sheaf], key: str, key13: str) -> dict[int, list[Row]]:
    """Lines of this place whose head somebody deleted: they are taken again."""
    return {
        place: rows
        for other, sheaf in found.items()
        if other != key and key_in(other, key13) and not sheaf.heads
        for place, rows in sheaf.lines.items()
    }


def _numbered(rows: Sequence[Row], number: int) -> Row | None:
    return next((row for row in rows if id_at(row, ID) == number), None)


def _is(row: Row, other: Row | None) -> bool:
    return other is not None and id_at(row, ID) == id_at(other, ID)


def _shows(row: Row, form: Form, values: Mapping[str, object]) -> bool:
    return not form.moved(values, row, [])


def _taken(wanted: Document, around: _Around, form: Form) -> list[Row]:
    """Rows without a key that show the very document which is about to be made."""
    says = form.head(wanted, frozenset({"kind", "number", "issue_date", "totals"}))
    return [
        row
        for row in around.strange
        if text_at(row, form.named.number) == wanted.number and _shows(row, form, says)
    ]


def _carrier(sheaf: Sheaf, key: str) -> Row | None:
    """The row that carries exactly this key."""
    mark = mark_of(key)
    if mark is None:
        return None
    if mark.spare:
        return next(iter(sheaf.spares), None)
    rows = sheaf.lines.get(mark.place, []) if mark.place else sheaf.heads
    return rows[0] if rows else None


def _label(mine: Sequence[tuple[Row, str]], form: Form) -> str:
    numbers = (text_at(row, form.named.number) for row, _ in mine)
    return next((number for number in numbers if number), text_at(mine[0][0], form.named.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """
    What reading an invoice again tells: fields that show something else than was sent, webCRM's
    own words on rows, whether a row is not there, and whether the head was to be made.
    """

    wrong: Sequence[str]
    words: Sequence[str]
    absent: bool
    new: bool


def _outcome(
    key: str, sheaf: Sheaf, form: Form, label: str, done: _Done, at: datetime | None
) -> Outcome:
    """
    Done where every row shows what was sent. A new head that is there with its key is an invoice
    that exists, whatever its lines are: then it is looked for, and what it lacks is written next.
    """
    if sheaf.heads and not done.wrong and not done.absent:
        shows = form.document(sheaf.heads[0], sheaf)
        assert shows.ref is not None
        return Applied(key=key, ref=shows.ref, shows=shows, vendor_time=at)
    exists = done.new and bool(sheaf.heads)
    if done.words and not exists:
        finding = errors.refusal(label, " ".join(dict.fromkeys(done.words)))
        return Rejected(key=key, findings=(finding,), vendor_time=at)
    if done.wrong and not done.absent and not exists:
        finding = errors.not_kept(label, ", ".join(done.wrong))
        return Rejected(key=key, findings=(finding,), vendor_time=at)
    reason = "written in part" if sheaf.heads else "written, and not found"
    return Unknown(key=key, reason=": ".join([reason, *done.words[:1]]), vendor_time=at)


def _is_new_head(row: Row, form: Form) -> bool:
    mark = mark_of(str(row[form.named.key]))
    return mark is not None and not mark.place and not id_at(row, ID)


def _parts(rows: Sequence[Row], most: int) -> list[Sequence[Row]]:
    return [rows[start : start + most] for start in range(0, len(rows), most)]


def _together(items: Sequence[Prepared]) -> Wire:
    # The bytes of each item are taken as they are: they were decided already.
    bodies = b",".join(item.body[1:-1] for item in items)
    return Wire(
        wire_key=wire_key(*(_item_key(item) for item in items)),
        method="PATCH",
        path=PATH,
        body=b"[" + bodies + b"]",
        items=tuple(item.key for item in items),
        headers={"Content-Type": "application/json"},
    )


def _item_key(item: Prepared) -> str:
    return wire_key(item.key, item.action.value, item.revision)


def _all(wire: Wire, reason: str, at: datetime | None) -> list[Outcome]:
    return [Unknown(key=key, reason=reason, vendor_time=at) for key in wire.items]


def _deferred(key: str, wait_s: int, reason: str, at: datetime | None) -> Deferred:
    return Deferred(key=key, retry_after_s=wait_s, reason=reason, vendor_time=at)


def _doubled(wanted: Document, key: str, rows: Sequence[Row]) -> Finding:
    ids = ", ".join(str(id_at(row, ID)) for row in rows)
    return Finding(
        code="invoice_row_twice",
        message=f"Invoice {wanted.number} has rows in webCRM that carry a key of another row "
        f"(products {ids}), so it counts twice there. Nothing of it is written.",
        hint="Delete the copies in webCRM, or empty their key if they are something else.",
        place="Product",
        values={"ids": ids, "key": key},
    )


def _unclear(wanted: Document, place: int, key: str, row: Row) -> Finding:
    number, mark = id_at(row, ID), Mark(key=key, place=place)
    what = f"line {place} of invoice {wanted.number}" if place else f"invoice {wanted.number}"
    return Finding(
        code="invoice_row_without_key",
        message=f"Product {number} in webCRM looks like {what}, and carries no key of ours; a "
        "second row would count twice. Nothing of it is written.",
        hint=f"Write {mark.text} into its key field if it is that row, or delete it in webCRM.",
        place="Product",
        values={"id": str(number), "key": mark.text},
    )


def no_fields() -> Finding:
    """No invoice is shown where no field of products was named for our key."""
    return Finding(
        code="action_not_possible",
        message="Invoices of the books are shown in webCRM only where fields of its products are "
        "named for them.",
        hint="Name them in the connection: invoice.key=ProductCustom1 and so on, or leave "
        "flows.invoices out.",
        place="invoice.key",
    )


def field_missing(word: str, name: str) -> Finding:
    """A field that was named for invoices is not there."""
    return Finding(
        code="field_missing",
        message=f"Product has no field {name} that is switched on in webCRM, so invoices of the "
        f"books cannot be shown there ({word.replace('_', ' ')}).",
        hint=f"Switch it on in webCRM's configuration, or name another one: invoice.{word}.",
        place=name,
        values={"object": "Product", "field": name},
    )
