"""Bridges against the CRM's fields and against each other; differences; a new project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bridge_texts import ITEMS, NORDIC, SMALL, configured

from tieout.core.policy import FlowMode
from tieout.ports import FieldInfo, Schema
from tieout.settings.bridge import Configuration, load_bridge
from tieout.settings.check import check_fields, conflicts, invoice_problems
from tieout.settings.difference import diff
from tieout.settings.problems import render_problems
from tieout.settings.project import Created, bridge_name, project_files, write_project


def infos(*paths: str) -> tuple[FieldInfo, ...]:
    return tuple(FieldInfo(path=path) for path in paths)


SCHEMA = Schema(
    fields={
        "customer": infos(
            "BillingCountryCode", "Invoice_Email__c", "Payment_Terms__c", "Type", "Name"
        ),
        "deal": infos("Cost_Center__c", "Signed__c", "Account.Name"),
        "line": infos("line.Quantity", "line.Product2.ProductCode", "line.Product2.Name"),
    }
)


# --- what the CRM can show -----------------------------------------------------------------------


def test_invoices_are_refused_with_their_place_where_they_would_be_deals() -> None:
    text = NORDIC.replace("  status:", "  invoices: {mode: approve}\n  status:", 1)
    (found,) = invoice_problems(configured(text), "webcrm")
    assert found.code == "invoices_not_shown_there"
    assert found.key == ("flows", "invoices", "mode")
    assert found.value == "approve"
    line = next(at for at, one in enumerate(text.splitlines(), 1) if "invoices:" in one)
    assert found.place.startswith(f"tieout.yaml:{line}:")
    assert invoice_problems(configured(), "webcrm") == []


def test_invoices_want_the_fields_in_which_they_are_shown() -> None:
    text = NORDIC.replace("  status:", "  invoices: {mode: auto}\n  status:", 1)
    (found,) = invoice_problems(configured(text), "webcrm", "invoice.key")
    assert found.code == "invoice_fields_missing"
    assert "invoice.key" in found.message
    assert invoice_problems(configured(), "webcrm", "invoice.key") == []


# --- the CRM's fields ----------------------------------------------------------------------------


def test_fields_that_are_there_are_no_problem() -> None:
    assert check_fields(configured(), SCHEMA) == []


def test_a_field_that_is_not_there_is_shown_as_in_the_manual() -> None:
    text = NORDIC.replace("account.Payment_Terms__c", "account.Payment_Term__c")
    found = check_fields(configured(text), SCHEMA)
    assert render_problems(found, {"tieout.yaml": text}) == (
        "tieout.yaml:21:35 unknown_field\n"
        "  21 |     payment_terms: {from: account.Payment_Term__c, values: payment_terms, "
        "owner: books}\n"
        "     |                                   ^ not a field of Account. "
        "Did you mean Payment_Terms__c?"
    )
    assert found[0].key == ("mapping", "customer", "payment_terms")


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "hint"),
    [
        (
            "line.Product2.ProductCode",
            "line.Product2.ProductCod",
            "tieout.yaml:26:32",
            "not a field of Line.Product2.",
            "Did you mean ProductCode?",
        ),
        (
            "deal.Signed__c",
            "deal.wonn",
            "tieout.yaml:12:29",
            "not a field of Deal.",
            "Did you mean won?",
        ),
        (
            "account.Type",
            "account.TYPE",
            "tieout.yaml:13:22",
            "not a field of Account.",
            "Did you mean Type?",
        ),
        (
            "account.BillingCountryCode",
            "customer.Xyzzy",
            "tieout.yaml:6:20",
            "not a field of Customer.",
            "",
        ),
    ],
)
def test_a_missing_field_names_its_place(
    old: str, new: str, place: str, message: str, hint: str
) -> None:
    (found,) = check_fields(configured(NORDIC.replace(old, new)), SCHEMA)
    assert (found.place, found.code, found.message, found.hint) == (
        place,
        "unknown_field",
        message,
        hint,
    )


def test_what_the_schema_does_not_describe_is_not_judged() -> None:
    text = NORDIC.replace("account.Type", "account.Owner.Region__c")
    assert check_fields(configured(text), SCHEMA) == []
    assert check_fields(configured(NORDIC.replace("Signed__c", "Nothing__c")), Schema()) == []


def test_all_missing_fields_are_told_in_the_order_of_the_file() -> None:
    bare = Schema(fields={"customer": infos("Name"), "deal": infos("Name"), "line": infos("Name")})
    found = check_fields(configured(), bare)
    assert [(problem.line, problem.value) for problem in found] == [
        (6, "BillingCountryCode"),
        (12, "Signed__c"),
        (13, "Type"),
        (21, "Payment_Terms__c"),
        (22, "Invoice_Email__c"),
        (28, "Cost_Center__c"),
    ]


# --- two bridges ---------------------------------------------------------------------------------

RETAIL = """\
bridge: retail
crm: webcrm
books: [{connection: books}]
mapping: {customer: {terms: {from: account.terms, owner: crm}}}
"""
OTHER = """\
bridge: other
crm: salesforce
books: [{connection: books-2}]
flows: {documents: {mode: approve}}
mapping: {customer: {terms: {from: account.terms, owner: crm}}}
"""
COMPANIES = {"books": "tryton 1", "books-2": "tryton 1", "webcrm": "w 7", "webcrm-2": "w 7"}


def messages(*texts: str) -> list[str]:
    found = conflicts([configured(text, {}) for text in texts], COMPANIES)
    return [f"{problem.place} {problem.code} {problem.message}" for problem in found]


def test_a_field_that_two_bridges_write_is_refused_in_the_later_one() -> None:
    assert messages(RETAIL, OTHER) == [
        "tieout.yaml:1:1 written_twice books-2 customer.name, customer.kind, "
        "customer.identifiers, customer.addresses, customer.emails, customer.phones, "
        "customer.contact_name, "
        'customer.language are already written by bridge "retail".',
        "tieout.yaml:5:22 written_twice books-2 customer.terms is already written by bridge "
        '"retail".',
    ]


def test_bridges_that_leave_customers_alone_live_together() -> None:
    alone = OTHER.replace("flows: {", "flows: {customers: {mode: off}, ")
    assert messages(RETAIL, alone) == []
    assert messages(RETAIL, OTHER.replace("connection: books-2", "connection: visma-no")) == []
    assert messages(RETAIL, RETAIL) == []  # two versions of one bridge


def test_a_connection_is_read_by_one_bridge() -> None:
    alone = OTHER.replace("flows: {", "flows: {customers: {mode: off}, ")
    words = 'is read by bridge "retail"; what it reads there this one would never hear of.'
    assert messages(RETAIL, alone.replace("books-2", "books")) == [
        f"tieout.yaml:3:22 connection_shared books {words}"
    ]
    assert messages(RETAIL, alone.replace("salesforce", "webcrm").replace("books-2", "no")) == [
        f"tieout.yaml:2:6 connection_shared webcrm {words}"
    ]


def test_a_field_that_the_books_own_is_written_by_nobody_afterwards() -> None:
    owned = OTHER.replace("owner: crm", "owner: books")
    assert not any("customer.terms" in message for message in messages(RETAIL, owned))


def test_documents_meet_only_when_two_bridges_read_one_crm() -> None:
    """Also where each of them has connections of its own to the same two systems."""
    alone = OTHER.replace("flows: {", "flows: {customers: {mode: off}, ")
    same_crm = alone.replace("crm: salesforce", "crm: webcrm-2")
    assert messages(RETAIL, same_crm) == [
        'tieout.yaml:4:33 written_twice books-2 documents are already written by bridge "retail".'
    ]
    off = same_crm.replace("documents: {mode: approve}", "documents: {mode: off}")
    assert messages(RETAIL, off) == []


# --- differences ---------------------------------------------------------------------------------


def test_a_new_row_is_shown_as_in_the_manual() -> None:
    before = configured(NORDIC, {"items": "from,to\nCONS,100\n"})
    assert diff(before, configured()) == ['tables.items: + "Montage plus": MON-2']
    assert diff(configured(), before) == ['tables.items: - "Montage plus": MON-2']


def test_each_kind_of_difference_has_its_line() -> None:
    text = (
        NORDIC.replace("approve_above: 100000", "approve_above: 50000")
        .replace("mode: auto, match", "match")
        .replace("currency: [SEK, EUR]", "currency: [SEK]")
        .replace("email: account.Invoice_Email__c", "phone: account.Phone")
        .replace("owner: books", "owner: crm")
        .replace('"Net 14": 014', '"Net 14": "15"')
        .replace("threshold: 1.00", "threshold: 1.0")
        .replace("mode: approve", "mode: auto")
    )
    assert diff(configured(), configured(text)) == [
        "books.visma-se.currency: ~ [EUR, SEK] -> [SEK]",
        "flows.documents.approve_above: ~ 100000 -> 50000",
        "flows.documents.mode: ~ approve -> auto",
        "mapping.customer.email: - account.Invoice_Email__c",
        "mapping.customer.phone: + account.Phone",
        "mapping.customer.terms: ~ {from: account.Payment_Terms__c, values: payment_terms} -> "
        "{from: account.Payment_Terms__c, values: payment_terms, owner: crm}",
        'tables.payment_terms: ~ "Net 14": "014" -> "15"',
    ]


def test_books_that_come_go_or_change_places_are_shown() -> None:
    books = "[{connection: x1, when: deal.won}, {connection: x2}]"
    before = f"bridge: b\ncrm: c\nbooks: {books}\n"
    after = before.replace("x1", "x3")
    assert diff(configured(before, {}), configured(after, {})) == [
        "books: ~ [x1, x2] -> [x3, x2]",
        "books.x1.when: - deal.won",
        "books.x3.when: + deal.won",
    ]


def test_equal_meaning_has_no_difference() -> None:
    moved = NORDIC.replace("tables:\n", 'tables:\n  items: {"Montage plus": MON-2, CONS: 100}\n')
    moved = moved.replace("# The bridge of Nordljus Konsult.", "# another word")
    assert diff(configured(), configured(moved, {})) == []


# --- a new project -------------------------------------------------------------------------------


def test_a_new_project_is_a_configuration_in_shadow(tmp_path: Path) -> None:
    folder = tmp_path / "nordic"
    created = write_project(folder, project_files("nordic", crm="crm-1", books="books-1"))
    assert isinstance(created, Created)
    assert created.written == (
        "tables/items.csv",
        "tables/terms.csv",
        ".gitignore",
        "README.md",
        "tieout.yaml",
    )
    found = load_bridge(folder, sleep=lambda _seconds: None)
    assert isinstance(found, Configuration)
    assert (found.name, found.crm, found.books) == ("nordic", "crm-1", ("books-1",))
    flows = found.model.flows
    assert {flows.customers.mode, flows.documents.mode, flows.status.mode} == {FlowMode.SHADOW}
    assert (folder / "tables" / "items.csv").read_text() == "from,to,note\n"
    assert (folder / ".gitignore").read_text() == ".tieout/\n"


def test_every_line_that_is_commented_out_can_be_used(tmp_path: Path) -> None:
    """The examples in the comments are right: with all of them the file is still taken."""
    files = project_files("nordic")
    text = re.sub(
        r"(?m)^( {4})# (\w+: )", lambda found: f"{found[1]}{found[2]}", files["tieout.yaml"]
    )
    assert text.count("# ") < files["tieout.yaml"].count("# ")
    found = configured(text, {"items": ITEMS, "terms": "from,to\n"})
    mapping = found.model.mapping
    assert mapping.customer.terms is not None
    assert mapping.document.your_reference is not None
    assert mapping.document_line.item is not None
    assert found.model.books[0].when == "account.billing.country == 'SE'"
    assert found.model.flows.documents.include == "account.Type != 'Own group'"


def test_a_project_that_is_there_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "nordic"
    folder.mkdir()
    (folder / "tieout.yaml").write_text("mine")
    assert write_project(folder, project_files("nordic")) == (
        "nordic/tieout.yaml is there already. Nothing was changed. Choose another folder."
    )
    assert [path.name for path in folder.iterdir()] == ["tieout.yaml"]
    assert (folder / "tieout.yaml").read_text() == "mine"


def test_files_that_are_there_are_kept(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    created = write_project(tmp_path, project_files("nordic"))
    assert isinstance(created, Created)
    assert created.kept == ("README.md",)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("a file, not a folder")
    said = write_project(tmp_path, project_files("nordic"))
    assert isinstance(said, str)
    assert "cannot be written" in said
    assert not (tmp_path / "tieout.yaml").exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [("nordic", "nordic"), ("Nordljus AB!", "Nordljus-AB"), ("äö", "bridge"), ("a" * 80, "a" * 63)],
)
def test_a_folders_name_becomes_a_bridges(folder: str, name: str) -> None:
    assert bridge_name(folder) == name
    assert configured(project_files(folder)["tieout.yaml"], {}).name == name


def test_small_stays_small() -> None:
    """The least that is a bridge is three lines."""
    assert configured(SMALL, {}).name == "small"
