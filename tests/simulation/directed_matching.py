"""Directed histories of persons whom a person says to be one, or two, before a run takes them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from directed_contacts import (
    BOTH,
    TO_BOOKS,
    TO_CRM,
    here,
    in_book,
    in_crm,
    linked,
    options,
    runs,
    there,
)
from scenes import Scene, history
from tieout.core.policy import FlowMode
from tieout.services import match_deciding, match_reporting, matching
from tieout.services.match_deciding import Refusals
from tieout.store.match_people import CONTACT
from tieout.store.match_words import DIFFERENT, NEW, OPEN_AGAIN, SAME, Word
from tieout.store.matching import CUSTOMER
from world import BOOK

ADDRESS = "info@kund.example"


async def report(s: Scene) -> match_reporting.Report:
    """Both sides read and held against each other."""
    engine: Any = s.world.engine()
    await matching.match(engine, engine.store)
    (found,) = await match_reporting.reports(engine, engine.store, 50)
    return found


def pairs(found: match_reporting.Report) -> list[tuple[str, str]]:
    return sorted((pair.source_id, pair.target_id) for pair in found.unsure_people)


async def say(s: Scene, word: str, mine: str, theirs: str, entity: str = CONTACT) -> None:
    """A person's word on two persons, or two records of another kind."""
    engine: Any = s.world.engine()
    given = Word(entity=entity, word=word, source_id=mine, target_id="" if word == NEW else theirs)
    await match_deciding.decide(engine, engine.store, BOOK, [given], who="Eva", reason="")


async def refused(s: Scene, word: str, mine: str, theirs: str) -> str:
    with pytest.raises(Refusals) as error:
        await say(s, word, mine, theirs)
    return str(error.value.code)


@history(options=options(BOTH))
async def q40_whom_somebody_named_is_linked_and_the_other_is_held(s: Scene) -> None:
    """Two with one address over there: the one that was picked is linked, whatever it becomes."""
    await linked(s)
    ek = in_crm(s, "Ek", ADDRESS, phone="08-1")
    ek_there = in_book(s, "Ek", ADDRESS, title="CFO")
    bo_there = in_book(s, "Bo", ADDRESS)
    in_crm(s, "Nil")
    in_crm(s, "Sen", "sen@kund.example")
    await s.world.wait(70)
    found = await report(s)
    assert found.people is not None
    crm, books = found.people
    assert (crm.total, crm.ambiguous, crm.matched, crm.no_address, crm.alone) == (3, 1, 0, 1, 1)
    assert (books.total, books.ambiguous, books.alone) == (2, 2, 0)
    assert pairs(found) == sorted([(ek, ek_there), (ek, bo_there)])
    await say(s, SAME, ek, ek_there)
    # The link counts and not the address, although no run came between.
    s.world.in_book("edit_contact", contact=ek_there, email="ek@kund.example")
    s.world.in_book("edit_contact", contact=bo_there, email="bo@kund.example")
    await runs(s, 3)
    assert sorted(row["family"] for row in here(s)) == ["Bo", "Ek", "Nil", "Sen"]
    assert sorted(row["family"] for row in there(s)) == ["Bo", "Ek", "Sen"]
    ann = next(row for row in here(s) if row["family"] == "Ek")
    assert (ann["phone"], ann["title"], ann["email"]) == ("08-1", "CFO", "ek@kund.example")
    s.none_open()
    found = await report(s)
    assert found.people is not None
    assert (found.people[0].linked, found.people[0].ambiguous) == (3, 0)


@history(options=options(BOTH))
async def q41_an_undecided_one_is_nobodys_and_makes_nobody(s: Scene) -> None:
    """Ambiguous persons stay where they are until somebody says who they are."""
    await linked(s)
    one, two = in_crm(s, "Ek", ADDRESS), in_crm(s, "Bo", ADDRESS)
    only = in_book(s, "Ek", ADDRESS)
    await s.world.wait(70)
    assert pairs(await report(s)) == sorted([(one, only), (two, only)])
    await runs(s)
    assert (len(here(s)), len(there(s))) == (2, 1)
    await say(s, SAME, one, only)
    assert await refused(s, SAME, two, only) == "ref_taken"
    assert await refused(s, DIFFERENT, one, only) == "linked_already"
    assert await refused(s, NEW, two, only) == "person_by_address"
    await runs(s)
    assert (len(here(s)), len(there(s))) == (2, 1)
    assert s.world.exceptions(two) == ["contact_address_twice"]
    assert s.world.exceptions(one) == []


@history(options=options(TO_BOOKS))
async def q42_two_that_were_told_apart_are_not_taken_for_one(s: Scene) -> None:
    """Nor is one made over there with the address of the other; the word can be taken back."""
    await linked(s)
    ek = in_crm(s, "Ek", ADDRESS, invoices=True)
    bo_there = in_book(s, "Bo", ADDRESS)
    await s.world.wait(70)
    found = await report(s)
    assert found.people is not None
    assert found.people[0].matched == found.people[1].matched == 1
    await say(s, DIFFERENT, ek, bo_there)
    await runs(s)
    assert [row["family"] for row in there(s)] == ["Bo"]
    assert s.world.exceptions(ek) == ["contact_address_taken"]
    found = await report(s)
    assert found.people is not None
    assert found.people[0].matched == found.people[1].matched == 0
    await say(s, OPEN_AGAIN, ek, bo_there)
    await runs(s)
    s.none_open()
    assert (len(here(s)), len(there(s))) == (1, 1)
    assert await refused(s, DIFFERENT, ek, bo_there) == "linked_already"


@history(options=options(TO_CRM))
async def q43_a_word_counts_where_persons_go_to_the_crm_only(s: Scene) -> None:
    """The one over there is not made here a second time, although two here have its address."""
    await linked(s)
    one, two = in_crm(s, "Ek", ADDRESS), in_crm(s, "Bo", ADDRESS)
    only = in_book(s, "Ek", ADDRESS, phone="08-7")
    await s.world.wait(70)
    await report(s)
    await say(s, SAME, one, only)
    await runs(s)
    assert len(here(s)) == 2
    assert next(row for row in here(s) if row["id"] == one)["phone"] == "08-7"
    assert next(row for row in here(s) if row["id"] == two)["phone"] in ("", None)
    s.none_open()


@history(options=options(replace(TO_BOOKS, mode=FlowMode.APPROVE)))
async def q44_what_waits_to_be_released_is_not_sent_once_somebody_is_named(s: Scene) -> None:
    """Finance made the person by hand meanwhile: the create that waits is not wanted any more."""
    await linked(s)
    ek = in_crm(s, "Ek", ADDRESS, invoices=True)
    await s.world.wait(70)
    await s.run()
    waits = "SELECT count(*) FROM operation WHERE state IN ('ready', 'awaiting_approval')"
    assert s.world.rows(waits)[0][0] == 1
    ek_there = in_book(s, "Ek", ADDRESS)
    await s.world.wait(70)
    await report(s)
    await say(s, SAME, ek, ek_there)
    assert s.world.rows(waits)[0][0] == 0
    await runs(s)
    assert len(there(s)) == 1


@history(options={"shown": FlowMode.SHADOW})
async def q45_items_by_number_and_by_name(s: Scene) -> None:
    """One name under two numbers is shown, if nobody else bears the name or the number."""
    for number, name in (("A-1", "Hour"), ("A-2", "Day"), ("A-3", "Week"), ("A-4", "Month")):
        s.world.in_book("create_item", number=number, name=name, price="10.00")
    s.world.in_book("create_item", number="A-5", name="Month", price="10.00")
    for number, name in (("A-1", "One hour"), ("B-2", "day "), ("A-4", "Week"), ("B-4", "Month")):
        s.world.crm.act("create_product", {"number": number, "name": name, "price": Decimal(1)})
    await s.world.wait(70)
    await s.run()
    found = await report(s)
    assert found.totals.items == (7, 8, 5)
    assert [(one[0], one[2]) for one in found.items_alike] == [("B-2", "A-2")]


async def named(s: Scene, entity: str, mine: str, theirs: str) -> None:
    """A person's word, given on a report, that a record of the CRM and one of the books are one."""
    await s.world.wait(70)
    await report(s)
    await say(s, SAME, mine, theirs, entity)


def known(s: Scene) -> list[str]:
    """The customers of the books."""
    return [str(row["id"]) for row in s.world.book.ledger.live("customers")]


@history()
async def q46_a_company_that_was_named_and_then_merged_keeps_its_customer(s: Scene) -> None:
    """The word counts for the company that is left: no second customer is made for its deals."""
    other = s.world.make_company(2)
    theirs = str(s.world.in_book("create_customer", name="Ett helt annat namn")["id"])
    await named(s, CUSTOMER, other, theirs)
    s.world.in_crm("merge_companies", loser=other, winner=s.company)
    s.deal()
    await s.world.wait(70)
    await s.settle()
    assert known(s) == [theirs]
    assert s.row(s.one())["customer"] == theirs
    s.none_open()


@history()
async def q47_a_customer_that_was_named_and_then_merged_is_the_one_it_became(s: Scene) -> None:
    """Finance joins two customers between the word and the run: the one left is invoiced."""
    theirs, kept = (
        str(s.world.in_book("create_customer", name=name)["id"]) for name in ("Ena", "Andra")
    )
    await named(s, CUSTOMER, s.company, theirs)
    s.world.in_book("merge_customers", loser=theirs, winner=kept)
    s.deal()
    await s.world.wait(70)
    await s.settle()
    assert known(s) == [kept]
    assert s.row(s.one())["customer"] == kept
    s.none_open()
