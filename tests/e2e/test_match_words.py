"""Words of people on what matching found: contradictions, bad files, and a write at that moment."""

from __future__ import annotations

import asyncio
import csv
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.test_first_connection import CONFIGURED, file_of, invoice, known, look, said, write
from support.october import moment
from support.real_pair import BOOKS, RealPair
from tieout.engine.places import document_slot
from tieout.services import match_deciding
from tieout.services.configuration import ConfigurationProblems
from tieout.services.match_deciding import Refusals
from tieout.store import match_words
from tieout.store.match_words import SAME, Word
from tieout.store.matching import DOCUMENT

NAME = "Lindvall Data\u2028AB"


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    """An account that could be two customers of the books, and one that is known by its number."""
    waiting = CONFIGURED.replace("approve_above: 1000000", "approve_above: 1")
    with RealPair(database_url, waiting, start=moment(10, 5)) as made:
        made.account(NAME, Org_Number__c="", Vat_Number__c="")
        known(made, "Lindvall Data AB")
        known(made, "Lindvall Data")
        account = made.account("Tallmo Skog AB")
        row = next(row for row in made.crm_records("Account") if row["Id"] == account)
        known(made, "Tallmo Skog AB", CorporateIdentityNumber=row["Org_Number__c"])
        yield made


def told(pair: RealPair, which: str, word: str) -> None:
    account, _, number = which.partition("|")
    made = match_deciding.one_word(pair.engine, pair.store, account, number, word, who="Eva")
    pair.do(made)


def test_who_is_told_apart_is_not_adopted_although_it_was_accepted_before(pair: RealPair) -> None:
    look(pair)
    told(pair, "Tallmo Skog AB", "same")
    told(pair, f"Tallmo Skog AB|{number_of(pair, 'Tallmo Skog AB')}", "different")
    pair.deal("D-1", "Tallmo Skog AB", "1000.00", Order_Confirmed__c=True)
    pair.run()
    linked = pair.in_store(
        lambda tx: tx.rows(
            "SELECT 1 FROM ref WHERE workspace = %(ws)s AND entity = 'customer'"
            " AND role = 'current'"
        )
    )
    assert linked == []


def number_of(pair: RealPair, name: str) -> str:
    return next(
        str(row["CustomerNumber"]) for row in pair.records("customers") if row["Name"] == name
    )


# --- files ---------------------------------------------------------------------------------------


def wrong(pair: RealPair, path: Path) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigurationProblems) as error:
        pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    assert said(pair) == []
    return [(one.line, one.key[0], one.code) for one in error.value.problems]


def test_words_that_contradict_each_other_are_none(pair: RealPair, tmp_path: Path) -> None:
    look(pair)
    path, rows = file_of(pair, tmp_path)
    mine = [row for row in rows if row["crm_name"] == NAME]
    assert len(mine) == 2
    for first, second, line in (
        ("same", "open", 3),
        ("open", "same", 3),
        ("new", "open", 3),
        ("same", "same", 3),
    ):
        mine[0]["decision"], mine[1]["decision"] = first, second
        write(path, mine)
        assert wrong(pair, path) == [(line, "decision", "match_twice")]
    one = {**mine[0], "decision": "same"}
    for word in ("different", "same", "open"):
        write(path, [one, {**one, "decision": word}])
        assert wrong(pair, path) == [(3, "decision", "match_twice")]
    mine[0]["decision"], mine[1]["decision"] = "same", "different"
    write(path, mine)
    counts = pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    assert counts == {"same": 1, "different": 1}


def test_what_was_exported_is_read_again_and_what_is_broken_is_told(
    pair: RealPair, tmp_path: Path
) -> None:
    look(pair)
    path, rows = file_of(pair, tmp_path)
    for row in rows:
        row["decision"] = "different"
    # As the export writes it: a name with a line separator stands there without quotes.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    counts = pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    assert counts == {"different": len(rows)}

    for part in ("²", "9" * 30):
        write(path, [{**rows[0], "decision": "new", "part": part}])
        with pytest.raises(ConfigurationProblems) as error:
            pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
        (problem,) = error.value.problems
        assert (problem.line, problem.key, problem.value) == (2, ("part",), part)
        assert problem.hint == "Allowed: 0, 1, 2, ...."

    head = ",".join(rows[0])
    cells = [rows[0][name] for name in rows[0]]
    cells[6] = "Lindvall, Data AB"
    path.write_text(f"{head}\n{','.join(cells)}\n", encoding="utf-8")
    with pytest.raises(ConfigurationProblems) as error:
        pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    (problem,) = error.value.problems
    assert (problem.line, problem.code) == (2, "table_row")
    assert "19 cells, the first line 18" in problem.message


# --- documents -----------------------------------------------------------------------------------


def one_document(pair: RealPair) -> tuple[Any, Word]:
    """A deal and the invoice by hand that the report holds to be its own."""
    told(pair, "Tallmo Skog AB", "same")
    pair.deal("D-1", "Tallmo Skog AB", "8000.00", close="2026-10-05", Order_Confirmed__c=True)
    invoice(pair, "Tallmo Skog AB", "8000.00", "2026-10-05")
    (found,) = look(pair).documents
    return found, Word(
        entity=DOCUMENT, word=SAME, source_id=found.source_id, target_id=found.target_id
    )


def test_a_document_that_died_since_the_report_is_nobodys(pair: RealPair) -> None:
    look(pair)
    found, word = one_document(pair)
    pair.in_store(
        lambda tx: tx.run(
            "UPDATE mirror SET status = 'credited' WHERE workspace = %(ws)s AND id = %(id)s",
            id=found.target_id,
        )
    )
    with pytest.raises(Refusals, match="was cancelled or credited"):
        pair.do(match_deciding.decide(pair.engine, pair.store, BOOKS, [word], who="Eva", reason=""))


def test_two_people_at_once_give_a_document_to_one_deal(pair: RealPair) -> None:
    look(pair)
    told(pair, "Tallmo Skog AB", "same")
    for number in ("D-1", "D-2"):
        pair.deal(number, "Tallmo Skog AB", "8000.00", close="2026-10-05", Order_Confirmed__c=True)
    invoice(pair, "Tallmo Skog AB", "8000.00", "2026-10-05")
    first, second = (
        Word(entity=DOCUMENT, word=SAME, source_id=one.source_id, target_id=one.target_id)
        for one in look(pair).unsure_documents
    )
    failed: list[Refusals] = []
    thread = threading.Thread(target=accept, args=(pair, second, failed))
    place = match_deciding.place_of(pair.engine, BOOKS)
    slot = document_slot(pair.engine, pair.engine.policy.book(BOOKS), first.source_id, 0)
    places = {match_words.at(first): slot}

    def keep(tx: Any) -> None:
        known_ = match_words.known(tx, place, [first], places, {})
        now = pair.clock.now()
        match_words.keep(tx, place, [first], known_, places, (), "Adam", "", now)
        thread.start()
        time.sleep(0.5)

    pair.in_store(keep)
    thread.join(10)
    assert [error.code for error in failed] == ["ref_taken"]
    owners = pair.in_store(
        lambda tx: tx.rows(
            "SELECT key13 FROM ref WHERE workspace = %(ws)s AND id = %(id)s", id=first.target_id
        )
    )
    assert owners == [(slot.key13,)]


def accept(pair: RealPair, word: Word, failed: list[Refusals]) -> None:
    """In a process of its own."""
    made = match_deciding.decide(pair.engine, pair.store, BOOKS, [word], who="Eva", reason="")
    try:
        asyncio.run(made)
    except Refusals as error:
        failed.append(error)


def test_a_write_that_begins_while_a_document_is_accepted_is_seen(pair: RealPair) -> None:
    look(pair)
    told(pair, "Tallmo Skog AB", "same")
    pair.deal("D-1", "Tallmo Skog AB", "8000.00", close="2026-10-05", Order_Confirmed__c=True)
    pair.run()  # It waits for a person: above the limit.
    invoice(pair, "Tallmo Skog AB", "8000.00", "2026-10-05")
    (found,) = look(pair).documents
    word = Word(entity=DOCUMENT, word=SAME, source_id=found.source_id, target_id=found.target_id)
    failed: list[Refusals] = []
    thread = threading.Thread(target=accept, args=(pair, word, failed))

    def begin(tx: Any) -> None:
        # A release and the first byte of it, in another process that has not committed yet.
        begun = tx.run(
            "UPDATE operation SET state = 'started' WHERE workspace = %(ws)s"
            " AND source_id = %(deal)s AND action = 'create' AND state = 'awaiting_approval'",
            deal=found.source_id,
        )
        assert begun == 1
        thread.start()
        time.sleep(0.5)

    pair.in_store(begin)
    thread.join(10)
    assert [error.code for error in failed] == ["on_its_way"]
    refs = pair.in_store(
        lambda tx: tx.rows(
            "SELECT 1 FROM ref WHERE workspace = %(ws)s AND id = %(id)s", id=found.target_id
        )
    )
    assert refs == []


def test_nothing_is_made_for_a_deal_that_has_its_document_by_now(pair: RealPair) -> None:
    look(pair)
    told(pair, "Tallmo Skog AB", "same")
    pair.deal("D-1", "Tallmo Skog AB", "8000.00", close="2026-10-05", Order_Confirmed__c=True)
    pair.run()
    invoice(pair, "Tallmo Skog AB", "8000.00", "2026-10-05")
    (found,) = look(pair).documents
    told(pair, "D-1", "same")

    def ready() -> list[str]:
        picked = pair.do(pair.store.pick_ready("nordic", BOOKS, 10, pair.clock.now(), True, None))
        return [operation.source_id for operation in picked]

    # As a planner leaves it that had looked a moment before the word was kept.
    released = "UPDATE operation SET state = 'ready' WHERE workspace = %(ws)s AND action = 'create'"
    pair.in_store(lambda tx: tx.run(f"{released} AND source_id = %(deal)s", deal=found.source_id))
    assert ready() == []
    pair.in_store(lambda tx: tx.run("DELETE FROM ref WHERE id = %(id)s", id=found.target_id))
    assert ready() == [found.source_id]
