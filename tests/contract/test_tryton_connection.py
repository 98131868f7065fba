"""Signing in to a real Tryton, and what a connection finds there."""

from __future__ import annotations

from typing import Any

import pytest

from contract.connector_contract import create, new_customer, run, sent, write
from support.fakes import MemorySecrets
from support.tryton_rig import TrytonRig
from support.tryton_server import RunningTryton, tryton_plant  # noqa: F401
from tieout.core.change import Action, Applied, Change
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import Entity


@pytest.fixture(scope="module")
def impatient(tryton_plant: Any) -> Any:  # noqa: F811
    """A server whose sessions are fresh for a second only."""
    with tryton_plant.running({"TRYTOND_SESSION__TIMEOUT": "1"}) as running:
        yield running


@pytest.mark.slow
def test_a_session_that_stood_idle_may_not_post_and_is_renewed(impatient: RunningTryton) -> None:
    rig = TrytonRig(impatient)

    async def story() -> None:
        customer = await new_customer(rig, "00TC1")
        change = create(rig, "00TC2", rig.document(customer))
        _, done = await write(rig, change)
        convert = Change(key=change.key, entity=Entity.DOCUMENT, action=Action.CONVERT,
                         wanted=None, target=done.ref, version=done.version)  # fmt: skip
        (made,) = await rig.connector.prepare([convert])
        logins = rig.connector.session.logins
        rig.clock.advance(60)
        rig.clock.advance(60)
        _, outcome = await sent(rig, made)  # type: ignore[arg-type]
        assert isinstance(outcome, Applied)
        assert rig.connector.session.logins == logins + 1
        posts = [r for r in rig.transport.requests if b'invoice.post"' in r.body]
        assert len(posts) == 2
        assert posts[0].body == posts[1].body

    run(story())


def test_a_wrong_password_is_asked_once(impatient: RunningTryton) -> None:
    rig = TrytonRig(impatient)

    async def story() -> None:
        rig.secrets = MemorySecrets(rig.clock, login="tieout", password="fel-losenord")
        for _ in range(3):
            with pytest.raises(ConnectionBrokenError) as caught:
                await rig.connect().company()
            assert caught.value.code == "sign_in_refused"
        assert len([r for r in rig.transport.requests if b"common.db.login" in r.body]) == 1
        # The right one still works at once: one refusal locks nobody out.
        rig.secrets = MemorySecrets(rig.clock, login="tieout", password="tieout-secret")
        assert (await rig.connect().company()).name == "Vinter Verkstad AB"

    run(story())


@pytest.mark.slow
def test_the_company_and_what_is_bound_to_it(impatient: RunningTryton) -> None:
    rig = TrytonRig(impatient)

    async def story() -> None:
        company = await rig.connector.company()
        assert company.id == f"{impatient.database}/{impatient.books.company}"
        assert (company.currency, company.time_zone) == ("SEK", "Europe/Stockholm")
        assert company.facts["carrier"] == "tieout_key"
        bound = TrytonRig(impatient, company_id="other/1")
        with pytest.raises(ConnectionBrokenError) as caught:
            await bound.connector.company()
        assert caught.value.code == "company_changed"
        told = await bound.connector.check()
        assert "company_changed" in [finding.code for finding in told]
        lost = TrytonRig(impatient, database="finns_ej").connect()
        with pytest.raises(ConnectionBrokenError) as caught:
            await lost.company()
        assert caught.value.code == "setting_wrong"

    run(story())


def test_somebody_without_rights_is_told_before_anything_is_written(
    impatient: RunningTryton,
) -> None:
    rig = TrytonRig(impatient)

    async def story() -> None:
        rig.secrets = MemorySecrets(rig.clock, login="gast", password="gast-secret")
        told = await rig.connect().check()
        assert "rights_missing" in [f.code for f in told if f.severity == "error"]

    run(story())


def test_two_companies_of_one_database_are_kept_apart(impatient: RunningTryton) -> None:
    rig = TrytonRig(impatient)

    async def story() -> None:
        customer = await new_customer(rig, "00TC7")
        _, done = await write(rig, create(rig, "00TC8", rig.document(customer)))
        admin, books = impatient.admin, impatient.books
        party = admin.create("party.party", {"name": "Syster AB"})
        euro = books.currencies["EUR"]
        second = admin.create("company.company", {"party": party, "currency": euro})
        for login in ("tieout", "admin"):
            admin.write("res.user", books.users[login], {"companies": [["add", [second]]]})
        # Shown one company at a time, what is asked about one hides the other's records.
        for one in (TrytonRig(impatient, company=second), TrytonRig(impatient)):
            with pytest.raises(ConnectionBrokenError, match="hide this one's invoices"):
                await one.connector.company()
        admin.write("res.user", books.users["tieout"], {"company_filter": "all"})
        other = TrytonRig(impatient, company=second).connector
        company = await other.company()
        assert (company.id, company.name, company.currency) == (
            f"{impatient.database}/{second}",
            "Syster AB",
            "EUR",
        )
        keys = [key async for part in other.keys(Entity.DOCUMENT) for key, _ in part]
        assert keys == []
        mine = [key async for part in rig.connector.keys(Entity.DOCUMENT) for key, _ in part]
        assert done.ref in mine
        # A company is nobody's customer, and an empty one is told to lack its accounts.
        parties = [r.id async for part in other.keys(Entity.CUSTOMER) for r, _ in part]
        assert str(party) not in parties
        assert "account_missing" in [finding.code for finding in await other.check()]

    run(story())
