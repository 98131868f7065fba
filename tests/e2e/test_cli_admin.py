"""From an empty folder to a published configuration, over served simulators."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_kit import Answer, Program, Simulator, browse, open_folder, served

from support.database import database
from tieout.cli.commands import connection

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def salesforce() -> Iterator[Simulator]:
    with served("salesforce", "--size", "12", "--with-package") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def visma() -> Iterator[Simulator]:
    with served("visma_eaccounting", "--rate-limits", "off") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIEOUT_TEST_NOT_DURABLE", "1")
    monkeypatch.setenv("TIEOUT_ACTOR", "anna.lind")
    for name in ("TIEOUT_PROJECT", "TIEOUT_DATABASE_URL", "TIEOUT_KEY", "TIEOUT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", (tmp_path / "nothing").open("w+"))
    monkeypatch.setattr(connection, "_launch", browse)


@pytest.fixture
def bare(
    home: Path,
    capsys: Capture,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    worker_id: str,
) -> Iterator[Program]:
    """A project without connections, on a server that runs already."""
    name = request.node.name.partition("[")[0].removeprefix("test_")[:40]
    maker = Program(home, capsys)
    answer = maker("init", name)
    assert answer.code == 0, answer.err
    with database(f"admin_{worker_id}") as url:
        monkeypatch.setenv("TIEOUT_DATABASE_URL", url)
        yield Program(home / name, capsys)


@pytest.fixture
def project(
    bare: Program, salesforce: Simulator, visma: Simulator, monkeypatch: pytest.MonkeyPatch
) -> Program:
    """A project with both connections."""
    salesforce.reset()
    visma.reset()
    for answer in (
        _add_salesforce(bare, salesforce, monkeypatch),
        _add_visma(bare, visma, monkeypatch),
    ):
        assert answer.code == 0, answer.err + answer.out
    return bare


def _add_salesforce(
    program: Program, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, *more: str
) -> Answer:
    known = simulator.credentials
    monkeypatch.setenv("SF_KEY", known["private_key"])
    return program(
        *("connection", "add", "salesforce", "--client-id", known["client_id"]),
        *("--user", known["username"], "--secret-env", "SF_KEY"),
        *("--base-url", simulator.base_url, "--set", "currency=SEK", *more),
    )


def _add_visma(
    program: Program, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, *more: str
) -> Answer:
    known = simulator.credentials
    monkeypatch.setenv("VISMA_SECRET", known["client_secret"])
    return program(
        *("connection", "add", "visma_eaccounting", "--client-id", known["client_id"]),
        *("--secret-env", "VISMA_SECRET", "--base-url", simulator.base_url, *more),
    )


# --- the way in -----------------------------------------------------------------------------------


def test_from_nothing_to_a_published_configuration(
    home: Path,
    capsys: Capture,
    salesforce: Simulator,
    visma: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    salesforce.reset()
    visma.reset()
    made = Program(home, capsys)("init", "nordic")
    assert made.code == 0
    assert made.out.startswith("Created nordic/: tieout.yaml, tables/, .tieout/ (")
    assert made.err == (
        "Nothing is sent before you publish. Next: cd nordic && tieout connection add\n"
    )
    key = home / "nordic" / ".tieout" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    program = Program(home / "nordic", capsys)

    empty = program("connection", "list")
    assert (empty.code, empty.out) == (0, "There are no connections yet.\n")

    crm = _add_salesforce(program, salesforce, monkeypatch)
    assert crm.code == 0
    assert crm.out.splitlines()[0].startswith("salesforce  Nordljus Konsult, SEK, as integration@")
    assert "  ok    deals" in crm.out
    assert crm.err.endswith("Stored, encrypted. Next: tieout connection add\n")

    books = _add_visma(program, visma, monkeypatch, "--json")
    told = books.object
    assert told["schema"] == "tieout.connection_add/1"
    assert told["data"]["connection"] == "visma_eaccounting"
    assert told["data"]["company"]["currency"] == "SEK"
    assert told["next"] == ["tieout config validate"]
    assert "/connect/authorize?" in books.err

    listed = program("connection", "list", "--json").object["data"]
    assert [(row["name"], row["state"]) for row in listed["items"]] == [
        ("salesforce", "ok"),
        ("visma_eaccounting", "ok"),
    ]
    valid = program("config", "validate")
    assert (valid.code, valid.out) == (
        0,
        "tieout.yaml is valid: 1 bridge, 4 flows, 0 fields.\n",
    )
    published = program("config", "publish", "-m", "first version")
    assert published.code == 0
    assert published.out.startswith("v1 in force, anna.lind, ")
    again = program("config", "publish", "--json").object
    assert again["data"] == {"version": 1, "changed": False}
    verified = program("log", "verify")
    assert verified.code == 0
    assert ", unbroken since " in verified.out
    stored = b"".join(
        path.read_bytes() for path in (home / "nordic").rglob("*.log") if path.is_file()
    )
    for secret in (visma.credentials["client_secret"], "BEGIN PRIVATE", "BEGIN RSA"):
        assert secret.encode() not in stored


def test_a_second_init_changes_nothing(bare: Program, capsys: Capture) -> None:
    before = bare.text()
    answer = Program(bare.folder.parent, capsys)("init", bare.folder.name, "--json")
    assert answer.code == 2
    assert answer.object["error"]["code"] == "project_exists"
    assert bare.text() == before


@pytest.mark.parametrize("name", ["", "  ", "file", "file/below"])
def test_init_of_a_folder_that_cannot_be_changes_nothing(
    name: str, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    answer = Program(tmp_path, capsys)("init", name, "--json")
    code = "folder_unwritable" if name.strip() else "usage"
    assert (answer.code, answer.object["error"]["code"]) == (3 if "/" in name else 2, code)
    assert not [*tmp_path.rglob("tieout.yaml"), *tmp_path.rglob(".tieout")]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_init_here_and_inside_another_project(bare: Program, capsys: Capture) -> None:
    below = bare.folder / "Västkust AB"
    below.mkdir()
    answer = Program(below, capsys)("init", ".")
    assert answer.code == 0, answer.err
    assert f"It lies inside the project {bare.folder};" in answer.err
    assert answer.err.endswith("Next: tieout connection add\n")
    assert "bridge: V-stkust-AB\n" in Program(below, capsys).text()


def test_init_takes_a_file_and_its_tables(home: Path, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "items.csv").write_text("from,to\nA,B\n", encoding="utf-8")
    text = "bridge: mine\ncrm: a\nbooks:\n  - connection: b\n"
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    assert Program(home, capsys)("init", "taken", "--from", str(tmp_path / "old.yaml")).code == 0
    made = Program(home / "taken", capsys)
    assert made.text() == text
    assert made.text("tables/items.csv") == "from,to\nA,B\n"
    missing = Program(home, capsys)("init", "other", "--from", str(tmp_path / "none.yaml"))
    assert missing.code == 3
    assert not (home / "other").exists()


def test_doctor_names_what_stops_deals(
    project: Program, visma: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What other tests left of their projects is not this one's.
    monkeypatch.setenv("TIEOUT_STATE_DIR", str(tmp_path / "none"))
    answer = project("doctor", "--json")
    found = answer.object
    assert answer.code == 8
    assert {"sign-in", "clock", "disk", "key"} <= set(found["data"]["ok"])
    items = [row for row in found["data"]["failures"] if row["code"] == "item_no_code"]
    assert items
    assert items[0]["deals"]
    assert items[0]["next"].startswith("tables/items.csv, line 2")
    assert found["data"]["warnings"][0]["code"] == "not_published"
    shown = project("doctor")
    assert shown.code == 8
    assert 'fail  item "' in shown.out
    assert shown.out.splitlines()[-1].endswith(" s.")
    # Mended, it is not named any more.
    finding = next(each for each in found["findings"] if each["code"] == "item_no_code")
    name = finding["values"]["code"]
    assert f'item "{finding["values"]["item"]}" ({name} in the CRM) has no code' in shown.out
    article = visma.records("articles")[0]["Number"]
    project.write("tables/items.csv", f'from,to\n"{name}",{article}\n')
    # And what would fail later, for whoever has that value.
    rule = "    terms: {from: account.terms, values: terms, owner: books}\n"
    project.write("tieout.yaml", project.text().replace(f"    # {rule.strip()}\n", rule))
    project.write("tables/terms.csv", "from,to\nNet 30,77 dagar\nNet 78,78 dagar\n")
    after = project("doctor", "--json").object["data"]["failures"]
    assert not [row for row in after if f"({name} in" in row["message"]]
    assert [
        (row["message"], row["next"]) for row in after if "no books have" in row["message"]
    ] == [
        (
            'table terms gives "Net 30" the code "77 dagar", which no books have.',
            "tables/terms.csv; tieout codes shows them",
        )
    ]


def test_doctor_names_databases_that_are_nobodys(
    project: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "state" / "0123456789abcdef"
    (place / "pg").mkdir(parents=True)
    seen = tmp_path.stat()
    gone = {"path": str(tmp_path / "gone" / ".tieout"), "identity": [seen.st_dev, 1], "mount": "/"}
    (place / "of.json").write_text(json.dumps(gone), encoding="utf-8")
    monkeypatch.setenv("TIEOUT_STATE_DIR", str(place.parent))
    data = project("doctor", "--json").object["data"]
    assert "disk" not in data["ok"]
    assert [row["next"] for row in data["warnings"] if row["code"] == "database_orphaned"] == [
        "tieout doctor --remove-orphans"
    ]
    assert [row["project"] for row in data["orphans"]["items"]] == [str(tmp_path / "gone")]
    shown = f"warn  1 database, 0 MB in {place.parent}, whose folder is gone: {tmp_path / 'gone'} ("
    assert shown in project("doctor").out
    assert place.exists()


# --- connections that do not work -----------------------------------------------------------------


def test_a_revoked_sign_in(
    project: Program, visma: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    visma.post("faults", method="*", path="/*", kind="token_revoked", times=1)
    answer = project("connection", "test", "visma_eaccounting", "--json")
    found = answer.object
    assert answer.code == 4
    assert found["error"]["code"] == "sign_in_withdrawn"
    assert found["error"]["message"] == "Visma no longer accepts our sign-in."
    assert found["error"]["ref"] == {"connection": "visma_eaccounting"}
    assert found["next"] == ["tieout connection rotate visma_eaccounting"]
    assert "sign-in withdrawn" in project("connection", "list").out
    all_of_them = project("connection", "test", "--json")
    assert all_of_them.code == 4
    assert [row["error"] is None for row in all_of_them.object["data"]["items"]] == [True, False]
    doctor = project("doctor", "--json")
    assert doctor.code == 4
    assert doctor.object["error"]["code"] == "sign_in_withdrawn"
    step = "tieout connection rotate visma_eaccounting"
    assert doctor.object["next"] == [step]
    said = project("doctor")
    assert f"{said.out}{said.err}".count(step) == 1

    renewed = project("connection", "rotate", "visma_eaccounting")
    assert (renewed.code, renewed.out) == (
        0,
        "visma_eaccounting: new sign-in works, old one removed.\n",
    )
    assert project("connection", "test", "visma_eaccounting").code == 0
    del monkeypatch


def test_a_wrong_secret_stores_nothing(
    bare: Program, visma: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    visma.reset()
    monkeypatch.setenv("WRONG", "not-the-secret")
    monkeypatch.setenv("TOKEN", visma.credentials["refresh_token"])
    answer = bare(
        *("connection", "add", "visma_eaccounting", "--client-id", visma.credentials["client_id"]),
        *("--secret-env", "WRONG", "--refresh-token-env", "TOKEN"),
        *("--base-url", visma.base_url, "--json"),
    )
    assert answer.code == 4
    assert answer.object["error"]["code"] == "sign_in_refused"
    assert answer.object["error"]["message"].endswith("Nothing was stored.")
    assert "not-the-secret" not in answer.out + answer.err
    assert bare("connection", "list", "--json").object["data"]["count"] == 0


def test_a_wrong_key(bare: Program, salesforce: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    salesforce.reset()
    monkeypatch.setitem(salesforce.credentials, "private_key", "no key at all")
    answer = _add_salesforce(bare, salesforce, monkeypatch, "--json")
    assert answer.code == 4
    assert answer.object["error"]["code"] == "sign_in_refused"
    assert "no key at all" not in answer.out


def test_an_unreachable_host(bare: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s")
    monkeypatch.setenv("TOKEN", "t")
    answer = bare(
        *("connection", "add", "visma_eaccounting", "--client-id", "c", "--secret-env", "SECRET"),
        *("--refresh-token-env", "TOKEN", "--base-url", "http://127.0.0.1:9", "--json"),
    )
    assert answer.code == 5
    found = answer.object["error"]
    assert (found["code"], found["retry_after"]) == ("host_unreachable", 30)
    assert bare("connection", "list", "--json").object["data"]["count"] == 0


def test_an_address_without_encryption_is_refused(
    bare: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s")
    answer = bare(
        *("connection", "add", "visma_eaccounting", "--client-id", "c", "--secret-env", "SECRET"),
        *("--base-url", "http://books.example", "--json"),
    )
    assert answer.code == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["connection", "add", "sap"], 3),
        (["connection", "add"], 2),
        (["connection", "add", "visma_eaccounting", "--client-id", "c"], 2),
        (["connection", "add", "salesforce", "--grant", "password"], 3),
        (["connection", "test", "nobody"], 3),
        (["connection", "rotate", "nobody"], 3),
        (["connection", "rotate"], 2),
        (["config", "history"], 3),
        (["config", "rollback", "7"], 3),
    ],
)
def test_what_cannot_be_done_is_one_object(bare: Program, words: list[str], code: int) -> None:
    answer = bare(*words, "--json")
    assert answer.code == code
    assert answer.object["error"]["message"]


@pytest.fixture(autouse=True)
def _again(home: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Parameters of one test use one folder, one after the other."""
    yield
    import shutil

    name = request.node.name.partition("[")[0].removeprefix("test_")[:40]
    shutil.rmtree(home / name, ignore_errors=True)


def test_the_key_of_the_vault_is_changed(project: Program) -> None:
    before = project.text(".tieout/key")
    answer = project("connection", "rotate", "--key", "--json")
    assert answer.code == 0
    assert answer.object["data"]["resealed"] > 3
    assert project.text(".tieout/key") != before
    assert project("connection", "test", "salesforce").code == 0
    # Without its key nothing opens, and with another one neither.
    key = project.text(".tieout/key")
    project.write(".tieout/key", before)
    wrong = project("connection", "test", "salesforce", "--json")
    assert (wrong.code, wrong.object["error"]["code"]) == (3, "key_wrong")
    (project.folder / ".tieout" / "key").unlink()
    gone = project("connection", "list", "--json")
    assert (gone.code, gone.object["error"]["code"]) == (3, "key_missing")
    project.write(".tieout/key", key)
    os.chmod(project.folder / ".tieout" / "key", 0o644)
    shared = project("connection", "list", "--json")
    assert (shared.code, shared.object["error"]["code"]) == (3, "key_open_to_others")


# --- files that are wrong -------------------------------------------------------------------------


def test_a_half_written_file(project: Program) -> None:
    assert project("config", "publish", "-m", "one").code == 0
    text = project.text()
    project.write("tieout.yaml", text.replace("match: [external_id,", "match: [external_id"))
    project.write("tieout.yaml", text[: text.index("tax_number")])
    answer = project("config", "validate", "--json")
    assert answer.code == 3
    found = answer.object
    assert found["error"]["code"] in ("yaml_broken", "file_cut_off")
    assert found["error"]["place"].startswith("tieout.yaml")
    assert len(found["findings"]) == 1
    shown = project("config", "validate")
    assert shown.out == ""
    assert shown.err.endswith("1 error; v1 stays in force.\n")
    assert project("config", "publish", "--json").code == 3
    assert project("config", "history", "--json").object["data"]["count"] == 1


def test_a_table_in_another_encoding(project: Program) -> None:
    project.write("tables/items.csv", "from,to\nSkåp,SK-1\n".encode("cp1252"))
    answer = project("config", "validate", "--json")
    assert answer.code == 3
    found = answer.object
    assert found["error"]["code"] == "not_utf8"
    assert found["error"]["place"].startswith("tables/items.csv:2")
    assert project("doctor", "--json").code == 3


def test_all_mistakes_at_once_with_their_places(project: Program) -> None:
    text = project.text()
    text = text.replace(
        "  customer:\n    #",
        "  customer:\n    terms: {from: account.Payment_Term__c}\n    #",
    ).replace("    threshold: 0.00", "    treshold: 0.00")
    project.write("tieout.yaml", text)
    offline = project("config", "validate", "--offline", "--json").object
    assert [each["code"] for each in offline["findings"]] == ["unknown_key"]
    shown = project("config", "validate")
    assert shown.code == 3
    assert shown.err.index("unknown_key") < shown.err.index("unknown_field")
    assert "Did you mean Payment_Terms__c?" in shown.err
    assert "^" in shown.err
    assert shown.err.endswith("2 errors; nothing is in force yet.\n")
    # A connection that there is not is wrong as well, and asks nobody for fields.
    crm = text.splitlines()[next(i for i, x in enumerate(text.splitlines()) if x[:4] == "crm:")]
    project.write("tieout.yaml", text.replace(crm, "crm: nowhere"))
    unknown = project("config", "validate", "--json").object
    assert [each["code"] for each in unknown["findings"]] == ["unknown_key"]


def test_a_name_that_no_file_could_say_is_refused_before_a_token_is_used_up(bare: Program) -> None:
    told = bare("connection", "add", "visma_eaccounting", "--name", "a b/../c", "--client-id", "x")
    assert told.code == 2
    assert told.err.startswith('"a b/../c" is no name: ')
    assert bare("connection", "list", "--json").object["data"]["count"] == 0


def test_a_connection_that_is_missing_is_told_by_its_name(bare: Program) -> None:
    bare.write(
        "tieout.yaml", bare.text().replace("connection: visma_eaccounting", "connection: visma-no")
    )
    shown = bare("config", "validate", "--offline").err
    assert (
        '"visma-no" is not a connection of the books. '
        "tieout connection add makes one, with --name visma-no.\n"
    ) in shown


# --- versions -------------------------------------------------------------------------------------


def test_versions_go_forth_and_back(project: Program) -> None:
    assert project("config", "publish", "-m", "first").code == 0
    project.write("tables/items.csv", 'from,to\n"Montage plus",MON-2\n')
    diff = project("config", "diff")
    assert diff.code == 0
    assert diff.out.splitlines()[0] == 'tables.items: + "Montage plus": MON-2'
    assert diff.out.splitlines()[1].startswith("Effect on today's data: ")
    second = project("config", "publish", "-m", "Montage plus", "--as", "m.ek")
    assert second.out.startswith("v2 in force, m.ek, ")
    assert second.out.endswith(". Back: tieout config rollback 1\n")
    history = project("config", "history")
    assert [line.split()[0] for line in history.out.splitlines()] == ["v2", "v1"]
    assert history.out.splitlines()[0].endswith("Montage plus  in force")
    same = project("config", "rollback", "2")
    assert (same.code, same.out) == (0, "v2 in force says the same as v2. Nothing to do.\n")
    back = project("config", "rollback", "1")
    assert (back.code, back.out) == (0, "v3 = v1. No document is touched.\n")
    missing = project("config", "rollback", "12", "--json")
    assert missing.code == 2
    assert missing.object["error"]["message"] == "There is no v12."
    versions = project("config", "history", "--json").object["data"]["items"]
    assert [(row["version"], row["in_force"]) for row in versions] == [
        (3, True),
        (2, False),
        (1, False),
    ]


def test_two_bridges_do_not_write_one_field(project: Program) -> None:
    assert project("config", "publish").code == 0
    text = project.text()
    name = text.split("\nbridge: ")[1].split()[0]
    project.write("tieout.yaml", text.replace(f"\nbridge: {name}", "\nbridge: second", 1))
    answer = project("config", "publish")
    assert answer.code == 3
    assert f'already written by bridge "{name}"' in answer.err
    assert project("config", "publish", "--json").object["error"]["code"] in (
        "configuration",
        "written_twice",
    )


def test_the_schema_is_json(bare: Program) -> None:
    import json

    answer = bare("config", "schema")
    assert answer.code == 0
    assert json.loads(answer.out)["properties"]["bridge"]
    assert bare("config", "schema", "--json").object["data"]["properties"]["crm"]


# --- store and evidence ---------------------------------------------------------------------------


def test_a_change_from_outside_is_found(project: Program) -> None:
    import psycopg

    assert project("config", "publish", "-m", "one").code == 0
    url = os.environ["TIEOUT_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("UPDATE activity SET who = 'mallory' WHERE seq = 2")
    answer = project("log", "verify")
    assert answer.code == 11
    assert answer.out.startswith("Entry 2 (")
    assert answer.out.endswith(") does not fit the one before. Intact up to 1.\n")
    assert answer.err.startswith("Somebody changed the database from outside.")
    found = project("log", "verify", "--json").object
    assert found["error"]["ref"] == {"entry": "2"}
    # Put right again it fits; then the end is cut off together with its head.
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("UPDATE activity SET who = 'anna.lind' WHERE seq = 2")
        assert project("log", "verify").code == 0
        conn.execute("DELETE FROM activity WHERE seq >= 2")
        conn.execute(
            "UPDATE activity_head SET seq = 1, hash = (SELECT hash FROM activity WHERE seq = 1)"
        )
    restored = project("log", "verify", "--json")
    assert restored.code == 11
    assert restored.object["error"]["code"] == "database_restored"


def test_a_database_that_is_not_there(bare: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:9/none")
    answer = bare("connection", "list", "--json")
    assert answer.code == 12
    assert answer.object["error"]["code"] == "database_unreachable"
    assert "hush" not in answer.out + answer.err


# --- other ways to sign in ------------------------------------------------------------------------


@pytest.mark.parametrize("grant", ["refresh", "client_credentials"])
def test_other_ways_into_salesforce(
    bare: Program, salesforce: Simulator, monkeypatch: pytest.MonkeyPatch, grant: str
) -> None:
    salesforce.reset()
    known = salesforce.credentials
    monkeypatch.setenv("SECRET", known["client_secret"])
    more = ["--my-domain", salesforce.base_url] if grant == "client_credentials" else []
    answer = bare(
        *("connection", "add", "salesforce", "--grant", grant, "--client-id", known["client_id"]),
        *("--secret-env", "SECRET", "--base-url", salesforce.base_url, *more),
        *("--set", "currency=SEK", "--name", "crm", "--json"),
    )
    assert answer.code == 0, answer.err
    assert answer.object["data"]["connection"] == "crm"
    assert ("/services/oauth2/authorize?" in answer.err) is (grant == "refresh")
    assert bare("connection", "test", "crm").code == 0
    renewed = bare(*("connection", "rotate", "crm"), *("--secret-env", "SECRET"))
    assert renewed.code == 0, renewed.err


def test_calls_are_shown_when_asked_for(project: Program) -> None:
    answer = project("connection", "test", "visma_eaccounting", "-v", "--json")
    assert answer.object["ok"] is True
    calls = [line for line in answer.err.splitlines() if line.startswith("GET ")]
    assert calls
    assert all(line.endswith(" ms") and "?" not in line for line in calls)


def test_a_restored_database_begins_its_recovery(project: Program) -> None:
    import asyncio

    from tieout.bootstrap import SystemClock, make_engine, open_project
    from tieout.services.project import find_project
    from tieout.store import evidence

    assert project("config", "publish", "-m", "one").code == 0
    found = find_project(str(project.folder))
    mark = evidence.HighWater(found.high_water)
    noted = mark.read()
    assert noted is not None
    # Somebody else's database would have other entries: so does one that was put back.
    changed = {"epoch": noted.epoch, "seq": noted.seq + 5, "hash": "00"}
    import json

    found.high_water.write_text(json.dumps(changed), encoding="utf-8")

    async def run() -> None:
        async with open_project(found, SystemClock()) as opened:
            assert await opened.do(evidence.recovering_until) is None
            await make_engine(opened, found.name)
            assert await opened.do(evidence.recovering_until) is not None
            await make_engine(opened, found.name)
            assert (await opened.do(evidence.head)).epoch == noted.epoch + 1

    asyncio.run(run())
    after = mark.read()
    assert after is not None
    assert after.epoch == noted.epoch + 1
    assert project("log", "verify").code == 0
