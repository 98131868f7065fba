"""Lists: paging, filters, order, selection, change stamps, lag."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from visma_support import Visma

from tieout_sandbox.visma_eaccounting import filters

KEY = "7K3Q9M2XW4TRD5AB"


@pytest.fixture
def visma() -> Visma:
    return Visma(size=120, rate_limits=False).sign_in()


def test_pages(visma: Visma) -> None:
    first = visma.get("customers")
    meta = first["Meta"]
    assert {name: meta[name] for name in meta if name != "ServerTimeUtc"} == {
        "CurrentPage": 1,
        "PageSize": 50,
        "TotalNumberOfPages": 3,
        "TotalNumberOfResults": 120,
    }
    assert meta["ServerTimeUtc"].startswith("2026-11-24T09:15:47.123")
    assert len(meta["ServerTimeUtc"]) == 28
    found = [
        one["Id"] for page in (1, 2, 3) for one in visma.get(f"customers?$page={page}")["Data"]
    ]
    assert len(set(found)) == 120
    assert visma.get("customers?$page=4")["Data"] == []
    assert len(visma.get("customers?$pagesize=1000")["Data"]) == 120
    assert visma.code("GET", "customers?$pagesize=1001") == (400, 6000)
    assert visma.code("GET", "customers?$page=0") == (400, 6000)
    visma.assume("page_size_above_limit", "capped")
    assert visma.get("customers?$pagesize=5000")["Meta"]["PageSize"] == 1000


def test_empty_list_and_unknown_parameters(visma: Visma) -> None:
    meta = visma.get("orders?$order_by=Number&$top=1")["Meta"]
    assert (meta["TotalNumberOfPages"], meta["TotalNumberOfResults"]) == (1, 0)


def test_order_and_selection(visma: Visma) -> None:
    rows = visma.get("customers?$orderby=Name%20desc&$select=Name,CustomerNumber&$pagesize=200")
    names = [row["Name"] for row in rows["Data"]]
    assert names == sorted(names, reverse=True)
    assert set(rows["Data"][0]) == {"Name", "CustomerNumber"}
    assert visma.code("GET", "customers?$orderby=Nome") == (400, 6000)
    assert visma.code("GET", "customers?$select=Nome") == (400, 6000)


def test_filters_on_customers(visma: Visma) -> None:
    (one,) = visma.find("customers", "CustomerNumber eq '1005'")
    assert visma.find("customers", f"Id eq {one['Id']}")
    some = visma.find("customers", "CustomerNumber eq '1005' or CustomerNumber eq '1007'")
    assert [row["CustomerNumber"] for row in some] == ["1005", "1007"]
    none = visma.find("customers", "CustomerNumber eq '1005' and IsActive eq false")
    assert none == []
    rest = visma.find("customers", "not (CustomerNumber eq '1005')", "&$pagesize=200")
    assert len(rest) == 119
    starts = visma.find("customers", "startswith(CustomerNumber,'101')")
    assert {row["CustomerNumber"] for row in starts} == {str(1010 + n) for n in range(10)}
    ends = visma.find("customers", "endswith(Name,'1 AB')", "&$pagesize=200")
    assert ends
    assert all(row["Name"].endswith("1 AB") for row in ends)
    visma.customer(Name="O'Brien & Co", CustomerNumber="9")
    assert len(visma.find("customers", "Name eq 'O''Brien & Co'")) == 1
    assert len(visma.find("customers", "Name eq 'o''brien & co'")) == 1
    visma.assume("filter_ignores_case", False)
    assert visma.find("customers", "Name eq 'o''brien & co'") == []


@pytest.mark.parametrize(
    ("filter_", "code"),
    [
        ("CustomerNumber = '1'", 6000),
        ("CustomerNumber eq", 6000),
        ("CustomerNumber eq 1005 foo", 6000),
        ("Telephone eq '1'", 6000),
        ("ChangedUtc ge 2026-13-01T00:00:00Z", 6001),
        ("Rows/any(c: contains(c/Text,'abc'))", 6000),
    ],
)
def test_bad_filters(visma: Visma, filter_: str, code: int) -> None:
    answer = visma.call("GET", f"customers?$filter={quote(filter_)}")
    assert (answer.status, answer.json()["ErrorCode"]) == (400, code)


@pytest.mark.parametrize(
    ("filter_", "good"),
    [
        ("CustomerNumber eq 1005", False),
        ("IsActive eq 'true'", False),
        ("IsActive eq true", True),
        ("Id eq '3c0f1111-7a52-4b0e-9d6e-aaaaaaaa0417'", False),
        ("Id eq 3c0f1111-7a52-4b0e-9d6e-aaaaaaaa0417", True),
        ("Name eq 3c0f1111-7a52-4b0e-9d6e-aaaaaaaa0417", False),
        ("ChangedUtc ge '2026-11-24T09:10:00Z'", False),
        ("ChangedUtc ge 2026-11-24", True),
        ("ChangedUtc ge 2026-11-24T09:10:00.1234567Z", True),
        ("contains(IsActive,'t')", False),
        ("VatNumber eq null", True),
        ("VatNumber gt null", False),
    ],
)
def test_literals_are_quoted_as_their_property_wants(
    visma: Visma, filter_: str, good: bool
) -> None:
    path = f"customers?$filter={quote(filter_)}"
    if good:
        visma.get(path)
    else:
        assert visma.code("GET", path) == (400, 6000)
    visma.assume("strict_literals", False)
    visma.get(path)


def test_filterable_properties_are_a_switch(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    visma.draft(customer, OurReference=f"Sara Ek ref {KEY}")
    filter_ = f"contains(OurReference,'{KEY}')"
    assert len(visma.find("customerinvoicedrafts", filter_)) == 1
    visma.assume("filterable.customerinvoicedrafts", ["CustomerId"])
    path = f"customerinvoicedrafts?$filter={quote(filter_)}"
    assert visma.code("GET", path) == (400, 6000)
    assert len(visma.find("customerinvoicedrafts", f"CustomerId eq {customer}")) == 1
    visma.assume("unsupported_filter", "ignored")
    assert visma.get(path)["Meta"]["TotalNumberOfResults"] > 1


@pytest.mark.parametrize(
    ("reference", "asked", "found"),
    [
        (f"Sara Ek ref {KEY}", KEY, True),
        (f"Sara{KEY}Ek", KEY, True),
        (f"x{KEY}", KEY.lower(), True),
        (f"Sara Ek ref {KEY}", KEY[:15] + "X", False),
        (f"Sara Ek ref {KEY}", f"ref {KEY}", True),
        (f"Sara Ek ref {KEY}", f"rex {KEY}", False),
        (f"Sara Ek ref {KEY}", KEY[3:9], True),
        (f"A{KEY}BC", f"{KEY}B", True),
        (f"A{KEY}BC", f"{KEY}C", False),
    ],
)
def test_contains_with_and_without_index(
    visma: Visma, reference: str, asked: str, found: bool
) -> None:
    customer = visma.customer()["Id"]
    visma.draft(customer, OurReference=reference)
    visma.draft(customer, OurReference="Sara Ek ref 0000000000000000")
    hits = visma.find("customerinvoicedrafts", f"contains(OurReference,'{asked}')")
    assert [hit["OurReference"] for hit in hits] == ([reference] if found else [])


def test_rows_lambda_on_drafts_and_invoices(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    text = {"IsTextRow": True, "Text": f"Ref {KEY}", "ReversedConstructionServicesVatFree": False}
    draft = visma.draft(customer, visma.row(), text)
    by_article = visma.find(
        "customerinvoicedrafts",
        f"Rows/any(r: r/ArticleNumber eq 'KAFFE-K3') and CustomerId eq {customer}",
    )
    assert [one["Id"] for one in by_article] == [draft["Id"]]
    invoice = visma.good("POST", f"customerinvoicedrafts/{draft['Id']}/convert")
    for asked in (KEY, KEY[:10]):
        hits = visma.find("customerinvoices", f"Rows/any(c: contains(c/Text,'{asked}'))")
        assert [one["Id"] for one in hits] == [invoice["Id"]]


def test_modified_since_and_stamp_filters(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    before = visma.get("customerinvoices")["Meta"]["ServerTimeUtc"]
    visma.pass_time(minutes=5)
    made = visma.booked(customer)
    since = visma.get(f"customerinvoices?modifiedSinceUtc={before}")["Data"]
    assert made["Id"] in [one["Id"] for one in since]
    later = visma.get("customerinvoices?modifiedSinceUtc=2026-11-24T09:20:00Z")["Data"]
    assert [one["Id"] for one in later] == [made["Id"]]
    same = visma.find("customerinvoices", f"ModifiedUtc ge {made['ModifiedUtc']}")
    assert [one["Id"] for one in same] == [made["Id"]]
    assert visma.find("customerinvoices", f"ModifiedUtc gt {made['ModifiedUtc']}") == []
    both = (
        f"customerinvoices?modifiedSinceUtc=2026-11-24T09:20:00Z&$filter=CustomerId eq {customer}"
    )
    assert len(visma.get(quote(both, safe="?=&$:/"))["Data"]) == 1
    assert visma.code("GET", "customerinvoices?modifiedSinceUtc=soon") == (400, 6001)
    visma.pass_time(minutes=5)
    visma.act("pay", invoice=made["InvoiceNumber"], amount=1)
    moved = visma.get("customerinvoices?modifiedSinceUtc=2026-11-24T09:25:00Z")["Data"]
    assert [one["Id"] for one in moved] == [made["Id"]]


def test_whether_a_payment_moves_the_stamp_is_a_switch(visma: Visma) -> None:
    visma.assume("payment_moves_modified", False)
    made = visma.booked(visma.customer()["Id"])
    visma.pass_time(minutes=5)
    visma.act("pay", invoice=made["InvoiceNumber"], amount=1)
    after = visma.invoice(made["Id"])
    assert after["ModifiedUtc"] == made["ModifiedUtc"]
    assert after["RemainingAmountInvoiceCurrency"] == made["RemainingAmountInvoiceCurrency"] - 1


def test_open_invoices_by_filter(visma: Visma) -> None:
    every = visma.get("customerinvoices?$pagesize=1000")["Data"]
    still = visma.find("customerinvoices", "RemainingAmountInvoiceCurrency ne 0", "&$pagesize=1000")
    expected = [one["Id"] for one in every if one["RemainingAmountInvoiceCurrency"]]
    assert [one["Id"] for one in still] == expected
    assert 0 < len(expected) < len(every)
    paid = visma.find("customerinvoices", "PaymentStatus eq 0", "&$pagesize=1000")
    assert len(paid) + len(still) == len(every)


def test_a_property_is_compared_with_another_of_its_kind(visma: Visma) -> None:
    """The vendor's own filter for documents of which nothing is paid."""
    customer = visma.customer()["Id"]
    untouched, part, credit = (
        visma.booked(customer),
        visma.booked(customer),
        visma.booked(customer, IsCreditInvoice=True),
    )
    visma.act("pay", invoice=part["InvoiceNumber"], amount=1)
    remaining, total = "RemainingAmountInvoiceCurrency", "TotalAmountInvoiceCurrency"
    same, turned = f"{remaining} eq {total}", f"{remaining} eq -{total}"
    of_customer = f"CustomerId eq {customer} and "

    def found(text: str) -> set[str]:
        return {one["Id"] for one in visma.find("customerinvoices", of_customer + f"({text})")}

    assert found(f"{turned} or {same}") == {untouched["Id"], credit["Id"]}
    assert found(f"not ({turned} or {same})") == {part["Id"]}
    assert found(f"{remaining} lt {total}") == {part["Id"]}
    for wrong in (f"{remaining} eq CurrencyCode", f"{remaining} eq Nope", "Id eq -CustomerId"):
        path = f"customerinvoices?$filter={quote(wrong)}"
        assert visma.code("GET", path) == (400, 6000), wrong


@pytest.mark.parametrize("name", ["VatSpecification", "Rows", "CreditedBy", "Nope"])
def test_lists_go_by_properties_that_have_an_order(visma: Visma, name: str) -> None:
    assert visma.code("GET", f"customerinvoices?$orderby={name}") == (400, 6000)


def test_a_filter_may_not_be_endless(visma: Visma) -> None:
    filter_ = quote("not " * 3000 + "IsActive eq true")
    assert visma.code("GET", f"customers?$filter={filter_}") == (400, 6000)


@pytest.mark.parametrize("page", ["NaN", "Infinity", "1e999999", "1.5", "-1", "9" * 5000, "²"])
def test_pages_are_whole_numbers(visma: Visma, page: str) -> None:
    for name in ("$page", "$pagesize"):
        assert visma.code("GET", f"customers?{name}={quote(page)}") == (400, 6000)


@pytest.mark.parametrize(
    "filter_",
    ["tolower(Name) eq 'x'", "Name eq 'x", "Name eq", "Id eq 'x'", "Name eq 5", "Name = 'x'", ")"],
)
def test_a_refused_filter_is_told_in_words_of_the_protocol(visma: Visma, filter_: str) -> None:
    answer = visma.call("GET", f"customers?$filter={quote(filter_)}").json()
    told = answer["DeveloperErrorMessage"]
    assert told.endswith(f" in '{filter_}'.")
    assert not any(word in told for word in ("Token(", "Decimal(", "terminal", "parser"))


def test_search_lag_hides_writes_from_lists_only(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    known = visma.draft(customer, OurReference="first")
    fault = {"kind": "search_lag", "seconds": 30, "path": "/v2/customerinvoicedrafts*", "times": 2}
    visma.send("POST", "/_sandbox/faults", fault | {"method": "POST"})
    visma.send("POST", "/_sandbox/faults", fault | {"method": "PUT"})
    hidden = visma.draft(customer, OurReference=f"ref {KEY}")
    visma.good(
        "PUT",
        f"customerinvoicedrafts/{known['Id']}",
        visma.draft_body(customer, OurReference="second"),
    )
    by_key = f"contains(OurReference,'{KEY}')"
    by_customer = f"CustomerId eq {customer}"
    assert visma.find("customerinvoicedrafts", by_key) == []
    (old,) = visma.find("customerinvoicedrafts", by_customer)
    assert old["OurReference"] == "first"
    assert visma.get(f"customerinvoicedrafts/{hidden['Id']}")["OurReference"] == f"ref {KEY}"
    visma.pass_time(seconds=31)
    assert len(visma.find("customerinvoicedrafts", by_key)) == 1
    found = visma.find("customerinvoicedrafts", by_customer)
    assert [one["OurReference"] for one in found] == ["second", f"ref {KEY}"]


def test_index_and_plain_search_agree(visma: Visma) -> None:
    """Whatever an index narrows down to, a search through everything finds the same."""
    books = visma.sim.books

    def get(record: dict[str, Any], path: str) -> Any:
        return record.get(path)

    some = next(iter(books.invoices.records.values()))
    for text in (
        f"CustomerId eq {some['CustomerId']}",
        f"InvoiceNumber eq {some['InvoiceNumber']} or InvoiceNumber eq 1003",
        "RemainingAmountInvoiceCurrency ne 0 and TotalAmount gt 3000.5",
        f"ModifiedUtc ge {some['ModifiedUtc']} and IsCreditInvoice eq false",
        "OurReference eq 'Sara Ek' and RemainingAmountInvoiceCurrency eq 0",
        "InvoiceDate ge 2026-11-01 and InvoiceDate lt 2026-11-20",
    ):
        node = filters.parse(text)
        plain = [
            record["Id"]
            for record in books.invoices.records.values()
            if filters.test(node, record, get, True)
        ]
        found = visma.find("customerinvoices", text, "&$pagesize=1000")
        assert [one["Id"] for one in found] == plain, text
        assert plain, text


def test_stamps_are_unique_and_in_order(visma: Visma) -> None:
    stamps = [visma.customer(Name=f"K {n}")["ChangedUtc"] for n in range(30)]
    assert stamps == sorted(set(stamps))
    assert visma.get("customers?$pagesize=1")["Meta"]["ServerTimeUtc"] >= stamps[-1]


def test_numbers_keep_their_scale(visma: Visma) -> None:
    answer = visma.call("GET", "articles?$filter=Number%20eq%20'KONS-1'")
    assert b'"NetPrice":1095.00' in answer.body
    assert answer.json()["Data"][0]["GrossPrice"] == Decimal("1368.75")
