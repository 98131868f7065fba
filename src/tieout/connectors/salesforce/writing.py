"""Writing: decisions into bytes, bytes into few requests, answers into outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from random import Random
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.sending import answer_to
from tieout.connectors.salesforce.api import Row, SalesforceApi, server_time
from tieout.connectors.salesforce.errors import (
    LOCK_WAIT_S,
    MOVED,
    MOVED_WAIT_S,
    Kind,
    Refusal,
    item_refusals,
    names_nothing,
    refusals,
)
from tieout.connectors.salesforce.graphs import graph_path, pack_graphs, read_graphs
from tieout.connectors.salesforce.ids import id18, is_id, object_of, row_id, same_id, unique
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.standing import Board, Standings
from tieout.connectors.salesforce.values import Unfit, same, to_wire
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
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import Entity, ExternalRef, Standing
from tieout.ports import Clock, HttpResponse

COLLECTION_MOST = 200
_ENTITY = {"Account": Entity.CUSTOMER, "Contact": Entity.CONTACT}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A change of a standing with the row that it is about."""

    at: int
    change: Change
    record_id: str


class Writer:
    """Prepares, packs and sends. Standings go in collections, single fields of records alone."""

    def __init__(
        self,
        name: str,
        api: SalesforceApi,
        standings: Standings,
        settings: SalesforceSettings,
        clock: Clock,
        random: Random,
    ) -> None:
        self._name = name
        self._api = api
        self._standings = standings
        self._settings = settings
        self._clock = clock
        self._random = random
        self._collection = f"{settings.data_path}/composite/sobjects"
        self._graph = graph_path(settings.data_path)

    async def prepare_standings(
        self, changes: Sequence[tuple[int, Change]]
    ) -> dict[int, Prepared | Refused]:
        """Each change by its place: one query for all rows of an object."""
        made: dict[int, Prepared | Refused] = {}
        by_object: dict[str, list[_Target]] = {}
        for at, change in changes:
            target = change.target or (change.wanted.record.ref if change.wanted else None)
            record_id = row_id(target.id) if target else None
            name = object_of(record_id) if record_id else None
            if change.wanted is None or change.action not in _STANDING_ACTIONS:
                made[at] = Refused(key=change.key, findings=(_not_possible(change),))
            elif record_id is None or name is None or name not in _SHOWN_ON:
                made[at] = Refused(key=change.key, findings=(_no_row(change),))
            else:
                by_object.setdefault(name, []).append(
                    _Target(at=at, change=change, record_id=record_id)
                )
        for name, targets in by_object.items():
            board = await self._standings.board(name)
            ids = unique(entry.record_id for entry in targets)
            rows = await self._standings.rows(board, ids) if board is not None else {}
            for entry in targets:
                row = rows.get(entry.record_id)
                if board is None or row is None:
                    made[entry.at] = _gone(entry.change, name, entry.record_id)
                else:
                    made[entry.at] = self._standing(entry, board, row)
        return made

    def _standing(self, target: _Target, board: Board, row: Row) -> Prepared | Refused:
        change = target.change
        assert change.wanted is not None
        wanted = change.wanted.record
        assert isinstance(wanted, Standing)
        read = self._standings.record(board, row, wanted.shape)
        findings: list[Finding] = []
        body: dict[str, Any] = {}
        after = dict(row)
        only = self._settings.currency
        if mixed := _other_currency(wanted, change.wanted.fields, board, row, only):
            findings.append(mixed)
        for ours, field in board.fields.items():
            if ours == "synced_at" or ours not in change.wanted.fields:
                continue
            value = to_wire(field, getattr(wanted, ours), cut=True)
            if isinstance(value, Unfit):
                findings.append(value.finding)
            elif not same(value, row.get(field.name)):
                body[field.name] = after[field.name] = value
        if findings:
            return Refused(key=change.key, findings=tuple(findings), seen=read)
        stamp = board.fields.get("synced_at")
        if body and stamp is not None:
            value = to_wire(stamp, self._clock.now())
            body[stamp.name] = after[stamp.name] = None if isinstance(value, Unfit) else value
        item = {"attributes": {"type": board.object}, "Id": target.record_id, **body}
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=read.ref,
            method="PATCH",
            path=self._collection,
            body=dumps(item) if body else b"",
            witness={
                "object": board.object,
                "parent": str(row.get("AccountId") or target.record_id),
            },
            shows=self._standings.record(board, after, wanted.shape),
            read=read,
            revision=change.revision,
        )

    def pack(self, items: Sequence[Prepared]) -> list[Wire]:
        """
        Standings in collections of up to 200 of one object, in the order of their accounts, since
        rows of one account wait for each other's locks; items and invoices as graphs; everything
        else alone.
        """
        found: list[Wire] = []
        quiet = sorted((item for item in items if not item.body), key=self._look_path)
        for path, group in groupby(quiet, key=self._look_path):
            found.extend(_nothing(path, chunk) for chunk in _pieces(list(group)))
        found.extend(
            pack_graphs(self._graph, [i for i in items if i.body and i.path == self._graph])
        )
        many = (self._collection, self._graph)
        single = [item for item in items if item.body and item.path not in many]
        found.extend(_alone(item) for item in single)
        shown = [item for item in items if item.body and item.path == self._collection]
        shown.sort(key=_lock_order)
        for _, group in groupby(shown, key=_object):
            for chunk in _pieces(list(group)):
                found.append(self._together(chunk))
        return found

    def _together(self, items: Sequence[Prepared]) -> Wire:
        return Wire(
            wire_key=wire_key(*(_item_key(item) for item in items)),
            method="PATCH",
            path=self._collection,
            # The bytes of each item are taken as they are: they were decided already.
            body=b'{"allOrNone":false,"records":[' + b",".join(i.body for i in items) + b"]}",
            items=tuple(item.key for item in items),
            headers={"Content-Type": "application/json"},
        )

    def _look_path(self, item: Prepared) -> str:
        """Where the rows of an item could be looked at."""
        if item.path == self._collection:
            return f"{self._collection}/{_object(item)}"
        if item.path == self._graph:
            return f"{self._graph}/{item.entity.value}"
        return item.path.rpartition("/")[0]

    # Sending.

    async def send(self, wire: Wire) -> list[Outcome]:
        """See `ports.Connector.send`."""
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
        outcomes = self._read(wire, response)
        return [await self._of_which_row(wire, response, outcome) for outcome in outcomes]

    async def _of_which_row(self, wire: Wire, response: HttpResponse, outcome: Outcome) -> Outcome:
        """
        A row is not there: the one that was written, which is decided anew, or one that it names.
        The vendor says both alike. Decided anew, the second would be refused again for ever.
        """
        found = refusals(response.body)
        alone = wire.path not in (self._collection, self._graph)
        if not (alone and found and isinstance(outcome, Stale)):
            return outcome
        if found[0].meaning.kind is Kind.STALE and await self._is_there(wire):
            finding = names_nothing(found[0], _label(wire.path))
            return Rejected(key=outcome.key, findings=(finding,), vendor_time=outcome.vendor_time)
        return outcome

    async def _is_there(self, wire: Wire) -> bool:
        """Whether the row of a path is there; a new one is what nobody could miss."""
        name, record_id = wire.path.rstrip("/").split("/")[-2:]
        if wire.method == "POST":
            return True
        try:
            return (await self._api.row(name, record_id)).status == 200
        except TransientError:
            return False

    def _shown_already(self, wire: Wire) -> list[Outcome]:
        """Rows that `prepare` has just read and found as wanted: done, without a call."""
        path, _, ids = wire.path.partition("?ids=")
        name = path.rpartition("/")[2]
        alone = not path.startswith(self._collection)
        entity = _ENTITY.get(name, Entity.DEAL) if alone else Entity.STANDING
        if path.startswith(self._graph):
            entity = Entity(name)
        at = self._api.vendor_time
        return [
            Applied(key=key, ref=ExternalRef(self._name, entity.value, one), vendor_time=at)
            for key, one in zip(wire.items, ids.partition("&")[0].split(","), strict=True)
        ]

    def _read(self, wire: Wire, response: HttpResponse) -> list[Outcome]:
        at = server_time(response)
        status = response.status
        if status in (200, 201, 204):
            if wire.path == self._graph:
                return read_graphs(self._name, wire, response.body, at, self._refused)
            if wire.path != self._collection:
                return [self._applied_alone(wire, response, at)]
            return self._read_collection(wire, response, at)
        if status >= 500:
            return _all(wire, lambda key: _unknown(key, f"Salesforce answered {status}", at))
        if status == 412:
            return _all(wire, lambda key: _stale(key, at))
        if status in MOVED:
            reason = "the org moved to another host"
            return _all(wire, lambda key: _deferred(key, MOVED_WAIT_S, reason, at))
        found = refusals(response.body)
        if not found:
            reason = f"an answer ({status}) that is not Salesforce's own"
            return _all(wire, lambda key: _unknown(key, reason, at))
        if found[0].meaning.kind is Kind.BROKEN:
            raise ConnectionBrokenError(
                f"Salesforce refuses every call: {found[0].message}",
                code=found[0].meaning.code,
                hint=found[0].meaning.hint,
            )
        batch = wire.path in (self._collection, self._graph)
        record = _BATCH if batch else _label(wire.path)
        return _all(wire, lambda key: self._refused(key, found, record, at))

    def _read_collection(
        self, wire: Wire, response: HttpResponse, at: datetime | None
    ) -> list[Outcome]:
        try:
            answers = loads(response.body)
        except ValueError:
            answers = None
        if not isinstance(answers, list):
            return _all(wire, lambda key: _unknown(key, "the answer was cut or not JSON", at))
        sent = [(entry["attributes"]["type"], entry["Id"]) for entry in loads(wire.body)["records"]]
        if len(answers) == len(sent):
            paired: list[Any] = answers
        else:
            # The order is promised only for a whole answer: pair what names its row.
            named = {id18(str(a["id"])): a for a in answers if _names_row(a)}
            paired = [named.get(id18(record_id)) for _, record_id in sent]
        return [
            self._item(key, answer, kind, record_id, at)
            for key, answer, (kind, record_id) in zip(wire.items, paired, sent, strict=True)
        ]

    def _item(
        self, key: str, answer: Any, kind: str, record_id: str, at: datetime | None
    ) -> Outcome:
        if not isinstance(answer, Mapping):
            return _unknown(key, "the answer has nothing about this row", at)
        if answer.get("id") and not same_id(str(answer["id"]), record_id):
            return _unknown(key, "the answer is about another row", at)
        if answer.get("success") is True:
            ref = ExternalRef(self._name, Entity.STANDING.value, id18(record_id))
            return Applied(key=key, ref=ref, vendor_time=at)
        found = item_refusals(answer)
        if not found:
            return _unknown(key, "the answer tells neither success nor a reason", at)
        return self._refused(key, found, f"{kind} {record_id}", at)

    def _refused(
        self, key: str, found: Sequence[Refusal], record: str, at: datetime | None
    ) -> Outcome:
        first = found[0].meaning
        if first.kind is Kind.LATER:
            wait = first.wait_s
            if first.code == "record_locked":
                # Drawn, so that rows that met one lock do not meet at it again.
                wait += self._random.randrange(LOCK_WAIT_S + 1)
            return _deferred(key, wait, found[0].message, at)
        if first.kind is Kind.STALE and found[0].fields:
            # Fields are named where another row is missing, not the one that is written.
            finding = names_nothing(found[0], record)
            return Rejected(key=key, findings=(finding,), vendor_time=at)
        if first.kind is Kind.STALE and record != _BATCH:
            return _stale(key, at)
        findings = tuple(refusal.finding(record) for refusal in found)
        return Rejected(key=key, findings=findings, vendor_time=at)

    def _applied_alone(self, wire: Wire, response: HttpResponse, at: datetime | None) -> Outcome:
        (key,) = wire.items
        name, record_id = wire.path.rstrip("/").split("/")[-2:]
        if wire.method == "POST":
            name, record_id = record_id, _made_id(response.body)
        elif response.status != 204 and not _is_success(response.body):
            return _unknown(key, "an answer that is not Salesforce's own", at)
        if not is_id(record_id):
            return _unknown(key, "the answer does not name the row", at)
        entity = _ENTITY.get(name, Entity.DEAL)
        ref = ExternalRef(self._name, entity.value, id18(record_id))
        return Applied(key=key, ref=ref, vendor_time=at)


_BATCH = "the batch"
_STANDING_ACTIONS = frozenset({Action.CREATE, Action.UPDATE})
_SHOWN_ON = frozenset({"Account", "Opportunity", "Order", "Quote"})
_AMOUNTS = frozenset({"net", "gross", "paid", "open", "overdue_amount"})


def _pieces(items: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    """Pieces of up to 200 that hold no row twice: a collection refuses one that does."""
    waiting = list(items)
    while waiting:
        piece: list[Prepared] = []
        left: list[Prepared] = []
        taken: set[str] = set()
        for item in waiting:
            row = item.target.id if item.target else item.key
            if len(piece) < COLLECTION_MOST and row not in taken:
                taken.add(row)
                piece.append(item)
            else:
                left.append(item)
        yield piece
        waiting = left


def _object(item: Prepared) -> str:
    return item.witness.get("object", "")


def _lock_order(item: Prepared) -> tuple[str, str, str]:
    row = item.target.id if item.target else item.key
    return _object(item), item.witness.get("parent", ""), row


def _alone(item: Prepared) -> Wire:
    return Wire(
        wire_key=_item_key(item),
        method=item.method,
        path=item.path,
        body=item.body,
        items=(item.key,),
        headers={"Content-Type": "application/json", **item.headers},
    )


def _nothing(path: str, items: Sequence[Prepared]) -> Wire:
    """A request that would only look, for rows that show everything already. It is never sent."""
    ids = ",".join(item.target.id for item in items if item.target)
    return Wire(
        wire_key=wire_key(*(_item_key(item) for item in items)),
        method="GET",
        path=f"{path}?ids={ids}&fields=Id",
        body=b"",
        items=tuple(item.key for item in items),
    )


def _item_key(item: Prepared) -> str:
    return wire_key(item.key, item.action.value, item.revision)


def _template(path: str) -> str:
    head, _, last = path.rpartition("/")
    return f"{head}/{{id}}" if is_id(last) else path


def _label(path: str) -> str:
    return " ".join(path.rstrip("/").split("/")[-2:])


def _all(wire: Wire, make: Callable[[str], Outcome]) -> list[Outcome]:
    return [make(key) for key in wire.items]


def _unknown(key: str, reason: str, at: datetime | None = None) -> Unknown:
    return Unknown(key=key, reason=reason, vendor_time=at)


def _deferred(key: str, wait_s: int, reason: str, at: datetime | None = None) -> Deferred:
    return Deferred(key=key, retry_after_s=wait_s, reason=reason, vendor_time=at)


def _stale(key: str, at: datetime | None) -> Stale:
    return Stale(key=key, vendor_time=at)


def _is_success(body: bytes) -> bool:
    """Whether a body says that it was done; an update has none, a gateway's page is another."""
    try:
        answer = loads(body)
    except ValueError:
        return False
    return isinstance(answer, Mapping) and answer.get("success") is True


def _made_id(body: bytes) -> str:
    """The id of the row that a create made; '' where the answer was cut."""
    try:
        answer = loads(body)
    except ValueError:
        return ""
    return str(answer.get("id") or "") if isinstance(answer, Mapping) else ""


def _names_row(answer: Any) -> bool:
    return isinstance(answer, Mapping) and is_id(str(answer.get("id") or ""))


def _not_possible(change: Change) -> Finding:
    return Finding(
        code="action_not_possible",
        message=f"Salesforce takes no {change.action.value} of a {change.entity.value} from us.",
        hint="Leave this flow out for Salesforce.",
    )


def _no_row(change: Change) -> Finding:
    return Finding(
        code="target_missing",
        message="It is not said which record in Salesforce is meant, or the record is of a kind "
        "on which nothing is shown.",
        hint="Read the deal or customer again.",
        values={"key": change.key},
    )


def _gone(change: Change, name: str, record_id: str) -> Refused:
    finding = Refusal("ENTITY_IS_DELETED", "").finding(f"{name} {record_id}")
    return Refused(key=change.key, findings=(finding,), stale=True)


def _other_currency(
    wanted: Standing, named: frozenset[str], board: Board, row: Row, only: str
) -> Finding | None:
    """
    An amount in a row of another currency would be shown with the wrong sign before it. An org
    with one currency has no other sign, unless a field of its own names the currency beside it.
    """
    shown = row.get("CurrencyIsoCode") if board.currency else only
    if not board.currency and "currency" in board.fields:
        return None
    amounts = [ours for ours in board.fields if ours in _AMOUNTS and ours in named]
    has_amount = any(getattr(wanted, ours) is not None for ours in amounts)
    if not has_amount or not shown or not wanted.currency or wanted.currency == shown:
        return None
    return Finding(
        code="currency_not_allowed",
        message=f"{board.object} {row['Id']} shows amounts in {shown}; the books say "
        f"{wanted.currency}.",
        hint="Change the currency of the record in Salesforce, or name no amount field for it.",
        place="CurrencyIsoCode",
    )
