"""Which systems there are, and where; nothing is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module

from tieout_sandbox.kit.simulator import Simulator

SYSTEMS = {
    "salesforce": "tieout_sandbox.salesforce:SalesforceSimulator",
    "registers": "tieout_sandbox.registers:RegistersSimulator",
    "visma_eaccounting": "tieout_sandbox.visma_eaccounting:VismaSimulator",
    "visma_net": "tieout_sandbox.visma_net:VismaNetSimulator",
    "webcrm": "tieout_sandbox.webcrm:WebcrmSimulator",
}


class UnknownSystemError(LookupError):
    """There is no simulator of that name; the text lists those there are."""


def simulator_class(system: str) -> type[Simulator]:
    """The class that simulates a system."""
    module, name = _place(system)
    found = getattr(import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, Simulator)):
        raise UnknownSystemError(f"{system} is no simulator")
    return found


def credentials(system: str) -> dict[str, str]:
    """The fixed, documented sandbox credentials of a system."""
    module, _ = _place(system)
    return dict(import_module(module).credentials())


def _place(system: str) -> tuple[str, str]:
    place = SYSTEMS.get(system)
    if place is None:
        raise UnknownSystemError(f"no such system: {system}; there are {', '.join(SYSTEMS)}")
    module, _, name = place.partition(":")
    return module, name
