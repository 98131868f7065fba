"""Jobs of Visma.net: long documents, releases, and what is finished with an error inside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.connector_contract import (
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
from support.visma_net_rig import VismaNetRig, number_of
from tieout.core.change import Action, Refused, Rejected, Unknown
from tieout.core.model import Document, Entity


def test_a_long_document_is_made_in_the_background() -> None:
    async def story() -> None:
        rig = VismaNetRig(background_above=2)
        customer = await new_customer(rig)
        _, made, outcome = await new_document(rig, customer)
        assert made.headers["erp-api-background"] == "none"
        assert isinstance(outcome.shows, Document)
        assert outcome.shows.lines == made.shows.lines  # type: ignore[union-attr]
        assert rig.stored(Entity.DOCUMENT) == 1

    run(story())


def test_a_job_that_is_finished_with_an_error_inside_is_a_refusal() -> None:
    async def story() -> None:
        rig = VismaNetRig(background_above=2)
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        rig.act("close_period", period="202611")
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Rejected), outcome
        assert [finding.code for finding in outcome.findings] == ["period_closed"]
        assert rig.stored(Entity.DOCUMENT) == 0

    run(story())


@pytest.mark.parametrize("seconds", [60, 25 * 3600])
def test_a_job_that_takes_too_long_is_looked_for(seconds: int) -> None:
    async def story() -> None:
        rig = VismaNetRig(background_above=2)
        rig.assume("background_seconds", seconds)
        customer = await new_customer(rig)
        change = create(rig, "006A", rig.document(customer))
        made = await prepared(rig, change)
        asked = doubt(rig, change, made, customer)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Unknown), outcome
        assert (await look(rig, asked)).hits == ()
        rig.clock.advance(seconds)
        assert len((await look(rig, asked)).hits) == 1

    run(story())


def test_a_lost_202_is_found_once_it_ran() -> None:
    async def story() -> None:
        rig = VismaNetRig(background_above=2)
        customer = await new_customer(rig)
        change = create(rig, "006A", rig.document(customer))
        made = await prepared(rig, change)
        rig.fault("drop_after_commit", Entity.DOCUMENT, Action.CREATE)
        asked = doubt(rig, change, made, customer)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Unknown), outcome
        rig.clock.advance(5)
        assert len((await look(rig, asked)).hits) == 1

    run(story())


def test_a_job_that_failed_by_itself_is_looked_for() -> None:
    async def story() -> None:
        rig = VismaNetRig(background_above=2)
        rig.act("set_preference", name="failBackground", value=True)
        customer = await new_customer(rig)
        made = await prepared(rig, create(rig, "006A", rig.document(customer)))
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Unknown), outcome

    run(story())


# --- release -------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [True, False])
def test_a_release_is_over_when_the_document_says_so(background: bool) -> None:
    async def story() -> None:
        rig = VismaNetRig(draft_status="balanced", release_in_background=background)
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer)
        convert = replace(change, action=Action.CONVERT, wanted=None, target=outcome.ref)
        _, done = await write(rig, convert)
        assert done.ref.id == f"invoice:{number_of(outcome.ref)}"
        assert isinstance(done.shows, Document)
        assert done.shows.booked
        assert done.shows.came_from == (outcome.ref,)
        assert done.shows.totals is not None
        assert done.shows.totals.open == done.shows.totals.gross > 0

    run(story())


@pytest.mark.parametrize("background", [True, False])
def test_a_release_that_fails_is_no_success(background: bool) -> None:
    async def story() -> None:
        rig = VismaNetRig(draft_status="balanced", release_in_background=background)
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer)
        convert = replace(change, action=Action.CONVERT, wanted=None, target=outcome.ref)
        made = await prepared(rig, convert)
        rig.act("close_period", period="202611")
        _, failed = await sent(rig, made)
        if background:
            assert isinstance(failed, Rejected), failed
            assert [finding.code for finding in failed.findings] == ["period_closed"]
        else:
            # Nobody tells why: it stays as it was.
            assert isinstance(failed, Unknown), failed
        assert rig.invoice(outcome.ref)["status"] == "Balanced"

    run(story())


def test_a_document_on_hold_is_not_released() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer)
        convert = replace(change, action=Action.CONVERT, wanted=None, target=outcome.ref)
        (refused,) = await rig.connector.prepare([convert])
        assert isinstance(refused, Refused)
        assert [finding.code for finding in refused.findings] == ["release_failed"]

    run(story())
