"""The company's codes: terms, units, VAT codes, codings, currencies, cost centres, projects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

from tieout.connectors.visma_eaccounting.api import Query, VismaApi
from tieout.connectors.visma_eaccounting.names import PROJECT, Names, cost_center_kind
from tieout.connectors.visma_eaccounting.prices import LISTS
from tieout.connectors.visma_eaccounting.translate import coding_rate
from tieout.connectors.visma_eaccounting.values import Payload, day_of, rate_of, text_of
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import Code, Scalar
from tieout.ports import Selection

KINDS = ("terms", "unit", "tax", "coding", "currency", "cost_center", PROJECT, "price_list")
_LISTS = {
    "terms": "/v2/termsofpayments",
    "unit": "/v2/units",
    "tax": "/v2/vatcodes",
    "coding": "/v2/articleaccountcodings",
    "currency": "/v2/currencies",
    "cost_center": "/v2/costcenters",
    PROJECT: "/v2/projects",
    "price_list": LISTS,
}


async def read_codes(api: VismaApi, want: Selection) -> AsyncIterator[tuple[str, tuple[Code, ...]]]:
    """
    The complete list of each wanted kind ('dimension' means cost centres and projects). A kind
    that the sign-in may not read is left out: without the accounting scope there are no VAT codes.
    """
    kinds = set(want.kinds) or set(KINDS)
    if "dimension" in kinds:
        kinds |= {"cost_center", PROJECT}
    names = await api.names()
    settings = await api.company_settings()
    for kind in KINDS:
        if kind not in kinds or not _in_use(kind, settings):
            continue
        try:
            rows = await api.whole(_LISTS[kind])
        except ConnectionBrokenError as error:
            if error.code not in ("scope_missing", "not_in_plan", "rights_missing"):
                raise
            continue
        rates = await _rates(api, names, rows) if kind == "currency" else {}
        by_kind: dict[str, list[Code]] = {kind: []}
        for code in _codes(kind, rows, names, want.shape, rates):
            by_kind.setdefault(code.kind, []).append(code)
        for name, codes in by_kind.items():
            yield name, tuple(codes)


def _in_use(kind: str, settings: Payload) -> bool:
    if kind == "cost_center":
        return bool(settings.get("UsesCostCenter"))
    if kind == PROJECT:
        return bool(settings.get("UsesProject"))
    # The smallest plan has no list of currencies.
    return kind != "currency" or settings.get("ProductVariant") != 4


async def _rates(api: VismaApi, names: Names, rows: list[dict[str, object]]) -> dict[str, Scalar]:
    """The rate of each currency to the company's own today, where the vendor tells one."""
    path = "/v2/currencies/exchangerate"
    today = (api.seen_at or api.clock.now()).date().isoformat()
    found: dict[str, Scalar] = {}
    for code in (text_of(row, "Code") for row in rows):
        if code == names.currency:
            continue
        query: Query = (
            ("date", today),
            ("sourceCurrency", code),
            ("targetCurrency", names.currency),
        )
        try:
            told = await api.one(path, path, query)
        except ConnectionBrokenError:
            return found
        if told is not None and told.get("Rate") is not None:
            found[code] = told["Rate"]
    return found


def _codes(
    kind: str,
    rows: list[dict[str, object]],
    names: Names,
    shape: str,
    rates: Mapping[str, Scalar],
) -> Iterator[Code]:
    for row in rows:
        match kind:
            case "terms":
                if row.get("AvailableForSales") is not False:
                    yield _terms(row, names, shape)
            case "unit":
                code = text_of(row, "Abbreviation") or text_of(row, "Code")
                yield _code(kind, row, names, shape, code=code)
            case "tax":
                rate = rate_of(row, "VatRate")
                code = text_of(row, "Code")
                name = text_of(row, "Description")
                yield _code(kind, row, names, shape, code=code, name=name, facts={"rate": rate})
            case "coding":
                told: dict[str, Scalar] = {"rate": coding_rate(row), "type": text_of(row, "Type")}
                yield _code(kind, row, names, shape, code=text_of(row, "Name"), facts=told)
            case "currency":
                code = text_of(row, "Code")
                now = {"rate": rates.get(code)}
                yield _code(kind, {**row, "Id": code}, names, shape, code=code, facts=now)
            case "price_list":
                told = {"currency": text_of(row, "CurrencyCode") or None}
                number = text_of(row, "Number")
                yield _code(kind, row, names, shape, code=number, facts=told)
            case "cost_center":
                yield from _center(row, names, shape)
            case _:
                ended = day_of(row, "EndDate")
                yield _code(
                    kind,
                    row,
                    names,
                    shape,
                    code=text_of(row, "Number"),
                    facts={"ends_on": ended.isoformat() if ended else None},
                    active=row.get("Status") != 2,
                )


def _terms(row: Payload, names: Names, shape: str) -> Code:
    guid = text_of(row, "Id")
    days = row.get("NumberOfDays")
    facts: dict[str, Scalar] = {"type": text_of(row, "TermsOfPaymentTypeText") or None}
    if isinstance(days, int):
        facts["days"] = days
    if text_of(row, "NameEnglish"):
        facts["english"] = text_of(row, "NameEnglish")
    code = names.terms_code.get(guid) or text_of(row, "Name")
    return _code("terms", row, names, shape, code=code, facts=facts)


def _center(row: Payload, names: Names, shape: str) -> Iterator[Code]:
    kind = cost_center_kind(row.get("Number"))
    for item in row.get("Items") or ():
        active = row.get("IsActive") is not False and item.get("IsActive") is not False
        facts: dict[str, Scalar] = {"dimension": text_of(row, "Name")}
        code = text_of(item, "ShortName")
        yield _code(kind, item, names, shape, code=code, facts=facts, active=active)


def _code(
    kind: str,
    row: Payload,
    names: Names,
    shape: str,
    *,
    code: str,
    name: str = "",
    facts: Mapping[str, Scalar] | None = None,
    active: bool | None = None,
) -> Code:
    return Code(
        kind=kind,
        code=code,
        name=name or text_of(row, "Name") or code,
        ref=names.ref("code", f"{kind}:{text_of(row, 'Id')}"),
        active=row.get("IsActive") is not False if active is None else active,
        facts={key: value for key, value in (facts or {}).items() if value is not None},
        shape=shape,
    )
