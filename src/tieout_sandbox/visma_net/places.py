"""Whether an address can be one: its country, the form of its post code."""

from __future__ import annotations

import re

from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.tables import Record

MASKS = {
    "NO": r"\d{4}",
    "DK": r"\d{4}",
    "SE": r"\d{3} ?\d{2}",
    "FI": r"\d{5}",
    "DE": r"\d{5}",
    "IS": r"\d{3}",
}
LENGTHS = {"addressLine1": 50, "addressLine2": 50, "addressLine3": 50, "postalCode": 20, "city": 50}


def check_address(company: Company, address: Record) -> None:
    """BusinessError where a part is too long, the country unknown, or the post code does not fit
    the country's mask."""
    for name, limit in LENGTHS.items():
        if len(address.get(name) or "") > limit:
            raise BusinessError(f"Error: {name} is longer than {limit} characters.", status=400)
    code = address.get("countryId")
    if code and company.countries.get(code) is None:
        raise missing("CountryID", code)
    mask, postal = MASKS.get(code or ""), address.get("postalCode")
    if mask and postal and not re.fullmatch(mask, postal):
        raise BusinessError(
            f"Error: the post code '{postal}' does not fit the mask of {code}.", status=400
        )
