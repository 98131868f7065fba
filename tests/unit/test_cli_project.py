"""The project folder, its key and log, and the clock and ids of the running program."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from support.fakes import START, ManualClock
from tieout.bootstrap import SYSTEMS, SystemClock, UlidIds, system_named, who_acts
from tieout.cli import main
from tieout.cli.commands import connection as connection_command
from tieout.core.case import Verdict
from tieout.core.errors import BusyError, ConfigurationError
from tieout.core.finding import Finding
from tieout.services.connections import settings_for
from tieout.services.doctor import Diagnosis, Trouble, _troubles
from tieout.services.project import (
    Project,
    changing_the_key,
    find_project,
    make_key,
    make_project,
    open_log,
    read_keys,
    write_keys,
)
from tieout.services.usage import UsedWronglyError


def _made(root: Path) -> Project:
    return make_project(root, {"tieout.yaml": "bridge: x\n"})


# --- where it is ----------------------------------------------------------------------------------


def test_the_folder_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _made(tmp_path / "nordic")
    deep = project.root / "tables" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert find_project("", {}).root == project.root
    other = _made(tmp_path / "other")
    assert find_project("", {"TIEOUT_PROJECT": str(other.root)}).root == other.root
    assert find_project(str(project.root), {"TIEOUT_PROJECT": str(other.root)}) == project


def test_no_project_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsedWronglyError) as caught:
        find_project("", {})
    assert caught.value.hint == "tieout init my-company"
    with pytest.raises(UsedWronglyError):
        find_project(str(tmp_path), {})


def test_an_interrupted_start_can_be_repeated(tmp_path: Path) -> None:
    root = tmp_path / "nordic"
    (root / ".tieout").mkdir(parents=True)
    (root / "README.md").write_text("mine", encoding="utf-8")
    project = make_project(root, {"tieout.yaml": "bridge: x\n", "README.md": "ours"})
    assert (root / "README.md").read_text(encoding="utf-8") == "mine"
    with pytest.raises(UsedWronglyError):
        make_project(root, {"tieout.yaml": "bridge: y\n"})
    assert project.file.read_text(encoding="utf-8") == "bridge: x\n"


# --- the key --------------------------------------------------------------------------------------


def test_the_key_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    project = _made(tmp_path / "nordic")
    assert project.key_file.stat().st_mode & 0o777 == 0o600
    before = read_keys(project, {})
    make_key(project)
    assert read_keys(project, {}) == before
    assert len(before) == 1


def test_keys_from_the_environment_come_first(tmp_path: Path) -> None:
    project = _made(tmp_path / "nordic")
    assert read_keys(project, {"TIEOUT_KEY": "one"}) == ["one"]
    assert read_keys(project, {"TIEOUT_KEY": "one", "TIEOUT_KEYS": "new,old"}) == ["new", "old"]
    write_keys(project, ["b", "a"])
    assert read_keys(project, {}) == ["b", "a"]
    assert project.key_file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    project = _made(tmp_path / "nordic")
    project.key_file.chmod(0o640)
    with pytest.raises(ConfigurationError) as caught:
        read_keys(project, {})
    assert caught.value.code == "key_open_to_others"


def test_one_process_at_a_time_changes_the_key(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with (
        changing_the_key(project),
        pytest.raises(BusyError, match="Another process"),
        changing_the_key(project),
    ):
        pytest.fail("two change it at once")
    with changing_the_key(project):
        assert (project.ours / "key.lock").stat().st_mode & 0o077 == 0


# --- the log --------------------------------------------------------------------------------------


def test_the_log_is_json_lines(tmp_path: Path) -> None:
    log = open_log(tmp_path / "logs" / "tieout.log")
    log.info("ran", command="plan", count=3)
    log.warning("refused", code="item_no_code")
    lines = (tmp_path / "logs" / "tieout.log").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["event"] for entry in entries] == ["ran", "refused"]
    assert entries[0]["count"] == 3
    assert entries[0]["timestamp"].endswith("Z")


def test_the_log_is_its_owners_and_leads_nowhere_else(tmp_path: Path) -> None:
    open_log(tmp_path / "tieout.log").info("new")
    assert (tmp_path / "tieout.log").stat().st_mode & 0o077 == 0
    theirs = tmp_path / "of-the-system"
    theirs.write_text("theirs")
    (tmp_path / "link.log").symlink_to(theirs)
    assert open_log(tmp_path / "link.log") is None
    assert theirs.read_text() == "theirs"


def test_the_log_is_turned_when_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tieout.log"
    path.write_text("x" * 100, encoding="utf-8")
    monkeypatch.setattr("tieout.services.project.LOG_MOST", 50)
    open_log(path).info("new")
    assert (tmp_path / "tieout.log.1").read_text(encoding="utf-8") == "x" * 100
    assert path.read_text(encoding="utf-8").count("\n") == 1


# --- clock, ids, who ------------------------------------------------------------------------------


def test_ids_sort_by_time_and_never_repeat() -> None:
    clock = ManualClock()
    ids = UlidIds(clock, Random(1))
    made = [ids.new("operation") for _ in range(200)]
    clock.advance(0.001)
    made += [ids.new("operation") for _ in range(200)]
    clock.advance(-5)  # the wall clock was put back
    made += [ids.new("operation") for _ in range(200)]
    assert len(set(made)) == 600
    assert made == sorted(made)
    assert {len(each) for each in made} == {26}
    assert UlidIds(ManualClock(START), Random(1)).new("x") == made[0]
    later = UlidIds(ManualClock(START + timedelta(days=1)), Random(1)).new("x")
    assert later > made[-1]


def test_the_clocks_of_the_machine() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is not None
    first = clock.steady()
    assert 0 <= clock.steady() - first < 60_000


def test_who_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_ACTOR", "m.ek")
    assert who_acts() == "m.ek"
    assert who_acts("anna.lind") == "anna.lind"
    monkeypatch.delenv("TIEOUT_ACTOR")
    assert who_acts()


# --- systems --------------------------------------------------------------------------------------


def test_every_system_has_its_classes_and_settings() -> None:
    for system in SYSTEMS.values():
        assert system.connector_class().__name__.endswith("Connector")
        known = set(system.settings_class().__dataclass_fields__)
        assert {system.bound_as, system.api_setting, system.sign_in_setting} <= known
        for grant in system.grants:
            asked = {each.setting for each in grant.questions if each.setting}
            assert asked <= known
            assert set(grant.settings) <= known


def test_a_simulator_gives_tokens_too() -> None:
    visma = system_named("visma_eaccounting")
    made = settings_for(
        visma, visma.grant(""), base_url="http://127.0.0.1:41/", token_url="", given={}
    )
    assert made == {
        "api_url": "http://127.0.0.1:41",
        "token_url": "http://127.0.0.1:41/connect/token",
        "authorize_url": "http://127.0.0.1:41/connect/authorize",
    }
    proxied = settings_for(
        visma, visma.grant(""), base_url="https://proxy.example", token_url="", given={}
    )
    assert proxied == {"api_url": "https://proxy.example"}
    salesforce = system_named("salesforce")
    made = settings_for(
        salesforce,
        salesforce.grant("refresh"),
        base_url="",
        token_url="http://127.0.0.1:42/services/oauth2/token",
        given={},
    )
    assert made["login_url"] == "http://127.0.0.1:42"
    assert made["grant"] == "refresh"


def test_unknown_names_are_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="salesforce, webcrm, visma_eaccounting"):
        system_named("sap")
    with pytest.raises(ConfigurationError, match="jwt, refresh, client_credentials"):
        system_named("salesforce").grant("password")
    visma = system_named("visma_eaccounting")
    with pytest.raises(
        ConfigurationError, match=r"Visma eAccounting has no setting pagesize\."
    ) as no:
        settings_for(visma, visma.grant(""), base_url="", token_url="", given={"pagesize": "5"})
    assert no.value.hint.startswith("Did you mean page_size? There are api_url, authorize_url, ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"account": {"colour": "x"}}, "Salesforce has no setting account.colour."),
        ({"account": "Terms__c"}, "Salesforce: account is a group of names: account.NAME=VALUE."),
        ({"user": {"name": "x"}}, "Salesforce: user is one value, not a group of names."),
        ({"page_rows": "many"}, 'Salesforce: page_rows is a whole number, not "many".'),
    ],
)
def test_a_setting_of_the_wrong_kind_is_said_in_plain_words(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        system_named("salesforce").make_settings(given)
    assert refused.value.message == said
    with pytest.raises(ConfigurationError):
        system_named("salesforce").check_names(given)


@pytest.mark.parametrize("pairs", [["user"], ["=x"], ["account.=x"], ["user=x", "user.name=y"]])
def test_a_setting_is_a_name_and_a_value(pairs: list[str]) -> None:
    with pytest.raises(UsedWronglyError, match="--set"):
        connection_command._settings(pairs)


# --- what a bad day says --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "garbage",
        "mysql://u:hush@h/x",
        "postgresql://u:hush@h:port/x",
        "postgresql+asyncpg://u:hush@h/x",
        "postgresql://u:hush@h/x?color=red",
    ],
)
def test_an_address_that_is_no_database_is_said_without_its_password(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIEOUT_DATABASE_URL", url)
    project = _made(tmp_path / "nordic")
    assert main.run(["status", "--json", "--project", str(project.root)]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["code"] == "database_address"
    assert "hush" not in told.out + told.err


def test_what_mends_an_open_key_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = _made(tmp_path / "my books")
    project.key_file.chmod(0o644)
    assert main.run(["status", "--project", str(project.root)]) == 3
    assert capsys.readouterr().err.endswith(f"Next: chmod 600 '{project.key_file}'\n")


def test_an_area_that_is_wrong_for_one_connection_is_not_fine_for_the_next() -> None:
    found = Diagnosis()
    found.fine("sign-in")
    found.wrong("sign-in", Trouble(finding=Finding(code="sign_in_refused", message="No."), next=""))
    found.fine("sign-in")
    assert found.areas == []
    assert len(found.failures) == 1


def test_what_stops_many_deals_and_is_mended_once_is_said_once(tmp_path: Path) -> None:
    def held(number: str, currency: str, message: str, **values: str) -> Any:
        finding = Finding(code="held", message=message, hint="Mend it.", values=values)
        return SimpleNamespace(
            verdict=Verdict.HOLD, findings=(finding,), number=number, currency=currency,
            net=Decimal("100.00"), lane="nordic/documents/visma-se",
        )  # fmt: skip

    terms = {"value": "Net 45", "table": "terms"}
    decisions = [
        held("D-1", "SEK", '"Net 45" of Ek AB is not in tables/terms.csv.', **terms),
        held("D-2", "SEK", '"Net 45" of Al AB is not in tables/terms.csv.', **terms),
        held("D-3", "SEK", "D-3 would be booked 26 Nov; open from 27 Nov."),
        held("D-4", "SEK", "D-4 would be booked 26 Nov; open from 27 Nov."),
        held("D-5", "SEK", "D-5 has no lines to invoice."),
    ]
    opened: Any = SimpleNamespace(project=SimpleNamespace(tables=tmp_path))
    (tmp_path / "terms.csv").write_text("from,to\n", encoding="utf-8")
    found = _troubles(opened, decisions, {})
    assert [(each.text(), each.next) for each in found] == [
        (
            '"Net 45" is not in tables/terms.csv; stops D-1, D-2, 200.00.',
            "tables/terms.csv, line 2",
        ),
        (
            "2 deals: each would be booked 26 Nov; open from 27 Nov; stops D-3, D-4, 200.00.",
            "Mend it.",
        ),
        ("D-5 has no lines to invoice; 100.00.", "Mend it."),
    ]
    # Where the screen has several currencies, every amount says which; many are counted.
    decisions += [
        held(f"D-{n}", name, f"D-{n} would be booked 26 Nov; open from 27 Nov.")
        for n, name in ((6, "EUR"), (7, "DKK"), (8, "NOK"))
    ]
    texts = [each.text() for each in _troubles(opened, decisions, {})]
    assert texts[0].endswith("and 2 more, 200.00 SEK, 100.00 DKK and 2 more currencies.")
    assert texts[-1] == "D-5 has no lines to invoice; 100.00 SEK."


def test_a_log_whose_disk_is_full_loses_a_line_and_no_answer() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no device that is always full")
    log = open_log(Path("/dev/full"))
    assert log is not None
    log.warning("refused", code="disk_full")
