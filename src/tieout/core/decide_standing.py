"""What the CRM should show of a deal or customer; rows that we own whole."""

from __future__ import annotations

from dataclasses import fields

from tieout.core.case import OPEN, WAITING, Decision, OpState, StandingCase, Verdict
from tieout.core.change import Action, Change, Wanted
from tieout.core.digest import digest
from tieout.core.keys import operation_key
from tieout.core.model import Entity, Standing
from tieout.core.policy import FlowMode

_MARKS = frozenset({"ref", "version", "of", "shape"})
FIELDS = frozenset(entry.name for entry in fields(Standing)) - _MARKS


def decide_standing(case: StandingCase, lane: str, mode: FlowMode = FlowMode.AUTO) -> Decision:
    """
    Write the fields that differ from what was last shown; nothing when all are as wanted. With
    mode approve a person releases them.
    """
    operation = case.state.operation
    if operation is not None and operation.state in OPEN:
        return _decision(case, lane, Verdict.WAIT, "on_its_way")
    if case.wanted is None:
        return _decision(case, lane, Verdict.SKIP, "nothing_to_show")
    before = case.state.link.wanted if case.state.link else None
    if before is None and case.of == "deal":
        # A clone in the CRM took over what its original shows: the first write empties that.
        changed = FIELDS
    else:
        changed = frozenset(
            name for name in FIELDS if getattr(case.wanted, name) != getattr(before, name, None)
        )
    if not changed:
        return _decision(case, lane, Verdict.NOTHING, "in_step")
    change = Change(
        key=operation_key(case.state.slot, 0),
        entity=Entity.STANDING,
        action=Action.UPDATE,
        wanted=Wanted(record=case.wanted, fields=changed),
        target=case.ref,
        base=case.state.link.shown if case.state.link else None,
    )
    content = {name: getattr(case.wanted, name) for name in sorted(changed)}
    mark = digest(change.key, change.target, content)
    verdict, reason = Verdict.WRITE, "update"
    if mode is FlowMode.APPROVE and mark not in case.state.approved:
        verdict, reason = Verdict.APPROVAL, "waiting_for_approval"
    if operation is not None and operation.state in WAITING and operation.want_digest == mark:
        released = operation.state is OpState.READY
        if released == (verdict is Verdict.WRITE):
            verdict = Verdict.WAIT
    return _decision(case, lane, verdict, reason, change, mark, tuple(sorted(changed)))


def _decision(
    case: StandingCase,
    lane: str,
    verdict: Verdict,
    reason: str,
    change: Change | None = None,
    mark: str = "",
    differs: tuple[str, ...] = (),
) -> Decision:
    waiting = case.state.operation is not None and case.state.operation.state in WAITING
    return Decision(
        lane=lane,
        source_id=case.ref.id,
        verdict=verdict,
        reason=reason,
        state=case.state,
        change=change,
        digest=mark,
        differs=differs,
        supersede=waiting and verdict is not Verdict.WAIT,
    )
