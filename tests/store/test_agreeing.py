"""The tie-out is the same whether what agrees was added up in SQL or walked step by step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from support.database import database
from support.fakes import START, ManualClock
from tieout.core.ledger_list import Period
from tieout.core.model import Company, Document, DocumentKind, ExternalRef, Totals
from tieout.core.tieout import RowKind, TieOut
from tieout.services.reconcile import Scale, reconcile
from tieout.store.database import BlockingRunner, Tx, blocking_engine
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace

NEVER = Scale(steps=10**9)
ROWS = Scale(steps=0, rows=10**9)
SUMS = Scale(steps=0, rows=0)
MONTH = Period(start=date(2026, 10, 1), end=date(2026, 10, 31))
CUT_OFF = date(2026, 11, 10)
LANE = "nordic/documents/books"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with database("agreeing") as url:
        made = blocking_engine(url)
        yield made
        made.dispose()


def _case(chance: Random, number: int) -> dict[str, Any]:
    """A deal with its invoice, plain; every second one with something that is not."""
    closed = date(2026, 8, 20) + timedelta(days=chance.randrange(80))
    net = Decimal(chance.randrange(20_000, 900_000)) / 100
    case: dict[str, Any] = {
        "id": f"D{number:05d}",
        "key": f"K{number:011d}D",
        "closed": closed,
        "won": True,
        "currency": "SEK",
        "net": net,
        "verdict": "nothing",
        "reason": "booked",
        "predicted": net,
        "doc": {
            "id": f"invoice:{number:05d}",
            "kind": "invoice",
            "status": "booked",
            "net": net,
            "day": closed + timedelta(days=chance.randrange(20)),
            "gone": False,
            "paid": chance.choice((None, Decimal("0.00"), "all")),
            "paid_on": closed + timedelta(days=chance.randrange(60)),
            "history": chance.choice(("plain", "plain", "plain", "no day", "named")),
            "credited": None,
            "base": chance.choice((None, "same")),
            "rate": chance.choice((None, Decimal(1))),
            "shown": "same",
            "currency": "SEK",
            "gross": round(net * Decimal("1.25"), 2),
        },
        "ledger": "same",
        "former": None,
        "credit": None,
        "exception": "",
        "operation": "",
        "second_part": False,
        "deal_gone": False,
    }
    if chance.random() < 0.5:
        _spoil(case, chance)
    return case


def _spoil(case: dict[str, Any], chance: Random) -> None:
    doc = case["doc"]
    off = Decimal(chance.choice((-500, -1, 1, 700))) / 100
    spoil = {
        "net": lambda: doc.update(net=case["net"] + off),
        "sold": lambda: case.update(net=case["net"] + off),
        "predicted": lambda: case.update(predicted=case["net"] + Decimal("0.01")),
        "no prediction": lambda: case.update(predicted=None),
        "draft": lambda: doc.update(kind="draft", status="draft"),
        "cancelled": lambda: doc.update(status="cancelled"),
        "gone": lambda: doc.update(gone=True),
        "late": lambda: doc.update(day=CUT_OFF + timedelta(days=3)),
        "no day": lambda: doc.update(day=None),
        "part paid": lambda: doc.update(paid=Decimal("100.00")),
        "credited": lambda: doc.update(credited=Decimal("50.00")),
        "base differs": lambda: doc.update(base=doc["net"] + off),
        "edited": lambda: doc.update(shown=doc["net"] - Decimal("3.00")),
        "ledger": lambda: case.update(ledger=chance.choice(("missing", "other", "other day"))),
        "former": lambda: case.update(former=chance.choice(("merged", "alive"))),
        "credit": lambda: case.update(credit=chance.choice((Decimal("10.00"), doc["net"]))),
        "exception": lambda: case.update(exception="changed_after_booking"),
        "operation": lambda: case.update(operation=chance.choice(("ready", "unknown", "found"))),
        "second part": lambda: case.update(second_part=True),
        "lost": lambda: case.update(won=False),
        "deal gone": lambda: case.update(deal_gone=True),
        "held": lambda: case.update(verdict="hold", reason="item_no_code"),
        "excluded": lambda: case.update(verdict="skip", reason="left_out"),
        "trigger": lambda: case.update(reason="trigger_not_yet_true"),
        "approval": lambda: case.update(verdict="approval", reason="above"),
        "foreign": lambda: case.update(currency="EUR"),
        "all foreign": lambda: (case.update(currency="EUR"), doc.update(currency="EUR")),
        "rate": lambda: doc.update(rate=Decimal("1.1")),
        "no key": lambda: case.update(key=None),
        "paid in parts": lambda: doc.update(paid="all", history="parts"),
        "paid again": lambda: doc.update(paid="all", history="again"),
        "returned": lambda: doc.update(paid=Decimal(0), history="returned"),
        "named in parts": lambda: doc.update(paid="all", history="named parts"),
        "small": lambda: doc.update(gross=Decimal("0.40"), paid=Decimal(0)),
    }
    spoil[chance.choice(sorted(spoil))]()


def _fill(tx: Tx, cases: list[dict[str, Any]]) -> None:
    for case in cases:
        doc = case["doc"]
        _mirror(
            tx,
            "crm",
            "deal",
            case["id"],
            status="won" if case["won"] else "lost",
            day=case["closed"],
            gone=case["deal_gone"],
            record={"title": case["id"]},
        )
        parts = (1, 2) if case["second_part"] else (1,)
        for part in parts:
            tx.bulk(
                "INSERT INTO outcome (workspace, lane, source_id, part, verdict, reason, message,"
                " key13, number, title, customer_id, net, currency, predicted_net, line_count,"
                " decided_at) SELECT %(ws)s, %(lane)s, r.id, r.part, r.verdict, r.reason, 'so it"
                " is', r.key, r.id, 'Customer', 'C1', r.net, r.currency, r.predicted, 1, %(now)s"
                " FROM {rows}",
                "id text, part integer, verdict text, reason text, key text, net numeric,"
                " currency text, predicted numeric",
                [
                    {
                        **{n: case[n] for n in ("id", "verdict", "reason", "net", "currency")},
                        "key": case["key"] if part == 1 else None,
                        "predicted": case["predicted"],
                        "part": part,
                    }
                ],
                lane=LANE,
                now=START,
            )
        paid = doc["gross"] if doc["paid"] == "all" else doc["paid"]
        base = doc["net"] if doc["base"] == "same" else doc["base"]
        record: dict[str, Any] = {"lines": [1], "customer_name": "Customer"}
        record |= {"paid": paid, "credited": doc["credited"], "rate": doc["rate"]}
        record |= {"base_totals": None if base is None else {"net": base}}
        record |= {"payments": _payments(doc, paid)}
        _mirror(
            tx,
            "books",
            "document",
            doc["id"],
            status=doc["status"],
            day=doc["day"],
            kind=doc["kind"],
            net=doc["net"],
            gross=doc["gross"],
            gone=doc["gone"],
            currency=doc["currency"],
            number=case["id"][1:],
            record=record,
        )
        _amounts(tx, doc, paid)
        if case["credit"] is not None:
            _mirror(
                tx,
                "books",
                "document",
                f"invoice:c{case['id']}",
                status="booked",
                day=doc["day"] or CUT_OFF,
                kind="credit_note",
                net=case["credit"],
                gross=case["credit"],
                currency="SEK",
                number=f"9{case['id'][1:]}",
                parent=doc["id"],
                record={},
            )
        if case["key"] is not None:
            _link(tx, case)


def _payments(doc: dict[str, Any], paid: Decimal | None) -> list[dict[str, Any]]:
    """The payments as the books name them, where they do."""
    if not paid or not doc["history"].startswith("named"):
        return []
    parts = [paid] if doc["history"] == "named" else [paid - 10, Decimal(10)]
    days = [doc["paid_on"] + timedelta(days=20 * n) for n in range(len(parts))]
    return [{"on": on, "amount": part} for on, part in zip(days, parts, strict=True)]


def _amounts(tx: Tx, doc: dict[str, Any], paid: Decimal | None) -> None:
    """What each reading told of the money, as `store.pages` keeps it."""
    day, part = doc["paid_on"], Decimal(10)
    readings = {
        "parts": [(part, day - timedelta(days=10)), (paid, day)],
        "again": [(paid, day - timedelta(days=10)), (Decimal(0), None), (paid, day)],
        "returned": [(part, day), (Decimal(0), None)],
        "no day": [(paid, None)],
    }.get(doc["history"], [(paid, day if paid else None)])
    tx.bulk(
        "INSERT INTO mirror_amount (workspace, connection, entity, id, seq, seen_at, version, kind,"
        " status, currency, paid, paid_on) SELECT %(ws)s, 'books', 'document', r.id, r.seq,"
        " r.seen_at, '', '', '', '', r.paid, r.paid_on FROM {rows}",
        "id text, seq integer, seen_at timestamptz, paid numeric, paid_on date",
        [
            {"id": doc["id"], "seq": n, "seen_at": _noon(day, n), "paid": sum_, "paid_on": on}
            for n, (sum_, on) in enumerate([(Decimal(0), None), *readings], start=1)
        ],
    )


def _noon(day: date, number: int) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=number)


def _link(tx: Tx, case: dict[str, Any]) -> None:
    key, doc = case["key"], case["doc"]
    tx.run(
        "INSERT INTO slot (workspace, key13, crm_org, source_id, company, kind, part, connection,"
        " bridge, generation) VALUES (%(ws)s, %(key)s, 'org', %(id)s, 'co', 'D', 1, 'books',"
        " 'nordic', 0)",
        key=key,
        id=case["id"],
    )
    refs = [(doc["id"], "current")]
    if case["former"]:
        old = f"draft:{case['id']}"
        refs.append((old, "former"))
        merged = doc["id"] if case["former"] == "merged" else None
        _mirror(
            tx,
            "books",
            "document",
            old,
            status="draft",
            kind="draft",
            net=doc["net"],
            gross=doc["gross"],
            currency="SEK",
            gone=True,
            merged=merged,
            record={},
        )
    for ref, role in refs:
        tx.run(
            "INSERT INTO ref (workspace, connection, entity, id, key13, generation, role,"
            " found_by, since) VALUES (%(ws)s, 'books', 'document', %(ref)s, %(key)s, 0, %(role)s,"
            " 'answer', %(now)s)",
            ref=ref,
            key=key,
            role=role,
            now=START,
        )
    shown = doc["net"] if doc["shown"] == "same" else doc["shown"]
    tx.bulk(
        "INSERT INTO link (workspace, key13, shown, base_known, config_version, revision,"
        " updated_at) SELECT %(ws)s, r.key, r.shown, true, 1, 1, %(now)s FROM {rows}",
        "key text, shown jsonb",
        [{"key": key, "shown": {"totals": {"net": shown}, "lines": [2], "version": "1"}}],
        now=START,
    )
    if case["operation"]:
        found = case["operation"] == "found"
        tx.run(
            "INSERT INTO operation (workspace, id, bridge, lane, connection, key13, key, source_id,"
            " entity, action, generation, seq, state, payload_rev, want_digest, config_version,"
            " first_sent_at, detail, created_at, updated_at) VALUES (%(ws)s, %(id)s, 'nordic',"
            " %(lane)s, 'books', %(key)s, %(key)s || '1', %(id)s, 'document', 'create', 0, 0,"
            " %(state)s, 1, '', 1, %(sent)s, %(detail)s, %(sent)s, %(now)s)",
            id=case["id"],
            lane=LANE,
            key=key,
            state="applied" if found else case["operation"],
            detail="key" if found else "",
            sent=START - timedelta(days=40),
            now=START,
        )
    if case["exception"]:
        tx.run(
            "INSERT INTO exception_case (workspace, number, bridge, lane, source_id, key13, code,"
            " message, hint, severity, candidates, details, tries, opened_at, tried_at) VALUES"
            " (%(ws)s, %(number)s, 'nordic', %(lane)s, %(id)s, %(key)s, %(code)s, 'changed', '',"
            " 'error', '[]', '{}', 1, %(now)s, %(now)s)",
            number=int(case["id"][1:]) + 1,
            lane=LANE,
            id=case["id"],
            key=key,
            code=case["exception"],
            now=START,
        )


def _mirror(tx: Tx, connection: str, entity: str, key: str, **facts: Any) -> None:
    tx.bulk(
        "INSERT INTO mirror (workspace, connection, entity, id, content_hash, seen_at, gone_at,"
        " gone_certain, merged_into, parent_id, kind, number, status, day, currency, net, gross,"
        " record) SELECT %(ws)s, r.connection, r.entity, r.id, '', %(now)s,"
        " CASE WHEN r.gone THEN %(now)s::timestamptz END, r.gone, r.merged, r.parent,"
        " coalesce(r.kind, ''), coalesce(r.number, ''), r.status, r.day, coalesce(r.currency, ''),"
        " r.net, r.gross, r.record FROM {rows}",
        "connection text, entity text, id text, gone boolean, merged text, parent text, kind text,"
        " number text, status text, day date, currency text, net numeric, gross numeric,"
        " record jsonb",
        [{"connection": connection, "entity": entity, "id": key, "gone": False, **facts}],
        now=START,
    )


class Books:
    """The ledger's own list, as these cases have it."""

    def __init__(self, cases: list[dict[str, Any]]) -> None:
        self._cases = cases

    async def ledger(self, first: date, last: date) -> AsyncIterator[list[Document]]:
        for case in self._cases:
            doc, told = case["doc"], case["ledger"]
            if doc["kind"] != "invoice" or doc["day"] is None or told == "missing":
                continue
            day = doc["day"] + timedelta(days=33 if told == "other day" else 0)
            if not first <= day <= last:
                continue
            net = doc["net"] + (Decimal("2.00") if told == "other" else 0)
            tax = round(net / 4, 2)
            yield [
                Document(
                    ref=ExternalRef("books", "document", doc["id"]),
                    kind=DocumentKind.INVOICE,
                    number=case["id"][1:],
                    issue_date=day,
                    currency="SEK",
                    totals=Totals(currency="SEK", net=net, tax=tax, gross=net + tax),
                )
            ]


def _policy() -> tuple[Any, Any]:
    book = SimpleNamespace(connection="books", base_currency="SEK", time_zone="Europe/Stockholm")
    rules = SimpleNamespace(rate=None, threshold=Decimal(0), definitions=(), sold_amount="lines")
    documents = SimpleNamespace(instalments=None)
    policy = SimpleNamespace(name="nordic", crm="crm", version=1, books=(book,))
    return SimpleNamespace(**vars(policy), reconcile=rules, documents=documents), book


def _reconciled(store: PostgresStore, books: Books | None, scale: Scale) -> TieOut:
    policy, book = _policy()
    company = Company(id="co", name="Books AB", country="SE", currency="SEK")
    done = reconcile(
        store,
        policy,
        book,
        company,
        period=MONTH,
        cut_off=CUT_OFF,
        now=START,
        connector=books,  # type: ignore[arg-type]
        scale=scale,
    )
    return asyncio.run(done).tie_out


def _paid_in_the_end(cases: list[dict[str, Any]]) -> Decimal:
    closed = [c for c in cases if c["closed"] in MONTH and c["won"] and not c["deal_gone"]]
    return sum((c["net"] for c in closed if c["doc"]["paid"] == "all"), Decimal(0))


@pytest.mark.parametrize("seed", range(4))
def test_what_was_added_up_is_what_the_walk_says(engine: Engine, seed: int) -> None:
    workspace = f"agreeing-{seed}"
    with engine.begin() as conn:
        ensure_workspace(workspace, workspace, START)(conn)
    clock = ManualClock()
    ids: Any = SimpleNamespace(new=lambda kind: "")
    store = PostgresStore(BlockingRunner(engine), workspace=workspace, ids=ids, clock=clock)
    chance = Random(seed)
    cases = [_case(chance, number) for number in range(250)]
    asyncio.run(store.do(lambda tx: _fill(tx, cases)))
    for books in (Books(cases), None):
        walked = _reconciled(store, books, NEVER)
        assert _reconciled(store, books, ROWS) == walked

        summed = _reconciled(store, books, SUMS)
        assert sum(row.steps for row in summed.rows if row.kind is RowKind.AGREED) > 20
        assert summed.deal_count == walked.deal_count
        assert summed.paid == walked.paid
        # Some of it was paid after the cut-off, and does not count yet.
        assert 0 < walked.paid < _paid_in_the_end(cases)
        assert [r for r in summed.rows if not r.agrees] == [r for r in walked.rows if not r.agrees]
        # All else is the same to the cent, also the lines of the period and net to gross.
        assert replace(summed, rows=()) == replace(walked, rows=())
        for name in ("sold", "invoiced", "gap", "unexplained"):
            assert getattr(summed, name) == getattr(walked, name), name
