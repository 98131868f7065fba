"""Webhooks: who wants to hear of what, and what is sent when it happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from tieout_sandbox.kit import Response, dumps, json_response
from tieout_sandbox.kit.webhooks import Notice
from tieout_sandbox.webcrm.calls import Call, Principal, array, nothing, wanted
from tieout_sandbox.webcrm.crm import Crm, Happening
from tieout_sandbox.webcrm.errors import invalid
from tieout_sandbox.webcrm.fields import ORGANISATION, Row
from tieout_sandbox.webcrm.resources import Handler
from tieout_sandbox.webcrm.values import stamp_text

EVENTS = ("Create", "Update", "Delete")
_OWNERS = ("OrganisationOwner", "OrganisationOwner2")
FILTERS: dict[str, tuple[str, ...]] = {
    "Activities": ("All", "Responsible", *_OWNERS),
    "Deliveries": ("All", "Responsible", "Responsible2", "Responsible3", *_OWNERS),
    "Documents": ("All", *_OWNERS),
    "Events": ("All", "EventParticipant", "EventResponsible", *_OWNERS),
    "Opportunities": ("All", "Responsible", "Responsible2", *_OWNERS),
    "Organisations": ("All", "Owner", "Owner2"),
    "Persons": ("All", *_OWNERS),
    "PersonsB2C": ("All", "Owner", "Owner2"),
    "Products": ("All", *_OWNERS),
    "QuotationLines": ("All", *_OWNERS),
    "Relations": ("All", *_OWNERS),
    "SupportCases": ("All", "Responsible", "Owner", *_OWNERS),
    "Users": ("All", "Current"),
}
# Which field of the record holds the user whom a filter is about.
_ABOUT = {
    "Responsible": ("Responsible", "AssignedTo"),
    "Responsible2": ("AssignedTo2",),
    "Responsible3": ("AssignedTo",),
    "EventResponsible": ("AssignedTo",),
    "Owner": ("Owner", "OwnerId"),
    "Owner2": ("Owner2",),
    "Current": ("Id",),
}
_BASE = "https://api.webcrm.com"


class Hooks:
    """The registered hooks of one system."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.next_id = 771

    # Calls.

    def listing(self, resource: str) -> Handler:
        """`GET /{X}/Hooks`: only the caller's own."""

        def handle(crm: Crm, call: Call) -> Response:
            _ = crm
            return array(
                [hook_json(row) for row in call.page_of(self._of(resource, call.principal))]
            )

        return handle

    def one(self, resource: str) -> Handler:
        """`GET /{X}/Hooks/{id}`."""

        def handle(crm: Crm, call: Call) -> Response:
            _ = crm
            return json_response(200, hook_json(self._found(resource, call)))

        return handle

    def create(self, resource: str) -> Handler:
        """`POST /{X}/Hooks`: the new id."""

        def handle(crm: Crm, call: Call) -> Response:
            row = _checked(resource, call.object())
            row |= {
                "Id": self.next_id,
                "_resource": resource,
                "_key": call.principal.key,
                "_user": call.principal.user_id,
                "CreatedAt": crm.now(),
                "CreatedBy": call.by,
                "UpdatedAt": crm.now(),
                "UpdatedBy": call.by,
            }
            self.rows[self.next_id] = row
            self.next_id += 1
            return json_response(200, row["Id"])

        return handle

    def update(self, resource: str) -> Handler:
        """`PUT /{X}/Hooks/{id}`."""

        def handle(crm: Crm, call: Call) -> Response:
            row = self._found(resource, call)
            changed = {name: value for name, value in call.object().items() if value is not None}
            row.update(_checked(resource, {**_own(row), **changed}))
            row |= {"UpdatedAt": crm.now(), "UpdatedBy": call.by}
            return nothing()

        return handle

    def delete(self, resource: str) -> Handler:
        """`DELETE /{X}/Hooks/{id}`."""

        def handle(crm: Crm, call: Call) -> Response:
            _ = crm
            del self.rows[self._found(resource, call)["Id"]]
            return nothing()

        return handle

    def _of(self, resource: str, caller: Principal) -> list[Row]:
        return [
            row
            for row in self.rows.values()
            if row["_resource"] == resource and row["_key"] == caller.key
        ]

    def _found(self, resource: str, call: Call) -> Row:
        number = call.number()
        known = {row["Id"]: row for row in self._of(resource, call.principal)}
        return wanted(known.get(number), "Hook", number)

    # Notices.

    def notices(self, crm: Crm, happenings: Sequence[Happening]) -> list[Notice]:
        """What has to be sent, in the order in which it happened; every hook that wants it."""
        return [
            _notice(crm, happening, resource, hook)
            for happening in happenings
            for resource in _resources(crm, happening)
            for hook in self.rows.values()
            if hook["_resource"] == resource
            and hook["IsEnabled"]
            and hook["EventType"] == happening.kind
            and _meets(crm, hook, happening.row)
        ]

    def state(self) -> dict[str, Any]:
        """Everything, for the state file."""
        return {"next_id": self.next_id, "rows": list(self.rows.values())}

    def load(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""
        self.next_id = state["next_id"]
        self.rows = {row["Id"]: row for row in state["rows"]}


def hook_json(row: Row) -> dict[str, Any]:
    """A hook as JSON."""
    shown = _own(row)
    for name in ("CreatedAt", "UpdatedAt"):
        shown[name] = stamp_text(row[name])
    return shown


def _own(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def _checked(resource: str, body: dict[str, Any]) -> Row:
    filters, target = body.get("Filter"), body.get("TargetUrl")
    if not isinstance(filters, list) or not filters:
        raise invalid("The Filter field is required.")
    wrong = [one for one in filters if one not in FILTERS[resource]]
    if wrong:
        raise invalid(f"'{wrong[0]}' is not a filter of {resource}.")
    if not isinstance(target, str) or not target:
        raise invalid("The TargetUrl field is required.")
    if not isinstance(body.get("IsEnabled"), bool):
        raise invalid("The IsEnabled field is required.")
    kind = body.get("EventType", EVENTS[0])
    if kind not in EVENTS:
        raise invalid(f"'{kind}' is not an event type.")
    return {
        "TargetUrl": target,
        "IsEnabled": body["IsEnabled"],
        "EventType": kind,
        "Filter": list(filters),
    }


def _resources(crm: Crm, happening: Happening) -> list[str]:
    resource = happening.entity.resource
    if resource != "Persons":
        return [resource]
    owner = crm.get(ORGANISATION, happening.row.get("OrganisationId", 0))
    private = owner is not None and owner.get("Type") == "Privat"
    return [resource, "PersonsB2C"] if private else [resource]


def _meets(crm: Crm, hook: Row, row: Row) -> bool:
    """Whether a hook's filter lets the record through: everything, or what its user has to do
    with. An application token has no user."""
    if "All" in hook["Filter"]:
        return True
    user = hook["_user"]
    owner = crm.get(ORGANISATION, row.get("OrganisationId", 0)) or {}
    for one in hook["Filter"]:
        if one in _OWNERS:
            found = [owner.get(one.removeprefix("Organisation"))]
        elif one == "EventParticipant":
            found = list(row.get("ParticipantIds", []))
        else:
            found = [row.get(name) for name in _ABOUT[one]]
        if user and user in found:
            return True
    return False


def _notice(crm: Crm, happening: Happening, resource: str, hook: Row) -> Notice:
    row_id = happening.row["Id"]
    url = f"{_BASE}/{resource}/{row_id}"
    kind = "application/json; charset=utf-8"
    match crm.assumptions.hook_body:
        case "url":
            body = dumps({"Url": url, "EventType": happening.kind})
        case "id":
            body = dumps({"EntityId": row_id, "EntityType": happening.entity.name})
        case "form":
            body = urlencode({"url": url, "event": happening.kind}).encode()
            kind = "application/x-www-form-urlencoded"
        case _:
            body = b""
    return Notice(
        target=hook["TargetUrl"],
        body=body,
        headers={"Content-Type": kind},
        subject=f"{happening.kind} {resource}/{row_id}",
    )
