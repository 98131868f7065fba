"""The company behind a connection, and everything that would fail later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from tieout.connectors.http.clocks import clock_findings
from tieout.connectors.tryton.api import TrytonApi
from tieout.connectors.tryton.books import Books, BooksKeeper, series_of
from tieout.connectors.tryton.values import Payload, day_of, linked, text_of
from tieout.core.days import day_words
from tieout.core.errors import ConnectionBrokenError
from tieout.core.finding import Finding, Severity
from tieout.core.model import Company

TESTED = ("8.0", "8.2")
_LANGUAGES = ("en",)
# What writing needs; read by fields_get, so that a renamed field is found before a write.
_FIELDS = {
    "account.invoice": ("lines", "party", "invoice_address", "account", "journal", "payment_term",
                        "reference", "comment", "reconciliation_lines", "payment_lines",
                        "amount_to_pay", "cancel_move", "last_modified_at"),
    "account.invoice.line": ("product", "unit", "quantity", "unit_price", "taxes", "note",
                             "currency", "origin"),
    "party.party": ("code", "identifiers", "addresses", "contact_mechanisms",
                    "customer_payment_term", "customer_tax_rule"),
}  # fmt: skip


async def company_of(api: TrytonApi, keeper: BooksKeeper) -> Company:
    """
    The company with the days on which it can book. Raises `ConnectionBrokenError`
    (company_changed) where the settings lead to another one than the connection was bound to.
    """
    books = await keeper.get(fresh=True)
    found = company_id(api, books)
    bound = api.settings.company_id
    if bound and bound != found:
        raise ConnectionBrokenError(
            f"{api.name} now leads to another company: {books.name}. "
            "Nothing is read or written there.",
            code="company_changed",
            hint=f"Sign in again and choose the right company, or add {api.name} anew.",
        )
    periods = await _periods(api)
    first, last, locked = open_days(periods)
    return Company(
        id=found,
        name=books.name,
        country=books.country,
        currency=books.currency.code,
        time_zone=books.time_zone,
        user=await api.session.user(),
        locked_to=locked,
        first_open_day=first,
        last_open_day=last,
        facts={
            # The two words of ours that the engine reads; the rest is for people.
            "rounds_to_unit": False,
            "number_start": api.settings.number_start,
            "series": books.series,
            "tax_rounding": "line" if books.by_line else "document",
            "carrier": "tieout_key" if books.has_key else "reference",
            "cancels_posted_invoices": books.cancels_posted,
            "uses_analytic_accounts": books.has_analytic,
            "uses_sales": books.has_sales,
        },
    )


def company_id(api: TrytonApi, books: Books) -> str:
    """What names a company for ever: its id, in the database of that name."""
    return f"{api.settings.database}/{books.company}"


async def _periods(api: TrytonApi) -> list[Payload]:
    return await api.search(
        "account.period",
        [["company", "=", api.company], ["type", "=", "standard"]],
        ["start_date", "end_date", "state", "fiscalyear.state"],
    )


def open_days(periods: Sequence[Payload]) -> tuple[date | None, date | None, date | None]:
    """The first and last day that can be booked on, and the day up to which all is closed."""
    spans = sorted(
        (
            start,
            end,
            row.get("state") == "open" and linked(row, "fiscalyear").get("state") == "open",
        )
        for row in periods
        if (start := day_of(row, "start_date")) and (end := day_of(row, "end_date"))
    )
    opened = [(start, end) for start, end, is_open in spans if is_open]
    if not opened:
        return None, None, max((end for _, end, _ in spans), default=None)
    first = min(start for start, _ in opened)
    closed = [end for _, end, is_open in spans if not is_open and end < first]
    return first, max(end for _, end in opened), max(closed, default=None)


async def check(api: TrytonApi, keeper: BooksKeeper) -> list[Finding]:
    """All that would fail later, and what is weaker than it could be; writes nothing."""
    found = [Finding(code="setting_wrong", message=text) for text in api.settings.problems()]
    if found:
        return found
    try:
        series = await series_of(api)
        found += _series_findings(series)
        books = await keeper.get(whole=True)
        found += await _right_findings(api)
        if any(finding.severity is Severity.ERROR for finding in found):
            return found
        found += _bound_findings(api, books)
        found += await _field_findings(api)
        found += _carrier_findings(api, books)
        found += await _period_findings(api, books)
        found += _default_findings(api, books)
        found += await _rate_findings(api, books)
        found += await _language_findings(api)
        found += clock_findings(api.clock.now(), api.seen_at, "the Tryton server's")
    except ConnectionBrokenError as error:
        return [*found, Finding(code=error.code, message=error.message, hint=error.hint)]
    return found


def _series_findings(series: str) -> Iterator[Finding]:
    if series in TESTED:
        return
    old = tuple(int(part) for part in series.split(".")[:2] if part.isdecimal()) < (8, 0)
    yield Finding(
        code="not_in_plan" if old else "series_untested",
        message=f"This Tryton is of series {series}; the connection was tried with "
        f"{' and '.join(TESTED)}." + (" Older ones have other paths and fields." if old else ""),
        hint="Field names differ between series: read the release notes before you write.",
        severity=Severity.ERROR if old else Severity.WARNING,
    )


async def _right_findings(api: TrytonApi) -> list[Finding]:
    """What the user of the connection may read and write, asked without writing."""
    found = []
    for model, what, severity in (
        ("account.invoice", "invoices", Severity.ERROR),
        ("account.move.line", "ledger lines", Severity.ERROR),
        ("party.party", "customers", Severity.ERROR),
        ("product.product", "products", Severity.ERROR),
    ):
        try:
            await api.call(f"model.{model}.search_count", [["id", "=", 0]], 0, None)
        except ConnectionBrokenError as error:
            found.append(
                Finding(
                    code="rights_missing",
                    message=f"{what.capitalize()} cannot be read: {error.message}",
                    hint="Give the user of this connection the group Accounting.",
                    severity=severity,
                )
            )
    if not found:
        found += await _access_findings(api)
    return found


async def _access_findings(api: TrytonApi) -> list[Finding]:
    """Whether invoices may be made: Tryton tells the rights of the user for each model."""
    models = ["account.invoice", "account.invoice.line", "party.party"]
    told = await api.call("model.ir.model.access.get_access", models)
    missing = [
        model
        for model in models
        if isinstance(told, dict)
        and not all((told.get(model) or {}).get(way, True) for way in ("create", "write", "delete"))
    ]
    return [
        Finding(
            code="rights_missing",
            message=f"The user of {api.name} may not create and change {model} in Tryton.",
            hint="Give it the group Accounting.",
        )
        for model in missing
    ]


def _bound_findings(api: TrytonApi, books: Books) -> Iterator[Finding]:
    bound = api.settings.company_id
    if bound and bound != company_id(api, books):
        yield Finding(
            code="company_changed",
            message=f"The settings lead to {books.name}, not to the company that {api.name} "
            "belongs to.",
            hint="Correct database and company of the connection.",
        )


async def _field_findings(api: TrytonApi) -> list[Finding]:
    found = []
    for model, names in _FIELDS.items():
        told = await api.call(f"model.{model}.fields_get", list(names))
        missing = [name for name in names if name not in told]
        if missing:
            found.append(
                Finding(
                    code="field_missing",
                    message=f"{model} has no {', '.join(missing)} in this Tryton.",
                    hint="The module account_invoice of a series that was tried is needed.",
                )
            )
    return found


def _carrier_findings(api: TrytonApi, books: Books) -> Iterator[Finding]:
    if books.has_key:
        return
    if api.settings.carrier == "tieout_key":
        yield Finding(
            code="object_missing",
            message="The Tryton module tieout is not active in this database.",
            hint="Install and activate it, or set carrier to reference.",
        )
        return
    why = (
        "By the setting of the connection"
        if api.settings.carrier == "reference"
        else "The Tryton module tieout is not active, so that"
    )
    yield Finding(
        code="carrier_weaker",
        message=f"{why} our key stands in the reference of each "
        "invoice, where the buyer sees it, people may change it, and nothing keeps it unique. "
        "After a lost answer a document is made again only after ten minutes without a trace, "
        "not at once.",
        hint="Install the module tieout-tryton, activate it, and set carrier to auto.",
        severity=Severity.WARNING,
    )


async def _period_findings(api: TrytonApi, books: Books) -> list[Finding]:
    today = books.day_of(api.now())
    periods = await _periods(api)
    first, last, _ = open_days(periods)
    if last is None:
        return [
            Finding(
                code="period_closed",
                message="The company has no open period; nothing can be booked.",
                hint="Finance opens one.",
            )
        ]
    found = []
    here = [
        row
        for row in periods
        if (start := day_of(row, "start_date"))
        and (end := day_of(row, "end_date"))
        and start <= today <= end
    ]
    if not any(row.get("state") == "open" for row in here):
        found.append(
            Finding(
                code="period_closed",
                message=f"Nothing can be booked today, {day_words(today)}.",
                hint="Finance opens the period or the next fiscal year.",
                severity=Severity.WARNING,
            )
        )
    elif last - today < timedelta(days=31):
        found.append(
            Finding(
                code="year_ends",
                message=f"The last open period ends on {day_words(last)}.",
                hint="Finance opens the next fiscal year, else nothing can be booked after it.",
                severity=Severity.WARNING,
            )
        )
    found += await _journal_findings(api, here, books)
    del first
    return found


async def _journal_findings(api: TrytonApi, here: Sequence[Payload], books: Books) -> list[Finding]:
    """A journal of an open period can be closed for itself: after the period was reopened."""
    ids = [int(row["id"]) for row in here if row.get("state") == "open"]
    if not ids or books.journal is None:
        return []
    rows = await api.search(
        "account.journal.period",
        [["period", "in", ids], ["journal", "=", books.journal], ["state", "!=", "open"]],
        ["period.name"],
    )
    return [
        Finding(
            code="period_closed",
            message=f"The journal of sales is closed in {text_of(linked(row, 'period'), 'name')}, "
            "although the period is open.",
            hint="Finance reopens the journal of that period: reopening the period does not.",
            severity=Severity.WARNING,
        )
        for row in rows
    ]


def _default_findings(api: TrytonApi, books: Books) -> Iterator[Finding]:
    if books.receivable is None:
        yield Finding(
            code="account_missing",
            message="The company has no default receivable account; customers without one of "
            "their own cannot be invoiced.",
            hint="Set it in the accounting configuration.",
            severity=Severity.WARNING,
        )
    if books.journal is None:
        yield Finding(code="account_missing", message="The company has no journal of sales.")
    said = api.settings.default_terms
    if said and books.find_terms(said) is None:
        known = ", ".join(sorted(set(books.terms_code.values())))
        yield Finding(
            code="terms_unmapped",
            message=f'default_terms "{said}" do not exist in Tryton; there are {known}.',
        )
    for treatment, rule in api.settings.tax_rules.items():
        if rule.casefold() not in books.rules:
            yield Finding(
                code="value_unmapped",
                message=f'The tax rule "{rule}" for {treatment} does not exist in Tryton.',
                hint="Correct tax_rules of the connection.",
            )


async def _rate_findings(api: TrytonApi, books: Books) -> list[Finding]:
    """Currencies without a rate: a draft in one is taken, and posting it fails."""
    rows = await api.search("currency.currency", [], ["code", "rates.date"])
    without = [text_of(row, "code") for row in rows if not row.get("rates.")]
    others = [code for code in without if code != books.currency.code]
    if not others or len(rows) == 1:
        return []
    return [
        Finding(
            code="currency_unknown",
            message=f"No rate is known for {', '.join(sorted(others)[:5])}: an invoice in it "
            "cannot be posted.",
            hint="Finance enters a rate.",
            severity=Severity.INFO,
        )
    ]


async def _language_findings(api: TrytonApi) -> list[Finding]:
    told = await api.call("model.res.user.get_preferences", True)
    language = str(told.get("language") or "en") if isinstance(told, dict) else "en"
    if language in _LANGUAGES:
        return []
    return [
        Finding(
            code="setting_wrong",
            message=f"The user of {api.name} reads Tryton in {language}; what Tryton refuses is "
            "told by English texts alone, so some refusals may be named less exactly.",
            hint="Set the language of that user to English.",
            severity=Severity.WARNING,
        )
    ]
