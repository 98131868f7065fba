"""
The Salesforce package: built, deployed into the org of a connection, and followed to its end.

A deployment is set-up, not a document: it says what shall be there, so that doing it twice leaves
what doing it once does. It is not repeated all the same. Before it leaves, and at its end, the
activity log says what it is; an answer that was lost is looked for in the org's own list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tieout.connectors.salesforce import metadata_package
from tieout.connectors.salesforce.connector import SalesforceConnector
from tieout.connectors.salesforce.metadata_api import (
    PERMISSION_SET,
    Deployments,
    Listed,
    Progress,
    Refused,
)
from tieout.core.errors import (
    BusyError,
    ConfigurationError,
    OutcomeUnknownError,
    SyncError,
    TransientError,
)
from tieout.core.finding import Finding, Severity
from tieout.services.usage import UsedWronglyError
from tieout.store import admin

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.ports import Clock
    from tieout.store.database import Tx

__all__ = [
    "PERMISSION_SET",
    "Built",
    "Deployed",
    "Deployer",
    "Progress",
    "Refused",
    "build",
    "read",
]

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0
_NAP_S = 0.25
_LOOKS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_CANCEL_S = 30
_UNDER_WAY = frozenset({"Pending", "InProgress", "Canceling", "FinalizingDeploy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A zip to deploy. ``without`` are the objects that were left out of it."""

    data: bytes = field(repr=False)
    components: tuple[tuple[str, str], ...]
    without: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """By which two people compare it."""
        return metadata_package.digest(self.data)

    def count(self, kind: str) -> int:
        """How many components of a type it has."""
        return sum(1 for each, _ in self.components if each == kind)


def build(without: tuple[str, ...] = ()) -> Built:
    """
    Our package. Raises `UsedWronglyError` for an object that cannot be left out, and
    `ConfigurationError` where a source file is broken.
    """
    strange = sorted(set(without) - set(metadata_package.OPTIONAL_OBJECTS))
    if strange:
        optional = ", ".join(metadata_package.OPTIONAL_OBJECTS)
        raise UsedWronglyError(
            f"{', '.join(strange)} cannot be left out; only {optional} can, which an org may have "
            "switched off."
        )
    made = metadata_package.build(without=without)
    return Built(data=made.zipped(), components=made.components, without=made.without)


def read(data: bytes) -> Built:
    """A zip that somebody made. Raises `ConfigurationError` where it is none."""
    return Built(data=data, components=metadata_package.describe_zip(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """
    What became of a deployment. ``state``: succeeded, refused, cancelled, unknown.

    ``progress`` is None where not even its id is known. ``found`` says that its answer was lost
    and it was found in the org's list.
    """

    connection: str
    org_id: str
    org_name: str
    state: str
    check_only: bool
    built: Built | None
    progress: Progress | None
    found: bool = False
    assigned: bool | None = None
    took_ms: int = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person has to know besides."""
        made: list[Finding] = []
        for name in self.built.without if self.built is not None else ():
            made.append(
                Finding(
                    code="object_missing",
                    message=f"{name} is switched off in the org, or hidden from the connection's "
                    f"user; its fields were left out.",
                    hint=f"Where {name} is in use, switch it on and deploy again.",
                    severity=Severity.INFO,
                    place=name,
                )
            )
        if self.assigned is False:
            made.append(not_assigned(self.connection))
        return tuple(made)


def not_assigned(connection: str) -> Finding:
    """The finding on a package whose fields the connection's user may not see."""
    return Finding(
        code="permission_set_missing",
        message=f"The user of {connection} does not have the permission set {PERMISSION_SET}, so "
        "the fields of the package are hidden from it.",
        hint=f"tieout salesforce deploy {connection} --assign",
        severity=Severity.WARNING,
        place=PERMISSION_SET,
    )


class Deployer:
    """
    One deployment, from the zip to its end. Set ``stopping`` to have it cancelled in the org;
    `services` and screens share it.
    """

    def __init__(self, opened: Opened, connection: str, say: Callable[[str], None]) -> None:
        self.stopping = False
        self._opened = opened
        self._connection = connection
        self._say = say
        self._clock: Clock = opened.clock

    async def deploy(
        self, built: Built | None, *, check_only: bool = False, assign: bool = False
    ) -> Deployed:
        """
        Deploys this zip, or our package as far as the org has its objects.

        Raises `BusyError` where one of the same user is under way, and what the calls raise with
        nothing deployed.
        """
        began = self._clock.steady()
        connector, company = await self._connect()
        deployments = Deployments(connector.api, connector.settings)
        before = await self._before(deployments)
        if built is None:
            built = build(await _lacking(connector))
        noted = {
            "connection": self._connection,
            "org": company.id,
            "sha256": built.sha256,
            "components": len(built.components),
            "check_only": check_only,
        }
        await self._log("metadata_deploy_started", **noted)
        found = False
        try:
            number = await deployments.start(built.data, check_only=check_only)
        except OutcomeUnknownError:
            number, found = await self._look(deployments, before, check_only), True
        except SyncError as error:
            await self._log("metadata_deploy_ended", **noted, state="not_sent", code=error.code)
            raise
        await self._log("metadata_deploy_accepted", **noted, deployment=number, found=found)
        if not number:
            return self._deployed(company, "unknown", check_only, built, None, began, found=True)
        return await self._finish(
            deployments, company, built, number, check_only, assign, began, found=found
        )

    async def resume(self, number: str, *, assign: bool = False) -> Deployed:
        """Follows a deployment that was started before to its end; starts none."""
        began = self._clock.steady()
        connector, company = await self._connect()
        deployments = Deployments(connector.api, connector.settings)
        seen = await deployments.progress(number)
        return await self._finish(
            deployments, company, None, number, seen.check_only, assign, began
        )

    # Inside.

    async def _connect(self) -> tuple[SalesforceConnector, Any]:
        from tieout.bootstrap import connector_of

        connector = await connector_of(self._opened, self._connection)
        if not isinstance(connector, SalesforceConnector):
            row = await self._opened.do(lambda tx: admin.get_connection(tx, self._connection))
            raise UsedWronglyError(
                f"{self._connection} is a connection to {row.system}; the package is for "
                "Salesforce.",
                hint="tieout connection list",
            )
        self._say("Asking the org")
        return connector, await connector.company()

    async def _before(self, deployments: Deployments) -> frozenset[str] | None:
        """The deployments that there are already; None where the org does not list them."""
        try:
            listed = await deployments.mine()
        except TransientError:
            raise
        except SyncError:
            return None
        running = [each for each in listed if each.status in _UNDER_WAY]
        if running:
            raise BusyError(
                f"A deployment of this user is under way in the org: {running[0].id}. Nothing was "
                "started.",
                code="deploy_under_way",
                hint=f"tieout salesforce deploy {self._connection} --resume {running[0].id}",
            )
        return frozenset(each.id for each in listed)

    async def _look(
        self, deployments: Deployments, before: frozenset[str] | None, check_only: bool
    ) -> str:
        """The id of the deployment whose answer was lost; '' where the list does not show it."""
        if before is None:
            return ""
        for wait_s in _LOOKS_S:
            self._say("No answer; looking in the org's list")
            await self._sleep(wait_s)
            try:
                listed = await deployments.mine()
            except TransientError:
                continue
            new = [each for each in listed if _is_new(each, before, check_only)]
            if len(new) == 1:
                return new[0].id
            if self.stopping:
                break
        return ""

    async def _finish(
        self,
        deployments: Deployments,
        company: Any,
        built: Built | None,
        number: str,
        check_only: bool,
        assign: bool,
        began: int,
        *,
        found: bool = False,
    ) -> Deployed:
        try:
            progress = await self._follow(deployments, number)
        except SyncError as error:
            await self._end(number, "unknown", code=error.code)
            if isinstance(error, TransientError):
                seen = Progress(id=number, status="", check_only=check_only)
                return self._deployed(
                    company, "unknown", check_only, built, seen, began, found=found
                )
            error.message += f" The deployment {number} goes on in the org."
            raise
        state = _STATES.get(progress.status, "unknown")
        await self._end(number, state, deployed=progress.deployed, refused=len(progress.refused))
        assigned = None
        if state == "succeeded" and not check_only:
            assigned = await self._assigned(deployments, assign)
        return self._deployed(
            company, state, check_only, built, progress, began, found=found, assigned=assigned
        )

    async def _follow(self, deployments: Deployments, number: str) -> Progress:
        """Its progress once it is done, or as far as it came where it could not be stopped."""
        wait_s, cancelled_at = _FIRST_WAIT_S, 0
        while True:
            progress = await deployments.progress(number)
            if progress.done:
                return progress
            if self.stopping and not cancelled_at:
                cancelled_at = self._clock.steady() or 1
                await self._log("metadata_deploy_cancelling", deployment=number)
                try:
                    await deployments.cancel(number)
                except (OutcomeUnknownError, TransientError):
                    # Whether it was stopped shows in its progress.
                    self._say("The org gave no answer to the request to stop")
            if cancelled_at and self._clock.steady() - cancelled_at > _CANCEL_S * 1000:
                return progress
            done = progress.deployed + len(progress.refused)
            of = f"{done} of {progress.total} components" if progress.total else "waiting its turn"
            self._say(f"Deployment {number}: {of}")
            await self._sleep(_FIRST_WAIT_S if cancelled_at else wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _assigned(self, deployments: Deployments, assign: bool) -> bool | None:
        """Whether the user has our permission set at the end; None where it cannot be seen."""
        try:
            set_id = await deployments.set_id()
            if set_id is None:
                return None
            if await deployments.is_assigned():
                return True
            if not assign:
                return False
            await self._log("permission_set_assigning", connection=self._connection)
            try:
                await deployments.assign(set_id)
            except OutcomeUnknownError:
                self._say("No answer; looking whether it was done")
            done = await deployments.is_assigned()
            await self._log("permission_set_assigned", connection=self._connection, done=done)
            return done
        except ConfigurationError:
            return False
        except SyncError:
            if assign:
                raise
            return None

    def _deployed(
        self,
        company: Any,
        state: str,
        check_only: bool,
        built: Built | None,
        progress: Progress | None,
        began: int,
        *,
        found: bool = False,
        assigned: bool | None = None,
    ) -> Deployed:
        return Deployed(
            connection=self._connection,
            org_id=company.id,
            org_name=company.name,
            state=state,
            check_only=check_only,
            built=built,
            progress=progress,
            found=found,
            assigned=assigned,
            took_ms=self._clock.steady() - began,
        )

    async def _sleep(self, seconds: float) -> None:
        """Waits, in naps, so that a wish to stop is heard at once."""
        until = self._clock.steady() + int(seconds * 1000)
        while (left := until - self._clock.steady()) > 0:
            if self.stopping:
                left = min(left, int(_NAP_S * 1000))
                await self._clock.sleep(left / 1000)
                return
            await self._clock.sleep(min(left / 1000, _NAP_S))

    async def _end(self, number: str, state: str, **more: Any) -> None:
        await self._log(
            "metadata_deploy_ended",
            connection=self._connection,
            deployment=number,
            state=state,
            **more,
        )

    async def _log(self, kind: str, **data: Any) -> None:
        def note(tx: Tx) -> None:
            tx.log(kind, **data)

        await self._opened.do(note)


_STATES = {
    "Succeeded": "succeeded",
    "SucceededPartial": "refused",
    "Failed": "refused",
    "Canceled": "cancelled",
}


def _is_new(each: Listed, before: frozenset[str], check_only: bool) -> bool:
    return each.id not in before and each.check_only is check_only


async def _lacking(connector: SalesforceConnector) -> tuple[str, ...]:
    """The objects of the package that this org does not have, or does not show."""
    names = metadata_package.OPTIONAL_OBJECTS
    return tuple([name for name in names if await connector.api.object(name) is None])
