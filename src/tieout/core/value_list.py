"""Codes of the books as a list of values: added, relabelled, put out of use, never taken away."""

from __future__ import annotations

from collections.abc import Sequence

from tieout.core.model import Code, ListedValue, ValueList


def wanted_values(
    codes: Sequence[Code], shown: ValueList, before: ValueList | None, label: str
) -> ValueList:
    """
    The list as it should be. ``shown`` is what it has, ``before`` what was wanted the last time.

    Values keep their order; new ones come last, by their code. A value that came from the books and
    is no code of theirs (any more), or one that may not be used, goes out of use. What nobody of
    the books brought stays as it is.
    """
    there = {code.code: code for code in codes if code.code}
    ours = set(before.ours if before is not None else ()) | there.keys()
    values = [
        _value(one, there.get(one.code), label) if one.code in ours else one for one in shown.values
    ]
    known = {one.code for one in shown.values}
    values += [
        ListedValue(code=code, label=_label(there[code], label))
        for code in sorted(there.keys() - known)
        if there[code].active
    ]
    return ValueList(name=shown.name, values=tuple(values), ours=tuple(sorted(ours)))


def emptied(codes: Sequence[Code], shown: ValueList, before: ValueList | None) -> bool:
    """
    Whether every value of the books would go out of use, since they tell of no such code any more:
    a right or a module that is missing looks the same, and a person says which it is.
    """
    ours = set(before.ours) if before is not None else set()
    return not codes and any(one.active and one.code in ours for one in shown.values)


def _value(shown: ListedValue, code: Code | None, label: str) -> ListedValue:
    if code is None:
        return ListedValue(code=shown.code, label=shown.label, active=False)
    return ListedValue(code=shown.code, label=_label(code, label), active=code.active)


def _label(code: Code, label: str) -> str:
    name = code.name.strip() or code.code
    if label == "both" and name != code.code:
        return f"{code.code} {name}"
    return code.code if label == "code" else name
