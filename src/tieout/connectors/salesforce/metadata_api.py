"""Deployments of metadata: the calls that start, follow, list and end them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tieout.connectors.http.client import Call
from tieout.connectors.http.json import dumps, loads
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.errors import read_error, refusals
from tieout.connectors.salesforce.ids import id18
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.errors import (
    ConfigurationError,
    ConnectionBrokenError,
    OutcomeUnknownError,
    TransientError,
)
from tieout.ports import HttpResponse, LostError, NotSentError

PERMISSION_SET = "Tieout_Integration"
DONE = frozenset({"Succeeded", "SucceededPartial", "Failed", "Canceled"})
_DEPLOYMENT = "the deployment"
_UPLOAD_S = 300
_BOUNDARY = "tieout-deployment"
_LISTED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One component that the org does not take. ``file`` is its place in the zip."""

    type: str
    name: str
    problem: str
    file: str
    line: int
    column: int
    warning: bool

    @property
    def component(self) -> str:
        """`CustomField Account.Vat_Number__c`."""
        return f"{self.type} {self.name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a deployment is. ``message`` is what is wrong with the zip as a whole."""

    id: str
    status: str
    check_only: bool
    total: int = 0
    deployed: int = 0
    created: int = 0
    message: str = ""
    refused: tuple[Refused, ...] = ()

    @property
    def done(self) -> bool:
        """Whether nothing changes any more."""
        return self.status in DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A deployment as the org's list shows it."""

    id: str
    status: str
    check_only: bool
    at: str


class Deployments:
    """The metadata of one org over one sign-in."""

    def __init__(self, api: SalesforceApi, settings: SalesforceSettings) -> None:
        self._api = api
        self._path = f"{settings.data_path}/metadata/deployRequest"
        self._data_path = settings.data_path

    async def start(self, packed: bytes, *, check_only: bool) -> str:
        """
        The id of a new deployment. Sent once.

        Raises `TransientError` (nothing left), `OutcomeUnknownError` (perhaps it runs),
        `ConnectionBrokenError` (the user may not) and `ConfigurationError` (not taken).
        """
        response = await self._write(
            Call(
                method="POST",
                path=self._path,
                headers={"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
                body=_multipart(packed, check_only=check_only),
                timeout_s=_UPLOAD_S,
            )
        )
        if response.status not in (200, 201):
            raise _refusal(response)
        try:
            return id18(str(_mapping(response)["id"]))
        except (TransientError, KeyError, ValueError):
            # It was taken, by the status; what it is called is in the list.
            raise _unknown(_DEPLOYMENT) from None

    async def progress(self, deployment: str) -> Progress:
        """How far it is. Raises as reads do, `ConfigurationError` where there is no such one."""
        response = await self._api.client.read(
            Call(
                path=f"{self._path}/{deployment}?includeDetails=true",
                template=f"{self._path}/{{id}}",
            )
        )
        if response.status == 404:
            raise ConfigurationError(
                f"The org knows no deployment {deployment}.", code="deployment_unknown"
            )
        if response.status != 200:
            raise read_error(response)
        result = _mapping(response).get("deployResult")
        if not isinstance(result, Mapping):
            raise TransientError(
                "Salesforce gave an answer that is not its own.", code="answer_garbled"
            )
        return _progress(deployment, result)

    async def cancel(self, deployment: str) -> None:
        """Asks the org to stop it; whether it did shows in its progress."""
        body = dumps({"deployResult": {"status": "Canceling"}})
        await self._write(
            Call(
                method="PATCH",
                path=f"{self._path}/{deployment}",
                headers={"Content-Type": "application/json"},
                body=body,
                template=f"{self._path}/{{id}}",
            )
        )

    async def mine(self) -> tuple[Listed, ...]:
        """The latest deployments of the connection's own user, newest first."""
        _, user_id = await self._api.identity()
        statement = soql.select(
            ("Id", "Status", "CheckOnly", "CreatedDate"),
            "DeployRequest",
            where=(f"CreatedById = {soql.text(user_id)}",),
            order="CreatedDate DESC",
            limit=_LISTED,
        )
        path = f"{self._data_path}/tooling/query"
        call = Call(path=f"{path}?q={soql.encoded(statement)}", template=path)
        response = await self._api.client.read(call)
        if response.status != 200:
            raise read_error(response)
        return tuple(
            Listed(
                id=id18(str(row["Id"])),
                status=str(row.get("Status")),
                check_only=bool(row.get("CheckOnly")),
                at=str(row.get("CreatedDate") or ""),
            )
            for row in _mapping(response).get("records") or ()
        )

    # The permission set of the connection's own user.

    async def set_id(self) -> str | None:
        """The id of our permission set in the org, None where it has none."""
        return await permission_set_id(self._api)

    async def is_assigned(self) -> bool:
        """Whether the connection's user has our permission set."""
        return await has_permission_set(self._api)

    async def assign(self, set_id: str) -> None:
        """Gives the connection's user our permission set. Raises as `start` does."""
        _, user_id = await self._api.identity()
        response = await self._write(
            Call(
                method="POST",
                path=f"{self._data_path}/sobjects/PermissionSetAssignment",
                headers={"Content-Type": "application/json"},
                body=dumps({"AssigneeId": user_id, "PermissionSetId": set_id}),
            ),
            "the permission set",
        )
        if response.status not in (200, 201):
            raise _refusal(response)

    async def _write(self, call: Call, what: str = _DEPLOYMENT) -> HttpResponse:
        try:
            response = await self._api.write(call)
        except NotSentError as error:
            raise await self._api.client.no_answer(error) from None
        except LostError:
            raise _unknown(what) from None
        if response.status >= 500:
            raise _unknown(what)
        return response


async def permission_set_id(api: SalesforceApi) -> str | None:
    """The id of our permission set in the org, None where it has none."""
    where = (f"Name = {soql.text(PERMISSION_SET)}",)
    rows = await api.query(soql.select(("Id",), "PermissionSet", where=where))
    return str(rows.rows[0]["Id"]) if rows.rows else None


async def has_permission_set(api: SalesforceApi) -> bool:
    """Whether the user who is signed in has our permission set."""
    _, user_id = await api.identity()
    where = (
        f"AssigneeId = {soql.text(user_id)}",
        f"PermissionSet.Name = {soql.text(PERMISSION_SET)}",
    )
    statement = soql.select(("Id",), "PermissionSetAssignment", where=where, limit=1)
    return bool((await api.query(statement)).rows)


def _multipart(packed: bytes, *, check_only: bool) -> bytes:
    """The body of a deployment: its options, then the zip."""
    options = {
        "allowMissingFiles": False,
        "autoUpdatePackage": False,
        "checkOnly": check_only,
        "ignoreWarnings": False,
        "performRetrieve": False,
        "purgeOnDelete": False,
        "rollbackOnError": True,
        "singlePackage": True,
    }
    boundary = f"--{_BOUNDARY}"
    head = (
        f"{boundary}\r\n"
        'Content-Disposition: form-data; name="json"\r\n'
        "Content-Type: application/json\r\n\r\n"
        f"{dumps({'deployOptions': options}).decode()}\r\n"
        f"{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="tieout.zip"\r\n'
        "Content-Type: application/zip\r\n\r\n"
    )
    return head.encode() + packed + f"\r\n{boundary}--\r\n".encode()


def _progress(deployment: str, result: Mapping[str, Any]) -> Progress:
    details = result.get("details")
    details = details if isinstance(details, Mapping) else {}
    # One message comes bare and several in a list, as in the vendor's older interface.
    failures = _listed(details.get("componentFailures"))
    successes = _listed(details.get("componentSuccesses"))
    return Progress(
        id=deployment,
        status=str(result.get("status") or ""),
        check_only=bool(result.get("checkOnly")),
        total=int(result.get("numberComponentsTotal") or 0),
        deployed=int(result.get("numberComponentsDeployed") or 0),
        created=sum(1 for each in successes if each.get("created") is True),
        message=str(result.get("errorMessage") or ""),
        refused=tuple(_refused(each) for each in failures),
    )


def _listed(value: object) -> Sequence[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, list):
        return [each for each in value if isinstance(each, Mapping)]
    return []


def _refused(entry: Mapping[str, Any]) -> Refused:
    return Refused(
        type=str(entry.get("componentType") or ""),
        name=str(entry.get("fullName") or ""),
        problem=str(entry.get("problem") or "no reason given"),
        file=str(entry.get("fileName") or ""),
        line=int(entry.get("lineNumber") or 0),
        column=int(entry.get("columnNumber") or 0),
        warning=entry.get("problemType") == "Warning",
    )


def _mapping(response: HttpResponse) -> Mapping[str, Any]:
    try:
        found = loads(response.body)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise TransientError(
            "Salesforce gave an answer that is not its own.", code="answer_garbled"
        )
    return found


def _refusal(
    response: HttpResponse,
) -> ConnectionBrokenError | ConfigurationError | TransientError:
    found = refusals(response.body)
    codes = {each.code for each in found}
    if codes & {"INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY"}:
        return ConnectionBrokenError(
            "The user of this connection may not deploy metadata (right Modify Metadata Through "
            "Metadata API Functions). Nothing was changed.",
            code="rights_missing",
            hint="Let an administrator deploy the zip: tieout salesforce package --out tieout.zip",
        )
    error = read_error(response)
    if isinstance(error, TransientError):
        return error
    told = "; ".join(each.message for each in found) or f"status {response.status}"
    return ConfigurationError(
        f"Salesforce does not take the deployment: {told}", code="deploy_refused"
    )


def _unknown(what: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"Salesforce gave no answer to {what}; whether it was done is open.")
