"""
Invoices of the books in webCRM: rows of what an organisation has bought (decision 39).

Made once, followed, found again after a lost answer, read back to the cent; and why they are no
deliveries: each would be a deal.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from support.salesforce_published import awaited, line, said
from support.webcrm_invoices import (
    DOCUMENTS,
    crm,
    document,
    invoice_change,
    key,
    one,
    products,
    read,
    sums,
    write,
)
from support.webcrm_rig import (
    DEALS,
    ITEMS,
    NAME,
    Rig,
    deals,
    look,
    prepared,
    rig,
    standing_change,
)
from tieout.connectors.http.json import loads
from tieout.core.abilities import Guard, Reads
from tieout.core.change import (
    Action,
    Applied,
    Deferred,
    FateKind,
    Refused,
    Rejected,
    Unknown,
)
from tieout.core.decide_published import INVOICE_FIELDS
from tieout.core.model import (
    Deal,
    DealState,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    LineKind,
    Totals,
)

# `sale` and `booked` have no field in this system; what is not shown is as by default.
SHOWN = INVOICE_FIELDS


@pytest.fixture
def found() -> Rig:
    return crm()


@awaited
async def test_an_invoice_is_a_head_and_a_row_for_each_line_and_reads_back(found: Rig) -> None:
    wanted = document(found)
    change = invoice_change(wanted)
    (made,) = await prepared(found, change)
    ref = await one(found, change)
    rows = products(found)
    assert set(rows) == {change.key, f"{change.key}-1", f"{change.key}-2"}
    head, first = rows[change.key], rows[f"{change.key}-1"]
    assert {row["ProductOrganisationId"] for row in rows.values()} == {found.made["owner"]}
    named = ("ProductCustom3", "ProductCustom4", "ProductCustom5", "ProductCustom6")
    assert [head[name] for name in named] == ["1038", "partly_paid", "2026-11-25", "2026-12-25"]
    amounts = ("ProductCustom8", "ProductCustom9", "ProductCustom10", "ProductCustom11")
    assert [head[name] for name in amounts] == ["180.00", "45.00", "225.00", "125.00"]
    # A head comes to nothing by itself, so that a sum over rows counts lines alone.
    assert (head["ProductQuantity"], head["ProductPrice"]) == (0, 0)
    assert (first["ProductQuantity"], first["ProductPrice"]) == (2, Decimal("100.00"))
    assert (first["ProductDiscount"], first["ProductCustom12"]) == (10, "180.00")
    assert (first["ProductCustom3"], first["ProductCustom13"]) == ("1038", "CONS")
    assert sums(found) == (Decimal("180.00"), Decimal("180.00"))
    (back,) = await read(found)
    assert (back.ref, back.carrier_text) == (ref, change.key)
    assert made.shows is not None
    assert said(back, SHOWN) == said(wanted, SHOWN) == said(made.shows, SHOWN)
    assert [one.stated_net for one in back.lines] == [Decimal("180.00"), None]
    assert await found.connector.get([ref], DOCUMENTS) == [back]
    assert made.read is None


@awaited
async def test_what_shows_already_is_not_sent(found: Rig) -> None:
    ref = await one(found, invoice_change(document(found)))
    before = len(found.writes())
    assert await one(found, invoice_change(document(found), ref=ref)) == ref
    # Nor where we forgot that we made it.
    assert await one(found, invoice_change(document(found))) == ref
    assert len(found.writes()) == before


@awaited
async def test_a_payment_changes_the_head_alone(found: Rig) -> None:
    ref = await one(found, invoice_change(document(found)))
    paid = document(found, paid=Decimal("225.00"), extra={"status": "paid", "deal": "deal:88231"})
    found.clock.advance(60)
    change = invoice_change(paid, ref=ref, fields=frozenset({"paid", "extra"}))
    (made,) = await prepared(found, change)
    (row,) = loads(made.body)
    own = {"ProductId", "ProductOrganisationId", "ProductCustom1"}
    assert row.keys() == {*own, "ProductPlus1", "ProductCustom4", "ProductPlus9"}
    await one(found, change)
    (back,) = await read(found)
    assert (back.paid, back.extra["status"]) == (Decimal("225.00"), "paid")


@awaited
async def test_an_invoice_without_lines_has_its_head(found: Rig) -> None:
    bare = document(found, lines=())
    await one(found, invoice_change(bare))
    (back,) = await read(found)
    assert said(back, SHOWN) == said(bare, SHOWN)
    assert set(products(found)) == {key()}


@awaited
async def test_a_credit_note_and_rounding_are_to_the_cent(found: Rig) -> None:
    totals = Totals(
        currency="SEK",
        net=Decimal("-180.33"),
        tax=Decimal("-45.08"),
        gross=Decimal("-225.00"),
        rounding=Decimal("0.41"),
        open=Decimal("0.00"),
    )
    rows = (
        line("-60.11", quantity=Decimal(3), stated_net=Decimal("-180.33"), discount=Decimal(0)),
    )
    note = document(found, "1039", kind=DocumentKind.CREDIT_NOTE, totals=totals, lines=rows)
    await one(found, invoice_change(note))
    (back,) = await read(found)
    assert (back.kind, back.totals) == (DocumentKind.CREDIT_NOTE, totals)
    assert said(back, SHOWN) == said(note, SHOWN)
    assert sums(found) == (Decimal("-180.33"), Decimal("-180.33"))


@awaited
async def test_numbers_are_written_as_doubles_give_them_back(found: Rig) -> None:
    price = Decimal("0.12345678901234567")
    rows = (line(str(price), discount=Decimal("0.333333333333333333"), text=" y" * 200),)
    (made,) = await prepared(found, invoice_change(document(found, lines=rows)))
    await one(found, invoice_change(document(found, lines=rows)))
    (back,) = await read(found)
    assert made.shows is not None
    assert said(back, SHOWN) == said(made.shows, SHOWN)
    assert back.lines[0].unit_price == Decimal("0.123456789012346")
    assert back.lines[0].stated_net == Decimal("180.00")


@awaited
async def test_lines_follow_and_surplus_rows_come_to_nothing(found: Rig) -> None:
    three = (line(), line("5.00"), line("7.00"))
    ref = await one(found, invoice_change(document(found, lines=three)))
    two = (line(), line("6.00", text="Nytt", stated_net=Decimal("10.80")))
    await one(found, invoice_change(document(found, lines=two), ref=ref))
    (back,) = await read(found)
    assert [one.unit_price for one in back.lines] == [Decimal(100), Decimal(6)]
    assert sums(found)[1] == Decimal("190.80")
    spare = products(found)[f"{key()}-3-out"]
    assert (spare["ProductQuantity"], spare["ProductPrice"], spare["ProductCustom12"]) == (0, 0, "")
    # It is taken again before another row is made.
    four = (*two, line("8.00"), line("9.00"))
    await one(found, invoice_change(document(found, lines=four), ref=ref))
    (back,) = await read(found)
    assert [one.unit_price for one in back.lines] == [100, 6, 8, 9]
    rows = products(found)
    assert len(rows) == 5
    assert rows[f"{key()}-3"]["ProductId"] == spare["ProductId"]


@awaited
async def test_without_lines_nothing_is_said_of_them(found: Rig) -> None:
    names = INVOICE_FIELDS - {"lines"}
    ref = await one(found, invoice_change(document(found, lines=()), fields=names))
    assert set(products(found)) == {key()}
    other = document(found, "1040", lines=())
    await one(found, invoice_change(other, ref=ref, fields=names))
    (back,) = await read(found)
    assert (back.number, back.lines) == ("1040", ())


# Doubt.


@awaited
async def test_a_lost_answer_makes_no_second_row(found: Rig) -> None:
    (made,) = await prepared(found, invoice_change(document(found)))
    (wire,) = found.connector.pack([made])
    found.fault("drop_after_commit", method="PATCH", path="/Products")
    assert isinstance((await found.connector.send(wire))[0], Unknown)
    sight = await look(found, made)
    (hit,) = sight.hits
    assert (hit.key, sight.complete) == (made.key, True)
    assert isinstance(hit.record, Document)
    assert len(hit.record.lines) == 2
    # Whoever asks for it once more changes what is there.
    assert await one(found, invoice_change(document(found))) == hit.record.ref
    assert len(products(found)) == 3


@awaited
@pytest.mark.parametrize("items", [1, 2])
async def test_an_array_that_was_cut_becomes_whole_at_the_next_look(found: Rig, items: int) -> None:
    three = document(found, lines=(line(), line("5.00"), line("7.00")))
    (made,) = await prepared(found, invoice_change(three))
    (wire,) = found.connector.pack([made])
    # One more is carried out than is told of.
    found.fault("batch_cut", method="PATCH", items=items)
    (outcome,) = await found.connector.send(wire)
    assert isinstance(outcome, Unknown)
    (hit,) = (await look(found, made)).hits
    assert isinstance(hit.record, Document)
    assert len(hit.record.lines) == items
    ref = hit.record.ref
    assert await one(found, invoice_change(three, ref=ref, base=hit.record)) == ref
    assert len(products(found)) == 4
    (back,) = await read(found)
    assert said(back, SHOWN) == said(three, SHOWN)


@awaited
async def test_lines_whose_head_was_refused_are_taken_again(found: Rig) -> None:
    wanted = document(found)
    (made,) = await prepared(found, invoice_change(wanted))
    head, *rows = loads(made.body)
    for row in rows:
        values = {name: value for name, value in row.items() if name != "ProductId"}
        found.act("add_product", organisation=found.made["owner"], set=values)
    assert (await look(found, made)).hits == ()
    await one(found, invoice_change(wanted))
    assert set(products(found)) == {head["ProductCustom1"], *(r["ProductCustom1"] for r in rows)}


@awaited
async def test_a_row_that_is_refused_is_told_in_webcrms_words(found: Rig) -> None:
    found.act("configure_field", field="ProductCustom13", options=["CONS"])
    ref = await one(found, invoice_change(document(found)))
    # The list changed since its fields were asked for.
    found.act("configure_field", field="ProductCustom13", options=["OTHER"])
    rows = (line(), line("5.00"))
    (outcome,) = await write(found, invoice_change(document(found, lines=rows), ref=ref))
    assert isinstance(outcome, Rejected)
    assert "'CONS' is not a value of ProductCustom13" in outcome.findings[0].message
    again = document(found, "1041")
    (outcome,) = await write(found, invoice_change(again, 2))
    # Its head is there: what it lacks is seen at the next look.
    assert isinstance(outcome, Unknown)
    assert "'CONS' is not a value" in outcome.reason


@awaited
async def test_an_array_that_is_refused_goes_again_in_halves() -> None:
    found = crm()
    found.assume("patch_most", 4)
    changes = [invoice_change(document(found, str(n)), n) for n in range(6)]
    outcomes = await write(found, *changes)
    assert all(isinstance(one, Deferred) for one in outcomes)
    for _ in range(3):
        outcomes = await write(found, *changes)
    assert all(isinstance(one, Applied) for one in outcomes)
    assert len(products(found)) == 18


@awaited
async def test_a_long_invoice_goes_in_parts(found: Rig) -> None:
    rows = tuple(line(f"{n}.00", stated_net=Decimal(n)) for n in range(1, 121))
    wanted = document(found, lines=rows)
    await one(found, invoice_change(wanted))
    assert len([request for request in found.writes() if request.method == "PATCH"]) == 3
    (back,) = await read(found)
    assert said(back, SHOWN) == said(wanted, SHOWN)
    # The answer to the second part gets lost.
    found.fault("drop_after_commit", method="PATCH", path="/Products", skip=1)
    other = document(found, "1042", lines=rows)
    (made,) = await prepared(found, invoice_change(other, 2))
    (wire,) = found.connector.pack([made])
    (outcome,) = await found.connector.send(wire)
    assert isinstance(outcome, Unknown)
    (hit,) = (await look(found, made)).hits
    assert isinstance(hit.record, Document)
    await one(found, invoice_change(other, 2, ref=hit.record.ref, base=hit.record))
    assert len(products(found)) == 242


# People.


@awaited
async def test_what_a_person_wrote_over_is_set_right(found: Rig) -> None:
    ref = await one(found, invoice_change(document(found)))
    rows = products(found)
    line_id = rows[f"{key()}-1"]["ProductId"]
    found.act("edit_product", product=line_id, set={"Quantity": 9, "Custom12": "1,00 kr"})
    found.act(
        "edit_product", product=rows[key()]["ProductId"], set={"Custom10": "?", "Custom2": ""}
    )
    (back,) = await read(found)
    assert (back.totals, back.lines[0].quantity, back.lines[0].stated_net) == (None, 9, None)
    await one(found, invoice_change(document(found), ref=ref, base=back))
    (back,) = await read(found)
    assert said(back, SHOWN) == said(document(found), SHOWN)
    assert sums(found) == (Decimal("180.00"), Decimal("180.00"))


@awaited
async def test_a_head_that_lost_its_key_gets_it_again(found: Rig) -> None:
    ref = await one(found, invoice_change(document(found)))
    number = products(found)[key()]["ProductId"]
    found.act("edit_product", product=number, set={"Custom1": ""})
    assert await read(found) == []
    (fate,) = await found.connector.trace([ref])
    assert fate.kind is FateKind.PRESENT
    (shown,) = await found.connector.get([ref], DOCUMENTS)
    assert isinstance(shown, Document)
    # It does not say which document it is, so it differs from any.
    assert (shown.lines, dict(shown.extra), shown.carrier_text) == ((), {}, "")
    await one(found, invoice_change(document(found), ref=ref, base=shown))
    (back,) = await read(found)
    assert (back.ref, said(back, SHOWN)) == (ref, said(document(found), SHOWN))
    assert len(products(found)) == 3


@awaited
@pytest.mark.parametrize("known", [True, False], ids=["its number is known", "read again since"])
async def test_a_line_that_lost_its_key_gets_it_again(found: Rig, known: bool) -> None:
    ref = await one(found, invoice_change(document(found)))
    (before,) = await read(found)
    number = products(found)[f"{key()}-1"]["ProductId"]
    cleared = {"Custom1": "", "Custom3": "" if known else "1038"}
    found.act("edit_product", product=number, set=cleared)
    (shown,) = await read(found)
    assert [one.kind for one in shown.lines] == [LineKind.TEXT]
    base = before if known else shown
    await one(found, invoice_change(document(found), ref=ref, base=base))
    assert products(found)[f"{key()}-1"]["ProductId"] == number
    assert len(products(found)) == 3


@awaited
async def test_a_row_that_only_looks_like_the_line_is_shown_to_a_person(found: Rig) -> None:
    ref = await one(found, invoice_change(document(found)))
    number = products(found)[f"{key()}-1"]["ProductId"]
    found.act("edit_product", product=number, set={"Custom1": "", "Custom3": ""})
    (shown,) = await read(found)
    change = invoice_change(document(found), ref=ref, base=shown)
    (made,) = await found.connector.prepare([change])
    assert isinstance(made, Refused)
    (finding,) = made.findings
    assert (finding.code, finding.values["id"]) == ("invoice_row_without_key", str(number))
    # A person says that it is that line.
    found.act("edit_product", product=number, set={"Custom1": finding.values["key"]})
    await one(found, change)
    assert len(products(found)) == 3


@awaited
@pytest.mark.parametrize("which", ["head", "line"])
async def test_a_copy_is_reported_and_stays(found: Rig, which: str) -> None:
    ref = await one(found, invoice_change(document(found)))
    rows = products(found)
    row = rows[key() if which == "head" else f"{key()}-1"]
    copy = found.act("copy_product", product=row["ProductId"])["ProductId"]
    (shown,) = await read(found)
    assert shown.ref == ref
    # What is read differs from what both agreed on, so it is looked at.
    assert said(shown, SHOWN) != said(document(found), SHOWN)
    (made,) = await found.connector.prepare([invoice_change(document(found), ref=ref, base=shown)])
    assert isinstance(made, Refused)
    (finding,) = made.findings
    assert (finding.code, finding.values["ids"]) == ("invoice_row_twice", str(copy))
    found.act("delete_product", product=copy)
    (back,) = await read(found)
    assert said(back, SHOWN) == said(document(found), SHOWN)


@awaited
async def test_two_heads_with_one_key_are_both_shown_to_the_resolver(found: Rig) -> None:
    (made,) = await prepared(found, invoice_change(document(found)))
    ref = await one(found, invoice_change(document(found)))
    copy = found.act("copy_product", product=int(ref.id.partition(":")[2]))["ProductId"]
    sight = await look(found, made)
    assert {hit.record.ref.id for hit in sight.hits if hit.record.ref} == {
        ref.id,
        f"invoice:{copy}",
    }


@awaited
async def test_an_invoice_that_a_person_wrote_down_is_not_doubled_without_a_word(
    found: Rig,
) -> None:
    (made,) = await prepared(found, invoice_change(document(found)))
    (head, *_) = loads(made.body)
    values = {
        name: one for name, one in head.items() if name not in ("ProductId", "ProductCustom1")
    }
    number = found.act("add_product", organisation=found.made["owner"], set=values)["ProductId"]
    (told,) = await found.connector.prepare([invoice_change(document(found))])
    assert isinstance(told, Refused)
    assert [one.code for one in told.findings] == ["invoice_row_without_key"]
    assert told.findings[0].values["id"] == str(number)


@awaited
async def test_a_row_that_is_deleted_is_gone_or_comes_again(found: Rig) -> None:
    ref = await one(found, invoice_change(document(found)))
    found.act("delete_product", product=products(found)[f"{key()}-1"]["ProductId"])
    (shown,) = await read(found)
    await one(found, invoice_change(document(found), ref=ref, base=shown))
    assert len(products(found)) == 3
    found.act("delete_product", product=products(found)[key()]["ProductId"])
    assert await read(found) == []
    (fate,) = await found.connector.trace([ref])
    assert fate.kind is FateKind.DELETED
    (made,) = await found.connector.prepare([invoice_change(document(found), ref=ref)])
    assert isinstance(made, Refused)
    assert made.stale


@awaited
@pytest.mark.parametrize("put", ["moved", "ignored"])
async def test_an_invoice_goes_with_its_customer(found: Rig, put: str) -> None:
    found.assume("product_organisation_put", put)
    ref = await one(found, invoice_change(document(found)))
    (before,) = await read(found)
    other = found.organisation("Ekfors Timmer AB", VatNumber="", Custom1="")
    wanted = document(found, customer=ExternalRef(NAME, "customer", f"organisation:{other}"))
    change = invoice_change(wanted, ref=ref, base=before)
    if put == "ignored":
        (outcome,) = await write(found, change)
        assert isinstance(outcome, Rejected)
        assert "ProductOrganisationId" in outcome.findings[0].message
        return
    assert await one(found, change) == ref
    assert {row["ProductOrganisationId"] for row in products(found).values()} == {other}
    # And where webCRM itself moved all of it, as it does when two are merged.
    found.act("merge_organisations", keep=found.made["owner"], remove=other)
    (back,) = await read(found)
    assert back.customer == document(found).customer
    (made,) = await prepared(found, invoice_change(document(found), ref=ref, base=back))
    assert made.body == b""
    assert (await look(found, replace(made, witness={"parent": str(other)}))).hits != ()


@awaited
async def test_an_organisation_that_is_gone_refuses_its_invoice_alone(found: Rig) -> None:
    other = found.organisation("Borta AB", VatNumber="", Custom1="")
    found.act("delete_organisation", organisation=other)
    lost = document(found, "2", customer=ExternalRef(NAME, "customer", f"organisation:{other}"))
    good, bad = await found.connector.prepare(
        [invoice_change(document(found)), invoice_change(lost, 2)]
    )
    assert isinstance(bad, Refused)
    assert [one.code for one in bad.findings] == ["target_missing"]
    assert not isinstance(good, Refused)


# The system.


@awaited
async def test_rows_of_products_are_neither_deals_nor_items(found: Rig) -> None:
    before = await found.read(DEALS), await found.read(ITEMS)
    await one(found, invoice_change(document(found)))
    fresh = found.again()
    after = [[page async for page in fresh.changes_since(want, None)] for want in (DEALS, ITEMS)]
    assert [[p.records for p in pages] for pages in after] == [
        [p.records for p in pages] for pages in before
    ]


@awaited
async def test_many_invoices_are_few_calls(found: Rig) -> None:
    changes = [invoice_change(document(found, str(n)), n) for n in range(100)]
    outcomes = await write(found, *changes)
    assert all(isinstance(one, Applied) for one in outcomes)
    # Three rows each, sixteen invoices to an array.
    assert len(found.writes()) == 7
    keys = [ref async for page in found.connector.keys(Entity.DOCUMENT) for ref, _ in page]
    assert len(keys) == 100
    assert len(await read(found)) == 100


@awaited
async def test_a_first_load_is_about_a_call_for_each_invoice(found: Rig) -> None:
    owners = [found.organisation(f"Kund {n}", VatNumber="", Custom1="") for n in range(60)]
    changes = [
        invoice_change(
            document(
                found,
                str(n),
                customer=ExternalRef(NAME, "customer", f"organisation:{owner}"),
            ),
            n,
        )
        for n, owner in enumerate(owners)
    ]
    assert await read(found) == []
    before = len(found.transport.requests)
    outcomes = await write(found, *changes)
    assert all(isinstance(one, Applied) for one in outcomes)
    # The whole list twice, four arrays, and of every organisation what it has afterwards.
    assert len(found.transport.requests) - before <= 70
    assert len(await read(found)) == 60


@awaited
@pytest.mark.parametrize("told", [True, False])
async def test_the_fields_are_checked_where_webcrm_tells_them(told: bool) -> None:
    found = crm()
    found.assume("product_fields_told", told)
    codes = [one.code for one in await found.connector.check()]
    assert codes == ([] if told else ["fields_not_told"])
    found.act("configure_field", field="ProductCustom11", hidden=True)
    findings = await found.connector.check()
    named = [one.place for one in findings if one.code == "field_missing"]
    assert named == (["ProductCustom11"] if told else [])
    (made,) = await found.connector.prepare([invoice_change(document(found))])
    assert isinstance(made, Refused) == told
    if isinstance(made, Refused):
        assert "invoice.open" in made.findings[0].hint


@awaited
async def test_without_fields_nothing_is_shown_and_that_is_said() -> None:
    found = rig()
    found.made["owner"] = found.organisation()
    assert Entity.DOCUMENT not in found.connector.abilities.entities
    (made,) = await found.connector.prepare([invoice_change(document(found))])
    assert isinstance(made, Refused)
    assert "invoice.key" in made.findings[0].hint


def test_the_abilities_say_so(found: Rig) -> None:
    mine = found.connector.abilities.of(Entity.DOCUMENT)
    assert mine.actions == {Action.CREATE, Action.UPDATE}
    assert (mine.guard, mine.reads) == (Guard.SEARCHABLE, Reads.WHOLE_LIST)
    # A late array could make a row a second time: it is waited for.
    assert not mine.owned_whole


# Why they are no deliveries.


async def shown(found: Rig, **values: Any) -> tuple[int, Deal]:
    """A delivery as it would be made of a booked invoice, and how it is read back."""
    number = found.deal(
        title="Invoice 1038", set={"Number": "1038", "Status": "Completed", **values}
    )
    read = deals(await found.read(DEALS))
    return number, read[f"deal:{number}"]


@pytest.mark.parametrize("erp_id", [key(), ""], ids=["with our key", "key cleared by a person"])
def test_a_delivery_that_stood_for_an_invoice_would_be_a_won_deal(erp_id: str) -> None:
    async def story() -> None:
        found = rig()
        _, deal = await shown(found, ErpId=erp_id)
        assert deal.state is DealState.WON
        # All that a second invoice needs is there.
        assert deal.customer is not None
        assert sum(line.quantity * line.unit_price for line in deal.lines) > Decimal(1000)

    asyncio.run(story())


def test_with_the_number_of_the_deals_own_delivery_neither_could_be_changed() -> None:
    async def story() -> None:
        found = rig()
        own = found.deal(set={"Number": "1038"})
        number, _ = await shown(found, ErpId=key())
        for mark, delivery in (("A", own), ("B", number)):
            change = standing_change(mark, f"deal:{delivery}", status="paid")
            (made,) = await prepared(found, change)
            (wire,) = found.connector.pack([made])
            (outcome,) = await found.connector.send(wire)
            assert isinstance(outcome, Rejected)
            assert [finding.code for finding in outcome.findings] == ["twin_number"]

    asyncio.run(story())
