"""Directed histories of what the CRM shows of the books: items to quote with, and invoices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from scenes import Scene, before_write, history
from tieout.core.mapping.fields import Owner
from tieout.core.policy import CustomerPolicy, FlowMode
from tieout.services import exceptions
from tieout.store import pages, people, sales
from world import BOOK, CRM

SHOWN: dict[str, Any] = {"shown": FlowMode.AUTO}


def products(s: Scene) -> dict[str, Mapping[str, Any]]:
    """The CRM's products by number; two with one number fail the history."""
    rows = list(s.world.crm.rows.live("products"))
    found = {row["number"]: row for row in rows}
    assert len(found) == len(rows), rows
    return found


def invoices(s: Scene) -> dict[str, Mapping[str, Any]]:
    """The CRM's invoices by number; two with one number fail the history."""
    rows = list(s.world.crm.rows.live("invoices"))
    found = {row["number"]: row for row in rows}
    assert len(found) == len(rows), rows
    return found


async def quiet_run_writes_nothing(s: Scene) -> None:
    """Once nobody does anything, nothing is written."""
    before = len(s.world.crm.received)
    await s.settle()
    assert len(s.world.crm.received) == before


@history(options=SHOWN)
async def p01_items_follow_the_books(s: Scene) -> None:
    """New, repriced, renumbered and discontinued items; what people overwrite is undone."""
    s.world.in_book("create_item", number="NEW-1", name="New thing", price="310.50")
    await s.settle()
    shown = products(s)
    assert {"CONS", "LIC", "SUP", "NEW-1"} <= set(shown)
    assert (shown["NEW-1"]["name"], shown["NEW-1"]["price"]) == ("New thing", Decimal("310.50"))
    await quiet_run_writes_nothing(s)

    s.world.in_book("edit_item", number="NEW-1", price="333.00", new_number="NEW-2")
    s.world.in_book("edit_item", number="SUP", active=False)
    await s.world.wait(70)
    await s.settle()
    shown = products(s)
    assert "NEW-1" not in shown
    assert shown["NEW-2"]["price"] == Decimal("333.00")
    assert shown["SUP"]["active"] is False

    s.world.crm.rows.edit(dict_of(s, "NEW-2"), {"price": Decimal("1.00")})
    await s.world.wait(70)
    await s.settle()
    assert products(s)["NEW-2"]["price"] == Decimal("333.00")
    await quiet_run_writes_nothing(s)
    s.none_open()


def dict_of(s: Scene, number: str) -> dict[str, Any]:
    """The row itself, to be edited as a person would."""
    return next(row for row in s.world.crm.rows.live("products") if row["number"] == number)


@history(options=SHOWN)
async def p02_items_known_already_are_taken(s: Scene) -> None:
    """A product with the item's number is the item; two of them are for a person."""
    s.world.crm.act("create_product", {"number": "TWICE", "name": "One", "price": Decimal(1)})
    s.world.crm.act("create_product", {"number": "TWICE", "name": "Other", "price": Decimal(1)})
    s.world.in_book("create_item", number="TWICE", name="Twice", price="5.00")
    await s.settle()
    before = [row for row in s.world.crm.rows.live("products") if row["number"] == "TWICE"]
    assert [row["name"] for row in before] == ["One", "Other"]
    codes = s.world.rows(
        "SELECT code FROM exception_case WHERE workspace = %(ws)s AND closed_at IS NULL"
    )
    assert codes == [("number_twice_in_crm",)]
    s.world.crm.rows.edit(before[1], {"number": "OTHER"})
    await s.world.wait(70)
    await s.settle()
    assert products(s)["TWICE"]["name"] == "Twice"
    assert "OTHER" in products(s)
    s.none_open()


@history(options=SHOWN)
async def p03_lost_answers_make_nothing_twice(s: Scene) -> None:
    """An answer that is lost behind the commit, or a commit that comes late: one product."""
    for number, kind in enumerate(("drop_after_commit", "commit_late", "drop_before"), 1):
        code = f"N{number}"
        s.world.crm.faults.add(
            {"kind": kind, "method": "PATCH", "path": "/products", "times": 1, "seconds": 40}
        )
        s.world.in_book("create_item", number=code, name=code, price="10.00")
        await s.settle()
        assert products(s)[code]["price"] == Decimal("10.00")
    await quiet_run_writes_nothing(s)


@history(options=SHOWN)
async def p19_written_over_before_the_lost_write_was_looked_for(s: Scene) -> None:
    """What the look finds is not all as we wrote it: what the books own is set right again."""
    fault = {"kind": "drop_after_commit", "method": "PATCH", "path": "/products", "times": 1}
    s.world.crm.faults.add(fault)
    s.world.in_book("create_item", number="N1", name="One", price="10.00")
    await s.run()
    s.world.crm.rows.edit(products(s)["N1"], {"price": Decimal(1)})
    await s.world.wait(70)
    await s.settle()
    assert products(s)["N1"]["price"] == Decimal("10.00")

    s.world.crm.faults.add(fault)
    s.world.in_book("edit_item", number="N1", name="The first")
    await s.run()
    s.world.crm.rows.edit(products(s)["N1"], {"price": Decimal(2)})
    await s.world.wait(70)
    await s.settle()
    shown = products(s)["N1"]
    assert (shown["name"], shown["price"]) == ("The first", Decimal("10.00"))
    await quiet_run_writes_nothing(s)
    s.none_open()


@history(options=SHOWN)
async def p04_invoices_of_linked_customers(s: Scene) -> None:
    """Ours and those that a person made, as they are booked, paid and credited; no others."""
    deal, draft = await s.linked("1000.00")
    await s.settle()
    assert invoices(s) == {}
    s.world.in_book("book", draft=draft)
    stranger = s.world.in_book("create_customer", name="Främmande AB")["id"]
    line = {"item": "CONS", "quantity": 1, "unit_price": Decimal(70)}
    ours = next(row["customer"] for row in s.world.live())
    for customer in (stranger, ours):
        s.world.in_book("create_invoice", customer=customer, lines=[line], booked=True)
    await s.world.wait(130)
    await s.settle()
    shown = invoices(s)
    assert {row["company"] for row in shown.values()} == {s.company}
    assert sorted(row["net"] for row in shown.values()) == [Decimal(70), Decimal(1000)]
    by_deal = {row["deal"]: row for row in shown.values()}
    assert by_deal[deal]["net"] == Decimal(1000)
    assert by_deal[deal]["status"] == "booked"
    assert [line["quantity"] for line in by_deal[deal]["lines"]] == [1]
    await quiet_run_writes_nothing(s)

    number = by_deal[deal]["number"]
    invoice = next(row for row in s.world.live() if row["number"] == number)
    s.world.in_book("pay", invoice=invoice["id"], amount="250.00")
    await s.world.wait(70)
    await s.settle()
    assert invoices(s)[number]["status"] == "partly_paid"
    assert invoices(s)[number]["open"] == invoice["gross"] - 250
    await quiet_run_writes_nothing(s)

    s.world.make_deal(s.company, "500.00", state="open")
    s.world.in_book("create_invoice", customer=ours, lines=[line], booked=False)
    await s.world.wait(70)
    await s.settle()
    found: list[sales.SalesSum] = []
    await s.world.do(lambda tx: found.extend(sales.sums(tx, CRM, [BOOK], None, None)))
    assert {(one.kind, one.linked, one.net, one.count) for one in found} == {
        ("invoiced", True, Decimal(1070), 2),
        ("invoiced", False, Decimal(70), 1),
        ("ongoing", True, Decimal(70), 1),
        ("open", True, Decimal(500), 1),
    }
    assert {one.customer for one in found if not one.linked} == {"Främmande AB"}


@history(options=SHOWN)
async def p05_history_comes_with_the_link(s: Scene) -> None:
    """Invoices of a customer that nobody had linked are shown as soon as it is."""
    account = s.world.crm.rows.row("companies", s.company)
    known = s.world.in_book(
        "create_customer",
        name=account["name"],
        org_number=account["org_number"],
        address=account["address"],
    )["id"]
    line = {"item": "CONS", "quantity": 2, "unit_price": Decimal(70)}
    s.world.in_book("create_invoice", customer=known, lines=[line], booked=True)
    await s.settle()
    assert invoices(s) == {}
    s.deal("1000.00")
    await s.settle()
    # A person says that the customer of that name is it.
    books = s.world.engine().policy.books[0].connection

    def work(tx: Any) -> None:
        subject = f"customer:{books}:{s.company}"
        now = s.world.clock.now()
        people.add_verdict(tx, subject, "is", [known], "ada", "", now)
        pages.make_due(tx, "nordic/documents/book", ["deal-1"], now)

    await s.world.do(work)
    await s.settle()
    assert [row["net"] for row in invoices(s).values()] == [Decimal(140)]
    assert {row["company"] for row in invoices(s).values()} == {s.company}
    await quiet_run_writes_nothing(s)


@history(options=SHOWN)
async def p06_deleted_in_the_crm_is_told(s: Scene) -> None:
    """What a person deletes in the CRM is not made again behind their back."""
    s.world.in_book("create_item", number="GONE", name="Gone", price="10.00")
    await s.settle()
    row = dict_of(s, "GONE")
    s.world.crm.rows.delete("products", row)
    await s.world.wait(70)
    await s.settle()
    assert "GONE" not in products(s)
    codes = s.world.rows(
        "SELECT code FROM exception_case WHERE workspace = %(ws)s AND closed_at IS NULL"
    )
    assert codes == [("deleted_in_crm",)]


BOTH: dict[str, Any] = {
    "customers": CustomerPolicy(
        both=True, owners={"emails": Owner.BOOKS, "phones": Owner.LATEST, "name": Owner.LATEST}
    )
}


def account(s: Scene) -> Mapping[str, Any]:
    """The company in the CRM."""
    return s.world.crm.rows.row("companies", s.company)


def known(s: Scene) -> Mapping[str, Any]:
    """The one customer of the books."""
    (row,) = s.world.book.ledger.live("customers")
    return row


@history(options=BOTH)
async def p10_each_field_has_its_owner(s: Scene) -> None:
    """The books' e-mail comes back, the later telephone wins, whichever side it came from."""
    await s.linked()
    s.world.in_book("edit_customer", customer=known(s)["id"], email="ny@kund.example")
    s.world.in_crm("edit_company", company=s.company, phone="08-1")
    await s.world.wait(70)
    await s.settle()
    assert account(s)["email"] == known(s)["email"] == "ny@kund.example"
    assert account(s)["phone"] == known(s)["phone"] == "08-1"
    await quiet_run_writes_nothing(s)

    s.world.in_book("edit_customer", customer=known(s)["id"], phone="08-2")
    await s.world.wait(70)
    await s.settle()
    assert account(s)["phone"] == known(s)["phone"] == "08-2"

    s.world.in_crm("edit_company", company=s.company, email="gammal@kund.example")
    await s.world.wait(70)
    await s.settle()
    assert account(s)["email"] == known(s)["email"] == "ny@kund.example"
    await quiet_run_writes_nothing(s)
    s.none_open()


@history(options=BOTH)
async def p11_both_edit_one_field_between_two_runs(s: Scene) -> None:
    """The later edit wins where the latest counts; where nobody owns it, a person is asked."""
    await s.linked()
    s.world.in_book("edit_customer", customer=known(s)["id"], name="Böckernas AB")
    await s.world.wait(5)
    s.world.in_crm("edit_company", company=s.company, name="Säljarens AB")
    await s.world.wait(70)
    await s.settle()
    assert account(s)["name"] == known(s)["name"] == "Säljarens AB"
    await quiet_run_writes_nothing(s)

    s.world.in_crm("edit_company", company=s.company, name="Ett AB")
    await s.world.wait(5)
    s.world.in_book("edit_customer", customer=known(s)["id"], name="Två AB")
    await s.world.wait(70)
    await s.settle()
    assert account(s)["name"] == known(s)["name"] == "Två AB"

    s.world.in_crm("edit_company", company=s.company, contact="Ada")
    s.world.in_book("edit_customer", customer=known(s)["id"], contact="Bo")
    await s.world.wait(70)
    await s.settle()
    assert s.world.exceptions(s.company) == ["both_changed"]
    s.world.in_book("edit_customer", customer=known(s)["id"], contact="Ada")
    await s.world.wait(70)
    await s.settle()
    s.none_open()


@history(options=BOTH)
async def p12_both_move_and_an_answer_is_lost(s: Scene) -> None:
    """One field to each side at once, and the CRM's answer lost: both arrive, nothing is undone."""
    await s.linked()
    s.world.crm.faults.add(
        {"kind": "drop_after_commit", "method": "PATCH", "path": "/companies", "times": 1}
    )
    s.world.in_book("edit_customer", customer=known(s)["id"], phone="08-3")
    s.world.in_crm("edit_company", company=s.company, name="Nya AB")
    await s.world.wait(70)
    await s.settle()
    for name, value in (("phone", "08-3"), ("name", "Nya AB")):
        assert account(s)[name] == known(s)[name] == value
    await quiet_run_writes_nothing(s)
    s.none_open()


async def chooses(s: Scene, *sides: str) -> str:
    """A person answers the open conflict."""
    engine = s.world.engine()
    store: Any = engine.store
    (case,) = [
        found
        for found in await store.do(lambda tx: people.open_cases(tx, engine.bridge, CRM))
        if found.code == "both_changed"
    ]
    answer = exceptions.Answer(sides=sides)
    return await exceptions.answer(engine, store, case, answer, who="Eva")


async def both_edit(s: Scene, contact: tuple[str, str], **more: tuple[str, str]) -> None:
    """Between two runs, both sides edit the same fields: the CRM's value, the books' value."""
    edits = {"contact": contact, **more}
    s.world.in_crm("edit_company", company=s.company, **{k: v[0] for k, v in edits.items()})
    s.world.in_book("edit_customer", customer=known(s)["id"], **{k: v[1] for k, v in edits.items()})
    await s.world.wait(70)
    await s.settle()
    assert s.world.exceptions(s.company) == ["both_changed"]


@history(options=BOTH)
async def p13_a_person_names_the_side_that_counts(s: Scene) -> None:
    """The chosen value is on both sides after the next run, whichever side it came from."""
    await s.linked()
    await both_edit(s, ("Ada", "Bo"))
    assert await chooses(s, "crm") == 'contact_name becomes "Ada" in book.'
    await s.settle()
    assert account(s)["contact"] == known(s)["contact"] == "Ada"
    s.none_open()
    await quiet_run_writes_nothing(s)

    await both_edit(s, ("Cai", "Dag"))
    assert await chooses(s, "contact_name=books") == 'contact_name becomes "Dag" in crm.'
    await s.settle()
    assert account(s)["contact"] == known(s)["contact"] == "Dag"
    s.none_open()
    await quiet_run_writes_nothing(s)


@history(options={"customers": CustomerPolicy()})
async def p14_a_word_holds_for_the_values_that_were_seen(s: Scene) -> None:
    """
    Field by field, one side each; where one of them is edited again before the next run, the
    person is asked again. Where nothing goes to the CRM, the books keep what was chosen there.
    """
    await s.linked()
    await both_edit(s, ("Ada", "Bo"), name=("Ett AB", "Två AB"))
    told = await chooses(s, "crm", "name=books")
    assert told == (
        'contact_name becomes "Ada" in book. name stays "Två AB" in book; crm keeps its own.'
    )
    s.world.in_crm("edit_company", company=s.company, contact="Eva")
    await s.world.wait(70)
    await s.settle()
    assert s.world.exceptions(s.company) == ["both_changed"]
    assert known(s)["contact"] == "Bo"
    await chooses(s, "crm")
    await s.settle()
    assert (known(s)["contact"], known(s)["name"]) == ("Eva", "Två AB")
    assert (account(s)["contact"], account(s)["name"]) == ("Eva", "Ett AB")
    s.none_open()


@history(options=BOTH)
async def p15_edited_before_the_lost_create_was_looked_for(s: Scene) -> None:
    """What the look finds is not all ours: a person's edit since goes over like any other."""
    s.deal()
    await s.dies("store.settle:before", 1, leased=False)
    s.world.in_book("edit_customer", customer=known(s)["id"], phone="08-7")
    await s.world.wait(70)
    await s.settle()
    assert account(s)["phone"] == known(s)["phone"] == "08-7"
    await quiet_run_writes_nothing(s)
    s.none_open()


@history(options=BOTH)
async def p16_another_field_edited_while_ours_is_written(s: Scene) -> None:
    """The answer shows a field that we did not write: it is a change of theirs."""
    await s.linked()
    s.world.in_crm("edit_company", company=s.company, name="Nya AB")
    await s.world.wait(70)
    slow = s.run_beside(0, pace=before_write(1, 10.0))
    await s.world.wait(5)
    assert known(s)["name"] != "Nya AB"
    s.world.in_book("edit_customer", customer=known(s)["id"], phone="08-8")
    await slow
    await s.world.wait(70)
    await s.settle()
    for name, value in (("phone", "08-8"), ("name", "Nya AB")):
        assert account(s)[name] == known(s)[name] == value
    await quiet_run_writes_nothing(s)
    s.none_open()


@history(options=BOTH)
async def p17_what_waits_for_a_person_keeps_no_field_from_going(s: Scene) -> None:
    """
    One field that both changed is asked about; what else each side changed goes over, if not
    before the answer, then with it.
    """
    await s.linked()
    s.world.in_crm("edit_company", company=s.company, name="Nya AB")
    s.world.in_book("edit_customer", customer=known(s)["id"], phone="08-9")
    await both_edit(s, ("Ada", "Bo"))
    await chooses(s, "crm")
    await s.settle()
    for name, value in (("phone", "08-9"), ("name", "Nya AB"), ("contact", "Ada")):
        assert account(s)[name] == known(s)[name] == value
    await quiet_run_writes_nothing(s)
    s.none_open()


@history(options=BOTH)
async def p18_an_account_that_takes_over_a_customer_by_a_merge_shows_what_is_its(s: Scene) -> None:
    """Nothing was saved in the account that is left; what the books own still comes to it."""
    winner = s.world.make_company(2)
    s.world.in_crm("edit_company", company=winner, email="other@kund.example")
    await s.linked()
    s.world.in_crm("merge_companies", loser=s.company, winner=winner)
    await s.world.wait(70)
    await s.settle()
    assert s.world.crm.rows.row("companies", winner)["email"] == known(s)["email"]
    await quiet_run_writes_nothing(s)
