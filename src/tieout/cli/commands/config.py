"""`tieout config`: validate, schema, diff, publish, history, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.formats import Column, Verbatim, moment, table
from tieout.cli.output import ErrorInfo, Exit, Result, listing, reference

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.ports import Schema
    from tieout.services.configuration import ConfigurationProblems
    from tieout.settings.bridge import Configuration
    from tieout.store.admin import ConfigVersion

Actor = Annotated[str, Option("--as", metavar="NAME", help="Who acts; else TIEOUT_ACTOR.")]


@command(
    "config validate",
    examples=("tieout config validate", "tieout config validate --offline --json"),
)
async def validate(
    session: Session,
    offline: Annotated[bool, Option("--offline", help="Ask no system for its fields.")] = False,
) -> Result:
    """Check tieout.yaml and the tables: every mistake at once, with its place."""
    from tieout.services import configuration

    opened = await session.opened()
    try:
        found = await _checked(session, opened, offline)
    except configuration.ConfigurationProblems as error:
        return problems_result(session, error)
    return Result(
        data={"bridge": found.name, "digest": found.digest, "summary": _summary(found)},
        lines=[configuration.sentence(found)],
        next=("tieout doctor",),
        bridge=found.name,
    )


@command(
    "config schema",
    examples=("tieout config schema > tieout.schema.json", "tieout config schema --json"),
)
async def schema(session: Session) -> Result:
    """Print the JSON Schema with which an editor completes and checks tieout.yaml."""
    import json

    from tieout.settings.bridge import bridge_schema

    made = bridge_schema()
    return Result(
        data=Verbatim(made), lines=json.dumps(made, indent=2, ensure_ascii=False).splitlines()
    )


@command("config diff", examples=("tieout config diff", "tieout config diff --json"))
async def diff(session: Session) -> Result:
    """Compare the files with what is in force, and say what that does to today's data."""
    from tieout.services import configuration

    opened = await session.opened()
    try:
        found = await _checked(session, opened, offline=True)
    except configuration.ConfigurationProblems as error:
        return problems_result(session, error)
    difference = await configuration.difference(opened, found)
    before = difference.before
    if before is None:
        return Result(
            data={"from": None, "lines": [], "effect": None},
            lines=["Nothing is in force yet; all of tieout.yaml is new."],
            next=('tieout config publish -m "first version"',),
            bridge=found.name,
        )
    if not difference.lines:
        lines = [f"No difference to v{before.version}, in force."]
    else:
        lines = [*difference.lines, f"Effect on today's data: {difference.effect.text()}"]
    return Result(
        data={
            "from": before.version,
            "lines": list(difference.lines),
            "effect": difference.effect if difference.lines else None,
        },
        lines=lines,
        bridge=found.name,
        next=("tieout config publish",) if difference.lines else (),
    )


@command(
    "config publish",
    examples=('tieout config publish -m "Montage plus"', "tieout config publish --as anna.lind"),
)
async def publish(
    session: Session,
    message: Annotated[str, Option("-m", "--message", help="What changed, for people.")] = "",
    yes: Annotated[bool, Option("--yes", help="Publish without asking.")] = False,
    offline: Annotated[bool, Option("--offline", help="Ask no system for its fields.")] = False,
    as_: Actor = "",
) -> Result:
    """Put tieout.yaml and the tables in force, as a version that can be taken back."""
    from tieout.bootstrap import who_acts
    from tieout.services import configuration

    del yes  # nothing is asked: what was published can be taken back by the next command
    opened = await session.opened()
    try:
        found = await _checked(session, opened, offline)
    except configuration.ConfigurationProblems as error:
        return problems_result(session, error)
    before = await configuration.in_force(opened, found.name)
    made = await configuration.publish(
        opened, found, message=message, who=who_acts(as_), now=session.clock.now()
    )
    if made is None:
        assert before is not None
        return Result(
            data={"version": before.version, "changed": False},
            lines=[f"v{before.version} says the same already. Nothing was changed."],
            bridge=found.name,
        )
    at = moment(made.published_at, await configuration.books_zone(opened, found.books))
    back = f" Back: tieout config rollback {before.version}" if before is not None else ""
    return Result(
        data={"version": made.version, "changed": True, "published_by": made.published_by},
        lines=[f"v{made.version} in force, {made.published_by}, {at}.{back}"],
        next=() if before is not None else ("tieout plan",),
        bridge=found.name,
    )


@command("config history", examples=("tieout config history", "tieout config history --json"))
async def history(session: Session) -> Result:
    """List the versions, the newest first."""
    from tieout.services import configuration
    from tieout.settings.bridge import Configuration
    from tieout.store import admin

    opened = await session.opened()
    bridge = await configuration.choose_bridge(opened, session.options.bridge)
    versions: list[ConfigVersion] = await opened.do(lambda tx: admin.history(tx, bridge))
    present = Configuration.from_stored(versions[0].body, versions[0].tables)
    zone = await configuration.books_zone(opened, present.books)
    columns = (Column(), Column(rank=1), Column(rank=2), Column(rank=3), Column())
    rows = [
        (
            f"v{each.version}",
            moment(each.published_at, zone),
            each.published_by,
            each.message,
            "in force" if each.in_force else "",
        )
        for each in versions
    ]
    return Result(
        data=listing([_version_data(each) for each in versions]),
        lines=table(columns, rows, session.screen.width),
        bridge=bridge,
    )


def _version(text: str) -> int:
    """7 of `7` and of `v7`, as the history shows it."""
    from tieout.services.usage import UsedWronglyError

    digits = text.strip().casefold().removeprefix("v")
    if not (digits.isascii() and digits.isdigit()):
        raise UsedWronglyError(
            f'"{text}" is no version. Say it like 7.',
            code="no_version",
            hint="tieout config history",
        )
    return int(digits)


@command(
    "config rollback",
    examples=("tieout config rollback 7", "tieout config rollback 7 --yes --as anna.lind"),
)
async def rollback(
    session: Session,
    version: Annotated[str, Argument(help="Which version's content comes back, such as 7.")],
    yes: Annotated[bool, Option("--yes", help="Do it without asking.")] = False,
    as_: Actor = "",
) -> Result:
    """Put an older version's content in force again, as a new version."""
    from tieout.bootstrap import who_acts
    from tieout.services import configuration

    del yes
    number = _version(version)
    opened = await session.opened()
    bridge = await configuration.choose_bridge(opened, session.options.bridge)
    made, effect = await configuration.roll_back(
        opened, bridge, number, who=who_acts(as_), now=session.clock.now()
    )
    if made is None:
        in_force = await configuration.in_force(opened, bridge)
        assert in_force is not None
        return Result(
            data={"version": in_force.version, "content_of": number, "effect": effect},
            lines=[f"v{in_force.version} in force says the same as v{number}. Nothing to do."],
            bridge=bridge,
        )
    line = f"v{made.version} = v{number}."
    if effect.opens or effect.closes or effect.looked_at or effect.drafted or effect.live.flows:
        line += f" {effect.text().removesuffix(' Nothing else.')}"
    if not effect.drafted:
        line += " No document is touched."
    return Result(
        data={"version": made.version, "content_of": number, "effect": effect},
        lines=[line],
        bridge=bridge,
    )


# Inside.


async def _checked(session: Session, opened: Opened, offline: bool) -> Configuration:
    """The configuration, checked against all that can be asked."""
    from tieout.core.errors import ConfigurationError
    from tieout.services import configuration
    from tieout.settings.bridge import named_in

    try:
        found = await configuration.check(opened)
    except configuration.ConfigurationProblems as error:
        named = None if offline else named_in(opened.project.root)
        if named is None:
            raise
        crm, written = named
        try:
            known = await _schema(session, opened, crm)
        except ConfigurationError:
            # There is no such connection, which is one of the things that are wrong.
            raise error from None
        if known is None:
            raise
        raise await configuration.with_fields(opened, error, written, known) from None
    if not offline:
        known = await _schema(session, opened, found.crm)
        found = await configuration.check(opened, known, configuration=found)
    return found


async def _schema(session: Session, opened: Opened, crm: str) -> Schema | None:
    """The CRM's fields; None where it cannot be asked now, which is said and is no error."""
    from tieout.bootstrap import connector_of
    from tieout.core.errors import ConnectionBrokenError, TransientError

    try:
        connector = await connector_of(opened, crm)
        return await connector.describe()
    except (ConnectionBrokenError, TransientError) as error:
        session.screen.note(f"The fields of {crm} are not checked: {error.message}")
        return None


def problems_result(session: Session, error: ConfigurationProblems) -> Result:
    """Everything that is wrong in a file, each at its place."""
    from tieout.core.finding import Finding

    return Result(
        exit=Exit.CONFIGURATION,
        notes=[*error.text.splitlines(), f"{error.message}"],
        findings=[
            Finding(
                code=each.code,
                message=each.message,
                hint=each.hint,
                place=each.place,
                values={"key": ".".join(each.key), "value": each.value},
            )
            for each in error.problems
        ],
        error=ErrorInfo(
            code=error.code,
            message=error.message,
            place=error.place,
            reference=reference(error.code, session.clock.now()),
        ),
    )


def _summary(found: Configuration) -> str:
    from tieout.settings.bridge import summary

    return summary(found)


def _version_data(version: ConfigVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "published_at": version.published_at,
        "published_by": version.published_by,
        "message": version.message,
        "digest": version.digest,
        "in_force": version.in_force,
    }
