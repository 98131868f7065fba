"""The check of a connection: everything that would fail later, each by its name. Writes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tieout.connectors.http.clocks import clock_findings
from tieout.connectors.webcrm.api import WebcrmApi
from tieout.connectors.webcrm.countries import country_code
from tieout.connectors.webcrm.feed import Feed
from tieout.connectors.webcrm.invoice_reading import InvoiceReader
from tieout.connectors.webcrm.invoice_rows import KEY_LENGTH
from tieout.connectors.webcrm.invoices import field_missing
from tieout.connectors.webcrm.reading import Reader
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.standing import Standings
from tieout.connectors.webcrm.system import place_on, unknown_field
from tieout.connectors.webcrm.translate import currency_code
from tieout.connectors.webcrm.values import text_at
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.finding import Finding, Severity
from tieout.ports import Clock

# So many organisations are looked through for names of countries.
_COUNTRY_PAGES = 4
_READ = ("Opportunities", "Deliveries", "Organisations", "Persons", "QuotationLines", "Users")


class Checker:
    """Asks a system for all that the connection will need."""

    def __init__(
        self,
        api: WebcrmApi,
        feed: Feed,
        reader: Reader,
        standings: Standings,
        settings: WebcrmSettings,
        clock: Clock,
        company: Callable[[], Awaitable[object]],
        invoices: InvoiceReader,
    ) -> None:
        self._invoices = invoices
        self._api = api
        self._feed = feed
        self._reader = reader
        self._standings = standings
        self._settings = settings
        self._clock = clock
        self._company = company

    async def run(self) -> list[Finding]:
        """All findings at once. Raises only where webCRM cannot be asked now."""
        found = [_setting(problem) for problem in self._settings.problems()]
        if found:
            return found
        self._api.forget()
        try:
            await self._company()
            found.extend(await self._rights())
            if found:
                return found
            found.extend(await self._configured())
            found.extend(await self._standings.problems())
            found.extend(await self._scripts())
            found.extend(await self._countries())
            found.extend(await self._currencies())
            found.extend(self._lineage())
            found.extend(await self._key_column())
            found.extend(await self._invoice_fields())
            now, theirs = self._clock.now(), self._api.vendor_time
            found.extend(clock_findings(now, theirs, "webCRM's"))
        except ConnectionBrokenError as error:
            found.append(Finding(code=error.code, message=error.message, hint=error.hint))
        except TransientError as error:
            if error.code != "quota_used":
                raise
            found.append(Finding(code=error.code, message=error.message, hint=error.hint))
        return found

    async def _rights(self) -> list[Finding]:
        """One row of each list that is read; what the token may not read is told by its name."""
        found: list[Finding] = []
        more = ("Products",) if self._settings.invoice.key else ()
        for resource in (*_READ, *more):
            try:
                await self._api.page(f"/{resource}", 1, 1)
            except ConnectionBrokenError as error:
                if error.code == "sign_in_withdrawn" and found:
                    raise
                found.append(
                    Finding(
                        code="rights_missing",
                        message=f"The application token may not read {resource}.",
                        hint="Give the token that right in webCRM: Configuration, Integration, "
                        "API, REST.",
                        place=resource,
                        values={"vendor_message": error.message},
                    )
                )
        return found

    async def _configured(self) -> list[Finding]:
        """Fields that the settings name and the system lacks: the value would just stay empty."""
        account, deal = self._settings.account, self._settings.deal
        named = {
            "Organisation": (
                account.number,
                account.org_number,
                account.vat_number,
                account.terms,
                account.invoice_email,
                account.currency,
                account.language,
                account.tax_group,
                account.credit_stop,
                account.reference_required,
            ),
            "Delivery": (deal.po_number, deal.buyer_reference, deal.delivered_on),
            "Person": (self._settings.contact_role,),
        }
        found: list[Finding] = []
        for kind, names in named.items():
            fields = await self._reader.fields(kind)
            for name in names:
                place = place_on(kind, name) if kind == "Delivery" and name else name
                if name and not fields.has(place):
                    finding = unknown_field(name, fields)
                    found.append(
                        Finding(
                            code=finding.code,
                            message=f"{finding.message} Its value stays empty.",
                            hint=finding.hint,
                            severity=Severity.WARNING,
                            place=name,
                            values=finding.values,
                        )
                    )
        return found

    async def _scripts(self) -> list[Finding]:
        """Whether `/Queries` is there: without it changes are found by whole lists."""
        await self._feed.named("Organisation", "OrganisationName", "-")
        if not self._feed.refused:
            return []
        return [
            Finding(
                code="scripts_refused",
                message=f"webCRM takes no scripts at /Queries: {self._feed.refused} Changes are "
                "found by reading whole lists, which takes a call for each thousand records.",
                hint="Set changes to lists to ask no more, or let webCRM's support switch it on.",
                severity=Severity.WARNING,
                place="changes",
            )
        ]

    async def _countries(self) -> list[Finding]:
        """Names of countries on organisations that nobody knows, each with one example."""
        unknown: dict[str, str] = {}
        for number in range(1, _COUNTRY_PAGES + 1):
            rows = await self._api.page("/Organisations", number, 1000)
            for row in rows:
                name = text_at(row, "OrganisationCountry")
                if name and not country_code(name, self._settings.countries):
                    unknown.setdefault(name, text_at(row, "OrganisationName"))
            if len(rows) < 1000:
                break
        return [
            Finding(
                code="country_unknown",
                message=f'"{name}" is no country that is known here (for example on {example}), '
                "so such addresses count as incomplete.",
                hint=f'Say which it is: --set "countries.{name}=DK", or correct it there.',
                severity=Severity.WARNING,
                place="OrganisationCountry",
                values={"country": name},
            )
            for name, example in sorted(unknown.items())
        ]

    async def _currencies(self) -> list[Finding]:
        """Whether deals without a currency have one, and names that are no codes."""
        rows = [
            (kind, row)
            for kind, resource in (("Delivery", "Deliveries"), ("Opportunity", "Opportunities"))
            for row in await self._api.page(f"/{resource}", 1, 200)
        ]
        names = {text_at(row, f"{kind}CurrencyName") for kind, row in rows}
        found = [
            Finding(
                code="currency_unknown",
                message=f'Deals are in "{name}", which is no code of a currency.',
                hint=f'Say which it is: --set "currencies.{name}=DKK".',
                place="currencies",
            )
            for name in sorted(names)
            if name not in ("", "00") and not _is_code(currency_code(self._settings, name))
        ]
        if not self._settings.currency and names & {"", "00"}:
            found.append(
                Finding(
                    code="currency_unknown",
                    message="There are deals without a currency; they are held.",
                    hint="Set currency of this connection to the one that is meant, such as DKK.",
                    severity=Severity.WARNING,
                    place="currency",
                )
            )
        return found

    async def _key_column(self) -> list[Finding]:
        """Whether the column of the catalogue that carries our key is used."""
        column = self._settings.line.key
        if not column:
            return []
        setup = await self._api.catalogue_setup()
        if setup.get(f"QuotationLineLinkedSetupUseLinkedField{column.removeprefix('Data')}"):
            return []
        return [
            Finding(
                code="field_missing",
                message=f"The catalogue does not use the column {column}, which is to carry our "
                "key, so no item of the books can be made there.",
                hint="Switch the column on in webCRM's setup of quotation lines, or name another "
                "one: line.key.",
                place="line.key",
            )
        ]

    async def _invoice_fields(self) -> list[Finding]:
        """Whether the fields of products that show invoices are there."""
        if not self._settings.invoice.key:
            return []
        form = await self._invoices.form()
        found = [field_missing(word, name) for word, name in form.missing().items()]
        key = form.field(self._settings.invoice.key)
        if key.length and key.length < KEY_LENGTH:
            found.append(
                Finding(
                    code="field_missing",
                    message=f"{key.name} has room for {key.length} characters; our key on a row of "
                    f"an invoice needs {KEY_LENGTH}.",
                    hint="Make the field longer in webCRM, or name another one: invoice.key.",
                    place=key.name,
                )
            )
        if not form.told:
            found.append(
                Finding(
                    code="fields_not_told",
                    message="webCRM does not tell which custom fields of products are switched on, "
                    "so those of invoice.* cannot be checked; each write is read again.",
                    hint="Look in webCRM's configuration whether they are there, with 50 "
                    "characters each.",
                    severity=Severity.WARNING,
                    place="invoice",
                )
            )
        return found

    def _lineage(self) -> list[Finding]:
        """Where opportunities are invoiced, what they become has to be known again."""
        settings = self._settings
        if settings.won not in ("level", "flag", "ready"):
            return []
        marks = (
            settings.delivery_standing.get("books_id"),
            settings.opportunity_standing.get("books_id"),
        )
        if marks == ("DeliveryErpId", "OpportunityErpId"):
            return []
        return [
            Finding(
                code="lineage_unproven",
                message="Opportunities become documents here, and ErpId is not ours to write: "
                "should a conversion give a deal a new number, it would be another deal.",
                hint="Leave delivery_standing.books_id and opportunity_standing.books_id as they "
                "are by default.",
                place="delivery_standing.books_id",
            )
        ]


def _is_code(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


def _setting(problem: str) -> Finding:
    return Finding(code="configuration", message=problem, hint="Correct the connection's settings.")
