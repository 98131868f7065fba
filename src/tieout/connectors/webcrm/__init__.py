"""webCRM: opportunities and deliveries are read as deals, and what the books say is shown there."""

from tieout.connectors.webcrm.connector import WebcrmConnector
from tieout.connectors.webcrm.settings import WebcrmSettings

__all__ = ["WebcrmConnector", "WebcrmSettings"]
