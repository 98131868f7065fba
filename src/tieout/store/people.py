"""What people look at and decide: exceptions, their answers, and where things stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout.core.model import ExternalRef
from tieout.store import alive, codec
from tieout.store.database import Tx

# --- exceptions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    An exception as people see it. ``number`` is shown as EX-31; ``deal`` as D-106. ``waiting``:
    the deals that a customer's exception keeps out of the books; ``amount`` is theirs then.
    ``sold``: the deal is won and was not deleted.
    """

    number: int
    code: str
    message: str
    hint: str
    lane: str
    source_id: str
    key13: str | None
    amount: Decimal | None
    currency: str
    owner: str
    tries: int
    opened_at: datetime
    tried_at: datetime
    closed_at: datetime | None
    closed_by: str
    closed_reason: str
    candidates: tuple[str, ...]
    details: Mapping[str, Any]
    deal: str
    customer: str
    title: str
    url: str
    waiting: tuple[str, ...] = ()
    sold: bool = True

    @property
    def name(self) -> str:
        return f"EX-{self.number}"


# What a change after booking is worth is its difference over all steps, not the whole deal.
_AMOUNT = (
    "coalesce((SELECT abs(sum(nullif(v #>> '{}', '')::numeric))"
    " FROM jsonb_path_query(e.details, '$.values[*].difference') v), e.amount)"
)

_CASES = (
    "SELECT e.number, e.code, e.message, e.hint, e.lane, e.source_id, e.key13,"
    f" {_AMOUNT},"
    " e.currency, e.owner, e.tries, e.opened_at, e.tried_at, e.closed_at,"
    " coalesce(e.closed_by, ''), coalesce(e.closed_reason, ''), e.candidates::text,"
    " e.details::text, coalesce(o.number, m.number, ''), coalesce(o.title, m.record->>'name', ''),"
    " coalesce(m.record->>'title', ''), coalesce(m.record->>'url', ''),"
    " coalesce(m.record->>'owner', ''), m.status = 'won' AND m.gone_at IS NULL"
    " FROM exception_case e LEFT JOIN LATERAL (SELECT number,"
    " title FROM outcome o WHERE o.workspace = e.workspace AND o.lane = e.lane"
    " AND o.source_id = e.source_id ORDER BY (o.key13 = e.key13) DESC NULLS LAST, o.part LIMIT 1)"
    " o ON true LEFT JOIN mirror m ON m.workspace = e.workspace AND m.connection = %(crm)s"
    " AND m.entity = CASE WHEN split_part(e.lane, '/', 2) IN ('customers', 'balances', 'accounts')"
    " THEN 'customer' ELSE 'deal' END AND m.id = e.source_id"
    " WHERE e.workspace = %(ws)s AND e.bridge = %(bridge)s"
)


def _case(row: Sequence[Any]) -> Case:
    details = codec.decode_loose(row[17])
    return Case(
        number=row[0],
        code=row[1],
        message=row[2],
        hint=row[3],
        lane=row[4],
        source_id=row[5],
        key13=row[6],
        amount=row[7],
        currency=row[8],
        owner=row[9] or row[22],
        tries=row[10],
        opened_at=row[11],
        tried_at=row[12],
        closed_at=row[13],
        closed_by=row[14],
        closed_reason=row[15],
        candidates=tuple(codec.decode_loose(row[16])),
        details=details,
        deal=row[18] or details.get("number", ""),
        customer=row[19] or details.get("title", ""),
        title=row[20],
        url=row[21],
        sold=row[23] is not False,
    )


def open_cases(tx: Tx, bridge: str, crm: str) -> list[Case]:
    """Open exceptions of a bridge, oldest first."""
    found = [
        _case(row)
        for row in tx.rows(
            f"{_CASES} AND e.closed_at IS NULL ORDER BY e.number", bridge=bridge, crm=crm
        )
    ]
    return _with_waiting(tx, bridge, found)


def _with_waiting(tx: Tx, bridge: str, found: list[Case]) -> list[Case]:
    """A customer that was refused keeps its deals' documents waiting: they are said with it."""
    keys = [one.key13 for one in found if one.key13 is not None and one.amount is None]
    if not keys:
        return found
    behind: dict[str, list[tuple[str, Decimal | None, str]]] = {}
    for key13, number, net, currency in tx.rows(
        "SELECT p.depends_on, o.number, o.net, o.currency FROM operation p JOIN outcome o"
        " ON o.workspace = p.workspace AND o.key13 = p.key13 WHERE p.workspace = %(ws)s"
        " AND p.bridge = %(bridge)s AND p.state = 'ready' AND p.depends_on = ANY(%(keys)s)"
        " ORDER BY p.depends_on, o.number, o.part",
        bridge=bridge,
        keys=keys,
    ):
        behind.setdefault(key13, []).append((number, net, currency))
    return [_behind(one, behind.get(one.key13 or "", [])) for one in found]


def _behind(one: Case, rows: Sequence[tuple[str, Decimal | None, str]]) -> Case:
    if not rows:
        return one
    waiting = tuple(dict.fromkeys(number for number, _, _ in rows))
    currencies = {currency for _, _, currency in rows}
    if len(currencies) > 1:
        return replace(one, waiting=waiting)
    total = sum((net for _, net, _ in rows if net is not None), Decimal(0))
    return replace(one, waiting=waiting, amount=total, currency=currencies.pop())


def held_for(
    tx: Tx, lane: str, source_id: str, code: str, *, sold: bool = True
) -> list[tuple[str, Decimal | None]]:
    """
    The steps of a deal that are held for this reason, in order: place, and what of their net no
    live document in the books stands for, as it was written. Of a deal that is not ``sold`` any
    more nothing is wanted, so that it is what stands there, against it.
    """
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT o.key13, CASE WHEN %(sold)s THEN o.net ELSE 0.00 END - coalesce((SELECT"
            " sum(coalesce((l.shown->'totals'->>'net')::numeric, m.net)) FROM ref r JOIN mirror m"
            " ON m.workspace = r.workspace AND m.connection = r.connection"
            " AND m.entity = r.entity AND m.id = r.id LEFT JOIN link l"
            " ON l.workspace = r.workspace AND l.key13 = r.key13 WHERE r.workspace = o.workspace"
            " AND r.key13 = o.key13 AND r.role = 'current' AND m.gone_at IS NULL"
            " AND m.currency = o.currency), 0) FROM outcome o WHERE o.workspace = %(ws)s"
            " AND o.lane = %(lane)s AND o.source_id = %(source)s AND o.verdict = 'hold'"
            " AND o.reason = %(code)s AND o.key13 IS NOT NULL ORDER BY o.part",
            lane=lane,
            source=source_id,
            code=code,
            sold=sold,
        )
    ]


def case(tx: Tx, bridge: str, crm: str, number: int) -> Case | None:
    """The exception of that number, open or closed."""
    row = tx.row(f"{_CASES} AND e.number = %(number)s", bridge=bridge, crm=crm, number=number)
    return None if row is None else _with_waiting(tx, bridge, [_case(row)])[0]


def closed_since(tx: Tx, bridge: str, since: datetime) -> int:
    """How many exceptions were closed since."""
    row = tx.row(
        "SELECT count(*) FROM exception_case WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND closed_at >= %(since)s",
        bridge=bridge,
        since=since,
    )
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTotal:
    """
    Open exceptions: how many, the oldest, and their amounts by currency, each deal once; of a
    customer that was refused these are the deals that wait behind it. ``without_amount``: how many
    keep no deal out of the books that is known.
    """

    number: int = 0
    amounts: tuple[tuple[Decimal, str], ...] = ()
    oldest: datetime | None = None
    without_amount: int = 0


_OPEN = "e.workspace = %(ws)s AND e.bridge = %(bridge)s AND e.closed_at IS NULL"
_BEHIND = (
    " FROM exception_case e JOIN operation p ON p.workspace = e.workspace"
    " AND p.bridge = e.bridge AND p.state = 'ready' AND p.depends_on = e.key13"
    " JOIN outcome o ON o.workspace = p.workspace AND o.key13 = p.key13"
    f" WHERE {_OPEN} AND e.amount IS NULL"
)


def open_total(tx: Tx, bridge: str) -> OpenTotal:
    """What the open exceptions of a bridge come to."""
    row = tx.row(
        "SELECT count(*), min(e.opened_at), count(*) FILTER (WHERE e.amount IS NULL"
        f" AND e.number NOT IN (SELECT e.number {_BEHIND})) FROM exception_case e WHERE {_OPEN}",
        bridge=bridge,
    )
    assert row is not None
    sums = tx.rows(
        "SELECT sum(amount), currency FROM (SELECT source_id, currency, max(amount) AS amount"
        f" FROM (SELECT source_id, currency, {_AMOUNT} AS amount FROM exception_case e"
        f" WHERE {_OPEN} AND amount IS NOT NULL"
        " UNION ALL SELECT source_id, currency, sum(net) FROM (SELECT DISTINCT o.source_id,"
        f" o.part, o.currency, o.net {_BEHIND}) AS steps GROUP BY source_id, currency) AS known"
        " WHERE currency <> '' GROUP BY source_id, currency) AS each GROUP BY currency"
        " ORDER BY count(*) DESC, currency",
        bridge=bridge,
    )
    return OpenTotal(
        number=int(row[0]),
        amounts=tuple((value, currency) for value, currency in sums if value is not None),
        oldest=row[1],
        without_amount=int(row[2]),
    )


def close_case(tx: Tx, number: int, who: str, reason: str, now: datetime) -> bool:
    """Closes an open exception with a name and a reason; False where it is closed already."""
    done = tx.run(
        "UPDATE exception_case SET closed_at = %(now)s, closed_by = %(who)s,"
        " closed_reason = %(reason)s WHERE workspace = %(ws)s AND number = %(number)s"
        " AND closed_at IS NULL",
        number=number,
        who=who,
        reason=reason,
        now=now,
    )
    if done:
        tx.log("exception.dismissed", number=number, who=who, reason=reason)
    return bool(done)


def add_verdict(
    tx: Tx,
    subject: str,
    verdict: str,
    refs: Sequence[object],
    who: str,
    reason: str,
    now: datetime,
) -> None:
    """A person's word, kept for good; the newest on a subject counts."""
    tx.run(
        "INSERT INTO verdict (workspace, seq, subject, verdict, refs, who, reason, at) VALUES"
        " (%(ws)s, %(seq)s, %(subject)s, %(verdict)s, %(refs)s, %(who)s, %(reason)s, %(now)s)",
        seq=tx.number("verdict"),
        subject=subject,
        verdict=verdict,
        refs=codec.encode_text(list(refs)),
        who=who,
        reason=reason,
        now=now,
    )
    tx.log("verdict", subject=subject, verdict=verdict, refs=list(refs), who=who, reason=reason)


def set_slot_verdict(tx: Tx, key13: str, verdict: str) -> bool:
    """'make_new' or 'leave_out' on a place; False where the place was never used."""
    return bool(
        tx.run(
            "UPDATE slot SET verdict = %(verdict)s WHERE workspace = %(ws)s AND key13 = %(key13)s",
            key13=key13,
            verdict=verdict,
        )
    )


def items_of_books(tx: Tx, books: str) -> list[tuple[str, str]]:
    """Numbers and names of the items that can be sold in these books."""
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT number, record->>'name' FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(books)s AND entity = 'item' AND gone_at IS NULL"
            " AND coalesce((record->>'active')::boolean, true) ORDER BY number",
            books=books,
        )
    ]


def codes_of_books(tx: Tx, books: str, kind: str) -> list[tuple[str, str]]:
    """Codes and names of a kind (such as 'terms') in these books."""
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT record->>'code', record->>'name' FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(books)s AND entity = 'code' AND kind = %(kind)s"
            " AND gone_at IS NULL ORDER BY 1",
            books=books,
            kind=kind,
        )
    ]


def customer_of_deal(tx: Tx, crm: str, deal: str) -> str | None:
    """The CRM's id of a deal's customer."""
    row = tx.row(
        "SELECT customer_id FROM mirror WHERE workspace = %(ws)s AND connection = %(crm)s"
        " AND entity = 'deal' AND id = %(id)s",
        crm=crm,
        id=deal,
    )
    return None if row is None else row[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDeal:
    """A deal of the CRM that a word names, with its customer there."""

    id: str
    name: str
    customer: str


def deals_named(tx: Tx, crm: str, word: str) -> list[NamedDeal]:
    """Deals of the CRM by number, id or title, in any case."""
    return [
        NamedDeal(id=row[0], name=row[1] or row[3] or row[0], customer=row[2] or "")
        for row in tx.rows(
            "SELECT id, number, customer_id, record->>'title' FROM mirror"
            " WHERE workspace = %(ws)s"
            " AND connection = %(crm)s AND entity = 'deal' AND gone_at IS NULL"
            " AND (id = %(word)s OR lower(number) = lower(%(word)s)"
            " OR lower(record->>'title') = lower(%(word)s)) ORDER BY id LIMIT 20",
            crm=crm,
            word=word,
        )
    ]


def waiting_behind(tx: Tx, key13: str) -> list[tuple[str, str]]:
    """Whose writes wait for the record of a place: (lane, source)."""
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT DISTINCT lane, source_id FROM operation WHERE workspace = %(ws)s"
            " AND depends_on = %(key)s AND state IN ('ready', 'awaiting_approval')"
            " ORDER BY lane, source_id",
            key=key13,
        )
    ]


def called(tx: Tx, key13: str) -> str:
    """What people call the deal, customer or person of a place, as it was decided last; or ''."""
    row = tx.row(
        "SELECT coalesce(nullif(number, ''), nullif(title, ''), source_id) FROM outcome"
        " WHERE workspace = %(ws)s AND key13 = %(key)s ORDER BY lane, part LIMIT 1",
        key=key13,
    )
    return str(row[0]) if row else ""


def dead_steps(tx: Tx, lanes: Sequence[str], source_id: str) -> list[tuple[str, int]]:
    """Billing steps of a won deal whose document was credited in full or voided: (lane, part)."""
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT lane, part FROM outcome WHERE workspace = %(ws)s AND lane = ANY(%(lanes)s)"
            " AND source_id = %(source)s AND verdict = 'nothing'"
            " AND reason IN ('credited', 'cancelled') ORDER BY lane, part",
            lanes=list(lanes),
            source=source_id,
        )
    ]


def in_books(tx: Tx, books: str, entity: str, word: str) -> list[tuple[str, str, str, str]]:
    """Records that this word names, by id or number: (id, number, name, kind)."""
    return [
        (row[0], row[1], row[2] or "", row[3])
        for row in tx.rows(
            "SELECT id, number, coalesce(record->>'name', record->>'customer_name', ''), kind"
            " FROM mirror WHERE workspace = %(ws)s AND connection = %(books)s"
            " AND entity = %(entity)s AND (id = %(word)s OR number = %(word)s"
            " OR split_part(id, ':', 2) = %(word)s) ORDER BY gone_at NULLS FIRST, id",
            books=books,
            entity=entity,
            word=word,
        )
    ]


def names_in_books(tx: Tx, books: str, entity: str, ids: Sequence[str]) -> list[tuple[str, ...]]:
    """What people call these records: (id, number, name, status, net, currency, day)."""
    return [
        tuple("" if value is None else str(value) for value in row)
        for row in tx.rows(
            "SELECT id, number, coalesce(record->>'name', record->>'customer_name', ''), status,"
            " net, currency, day FROM mirror WHERE workspace = %(ws)s AND connection = %(books)s"
            " AND entity = %(entity)s AND id = ANY(%(ids)s) ORDER BY id",
            books=books,
            entity=entity,
            ids=list(ids),
        )
    ]


def forget_due(tx: Tx, lane: str, source_id: str) -> None:
    """A held source is not looked at again by itself: something has to change first."""
    tx.run(
        "DELETE FROM due WHERE workspace = %(ws)s AND lane = %(lane)s AND source_id = %(id)s"
        " AND parked = 'hold'",
        lane=lane,
        id=source_id,
    )


def settle_doubt(tx: Tx, key13: str, state: str, detail: str, now: datetime) -> str | None:
    """
    A person's answer ends a doubt: 'applied', 'unknown' (looked up once more, with the answer in
    mind) or 'superseded' (decided anew). The operation's id, or None where there is no doubt.
    """
    row = tx.row(
        "UPDATE operation SET state = %(state)s, detail = %(detail)s, updated_at = %(now)s,"
        " next_look_at = CASE WHEN %(state)s = 'unknown' THEN %(now)s::timestamptz END"
        " WHERE workspace = %(ws)s AND key13 = %(key13)s AND state = 'doubt' RETURNING id",
        key13=key13,
        state=state,
        detail=detail,
        now=now,
    )
    if row is None:
        return None
    if state != "unknown":
        tx.run(
            "UPDATE attempt SET result = %(result)s, answered_at = %(now)s"
            " WHERE workspace = %(ws)s AND operation = %(id)s AND result = 'open'",
            result="effect_seen" if state == "applied" else "expired",
            id=row[0],
            now=now,
        )
    tx.log("operation.answered", operation=row[0], state=state, detail=detail)
    return str(row[0])


# Of what a look could not tell: a write is in doubt until a person answers it.
_DOUBTS = frozenset({"two_carriers", "near_hit", "absent_three_times"})


def waits_for_answer(tx: Tx, key13: str | None, code: str) -> bool:
    """Whether a write of that place is in doubt and an exception of that code asks about it."""
    if key13 is None or code not in _DOUBTS:
        return False
    row = tx.row(
        "SELECT 1 FROM operation WHERE workspace = %(ws)s AND key13 = %(key13)s"
        " AND state = 'doubt'",
        key13=key13,
    )
    return row is not None


def is_gone(tx: Tx, ref: ExternalRef) -> bool:
    """Whether a record was last seen to be missing."""
    row = tx.row(
        "SELECT 1 FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s AND gone_at IS NOT NULL",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
    )
    return row is not None


def was_sent(tx: Tx, key13: str | None) -> bool:
    """Whether anything was ever sent for a place, or a record stands in it."""
    row = tx.row(
        "SELECT EXISTS (SELECT 1 FROM ref WHERE workspace = %(ws)s AND key13 = %(key13)s)"
        " OR EXISTS (SELECT 1 FROM operation WHERE workspace = %(ws)s AND key13 = %(key13)s"
        " AND first_sent_at IS NOT NULL)",
        key13=key13,
    )
    return bool(row and row[0])


def undecided(tx: Tx, bridge: str, crm: str) -> tuple[int, list[tuple[Decimal, str]]]:
    """Won deals that were read and never decided, with their amounts: no figure has them."""
    rows = tx.rows(
        "SELECT m.currency, count(*), sum(m.net) FROM mirror m WHERE m.workspace = %(ws)s"
        " AND m.connection = %(crm)s AND m.entity = 'deal' AND m.status = 'won'"
        " AND m.gone_at IS NULL AND NOT EXISTS (SELECT 1 FROM outcome o"
        " WHERE o.workspace = m.workspace AND o.source_id = m.id"
        " AND starts_with(o.lane, %(prefix)s)) GROUP BY m.currency ORDER BY m.currency",
        crm=crm,
        prefix=f"{bridge}/documents/",
    )
    return sum(row[1] for row in rows), [(row[2] or Decimal("0.00"), row[0]) for row in rows]


def forget_base(tx: Tx, key13: str) -> None:
    """Nobody knows any more what both sides agreed on: the next decision compares them."""
    tx.run("DELETE FROM link WHERE workspace = %(ws)s AND key13 = %(key13)s", key13=key13)


# --- approvals and status ------------------------------------------------------------------------


def last_runs(tx: Tx, bridge: str) -> dict[str, Any] | None:
    """The newest run of a bridge that came to its end, and when one began."""
    row = tx.row(
        "SELECT number, started_at, finished_at, state FROM run WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND finished_at IS NOT NULL ORDER BY number DESC LIMIT 1",
        bridge=bridge,
    )
    if row is None:
        return None
    return {"number": row[0], "started_at": row[1], "finished_at": row[2], "state": row[3]}


def broken_off(tx: Tx, bridge: str) -> tuple[int, datetime] | None:
    """The newest run, and when it began, where it did not come to its end; else None."""
    row = tx.row(
        "SELECT number, started_at, finished_at FROM run WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s ORDER BY number DESC LIMIT 1",
        bridge=bridge,
    )
    return None if row is None or row[2] is not None else (row[0], row[1])


def working_now(tx: Tx, bridge: str, now: datetime) -> tuple[str, datetime] | None:
    """Which process works on a bridge now, since when; None where nobody does, or it is gone."""
    row = tx.row(
        "SELECT lease_process, lease_since FROM bridge WHERE workspace = %(ws)s"
        " AND name = %(bridge)s AND lease_holder IS NOT NULL AND lease_until > %(now)s",
        bridge=bridge,
        now=now,
    )
    if row is None or alive.is_gone(row[0]):
        return None
    return alive.shown(row[0]), row[1]


def unanswered(tx: Tx, bridge: str) -> list[dict[str, Any]]:
    """Writes whose outcome is unknown and is being looked up, oldest first."""
    return [
        {"number": row[0], "title": row[1], "net": row[2], "currency": row[3], "since": row[4]}
        for row in tx.rows(
            "SELECT coalesce(c.number, ''), coalesce(c.title, ''), o.net, o.currency,"
            " o.first_sent_at FROM operation o LEFT JOIN outcome c ON c.workspace = o.workspace"
            " AND c.lane = o.lane AND c.source_id = o.source_id AND c.key13 = o.key13"
            " WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
            " AND o.state IN ('unknown', 'confirming', 'doubt') ORDER BY o.first_sent_at, o.id",
            bridge=bridge,
        )
    ]


def by_verdict(tx: Tx, bridge: str) -> dict[str, int]:
    """Sources of the bridge's documents by what became of them."""
    return {
        row[0]: row[1]
        for row in tx.rows(
            "SELECT verdict, count(*) FROM outcome WHERE workspace = %(ws)s"
            " AND starts_with(lane, %(prefix)s) GROUP BY verdict ORDER BY verdict",
            prefix=f"{bridge}/documents/",
        )
    }


def known_days(tx: Tx, crm: str, books: str) -> tuple[date | None, date | None]:
    """The first and last day of won deals and booked documents."""
    row = tx.row(
        "SELECT min(day), max(day) FROM mirror WHERE workspace = %(ws)s AND gone_at IS NULL"
        " AND ((connection = %(crm)s AND entity = 'deal' AND status = 'won')"
        " OR (connection = %(books)s AND entity = 'document' AND kind IN ('invoice',"
        " 'credit_note')))",
        crm=crm,
        books=books,
    )
    return (None, None) if row is None else (row[0], row[1])


def month_ago(now: datetime) -> datetime:
    """30 days before."""
    return now - timedelta(days=30)
