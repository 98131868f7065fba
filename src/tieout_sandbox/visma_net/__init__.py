"""A simulator of Visma.net ERP: the service API, the sales order service v3, Visma Connect."""

from tieout_sandbox.visma_net.assumptions import Assumptions
from tieout_sandbox.visma_net.credentials import (
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_ID,
    CUSTOMER_TENANT_ID,
    TENANT_ID,
    TOKEN_PATH,
    credentials,
)
from tieout_sandbox.visma_net.simulator import VismaNetSimulator

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "COMPANY_ID",
    "CUSTOMER_TENANT_ID",
    "TENANT_ID",
    "TOKEN_PATH",
    "Assumptions",
    "VismaNetSimulator",
    "credentials",
]
