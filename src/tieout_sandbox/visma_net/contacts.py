"""Contacts and locations of customers."""

from __future__ import annotations

from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import tax
from tieout_sandbox.visma_net.call import Call, changed, created
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.lists import matching, one, paged, param, stored
from tieout_sandbox.visma_net.places import check_address
from tieout_sandbox.visma_net.shown import address, contact, finished, stamps
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read

_TEXTS = (
    "title",
    "firstName",
    "lastName",
    "position",
    "email",
    "web",
    "phone1",
    "phone2",
    "phone3",
    "fax",
)
_FLAGS = ("doNotCall", "doNotFax", "doNotEmail", "doNotMail", "noMassMail", "noMarketing")


# Locations.


def follow(company: Company, customer: Record, given: Record, *, new: bool) -> None:
    """The default location takes what was sent for its customer."""
    if new:
        _add(company, customer, company.settings["mainLocation"], "Primary")
    for location in company.locations.find("_customer", customer["internalId"]):
        if location["locationId"] != company.settings["mainLocation"]:
            continue
        kept = dict(location)
        for name, field in (
            ("vatZoneId", "vatZoneId"),
            ("vatRegistrationId", "vatRegistrationId"),
            ("corporateId", "corporateId"),
            ("gln", "gln"),
        ):
            if new or name in given:
                kept[field] = customer[name]
        if new or "deliveryAddress" in given or "mainAddress" in given:
            kept["address"] = customer["deliveryAddress"] or customer["mainAddress"]
        if new or "deliveryContact" in given or "mainContact" in given:
            kept["contact"] = customer["deliveryContact"] or customer["mainContact"]
        if kept != location:
            company.save(company.locations, kept)


def _add(company: Company, customer: Record, location_id: str, name: str) -> Record:
    internal_id = 2000 + company.count("location")
    return company.save(
        company.locations,
        {
            "_key": f"{customer['_key']}/{location_id}",
            "_customer": customer["internalId"],
            "internalId": internal_id,
            "locationId": location_id,
            "locationName": name,
            "active": True,
            "vatZoneId": customer["vatZoneId"],
            "vatRegistrationId": customer["vatRegistrationId"],
            "corporateId": customer["corporateId"],
            "gln": customer["gln"],
            "ediCode": None,
            "peppolScheme": None,
            "address": customer["mainAddress"],
            "contact": customer["mainContact"],
        },
    )


def location_row(company: Company, record: Record) -> Any:
    """A location as the API shows it."""
    customer = company.customers.get(record["_customer"])
    assert customer is not None
    zone = tax.zone(company, record["vatZoneId"])
    found = {
        "baccount": {name: customer[name] for name in ("internalId", "number", "name")},
        **{
            name: record[name]
            for name in (
                "locationId",
                "locationName",
                "active",
                "vatRegistrationId",
                "ediCode",
                "gln",
                "corporateId",
                "peppolScheme",
                "internalId",
            )
        },
        "address": address(company, record["address"]),
        "contact": contact(record["contact"]),
        "vatZone": {name: zone[name] for name in ("id", "description", "defaultVatCategory")}
        if zone
        else None,
        "lastModifiedDateTime": stamps(company, "location", record)["lastModifiedDateTime"],
    }
    return finished(company, found)


def locations(company: Company, call: Call) -> Response:
    """GET /v1/location and /v1/location/{customer}."""
    source = stored(company, company.locations)
    if call.ids:
        customer = company.customers.one("number", call.ids[0])
        if customer is None:
            raise NotFoundError(f"Business account '{call.ids[0]}' cannot be found in the system.")
        source = [one for one in source if one["_customer"] == customer["internalId"]]
    found = matching(
        company,
        call.request,
        "location",
        source,
        equal={
            "locationId": lambda _, record: record["locationId"],
            "gln": lambda _, record: record["gln"],
        },
    )
    return paged(company, call.request, "location", found, location_row)


def _location(company: Company, number: str, location_id: str) -> Record:
    customer = company.customers.one("number", number)
    rows = company.locations.find("_customer", customer["internalId"]) if customer else []
    for row in rows:
        if row["locationId"].casefold() == location_id.casefold():
            return row
    raise NotFoundError(f"Location '{location_id}' cannot be found in the system.")


def location(company: Company, call: Call) -> Response:
    """GET of one location; it has no version."""
    return one(company, location_row(company, _location(company, *call.ids)))


def create_location(company: Company, call: Call) -> Response:
    """POST of a location: customer and id are needed and stay."""
    given = read("LocationUpdateDto", call.body(), company.assumptions)
    customer = company.customers.one("number", given.get("baccountId") or "")
    if customer is None:
        raise missing("BAccountID", given.get("baccountId"))
    location_id = given.get("locationId")
    if not location_id:
        raise BusinessError("Error: 'Location ID' cannot be empty.")
    if company.locations.get(f"{customer['_key']}/{location_id}") is not None:
        raise BusinessError(f"Error: location '{location_id}' already exists.")
    record = _add(company, customer, location_id, given.get("locationName") or location_id)
    _put_location(company, record, given)
    path = f"v1/location/{customer['number']}"
    return created(company, call, path, location_id)


def change_location(company: Company, call: Call) -> Response:
    """PUT of a location."""
    record = _location(company, *call.ids)
    _put_location(company, record, read("LocationUpdateDto", call.body(), company.assumptions))
    return changed(company, call, f"v1/location/{call.ids[0]}", record["locationId"])


def _put_location(company: Company, record: Record, given: Record) -> None:
    record = dict(record)
    names = ("locationName", "active", "vatRegistrationId", "ediCode", "gln", "corporateId")
    for name in (*names, "peppolScheme"):
        if name in given:
            record[name] = given[name] if given[name] != "" else None
    if given.get("vatZone"):
        tax.zone(company, given["vatZone"])
        record["vatZoneId"] = given["vatZone"]
    if given.get("address"):
        record["address"] = {**(record["address"] or {}), **given["address"]}
        check_address(company, record["address"])
    if given.get("contact"):
        record["contact"] = {**(record["contact"] or {}), **given["contact"]}
    company.save(company.locations, record)


# Contacts.


def contact_row(company: Company, record: Record) -> Any:
    """A contact as the API shows it."""
    customer = company.customers.get(record["_customer"])
    found = {
        **{name: record[name] for name in ("contactId", "displayName", "active", "sameAsAccount")},
        **{name: record[name] for name in (*_TEXTS, *_FLAGS, "contactMethod")},
        "businessAccount": customer["number"] if customer else None,
        "businessAccountType": "Customer" if customer else None,
        "address": address(company, record["address"]),
        "lastModifiedDateTime": stamps(company, "contact", record)["lastModifiedDateTime"],
        "timeStamp": record["_version"],
    }
    return finished(company, found)


def listing(company: Company, call: Call) -> Response:
    """GET /v1/contact and /v1/customer/{number}/contact."""
    source = stored(company, company.contacts)
    if call.ids:
        customer = company.customers.one("number", call.ids[0])
        if customer is None:
            raise NotFoundError(f"Customer '{call.ids[0]}' cannot be found in the system.")
        source = [one for one in source if one["_customer"] == customer["internalId"]]

    def account(company: Company, record: Record) -> str:
        customer = company.customers.get(record["_customer"])
        return str(customer["number"]) if customer else ""

    found = matching(
        company,
        call.request,
        "contact",
        source,
        equal={
            "businessAccount": account,
            **{
                name: lambda _, record, name=name: record[name]  # type: ignore[misc]
                for name in ("displayName", "firstName", "lastName", "email", "active")
            },
        },
    )
    # No paging parameters here, only the old pair.
    skip, read_ = param(call.request, "skipRecords"), param(call.request, "numberToRead")
    start = int(skip) if skip and skip.isdigit() else 0
    stop = start + int(read_) if read_ and read_.isdigit() else None
    rows = [contact_row(company, record) for record in found[start:stop]]
    meta = {"totalCount": len(found), "maxPageSize": company.assumptions.page_limit("contact")}
    return json_response(200, [{**row, "metadata": meta} for row in rows])


def of_id(company: Company, contact_id: str) -> Record:
    """The contact of that id."""
    found = company.contacts.get(contact_id)
    if found is None:
        raise NotFoundError(f"Contact '{contact_id}' cannot be found in the system.")
    return found


def single(company: Company, call: Call) -> Response:
    """GET of one contact."""
    record = of_id(company, call.ids[0])
    return one(company, contact_row(company, record), record["_version"])


def create(company: Company, call: Call) -> Response:
    """POST of a contact."""
    saved = put_new(company, call.body())
    return created(company, call, "v1/contact", saved["contactId"], saved["_version"])


def put_new(company: Company, body: Any) -> Record:
    """A new contact out of a body."""
    given = read("ContactUpdateDto", body, company.assumptions)
    if not given.get("lastName"):
        raise BusinessError("Error: 'Last Name' cannot be empty.")
    contact_id = 12000 + company.count("contact")
    record: Record = {
        "_key": str(contact_id),
        "contactId": contact_id,
        "_customer": None,
        "active": True,
        "sameAsAccount": True,
        "address": None,
        "contactMethod": "Any",
        **dict.fromkeys(_TEXTS),
        **dict.fromkeys(_FLAGS, False),
    }
    return _put_contact(company, record, given)


def change(company: Company, call: Call) -> Response:
    """PUT of a contact."""
    record = of_id(company, call.ids[0])
    call.require_match(record)
    saved = put(company, record, call.body())
    return changed(company, call, "v1/contact", saved["contactId"], saved["_version"])


def put(company: Company, record: Record, body: Any) -> Record:
    """A contact with what a body changes."""
    return _put_contact(company, dict(record), read("ContactUpdateDto", body, company.assumptions))


def _put_contact(company: Company, record: Record, given: Record) -> Record:
    for name in (*_TEXTS, *_FLAGS, "active", "sameAsAccount", "contactMethod"):
        if name in given:
            record[name] = given[name] if given[name] != "" else None
    if "businessAccount" in given:
        customer = company.customers.one("number", given["businessAccount"] or "")
        if customer is None:
            raise missing("BAccountID", given["businessAccount"])
        record["_customer"] = customer["internalId"]
    if given.get("address"):
        record["address"] = {**(record["address"] or {}), **given["address"]}
        check_address(company, record["address"])
    names = (record["firstName"], record["lastName"])
    record["displayName"] = " ".join(name for name in names if name)
    return company.save(company.contacts, record)
