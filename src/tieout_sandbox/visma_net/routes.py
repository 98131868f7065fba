"""Which path of the ERP host is answered by what. Paths are found without regard to case, and
under the old host's prefixes too."""

from __future__ import annotations

from dataclasses import dataclass

from tieout_sandbox.visma_net import (
    attachments,
    contacts,
    customers,
    dimensions,
    document_calls,
    items,
    lookups,
    payment_calls,
    projects,
    shipments,
)
from tieout_sandbox.visma_net.call import Handler
from tieout_sandbox.visma_net.documents import CREDIT_NOTE, DEBIT_NOTE, INVOICE, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and path with what answers it. `collection`: with a wrong company it is an empty
    list."""

    method: str
    template: str
    handler: Handler
    collection: bool = False

    @property
    def action(self) -> bool:
        """Whether it is an action, whose scope is not known."""
        return "/action/" in self.template


def _get(template: str, handler: Handler, *, collection: bool = False) -> Route:
    return Route(method="GET", template=template, handler=handler, collection=collection)


def _list(template: str, handler: Handler) -> Route:
    return _get(template, handler, collection=True)


def _post(template: str, handler: Handler) -> Route:
    return Route(method="POST", template=template, handler=handler)


def _put(template: str, handler: Handler) -> Route:
    return Route(method="PUT", template=template, handler=handler)


def routes() -> list[Route]:
    """Every route of the ERP host, but background requests."""
    return [
        *_customers(),
        *_documents(INVOICE),
        *_documents(CREDIT_NOTE),
        *_documents(DEBIT_NOTE),
        *_invoices(),
        *_payments(),
        *_items(),
        *_money(),
        *_dimensions(),
        *_projects(),
        *_company(),
        *_orders(),
    ]


def _customers() -> list[Route]:
    one, internal = "/v1/customer/{customerCd}", "/v1/customer/internal/{internalId}"
    number = "/v1/customer/{customerNumber}"
    return [
        _list("/v1/customer", customers.listing),
        _post("/v1/customer", customers.create),
        _get(one, customers.single),
        _put(one, customers.change),
        _get(internal, customers.single_internal),
        _put(internal, customers.change_internal),
        _post("/v1/customer/action/changeCustomerCd/{internalId}", customers.renumber_call),
        _post("/v1/customer/{customer}/action/createDunningLetter", document_calls.dunning_call),
        _list(f"{one}/contact", contacts.listing),
        _get(f"{one}/balance", customers.balance),
        _get(f"{one}/note", customers.note),
        _list(f"{one}/directdebit", document_calls.nothing),
        _list(f"{number}/document", document_calls.documents_of_customer),
        _list(f"{number}/invoice", document_calls.of_customer(INVOICE)),
        _list("/v1/customer/balance", customers.balances),
        _list("/v2/customer/balance", customers.balances_v2),
        _list("/v1/customer/customerClass", customers.classes),
        _get("/v1/customer/customerClass/{customerClassId}", customers.one_class),
        _list("/v1/contact", contacts.listing),
        _post("/v1/contact", contacts.create),
        _get("/v1/contact/{contactId}", contacts.single),
        _put("/v1/contact/{contactId}", contacts.change),
        _list("/v1/location", contacts.locations),
        _post("/v1/location", contacts.create_location),
        _list("/v1/location/{bAccountId}", contacts.locations),
        _get("/v1/location/{bAccountId}/{locationId}", contacts.location),
        _put("/v1/location/{bAccountId}/{locationId}", contacts.change_location),
        _list("/v1/customerpaymentmethod", lookups.customer_payment_methods),
        _list("/v1/customerpaymentmethod/{customerId}", lookups.customer_payment_methods),
    ]


_NAMES = {
    "Invoice": "invoiceNumber",
    "CreditNote": "creditNoteNumber",
    "DebitNote": "debitNoteNumber",
}


def _documents(kind: Kind) -> list[Route]:
    base = f"/v1/{kind.path}"
    one = f"{base}/{{{_NAMES[kind.type]}}}"
    found = [
        _list(base, document_calls.listing(kind)),
        _post(base, document_calls.create(kind, "v1")),
        _get(one, document_calls.single(kind)),
        _put(one, document_calls.change(kind)),
        _get(f"{one}/print", document_calls.print_call(kind)),
        _post(f"{one}/attachment", attachments.attach(kind)),
        _post(f"{one}/{{lineNumber}}/attachment", attachments.attach(kind)),
        _post(f"{one}/action/release", document_calls.release_call(kind)),
        _post(f"{one}/action/sendToAutoInvoice", document_calls.send_call(kind)),
    ]
    if kind is not DEBIT_NOTE:
        found.append(_post(f"/v2/{kind.path}", document_calls.create(kind, "v2")))
        delete = document_calls.delete(kind)
        found.append(Route(method="DELETE", template=one, handler=delete))
    return found


def _invoices() -> list[Route]:
    one = "/v1/customerinvoice/{invoiceNumber}"
    return [
        _list("/v1/customerdocument", document_calls.every_document),
        _list("/v1/customerinvoice/worktypes", document_calls.nothing),
        _get(f"{one}/rotrut", document_calls.domestic_services),
        _post(f"{one}/action/reverse", document_calls.reverse_call(False)),
        _post(f"{one}/action/reverseandapplytonote", document_calls.reverse_call(True)),
        _post(f"{one}/action/correct", document_calls.correct_call),
        _get("/v1/attachment/{attachmentId}", attachments.download),
        _put("/v1/attachment/{attachmentId}", attachments.mark),
    ]


def _payments() -> list[Route]:
    one = "/v1/customerPayment/{paymentNumber}"
    return [
        _list("/v1/customerPayment", payment_calls.listing),
        _post("/v1/customerPayment", payment_calls.create),
        _get(one, payment_calls.single),
        _put(one, payment_calls.change),
        _post(f"{one}/action/release", payment_calls.release_call),
        _post(f"{one}/action/void", payment_calls.void_call),
    ]


def _items() -> list[Route]:
    one, internal = "/v1/inventory/{inventoryNumber}", "/v1/inventory/internal/{inventoryId}"
    price = "/v1/customerSalesPrice"
    units = lookups.table_list(lambda company: company.units, lookups.own)
    return [
        _list("/v1/inventory", items.listing),
        _post("/v1/inventory", items.create),
        _get(one, items.single),
        _put(one, items.change),
        _get(internal, items.single_internal),
        _put(internal, items.change_internal),
        _list(f"{one}/crossReferences", items.cross_references),
        _list("/v1/inventory/itemClass", items.classes),
        _get("/v1/inventory/itemclass/{itemClassNumber}", items.one_class),
        _list("/v1/inventory/itemPostClass", items.posting_classes),
        _post("/v1/inventory/{inventoryCd}/action/updateCost", items.update_cost),
        _post("/v1/inventory/action/changeInventoryNbr/{internalId}", items.renumber_call),
        _list(price, items.prices),
        _post(price, items.create_price),
        _get(f"{price}/{{recordId}}", items.price),
        _put(f"{price}/{{recordId}}", items.change_price),
        _list("/v1/unitofmeasure", units),
        _list("/v1/discount", lookups.discounts),
    ]


def _money() -> list[Route]:
    table, one = lookups.table_list, lookups.table_one
    return [
        _list("/v1/vat", table(lambda company: company.vats, lookups.vat)),
        _get("/v1/vat/{vatId}", one(lambda company: company.vats, lookups.vat)),
        _list(
            "/v1/vatCategory", table(lambda company: company.vat_categories, lookups.vat_category)
        ),
        _get(
            "/v1/vatCategory/{taxCategoryId}",
            one(lambda company: company.vat_categories, lookups.vat_category),
        ),
        _list("/v1/vatZone", table(lambda company: company.vat_zones, lookups.vat_zone)),
        _get("/v1/vatZone/{vatZoneId}", one(lambda company: company.vat_zones, lookups.vat_zone)),
        _list("/v1/creditTerm", lookups.terms),
        _list("/v1/currency", table(lambda company: company.currencies, lookups.own)),
        _get("/v1/currency/{curyId}", one(lambda company: company.currencies, lookups.own)),
        _list("/v2/currencyrate", lookups.rates),
        _post("/v2/currencyrate", lookups.create_rate),
        _put("/v2/currencyrate/{currencyRateId}", lookups.change_rate),
        _list("/v2/currencyratetype", table(lambda company: company.rate_types, lookups.own)),
        _list("/v1/financialPeriod", lookups.periods),
        _get(
            "/v1/financialPeriod/{financialPeriodId}",
            one(lambda company: company.periods, lookups.period),
        ),
        _list("/v1/account", table(lambda company: company.accounts, lookups.ledger_account)),
        _get(
            "/v1/account/{accountCd}",
            one(lambda company: company.accounts, lookups.ledger_account, version=True),
        ),
        _list("/v1/paymentmethod", table(lambda company: company.payment_methods, lookups.own)),
        _get(
            "/v1/paymentmethod/{paymentMethodNumber}",
            one(lambda company: company.payment_methods, lookups.own),
        ),
        _list(
            "/v1/cashaccount", table(lambda company: company.cash_accounts, lookups.cash_account)
        ),
        _get(
            "/v1/cashaccount/{accountNumber}",
            one(lambda company: company.cash_accounts, lookups.cash_account),
        ),
    ]


def _dimensions() -> list[Route]:
    one = "/v1/dimension/{dimensionId}/{segmentId}"
    return [
        _list("/v1/dimension", dimensions.dimension_names),
        _get("/v1/dimension/{dimensionId}", dimensions.dimension),
        _get(one, dimensions.segment),
        _put(one, dimensions.change_segment),
        _get(f"{one}/{{valueId}}", dimensions.segment_value),
        _list("/v1/subaccount", dimensions.subaccount_list),
        _post("/v1/subaccount", dimensions.create_subaccount),
        _get("/v1/subaccount/{subAccountNumber}", dimensions.subaccount_one),
        _put("/v1/subaccount/{subAccountNumber}", dimensions.change_subaccount),
    ]


def _projects() -> list[Route]:
    one, internal = "/v1/project/{projectId}", "/v1/project/internal/{internalId}"
    departments = lookups.table_list(lambda company: company.departments, lookups.department)
    department = lookups.table_one(
        lambda company: company.departments, lookups.department, version=True
    )
    return [
        _list("/v1/project", projects.listing),
        _post("/v1/project", projects.create),
        _get(one, projects.single),
        _put(one, projects.change),
        _get(internal, projects.single_internal),
        _put(internal, projects.change_internal),
        _post("/v1/project/action/changeProjectId/{internalId}", projects.renumber_call),
        _list("/v1/projecttask", projects.tasks),
        _get("/v1/projecttask/{internalId}", projects.one_task),
        _list("/v1/department", departments),
        _post("/v1/department", lookups.create_department),
        _get("/v1/department/{departmentId}", department),
    ]


def _company() -> list[Route]:
    table, one = lookups.table_list, lookups.table_one
    people = table(lambda company: company.salespeople, lookups.salesperson, how="enveloped")
    return [
        _list("/v1/organization", lookups.organizations),
        _get("/v1/organization/{organizationNumber}", lookups.organization_one),
        _list("/v1/branch", lookups.branches),
        _get("/v1/branch/{branchNumber}", lookups.branch_one),
        _list("/v1/numberSequence", table(lambda company: company.series, lookups.series)),
        _get(
            "/v1/numberSequence/{numberingId}", one(lambda company: company.series, lookups.series)
        ),
        _list("/v1/country", table(lambda company: company.countries, lookups.own)),
        _get("/v1/country/{countryId}", one(lambda company: company.countries, lookups.own)),
        _list("/v1/salesperson", people),
        _get(
            "/v1/salesperson/{salespersonCd}",
            one(lambda company: company.salespeople, lookups.salesperson),
        ),
        _post("/v1/webhooknotificationfeedback", lookups.feedback),
    ]


def _orders() -> list[Route]:
    types = lookups.table_list(lambda company: company.order_types, lookups.own, how="paged")
    return [
        _list("/v1/salesordertype", types),
        _get(
            "/v1/salesordertype/{orderType}",
            lookups.table_one(lambda company: company.order_types, lookups.own),
        ),
        _post("/v1/salesorder/{saleOrderNumber}/action/createShipment", shipments.create_call),
        _post("/v2/salesorder/{saleOrderNumber}/action/createShipment", shipments.create_call),
        _post(
            "/v2/salesorder/{orderType}/{orderNumber}/action/prepareInvoice",
            shipments.invoice_call,
        ),
        _list("/v1/shipment", shipments.listing),
        _get("/v1/shipment/{shipmentNbr}", shipments.single),
        _post("/v1/shipment/{shipmentNumber}/action/confirmShipment", shipments.confirm_call),
    ]


class Router:
    """Finds the route of a path."""

    def __init__(self) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], Route]]] = {}
        for route in routes():
            parts = tuple(route.template.strip("/").split("/"))
            self._by_length.setdefault(len(parts), []).append((parts, route))
        # A fixed part goes before an id in the same place.
        for found in self._by_length.values():
            found.sort(key=lambda pair: [part.startswith("{") for part in pair[0]])

    def find(
        self, method: str, segments: tuple[str, ...]
    ) -> tuple[Route | None, tuple[str, ...], str | None]:
        """The route, the ids in the path, and the template; the template alone where the path
        exists without this method, nothing where it does not exist."""
        template: str | None = None
        for parts, route in self._by_length.get(len(segments), ()):
            ids = _match(parts, segments)
            if ids is None:
                continue
            template = template or route.template
            if route.method == method:
                return route, ids, route.template
        return None, (), template


def _match(parts: tuple[str, ...], segments: tuple[str, ...]) -> tuple[str, ...] | None:
    ids = []
    for part, segment in zip(parts, segments, strict=True):
        if part.startswith("{"):
            ids.append(segment)
        elif part.lower() != segment.lower():
            return None
    return tuple(ids)
