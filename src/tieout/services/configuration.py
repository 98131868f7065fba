"""The configuration: the file checked, compared with what is in force, published, taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tieout.core.errors import ConfigurationError
from tieout.services.going_live import GoingLive, going_live
from tieout.services.project import FILE, Project
from tieout.services.usage import UsedWronglyError
from tieout.settings.bridge import Configuration, load_bridge, summary
from tieout.settings.check import (
    check_fields,
    check_written,
    conflicts,
    contact_problems,
    invoice_problems,
    kind_problems,
    list_problems,
)
from tieout.settings.difference import diff
from tieout.settings.problems import Problem, count_text, render_problems
from tieout.settings.project import project_files
from tieout.settings.shown_anew import (
    deals_first_judged,
    deals_judged_anew,
    deals_moved,
    judged_anew,
    shown_anew,
)
from tieout.settings.text import decode
from tieout.store import admin
from tieout.store.admin import ConfigVersion, ConnectionRow
from tieout.store.held_back import held_back

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.ports import Schema
    from tieout.settings.bridge_written import Written
    from tieout.store.database import Tx
    from tieout.store.held_back import HeldBack


class ConfigurationProblems(ConfigurationError):  # noqa: N818
    """The file is wrong; ``problems`` are all of them, ``text`` as they are shown."""

    def __init__(self, problems: Sequence[Problem], text: str, message: str) -> None:
        code = problems[0].code if len(problems) == 1 else "configuration"
        super().__init__(message, code=code)
        self.problems = tuple(problems)
        self.text = text
        self.place = problems[0].place


def starting_files(folder: Path, source: Path | None) -> dict[str, str]:
    """
    The files of a new project; with a source its text is the configuration.

    Tables beside the source are taken over. Raises `ConfigurationError` where it is unreadable.
    """
    files = project_files(folder.absolute().resolve().name or "bridge")
    if source is None:
        return files
    files[FILE] = _text(source)
    tables = source.parent / "tables"
    for path in sorted(tables.glob("*.csv")) if tables.is_dir() else []:
        files[f"tables/{path.name}"] = _text(path)
    return files


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {(error.strerror or 'no reason given').lower()}.",
            code="file_unreadable",
        ) from None
    text = decode(data, path.name)
    if isinstance(text, Problem):
        raise ConfigurationError(f"{text.place} {text.message}", code=text.code, hint=text.hint)
    return text


# --- checking ------------------------------------------------------------------------------------


def read_configuration(project: Project) -> Configuration:
    """The project's configuration. Raises `ConfigurationProblems` with all that is wrong."""
    found = load_bridge(project.root)
    if isinstance(found, list):
        raise problems_error(project, found)
    return found


def problems_error(
    project: Project, problems: Sequence[Problem], in_force: ConfigVersion | None = None
) -> ConfigurationProblems:
    """The problems as an error: each at its place, then what stays in force."""
    sources = {}
    for name in {problem.file for problem in problems}:
        try:
            sources[name] = (project.root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    stays = (
        "Nothing is in force yet." if in_force is None else f"v{in_force.version} stays in force."
    )
    message = f"{count_text(problems)}; {stays[0].lower()}{stays[1:]}"
    return ConfigurationProblems(problems, render_problems(problems, sources), message)


async def check(
    opened: Opened, schema: Schema | None = None, *, configuration: Configuration | None = None
) -> Configuration:
    """
    The project's configuration, checked against connections, other bridges, and the CRM's fields
    where its schema is given. Raises `ConfigurationProblems`.
    """
    found = configuration or load_bridge(opened.project.root)
    if isinstance(found, list):
        raise problems_error(opened.project, found, await only_in_force(opened))
    problems = await _missing_connections(opened, found)
    problems += await _kinds(opened, found)
    if schema is not None:
        problems += check_fields(found, schema)
    problems += await _other_bridges(opened, found)
    if problems:
        raise problems_error(opened.project, problems, await in_force(opened, found.name))
    return found


async def with_fields(
    opened: Opened, error: ConfigurationProblems, written: Iterable[Written], schema: Schema
) -> ConfigurationProblems:
    """What is wrong with the file, and the fields that its expressions name and the CRM lacks."""
    problems = [*error.problems, *check_written(written, schema)]
    problems.sort(key=lambda problem: (problem.file, problem.line, problem.column))
    return problems_error(opened.project, problems, await only_in_force(opened))


async def _missing_connections(opened: Opened, found: Configuration) -> list[Problem]:
    rows: list[ConnectionRow] = await opened.do(admin.list_connections)
    known = {row.name: row for row in rows}
    wanted: list[tuple[tuple[str, ...], str, str]] = [(("crm",), found.crm, "crm")]
    wanted += [
        (("books", str(index), "connection"), name, "books")
        for index, name in enumerate(found.books)
    ]
    problems = []
    for key, name, side in wanted:
        row = known.get(name)
        if row is not None and row.side == side:
            continue
        place = found.tree.place(*(int(step) if step.isdigit() else step for step in key))
        has = ", ".join(row.name for row in rows if row.side == side)
        message = f'"{name}" is not a connection of the {"CRM" if side == "crm" else "books"}.'
        hint = (
            f"There are: {has}." if has else f"tieout connection add makes one, with --name {name}."
        )
        problems.append(
            Problem(
                code="connection_missing",
                file=place.file,
                line=place.line,
                column=place.column,
                key=key,
                value=name,
                message=message,
                hint=hint,
            )
        )
    return problems


async def _kinds(opened: Opened, found: Configuration) -> list[Problem]:
    """Kinds of document, lists and persons that a system of the bridge does not have."""
    rows: list[ConnectionRow] = await opened.do(admin.list_connections)
    books = {row.name: row.system for row in rows if row.side == "books"}
    makes = {name: opened.makes(books[name]) for name in found.books if name in books}
    lists = {row.name: opened.lists(row.system) for row in rows}
    problems = [*kind_problems(found, makes), *list_problems(found, lists)]
    for row in rows:
        if row.side == "crm" and row.name == found.crm:
            shows, lacks = opened.shows_invoices(row.system), ""
            if shows:
                lacks = opened.invoice_setting(row.system, row.settings)
            if lacks or not shows:
                problems += invoice_problems(found, row.system, lacks)
    holds = {row.name: opened.holds_persons(row.system) for row in rows}
    return problems + contact_problems(found, holds)


async def _other_bridges(opened: Opened, found: Configuration) -> list[Problem]:
    others = [
        Configuration.from_stored(version.body, version.tables)
        for version in await opened.do(admin.bridges)
        if version.bridge != found.name
    ]
    rows: list[ConnectionRow] = await opened.do(admin.list_connections)
    companies = {
        row.name: f"{row.system} {row.company.id}" for row in rows if row.company is not None
    }
    problems = conflicts([*others, found], companies)
    return [problem for problem in problems if problem.value == found.name]


def sentence(configuration: Configuration) -> str:
    """`tieout.yaml is valid: 1 bridge, 4 flows, 31 fields.`"""
    return f"{FILE} is valid: {summary(configuration)}."


async def books_zone(opened: Opened, books: Sequence[str] = ()) -> ZoneInfo:
    """The time zone in which times are shown: that of the books, UTC before they are known."""
    rows: list[ConnectionRow] = await opened.do(admin.list_connections)
    for row in rows:
        if row.company is not None and (row.name in books if books else row.side == "books"):
            return ZoneInfo(row.company.time_zone)
    return ZoneInfo("UTC")


# --- versions ------------------------------------------------------------------------------------


async def in_force(opened: Opened, bridge: str) -> ConfigVersion | None:
    """The version of a bridge that counts, or None."""
    found: ConfigVersion | None = await opened.do(lambda tx: admin.in_force(tx, bridge))
    return found


async def only_in_force(opened: Opened) -> ConfigVersion | None:
    """The version in force where there is one bridge; None where there are none or several."""
    found: list[ConfigVersion] = await opened.do(admin.bridges)
    return found[0] if len(found) == 1 else None


async def choose_bridge(opened: Opened, asked: str = "") -> str:
    """
    Which bridge is meant: the one that was asked for, the file's, or the only one there is.

    Raises `UsedWronglyError` where that is not clear, `ConfigurationError` where nothing was
    published.
    """
    names: list[str] = [version.bridge for version in await opened.do(admin.bridges)]
    if asked:
        if asked not in names:
            listed = f"There are: {', '.join(names)}." if names else "None is published."
            raise UsedWronglyError(f'There is no bridge "{asked}". {listed}', code="no_bridge")
        return asked
    if not names:
        connected = await opened.do(admin.list_connections)
        raise ConfigurationError(
            "Nothing is published yet, so nothing runs.",
            code="not_published",
            hint='tieout config publish -m "first version"'
            if connected
            else "tieout connection add",
        )
    if len(names) == 1:
        return names[0]
    written = load_bridge(opened.project.root, sleep=lambda _: None)
    if isinstance(written, Configuration) and written.name in names:
        return written.name
    raise UsedWronglyError(
        f"There are {len(names)} bridges: {', '.join(names)}. Say which: --bridge {names[0]}",
        code="which_bridge",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changes, and what that does to what waits. ``before`` None: nothing in force yet."""

    before: ConfigVersion | None
    lines: tuple[str, ...]
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """
    On today's data: exceptions that the change answers, with the amounts that wait on them.
    ``drafted``: deals with a draft that may belong to other books now.
    """

    closes: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    looked_at: int = 0
    drafted: int = 0
    live: GoingLive = field(default_factory=GoingLive)
    amounts: tuple[tuple[Any, str], ...] = ()

    def text(self) -> str:
        """`EX-31 closes, 9,640.00. Nothing else.`"""
        parts = []
        if self.closes:
            verb = "closes" if len(self.closes) == 1 else "close"
            parts.append(f"{', '.join(self.closes)} {verb}{self._money()}")
        if self.opens:
            verb = "opens again" if len(self.opens) == 1 else "open again"
            parts.append(f"{', '.join(self.opens)} {verb}{self._money()}")
        if self.looked_at:
            waiting = f"{self.looked_at} waiting record{'s' * (self.looked_at != 1)}"
            parts.append(f"{waiting} {'is' if self.looked_at == 1 else 'are'} looked at again")
        if self.drafted:
            deals = f"{self.drafted} deal{'s' * (self.drafted != 1)} with a draft"
            parts.append(f"{deals} {'is' if self.drafted == 1 else 'are'} judged again")
        live = self.live.text()
        if not parts:
            return live or "Nothing waits on it."
        if live:
            return f"{'. '.join(part[0].upper() + part[1:] for part in parts)}. {live}"
        return f"{'. '.join(part[0].upper() + part[1:] for part in parts)}. Nothing else."

    def _money(self) -> str:
        return "".join(
            f", {amount:,.2f}" + (f" {currency}" if len(self.amounts) > 1 else "")
            for amount, currency in self.amounts
        )


async def difference(opened: Opened, configuration: Configuration) -> Difference:
    """The file against the version in force."""
    before = await in_force(opened, configuration.name)
    if before is None:
        return Difference(before=None, lines=(), effect=Effect())
    old = Configuration.from_stored(before.body, before.tables)
    lines = tuple(diff(old, configuration))
    found = await effect(opened, old, configuration) if lines else Effect()
    return Difference(before=before, lines=lines, effect=found)


_BY_TABLE = {"item_no_code": "items", "terms_unmapped": "terms"}


async def effect(opened: Opened, old: Configuration, new: Configuration) -> Effect:
    """Open exceptions that name a value which a table maps now and did not map before."""
    rows = await opened.do(lambda tx: admin.open_exceptions(tx, new.name, list(_BY_TABLE)))
    closes: list[str] = []
    amounts: dict[str, Any] = {}
    for row in rows:
        values, table = _values_of(row), _BY_TABLE[row["code"]]
        mapped = values and all(_mapped(new, table, value) for value in values)
        if mapped and not all(_mapped(old, table, value) for value in values):
            closes.append(f"EX-{row['number']}")
            if row["amount"] is not None:
                sums = amounts.get(row["currency"])
                amounts[row["currency"]] = row["amount"] + (sums or 0)
    parked = await opened.do(lambda tx: _parked(tx, new.name))
    books = [connection for _, connection in deals_moved(old, new)]
    drafted: int = await opened.do(lambda tx: sum(admin.drafted(tx, new.name, at) for at in books))
    waiting: list[HeldBack] = await opened.do(lambda tx: held_back(tx, new.name))
    return Effect(
        closes=tuple(closes),
        looked_at=max(0, parked - len(closes)),
        drafted=drafted,
        live=going_live(old, new, waiting),
        amounts=tuple((amount, currency) for currency, amount in sorted(amounts.items())),
    )


def _values_of(row: Any) -> list[str]:
    """What the exception asks a table for: every value of its findings."""
    told = [
        found.get("code") or found.get("item") or found.get("terms")
        for found in row["details"].get("values", [])
    ]
    return [str(value) for value in dict.fromkeys(told) if value]


def _mapped(configuration: Configuration, table: str, value: str) -> bool:
    found = configuration.values.get(table)
    return found is not None and found.get(value) is not None


def _parked(tx: Tx, bridge: str) -> int:
    row = tx.row(
        "SELECT count(*) FROM due WHERE workspace = %(ws)s AND starts_with(lane, %(prefix)s)"
        " AND parked IS NOT NULL AND parked <> 'shadow'",
        prefix=f"{bridge}/",
    )
    assert row is not None
    return int(row[0])


async def publish(
    opened: Opened, configuration: Configuration, *, message: str, who: str, now: datetime
) -> ConfigVersion | None:
    """A new version in force; None where the one in force says the same already."""
    before = await in_force(opened, configuration.name)
    same_text = before is not None and (before.body, dict(before.tables)) == (
        configuration.body,
        dict(configuration.tables),
    )
    if same_text:
        return None
    # A version that this program does not understand any more says nothing to compare with.
    old = _understood(before) if before is not None else None

    def write(tx: Tx) -> ConfigVersion:
        version = admin.publish(
            tx,
            bridge=configuration.name,
            body=configuration.body,
            tables=configuration.tables,
            digest=configuration.digest,
            message=message,
            who=who,
            now=now,
        )
        _fill(tx, old, configuration, now)
        return version

    made: ConfigVersion = await opened.do(write)
    return made


def _understood(version: ConfigVersion) -> Configuration | None:
    try:
        return Configuration.from_stored(version.body, version.tables)
    except ConfigurationError:
        return None


def _fill(tx: Tx, old: Configuration | None, new: Configuration, now: datetime) -> None:
    for lane, connection, entity in (
        *shown_anew(old, new),
        *judged_anew(old, new),
        *deals_first_judged(old, new),
    ):
        admin.fill_lane(tx, lane, connection, entity, now)
    for lane in deals_judged_anew(old, new):
        admin.skipped_again(tx, lane, now)
    for lane, connection in deals_moved(old, new):
        admin.drafted_again(tx, lane, connection, now)


async def roll_back(
    opened: Opened, bridge: str, version: int, *, who: str, now: datetime
) -> tuple[ConfigVersion | None, Effect]:
    """
    A new version with an old one's content, and what that does; None where that is in force.

    Raises `UsedWronglyError` where there is no such version, or another bridge writes or reads what
    it did.
    """
    old = await opened.do(lambda tx: admin.config_version(tx, bridge, version))
    if old is None:
        raise UsedWronglyError(f"There is no v{version}.", code="no_version")
    present = await in_force(opened, bridge)
    before = Configuration.from_stored(old.body, old.tables)
    found = Effect()
    if present is not None and (present.body, present.tables) == (old.body, old.tables):
        return None, found
    # Another bridge may have taken what that version had.
    problems = await _other_bridges(opened, before)
    if problems:
        raise UsedWronglyError(
            f"v{version} does not fit beside another bridge any more: {problems[0].message}",
            code=problems[0].code,
            hint=problems[0].hint,
        )
    if present is not None:
        found = await effect(
            opened, Configuration.from_stored(present.body, present.tables), before
        )

    def write(tx: Tx) -> ConfigVersion | None:
        done = admin.roll_back(tx, bridge=bridge, version=version, who=who, now=now)
        _fill(tx, _understood(present) if present is not None else None, before, now)
        return done

    made = await opened.do(write)
    assert made is not None
    return made, found


__all__ = [
    "ConfigurationProblems",
    "Difference",
    "Effect",
    "books_zone",
    "check",
    "choose_bridge",
    "difference",
    "in_force",
    "problems_error",
    "publish",
    "read_configuration",
    "roll_back",
    "sentence",
    "starting_files",
]
