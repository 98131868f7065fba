"""Every path of the API with what answers it."""

from __future__ import annotations

from dataclasses import dataclass

from tieout_sandbox.webcrm import extras, queries, resources
from tieout_sandbox.webcrm.fields import (
    ACTIVITY,
    BUDGET,
    DELIVERY,
    DOCUMENT,
    EMAIL_SUPPORT,
    EVENT,
    LINE,
    MILESTONE,
    OPPORTUNITY,
    ORGANISATION,
    PERSON,
    PRODUCT,
    RELATION,
    REVENUE,
    SUPPORT_CASE,
    TIME_EXPENSE,
    USER,
    Entity,
)
from tieout_sandbox.webcrm.hooks import FILTERS, Hooks
from tieout_sandbox.webcrm.resources import Handler, below, by_dates, by_field, by_status, listing

_WRITTEN = (
    ACTIVITY,
    DELIVERY,
    DOCUMENT,
    EVENT,
    LINE,
    OPPORTUNITY,
    ORGANISATION,
    PERSON,
    PRODUCT,
    RELATION,
    SUPPORT_CASE,
    USER,
)
_READ_ONLY = (BUDGET, EMAIL_SUPPORT, MILESTONE, REVENUE, TIME_EXPENSE)
_CATALOGUES = (
    "Activities",
    "Deliveries",
    "Events",
    "Opportunities",
    "Organisations",
    "Persons",
    "PersonsB2C",
    "Products",
    "QuotationLines",
    "SupportCases",
)
_DATES = "FindBy{}Dates/{{startDate}}/{{endDate}}"
# The sign-in answers these by itself; they stand here to be named.
SIGN_IN = (
    ("GET", "/Auth"),
    ("POST", "/Auth"),
    ("POST", "/Auth/ApiLogin"),
    ("POST", "/Auth/CrmLogin"),
    ("POST", "/Auth/ApiRefresh"),
    ("POST", "/Auth/CrmRefresh"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads: the template, the parts that are no fixed words, and the handler, None
    where the path is not there with this verb."""

    template: str
    parts: dict[str, str]
    handler: Handler | None


class Router:
    """Finds what answers a path. Words of a path are read in any case."""

    def __init__(self, hooks: Hooks) -> None:
        self.routes: dict[tuple[str, str], Handler] = {}
        for entity in (*_WRITTEN, *_READ_ONLY):
            self._resource(entity)
        for resource in _CATALOGUES:
            self._catalogue(resource)
        for resource in FILTERS:
            self._hooks(hooks, resource)
        self._lookups()
        self._below()
        self._others()
        self._shapes: dict[int, list[tuple[str, ...]]] = {}
        for template in dict.fromkeys(template for _, template in self.routes):
            parts = tuple(template.strip("/").split("/"))
            self._shapes.setdefault(len(parts), []).append(parts)
        for shapes in self._shapes.values():
            # A fixed word goes before an id in the same place.
            shapes.sort(key=lambda parts: [part.startswith("{") for part in parts])

    def find(self, method: str, segments: tuple[str, ...]) -> Found | None:
        """Where a path leads; None where nothing is there."""
        for shape in self._shapes.get(len(segments), ()):
            parts = _match(shape, segments)
            if parts is not None:
                template = "/" + "/".join(shape)
                return Found(template, parts, self.routes.get((method, template)))
        return None

    def _add(self, method: str, path: str, handler: Handler) -> None:
        self.routes[method, f"/{path}"] = handler

    def _resource(self, entity: Entity) -> None:
        name = entity.resource
        self._add("GET", name, listing(entity))
        self._add("GET", f"{name}/{{id}}", resources.one(entity))
        if entity in _READ_ONLY:
            return
        self._add("POST", name, resources.create(entity))
        self._add("PUT", f"{name}/{{id}}", resources.update(entity))
        self._add("PATCH", name, resources.upsert(entity))
        if entity in (LINE, PRODUCT, DOCUMENT):
            self._add("DELETE", f"{name}/{{id}}", resources.delete(entity))

    def _catalogue(self, resource: str) -> None:
        path = f"{resource}/LinkedData"
        self._add("GET", path, extras.catalogue(resource))
        self._add("POST", path, extras.add_to_catalogue(resource))
        self._add("DELETE", path, extras.empty_catalogue(resource))
        self._add("GET", f"{path}/{{id}}", extras.catalogue_item(resource))
        self._add("PUT", f"{path}/{{id}}", extras.change_in_catalogue(resource))
        self._add("DELETE", f"{path}/{{id}}", extras.delete_from_catalogue(resource))
        self._add("GET", f"{resource}/LinkedSetup", extras.catalogue_setup(resource))

    def _hooks(self, hooks: Hooks, resource: str) -> None:
        path = f"{resource}/Hooks"
        self._add("GET", path, hooks.listing(resource))
        self._add("POST", path, hooks.create(resource))
        self._add("GET", f"{path}/{{id}}", hooks.one(resource))
        self._add("PUT", f"{path}/{{id}}", hooks.update(resource))
        self._add("DELETE", f"{path}/{{id}}", hooks.delete(resource))

    def _lookups(self) -> None:
        created, updated = _DATES.format("Create"), _DATES.format("Update")
        for entity in (ACTIVITY, DELIVERY, EVENT, OPPORTUNITY, ORGANISATION, SUPPORT_CASE):
            self._add("GET", f"{entity.resource}/{created}", listing(entity, by_dates("CreatedAt")))
        self._add("GET", f"Organisations/{updated}", listing(ORGANISATION, by_dates("UpdatedAt")))
        for entity, stored, part in (
            (ACTIVITY, "AssignedTo", "userId"),
            (DELIVERY, "Responsible", "responsibleId"),
            (EVENT, "AssignedTo", "id"),
            (OPPORTUNITY, "AssignedTo", "responsibleId"),
            (SUPPORT_CASE, "AssignedTo", "responsibleId"),
        ):
            path = f"{entity.resource}/ByResponsible/{{{part}}}"
            self._add("GET", path, listing(entity, by_field(stored, part)))
            owner = "id" if entity is EVENT else "organisationId"
            path = f"{entity.resource}/ByOrganisation/{{{owner}}}"
            self._add("GET", path, listing(entity, by_field("OrganisationId", owner)))
        for entity in (DELIVERY, OPPORTUNITY):
            path = f"{entity.resource}/ByResponsible2/{{responsibleId}}"
            self._add("GET", path, listing(entity, by_field("AssignedTo2", "responsibleId")))
        for entity in (ACTIVITY, DELIVERY, EVENT, SUPPORT_CASE):
            path = f"{entity.resource}/ByStatus/{{status}}"
            self._add("GET", path, listing(entity, by_status(entity)))
        level = "Opportunities/ByPipelineLevel/{pipelineLevel}"
        self._add("GET", level, listing(OPPORTUNITY, by_field("Level", "pipelineLevel")))
        # Not in the document of 2020; a client of 2024 calls it.
        persons = "Persons/ByOrganisation/{organisationId}"
        self._add("GET", persons, listing(PERSON, by_field("OrganisationId", "organisationId")))
        channel = "SupportCases/ByChannel/{channel}"
        self._add("GET", channel, listing(SUPPORT_CASE, by_field("Channel", "channel")))
        self._add("GET", "SupportCases/AllActive", listing(SUPPORT_CASE, resources.open_cases))
        self._add("GET", "Users/AllActive", listing(USER, resources.active_users))
        for entity in (ORGANISATION, PERSON):
            self._add("GET", f"{entity.resource}/Search", resources.search(entity))

    def _below(self) -> None:
        for entity, stored in (
            (PERSON, ("OrganisationId",)),
            (PRODUCT, ("OrganisationId",)),
            (REVENUE, ("OrganisationId",)),
            (EVENT, ("OrganisationId",)),
            (SUPPORT_CASE, ("OrganisationId",)),
            (RELATION, ("Organisation1Id", "Organisation2Id")),
        ):
            path = f"Organisations/{{id}}/{entity.resource}"
            self._add("GET", path, below(ORGANISATION, entity, *stored))
        for entity in (ACTIVITY, EVENT):
            path = f"Users/{{id}}/{entity.resource}"
            self._add("GET", path, below(USER, entity, "AssignedTo"))
        for deal in (OPPORTUNITY, DELIVERY):
            path = f"{deal.resource}/{{id}}/QuotationLines"
            self._add("GET", path, below(deal, LINE, "OpportunityId"))
        revenues = below(OPPORTUNITY, REVENUE, "OpportunityId")
        self._add("GET", "Opportunities/{id}/Revenues", revenues)
        for resource in ("Persons", "PersonsB2C"):
            self._add("GET", f"{resource}/{{id}}/Relations", extras.persons_relations)

    def _others(self) -> None:
        for entity in (ACTIVITY, DELIVERY, OPPORTUNITY):
            self._add("POST", f"{entity.resource}/{{id}}/Move", resources.move(entity))
        self._add("POST", "Opportunities/{id}/ConvertToDelivery", resources.to_delivery)
        back = "Deliveries/{id}/ConvertToOpportunity/{level}"
        self._add("POST", back, resources.to_opportunity)
        self._add("GET", "Activities/{id}/Notes", extras.notes)
        self._add("POST", "Activities/{id}/Notes", extras.add_note)
        self._add("DELETE", "Activities/{id}/NewestNote", extras.delete_newest_note)
        self._add("GET", "Documents/{id}/Download", extras.download)
        self._add("GET", "FieldsMetadata", extras.metadata)
        self._add("GET", "FieldsMetadata/{entityTypes}", extras.metadata)
        self._add("GET", "PersonsB2C", extras.private_listing)
        self._add("POST", "PersonsB2C", extras.private_create)
        self._add("PATCH", "PersonsB2C", extras.private_upsert)
        self._add("GET", "PersonsB2C/{id}", extras.private_one)
        self._add("PUT", "PersonsB2C/{id}", extras.private_update)
        self._add("GET", "Meetings", extras.meetings)
        self._add("POST", "Meetings", extras.add_meeting)
        self._add("GET", "Meetings/{meetingId}", extras.meeting)
        self._add("PUT", "Meetings/{meetingId}", extras.change_meeting)
        self._add("DELETE", "Meetings/{meetingId}", extras.delete_meeting)
        self._add("PUT", "Meetings/{meetingId}/Connections", extras.connect_meeting)
        self._add("GET", "Queries", queries.answer)
        self._add("GET", "Memberships", extras.memberships)


def _match(shape: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    parts: dict[str, str] = {}
    for part, segment in zip(shape, segments, strict=True):
        if part.startswith("{"):
            parts[part[1:-1]] = segment
        elif part.lower() != segment.lower():
            return None
    return parts
