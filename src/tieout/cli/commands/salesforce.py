"""`tieout salesforce`: the package for the org, built and deployed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.output import ErrorInfo, Exit, Result, reference
from tieout.core.finding import Finding, Severity
from tieout.services.usage import UsedWronglyError

if TYPE_CHECKING:
    from tieout.services.salesforce_package import Built, Deployed, Refused

DEFAULT_OUT = Path("tieout-salesforce.zip")
_DONE = {True: "would be deployed", False: "deployed"}


@command(
    "salesforce package",
    examples=(
        "tieout salesforce package",
        "tieout salesforce package --out tieout.zip --without Quote",
    ),
)
async def package(
    session: Session,
    out: Annotated[Path, Option("--out", metavar="FILE", help="Where to write it.")] = DEFAULT_OUT,
    without: Annotated[
        list[str] | None,
        Option("--without", metavar="OBJECT", help="Order or Quote, where switched off."),
    ] = None,
) -> Result:
    """Build the zip that an administrator can deploy: objects, fields, permission sets."""
    from tieout.cli.daily import check_file, write_file
    from tieout.services.salesforce_package import build

    check_file(out)
    built = build(tuple(without or ()))
    write_file(out, built.data)
    data = {"file": str(out), **_built_data(built)}
    return Result(
        data=data,
        lines=[
            f"{out}: {_counted(built)}, {len(built.data):,} bytes.",
            f"sha256 {built.sha256}",
        ],
        notes=["Same source, same bytes."],
        next=(f"sf project deploy start --single-package --metadata-dir {out}",),
    )


@command(
    "salesforce deploy",
    examples=("tieout salesforce deploy crm --check-only", "tieout salesforce deploy crm --assign"),
)
async def deploy(
    session: Session,
    connection: Annotated[str, Argument(help="A Salesforce connection.", show_default=False)] = "",
    check_only: Annotated[
        bool, Option("--check-only", help="Let the org check everything, change nothing.")
    ] = False,
    assign: Annotated[
        bool, Option("--assign", help="Give the connection's user the permission set as well.")
    ] = False,
    file: Annotated[
        Path | None, Option("--file", metavar="ZIP", help="This zip instead of our package.")
    ] = None,
    resume: Annotated[
        str, Option("--resume", metavar="ID", help="Follow a deployment; start none.")
    ] = "",
) -> Result:
    """Put the package into the org of a connection, and say all that the org refuses."""
    from tieout.cli.daily import progress, progress_over
    from tieout.services.salesforce_package import Deployer, read

    if not connection:
        raise UsedWronglyError("Which connection?", hint="tieout connection list")
    if resume and (file is not None or check_only):
        raise UsedWronglyError("--resume follows what was started; it takes no other zip.")
    session.ref["connection"] = connection
    built = read(_content(file)) if file is not None else None
    opened = await session.opened()
    say = progress(session)
    deployer = Deployer(opened, connection, lambda text: say(text))
    session.stops(deployer)
    if resume:
        done = await deployer.resume(resume, assign=assign)
    else:
        done = await deployer.deploy(built, check_only=check_only, assign=assign)
    progress_over(session)
    return _result(session, done)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        why = (error.strerror or "no reason given").lower()
        raise UsedWronglyError(f"{file} cannot be read: {why}.", code="file_unreadable") from None


# --- answers -------------------------------------------------------------------------------------


def _result(session: Session, done: Deployed) -> Result:
    if done.state == "succeeded":
        return _succeeded(done)
    made = {"refused": _refused, "cancelled": _cancelled}.get(done.state, _unknown)(done)
    assert made.error is not None
    now = session.clock.now()
    made.error = ErrorInfo(
        code=made.error.code,
        message=made.error.message,
        ref={"connection": done.connection, **_id(done)},
        reference=reference(made.error.code, now),
    )
    return made


def _id(done: Deployed) -> dict[str, str]:
    return {"deployment": done.progress.id} if done.progress is not None else {}


def _succeeded(done: Deployed) -> Result:
    assert done.progress is not None
    total = done.progress.deployed
    word = _DONE[done.check_only]
    line = f"{word:<8}  {total} components to {done.org_name} ({done.org_id})"
    new = (
        f", {done.progress.created} of them new" if done.progress.created else ", none of them new"
    )
    lines = [f"{line}{new}, {done.took_ms / 1000:.1f} s."]
    lines += [f"miss      {finding.message}" for finding in done.findings]
    notes = []
    if done.found:
        notes.append("The answer was lost; the deployment was found in the org's list, once.")
    if done.check_only:
        notes.append("Nothing was changed.")
        following = f"tieout salesforce deploy {done.connection}"
    elif done.assigned is False:
        following = f"tieout salesforce deploy {done.connection} --assign"
    else:
        following = f"tieout connection test {done.connection}"
    return Result(
        data=_data(done), lines=lines, notes=notes, next=(following,), findings=done.findings
    )


def _refused(done: Deployed) -> Result:
    assert done.progress is not None
    errors = [each for each in done.progress.refused if not each.warning]
    lines = [_refused_line(each) for each in done.progress.refused]
    if done.progress.message:
        lines.insert(0, f"refused   {done.progress.message}")
    kept = "The rest is deployed." if done.progress.deployed else "Nothing was changed in the org."
    count = len(errors) or len(done.progress.refused)
    message = (
        f"{done.org_name} refuses {count} component{'' if count == 1 else 's'}. {kept}"
        if count
        else f"{done.org_name} does not take the zip. {kept}"
    )
    return Result(
        exit=Exit.CONFIGURATION,
        data=_data(done),
        lines=lines,
        notes=[message],
        next=("tieout help deploy_refused",),
        findings=[*_refused_findings(done.progress.refused), *done.findings],
        error=ErrorInfo(code="deploy_refused", message=message),
    )


def _refused_line(each: Refused) -> str:
    word = "warning" if each.warning else "refused"
    place = f" ({_place(each)})" if each.file else ""
    return f"{word:<8}  {each.component}: {each.problem.strip().rstrip('.')}{place}"


def _place(each: Refused) -> str:
    return f"{each.file}, line {each.line}" if each.line else each.file


def _refused_findings(refused: Sequence[Refused]) -> list[Finding]:
    return [
        Finding(
            code="deploy_refused",
            message=f"{each.component}: {each.problem.strip()}",
            severity=Severity.WARNING if each.warning else Severity.ERROR,
            place=_place(each),
            values={"type": each.type, "name": each.name},
        )
        for each in refused
    ]


def _cancelled(done: Deployed) -> Result:
    message = f"The deployment was cancelled in {done.org_name}; nothing was changed there."
    return Result(
        exit=Exit.STOPPED,
        data=_data(done),
        notes=[message],
        next=(f"tieout salesforce deploy {done.connection}",),
        error=ErrorInfo(code="deploy_cancelled", message=message),
    )


def _unknown(done: Deployed) -> Result:
    if done.progress is None:
        message = (
            "No answer, and the org's list shows no deployment of ours so far. Nothing was sent "
            "twice."
        )
        following = f"tieout salesforce deploy {done.connection}"
    else:
        message = f"The deployment {done.progress.id} has not ended as far as we know."
        following = f"tieout salesforce deploy {done.connection} --resume {done.progress.id}"
    return Result(
        exit=Exit.UNKNOWN,
        data=_data(done),
        notes=[message],
        next=(following,),
        error=ErrorInfo(code="outcome_unknown", message=message),
    )


def _data(done: Deployed) -> dict[str, Any]:
    progress = done.progress
    return {
        "connection": done.connection,
        "org": {"id": done.org_id, "name": done.org_name},
        "deployment": progress.id if progress is not None else None,
        "state": done.state,
        "check_only": done.check_only,
        "found_in_list": done.found,
        "components": {
            "total": progress.total,
            "deployed": progress.deployed,
            "new": progress.created,
            "refused": len([each for each in progress.refused if not each.warning]),
        }
        if progress is not None
        else None,
        "errors": [_error_data(each) for each in progress.refused] if progress is not None else [],
        "message": (progress.message or None) if progress is not None else None,
        "permission_set_assigned": done.assigned,
        "package": _built_data(done.built) if done.built is not None else None,
    }


def _error_data(each: Refused) -> dict[str, Any]:
    return {
        "component": each.component,
        "type": each.type,
        "name": each.name,
        "problem": each.problem.strip(),
        "file": each.file or None,
        "line": each.line or None,
        "column": each.column or None,
        "severity": "warning" if each.warning else "error",
    }


def _built_data(built: Built) -> dict[str, Any]:
    kinds = sorted({kind for kind, _ in built.components})
    return {
        "sha256": built.sha256,
        "bytes": len(built.data),
        "components": {kind: built.count(kind) for kind in kinds},
        "without": list(built.without),
    }


def _counted(built: Built) -> str:
    parts = (
        (built.count("CustomObject"), "object"),
        (built.count("CustomField"), "field"),
        (built.count("PermissionSet"), "permission set"),
    )
    shown = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in parts)
    left = f", without {' and '.join(built.without)}" if built.without else ""
    return f"{shown}{left}"
