"""
Visma.net ERP (Visma Net Financials): customers, items, customer invoices, credit notes, payments.

`VismaNetConnector` is the port; `VismaNetSettings` what a connection is set to.
"""

from tieout.connectors.visma_net.connector import VismaNetConnector
from tieout.connectors.visma_net.settings import VismaNetSettings

__all__ = ["VismaNetConnector", "VismaNetSettings"]
