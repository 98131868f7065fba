"""
What must hold after every step of the book, and what must hold when all is quiet.

The numbers are those of docs/explanation/once-only.md. Each check raises `Violation` with what it
saw; none of them changes anything in the systems.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from tieout.connectors.http.json import loads
from tieout.core.keys import KeyKind, Slot, keys_in
from tieout.core.model import Entity
from tieout.engine.facts import mirror_row
from tieout.ports import HttpRequest
from tieout.store import codec
from world import BOOK, BRIDGE, CRM, Row, World, Write, is_live

AT_ONCE = ("a", "b", "c")


class Violation(AssertionError):  # noqa: N818
    """An invariant does not hold; the text begins with its number."""


class Watch:
    """The checks of one history. `steps` is called by the world after each step of the book."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.generations: dict[str, int] = {}
        self._seen_writes = 0
        world.on_step = self.step
        world.on_send = self.sending

    # --- always ---

    def step(self) -> None:
        """1, 6 and 7, after each step of the book."""
        for key, rows in self.world.by_slot().items():
            if len(rows) > 1:
                ids = ", ".join(row["id"] for row in rows)
                raise Violation(f"1: {key} has {len(rows)} live documents: {ids}")
        for write in self.world.writes[self._seen_writes :]:
            self._written(write)
        self._seen_writes = len(self.world.writes)

    def _written(self, write: Write) -> None:
        before = write.before
        if before is None or write.status >= 300 or write.request.segments[0] == "customers":
            return
        if write.request.method == "DELETE" and before["status"] != "draft":
            raise Violation(f"6: {before['id']} is {before['status']} and was deleted by us")
        if before["id"] not in self.world.edited:
            return
        for base, started in self._bases(write):
            same = base == _prices(before)
            if not same and before["changed_at"] < started - timedelta(seconds=2):
                raise Violation(
                    f"7: {before['id']} shows {_prices(before)}, base {base}, and was written over"
                )

    def _bases(self, write: Write) -> list[tuple[list[Decimal], Any]]:
        """The bases and beginnings of the latest attempt that sent this."""
        rows = self.world.rows(
            "SELECT p.change, a.started_at FROM send s JOIN attempt a ON a.workspace = s.workspace"
            " AND a.send = s.id JOIN payload p ON p.workspace = a.workspace"
            " AND p.operation = a.operation AND p.rev = a.payload_rev WHERE s.workspace = %(ws)s"
            " AND s.method = %(method)s AND s.path = %(path)s AND s.body = %(body)s"
            " ORDER BY a.started_at DESC, s.id LIMIT 1",
            method=write.request.method,
            path=write.request.path,
            body=write.request.body,
        )
        found = []
        for row in rows:
            base = codec.decode_change(bytes(row[0])).base
            if base is not None:
                found.append(([line.unit_price for line in getattr(base, "lines", ())], row[1]))
        return found

    def sending(self, system: str, request: HttpRequest) -> None:
        """2 and 4, when a write leaves an engine."""
        path = urlsplit(request.url).path
        known = self.world.rows(
            "SELECT count(*) FROM send WHERE workspace = %(ws)s AND connection = %(connection)s"
            " AND method = %(method)s AND path = %(path)s AND body = %(body)s",
            connection=BOOK if system == "plain_book" else CRM,
            method=request.method,
            path=path,
            body=request.body,
        )
        if not known[0][0]:
            raise Violation(f"2: {request.method} {path} left without being stored")
        if request.method != "POST" or self.world.variant.guard in AT_ONCE:
            return
        keys = [key[:13] for key in keys_in(request.body.decode())]
        for row in self.world.rows(
            "SELECT o.key13, count(*) FROM attempt a JOIN operation o ON o.workspace = a.workspace"
            " AND o.id = a.operation WHERE a.workspace = %(ws)s AND a.result = 'open'"
            " AND o.key13 = ANY(%(keys)s) GROUP BY o.key13 HAVING count(*) > 1",
            keys=keys,
        ):
            raise Violation(f"4: a create for {row[0]} left while an attempt was open")

    def between_runs(self, restored: bool = False) -> None:
        """5 and 9: keys and generations, after a run."""
        for row in self.world.rows(
            "SELECT wire_key FROM send WHERE workspace = %(ws)s AND wire_key <> ''"
            " GROUP BY wire_key HAVING count(DISTINCT sha256) > 1"
        ):
            raise Violation(f"5: {row[0]} named two bodies")
        now = dict(self.world.rows("SELECT key13, generation FROM slot WHERE workspace = %(ws)s"))
        if not restored:
            for key, generation in self.generations.items():
                if now.get(key, generation) < generation:
                    raise Violation(f"9: {key} fell from {generation} to {now[key]}")
        self.generations = now

    # --- when quiet ---

    async def quiet(self, *, rebuild: bool = False, install: bool = False) -> None:
        """13 to 21. ``rebuild`` drops the mirror too, ``install`` begins on an empty database."""
        self.between_runs()
        self.at_rest()
        self.documents()
        await self.mirror()
        await self.nothing_more("16: a further run")
        if rebuild:
            self._drop_mirror()
            await self.nothing_more("16: a run after the mirror was dropped", read_first=True)
            self.documents()
        if install:
            await self.new_installation()

    def at_rest(self) -> None:
        """17 and 10: nothing is on its way."""
        states = self.world.rows(
            "SELECT id, state, detail FROM operation WHERE workspace = %(ws)s AND state IN"
            " ('ready', 'started', 'unknown', 'confirming') ORDER BY id"
        )
        if states:
            raise Violation(f"17: not at rest: {states}")
        attempts = self.world.rows(
            "SELECT a.operation FROM attempt a JOIN operation o ON o.workspace = a.workspace"
            " AND o.id = a.operation WHERE a.workspace = %(ws)s AND a.result = 'open'"
            " AND o.state <> 'doubt' ORDER BY 1"
        )
        if attempts:
            raise Violation(f"17: attempts are open: {attempts}")

    def documents(self) -> None:
        """13, 14, 15 and 21: every deal with its document."""
        world = self.world
        linked = world.refs()
        held = self._held()
        for deal in world.crm.rows.tables["deals"].values():
            slot = document_slot(world, deal["id"])
            mine = [
                row
                for row in world.live()
                if linked.get(_ref(world, row), ("", "", 0))[:2] == ("current", slot)
            ]
            excused = deal["id"] in held or deal["company"] in held
            wanted = deal["state"] == "won" and not deal["_deleted"]
            if wanted and len(mine) != 1 and not excused and not self._dead_by_hand(slot):
                raise Violation(f"13: {deal['id']} is won and has {len(mine)} documents")
            if not wanted and mine and not excused:
                raise Violation(f"14: {deal['id']} is not won and has {mine[0]['id']}")
            if wanted and mine and not excused and mine[0]["status"] == "draft":
                self._as_wanted(deal, mine[0])
        if world.variant.guard != "e2":
            self._carriers(linked)

    def _held(self) -> set[str]:
        """Deals and companies with an open exception; after a restore all may be held."""
        found = {
            row[0]
            for row in self.world.rows(
                "SELECT source_id FROM exception_case WHERE workspace = %(ws)s"
                " AND closed_at IS NULL"
            )
        }
        if "*" in found:
            found |= set(self.world.crm.rows.tables["companies"])
        return found

    def _dead_by_hand(self, slot: str) -> bool:
        """Its document was voided or credited by a person: a new one is made on request."""
        return any(
            not row["_deleted"] and not is_live(row) and row["type"] == "invoice"
            for row in self.world.documents()
            if self.world.slot_of.get(row["id"]) == slot
        )

    def _as_wanted(self, deal: Row, row: Row) -> None:
        wanted = sum((line["quantity"] * line["unit_price"] for line in deal["lines"]), Decimal(0))
        if row["net"] != wanted and row["id"] not in self.world.edited:
            raise Violation(f"15: {row['id']} shows {row['net']}, {deal['id']} says {wanted}")

    def _carriers(self, linked: dict[str, tuple[str, str, int]]) -> None:
        asked = {
            row[0]
            for row in self.world.rows(
                "SELECT o.key13 FROM operation o JOIN exception_case e ON e.workspace = o.workspace"
                " AND e.key13 = o.key13 AND e.closed_at IS NULL WHERE o.workspace = %(ws)s"
                " AND o.state = 'doubt'"
            )
        }
        ours = {document_slot(self.world, deal) for deal in self.world.crm.rows.tables["deals"]}
        for row in self.world.live():
            keys = [key for key in keys_in(row["_carrier"]) if key[:13] in ours]
            if keys and keys[0][:13] in asked:
                continue  # a person was asked which of them counts
            if keys and _ref(self.world, row) not in linked:
                raise Violation(f"14: {row['id']} carries {keys[0]} and has no link and no role")

    async def mirror(self) -> None:
        """18: the mirror is what a whole read shows."""
        engine = self.world.engine()
        for connection, selections in engine.selections.items():
            for entity, selection in selections.items():
                shown: dict[str, bytes] = {}
                pages = engine.connectors[connection].changes_since(selection, None)
                async for page in pages:
                    for record in page.records:
                        row = mirror_row(record, engine.enrich)
                        shown[row.ref.id] = codec.content_hash(row.record)
                kept = {
                    row[0]: bytes(row[1])
                    for row in self.world.rows(
                        "SELECT id, content_hash FROM mirror WHERE workspace = %(ws)s"
                        " AND connection = %(connection)s AND entity = %(entity)s"
                        " AND gone_at IS NULL",
                        connection=connection,
                        entity=str(entity),
                    )
                }
                if shown != kept:
                    ids = sorted(k for k in {*shown, *kept} if shown.get(k) != kept.get(k))
                    raise Violation(f"18: the mirror of {entity} differs in {ids}")

    async def nothing_more(self, what: str, *, read_first: bool = False) -> None:
        """A run that finds nothing to do."""
        before = len(self.world.writes) + len(self.world.crm.received)
        result = await self.world.run_once()
        if read_first:
            result = await self.world.settle()
        after = len(self.world.writes) + len(self.world.crm.received)
        if after != before or result.decided.by_verdict.get("write"):
            raise Violation(f"{what} wrote: {result.decided.by_verdict} {result.counts()}")

    def _drop_mirror(self) -> None:
        for table in ("mirror", "cursor"):
            with self.world.database.begin() as conn:
                conn.exec_driver_sql(
                    "SELECT set_config('tieout.workspace', %(ws)s, true)",
                    {"ws": self.world.workspace},
                )
                conn.exec_driver_sql(
                    f"DELETE FROM {table} WHERE workspace = %(ws)s", {"ws": self.world.workspace}
                )

    async def new_installation(self) -> None:
        """20: an engine that knows nothing adopts what carries our keys and makes no second one."""
        world = self.world
        # What cannot be read, or was removed by a person, no new installation can know.
        hidden = any(
            row["id"] in self.world.edited and not keys_in(row["_carrier"]) for row in world.live()
        )
        if world.variant.guard == "e2" or hidden:
            return
        live = {key[:13] for row in world.live() for key in keys_in(row["_carrier"])}
        before = len(world.posts())
        old, world.workspace = world.workspace, f"{world.workspace}-new"
        try:
            world.make_workspace(world.workspace)
            await world.settle()
            for write in world.posts()[before:]:
                again = [key for key in keys_in(write.request.body.decode()) if key[:13] in live]
                if again:
                    raise Violation(f"20: a new installation made {again[0]} again")
            counts = Counter(
                key[:13]
                for row in world.live()
                if world.refs().get(_ref(world, row), ("",))[0] == "current"
                for key in keys_in(row["_carrier"])
            )
            for key in live:
                if not counts[key] and not self._refused(key):
                    raise Violation(f"20: nothing that carries {key} is linked")
        finally:
            world.workspace = old

    def _refused(self, key: str) -> bool:
        """The deal is not there any more, or all its carriers are shown to a person."""
        deals = {
            document_slot(self.world, deal["id"]): deal["id"]
            for deal in self.world.crm.rows.tables["deals"].values()
            if not deal["_deleted"]
        }
        return key not in deals or deals[key] in self._held()


def document_slot(world: World, deal: str) -> str:
    """The 13 characters of a deal's document slot."""
    return Slot(
        crm_org=world.crm.org_id,
        source_id=deal,
        company=world.book.company_id,
        kind=KeyKind.DOCUMENT,
    ).key13


def _ref(world: World, row: Row) -> str:
    """The id under which the connector knows a document."""
    return f"{world.book.ledger.collection(row).removesuffix('s')}:{row['id']}"


def _prices(row: Row) -> list[Decimal]:
    return [line["unit_price"] for line in row["lines"]]


def dump(world: World) -> list[str]:
    """What the database holds, for a trace of a failure."""
    lines = []
    for sql in (
        "SELECT key, action, state, detail, seq, absence_no, looks, next_look_at::text FROM"
        " operation WHERE workspace = %(ws)s AND entity <> 'standing' ORDER BY created_at, id",
        "SELECT id, role, generation, found_by, key13 FROM ref WHERE workspace = %(ws)s"
        " AND entity <> 'standing' ORDER BY id",
        "SELECT lane, source_id, code, message FROM exception_case WHERE workspace = %(ws)s"
        " AND closed_at IS NULL ORDER BY number",
        "SELECT lane, source_id, parked, not_before::text FROM due WHERE workspace = %(ws)s"
        " ORDER BY lane, source_id",
        "SELECT key13, source_id, kind, generation, alias_of FROM slot WHERE workspace = %(ws)s"
        " AND kind <> 'S' ORDER BY key13",
        "SELECT lane, source_id, verdict, reason FROM outcome WHERE workspace = %(ws)s"
        " ORDER BY lane, source_id",
        "SELECT operation, no, result, horizon::text, answer::text FROM attempt"
        " WHERE workspace = %(ws)s ORDER BY operation, no",
        "SELECT entity, id, status, carried_key, gone_at::text, gone_certain, merged_into,"
        " customer_id, net FROM mirror WHERE workspace = %(ws)s AND entity <> 'item'"
        " ORDER BY entity, id",
    ):
        lines += [str(tuple(row)) for row in world.rows(sql)]
    for row in world.documents():
        lines.append(
            f"{row['id']} {row['status']} {row['type']} {row['net']} {row['_carrier']}"
            f" by {row['_by']} customer {row['customer']}"
            f" {'deleted' if row['_deleted'] else ''} {row.get('_became', '')}"
        )
    for deal in world.crm.rows.tables["deals"].values():
        lines.append(f"{deal['id']} {deal['state']} {deal['company']} {deal['_deleted']}")
    return lines


__all__ = ["AT_ONCE", "BRIDGE", "Entity", "Violation", "Watch", "document_slot", "dump", "loads"]
