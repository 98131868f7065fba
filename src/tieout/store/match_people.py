"""Persons of customers that are known on both sides: who has whose address, and what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tieout.core.case import RefRole, SlotState
from tieout.core.decide_document import ADOPTED
from tieout.core.model import Contact, ExternalRef
from tieout.store import adopting, pages
from tieout.store import slots as slot_store
from tieout.store.database import Tx
from tieout.store.matching import KNOWN, Place, words

CONTACT = "contact"
# One person with the address on either side; more than one bears it.
_ALONE, _SEVERAL = 100, 85


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """
    Persons of one side that are in use: all, and of these how many are linked, matched by their
    address, ambiguous, without an address, or at a customer of whom it is not clear who it is.
    ``shared``: addresses that stand at several customers, each of which has a person of its own.
    """

    total: int
    linked: int
    matched: int
    ambiguous: int
    no_address: int
    no_customer: int
    shared: int

    @property
    def alone(self) -> int:
        """How many have an address that nobody has over there."""
        return self.total - (
            self.linked + self.matched + self.ambiguous + self.no_address + self.no_customer
        )


# The links of persons of both ways, as the CRM's id and the books'.
_LINKED = (
    "linked AS MATERIALIZED (SELECT s.source_id AS mine, r.id AS theirs FROM slot s JOIN ref r"
    " ON r.workspace = s.workspace AND r.key13 = s.key13 AND r.role = 'current'"
    " AND r.connection = %(books)s WHERE s.workspace = %(ws)s AND s.kind = 'N'"
    " AND s.bridge = %(bridge)s UNION SELECT r.id, s.source_id FROM slot s JOIN ref r"
    " ON r.workspace = s.workspace AND r.key13 = s.key13 AND r.role = 'current'"
    " AND r.connection = %(crm)s WHERE s.workspace = %(ws)s AND s.kind = 'M'"
    " AND s.bridge = %(bridge)s AND s.company = %(company)s)"
)
_IN_USE = (
    "{0}.workspace = %(ws)s AND {0}.connection = %({1})s AND {0}.entity = 'contact'"
    " AND {0}.gone_at IS NULL AND coalesce(({0}.record->>'active')::boolean, true)"
)


def pair_people(tx: Tx, place: Place, company: str) -> None:
    """
    Notes which persons have one address at one customer: `matched` where only one of either side
    has it, else `ambiguous`; `taken` where one of them is linked, `refused` where they were told
    apart.
    """
    tx.run(
        "INSERT INTO match_pair (workspace, bridge, books, entity, source_id, part, target_id,"
        f" key13, key, tier, score, state, reason) WITH {_LINKED},"
        " near AS (SELECT c.id AS mine, b.id AS theirs, c.email, k.target_id AS home"
        "   FROM match_pair k JOIN mirror c ON c.customer_id = k.source_id"
        f"   AND {_IN_USE.format('c', 'crm')} AND coalesce(c.email, '') <> ''"
        "   JOIN mirror b ON b.email = c.email AND b.customer_id = k.target_id"
        f"   AND {_IN_USE.format('b', 'books')}"
        "   WHERE k.workspace = %(ws)s AND k.bridge = %(bridge)s AND k.books = %(books)s"
        "   AND k.entity = %(known)s),"
        " told AS (SELECT DISTINCT ON (v.subject) v.subject, v.verdict FROM verdict v"
        "   WHERE v.workspace = %(ws)s AND starts_with(v.subject, %(on_pair)s)"
        "   ORDER BY v.subject, v.seq DESC),"
        " every AS (SELECT n.*, CASE WHEN l.mine IS NOT NULL OR r.theirs IS NOT NULL THEN 'taken'"
        "     WHEN t.verdict = 'different' THEN 'refused' ELSE '' END AS out FROM near n"
        "   LEFT JOIN (SELECT DISTINCT mine FROM linked) l ON l.mine = n.mine"
        "   LEFT JOIN (SELECT DISTINCT theirs FROM linked) r ON r.theirs = n.theirs"
        "   LEFT JOIN told t ON t.subject = %(on_pair)s || n.mine || ':' || n.theirs),"
        " counted AS (SELECT *, count(*) FILTER (WHERE out = '') OVER (PARTITION BY mine) AS there,"
        "   count(*) FILTER (WHERE out = '') OVER (PARTITION BY theirs) AS here FROM every)"
        " SELECT %(ws)s, %(bridge)s, %(books)s, 'contact', mine, 0, theirs, '', 'email', 0,"
        " CASE WHEN there < 2 AND here < 2 THEN %(alone)s ELSE %(several)s END,"
        " CASE WHEN out <> '' THEN out WHEN there < 2 AND here < 2 THEN 'matched'"
        " ELSE 'ambiguous' END,"
        " CASE WHEN there < 2 AND here < 2 THEN 'same address ' || email"
        " ELSE 'same address ' || email || ' as ' || greatest(there, here) - 1 || ' more' END"
        " FROM counted ON CONFLICT DO NOTHING",
        **place.values(),
        **words(place),
        crm=place.crm,
        company=company,
        known=KNOWN,
        alone=_ALONE,
        several=_SEVERAL,
    )


def people(tx: Tx, place: Place, connection: str, company: str) -> People:
    """The figures of one side's persons."""
    mine = connection == place.crm
    column, of, link = (
        ("source_id", "source_id", "mine") if mine else ("target_id", "target_id", "theirs")
    )
    row = tx.row(
        f"WITH {_LINKED}, every AS (SELECT c.id, coalesce(c.email, '') AS email, c.customer_id,"
        " CASE WHEN l.id IS NOT NULL THEN 'linked' WHEN bool_or(p.state = 'matched') THEN 'matched'"
        " WHEN bool_or(p.state = 'ambiguous') THEN 'ambiguous'"
        " WHEN coalesce(c.email, '') = '' THEN 'no_address'"
        " WHEN k.id IS NULL THEN 'no_customer' ELSE '' END AS what FROM mirror c"
        f" LEFT JOIN (SELECT DISTINCT {link} AS id FROM linked) l ON l.id = c.id"
        f" LEFT JOIN (SELECT DISTINCT {of} AS id FROM match_pair WHERE workspace = %(ws)s"
        "   AND bridge = %(bridge)s AND books = %(books)s AND entity = %(known)s) k"
        "   ON k.id = c.customer_id"
        " LEFT JOIN match_pair p ON p.workspace = %(ws)s AND p.bridge = %(bridge)s"
        f"   AND p.books = %(books)s AND p.entity = 'contact' AND p.{column} = c.id"
        f" WHERE {_IN_USE.format('c', 'side')}"
        " GROUP BY c.id, c.email, c.customer_id, l.id, k.id)"
        " SELECT count(*), count(*) FILTER (WHERE what = 'linked'),"
        " count(*) FILTER (WHERE what = 'matched'), count(*) FILTER (WHERE what = 'ambiguous'),"
        " count(*) FILTER (WHERE what = 'no_address'),"
        " count(*) FILTER (WHERE what = 'no_customer'),"
        " (SELECT count(*) FROM (SELECT 1 FROM every WHERE email <> '' GROUP BY email"
        "   HAVING count(DISTINCT customer_id) > 1) one) FROM every",
        **place.values(),
        crm=place.crm,
        side=connection,
        company=company,
        known=KNOWN,
    )
    assert row is not None, "counts come in one row"
    total, linked, matched, ambiguous, no_address, no_customer, shared = map(int, row)
    return People(
        total=total,
        linked=linked,
        matched=matched,
        ambiguous=ambiguous,
        no_address=no_address,
        no_customer=no_customer,
        shared=shared,
    )


def halves(tx: Tx, place: Place, company: str, ids: Sequence[str], sides: str) -> dict[str, str]:
    """
    With whom these persons are linked: id → the other half's. ``sides``: 'crm' for ids of the CRM.
    """
    key, half = ("mine", "theirs") if sides == "crm" else ("theirs", "mine")
    return {
        row[0]: row[1]
        for row in tx.rows(
            f"WITH {_LINKED} SELECT {key}, {half} FROM linked WHERE {key} = ANY(%(ids)s)"
            f" ORDER BY {key}, {half}",
            **place.values(),
            crm=place.crm,
            company=company,
            ids=list(ids),
        )
    }


def keep_one(
    tx: Tx,
    place: Place,
    state: SlotState,
    back: SlotState,
    target: ExternalRef,
    active: bool,
    now: datetime,
) -> None:
    """
    The two are one from now on: the link counts, whatever becomes of their addresses. It stands in
    the place in the books, whichever way persons go; ``back`` is the place of the other way.
    """
    slot_store.ensure_slot(tx, state, place.bridge, target.connection)
    slot_store.put_ref(tx, target, state.key13, state.generation, RefRole.CURRENT, ADOPTED, now)
    # Nothing is agreed yet: what is empty on one side is filled from the other.
    slot_store.put_link(
        tx,
        state.key13,
        wanted=Contact(),
        shown=Contact(active=active),
        known=True,
        predicted=None,
        config_version=0,
        now=now,
    )
    # What would make either of them anew, released or not, is not sent any more.
    for key13 in (state.key13, back.key13):
        adopting.supersede_waiting(tx, key13, now)
    tx.log("link.adopted", key13=state.key13, ref=str(target), by=ADOPTED)


def make_due(tx: Tx, place: Place, runs: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Persons by the flow that decides them, of those flows that run."""
    for flow, ids in sorted(runs.items()):
        pages.make_due(tx, f"{place.bridge}/{flow}/{place.books}", sorted(set(ids)), now)
