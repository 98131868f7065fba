"""Writing: decisions into bytes, bytes into few requests, answers into outcomes by a look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.sending import answer_to
from tieout.connectors.webcrm import errors
from tieout.connectors.webcrm.api import RESOURCES, Row, WebcrmApi, server_time
from tieout.connectors.webcrm.feed import Feed
from tieout.connectors.webcrm.lineage import root_in
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.standing import Board, Shown, Standings
from tieout.connectors.webcrm.system import SystemField, native
from tieout.connectors.webcrm.translate import currency_code
from tieout.connectors.webcrm.values import Unfit, same, text_at, to_wire
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wire,
)
from tieout.core.errors import SyncError
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import Entity, ExternalRef, Standing
from tieout.ports import Clock, HttpResponse

_KIND_OF = {resource: kind for kind, resource in RESOURCES.items()}
_STANDING_ACTIONS = frozenset({Action.CREATE, Action.UPDATE})
_AMOUNTS = frozenset({"net", "gross", "paid", "open", "overdue_amount"})
_CURRENCY = {"Delivery": "DeliveryCurrencyName", "Opportunity": "OpportunityCurrencyName"}


class Writer:
    """Prepares, packs and sends. Several records of one kind go in one array, one goes alone."""

    def __init__(
        self,
        name: str,
        api: WebcrmApi,
        feed: Feed,
        standings: Standings,
        settings: WebcrmSettings,
        clock: Clock,
    ) -> None:
        self._name = name
        self._api = api
        self._feed = feed
        self._standings = standings
        self._settings = settings
        self._clock = clock
        self._most = settings.patch_items

    # Preparing.

    async def prepare_standings(
        self, changes: Sequence[tuple[int, Change]]
    ) -> dict[int, Prepared | Refused]:
        """Each change by its place, after one read of all records that are meant."""
        ids = {at: _target(change) for at, change in changes}
        rows = await self._standings.rows([one for one in ids.values() if one])
        made: dict[int, Prepared | Refused] = {}
        for at, change in changes:
            shown = rows.get(ids[at])
            if change.wanted is None or change.action not in _STANDING_ACTIONS:
                made[at] = Refused(key=change.key, findings=(not_possible(change),))
            elif not ids[at]:
                made[at] = Refused(key=change.key, findings=(no_record(change),))
            elif shown is None:
                finding = errors.gone(ids[at].replace(":", " "))
                made[at] = Refused(key=change.key, findings=(finding,), stale=True)
            else:
                made[at] = self._standing(change, shown, await self._standings.board(shown.kind))
        return made

    def _standing(self, change: Change, shown: Shown, board: Board) -> Prepared | Refused:
        assert change.wanted is not None
        wanted = change.wanted.record
        assert isinstance(wanted, Standing)
        named = change.wanted.fields
        read = self._standings.record(board, shown, shown.row, wanted.shape)
        body, findings = self._standings.changed(board, shown, wanted, named)
        if mixed := self._other_currency(wanted, named, board, shown):
            findings.append(mixed)
        if findings:
            return Refused(key=change.key, findings=tuple(findings), seen=read)
        stamp = board.fields.get("synced_at")
        if body and stamp is not None:
            value = to_wire(stamp, self._clock.now())
            if not isinstance(value, Unfit):
                body[stamp.name] = value
        item = {f"{shown.kind}Id": shown.number, **body}
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=read.ref,
            method="PATCH",
            path=f"/{RESOURCES[shown.kind]}",
            body=dumps(item) if body else b"",
            witness={"kind": shown.kind, "id": shown.id},
            shows=self._standings.record(board, shown, {**shown.row, **body}, wanted.shape),
            read=read,
            revision=change.revision,
        )

    def _other_currency(
        self, wanted: Standing, named: frozenset[str], board: Board, shown: Shown
    ) -> Finding | None:
        """An amount beside the sign of another currency would be read as another amount."""
        place = _CURRENCY.get(shown.kind)
        name = text_at(shown.row, place) if place else ""
        shows = currency_code(self._settings, name) if place else ""
        amounts = [ours for ours in board.fields if ours in _AMOUNTS and ours in named]
        has_amount = any(getattr(wanted, ours) is not None for ours in amounts)
        says_itself = "currency" in board.fields
        if not has_amount or says_itself or not shows or not wanted.currency:
            return None
        if wanted.currency == shows:
            return None
        return Finding(
            code="currency_not_allowed",
            message=f"{shown.label} shows amounts in {shows}; the books say {wanted.currency}.",
            hint="Change the currency of the record in webCRM, or name a field for the currency.",
            place=place or "",
        )

    # Packing.

    def pack(self, items: Sequence[Prepared]) -> list[Wire]:
        """
        Standings of one kind in arrays, all else alone; what shows everything already is not sent.
        """
        found: list[Wire] = []
        quiet = sorted((item for item in items if not item.body), key=_resource)
        for resource, group in groupby(quiet, key=_resource):
            found.append(_nothing(resource, list(group)))
        single = [item for item in items if item.body and item.method != "PATCH"]
        found.extend(_alone(item) for item in single)
        shown = [item for item in items if item.body and item.method == "PATCH"]
        shown.sort(key=_resource)
        for resource, group in groupby(shown, key=_resource):
            found.extend(_together(resource, piece) for piece in _pieces(list(group), self._most))
        return found

    # Sending.

    async def send(self, wire: Wire) -> list[Outcome]:
        """See `ports.Connector.send`: one write; then what it wrote is read."""
        if wire.method == "GET":
            return self._shown_already(wire)
        response = await answer_to(
            wire,
            self._api.write,
            template=_template(wire.path),
            timeout_s=self._settings.timeout_s,
        )
        if isinstance(response, list):
            return response
        at = server_time(response)
        if response.status in (200, 201, 204):
            return await self._verified(wire, response, at)
        return await self._not_done(wire, response, at)

    def _shown_already(self, wire: Wire) -> list[Outcome]:
        """Records that `prepare` has just read and found as wanted: done, without a call."""
        entity, _, ids = wire.path.partition("?ids=")[2].partition("/")
        at = self._api.vendor_time
        return [
            Applied(key=key, ref=ExternalRef(self._name, entity, one), vendor_time=at)
            for key, one in zip(wire.items, ids.split(","), strict=True)
        ]

    async def _not_done(
        self, wire: Wire, response: HttpResponse, at: datetime | None
    ) -> list[Outcome]:
        status = response.status
        if status >= 500 or status in (408, 425):
            reason = f"webCRM answered {status}"
            return _all(wire, lambda key: Unknown(key=key, reason=reason, vendor_time=at))
        if status == 429:
            wait = errors.throttled(response) or errors.THROTTLED_WAIT_S
            return _all(wire, lambda key: _deferred(key, wait, "too many calls", at))
        if not 400 <= status < 500:
            reason = f"an answer ({status}) that is not webCRM's own"
            return _all(wire, lambda key: Unknown(key=key, reason=reason, vendor_time=at))
        if len(wire.items) > 1 and status not in (401, 403):
            # The array as a whole was refused, perhaps for its length: in halves the next time.
            self._most = max(1, min(self._most, len(wire.items)) // 2)
            return _all(wire, lambda key: _deferred(key, 0, "goes again in a shorter list", at))
        found: list[Outcome] = []
        for key, (kind, body) in zip(wire.items, _sent(wire), strict=True):
            if status in (404, 410) and await self._is_gone(kind, body):
                found.append(Stale(key=key, vendor_time=at))
                continue
            finding = errors.refused(_label(kind, body), response)
            finding = await self._twin(kind, body, finding)
            found.append(Rejected(key=key, findings=(finding,), vendor_time=at))
        return found

    async def _is_gone(self, kind: str, body: Mapping[str, Any]) -> bool:
        """Whether the record is not there, or not of that kind any more: then it is read anew."""
        try:
            return await self._api.one(kind, int(body[f"{kind}Id"])) is None
        except SyncError:
            return False

    async def _verified(
        self, wire: Wire, response: HttpResponse, at: datetime | None
    ) -> list[Outcome]:
        """
        What became of each record, by reading it: the answer to an array is a hint, and that to
        one record says nothing at all.
        """
        sent = _sent(wire)
        kind = sent[0][0]
        if self._api.has_to_wait():
            reason = "written, and not looked at yet"
            return _all(wire, lambda key: Unknown(key=key, reason=reason, vendor_time=at))
        try:
            rows = await self._rows(kind, [body for _, body in sent])
        except SyncError as error:
            reason = f"written, and could not be looked at: {error.message}"
            return _all(wire, lambda key: Unknown(key=key, reason=reason, vendor_time=at))
        hints = hints_of(response) if wire.method == "PATCH" else []
        found: list[Outcome] = []
        for at_place, (key, (_, body)) in enumerate(zip(wire.items, sent, strict=True)):
            row = rows.get(body[f"{kind}Id"])
            hint = hints[at_place] if len(hints) == len(sent) else ""
            found.append(await self._outcome(key, kind, body, row, hint, wire, at))
        return found

    async def _rows(self, kind: str, bodies: Sequence[Mapping[str, Any]]) -> dict[int, Row]:
        """The records after the write; those that a script shows otherwise are read singly."""
        numbers = [int(body[f"{kind}Id"]) for body in bodies]
        rows = await self._feed.some(kind, numbers)
        for body in bodies:
            number = int(body[f"{kind}Id"])
            row = rows.get(number)
            if row is not None and len(numbers) > 1 and await self._differing(kind, body, row):
                again = await self._api.one(kind, number)
                if again is not None:
                    rows[number] = again
        return rows

    async def _outcome(
        self,
        key: str,
        kind: str,
        body: Mapping[str, Any],
        row: Row | None,
        hint: str,
        wire: Wire,
        at: datetime | None,
    ) -> Outcome:
        label = _label(kind, body)
        if row is None:
            return Stale(key=key, vendor_time=at)
        wrong = await self._differing(kind, body, row)
        if wrong:
            words = hint if hint and not hint.isdigit() else ""
            listed = ", ".join(wrong)
            finding = errors.refusal(label, words) if words else errors.not_kept(label, listed)
            finding = await self._twin(kind, body, finding)
            return Rejected(key=key, findings=(finding,), vendor_time=at)
        found = Shown(root=_root(kind, row), kind=kind, row=row)
        entity = Entity.CUSTOMER if kind == "Organisation" else Entity.DEAL
        if wire.method == "PATCH":
            entity = Entity.STANDING
        ref = ExternalRef(self._name, entity.value, found.id)
        return Applied(key=key, ref=ref, vendor_time=at)

    async def _differing(self, kind: str, body: Mapping[str, Any], row: Row) -> list[str]:
        """The fields of a body that a row does not show."""
        fields = await self._standings.fields(kind)
        return [
            name
            for name, value in body.items()
            if name != f"{kind}Id" and not same(_field(fields, name), value, row.get(name))
        ]

    async def _twin(self, kind: str, body: Mapping[str, Any], finding: Finding) -> Finding:
        """Two deliveries with one number can be made, and then neither can be changed."""
        if kind != "Delivery" or finding.code != "refused_by_system":
            return finding
        number = int(body["DeliveryId"])
        try:
            row = await self._api.one(kind, number)
            mine = text_at(row, "DeliveryNumber") if row is not None else ""
            rows = await self._feed.named(kind, "DeliveryNumber", mine) if mine else []
        except SyncError:
            return finding
        others = [str(one["DeliveryId"]) for one in rows if one["DeliveryId"] != number]
        if not others:
            return finding
        words = finding.values.get("vendor_message", "")
        return errors.twins(f"Delivery {number}", mine, ", ".join(others), words)


def _root(kind: str, row: Row) -> int:
    told = root_in(kind, row) if kind != "Organisation" else 0
    return told or int(row[f"{kind}Id"])


def _target(change: Change) -> str:
    target = change.target or (change.wanted.record.ref if change.wanted else None)
    return target.id if target is not None and ":" in target.id else ""


def _field(fields: Mapping[str, SystemField], name: str) -> SystemField:
    return fields.get(name) or native(name)


def _sent(wire: Wire) -> list[tuple[str, Mapping[str, Any]]]:
    """The kind and body of each item of a request, in order."""
    kind = _KIND_OF[wire.path.strip("/").split("/")[0]]
    found = loads(wire.body)
    return [(kind, body) for body in (found if isinstance(found, list) else [found])]


def hints_of(response: HttpResponse) -> list[str]:
    """The strings of an answer to an array, in order; empty for any other answer."""
    try:
        found = loads(response.body)
    except ValueError:
        return []
    return [str(one) for one in found] if isinstance(found, list) else []


def _label(kind: str, body: Mapping[str, Any]) -> str:
    return f"{kind} {body.get(f'{kind}Id')}"


def _resource(item: Prepared) -> str:
    return item.path.strip("/").split("/")[0]


def _pieces(items: Sequence[Prepared], most: int) -> Iterator[list[Prepared]]:
    """Pieces of so many that hold no record twice."""
    waiting = list(items)
    while waiting:
        piece: list[Prepared] = []
        left: list[Prepared] = []
        taken: set[str] = set()
        for item in waiting:
            record = item.target.id if item.target else item.key
            if len(piece) < most and record not in taken:
                taken.add(record)
                piece.append(item)
            else:
                left.append(item)
        yield piece
        waiting = left


def _together(resource: str, items: Sequence[Prepared]) -> Wire:
    return Wire(
        wire_key=wire_key(*(_item_key(item) for item in items)),
        method="PATCH",
        path=f"/{resource}",
        # The bytes of each item are taken as they are: they were decided already.
        body=b"[" + b",".join(item.body for item in items) + b"]",
        items=tuple(item.key for item in items),
        headers={"Content-Type": "application/json"},
    )


def _alone(item: Prepared) -> Wire:
    return Wire(
        wire_key=_item_key(item),
        method=item.method,
        path=item.path,
        body=item.body,
        items=(item.key,),
        headers={"Content-Type": "application/json", **item.headers},
    )


def _nothing(resource: str, items: Sequence[Prepared]) -> Wire:
    """A request that would only look, for records that show everything. It is never sent."""
    entity = items[0].entity.value
    ids = ",".join(item.target.id for item in items if item.target)
    return Wire(
        wire_key=wire_key(*(_item_key(item) for item in items)),
        method="GET",
        path=f"/{resource}?ids={entity}/{ids}",
        body=b"",
        items=tuple(item.key for item in items),
    )


def _item_key(item: Prepared) -> str:
    return wire_key(item.key, item.action.value, item.revision)


def _template(path: str) -> str:
    head, _, last = path.rpartition("/")
    return f"{head}/{{id}}" if last.isdigit() else path


def _all(wire: Wire, make: Callable[[str], Outcome]) -> list[Outcome]:
    return [make(key) for key in wire.items]


def _deferred(key: str, wait_s: int, reason: str, at: datetime | None = None) -> Deferred:
    return Deferred(key=key, retry_after_s=wait_s, reason=reason, vendor_time=at)


def not_possible(change: Change) -> Finding:
    """The finding on a write that webCRM does not take from us."""
    return Finding(
        code="action_not_possible",
        message=f"webCRM takes no {change.action.value} of a {change.entity.value} from us.",
        hint="Leave this flow out for webCRM.",
    )


def no_record(change: Change) -> Finding:
    """The finding on a write of which it is not said what it is about."""
    return Finding(
        code="target_missing",
        message="It is not said which record in webCRM is meant.",
        hint="Read the deal or customer again.",
        values={"key": change.key},
    )
