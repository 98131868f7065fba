"""Directed histories of documents that were dead and come back to life."""

from __future__ import annotations

from decimal import Decimal

from scenes import Scene, history


@history()
async def h96_credit_note_taken_back(s: Scene) -> None:
    """The invoice of an ended generation counts again: no second one is made beside it."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    invoice = s.one("booked")
    note = s.world.in_book("credit", invoice=invoice)["id"]
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.world.current() == []
    _take_back(s, note)
    s.world.in_crm("win", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert [row["id"] for row in s.world.live()] == [invoice]
    assert s.world.exceptions(deal) == ["old_generation_alive", "former_document_stands"]
    s.world.in_book("credit", invoice=invoice)
    await s.world.wait(130)
    await s.settle()
    s.one("draft")
    s.none_open()


def _take_back(s: Scene, note: str) -> None:
    """A person takes a credit note back: what it credited is owed again."""
    ledger = s.world.book.ledger
    row = ledger.find("documents", note)
    (invoice,) = (ledger.find("documents", one) for one in row["credits"])
    ledger.remove("documents", row)
    invoice["credited"] = Decimal(0)
    ledger.settle(invoice)
    ledger.touch(invoice)


@history()
async def h97_deleted_draft_comes_back(s: Scene) -> None:
    """A person has another one made, and somebody gets the deleted one back before that."""
    deal, draft = await s.linked()
    s.world.in_book("delete_draft", draft=draft)
    await s.world.wait(130)
    await s.settle()
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["draft_deleted"]
    await s.answer(deal, "draft_deleted", make_new=True)
    row = s.row(draft)
    row["_deleted"] = False
    s.world.book.ledger.touch(row)
    await s.settle()
    assert [row["id"] for row in s.world.live()] == [draft]
    assert s.world.exceptions(deal) == ["old_generation_alive", "former_document_stands"]
    await s.answer(deal, "former_document_stands", which=s.ref(draft))
    await s.settle()
    assert s.one("draft") == draft
    s.none_open()


@history(guard="e2")
async def h102_credit_note_taken_back_where_no_key_is_shown(s: Scene) -> None:
    """The same where nothing tells whose it is but our own memory; a person says that it is not."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.world.wait(130)
    await s.settle()
    invoice = s.one("booked")
    note = s.world.in_book("credit", invoice=invoice)["id"]
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    _take_back(s, note)
    s.world.in_crm("win", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert [row["id"] for row in s.world.live()] == [invoice]
    assert s.world.exceptions(deal) == ["former_document_stands"]
    s.world.on_step = None
    await s.answer(deal, "former_document_stands", not_ours=(s.ref(invoice),))
    await s.settle()
    assert len(s.world.live()) == 2
    s.none_open()


@history()
async def h116_credit_note_of_a_paid_invoice_taken_back(s: Scene) -> None:
    """Its credit note took nothing off an invoice that was paid: it is dead by the note alone."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    invoice = s.one("booked")
    s.world.in_book("pay", invoice=invoice)
    note = s.world.in_book("credit", invoice=invoice)["id"]
    stays_paid(s, invoice)
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.world.current() == []
    s.none_open()
    await s.world.wait(130)
    await s.settle()
    s.none_open()
    _take_back(s, note)
    s.world.in_crm("win", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert [row["id"] for row in s.world.live()] == [invoice]
    assert s.world.exceptions(deal) == ["old_generation_alive", "former_document_stands"]


def stays_paid(s: Scene, invoice: str) -> None:
    """Books that leave a credit note open beside an invoice that nothing is open on."""
    ledger = s.world.book.ledger
    row = ledger.find("documents", invoice)
    row["credited"] = Decimal(0)
    ledger.settle(row)
    ledger.touch(row)


@history()
async def h117_credit_note_voided(s: Scene) -> None:
    """A credit note that was voided takes nothing off, and stays in the books."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    invoice = s.one("booked")
    note = s.world.in_book("credit", invoice=invoice)["id"]
    await s.world.wait(130)
    await s.settle()
    _void(s, note)
    await s.world.wait(130)
    await s.settle()
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["reopened_after_booking"]
    s.world.in_crm("win", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.one("booked") == invoice
    s.none_open()


@history()
async def h118_credit_note_over_the_difference_voided(s: Scene) -> None:
    """What it took off is owed again, and the deal says less than that."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    note = s.world.in_book("credit", invoice=s.one("booked"), amount=400)["id"]
    s.world.in_crm("edit", deal=deal, price="600.00")
    await s.world.wait(130)
    await s.settle()
    s.none_open()
    _void(s, note)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["changed_after_booking"]


def _void(s: Scene, note: str) -> None:
    """A person voids a credit note: what it credited is owed again."""
    ledger = s.world.book.ledger
    row = ledger.find("documents", note)
    row["status"] = "void"
    (invoice,) = (ledger.find("documents", one) for one in row["credits"])
    invoice["credited"] = Decimal(0)
    for one in (row, invoice):
        ledger.settle(one)
        ledger.touch(one)


@history(guard="e2")
async def h122_credit_note_of_a_lost_deal_taken_back_where_no_key_is_shown(s: Scene) -> None:
    """The deal is lost and its invoice is owed again: nobody would know, since no key shows it."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.world.wait(130)
    await s.settle()
    invoice = s.one("booked")
    note = s.world.in_book("credit", invoice=invoice)["id"]
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    s.none_open()
    _take_back(s, note)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["reopened_after_booking"]
    s.world.in_book("credit", invoice=invoice)
    await s.world.wait(130)
    await s.settle()
    s.none_open()


@history(guard="e2")
async def h123_deleted_draft_of_a_lost_deal_comes_back_where_no_key_is_shown(s: Scene) -> None:
    """The same of a draft that somebody got back from the bin."""
    deal, draft = await s.linked()
    s.world.in_book("delete_draft", draft=draft)
    await s.world.wait(130)
    await s.settle()
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    s.none_open()
    row = s.row(draft)
    row["_deleted"] = False
    s.world.book.ledger.touch(row)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["reopened_draft_kept"]
    s.world.in_book("delete_draft", draft=draft)
    await s.world.wait(130)
    await s.settle()
    s.none_open()


@history()
async def h128_credit_note_that_names_its_invoice_in_words_is_read_again(s: Scene) -> None:
    """What was held against an invoice by its number is again, before anything is told of it."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    invoice = s.one("booked")
    s.world.in_book("pay", invoice=invoice)
    note = s.row(s.world.in_book("credit", invoice=invoice)["id"])
    note.update(credits=[], your_reference=s.row(invoice)["number"])
    s.world.book.ledger.touch(note)
    stays_paid(s, invoice)
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.world.current() == []
    note["delivered_on"] = "2026-01-02"
    s.world.book.ledger.touch(note)
    await s.world.wait(130)
    await s.settle()
    assert s.world.rows("SELECT 1 FROM exception_case WHERE workspace = %(ws)s") == []


@history()
async def h129_credit_note_that_names_two_invoices(s: Scene) -> None:
    """It takes a part off each, and together as much as the smaller one comes to."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    invoice = s.row(s.one("booked"))
    line = {"item": "LIC", "quantity": 1, "unit_price": 3000}
    other = s.world.in_book("create_invoice", customer=invoice["customer"], lines=[line])["id"]
    note = s.row(s.world.in_book("credit", invoice=invoice["id"])["id"])
    note["credits"] = [invoice["id"], other]
    invoice["credited"] = Decimal(250)
    for row in (note, invoice):
        s.world.book.ledger.settle(row)
        s.world.book.ledger.touch(row)
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["reopened_after_booking"]
    s.world.in_crm("win", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.world.current() == [s.ref(invoice["id"])]
    s.none_open()
