"""What every system has before there is a customer: users and the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tieout_sandbox.kit.names import slug
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.fields import (
    DELIVERY,
    LINE,
    OPPORTUNITY,
    QUOTING_DATA,
    USER,
    Row,
)
from tieout_sandbox.webcrm.writes import lines_total

ADMINISTRATOR = "Systemadministrator"


def add_user(
    crm: Crm, when: datetime, first: str, last: str, domain: str, *, left: bool = False
) -> Row:
    """A user. The secrets are there because the vendor sends them: nobody should keep them."""
    address = f"{slug(first)}.{slug(last)}@{domain}"
    number = len(crm.tables["Users"].rows) + 1
    return crm.add(
        USER,
        {
            "Name": f"{first} {last}",
            "Email": address,
            "LoginName": address,
            "Initials": (first[:1] + last[:1]).upper(),
            "CurrencyName": "SEK",
            "IsRestApiEnabled": number == 1,
            "AddressFormat": "Scandinavian",
            "Password": f"secret-password-{number}",
            "Ticket": f"secret-ticket-{number}",
            "AuthenticationCode": f"secret-code-{number}",
            "_left": left or None,
        },
        ADMINISTRATOR,
        when,
    )


def add_item(crm: Crm, when: datetime, **values: Any) -> Row:
    """An item of the catalogue for quotation lines."""
    values = {"EntityType": "Product", "_of": LINE.resource, **values}
    return crm.add(QUOTING_DATA, values, ADMINISTRATOR, when)


def add_deal(crm: Crm, values: Row, by: str, created: datetime, changed: datetime) -> Row:
    """An opportunity, or where it is won the delivery that it became."""
    entity = DELIVERY if values.get("WinYesNo") else OPPORTUNITY
    row = crm.add(entity, values, by, created)
    return crm.change(entity, row, {}, by, when=changed)


def add_lines(crm: Crm, deal: Row, lines: Iterable[Row], by: str, when: datetime) -> Decimal:
    """The lines of a deal; their value, to the cent."""
    rows = [
        crm.add(
            LINE,
            {
                "OpportunityId": deal["Id"],
                "OrganisationId": deal.get("OrganisationId"),
                "PersonId": deal.get("PersonId"),
                "SortOrder": 10 * place,
                **line,
            },
            by,
            when,
        )
        for place, line in enumerate(lines, start=1)
    ]
    return cents(lines_total(rows))


def cents(amount: Decimal) -> Decimal:
    """The amount with two decimals, half away from zero."""
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
