"""What the CRM should show of a record of the books: an item or an invoice that the books own."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from tieout.core.case import OPEN, WAITING, Decision, OpState, PublishedCase, Verdict
from tieout.core.change import Action, Change, Wanted
from tieout.core.compare import line_content
from tieout.core.digest import digest
from tieout.core.finding import Finding
from tieout.core.keys import operation_key
from tieout.core.model import Entity, Item, Line, Record
from tieout.core.policy import FlowMode
from tieout.core.pricing import amounts

ITEM_FIELDS = frozenset({"number", "name", "unit", "price", "active"})
INVOICE_FIELDS = frozenset(
    {
        "kind",
        "number",
        "raw_status",
        "booked",
        "customer",
        "issue_date",
        "due_date",
        "currency",
        "totals",
        "paid",
        "credited",
        "sale",
        "lines",
        "last_payment_on",
        "url",
        "extra",
    }
)


def decide_published(
    case: PublishedCase,
    lane: str,
    entity: Entity,
    fields: Set[str],
    mode: FlowMode = FlowMode.AUTO,
) -> Decision:
    """
    Make it in the CRM, correct the fields in which it differs, or nothing.

    The books own these fields: what a person writes over them in the CRM is set right again. What
    the CRM cut or rounded when it was last written is no difference. One record of the CRM with
    the same number is taken for it; several are for a person. Nothing is ever deleted there.
    """
    operation = case.state.operation
    if operation is not None and operation.state in OPEN:
        return _decision(case, lane, Verdict.WAIT, "on_its_way")
    if case.found:
        first = case.found[0]
        return _decision(case, lane, Verdict.HOLD, first.code, first.message, findings=case.found)
    if case.wanted is None:
        if case.waits_for and case.state.current is None:
            return _decision(case, lane, Verdict.WAIT, case.reason, waits_for=case.waits_for)
        return _decision(case, lane, Verdict.SKIP, case.reason)
    if case.state.current is not None:
        return _in_step(case, lane, entity, fields, mode)
    if len(case.candidates) == 1:
        return _decision(
            case,
            lane,
            Verdict.AGREED,
            "matched",
            f"{case.number} is in the CRM already.",
            # Its base is what it shows: what the books say otherwise is written next.
            agreed=(case.candidates[0], case.candidates[0]),
            again=True,
            adopt=case.candidates[0].ref,
            adopted_record=case.candidates[0],
        )
    if case.candidates:
        return _hold(
            case,
            lane,
            entity,
            "number_twice_in_crm",
            f"{len(case.candidates)} records of the CRM have the number {case.number}.",
            "Give all but one of them another number, or none.",
            ids=" ".join(one.ref.id for one in case.candidates if one.ref),
        )
    if not case.active:
        return _decision(case, lane, Verdict.SKIP, "inactive")
    change = Change(
        key=operation_key(case.state.slot, case.state.generation),
        entity=entity,
        action=Action.CREATE,
        wanted=Wanted(record=case.wanted, fields=frozenset(fields)),
    )
    return _write(case, lane, change, mode, case.told[0] or "create", ())


def _in_step(
    case: PublishedCase, lane: str, entity: Entity, fields: Set[str], mode: FlowMode
) -> Decision:
    current, wanted = case.state.current, case.wanted
    assert current is not None
    assert wanted is not None
    if case.target is None or (case.target.gone and not case.target.gone_certain):
        return _decision(case, lane, Verdict.WAIT, "not_read_yet")
    if case.target.gone:
        return _hold(
            case,
            lane,
            entity,
            "deleted_in_crm",
            f"{case.title or case.number} was deleted in the CRM.",
            "Restore it there, or dismiss this: tieout exceptions show.",
        )
    shown = case.target.record
    changed = _differs(case, shown, fields)
    if not changed:
        link = case.state.link
        if link is None or link.wanted != wanted or link.shown != shown:
            reason = case.told[0] or "agreed"
            return _decision(case, lane, Verdict.AGREED, reason, agreed=(wanted, shown))
        return _decision(case, lane, Verdict.NOTHING, case.told[0] or "in_step")
    change = Change(
        key=operation_key(case.state.slot, current.generation),
        entity=entity,
        action=Action.UPDATE,
        wanted=Wanted(record=wanted, fields=changed),
        target=current.ref,
        base=shown,
        version=getattr(shown, "version", None),
    )
    return _write(case, lane, change, mode, case.told[0] or "update", tuple(sorted(changed)))


def _differs(case: PublishedCase, shown: Record, fields: Set[str]) -> frozenset[str]:
    """Fields that show something else than wanted, and not merely as the CRM cut them before."""
    link = case.state.link
    found = set()
    for name in fields:
        wanted, seen = _content(case.wanted, name), _seen(case.wanted, shown, name)
        if wanted == seen:
            continue
        as_before = (
            link is not None
            and link.known
            and link.wanted is not None
            and link.shown is not None
            and wanted == _content(link.wanted, name)
            and seen == _seen(case.wanted, link.shown, name)
        )
        if not as_before:
            found.add(name)
    return frozenset(found)


def _content(record: Record | None, name: str) -> Any:
    """A field as it is compared: amounts by their value, lines by what they say."""
    value = getattr(record, name, None)
    if name == "lines":
        return tuple(_line(line) for line in value or ())
    if name == "prices":
        return amounts(value or ())
    if name == "extra":
        return {key: _plain(one) for key, one in value.items()} if value else {}
    return value


def _line(line: Line) -> tuple[Any, ...]:
    """What a line says and what it comes to: the books own both (decision 42)."""
    net = None if line.stated_net is None else line.stated_net.normalize()
    rate = None if line.tax_rate is None else line.tax_rate.normalize()
    return (*line_content(line), line.unit, net, rate, line.tax_code)


def _plain(value: Any) -> Any:
    """A text without blanks around it; an empty one is nothing."""
    return (value.strip() or None) if isinstance(value, str) else value


def _seen(wanted: Record | None, shown: Record | None, name: str) -> Any:
    """What the CRM shows in a field; of price lists and its own fields, those that are ours."""
    seen = _content(shown, name)
    if name == "prices":
        ours = {(one.list, one.currency) for one in getattr(wanted, "prices", ())}
        return {place: amount for place, amount in seen.items() if place in ours}
    if name == "extra" and isinstance(wanted, Item):
        return {field: seen.get(field) for field in wanted.extra}
    return seen


# --- results --------------------


def _write(
    case: PublishedCase,
    lane: str,
    change: Change,
    mode: FlowMode,
    reason: str,
    differs: tuple[str, ...],
) -> Decision:
    assert change.wanted is not None
    content = {name: _content(change.wanted.record, name) for name in sorted(change.wanted.fields)}
    mark = digest(change.key, change.action, change.entity, change.target, content)
    verdict = Verdict.WRITE
    if mode is FlowMode.APPROVE and mark not in case.state.approved:
        verdict, reason = Verdict.APPROVAL, "waiting_for_approval"
    waiting = case.state.operation
    if waiting is not None and waiting.state in WAITING and waiting.want_digest == mark:
        released = waiting.state is OpState.READY
        if released == (verdict is Verdict.WRITE):
            return _decision(case, lane, Verdict.WAIT, reason, change=change, digest=mark)
    return _decision(
        case,
        lane,
        verdict,
        reason,
        change=change,
        digest=mark,
        differs=differs,
        supersede=waiting is not None and waiting.state in WAITING,
    )


def _hold(
    case: PublishedCase,
    lane: str,
    entity: Entity,
    code: str,
    message: str,
    hint: str,
    **values: str,
) -> Decision:
    finding = Finding(code=code, message=message, hint=hint, hold_on=str(entity), values=values)
    return _decision(case, lane, Verdict.HOLD, code, message, findings=(finding,))


def _decision(
    case: PublishedCase, lane: str, verdict: Verdict, reason: str, message: str = "", **more: Any
) -> Decision:
    waiting = case.state.operation is not None and case.state.operation.state in WAITING
    more.setdefault("supersede", waiting and verdict is not Verdict.WAIT)
    # What it lacks is said with whatever else becomes of it.
    message = " ".join(part for part in (message, case.told[1]) if part)
    return Decision(
        lane=lane,
        source_id=case.source.id,
        verdict=verdict,
        reason=reason,
        message=message,
        state=case.state,
        number=case.number,
        title=case.title,
        # What is looked at again at once needs no day.
        not_before=None if more.get("again") else case.not_before,
        **more,
    )
