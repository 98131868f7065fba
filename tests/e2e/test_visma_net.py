"""A won deal becomes a customer and a draft in Visma.net, once, and its status comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from support.visma_net_pair import CONFIGURATION, VismaNetPair
from tieout.core.ledger_list import Period
from tieout.engine.run import run
from tieout_sandbox.kit import ActionError

BUYER = "Havnegata Elektro AS"
D = Decimal


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., VismaNetPair]]:
    """Makes the pair of a test."""
    made: list[VismaNetPair] = []

    def making(configuration: str = CONFIGURATION, **settings: Any) -> VismaNetPair:
        made.append(VismaNetPair(database_url, configuration, books=settings))
        return made[-1]

    yield making
    for pair in made:
        pair.__exit__()


def writes(pair: VismaNetPair) -> list[tuple[str, str, bytes]]:
    """The requests that change something on either side, in order."""
    return [
        (request.method, request.url, request.body)
        for wire in (pair.books_wire, pair.crm_wire)
        for request in wire.requests
        if request.method != "GET"
        and "token" not in request.url
        # Reads of Salesforce that go together are a POST.
        and not (request.url.endswith("/composite") and b'"method":"P' not in request.body)
    ]


def settle(pair: VismaNetPair) -> None:
    """Runs until nothing is on its way any more, past every horizon."""
    for seconds in (0, 10, 60, 400, 400):
        pair.clock.advance(seconds)
        pair.run()


def quiet(pair: VismaNetPair) -> None:
    """Nobody did anything: a run plans nothing and writes nothing."""
    before = writes(pair)
    result = pair.run()
    assert writes(pair) == before
    assert pair.cases() == []
    assert result.brakes == ()


OTHERWISE = {
    "location_host": "http",
    "single_as_array": True,
    "null_fields": "written",
    "business_error_status": 500,
    "not_found_body": "empty",
    "v2_location": "v2",
    "stamp_zone": "local",
    "stamp_form": "offset",
    "metadata_missing": True,
    "external_reference_filter": "contains",
    "application_doc_type": "code",
    "payment_moves_invoice": False,
    "period_end": "inclusive",
}


@pytest.mark.parametrize("temper", [{}, OTHERWISE], ids=["usual", "otherwise"])
def test_from_the_won_deal_to_the_payment(
    make: Callable[..., VismaNetPair], temper: dict[str, Any]
) -> None:
    pair = make()
    for name, value in temper.items():
        pair.in_books("set_assumption", name=name, value=value)
    pair.deal("D-1", BUYER, "1095.00", "250.50")
    pair.run()
    (customer,) = pair.records("customer")
    assert customer["name"] == BUYER
    assert customer["vatZone"]["id"] == "01"
    assert customer["attributes"][0]["value"].startswith("TIEOUT-")
    draft = pair.invoice("D-1")
    assert draft["status"] == "Hold"
    assert draft["externalReference"].startswith("TIEOUT-")
    assert draft["customer"]["number"] == customer["number"]
    assert (draft["detailTotal"], draft["vatTotal"]) == (D("1345.5"), D("336.38"))
    pair.run()
    assert pair.shown("D-1")["status"] == "draft"
    quiet(pair)
    number = pair.book("D-1")
    pair.run()
    shown = pair.shown("D-1")
    assert (shown["status"], shown["number"]) == ("booked", number)
    assert (shown["net"], shown["open"]) == (D("1345.50"), D("1681.88"))
    assert pair.balance(BUYER)[0] == D("1681.88")
    quiet(pair)
    pair.in_books("pay", document=number, amount="681.88")
    pair.run()
    assert pair.shown("D-1")["status"] == "partly_paid"
    pair.in_books("pay", document=number)
    pair.run()
    shown = pair.shown("D-1")
    assert (shown["status"], shown["paid"], shown["open"]) == ("paid", D("1681.88"), 0)
    assert pair.balance(BUYER)[0] == 0
    quiet(pair)


def test_a_quiet_run_costs_the_same_however_much_is_linked(
    make: Callable[..., VismaNetPair],
) -> None:
    pair = make()

    def calls() -> int:
        pair.run()
        before = len(pair.books_wire.requests)
        pair.run()
        return len(pair.books_wire.requests) - before

    pair.deal("D-1", BUYER, "1000.00")
    pair.run()
    few = calls()
    for number in range(2, 9):
        pair.deal(f"D-{number}", f"Kunde {number} AS", "1000.00")
    pair.run()
    for number in range(2, 9):
        pair.in_books("pay", document=pair.book(f"D-{number}"))
    pair.run()
    pair.clock.advance(900)
    assert calls() == few
    assert few <= 14


def test_a_deal_edited_and_reopened_while_its_draft_is_a_draft(
    make: Callable[..., VismaNetPair],
) -> None:
    pair = make()
    pair.deal("D-1", BUYER, "1000.00", "200.00")
    pair.run()
    number = pair.number_of("D-1")
    pair.price("D-1", "1100.00")
    pair.run()
    assert pair.number_of("D-1") == number
    draft = pair.invoice("D-1")
    assert [line["unitPriceInCurrency"] for line in draft["invoiceLines"]] == [1100, 200]
    quiet(pair)
    pair.in_crm("reopen", id=pair.deals["D-1"])
    pair.run()
    assert pair.records("customerinvoice") == []
    pair.in_crm("win", id=pair.deals["D-1"])
    pair.run()
    assert len(pair.records("customerinvoice")) == 1
    pair.run()
    quiet(pair)


def test_what_finance_edits_in_a_draft_is_not_overwritten(
    make: Callable[..., VismaNetPair],
) -> None:
    pair = make()
    pair.deal("D-1", BUYER, "1000.00")
    pair.run()
    number = pair.number_of("D-1")
    line = {"lineNumber": 1, "unitPriceInCurrency": 900}
    pair.in_books("edit_document", document=number, lines=[line])
    pair.price("D-1", "1200.00")
    pair.run()
    pair.run()
    assert pair.invoice("D-1")["invoiceLines"][0]["unitPriceInCurrency"] == 900
    assert pair.cases() != []


def test_a_version_that_went_stale_between_read_and_write(
    make: Callable[..., VismaNetPair],
) -> None:
    pair = make()
    pair.deal("D-1", BUYER, "1000.00")
    pair.run()
    number = pair.number_of("D-1")
    pair.price("D-1", "1100.00")
    edits: list[str] = []

    def meanwhile(request: Any) -> None:
        if request.method == "PUT" and "customerinvoice" in request.url and not edits:
            edits.append(request.url)
            pair.in_books("edit_document", document=number, set={"note": "Ring først"})

    pair.books_wire.before = meanwhile
    pair.run()
    settle(pair)
    assert len(edits) == 1
    invoice = pair.invoice("D-1")
    # Decided anew: what we set and what finance wrote beside it both stand.
    assert invoice["invoiceLines"][0]["unitPriceInCurrency"] == 1100
    assert invoice["note"] == "Ring først"
    quiet(pair)


def test_a_persons_edit_between_read_and_write_is_asked_about(
    make: Callable[..., VismaNetPair],
) -> None:
    """
    Finance changes the very price that a deal's edit is about to change: the version that was
    read is refused (412), the draft is read anew, and a person is asked. Nothing is overwritten.
    """
    pair = make()
    pair.deal("D-1", BUYER, "1000.00")
    pair.run()
    number = pair.number_of("D-1")
    pair.price("D-1", "1100.00")
    refused: list[str] = []

    def meanwhile(request: Any) -> None:
        if request.method == "PUT" and "customerinvoice" in request.url and not refused:
            refused.append(request.headers["If-Match"])
            line = {"lineNumber": 1, "unitPriceInCurrency": 900}
            pair.in_books("edit_document", document=number, lines=[line])

    pair.books_wire.before = meanwhile
    pair.run()
    settle(pair)
    assert len(refused) == 1
    assert pair.invoice("D-1")["invoiceLines"][0]["unitPriceInCurrency"] == 900
    assert [case.code for case in pair.cases()] == ["draft_edited"]


def test_a_lost_answer_to_a_background_request_makes_no_second_document(
    make: Callable[..., VismaNetPair],
) -> None:
    """Neither the document nor the name of its job came back: it is found when it is there."""
    pair = make(background_above=1)
    pair.deal("D-1", BUYER, "1000.00", "500.00")
    pair.books.faults.add(
        {"kind": "drop_after_commit", "method": "POST", "path": "/v2/customerinvoice"}
    )
    pair.run()
    settle(pair)
    posts = [r for r in pair.books_wire.requests if r.url.endswith("/v2/customerinvoice")]
    assert [r.headers["erp-api-background"] for r in posts if r.method == "POST"] == ["none"]
    assert len(pair.records("customerinvoice")) == 1
    assert pair.shown("D-1")["status"] == "draft"
    quiet(pair)


@pytest.mark.parametrize("path", ["/v2/customerinvoice", "/v1/customer"])
@pytest.mark.parametrize("kind", ["drop_after_commit", "drop_before", "truncated", "late"])
def test_an_answer_that_does_not_come_makes_no_second_one(
    make: Callable[..., VismaNetPair], path: str, kind: str
) -> None:
    pair = make()
    pair.deal("D-1", BUYER, "1000.00")
    if kind == "late":
        # The request is carried out three minutes after its connection was lost.
        order: dict[str, Any] = {"kind": "commit_late", "seconds": 180}
    else:
        order = {"kind": kind}
    pair.books.faults.add({**order, "method": "POST", "path": path})
    pair.run()
    settle(pair)
    assert len(pair.records("customer")) == 1
    assert len(pair.records("customerinvoice")) == 1
    assert pair.shown("D-1")["status"] == "draft"
    quiet(pair)


def test_a_lost_answer_while_the_search_lags_behind(make: Callable[..., VismaNetPair]) -> None:
    pair = make()
    pair.deal("D-1", BUYER, "1000.00")
    pair.books.faults.add(
        {"kind": "search_lag", "method": "POST", "path": "/v2/customerinvoice", "seconds": 25}
    )
    pair.books.faults.add(
        {"kind": "drop_after_commit", "method": "POST", "path": "/v2/customerinvoice"}
    )
    pair.run()
    settle(pair)
    assert len(pair.records("customerinvoice")) == 1
    quiet(pair)


KINDS = ("drop_after_commit", "drop_before", "truncated", "commit_late", "status", "garbage",
         "rate_limited", "token_expired", "stale")  # fmt: skip
CALLS = (
    ("POST", "/v2/customerinvoice"),
    ("POST", "/v1/customer"),
    ("PUT", "/v1/customerinvoice/*"),
    ("DELETE", "/v1/customerinvoice/*"),
    ("GET", "/v1/customerinvoice*"),
    ("GET", "/v1/customer*"),
)


def fault(pair: VismaNetPair, chance: Random) -> None:
    """Something goes wrong with one of the next calls."""
    kind = chance.choice(KINDS)
    method, path = chance.choice(CALLS if kind != "stale" else CALLS[2:3])
    order: dict[str, Any] = {"kind": kind, "method": method, "path": path}
    if kind == "commit_late":
        order["seconds"] = chance.randint(1, 200)
    if kind == "status":
        order["status"] = chance.choice((500, 502, 503))
    pair.books.faults.add(order)


def act(pair: VismaNetPair, chance: Random, number: str) -> None:
    """A person does something about a deal, on either side."""
    what = chance.choice(("price", "reopen", "win", "book", "note", "pay", "hold"))
    source = pair.deals[number]
    try:
        match what:
            case "price":
                pair.price(number, f"{chance.randint(1, 9000)}.{chance.randint(10, 99)}")
            case "reopen":
                pair.in_crm("reopen", id=source)
            case "win":
                pair.in_crm("win", id=source)
            case "book":
                pair.book(number)
            case "note":
                pair.in_books("edit_document", document=pair.number_of(number), set={"note": "x"})
            case "pay":
                pair.in_books("pay", document=pair.number_of(number))
            case _:
                pair.in_books("hold_document", document=pair.number_of(number), on=False)
    except (AssertionError, ActionError):
        return  # it has no document, or one in another state


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))]
)
def test_whatever_happens_there_is_one_document_or_one_question(
    make: Callable[..., VismaNetPair], seed: int
) -> None:
    """Run one alone with -k "question and [SEED]"."""
    chance = Random(seed)
    pair = make(background_above=chance.choice((0, 1)))
    pair.books.act(
        "set_assumption",
        {"name": "external_reference_filter", "value": chance.choice(("equals", "contains"))},
    )
    pair.books.act(
        "set_assumption", {"name": "stamp_zone", "value": chance.choice(("utc", "local"))}
    )
    numbers = [f"D-{n}" for n in range(1, 5)]
    for place, number in enumerate(numbers):
        buyer = (BUYER, "Fjellheim Bygg AS")[place % 2]
        pair.deal(number, buyer, *(f"{chance.randint(1, 9000)}.99" for _ in range(2)))
    for _ in range(14):
        if chance.random() < 0.7:
            fault(pair, chance)
        if chance.random() < 0.6:
            act(pair, chance, chance.choice(numbers))
        pair.clock.advance(chance.choice((1, 20, 90, 300)))
        # A brake, too, is an answer while everything fails.
        pair.braked()
    pair.books.faults.clear()
    settle(pair)
    settle(pair)
    live: dict[str, list[str]] = {}
    for row in pair.records("customerinvoice"):
        live.setdefault(str(row["externalReference"])[:20], []).append(row["referenceNumber"])
    assert all(len(found) == 1 for found in live.values()), live
    asked = {case.source_id for case in pair.cases()}
    for number in numbers:
        source = pair.deals[number]
        deal = next(r for r in pair.crm_records("Opportunity") if r["Id"] == source)
        shown = pair.shown(number)["status"]
        if deal["IsWon"] and source not in asked:
            assert shown in ("draft", "booked", "paid"), (number, shown)
            assert pair.invoice(number)["externalReference"].startswith("TIEOUT-")
    names = [row["name"] for row in pair.records("customer")]
    assert len(names) == len(set(names))
    before = writes(pair)
    pair.run()
    assert writes(pair) == before


def test_a_job_that_is_finished_with_an_error_inside_is_an_exception(
    make: Callable[..., VismaNetPair],
) -> None:
    pair = make(background_above=1)
    pair.deal("D-1", BUYER, "1000.00", "500.00")

    def closed(request: Any) -> None:
        if request.method == "POST" and request.url.endswith("/v2/customerinvoice"):
            assert request.headers["erp-api-background"] == "none"
            pair.in_books("close_period", period="202609")

    pair.books_wire.before = closed
    pair.run()
    pair.books_wire.before = None
    assert pair.records("customerinvoice") == []
    (case,) = pair.cases()
    assert case.code == "period_closed"
    pair.in_books("open_period", period="202609")
    pair.price("D-1", "1001.00")
    settle(pair)
    assert len(pair.records("customerinvoice")) == 1
    quiet(pair)


def test_a_new_installation_finds_what_the_old_one_made(
    make: Callable[..., VismaNetPair], database_url: str
) -> None:
    pair = make()
    pair.deal("D-1", BUYER, "1000.00")
    pair.deal("D-2", BUYER, "2000.00")
    pair.run()
    pair.book("D-2")
    again = make()
    again.books, again.crm = pair.books, pair.crm
    again.books_wire._simulator, again.crm_wire._simulator = pair.books, pair.crm
    again.deals, again.accounts = pair.deals, pair.accounts
    settle(again)
    assert len(again.records("customer")) == 1
    assert len(again.records("customerinvoice")) == 2
    assert again.shown("D-2")["status"] == "booked"


def test_the_month_ties_out(make: Callable[..., VismaNetPair]) -> None:
    pair = make()
    pair.deal("D-1", BUYER, "1000.00")
    pair.deal("D-2", "Fjellheim Bygg AS", "333.33", "333.33", "333.33")
    pair.deal("D-3", BUYER, "500.00")
    pair.run()
    for number in ("D-1", "D-2"):
        pair.book(number)
    pair.in_books("pay", document=pair.number_of("D-1"))
    pair.run()
    pair.clock.advance(timedelta(days=30).total_seconds())
    pair.run()
    done = pair.tie_out(Period.month(2026, 9), date(2026, 9, 30), receivables=True)
    result = done.tie_out
    assert result.explained
    assert result.ledger_net == result.invoiced == D("1999.99")
    assert result.sold == D("2499.99")
    assert {str(total.cause): total.amount for total in result.causes if total.amount} == {
        "in_draft": D("500.00")
    }
    rolled = done.report.receivables
    assert rolled is not None
    assert rolled.rolled_forward == rolled.open_items == rolled.control == D("1249.99")
    assert rolled.agrees


def test_a_rejected_deal_says_why_and_goes_on_when_it_is_corrected(
    make: Callable[..., VismaNetPair],
) -> None:
    pair = make()
    pair.account(BUYER, Payment_Terms__c="Net 77")
    pair.deal("D-1", BUYER, "1000.00")
    pair.run()
    assert pair.records("customerinvoice") == []
    assert {case.code for case in pair.cases()} == {"terms_unmapped"}
    pair.in_crm("edit_account", id=pair.accounts[BUYER], fields={"Payment_Terms__c": "Net 30"})
    settle(pair)
    assert len(pair.records("customerinvoice")) == 1
    quiet(pair)


def test_reads_within_a_minute_leave_no_sweep_half_done(make: Callable[..., VismaNetPair]) -> None:
    """The end of a sweep was left out as no news, and the next one began on its second page."""
    pair = make()
    for name in ("Første AS", "Annen AS", "Tredje AS"):
        pair.in_books("make_customer", name=name)
        pair.clock.advance(5)
        pair.do(run(pair.engine))
        rows = pair.in_store(
            lambda tx: tx.rows(
                "SELECT record->>'name' FROM mirror WHERE workspace = %(ws)s"
                " AND connection = 'visma-net' AND entity = 'customer'"
            )
        )
        assert name in {row[0] for row in rows}
    assert not pair.in_store(
        lambda tx: tx.rows(
            "SELECT entity FROM cursor WHERE workspace = %(ws)s AND resume IS NOT NULL"
        )
    )


def test_a_row_that_is_not_understood_is_shown_and_keeps_nothing_out(
    make: Callable[..., VismaNetPair],
) -> None:
    """A status that nobody documented: what is linked stays linked, and the rest goes on."""
    pair = make()
    pair.deal("D-1", BUYER, "1095.00")
    pair.run()
    settle(pair)
    draft = pair.invoice("D-1")
    table = pair.books.company.documents
    key = f"Invoice/{draft['referenceNumber']}"
    row = table.get(key)
    assert row is not None
    table.save({**row, "status": "Parked"})
    pair.deal("D-2", BUYER, "250.00")
    pair.clock.advance(60)
    pair.run()
    pair.clock.advance(60)
    pair.run()
    assert pair.invoice("D-2")["detailTotal"] == D("250")
    assert [case.code for case in pair.cases()] == ["record_unreadable"]
    assert draft["referenceNumber"] in pair.cases()[0].message
    # A day later all ids are held against the mirror.
    pair.clock.advance(30 * 3600)
    pair.run()
    assert [case.code for case in pair.cases()] == ["record_unreadable"]
    row = table.get(key)
    assert row is not None
    table.save({**row, "status": "Hold"})
    settle(pair)
    assert pair.cases() == []
    assert len(pair.records("customerinvoice")) == 2
    quiet(pair)
