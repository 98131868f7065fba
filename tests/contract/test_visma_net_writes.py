"""Writing to Visma.net: answers that say nothing, jobs in the background, totals, and refusals."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

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
from support.inprocess import InProcessTransport
from support.visma_net_rig import VismaNetRig, number_of
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.model import Document, Entity, ExternalRef, ItemRef, Line
from tieout.ports import HttpRequest, HttpResponse

CREATE_PATH = "/v2/customerinvoice"


def line(price: str, item: str = "CONS", **more: Any) -> Line:
    return Line(
        item=ItemRef(number=item), text=item, unit_price=Decimal(price), **{"position": 1, **more}
    )


def lines(*prices: str, **more: Any) -> tuple[Line, ...]:
    return tuple(line(price, position=n, **more) for n, price in enumerate(prices, start=1))


class Altered(InProcessTransport):
    """A wire that changes answers to writes on their way."""

    def alter(self, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        raise NotImplementedError

    async def send(self, request: HttpRequest) -> HttpResponse:
        answer = await super().send(request)
        return answer if request.method == "GET" else self.alter(request, answer)


class WithoutLocation(Altered):
    def alter(self, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        kept = {name: value for name, value in answer.headers.items() if name != "location"}
        return replace(answer, headers=kept)


def with_wire(rig: VismaNetRig, kind: type[InProcessTransport]) -> VismaNetRig:
    rig.transport = kind(rig.sim, rig.sim.clock.now)
    rig.connector = rig.connect()
    return rig


async def released(rig: VismaNetRig, source: str = "006A", **values: Any) -> ExternalRef:
    """An invoice of ours that finance has released."""
    customer = await new_customer(rig, f"C{source}")
    _, _, outcome = await new_document(rig, customer, source, **values)
    rig.book(outcome.ref)
    (fate,) = await rig.connector.trace([outcome.ref])
    assert fate.into is not None
    return fate.into


async def read(rig: VismaNetRig, ref: ExternalRef) -> Document:
    (found,) = await rig.connector.get([ref], DOCUMENTS)
    assert isinstance(found, Document)
    return found


# --- answers that say nothing --------------------------------------------------------------------


def test_without_a_location_it_is_looked_for_and_not_sent_again() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        with_wire(rig, WithoutLocation)
        change = create(rig, "006A", rig.document(customer))
        made = await prepared(rig, change)
        asked = doubt(rig, change, made, customer)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Unknown), outcome
        sight = await look(rig, asked)
        assert [hit.key for hit in sight.hits] == [change.key]
        assert rig.stored(Entity.DOCUMENT) == 1

    run(story())


def test_what_cannot_be_read_back_was_made_all_the_same() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        rig.sim.faults.add(
            {"kind": "status", "status": 503, "method": "GET", "path": "/v1/customerinvoice/*",
             "times": None}
        )  # fmt: skip
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Applied), outcome
        assert outcome.shows is None
        assert outcome.ref.id == f"draft:{rig.live('customerinvoice')[0]['referenceNumber']}"

    run(story())


def test_a_customer_that_cannot_be_read_back_is_looked_for() -> None:
    async def story() -> None:
        rig = VismaNetRig(drawn=False)
        change = create(rig, "001A", rig.customer())
        made = await prepared(rig, change)
        rig.sim.faults.add(
            {"kind": "status", "status": 503, "method": "GET", "path": "/v1/customer/*",
             "times": 4}
        )  # fmt: skip
        asked = doubt(rig, change, made, None)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Unknown), outcome
        sight = await look(rig, asked)
        assert [hit.key for hit in sight.hits] == [change.key]
        assert rig.stored(Entity.CUSTOMER) == 1

    run(story())


@pytest.mark.parametrize("meaning", ["equals", "contains"])
def test_every_generation_of_a_place_is_found(meaning: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("external_reference_filter", meaning)
        customer = await new_customer(rig)
        first = create(rig, "006A", rig.document(customer))
        later = replace(first, key=first.key[:14] + "01")
        made, _ = await write(rig, later)
        sight = await look(rig, doubt(rig, first, made, customer))
        assert [hit.key for hit in sight.hits] == [later.key]

    run(story())


def test_a_version_that_went_stale_changes_nothing() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer)
        update = replace(
            change,
            action=Action.UPDATE,
            wanted=rig.document(customer, po_number="PO-9"),
            target=outcome.ref,
            base=outcome.shows,
        )
        made = await prepared(rig, update)
        assert made.headers["If-Match"] == f'"{outcome.version}"'
        rig.edit_beside(outcome.ref)
        _, stale = await sent(rig, made)
        assert isinstance(stale, Stale)
        assert rig.invoice(outcome.ref)["customerRefNumber"] == "PO-5521"

    run(story())


def test_a_draft_that_was_released_meanwhile_is_not_deleted() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer)
        void = replace(change, action=Action.VOID, wanted=None, target=outcome.ref)
        made = await prepared(rig, void)
        rig.book(outcome.ref)
        _, stale = await sent(rig, made)
        assert isinstance(stale, Stale)
        assert rig.stored(Entity.DOCUMENT) == 1

    run(story())


def test_bad_data_is_refused_also_where_the_answer_is_500() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("business_error_status", 500)
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        period = "202611"
        rig.act("close_period", period=period)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Rejected), outcome
        assert [finding.code for finding in outcome.findings] == ["period_closed"]
        assert outcome.findings[0].values["vendor_reference"]

    run(story())


def test_too_many_calls_say_how_long_to_wait() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        rig.fault("rate_limited", Entity.DOCUMENT, Action.CREATE, seconds=41)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Deferred), outcome
        assert outcome.retry_after_s == 41

    run(story())


# --- what is sent --------------------------------------------------------------------------------


def test_bodies_hold_no_null_and_say_every_price() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        body = loads(made.body)
        assert "null" not in made.body.decode()
        assert body["hold"] == {"value": True}
        assert body["externalReference"]["value"].startswith("TIEOUT-")
        for sent_line in body["invoiceLines"]:
            assert sent_line["operation"] == "Insert"
            assert sent_line["manualDiscount"] == {"value": True}
            assert "value" in sent_line["unitPriceInCurrency"]
        assert body["invoiceLines"][0]["subaccount"] == [{"segmentId": 1, "segmentValue": "200"}]

    run(story())


def test_discounts_of_the_program_stay_away() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.act("set_discount", code="LINE5", percent=10)
        customer = await new_customer(rig)
        _, made, outcome = await new_document(rig, customer)
        assert isinstance(outcome.shows, Document)
        assert outcome.shows.totals == made.totals.totals  # type: ignore[union-attr]

    run(story())


def test_a_cent_between_two_ways_of_rounding_a_discount() -> None:
    """0.05 less 10 % is 0.05 when rounded once, and 0.04 when the discount is rounded first."""

    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        _, made, outcome = await new_document(
            rig, customer, lines=lines("0.05", "100.00", discount=Decimal("0.1"))
        )
        assert isinstance(outcome.shows, Document)
        assert [one.stated_net for one in outcome.shows.lines] == [Decimal("0.05"), Decimal(90)]
        assert outcome.shows.lines == made.shows.lines  # type: ignore[union-attr]

    run(story())


@pytest.mark.parametrize(("way", "tax"), [("DocumentAmount", "25.00"), ("ItemAmount", "24.99")])
def test_vat_by_line_and_by_document_are_both_foreseen_and_learnt(way: str, tax: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.act("set_vat_rule", vat="3", calculate_on=way)
        customer = await new_customer(rig)
        thirds = lines("33.33", "33.33", "33.33")
        _, made, outcome = await new_document(rig, customer, "006A", lines=thirds)
        assert made.totals is not None
        assert made.totals.other is not None
        assert isinstance(outcome.shows, Document)
        assert outcome.shows.totals is not None
        assert outcome.shows.totals.tax == Decimal(tax)
        assert outcome.shows.totals in (made.totals.totals, made.totals.other)
        again = await prepared(rig, create(rig, "006B", rig.document(customer, lines=thirds)))
        assert again.totals is not None
        assert again.totals.other is None
        assert again.totals.totals.tax == Decimal(tax)

    run(story())


@pytest.mark.parametrize("sign", ["rounded_minus_exact", "exact_minus_rounded"])
def test_invoice_rounding_of_a_draft_whose_amount_is_0(sign: str) -> None:
    async def story() -> None:
        rig = VismaNetRig(rounds_to_unit=True)
        rig.assume("rounding_diff", sign)
        rig.act("set_preference", name="invoiceRounding", value="nearest")
        customer = await new_customer(rig)
        both = (line("1249.50", "KIT/A"), line("300.20", "FOOD", position=2))
        _, made, outcome = await new_document(rig, customer, lines=both)
        assert rig.invoice(outcome.ref)["amount"] == 0
        assert isinstance(outcome.shows, Document)
        totals = outcome.shows.totals
        assert totals is not None
        assert (totals.net, totals.tax) == (Decimal("1549.70"), Decimal("357.41"))
        assert (totals.gross, totals.rounding) == (Decimal("1907.00"), Decimal("-0.11"))
        assert made.totals is not None
        assert totals == made.totals.totals

    run(story())


def test_a_discount_of_the_whole_document_counts_and_is_no_line() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        rig.act("set_discount", code="DOC2", percent=10)
        _, made, outcome = await new_document(rig, customer, lines=lines("100.00"))
        assert isinstance(outcome.shows, Document)
        assert len(outcome.shows.lines) == 1
        assert outcome.shows.totals is not None
        assert made.totals is not None
        # It shows as another total than the one that was foreseen.
        assert outcome.shows.totals.net == Decimal("90.00")
        assert outcome.shows.totals != made.totals.totals

    run(story())


def test_vat_that_nothing_gives_is_refused_before_it_is_0() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        unassigned = lines("100.00", tax_code="99")
        (made,) = await rig.connector.prepare(
            [create(rig, "006A", rig.document(customer, lines=unassigned))]
        )
        assert isinstance(made, Refused)
        assert [finding.code for finding in made.findings] == ["tax_unresolved"]

    run(story())


def test_a_rate_that_is_not_the_one_that_is_meant_is_refused() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        other = lines("100.00", tax_rate=Decimal("0.15"))
        (made,) = await rig.connector.prepare(
            [create(rig, "006A", rig.document(customer, lines=other))]
        )
        assert isinstance(made, Refused)
        assert [finding.code for finding in made.findings] == ["tax_unresolved"]

    run(story())


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"terms": "R3"}, "terms_unmapped"),
        ({"terms": "Net 77"}, "terms_unmapped"),
        ({"lines": lines("1.00", item="PUMP")}, "item_not_usable"),
        ({"lines": lines("1.00", item="OLD")}, "item_not_usable"),
        ({"lines": lines("1.00", dimensions={"department": "900"})}, "dimension_ended"),
        ({"lines": lines("1.00", dimensions={"department": "777"})}, "dimension_unknown"),
        ({"lines": lines("1.00", dimensions={"project": "P2000"})}, "dimension_unknown"),
        ({"lines": ()}, "no_lines"),
        ({"po_number": "9" * 41}, "text_too_long"),
        ({"currency": "CHF"}, "currency_not_allowed"),
        ({"lines": lines("100.00", item="SHOP")}, "net_differs"),
        ({"lines": lines("100.005")}, "value_too_fine"),
        ({"lines": lines("100.00", quantity=Decimal("0.125"))}, "value_too_fine"),
    ],
)
def test_what_would_be_refused_is_found_before(values: dict[str, Any], code: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        change = create(rig, "006A", rig.document(customer, **values))
        (made,) = await rig.connector.prepare([change])
        assert isinstance(made, Refused), made
        assert code in [finding.code for finding in made.findings]

    run(story())


def test_a_company_that_keeps_finer_prices() -> None:
    async def story() -> None:
        rig = VismaNetRig(price_decimals=4, quantity_decimals=3)
        rig.act("set_preference", name="priceDecimals", value=4)
        rig.act("set_preference", name="quantityDecimals", value=3)
        customer = await new_customer(rig)
        fine = lines("100.0055", quantity=Decimal("0.125"))
        _, made, outcome = await new_document(rig, customer, lines=fine)
        assert isinstance(outcome.shows, Document)
        assert outcome.shows.lines == made.shows.lines  # type: ignore[union-attr]
        assert outcome.shows.lines[0].unit_price == Decimal("100.0055")
        assert outcome.shows.lines[0].stated_net == Decimal("12.50")

    run(story())


def test_prices_with_vat_inside_are_foreseen() -> None:
    async def story() -> None:
        for told in ("net", "gross"):
            rig = VismaNetRig()
            rig.assume("extract_detail_total", told)
            customer = await new_customer(rig)
            priced = lines("125.00", "99.99", item="SHOP", includes_tax=True)
            _, made, outcome = await new_document(rig, customer, lines=priced)
            assert isinstance(outcome.shows, Document)
            assert made.totals is not None
            assert outcome.shows.totals in (made.totals.totals, made.totals.other)
            assert outcome.shows.totals is not None
            assert outcome.shows.totals.gross == Decimal("224.99")

    run(story())


@pytest.mark.parametrize("pair", ["named", "swapped"])
def test_the_pair_of_amounts_of_a_foreign_document_is_told_by_its_rate(pair: str) -> None:
    async def story() -> None:
        rig = VismaNetRig(customer_class="2", zone_domestic="01")
        rig.assume("currency_pair", pair)
        customer = await new_customer(rig, currency="EUR")
        _, made, outcome = await new_document(
            rig, customer, currency="EUR", lines=lines("179.57", "224.46")
        )
        shown = outcome.shows
        assert isinstance(shown, Document)
        assert shown.totals is not None
        assert shown.base_totals is not None
        assert made.totals is not None
        assert shown.totals == made.totals.totals
        assert shown.currency == "EUR"
        assert [one.unit_price for one in shown.lines] == [Decimal("179.57"), Decimal("224.46")]
        assert shown.base_totals.currency == "NOK"
        assert shown.base_totals.net == Decimal("4619.07")

    run(story())


def test_a_currency_that_the_customer_does_not_take_is_told() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer, currency="EUR")))
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Rejected), outcome
        assert [finding.code for finding in outcome.findings] == ["currency_not_allowed"]

    run(story())


# --- customers -----------------------------------------------------------------------------------


def test_a_customer_that_was_renumbered_is_the_same_one() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        _, _, first = await new_document(rig, customer, "006A")
        rig.act("renumber_customer", customer=rig.customer_number(customer), number="77001")
        _, _, second = await new_document(rig, customer, "006B")
        assert (await read(rig, first.ref)).customer == customer
        assert (await read(rig, second.ref)).customer == customer

    run(story())


def test_an_update_of_a_customer_leaves_what_it_does_not_name() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        number = rig.customer_number(customer)
        rig.act("edit_customer", customer=number, set={"accountReference": "Hos oss", "gln": "70"})
        wanted = Wanted(
            record=replace(rig.customer().record, name="Nytt Navn AS"),  # type: ignore[arg-type]
            fields=frozenset({"name"}),
        )
        change = Change(
            key="K" * 16,
            entity=Entity.CUSTOMER,
            action=Action.UPDATE,
            wanted=wanted,
            target=customer,
        )
        made, outcome = await write(rig, change)
        assert set(loads(made.body)) == {"name"}
        row = next(r for r in rig.live("customer") if r["number"] == number)
        assert (row["name"], row["accountReference"], row["gln"]) == (
            "Nytt Navn AS",
            "Hos oss",
            "70",
        )
        assert outcome.shows == replace(
            made.shows,  # type: ignore[type-var]
            version=outcome.version,
            changed_at=outcome.shows.changed_at,  # type: ignore[union-attr]
        )

    run(story())


@pytest.mark.parametrize(("country", "zone"), [("NO", "01"), ("SE", "02"), ("US", "03")])
def test_a_new_customer_gets_the_zone_of_its_country(country: str, zone: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        record = rig.customer().record
        address = replace(record.addresses[0], country=country)  # type: ignore[union-attr]
        if country == "US":
            address = replace(address, postcode="90210")
        if country == "SE":
            address = replace(address, postcode="211 19")
        customer = await new_customer(rig, addresses=(address,))
        row = next(r for r in rig.live("customer") if str(r["internalId"]) == customer.id)
        assert row["vatZone"]["id"] == zone

    run(story())


def test_an_attribute_that_is_not_set_up_is_told() -> None:
    async def story() -> None:
        rig = VismaNetRig(customer_class="1")
        rig.act("assign_crm_key", **{"class": "1"}, assigned=False)
        made = await prepared(rig, create(rig, "001A", rig.customer()))
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Rejected), outcome
        assert [finding.code for finding in outcome.findings] == ["attribute_missing"]

    run(story())


# --- credit notes --------------------------------------------------------------------------------


def test_a_credit_note_over_an_invoice_takes_it_off_when_it_is_released() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        invoice = await released(rig)
        before = await read(rig, invoice)
        change = create(rig, "006A", rig.document(before.customer))  # type: ignore[arg-type]
        credit = replace(
            change,
            key=change.key[:13] + "K00",
            action=Action.CREDIT,
            wanted=None,
            target=invoice,
        )
        made = await prepared(rig, credit)
        asked = doubt(rig, credit, made, before.customer)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Applied), outcome
        note = outcome.shows
        assert isinstance(note, Document)
        assert note.totals is not None
        assert before.totals is not None
        assert note.totals.gross == -before.totals.gross
        assert made.totals is not None
        assert note.totals in (made.totals.totals, made.totals.other)
        sight = await look(rig, asked)
        assert [hit.key for hit in sight.hits] == [credit.key]
        number = number_of(outcome.ref)
        rig.act("hold_document", document=number, type="CreditNote", on=False)
        rig.act("release", document=number, type="CreditNote")
        after = await read(rig, invoice)
        assert after.totals is not None
        assert after.totals.open == 0
        assert after.credited == before.totals.gross
        assert after.credited_by == (ExternalRef(invoice.connection, "document", f"note:{number}"),)

    run(story())


def test_one_of_several_is_refused_and_the_others_go_on() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        changes = [
            create(rig, "006A", rig.document(customer)),
            create(rig, "006B", rig.document(customer, lines=())),
            create(rig, "006C", rig.document(customer)),
        ]
        made = await rig.connector.prepare(changes)
        assert [type(one) for one in made] == [Prepared, Refused, Prepared]

    run(story())
