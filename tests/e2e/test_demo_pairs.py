"""`tieout demo --pair CRM-BOOKS`: the same story, told in other systems' words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from support.demo_runs import processes_of, readme_commands, run, type_in
from tieout.cli.demo_crms import crm_named, pair_named
from tieout.services import demo as making
from tieout.services.usage import UsedWronglyError


@pytest.mark.slow
def test_a_whole_demo_over_webcrm_and_visma_net_explains_itself_to_the_cent(tmp_path: Path) -> None:
    done = run(tmp_path, "demo", "--pair", "webcrm-visma_net")
    assert done.returncode == 0, done.stderr + done.stdout
    heads = [line for line in done.stdout.splitlines() if "/7 " in line[:4]]
    names = [line[4:12].strip() for line in heads]
    assert names == ["start", "plan", "apply", "again", "books", "status", "tie out"]
    assert "nothing to write" in heads[3]
    assert "records of webCRM brought up to date" in heads[5]
    assert "unexplained 0.00" in heads[6]
    for sentence in (
        "320 organisations, ",
        "Visma.net   7 customers, ",
        "as predicted",
        '"Montage plus" in ',  # an item without a code
        '"45: 45 dage" of ',  # terms that no table has
        "has the tax number of customers ",  # somebody is there twice
        "is not a possible number",  # a wrong VAT number
        "takes NOK, ",  # a currency that these books do not take
        "without its reference",  # a public buyer
        "open from 1 ",  # a closed period
        "after its invoice was booked",
        "NOK net",
        "Explained to the cent.",
    ):
        assert sentence in done.stdout, sentence
    assert "Salesforce" not in done.stdout
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    page = (tmp_path / "demo" / "tie-out.html").read_text(encoding="utf-8")
    assert "Open items agree with the list and with the control account." in page
    assert processes_of(tmp_path) == []
    readme = (tmp_path / "demo" / "README.md").read_text(encoding="utf-8")
    assert "Made by `tieout demo --pair webcrm-visma_net`" in readme
    ended, _ = readme_commands(tmp_path / "demo")
    for words in ended:
        typed = type_in(tmp_path / "demo", words)
        assert typed.returncode == 0, (words, typed.stdout, typed.stderr)


@pytest.mark.parametrize("pair", ["webcrm", "webcrm-", "-visma_net", ""])
def test_a_pair_needs_both_its_names(pair: str) -> None:
    with pytest.raises(UsedWronglyError, match="named by its CRM and its books"):
        pair_named(pair)


def test_the_names_of_a_pair_may_have_lines_below() -> None:
    assert pair_named("webcrm-visma_net") == ("webcrm", "visma_net")
    assert pair_named("salesforce-visma_eaccounting") == ("salesforce", "visma_eaccounting")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("hubspot-tryton", "There is no CRM hubspot for a demo; there are salesforce and webcrm."),
        (
            "webcrm-xero",
            "There are no books xero for a demo; there are visma_eaccounting, visma_net",
        ),
    ],
)
def test_a_system_that_no_demo_has(tmp_path: Path, pair: str, message: str) -> None:
    done = run(tmp_path, "demo", "--pair", pair, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_the_table_of_terms_is_in_the_words_of_the_crm(tmp_path: Path) -> None:
    crm = crm_named("webcrm").texts
    with making.demo_project(
        tmp_path / "demo", date(2026, 11, 25), making.VISMA_NET, crm
    ) as project:
        terms = (project.root / "tables" / "terms.csv").read_text(encoding="utf-8")
        configuration = project.file.read_text(encoding="utf-8")
    assert "\n30: 30 dage,30,\n" in terms
    assert "Net " not in terms
    assert "crm: webcrm-demo\n" in configuration
    assert "connection: visma-net-demo\n" in configuration
