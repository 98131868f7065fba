"""
Connectors of the plain pair: an invented CRM and an invented book that no vendor ever made.

Engine tests run with them, so that no vendor's shape gets into the engine; they show what a
connector has to do with nothing else around it.
"""

from tieout.connectors.plain.book import PlainBookConnector
from tieout.connectors.plain.crm import PlainCrmConnector
from tieout.connectors.plain.settings import PlainBookSettings, PlainCrmSettings

__all__ = ["PlainBookConnector", "PlainBookSettings", "PlainCrmConnector", "PlainCrmSettings"]
