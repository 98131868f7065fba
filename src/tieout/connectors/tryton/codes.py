"""The company's codes: terms, taxes, tax rules, units, currencies, dimensions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal

from tieout.connectors.tryton.api import TrytonApi
from tieout.connectors.tryton.books import Books, tax_codes
from tieout.connectors.tryton.values import day_of, linked, number_of, rows_of, text_of
from tieout.core.model import Code, Scalar
from tieout.ports import Selection

KINDS = ("terms", "tax", "tax_rule", "unit", "currency", "dimension")


async def read_codes(
    api: TrytonApi, books: Books, want: Selection
) -> AsyncIterator[tuple[str, tuple[Code, ...]]]:
    """The complete list of each wanted kind. A dimension's kind is that of its root."""
    kinds = set(want.kinds) or set(KINDS)
    if "terms" in kinds:
        yield "terms", tuple(_terms(books, want))
    if "tax" in kinds:
        yield "tax", tuple(_taxes(books, want))
    if "tax_rule" in kinds:
        rules = sorted(books.rule_names.items())
        yield (
            "tax_rule",
            tuple(
                _code("tax_rule", name, books, want, number, name=name) for number, name in rules
            ),
        )
    if "unit" in kinds:
        rows = await api.search("product.uom", [], ["name", "symbol", "digits", "category.name"])
        yield (
            "unit",
            tuple(
                _code(
                    "unit",
                    text_of(row, "symbol"),
                    books,
                    want,
                    int(row["id"]),
                    name=text_of(row, "name"),
                    facts={
                        "decimals": row.get("digits"),
                        "category": text_of(linked(row, "category"), "name"),
                    },
                )
                for row in rows
            ),
        )
    if "currency" in kinds:
        yield "currency", tuple(await _currencies(api, books, want))
    by_kind: dict[str, list[Code]] = {}
    for number, (kind, code) in sorted(books.dimension.items()):
        if kind in kinds or "dimension" in kinds:
            named = books.dimension_names.get(number, code)
            made = _code(kind, code, books, want, number, name=named)
            by_kind.setdefault(kind, []).append(made)
    for kind, codes in sorted(by_kind.items()):
        yield kind, tuple(codes)


def _terms(books: Books, want: Selection) -> Iterator[Code]:
    for number, code in sorted(books.terms_code.items()):
        days = books.terms_days.get(number)
        facts: dict[str, Scalar] = {} if days is None else {"days": days}
        yield _code("terms", code, books, want, number, name=code, facts=facts)


def _taxes(books: Books, want: Selection) -> Iterator[Code]:
    for number, tax in sorted(books.taxes.items()):
        name = books.tax_names.get(number, str(number))
        facts: dict[str, Scalar] = {"rate": tax.rate}
        if tax.start is not None:
            facts["starts_on"] = tax.start.isoformat()
        if tax.end is not None:
            facts["ends_on"] = tax.end.isoformat()
        yield _code("tax", tax_codes([number]), books, want, number, name=name, facts=facts)


async def _currencies(api: TrytonApi, books: Books, want: Selection) -> list[Code]:
    """
    The currencies with what one of each is worth in the company's own today. A rate over there is
    units of the currency for one of a base that no field names, the latest not later than the day.
    """
    rows = await api.search(
        "currency.currency",
        [],
        ["code", "name", "last_modified_at", "rates.date", "rates.rate"],
    )
    today = books.day_of(api.now())
    rates: dict[str, Decimal] = {}
    for row in rows:
        listed = [
            (day, rate)
            for entry in rows_of(row, "rates")
            if (day := day_of(entry, "date")) is not None
            and day <= today
            and (rate := number_of(entry, "rate"))
        ]
        if listed:
            rates[text_of(row, "code")] = max(listed)[1]
    own = rates.get(books.currency.code)
    found = []
    for row in rows:
        code = text_of(row, "code")
        rate = rates.get(code)
        worth: Scalar = round(own / rate, 10) if own and rate else None
        facts = {"rate": worth}
        name = text_of(row, "name")
        found.append(_code("currency", code, books, want, int(row["id"]), name=name, facts=facts))
    return found


def _code(
    kind: str,
    code: str,
    books: Books,
    want: Selection,
    number: int,
    *,
    name: str = "",
    facts: Mapping[str, Scalar] | None = None,
) -> Code:
    return Code(
        kind=kind,
        code=code,
        name=name or code,
        ref=books.ref("code", f"{kind}:{number}"),
        facts={key: value for key, value in (facts or {}).items() if value is not None},
        shape=want.shape,
    )
