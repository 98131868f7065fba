"""What a real Tryton shows of documents, money, customers and codes, as the connector reads it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    DOCUMENTS,
    create,
    new_customer,
    pages,
    records,
    run,
    write,
)
from support.tryton_rig import TrytonRig, number_of
from support.tryton_server import RunningTryton, tryton_group, tryton_plant  # noqa: F401
from tieout.core.ageing import ItemKind
from tieout.core.model import (
    Balance,
    Code,
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Item,
    ItemRef,
    Line,
)
from tieout.engine.facts import standing_of
from tieout.ports import Selection
from tieout_sandbox.tryton import acts

D = Decimal
_SOURCE = itertools.count(1)


@pytest.fixture
def rig(tryton_group: RunningTryton) -> TrytonRig:  # noqa: F811
    return TrytonRig(tryton_group, page_size=50)


def source() -> str:
    """A deal that no other test has."""
    return f"00TR{next(_SOURCE)}"


async def drafted(
    rig: TrytonRig, customer: ExternalRef, price: str = "100.00", **more: Any
) -> ExternalRef:
    """A draft of one item that we made."""
    line = Line(position=1, item=ItemRef(number="SKR01"), unit_price=D(price))
    wanted = rig.document(customer, lines=(line,), **more)
    _, done = await write(rig, create(rig, source(), wanted))
    return done.ref


async def posted(rig: TrytonRig, customer: ExternalRef, price: str = "100.00", **more: Any) -> int:
    """The id of an invoice that the accountant posted."""
    ref = await drafted(rig, customer, price, **more)
    rig.book(ref)
    return number_of(ref)


async def read(rig: TrytonRig, number: int) -> Document:
    """The invoice as it is now."""
    ref = ExternalRef(rig.connector.name, "document", f"invoice:{number}")
    (found,) = await rig.connector.get([ref], DOCUMENTS)
    assert isinstance(found, Document)
    return found


def bank_move(rig: TrytonRig, customer: ExternalRef, amount: str) -> int:
    """Money that came to the bank, as a move of its own: the id of its receivable line."""
    books, today = rig.running.books, rig.today
    debit = {"account": books.accounts["1930"], "debit": D(amount), "credit": D(0)}
    credit = {"account": books.receivable, "party": int(customer.id), "debit": D(0),
              "credit": D(amount)}  # fmt: skip
    move = rig.admin.create(
        "account.move",
        {
            "company": books.company,
            "journal": books.journals["CASH"],
            "period": books.periods[f"{today:%Y-%m}"],
            "date": today,
            "lines": [["create", [debit, credit]]],
        },
    )
    rig.admin.call("model.account.move.post", [move])
    line = rig.admin.one("account.move.line",
                         [["move", "=", move], ["account", "=", books.receivable]])  # fmt: skip
    return int(line["id"])


def reconcile(rig: TrytonRig, *lines: int) -> None:
    """Set lines against each other by the wizard."""
    context = {"active_model": "account.move.line", "active_id": lines[0],
               "active_ids": list(lines)}  # fmt: skip
    rig.admin.wizard("account.move.reconcile_lines", ("start", {}), context=context)


def claims(rig: TrytonRig, *numbers: int) -> list[int]:
    """The receivable lines of invoices."""
    rows = [rig.admin.read("account.invoice", n, "lines_to_pay") for n in numbers]
    return [line for row in rows for line in row["lines_to_pay"]]


# --- what became of an invoice -------------------------------------------------------------------


def test_an_open_invoice(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        found = await read(rig, await posted(rig, customer))
        assert (found.kind, found.booked, found.raw_status) == (
            DocumentKind.INVOICE,
            True,
            "posted",
        )
        assert found.totals is not None
        assert found.totals.open == found.totals.gross == D("125.00")
        assert found.issue_date is not None
        assert found.due_date is not None
        assert (found.due_date - found.issue_date).days == 30
        assert (found.paid, found.credited, found.written_off) == (0, 0, 0)
        assert found.rate == 1

    run(story())


def test_money_in_parts_and_what_is_written_off(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        number = await posted(rig, customer)
        acts.pay(rig.anna, number, D("25.00"))
        part = await read(rig, number)
        assert (part.paid, part.raw_status) == (D("25.00"), "partly_paid")
        assert part.totals is not None
        assert part.totals.open == D("100.00")
        acts.write_off(rig.anna, number, D("99.60"))
        done = await read(rig, number)
        assert (done.paid, done.written_off, done.raw_status) == (
            D("124.60"),
            D("0.40"),
            "paid",
        )
        assert done.last_payment_on == rig.today
        assert {one.on for one in done.payments} == {rig.today}
        assert sum(one.amount for one in done.payments) == done.paid
        journals = rig.admin.search("account.journal", [["type", "=", "write-off"]], ["code"])
        code = next(row["code"] for row in journals if row["code"] != "EXC")
        own = TrytonRig(rig.running, small_difference_journals=(code,))
        again = await read(own, number)
        assert (again.written_off, again.small_difference) == (0, D("0.40"))

    run(story())


def test_a_refund_turns_the_words_round(rig: TrytonRig) -> None:
    """The invoice is called cancelled and its credit note paid; they are neither."""

    async def story() -> None:
        customer = await new_customer(rig, source())
        number = await posted(rig, customer)
        note = acts.credit(rig.anna, number)
        states = [rig.admin.read("account.invoice", n, "state")["state"] for n in (number, note)]
        assert states == ["cancelled", "paid"]
        invoice, credit = await read(rig, number), await read(rig, note)
        assert (invoice.voided, invoice.booked, invoice.raw_status) == (False, True, "credited")
        assert (invoice.credited, invoice.paid) == (D("125.00"), 0)
        assert invoice.totals is not None
        assert invoice.totals.open == 0
        assert invoice.credited_by == (credit.ref,)
        assert (credit.kind, credit.raw_status) == (DocumentKind.CREDIT_NOTE, "credited")
        assert (credit.credited, credit.paid) == (D("-125.00"), 0)
        assert credit.credits == (invoice.ref,)
        assert str(standing_of(invoice).status) == "credited"

    run(story())


def test_a_part_is_credited_and_the_rest_is_paid(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        number = await posted(rig, customer)
        note = acts.credit(rig.anna, number, refund=False)
        (line,) = rig.admin.read("account.invoice", note, "lines")["lines"]
        acts.edit_line(rig.anna, note, line, unit_price=D("40.00"))
        acts.post(rig.anna, note)
        added = {"payment_lines": [["add", claims(rig, note)]]}
        rig.anna.write("account.invoice", number, added)
        part = await read(rig, number)
        assert (part.credited, part.paid) == (D("50.00"), 0)
        # The wizard itself refuses to pay the rest of an invoice that a note was put on.
        money = bank_move(rig, customer, "75.00")
        reconcile(rig, money, *claims(rig, number, note))
        done, credit = await read(rig, number), await read(rig, note)
        assert (done.credited, done.paid, done.raw_status) == (D("50.00"), D("75.00"), "paid")
        assert done.credited_by == (credit.ref,)
        assert (credit.credited, credit.paid) == (D("-50.00"), 0)

    run(story())


def test_one_payment_for_two_invoices_is_split(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        first, second = await posted(rig, customer), await posted(rig, customer, "300.00")
        money = bank_move(rig, customer, "500.00")
        reconcile(rig, money, *claims(rig, first, second))
        told = [await read(rig, number) for number in (first, second)]
        assert [(d.paid, d.credited, d.raw_status) for d in told] == [
            (D("125.00"), 0, "paid"),
            (D("375.00"), 0, "paid"),
        ]
        # Undone, they are open again.
        context = {"active_model": "account.move.line", "active_id": money, "active_ids": [money]}
        rig.admin.wizard("account.move.unreconcile_lines", ("unreconcile", {}), context=context)
        told = [await read(rig, number) for number in (first, second)]
        assert [(d.paid, d.raw_status) for d in told] == [(0, "posted"), (0, "posted")]

    run(story())


def test_another_currency_has_its_own_figures_and_its_exchange_difference(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        number = await posted(rig, customer, "30.15", currency="EUR")
        found = await read(rig, number)
        assert found.currency == "EUR"
        assert found.totals is not None
        assert found.base_totals is not None
        assert (found.totals.net, found.totals.tax) == (D("30.15"), D("7.54"))
        # 0.0880 EUR for a krona; each line is rounded for itself.
        assert (found.base_totals.net, found.base_totals.tax) == (D("342.61"), D("85.68"))
        assert found.base_totals.rounding == D("0.01")
        assert found.base_totals.open == found.base_totals.gross == D("428.30")
        currency = rig.running.books.currencies["EUR"]
        today = rig.today
        rig.admin.create("currency.currency.rate",
                         {"currency": currency, "date": today, "rate": D("0.0900")})  # fmt: skip
        acts.pay(rig.anna, number)
        paid = await read(rig, number)
        assert (paid.paid, paid.written_off, paid.raw_status) == (D("37.69"), 0, "paid")
        assert paid.base_totals is not None
        assert paid.base_totals.open == 0
        row = rig.admin.one("currency.currency.rate",
                            [["currency", "=", currency], ["date", "=", today]])  # fmt: skip
        rig.admin.call("model.currency.currency.rate.delete", [row["id"]])

    run(story())


def test_drafts_that_wait_or_were_dropped(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        waiting, dropped = await drafted(rig, customer), await drafted(rig, customer)
        rig.anna.call("model.account.invoice.validate_invoice", [number_of(waiting)])
        acts.cancel(rig.anna, number_of(dropped))
        found = await rig.connector.get([waiting, dropped], DOCUMENTS)
        told = [(d.raw_status, d.voided, d.booked) for d in found if isinstance(d, Document)]
        assert told == [("awaiting_approval", False, False), ("cancelled", True, False)]

    run(story())


async def next_second() -> None:
    """A cursor has whole seconds: what was made in its own second is read once more."""
    await asyncio.sleep(1.1)


# --- the feed ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_feed_follows_what_people_do(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        ref, gone = await drafted(rig, customer), await drafted(rig, customer)
        number = await posted(rig, customer)
        await next_second()
        first = await pages(rig, DOCUMENTS)
        cursor = first[-1].cursor
        rig.clock.advance(60)
        assert set(records(await pages(rig, DOCUMENTS, cursor))) == set()
        acts.pay(rig.anna, number, D("5.00"))
        rig.book(ref)
        rig.delete(gone)
        found = await pages(rig, DOCUMENTS, cursor)
        seen = records(found)
        booked = ExternalRef(rig.connector.name, "document", f"invoice:{number_of(ref)}")
        paid = ExternalRef(rig.connector.name, "document", f"invoice:{number}")
        assert set(seen) == {booked, paid}
        assert isinstance(seen[booked], Document)
        assert seen[booked].came_from == (ref,)
        # The draft is told to be gone, for the engine to follow; the deleted one by the keys.
        assert {entry.ref for page in found for entry in page.gone} >= {ref}
        keys = [key async for part in rig.connector.keys(Entity.DOCUMENT) for key, _ in part]
        assert gone not in keys
        assert {booked, paid} <= set(keys)

    run(story())


def test_a_line_edited_for_itself_is_found_by_the_list_of_drafts(rig: TrytonRig) -> None:
    async def story() -> None:
        eager = TrytonRig(rig.running, page_size=50, drafts_every_s=0)
        customer = await new_customer(rig, source())
        ref = await drafted(rig, customer)
        await next_second()
        cursor = (await pages(eager, DOCUMENTS))[-1].cursor
        rig.clock.advance(60)
        (line,) = rig.row(ref, "lines")["lines"]
        rig.admin.write("account.invoice.line", line, {"quantity": 3})
        assert ref not in records(await pages(rig, DOCUMENTS, cursor))
        found = await pages(eager, DOCUMENTS, cursor)
        shown = records(found)[ref]
        assert isinstance(shown, Document)
        assert shown.lines[0].quantity == 3
        assert {page.scope for page in found if page.whole} == {"draft:"}

    run(story())


def test_an_address_moves_its_customer(rig: TrytonRig) -> None:
    """Over there it moves only itself."""

    async def story() -> None:
        customer = await new_customer(rig, source())
        rig.clock.advance(60)
        await next_second()
        cursor = (await pages(rig, CUSTOMERS))[-1].cursor
        (address,) = rig.admin.read("party.party", int(customer.id), "addresses")["addresses"]
        rig.admin.write("party.address", address, {"city": "Ystad"})
        found = records(await pages(rig, CUSTOMERS, cursor))
        assert set(found) == {customer}
        shown = found[customer]
        assert isinstance(shown, Customer)
        assert shown.addresses[0].city == "Ystad"

    run(story())


def test_stamps_are_asked_for_with_an_overlap(tryton_group: RunningTryton) -> None:  # noqa: F811
    rig = TrytonRig(tryton_group, page_size=50, overlap_s=600)

    async def story() -> None:
        customer = await new_customer(rig, source())
        await next_second()
        cursor = (await pages(rig, CUSTOMERS))[-1].cursor
        # What was there already comes again: it could have been committed after we looked.
        assert customer in records(await pages(rig, CUSTOMERS, cursor))

    run(story())


def test_fields_of_tryton_that_the_configuration_names(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        number = await posted(rig, customer)
        want = Selection(
            entity=Entity.DOCUMENT,
            extra=("customer_payment_reference", "invoice_address.city", "line.account.code"),
        )
        ref = ExternalRef(rig.connector.name, "document", f"invoice:{number}")
        (found,) = await rig.connector.get([ref], want)
        assert isinstance(found, Document)
        assert str(found.extra["customer_payment_reference"]).startswith("RF")
        assert found.extra["invoice_address.city"] == "Malmö"
        assert found.lines[0].extra["line.account.code"] == "3001"

    run(story())


# --- lists ---------------------------------------------------------------------------------------


def test_items_have_a_tax_for_each_treatment_that_is_set_up(rig: TrytonRig) -> None:
    rule = {"eu_service_reverse_charge": "Kund i annat EU-land"}
    own = TrytonRig(rig.running, page_size=50, tax_rules=rule)

    async def story() -> None:
        found = records(await pages(own, Selection(entity=Entity.ITEM)))
        items = {r.number: r for r in found.values() if isinstance(r, Item)}
        consult = items["KON01"]
        assert (consult.service, consult.unit, consult.price) == (True, "h", D("1250.00"))
        assert [(t.treatment, t.rate) for t in consult.tax] == [
            ("domestic_rate", D("0.25")),
            ("eu_service_reverse_charge", 0),
        ]
        assert [t.rate for t in items["UTB01"].tax if t.treatment == "domestic_zero"] == [0]
        # What is said of an item can be sent on a line.
        customer = await new_customer(own, source())
        line = Line(position=1, item=ItemRef(number="KON01"), unit_price=D("10.00"),
                    tax_code=consult.tax[1].code, tax_rate=D(0))  # fmt: skip
        wanted = own.document(customer, lines=(line,))
        _, done = await write(own, create(own, source(), wanted))
        assert isinstance(done.shows, Document)
        assert done.shows.totals is not None
        assert done.shows.totals.tax == 0

    run(story())


def test_codes_of_the_company(rig: TrytonRig) -> None:
    async def story() -> None:
        found = await pages(rig, Selection(entity=Entity.CODE))
        codes = [r for page in found for r in page.records if isinstance(r, Code)]
        by_kind: dict[str, dict[str, Code]] = {}
        for code in codes:
            by_kind.setdefault(code.kind, {})[code.code] = code
        assert by_kind["terms"]["30"].facts == {"days": 30}
        assert {c.name for c in by_kind["tax"].values()} >= {"Moms 25 %", "Moms 6 %"}
        assert by_kind["currency"]["EUR"].facts["rate"] == D("11.3636363636")
        assert set(by_kind["projekt"]) == {"P1", "P2"}
        assert set(by_kind["kostnadsställe"]) == {"100", "200"}
        assert "Kund i annat EU-land" in by_kind["tax_rule"]
        assert by_kind["unit"]["u"].facts["decimals"] == 0

    run(story())


def test_balances_by_customer_and_currency(rig: TrytonRig) -> None:
    async def story() -> None:
        owing, nobody = await new_customer(rig, source()), await new_customer(rig, source())
        number = await posted(rig, owing)
        await posted(rig, owing, "10.00", currency="EUR")
        acts.pay(rig.anna, number, D("25.00"))
        found = records(await pages(rig, Selection(entity=Entity.BALANCE)))
        told = {(r.customer, r.currency): r.open for r in found.values() if isinstance(r, Balance)}
        assert told[owing, "SEK"] == D("100.00")
        assert told[owing, "EUR"] == D("12.50")
        assert told[nobody, "SEK"] == 0
        refs = [ExternalRef(rig.connector.name, "balance", f"{owing.id}:EUR")]
        (one,) = await rig.connector.get(refs, Selection(entity=Entity.BALANCE))
        assert isinstance(one, Balance)
        assert one.open == D("12.50")

    run(story())


# --- the ledger ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_receivables_go_forward_to_the_account(tryton_plant: Any) -> None:  # noqa: F811
    """A month with everything in it adds up, and the control account says the same."""

    with tryton_plant.running() as running:
        rig = TrytonRig(running, page_size=50)
        today = rig.today
        first = today.replace(day=1)

        async def story() -> None:
            customer = await new_customer(rig, source())
            paid = await posted(rig, customer)
            acts.pay(rig.anna, paid, D("25.00"))
            lost = await posted(rig, customer, "80.00")
            acts.write_off(rig.anna, lost, D("99.50"))
            credited = await posted(rig, customer, "40.00")
            acts.credit(rig.anna, credited)
            euro = await posted(rig, customer, "10.00", currency="EUR")
            acts.pay(rig.anna, euro)
            bank_move(rig, customer, "70.00")
            await drafted(rig, customer, "999.00")
            books = rig.running.books
            manual = [
                {"account": books.receivable, "party": int(customer.id), "debit": D("33.00"),
                 "credit": D(0), "description": "fel konto"},
                {"account": books.accounts["3001"], "debit": D(0), "credit": D("33.00")},
            ]  # fmt: skip
            move = rig.admin.create(
                "account.move",
                {
                    "company": books.company,
                    "journal": books.journals["MISC"],
                    "period": books.periods[f"{today:%Y-%m}"],
                    "date": today,
                    "lines": [["create", manual]],
                },
            )
            rig.admin.call("model.account.move.post", [move])
            told = await rig.connector.subledger(first, today)
            control = await rig.connector.control(today)
            assert told is not None
            assert control is not None
            sums: dict[str, Decimal] = {}
            for posting in told.postings:
                sums[posting.kind] = sums.get(posting.kind, D(0)) + posting.amount
            assert sums == {
                "invoice": D("417.05"),
                "credit_note": D("-50.00"),
                "money": D("-266.55"),
                "on_account": D("-70.00"),
                "write_off": D("-0.50"),
            }
            left = sorted((str(item.kind), item.open) for item in told.items)
            assert left == [("invoice", D("100.00")), ("on_account", D("-70.00"))]
            open_items = sum(item.open for item in told.items)
            assert told.opening == 0
            assert told.opening + sum(sums.values()) == open_items
            assert control.balance == open_items + D("33.00")
            assert [(amount, text) for _, amount, text in control.vouchers] == [
                (D("33.00"), "fel konto")
            ]
            assert told.bank == D("336.55")
            assert ItemKind.INVOICE in {item.kind for item in told.items}
            listed = [d async for page in rig.connector.ledger(first, today) for d in page]
            assert sorted(d.totals.gross for d in listed if d.totals) == [
                D("-50.00"),
                D("12.50"),
                D("50.00"),
                D("100.00"),
                D("125.00"),
            ]
            earlier = [
                d
                async for page in rig.connector.ledger(date(2025, 1, 1), date(2025, 1, 31))
                for d in page
            ]
            assert earlier == []

        run(story())


def test_without_the_module_the_weakness_is_told(tryton_group: RunningTryton) -> None:  # noqa: F811
    async def story() -> None:
        strong, weak = TrytonRig(tryton_group), TrytonRig(tryton_group, carrier="reference")
        found = [await rig.connector.check() for rig in (strong, weak)]
        told_codes = [{finding.code for finding in told} for told in found]
        assert ["carrier_weaker" in codes for codes in told_codes] == [False, True]
        guards = [
            str(rig.connector.abilities.of(entity).guard)
            for rig in (strong, weak)
            for entity in (Entity.DOCUMENT, Entity.CUSTOMER)
        ]
        assert guards == ["b", "b", "d", "c"]
        other = replace(strong.settings, company=999)
        strong.settings = other
        told = await strong.connect().check()
        assert [f.code for f in told if f.severity == "error"] == ["rights_missing"]

    run(story())
