"""Words for what VAT a sale gets. A treatment and a tax class together give a rate or a code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Treatment(StrEnum):
    """
    The VAT situation of a line. `HOLD` sends nothing: a person, or a register, has to answer.

    Books that tax by item and customer (no code on the line) declare per item which of these they
    can book and at what rate (`core.model.ItemTax`).
    """

    DOMESTIC_RATE = "domestic_rate"
    DOMESTIC_ZERO = "domestic_zero"
    EXEMPT = "exempt"
    DOMESTIC_REVERSE_CHARGE = "domestic_reverse_charge"
    EU_GOODS_EXEMPT = "eu_goods_exempt"
    EU_SERVICE_REVERSE_CHARGE = "eu_service_reverse_charge"
    OSS_DESTINATION = "oss_destination"
    EXPORT_GOODS = "export_goods"
    SERVICE_OUTSIDE_EU = "service_outside_eu"
    FOREIGN_LOCAL_REVERSE_CHARGE = "foreign_local_reverse_charge"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCheck:
    """
    What is known of a VAT number from its register.

    ``state``: 'valid', 'invalid', 'unknown' or 'absent'. ``register`` is what people call it, ''
    where none that is asked holds the number. ``asked_at``, ``consultation`` and ``name`` belong
    to its last yes or no; ``silent_since`` and ``fault`` to what came instead of one;
    ``next_at``: not asked again before. ``of_number``: it answers, but not about this number.
    """

    number: str
    state: str
    register: str = ""
    asked_at: datetime | None = None
    consultation: str = ""
    name: str = ""
    silent_since: datetime | None = None
    fault: str = ""
    of_number: bool = False
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterStatus:
    """
    Whether a register works now. ``silent`` are the areas of which it says that they do not
    answer, ``fault`` why the register itself does not ('' if it does).
    """

    fault: str = ""
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxAnswer:
    """
    What the VAT rules say of a line. ``rate`` is a fraction; None with `Treatment.HOLD`.

    ``text`` is the sentence the invoice needs ('' if none), ``approval`` True when a person must
    confirm, ``reason`` a code and a sentence why it is held. ``check`` is what the register of the
    buyer's VAT number said, where it is held for that.
    """

    treatment: Treatment
    rate: Decimal | None
    text: str = ""
    approval: bool = False
    reason: str = ""
    check: NumberCheck | None = None
