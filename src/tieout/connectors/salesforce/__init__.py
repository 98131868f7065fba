"""Salesforce: deals are read, and what the books say is shown on them."""

from tieout.connectors.salesforce.connector import SalesforceConnector
from tieout.connectors.salesforce.settings import SalesforceSettings

__all__ = ["SalesforceConnector", "SalesforceSettings"]
