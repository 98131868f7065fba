"""The plain pair: an invented CRM and an invented book that no vendor ever made.

Engine tests run against them, so that no vendor's shape gets into the engine, and every habit
that decides about writing once can be switched on and off (`Variant`).
"""

from tieout_sandbox.plain.book import PlainBook, Received
from tieout_sandbox.plain.crm import PlainCrm
from tieout_sandbox.plain.variant import GUARDS, Variant


def credentials() -> dict[str, str]:
    """They ask for no sign-in."""
    return {}


__all__ = ["GUARDS", "PlainBook", "PlainCrm", "Received", "Variant", "credentials"]
