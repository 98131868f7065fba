"""
The demo's project: a folder of its own that is made anew each time, and stays to be looked into.

Nothing outside that folder is touched: the demo never uses a database, a key or a project that
the environment names.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from tieout.core.errors import BusyError, ConfigurationError
from tieout.report.words import day_long
from tieout.services import connections
from tieout.services.configuration import publish, read_configuration
from tieout.services.project import FILE, OURS, Project, make_ours, make_project
from tieout.services.usage import UsedWronglyError
from tieout.store.embedded_orphans import remove_data_of

if TYPE_CHECKING:
    from tieout.bootstrap import Opened, System

BRIDGE = "demo"
REPORT, ROWS = "tie-out.html", "tie-out.csv"
MARK: Final = "demo"
"""The file in `.tieout/` that says whose folder this is; held while a demo runs in it."""

# That of the shown company, in Sundsvall.
ZONE: Final = ZoneInfo("Europe/Stockholm")
PERIOD_DAYS: Final = 16

_OF_THE_ENVIRONMENT = ("TIEOUT_DATABASE_URL", "TIEOUT_KEY", "TIEOUT_KEYS", "TIEOUT_PROJECT")
_MADE = (FILE, "tables/items.csv", "tables/terms.csv", "README.md", ".gitignore", REPORT, ROWS)

_YAML: Final = """\
# The demo's bridge: {crm_what}, {what}, and what runs between.
bridge: {bridge}
crm: {crm}
books:
  - connection: {books}
    currency: [{currencies}]     # a deal in dollars or francs becomes an exception

flows:
  customers: {{mode: auto, match: [external_id, tax_number, name_postcode]}}
  documents:
    mode: auto
    # What was won before this day was invoiced by hand: left out by rule, and named so.
    include: "deal.close_date >= ('{first}' | date)"
  status: {{mode: auto}}

mapping:
  customer:
    terms: {{from: account.terms, values: terms, owner: books}}
  document.line:
    item: {{from: line.item, values: items}}
"""

_ITEMS: Final = """\
from,to,note
Travel and expenses,RESA,this product has no code in the CRM
Data migration,INT-PKG,nor has this one
"""

_TERMS: Final = """\
from,to,note
Net 10,10 dagar netto,
Net 14,14 dagar netto,
Net 20,14 dagar netto,these books have no 20 days; finance chose the shorter
Net 30,30 dagar netto,
Net 60,60 dagar netto,
"""

_README: Final = """\
# The demo

Made by `{command}`, from generated data and {made_from}. Open `tie-out.html`, then try here:

    tieout status
    tieout exceptions list
    tieout exceptions show EX-1
    tieout why {invoice}

{ended} ended with the demo. `{command} --keep` leaves them running until Ctrl-C; until then these
work too, from another terminal:

    tieout plan
    tieout run
    tieout reconcile --receivables

By then finance has opened the day again that it had closed: `tieout run` writes what waited for it.
Mend what `tieout exceptions list` names, such as terms that `tables/terms.csv` lacks, then
`tieout config publish -m mended` and `tieout run`: those exceptions close by themselves.

`tie-out.html` is about the deals won since {since}. `tieout reconcile` is about all that there
are: those won before stand in it as excluded by rule. The next `tieout demo` makes all this anew.
{more}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksTexts:
    """
    What the project's files say of the books. ``connection`` is their name, ``what`` they are in
    words, ``invoice`` a number that finance will give, ``more`` further lines for the README.
    """

    connection: str
    command: str
    what: str
    made_from: str
    ended: str
    invoice: str
    items: str
    terms: str
    more: str = ""
    currencies: str = "SEK, EUR, NOK, DKK"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmTexts:
    """
    What the project's files say of the CRM. ``terms`` are the texts in which it names those that
    the tables of books call ``Net 30``.
    """

    connection: str
    what: str
    terms: Mapping[str, str] = field(default_factory=dict)


SALESFORCE: Final = CrmTexts(connection="salesforce-demo", what="a simulated Salesforce")
WEBCRM: Final = CrmTexts(
    connection="webcrm-demo",
    what="a simulated webCRM",
    terms={f"Net {days}": f"{days}: {days} dage" for days in (10, 14, 20, 30, 60)},
)
VISMA: Final = BooksTexts(
    connection="visma-demo",
    command="tieout demo",
    what="a simulated Visma eAccounting",
    made_from="two simulators",
    ended="The simulators",
    invoice="invoice:1010",  # customers have such numbers too
    items=_ITEMS,
    terms=_TERMS,
)


VISMA_NET: Final = BooksTexts(
    connection="visma-net-demo",
    command="tieout demo --books visma_net",
    what="a simulated Visma.net",
    made_from="two simulators",
    ended="The simulators",
    invoice="invoice:100246",
    items="""\
from,to,note
CONS-SR,CONS,these books sell all consulting as one item
PM,CONS,
ARCH-D,CONS,
DEV-D,CONS,
INT-PKG,CONS,
WS-HALF,CONS,
COURSE,CONS,not as the exempt course that these books have
SUP-M,SUPP,
ONCALL-M,SUPP,
LIC-AN-Y,SUPP,a licence is a service to the tax office
LIC-PO-U,SUPP,
Travel and expenses,CONS,this product has no code in the CRM
Data migration,CONS,nor has this one
""",
    terms="""\
from,to,note
Net 10,10,terms go by their days
Net 14,14,
Net 20,14,these books have no 20 days; finance chose the shorter
Net 30,30,
Net 60,30EOM,nor 60; finance chose the end of next month
""",
    currencies="NOK, SEK, EUR, DKK",
)


def on_its_own() -> None:
    """
    Takes out of this process's environment what would lead elsewhere: databases, keys and
    projects of the user's own, and a proxy between us and this machine.
    """
    for name in _OF_THE_ENVIRONMENT:
        os.environ.pop(name, None)
    for name in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(name, "")
        os.environ[name] = f"{known},127.0.0.1" if known else "127.0.0.1"


# --- the folder ----------------------------------------------------------------------------------


def folder(given: str) -> Path:
    """The folder that is meant, whole."""
    return Path(given).expanduser().absolute()


def check_folder(root: Path) -> None:
    """Raises `UsedWronglyError` where the folder holds anything that no demo made."""
    if not os.path.lexists(root):
        return
    if (root / OURS / MARK).is_file():
        return
    if root.is_dir() and not any(root.iterdir()):
        return
    raise UsedWronglyError(
        f"{root.name} is there already and is no demo. Nothing was changed.",
        code="not_a_demo",
        hint="tieout demo --project another-folder",
    )


@contextmanager
def demo_project(
    root: Path, today: date, texts: BooksTexts = VISMA, crm: CrmTexts = SALESFORCE
) -> Iterator[Project]:
    """
    The demo's project, made anew, and held against a second demo in the same folder.

    Raises `BusyError` where one runs there, `UsedWronglyError` for a folder that is no demo.
    """
    check_folder(root)
    try:
        make_ours(root)
        mark = os.open(root / OURS / MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(root, error) from None
    try:
        _hold(mark, root)
        try:
            _clear(root)
        except OSError as error:
            raise _unwritable(root, error) from None
        yield make_project(root, _files(today - timedelta(days=PERIOD_DAYS), texts, crm))
    finally:
        os.close(mark)


def _unwritable(root: Path, error: OSError) -> ConfigurationError:
    reason = (error.strerror or "no reason given").lower()
    return ConfigurationError(
        f"{root} cannot be written: {reason}. Nothing was started.",
        code="folder_unwritable",
        hint="Go to a folder of your own.",
    )


def _hold(mark: int, root: Path) -> None:
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        raise BusyError(
            f"A demo runs in {root.name} already. Nothing was done.",
            hint="tieout demo --project another-folder",
        ) from None


def _clear(root: Path) -> None:
    """What an earlier demo made goes; what somebody else put there stays."""
    for name in _MADE:
        (root / name).unlink(missing_ok=True)
    remove_data_of(root / OURS)
    for found in (root / OURS).iterdir():
        if found.name == MARK:
            continue
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found)
        else:
            found.unlink()


def _files(first: date, texts: BooksTexts, crm: CrmTexts) -> dict[str, str]:
    return {
        FILE: _YAML.format(
            bridge=BRIDGE,
            crm=crm.connection,
            crm_what=crm.what,
            currencies=texts.currencies,
            books=texts.connection,
            what=texts.what,
            first=first.isoformat(),
        ),
        "tables/items.csv": texts.items,
        "tables/terms.csv": _terms_of(texts.terms, crm),
        "README.md": _README.format(
            command=texts.command,
            made_from=texts.made_from,
            invoice=texts.invoice,
            ended=texts.ended,
            since=day_long(first),
            more=texts.more,
        ),
        ".gitignore": "*\n",
    }


def _terms_of(table: str, crm: CrmTexts) -> str:
    """The table of terms in the CRM's own words."""
    head, *rows = table.splitlines()
    named = [row.partition(",") for row in rows]
    told = [f"{crm.terms.get(name, name)},{rest}" for name, _, rest in named]
    return "\n".join([head, *told, ""])


# --- connecting ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a simulator listens, and how to sign in to it."""

    system: System
    base_url: str
    token_url: str
    credentials: Mapping[str, str] = field(repr=False)

    def secrets(self, *names: str) -> dict[str, str]:
        """These of its credentials."""
        return {name: self.credentials[name] for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A connection to be made: its name, settings and secrets."""

    name: str
    system: System
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


async def connect(opened: Opened, accesses: Sequence[Access], who: str) -> None:
    """All connections signed in, tested and stored; the configuration published as version 1."""
    for access in accesses:
        await _add(opened, access)
    configuration = read_configuration(opened.project)
    await publish(opened, configuration, message="the demo", who=who, now=opened.clock.now())


async def _add(opened: Opened, access: Access) -> None:
    wanted = connections.Wanted(
        system=access.system,
        grant=access.system.grant(""),
        name=access.name,
        settings=access.settings,
        secrets=dict(access.secrets),
    )
    tested = await connections.add(opened, wanted, None)
    if not tested.works:
        first = next(found for found in tested.findings if found.severity == "error")
        raise ConfigurationError(f"{access.name}: {first.message}", code=first.code)
