"""
Visma eAccounting (Spiris Bokföring & Fakturering): customers, articles, invoice drafts, invoices.

`VismaConnector` is the port; `VismaSettings` what a connection is set to.
"""

from tieout.connectors.visma_eaccounting.connector import VismaConnector
from tieout.connectors.visma_eaccounting.settings import VismaSettings

__all__ = ["VismaConnector", "VismaSettings"]
