"""What ids mean in this company, and how it is set. Values only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from tieout.connectors.tryton.api import TrytonApi
from tieout.connectors.tryton.predict import Tax
from tieout.connectors.tryton.values import (
    Payload,
    amount_of,
    day_of,
    id_of,
    ids_of,
    linked,
    number_of,
    rows_of,
    text_of,
)
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.model import ExternalRef

TERMS_FIELDS = (
    "name", "active", "lines.type", "lines.relativedeltas.days", "lines.relativedeltas.months",
    "lines.relativedeltas.weeks", "lines.relativedeltas.day", "lines.relativedeltas.month",
    "lines.relativedeltas.weekday",
)  # fmt: skip
TAX_FIELDS = (
    "name", "description", "type", "rate", "amount", "childs", "parent", "start_date", "end_date",
    "group", "group.kind", "sequence", "update_unit_price", "active", "invoice_account",
    "credit_note_account",
)  # fmt: skip
_RULE_FIELDS = (
    "name", "kind", "lines.group", "lines.origin_tax", "lines.tax", "lines.keep_origin",
)  # fmt: skip
_LIVE_MS = 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """
    A currency: its code and the smallest step of an amount in it. ``rated_from`` is the day of
    its first rate, None where it has none.
    """

    id: int
    code: str
    rounding: Decimal
    rated_from: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """
    The company's own words, for translating in both directions.

    Terms are called by their days ('30') where one row alone has these days and nothing else, else
    by their name. A dimension is (kind, code): the root's code, the account's code.
    ``has_key`` is whether our module is there.
    """

    connection: str
    company: int = 0
    name: str = ""
    country: str = ""
    currency: Currency = Currency(id=0, code="", rounding=Decimal("0.01"))
    time_zone: str = "UTC"
    series: str = ""
    has_key: bool = False
    has_sales: bool = False
    has_analytic: bool = False
    by_line: bool = False
    cancels_posted: bool = False
    receivable: int | None = None
    exchange_journal: int | None = None
    exchange_accounts: tuple[int, ...] = ()
    journal: int | None = None
    own_parties: tuple[int, ...] = ()
    journals: Mapping[int, str] = field(default_factory=dict)
    currencies: Mapping[str, Currency] = field(default_factory=dict)
    currency_by_id: Mapping[int, Currency] = field(default_factory=dict)
    countries: Mapping[str, int] = field(default_factory=dict)
    country_by_id: Mapping[int, str] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    terms_code: Mapping[int, str] = field(default_factory=dict)
    terms_id: Mapping[str, int] = field(default_factory=dict)
    terms_days: Mapping[int, int] = field(default_factory=dict)
    taxes: Mapping[int, Tax] = field(default_factory=dict)
    tax_names: Mapping[int, str] = field(default_factory=dict)
    tax_groups: Mapping[int, int] = field(default_factory=dict)
    rules: Mapping[str, Payload] = field(default_factory=dict)
    rule_names: Mapping[int, str] = field(default_factory=dict)
    dimension: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    dimension_id: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    dimension_names: Mapping[int, str] = field(default_factory=dict)

    def ref(self, entity: str, native_id: object) -> ExternalRef:
        """The ref of a record of this connection."""
        return ExternalRef(self.connection, entity, str(native_id))

    def day_of(self, moment: datetime) -> date:
        """The day that it is in the company, whose zone every date over there is in."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def find_terms(self, said: str) -> int | None:
        """The id of terms that are named by days, name or id; None if none is."""
        return self.terms_id.get(said.strip().casefold())

    def currency_of(self, code: str) -> Currency | None:
        """The currency with that code, the company's own for ''."""
        return self.currencies.get(code) if code else self.currency

    def can_book(self, currency: Currency, day: date) -> bool:
        """Whether something in that currency can be posted on that day: it needs a rate."""
        rated = currency.rated_from is not None and currency.rated_from <= day
        return rated or currency.id == self.currency.id

    def rate_of(self, taxes: Iterable[int]) -> Decimal | None:
        """The share that these taxes come to, None where one is no percentage."""
        total = Decimal(0)
        for number in taxes:
            tax = self.taxes.get(number)
            if tax is None or tax.rate is None:
                return None
            total += tax.rate
        return total

    def applied(self, rule: str, taxes: Sequence[int]) -> tuple[int, ...] | None:
        """The taxes that a rule makes of these, by its lines for any country; None: no rule."""
        found = self.rules.get(rule.casefold())
        if found is None:
            return None
        result: list[int] = []
        for number in taxes:
            line = _rule_line(found, number, self.tax_groups.get(number))
            if line is None:
                result.append(number)
                continue
            new = id_of(line, "tax")
            if new is not None:
                result.append(new)
            if line.get("keep_origin"):
                result.append(number)
        return tuple(result)


def _rule_line(rule: Payload, tax: int, group: int | None) -> Payload | None:
    for line in rows_of(rule, "lines"):
        origin, of_group = id_of(line, "origin_tax"), id_of(line, "group")
        if origin not in (None, tax) or (of_group is not None and of_group != group):
            continue
        return line
    return None


def tax_codes(taxes: Iterable[int]) -> str:
    """Taxes as the code of a line: their ids, '1' or '1+4'; '0' says none, '' nothing."""
    return "+".join(str(number) for number in sorted(taxes))


def tax_ids(code: str) -> tuple[int, ...] | None:
    """The ids that a code names, none for '0'; None where it is another text."""
    parts = code.split("+") if code else []
    if not all(part.isdecimal() for part in parts):
        return None
    return tuple(number for part in parts if (number := int(part)))


class BooksKeeper:
    """
    Reads the company's settings and lists, and keeps them for an hour. ``learn`` is told each
    time.

    What figures and mappings hang on (taxes, rules, terms, currencies, dimensions, settings) is
    read anew for each run. What an update of the database or a person of theirs changes once in
    years (its modules, countries, languages, journals) is read once an hour, and when something
    is named that is not in it.
    """

    def __init__(self, api: TrytonApi, learn: Callable[[Books], None]) -> None:
        self._api = api
        self._learn = learn
        self._books: Books | None = None
        self._at_ms = 0
        self._frame: _Frame | None = None
        self._frame_at_ms = 0
        self._lock = asyncio.Lock()

    async def get(self, *, fresh: bool = False, whole: bool = False) -> Books:
        """
        The company's words, at most an hour old; ``fresh`` reads them now, ``whole`` also what
        hardly ever changes.
        """
        async with self._lock:
            now = self._api.clock.steady()
            if whole or self._frame is None or now - self._frame_at_ms > _LIVE_MS:
                self._frame, self._books = None, None
            if self._books is None or fresh or now - self._at_ms > _LIVE_MS:
                self._books = await self._read()
                self._at_ms = self._api.clock.steady()
                self._learn(self._books)
            return self._books

    @property
    def known(self) -> Books | None:
        """The words as they were read last, None before that."""
        return self._books

    async def _read(self) -> Books:
        api = self._api
        api.company = await self._users_company()
        companies = await self._companies()
        company = next(row for row in companies if row["id"] == api.company)
        if self._frame is None:
            self._frame = await self._read_frame()
            self._frame_at_ms = api.clock.steady()
        frame = self._frame
        lists = await self._lists(_asked(api.company, analytic=frame.analytic))
        address = rows_of(linked(company, "party"), "addresses")
        terms = terms_of(lists["account.invoice.payment_term"])
        dimension, dimension_id, dimension_names = _dimensions(lists["analytic_account.account"])
        currencies = [_currency(row) for row in lists["currency.currency"]]
        by_id = {entry.id: entry for entry in currencies}
        configuration = lists["account.configuration"][0]
        taxes = lists["account.tax"]
        return Books(
            connection=api.name,
            company=api.company,
            name=text_of(linked(company, "party"), "name"),
            country=next((text_of(linked(row, "country"), "code") for row in address), ""),
            currency=by_id[int(company["currency"])],
            time_zone=text_of(company, "timezone") or "UTC",
            series=frame.series,
            has_key=frame.has_key,
            has_sales=frame.sales,
            has_analytic=bool(lists["analytic_account.account"]),
            by_line=configuration.get("tax_rounding") == "line",
            cancels_posted=bool(company.get("cancel_invoice_out")),
            receivable=id_of(configuration, "default_account_receivable"),
            exchange_journal=id_of(configuration, "currency_exchange_journal"),
            exchange_accounts=tuple(
                account
                for name in ("currency_exchange_credit_account", "currency_exchange_debit_account")
                if (account := id_of(configuration, name)) is not None
            ),
            journal=_revenue_journal(frame.journals),
            own_parties=tuple(int(row["party"]) for row in companies),
            journals={int(row["id"]): text_of(row, "code") for row in frame.journals},
            currencies={entry.code: entry for entry in currencies},
            currency_by_id=by_id,
            countries={text_of(r, "code"): int(r["id"]) for r in frame.countries},
            country_by_id={int(r["id"]): text_of(r, "code") for r in frame.countries},
            languages={text_of(r, "code"): int(r["id"]) for r in frame.languages},
            terms_code=terms[0],
            terms_id=terms[1],
            terms_days=terms[2],
            taxes={int(row["id"]): _tax(row) for row in taxes},
            tax_names={int(row["id"]): text_of(row, "name") for row in taxes},
            tax_groups={
                int(row["id"]): group for row in taxes if (group := id_of(row, "group")) is not None
            },
            rules={text_of(r, "name").casefold(): r for r in lists["account.tax.rule"]},
            rule_names={int(r["id"]): text_of(r, "name") for r in lists["account.tax.rule"]},
            dimension=dimension,
            dimension_id=dimension_id,
            dimension_names=dimension_names,
        )

    async def _users_company(self) -> int:
        """The company of the connection: the one of its settings, else the user's own."""
        told = await self._api.call("model.res.user.get_preferences", False)
        told = told if isinstance(told, dict) else {}
        if len(told.get("companies") or ()) > 1 and told.get("company_filter") != "all":
            # Tryton keeps in mind which company a user was last asked about, also between calls
            # that name another one: then all records of this one are missing without an error.
            raise ConnectionBrokenError(
                f"The user of {self._api.name} belongs to several companies and is shown one at a "
                "time, so that another connection can hide this one's invoices.",
                code="setting_wrong",
                hint="Set its company filter to All in Tryton, or give it one company only.",
            )
        company = self._api.company or told.get("company")
        if not isinstance(company, int):
            raise ConnectionBrokenError(
                f"The user of {self._api.name} has no company in Tryton.",
                code="rights_missing",
                hint="Give it one company and make it the current one.",
            )
        return company

    async def _companies(self) -> list[Payload]:
        """All companies that the user sees, that of the connection among them."""
        names = ["party", "party.name", "party.addresses.country.code", "currency", "timezone",
                 "cancel_invoice_out"]  # fmt: skip
        rows = await self._api.search("company.company", [], names)
        if not any(row["id"] == self._api.company for row in rows):
            raise ConnectionBrokenError(
                f"The user of {self._api.name} has no access to company {self._api.company}.",
                code="rights_missing",
                hint="Add the company to the user's companies in Tryton.",
            )
        return rows

    async def _read_frame(self) -> _Frame:
        lists = await self._lists(_FRAME_LISTS)
        wanted = ["sale.sale", "analytic_account.account"]
        there = await self._api.search("ir.model", [["name", "in", wanted]], ["name"])
        models = {text_of(row, "name") for row in there}
        return _Frame(
            series=await series_of(self._api),
            has_key=await self._has_key(),
            sales="sale.sale" in models,
            analytic="analytic_account.account" in models,
            countries=lists["country.country"],
            languages=lists["ir.lang"],
            journals=lists["account.journal"],
        )

    async def _lists(self, asked: Mapping[str, _Asked]) -> dict[str, list[Payload]]:
        found: dict[str, list[Payload]] = {"analytic_account.account": []}
        for model, (domain, names) in asked.items():
            try:
                found[model] = await self._api.search(model, domain, names)
            except ConnectionBrokenError as error:
                if model in _NEEDED or error.code != "rights_missing":
                    raise
                found[model] = []
        if "account.configuration" in asked and not found["account.configuration"]:
            raise TransientError("The accounting of this company is not set up in Tryton.")
        return found

    async def _has_key(self) -> bool:
        if self._api.settings.carrier == "reference":
            return False
        for model in ("account.invoice", "party.party"):
            told = await self._api.call(f"model.{model}.fields_get", ["tieout_key"])
            if not told:
                return False
        return True


_Asked = tuple[list[object], Sequence[str]]
_NEEDED = ("currency.currency", "account.tax", "account.configuration", "account.journal")
_FRAME_LISTS: dict[str, _Asked] = {
    "country.country": ([], ["code"]),
    "ir.lang": ([], ["code"]),
    "account.journal": ([], ["code", "type"]),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What hardly ever changes."""

    series: str
    has_key: bool
    sales: bool
    analytic: bool
    countries: Sequence[Payload]
    languages: Sequence[Payload]
    journals: Sequence[Payload]


def _asked(company: int, *, analytic: bool) -> dict[str, _Asked]:
    """The lists that are read for each run, with what to read of them."""
    own = ["company", "=", company]
    asked: dict[str, _Asked] = {
        "currency.currency": ([], ["code", "rounding", "digits", "rates.date"]),
        "account.invoice.payment_term": ([], TERMS_FIELDS),
        "account.tax": ([own, ["active", "in", [True, False]]], TAX_FIELDS),
        "account.tax.rule": ([own, ["kind", "in", ["sale", "both"]]], _RULE_FIELDS),
        "account.configuration": (
            [],
            [
                "tax_rounding",
                "default_account_receivable",
                "currency_exchange_journal",
                "currency_exchange_credit_account",
                "currency_exchange_debit_account",
            ],
        ),
    }
    if analytic:
        asked["analytic_account.account"] = ([own], ["name", "code", "type", "root"])
    return asked


async def series_of(api: TrytonApi) -> str:
    """The series of the server, such as '8.0'."""
    told = str(await api.call_server("common.server.version"))
    found = re.match(r"\d+\.\d+", told)
    return found.group(0) if found else told


def terms_of(
    rows: Sequence[Payload],
) -> tuple[dict[int, str], dict[str, int], dict[int, int]]:
    """Codes by id, ids by every name that terms are known by, days by id where it is days."""
    codes: dict[int, str] = {}
    ids: dict[str, int] = {}
    days: dict[int, int] = {}
    for row in rows:
        number = int(row["id"])
        codes[number] = text_of(row, "name")
        ids[str(number)] = number
        told = _plain_days(row)
        if told is not None:
            days[number] = told
    for row in rows:
        ids[text_of(row, "name").casefold()] = int(row["id"])
    for told in set(days.values()):
        same = [number for number, value in days.items() if value == told]
        if len(same) == 1:
            codes[same[0]] = str(told)
            ids[str(told)] = same[0]
    return codes, ids, days


def _plain_days(row: Payload) -> int | None:
    """The days of terms that are one rest and some days, None for any other."""
    lines = rows_of(row, "lines")
    if len(lines) != 1 or lines[0].get("type") != "remainder":
        return None
    total = 0
    for delta in rows_of(lines[0], "relativedeltas"):
        if any(delta.get(name) for name in ("months", "day", "month", "weekday")):
            return None
        total += int(amount_of(delta, "days")) + 7 * int(amount_of(delta, "weeks"))
    return total


def _currency(row: Payload) -> Currency:
    rounding = amount_of(row, "rounding") or Decimal("0.01")
    days = [day for rate in rows_of(row, "rates") if (day := day_of(rate, "date"))]
    return Currency(
        id=int(row["id"]),
        code=text_of(row, "code"),
        rounding=rounding,
        rated_from=min(days, default=None),
    )


def _tax(row: Payload) -> Tax:
    kind = text_of(row, "type")
    simple = not ids_of(row, "childs") and not row.get("update_unit_price")
    return Tax(
        id=int(row["id"]),
        rate=number_of(row, "rate")
        if kind == "percentage"
        else Decimal(0)
        if kind == "none"
        else None,
        amount=number_of(row, "amount") if kind == "fixed" else None,
        start=day_of(row, "start_date"),
        end=day_of(row, "end_date"),
        order=(0 if row.get("sequence") is None else 1, int(amount_of(row, "sequence"))),
        accounts=(id_of(row, "invoice_account"), id_of(row, "credit_note_account")),
        known=simple and kind in ("percentage", "fixed", "none"),
    )


def _revenue_journal(rows: Sequence[Payload]) -> int | None:
    revenue = [row for row in rows if row.get("type") == "revenue"]
    named = [row for row in revenue if text_of(row, "code") == "REV"]
    found = named or revenue
    return int(found[0]["id"]) if found else None


def _dimensions(
    rows: Sequence[Payload],
) -> tuple[dict[int, tuple[str, str]], dict[tuple[str, str], tuple[int, int]], dict[int, str]]:
    roots = {int(row["id"]): kind_of(row) for row in rows if row.get("type") == "root"}
    by_id: dict[int, tuple[str, str]] = {}
    ids: dict[tuple[str, str], tuple[int, int]] = {}
    names: dict[int, str] = {}
    for row in rows:
        root = id_of(row, "root")
        if row.get("type") not in ("normal", "distribution") or root not in roots:
            continue
        code = text_of(row, "code") or text_of(row, "name")
        by_id[int(row["id"])] = (roots[root], code)
        ids[roots[root], code.casefold()] = (root, int(row["id"]))
        names[int(row["id"])] = text_of(row, "name")
    return by_id, ids, names


def kind_of(row: Payload) -> str:
    """What we call a dimension: its root's code, or its name, in small letters: cost_center."""
    said = text_of(row, "code") or text_of(row, "name")
    return re.sub(r"\W+", "_", said.casefold()).strip("_")
