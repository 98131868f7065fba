"""A simulator of webCRM, REST API version 1."""

from tieout_sandbox.webcrm.assumptions import Assumptions
from tieout_sandbox.webcrm.credentials import (
    APPLICATION_TOKEN,
    READ_ONLY_TOKEN,
    TOKEN_PATH,
    credentials,
)
from tieout_sandbox.webcrm.simulator import WebcrmSimulator

__all__ = [
    "APPLICATION_TOKEN",
    "READ_ONLY_TOKEN",
    "TOKEN_PATH",
    "Assumptions",
    "WebcrmSimulator",
    "credentials",
]
