"""The flow of reference data in a bridge's file: codes of the books as lists of the CRM."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tieout.core.policy import FlowMode
from tieout.settings.bridge_kinds import Duration, Group, Name, Strict


class ReferenceList(Strict):
    """Codes of one kind and the CRM's list of values that offers them."""

    kind: Name = Field(description="Kind of the books' codes, as tieout codes shows it: terms.")
    target: Annotated[str, Field(pattern=r"^[A-Za-z]\w{0,79}(\.[A-Za-z]\w{0,79})?$")] = Field(
        description="The CRM's list of values by its name, made there by its administrator: in "
        "Salesforce a global value set (Payment_Terms), or a custom picklist field that holds "
        "values of its own (Account.Payment_Terms__c)."
    )
    books: Name | None = Field(
        default=None, description="Which books' codes. Left out: the first of the bridge."
    )
    label: Literal["name", "code", "both"] = Field(
        default="name",
        description="What people see: the code's name, the code, or both. Stored is the code.",
    )


class ReferenceFlow(Group):
    """Codes of the books to lists of values of the CRM."""

    direction: Literal["to_crm"] = Field(
        default="to_crm", description="The books own their codes; there is no other direction."
    )
    mode: FlowMode = Field(
        default=FlowMode.OFF,
        description="off, shadow (plan only), approve (a person releases), auto.",
    )
    lists: tuple[ReferenceList, ...] = Field(
        default=(), description="Which kinds of codes go into which lists."
    )
    every: Duration | None = Field(
        default=None,
        description="How often tieout run --every decides it, such as 1h. Left out: with every "
        "round.",
    )
