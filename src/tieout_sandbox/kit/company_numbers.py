"""Company and VAT numbers with right check digits, for invented companies."""

from __future__ import annotations

from random import Random


def luhn_digit(digits: str) -> str:
    """The digit that makes the number pass the Luhn test."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        doubled = int(char) * (2 if position % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def swedish(rng: Random, first: str = "556") -> str:
    """An organisation number such as 556016-0680; `first` 212 is a municipality's."""
    body = first + "".join(str(rng.randrange(10)) for _ in range(6))
    whole = body + luhn_digit(body)
    return f"{whole[:6]}-{whole[6:]}"


def norwegian(rng: Random) -> str:
    """Nine digits, weights 3 2 7 6 5 4 3 2, modulus 11."""
    while True:
        body = rng.choice("89") + "".join(str(rng.randrange(10)) for _ in range(7))
        check = _weighted(body, (3, 2, 7, 6, 5, 4, 3, 2))
        if check < 10:
            return body + str(check)


def finnish(rng: Random) -> str:
    """A Y-tunnus such as 0112038-9; remainder 1 is never given out."""
    while True:
        body = str(rng.randrange(1, 4)) + "".join(str(rng.randrange(10)) for _ in range(6))
        check = _weighted(body, (7, 9, 10, 5, 8, 4, 2))
        if check < 10:
            return f"{body}-{check}"


def danish(rng: Random) -> str:
    """Eight digits, weights 2 7 6 5 4 3 2 1, modulus 11."""
    while True:
        body = str(rng.randrange(1, 10)) + "".join(str(rng.randrange(10)) for _ in range(6))
        check = _weighted(body, (2, 7, 6, 5, 4, 3, 2))
        if check < 10:
            return body + str(check)


def german_vat(rng: Random) -> str:
    """DE and nine digits, ISO 7064 MOD 11,10."""
    body = str(rng.randrange(1, 10)) + "".join(str(rng.randrange(10)) for _ in range(7))
    product = 10
    for char in body:
        total = (int(char) + product) % 10 or 10
        product = 2 * total % 11
    return f"DE{body}{(11 - product) % 10}"


def belgian_vat(rng: Random) -> str:
    """BE and ten digits: the last two are 97 less the rest of the first eight by 97."""
    body = "0" + "".join(str(rng.randrange(10)) for _ in range(7))
    return f"BE{body}{97 - int(body) % 97:02d}"


def italian_vat(rng: Random) -> str:
    """IT and eleven digits, the eighth to tenth a province, Luhn."""
    body = "".join(str(rng.randrange(10)) for _ in range(7)) + "015"
    doubled = (int(c) * 2 if i % 2 else int(c) for i, c in enumerate(body))
    return f"IT{body}{-sum(d - 9 if d > 9 else d for d in doubled) % 10}"


def polish_vat(rng: Random) -> str:
    """PL and ten digits, weights 6 5 7 2 3 4 5 6 7, modulus 11."""
    while True:
        body = str(rng.randrange(1, 10)) + "".join(str(rng.randrange(10)) for _ in range(8))
        weights = (6, 5, 7, 2, 3, 4, 5, 6, 7)
        check = sum(int(c) * w for c, w in zip(body, weights, strict=True)) % 11
        if check < 10:
            return f"PL{body}{check}"


def romanian_vat(rng: Random) -> str:
    """RO and eight digits, weights 3 2 1 7 5 3 2, ten times the sum modulus 11."""
    body = str(rng.randrange(1, 10)) + "".join(str(rng.randrange(10)) for _ in range(6))
    weights = (3, 2, 1, 7, 5, 3, 2)
    check = 10 * sum(int(c) * w for c, w in zip(body, weights, strict=True)) % 11 % 10
    return f"RO{body}{check}"


def estonian_vat(rng: Random) -> str:
    """EE and nine digits, weights 3 7 1."""
    body = "10" + "".join(str(rng.randrange(10)) for _ in range(6))
    total = sum(int(c) * w for c, w in zip(body, (3, 7, 1, 3, 7, 1, 3, 7), strict=True))
    return f"EE{body}{-total % 10}"


def _weighted(body: str, weights: tuple[int, ...]) -> int:
    """The check digit that brings the weighted sum to a multiple of 11; 10 where there is none."""
    total = sum(int(char) * weight for char, weight in zip(body, weights, strict=True))
    return -total % 11
