"""Files and words on matching as they come from people: broken, old, in the thousands, at once."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.test_first_connection import CONFIGURED, file_of, known, look, said, write
from e2e.test_match_words import number_of, told
from support.october import moment
from support.real_pair import BOOKS, RealPair
from tieout.services import match_deciding, planning
from tieout.services.configuration import ConfigurationProblems
from tieout.services.match_deciding import Refusals
from tieout.store.match_words import SAME, Word
from tieout.store.matching import CUSTOMER

NAMES = ("Tallmo Skog AB", "Havtorn Energi AB", "Ekfors Trä AB")


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    """Three accounts that the books know by their number, one that could be two customers."""
    with RealPair(database_url, CONFIGURED, start=moment(10, 5)) as made:
        for name in NAMES:
            account = made.account(name)
            row = next(row for row in made.crm_records("Account") if row["Id"] == account)
            known(made, name, CorporateIdentityNumber=row["Org_Number__c"])
        made.account("Norrsken Foto AB", Org_Number__c="", Vat_Number__c="")
        known(made, "Norrsken Foto AB")
        known(made, "Norrsken Foto")
        yield made


def accept_all(pair: RealPair, kind: str = "matched") -> match_deciding.Accepted:
    return pair.do(match_deciding.accept_all(pair.engine, pair.store, kind, 0, who="Eva"))


def decide(pair: RealPair, path: Path) -> dict[str, int]:
    return pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))


def vanish(pair: RealPair, connection: str, name: str) -> None:
    """A read has found since that this customer is not there any more."""
    pair.in_store(
        lambda tx: tx.run(
            "UPDATE mirror SET gone_at = %(now)s, gone_certain = true WHERE workspace = %(ws)s"
            " AND connection = %(connection)s AND entity = 'customer'"
            " AND record->>'name' = %(name)s",
            connection=connection,
            name=name,
            now=pair.clock.now(),
        )
    )


def problems(pair: RealPair, path: Path) -> list[tuple[int, str]]:
    before = said(pair)
    with pytest.raises(ConfigurationProblems) as error:
        decide(pair, path)
    assert said(pair) == before
    return [(one.line, one.code) for one in error.value.problems]


def table(path: Path, rows: list[dict[str, Any]], separator: str = ",") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# --- all at once ---------------------------------------------------------------------------------


def test_those_that_hold_are_taken_over_and_the_others_are_named(
    pair: RealPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_deciding, "_AT_ONCE", 2)
    look(pair)
    # Since the report: one was deleted in the CRM, one was said to be somebody else.
    gone, other = NAMES[0], NAMES[1]
    vanish(pair, pair.engine.policy.crm, gone)
    found = pair.crm_records("Account")
    norrsken = next(row["Id"] for row in found if row["Name"] == "Norrsken Foto AB")
    theirs = next(row["Id"] for row in pair.records("customers") if row["Name"] == other)
    word = Word(entity=CUSTOMER, word=SAME, source_id=norrsken, target_id=theirs)
    pair.do(match_deciding.decide(pair.engine, pair.store, BOOKS, [word], who="Adam", reason=""))
    done = accept_all(pair)
    assert (done.customers, done.documents) == (1, 0)
    assert {one.crm_name: why.split('"')[0].strip() for one, why in done.refused} == {
        gone: "the CRM has no customer",
        other: "",
    }
    assert any("said to be another one" in why for _, why in done.refused)
    # A second time they are told again, and what was kept is not kept twice.
    before = said(pair)
    assert len(accept_all(pair).refused) == 2
    assert len(said(pair)) == len(before) + 1


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "table_header"),
        (b"\xef\xbb\xbf", "table_header"),
        (b"\x00\x01\x02\xff\xfe" * 9, "not_utf8"),
        ("decision;kind;books;crm_id;books_id\r\nsame;customer;visma-se;a\x00b;c\r\n", "table_row"),
        ('decision,kind,books,crm_id,books_id\r\nsame,customer,visma-se,"a,c\r\n', "table_row"),
        ("decision,kind,books,crm_id\r\nsame,customer,visma-se,a\r\n", "table_header"),
        ("kind;decision\tbooks\r\n", "table_header"),
        ("decision,kind,books,crm_id,books_id\r\nsame,customer,visma-se,a,b\r\n", "no_such_record"),
        ("decision,kind,books,crm_id,books_id\r\n=same,customer,visma-se,a,b\r\n", "table_row"),
        (
            "decision,kind,books,crm_id,books_id\r\nsame,customer,visma-se," + "a" * 200_000 + ",b",
            "table_row",
        ),
    ],
)
def test_garbage_is_told_and_nothing_of_it_is_kept(
    pair: RealPair, tmp_path: Path, data: bytes | str, code: str
) -> None:
    look(pair)
    path = tmp_path / "match.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    assert [found for _, found in problems(pair, path)][:1] == [code]


def test_a_record_that_went_since_the_export_is_named(pair: RealPair, tmp_path: Path) -> None:
    look(pair)
    path, rows = file_of(pair, tmp_path)
    for row in rows:
        row["decision"] = "same" if row["state"] == "matched" else ""
    write(path, rows)
    mine = next(row for row in rows if row["crm_name"] == NAMES[0])
    vanish(pair, BOOKS, NAMES[0])
    line = rows.index(mine) + 2
    assert problems(pair, path) == [(line, "no_such_record")]
    mine["decision"] = ""
    write(path, rows)
    assert decide(pair, path) == {"same": 2}


def test_twenty_thousand_lines_are_checked_and_all_that_is_wrong_is_counted(
    pair: RealPair, tmp_path: Path
) -> None:
    look(pair)
    _, rows = file_of(pair, tmp_path)
    path = tmp_path / "large.csv"
    row = {**rows[0], "decision": "different", "kind": "customer"}
    text = table(path, [{**row, "crm_id": f"a{number}"} for number in range(20_000)], ";")
    path.write_text(text, encoding="utf-8-sig", newline="")
    began = time.process_time()
    found = problems(pair, path)
    assert time.process_time() - began < 15
    assert len(found) == 20_000
    assert set(found) == {(number + 2, "no_such_record") for number in range(20_000)}


# --- words after words, and at once --------------------------------------------------------------


def test_the_newest_word_counts_whoever_says_it(pair: RealPair) -> None:
    """A file says otherwise than somebody did before: that is allowed, kept with both names."""
    look(pair)
    number = number_of(pair, "Norrsken Foto")
    told(pair, f"Norrsken Foto AB|{number}", "same")
    assert look(pair).totals.crm.decided == 1
    told(pair, f"Norrsken Foto AB|{number_of(pair, 'Norrsken Foto AB')}", "same")
    told(pair, NAMES[0], "same")
    told(pair, NAMES[0] + f"|{number_of(pair, NAMES[0])}", "different")
    found = look(pair)
    assert found.totals.crm.decided == 1
    pair.deal("D-1", "Norrsken Foto AB", "1000.00", Order_Confirmed__c=True)
    pair.run()
    linked = pair.in_store(
        lambda tx: tx.rows(
            "SELECT m.record->>'name' FROM ref r JOIN mirror m ON m.workspace = r.workspace"
            " AND m.connection = r.connection AND m.id = r.id AND m.entity = 'customer'"
            " WHERE r.workspace = %(ws)s AND r.role = 'current' AND r.entity = 'customer'"
        )
    )
    assert linked == [("Norrsken Foto AB",)]


def test_two_people_at_once_give_a_customer_to_one_account(pair: RealPair) -> None:
    look(pair)
    theirs = next(row["Id"] for row in pair.records("customers") if row["Name"] == "Norrsken Foto")
    accounts = [row["Id"] for row in pair.crm_records("Account")][:2]
    failed: list[str] = []

    def accept(account: str) -> None:
        word = Word(entity=CUSTOMER, word=SAME, source_id=account, target_id=theirs)
        made = match_deciding.decide(pair.engine, pair.store, BOOKS, [word], who="Eva", reason="")
        try:
            asyncio.run(made)
        except Refusals as error:
            failed.append(error.code)

    threads = [threading.Thread(target=accept, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == ["ref_taken"]
    assert len([verdict for _, verdict, _ in said(pair) if verdict == "is"]) == 1


def test_a_word_while_a_run_goes_is_kept_and_counts_in_the_next(pair: RealPair) -> None:
    """Words need no lease; a report does, and says who has it."""
    look(pair)
    pair.deal("D-1", "Norrsken Foto AB", "1000.00", Order_Confirmed__c=True)

    async def both() -> None:
        async with planning.holding(pair.engine):
            await match_deciding.one_word(
                pair.engine,
                pair.store,
                "Norrsken Foto AB",
                number_of(pair, "Norrsken Foto"),
                "same",
                who="Eva",
            )

    pair.do(both())
    pair.run()
    assert [row["Name"] for row in pair.records("customers")].count("Norrsken Foto AB") == 1
    (draft,) = pair.records("customerinvoicedrafts")
    theirs = next(row["Id"] for row in pair.records("customers") if row["Name"] == "Norrsken Foto")
    assert draft["CustomerId"] == theirs
