"""
Matching both sides of a bridge: read them, compare window by window, keep what was found.

Nothing is written to either system, and nothing is linked. A run that was killed goes on where it
was, if neither side has changed since; the result is that of a run that nobody disturbed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rapidfuzz.distance import OSA

from tieout.core.case import SlotState
from tieout.core.compose import step_amount, steps
from tieout.core.errors import StoppedError
from tieout.core.matching import RULES
from tieout.core.matching.blocks import EXACT_KEYS, block_keys
from tieout.core.matching.documents import Loose, Proposal, Step, propose
from tieout.core.matching.judge import PLACED, Pairing, judge
from tieout.core.matching.party import Party, party_of
from tieout.core.model import Customer, Deal, Document, Entity
from tieout.core.policy import BooksPolicy, FlowMode
from tieout.core.scope import deal_scope
from tieout.engine.context import Engine
from tieout.engine.places import customer_slot, document_slot
from tieout.engine.schedules import with_schedules
from tieout.engine.triggers import holds, routed_to, triggered
from tieout.services import planning
from tieout.services.watching import Say, silent
from tieout.store import match_people, said
from tieout.store import matching as matched
from tieout.store.matching import CustomerRow, KnownCustomer, Place
from tieout.store.postgres import PostgresStore
from tieout.storing import Lease

WINDOW = 500
# A window of documents ends with the customer that brings it over so many deals.
MOST_DEALS = 2_000
_CUSTOMERS_AT_ONCE = 200


async def match(
    engine: Engine, store: PostgresStore, *, read: bool = True, say: Say = silent
) -> None:
    """
    Both sides read and compared, for each company's books of the bridge.

    Raises `BusyError`, `StoppedError` when a person stopped it, and what the connectors raise.
    """
    async with planning.holding(engine) as lease:
        if read:
            await planning.read_both(engine, lease, say)
        for book in engine.policy.books:
            await _Matching(engine, store, book, lease, say).go_on()


class _Matching:
    """One bridge's CRM against one company's books."""

    def __init__(
        self, engine: Engine, store: PostgresStore, book: BooksPolicy, lease: Lease, say: Say
    ) -> None:
        self.engine, self.store, self.book, self.lease, self.say = engine, store, book, lease, say
        self.place = Place(bridge=engine.bridge, crm=engine.policy.crm, books=book.connection)

    async def go_on(self) -> None:
        """From where it was left, or from the start where something has changed."""
        stage = await self.store.do(self._stage)
        if stage == "keys":
            await self._windows(self._keys)
            await self._enter("customers", matched.drop_large_blocks)
        if stage in ("keys", "customers"):
            await self._windows(self._customers)
            await self.store.do(self._begin_documents)
        if stage != "done":
            await self._windows(self._documents)
            now = self.engine.clock.now()
            await self.store.do(lambda tx: matched.move(tx, self.place, "done", "", now))

    # --- where it is --------------------

    def _stage(self, tx: Any) -> str:
        """The stage to go on with, begun where that is needed."""
        known = matched.progress(tx, self.place)
        customers, whole = self._marks(tx)
        if known is None or not known.mark.startswith(f"{customers}|"):
            self._begin(tx, "keys", f"{customers}|")
            return "keys"
        if known.stage in ("keys", "customers"):
            return known.stage
        if known.mark != f"{customers}|{whole}":
            self._begin(tx, "documents", f"{customers}|{whole}")
            return "documents"
        return known.stage

    def _marks(self, tx: Any) -> tuple[str, str]:
        rules = f"{RULES} {matched.customers_mark(tx, self.place)}"
        return rules, f"{self.engine.policy.digest} {matched.mirror_mark(tx, self.place)}"

    def _begin(self, tx: Any, stage: str, mark: str) -> None:
        engine = self.engine
        matched.begin(tx, self.place, stage, mark, engine.who, engine.clock.now())
        if stage == "documents" and engine.policy.contacts.mode is not FlowMode.OFF:
            match_people.pair_people(tx, self.place, self.book.company)

    def _begin_documents(self, tx: Any) -> None:
        customers, whole = self._marks(tx)
        self._begin(tx, "documents", f"{customers}|{whole}")

    async def _enter(self, stage: str, work: Any) -> None:
        def both(tx: Any) -> None:
            work(tx, self.place)
            matched.move(tx, self.place, stage, "")

        await self.store.do(both)

    async def _windows(self, one: Any) -> None:
        """Window after window of a stage, each from where the last one was stored."""
        while await one():
            await planning.keep(self.engine, self.lease)
            if self.engine.stopping:
                raise StoppedError(
                    "Stopped while matching. Nothing was written; it goes on where it was.",
                    code="interrupted",
                    hint="Run it again.",
                )

    async def _position(self) -> str:
        found = await self.store.do(lambda tx: matched.progress(tx, self.place))
        return found.position if found else ""

    # --- customers --------------------

    async def _keys(self) -> bool:
        """A window of the books' customers under their keys."""
        after = await self._position()
        rows = await self.store.do(
            lambda tx: matched.customers(tx, self.place.books, after, 2 * WINDOW)
        )
        if not rows:
            return False
        self.say(f"Looking through the customers of {self.place.books}")
        found = [(party, block_keys(party)) for party in map(self._party, rows)]

        def keep(tx: Any) -> None:
            matched.put_parties(tx, self.place, found)
            matched.move(tx, self.place, "keys", rows[-1].id)

        await self.store.do(keep)
        return True

    async def _customers(self) -> bool:
        """A window of the CRM's customers against all of the books that share a key with them."""
        after = await self._position()
        rows = await self.store.do(lambda tx: matched.customers(tx, self.place.crm, after, WINDOW))
        if not rows:
            return False
        self.say(f"Comparing the customers of {self.place.crm} with those of {self.place.books}")
        mine = [self._party(row, self._key13(row.id)) for row in rows]
        pairs = await self._pairs(mine, exact=True)
        placed = {pair.left for pair in pairs if pair.tier >= PLACED}
        rest = [party for party in mine if party.id not in placed]
        pairs = [pair for pair in pairs if pair.left in placed]
        pairs += await self._pairs(rest, exact=False)

        def keep(tx: Any) -> None:
            matched.put_pairs(tx, self.place, pairs)
            matched.move(tx, self.place, "customers", rows[-1].id)

        await self.store.do(keep)
        return True

    async def _pairs(self, mine: Sequence[Party], *, exact: bool) -> list[Pairing]:
        """These against the books' customers under the same keys; by exact keys only, or by all."""
        keys = {
            party.id: [key for key in block_keys(party) if not exact or key[:2] in EXACT_KEYS]
            for party in mine
        }
        wanted = sorted({key for found in keys.values() for key in found})
        if not wanted:
            return []
        by_key = await self.store.do(lambda tx: matched.ids_by_key(tx, self.place, wanted))
        ids = sorted({found for each in by_key.values() for found in each})
        theirs = await self.store.do(lambda tx: matched.parties(tx, self.place, ids))
        pairs = []
        for party in mine:
            near = {found for key in keys[party.id] for found in by_key.get(key, ())}
            for other in sorted(near):
                pair = judge(party, theirs[other], OSA.distance)
                if pair is not None:
                    pairs.append(pair)
        return pairs

    def _party(self, row: CustomerRow, carried: str = "") -> Party:
        address = row.record.address("billing")
        country = address.country if address else ""
        parts = self.engine.enrich.name_parts(row.record.name, country)
        return party_of(row.record, parts, row.postcode, carried or row.carried)

    def _key13(self, customer: str) -> str:
        return customer_slot(self.engine, self.book, customer).key13

    # --- documents --------------------

    async def _documents(self) -> bool:
        """A window of customers that are known on both sides, with their deals and documents."""
        after = await self._position()
        rows = await self.store.do(
            lambda tx: matched.known_customers(tx, self.place, after, _CUSTOMERS_AT_ONCE)
        )
        if not rows:
            return False
        self.say(f"Looking for the documents of deals in {self.place.books}")
        window = _of_size(rows)
        proposals = await self._proposals([known for known in window if known.deals])

        def keep(tx: Any) -> None:
            matched.put_documents(tx, self.place, map(_row, proposals))
            matched.move(tx, self.place, "documents", window[-1].id)

        await self.store.do(keep)
        return True

    async def _proposals(self, window: Sequence[KnownCustomer]) -> list[Proposal]:
        owner = {source: known.id for known in window for source in known.sources}
        if not owner:
            return []
        found = await self.store.do(lambda tx: matched.deals_of(tx, self.place.crm, sorted(owner)))
        waiting = await self._steps([deal for deal, _ in found])
        by_customer: dict[str, list[Step]] = {}
        for customer, step in waiting:
            by_customer.setdefault(owner[customer], []).append(step)
        places = sorted(
            {(customer, step.net) for customer, mine in by_customer.items() for step in mine}
        )
        loose = await self.store.unlinked_documents(self.place.books, places)
        proposals: list[Proposal] = []
        for customer in sorted(by_customer):
            mine = by_customer[customer]
            nets = {step.net for step in mine}
            documents = [
                _loose(document)
                for net in sorted(nets)
                for document in loose.get((customer, net), ())
                if isinstance(document, Document)
            ]
            proposals += propose(mine, documents, await self._apart(mine, documents))
        return proposals

    async def _apart(
        self, mine: Iterable[Step], documents: Sequence[Loose]
    ) -> set[tuple[str, str]]:
        pairs = [(step.key13, document.id) for step in mine for document in documents]
        if not pairs:
            return set()
        return await self.store.do(lambda tx: said.told_apart(tx, self.place.books, pairs))

    async def _steps(self, ids: Sequence[str]) -> list[tuple[str, Step]]:
        """Billing steps that are to be invoiced and have no document, with their customer."""
        engine, crm = self.engine, self.place.crm
        read = await engine.store.mirror(crm, Entity.DEAL, ids)
        wanted = {
            seen.record.customer.id
            for seen in read.values()
            if isinstance(seen.record, Deal) and seen.record.customer
        }
        customers = await engine.store.mirror(crm, Entity.CUSTOMER, sorted(wanted))
        deals, _ = with_schedules(read, customers, engine.policy.documents.instalments)
        found = []
        for seen in deals.values():
            deal = seen.record
            assert isinstance(deal, Deal)
            known = customers.get(deal.customer.id) if deal.customer else None
            buyer = known.record if known else None
            if isinstance(buyer, Customer) and self._wanted(deal, buyer):
                found += [(deal, step.part) for step in steps(deal)]
        slots = {
            (deal.source_id, part): document_slot(engine, self.book, deal.source_id, part)
            for deal, part in found
        }
        states = await engine.store.slots(list(slots.values()))
        return [
            (deal.customer.id, _step(deal, part, state.key13))
            for deal, part in found
            if deal.customer and _without(state := states[slots[deal.source_id, part].key13])
        ]

    def _wanted(self, deal: Deal, buyer: Customer) -> bool:
        policy = self.engine.policy
        include = policy.documents.include
        return (
            (include is None or holds(include, deal_scope(deal, buyer)))
            and triggered(policy, deal, buyer)
            and routed_to(policy, deal, buyer) == self.place.books
        )


def _of_size(rows: Sequence[KnownCustomer]) -> list[KnownCustomer]:
    """As many of them as have no more deals than fit into a window; one at least."""
    window: list[KnownCustomer] = []
    deals = 0
    for known in rows:
        deals += known.deals
        if window and deals > MOST_DEALS:
            break
        window.append(known)
    return window


def _without(state: SlotState) -> bool:
    """Nothing stands in the place, and nobody said that nothing shall."""
    return state.current is None and state.verdict not in ("leave_out", "none_of_these")


def _step(deal: Deal, part: int, key13: str) -> Step:
    # Where deals have no numbers, people give them titles that are ones: D-101.
    title = deal.title.strip()
    named = title if len(title.split()) == 1 and any(map(str.isdigit, title)) else ""
    references = (deal.number or named, deal.po_number)
    return Step(
        key13=key13,
        deal=deal.source_id,
        part=part,
        number=deal.number or deal.title or deal.source_id,
        currency=deal.currency,
        net=step_amount(deal, part),
        day=deal.close_date,
        references=tuple(text for text in references if text),
    )


def _loose(document: Document) -> Loose:
    texts = (
        document.our_reference,
        document.your_reference,
        document.po_number,
        document.buyer_reference,
        document.carrier_text,
        *(line.text for line in document.lines),
    )
    return Loose(
        id=document.ref.id if document.ref else "",
        number=document.number,
        currency=document.currency,
        net=document.totals.net if document.totals else Decimal(0),
        day=document.issue_date,
        texts=tuple(text for text in texts if text),
    )


def _row(proposal: Proposal) -> Mapping[str, Any]:
    return {
        "source": proposal.step.deal,
        "part": proposal.step.part,
        "target": proposal.document.id,
        "key13": proposal.step.key13,
        "key": proposal.key,
        "tier": 0,
        "score": (95 if proposal.key == "reference" else 80) - (0 if proposal.alone else 20),
        "state": "proposed" if proposal.alone else "ambiguous",
        "reason": proposal.reason,
    }
