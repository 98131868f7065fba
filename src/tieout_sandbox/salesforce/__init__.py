"""A simulated Salesforce org that speaks the vendor's REST, Bulk 2.0, OAuth and SOAP login."""

from tieout_sandbox.salesforce.oauth import credentials
from tieout_sandbox.salesforce.simulator import SalesforceSimulator

__all__ = ["SalesforceSimulator", "credentials"]
