"""
The story that every pair tells, a scenario after the other in one project.

Each has customers and deals of its own and leaves nothing on its way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pairs import pages
from pairs.pair import NET, Pair

PART = Decimal("4482.69")


def doctor_is_clean(pair: Pair) -> None:
    """Before anything is published it says so, afterwards it has nothing to say."""
    pair.program.well("config", "validate")
    assert "Nothing is published yet" in pair.program.well("doctor")
    pair.program.well("config", "publish", "-m", "first version")
    found = pair.program.data("doctor")
    assert (found["failures"], found["warnings"]) == ([], []), found


def a_won_deal_becomes_a_customer_and_one_draft(pair: Pair) -> None:
    """Two lines, a discount, decimals: what the plan says is what the books show."""
    deal = pair.win("Lager 3", pair.buyer("Tallmo Skog"))
    plan = pair.program.data("plan")
    signs = [row["sign"] + row["entity"] for row in plan["items"]]
    assert signs == ["+customer", "+document"], [row["message"] for row in plan["items"]]
    predicted = plan["items"][1]
    assert predicted["net"]["amount"] == NET
    assert predicted["will_show"]["amount"] == str(pair.gross)
    assert pair.books.documents() == 0
    applied = pair.program.data("apply", plan["plan"], "--yes")
    assert applied["states"] == {"applied": 2}
    assert [row["as_predicted"] for row in applied["items"]] == [True, True]
    (draft,) = pair.books.drafts()
    assert (draft.customer, draft.gross) == ("Tallmo Skog", pair.gross)
    assert pair.books.customers() == ["Tallmo Skog"]
    pair.run()
    assert pair.crm.shown(deal).status == "draft"


def a_second_run_has_nothing_to_do(pair: Pair) -> None:
    """Neither plan nor run finds anything, and nothing is written on either side."""
    plan = pair.program.data("plan")
    assert (plan["items"], plan["to_write"]["changes"]) == ([], 0)
    before = pair.state()
    assert pair.run()["written"] == 0
    assert pair.state() == before


def finance_books_it_and_the_deal_says_so(pair: Pair) -> None:
    """Number, status, what is open."""
    (draft,) = pair.books.drafts()
    number = pair.books.book(draft)
    pair.run()
    shown = pair.crm.shown(pair.deals["Lager 3"])
    assert (shown.status, shown.number, shown.open) == ("booked", number, pair.gross)


def money_comes_in_two_parts(pair: Pair) -> None:
    """A part, then the rest."""
    deal = pair.deals["Lager 3"]
    number = pair.crm.shown(deal).number
    pair.books.pay(number, PART)
    pair.run()
    shown = pair.crm.shown(deal)
    assert (shown.status, shown.open) == ("partly_paid", pair.gross - PART)
    pair.books.pay(number)
    pair.run()
    shown = pair.crm.shown(deal)
    assert (shown.status, shown.open) == ("paid", Decimal(0))


def a_customer_that_the_books_know_is_found_by_its_number(pair: Pair) -> None:
    """It has another name over there, and is not made again."""
    number = pair.number()
    pair.books.known("Österviks Hamn (gammal)", number)
    before = len(pair.books.customers())
    deal = pair.win("Kajen", pair.buyer("Österviks Hamn", number))
    pair.run()
    assert len(pair.books.customers()) == before
    (draft,) = pair.books.drafts()
    assert draft.customer.startswith("Österviks Hamn")
    pair.book(deal)


def an_answer_that_got_lost_makes_no_second_draft(pair: Pair) -> None:
    """It was made over there and nobody told us: it is looked for, and nothing is sent again."""
    deal = pair.win("Pir 2", pair.made["Österviks Hamn"])
    before, lost = pair.books.documents(), pair.books.lost()
    pair.books.lose_answer()
    told = pair.program("run", "--once", "--json")
    done = json.loads(told.out)
    # Where the books keep our key unique it is found at once; elsewhere a later run looks.
    assert (told.code, done["data"]["counts"]["unknown"]) in ((0, 1), (9, 1)), told
    assert pair.books.lost() == lost + 1
    assert pair.books.documents() == before + 1
    pair.settle(lambda: pair.crm.shown(deal).status == "draft")
    assert pair.books.documents() == before + 1
    pair.book(deal)


def a_deal_that_is_open_again_takes_its_draft_back(pair: Pair) -> None:
    """Nobody touched the draft; it is made again when the deal is won again."""
    deal = pair.win("Bro 7", pair.buyer("Havtorn Energi"))
    pair.run()
    assert len(pair.books.drafts()) == 1
    pair.crm.reopen(deal)
    pair.settle(lambda: pair.books.drafts() == [])


def sold_is_invoiced_to_the_cent(pair: Pair) -> None:
    """Three deals are won and booked: no gap, and every deal has one document."""
    tied = pair.tie_out()
    assert tied["gap"] == tied["unexplained"] == "0.00"
    assert tied["sold"] == tied["invoiced"] == str(3 * Decimal(NET))
    proof = pair.program.data("prove")
    assert (proof["one"], proof["several"], proof["none_without_reason"]) == (3, 0, 0)


def what_is_credited_is_told_apart(pair: Pair) -> None:
    """A credit note over a whole invoice: the deal says so, and the gap has that cause."""
    deal = pair.deals["Kajen"]
    pair.books.credit(pair.crm.shown(deal).number)
    pair.run()
    shown = pair.crm.shown(deal)
    assert (shown.status, shown.open) == ("credited", Decimal(0))
    tied = pair.tie_out()
    assert (tied["gap"], tied["unexplained"]) == (NET, "0.00")
    pair.program.well("prove")
    a_second_run_has_nothing_to_do(pair)
    assert pair.program.data("exceptions", "list")["items"] == []


def prices_of_the_books_reach_the_crm(pair: Pair) -> None:
    """An item that was read long ago, its price in a list, a new price; then nothing."""
    name = pair.books.price_list()
    if not name:
        return
    file = pair.program.root / "tieout.yaml"
    prices = f"[{{list: {name}, book: {pair.crm.price_list()}, currency: [{pair.books.currency}]}}]"
    flow = f"  items: {{mode: auto, when: item.number == '{pair.item}', prices: {prices}}}"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("flows:\n", f"flows:\n{flow}\n", 1), encoding="utf-8")
    pair.program.well("config", "publish", "-m", "items with prices")
    # One run makes it, the next one reads what it shows.
    pair.run()
    pair.run()
    told = pair.program.data("report", "items", "--state", "price_missing")["items"]
    assert [(row["number"], row["message"]) for row in told] == [
        (pair.item, f"{pair.item} has no price in {name} in {pair.books.currency}.")
    ]
    pair.books.price(pair.item, "980.50")
    pair.settle(lambda: pair.crm.listed(pair.item) == Decimal("980.50"))
    pair.run()
    a_second_run_has_nothing_to_do(pair)
    pair.books.price(pair.item, "970.00")
    pair.settle(lambda: pair.crm.listed(pair.item) == Decimal("970.00"))
    pair.run()
    assert pair.program.data("exceptions", "list")["items"] == []


def codes_of_the_books_are_offered(pair: Pair) -> None:
    """Terms of payment as values of a list; a CRM that lets nobody write one says so."""
    file, name = pair.program.root / "tieout.yaml", pair.crm.value_list()
    before = file.read_text(encoding="utf-8")
    lists = f"[{{kind: terms, target: {name or 'Terms'}, label: both}}]"
    flow = f"flows:\n  reference: {{mode: auto, lists: {lists}}}\n"
    file.write_text(before.replace("flows:\n", flow, 1), encoding="utf-8")
    if not name:
        told = pair.program("config", "validate")
        assert (told.code, "lists_not_written" in told.out + told.err) == (3, True), told
        file.write_text(before, encoding="utf-8")
        return
    pair.program.well("config", "publish", "-m", "terms")
    codes = pair.program.data("codes", "--kind", "terms", "--all")["items"]
    usable = {row["code"] for row in codes if row["active"]}
    assert usable
    pair.settle(lambda: {c for c, active in pair.crm.offered().items() if active} > usable)
    assert set(pair.crm.offered()) == {"Cash", *usable}
    pair.run()
    a_second_run_has_nothing_to_do(pair)
    assert pair.program.data("exceptions", "list")["items"] == []


def the_history_of_invoices_is_in_the_crm(pair: Pair) -> None:
    """
    Every invoice of a linked customer, made by us or by hand, to the cent: at first all there
    are, then as they are paid and credited; what a person writes over it is set right.
    """
    file = pair.program.root / "tieout.yaml"
    text = file.read_text(encoding="utf-8")
    if "\n  invoices:" not in text:
        flow = "flows:\n  invoices: {mode: auto}\n"
        file.write_text(text.replace("flows:\n", flow, 1), encoding="utf-8")
        pair.program.well("config", "publish", "-m", "history")

    def equal() -> bool:
        return pair.crm.invoices() == pair.books.invoices()

    try:
        _follow_invoices(pair, equal)
    except AssertionError as error:
        sides = (pair.crm.invoices(), pair.books.invoices())
        for number in sorted(sides[0].keys() | sides[1].keys()):
            shown = [side.get(number) for side in sides]
            if shown[0] != shown[1]:
                error.add_note(f"{number}: {shown[0]} in the CRM, {shown[1]} in the books")
        raise


def _follow_invoices(pair: Pair, equal: Callable[[], bool]) -> None:

    pair.settle(equal)
    assert pair.crm.invoices()
    number = pair.books.by_hand("Tallmo Skog", pair.item, "77.35")
    pair.settle(lambda: equal() and number in pair.crm.invoices())
    pair.books.pay(number, Decimal("10.00"))
    pair.settle(equal)
    shown = pair.crm.invoices()[number]
    assert (shown.net, shown.gross - shown.open) == (Decimal("77.35"), 10)
    before = len(pair.crm.invoices())
    pair.books.credit(pair.books.by_hand("Tallmo Skog", pair.item, "12.05"))
    pair.settle(lambda: equal() and len(pair.crm.invoices()) == before + 2)
    assert min(one.net for one in pair.crm.invoices().values()) < 0
    pair.run()
    a_second_run_has_nothing_to_do(pair)
    spoilt = pair.crm.shown(pair.deals["Lager 3"]).number
    pair.crm.spoil(spoilt)
    assert not equal()
    pair.settle(equal)
    pair.run()
    a_second_run_has_nothing_to_do(pair)
    assert pair.program.data("exceptions", "list")["items"] == []


def persons_are_on_both_sides_once(pair: Pair) -> None:
    """
    Whom both sides know is one, whom one knows is made; no address, and one of two, is told.

    Where the books hold no persons the setting is refused, and nothing else changes.
    """
    file = pair.program.root / "tieout.yaml"
    text = file.read_text(encoding="utf-8")
    flow = "  contacts: {mode: auto, direction: both}"
    file.write_text(text.replace("flows:\n", f"flows:\n{flow}\n", 1), encoding="utf-8")
    name, customer = "Alvik Analys", pair.made["Alvik Analys"]
    if pair.books.persons(name) is None:
        told = pair.program("config", "publish", "-m", "persons")
        assert told.code != 0, told
        assert "holds no persons of customers" in told.out + told.err
        file.write_text(text, encoding="utf-8")
        return
    ada = pair.crm.person(customer, "Ada", "Alm", "ada@alvik.example")
    pair.crm.person(customer, "Bo", "Berg", "")
    pair.books.person(name, "Ada", "Alm", "ADA@alvik.example")
    pair.books.person(name, "Eva", "Ek", "eva@alvik.example")
    pair.program.well("config", "publish", "-m", "persons")

    def known() -> tuple[list[str], list[str]]:
        books = pair.books.persons(name)
        assert books is not None
        found = tuple([one.given for one in side] for side in (pair.crm.persons(customer), books))
        return found[0], found[1]

    pair.settle(lambda: known() == (["Ada", "Bo", "Eva"], ["Ada", "Eva"]))
    pair.run()
    a_second_run_has_nothing_to_do(pair)
    assert {one.phone for one in pair.crm.persons(customer) if one.given != "Bo"} == {"22 33"}
    pair.crm.calls(ada, "070-123")
    pair.settle(lambda: "070-123" in {one.phone for one in pair.books.persons(name) or ()})
    pair.crm.person(customer, "Cy", "Dahl", "cy@alvik.example")
    pair.crm.person(customer, "Cyrus", "Dahl", "cy@alvik.example")
    pair.later(20)
    pair.run()
    assert known()[1] == ["Ada", "Eva"]
    told = pair.program.data("exceptions", "list")["items"]
    assert {row["code"] for row in told} == {"contact_address_twice"}, told
    before = pair.state()
    assert pair.run()["written"] == 0
    assert pair.state() == before


def the_page_of_the_pair_says_what_happens(pair: Pair) -> None:
    """One more deal, as the how-to page of this pair tells it."""
    deal = pair.win("Lager 9", pair.buyer("Alvik Analys"))

    def meanwhile(command: str) -> None:
        pair.later(2)
        if command == "tieout run":
            (draft,) = pair.books.drafts()
            pair.books.book(draft)

    pages.follow(pair.name, pair.program, meanwhile)
    assert pair.crm.shown(deal).status == "booked"


def both_sides_worked_for_years_before(pair: Pair) -> None:
    """Who is who is proposed, said by a person, and taken over; nothing is made a second time."""
    number = pair.number()
    pair.books.known("Kvarnby Bygg", number)
    pair.books.known("Havsten Handel", "")
    invoice = pair.books.by_hand("Kvarnby Bygg", pair.item, NET)
    deal = pair.win("Kvarn 1", pair.buyer("Kvarnby Bygg", number))
    pair.buyer("Havsten Handell")
    # Where lists lag, what was just made shows in them a little later.
    pair.later(70)
    customers, documents = len(pair.books.customers()), pair.books.documents()

    before = pair.state()
    (report,) = pair.program.data("match", "report")["items"]
    assert pair.state() == before
    found = report["customers"]
    assert found["keys"]["matched"] == {"company_number": 1}
    (alike,) = [one for one in found["proposed"] if one["crm"]["name"] == "Havsten Handell"]
    assert (alike["books"]["name"], alike["key"]) == ("Havsten Handel", "name_alike")
    (document,) = report["documents"]["proposed"]
    assert (document["books"]["number"], document["key"]) == (invoice, "date")

    pair.program.well("match", "accept", "--all", "matched")
    pair.program.well("match", "accept", "Kvarn 1")
    rejected = pair.program.data("match", "reject", "Havsten Handell")
    assert rejected["pair"]["books"]["id"] == alike["books"]["id"]
    answer = pair.program("match", "new", "nobody", "--json")
    assert json.loads(answer.out)["error"]["code"] == "not_in_report"
    pair.run()
    shown = pair.crm.shown(deal)
    assert (shown.status, shown.number, shown.open) == ("booked", invoice, pair.gross)
    assert (len(pair.books.customers()), pair.books.documents()) == (customers, documents)
    (after,) = pair.program.data("match", "report")["items"]
    assert after["customers"]["proposed"] == after["documents"]["proposed"] == []
    a_second_run_has_nothing_to_do(pair)


def deals_become_sales_orders(pair: Pair) -> None:
    """The books ship and invoice it; the deal shows the invoice, and nothing counts twice."""
    file = pair.program.root / "tieout.yaml"
    text = file.read_text(encoding="utf-8")
    before = "  documents:\n    mode: approve\n"
    assert before in text
    after = f"{before}    create: sales_order\n"
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    pair.program.well("config", "validate")
    pair.program.well("config", "publish", "-m", "orders")
    deal = pair.win("Lager 3", pair.buyer("Tallmo Skog"))
    pair.run()
    (order,) = pair.books.orders_made()
    assert pair.books.documents() == 0
    pair.run()
    assert pair.crm.shown(deal).status in ("draft", "awaiting_approval")
    tied = pair.tie_out()
    assert (tied["sold"], tied["invoiced"], tied["unexplained"]) == (NET, "0.00", "0.00")
    a_second_run_has_nothing_to_do(pair)
    number = pair.books.invoice_order(order)
    pair.settle(lambda: pair.crm.shown(deal).status == "booked")
    shown = pair.crm.shown(deal)
    assert (shown.number, shown.open) == (number, pair.gross)
    assert (pair.books.documents(), pair.books.orders_made()) == (1, [order])
    tied = pair.tie_out()
    assert (tied["invoiced"], tied["gap"], tied["unexplained"]) == (NET, "0.00", "0.00")
    a_second_run_has_nothing_to_do(pair)
    assert pair.program.data("exceptions", "list")["items"] == []


STORY: tuple[Callable[[Pair], Any], ...] = (
    doctor_is_clean,
    a_won_deal_becomes_a_customer_and_one_draft,
    a_second_run_has_nothing_to_do,
    finance_books_it_and_the_deal_says_so,
    money_comes_in_two_parts,
    a_customer_that_the_books_know_is_found_by_its_number,
    an_answer_that_got_lost_makes_no_second_draft,
    a_deal_that_is_open_again_takes_its_draft_back,
    sold_is_invoiced_to_the_cent,
    what_is_credited_is_told_apart,
    the_page_of_the_pair_says_what_happens,
    prices_of_the_books_reach_the_crm,
    codes_of_the_books_are_offered,
    the_history_of_invoices_is_in_the_crm,
    both_sides_worked_for_years_before,
    persons_are_on_both_sides_once,
)
