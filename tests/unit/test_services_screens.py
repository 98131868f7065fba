"""The daily commands' screens, line for line as the users know them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from tieout.cli.commands import exceptions as exceptions_command
from tieout.cli.commands import plan as plan_command
from tieout.cli.commands import prove as prove_command
from tieout.cli.commands import run as run_command
from tieout.cli.commands import status as status_command
from tieout.cli.commands import why as why_command
from tieout.cli.commands.plan import following
from tieout.cli.daily import sums_text
from tieout.cli.plan_screen import plan_data, plan_lines
from tieout.core.abilities import Abilities, BudgetWindow, EntityAbilities
from tieout.core.brakes import Brake
from tieout.core.mapping.fields import Owner
from tieout.core.model import Document, DocumentKind, Entity, ExternalRef, Totals
from tieout.services.choosing import sides_given
from tieout.services.exceptions import Detail
from tieout.services.planning import Planned
from tieout.services.prove import Carrier, Proof, Proved
from tieout.services.status import BridgeStatus
from tieout.services.usage import UsedWronglyError
from tieout.services.why import Step, Value, Why, _elsewhere
from tieout.store.admin import ConnectionRow
from tieout.store.people import Case
from tieout.store.planned import Written
from tieout.store.plans import PlanLine
from tieout.store.tracing import Call

LIMIT = "above 100,000.00"
STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOW = datetime(2026, 11, 5, 7, 5, tzinfo=UTC)
D = Decimal


def line(verdict: str, number: str, title: str, net: str | None, **more: Any) -> PlanLine:
    """A row of a plan; a document that would be made unless told otherwise."""
    values: dict[str, Any] = {
        "rank": 2,
        "entity": "document",
        "lane": "nordic/documents/visma-se",
        "source_id": number,
        "part": 0,
        "reason": "",
        "message": "",
        "digest": f"d-{number}",
        "key13": f"k-{number}",
        "action": "create" if verdict == "write" else "",
        "gross": None,
        "other_gross": None,
        "currency": "SEK",
        "differs": (),
        **more,
    }
    amount = None if net is None else D(net)
    return PlanLine(verdict=verdict, number=number, title=title, net=amount, **values)


def october() -> Planned:
    """The plan of the last evening of October, deals 3 to 9 of the worked month-end."""
    return Planned(
        number=214,
        bridge="nordic",
        hash="0",
        config_version=7,
        read_at=datetime(2026, 10, 31, 22, 55, tzinfo=UTC),
        lines=(
            line(
                "write",
                "",
                "Tallmo Skog AB",
                None,
                entity="customer",
                rank=1,
                message="for D-108",
                currency="",
            ),
            line("skip", "D-103", "Nordljus Holding AB", "15000.00", reason="excluded_by_rule"),
            line("skip", "D-104", "Mosippa Handel AB", "64000.00", reason="trigger_not_yet_true"),
            line(
                "approval", "D-105", "Kustbanan Drift AB", "210000.00", message="above 100,000.00"
            ),
            line("hold", "D-106", "Ekfors Trä AB", "9640.00", reason="item_no_code"),
            line("write", "D-107", "Lindvall Data AB", "18000.00", gross=D("22500.00")),
            line("write", "D-108", "Tallmo Skog AB", "37500.00", gross=D("46875.00")),
            line("write", "D-109", "Österviks Hamn AB", "25000.00", gross=D("31250.00")),
        ),
    )


PLAN = """\
Plan P-214  nordic  7 deals due, SEK 379,140.00 net, read 31 Oct 2026, 23:55
                                               net  will show
+ customer   Tallmo Skog AB                                    for D-108
+ draft      D-107 Lindvall Data AB      18,000.00  22,500.00
+ draft      D-108 Tallmo Skog AB        37,500.00  46,875.00
+ draft      D-109 Österviks Hamn AB     25,000.00  31,250.00
  to write                               80,500.00 100,625.00, 4 calls, about 3 s
? approve    D-105 Kustbanan Drift AB   210,000.00  above 100,000.00
! exception  D-106 Ekfors Trä AB          9,640.00  item_no_code
. left out   D-103, D-104                79,000.00  rule; trigger
"""


def test_the_plan_screen() -> None:
    lines = plan_lines(october(), STOCKHOLM, full=False, estimate=", 4 calls, about 3 s")
    assert "\n".join(lines) + "\n" == PLAN


def test_an_empty_plan_says_so() -> None:
    empty = Planned(number=215, bridge="nordic", hash="0", config_version=7, read_at=NOW, lines=())
    assert plan_lines(empty, STOCKHOLM, full=False) == [
        "Plan P-215  nordic  nothing to do, read 5 Nov 2026, 08:05"
    ]


def test_two_figures_where_the_vendors_rule_is_not_known() -> None:
    one = line("write", "D-1", "A AB", "10.00", gross=D("12.50"), other_gross=D("12.51"))
    made = Planned(number=1, bridge="b", hash="", config_version=1, read_at=NOW, lines=(one,))
    assert plan_lines(made, STOCKHOLM, full=False)[2].endswith("12.50  or 12.51")


def test_a_brake_stops_with_what_to_look_at() -> None:
    brake = Brake(
        code="side_looks_empty",
        message="visma-se shows 0 records, before 318. Nothing is planned.",
        hint="Wrong company or rights? tieout connection test visma-se",
        connection="visma-se",
    )
    session: Any = SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW))
    engine: Any = SimpleNamespace(bridge="nordic")
    result = plan_command.stopped(session, engine, (brake,), planned=True)
    assert int(result.exit) == 6
    assert list(result.notes) == [
        "STOPPED: visma-se shows 0 records, before 318. Nothing is planned.",
        "Wrong company or rights?",
    ]
    assert result.next == ("tieout connection test visma-se",)
    assert result.error is not None
    assert (result.error.code, result.error.ref) == (
        "side_looks_empty",
        {"connection": "visma-se"},
    )


def test_a_void_and_an_update_have_their_own_signs() -> None:
    lines = (
        line("write", "D-1", "A AB", "0.00", action="void"),
        line("write", "D-2", "B AB", "5.00", action="update", message='terms "14" -> "30"'),
    )
    made = Planned(number=1, bridge="b", hash="", config_version=1, read_at=NOW, lines=lines)
    shown = plan_lines(made, STOCKHOLM, full=False)
    assert any(text.startswith("- draft      D-1 A AB") for text in shown)
    assert any(text.startswith("~ draft") and 'terms "14" -> "30"' in text for text in shown)


def test_a_long_plan_is_short_until_full_is_asked() -> None:
    lines = tuple(line("write", f"D-{n:03}", "A AB", "1.00", gross=D("1.25")) for n in range(40))
    made = Planned(number=1, bridge="b", hash="", config_version=1, read_at=NOW, lines=lines)
    short = plan_lines(made, STOCKHOLM, full=False)
    assert len(short) == 15
    assert any("and 29 more, with --full" in text and "29.00" in text for text in short)
    assert len(plan_lines(made, STOCKHOLM, full=True)) == 43
    assert all(len(text) <= 100 for text in short)


def test_amounts_of_two_currencies_are_never_added() -> None:
    lines = (
        line("write", "D-1", "A AB", "10.00", gross=D("12.50")),
        line("write", "D-2", "B Oy", "7.00", gross=D("7.00"), currency="EUR"),
    )
    made = Planned(number=1, bridge="b", hash="", config_version=1, read_at=NOW, lines=lines)
    shown = plan_lines(made, STOCKHOLM, full=False)
    assert "EUR 7.00, SEK 10.00 net" in shown[0]
    assert [text.split() for text in shown if text.startswith("  to write")] == [
        ["to", "write", "7.00", "7.00", "EUR"],
        ["to", "write", "10.00", "12.50", "SEK"],
    ]


def test_the_plan_as_data_keeps_money_as_text() -> None:
    data = plan_data(october())
    assert (data["plan"], data["count"]) == ("P-214", 8)
    draft = next(one for one in data["items"] if one["number"] == "D-108")
    assert (draft["sign"], draft["kind"]) == ("+", "draft")
    assert draft["net"] == {"amount": "37500.00", "currency": "SEK"}
    assert draft["will_show"] == {"amount": "46875.00", "currency": "SEK"}
    assert data["to_write"] == {
        "changes": 4,
        "net": [{"amount": "80500.00", "currency": "SEK"}],
    }


# --- exceptions ----------------------------------------------------------------------------------


def case(number: int, code: str, **more: Any) -> Case:
    """An open exception, five days old."""
    values: dict[str, Any] = {
        "message": "",
        "hint": "",
        "lane": "nordic/documents/visma-se",
        "source_id": f"s{number}",
        "key13": "k",
        "amount": None,
        "currency": "SEK",
        "owner": "",
        "tries": 1,
        "opened_at": NOW - timedelta(days=5, hours=2),
        "tried_at": NOW,
        "closed_at": None,
        "closed_by": "",
        "closed_reason": "",
        "candidates": (),
        "details": {},
        "deal": "",
        "customer": "",
        "title": "",
        "url": "",
        **more,
    }
    return Case(number=number, code=code, **values)


EX_31 = case(
    31,
    "item_no_code",
    message='"Montage plus" (line 2) has no code in visma-se.',
    hint="Add it to tables/items.csv.",
    amount=D("9640.00"),
    owner="m.ek",
    tries=212,
    deal="D-106",
    title="Lager 3",
    customer="Ekfors Trä AB",
    url="https://nordljus.my.salesforce.com/006",
    details={"values": [{"item": "Montage plus"}], "hold_on": "item"},
)


def test_the_head_of_a_plan_in_many_currencies_has_room() -> None:
    rows = tuple(
        line("write", f"D-{number}", "A", "3456789.00", currency=currency)
        for number, currency in enumerate(("SEK", "SEK", "EUR", "NOK", "DKK", "USD", "GBP"))
    )
    few, many = (replace(october(), lines=chosen, bridge="nordic") for chosen in (rows[:3], rows))
    assert (
        "SEK 6,913,578.00, EUR 3,456,789.00 net, read" in plan_lines(few, STOCKHOLM, full=False)[0]
    )
    head = plan_lines(many, STOCKHOLM, full=False)[0]
    assert "SEK 6,913,578.00 and 5 more currencies net, read" in head
    assert len(head) <= 100
    longest = replace(many, bridge="b" * 40)
    assert len(plan_lines(longest, STOCKHOLM, full=False)[0]) <= 100


def test_what_to_do_with_a_plan_can_be_pasted() -> None:
    write, held = line("write", "D-1", "A", "1.00"), line("hold", "D-2", "B", "1.00")
    asked = line("approval", "Ek AB: support 2026-08", "Ek AB", "1.00")
    plan = october()
    assert following(replace(plan, lines=(held, asked, write))) == (f"tieout apply {plan.name}",)
    assert following(replace(plan, lines=(held, asked))) == (
        f"tieout apply {plan.name} --approve 'Ek AB: support 2026-08'",
    )
    assert following(replace(plan, lines=(held,))) == ("tieout doctor",)
    assert following(replace(plan, lines=())) == ()


def test_one_exception_with_all_that_helps() -> None:
    found = Detail(
        case=EX_31,
        value="Montage plus",
        closest=(("MON-2", "Montage plus 2h"),),
        frees=(EX_31,),
        unsent=True,
    )
    assert exceptions_command.show_lines(found, NOW) == [
        "EX-31  item_no_code  open 5 days, tried 212 times, owner m.ek",
        'D-106 "Lager 3", Ekfors Trä AB, SEK 9,640.00 net, https://nordljus.my.salesforce.com/006',
        '"Montage plus" (line 2) has no code in visma-se. No draft was made, nothing was sent.',
        "Add it to tables/items.csv. It then closes by itself.",
        'Closest: MON-2 "Montage plus 2h". The fix frees 1 deal, 9,640.00.',
    ]
    customer = replace(
        EX_31, lane=EX_31.lane.replace("documents", "customers"), source_id="001", amount=None
    )
    assert exceptions_command.show_lines(replace(found, frees=(EX_31, customer)), NOW)[-1].endswith(
        "The fix frees 1 deal and 1 other record, 9,640.00."
    )


def test_a_conflict_shows_both_sides_then_and_now() -> None:
    told = {
        "fields": "name",
        "field": "name",
        "crm_then": "Tallmo AB",
        "crm_now": "Tallmo Skog AB",
        "crm_at": "2026-11-05T07:30:12+00:00",
        "crm_mark": "a",
        "books_then": "Tallmo AB",
        "books_now": "Tallmo Såg AB",
        "books_at": "",
        "books_mark": "b",
    }
    one = case(5, "both_changed", message="Tallmo Skog AB changed on both sides: name.")
    one = replace(one, details={"values": [told]})
    assert exceptions_command.show_lines(Detail(case=one, value=""), NOW)[-3:] == [
        "name, when both agreed and now:",
        '  crm    "Tallmo AB" -> "Tallmo Skog AB", edited 2026-11-05 07:30 UTC',
        '  books  "Tallmo AB" -> "Tallmo Såg AB"',
    ]
    assert sides_given(one, ("books",)) == {"name": Owner.BOOKS}
    assert sides_given(one, ("name=crm", "books")) == {"name": Owner.CRM}
    for wrong in ("sales", "emails=crm", "name=", "=crm="):
        with pytest.raises(UsedWronglyError):
            sides_given(one, (wrong,))


def test_a_long_sentence_goes_on_in_the_next_line() -> None:
    message = "Isberga Rakennus Oy: support 2026-11 is in CHF; visma-demo takes SEK, DKK, EUR, NOK."
    one = case(1, "currency_not_allowed", message=message, hint="See https://x.example/" + "a" * 99)
    lines = exceptions_command.show_lines(Detail(case=one, value="", unsent=True), NOW)
    assert [line for line in lines if len(line) > 100] == ["https://x.example/" + "a" * 99]
    assert "No draft was made, nothing was sent." in " ".join(lines)


def test_what_to_do_is_said_in_a_few_words() -> None:
    assert exceptions_command.to_do(EX_31) == 'map "Montage plus"'
    changed = case(
        34,
        "changed_after_booking",
        details={"values": [{"proposal": "a supplementary invoice over 2,000.00"}]},
    )
    assert exceptions_command.to_do(changed) == "supplementary invoice over 2,000.00"
    assert exceptions_command.to_do(case(1, "credit_stop")) == "lift the stop"


# --- status --------------------------------------------------------------------------------------


def bridge(**more: Any) -> BridgeStatus:
    """A bridge that ran a minute ago and waits for nobody."""
    values: dict[str, Any] = {
        "bridge": "nordic",
        "version": 7,
        "run": {
            "number": 1873,
            "started_at": NOW,
            "finished_at": NOW - timedelta(seconds=60),
            "state": "done",
        },
        "works": None,
        "waiting": (),
        "plan": 214,
        "exceptions": 0,
        "amounts": (),
        "oldest": None,
        "unanswered": (),
        "shadow": 0,
        "still": (),
        "open": {},
        "read_at": NOW,
        **more,
    }
    return BridgeStatus(**values)


def test_the_status_screen() -> None:
    long_ago = NOW - timedelta(days=5)
    one = bridge(
        waiting=(
            {
                "entity": "document",
                "number": "D-105",
                "title": "Kustbanan Drift AB",
                "net": D("210000.00"),
                "currency": "SEK",
                "since": long_ago,
            },
        ),
        exceptions=2,
        amounts=((D("11640.00"), "SEK"),),
        oldest=long_ago,
    )
    assert status_command.status_lines(one, NOW, STOCKHOLM) == [
        "nordic  v7  5 Nov 2026, 08:05  all flows ran within 2 minutes; being looked up: none",
        "1 deal to approve  210,000.00  5 days  tieout plan P-214",
        "2 exceptions        11,640.00  5 days  tieout exceptions list",
    ]


def test_status_says_how_many_exceptions_its_total_is_without() -> None:
    sek = ((D("11640.00"), "SEK"),)
    one = bridge(exceptions=3, amounts=sek, oldest=NOW - timedelta(days=5), without_amount=1)
    assert status_command.status_lines(one, NOW, STOCKHOLM)[1:] == [
        "3 exceptions                   11,640.00  5 days  tieout exceptions list",
        "  1 of them without an amount",
    ]
    assert status_command._data([one], "nordic")["exceptions"]["without_amount"] == 1


def test_a_run_that_broke_off_is_not_said_to_have_run() -> None:
    one = bridge(broken_off=(1874, NOW - timedelta(minutes=3)))
    assert status_command.status_lines(one, NOW, STOCKHOLM)[0] == (
        "nordic  v7  5 Nov 2026, 08:05  R-1874, 3 minutes ago, did not come to its end; "
        "being looked up: none"
    )
    assert "  R-1874 did not come to its end  " in status_command.short_line(one, NOW, STOCKHOLM)


def test_the_status_screen_fits_its_terminal() -> None:
    amounts = tuple((D("1356715.14"), name) for name in ("SEK", "CHF", "DKK", "EUR"))
    one = bridge(exceptions=39, amounts=amounts, oldest=NOW - timedelta(days=5))
    told = "39 exceptions  SEK 1,356,715.14, CHF 1,356,715.14 and 2 more currencies"
    assert status_command.status_lines(one, NOW, STOCKHOLM)[1:] == [
        f"{told}  5 days  tieout exceptions list"
    ]
    assert status_command.status_lines(one, NOW, STOCKHOLM, 100)[1:] == [
        f"{told}  tieout exceptions list"
    ]
    assert status_command.status_lines(one, NOW, STOCKHOLM, 80)[1:] == [told]
    assert status_command.short_line(one, NOW, STOCKHOLM).endswith(
        "39 exceptions, SEK 1,356,715.14 and 3 more currencies"
    )


def test_what_stands_still_is_said_first() -> None:
    row = ConnectionRow(
        name="visma-se",
        system="visma_eaccounting",
        side="books",
        state="sign_in_withdrawn",
        tested_at=datetime(2026, 11, 4, 16, 31, tzinfo=UTC),
    )
    lines = status_command.status_lines(bridge(still=(row,)), NOW, STOCKHOLM)
    assert lines[0] == (
        "! visma-se stands still: sign-in withdrawn 4 Nov 17:31. tieout connection rotate visma-se"
    )


def test_nothing_waits_is_said() -> None:
    assert (
        status_command.status_lines(bridge(), NOW, STOCKHOLM)[-1] == "Nothing waits for a person."
    )


# --- run, why, prove -----------------------------------------------------------------------------


def written(state: str, detail: str, **more: Any) -> Written:
    """A draft of D-107."""
    values: dict[str, Any] = {
        "key13": "k",
        "digest": "d",
        "operation": "o",
        "entity": "document",
        "action": "create",
        "source_id": "s",
        "lane": "nordic/documents/visma-se",
        "number": "2216",
        "deal": "D-107",
        "title": "Lindvall Data AB",
        "net": D("18000.00"),
        "currency": "SEK",
        "ref": "draft:x",
        "kind": "draft",
        "shown_gross": D("22500.00"),
        "predicted_gross": D("22500.00"),
        "differs": False,
        "updated_at": datetime(2026, 10, 31, 22, 58, tzinfo=UTC),
        **more,
    }
    return Written(state=state, detail=detail, **values)


def test_what_a_run_found_wrote_and_waits_for() -> None:
    said = run_command._moved
    assert said(written("applied", "key"), STOCKHOLM) == (
        "found    D-107 Lindvall Data AB 18,000.00: draft 2216, once, under its key"
    )
    assert said(written("applied", "answer"), STOCKHOLM) == (
        "written  D-107 Lindvall Data AB 18,000.00: draft 2216, as predicted"
    )
    assert said(written("unknown", "lost"), STOCKHOLM) == (
        "unknown  D-107 Lindvall Data AB 18,000.00: no answer at 23:58, being looked up"
    )
    assert said(written("applied", "answer", differs=True), STOCKHOLM).endswith(
        "shows 22,500.00, not as predicted"
    )
    # A name that says its customer, and amounts in several currencies.
    one = replace(written("applied", "answer"), deal="Lindvall Data AB: Montage")
    assert said(one, STOCKHOLM, named=True) == (
        "written  Lindvall Data AB: Montage 18,000.00 SEK: draft 2216, as predicted"
    )


def test_why_an_invoice() -> None:
    ref = ExternalRef("visma-se", "document", "invoice:1")
    draft = ExternalRef("visma-se", "document", "draft:1")
    day = datetime(2026, 10, 28, tzinfo=UTC).date()
    booked = datetime(2026, 10, 7, tzinfo=UTC).date()
    record = Document(ref=ref, number="1038", last_payment_on=day)
    made = Why(
        kind="invoice",
        number="1038",
        title="Brännvik Logistik AB",
        ref=ref,
        record=record,
        columns={
            "net": D("120000.00"),
            "currency": "SEK",
            "status": "paid",
            "gone_at": None,
        },
        values=[
            Value(name="net", value="120,000.00", source="80,000.00 + 40,000.00, lines of D-101"),
            Value(
                name="terms",
                value="30",
                source='account.Payment_Terms__c "Net 30"',
                rule="customer.terms, v6",
            ),
        ],
        chain=[
            Step(kind="draft", number="2189", ref=draft, role="former", status="gone"),
            Step(
                kind="invoice",
                number="1038",
                ref=ref,
                role="current",
                status="paid",
                day=booked,
                paid=D("150000.00"),
                paid_on=day,
            ),
        ],
        calls=[
            Call(
                operation="o",
                action="create",
                state="applied",
                run=1702,
                plan=None,
                config_version=6,
                at=datetime(2026, 10, 6, 12, 2, tzinfo=UTC),
                method="POST",
                path="/v2/customerinvoicedrafts",
                body=b"{}",
                result="answered",
                attempt=1,
                change=b"",
                approved_by="",
            )
        ],
    )
    assert why_command.title(made, STOCKHOLM) == (
        "Invoice 1038  Brännvik Logistik AB  SEK 120,000.00 net  paid 28 Oct 2026"
    )
    assert why_command.value_lines(made, full=False) == [
        "net      120,000.00  80,000.00 + 40,000.00, lines of D-101",
        'terms    30          account.Payment_Terms__c "Net 30"  customer.terms, v6',
    ]
    assert why_command._written(made, STOCKHOLM, full=False) == [
        "written  6 Oct 2026, 14:02, run R-1702, POST /v2/customerinvoicedrafts"
    ]
    assert why_command._then(made) == [
        "then     draft 2189, since booked, invoice 1038 booked 7 Oct, 150,000.00 received 28 Oct"
    ]
    made.chain.append(
        Step(kind="credit_note", number="1051", ref=ref, role="credit", status="booked",
             day=day, gross=D("-3750.00"))
    )  # fmt: skip
    assert why_command._then(made)[0].endswith(", credit note 1051 of 28 Oct, 3,750.00")
    # What is wider than the screen goes on below.
    assert why_command.value_lines(made, full=False, width=60) == [
        "net      120,000.00  80,000.00 + 40,000.00, lines of D-101",
        'terms    30          account.Payment_Terms__c "Net 30"',
        "                     customer.terms, v6",
    ]


def test_exceptions_and_plans_are_shown_by_their_own_commands() -> None:
    assert _elsewhere("ex-27") == "tieout exceptions show EX-27"
    assert _elsewhere("P-214") == "tieout plan P-214"
    assert _elsewhere("D-108") == _elsewhere("EX-") == ""


def carrier(kind: DocumentKind, number: str, *, ours: bool, **more: Any) -> Carrier:
    """A document over 25,000.00 that carries a key."""
    totals = Totals(currency="SEK", net=D("25000.00"), tax=D("6250.00"), gross=D("31250.00"))
    ref = ExternalRef("visma-se", "document", number)
    document = Document(kind=kind, number=number, ref=ref, totals=totals, currency="SEK", **more)
    return Carrier(document=document, books="visma-se", ours=ours)


def test_the_proof_that_holds() -> None:
    draft = carrier(DocumentKind.DRAFT, "1", ours=True)
    steps = [
        Proved(deal="D", source_id="s", part=n, carriers=(draft,) if n < 14 else (), reason="hold")
        for n in range(20)
    ]
    proof = Proof(deals=17, steps=steps, queries=["q"] * 7)
    assert prove_command.wrapped(prove_command.summary(proof)) == [
        "Asked afresh, 7 calls. 20 billing steps of 17 deals: 14 with one live document,",
        "6 with none and a reason, 0 with two.",
    ]
    assert proof.holds


def test_the_proof_that_finds_a_copy() -> None:
    copy = carrier(
        DocumentKind.DRAFT,
        "2231",
        ours=False,
        created_by="S. Berg",
        created_at=datetime(2026, 11, 4, 9, 0, tzinfo=UTC),
    )
    step = Proved(
        deal="D-109",
        source_id="s",
        part=0,
        carriers=(copy, carrier(DocumentKind.INVOICE, "1052", ours=True)),
        reason="",
    )
    assert prove_command._two(step, STOCKHOLM) == (
        "D-109 has two: invoice 1052 (ours), "
        "draft 2231 (25,000.00, same reference, S. Berg, 4 Nov)."
    )
    assert not Proof(deals=1, steps=[step]).holds


def test_six_currencies_fit_into_a_line() -> None:
    six = [(D("1234567.89"), name) for name in ("SEK", "EUR", "NOK", "DKK", "USD", "GBP")]
    assert sums_text(six) == "SEK 1,234,567.89, EUR 1,234,567.89 and 4 more currencies"
    assert sums_text(six[:3]).count(",") == 8
    assert sums_text(six[:1]) == "1,234,567.89"


def _estimated(writes: int, calls: int = 600) -> str:
    """The estimate of a plan with so many drafts, at so many calls a minute."""
    one = next(line for line in october().lines if line.entity == "document")
    made = replace(october(), lines=tuple(replace(one, verdict="write") for _ in range(writes)))
    entity = EntityAbilities(write_max=1)
    connector = SimpleNamespace(
        abilities=Abilities(
            side="books",
            entities={Entity.DOCUMENT: entity},
            in_flight=4,
            budgets=(BudgetWindow(calls=calls, seconds=60),),
        )
    )
    books = one.lane.rpartition("/")[2]
    engine = SimpleNamespace(
        books=[books], policy=SimpleNamespace(crm="sf"), connectors={books: connector,
        "sf": SimpleNamespace(abilities=Abilities(side="crm", entities={}))})  # fmt: skip
    return plan_command.estimate(cast("Any", engine), made)


def test_a_plan_says_how_long_it_takes_with_the_vendors_quota() -> None:
    assert _estimated(1) == ", 1 call, about 1 s"
    assert _estimated(40) == ", 40 calls, about 3 s"
    assert _estimated(480) == ", 480 calls, about 30 s"
    # 480 of 600 calls a minute are ours: the other 4,320 come at that pace.
    assert _estimated(4800) == ", 4,800 calls, about 14 minutes"


def test_a_request_is_shown_with_each_value_as_it_was_sent() -> None:
    sent = Call(
        operation="1", action="create", state="applied", run=1, plan=None, config_version=1,
        at=NOW, method="POST", path="/v2/drafts", result="", attempt=1, change=b"", approved_by="",
        body='{"Text": "Österviks", "Rows": [{"UnitPrice": 37500.00}]}'.encode(),
    )  # fmt: skip
    shown = why_command.body_text(sent)
    assert '"UnitPrice": 37500.00\n' in shown
    assert '"Text": "Österviks"' in shown
    assert why_command.body_text(replace(sent, body=b"grant=a&b=\xff")) == "grant=a&b=\ufffd"


def test_a_long_name_leaves_what_a_plan_comes_to_whole() -> None:
    lines = (line("write", "D-1", "A" * 200, "38500.00", gross=D("48125.00")),)
    made = Planned(number=1, bridge="b", hash="", config_version=1, read_at=NOW, lines=lines)
    shown = plan_lines(made, STOCKHOLM, full=False, estimate=", 480 calls, about 14 minutes")
    assert shown[-1].endswith("48,125.00, 480 calls, about 14 minutes")
    assert all(len(text) <= 100 for text in shown)


@pytest.mark.parametrize("width", [70, 80, 90, 100])
def test_a_plan_fits_the_terminal_and_keeps_its_amounts(width: int) -> None:
    lines = (
        line("write", "", "Kust AB", None, entity="customer", message="for D-1 and 12 more"),
        line("write", "D-1", "A" * 200, "1237500.55", gross=D("1546875.69")),
        line("hold", "D-2", "B" * 200, "1237500.55", reason="customer_maybe_known"),
    )
    made = Planned(number=1, bridge="b", hash="", config_version=1, read_at=NOW, lines=lines)
    shown = plan_lines(made, STOCKHOLM, full=False, estimate=", 2 calls, about 1 s", width=width)
    assert all(len(text) <= width for text in shown), shown
    assert all(text.count("1,237,500.55") == 1 for text in shown[3:])
    assert shown[-1].endswith("customer_maybe_known")
    if width >= 80:
        assert shown[-2].endswith("1,546,875.69, 2 calls, about 1 s")


def test_changes_without_an_amount_are_followed_by_their_calls() -> None:
    lines = (line("write", "D-1", "A AB", None, entity="standing"),)
    made = Planned(number=1, bridge="b", hash="", config_version=1, read_at=NOW, lines=lines)
    shown = plan_lines(made, STOCKHOLM, full=False, estimate=", 1 call, about 1 s")
    assert shown[-1] == "  to write   1 change, 1 call, about 1 s"
