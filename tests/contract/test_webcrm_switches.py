"""Whatever webCRM turns out to do where nobody knows: one story under each answer."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from support.webcrm_rig import (
    CONTACTS,
    CUSTOMERS,
    DEALS,
    ITEMS,
    Rig,
    codes,
    deal_ref,
    deals,
    prepared,
    records,
    rig,
    rig_again,
    stamps,
    standing_change,
)
from tieout.core.change import Applied
from tieout.core.finding import Severity
from tieout.core.model import DealKind, DealState
from tieout_sandbox.webcrm.assumptions import CHOICES, Assumptions

PLAIN = Assumptions()
# What else a switch may be that is neither a yes or no nor one of named choices.
OTHERS: dict[str, list[Any]] = {
    "expires_in": [60, 7200],
    "refresh_lifetime_s": [60],
    "status_not_found": [400, 410, 500],
    "status_validation": [409, 422],
    "status_forbidden": [401],
    "status_method": [404],
    "patch_most": [1, 3],
    "fast_creates_per_second": [1],
    "default_page_size": [10],
    "query_operators": [["=", ">=", "<", "<=", ">", "<>"]],
    "quotation_line_table": ["QuotationLine"],
    "script_most": [20, 200],
    "hook_tries": [3],
    "rate_limit": [60],
}


def answers() -> list[Any]:
    """Every switch with every answer that is not the usual one."""
    found = []
    for entry in fields(Assumptions):
        usual = getattr(PLAIN, entry.name)
        if isinstance(usual, bool):
            others: list[Any] = [not usual]
        else:
            named = [one for one in CHOICES.get(entry.name, ()) if one != usual]
            others = named or OTHERS[entry.name]
        found += [pytest.param(entry.name, one, id=f"{entry.name}={one}") for one in others]
    return found


async def whole_story(found: Rig, minute_calls: int) -> None:
    """Two deals are read, shown what the books say, changed, converted, and read again."""
    connector = found.connector
    organisation = found.organisation()
    found.item()
    person = found.act("add_person", organisation=organisation, last_name="Holm", email="h@x.dk")
    given = {"organisation": organisation, "person": person["PersonId"]}
    # Where somebody has to be responsible, a delivery without one is refused on every write.
    responsible = found.rows("Users")[0]["UserId"]
    delivery = found.deal(set={"Number": "1", "Responsible": responsible}, **given)
    opportunity = found.deal("add_opportunity", **given)
    told = await connector.check()
    assert [one for one in told if one.severity is Severity.ERROR] == []
    first = await found.read(DEALS)
    assert codes(first) == []
    read = deals(first)
    assert {key: (deal.kind, deal.state) for key, deal in read.items()} == {
        f"deal:{delivery}": (DealKind.DELIVERY, DealState.WON),
        f"deal:{opportunity}": (DealKind.OPPORTUNITY, DealState.OPEN),
    }
    for deal in read.values():
        assert deal.stated_total == Decimal("3373.70")
        assert deal.currency == "SEK"
        assert deal.close_date is not None
        assert deal.billing_contact is not None
        assert deal.billing_contact.email == "h@x.dk"
    for want, count in ((CUSTOMERS, 1), (CONTACTS, 1), (ITEMS, 15)):
        assert len(records(await found.read(want))) == count
    found.clock.advance(90)
    changes = [
        standing_change("A", f"deal:{delivery}", status="booked", number="7", books_id="invoice:1"),
        standing_change("B", f"organisation:{organisation}", open=Decimal("12.50")),
        standing_change("C", f"deal:{opportunity}", books_id="draft:2"),
    ]
    for wire in connector.pack(await prepared(found, *changes)):
        for outcome in await connector.send(wire):
            assert isinstance(outcome, Applied), outcome
    row = found.row("Deliveries", delivery)
    assert (row["DeliveryCustom3"], row["DeliveryCustom4"]) == ("7", "booked")
    assert row["DeliveryErpStatus"] == "Synchronized"
    assert found.row("Organisations", organisation)["OrganisationCustom7"] == "12.50"
    made = await prepared(found, *changes)
    assert [one.body for one in made] == [b"", b"", b""], "what is shown is not written again"
    found.clock.advance(90)
    found.act("edit_lines", deal=delivery, add=[{"item": "LAG-1", "quantity": 1}])
    found.act("win", deal=opportunity)
    found.clock.advance(4000)
    later = deals(await found.read(DEALS, first[-1].cursor))
    assert len(later[f"deal:{delivery}"].lines) == 3
    assert later[f"deal:{opportunity}"].kind is DealKind.DELIVERY
    assert later[f"deal:{opportunity}"].lines == read[f"deal:{opportunity}"].lines
    again = rig_again(found, connector.settings.changes)
    whole = deals(await again.read(DEALS))
    assert whole == later
    assert await stamps(again) == {key: deal.version for key, deal in whole.items()}
    refs = [deal_ref(opportunity), deal_ref(4), deal_ref(delivery)]
    got = await connector.get(refs, DEALS)
    assert [one.ref if one else None for one in got] == [refs[0], None, refs[2]]
    assert minute_calls > 0


def test_every_switch_is_played() -> None:
    assert {one.values[0] for one in answers()} == {entry.name for entry in fields(Assumptions)}


@pytest.mark.parametrize(("name", "value"), answers())
def test_the_story_ends_the_same_under_every_answer(name: str, value: Any) -> None:
    calls = 50 if name == "rate_limit" else 250
    found = rig(minute_calls=calls)
    found.assume(name, value)
    asyncio.run(whole_story(found, calls))


@pytest.mark.parametrize(("name", "value"), [("usual", None), *answers()])
def test_and_by_lists_alone(name: str, value: Any) -> None:
    calls = 50 if name == "rate_limit" else 250
    found = rig(minute_calls=calls, changes="lists")
    if name != "usual":
        found.assume(name, value)
    if name == "conversion_keeps_id":
        pytest.skip("told by scripts only; the usual answer keeps the id")
    asyncio.run(whole_story(found, calls))
