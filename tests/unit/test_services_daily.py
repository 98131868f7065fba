"""Exceptions, answers, why, prove, runs and filed months, over two simulators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from support.daily_world import World, begin, daily_world
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.ledger_list import Period
from tieout.core.model import Deal
from tieout.engine.context import Engine
from tieout.services import exceptions, filing, running
from tieout.services import prove as proving
from tieout.services import status as standing
from tieout.services import why as tracing
from tieout.services.reconcile import Reconciled, reconcile
from tieout.services.usage import UsedWronglyError
from tieout.settings.bridge import Configuration
from tieout.store import admin, evidence, people
from tieout.store.admin import ConnectionRow

pytestmark = pytest.mark.timeout(120)
Work = Callable[[World, Engine], Coroutine[Any, Any, Any]]
NOVEMBER = Period(start=date(2026, 11, 1), end=date(2026, 11, 30))


def play(url: str, work: Work, **options: Any) -> Any:
    """A world after its first run, and the work in it."""
    with daily_world(url, **options) as world:

        async def all_of_it() -> Any:
            engine = await begin(world)
            await running.run_once(engine, world.store)
            return await work(world, world.engine())

        return asyncio.run(all_of_it())


async def _november(world: World, engine: Engine) -> Reconciled:
    """November's figures, against the ledger's own list."""
    book = engine.policy.books[0]
    return await reconcile(
        world.store,
        engine.policy,
        book,
        engine.companies[book.connection],
        period=NOVEMBER,
        cut_off=date(2026, 11, 30),
        now=world.clock.now(),
        connector=engine.connectors[book.connection],
    )


async def case_of(world: World, code: str) -> people.Case:
    found = await exceptions.listing(world.store, "nordic", "sf", code=code)
    assert len(found) == 1, found
    return found[0]


# --- exceptions ----------------------------------------------------------------------------------


def test_an_exception_names_what_is_closest_and_what_its_fix_frees(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        case = await case_of(world, "item_no_code")
        assert (case.deal, case.customer, case.amount) == (
            "D-106",
            "Ekfors Trä AB",
            Decimal("9640.00"),
        )
        found = await exceptions.detail(world.store, "nordic", "sf", case)
        assert found.value == "MONTAGE"
        assert case.hint == "Add MONTAGE to tables/items.csv, or make item MONTAGE in visma-se."
        assert found.closest[0] == ("MON-2", "Montage plus 2h")
        assert [one.number for one in found.frees] == [case.number]
        assert found.unsent

    play(database_url, work)


def test_retry_says_still_open_until_it_is_mended(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        case = await case_of(world, "item_no_code")
        again, made = await exceptions.retry(engine, world.store, case)
        assert (again.closed_at, made) == (None, [])
        assert again.tries > case.tries
        world.clock.advance(60)
        world.story.article("MONTAGE", "Montage plus")
        world.clock.advance(60)
        again, made = await exceptions.retry(world.engine(), world.store, again)
        assert again.closed_at is not None
        assert [one.net for one in made if one.entity == "document"] == [Decimal("9640.00")]
        assert len(world.drafts()) == 4

    play(database_url, work)


def test_a_dismissal_keeps_name_reason_and_amount(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        case = await case_of(world, "item_no_code")
        kept = await exceptions.dismiss(
            world.store, case, who="anna.lind", reason="price agreed", now=world.clock.now()
        )
        assert kept == Decimal("9640.00")
        closed = await exceptions.find(world.store, "nordic", "sf", case.number)
        assert (closed.closed_by, closed.closed_reason) == ("anna.lind", "price agreed")
        await running.run_once(world.engine(), world.store)
        assert await exceptions.listing(world.store, "nordic", "sf") == []
        said = await world.store.do(
            lambda tx: tx.rows("SELECT who, reason, refs::text FROM verdict WHERE workspace=%(ws)s")
        )
        assert [tuple(row) for row in said] == [("anna.lind", "price agreed", '["9640.00"]')]
        result = (await _november(world, world.engine())).report.tie_out
        assert result.explained
        accepted = [one for one in result.causes if one.cause == "accepted"]
        assert [(one.amount, one.deals) for one in accepted] == [(Decimal("9640.00"), ("D-106",))]

    play(database_url, work)


def test_a_deleted_draft_is_made_new_only_on_request(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.clock.advance(60)
        draft = next(one for one in world.drafts() if one["Rows"][0]["UnitPrice"] == 18000)
        world.books.act("delete_draft", draft=draft["Id"])
        world.clock.advance(60)
        for _ in range(2):
            await running.run_once(world.engine(), world.store)
            world.clock.advance(60)
        assert len(world.drafts()) == 2
        case = await case_of(world, "draft_deleted")
        with pytest.raises(UsedWronglyError, match="no answer"):
            await exceptions.answer(
                engine, world.store, case, exceptions.Answer(new=True), who="anna.lind"
            )
        said = await exceptions.answer(
            engine, world.store, case, exceptions.Answer(make_new=True), who="anna.lind"
        )
        assert said == "A new draft is made for D-107."
        await running.run_once(world.engine(), world.store)
        assert len(world.drafts()) == 3
        assert await exceptions.listing(world.store, "nordic", "sf", code="draft_deleted") == []

    play(database_url, work)


def test_a_deal_is_left_out_for_good(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        case = await case_of(world, "item_no_code")
        with pytest.raises(UsedWronglyError, match="no answer"):
            await exceptions.answer(
                engine, world.store, case, exceptions.Answer(make_new=True), who="anna.lind"
            )
        await exceptions.answer(
            engine, world.store, case, exceptions.Answer(leave_out=True), who="anna.lind"
        )
        world.clock.advance(60)
        world.story.article("MONTAGE", "Montage plus")
        world.clock.advance(60)
        await running.run_once(world.engine(), world.store)
        assert len(world.drafts()) == 3
        assert await exceptions.listing(world.store, "nordic", "sf") == []

    play(database_url, work)


@pytest.mark.parametrize("new", [False, True])
def test_a_person_says_which_customer_it_is(database_url: str, new: bool) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.clock.advance(60)
        for number in ("112", "240"):
            world.books.act(
                "create_customer",
                set={
                    "CustomerNumber": number,
                    "Name": f"Havtorn {number}",
                    "CorporateIdentityNumber": "556036-0793",
                },
            )
        world.story.account("Havtorn Energi AB")
        world.crm.act(
            "edit_account",
            id=world.story.accounts["Havtorn Energi AB"],
            fields={"Org_Number__c": "556036-0793"},
        )
        world.crm.act("win", id=world.story.deals["D-120"])
        world.clock.advance(60)
        await running.run_once(world.engine(), world.store)
        found = await exceptions.listing(world.store, "nordic", "sf", code="customer_maybe_known")
        case = next(one for one in found if one.deal == "D-120" or one.customer)
        given = exceptions.Answer(new=True) if new else exceptions.Answer(which="240")
        await exceptions.answer(world.engine(), world.store, case, given, who="anna.lind")
        world.clock.advance(60)
        await running.run_once(world.engine(), world.store)
        drafts = [one for one in world.drafts() if one["Rows"][0]["UnitPrice"] == 5000]
        assert len(drafts) == 1
        assert (drafts[0]["InvoiceCustomerName"] == "Havtorn 240") is not new

    play(database_url, work)


@pytest.mark.parametrize("way", ["is", "not_ours"])
def test_a_person_names_the_document_that_counts(database_url: str, way: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.clock.advance(60)
        world.crm.act("win", id=world.story.deals["D-120"])
        world.books.fault("drop_after_commit", method="POST", path="/v2/customerinvoicedrafts")
        world.clock.advance(5)
        await running.run_once(engine, world.store)
        (lost,) = [one for one in world.drafts() if one["Rows"][0]["UnitPrice"] == 5000]
        world.books.act("copy_draft", draft=lost["Id"])
        for _ in range(6):
            world.clock.advance(300)
            await running.run_once(world.engine(), world.store)
        assert len(world.drafts()) == 5
        (case,) = await exceptions.listing(world.store, "nordic", "sf", code="two_carriers")
        ids = exceptions.candidate_ids(case)
        mine, other = f"draft:{lost['Id']}", next(ref for ref in ids if lost["Id"] not in ref)
        given = (
            exceptions.Answer(which=mine) if way == "is" else exceptions.Answer(not_ours=(other,))
        )
        await exceptions.answer(world.engine(), world.store, case, given, who="anna.lind")
        for _ in range(4):
            world.clock.advance(300)
            await running.run_once(world.engine(), world.store)
        roles = await world.store.do(
            lambda tx: tx.rows(
                "SELECT id, role FROM ref WHERE workspace = %(ws)s AND id = ANY(%(ids)s)"
                " ORDER BY role",
                ids=[mine, other],
            )
        )
        last = "copy" if way == "is" else "not_ours"
        assert sorted(tuple(row) for row in roles) == sorted([(mine, "current"), (other, last)])
        assert len(world.drafts()) == 5
        assert await exceptions.listing(world.store, "nordic", "sf", code="two_carriers") == []

    play(database_url, work)


def test_closest_puts_the_nearest_first_and_nothing_far() -> None:
    known = [("SRV-1", "Serverdrift"), ("MON-2", "Montage plus 2h"), ("MON-1", "Montage")]
    assert exceptions.closest("Montage plus", known)[0][0] in ("MON-2", "MON-1")
    assert exceptions.closest("Kaffe", [("SRV-1", "Serverdrift")]) == ()
    assert exceptions.closest("", known) == ()


# --- why -----------------------------------------------------------------------------------------


def test_why_goes_back_to_fields_and_forward_to_the_invoice(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.clock.advance(60)
        world.books.act("book_draft", all=True)
        world.clock.advance(60)
        await running.run_once(world.engine(), world.store)
        deal = await tracing.why(
            engine, world.store, await tracing.find(engine, world.store, "D-108")
        )
        invoice = next(step for step in deal.chain if step.kind == "invoice")
        assert (invoice.net, invoice.open) == (Decimal("37500.00"), Decimal("46875.00"))
        found = await tracing.find(engine, world.store, f"invoice:{invoice.number}")
        made = await tracing.why(engine, world.store, found)
        assert made.deal is not None
        assert made.deal.title == "D-108"
        values = {one.name: one for one in made.values}
        assert values["net"].value == "37,500.00"
        terms = values["terms"]
        assert (terms.value, terms.source) == ("30 dagar netto", 'account.terms "Net 30"')
        assert terms.rule == "customer.terms, v1, tables.payment_terms of tieout.yaml"
        assert [(one.method, one.path) for one in made.calls] == [
            ("POST", "/v2/customerinvoicedrafts")
        ]
        assert b"37500" in made.calls[0].body

    play(database_url, work)


def test_why_of_a_line_tells_every_value_of_it(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        found = await tracing.find(engine, world.store, "D-108 line 1")
        made = await tracing.why(engine, world.store, found)
        assert [(one.name, one.value, one.source) for one in made.values] == [
            ("line 1.item", "SRV-1", 'line.item "SRV-1"'),
            ("line 1.text", "Serverdrift", 'line.item_name "Serverdrift"'),
            ("line 1.quantity", "1.0", "line.quantity 1.0"),
            ("line 1.unit_price", "37500.00", "line.unit_price 37500.00"),
            ("line 1.tax", "25.00 %", "the item's tax class, the buyer, the day"),
            ("line 1.net", "37500.00", "line.stated_net 37500.00"),
        ]
        assert isinstance(made.record, Deal)
        line = made.record.lines[0].ref
        assert line is not None
        by_id = await tracing.find(engine, world.store, f"https://nordljus.example/{line.id}")
        assert (by_id.ref, by_id.line) == (made.ref, 1)
        with pytest.raises(UsedWronglyError, match="has no line 2; it has 1"):
            await tracing.why(engine, world.store, replace(found, line=2))

    play(database_url, work)


def test_why_says_what_the_rules_said_when_it_was_written(database_url: str) -> None:
    """A table that says something else since is not what the draft was made by."""

    async def work(world: World, engine: Engine) -> None:
        text = world.configuration.body.replace("30 dagar netto", "14 dagar netto")
        world.configuration = Configuration.from_stored(text, world.configuration.tables)
        later = await begin(world)
        assert later.policy.version == 2
        made = await tracing.why(
            later, world.store, await tracing.find(engine, world.store, "D-108")
        )
        terms = {one.name: one for one in made.values}["terms"]
        assert (terms.value, terms.rule) == (
            "30 dagar netto",
            "customer.terms, v1, tables.payment_terms of tieout.yaml",
        )

    play(database_url, work)


def test_what_is_two_things_is_asked_for(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.clock.advance(60)
        world.books.act("book_draft", all=True)
        world.books.act("create_customer", set={"CustomerNumber": "1001", "Name": "Annan AB"})
        world.clock.advance(60)
        await running.run_once(world.engine(), world.store)
        with pytest.raises(UsedWronglyError) as refused:
            await tracing.find(engine, world.store, "1001")
        assert refused.value.code == "ambiguous"
        assert (
            "1001 is an invoice and a customer. Say which: tieout why invoice:1001"
            in refused.value.message
        )
        assert (await tracing.find(engine, world.store, "customer:1001")).name == "Annan AB"
        with pytest.raises(UsedWronglyError, match="Nothing that was read"):
            await tracing.find(engine, world.store, "99999")

    play(database_url, work)


# --- prove ---------------------------------------------------------------------------------------


def test_every_step_has_one_document_or_a_reason(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        proof = await proving.prove(engine, world.store, None, [])
        assert (proof.deals, len(proof.steps), proof.one) == (4, 4, 3)
        assert (proof.none_with_reason, proof.several, proof.holds) == (1, [], True)

    play(database_url, work)


def test_a_copy_in_the_books_is_found_without_our_mirror(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.clock.advance(60)
        world.books.act("copy_draft", draft=world.drafts()[0]["Id"])
        proof = await proving.prove(engine, world.store, None, [])
        assert not proof.holds
        (step,) = proof.several
        assert [one.ours for one in step.carriers].count(True) == 1
        assert len(step.carriers) == 2

    play(database_url, work)


def test_a_document_that_vanished_has_no_reason(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.books.act("delete_draft", draft=world.drafts()[0]["Id"])
        proof = await proving.prove(engine, world.store, None, [])
        assert [len(step.carriers) for step in proof.none_without] == [0]
        assert not proof.holds

    play(database_url, work)


def test_a_month_is_proven_by_close_date(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        october = Period(start=date(2026, 10, 1), end=date(2026, 10, 31))
        assert (await proving.prove(engine, world.store, october, [])).deals == 0
        assert (await proving.prove(engine, world.store, NOVEMBER, [])).deals == 4

    play(database_url, work)


# --- runs, status, filed months ------------------------------------------------------------------


def test_a_lost_answer_is_looked_up_and_found_once(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.clock.advance(60)
        world.crm.act("win", id=world.story.deals["D-120"])
        world.books.fault("drop_after_commit", method="POST", path="/v2/customerinvoicedrafts")
        world.clock.advance(60)
        ran = await running.run_once(engine, world.store)
        assert [one.deal for one in ran.without_answer] == ["D-120"]
        assert len(world.drafts()) == 4
        for _ in range(4):
            world.clock.advance(300)
            ran = await running.run_once(world.engine(), world.store)
            if not ran.without_answer:
                break
        found = [one for one in ran.moved if one.deal == "D-120" and one.entity == "document"]
        assert [(one.state, one.detail) for one in found] == [("applied", "key")]
        assert len(world.drafts()) == 4

    play(database_url, work)


def test_since_when_there_is_no_answer_does_not_move_with_the_looks(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.story.deal("D-150", "Tallmo Skog AB", "SRV-1", "1500")
        world.clock.advance(60)
        # It is carried out late: no look of the first minutes finds it.
        world.books.fault(
            "commit_late", method="POST", path="/v2/customerinvoicedrafts", seconds=900
        )
        began = world.clock.now()
        first = await running.run_once(world.engine(), world.store)
        (lost,) = first.without_answer
        world.clock.advance(300)
        second = await running.run_once(world.engine(), world.store)
        (still,) = second.without_answer
        assert still.updated_at > lost.updated_at
        assert still.unanswered_since == lost.unanswered_since
        assert still.unanswered_since - began < timedelta(seconds=60)

    play(database_url, work)


def test_status_tells_what_waits(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        (one,) = await standing.status(world.store, now=world.clock.now())
        assert (one.bridge, one.version, one.exceptions) == ("nordic", 1, 1)
        assert one.amounts == ((Decimal("9640.00"), "SEK"),)
        assert one.run is not None
        assert (one.works, one.still, one.unanswered) == (None, (), ())

    play(database_url, work)


def test_a_run_that_could_not_reach_the_books_is_told_by_status(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        (before,) = await standing.status(world.store, now=world.clock.now())
        assert before.broken_off is None
        world.clock.advance(60)
        world.books.fault("status", status=503, times=99)
        with pytest.raises(TransientError):
            await running.run_once(world.engine(), world.store)
        (one,) = await standing.status(world.store, now=world.clock.now())
        assert one.run is not None
        assert one.broken_off is not None
        assert one.broken_off[0] == one.run["number"] + 1

    play(database_url, work)


def test_a_sign_in_that_was_withdrawn_is_shown_until_it_works_again(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        for name, side in (("sf", "crm"), ("visma-se", "books")):
            row = ConnectionRow(name=name, system=name, side=side, state="ok")
            await world.store.do(lambda tx, row=row: admin.add_connection(tx, row))
        broken = ConnectionBrokenError("Visma no longer accepts our sign-in.")
        connector = engine.connectors["visma-se"]
        with pytest.MonkeyPatch.context() as patched:

            async def refused() -> Any:
                raise broken

            patched.setattr(connector, "company", refused)
            with pytest.raises(ConnectionBrokenError):
                await running.run_once(engine, world.store)
        (one,) = await standing.status(world.store, now=world.clock.now())
        assert [(row.name, row.state) for row in one.still] == [("visma-se", "sign_in_withdrawn")]
        await running.run_once(world.engine(), world.store)
        (one,) = await standing.status(world.store, now=world.clock.now())
        assert one.still == ()

    play(database_url, work)


def test_a_filed_month_is_shown_from_storage_and_never_computed_again(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        done = await _november(world, engine)
        assert done.report.tie_out.explained
        now = world.clock.now()
        body = filing.to_file([done.report], month="2026-11", who="anna.lind", at=now)

        def store(tx: Any) -> Any:
            return evidence.file_report(
                tx, bridge="nordic", month="2026-11", body=body, who="anna.lind", now=now
            )

        assert await world.store.do(store) is not None
        assert await world.store.do(store) is None
        world.clock.advance(60)
        world.books.act("book_draft", all=True)
        kept = await world.store.do(lambda tx: evidence.filed_report(tx, "nordic", "2026-11"))
        assert kept is not None
        assert kept.intact
        (shown,) = filing.from_file(kept)
        assert shown.filed == "anna.lind"
        assert shown.explained
        assert any("in draft" in line and "80,500.00" in line for line in shown.lines)
        assert shown.data["filed_by"] == "anna.lind"
        assert "<html" in shown.html

    play(database_url, work)


@pytest.mark.parametrize("text", ["2026-13", "october", "2026", "0-0", ""])
def test_a_month_is_written_in_one_way(text: str) -> None:
    with pytest.raises(UsedWronglyError):
        filing.month_of(text)


def test_a_month_ends_on_its_last_day() -> None:
    assert filing.month_of("2026-12").end == date(2026, 12, 31)
    assert filing.month_of("2028-02").end == date(2028, 2, 29)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("1h", 3600), ("45", 45)])
def test_an_interval_is_read(text: str, seconds: int) -> None:
    assert running.interval(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "soon", "-5s", "1.5h"])
def test_a_wrong_interval_is_said(text: str) -> None:
    with pytest.raises(UsedWronglyError):
        running.interval(text)
