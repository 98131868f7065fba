"""What Visma's writes do beyond the port's promises: refusals, conversion, carriers, currencies."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
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
from support.fakes import MemorySecrets
from support.visma_rig import VismaRig
from tieout.connectors.http.browser import authorize_address, code_from_address
from tieout.connectors.http.json import dumps, loads
from tieout.connectors.visma_eaccounting.settings import SCOPES
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
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import (
    Address,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Identifier,
    LineKind,
    PartyKind,
)
from tieout.ports import HttpRequest
from tieout_sandbox.visma_eaccounting import CLIENT_ID, CLIENT_SECRET

SE_ADDRESS = Address(lines=("Kajgatan 14",), postcode="211 19", city="Malmö", country="SE")


@pytest.fixture
def rig() -> VismaRig:
    return VismaRig()


async def refusal(rig: VismaRig, change: Change) -> list[str]:
    """The codes for which a change is not made into bytes."""
    (made,) = await rig.connector.prepare([change])
    assert isinstance(made, Refused), made
    return [finding.code for finding in made.findings]


# --- customers -----------------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_customer_is_told_at_once(rig: VismaRig) -> None:
    async def story() -> None:
        wanted = rig.customer(
            addresses=(Address(lines=("Kajgatan 14",)),),
            identifiers=(Identifier(kind="vat", country="SE", raw="SE12"),),
            terms="Net 45",
        )
        codes = await refusal(rig, create(rig, "001A", wanted))
        assert sorted(codes) == [
            "address_incomplete",
            "address_incomplete",
            "number_wrong",
            "terms_unmapped",
        ]
        assert rig.transport.asked("POST", "/v2") == []

    run(story())


def test_a_customer_without_a_number_of_ours_is_not_made(rig: VismaRig) -> None:
    change = replace(create(rig, "001A", rig.customer()), number=None)
    assert run(refusal(rig, change)) == ["customer_number_missing"]


@pytest.mark.parametrize("said", ["30", "30 dagar netto", "30 days net"])
def test_terms_are_known_by_days_and_by_name(rig: VismaRig, said: str) -> None:
    made, _ = run(write(rig, create(rig, "001A", rig.customer(terms=said))))
    assert made.shows is not None
    assert made.shows.terms == "30"  # type: ignore[union-attr]


def test_an_update_of_a_customer_keeps_what_people_entered(rig: VismaRig) -> None:
    async def story() -> None:
        ref = await new_customer(rig)
        entered = {"WwwAddress": "https://nordhavn.example", "EmailAddressOrder": "o@x.example"}
        rig.act("edit_customer", customer=ref.id, set=entered)
        record = replace(rig.customer().record, name="Nordhavn Rosteri AB", terms="10")
        change = Change(
            key="K" * 16,
            entity=Entity.CUSTOMER,
            action=Action.UPDATE,
            wanted=Wanted(record=record, fields=frozenset({"name", "terms"})),
            target=ref,
        )
        made, outcome = await write(rig, change)
        assert made.read is not None
        assert made.read.name == "Nordhavn Kaffe AB"  # type: ignore[union-attr]
        stored = rig.row("customers", ref.id)
        assert stored["Name"] == "Nordhavn Rosteri AB"
        assert stored["TermsOfPayment"]["NumberOfDays"] == 10
        assert {name: stored[name] for name in entered} == entered
        assert stored["CustomerNumber"] == outcome.shows.number  # type: ignore[union-attr]

    run(story())


def test_fields_can_be_set_one_role_at_a_time_and_cleared(rig: VismaRig) -> None:
    async def story() -> None:
        ref = await new_customer(rig)
        record = replace(rig.customer().record, emails={}, phones={"mobile": "070-1"})
        change = Change(
            key="K" * 16,
            entity=Entity.CUSTOMER,
            action=Action.UPDATE,
            wanted=Wanted(record=record, fields=frozenset({"emails.invoice", "phones.mobile"})),
            target=ref,
        )
        _, outcome = await write(rig, change)
        assert outcome.shows.emails == {}  # type: ignore[union-attr]
        assert outcome.shows.phones == {"general": "040-55 01 02", "mobile": "070-1"}  # type: ignore[union-attr]

    run(story())


def test_a_number_clash_is_no_hit_and_an_own_customer_renamed_is(rig: VismaRig) -> None:
    async def story() -> None:
        ref = await new_customer(rig, "001OTHER", name="Annan AB", identifiers=())
        number = rig.row("customers", ref.id)["CustomerNumber"]
        change = replace(create(rig, "001A", rig.customer()), number=number)
        made = await prepared(rig, change)
        assert (await look(rig, doubt(rig, change, made, None))).hits == ()
        rig.act("edit_customer", customer=ref.id, set={"CorporateIdentityNumber": "5599999819"})
        assert len((await look(rig, doubt(rig, change, made, None))).hits) == 1

    run(story())


def test_vies_in_trouble_is_rejected_as_unchecked(rig: VismaRig) -> None:
    async def story() -> None:
        for how in ("down_4025", "down_4100"):
            rig.assume("vies", how)
            _, outcome = await sent(rig, await prepared(rig, create(rig, "001A", rig.customer())))
            assert isinstance(outcome, Rejected)
            assert [finding.code for finding in outcome.findings] == ["number_unchecked"]
            assert outcome.vendor_time is not None

    run(story())


@pytest.mark.parametrize(("said", "shown"), [("sv_SE", "sv"), ("en-GB", "en"), ("FI", "fi")])
def test_a_language_is_two_letters(rig: VismaRig, said: str, shown: str) -> None:
    _, outcome = run(write(rig, create(rig, "001A", rig.customer(language=said))))
    assert outcome.shows.language == shown  # type: ignore[union-attr]


def test_a_range_of_numbers_can_have_a_width() -> None:
    rig = VismaRig(number_width=9)
    made, outcome = run(write(rig, create(rig, "001A", rig.customer())))
    assert made.witness["number"] == "000200001"
    assert outcome.shows.number == "000200001"  # type: ignore[union-attr]


def test_the_reference_that_the_buyer_demands_goes_before_a_name(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer, buyer_reference="ZZ-4711")
        assert outcome.shows.your_reference == "ZZ-4711"  # type: ignore[union-attr]
        record = replace(change.wanted.record, your_reference="Ny Person")  # type: ignore[union-attr]
        update = replace(
            change,
            action=Action.UPDATE,
            wanted=Wanted(record=record, fields=frozenset({"your_reference"})),
            target=outcome.ref,
            base=outcome.shows,
        )
        _, changed = await write(rig, update)
        assert changed.shows.your_reference == "ZZ-4711"  # type: ignore[union-attr]

    run(story())


# --- drafts --------------------------------------------------------------------------------------


def lines_with(rig: VismaRig, customer: ExternalRef, **values: Any) -> Wanted:
    """A document whose first line has these values."""
    record = rig.document(customer).record
    assert isinstance(record, Document)
    first, *rest = record.lines
    return rig.document(customer, lines=(replace(first, **values), *rest))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"quantity": Decimal("2.125")}, "value_too_fine"),
        ({"unit_price": Decimal("0.0375")}, "value_too_fine"),
        ({"discount": Decimal("0.33333")}, "value_too_fine"),
        ({"discount": Decimal("1.5")}, "discount_out_of_range"),
        ({"dimensions": {"project": "999"}}, "dimension_unknown"),
        ({"dimensions": {"region": "north"}}, "dimension_unknown"),
        ({"text": "x" * 2001}, "text_too_long"),
        ({"includes_tax": True}, "net_differs"),
    ],
)
def test_what_does_not_fit_is_refused_never_rounded(
    rig: VismaRig, values: dict[str, Any], code: str
) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        assert await refusal(rig, create(rig, "006A", lines_with(rig, customer, **values))) == [
            code
        ]
        assert rig.stored(Entity.DOCUMENT) == 0

    run(story())


def test_zeros_at_the_end_are_no_finer_digits(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        wanted = lines_with(
            rig, customer, quantity=Decimal("3.000"), unit_price=Decimal("12.500000")
        )
        _, outcome = await write(rig, create(rig, "006A", wanted))
        assert outcome.shows.lines[0].unit_price == Decimal("12.5")  # type: ignore[union-attr]

    run(story())


def test_a_text_row_alone_is_no_document(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        record = rig.document(customer).record
        assert isinstance(record, Document)
        texts = tuple(line for line in record.lines if line.kind is LineKind.TEXT)
        assert await refusal(rig, create(rig, "006A", rig.document(customer, lines=texts))) == [
            "no_lines"
        ]

    run(story())


def test_the_currency_is_the_customers(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        wanted = rig.document(customer, currency="EUR")
        assert await refusal(rig, create(rig, "006A", wanted)) == ["currency_not_allowed"]

    run(story())


def test_a_foreign_customer_has_four_decimals_no_rounding_and_base_figures(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(
            rig,
            currency="EUR",
            identifiers=(Identifier(kind="vat", country="FI", raw="FI 12345671"),),
            addresses=(replace(SE_ADDRESS, country="FI", postcode="00100", city="Helsinki"),),
        )
        record = rig.document(customer).record
        assert isinstance(record, Document)
        line = replace(record.lines[0], discount=Decimal(0), tax_rate=Decimal(0), dimensions={})
        lines = (
            replace(line, quantity=Decimal(1200), unit_price=Decimal("0.0375")),
            replace(line, quantity=Decimal("37.25"), unit_price=Decimal("12.3456")),
        )
        _, made, outcome = await new_document(rig, customer, lines=lines)
        assert made.totals is not None
        assert made.totals.totals.gross == Decimal("504.87")
        assert isinstance(outcome.shows, Document)
        assert outcome.shows.totals == made.totals.totals
        rig.book(outcome.ref)
        (fate,) = await rig.connector.trace([outcome.ref])
        assert isinstance(fate.record, Document)
        assert fate.record.totals is not None
        assert fate.record.base_totals is not None
        assert fate.record.totals.gross == Decimal("504.87")
        assert fate.record.totals.rounding == 0
        assert fate.record.base_totals.gross == Decimal("5575.38")
        assert fate.record.rate == Decimal("11.0432")

    run(story())


@pytest.mark.parametrize("excl", [True, False])
def test_prices_of_private_persons_follow_the_company(rig: VismaRig, excl: bool) -> None:
    async def story() -> None:
        rig.act("set_company_setting", name="ShowPricesExclVatPC", value=excl)
        customer = await new_customer(
            rig,
            kind=PartyKind.PERSON,
            identifiers=(Identifier(kind="company", country="SE", raw="19121212-1212"),),
        )
        wanted = rig.document(customer)
        assert isinstance(wanted.record, Document)
        priced = tuple(replace(line, includes_tax=excl) for line in wanted.record.lines)
        change = create(rig, "006A", rig.document(customer, lines=priced))
        made, outcome = await write(rig, change)
        assert made.totals is not None
        assert isinstance(outcome.shows, Document)
        assert outcome.shows.totals in (made.totals.totals, made.totals.other)
        assert [line.includes_tax for line in outcome.shows.lines[:3]] == [excl] * 3

    run(story())


def test_our_reference_carries_the_key_and_reads_without_it(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        contact = (
            "Sara Ek, försäljning och support för kunder i södra Sverige, telefon 040-55 01 02 99"
        )
        change, _, outcome = await new_document(rig, customer, our_reference=contact)
        stored = rig.row("customerinvoicedrafts", outcome.ref.id[6:])["OurReference"]
        assert len(stored) <= 100
        assert stored.endswith(f" ref {change.key}")
        assert isinstance(outcome.shows, Document)
        assert change.key in outcome.shows.carrier_text
        assert "ref" not in outcome.shows.our_reference
        assert contact.startswith(outcome.shows.our_reference)

    run(story())


def test_a_write_names_every_flag_that_could_change_money(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        body = loads(made.body)
        assert body["ReplaceUnitPriceWhenZero"] is False
        assert body["EuThirdParty"] is False
        assert body["RotReducedInvoicingType"] == 0
        assert [row.get("DiscountPercentage") for row in body["Rows"][:3]] == [
            Decimal("0.1"),
            0,
            Decimal("0.125"),
        ]
        assert [row["LineNumber"] for row in body["Rows"]] == [1, 2, 3, 4]

    run(story())


def test_the_variants_of_vat_are_both_predicted_where_they_differ(rig: VismaRig) -> None:
    async def story() -> None:
        for rule in ("rate", "row"):
            rig.assume("vat_rounding", rule)
            customer = await new_customer(rig, f"001{rule}")
            record = rig.document(customer).record
            assert isinstance(record, Document)
            one = replace(
                record.lines[0],
                quantity=Decimal(1),
                unit_price=Decimal("33.33"),
                discount=Decimal(0),
            )
            _, made, outcome = await new_document(rig, customer, f"006{rule}", lines=(one,) * 3)
            assert made.totals is not None
            assert made.totals.other is not None
            assert isinstance(outcome.shows, Document)
            expected = made.totals.totals if rule == "rate" else made.totals.other
            assert outcome.shows.totals == expected
            assert expected.gross == Decimal("125.00")

    run(story())


# --- conversion ----------------------------------------------------------------------------------


async def conversion(rig: VismaRig, issue_date: date | None = None) -> tuple[Change, Prepared]:
    customer = await new_customer(rig)
    change, _, outcome = await new_document(rig, customer, issue_date=issue_date)
    convert = replace(change, action=Action.CONVERT, wanted=None, target=outcome.ref)
    return convert, await prepared(rig, convert)


def test_a_conversion_books_on_the_drafts_day_and_checks_each_figure(rig: VismaRig) -> None:
    async def story() -> None:
        change, made = await conversion(rig, date(2026, 10, 5))
        check = loads(made.body)
        assert check["TotalAmountInvoiceCurrency"] == Decimal("14701.00")
        assert check["TotalRoundingsInvoiceCurrency"] == Decimal("-0.43")
        assert len(check["Rows"]) == 3
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Applied)
        shows = outcome.shows
        assert isinstance(shows, Document)
        assert shows.kind is DocumentKind.INVOICE
        assert shows.issue_date == date(2026, 10, 5)
        assert shows.came_from == (change.target,)
        assert shows.totals == made.shows.totals  # type: ignore[union-attr]
        assert change.key in shows.carrier_text
        # A second one finds nothing to book.
        _, again = await sent(rig, made)
        assert isinstance(again, Stale)

    run(story())


def test_a_draft_that_changed_since_is_not_booked(rig: VismaRig) -> None:
    async def story() -> None:
        change, made = await conversion(rig)
        assert change.target is not None
        rig.act("edit_draft", draft=change.target.id[6:], line=1, price="1249.51")
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Rejected)
        assert rig.live("customerinvoices") == []

    run(story())


def test_a_closed_period_is_told_in_our_words(rig: VismaRig) -> None:
    async def story() -> None:
        _, made = await conversion(rig, date(2026, 9, 15))
        rig.act("lock_period", to="2026-09-30")
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Rejected)
        assert [finding.code for finding in outcome.findings] == ["period_closed"]

    run(story())


def test_a_closed_day_is_seen_before_sending_where_drafts_keep_their_date(rig: VismaRig) -> None:
    async def story() -> None:
        rig.act("set_company_setting", name="KeepOriginalDraftDate", value=True)
        rig.act("lock_period", to="2026-09-30")
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer, issue_date=date(2026, 9, 15))
        convert = replace(change, action=Action.CONVERT, wanted=None, target=outcome.ref)
        assert await refusal(rig, convert) == ["period_closed"]

    run(story())


def test_a_lost_conversion_is_found_by_the_draft_it_came_from(rig: VismaRig) -> None:
    async def story() -> None:
        rig.assume("header_copied_to_invoice", False)
        change, made = await conversion(rig)
        rig.sim.faults.add(
            {"kind": "drop_after_commit", "method": "POST", "path": "/v2/customerinvoicedrafts/*"}
        )
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Unknown)
        sight = await look(rig, doubt(rig, change, made, None))
        assert sight.target_gone
        (hit,) = sight.hits
        assert hit.record.booked  # type: ignore[union-attr]

    run(story())


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "ours"),
    [
        (400, 2000, "The field X is wrong.", Rejected, "value_not_accepted"),
        (400, 3000, "ResourceNotFoundException - article", Rejected, "not_found"),
        (404, 3000, "ResourceNotFoundException - article", Rejected, "not_found"),
        (400, 3001, "", Rejected, "period_closed"),
        (400, 4002, "CanNotBeCreatedOrUpdated", Rejected, "value_not_accepted"),
        (400, 4013, "", Rejected, "period_closed"),
        (400, 4024, "", Rejected, "tax_unresolved"),
        (400, 4026, "", Rejected, "period_closed"),
        (500, 5005, "", Rejected, "dimension_ended"),
        (400, 5006, "", Rejected, "dimension_ended"),
        (500, 5000, "", Unknown, ""),
        (500, 5002, "", Unknown, ""),
        (503, 5001, "", Unknown, ""),
        (429, 4010, "Try again in 17 seconds.", Deferred, ""),
    ],
)
def test_codes_decide_before_statuses(
    rig: VismaRig, status: int, code: int, text: str, kind: type, ours: str
) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        body = {"ErrorCode": code, "DeveloperErrorMessage": text, "ErrorId": "e-1"}
        rig.fault("status", Entity.DOCUMENT, Action.CREATE, status=status, body=body)
        _, outcome = await sent(rig, made)
        assert type(outcome) is kind
        if isinstance(outcome, Rejected):
            assert [finding.code for finding in outcome.findings] == [ours]
            assert outcome.findings[0].values["vendor_reference"] == "e-1"
        if isinstance(outcome, Deferred):
            assert outcome.retry_after_s == 17

    run(story())


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (403, 4002, "ForbiddenRequestException - No access to module: api_standard"),
        (403, 4004, ""),
        (403, 4006, ""),
        (403, 4019, ""),
    ],
)
def test_what_only_a_person_can_mend_stops_the_connection(
    rig: VismaRig, status: int, code: int, text: str
) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        body = {"ErrorCode": code, "DeveloperErrorMessage": text, "ErrorId": "e-1"}
        rig.fault("status", Entity.DOCUMENT, Action.CREATE, status=status, body=body)
        with pytest.raises(ConnectionBrokenError) as caught:
            await sent(rig, made)
        assert "Exception" not in caught.value.message

    run(story())


@pytest.mark.parametrize(
    ("action", "status", "body", "kind"),
    [
        (Action.CREATE, 201, None, Unknown),
        (Action.CREATE, 200, "<html>login</html>", Unknown),
        (Action.CREATE, 400, "<html>proxy</html>", Unknown),
        (Action.CREATE, 404, None, Unknown),
        (Action.UPDATE, 200, None, Applied),
        (Action.UPDATE, 204, None, Applied),
        (Action.UPDATE, 200, "<html>login</html>", Unknown),
        (Action.VOID, 204, None, Applied),
        (Action.VOID, 200, "<html>login</html>", Unknown),
    ],
)
def test_empty_and_foreign_bodies(
    rig: VismaRig, action: Action, status: int, body: str | None, kind: type
) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        change, _, first = await new_document(rig, customer)
        if action is not Action.CREATE:
            change = replace(change, action=action, target=first.ref, base=first.shows)
        made = await prepared(rig, change)
        rig.fault("status", Entity.DOCUMENT, action, status=status, body=body)
        _, outcome = await sent(rig, made)
        assert type(outcome) is kind, outcome
        if isinstance(outcome, Applied):
            assert outcome.ref == first.ref

    run(story())


def test_inactive_dimensions_and_articles_are_told(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        ended = create(rig, "006A", lines_with(rig, customer, dimensions={"project": "090"}))
        _, outcome = await sent(rig, await prepared(rig, ended))
        assert isinstance(outcome, Rejected)
        assert [finding.code for finding in outcome.findings] == ["dimension_ended"]
        rig.act("edit_article", article="KAFFE-K3", set={"IsActive": False})
        rig.clock.advance(700)
        codes = await refusal(rig, create(rig, "006B", rig.document(customer)))
        assert codes == ["item_not_usable"]

    run(story())


def test_a_sign_in_that_was_withdrawn_stops_before_anything_is_done(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        rig.fault("token_revoked", Entity.DOCUMENT, Action.CREATE)
        with pytest.raises(ConnectionBrokenError) as caught:
            await sent(rig, made)
        assert caught.value.code == "sign_in_withdrawn"
        assert rig.stored(Entity.DOCUMENT) == 0
        grants = len(rig.transport.asked("POST", "/connect/token"))
        for _ in range(3):
            with pytest.raises(ConnectionBrokenError):
                await rig.connector.get([customer], DOCUMENTS)
        assert len(rig.transport.asked("POST", "/connect/token")) == grants

    run(story())


def test_a_crash_after_the_rotation_loses_no_sign_in(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        rig.clock.advance(4000)
        rig.connector = rig.connect()  # a new process, with what the old one stored
        assert await rig.connector.get([customer], DOCUMENTS) != [None]
        rig.clock.advance(4000)
        assert await rig.connector.get([customer], DOCUMENTS) != [None]

    run(story())


def test_bodies_are_plain_json_of_known_digits(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        assert dumps(loads(made.body)) == made.body
        assert b"E+" not in made.body

    run(story())


# --- the first sign-in ---------------------------------------------------------------------------


def test_a_browser_sign_in_ends_in_a_connection_that_works(rig: VismaRig) -> None:
    async def story() -> None:
        rig.secrets = MemorySecrets(rig.clock, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        rig.connector = connector = rig.connect()
        (finding,) = await connector.check()
        assert finding.code == "sign_in_withdrawn"
        address = authorize_address(
            rig.settings.authorize_url,
            client_id=CLIENT_ID,
            redirect_uri="http://127.0.0.1:5000/callback",
            scope=SCOPES,
            state="s-1",
            extra=rig.settings.authorize_extra(),
        )
        back = await rig.transport.send(HttpRequest(method="GET", url=address))
        assert back.status in (302, 303)
        code = code_from_address(back.headers["location"], "s-1")
        await connector.tokens.exchange_code(code, "http://127.0.0.1:5000/callback")
        assert list(await connector.check()) == []
        with pytest.raises(ConnectionBrokenError):
            await connector.tokens.exchange_code(code, "http://127.0.0.1:5000/callback")

    run(story())
