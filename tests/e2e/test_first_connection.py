"""First connection: two systems that have worked for years are held against each other."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import BOOKS, RealPair
from tieout.services import match_deciding, match_reporting, matching
from tieout.services.configuration import ConfigurationProblems
from tieout.services.match_deciding import Refusals
from tieout.services.usage import UsedWronglyError
from tieout.store.match_words import SAME, Word
from tieout.store.matching import CUSTOMER

CONFIGURED = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    """Six accounts and five customers of the books, with deals and invoices from before."""
    with RealPair(database_url, CONFIGURED, start=moment(10, 5)) as made:
        numbers = {
            name: org_number(made, made.account(name))
            for name in ("Tallmo Skog AB", "Ekfors Trä AB", "Havtorn Energi AB")
        }
        made.account("Lindvall Data AB", Org_Number__c="", Vat_Number__c="")
        made.account("Norrsken Foto AB", Org_Number__c="", Vat_Number__c="")
        made.account("Österviks Hamn AB", Org_Number__c="", Vat_Number__c="")
        known(made, "Tallmo Skog AB", CorporateIdentityNumber=numbers["Tallmo Skog AB"])
        known(
            made, "Ekfors gamla namn", CorporateIdentityNumber=numbers["Ekfors Trä AB"],
            InvoicePostalCode="982 31",
        )  # fmt: skip
        known(made, "Data Lindval AB")
        known(made, "Norrsken Foto AB")
        known(made, "Norrsken Foto")
        known(made, "Bara i böckerna AB", InvoicePostalCode="411 05")
        yield made


def org_number(pair: RealPair, account: str) -> str:
    row = next(row for row in pair.crm_records("Account") if row["Id"] == account)
    return str(row["Org_Number__c"])


def known(pair: RealPair, name: str, **more: Any) -> dict[str, Any]:
    """A customer that finance made years ago."""
    made: dict[str, Any] = pair.in_books("create_customer", set={"Name": name, **more})
    return made


def invoice(pair: RealPair, customer: str, amount: str, day: str, **more: Any) -> str:
    """An invoice that finance made by hand."""
    row = next(row for row in pair.records("customers") if row["Name"] == customer)
    made = pair.in_books("create_invoice", customer=row["Id"], amount=amount, date=day, set=more)
    return str(made["InvoiceNumber"])


def look(pair: RealPair) -> match_reporting.Report:
    """Both sides read and matched; the report."""
    pair.clock.advance(61)
    pair.do(matching.match(pair.engine, pair.store))
    (found,) = pair.do(match_reporting.reports(pair.engine, pair.store, 50))
    return found


def named(pairs: Any) -> list[tuple[str, str, str]]:
    return [(pair.crm_number or pair.crm_name, pair.books_name, pair.key) for pair in pairs]


def writes(pair: RealPair) -> int:
    """Requests to either system that could change anything, signing in left out."""
    return sum(
        len([one for one in wire.asked(method) if "token" not in one.url])
        for wire in (pair.crm_wire, pair.books_wire)
        for method in ("POST", "PUT", "PATCH", "DELETE")
    )


def test_the_report_says_who_is_who_and_writes_nothing(pair: RealPair) -> None:
    before = writes(pair)
    found = look(pair)
    assert found.totals.crm.matched == found.totals.books.matched == 1
    assert match_reporting.by_key(found.totals, CUSTOMER, "matched") == {"company_number": 1}
    assert named(found.proposed) == [
        ("Ekfors Trä AB", "Ekfors gamla namn", "company_number"),
        ("Lindvall Data AB", "Data Lindval AB", "name_alike"),
    ]
    assert found.proposed[0].reason.startswith("same company number SE556")
    assert found.proposed[0].reason.endswith("; other post code (11122, 98231)")
    assert found.proposed[1].reason == "names 1 letter apart; same post code 11122"
    assert {pair_.books_name for pair_ in found.ambiguous} == {"Norrsken Foto AB", "Norrsken Foto"}
    assert [row[2] for row in found.only_crm] == ["Havtorn Energi AB", "Österviks Hamn AB"]
    assert [row[2] for row in found.only_books] == ["Bara i böckerna AB"]
    assert [(group.side, group.key, group.count) for group in found.duplicates] == [
        (BOOKS, "name_postcode", 2)
    ]
    assert writes(pair) == before
    operations = pair.in_store(
        lambda tx: tx.rows("SELECT 1 FROM operation WHERE workspace = %(ws)s")
    )
    refs = pair.in_store(lambda tx: tx.rows("SELECT 1 FROM ref WHERE workspace = %(ws)s"))
    assert (operations, refs) == ([], [])


def test_what_a_person_said_is_what_a_run_does(pair: RealPair) -> None:
    look(pair)
    do, engine, store = pair.do, pair.engine, pair.store
    taken = do(match_deciding.accept_all(engine, store, "matched", 0, who="Eva"))
    assert (taken.customers, taken.documents, taken.refused) == (1, 0, ())
    for account, which, said in (
        ("Lindvall Data AB", "", "same"),
        ("Ekfors Trä AB", "", "different"),
        ("Norrsken Foto AB", "", "new"),
    ):
        do(match_deciding.one_word(engine, store, account, which, said, who="Eva"))
    after = look(pair)
    assert after.totals.crm.decided == 2
    assert after.totals.new == 1
    assert named(after.proposed) == []
    assert named(after.ambiguous) == []

    customers = len(pair.records("customers"))
    pair.run()
    assert len(pair.records("customers")) == customers
    linked = look(pair)
    assert (linked.totals.crm.linked, linked.totals.crm.decided) == (2, 0)

    for number, account in (("D-1", "Lindvall Data AB"), ("D-2", "Norrsken Foto AB")):
        pair.deal(number, account, "1000.00", Order_Confirmed__c=True)
    pair.deal("D-3", "Ekfors Trä AB", "1000.00", Order_Confirmed__c=True)
    pair.run()
    names = sorted(row["Name"] for row in pair.records("customers"))
    # What was said to be new is made, what was told apart too, and nothing is asked again.
    assert (names.count("Norrsken Foto AB"), names.count("Ekfors Trä AB")) == (2, 1)
    assert "Lindvall Data AB" not in names
    assert not pair.cases()
    assert len(pair.records("customerinvoicedrafts")) == 3


def test_documents_are_adopted_by_reference_or_date(pair: RealPair) -> None:
    first = invoice(pair, "Tallmo Skog AB", "8000.00", "2026-09-20", YourReference="Ordning D-1")
    invoice(pair, "Tallmo Skog AB", "8000.00", "2026-10-05")
    second = invoice(pair, "Tallmo Skog AB", "9500.00", "2026-10-06")
    for day in ("2026-10-05", "2026-10-06"):
        invoice(pair, "Tallmo Skog AB", "500.00", day)
    for number, amount in (("D-1", "8000.00"), ("D-2", "9500.00"), ("D-3", "500.00")):
        pair.deal(number, "Tallmo Skog AB", amount, close="2026-10-05", Order_Confirmed__c=True)
    pair.deal("D-4", "Ekfors Trä AB", "8000.00", close="2026-10-05", Order_Confirmed__c=True)
    found = look(pair)
    assert [(one.crm_number, one.books_number, one.key, one.reason) for one in found.documents] == [
        ("D-1", first, "reference", "it names D-1; same customer, SEK 8,000.00 net"),
        (
            "D-2",
            second,
            "date",
            "dated 1 day after it; same customer, SEK 9,500.00 net",
        ),
    ]
    assert {one.crm_number for one in found.unsure_documents} == {"D-3"}
    assert found.totals.loose_documents == 5

    do, engine, store = pair.do, pair.engine, pair.store
    do(match_deciding.accept_all(engine, store, "matched", 0, who="Eva"))
    taken = do(match_deciding.accept_all(engine, store, "documents", 0, who="Eva"))
    assert (taken.customers, taken.documents, taken.refused) == (0, 2, ())
    for _ in range(2):
        pair.run()
    assert (pair.shown("D-1")["status"], pair.shown("D-1")["number"]) == ("booked", first)
    assert (pair.shown("D-2")["status"], pair.shown("D-2")["number"]) == ("booked", second)
    # The third is a person's still, the fourth has an account that nobody has decided.
    assert [case.code for case in pair.cases()] == [
        "possible_duplicate", "customer_maybe_known",
    ]  # fmt: skip
    assert not pair.records("customerinvoicedrafts")

    found = look(pair)
    (one, two) = found.unsure_documents
    do(match_deciding.one_word(engine, store, "D-3", one.books_number, "different", who="Eva"))
    do(match_deciding.one_word(engine, store, "D-3", two.books_number, "different", who="Eva"))
    pair.run()
    assert len(pair.records("customerinvoicedrafts")) == 1
    assert not look(pair).unsure_documents


def file_of(pair: RealPair, folder: Path) -> tuple[Path, list[dict[str, str]]]:
    path = folder / "match.csv"
    pair.do(match_deciding.export(pair.engine, pair.store, path))
    with path.open(encoding="utf-8-sig", newline="") as file:
        return path, list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8-sig") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_a_file_decides_many_at_once_or_nothing_at_all(pair: RealPair, tmp_path: Path) -> None:
    look(pair)
    path, rows = file_of(pair, tmp_path)
    by_name = {(row["crm_name"], row["books_name"]): row for row in rows}
    assert len(by_name) == len(rows) == 5
    by_name["Tallmo Skog AB", "Tallmo Skog AB"]["decision"] = "same"
    by_name["Ekfors Trä AB", "Ekfors gamla namn"]["decision"] = "Different"
    by_name["Lindvall Data AB", "Data Lindval AB"]["decision"] = "yes"
    for row in (row for row in rows if row["crm_name"] == "Norrsken Foto AB"):
        row["decision"] = "same"
    write(path, rows)
    with pytest.raises(ConfigurationProblems) as error:
        pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    (problem,) = error.value.problems
    line = rows.index(by_name["Lindvall Data AB", "Data Lindval AB"]) + 2
    assert (problem.line, problem.key, problem.value) == (line, ("decision",), "yes")
    assert problem.hint == "Allowed: same, different, new, open."
    assert said(pair) == []

    by_name["Lindvall Data AB", "Data Lindval AB"]["decision"] = "new"
    by_name["Tallmo Skog AB", "Tallmo Skog AB"]["books_id"] = "nobody"
    write(path, rows)
    with pytest.raises(ConfigurationProblems) as error:
        pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    assert [problem.code for problem in error.value.problems] == ["no_such_record", "match_twice"]
    assert error.value.message == "2 errors; nothing was kept."
    assert said(pair) == []

    rows = [row for row in rows if row["books_name"] not in ("Norrsken Foto", "Tallmo Skog AB")]
    write(path, rows)
    counts = pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    assert counts == {"same": 1, "different": 1, "new": 1}
    assert [row[1] for row in said(pair)] == ["different", "new", "is"]
    assert {row[2] for row in said(pair)} == {"Eva"}


def said(pair: RealPair) -> Any:
    return pair.in_store(
        lambda tx: tx.rows(
            "SELECT subject, verdict, who FROM verdict WHERE workspace = %(ws)s"
            " ORDER BY CASE verdict WHEN 'different' THEN 0 WHEN 'new' THEN 1 ELSE 2 END"
        )
    )


def test_another_encoding_is_told(pair: RealPair, tmp_path: Path) -> None:
    look(pair)
    path, rows = file_of(pair, tmp_path)
    write(path, rows, encoding="cp1252")
    with pytest.raises(ConfigurationProblems) as error:
        pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    assert error.value.code == "not_utf8"
    assert "Windows-1252" in error.value.problems[0].message
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigurationProblems) as error:
        pair.do(match_deciding.decide_file(pair.engine, pair.store, path, who="Eva"))
    assert error.value.code == "table_header"


def test_a_word_can_be_taken_back(pair: RealPair) -> None:
    look(pair)
    do, engine, store = pair.do, pair.engine, pair.store
    do(match_deciding.one_word(engine, store, "Lindvall Data AB", "", "different", who="Eva"))
    assert "Lindvall Data AB" not in [one.crm_name for one in look(pair).proposed]
    (row,) = pair.in_store(
        lambda tx: tx.rows(
            "SELECT source_id, target_id FROM match_pair WHERE workspace = %(ws)s"
            " AND state = 'refused'"
        )
    )
    word = Word(entity=CUSTOMER, word="open", source_id=row[0], target_id=row[1])
    do(match_deciding.decide(engine, store, BOOKS, [word], who="Eva", reason="a mistake"))
    assert "Lindvall Data AB" in [one.crm_name for one in look(pair).proposed]


def test_what_cannot_be_is_refused(pair: RealPair) -> None:
    look(pair)
    do, engine, store = pair.do, pair.engine, pair.store
    with pytest.raises(UsedWronglyError, match="could be more than one"):
        do(match_deciding.one_word(engine, store, "Norrsken Foto AB", "", SAME, who="Eva"))
    with pytest.raises(UsedWronglyError, match="no pair of"):
        do(match_deciding.one_word(engine, store, "Havtorn Energi AB", "", SAME, who="Eva"))
    word = Word(
        entity=CUSTOMER, word=SAME, source_id=pair.accounts["Tallmo Skog AB"], target_id="nobody"
    )
    with pytest.raises(Refusals, match='The books have no customer "nobody"'):
        do(match_deciding.decide(engine, store, BOOKS, [word], who="Eva", reason=""))
    assert said(pair) == []
