"""Money is a Decimal with its currency; rounding is half away from zero, always."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0")

# Wide enough that a quantity times a price times a fraction is exact, so that it is rounded once.
_EXACT = Context(prec=100, rounding=ROUND_HALF_UP)

_STEPS = {places: Decimal(1).scaleb(-places) for places in range(7)}

# ISO 4217 minor units that differ from two (ISO 4217 list one; ISK by its list as well).
_MINOR_UNITS = {"ISK": 0, "JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "KWD": 3, "BHD": 3, "TND": 3}


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in one currency. Adding two currencies raises ValueError."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"amount must be Decimal, not {type(self.amount).__name__}")
        if len(self.currency) != 3 or not self.currency.isalpha() or not self.currency.isupper():
            raise ValueError(f"currency must be three capital letters, not {self.currency!r}")

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:,.{minor_units(self.currency)}f}"

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added")


def minor_units(currency: str) -> int:
    """Decimals that the currency's smallest coin has: 2 for SEK, 0 for ISK."""
    return _MINOR_UNITS.get(currency, 2)


def round_to(value: Decimal, places: int) -> Decimal:
    """The value with so many decimals, half away from zero: 25.005 → 25.01, -0.5 → -1."""
    return value.quantize(_STEPS.get(places) or Decimal(1).scaleb(-places), context=_EXACT)


def round_money(value: Decimal, currency: str) -> Decimal:
    """The value in whole smallest coins of the currency."""
    return round_to(value, minor_units(currency))


def line_net(quantity: Decimal, unit_price: Decimal, discount: Decimal, places: int = 2) -> Decimal:
    """
    Quantity × price less a discount given as a fraction (0.1 is 10 %), rounded once.

    3 × 1,249.50 less 0.1 is 3,373.65; 1 × 199.99 less 0.125 is 174.99 (revenue-cycle 3).
    """
    rest = _EXACT.subtract(Decimal(1), discount)
    return round_to(_EXACT.multiply(_EXACT.multiply(quantity, unit_price), rest), places)


def distribute(total: Decimal, weights: Sequence[Decimal], places: int = 2) -> tuple[Decimal, ...]:
    """
    The total split in proportion to the weights, by largest remainder, ties to the earlier one.

    The parts add up to the total exactly: 100.00 over three equal weights is 33.34, 33.33, 33.33.
    All weights zero puts everything on the first. Raises ValueError for no weights, for a
    negative weight, or for a total finer than ``places``.
    """
    if any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative")
    return apportion(total, weights, places)


def apportion(total: Decimal, weights: Sequence[Decimal], places: int = 2) -> tuple[Decimal, ...]:
    """
    As `distribute`, for lines of which some are negative: 400.00 over 1,000.00 and -200.00 is
    500.00 and -100.00. Weights that add up to nothing or less put everything on the first.
    """
    if not weights:
        raise ValueError("nothing to distribute over")
    unit = Decimal(1).scaleb(-places)
    if total != round_to(total, places):
        raise ValueError(f"{total} has more than {places} decimals")
    # Integers throughout: with a common scale the remainders are exact, not 28 digits of them.
    scaled = _as_integers(weights)
    whole = sum(scaled)
    if whole <= 0:
        return (round_to(total, places), *(ZERO.quantize(unit) for _ in weights[1:]))
    sign = -1 if total < 0 else 1
    units = int(abs(total).scaleb(places))
    parts = [divmod(units * weight, whole) for weight in scaled]
    floors = [part for part, _ in parts]
    left = units - sum(floors)
    order = sorted(range(len(weights)), key=lambda index: (-parts[index][1], index))
    for index in order[:left]:
        floors[index] += 1
    return tuple((sign * part * unit).quantize(unit) for part in floors)


def _as_integers(weights: Iterable[Decimal]) -> list[int]:
    values = list(weights)
    places = max(-min(int(value.as_tuple().exponent), 0) for value in values)
    return [int(value.scaleb(places)) for value in values]
