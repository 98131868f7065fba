"""The calls that every resource has: list, one, create, update, array upsert, delete, lookups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.webcrm import writes
from tieout_sandbox.webcrm.calls import Call, array, nothing, wanted
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import invalid
from tieout_sandbox.webcrm.fields import (
    DELIVERY,
    LINE,
    OPPORTUNITY,
    ORGANISATION,
    Entity,
    Row,
)
from tieout_sandbox.webcrm.present import Presenter
from tieout_sandbox.webcrm.settings import LOST_LEVEL, WON_LEVEL

Handler = Callable[[Crm, Call], Response]
Choice = Callable[[Call], Callable[[Row], bool]]
# Whose POST documents no answer; the first has been seen to answer an object.
_UNDOCUMENTED = frozenset({"Organisation", "Relation", "User", "Event"})


def page(crm: Crm, call: Call, entity: Entity, rows: Iterable[Row]) -> Response:
    """A page of records as a bare array."""
    present = Presenter(crm, entity, include=call.wants_security)
    return array(present.all(call.page_of(rows)))


def found(crm: Crm, call: Call, entity: Entity, name: str = "id") -> Row:
    """The record whose id stands in the path; a refusal where there is none."""
    number = call.number(name)
    return wanted(crm.get(entity, number), entity.name, number)


def listing(entity: Entity, choice: Choice | None = None) -> Handler:
    """`GET /{X}`, or a lookup. Unknown parameters are passed over."""

    def handle(crm: Crm, call: Call) -> Response:
        rows = crm.found(entity)
        return page(crm, call, entity, filter(choice(call), rows) if choice else rows)

    return handle


def one(entity: Entity) -> Handler:
    """`GET /{X}/{id}`."""

    def handle(crm: Crm, call: Call) -> Response:
        present = Presenter(crm, entity, include=call.wants_security)
        return json_response(200, present.one(found(crm, call, entity)))

    return handle


def create(entity: Entity) -> Handler:
    """`POST /{X}`: the new id as a bare integer, or what is assumed where nothing is documented."""

    def handle(crm: Crm, call: Call) -> Response:
        row = writes.create(crm, entity, call.object(), call.by)
        form = "integer"
        if entity is ORGANISATION:
            form = crm.assumptions.organisation_answer
        elif entity.name in _UNDOCUMENTED:
            form = crm.assumptions.other_create_answer
        return answer_of(crm, entity, row, form)

    return handle


def answer_of(crm: Crm, entity: Entity, row: Row, form: str) -> Response:
    """An integer, an object or nothing."""
    match form:
        case "integer":
            return json_response(200, row["Id"])
        case "object":
            return json_response(200, Presenter(crm, entity).one(row))
        case _:
            return nothing()


def update(entity: Entity) -> Handler:
    """`PUT /{X}/{id}`: the id of the path counts, whatever the body's is."""

    def handle(crm: Crm, call: Call) -> Response:
        row = found(crm, call, entity)
        writes.update(crm, entity, row, call.object(), call.by)
        form = "object" if crm.assumptions.put_answer == "object" else "empty"
        return answer_of(crm, entity, row, form)

    return handle


def upsert(entity: Entity) -> Handler:
    """`PATCH /{X}`: 200 with an array of strings, whatever became of the items."""

    def handle(crm: Crm, call: Call) -> Response:
        def do(item: Any) -> str | None:
            return writes.upsert(crm, entity, item, call.by)

        return each_item(call, do)

    return handle


def each_item(call: Call, do: Callable[[Any], str | None]) -> Response:
    """Does the items of an array in turn. A cut batch does one more than it tells of."""
    items = call.body()
    if not isinstance(items, list):
        raise invalid("A JSON array is expected.")
    most = call.assumptions.patch_most
    if most and len(items) > most:
        raise invalid(f"The array may have at most {most} items.")
    answers: list[str] = []
    for place, item in enumerate(items):
        if call.batch_items is not None and place > call.batch_items:
            break
        told = do(item)
        if told is not None and (call.batch_items is None or place < call.batch_items):
            answers.append(told)
    return array(answers)


def delete(entity: Entity) -> Handler:
    """`DELETE /{X}/{id}`."""

    def handle(crm: Crm, call: Call) -> Response:
        row = found(crm, call, entity)
        crm.remove(entity, row)
        if entity is LINE:
            writes.lines_moved(crm, row.get("OpportunityId", 0), call.by)
        return nothing()

    return handle


# Lookups. A range of dates takes its start in and leaves its end out.


def by_field(stored: str, part: str) -> Choice:
    """Rows whose field is the number in the path."""

    def choice(call: Call) -> Callable[[Row], bool]:
        number = call.number(part)
        return lambda row: bool(row.get(stored, 0) == number)

    return choice


def by_dates(stored: str) -> Choice:
    """Rows whose stamp lies between the two times in the path."""

    def choice(call: Call) -> Callable[[Row], bool]:
        start, end = call.moment("startDate"), call.moment("endDate")
        return lambda row: stored in row and start <= row[stored] < end

    return choice


def by_status(entity: Entity) -> Choice:
    """Rows whose status has the name in the path."""
    names = entity.fields[f"{entity.name}Status"].names

    def choice(call: Call) -> Callable[[Row], bool]:
        given = call.parts["status"].lower()
        if given not in (name.lower() for name in names):
            raise invalid(f"The value '{call.parts['status']}' is not valid.")
        return lambda row: bool(str(row.get("Status", names[0])).lower() == given)

    return choice


def open_cases(call: Call) -> Callable[[Row], bool]:
    """Support cases that are not closed."""
    _ = call
    return lambda row: row.get("Status", "Created") != "Closed"


def active_users(call: Call) -> Callable[[Row], bool]:
    """Users who have not left."""
    _ = call
    return lambda row: not row.get("_left")


def below(parent: Entity, entity: Entity, *stored: str) -> Handler:
    """`GET /{Parent}/{id}/{X}`: the records whose field, or one of the fields, names the parent."""

    def handle(crm: Crm, call: Call) -> Response:
        row = found(crm, call, parent)
        found_by = [crm.found_by(entity, name, row["Id"]) for name in stored]
        rows = list({child["Id"]: child for children in found_by for child in children}.values())
        if entity is LINE:
            rows.sort(key=lambda line: (line.get("SortOrder", 0), line["Id"]))
        return page(crm, call, entity, rows)

    return handle


def search(entity: Entity) -> Handler:
    """`GET /{X}/Search?term=`: part of a name or an address of mail, in any case."""

    def handle(crm: Crm, call: Call) -> Response:
        term = (call.param("term") or "").lower()
        rows = (
            row
            for row in crm.found(entity)
            if any(term in str(row.get(name, "")).lower() for name in ("Name", "Email"))
        )
        return page(crm, call, entity, rows if term else ())

    return handle


# Deals.


def move(entity: Entity) -> Handler:
    """`POST /{X}/{id}/Move`: another organisation owns it now; 204."""

    def handle(crm: Crm, call: Call) -> Response:
        row = found(crm, call, entity)
        number = call.object().get("NewOrganisationId")
        owner = crm.get(ORGANISATION, number) if isinstance(number, int) else None
        if owner is None:
            raise invalid(f"The organisation {number} does not exist.")
        values: Row = {"OrganisationId": owner["Id"]}
        if not crm.assumptions.move_keeps_person:
            values["PersonId"] = None
        crm.change(entity, row, values, call.by)
        if entity in writes.DEALS:
            for line in writes.lines_of(crm, row["Id"]):
                crm.change(LINE, line, {"OrganisationId": owner["Id"]}, call.by, touch=False)
        return nothing(204)

    return handle


def to_delivery(crm: Crm, call: Call) -> Response:
    """`POST /Opportunities/{id}/ConvertToDelivery`: the id of the delivery."""
    row = found(crm, call, OPPORTUNITY)
    return json_response(200, convert_to_delivery(crm, row, call.by)["Id"])


def to_opportunity(crm: Crm, call: Call) -> Response:
    """`POST /Deliveries/{id}/ConvertToOpportunity/{level}`: the id of the opportunity."""
    row = found(crm, call, DELIVERY)
    return json_response(200, convert_to_opportunity(crm, row, call.number("level"), call.by)["Id"])


def convert_to_delivery(crm: Crm, row: Row, by: str) -> Row:
    """A won opportunity becomes a delivery and keeps its lines and the opportunity's fields."""
    values: Row = {"Status": "New", "WonDate": crm.now(), "WinYesNo": True, "Level": WON_LEVEL}
    if crm.assumptions.automatic_numbers and not row.get("Number"):
        values["Number"] = writes.next_number(crm)
    return _become(crm, OPPORTUNITY, DELIVERY, row, values, by)


def convert_to_opportunity(crm: Crm, row: Row, level: int, by: str) -> Row:
    """A delivery goes back into the pipeline, at that level."""
    if level not in crm.settings.levels or level in (WON_LEVEL, LOST_LEVEL):
        raise invalid(f"There is no open pipeline level {level}.")
    values: Row = {"Level": level, "WinYesNo": None, "WonDate": None, "Status": None}
    return _become(crm, DELIVERY, OPPORTUNITY, row, values, by)


def _become(crm: Crm, before: Entity, after: Entity, row: Row, values: Row, by: str) -> Row:
    old = row["Id"]
    crm.tell(before, dict(row), "Delete")
    row["_kind"] = after.kind
    if not crm.assumptions.conversion_keeps_id:
        new = crm.rekey(before, row)
        for line in writes.lines_of(crm, old):
            crm.change(LINE, line, {"OpportunityId": new}, by, touch=False)
    if not crm.assumptions.conversion_keeps_created:
        values = {**values, "CreatedAt": crm.now()}
    crm.change(after, row, values, by, tell=False)
    crm.tell(after, row, "Create")
    return row
