"""A simulator of Visma eAccounting (Spiris Bokföring & Fakturering), API version 2."""

from tieout_sandbox.visma_eaccounting.assumptions import Assumptions
from tieout_sandbox.visma_eaccounting.credentials import (
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_ID,
    REFRESH_TOKEN,
    TOKEN_PATH,
    credentials,
)
from tieout_sandbox.visma_eaccounting.simulator import VismaSimulator

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "COMPANY_ID",
    "REFRESH_TOKEN",
    "TOKEN_PATH",
    "Assumptions",
    "VismaSimulator",
    "credentials",
]
