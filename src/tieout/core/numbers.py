"""What is wrong with the numbers of a customer, in plain sentences."""

from __future__ import annotations

from tieout.core.finding import Finding
from tieout.core.model import Customer, IdState

_KINDS = {"company": "Company number", "vat": "VAT number", "einvoice": "E-invoice address"}

_REASONS = {
    "check_digit": "has a wrong last digit",
    "length": "has the wrong length",
    "country_prefix": "belongs to another country",
}


def wrong_numbers(customer: Customer) -> tuple[Finding, ...]:
    """Wrong numbers stop; doubtful and unchecked ones do not, absent ones are no error."""
    return tuple(
        Finding(
            code="number_wrong",
            message=f"{_KINDS.get(number.kind, number.kind)} {number.raw} of {customer.name} "
            f"{_REASONS.get(number.reason or '', 'is not a possible number')}.",
            hint="Correct it on the account.",
            place="identifiers",
            hold_on="customer",
        )
        for number in customer.identifiers
        if number.state is IdState.INVALID
    )
