# This file is part of tieout-tryton, which is free software under the GNU General Public
# License, version 3 or later. See the LICENSE file of this package.
"""The operation key on what Tieout writes, and the predicted totals on its invoices."""

from trytond.model import Unique, fields
from trytond.pool import PoolMeta
from trytond.pyson import Eval

# Set when a record is made, never by a change: series 8.2 holds the API to this, too.
_ON_CREATE_ONLY = Eval("id", -1) >= 0


class _Keyed:
    __slots__ = ()

    # A plain `readonly=True` would make series 8.2 refuse the key at creation as well.
    tieout_key = fields.Char(
        "Tieout Key",
        strip=False,
        states={
            "readonly": _ON_CREATE_ONLY,
        },
        help="The operation of Tieout that wrote this record.\n"
        "The same operation cannot write a second one.",
    )

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints.append(
            ("tieout_key_unique", Unique(table, table.tieout_key), "tieout.msg_key_unique")
        )

    @classmethod
    def copy(cls, records, default=None):
        # A duplicate was not written by the operation of its original.
        default = {} if default is None else dict(default)
        default.setdefault("tieout_key", None)
        return super().copy(records, default=default)


class Party(_Keyed, metaclass=PoolMeta):
    __name__ = "party.party"


class Invoice(_Keyed, metaclass=PoolMeta):
    __name__ = "account.invoice"

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # Tryton compares these with its own figures when the invoice leaves draft. They are made
        # for supplier invoices; here a program that predicts a total may state it at creation.
        for name in cls._source_amounts():
            field = getattr(cls, name)
            field.readonly = False
            field.states = {**field.states, "readonly": _ON_CREATE_ONLY}

    @staticmethod
    def _source_amounts():
        return ("source_untaxed_amount", "source_tax_amount", "source_total_amount")

    @classmethod
    def copy(cls, invoices, default=None):
        # A duplicate is edited on purpose; a figure of its original would keep it from posting.
        default = {} if default is None else dict(default)
        for name in cls._source_amounts():
            default.setdefault(name, None)
        return super().copy(invoices, default=default)


class Sale(_Keyed, metaclass=PoolMeta):
    __name__ = "sale.sale"
