"""Every test here runs against a real Tryton."""

from support.tryton_server import tryton, tryton_alone, tryton_group, tryton_plant

__all__ = ["tryton", "tryton_alone", "tryton_group", "tryton_plant"]
