"""What is not the same for every resource: metadata, catalogues, notes, files, meetings, private
customers."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.webcrm import writes
from tieout_sandbox.webcrm.calls import Call, array, nothing, wanted
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import WebcrmError, invalid, not_found
from tieout_sandbox.webcrm.fields import (
    ACTIVITY,
    BY_NAME,
    DOCUMENT,
    EVENT,
    LINE,
    LINKED_DATA,
    ORGANISATION,
    PERSON,
    PERSON_B2C,
    PRODUCT,
    QUOTING_DATA,
    Entity,
    Row,
)
from tieout_sandbox.webcrm.present import (
    Presenter,
    b2c_rows,
    b2c_shown,
    b2c_source,
)
from tieout_sandbox.webcrm.resources import Handler, each_item, found, page
from tieout_sandbox.webcrm.settings import METADATA_TYPES, is_custom
from tieout_sandbox.webcrm.values import moment_of, stamp_text

_NO_ENTITY = "Undefined"


# Fields.


def metadata(crm: Crm, call: Call) -> Response:
    """`GET /FieldsMetadata` and `/{entityTypes}`."""
    asked = [one.strip().lower() for one in call.parts.get("entityTypes", "All").split(",")]
    known = {name.lower(): name for name in METADATA_TYPES}
    wrong = [one for one in asked if one not in known and one != "all"]
    if wrong:
        raise invalid(f"The value '{wrong[0]}' is not valid.")
    names = METADATA_TYPES if "all" in asked else [known[one] for one in asked]
    return array(
        [
            field
            for name in names
            for field in crm.settings.metadata(BY_NAME[name])
            if crm.assumptions.product_fields_told or not _custom_of_product(field)
        ]
    )


def _custom_of_product(told: dict[str, Any]) -> bool:
    field = PRODUCT.fields.get(told["FieldMetadataFriendlyFieldName"])
    return field is not None and is_custom(field)


# Catalogues. There is no paging: a list gives everything.


def _entity_of(resource: str) -> Entity:
    return QUOTING_DATA if resource == LINE.resource else LINKED_DATA


def entity_type(resource: str) -> str:
    """What a catalogue's items say that they belong to."""
    if resource == LINE.resource:
        return "Product"
    if resource == EVENT.resource:
        return "Meeting"
    names = LINKED_DATA.fields["LinkedDataItemEntityType"].names
    name = next((one.name for one in BY_NAME.values() if one.resource == resource), _NO_ENTITY)
    return name if name in names else _NO_ENTITY


def catalogue(resource: str) -> Handler:
    """`GET /{X}/LinkedData`."""

    def handle(crm: Crm, call: Call) -> Response:
        _ = call
        rows = (row for row in crm.found(LINKED_DATA) if row.get("_of") == resource)
        return array(Presenter(crm, _entity_of(resource)).all(rows))

    return handle


def catalogue_item(resource: str) -> Handler:
    """`GET /{X}/LinkedData/{id}`."""

    def handle(crm: Crm, call: Call) -> Response:
        present = Presenter(crm, _entity_of(resource))
        return json_response(200, present.one(_item(crm, call, resource)))

    return handle


def add_to_catalogue(resource: str) -> Handler:
    """`POST /{X}/LinkedData`: the new id."""

    def handle(crm: Crm, call: Call) -> Response:
        body = call.object()
        row = writes.create(crm, _entity_of(resource), body, call.by, _of=resource)
        row.setdefault("EntityType", entity_type(resource))
        return json_response(200, row["Id"])

    return handle


def change_in_catalogue(resource: str) -> Handler:
    """`PUT /{X}/LinkedData/{id}`."""

    def handle(crm: Crm, call: Call) -> Response:
        row = _item(crm, call, resource)
        writes.update(crm, _entity_of(resource), row, call.object(), call.by)
        return nothing()

    return handle


def delete_from_catalogue(resource: str) -> Handler:
    """`DELETE /{X}/LinkedData/{id}`."""

    def handle(crm: Crm, call: Call) -> Response:
        crm.remove(LINKED_DATA, _item(crm, call, resource))
        return nothing()

    return handle


def empty_catalogue(resource: str) -> Handler:
    """`DELETE /{X}/LinkedData` without an id: the whole catalogue is gone."""

    def handle(crm: Crm, call: Call) -> Response:
        _ = call
        for row in [row for row in crm.every(LINKED_DATA) if row.get("_of") == resource]:
            crm.remove(LINKED_DATA, row)
        return nothing()

    return handle


def catalogue_setup(resource: str) -> Handler:
    """`GET /{X}/LinkedSetup`."""

    def handle(crm: Crm, call: Call) -> Response:
        _ = call
        if resource == LINE.resource:
            return json_response(200, crm.settings.quoting_setup())
        kind = entity_type(resource)
        place = LINKED_DATA.fields["LinkedDataItemEntityType"].names.index(kind) + 1
        return json_response(200, crm.settings.linked_setup(kind, place))

    return handle


def _item(crm: Crm, call: Call, resource: str) -> Row:
    row = found(crm, call, LINKED_DATA)
    if row.get("_of") != resource:
        raise not_found("LinkedDataItem", row["Id"])
    return row


# Notes of an activity, newest first.


def notes(crm: Crm, call: Call) -> Response:
    """`GET /Activities/{id}/Notes`: the document promises one note, its parameters a list; the
    newest is given, an empty one where there is none."""
    activity = found(crm, call, ACTIVITY)
    known = crm.notes.get(activity["Id"], [])
    newest = known[-1] if known else {}
    when = newest.get("at")
    person = crm.get(PERSON, activity.get("PersonId", 0)) or {}
    return json_response(
        200,
        {
            "Action": activity.get("Action", ""),
            "Comment": newest.get("comment", ""),
            "CreatedAt": stamp_text(when) if when else "0001-01-01T00:00:00",
            "CreatedBy": newest.get("by", ""),
            "DateTime": stamp_text(when) if when else "0001-01-01T00:00:00",
            "PersonName": person.get("Name", ""),
            "StatusText": activity.get("Status", "Planned"),
        },
    )


def add_note(crm: Crm, call: Call) -> Response:
    """`POST /Activities/{id}/Notes`: 204."""
    activity = found(crm, call, ACTIVITY)
    comment = call.object().get("Comment")
    if not isinstance(comment, str) or not comment:
        raise invalid("The field Comment is mandatory.")
    known = crm.notes.setdefault(activity["Id"], [])
    known.append({"comment": comment, "at": crm.now(), "by": call.by})
    return nothing(204)


def delete_newest_note(crm: Crm, call: Call) -> Response:
    """`DELETE /Activities/{id}/NewestNote`: 204."""
    activity = found(crm, call, ACTIVITY)
    known = crm.notes.get(activity["Id"], [])
    if not known:
        raise not_found("Note of activity", activity["Id"])
    known.pop()
    return nothing(204)


# Files.


def download(crm: Crm, call: Call) -> Response:
    """`GET /Documents/{id}/Download`: the content."""
    content = b64decode(found(crm, call, DOCUMENT).get("File", ""))
    return Response(status=200, headers={"Content-Type": "application/octet-stream"}, body=content)


# Private customers: a person and its organisation as one.


def private_listing(crm: Crm, call: Call) -> Response:
    """`GET /PersonsB2C`."""
    return array([b2c_shown(crm, person) for person in call.page_of(b2c_rows(crm))])


def _private(crm: Crm, number: int) -> Row:
    return wanted(next((r for r in b2c_rows(crm) if r["Id"] == number), None), "PersonB2C", number)


def private_one(crm: Crm, call: Call) -> Response:
    """`GET /PersonsB2C/{id}`."""
    return json_response(200, b2c_shown(crm, _private(crm, call.number())))


def private_create(crm: Crm, call: Call) -> Response:
    """`POST /PersonsB2C`: the id of the person."""
    return json_response(200, _new_private(crm, call.object(), call.by))


def private_update(crm: Crm, call: Call) -> Response:
    """`PUT /PersonsB2C/{id}`."""
    _change_private(crm, _private(crm, call.number()), call.object(), call.by)
    return nothing()


def private_upsert(crm: Crm, call: Call) -> Response:
    """`PATCH /PersonsB2C`."""

    def do(item: Any) -> str | None:
        try:
            if not isinstance(item, dict):
                raise invalid("A JSON object is expected.")
            number = item.get("PersonB2CId") or 0
            if number:
                _change_private(crm, _private(crm, number), item, call.by)
                return str(number)
            return str(_new_private(crm, item, call.by))
        except WebcrmError as error:
            return error.text

    return each_item(call, do)


def _sides(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    sides: dict[str, dict[str, Any]] = {"Person": {}, "Organisation": {}}
    for name, value in body.items():
        field = PERSON_B2C.fields.get(name)
        if field is not None and name not in ("PersonB2CId", "PersonB2COrganisationId"):
            entity, outside = b2c_source(field)
            sides[entity.name][outside] = value
    return sides["Person"], sides["Organisation"]


def _new_private(crm: Crm, body: dict[str, Any], by: str) -> int:
    person, owner = _sides(body)
    if not person.get("PersonLastName"):
        raise invalid("The field PersonB2CLastName is mandatory.")
    names = (person.get("PersonFirstName"), person["PersonLastName"])
    owner["OrganisationName"] = " ".join(name for name in names if name)
    owner["OrganisationType"] = "Privat"
    made = writes.create(crm, ORGANISATION, owner, by)
    person["PersonOrganisationId"] = made["Id"]
    return int(writes.create(crm, PERSON, person, by)["Id"])


def _change_private(crm: Crm, row: Row, body: dict[str, Any], by: str) -> None:
    person, owner = _sides(body)
    company = wanted(
        crm.get(ORGANISATION, row["OrganisationId"]), "Organisation", row["OrganisationId"]
    )
    if owner:
        writes.update(crm, ORGANISATION, company, owner, by)
    writes.update(crm, PERSON, row, person, by)


# Meetings.


def meetings(crm: Crm, call: Call) -> Response:
    """`GET /Meetings?from=&to=&userId=`."""
    bounds = []
    for name in ("from", "to", "userId"):
        text = call.param(name)
        if not text:
            raise invalid(f"The {name} parameter is required.")
        bounds.append(text)
    try:
        start, end = (moment_of(text, without_zone="utc") for text in bounds[:2])
    except ValueError as error:
        raise invalid("The value is not a time.") from error
    if start is None or end is None:
        raise invalid("The value is not a time.")
    rows = [
        row
        for row in crm.tables["Meetings"].rows.values()
        if row["MeetingUserId"] == bounds[2] and start <= row["_start"] < end
    ]
    shown = [_meeting(row) for row in call.page_of(rows)]
    for one in shown:
        del one["MeetingDescription"]
    return json_response(200, {"Meetings": shown})


def meeting(crm: Crm, call: Call) -> Response:
    """`GET /Meetings/{meetingId}`."""
    return json_response(200, _meeting(_meeting_row(crm, call)))


def add_meeting(crm: Crm, call: Call) -> Response:
    """`POST /Meetings`: nothing is answered."""
    number = crm.new_id("Meetings")
    row: Row = {"Id": number, "MeetingId": f"meeting-{number}", "_created": crm.now()}
    _fill(crm, row, call)
    crm.tables["Meetings"].rows[number] = row
    return nothing()


def change_meeting(crm: Crm, call: Call) -> Response:
    """`PUT /Meetings/{meetingId}`."""
    _fill(crm, _meeting_row(crm, call), call)
    return nothing()


def connect_meeting(crm: Crm, call: Call) -> Response:
    """`PUT /Meetings/{meetingId}/Connections`."""
    row, body = _meeting_row(crm, call), call.object()
    for name in ("Activities", "Opportunities"):
        if isinstance(body.get(name), list):
            row[f"Meeting{name}"] = body[name]
    return nothing()


def delete_meeting(crm: Crm, call: Call) -> Response:
    """`DELETE /Meetings/{meetingId}`: 204."""
    row = _meeting_row(crm, call)
    del crm.tables["Meetings"].rows[row["Id"]]
    return nothing(204)


def _meeting_row(crm: Crm, call: Call) -> Row:
    given = call.parts["meetingId"]
    rows = crm.tables["Meetings"].rows.values()
    return wanted(next((r for r in rows if r["MeetingId"] == given), None), "Meeting", given)


def _fill(crm: Crm, row: Row, call: Call) -> None:
    body = {**row, **call.object()}
    for name in ("MeetingSubject", "MeetingStart", "MeetingEnd"):
        if not body.get(name):
            raise invalid(f"The field {name} is mandatory.")
    times: dict[str, Any] = {}
    for name in ("Start", "End"):
        try:
            when = moment_of(str(body[f"Meeting{name}"]), without_zone="utc")
        except ValueError as error:
            raise invalid(f"Meeting{name} is not a time.") from error
        times[f"_{name.lower()}"] = when
        times[f"Meeting{name}"] = stamp_text(when) if when else ""
    row.update({name: value for name, value in body.items() if value is not None})
    row.update(times)
    row["_updated"], row["_by"] = crm.now(), call.by


def _meeting(row: Row) -> dict[str, Any]:
    def listed(name: str) -> list[Any]:
        value = row.get(name)
        return value if isinstance(value, list) else []

    return {
        "MeetingDescription": row.get("MeetingDescription", ""),
        "MeetingSource": "WebCRM",
        "MeetingUserId": row.get("MeetingUserId", ""),
        "MeetingId": row["MeetingId"],
        "MeetingIsRecurring": False,
        "MeetingIsCancelled": False,
        "MeetingCreated": stamp_text(row["_created"]),
        "MeetingUpdated": stamp_text(row["_updated"]),
        "MeetingUpdatedBy": row["_by"],
        "MeetingCreatedBy": row.get("MeetingCreatedBy", row["_by"]),
        "MeetingOrganisations": listed("MeetingOrganisations"),
        "MeetingAttendees": [],
        "MeetingActivities": listed("MeetingActivities"),
        "MeetingOpportunities": listed("MeetingOpportunities"),
        "MeetingSubject": row["MeetingSubject"],
        "MeetingStart": row["MeetingStart"],
        "MeetingEnd": row["MeetingEnd"],
        "MeetingIsAllDayMeeting": bool(row.get("MeetingIsAllDayMeeting")),
        "MeetingIsPrivate": bool(row.get("MeetingIsPrivate")),
        "MeetingLocation": row.get("MeetingLocation", ""),
        **{f"MeetingPlus{n}": row.get(f"MeetingPlus{n}", "") for n in range(1, 21)},
    }


def memberships(crm: Crm, call: Call) -> Response:
    """`GET /Memberships`: an array, of whose shape nothing is known; there are none."""
    _ = crm, call
    return array([])


def persons_relations(crm: Crm, call: Call) -> Response:
    """`GET /Persons/{id}/Relations` and the same of private customers."""
    number = call.number()
    wanted(crm.get(PERSON, number), "Person", number)
    relation = BY_NAME["Relation"]
    rows = (
        row for row in crm.found(relation) if number in (row.get("Person1Id"), row.get("Person2Id"))
    )
    return page(crm, call, relation, rows)
