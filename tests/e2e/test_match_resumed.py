"""Matching that is cut off goes on where it was, and finds what an undisturbed one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.core.matching import blocks
from tieout.services import matching

ACCOUNTS = (
    ("Tallmo Skog AB", "Skog Tallmo AB"),
    ("Ekfors Trä AB", "Ekfors Tra AB"),
    ("Havtorn Energi AB", "Havtorn Energy AB"),
    ("Lindvall Data AB", "Lindvall Data Aktiebolag"),
    ("Norrsken Foto AB", "Norrsken Foto AB"),
    ("Norrsken Foto HB", "Nordsken Foto AB"),
)


class Killed(BaseException):
    """The process ends here, like a kill: nothing after it is done."""


@contextmanager
def world(url: str, step: int = 1) -> Iterator[RealPair]:
    """Accounts and customers of the same names, made in one order or backwards."""
    with RealPair(url, CONFIGURATION, start=moment(10, 5)) as made:
        for name, other in ACCOUNTS[::step]:
            made.account(name, Org_Number__c="", Vat_Number__c="")
            made.in_books("create_customer", set={"Name": other, "InvoiceAddress1": "Storgatan 1"})
        for number, amount in (("D-1", "100.00"), ("D-2", "200.00")):
            made.deal(
                number, "Norrsken Foto AB", amount, close="2026-10-05", Order_Confirmed__c=True
            )
        row = next(row for row in made.records("customers") if row["Name"] == "Norrsken Foto AB")
        for amount in ("100.00", "200.00"):
            made.in_books("create_invoice", customer=row["Id"], amount=amount, date="2026-10-06")
        yield made


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    with world(database_url) as made:
        yield made


def found(pair: RealPair) -> Any:
    """Every pair by the names of both ends: ids say in which order they were made."""
    return sorted(
        tuple(row)
        for row in pair.in_store(
            lambda tx: tx.rows(
                "SELECT p.entity, coalesce(c.record->>'name', c.record->>'title', ''),"
                " coalesce(b.record->>'name', ''), coalesce(b.net, 0), p.key, p.score,"
                " p.state, p.reason FROM match_pair p LEFT JOIN mirror c"
                " ON c.workspace = p.workspace AND c.connection = 'salesforce-prod'"
                " AND c.id = p.source_id LEFT JOIN mirror b ON b.workspace = p.workspace"
                " AND b.connection = p.books AND b.id = p.target_id WHERE p.workspace = %(ws)s"
            )
        )
    )


def look(pair: RealPair, read: bool = False) -> None:
    pair.clock.advance(61)
    pair.do(matching.match(pair.engine, pair.store, read=read))


def forget(pair: RealPair) -> None:
    pair.in_store(lambda tx: tx.run("DELETE FROM match_run WHERE workspace = %(ws)s"))


def test_a_kill_anywhere_changes_time_only(pair: RealPair, monkeypatch: pytest.MonkeyPatch) -> None:
    look(pair, read=True)
    whole = found(pair)
    assert {row[6] for row in whole} >= {"proposed", "matched"}
    monkeypatch.setattr(matching, "WINDOW", 2)
    monkeypatch.setattr(matching, "_CUSTOMERS_AT_ONCE", 1)
    forget(pair)
    deaths = 0
    do = pair.store.do
    while True:
        left = 2 + deaths % 14

        async def cut(work: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return await do(work)

        monkeypatch.setattr(pair.store, "do", cut)
        try:
            look(pair)
            break
        except Killed:
            deaths += 1
        finally:
            monkeypatch.setattr(pair.store, "do", do)
        assert deaths < 200
    assert deaths > 8
    assert found(pair) == whole


def test_the_order_of_the_records_changes_nothing(pair: RealPair, database_url: str) -> None:
    look(pair, read=True)
    with world(database_url, -1) as other:
        look(other, read=True)
        assert found(other) == found(pair)
    assert [row[0] for row in found(pair)].count("document") == 2


def test_what_has_not_changed_is_not_looked_at_again(
    pair: RealPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(pair, read=True)
    whole = found(pair)

    def never(*_: object) -> Any:
        raise AssertionError("it was compared again")

    monkeypatch.setattr(matching, "judge", never)
    look(pair)
    assert found(pair) == whole
    pair.account("Nya kunden AB")
    with pytest.raises(AssertionError, match="compared again"):
        look(pair, read=True)


def test_names_that_many_share_are_left_out(
    pair: RealPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout.store.matching.MOST_IN_BLOCK", 0)
    look(pair, read=True)
    assert found(pair) == []
    assert blocks.MOST_IN_BLOCK == 50
