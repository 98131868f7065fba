"""Public registers that confirm VAT numbers. They are read, never written; nothing secret is sent.

`vies.ViesRegister` is the European Commission's for numbers of member states and of Northern
Ireland, `brreg.BrregRegister` Norway's. Both answer with a `Reply` and raise nothing: a register
that is silent, broken or strange is an answer too, with a code.
"""

from tieout.registers.brreg import BrregRegister
from tieout.registers.faults import backoff_s, scope_of
from tieout.registers.vies import ViesRegister
from tieout.registers.wire import Reply

__all__ = [
    "BrregRegister",
    "Reply",
    "ViesRegister",
    "backoff_s",
    "scope_of",
]
