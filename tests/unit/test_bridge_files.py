"""Bridges read from files: good ones, and every kind of mistake with its place."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bridge_texts import ITEMS, NORDIC, SMALL, configured, problems_in, shown

from tieout.core.errors import ConfigurationError
from tieout.core.policy import FlowMode
from tieout.settings.bridge import (
    Configuration,
    bridge_schema,
    load_bridge,
    read_bridge,
    sources,
    summary,
    table_text,
)
from tieout.settings.problems import Problem, render_problems
from tieout.settings.yaml_file import Located, parse_yaml


def never(seconds: float) -> None:
    raise AssertionError(f"nothing here waits, and {seconds} s were asked for")


def project(folder: Path, text: str | bytes, **tables: str | bytes) -> Path:
    (folder / "tables").mkdir()
    for name, content in (
        ("tieout.yaml", text),
        *((f"tables/{n}.csv", t) for n, t in tables.items()),
    ):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


# --- good ----------------------------------------------------------------------------------------


def test_a_folder_becomes_a_configuration(tmp_path: Path) -> None:
    found = load_bridge(project(tmp_path, NORDIC, items=ITEMS), sleep=never)
    assert isinstance(found, Configuration)
    assert (found.name, found.crm, found.books) == (
        "nordic",
        "salesforce-prod",
        ("visma-se", "visma-no"),
    )
    assert found.body == NORDIC
    assert found.tables == {"items": ITEMS}
    assert found.values["items"].get("CONS") == "100"
    # 014 is a code: the zero belongs to it.
    assert found.values["payment_terms"].get("Net 14") == "014"
    assert found.model.flows.documents.approve_above == Decimal(100000)
    assert found.model.flows.status.every == 60
    assert found.model.brakes.clock_offset == 1800
    assert summary(found) == "1 bridge, 4 flows, 5 fields"


def test_what_is_stored_gives_the_same_configuration_again(tmp_path: Path) -> None:
    found = load_bridge(project(tmp_path, NORDIC, items=ITEMS), sleep=never)
    assert isinstance(found, Configuration)
    stored = json.loads(json.dumps(dict(found.tables)))
    assert Configuration.from_stored(found.body, stored) == found
    rows = Configuration.from_stored(
        found.body, {"items": {"CONS": "100", "Montage plus": "MON-2"}}
    )
    assert rows.digest == found.digest


def test_a_stored_text_that_is_not_understood_is_refused_with_its_places() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_stored("bridge: x\ncrm: y\n", {})
    assert "tieout.yaml" in caught.value.message
    assert "books" in caught.value.message


def test_without_tables_and_flows_the_defaults_count(tmp_path: Path) -> None:
    (tmp_path / "tieout.yaml").write_text(SMALL)
    found = load_bridge(tmp_path, sleep=never)
    assert isinstance(found, Configuration)
    assert found.model.flows.documents.mode is FlowMode.APPROVE
    assert found.values == {}


def test_a_heading_with_comments_only_is_as_good_as_none() -> None:
    text = SMALL + "flows:\n  customers:\n    # mode: off\nmapping:\n  customer:\ntables:\n"
    assert configured(text, {}).digest == configured(SMALL, {}).digest


def test_rows_of_a_table_survive_its_text() -> None:
    rows = {"Montage, plus": 'M"2', "a;b": "c", "x": "y"}
    found = configured(SMALL, {"odd": table_text(rows)})
    assert dict(found.values["odd"].rows) == rows


def test_the_schema_takes_what_we_take_and_refuses_what_we_refuse() -> None:
    schema = bridge_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)

    def plain(text: str) -> Any:
        tree = parse_yaml(text, file="tieout.yaml")
        assert isinstance(tree, Located)
        return json.loads(json.dumps(tree.data(), default=lambda number: int(number * 100) / 100))

    assert list(checker.iter_errors(plain(NORDIC))) == []
    assert list(checker.iter_errors(plain(SMALL + "mapping:\n  customer:\ntables:\n"))) == []
    assert list(checker.iter_errors(plain(NORDIC.replace("approve_above", "approve_abov"))))
    assert list(checker.iter_errors(plain(NORDIC.replace("every: 1m", "every: 1 minute"))))


def test_every_key_is_described() -> None:
    schema = bridge_schema()

    def undescribed(node: Any, name: str) -> list[str]:
        found = []
        if isinstance(node, dict):
            for key, value in node.get("properties", {}).items():
                if "description" not in value:
                    found.append(f"{name}.{key}")
            for key, value in node.items():
                found += undescribed(value, f"{name}.{key}")
        elif isinstance(node, list):
            for item in node:
                found += undescribed(item, name)
        return found

    assert undescribed(schema, "") == []


# --- wrong, each mistake with its place ----------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "approve_above",
            "approve_abov",
            'tieout.yaml:15:5 unknown_key "approve_abov": did you mean approve_above?',
        ),
        (
            "mode: approve",
            "mode: aprove",
            'tieout.yaml:14:11 not_allowed "aprove" is not among the words allowed here. '
            "Did you mean approve?",
        ),
        (
            "[SEK, EUR]",
            "[SEK, eur]",
            'tieout.yaml:7:21 value_wrong "eur" is no currency: three capital letters such as SEK.',
        ),
        (
            "approve_above: 100000",
            "approve_above: much",
            'tieout.yaml:15:20 wrong_type a number belongs here, not "much".',
        ),
        (
            "every: 1m",
            "every: 1 minute",
            'tieout.yaml:16:42 value_wrong "1 minute" is no duration: 30s, 5m, 1h or 1d.',
        ),
        (
            "bridge: nordic",
            "bridge: our bridge",
            'tieout.yaml:2:9 value_wrong "our bridge" is no name: letters of a to z, digits, '
            '".", "_" and "-", at most 63.',
        ),
        (
            "when: deal.won and deal.Signed__c",
            "when: deal.amount + 1",
            "tieout.yaml:12:11 not_a_rule this is never true or false. Compare it with something, "
            "as in deal.stage == 'Signed'.",
        ),
        (
            "when: deal.won and deal.Signed__c",
            "when: deal.won and (deal.Signed__c",
            'tieout.yaml:12:24 expression the "(" is never closed',
        ),
        (
            "when: account.BillingCountryCode == 'SE'",
            "when:",
            "tieout.yaml:6:10 missing_value a value is missing here. "
            "Write it, or take the key out.",
        ),
        (
            "values: items",
            "values: itemz",
            'tieout.yaml:26:53 unknown_table there is no table "itemz". Did you mean items? '
            "Else make tables/itemz.csv, or name it under tables.",
        ),
        (
            "email: account.Invoice_Email__c",
            "email: account.Invoice_Email__c | lookup('nope')",
            'tieout.yaml:22:12 unknown_table there is no table "nope". '
            "Make tables/nope.csv, or name it under tables.",
        ),
        (
            "email: account.Invoice_Email__c",
            "email: acount.Invoice_Email__c",
            'tieout.yaml:22:12 unknown_field "acount" is not known here. Did you mean account?',
        ),
        (
            "email: account.Invoice_Email__c",
            "email: deal.Invoice_Email__c",
            'tieout.yaml:22:12 unknown_field "deal" is not known here. '
            "There are: account, customer.",
        ),
        (
            "email: account.Invoice_Email__c",
            "email: account.billing.contry",
            "tieout.yaml:22:28 unknown_field not a part of account.billing. Did you mean country?",
        ),
        (
            "email: account.Invoice_Email__c",
            "email: account",
            "tieout.yaml:22:12 unknown_field account is a record, not a value. "
            "Say which field, as in account.name.",
        ),
        (
            "contact.name",
            "contact.Phne",
            "tieout.yaml:24:29 unknown_field Phne is not read of contacts. Did you mean phone?",
        ),
        (
            "contact.name | default('', true)",
            "contact.name | uper",
            'tieout.yaml:24:36 expression there is no filter "uper" Did you mean upper?',
        ),
        (
            "  document:\n    your",
            "  document:\n    addresses: deal.x\n    your",
            'tieout.yaml:24:5 unknown_key there is no key "addresses" here. There are: '
            "buyer_reference, delivered_on, our_reference, po_number, terms, your_reference.",
        ),
        (
            "    email:",
            "    terms: account.x\n    email:",
            "tieout.yaml:21:5 duplicate_key payment_terms and terms are the same. "
            "Keep one of them.",
        ),
        (
            "connection: visma-no",
            "connection: visma-se",
            "tieout.yaml:8:17 connection_twice visma-se stands here twice. "
            "Join both rules with or.",
        ),
        (
            "connection: visma-no",
            "connection: salesforce-prod",
            "tieout.yaml:8:17 connection_twice salesforce-prod is the CRM of this bridge already. "
            "Name the connection to the books.",
        ),
        (
            "    when: account.BillingCountryCode == 'SE'\n",
            "",
            "tieout.yaml:7:5 rule_unreachable no deal ever comes here: visma-se takes all of them. "
            "Say when a deal goes to visma-se, or put it last.",
        ),
        (
            "alert: finance}",
            'alert: finance}\nalerts: {finance: "mailto://finance@example.com"}',
            'tieout.yaml:18:1 unknown_key there is no key "alerts" here. Nobody is told by mail or '
            "chat: exit codes and tieout status say what is wrong, and flows.reconcile.alert names "
            "whose exception it is.",
        ),
        (
            'payment_terms: {"Net 30"',
            'items: {"CONS": "7"}\n  payment_terms: {"Net 30"',
            'tieout.yaml:30:11 table_duplicate "CONS" stands in tables/items.csv already.',
        ),
        (
            "match: [external_id, tax_number]",
            "match: [external_id, external_id]",
            'tieout.yaml:10:56 value_wrong "external_id" stands here twice.',
        ),
        (
            "approve_above: 100000",
            "approve_above: 100.000,00",
            'tieout.yaml:15:20 wrong_type a number belongs here, not "100.000,00". Write it as '
            "50000.00.",
        ),
        (
            "approve_above: 100000",
            "approve_above: 100000000000000000000000",
            "tieout.yaml:15:20 value_wrong at most 20 digits are allowed.",
        ),
        (
            "approve_above: 100000",
            "approve_above: nan",
            "tieout.yaml:15:20 value_wrong a number with an end belongs here.",
        ),
        (
            "connection: visma-no",
            "currency: [NOK]",
            "tieout.yaml:8:5 missing_key the key connection is missing here.",
        ),
    ],
)
def test_a_mistake_is_shown_with_its_place(old: str, new: str, expected: str) -> None:
    text = NORDIC.replace(old, new, 1)
    assert text != NORDIC
    assert shown(text, {"items": ITEMS}) == [expected]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_files() -> None:
    text = (
        NORDIC.replace("approve_above", "approve_abov")
        .replace("values: items", "values: itemz")
        .replace("deal.Signed__c", "del.Signed__c")
        .replace("bridge: nordic\n", "")
    )
    found = problems_in(text, {"items": "from,to\nA,\nB,1\nB,2\n"})
    assert [(problem.file, problem.line, problem.code) for problem in found] == [
        ("tables/items.csv", 2, "table_row"),
        ("tables/items.csv", 4, "table_duplicate"),
        ("tieout.yaml", 2, "missing_key"),
        ("tieout.yaml", 11, "unknown_field"),
        ("tieout.yaml", 14, "unknown_key"),
        ("tieout.yaml", 25, "unknown_table"),
    ]
    unknown = next(problem for problem in found if problem.code == "unknown_key")
    assert (unknown.key, unknown.value) == (("flows", "documents", "approve_abov"), "approve_abov")


def test_a_table_that_is_wrong_is_not_also_missing() -> None:
    found = problems_in(NORDIC, {"items": "from,too\nA,B\n"})
    assert {problem.file for problem in found} == {"tables/items.csv"}


def test_a_table_in_an_old_encoding_is_named_with_line_and_byte(tmp_path: Path) -> None:
    data = "from,to\nMontage på,MON\n".encode("latin-1")
    found = load_bridge(project(tmp_path, NORDIC, items=data), sleep=never)
    assert isinstance(found, list)
    assert render_problems(found) == (
        "tables/items.csv:2:10 not_utf8  byte 18 is not UTF-8; the file is probably "
        "Latin-1 or Windows-1252. Save it as UTF-8."
    )


def test_problems_are_shown_with_the_lines_of_their_files(tmp_path: Path) -> None:
    text = NORDIC.replace("contact.name", "contact.nam")
    folder = project(tmp_path, text, items=ITEMS, old=b"from,to\n\xe5,b\n", bad="from,to\n,b\n")
    found = load_bridge(folder, sleep=never)
    assert isinstance(found, list)
    texts = sources(folder, [*found, Problem(code="x", file="gone.csv", message="x")])
    assert set(texts) == {"tieout.yaml", "tables/bad.csv"}
    assert "  24 |     your_reference: contact.nam" in render_problems(found, texts)


def test_a_table_that_is_a_folder_is_a_problem(tmp_path: Path) -> None:
    folder = project(tmp_path, SMALL)
    (folder / "tables" / "items.csv").mkdir()
    found = load_bridge(folder, sleep=never)
    assert isinstance(found, list)
    assert [(problem.file, problem.code) for problem in found] == [
        ("tables/items.csv", "file_unreadable")
    ]


def test_a_half_written_file_is_read_again(tmp_path: Path) -> None:
    folder = project(tmp_path, NORDIC[:-20], items=ITEMS)
    slept: list[float] = []

    def editor_finishes(seconds: float) -> None:
        slept.append(seconds)
        (folder / "tieout.yaml").write_text(NORDIC)

    assert isinstance(load_bridge(folder, sleep=editor_finishes), Configuration)
    assert slept == [2.0]


def test_a_file_that_stays_cut_off_is_said_so(tmp_path: Path) -> None:
    found = load_bridge(project(tmp_path, NORDIC[:-20], items=b""), sleep=lambda _seconds: None)
    assert isinstance(found, list)
    assert [problem.code for problem in found] == ["table_header", "file_cut_off"]


def test_no_file_at_all(tmp_path: Path) -> None:
    found = load_bridge(tmp_path, sleep=never)
    assert found == [
        Problem(code="file_missing", file="tieout.yaml", message="there is no such file")
    ]


@pytest.mark.parametrize("text", ["", "just words", "[1, 2]", "bridge: x\nbooks: 5\n", "flows: []"])
def test_what_is_no_bridge_at_all_is_a_problem_and_no_crash(text: str) -> None:
    found = read_bridge(text, {})
    assert isinstance(found, list)
    assert found
    assert all(problem.message for problem in found)


def test_only_fields_that_hold_several_entries_are_added_to() -> None:
    rule = "mapping:\n  customer:\n    {}: {{from: account.X__c, mode: append}}\n"
    assert configured(SMALL + rule.format("phone")).model.mapping.customer.phone is not None
    (problem,) = problems_in(SMALL + rule.format("language"))
    assert (problem.key[-1], problem.value) == ("mode", "append")
