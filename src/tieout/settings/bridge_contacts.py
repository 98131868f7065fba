"""The flow of persons in a bridge's file, and the fields that mappings make of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tieout.core.policy import FlowMode
from tieout.settings.bridge_kinds import Duration, Expression, Group
from tieout.settings.bridge_row import FieldRow


class ContactFlow(Group):
    """Persons of linked customers, matched by their e-mail address within the customer."""

    direction: Literal["to_books", "to_crm", "both"] = Field(
        default="to_books",
        description="to_books, to_crm, or both: then what one side owns, or changed last, goes to "
        "the other.",
    )
    mode: FlowMode = Field(
        default=FlowMode.OFF,
        description="off, shadow (plan only), approve (a person releases), auto.",
    )
    books_when: Expression | None = Field(
        default=None,
        description="Which persons of the CRM go to the books, such as a tick box or a role: "
        "contact.Invoice_Contact__c, or 'billing' in contact.roles. Left out: all that have an "
        "e-mail address.",
    )
    crm_when: Expression | None = Field(
        default=None,
        description="Which persons of the books go to the CRM. Left out: all that have an e-mail "
        "address.",
    )
    owners: dict[
        Literal["given", "family", "email", "phone", "mobile", "title", "active"],
        Literal["crm", "books", "latest", "manual"],
    ] = Field(
        default_factory=dict,
        description="Whose word counts for a field; manual: a person where both changed. Left "
        "out: latest.",
    )
    shared_address: Literal["each", "hold"] = Field(
        default="each",
        description="Where persons of several customers have one address: each is one of its own, "
        "or each is held until it has another.",
    )
    every: Duration | None = Field(
        default=None,
        description="How often tieout run --every decides it, such as 15m. Left out: with every "
        "round.",
    )


class ContactRow(FieldRow):
    """Where a field of a person comes from, and how it is written."""

    mode: Literal["overwrite", "if_empty", "create_only"] = Field(
        default="overwrite", description="How the field is written."
    )


class ContactFields(Group):
    """Fields of a person."""

    given: ContactRow | None = Field(default=None, description="The given name.")
    family: ContactRow | None = Field(default=None, description="The family name.")
    email: ContactRow | None = Field(
        default=None, description="The e-mail address, by which the person is recognised too."
    )
    phone: ContactRow | None = Field(default=None, description="The telephone number.")
    mobile: ContactRow | None = Field(default=None, description="The mobile number.")
    title: ContactRow | None = Field(default=None, description="What the person is there.")
