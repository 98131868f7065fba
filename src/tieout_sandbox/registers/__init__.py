"""Two public registers of VAT numbers in one server: VIES, and Norway's register of entities."""

from tieout_sandbox.registers.simulator import BRREG, VIES, RegistersSimulator, credentials

__all__ = ["BRREG", "VIES", "RegistersSimulator", "credentials"]
