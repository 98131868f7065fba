"""What surprises when one writes to a real Tryton, each with what the connector makes of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from contract.connector_contract import (
    DOCUMENTS,
    create,
    doubt,
    look,
    new_customer,
    new_document,
    prepared,
    run,
    sent,
    write,
)
from support.tryton_rig import TrytonRig, number_of
from support.tryton_server import RunningTryton, tryton_group, tryton_plant  # noqa: F401
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Change,
    Deferred,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Wanted,
)
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import (
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Identifier,
    ItemRef,
    Line,
    LineKind,
    Payment,
)
from tieout_sandbox.tryton import acts

D = Decimal
_SOURCE = itertools.count(1)


@pytest.fixture
def rig(tryton_group: RunningTryton) -> TrytonRig:  # noqa: F811
    return TrytonRig(tryton_group)


def source() -> str:
    """A deal that no other test has."""
    return f"00TW{next(_SOURCE)}"


def one_line(price: str = "100.00", quantity: str = "1", **more: object) -> Line:
    return replace(
        Line(
            position=1,
            item=ItemRef(number="SKR01"),
            text="Skridsko",
            quantity=D(quantity),
            unit_price=D(price),
            tax_rate=D("0.25"),
        ),
        **more,  # type: ignore[arg-type]
    )


def simple(rig: TrytonRig, customer: ExternalRef, *lines: Line, **more: object) -> Change:
    return create(rig, source(), rig.document(customer, lines=lines or (one_line(),), **more))


async def posted(rig: TrytonRig, customer: ExternalRef, *lines: Line, **more: object) -> Document:
    """An invoice that we drafted and the accountant posted."""
    _, done = await write(rig, simple(rig, customer, *lines, **more))
    rig.book(done.ref)
    return await invoice(rig, done.ref)


async def invoice(rig: TrytonRig, ref: ExternalRef) -> Document:
    """The document as it is now, whatever it has become."""
    (fate,) = await rig.connector.trace([ref])
    assert isinstance(fate.record, Document)
    return fate.record


def on(change: Change, action: Action, done: Applied | Document, **more: object) -> Change:
    ref = done.ref
    shows = done.shows if isinstance(done, Applied) else done
    assert ref is not None
    made = replace(change, action=action, target=ref, base=shows, version=done.version)
    return replace(made, **more)  # type: ignore[arg-type]


def codes(outcome: Outcome | Refused) -> list[str]:
    assert isinstance(outcome, (Rejected, Refused)), outcome
    return [finding.code for finding in outcome.findings]


# --- lists ---------------------------------------------------------------------------------------


def test_drafts_go_in_lists_and_their_answers_come_in_order(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        changes = [simple(rig, customer, one_line(f"{n}.10")) for n in range(1, 13)]
        small = TrytonRig(rig.running, batch=5)
        items = list(await small.connector.prepare(changes))
        assert all(isinstance(item, Prepared) for item in items)
        wires = small.connector.pack([i for i in items if isinstance(i, Prepared)])
        assert [len(wire.items) for wire in wires] == [5, 5, 2]
        nets = []
        for wire in wires:
            for outcome in await small.connector.send(wire):
                assert isinstance(outcome, Applied)
                assert isinstance(outcome.shows, Document)
                assert outcome.shows.totals is not None
                assert outcome.version == outcome.shows.version
                nets.append(str(outcome.shows.totals.net))
        assert nets == [f"{n}.10" for n in range(1, 13)]

    run(story())


def test_a_list_of_which_one_is_refused_is_taken_apart(rig: TrytonRig) -> None:
    """Nothing of it was done: the items go in halves until the one that is refused is alone."""

    async def story() -> None:
        customer = await new_customer(rig, source())
        known, _, _ = await new_document(rig, customer, source())
        others = [simple(rig, customer) for _ in range(6)]
        # Known already over there, and forgotten here.
        changes = [*others[:3], known, *others[3:]]
        before = rig.stored(Entity.DOCUMENT)
        waiting = {change.key: change for change in changes}
        settled: dict[str, Outcome] = {}
        sizes = []
        for _ in range(8):
            items = await rig.connector.prepare(list(waiting.values()))
            for wire in rig.connector.pack([i for i in items if isinstance(i, Prepared)]):
                sizes.append(len(wire.items))
                for outcome in await rig.connector.send(wire):
                    if isinstance(outcome, Deferred):
                        assert outcome.retry_after_s == 0
                        continue
                    settled[outcome.key] = outcome
                    del waiting[outcome.key]
            if not waiting:
                break
        assert isinstance(settled[known.key], AlreadyApplied)
        assert all(isinstance(settled[change.key], Applied) for change in others)
        assert rig.stored(Entity.DOCUMENT) == before + 6
        assert sizes[0] == 7
        assert len(sizes) <= 9

    run(story())


# --- versions ------------------------------------------------------------------------------------


def test_what_was_edited_after_it_was_read_is_not_overwritten(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        change, _, done = await new_document(rig, customer, source())
        update = on(change, Action.UPDATE, done)
        made = await prepared(rig, update)
        rig.edit_beside(done.ref)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Stale)
        made = await prepared(rig, on(change, Action.VOID, done))
        rig.admin.write("account.invoice", number_of(done.ref), {"description": "Igen"})
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Stale)

    run(story())


def test_a_line_edited_for_itself_is_not_overwritten_either(rig: TrytonRig) -> None:
    """That moves no stamp of the invoice: the lines' own stamps go along."""

    async def story() -> None:
        customer = await new_customer(rig, source())
        change = simple(rig, customer)
        _, done = await write(rig, change)
        wanted = rig.document(customer, lines=(one_line("200.00"),))
        update = on(change, Action.UPDATE, done, wanted=wanted)
        made = await prepared(rig, update)
        (line,) = rig.row(done.ref, "lines")["lines"]
        rig.admin.write("account.invoice.line", line, {"quantity": 7})
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Stale)

    run(story())


def test_a_saved_head_brings_the_tax_of_a_line_in_order(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        change = simple(rig, customer)
        _, done = await write(rig, change)
        (line,) = rig.row(done.ref, "lines")["lines"]
        rig.admin.write("account.invoice.line", line, {"quantity": 4})
        wrong = rig.row(done.ref, "untaxed_amount", "tax_amount")
        assert (wrong["untaxed_amount"], wrong["tax_amount"]) == (D("400.00"), D("25.00"))
        read = await invoice(rig, done.ref)
        record = replace(change.wanted.record, your_reference="Ny Person")  # type: ignore[union-attr]
        update = on(change, Action.UPDATE, read,
                    wanted=Wanted(record=record, fields=frozenset({"your_reference"})))  # fmt: skip
        made, changed = await write(rig, update)
        assert isinstance(changed.shows, Document)
        assert changed.shows.totals is not None
        assert changed.shows.totals.tax == D("100.00")
        assert made.totals is not None
        assert made.totals.totals == changed.shows.totals

    run(story())


def test_lines_are_changed_where_they_stand(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        lines = (one_line("10.00"), one_line("20.00", text="Andra"),
                 Line(position=3, kind=LineKind.TEXT, text="Hälsning"))  # fmt: skip
        change = simple(rig, customer, *lines)
        _, done = await write(rig, change)
        before = rig.row(done.ref, "lines")["lines"]
        fresh = one_line("5.00", text="Ny", item=ItemRef(number="BOK01"), tax_rate=D("0.06"))
        after = (one_line("20.00", text="Andra"), fresh, one_line("11.00"))
        update = on(change, Action.UPDATE, done, wanted=rig.document(customer, lines=after))
        made, changed = await write(rig, update)
        assert isinstance(changed.shows, Document)
        assert isinstance(made.shows, Document)
        shown = [(line.text, line.unit_price) for line in changed.shows.lines]
        assert shown == [("Andra", D("20.00")), ("Ny", D("5.00")), ("Skridsko", D("11.00"))]
        assert [line.text for line in made.shows.lines] == [text for text, _ in shown]
        assert len(set(before) & set(rig.row(done.ref, "lines")["lines"])) == 2
        assert changed.shows.totals == made.totals.totals  # type: ignore[union-attr]
        assert changed.shows.totals.tax == D("8.05")  # type: ignore[union-attr]

    run(story())


# --- what it takes and should not ----------------------------------------------------------------


def test_what_tryton_would_take_or_name_wrongly_is_refused_here(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        template = rig.admin.create(
            "product.template",
            {
                "name": "Utgången",
                "code": "UTG01",
                "type": "service",
                "default_uom": rig.running.books.units["Unit"],
                "list_price": D(1),
                "account_category": rig.running.books.categories["Varor 25 %"],
                "products": [["create", [{}]]],
            },
        )
        (product,) = rig.admin.read("product.template", template, "products")["products"]
        rig.admin.write("product.product", product, {"active": False})
        cases = {
            "item_not_usable": one_line(item=ItemRef(number="UTG01")),
            "item_no_code": one_line(item=ItemRef(number="FINNS-EJ")),
            "tax_unresolved": one_line(tax_code="99999", tax_rate=None),
            "value_too_fine": one_line("1.00001"),
            "net_differs": one_line(includes_tax=True),
            "dimension_unknown": one_line(dimensions={"projekt": "FINNS-EJ"}),
        }
        made = await rig.connector.prepare([simple(rig, customer, l) for l in cases.values()])  # noqa: E741
        assert [codes(one) for one in made if isinstance(one, Refused)] == [[c] for c in cases]
        split = await rig.connector.prepare([simple(rig, customer, one_line("1.00", "1.5"))])
        assert codes(split[0]) == ["value_too_fine"]  # type: ignore[arg-type]
        other = await rig.connector.prepare([simple(rig, customer, one_line(tax_rate=D("0.12")))])
        assert codes(other[0]) == ["tax_unresolved"]  # type: ignore[arg-type]
        rig.admin.write("party.party", int(customer.id), {"active": False})
        late = await rig.connector.prepare([simple(rig, customer)])
        assert codes(late[0]) == ["customer_inactive"]  # type: ignore[arg-type]

    run(story())


def test_a_number_with_wrong_check_digits_is_refused_by_tryton(rig: TrytonRig) -> None:
    async def story() -> None:
        wrong = (Identifier(kind="vat", country="SE", raw="SE556188840499"),)
        made = await prepared(rig, create(rig, source(), rig.customer(identifiers=wrong)))
        _, outcome = await sent(rig, made)
        assert codes(outcome) == ["number_wrong"]
        assert isinstance(outcome, Rejected)
        assert not outcome.number_taken

    run(story())


def test_a_customer_is_changed_where_it_stands(rig: TrytonRig) -> None:
    async def story() -> None:
        wanted = rig.customer()
        change = create(rig, source(), wanted)
        _, done = await write(rig, change)
        extra = {"type": "email", "value": "chef@nordhavn.example", "name": "contact"}
        rig.admin.write("party.party", int(done.ref.id),
                        {"contact_mechanisms": [["create", [extra]]]})  # fmt: skip
        assert isinstance(wanted.record, Customer)
        address = replace(wanted.record.addresses[0], city="Lund")
        record = replace(
            wanted.record,
            addresses=(address,),
            identifiers=(Identifier(kind="company", country="NO", raw="923 609 016"),),
            emails={"invoice": "ny@nordhavn.example"},
            tax_group="Kund i annat EU-land",
            language="en-GB",
            currency="EUR",
        )
        fields = {"addresses.billing", "identifiers", "emails.invoice", "tax_group", "language",
                  "currency"}  # fmt: skip
        setting = Wanted(record=record, fields=frozenset(fields))
        update = on(change, Action.UPDATE, done, wanted=setting)
        made, changed = await write(rig, update)
        shown = changed.shows
        assert isinstance(shown, Customer)
        assert isinstance(made.shows, Customer)
        assert shown.addresses == made.shows.addresses
        assert (shown.addresses[0].city, shown.contact_name) == ("Lund", "Kim Lund")
        assert [(i.kind, i.country, i.raw) for i in shown.identifiers] == [
            ("company", "NO", "923609016")
        ]
        assert shown.emails == {
            "invoice": "ny@nordhavn.example",
            "contact": "chef@nordhavn.example",
        }
        assert (shown.tax_group, shown.language, shown.currency) == (
            "Kund i annat EU-land",
            "en",
            "EUR",
        )

    run(story())


def test_a_tax_rule_of_the_customer_decides_where_no_code_does(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source(), tax_group="Kund i annat EU-land")
        line = one_line(tax_rate=None)
        made, done = await write(rig, simple(rig, customer, line))
        assert isinstance(done.shows, Document)
        assert done.shows.totals is not None
        assert done.shows.totals.tax == 0
        assert made.totals is not None
        assert made.totals.totals == done.shows.totals

    run(story())


# --- posting -------------------------------------------------------------------------------------


def test_a_draft_is_posted_once(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        change = simple(rig, customer)
        _, done = await write(rig, change)
        convert = on(change, Action.CONVERT, done, wanted=None)
        made, booked = await write(rig, convert)
        assert booked.ref.id == f"invoice:{number_of(done.ref)}"
        assert isinstance(booked.shows, Document)
        assert booked.shows.booked
        assert booked.shows.number
        assert made.totals is not None
        assert booked.shows.totals is not None
        assert booked.shows.totals.open == made.totals.totals.gross
        _, again = await sent(rig, made)
        assert isinstance(again, Stale)
        (refused,) = await rig.connector.prepare([convert])
        assert isinstance(refused, Refused)
        assert refused.stale

    run(story())


def test_a_closed_period_is_told_and_so_is_its_journal(rig: TrytonRig) -> None:
    """Reopening a period does not reopen its journals."""

    async def story() -> None:
        customer = await new_customer(rig, source())
        await posted(rig, customer)
        change = simple(rig, customer)
        _, done = await write(rig, change)
        today = rig.today
        period = rig.running.books.periods[f"{today:%Y-%m}"]
        convert = on(change, Action.CONVERT, done, wanted=None)
        acts.close_period(rig.anna, period)
        try:
            _, outcome = await sent(rig, await prepared(rig, convert))
            assert codes(outcome) == ["period_closed"], outcome
            told = await rig.connector.check()
            assert "period_closed" in [finding.code for finding in told]
            rig.anna.call("model.account.period.reopen", [period])
            _, outcome = await sent(rig, await prepared(rig, convert))
            assert codes(outcome) == ["period_closed"], outcome
            assert isinstance(outcome, Rejected)
            assert "journal" in outcome.findings[0].hint
            told = await rig.connector.check()
            assert [f.hint for f in told if f.code == "period_closed" and "journal" in f.hint]
        finally:
            acts.close_period(rig.anna, period)
            acts.reopen_period(rig.anna, period)
        _, outcome = await sent(rig, await prepared(rig, convert))
        assert isinstance(outcome, Applied)

    run(story())


def test_a_question_of_tryton_goes_to_a_person(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        ahead = rig.today + timedelta(days=3)
        change = simple(rig, customer, issue_date=ahead)
        _, done = await write(rig, change)
        made = await prepared(rig, on(change, Action.CONVERT, done, wanted=None))
        _, outcome = await sent(rig, made)
        assert codes(outcome) == ["date_in_future"]
        assert isinstance(outcome, Rejected)
        assert outcome.findings[0].values["warning"].endswith("invoice_date_future")
        assert rig.row(done.ref, "state")["state"] == "draft"

    run(story())


def test_the_tie_out_that_is_built_in(tryton_group: RunningTryton) -> None:  # noqa: F811
    rig = TrytonRig(tryton_group, send_source_totals=True)

    async def story() -> None:
        customer = await new_customer(rig, source())
        change = simple(rig, customer)
        _, done = await write(rig, change)
        (line,) = rig.row(done.ref, "lines")["lines"]
        acts.edit_line(rig.anna, number_of(done.ref), line, quantity=2)
        read = await invoice(rig, done.ref)
        made = await prepared(rig, on(change, Action.CONVERT, read, wanted=None))
        _, outcome = await sent(rig, made)
        assert codes(outcome) == ["total_differs"]
        good = simple(rig, customer)
        _, kept = await write(rig, good)
        await write(rig, on(good, Action.CONVERT, kept, wanted=None))

    run(story())


# --- credit notes, money, orders -----------------------------------------------------------------


def credit_key(ref: ExternalRef, number: int = 0) -> str:
    place = Slot(crm_org="00D0", source_id=str(ref), company="b", kind=KeyKind.CREDIT)
    return operation_key(place, number)


def test_a_credit_note_is_drafted_over_its_invoice(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        lines = (one_line("99.95", "3"), one_line("10.3333", item=ItemRef(number="LIC01")))
        booked = await posted(rig, customer, *lines)
        assert booked.ref is not None
        whole = Change(key=credit_key(booked.ref), entity=Entity.DOCUMENT, action=Action.CREDIT,
                       wanted=None, target=booked.ref)  # fmt: skip
        made, done = await write(rig, whole)
        assert isinstance(done.shows, Document)
        assert done.shows.totals is not None
        assert done.shows.totals == made.totals.totals  # type: ignore[union-attr]
        assert (done.shows.totals.net, done.shows.totals.tax) == (D("-310.18"), D("-77.55"))
        assert done.shows.credits == (booked.ref,)
        sight = await look(rig, doubt(rig, whole, made, customer))
        assert [hit.key for hit in sight.hits] == [whole.key]
        rig.book(done.ref)
        note = await invoice(rig, done.ref)
        assert note.kind is DocumentKind.CREDIT_NOTE
        assert note.number.startswith("K")

        part = replace(rig.document(customer).record, lines=(one_line(quantity="1"),))
        some = replace(whole, key=credit_key(booked.ref, 1),
                       wanted=Wanted(record=part, fields=frozenset({"lines"})))  # fmt: skip
        _, done = await write(rig, some)
        assert isinstance(done.shows, Document)
        assert done.shows.totals is not None
        assert done.shows.totals.net == D("-99.95")
        many = replace(part, lines=(one_line(quantity="9"),))
        wrong = replace(some, wanted=Wanted(record=many, fields=frozenset({"lines"})))
        (refused,) = await rig.connector.prepare([wrong])
        assert codes(refused) == ["value_not_accepted"]  # type: ignore[arg-type]

    run(story())


def payment(booked: Document, amount: str) -> Change:
    assert booked.ref is not None
    place = Slot(crm_org="bank", source_id=f"{booked.ref}{amount}", company="b",
                 kind=KeyKind.PAYMENT)  # fmt: skip
    record = Payment(document=booked.ref, amount=D(amount), paid_on=booked.issue_date)
    return Change(
        key=operation_key(place, 0),
        entity=Entity.PAYMENT,
        action=Action.CREATE,
        wanted=Wanted(record=record, fields=frozenset({"amount"})),
    )


def test_an_invoice_is_paid_by_the_wizard_in_parts(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        booked = await posted(rig, customer)
        part = payment(booked, "25.00")
        made, done = await write(rig, part)
        assert isinstance(done.shows, Payment)
        assert (done.shows.amount, done.shows.document) == (D("25.00"), booked.ref)
        sight = await look(rig, doubt(rig, part, made, customer))
        assert [hit.key for hit in sight.hits] == [part.key]
        partly = await invoice(rig, booked.ref)  # type: ignore[arg-type]
        assert (partly.raw_status, partly.paid) == ("partly_paid", D("25.00"))
        (refused,) = await rig.connector.prepare([payment(booked, "100.01")])
        assert codes(refused) == ["value_not_accepted"]  # type: ignore[arg-type]
        await write(rig, payment(booked, "100.00"))
        paid = await invoice(rig, booked.ref)  # type: ignore[arg-type]
        assert (paid.raw_status, paid.paid) == ("paid", D("125.00"))
        (late,) = await rig.connector.prepare([payment(booked, "1.00")])
        assert isinstance(late, Refused)
        assert late.stale

    run(story())


def test_a_payment_that_comes_between_is_not_paid_over(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        booked = await posted(rig, customer)
        made = await prepared(rig, payment(booked, "125.00"))
        acts.pay(rig.anna, number_of(booked.ref), D("25.00"))  # type: ignore[arg-type]
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Stale), outcome
        assert (await invoice(rig, booked.ref)).paid == D("25.00")  # type: ignore[arg-type]

    run(story())


def test_an_order_is_made_and_its_invoice_names_it(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        change = simple(rig, customer)
        record = replace(change.wanted.record, kind=DocumentKind.ORDER)  # type: ignore[union-attr]
        change = replace(change, wanted=Wanted(record=record, fields=change.wanted.fields))  # type: ignore[union-attr]
        made, done = await write(rig, change)
        assert done.ref.id.startswith("order:")
        assert isinstance(done.shows, Document)
        assert isinstance(made.shows, Document)
        assert done.shows.totals == made.shows.totals
        assert [line.text for line in done.shows.lines] == ["Skridsko"]
        sight = await look(rig, doubt(rig, change, made, customer))
        assert [hit.record.ref for hit in sight.hits] == [done.ref]
        for button in ("quote", "confirm", "process"):
            rig.admin.call(f"model.sale.sale.{button}", [number_of(done.ref)])
        sale = rig.admin.read("sale.sale", number_of(done.ref), "invoices", "state")
        (number,) = sale["invoices"]
        ref = ExternalRef(rig.connector.name, "document", f"draft:{number}")
        (draft,) = await rig.connector.get([ref], DOCUMENTS)
        assert isinstance(draft, Document)
        assert done.ref in draft.came_from
        assert draft.carrier_text == ""

    run(story())
