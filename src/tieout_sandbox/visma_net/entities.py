"""What is stored, read past the API: every resource as the vendor shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from tieout_sandbox.visma_net import (
    contacts,
    customers,
    dimensions,
    documents,
    items,
    lookups,
    order_views,
    payments,
    projects,
    shipments,
    views,
)
from tieout_sandbox.visma_net.company import Company, day_text
from tieout_sandbox.visma_net.lists import Present
from tieout_sandbox.visma_net.tables import Record, Table

Reader = Callable[[], Iterable[Record]]
_PRESENT: dict[str, Present] = {
    "customer": customers.present,
    "contact": contacts.contact_row,
    "location": contacts.location_row,
    "inventory": items.present,
    "customersalesprice": items.price_row,
    "customerdocument": views.customer_document,
    "shipment": shipments.present,
    "vat": lookups.vat,
    "vatcategory": lookups.vat_category,
    "creditterm": lookups.term,
    "currencyrate": lookups.rate,
    "subaccount": dimensions.subaccount,
    "project": projects.present,
    "projecttask": projects.task,
    "financialperiod": lookups.period,
    "numbersequence": lookups.series,
    "discount": lookups.discount,
}
_KINDS = {
    "customerinvoice": documents.SHOWN_AS["Invoice"],
    "customercreditnote": documents.SHOWN_AS["CreditNote"],
    "customerdebitnote": documents.SHOWN_AS["DebitNote"],
}


def readers(company: Company) -> Mapping[str, Reader]:
    """Every entity by its name."""
    found: dict[str, Reader] = {}
    for name, table in company.tables().items():
        found[name] = _reader(company, table, _presenting(name))
    for name, types in _KINDS.items():
        found[name] = _documents(company, types, views.full)
    found["customerpayment"] = _documents(company, payments.TYPES, views.payment)
    found["ledgerbatch"] = lambda: _batches(company)
    found["accountbalance"] = lambda: _balances(company)
    return found


def _presenting(name: str) -> Present:
    if name == "salesorder":
        return _order
    return _PRESENT.get(name, lookups.own)


def _order(company: Company, record: Record) -> Record:
    found: Record = order_views.full(company, record, order_views.EXPANDS)
    found["orderLines"] = [order_views.line(company, record, one) for one in record["_lines"]]
    return found


def _reader(company: Company, table: Table, present: Present) -> Reader:
    def read() -> Iterator[Record]:
        for record, gone in table.everything():
            shown = present(company, record)
            yield {**shown, "_deleted": True} if gone else shown

    return read


def _documents(company: Company, types: frozenset[str], present: Present) -> Reader:
    def read() -> Iterator[Record]:
        for record, gone in company.documents.everything():
            if record["documentType"] in types:
                shown = present(company, record)
                yield {**shown, "_deleted": True} if gone else shown

    return read


def _batches(company: Company) -> Iterator[Record]:
    for batch in company.ledger.batches:
        yield {
            "date": day_text(batch["day"]),
            "period": batch["period"],
            "source": batch["source"],
            "entries": [
                {"account": account, "amount": amount} for account, amount, *_ in batch["entries"]
            ],
        }


def _balances(company: Company) -> Iterator[Record]:
    for account in company.accounts:
        number = account["accountCD"]
        yield {"account": number, "balance": company.ledger.balance(number)}
