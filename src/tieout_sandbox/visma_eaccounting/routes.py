"""Every path of the API with its scopes, its module and its handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import (
    articles,
    customers,
    drafts,
    extras,
    invoices,
    lookups,
    orders,
    price_lists,
)
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call

Handler = Callable[[Books, Call], Response]

SALES = "ea:sales"
ACCOUNTING = "ea:accounting"
PURCHASE = "ea:purchase"
ALL = (SALES, ACCOUNTING, PURCHASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation. `scopes`: any one of them will do."""

    method: str
    template: str
    handler: Handler
    scopes: frozenset[str]
    module: str | None = None


def _routes() -> list[Route]:
    found: list[Route] = []

    def add(
        method: str,
        path: str,
        handler: Handler,
        families: tuple[str, ...] = (SALES,),
        module: str | None = None,
    ) -> None:
        scopes = set(families)
        if method == "GET":
            scopes |= {f"{family}_readonly" for family in families}
        found.append(
            Route(
                method=method,
                template=f"/v2/{path}",
                handler=handler,
                scopes=frozenset(scopes),
                module=module,
            )
        )

    add("GET", "companysettings", lookups.settings)
    add("PUT", "companysettings", lookups.put_settings)
    add("GET", "customers", customers.listing)
    add("POST", "customers", customers.create)
    add("GET", "customers/{id}", customers.one)
    add("PUT", "customers/{id}", customers.replace)
    add("DELETE", "customers/{id}", customers.delete)
    add("GET", "customers/{id}/autoinvoicerecipients", lookups.empty_list("autoinvoicerecipients"))
    add("GET", "articles", articles.listing)
    add("POST", "articles", articles.create)
    add("GET", "articles/{id}", articles.one)
    add("PUT", "articles/{id}", articles.replace)
    for name in ("articlelabels", "customerlabels", "deliverymethods", "deliveryterms"):
        add("GET", name, lookups.empty_list(name))
    add("GET", "discountagreements", lookups.empty_list("discountagreements"))
    add("GET", "salespricelists", lookups.table_list("salespricelists"))
    add("GET", "salespricelists/prices/{id}", price_lists.rows)
    add("GET", "salespricelists/{id}", lookups.table_one("salespricelists"))
    _reference(add)
    _documents(add)
    _extras(add)
    return found


def _reference(add: Callable[..., None]) -> None:
    add("GET", "units", lookups.table_list("units"))
    add("GET", "units/{id}", lookups.table_one("units"))
    codings = "articleaccountcodings"
    add("GET", codings, lookups.table_list(codings, lookups.coding))
    add("GET", f"{codings}/{{id}}", lookups.table_one(codings, lookups.coding))
    add("GET", "vatcodes", lookups.table_list("vatcodes"), (ACCOUNTING,))
    add("GET", "vatcodes/{id}", lookups.table_one("vatcodes"), (ACCOUNTING,))
    add("GET", "vatcodesrates", lookups.vat_code_rates, (ACCOUNTING,))
    sides = (SALES, PURCHASE)
    add("GET", "termsofpayments", lookups.table_list("termsofpayments"), sides)
    add("GET", "termsofpayments/{id}", lookups.table_one("termsofpayments"), sides)
    add("GET", "currencies", lookups.currencies, sides)
    add("GET", "currencies/exchangerate", lookups.exchange_rate, sides)
    add("GET", "countries", lookups.countries)
    add("GET", "countries/{id}", lookups.country)
    books = (SALES, ACCOUNTING)
    add("GET", "costcenters", lookups.table_list("costcenters", lookups.cost_center), books)
    add("GET", "costcenteritems/{id}", lookups.table_one("costcenteritems"), books)
    add("POST", "costcenteritems", lookups.create_cost_center_item, books)
    add("PUT", "costcenteritems/{id}", lookups.replace_cost_center_item, books)
    add("GET", "projects", lookups.table_list("projects", lookups.project), ALL)
    add("GET", "projects/{id}", lookups.table_one("projects", lookups.project), ALL)
    add("POST", "projects", lookups.create_project, (ACCOUNTING,))
    add("PUT", "projects/{id}", lookups.replace_project, (ACCOUNTING,))
    add("GET", "fiscalyears", lookups.table_list("fiscalyears"), books)
    add("GET", "fiscalyears/{id}", lookups.table_one("fiscalyears"), books)
    add("GET", "bankaccounts", lookups.table_list("bankaccounts"), (PURCHASE,))
    add("GET", "bankaccounts/{id}", lookups.table_one("bankaccounts"), (PURCHASE,))
    add("GET", "accounts", lookups.accounts, (ACCOUNTING,))
    add("GET", "accounts/{id}", lookups.accounts, (ACCOUNTING,))
    add("GET", "accountbalances/{date}", lookups.balances, (ACCOUNTING,))
    add("GET", "accountbalances/{accountNumber}/{date}", lookups.balance, (ACCOUNTING,))
    add("GET", "vouchers", lookups.table_list("vouchers", lookups.voucher), (ACCOUNTING,))
    add("GET", "vouchers/{id}", lookups.vouchers_of_year, (ACCOUNTING,))
    add("GET", "vouchers/{id}/{id}", lookups.voucher_of_year, (ACCOUNTING,))
    add("GET", "users", lookups.users, ALL)


def _documents(add: Callable[..., None]) -> None:
    draft = "customerinvoicedrafts"
    add("GET", draft, drafts.listing)
    add("POST", draft, drafts.create)
    add("GET", f"{draft}/{{id}}", drafts.one)
    add("PUT", f"{draft}/{{id}}", drafts.replace)
    add("DELETE", f"{draft}/{{id}}", drafts.delete)
    add("POST", f"{draft}/{{id}}/convert", drafts.convert_call)
    invoice = "customerinvoices"
    add("GET", invoice, invoices.listing)
    add("POST", invoice, invoices.create)
    add("GET", f"{invoice}/{{id}}", invoices.one)
    add("POST", f"{invoice}/{{id}}/void", invoices.void_call)
    add("POST", f"{invoice}/{{id}}/payments", invoices.pay_call)
    add("POST", f"{invoice}/{{id}}/email", extras.email)
    add("POST", f"{invoice}/{{id}}/einvoice", extras.send_electronically)
    add("POST", f"{invoice}/{{id}}/paymentreminders", extras.remind_call)
    add("GET", f"{invoice}/{{id}}/pdf", extras.pdf_address)
    add("GET", f"{invoice}/{{id}}/print", extras.print_invoice)
    module = "sales_standard"
    add("GET", "orders", orders.listing, (SALES,), module)
    add("POST", "orders", orders.create, (SALES,), module)
    add("GET", "orders/{id}", orders.one, (SALES,), module)
    add("PUT", "orders/{id}", orders.replace, (SALES,), module)
    add("DELETE", "orders/{id}", orders.delete, (SALES,), module)
    add("POST", "orders/{id}/completed", orders.complete, (SALES,), module)
    add("POST", "orders/{id}/voided", orders.take_back, (SALES,), module)
    add("POST", "orders/{id}/converteddrafttoorder", orders.open_draft, (SALES,), module)
    add("POST", "orders/{id}/convert", orders.convert, (SALES,), module)


def _extras(add: Callable[..., None]) -> None:
    item = "customerledgeritems"
    add("GET", item, extras.ledger_items)
    add("POST", item, extras.create_ledger_item)
    add("GET", f"{item}/{{id}}", extras.ledger_item)
    everyone = (*ALL, *(f"{family}_readonly" for family in ALL))
    add("GET", "notes", extras.notes, ALL)
    add("POST", "notes", extras.create_note, everyone)
    add("GET", "notes/{id}", extras.note, ALL)
    add("PUT", "notes/{id}", extras.replace_note, everyone)
    add("GET", "messagethreads", lookups.table_list("messagethreads"), ALL)
    add("GET", "messagethreads/{id}", lookups.table_one("messagethreads"), ALL)
    add("POST", "messagethreads", extras.create_thread, everyone)
    link = "partnerresourcelinks"
    sides = (SALES, PURCHASE)
    add("GET", link, lookups.table_list(link), sides)
    add("GET", f"{link}/{{id}}", lookups.table_one(link), sides)
    add("POST", link, extras.create_link, sides)
    add("PUT", f"{link}/{{id}}", extras.replace_link, sides)
    add("DELETE", f"{link}/{{id}}", extras.delete_link, sides)
    attachment = "salesdocumentattachments"
    add("GET", attachment, lookups.table_list(attachment))
    add("GET", f"{attachment}/{{id}}", lookups.table_one(attachment))
    for kind in extras.DOCUMENT_TYPES:
        add("POST", f"{attachment}/{kind}", extras.attach)
        add("DELETE", f"{attachment}/{kind}/{{id}}/{{id}}", extras.detach)


class Router:
    """Finds the route of a path."""

    def __init__(self) -> None:
        self._by_shape: dict[tuple[int, str], list[tuple[tuple[str, ...], Route]]] = {}
        for route in _routes():
            parts = tuple(route.template.strip("/").split("/"))
            shape = (len(parts), parts[1])
            self._by_shape.setdefault(shape, []).append((parts, route))
        # A fixed part goes before an id in the same place.
        for routes in self._by_shape.values():
            routes.sort(key=lambda pair: [part.startswith("{") for part in pair[0]])

    def find(
        self, method: str, segments: tuple[str, ...]
    ) -> tuple[Route | None, tuple[str, ...], str | None]:
        """The route, the ids in the path, and the template; the template alone where the path
        exists without this method, three times nothing where it does not exist."""
        if len(segments) < 2 or segments[0] != "v2":
            return None, (), None
        lower = segments[1].lower()
        template: str | None = None
        for parts, route in self._by_shape.get((len(segments), lower), ()):
            ids = _match(parts, segments)
            if ids is None:
                continue
            template = template or route.template
            if route.method == method:
                return route, ids, route.template
        return None, (), template


def _match(parts: tuple[str, ...], segments: tuple[str, ...]) -> tuple[str, ...] | None:
    ids = []
    for part, segment in zip(parts[2:], segments[2:], strict=True):
        if part.startswith("{"):
            ids.append(segment)
        elif part != segment.lower():
            return None
    return tuple(ids)
