"""What a check says of the Salesforce package, and how its deployment is followed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.inprocess_salesforce import Rig, rig, standing_change
from tieout.connectors.salesforce import metadata_package
from tieout.connectors.salesforce.metadata_api import Deployments
from tieout.core.change import Prepared
from tieout.core.errors import ConfigurationError, ConnectionBrokenError, OutcomeUnknownError
from tieout.core.finding import Finding, Severity

PACKAGE = metadata_package.build()
DEPLOY = "/services/data/v68.0/metadata/deployRequest"


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test on a loop of its own."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


@pytest.fixture
def bare() -> Rig:
    return rig(package=False)


def _by_code(findings: list[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.code, []).append(finding)
    return found


async def _deployed(one: Rig, **options: bool) -> str:
    deployments = Deployments(one.connector.api, one.connector.settings)
    number = await deployments.start(PACKAGE.zipped(), check_only=options.get("check_only", False))
    await one.clock.sleep(1)
    return number


# --- the check ------------------------------------------------------------------------------------


@awaited
async def test_a_bare_org_misses_the_package_and_is_told_the_command(bare: Rig) -> None:
    found = _by_code(list(await bare.connector.check()))
    assert {finding.values["object"] for finding in found["field_missing"]} == {
        "Account",
        "Opportunity",
    }
    for finding in found["field_missing"]:
        assert finding.severity is Severity.ERROR
        assert finding.hint == "tieout salesforce deploy sf"
    assert "Erp_Due_Date__c" in found["field_missing"][-1].values["fields"]
    [lists] = found["object_missing"]
    assert (lists.severity, lists.place) == (Severity.INFO, "Tieout_Invoice__c")
    assert "permission_set_missing" not in found


@awaited
async def test_after_the_deployment_nothing_of_it_is_missing(bare: Rig) -> None:
    await _deployed(bare)
    found = _by_code(list(await bare.connector.check()))
    assert set(found) == {"view_all_unproven"}


@awaited
async def test_the_package_without_its_permission_set(bare: Rig) -> None:
    await _deployed(bare)
    bare.act("assign_permission_set", name="Tieout_Integration", on=False)
    found = _by_code(list(await bare.connector.check()))
    [missing] = found["permission_set_missing"]
    assert missing.severity is Severity.ERROR
    assert missing.hint == "tieout salesforce deploy sf --assign"
    assert {finding.hint for finding in found["field_missing"]} == {missing.hint}


@awaited
async def test_one_hidden_field_is_told_by_its_name() -> None:
    one = rig()
    one.act("hide_field", object="Opportunity", field="Erp_Due_Date__c")
    found = _by_code(list(await one.connector.check()))
    [missing] = found["field_missing"]
    assert missing.place == "Opportunity.Erp_Due_Date__c"
    assert missing.severity is Severity.INFO
    assert missing.hint == "tieout salesforce deploy sf"


@awaited
async def test_a_field_of_the_orgs_own_is_not_the_packages() -> None:
    one = rig(account={"terms": "Terms__c"})
    found = _by_code(list(await one.connector.check()))
    [missing] = found["unknown_field"]
    assert "Terms__c" in missing.message
    assert not missing.hint.startswith("tieout salesforce")


@awaited
async def test_names_with_a_namespace_are_the_packages_too(bare: Rig) -> None:
    one = rig(package=True, namespace="acme")
    found = _by_code(list(await one.connector.check()))
    account = next(f for f in found["field_missing"] if f.values["object"] == "Account")
    assert "acme__Ar_Balance__c" in account.values["fields"]
    assert account.hint == "tieout salesforce deploy sf"
    assert "object_missing" in found


@awaited
async def test_in_a_bare_org_a_standing_sends_nothing(bare: Rig) -> None:
    deal = bare.act("create_opportunity", name="Lager 3")["id"]
    [made] = await bare.connector.prepare([standing_change("k-1", deal, status="draft")])
    assert isinstance(made, Prepared)
    assert made.body == b""
    await _deployed(bare)
    bare.connector.api.forget_objects()
    [made] = await bare.connector.prepare([standing_change("k-2", deal, status="draft")])
    assert isinstance(made, Prepared)
    assert b"Erp_Status__c" in made.body


# --- deployments ----------------------------------------------------------------------------------


@awaited
async def test_progress_counts_up_to_the_end(bare: Rig) -> None:
    deployments = Deployments(bare.connector.api, bare.connector.settings)
    number = await deployments.start(PACKAGE.zipped(), check_only=True)
    first = await deployments.progress(number)
    assert (first.status, first.done, first.check_only) == ("Pending", False, True)
    await bare.clock.sleep(1)
    last = await deployments.progress(number)
    assert (last.status, last.done) == ("Succeeded", True)
    assert last.total == last.deployed == last.created == len(PACKAGE.components)
    [listed] = await deployments.mine()
    assert (listed.id, listed.status, listed.check_only) == (number, "Succeeded", True)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after_commit", "garbage", "truncated"])
@awaited
async def test_an_answer_that_does_not_come_leaves_it_open(bare: Rig, kind: str) -> None:
    await bare.connector.company()
    bare.fault(kind, method="POST", path=DEPLOY)
    deployments = Deployments(bare.connector.api, bare.connector.settings)
    with pytest.raises(OutcomeUnknownError):
        await deployments.start(PACKAGE.zipped(), check_only=False)
    sent = [call for call in bare.transport.to(DEPLOY) if call.method == "POST"]
    assert len(sent) == 1
    assert len(await deployments.mine()) == (0 if kind == "drop_before" else 1)


@awaited
async def test_refusals_are_errors_that_say_what_happens_next(bare: Rig) -> None:
    deployments = Deployments(bare.connector.api, bare.connector.settings)
    with pytest.raises(ConfigurationError) as unknown:
        await deployments.progress("0Afxx0000000099CAA")
    assert unknown.value.code == "deployment_unknown"
    bare.act("set_switch", name="metadata_rights", value=False)
    with pytest.raises(ConnectionBrokenError) as refused:
        await deployments.start(PACKAGE.zipped(), check_only=False)
    assert refused.value.code == "rights_missing"


@awaited
async def test_a_cancelled_deployment_ends_as_cancelled(bare: Rig) -> None:
    deployments = Deployments(bare.connector.api, bare.connector.settings)
    number = await deployments.start(PACKAGE.zipped(), check_only=False)
    await deployments.cancel(number)
    assert (await deployments.progress(number)).status == "Canceled"
    await bare.clock.sleep(5)
    assert "Tieout_Invoice__c" not in bare.simulator.org.schema


@awaited
async def test_the_permission_set_is_given_once(bare: Rig) -> None:
    await _deployed(bare)
    bare.act("assign_permission_set", name="Tieout_Integration", on=False)
    deployments = Deployments(bare.connector.api, bare.connector.settings)
    set_id = await deployments.set_id()
    assert set_id is not None
    assert await deployments.is_assigned() is False
    await deployments.assign(set_id)
    assert await deployments.is_assigned() is True
