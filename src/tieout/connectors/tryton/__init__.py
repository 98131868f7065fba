"""
Tryton: parties, products, invoices from draft to paid, over its own JSON-RPC.

`TrytonConnector` is the port; `TrytonSettings` what a connection is set to.
"""

from tieout.connectors.tryton.connector import TrytonConnector
from tieout.connectors.tryton.settings import TrytonSettings

__all__ = ["TrytonConnector", "TrytonSettings"]
