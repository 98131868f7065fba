"""
What must hold when all is quiet: every deal has its document, nothing is open, nothing is lost.

The numbers are those of docs/explanation/once-only.md. None of the checks changes anything in the
systems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import invariants
import offered
import persons
from converging import converge
from invariants import Violation
from tieout.core.keys import KeyKind, Slot, keys_in
from tieout.core.policy import FlowMode
from tieout.engine.facts import mirror_row
from tieout.store import codec
from tieout.store.database import BlockingRunner
from tieout.store.evidence import verify_log
from world import Row, World, is_live


class Quiet:
    """The checks of a world at rest."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def check(self, last: str = "") -> None:
        """
        12 to 21. ``last``: 'rebuild' drops the mirror too, 'publish' publishes the same
        configuration again, 'install' begins on an empty database.
        """
        self.at_rest()
        self.defects()
        await self.log()
        self.documents()
        self.amounts()
        if self.world.shown is not FlowMode.OFF:
            self.items()
            self.invoices()
        if self.world.customers.both:
            self.customers()
        if self.world.contacts.both:
            self.persons()
        if self.world.value_rules():
            self.lists()
        await self.mirror()
        await self.nothing_more("16: a further run")
        await self.converges()
        if last == "publish":
            self.world.publish_again()
            await self.nothing_more("16: a run after publishing the same configuration")
        if last == "rebuild":
            self.world.drop_mirror()
            await self.nothing_more("16: a run after the mirror was dropped", read_first=True)
            self.documents()
        if last == "install":
            await self.new_installation()

    def defects(self) -> None:
        """No record was held because our own code stumbled over it: such a one names a place."""
        found = self.world.rows(
            "SELECT lane, source_id, message FROM exception_case WHERE workspace = %(ws)s"
            " AND (code = 'defect' OR message ~ '[.]py:[0-9]') ORDER BY number"
        )
        if found:
            raise Violation(f"a defect of ours: {[tuple(row) for row in found]}")

    async def log(self) -> None:
        """12: the activity log is whole, and tells each change of state once."""
        world = self.world
        runner = BlockingRunner(world.database)
        found = await verify_log(
            runner, workspace=world.workspace, now=world.clock.now(), who="simulation"
        )
        if found.broken is not None:
            raise Violation(f"12: the activity log is broken: {found.broken}")
        states = dict(world.rows("SELECT id, state FROM operation WHERE workspace = %(ws)s"))
        attempts = dict(
            world.rows(
                "SELECT operation, count(*) FROM attempt WHERE workspace = %(ws)s AND send IN"
                " (SELECT id FROM send WHERE workspace = %(ws)s AND method <> '')"
                " GROUP BY operation"
            )
        )
        entries = world.activity()
        world.count_activity(entries)
        invariants.logged_once(entries, states, attempts)

    def amounts(self) -> None:
        """21: what was sold and what stands in the books, per deal and in sum."""
        world = self.world
        linked = world.refs()
        sold = invoiced = Decimal(0)
        held = self._held()
        for deal in world.crm.rows.tables["deals"].values():
            slot = document_slot(world, deal["id"])
            if deal["_deleted"] or deal["state"] != "won":
                continue
            if deal["id"] in held or deal["company"] in held or self._dead_by_hand(slot):
                continue
            rows = [
                row
                for row in world.live()
                if linked.get(_ref(world, row), ("", "", 0))[:2] == ("current", slot)
            ]
            if any(row["id"] in world.edited for row in rows):
                continue  # the books own it
            wanted = _sum(deal["lines"])
            there = sum((row["net"] for row in rows), Decimal(0))
            if wanted != there:
                raise Violation(f"21: {deal['id']} was sold for {wanted}, invoiced {there}")
            sold += wanted
            invoiced += there
        if sold != invoiced:
            raise Violation(f"21: sold {sold}, invoiced {invoiced}")

    def persons(self) -> None:
        """27: persons of linked customers are on both sides once and show the same."""
        persons.check(self.world, self._held_in("contacts") | self._held_in("persons"))

    def lists(self) -> None:
        """29: codes of the books are offered, and what a person put beside them stays."""
        offered.check(self.world, self._held_in("reference"))

    async def converges(self) -> None:
        """26: after the last edits two runs make both sides the same; a third writes nothing."""
        world = self.world
        same: list[Callable[[], None]] = []
        if world.shown is not FlowMode.OFF:
            same += [self.items, self.invoices]
        if world.customers.both:
            same += [self.customers]
        if world.contacts.both:
            same += [self.persons]
        if world.value_rules():
            same += [self.lists]
        if same:
            await converge(world, list(self._linked().items()), same)

    def _linked(self) -> dict[str, str]:
        """Companies and their customers of the books, where both are there and nothing is held."""
        held = self._held_in("customers") | self._held_in("accounts")
        links = self.world.rows(
            "SELECT s.source_id, r.id FROM slot s JOIN ref r ON r.workspace = s.workspace"
            " AND r.key13 = s.key13 AND r.role = 'current' AND r.entity = 'customer'"
            " WHERE s.workspace = %(ws)s AND s.kind = 'C' AND s.alias_of IS NULL ORDER BY 1"
        )
        customers = {row["id"] for row in self.world.book.ledger.live("customers")}
        companies = {row["id"] for row in self.world.crm.rows.live("companies")}
        return {
            source: target
            for source, target in links
            if source not in held and source in companies and target in customers
        }

    def customers(self) -> None:
        """24: two-way fields of linked customers are the same on both sides."""
        customers = {row["id"]: row for row in self.world.book.ledger.live("customers")}
        companies = {row["id"]: row for row in self.world.crm.rows.live("companies")}
        for source, target in self._linked().items():
            mine, theirs = companies[source], customers[target]
            for name in ("email", "phone"):
                if theirs[name] and (mine[name] or "") != theirs[name]:
                    raise Violation(
                        f"24: {source}: {name} is {mine[name]} here, {theirs[name]} in the books"
                    )

    def items(self) -> None:
        """22: the CRM's products are the books' items, each once."""
        held = self._held_in("items")
        products = list(self.world.crm.rows.live("products"))
        for item in self.world.book.ledger.live("items"):
            mine = [row for row in products if row["number"] == item["number"]]
            if item["id"] in held or (not mine and not item["active"]):
                continue
            if len(mine) != 1:
                raise Violation(f"22: {item['number']} is {len(mine)} products")
            for name in ("name", "price", "active"):
                if mine[0][name] != item[name]:
                    raise Violation(
                        f"22: {item['number']}: {name} is {mine[0][name]}, not {item[name]}"
                    )

            if self.world.prices and item["active"]:
                self.price_lists(item, mine[0])

    def price_lists(self, item: Mapping[str, Any], product: Mapping[str, Any]) -> None:
        """25: each price list of the CRM shows what the books' list says today, or nothing."""
        today = self.world.today().isoformat()
        for rule in self.world.prices:
            for currency in ("SEK", "EUR"):
                mine = [
                    (row["valid_from"] or "", row["amount"])
                    for row in self.world.book.ledger.live("prices")
                    if (row["item"], row["list"], row["currency"])
                    == (item["id"], rule.list, currency)
                    and (row["valid_from"] or "") <= today <= (row["valid_to"] or today)
                ]
                wanted = max(mine)[1] if mine else None
                shown = {
                    one["amount"]
                    for one in product["prices"] or ()
                    if (one["list"], one["currency"], one["active"]) == (rule.book, currency, True)
                }
                if shown != ({wanted} if wanted is not None else set()):
                    raise Violation(
                        f"25: {item['number']} costs {shown} in {rule.book} {currency},"
                        f" not {wanted}"
                    )

    def invoices(self) -> None:
        """23: every booked document of a linked customer is in the CRM once, to the cent."""
        world = self.world
        held, shown = self._held_in("invoices"), list(world.crm.rows.live("invoices"))
        linked = {
            row[0]
            for row in world.rows(
                "SELECT r.id FROM ref r JOIN slot s ON s.workspace = r.workspace"
                " AND s.key13 = r.key13 WHERE r.workspace = %(ws)s AND r.entity = 'customer'"
                " AND s.kind = 'C' AND r.role IN ('current', 'former')"
            )
        }
        for row in world.documents():
            if row["_deleted"] or row["status"] != "booked" or row["customer"] not in linked:
                continue
            source = _ref(world, row)
            key13 = published_slot(world, source)
            mine = [one for one in shown if (one["key"] or "").startswith(key13)]
            if source in held:
                continue
            if len(mine) != 1:
                raise Violation(f"23: {source} is {len(mine)} invoices in the CRM")
            for name in ("net", "gross"):
                if mine[0][name] != row[name]:
                    raise Violation(f"23: {source}: {name} is {mine[0][name]}, not {row[name]}")

    def _held_in(self, flow: str) -> set[str]:
        """Sources of a flow about which a person was asked."""
        return {
            row[0]
            for row in self.world.rows(
                "SELECT source_id FROM exception_case WHERE workspace = %(ws)s"
                " AND closed_at IS NULL AND split_part(lane, '/', 2) = %(flow)s"
                " AND code <> 'accounts_merged'",
                flow=flow,
            )
        }

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
        """13, 14 and 15: every deal with its document."""
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
                " AND closed_at IS NULL AND code <> 'accounts_merged'"
            )
        }
        if "*" in found:
            found |= set(self.world.crm.rows.tables["companies"])
        return found

    def _dead_by_hand(self, slot: str) -> bool:
        """Its document was voided or credited by a person: a new one is made on request."""
        return any(
            not row["_deleted"] and not is_live(row) and row["type"] in ("invoice", "order")
            for row in self.world.documents()
            if self.world.slot_of.get(row["id"]) == slot
        )

    def _as_wanted(self, deal: Row, row: Row) -> None:
        wanted = _sum(deal["lines"])
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
        # After a restore a person is asked about documents whose deal nobody knows any more.
        shown = {
            str(candidate).split(":", 2)[2]
            for row in self.world.rows(
                "SELECT jsonb_array_elements_text(candidates) FROM exception_case"
                " WHERE workspace = %(ws)s AND closed_at IS NULL AND lane LIKE '%%/recovery/%%'"
            )
            for candidate in row
        }
        ours = {document_slot(self.world, deal) for deal in self.world.crm.rows.tables["deals"]}
        for row in self.world.live():
            keys = [key for key in keys_in(row["_carrier"]) if key[:13] in ours]
            if keys and keys[0][:13] in asked:
                continue  # a person was asked which of them counts
            if keys and _ref(self.world, row) in shown:
                continue
            if row["from_order"] and f"order:{row['from_order']}" in linked:
                continue  # it took the key of its order along
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
        world.installations += 1
        old, world.workspace = world.workspace, f"{world.workspace}-new{world.installations}"
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


def results_by_deal(world: World) -> dict[str, Any]:
    """What came of each deal: its live documents, without ids and times, and what is open."""
    linked = world.refs()
    found: dict[str, Any] = {}
    for deal in world.crm.rows.tables["deals"].values():
        slot = document_slot(world, deal["id"])
        mine = sorted(
            (row["status"], str(row["net"]), linked[_ref(world, row)][2])
            for row in world.live()
            if linked.get(_ref(world, row), ("", "", 0))[:2] == ("current", slot)
        )
        found[deal["id"]] = (mine, world.exceptions(deal["id"]))
    customers = [row["id"] for row in world.book.ledger.live("customers")]
    found["customers"] = len(customers)
    return found


def document_slot(world: World, deal: str) -> str:
    """The 13 characters of a deal's document slot."""
    return Slot(
        crm_org=world.crm.org_id,
        source_id=deal,
        company=world.book.company_id,
        kind=KeyKind.DOCUMENT,
    ).key13


def published_slot(world: World, source: str) -> str:
    """The 13 characters of what the CRM shows of a document of the books."""
    return Slot(
        crm_org=world.crm.org_id,
        source_id=source,
        company=world.book.company_id,
        kind=KeyKind.INVOICE,
    ).key13


def _ref(world: World, row: Row) -> str:
    """The id under which the connector knows a document."""
    return f"{world.book.ledger.collection(row).removesuffix('s')}:{row['id']}"


def _sum(lines: Any) -> Decimal:
    return sum((line["quantity"] * line["unit_price"] for line in lines), Decimal(0))


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
