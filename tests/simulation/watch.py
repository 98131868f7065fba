"""What is looked at while a history goes on: after each step of the book, each send, each run."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import invariants
from invariants import Violation
from quiet import Quiet
from tieout.core.keys import keys_in
from tieout.engine.context import LEASE_S
from tieout.ports import HttpRequest
from tieout.store import codec
from virtual_loop import EPOCH
from world import Row, World, Write

AT_ONCE = ("a", "b", "c")


class Watch:
    """The checks of one history. The world calls it after each step of the book."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.generations: dict[str, int] = {}
        self._seen_writes = 0
        self._seen_activity = 0
        world.on_step = self.step
        world.on_send = self.sending

    # --- after each step ---

    def step(self) -> None:
        """1, 3, 6, 7 and 8, after each step of the book."""
        invariants.one_live(self.world.by_slot())
        for write in self.world.writes[self._seen_writes :]:
            self._written(write)
        self._seen_writes = len(self.world.writes)
        self.tables()

    def tables(self) -> None:
        """3 and 8, as the tables are now."""
        invariants.one_open(
            self.world.rows(
                "SELECT key13, id, state FROM operation WHERE workspace = %(ws)s"
                " AND state IN ('started', 'unknown', 'confirming', 'doubt') ORDER BY id"
            )
        )
        invariants.refs_hold(
            self.world.rows(
                "SELECT connection || ':' || entity || ':' || id, key13, role FROM ref"
                " WHERE workspace = %(ws)s ORDER BY 1"
            )
        )

    def _written(self, write: Write) -> None:
        before = write.before
        if before is None or write.status >= 300 or write.request.segments[0] == "customers":
            return
        if write.request.method == "DELETE" and before["status"] != "draft":
            raise Violation(f"6: {before['id']} is {before['status']} and was deleted by us")
        if before["id"] not in self.world.edited:
            return
        for base, claimed in self._bases(write):
            if base == _prices(before):
                continue
            # With a version check there is no moment in which an edit can be written over.
            readable = before["changed_at"] < claimed - timedelta(seconds=2)
            if readable or self.world.variant.version_check:
                raise Violation(
                    f"7: {before['id']} shows {_prices(before)}, base {base}, and was written over"
                )

    def _bases(self, write: Write) -> list[tuple[list[Decimal], datetime]]:
        """The base of the latest attempt that sent this, and when it was claimed."""
        request = write.request
        rows = self.world.rows(
            "SELECT p.change FROM send s JOIN attempt a ON a.workspace = s.workspace"
            " AND a.send = s.id JOIN payload p ON p.workspace = a.workspace"
            " AND p.operation = a.operation AND p.rev = a.payload_rev WHERE s.workspace = %(ws)s"
            " AND s.method = %(method)s AND s.path = %(path)s AND s.body = %(body)s"
            " ORDER BY a.started_at DESC, s.id LIMIT 1",
            method=request.method,
            path=request.path,
            body=request.body,
        )
        claimed = self.world.claimed.get((request.method, request.path, request.body), 0.0)
        found = []
        for row in rows:
            base = codec.decode_change(bytes(row[0])).base
            if base is not None:
                prices = [line.unit_price for line in getattr(base, "lines", ())]
                found.append((prices, EPOCH + timedelta(seconds=claimed)))
        return found

    # --- when a write leaves ---

    def sending(self, system: str, request: HttpRequest) -> None:
        """2, 4 and 5, when a write leaves an engine."""
        path, names = urlsplit(request.url).path, self.world.names
        known = self.world.rows(
            "SELECT wire_key, sha256 FROM send WHERE workspace = %(ws)s AND wire_key IN (SELECT"
            " wire_key FROM send WHERE workspace = %(ws)s AND connection = %(connection)s"
            " AND method = %(method)s AND path = %(path)s AND body = %(body)s)",
            connection=names.book if system == "plain_book" else names.crm,
            method=request.method,
            path=path,
            body=request.body,
        )
        if not known:
            raise Violation(f"2: {request.method} {path} left without being stored")
        invariants.one_body(known)
        claimed = self.world.claimed.get((request.method, path, request.body))
        invariants.lease_held(claimed, self.world.simulation.loop.time(), LEASE_S)
        if request.method != "POST" or self.world.variant.guard in AT_ONCE:
            return
        keys = [key[:13] for key in keys_in(request.body.decode())]
        invariants.no_zombie(keys, self.world.under_way())
        for row in self.world.rows(
            "SELECT o.key13, count(*) FROM attempt a JOIN operation o ON o.workspace = a.workspace"
            " AND o.id = a.operation WHERE a.workspace = %(ws)s AND a.result = 'open'"
            " AND o.key13 = ANY(%(keys)s) GROUP BY o.key13 HAVING count(*) > 1",
            keys=keys,
        ):
            raise Violation(f"4: a create for {row[0]} left while an attempt was open")

    # --- after a run ---

    def between_runs(self, restored: bool = False) -> None:
        """3, 8 and 9, after a run, however it ended."""
        self.tables()
        now = dict(self.world.rows("SELECT key13, generation FROM slot WHERE workspace = %(ws)s"))
        ends = self._recorded_ends()
        if not restored:
            invariants.generations_rise(self.generations, now, ends)
        self.generations = now

    def _recorded_ends(self) -> Counter[str]:
        """
        How often each slot's generation ended, or a later one was found, by what the log says
        since the last time.
        """
        ends: Counter[str] = Counter()
        entries, self._seen_activity = self.world.activity_since(self._seen_activity)
        for entry in entries:
            if entry["kind"] == "slot.generation_ended":
                ends[entry["key13"]] += 1
            elif entry["kind"] == "link.adopted":
                # A carrier of a later generation is followed, over as many as it says.
                ends[entry["key13"]] += int(entry.get("generation") or 0)
        return ends

    def after_run(self, began: datetime) -> None:
        """10, after a whole run beside which no other one worked."""
        if any(
            abs((machine.now() - self.world.clock.now()).total_seconds()) > 1
            for machine in self.world.machines
        ):
            return
        rows = self.world.rows(
            "SELECT o.id, o.state, o.lease_until, o.next_look_at, max(a.horizon) FROM operation o"
            " LEFT JOIN attempt a ON a.workspace = o.workspace AND a.operation = o.id"
            # One that was given back since was open when the look was planned.
            " AND a.result IN ('open', 'not_sent') WHERE o.workspace = %(ws)s"
            " AND o.state IN ('started', 'unknown', 'confirming')"
            " GROUP BY o.id, o.state, o.lease_until, o.next_look_at ORDER BY o.id"
        )
        invariants.looked_in_time(
            rows, began, self.world.clock.now(), self.world.lag_s(), self.world.set_back_s()
        )

    def forget(self) -> None:
        """The database was restored: what was known of generations counts no more."""
        self.generations = {}
        self._seen_activity = 0

    async def quiet(self, last: str = "") -> None:
        """13 to 21, when nothing is left to do; see `Quiet`."""
        self.tables()
        self.between_runs()
        await Quiet(self.world).check(last)


def _prices(row: Row) -> list[Any]:
    return [line["unit_price"] for line in row["lines"]]
